"""The triage screen: list, filter, what is read."""

from typing import Any, cast

from textual.pilot import Pilot

from issuetrack.tui.app import TriageApp
from issuetrack.tui.widgets.entries import Entries
from tui.conftest import Desk, read, settled, shown


def _listed(pilot: Pilot[Any]) -> set[str | None]:
    """Return the keys of the issues that the list holds."""
    app = cast("TriageApp", pilot.app)
    numbers = list(app.screen.query_one("#issues", Entries).entries)
    assert app.workspace is not None
    rows = app.workspace.issues.summaries(app.workspace.actor, numbers)
    return {row.key for row in rows.values()}


async def test_the_first_issue_is_read_at_once(desk: Desk) -> None:
    """The list stands, the first issue is open, and past ones like it are named."""
    async with desk.at() as pilot:
        assert "OPS-201" in shown(pilot.app)
        assert "remaining" in read(pilot.app)
        assert "Similar" in read(pilot.app)
        assert not desk.reported


async def test_a_filter_is_taken_while_it_is_typed(desk: Desk) -> None:
    """Words and columns filter; a wrong one is explained and the list stays."""
    async with desk.at() as pilot:
        await pilot.press("slash", *(["backspace"] * 40), *"priority:P2 status:open")
        await pilot.pause(0.3)
        await settled(pilot)
        assert _listed(pilot) == {"OPS-202", "OPS-203"}
        await pilot.press(*":x")
        await pilot.pause(0.3)
        await settled(pilot)
        assert "is not one of its values" in shown(pilot.app)
        assert _listed(pilot) == {"OPS-202", "OPS-203"}
