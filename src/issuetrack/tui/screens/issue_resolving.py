"""Saying what fixed an issue, judging what was mined, and drafting an SOP from it."""

from typing import TYPE_CHECKING, Any, cast

from issuetrack.engine.errors import IssueTrackError
from issuetrack.engine.issues.workflow import FINISHED
from issuetrack.engine.store.types import OutcomeResult
from issuetrack.tui.actions import Place
from issuetrack.tui.background import Progress
from issuetrack.tui.issue_view import named
from issuetrack.tui.screens.issue_changing import IssueChanging
from issuetrack.tui.screens.issue_dialogs import (
    Judge,
    Kept,
    Verdict,
    is_private,
    text_kept,
    text_of,
)
from issuetrack.tui.widgets.dialogs import Choose, Option, confirm

if TYPE_CHECKING:
    from issuetrack.engine.assistant.feedback import Help
    from issuetrack.engine.assistant.sops.drafts import SopDraft
    from issuetrack.engine.issues.records import IssueRecord
    from issuetrack.engine.issues.review import FixReview
    from issuetrack.tui.screens.sops import SopScreen

MOST_ASKED = 9
TOKENS_TOLD = 20


class IssueResolving(IssueChanging):
    """What is done at the end of an issue."""

    async def do_issue_resolve(self) -> None:
        """Ask what fixed the issue, and what helped; draft an SOP where that is set."""
        record = self.held()
        if record is None:
            return
        keep = self.keeper(record.number, "resolve")
        kept = self.unsent.get((record.number, "resolve"), "")
        question = f"What fixed {named(record.summary)}? Root cause, then steps"
        text = await self.answer(Kept(question, kept, keep))
        if text is None:
            return
        keep(text)
        name, workspace = str(record.number), self.workspace
        actor = workspace.actor
        with text_kept("r"):
            former = await self.beside(lambda _: workspace.issues.standing(actor, name))
            await self.change(
                record,
                "resolved",
                lambda w, seen: w.issues.resolve(actor, name, text, revision=seen),
                lambda w, left: w.issues.unresolve(actor, name, former, revision=left),
            )
        del self.unsent[record.number, "resolve"]
        await self._ask_what_helped(record)
        await self._draft_if_wanted(record)

    async def _ask_what_helped(self, record: "IssueRecord") -> None:
        workspace, name = self.workspace, str(record.number)
        given = await self.beside(
            lambda _: workspace.feedback.recent(workspace.actor, name)[:MOST_ASKED]
        )
        if not given:
            return
        options = [
            Option(one.target.name, _help(one), str(place))
            for place, one in enumerate(given, 1)
        ]
        options.append(Option("", "none of them", "n"))
        helper = await self.answer(Choose("Which of these helped?", options, ""))
        if not helper:
            return
        await self.beside(
            lambda _: workspace.feedback.outcome(
                workspace.actor, helper, OutcomeResult.ACCEPTED, name
            )
        )
        self.say(f"{helper} is noted as what helped")

    async def _draft_if_wanted(self, record: "IssueRecord") -> None:
        from issuetrack.engine.identity.policies import DRAFT_ON_RESOLVE

        workspace, name = self.workspace, str(record.number)
        policy = await self.beside(
            lambda _: workspace.policies.get(workspace.actor, DRAFT_ON_RESOLVE.name)
        )
        if policy.value is not True:
            return
        try:
            made = await self.beside(
                lambda _: workspace.sops.draft_for(workspace.actor, name),
                f"Drafting an SOP from {named(record.summary)}",
            )
        except IssueTrackError as error:
            self.complain(
                f"#{name} is resolved, but no SOP was drafted: {error.message}",
                error.hint,
            )
            return
        if made is not None and made.written:
            await self._tell_draft(made)

    async def do_issue_draft_sop(self) -> None:
        """Draft an SOP from the issue."""
        from issuetrack.engine.assistant.drafting import Wish
        from issuetrack.engine.assistant.sops.drafts import DraftWish

        record = self.held()
        if record is None:
            return
        workspace, name = self.workspace, str(record.number)

        def work(progress: Progress) -> "SopDraft":
            wish = Wish(on_token=_counted(progress), cancel=progress.cancelled)
            made = workspace.sops.draft(workspace.actor, DraftWish((name,), model=wish))
            if progress.cancelled.is_set() and made.written:
                self.app.call_later(self._tell_late, made)
            return made

        made = await self.beside(work, f"Drafting an SOP from {named(record.summary)}")
        await self._tell_draft(made)

    def _tell_late(self, made: "SopDraft") -> None:
        """Say what a draft that was cancelled too late has become."""
        self.say(
            f"{made.record.summary.name} was drafted from quotes alone before it "
            "could be cancelled"
        )

    async def _tell_draft(self, made: "SopDraft") -> None:
        sop = made.record.summary
        for warning in made.warnings:
            self.say(warning)
        if not made.written:
            told = f"{sop.name} says all of this already; nothing was written"
        elif made.near is not None:
            told = f"{sop.name} has a new draft, version {sop.version}: {sop.title}"
        else:
            told = f"{sop.name} was drafted: {sop.title}"
        self.begin(f"issue.index {sop.name}", self._index_sop(sop.sop))
        goes = await self.answer(confirm(told, does=f"Go to {sop.name}", hint=_KEYS))
        if goes:
            self._go_to_sop(sop.sop)

    def _go_to_sop(self, number: int) -> None:
        self.application.go(Place.SOPS)
        library = cast("SopScreen", self.application.get_screen(Place.SOPS.value))
        library.call_later(library.open_sop, number)

    async def _index_sop(self, sop: int) -> None:
        from issuetrack.engine.retrieval.subjects import Subject, SubjectKind

        workspace = self.workspace
        subject = Subject(SubjectKind.SOP, sop)
        await self.beside(lambda _: workspace.drain_index(only=subject))

    async def do_issue_fix(self) -> None:
        """Ask which text is the fix, and what is to become of it."""
        record = self.held()
        if record is None:
            return
        workspace, name = self.workspace, str(record.number)
        review = await self.beside(
            lambda _: workspace.review.get(workspace.actor, name)
        )
        if not text_of(review, None):
            finished = record.summary.status in FINISHED
            told = "no text in it tells a fix" if finished else "it is not resolved"
            self.say(f"{named(record.summary)}: {told}; r says what fixed it")
            return
        verdict = await self.answer(Judge(review))
        if verdict is not None and verdict.action == "ask":
            verdict = await self._ask_verdict(verdict.place)
        if verdict is not None:
            await self._judge(record, review, verdict)

    async def _ask_verdict(self, place: int | None) -> Verdict | None:
        options = [
            Option("confirm", "This fixed it", "y"),
            Option("edit", "Correct it", "e"),
            Option("reject", "This did not fix it", "x"),
        ]
        action = await self.answer(Choose("This text", options))
        return None if action is None else Verdict(action, place)

    async def _judge(
        self, record: "IssueRecord", review: "FixReview", verdict: Verdict
    ) -> None:
        name, place = str(record.number), verdict.place
        service, actor = self.workspace.review, self.workspace.actor
        if verdict.action == "edit":
            await self._correct(record, text_of(review, place))
            return
        if verdict.action == "reject":
            await self.beside(lambda _: service.reject(actor, name, place))
            told = "rejected as the fix; the next best takes its place"
        else:
            public = is_private(review, place) and await self._ask_public()
            if public is None:
                return
            await self.beside(
                lambda _: service.confirm(actor, name, place, public=public)
            )
            told = "the fix is confirmed"
        await self.fresh(record.number)
        self.say(f"{named(record.summary)}: {told}")

    async def _ask_public(self) -> bool | None:
        options = [
            Option(False, "Engineers only, as it is", "n"),
            Option(True, "Everybody", "y"),
        ]
        question = "This text is from a work note. Who may read it?"
        answer: bool | None = await self.answer(Choose(question, options))
        return answer

    async def _correct(self, record: "IssueRecord", text: str) -> None:
        number, workspace = record.number, self.workspace
        keep = self.keeper(number, "fix")
        start = self.unsent.get((number, "fix")) or text
        question = f"What fixed {named(record.summary)}? Everybody may read it"
        written = await self.answer(Kept(question, start, keep))
        if written is None:
            return
        keep(written)
        with text_kept("f, e"):
            await self.beside(
                lambda _: workspace.review.edit(workspace.actor, str(number), written)
            )
        del self.unsent[number, "fix"]
        await self.fresh(number)
        self.say(f"{named(record.summary)}: the fix is told in your words")


_KEYS = "y goes there, n or Esc stays here"


def _help(one: "Help") -> str:
    sure = "" if one.confidence is None else f" ({one.confidence:.2f})"
    return f"{one.target.name}{sure}, {one.at:%Y-%m-%d %H:%M}  {one.about}".rstrip()


def _counted(progress: Progress) -> Any:
    """Return what tells how much a model has written, from time to time."""
    count = 0

    def told(_token: str) -> None:
        nonlocal count
        count += 1
        if count % TOKENS_TOLD == 1:
            progress.tell(
                f"the model writes, {count:,} pieces so far; not verified yet"
            )

    return told
