"""Help and palette: what they show is what there is, and each key does something."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import pytest
from textual.command import CommandList, CommandPalette
from textual.pilot import Pilot
from textual.widgets import Input

from issuetrack.tui.actions import ACTIONS, BY_NAME, Action, Place, actions
from issuetrack.tui.keys import called, grouped
from issuetrack.tui.own_commands import OwnCommand
from issuetrack.tui.page import Page
from issuetrack.tui.preferences import TuiPreferences, meet
from issuetrack.tui.screens.help import HelpScreen
from issuetrack.tui.widgets.entries import Entries
from issuetrack.tui.widgets.reader import Reader
from tui.conftest import SMALL, WIDE, Desk, settled, shown

PLACES = {Place.TRIAGE: "1", Place.SOPS: "2", Place.SEARCH: "3"}
HOSTILE = "[bold]boom[/bold] [@click=app.quit]x"
BACKWARDS = ("up", "first", "page_up", "previous")


async def page_at(pilot: Pilot[None], place: Place) -> Page:
    """Go to a place with something in its list and its first text."""
    if place is not Place.TRIAGE:
        await pilot.press(PLACES[place])
        await pilot.pause()
    page = cast("Page", pilot.app.screen)
    if place is Place.SEARCH:
        page.query_one("#asked", Input).value = "database connection"
        await pilot.pause(0.3)
    await settled(pilot)
    page.front(page.PANES[0])
    await pilot.pause()
    return page


async def help_at(pilot: Pilot[None]) -> HelpScreen:
    """Open the help."""
    await pilot.press("f1")
    await pilot.pause()
    screen = pilot.app.screen
    assert isinstance(screen, HelpScreen)
    return screen


async def bound(pilot: Pilot[None], page: Page) -> dict[str, set[str]]:
    """Return the keys that work on a page, by action, whichever pane has them."""
    keys: dict[str, set[str]] = {}
    for pane in page.PANES:
        page.front(pane)
        await pilot.pause()
        for key, active in page.active_bindings.items():
            name = active.binding.id or f"app.{active.binding.action}"
            if name in BY_NAME:
                keys.setdefault(name, set()).add(called(key))
    return keys


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("member", ["viewer", "owner"])
async def test_help_shows_the_keys_that_work_and_no_other(
    desk: Desk, place: Place, member: str
) -> None:
    """It is what the screen has bound, remapped, for this person."""
    keymap = {"app.theme": "ctrl+t,f9", "list.down": "n"}
    async with desk.at(member, preferences=TuiPreferences(keymap=keymap)) as pilot:
        page = await page_at(pilot, place)
        told = {o.name: {*o.keys.split(", ")} for o in grouped(page)}
        assert told["app.theme"] == {"Ctrl+T", "F9"}
        assert told == await bound(pilot, page)
        may = {a.name for a in actions(place) if member == "owner" or a.needs is None}
        assert may <= set(told)
        if member == "viewer":
            assert not {"issue.resolve", "sop.approve", "sop.edit"} & set(told)


async def test_help_is_filtered_by_words_and_does_what_is_chosen(desk: Desk) -> None:
    """A few letters are enough; Esc shows all, then closes; Enter does it."""
    async with desk.at(size=SMALL) as pilot:
        screen = await help_at(pilot)
        assert "Triage: read an issue" in shown(pilot.app)
        assert "This screen" in shown(pilot.app)
        await pilot.press("G")
        assert "Make the pane narrower" in shown(pilot.app)
        await pilot.press("slash", *"theme")
        await pilot.pause()
        assert [offer.name for offer in screen.keys.entries] == ["app.theme"]
        await pilot.press("escape")
        await pilot.pause()
        assert len(screen.keys.entries) == len(screen.offers)
        await pilot.press("slash", *"next theme", "enter", "enter")
        await pilot.pause()
        assert pilot.app.theme == "light"
        assert not isinstance(pilot.app.screen, HelpScreen)
        for close in ("escape", "question_mark", "q"):
            await help_at(pilot)
            await pilot.press(close)
            await pilot.pause()
            assert not isinstance(pilot.app.screen, HelpScreen)


async def test_help_names_own_commands_and_does_what_a_list_does(desk: Desk) -> None:
    """What a person added stands there by its title; what lists do is done there."""
    own = OwnCommand("f5", HOSTILE, ("true",), confirm=False)
    async with desk.at(preferences=TuiPreferences(commands=(own,))) as pilot:
        await help_at(pilot)
        await pilot.press("slash", *"yours")
        await pilot.pause()
        assert f"F5                     {HOSTILE}" in shown(pilot.app)
        await pilot.press("escape", "slash", *"last entry", "enter", "enter")
        await pilot.pause()
        await settled(pilot)
        issues = pilot.app.screen.query_one("#issues", Entries)
        assert issues.cursor == len(issues.entries) - 1 > 0


async def choices(pilot: Pilot[None], words: str) -> list[str]:
    """Open the palette, type, and return what it offers."""
    await pilot.press("colon")
    await pilot.pause()
    assert isinstance(pilot.app.screen, CommandPalette)
    await pilot.press(*words)
    await pilot.pause(0.4)
    options = pilot.app.screen.query_one(CommandList).options
    return [str(cast("Any", option).hit.text) for option in options]


async def test_the_palette_offers_actions_views_themes_and_commands(
    desk: Desk,
) -> None:
    """Names from the configuration stay text; what is chosen is done."""
    own = OwnCommand("f5", f"Look {HOSTILE}", ("true",), confirm=False)
    wanted = TuiPreferences(views={HOSTILE: "priority:P2"}, commands=(own,))
    async with desk.at("viewer", preferences=wanted) as pilot:
        assert {*await choices(pilot, "boom")} == {f"View: {HOSTILE}", own.title}
        assert f"View: {HOSTILE}" in shown(pilot.app)
        await pilot.press("escape")
        await pilot.pause()
        await choices(pilot, "view: bold")
        await pilot.press("enter", "enter")
        await pilot.pause(0.4)
        await settled(pilot)
        query = pilot.app.screen.query_one("#filter", Input)
        assert query.value == "priority:P2"
        await choices(pilot, "theme: high")
        await pilot.press("enter", "enter")
        await pilot.pause(0.4)
        assert pilot.app.theme == "high-contrast"
        assert "Resolve" not in await choices(pilot, "resolve")
        assert not desk.reported


def test_no_two_actions_share_a_key() -> None:
    """What can be at hand at the same time is told apart by its keys."""
    shared = [
        (one.name, other.name)
        for one, other in combinations(ACTIONS, 2)
        if meet(one, other) and {*one.keys.split(",")} & {*other.keys.split(",")}
    ]
    assert shared == []


@dataclass(frozen=True)
class Press:
    """A key to press, and the pane to press it in."""

    action: Action
    pane: str


def presses(page: Page) -> Iterator[Press]:
    """Yield each action of a page; those that pages share in triage, which has all."""
    for offer in grouped(page):
        action = BY_NAME[str(offer.name)]
        shared = action.place is not page.PLACE and offer.name != "app.triage"
        if shared and page.PLACE is not Place.TRIAGE:
            continue
        if offer.name not in (f"app.{page.PLACE}", "app.quit"):
            yield Press(action, page.PANES[action.place is Place.READER])


@dataclass(frozen=True)
class Observer:
    """Somebody who looks at the terminal.

    Attributes:
        paged: where the pager leaves what it was given.
    """

    pilot: Pilot[None]
    paged: Path

    def sees(self) -> tuple[object, ...]:
        """Return what there is to notice."""
        app, screen = self.pilot.app, self.pilot.app.screen
        focused = None if screen.focused is None else screen.focused.id
        paged = self.paged.exists() and self.paged.stat().st_mtime_ns
        look = shown(app), app.theme, app.clipboard, app._exit
        return type(screen), focused, paged, *look

    def told(self) -> set[str]:
        """Return the messages that are there; old ones go by themselves."""
        return {note.identity for note in self.pilot.app._notifications}

    async def notices(self, key: str) -> bool:
        """Press a key; tell whether something happens within two seconds."""
        before, told = self.sees(), self.told()
        await self.pilot.press(key)
        for _ in range(40):
            await self.pilot.pause(0.05)
            if self.sees() != before or self.told() - told:
                return True
        return False


async def ready(pilot: Pilot[None], page: Page, press: Press) -> None:
    """Stand where the key has something to do."""
    while pilot.app.screen is not page:
        if pilot.app.screen.is_modal:
            await pilot.press("escape")
        else:
            page.application.go(page.PLACE)
        await pilot.pause()
    if page.busy:
        await pilot.press("escape")
    page.minimize()
    page.front(press.pane if press.action.name != "app.back" else page.PANES[1])
    pane, verb = page.query_one(press.pane), press.action.name.partition(".")[2]
    end = "last" if verb in BACKWARDS else "first"
    if isinstance(pane, Entries):
        pane.action_do(f"list.{end}")
    elif isinstance(pane, Reader):
        pane.action_do(f"reader.{end}")
        if verb == "choose":
            pane.action_do("reader.next")
    await pilot.pause()
    await settled(pilot)


@pytest.mark.parametrize("place", PLACES)
async def test_every_key_that_help_shows_does_something(
    desk: Desk, place: Place, tmp_path: Path
) -> None:
    """Somebody who presses it notices that it was heard."""
    paged = tmp_path / "paged"
    programs = {"EDITOR": "true", "PAGER": f"sh -c 'cat > {paged}'"}
    desk.doors["environment"] = programs | {"XDG_STATE_HOME": str(tmp_path)}
    async with desk.at("owner", size=WIDE) as pilot:
        page, observer = await page_at(pilot, place), Observer(pilot, paged)
        deaf = []
        for press in presses(page):
            await ready(pilot, page, press)
            if not await observer.notices(press.action.keys.split(",")[0]):
                deaf.append(press.action.name)
        assert deaf == []
        await ready(pilot, page, Press(BY_NAME["app.quit"], page.PANES[0]))
        assert await observer.notices("q")
        assert pilot.app._exit
