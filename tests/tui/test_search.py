"""Search everywhere: what is typed, how it is found, what it leads to."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from textual.pilot import Pilot

from conftest import Team
from issuetrack.connectors.files.pages import PageReader
from issuetrack.engine.errors import ModelError
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.inference.ports import Vectors
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.tui.screens.search import SearchScreen
from issuetrack.tui.widgets.reader import Reader
from tui.conftest import SMALL, WIDE, Desk, copied, read, settled, shown, waiting

PAGE = (
    "# Broker\n\nA queue that nobody reads.\n\n- Drain it: `brokerctl drain node-2`\n"
)
HOSTILE = "[bold]boom[/bold] [@click=app.quit]x"
PAUSE = 0.3


class Gone(LlamaEmbedder):
    """The shipped model without its file."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        raise ModelError("the model file is missing", "install issuetrack again")


class Slow(LlamaEmbedder):
    """The shipped model on a machine that hangs."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.go_on.wait(60)
        return super().embed(texts)


@pytest.fixture(scope="module")
def shelf_template(
    desk_template: Team,
    embedder: LlamaEmbedder,
    tmp_path_factory: pytest.TempPathFactory,
) -> Team:
    """Return the furnished workspace with a document and a hostile issue besides."""
    folder = tmp_path_factory.mktemp("shelf")
    desk = Desk(copied(desk_template, folder), embedder)
    owner = desk.workspace("owner")
    pages = folder / "pages"
    pages.mkdir()
    (pages / "broker.md").write_text(PAGE)
    reader = PageReader(pages)
    owner.document_imports.run(owner.actor, "wiki", "markdown", reader)
    owner.issues.create(owner.actor, IssueDraft(HOSTILE, body=HOSTILE))
    owner.drain_index()
    desk.team.close()
    return desk.team


@pytest.fixture
def shelf(
    shelf_template: Team, embedder: LlamaEmbedder, tmp_path: Path
) -> Iterator[Desk]:
    """Return a desk of its own for one test."""
    desk = Desk(copied(shelf_template, tmp_path), embedder)
    yield desk
    desk.team.close()


async def asked(pilot: Pilot[None], text: str) -> SearchScreen:
    """Go to the search, type a question, and wait for the answer."""
    await pilot.press("3")
    await pilot.pause()
    await pilot.press("slash", *text)
    await pilot.pause(PAUSE)
    await settled(pilot)
    screen = pilot.app.screen
    assert isinstance(screen, SearchScreen)
    return screen


async def done(pilot: Pilot[None], *keys: str) -> str:
    """Press keys, and return what is then on the screen."""
    await pilot.press(*keys)
    await pilot.pause()
    await settled(pilot)
    return shown(pilot.app)


def found(screen: SearchScreen) -> list[str]:
    """Return the names of what is found, best first."""
    return [hit.match.subject.name for hit in screen.answered.hits]


async def test_it_is_found_while_it_is_typed_and_the_passage_marked(
    shelf: Desk,
) -> None:
    """The best is read at once, at the line that is about the question."""
    async with shelf.at(size=WIDE) as pilot:
        screen = await asked(pilot, "too many clients")
        assert "OPS-116" in shown(pilot.app)
        assert "words and meaning | everything" in shown(pilot.app)
        reader = screen.query_one("#preview", Reader)
        assert "too many clients" in reader.lines[reader.cursor]
        await pilot.press("enter", "j")
        await settled(pilot)
        assert screen.hit is screen.answered.hits[1]
        assert not shelf.reported


async def test_m_goes_by_words_or_by_meaning_alone(shelf: Desk) -> None:
    """Words alone find no paraphrase; meaning alone adds no leg of words."""
    async with shelf.at() as pilot:
        screen = await asked(pilot, "purchase")
        both = found(screen)
        assert "words only" in await done(pilot, "enter", "m")
        by_words = found(screen)
        assert 0 < len(by_words) < len(both)
        assert "meaning only" in await done(pilot, "m")
        legs = {c.leg for hit in screen.answered.hits for c in hit.match.contributions}
        assert not any(leg.startswith("lexical") for leg in legs)
        assert "words and meaning" in await done(pilot, "m")
        assert both == found(screen)


async def test_f_chooses_what_to_look_for(shelf: Desk) -> None:
    """SOPs, issues or documents alone."""
    async with shelf.at() as pilot:
        screen = await asked(pilot, "database connection")
        await pilot.press("enter", "f")
        await pilot.pause()
        assert "SOPs |" in await done(pilot, "s") or found(screen) == ["S1"]
        assert found(screen) == ["S1"]
        await pilot.press("f")
        await pilot.pause()
        await done(pilot, "d")
        assert found(screen) == ["D1"]


async def test_e_explains_the_score_and_goes_back(shelf: Desk) -> None:
    """Each leg tells rank, weight and what it adds, down to the sum."""
    async with shelf.at() as pilot:
        screen = await asked(pilot, "database connection")
        await done(pilot, "enter", "f", "s")
        await done(pilot, "e")
        told = read(pilot.app, "#preview")
        assert "Why S1 is number 1 of 1" in told
        for leg in ("words, in its name", "meaning, of the text", "approved SOP"):
            assert leg in told
        assert f"{screen.answered.hits[0].match.score:+.2f}" in told
        assert "not adapted to this workspace" in told
        await done(pilot, "e")
        assert "Scale the shop down" in read(pilot.app, "#preview")


async def test_enter_goes_to_where_it_is_at_home(shelf: Desk) -> None:
    """An issue is read in triage at its passage, an SOP in the library."""
    async with shelf.at() as pilot:
        await asked(pilot, "too many clients")
        await done(pilot, "enter", "enter")
        detail = pilot.app.screen.query_one("#detail", Reader)
        assert detail.has_focus
        marked = " ".join(detail.lines[detail.cursor : detail.cursor + 2])
        assert "too many clients" in marked
        screen = await asked(pilot, "pool has no connection left")
        await done(pilot, "enter", "f", "s")
        assert found(screen) == ["S1"]
        await done(pilot, "enter")
        await settled(pilot)
        assert "Scale the shop down" in read(pilot.app, "#sop")


async def test_a_document_is_read_and_copied(shelf: Desk) -> None:
    """Enter goes into it at its passage; y copies it."""
    async with shelf.at() as pilot:
        screen = await asked(pilot, "brokerctl drain")
        assert found(screen)[0] == "D1"
        await done(pilot, "enter", "enter")
        reader = screen.query_one("#preview", Reader)
        assert reader.has_focus
        assert "Drain it: brokerctl drain node-2" in reader.lines[reader.cursor]
        await done(pilot, "y")
        assert "- Drain it: `brokerctl drain node-2`" in pilot.app.clipboard
        await done(pilot, "escape", "j", "y")
        assert pilot.app.clipboard.startswith("# ")
        assert "brokerctl" not in pilot.app.clipboard


async def test_what_is_not_indexed_yet_is_told(shelf: Desk) -> None:
    """Whoever misses an issue learns that it is findable soon."""
    owner = shelf.workspace("owner")
    owner.issues.create(owner.actor, IssueDraft("Quokka in the server room"))
    async with shelf.at(size=SMALL) as pilot:
        await asked(pilot, "quokka")
        await done(pilot, "enter")
        assert "1 issue or document or SOP is not indexed yet" in shown(pilot.app)


async def test_without_a_model_words_still_find(shelf: Desk) -> None:
    """What is missing is told with its remedy; meaning alone finds nothing."""
    shelf.model = Gone()
    async with shelf.at(size=SMALL) as pilot:
        screen = await asked(pilot, "too many clients")
        told = await done(pilot, "enter")
        assert "by words only: the model file is missing" in told
        assert "install issuetrack again" in told
        assert "#" in found(screen)[0]
        assert "missing" not in await done(pilot, "m")
        told = await done(pilot, "m")
        assert "m goes by words" in told
        assert found(screen) == []
        assert not shelf.reported


async def test_a_model_that_hangs_is_left_with_esc(shelf: Desk) -> None:
    """Nothing blocks: keys work meanwhile, and Esc gives up at once."""
    model = shelf.model = Slow()
    async with shelf.app().run_test(size=WIDE) as pilot:
        await waiting(pilot, "OPS-201")
        await pilot.press("3")
        await pilot.press(*"late", "enter")
        await waiting(pilot, "searching...")
        began = time.monotonic()
        await pilot.press("escape")
        await waiting(pilot, "no answer: Enter searches again")
        assert time.monotonic() - began < 2
        model.go_on.set()
        await asyncio.sleep(0)


async def test_hostile_text_is_text(shelf: Desk) -> None:
    """Markup in a question, a title and a body is drawn as it stands."""
    async with shelf.at() as pilot:
        await asked(pilot, "[bold]boom[/x] [")
        assert HOSTILE in shown(pilot.app)
        assert HOSTILE in read(pilot.app, "#preview")
        await done(pilot, "enter", "e")
        assert HOSTILE in read(pilot.app, "#preview")
        assert not shelf.reported


async def test_nothing_found_and_nothing_asked_say_what_to_do(shelf: Desk) -> None:
    """An action without a result says why; an empty question finds nothing."""
    async with shelf.at(size=SMALL) as pilot:
        await pilot.press("3")
        await pilot.press("escape", "e")
        await pilot.pause()
        (note,) = pilot.app._notifications
        assert "Nothing is found yet" in note.message
        await pilot.press("m", "slash", *"qwxvz", "enter")
        await settled(pilot)
        assert "Nothing like it is on record" in shown(pilot.app)
        assert "words only | everything | 0 found" in shown(pilot.app)
