"""Triage: the issues, the one that is read, what is suggested for it."""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Input, Static

from issuetrack.engine.errors import QuerySyntaxError
from issuetrack.engine.issues.query import SORTS
from issuetrack.engine.issues.seen import Mark
from issuetrack.terminal_safety import clean
from issuetrack.tui import issue_view
from issuetrack.tui.actions import Place, bindings
from issuetrack.tui.issue_view import Goal
from issuetrack.tui.screens.assistant_actions import AssistantActions
from issuetrack.tui.screens.issue_actions import IssueActions
from issuetrack.tui.widgets.dialogs import Ask, Choose, Option
from issuetrack.tui.widgets.entries import Entries
from issuetrack.tui.widgets.reader import Reader

if TYPE_CHECKING:
    from issuetrack.engine.issues.finding import Found
    from issuetrack.engine.issues.records import IssueSummary
    from issuetrack.engine.retrieval.search import Match

SIMILAR = 5
TYPING = 0.05
RESTING = 0.1
UNFINISHED = "status:open,in_progress"


class TriageScreen(IssueActions, AssistantActions):
    """The screen that people open first."""

    PLACE = Place.TRIAGE
    PANES = ("#issues", "#detail", "#assistant")
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Place.TRIAGE)]
    AUTO_FOCUS = "#issues"

    def __init__(self) -> None:
        super().__init__()
        self.query_text = UNFINISHED
        self.sort = "-updated"
        self._rows: dict[int, IssueSummary] = {}
        self._marks: dict[int, Mark] = {}
        self._similar: list[tuple[Found, Match]] | None = None

    def parts(self) -> Iterable[Widget]:
        """Yield list, detail and assistant."""
        nothing = "No issue fits. / changes the filter, Ctrl+N opens a new issue."
        empty = self.application.nothing_here or nothing
        issues = Entries(self._line, issue_view.head, empty, id="issues")
        filters = Input(self.query_text, id="filter", placeholder="status:open words")
        wrong = Static(id="wrong", markup=False)
        yield Horizontal(
            Vertical(filters, wrong, issues, id="list"),
            Reader(id="detail"),
            Reader(id="assistant"),
            id="panes",
        )

    def on_mount(self) -> None:
        """Read the list."""
        self.front("#issues")
        self.begin("triage.list", self._first())

    async def _first(self) -> None:
        actor = self.workspace.actor
        await self.beside(lambda _: self.workspace.seen.begin(actor))
        await self.relist()

    @property
    def issues(self) -> Entries:
        """Return the list."""
        return self.query_one("#issues", Entries)

    @property
    def detail(self) -> Reader:
        """Return the issue that is read."""
        return self.query_one("#detail", Reader)

    def _line(self, number: int, width: int) -> Any:
        summary = self._rows.get(number)
        if summary is None:
            return None
        mark = self._marks.get(number, Mark.SEEN)
        return issue_view.entry(summary, mark, self.application.doors.clock(), width)

    async def relist(self, number: int | None = None) -> None:
        """Read the list again; stand on an issue."""
        workspace, query, sort = self.workspace, self.query_text, self.sort
        wrong = self.query_one("#wrong", Static)
        try:
            numbers = await self.beside(
                lambda _: workspace.issues.numbers(workspace.actor, query, sort)
            )
        except QuerySyntaxError as error:
            wrong.update(clean(f"{error.message}\n{error.hint or ''}"))
            wrong.display = True
            return
        wrong.display = False
        self._rows.clear()
        current = number if number is not None else self.issues.current
        self.issues.show(numbers, current)
        self.tell_place(f"{len(numbers):,} issues, sorted by {sort}")
        if self.issues.current is None:
            self.record = None
            self.detail.show(())

    async def _read(self, numbers: list[int]) -> None:
        workspace = self.workspace
        rows, marks = await self.beside(lambda _: _rows(workspace, numbers))
        self._rows |= rows
        self._marks |= marks
        self.issues.refresh()

    def on_entries_wanted(self, event: Entries.Wanted) -> None:
        """Read the lines that came into sight."""
        self.begin("triage.rows", self._read(list(event.wanted)))

    def on_entries_moved(self, event: Entries.Moved) -> None:
        """Show the issue that the cursor came to."""
        if event.entry is not None:
            self.begin("triage.detail", self._open(event.entry))

    def on_entries_opened(self, _event: Entries.Opened) -> None:
        """Go into the issue."""
        self.front("#detail")

    async def _open(self, number: int) -> None:
        await asyncio.sleep(RESTING)
        await self.reload(number)
        await asyncio.sleep(RESTING)
        await self._look(number)
        await self._find_similar(number)

    async def reload(self, number: int) -> None:
        """Read an issue again, show it, and its line in the list."""
        workspace = self.workspace
        same = self.record is not None and self.record.number == number
        self.record = await self.beside(
            lambda _: workspace.issues.get(workspace.actor, str(number))
        )
        self._rows[number] = self.record.summary
        self.issues.refresh()
        if not same:
            self._similar = None
            self.begin("assistant.latest", self.show_latest(number))
        await self._draw(keep=same)

    async def _draw(self, *, keep: bool) -> None:
        record, similar = self.record, self._similar
        assert record is not None
        now = self.application.doors.clock()
        blocks = await self.beside(
            lambda _: tuple(issue_view.blocks(record, similar, now))
        )
        if self.record is record:
            self.detail.show(blocks, keep=keep)

    async def _look(self, number: int) -> None:
        workspace, record = self.workspace, self.record
        revision = record.summary.revision if record is not None else None
        await self.beside(
            lambda _: workspace.seen.look(workspace.actor, number, revision)
        )
        self._marks[number] = Mark.SEEN
        self.issues.refresh()

    async def _find_similar(self, number: int) -> None:
        workspace = self.workspace

        def find(_: object) -> "list[tuple[Found, Match]]":
            question = workspace.finding.question_of(workspace.actor, str(number))
            return workspace.finding.similar(workspace.actor, question, SIMILAR)

        similar = await self.beside(find)
        if self.record is not None and self.record.number == number:
            self._similar = similar
            await self._draw(keep=True)

    def follow(self, goal: Goal) -> None:
        """Show what something leads to."""
        self.begin("triage.follow", self._follow(goal))

    async def _follow(self, goal: Goal) -> None:
        if goal.kind != "issue":
            await self.show_elsewhere(goal)
            return
        if goal.number in self.issues.entries:
            self.issues.go(self.issues.entries.index(goal.number))
        await self.reload(goal.number)
        if goal.part:
            self.detail.jump(goal.part, goal.quote)
        self.front("#detail")

    def on_reader_chosen(self, event: Reader.Chosen) -> None:
        """Follow what was chosen, or copy it."""
        if isinstance(event.choice, Goal):
            self.follow(event.choice)
        else:
            self.choose(event.choice)

    def do_triage_filter(self) -> None:
        """Go to the filter."""
        self.front("#issues")
        self.stand(self.query_one("#filter", Input))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while somebody types."""
        if event.input.id == "filter" and event.value != self.query_text:
            self.query_text = event.value
            self.begin("triage.list", self._typed())

    async def _typed(self) -> None:
        await asyncio.sleep(TYPING)
        await self.relist()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go to the list."""
        if event.input.id == "filter":
            self.front("#issues")

    def filter_by(self, query: str) -> None:
        """Take another filter."""
        self.query_one("#filter", Input).value = query

    async def do_triage_sort(self) -> None:
        """Ask what to sort by."""
        options = [
            Option(sign + name, f"{name}, {words}")
            for name in SORTS
            for sign, words in (("-", "last first"), ("", "first first"))
        ]
        chosen = await self.answer(Choose("Sort by", options, self.sort))
        if chosen is not None:
            self.sort = chosen
            await self.relist()

    async def do_triage_views(self) -> None:
        """Ask for a saved view."""
        views = self.application.preferences.views
        options = [
            Option(query, f"{name}: {query}", str(n) if n in range(10) else "")
            for n, (name, query) in enumerate(views.items(), start=1)
        ]
        chosen = await self.answer(Choose("Views", options, self.query_text))
        if chosen is not None:
            self.filter_by(chosen)

    async def do_triage_save_view(self) -> None:
        """Keep the filter as a view."""
        name = await self.answer(Ask("Name of the view", hint=self.query_text))
        if name:
            self.application.save_view(name, self.query_text)
            self.say(f"Kept as {name}: v shows the views")

    async def do_triage_unread(self) -> None:
        """Mark the issue as unread."""
        number, workspace = self.issues.current, self.workspace
        if number is not None:
            await self.beside(lambda _: workspace.seen.forget(workspace.actor, number))
            await self._read([number])


def _rows(workspace: Any, numbers: list[int]) -> Any:
    rows = workspace.issues.summaries(workspace.actor, numbers)
    return rows, workspace.seen.marks(workspace.actor, list(rows.values()))
