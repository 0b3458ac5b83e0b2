"""The library of procedures: found, read, followed."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Input, Static

from issuetrack.engine.store.types import SopStatus
from issuetrack.terminal_safety import clean, clean_line
from issuetrack.tui import sop_finding, sop_view
from issuetrack.tui.actions import Place, bindings
from issuetrack.tui.issue_view import Goal
from issuetrack.tui.page import Page
from issuetrack.tui.screens.sop_actions import SopActions
from issuetrack.tui.sop_finding import Listing, Wish
from issuetrack.tui.sop_view import Copied, Shown, SopPage
from issuetrack.tui.widgets.dialogs import Choose, Option
from issuetrack.tui.widgets.entries import Entries
from issuetrack.tui.widgets.reader import Reader

if TYPE_CHECKING:
    from issuetrack.engine.assistant.sops.statistics import SopStatistics
    from issuetrack.engine.issues.procedures import SopSummary
    from issuetrack.tui.screens.issue_page import IssuePage

TYPING = 0.2
EMPTY = "There is no SOP yet: Ctrl+N writes one."
NOTHING_FITS = "No SOP fits: Esc shows all."


class SopScreen(SopActions):
    """The procedures, and the one that is read."""

    PLACE = Place.SOPS
    PANES = ("#sops", "#sop")
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Place.SOPS)]
    AUTO_FOCUS = "#sops"

    def __init__(self) -> None:
        super().__init__()
        self.wish = Wish()
        self.page: SopPage | None = None
        self._away = False
        self._rows: dict[int, SopSummary] = {}
        self._known: dict[int, SopStatistics] = {}

    def parts(self) -> Iterable[Widget]:
        """Yield the list with its search, and the reader."""
        sops = Entries(self._line, sop_view.head, EMPTY, id="sops")
        yield Horizontal(
            Vertical(
                Input(id="sop-words", placeholder="what is wrong, in a few words"),
                Static(id="sop-filter", markup=False),
                sops,
                id="sop-list",
            ),
            Reader(id="sop"),
            id="panes",
        )

    def on_mount(self) -> None:
        """Read the list."""
        self.front("#sops")
        self.begin("sops.list", self.relist())

    def on_screen_suspend(self) -> None:
        """Note whether people go elsewhere or only answer a question."""
        self._away = isinstance(self.app.screen, Page)

    def on_screen_resume(self) -> None:
        """Read the list again after people were elsewhere."""
        if self._away:
            self._away = False
            self.begin("sops.list", self.relist(self.number))

    @property
    def sops(self) -> Entries:
        """Return the list."""
        return self.query_one("#sops", Entries)

    @property
    def reader(self) -> Reader:
        """Return what the procedure is read in."""
        return self.query_one("#sop", Reader)

    def _line(self, number: int, width: int) -> Text | None:
        return sop_view.entry(self._rows[number], self._known.get(number), width)

    async def relist(
        self, number: int | None = None, version: int | None = None
    ) -> None:
        """Read the list again; stand on a procedure, and show a version of it."""
        workspace, wish = self.workspace, self.wish
        if wish.words:
            self._tell(f"searching {wish.told}")
        listing = await self.beside(lambda _: sop_finding.find(workspace, wish))
        if wish is not self.wish:
            return
        self._show(listing, number)
        self._show_again(number, version)
        if not (wish.words and self._known):
            self.begin("sops.known", self._read_statistics())

    def _show(self, listing: Listing, number: int | None) -> None:
        self._rows = {summary.sop: summary for summary in listing.found}
        self.sops.empty = NOTHING_FITS if self.wish.narrow else EMPTY
        best = next(iter(self._rows), None) if self.wish.words else self.sops.current
        kept = best if number is None else number
        self.sops.show(list(self._rows), kept if kept in self._rows else None)
        self._tell(listing.told)

    def _show_again(self, number: int | None, version: int | None) -> None:
        """Read what is shown again where the list does not move to something else."""
        current = self.sops.current
        wanted = current if number is None else number
        if wanted is None:
            self.number, self.version, self.page = None, None, None
            self.reader.show(())
        elif current in (None, wanted):
            known = self._listed(wanted) if version is None else version
            self.begin("sops.read", self.show_version(wanted, known))

    def _tell(self, told: str) -> None:
        self.query_one("#sop-filter", Static).update(clean_line(told))

    async def _read_statistics(self) -> None:
        workspace = self.workspace
        if len(self._rows) <= sop_finding.FEW:
            self._known = await self.beside(lambda _: sop_finding.known(workspace))
            self.sops.refresh()

    def _listed(self, number: int) -> int | None:
        row = self._rows.get(number)
        return None if row is None else row.version

    def on_entries_moved(self, event: Entries.Moved) -> None:
        """Show the procedure that the cursor came to."""
        if event.entry is not None:
            number = int(event.entry)
            self.number, self.version = number, self._listed(number)
            self.begin("sops.read", self.show_version(number, self.version))

    def on_entries_opened(self, _event: Entries.Opened) -> None:
        """Go into the procedure."""
        self.front("#sop")

    async def show_version(self, number: int, version: int | None) -> None:
        """Show a version of a procedure."""
        self.number, self.version = number, version
        name, workspace = f"S{number}", self.workspace
        page = await self.page_of(name, version)
        if self.number != number:
            return
        self.version = page.record.summary.version
        self._draw(page)
        found = await self.beside(
            lambda _: workspace.sops.statistics(workspace.actor, name)
        )
        if self.page is page:
            self._draw(replace(page, statistics=found[0]))

    def _draw(self, page: SopPage) -> None:
        before, self.page = self.page, page
        same = before is not None and _place(before) == _place(page)
        now = self.application.doors.clock()
        self.reader.show(sop_view.blocks(page, now), keep=same)

    def on_reader_chosen(self, event: Reader.Chosen) -> None:
        """Copy a command, show another version, or go to an issue."""
        choice = event.choice
        if isinstance(choice, Copied):
            self.app.copy_to_clipboard(clean(choice.text))
            self.say(f"Copied: {choice.text}")
        elif isinstance(choice, Shown):
            self.begin("sops.read", self.show_version(choice.sop, choice.version))
        elif isinstance(choice, Goal):
            self._open_issue(choice)

    def _open_issue(self, goal: Goal) -> None:
        """Go to triage and read the issue there."""
        self.application.go(Place.TRIAGE)
        triage = self.application.get_screen(Place.TRIAGE.value)
        cast("IssuePage", triage).follow(goal)

    def open_sop(self, number: int, version: int | None = None) -> None:
        """Show a procedure that something else leads to."""
        self._away = False
        self.begin("sops.list", self._come_to(number, version))

    async def _come_to(self, number: int, version: int | None) -> None:
        self._wish(Wish())
        await self.relist(number, version)
        if number not in self._rows:
            self._wish(Wish(status=SopStatus.DEPRECATED))
            await self.relist(number, version)
        self.front("#sop")

    def back(self) -> None:
        """Go back to the list, then to all of it, then to triage."""
        if self.sops.has_focus and self.wish.narrow:
            self._wish(Wish())
            self.begin("sops.list", self.relist())
        else:
            super().back()

    def _wish(self, wish: Wish) -> None:
        """Look for something else from now on."""
        self.wish = wish
        words = self.query_one("#sop-words", Input)
        if words.value.strip() != wish.words:
            words.value = wish.words

    def do_sop_search(self) -> None:
        """Go to the search."""
        self.front("#sops")
        self.stand(self.query_one("#sop-words", Input))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search while somebody types."""
        words = event.value.strip()
        if words != self.wish.words:
            self.wish = replace(self.wish, words=words)
            self.begin("sops.list", self._typed())

    async def _typed(self) -> None:
        await asyncio.sleep(TYPING)
        await self.relist()

    def on_input_submitted(self, _event: Input.Submitted) -> None:
        """Go to the list."""
        self.front("#sops")

    async def do_sop_filter(self) -> None:
        """Ask for a status or a tag."""
        workspace, wish = self.workspace, self.wish
        offered = await self.beside(lambda _: sop_finding.offered(workspace, wish))
        options = [Option(each.wish, each.told, each.key) for each in offered]
        chosen = await self.answer(Choose("Show", options, wish))
        if chosen is not None:
            self._wish(chosen)
            await self.relist()

    async def do_sop_queue(self) -> None:
        """Show what waits for approval."""
        workspace = self.workspace
        wish = Wish(status=SopStatus.IN_REVIEW)
        waiting = await self.beside(lambda _: sop_finding.find(workspace, wish))
        if not waiting.found:
            self.say("Nothing waits for approval")
            return
        self._wish(wish)
        await self.relist()
        self.front("#sops")


def _place(page: SopPage) -> tuple[int, int]:
    return page.record.summary.sop, page.record.summary.version
