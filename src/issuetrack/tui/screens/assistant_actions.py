"""The assistant's panel: what is suggested, how sure, and what people say of it."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from textual.binding import Binding

from issuetrack.engine.assistant.targets import Target
from issuetrack.engine.errors import IssueTrackError, PermissionDenied
from issuetrack.engine.identity.policy import Permission
from issuetrack.engine.store.types import OutcomeResult
from issuetrack.tui import draft_view, suggestion_view
from issuetrack.tui.actions import BY_NAME
from issuetrack.tui.background import Progress
from issuetrack.tui.issue_view import Goal, named
from issuetrack.tui.screens.issue_page import IssuePage
from issuetrack.tui.screens.source_view import SourceScreen, copy, goal_of, read
from issuetrack.tui.sop_view import Copied, Shown
from issuetrack.tui.suggestion_view import Advice, Cited
from issuetrack.tui.widgets.dialogs import Ask, Choose, Option, stars
from issuetrack.tui.widgets.reader import Block, Reader

if TYPE_CHECKING:
    from issuetrack.engine.assistant.composer import Composition
    from issuetrack.engine.workspace import Workspace

TICK = 0.25
LOOKED_BACK = 10
BACKLOG = "not everything can be found yet: issuetrack index update"
NOTHING = "nothing to rate: {} suggests first"
RESULTS = (
    Option(OutcomeResult.ACCEPTED, "accepted: it was that", "a"),
    Option(OutcomeResult.PARTLY, "partly: some of it helped", "p"),
    Option(OutcomeResult.REJECTED, "rejected: it was something else", "r"),
)


@dataclass(eq=False)
class Run:
    """A suggestion that is being made.

    Attributes:
        issue: for which issue, and what that is called.
        has_model: whether a language model takes part.
        text: what it has written; None before it is asked.
        quoted: what the evidence says in its own words, once that is known.
    """

    issue: int
    called: str
    has_model: bool
    text: str | None = None
    quoted: tuple[Block, ...] = ()
    progress: Progress | None = None
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Return how long it has taken."""
        return time.monotonic() - self.started

    def hear(self, piece: str) -> None:
        """Take a piece of what the model writes."""
        self.text = (self.text or "") + piece

    def hear_quotes(self, composition: "Composition") -> None:
        """Take what is shown while the model writes."""
        self.quoted = tuple(suggestion_view.quoted(composition))


class AssistantActions(IssuePage):
    """What can be done with a suggestion."""

    def __init__(self) -> None:
        super().__init__()
        self._advice: Advice | None = None
        self._making: Run | None = None
        self._stopped: Run | None = None
        self._followed: int | None = None
        self._said: dict[int, dict[str, str]] = {}

    def _is_busy(self) -> bool:
        return self._making is not None

    def _key(self, name: str) -> str:
        keys = self.application.preferences.keymap.get(name, BY_NAME[name].keys)
        return self.app.get_key_display(Binding(keys.split(",")[0], "", ""))

    def _show_panel(self, blocks: Iterable[Block], *, keep: bool = False) -> None:
        for panel in self.query("#assistant").results(Reader):
            panel.show(blocks, keep=keep)

    def _show_advice(self, advice: Advice, *, keep: bool = False) -> None:
        self._advice, self._stopped = advice, None
        self._show_panel(suggestion_view.blocks(advice, self._key), keep=keep)

    async def show_latest(self, number: int) -> None:
        """Show the latest suggestion for an issue, if there is one.

        What was asked for stays while it is made and while its sources are read.
        """
        if self._is_busy() or number == self._followed or self.record is None:
            return
        self._followed, called = None, named(self.record.summary)
        workspace, key = self.workspace, self._key
        advice: Advice | None = None
        try:
            advice = await self.beside(lambda _: self._latest(number, called))
        except PermissionDenied as error:
            blocks = suggestion_view.failed(called, error.message, None, key)
        else:
            has_model = workspace.has_chat
            blocks = suggestion_view.nothing(called, key, has_model=has_model)
        if self._is_busy():
            return
        if advice is not None:
            self._show_advice(advice)
            return
        self._advice = self._stopped = None
        self._show_panel(blocks)

    def _latest(self, issue: int, called: str) -> Advice | None:
        workspace = self.workspace
        service = workspace.recommendations
        given = service.latest(workspace.actor, LOOKED_BACK, issue)
        for summary in given:
            if suggestion_view.is_suggestion(summary.kind):
                stored = service.show(workspace.actor, summary.recommendation)
                return self._with_said(suggestion_view.kept(stored, issue, called))
        return None

    def _with_said(self, advice: Advice) -> Advice:
        """Return a suggestion with what the actor may read of what was said of it."""
        if not self.application.may(Permission.READ_FEEDBACK):
            return replace(
                advice, said=tuple(self._said.get(advice.number, {}).values())
            )
        from issuetrack.engine.assistant.feedback_log import FeedbackFilter

        wanted = FeedbackFilter(Target(advice.number))
        entries = self.workspace.feedback.entries(
            self.workspace.actor, wanted, LOOKED_BACK
        )
        said = (suggestion_view.said(entry) for entry in entries if entry.counts)
        return replace(advice, said=tuple(said))

    async def do_assistant_suggest(self) -> None:
        """Suggest for the issue that is read."""
        if self.record is None:
            self.say("no issue is open: / changes the filter of the list")
            return
        called, workspace = named(self.record.summary), self.workspace
        run = Run(self.record.number, called, workspace.has_chat)
        self._making, self._followed, self._advice = run, None, None
        self.front("#assistant")
        self._tick(run)
        ticker = self.set_interval(TICK, partial(self._tick, run))
        try:
            advice = await self._suggested(run)
        except asyncio.CancelledError:
            self._end(run, partial(self._show_stopped, run))
            raise
        except Exception as error:
            self._end(run, partial(self._show_failure, run, error))
            raise
        finally:
            ticker.stop()
        self._end(run, partial(self._show_advice, advice))

    def _end(self, run: Run, show: Callable[[], None]) -> None:
        """End a run; show what came of it unless another has taken its place."""
        if self._making is run:
            self._making = None
            show()

    async def _suggested(self, run: Run) -> Advice:
        workspace = self.workspace

        def work(progress: Progress) -> Advice:
            run.progress = progress
            advice = _suggestion(workspace, run, progress)
            if progress.cancelled.is_set():
                self.call_later(self._show_late, run, advice)
            return advice

        return await self.beside(work, running=f"Suggesting for {run.called}")

    def _tick(self, run: Run) -> None:
        """Draw how far a suggestion is."""
        if self._making is not run:
            return
        text, asked = run.text or "", run.text is not None
        if run.progress is not None:
            stage = draft_view.stage(asked=asked, text=text)
            run.progress.tell(f"{stage}, {run.seconds:.0f} s")
        drawn = draft_view.blocks(
            run.called, text, run.seconds, asked=asked, quoted=run.quoted
        )
        self._show_panel(drawn, keep=True)
        panel = self.query_one("#assistant", Reader)
        if panel.cursor == 0 and not run.quoted:
            panel.scroll_end(animate=False)

    def _show_stopped(self, run: Run) -> None:
        self._stopped = run
        has_model = run.has_model
        self._show_panel(
            suggestion_view.stopped(run.called, self._key, has_model=has_model)
        )

    def _show_late(self, run: Run, advice: Advice) -> None:
        """Show the quotes that came after the model was stopped."""
        if self._stopped is run and run.has_model:
            self._show_advice(advice)

    def _show_failure(self, run: Run, error: Exception) -> None:
        told = (type(error).__name__, "see the log")
        if isinstance(error, IssueTrackError):
            told = (error.message, error.hint or "")
        self._show_panel(suggestion_view.failed(run.called, *told, self._key))

    async def do_assistant_rate(self) -> None:
        """Rate the suggestion."""
        advice = self._rateable()
        if advice is None:
            return
        question = f"How good is {advice.name}, for {advice.called}?"
        number = await self.answer(stars(question))
        if number is None:
            return
        hint = "Enter rates it, with or without words; Esc leaves it unrated"
        text = await self.answer(Ask("Why? Engineers may read it", hint=hint))
        if text is None:
            return
        actor, feedback = self.workspace.actor, self.workspace.feedback
        await self.beside(
            lambda _: feedback.rate(actor, advice.name, number, text or None)
        )
        await self._tell_said(advice, "rating", suggestion_view.rated(number))

    async def do_assistant_outcome(self) -> None:
        """Say what became of the suggestion."""
        advice = self._rateable()
        if advice is None:
            return
        question = f"What became of {advice.name}, for {advice.called}?"
        result = await self.answer(Choose(question, RESULTS))
        if result is None:
            return
        hint = "Enter keeps it, with or without words; Esc leaves it"
        note = await self.answer(Ask("More about it? Engineers may read it", hint=hint))
        if note is None:
            return
        actor, feedback = self.workspace.actor, self.workspace.feedback
        issue = str(advice.issue)
        await self.beside(
            lambda _: feedback.outcome(actor, advice.name, result, issue, note or None)
        )
        await self._tell_said(advice, "outcome", str(result))

    def _rateable(self) -> Advice | None:
        if self._advice is None:
            self.say(NOTHING.format(self._key("assistant.suggest")))
        return self._advice

    async def _tell_said(self, advice: Advice, kind: str, told: str) -> None:
        told = f"{told}, said by {self.workspace.actor.name}"
        self._said.setdefault(advice.number, {})[kind] = told
        self.say(f"{advice.name}: {told}")
        advice = await self.beside(lambda _: self._with_said(advice))
        if self._advice is not None and self._advice.number == advice.number:
            self._show_advice(advice, keep=True)

    def choose(self, choice: object) -> None:
        """Do what a choice in the panel means."""
        if isinstance(choice, Copied):
            copy(self, choice.text)
        elif isinstance(choice, Cited):
            self.begin("assistant.cited", self._follow_cited(choice))

    async def _follow_cited(self, cited: Cited) -> None:
        workspace, item = self.workspace, cited.evidence
        goal = await self.beside(lambda _: goal_of(workspace, item))
        if not goal.part:
            place = suggestion_view.place(item)
            self.complain(f"{place} no longer holds the words of {item.id}")
            goal = replace(goal, part="title")
        if goal.kind == "issue":
            self._followed = goal.number
        self.follow(goal)

    async def show_elsewhere(self, goal: Goal) -> None:
        """Show a document or an SOP that something leads to."""
        await self._show_source(goal)

    async def _show_source(self, goal: Goal, version: int | None = None) -> None:
        workspace, now = self.workspace, self.application.doors.clock()
        blocks, place = await self.beside(lambda _: read(workspace, goal, now, version))
        self.app.push_screen(SourceScreen(blocks, place), self._after_source)

    def _after_source(self, chosen: object) -> None:
        if isinstance(chosen, Goal):
            self.follow(chosen)
        elif isinstance(chosen, Shown):
            goal = Goal("sop", chosen.sop)
            self.begin("triage.follow", self._show_source(goal, chosen.version))


def _suggestion(workspace: "Workspace", run: Run, progress: Progress) -> Advice:
    """Return a suggestion for an issue."""
    from issuetrack.engine.assistant.drafting import Wish

    actor = workspace.actor
    question = workspace.finding.question_of(actor, str(run.issue))
    wish = Wish(
        run.has_model,
        on_token=run.hear,
        on_quoted=run.hear_quotes,
        cancel=progress.cancelled,
    )
    suggestion = workspace.suggestions.suggest(actor, question, wish)
    advice = suggestion_view.made(suggestion, run.issue, run.called)
    if workspace.index_waits():
        advice = replace(advice, warnings=(*advice.warnings, BACKLOG))
    return advice
