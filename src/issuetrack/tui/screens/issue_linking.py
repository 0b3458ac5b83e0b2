"""Saying that an issue is another one again."""

from typing import TYPE_CHECKING

from issuetrack.terminal_safety import clean_line
from issuetrack.tui.issue_view import named
from issuetrack.tui.screens.issue_changing import IssueChanging
from issuetrack.tui.widgets.dialogs import Ask, Choose, Option, confirm

if TYPE_CHECKING:
    from issuetrack.engine.issues.records import IssueRecord

BODY_SHOWN = 300
UNLINK, OTHER = "unlink", "other"


class IssueLinking(IssueChanging):
    """What links duplicates to their originals.

    Attributes:
        probable: what new issues are probably duplicates of, by number.
    """

    def __init__(self) -> None:
        super().__init__()
        self.probable: dict[int, int] = {}

    async def do_issue_duplicate(self) -> None:
        """Ask which issue it is again, or whether it is none after all."""
        record = self.held()
        if record is None:
            return
        if record.summary.duplicate_of is not None:
            chosen = await self._ask_linked(record, record.summary.duplicate_of)
            if chosen == UNLINK:
                await self._unlink(record, record.summary.duplicate_of)
            if chosen != OTHER:
                return
        await self._link(record)

    async def _ask_linked(self, record: "IssueRecord", original: int) -> str | None:
        options = [
            Option(UNLINK, "It is no duplicate after all", "u"),
            Option(OTHER, "It is a duplicate of another issue", "o"),
        ]
        known = await self._issue_named(str(original))
        question = f"{named(record.summary)} is a duplicate of {_told(known)}"
        answer: str | None = await self.answer(Choose(question, options))
        return answer

    async def _issue_named(self, name: str) -> "IssueRecord":
        workspace = self.workspace
        return await self.beside(lambda _: workspace.issues.get(workspace.actor, name))

    async def _link(self, record: "IssueRecord") -> None:
        probable = self.probable.get(record.number)
        name = await self.answer(
            Ask(
                f"Which issue is {named(record.summary)} again?",
                f"#{probable}" if probable else "",
                "#12, a key or a url. Enter to look at it, Esc to leave it",
            )
        )
        if not name or not name.strip():
            return
        original = await self._issue_named(name)
        question = (
            f"Is {named(record.summary)} a duplicate of this one?\n\n{_told(original)}"
        )
        if not await self.answer(confirm(question, does="Link it; its status stays")):
            return
        me, actor = str(record.number), self.workspace.actor
        target, before = str(original.number), record.summary.duplicate_of
        await self.change(
            record,
            f"duplicate of {named(original.summary)}",
            lambda w, seen: w.linking.link(actor, me, target, revision=seen),
            lambda w, left: (
                w.linking.unlink(actor, me, revision=left)
                if before is None
                else w.linking.link(actor, me, str(before), revision=left)
            ),
        )

    async def _unlink(self, record: "IssueRecord", original: int) -> None:
        me, actor = str(record.number), self.workspace.actor
        await self.change(
            record,
            f"no duplicate of #{original}",
            lambda w, seen: w.linking.unlink(actor, me, revision=seen),
            lambda w, left: w.linking.link(actor, me, str(original), revision=left),
        )


def _told(record: "IssueRecord") -> str:
    """Return what an issue is, in a few lines."""
    s = record.summary
    status = s.status.replace("_", " ")
    head = f"#{s.number} {named(s)}: {s.title} ({status}, {s.created_at:%Y-%m-%d})"
    body = clean_line(record.body[: BODY_SHOWN * 2])[:BODY_SHOWN]
    return f"{clean_line(head)}\n{body}".rstrip()
