"""Changing the open issue: in one place, with undo, and never over others' work."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from issuetrack.engine.errors import ConflictError, IssueTrackError, ModelError
from issuetrack.engine.issues.workflow import NEXT
from issuetrack.engine.store.types import IssueStatus, Priority
from issuetrack.terminal_safety import clean_line
from issuetrack.tui import undo
from issuetrack.tui.issue_view import Goal, named
from issuetrack.tui.screens.issue_dialogs import Remark, text_kept
from issuetrack.tui.screens.issue_page import IssuePage
from issuetrack.tui.undo import Back, Change, UndoStack
from issuetrack.tui.widgets.dialogs import Ask, Choose, Option

if TYPE_CHECKING:
    from issuetrack.engine.issues.records import IssueRecord
    from issuetrack.engine.workspace import Workspace

NOBODY, ME = ("", "none"), "me"
SHOWN_ANEW = "it is shown as it is now: look at it and decide again"
NO_ISSUE = "No issue is open: j and k move in the list, / changes the filter"


class IssueChanging(IssuePage):
    """What changes one field, or adds a comment."""

    def __init__(self) -> None:
        super().__init__()
        self.undo_stack = UndoStack()
        self.unsent: dict[tuple[int, str], str] = {}

    def held(self) -> "IssueRecord | None":
        """Return the open issue; say so where there is none."""
        if self.record is None:
            self.say(NO_ISSUE)
        return self.record

    async def change(
        self,
        record: "IssueRecord",
        told: str,
        do: "Callable[[Workspace, int], IssueRecord]",
        back: Back | None = None,
    ) -> "IssueRecord":
        """Change an issue that nobody has changed since it was read; show it anew.

        Args:
            record: the issue as it was read.
            told: what is done to it, in a few words.
            do: does it to that revision.
            back: takes it back from the revision that it left; None where it cannot be.

        Raises:
            ConflictError: somebody has changed it.
        """
        workspace, number = self.workspace, record.number

        def work(_: object) -> "IssueRecord":
            seen = record.summary.revision
            after = do(workspace, seen)
            if back is not None and after.summary.revision != seen:
                self.undo_stack.push(
                    Change(number, told, back, seen, after.summary.revision)
                )
            return after

        try:
            after = await self.beside(work)
        except ConflictError as error:
            await self.reload(number)
            error.hint = SHOWN_ANEW
            raise
        await self.fresh(number)
        self.say(f"{named(record.summary)}: {told}{'; u undoes it' if back else ''}")
        return after

    async def fresh(self, number: int) -> None:
        """Show an issue as it is now, and have it found as it is now."""
        workspace = self.workspace
        await self.beside(lambda _: workspace.seen.look(workspace.actor, number))
        await self.reload(number)
        self.begin(f"issue.index {number}", self.index(number))

    async def index(self, number: int) -> None:
        """Have an issue found as it is now; a missing model is only told."""
        workspace = self.workspace
        try:
            await self.beside(lambda _: workspace.drain_index(only=number))
        except ModelError as error:
            self.complain(
                f"#{number} is kept but cannot be found yet: {error.message}",
                error.hint,
            )

    async def set_field(self, record: "IssueRecord", field: str, value: object) -> None:
        """Give a field another value."""
        name, actor = str(record.number), self.workspace.actor
        before = getattr(record.summary, field)
        if value == before:
            self.say(f"{named(record.summary)}: the {field} is that already")
            return
        changes, old = {field: value}, {field: before}
        await self.change(
            record,
            f"{field} {clean_line(str(before or 'none'))} -> "
            f"{clean_line(str(value or 'none'))}",
            lambda w, seen: w.issues.edit(actor, name, changes, revision=seen),
            lambda w, left: w.issues.edit(actor, name, old, revision=left),
        )

    async def do_issue_assign(self) -> None:
        """Ask who takes the issue."""
        record = self.held()
        if record is None:
            return
        chosen = await self.answer(
            Ask(
                f"Who takes {named(record.summary)}?",
                record.summary.assignee or "",
                "A name, or me; empty for nobody. Enter to go on, Esc to leave it",
            )
        )
        if chosen is None:
            return
        name: str | None = clean_line(chosen)
        if name == ME:
            name = self.workspace.actor.name
        await self.set_field(record, "assignee", None if name in NOBODY else name)

    async def do_issue_priority(self) -> None:
        """Ask how urgent the issue is."""
        record = self.held()
        if record is None:
            return
        options = [Option(p.value, p.value, p.value[-1]) for p in Priority]
        options.append(Option("", "none", "0"))
        chosen = await self.answer(
            Choose(
                f"Priority of {named(record.summary)}",
                options,
                record.summary.priority or "",
            )
        )
        if chosen is not None:
            value = Priority(chosen) if chosen else None
            await self.set_field(record, "priority", value)

    async def do_issue_status(self) -> None:
        """Ask for the next status."""
        record = self.held()
        if record is None:
            return
        now = record.summary.status
        options = [
            Option(status, _words(now, status), status[0]) for status in _steps(now)
        ]
        question = f"{named(record.summary)} is {now.replace('_', ' ')}; make it"
        chosen = await self.answer(Choose(question, options))
        if chosen is IssueStatus.RESOLVED:
            await self.do_issue_resolve()
        elif chosen is not None:
            await self.set_status(record, chosen)

    async def set_status(self, record: "IssueRecord", status: IssueStatus) -> None:
        """Move an issue to another status."""
        name, actor = str(record.number), self.workspace.actor
        before = record.summary.status
        await self.change(
            record,
            f"{before} -> {status}".replace("_", " "),
            lambda w, seen: w.issues.set_status(actor, name, status, revision=seen),
            lambda w, left: moved(w, name, before, left),
        )

    async def do_issue_resolve(self) -> None:
        """Ask what fixed the issue."""
        raise NotImplementedError

    def keeper(self, number: int, what: str) -> Callable[[str], None]:
        """Return what keeps an unfinished text about an issue."""

        def keep(text: str) -> None:
            self.unsent[number, what] = text

        return keep

    async def do_issue_comment(self) -> None:
        """Ask for a comment."""
        record = self.held()
        if record is None:
            return
        number, actor = record.number, self.workspace.actor
        keep = self.keeper(number, "comment")
        kept = self.unsent.get((number, "comment"), "")
        remark = Remark(f"Comment on {named(record.summary)}", kept, keep)
        text = await self.answer(remark)
        if text is None:
            return
        keep(text)
        workspace, kind = self.workspace, remark.kind

        def work(_: object) -> None:
            after = workspace.issues.comment(actor, str(number), text, kind)
            made = max(comment.id for comment in after.comments)
            left = after.summary.revision
            self.undo_stack.push(
                Change(
                    number,
                    "comment",
                    lambda w, _left: w.issues.withdraw(actor, str(number), made),
                    left - 1,
                    left,
                    overwrites=False,
                )
            )

        with text_kept("c"):
            await self.beside(work)
        del self.unsent[number, "comment"]
        await self.fresh(number)
        what = kind.replace("_", " ")
        self.say(f"{named(record.summary)}: {what} comment added; u takes it back")

    async def do_issue_undo(self) -> None:
        """Take the latest change of this session back."""
        change = self.undo_stack.last()
        if change is None:
            self.say("Nothing was changed here yet, so there is nothing to undo")
            return
        workspace, stack = self.workspace, self.undo_stack
        try:
            record = await self.beside(lambda _: stack.take_back(workspace, change))
        except IssueTrackError as error:
            await self.reload(change.number)
            error.message = f"not undone ({change.told}): {error.message}"
            if isinstance(error, ConflictError):
                error.hint = SHOWN_ANEW
            raise
        if self.record is None or self.record.number != change.number:
            self.follow(Goal("issue", change.number))
        await self.fresh(change.number)
        self.say(f"Undone: {named(record.summary)}: {change.told}")


def moved(
    workspace: "Workspace", name: str, goal: IssueStatus, revision: int
) -> "IssueRecord":
    """Bring an issue to a status, step by step where it must be."""
    actor, record = workspace.actor, workspace.issues.get(workspace.actor, name)
    for step in undo.way(record.summary.status, goal):
        record = workspace.issues.set_status(actor, name, step, revision=revision)
        revision = record.summary.revision
    return record


def _steps(now: IssueStatus) -> list[IssueStatus]:
    return [status for status in IssueStatus if status in NEXT[now]]


def _words(now: IssueStatus, status: IssueStatus) -> str:
    told = {
        IssueStatus.OPEN: "open again" if now is not IssueStatus.OPEN else "open",
        IssueStatus.IN_PROGRESS: "in progress",
        IssueStatus.RESOLVED: "resolved: asks what fixed it",
        IssueStatus.CLOSED: "closed",
    }
    return told[status]
