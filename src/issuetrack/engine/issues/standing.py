"""An issue as somebody saw it: not changed since, and brought back to that."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from issuetrack.engine.errors import ConflictError
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues import judging, overrides, records, resolving
from issuetrack.engine.issues.history import record_event
from issuetrack.engine.issues.resolution import Fix
from issuetrack.engine.store.tables import Issue
from issuetrack.engine.store.types import IssueStatus, ResolutionHow
from issuetrack.engine.store.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class Standing:
    """How far an issue is.

    Attributes:
        fix: what is kept as its fix; None where nothing is, or nothing readable.
        teller: the principal who told or confirmed that here.
    """

    status: IssueStatus
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    fix: Fix | None = None
    teller: str | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """Return what of it the audit trail keeps."""
        text = self.fix.text if self.fix else None
        return {"status": self.status, "resolution": text}


def find_as_read(uow: UnitOfWork, name: str, revision: int | None) -> Issue:
    """Return an issue that is as it was read; with no revision, as it is now.

    Raises:
        ConflictError: it was changed since.
        NotFoundError: there is no such issue.
    """
    row = records.find(uow, name)
    if revision is not None and row.revision != revision:
        raise ConflictError(
            f"#{row.number} was changed by somebody else meanwhile",
            f"look at it again: issuetrack issue show {row.number}",
        )
    return row


def standing(uow: UnitOfWork, row: Issue) -> Standing:
    """Return how far an issue is."""
    assert row.number is not None
    moments = row.status, row.resolved_at, row.closed_at
    kept = resolving.kept(uow, row.number)
    known = records.resolution(uow, row.number)
    if kept is None or known is None or known.text is None:
        return Standing(*moments)
    fix = Fix(known.text, known.how, known.provenance, known.reader, known.score)
    return Standing(*moments, fix, kept.confirmed_by)


def restore(
    uow: UnitOfWork, actor: Actor, row: Issue, former: Standing, now: datetime
) -> None:
    """Bring an issue that was resolved here back to how it stood before.

    A fix that was mined is looked for again.

    Raises:
        ConflictError: what was said to have fixed it was judged since.
    """
    assert row.number is not None
    kept = resolving.kept(uow, row.number)
    if kept is None or not judging.is_told_here(kept):
        raise ConflictError(
            f"what fixed #{row.number} was told otherwise meanwhile",
            f"look at it again: issuetrack resolution show {row.number}",
        )
    if row.status is not former.status:
        record_event(uow, actor, row, now, "status", row.status, former.status)
        overrides.keep(uow, actor, row, "status", row.status, former.status, now)
        row.status = former.status
        row.resolved_at, row.closed_at = former.resolved_at, former.closed_at
    resolving.drop_resolution(uow, row.number)
    if former.fix is None or former.fix.how is ResolutionHow.MINED:
        resolving.remine(uow, row, None, now)
    else:
        resolving.put_resolution(uow, row, former.fix, now, former.teller)
