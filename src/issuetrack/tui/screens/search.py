"""Search everywhere: issues, procedures and documents in one list."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, cast

from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Input, Static

from issuetrack.engine.errors import ModelError
from issuetrack.engine.issues.finding import KINDS, By
from issuetrack.engine.retrieval.search import Question
from issuetrack.engine.retrieval.subjects import SubjectKind
from issuetrack.terminal_safety import clean, clean_line
from issuetrack.tui import search_view
from issuetrack.tui.actions import Place, bindings
from issuetrack.tui.issue_view import Goal
from issuetrack.tui.page import Page
from issuetrack.tui.search_reading import Reading, markdown_of, read
from issuetrack.tui.search_view import Hit
from issuetrack.tui.sop_view import Copied, Shown
from issuetrack.tui.widgets.dialogs import Choose, Option
from issuetrack.tui.widgets.entries import Entries
from issuetrack.tui.widgets.reader import Reader

if TYPE_CHECKING:
    from issuetrack.engine.retrieval.indexing import IndexStatus
    from issuetrack.engine.workspace import Workspace
    from issuetrack.tui.screens.issue_page import IssuePage
    from issuetrack.tui.screens.sops import SopScreen

TYPING = 0.25
MOST = 30
OFFERED = {
    "everything": KINDS,
    "issues": frozenset({SubjectKind.ISSUE}),
    "SOPs": frozenset({SubjectKind.SOP}),
    "documents": frozenset({SubjectKind.DOCUMENT}),
}
NOTHING = "Nothing like it is on record: m goes by words or meaning, f widens."
WAITING = "Type what is wrong; Enter goes to what is found."


@dataclass(frozen=True)
class Wish:
    """What is looked for, and how.

    Attributes:
        kinds: one of `OFFERED`.
    """

    text: str = ""
    by: By = By.BOTH
    kinds: str = "everything"


@dataclass(frozen=True)
class Answer:
    """What was found.

    Attributes:
        by: what it was found by, which is less than was wished without a model.
        wrong: why, with what to do about it.
        backlog: what cannot be found yet.
    """

    hits: tuple[Hit, ...] = ()
    by: By = By.BOTH
    wrong: str = ""
    backlog: str = ""


class SearchScreen(Page):
    """What is typed above, what is found below it, and what is read beside them."""

    PLACE = Place.SEARCH
    PANES = ("#found", "#preview")
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Place.SEARCH)]
    AUTO_FOCUS = "#asked"

    def __init__(self) -> None:
        super().__init__()
        self.wish = Wish()
        self.answered = Answer()
        self.explaining = False

    def parts(self) -> Iterable[Widget]:
        """Yield the question, what is found, and the preview."""
        yield Horizontal(
            Vertical(
                Input(id="asked", placeholder="what is wrong, or an error message"),
                Static(id="search-state", markup=False),
                Static(id="search-wrong", markup=False),
                Entries(search_view.entry, search_view.head, WAITING, id="found"),
                id="search-list",
            ),
            Reader(id="preview"),
            id="panes",
        )

    def on_mount(self) -> None:
        """Wait for a question."""
        self.front("#found")
        self.query_one("#asked").focus()
        self.preview.show(search_view.welcome())
        self._tell("")

    @property
    def found(self) -> Entries:
        """Return the list."""
        return self.query_one("#found", Entries)

    @property
    def preview(self) -> Reader:
        """Return what is read."""
        return self.query_one("#preview", Reader)

    @property
    def hit(self) -> Hit | None:
        """Return what the list stands on."""
        return cast("Hit | None", self.found.current)

    def _tell(self, what: str) -> None:
        line = " | ".join(filter(None, (self.wish.by, self.wish.kinds, what)))
        self.query_one("#search-state", Static).update(clean_line(f" {line}"))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search while somebody types."""
        if event.value != self.wish.text:
            self.wish = replace(self.wish, text=event.value)
            self.begin("search.typed", self._typed())

    async def _typed(self) -> None:
        await asyncio.sleep(TYPING)
        self._wish(self.wish)

    def on_input_submitted(self, _event: Input.Submitted) -> None:
        """Search at once, and go to what is found."""
        self.front("#found")
        self._wish(self.wish)

    def _wish(self, wish: Wish) -> None:
        self.wish = wish
        self.begin("search.words", self._search(wish))

    async def _search(self, wish: Wish) -> None:
        workspace, answer = self.workspace, None
        self._tell("searching..." if wish.text.strip() else "")
        try:
            answer = await self.beside(lambda _: search(workspace, wish))
        finally:
            if answer is None and self.wish is wish:
                self._tell("no answer: Enter searches again")
        if self.wish is wish:
            self._show(answer)

    def _show(self, answer: Answer) -> None:
        before, self.answered = self.hit, answer
        asked = bool(self.wish.text.strip())
        self.found.empty = NOTHING if asked else WAITING
        self.found.show(answer.hits, next(iter(answer.hits), None))
        self._tell(f"{len(answer.hits)} found, the best first" if asked else "")
        told = "\n".join(filter(None, (answer.wrong, answer.backlog)))
        wrong = self.query_one("#search-wrong", Static)
        wrong.update(clean(told))
        wrong.display = bool(told)
        if self.hit is None:
            self.preview.show(() if asked else search_view.welcome())
        elif self.hit == before:
            self._read()

    def on_entries_moved(self, event: Entries.Moved) -> None:
        """Show what the cursor came to."""
        if event.entry is not None:
            self._read()

    def _read(self) -> None:
        self.begin("search.read", self._explain() if self.explaining else self._open())

    async def _open(self) -> None:
        hit, wish, by = self.hit, self.wish, self.answered.by
        if hit is None:
            return
        workspace, now = self.workspace, self.application.doors.clock()
        question = Question.from_text(wish.text)
        reading = await self.beside(lambda _: read(workspace, hit, question, by, now))
        if hit is self.hit:
            self._draw(reading)

    def _draw(self, reading: Reading) -> None:
        self.preview.show(reading.blocks)
        if reading.part:
            self.preview.jump(reading.part, reading.words)

    async def _explain(self) -> None:
        hit, answer, workspace = self.hit, self.answered, self.workspace
        if hit is None:
            return
        status = await self.beside(lambda _: _status(workspace))
        total = len(answer.hits)
        self.preview.show(search_view.explanation(hit, total, answer.by, status))

    def on_entries_opened(self, event: Entries.Opened) -> None:
        """Go to where what was found is at home."""
        hit = cast("Hit", event.entry)
        kind, number = hit.match.subject
        if kind is SubjectKind.ISSUE:
            self.begin("search.open", self._open_issue(hit, number))
        elif kind is SubjectKind.SOP:
            self._open_sop(number)
        elif self.explaining:
            self.do_search_explain()
            self.front("#preview")
        else:
            self.front("#preview")

    async def _open_issue(self, hit: Hit, number: int) -> None:
        workspace, wish, by = self.workspace, self.wish, self.answered.by
        question = Question.from_text(wish.text)
        passage = await self.beside(
            lambda _: workspace.finding.passage(
                workspace.actor, question, hit.match.subject, by
            )
        )
        goal = Goal("issue", number)
        if passage is not None:
            part, words = search_view.part_of(passage), search_view.spoken(passage)
            goal = Goal("issue", number, part, words)
        self._follow(goal)

    def _follow(self, goal: Goal) -> None:
        if goal.kind == "sop":
            self._open_sop(goal.number)
            return
        self.application.go(Place.TRIAGE)
        triage = self.application.get_screen(Place.TRIAGE.value)
        triage.call_later(cast("IssuePage", triage).follow, goal)

    def _open_sop(self, number: int) -> None:
        self.application.go(Place.SOPS)
        sops = self.application.get_screen(Place.SOPS.value)
        sops.call_later(cast("SopScreen", sops).open_sop, number)

    def on_reader_chosen(self, event: Reader.Chosen) -> None:
        """Copy a command, or go to what is named."""
        choice = event.choice
        if isinstance(choice, Copied):
            self.app.copy_to_clipboard(clean(choice.text))
            self.say(f"Copied: {choice.text}")
        elif isinstance(choice, Shown):
            self._open_sop(choice.sop)
        elif isinstance(choice, Goal):
            self._follow(choice)

    def do_app_search(self) -> None:
        """Stay, and ask something else."""
        self.do_search_words()

    def do_search_words(self) -> None:
        """Go to the question."""
        self.front("#found")
        asked = self.query_one("#asked", Input)
        self.stand(asked)
        asked.action_select_all()

    def do_search_mode(self) -> None:
        """Go by words, by meaning, or by both."""
        ways = list(By)
        by = ways[(ways.index(self.wish.by) + 1) % len(ways)]
        self._wish(replace(self.wish, by=by))

    async def do_search_kinds(self) -> None:
        """Ask what to look for."""
        options = [Option(name, name, name[0].lower()) for name in OFFERED]
        chosen = await self.answer(Choose("Look for", options, self.wish.kinds))
        if chosen is not None:
            self._wish(replace(self.wish, kinds=chosen))

    def do_search_explain(self) -> None:
        """Say why it was found, or show its text again."""
        if self.hit is None:
            self.say("Nothing is found yet: / goes to the question")
            return
        self.explaining = not self.explaining
        self._read()
        if self.explaining:
            self.front("#preview")

    async def do_search_copy(self) -> None:
        """Copy what was found as Markdown."""
        hit, workspace, doors = self.hit, self.workspace, self.application.doors
        if hit is None:
            self.say("Nothing is found yet: / goes to the question")
            return
        written = await self.beside(lambda _: markdown_of(workspace, hit, doors))
        self.app.copy_to_clipboard(clean(written))
        name, count = hit.match.subject.name, len(written.splitlines())
        self.say(f"Copied {name} as Markdown: {count} lines")


def search(workspace: "Workspace", wish: Wish) -> Answer:
    """Return what is found; without a model by words, saying so.

    Raises:
        ModelError: meaning alone is wished, and there is no model.
    """
    if not wish.text.strip():
        return Answer(by=wish.by)
    try:
        return _found(workspace, wish, wish.by, "")
    except ModelError as error:
        told = f"{error.message}\ntry: {error.hint}" if error.hint else error.message
        if wish.by is By.MEANING:
            return Answer((), wish.by, f"{told}\nm goes by words, which need no model")
        return _found(workspace, wish, By.WORDS, f"by words only: {told}")


def _found(workspace: "Workspace", wish: Wish, by: By, wrong: str) -> Answer:
    question, kinds = Question.from_text(wish.text), OFFERED[wish.kinds]
    matches = workspace.finding.similar(workspace.actor, question, MOST, by, kinds)
    hits = tuple(Hit(*pair, place) for place, pair in enumerate(matches, start=1))
    backlog = ""
    if workspace.index_waits():
        status = _status(workspace)
        backlog = "" if status is None else search_view.backlog(status)
    return Answer(hits, by, wrong, backlog)


def _status(workspace: "Workspace") -> "IndexStatus | None":
    try:
        return workspace.index_status()
    except ModelError:
        return None
