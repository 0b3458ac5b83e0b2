"""Every action in every role: what is offered, and what the engine refuses anyway."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, TextArea
from textual.worker import WorkerState

from conftest import MEMBERS
from engine.sync.scripted import settings, stored
from issuetrack.engine.assistant.sops.procedure import Procedure
from issuetrack.engine.identity.audit_log import AuditFilter, AuditRecord
from issuetrack.engine.identity.policy import allowed
from issuetrack.engine.store.types import Role
from issuetrack.engine.workspace import Workspace
from issuetrack.tui.actions import ACTIONS, Action, Place, actions
from issuetrack.tui.page import Page
from issuetrack.tui.palette import Commands
from issuetrack.tui.screens.help import HelpScreen
from issuetrack.tui.screens.search import SearchScreen
from issuetrack.tui.screens.sops import SopScreen
from issuetrack.tui.screens.triage import TriageScreen
from issuetrack.tui.widgets.dialogs import Choose, Dialog
from issuetrack.tui.widgets.entries import Entries
from issuetrack.tui.widgets.reader import Reader
from tui.conftest import SMALL, Desk, settled

# FAULTS 34
PAGES: dict[Place, type[Page]] = {
    Place.TRIAGE: TriageScreen,
    Place.SOPS: SopScreen,
    Place.SEARCH: SearchScreen,
}
PANES: dict[Place, Any] = {
    Place.LIST: Entries,
    Place.READER: Reader,
    Place.HELP: HelpScreen,
}
WITHOUT_EFFECT = {"issue.undo", "sop.queue"}
WORDS = "Root cause: too many pods. Fix: scaled the shop down to 12 pods."
ANSWER = "2"
OVER = {WorkerState.SUCCESS, WorkerState.ERROR, WorkerState.CANCELLED}


def here(place: Place) -> list[Action]:
    """Return what the registry has for a page."""
    return [*actions(Place.ANYWHERE), *actions(place)]


def test_every_place_is_looked_at_here() -> None:
    """No action is listed at a place that these tests do not know."""
    known = {*PAGES, *PANES, Place.ANYWHERE}
    assert {action.place for action in ACTIONS} <= known


@pytest.mark.parametrize("place", PAGES)
def test_a_page_does_what_is_listed_and_nothing_else(place: Place) -> None:
    """Each action has its method, and no method is an action that nobody listed."""
    found = {name for name in dir(PAGES[place]) if name.startswith("do_")}
    assert found == {action.method for action in here(place)}


@pytest.mark.parametrize("place", PANES)
def test_a_pane_has_the_keys_that_are_listed(place: Place) -> None:
    """Each action of a list, a reader and the help is bound there."""
    bound = {getattr(binding, "id", None) for binding in PANES[place].BINDINGS}
    assert {action.name for action in actions(place)} <= bound


@pytest.mark.parametrize("member", ["viewer", "engineer", "owner"])
async def test_a_role_is_offered_what_it_may_do(desk: Desk, member: str) -> None:
    """Keys, palette and footer offer what the policy allows, and all of that."""
    mine = set(allowed(MEMBERS[member]))
    async with desk.at(member, size=SMALL) as pilot:
        async for page in _pages(pilot):
            listed = here(page.PLACE)
            may = {a.name for a in listed if a.needs is None or a.needs.value in mine}
            offered = {a.name for a in listed if page.check_action("do", (a.name,))}
            assert offered == may
            told = {hit.text async for hit in _palette(page)}
            assert told & {a.title for a in listed} == {
                a.title for a in listed if a.name in may
            }
            bound = {b.binding.id for b in page.active_bindings.values()}
            assert not bound & ({a.name for a in listed} - may)


async def _pages(pilot: Pilot[Any]) -> AsyncIterator[Page]:
    app: Any = pilot.app
    for place in PAGES:
        app.go(place)
        await settled(pilot)
        yield cast("Page", app.screen)


async def _palette(page: Page) -> AsyncIterator[Any]:
    async for hit in Commands(page).discover():
        yield hit


def _lacking(role: Role) -> list[Action]:
    mine = set(allowed(role))
    return [a for a in ACTIONS if a.needs is not None and a.needs.value not in mine]


@pytest.mark.parametrize(
    "member", [m for m in ("viewer", "engineer", "owner") if _lacking(MEMBERS[m])]
)
async def test_the_engine_refuses_what_is_not_offered(
    desk: Desk, member: str, tmp_path: Path
) -> None:
    """Whoever gets past the keys and answers every question changes nothing."""
    desk.doors["environment"] = {
        "EDITOR": _editor(tmp_path / "editor"),
        "ISSUETRACK_STATE_DIR": str(tmp_path / "state"),
    }
    owner = desk.workspace()
    owner.sources.add(owner.actor, settings(), "repo acme/shop", stored())
    for title in ("Drain the queue", "Renew the certificate"):
        owner.sops.create(owner.actor, Procedure(title, steps="1. Do it: `date`"))
    owner.sops.submit(owner.actor, "S2")
    left: dict[str, list[str]] = {}
    async with desk.at(member, size=SMALL) as pilot:
        app: Any = pilot.app
        for action in _lacking(MEMBERS[member]):
            await _stand(pilot, action)
            before = _trail(owner)
            page = cast("Page", app.screen)
            done = getattr(page, action.method)()
            if done is not None:
                page.begin(action.name, done)
            await _answered(pilot, page)
            entries = _trail(owner)[: len(_trail(owner)) - len(before)]
            left[action.name] = [_said(entry) for entry in entries]
    assert not desk.reported
    for action in _lacking(MEMBERS[member]):
        refused = {f"access.denied {action.needs}"}
        found = set(left[action.name])
        assert found <= refused, action.name
        assert found or action.name in WITHOUT_EFFECT, action.name


async def _stand(pilot: Pilot[Any], action: Action) -> None:
    """Stand where an action makes sense: on a draft to submit, on what is in review."""
    app: Any = pilot.app
    if app.screen.PLACE is not action.place:
        app.go(action.place)
        while not app.screen.query("Reader"):
            await pilot.pause(0.01)
        await settled(pilot)
    if action.place is Place.SOPS:
        sop = 3 if action.name == "sop.submit" else 2
        await app.screen.show_version(sop, 1)


def _editor(path: Path) -> str:
    path.write_text('#!/bin/sh\necho "and more words" >> "$1"\n')
    path.chmod(0o755)
    return str(path)


def _trail(owner: Workspace) -> list[AuditRecord]:
    return owner.trail.entries(owner.actor, AuditFilter(), 100_000)


def _said(entry: AuditRecord) -> str:
    return f"{entry.action} {entry.entity.partition(':')[2]}".rstrip()


async def _answered(pilot: Pilot[Any], page: Page) -> None:
    """Answer every question until nothing is asked and nothing runs any more."""
    for _ in range(1000):
        await pilot.pause(0.01)
        screen = pilot.app.screen
        if isinstance(screen, Dialog):
            if screen.query("Entries, TextArea, Input, Reader"):
                await _answer(pilot, screen)
        elif all(worker.state in OVER for worker in pilot.app.workers):
            return
    raise AssertionError(f"{page} still runs")


async def _answer(pilot: Pilot[Any], dialog: Dialog[Any]) -> None:
    if isinstance(dialog, Choose):
        dialog.dismiss(dialog.options[-1].value)
    elif dialog.query(TextArea):
        dialog.query_one(TextArea).text = WORDS
        await pilot.press("ctrl+s")
    elif dialog.query(Input):
        dialog.query_one(Input).value = ANSWER
        await pilot.press("enter")
    else:
        await pilot.press("y", "escape")
