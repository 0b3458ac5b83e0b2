"""How every screen looks: wide and 80x24, dark and light.

After a change that is meant: `pytest tests/tui/test_snapshots.py --snapshot-update`,
and look at the pictures in `__snapshots__`.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.image import SVGImageSnapshotExtension
from textual.pilot import Pilot
from textual.widgets import Input

from conftest import Team
from issuetrack.engine.errors import NotFoundError
from issuetrack.engine.workspace import Workspace
from issuetrack.tui.app import PassphraseNeeded
from issuetrack.tui.preferences import TuiPreferences
from tui.conftest import SMALL, WIDE, Desk, closed, copied, furnished, settled, waiting
from tui.word_model import WordModel

SIZES = pytest.mark.parametrize("size", [WIDE, SMALL], ids=["wide", "small"])
THEMES = pytest.mark.parametrize("theme", ["dark", "light"])
WALK = (
    ("triage", ()),
    ("assistant", ("s", "tab", "tab")),
    ("rating", ("asterisk",)),
    ("help", ("escape", "question_mark")),
    ("palette", ("escape", "colon")),
    ("sops", ("escape", "2")),
    ("sop", ("tab",)),
    ("search", ("3", *"pool", "enter")),
)


@pytest.fixture(scope="session")
def drawn_template(
    team_template: Team, tmp_path_factory: pytest.TempPathFactory
) -> Team:
    """Return a workspace whose scores are the same on every machine."""
    return furnished(team_template, WordModel(), tmp_path_factory.mktemp("drawn"))


@pytest.fixture
def drawn(drawn_template: Team, tmp_path: Path) -> Iterator[Desk]:
    """Return a desk over a copy of it."""
    desk = Desk(copied(drawn_template, tmp_path), WordModel())
    yield desk
    desk.team.close()


@pytest.fixture
def picture(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Return what compares pictures."""
    return snapshot.use_extension(SVGImageSnapshotExtension)


async def drawing(pilot: Pilot[Any]) -> str:
    """Return the screen as a picture, when nothing moves any more."""
    for line in pilot.app.screen.query(Input):
        line.cursor_blink = False
    before = ""
    for _ in range(50):
        await settled(pilot)
        await pilot.pause(0.1)
        svg = pilot.app.export_screenshot(title="issuetrack", simplify=True)
        if svg == before:
            break
        before = svg
    return re.sub(r"terminal-\d+", "terminal", before)


@SIZES
@THEMES
async def test_screens_of_a_workspace(
    drawn: Desk, picture: SnapshotAssertion, size: tuple[int, int], theme: str
) -> None:
    """Triage, assistant, dialog, help, palette, SOPs and search."""
    preferences = TuiPreferences(theme=theme)
    async with drawn.at("engineer", size, preferences) as pilot:
        for name, keys in WALK:
            await pilot.press(*keys)
            assert await drawing(pilot) == picture(name=name)


def _nothing(_: str | None) -> Workspace:
    raise NotFoundError("there is no workspace", "create one: issuetrack init")


def _locked(_: str | None) -> Workspace:
    raise PassphraseNeeded("engineer")


@SIZES
@THEMES
@pytest.mark.parametrize(
    ("opened", "told"),
    [(_nothing, "issuetrack init"), (_locked, "assphrase")],
    ids=["welcome", "unlock"],
)
async def test_screens_before_a_workspace(
    picture: SnapshotAssertion,
    size: tuple[int, int],
    theme: str,
    opened: Callable[[str | None], Workspace],
    told: str,
) -> None:
    """The first run, and a workspace that is locked."""
    app = closed(opened, TuiPreferences(theme=theme))
    async with app.run_test(size=size) as pilot:
        await waiting(pilot, told)
        assert await drawing(pilot) == picture
