"""What a source says of an issue, and local edits that it does not know of."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from issuetrack.engine.errors import UsageError
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues import changing, overrides, records
from issuetrack.engine.issues.history import record_event
from issuetrack.engine.issues.records import IssueRecord
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.tables import Issue
from issuetrack.engine.store.types import IssueStatus, IssueType, Priority
from issuetrack.engine.store.unit_of_work import UnitOfWork


class MirrorService:
    """The upstream side of the issues of one workspace."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def mapped(self, actor: Actor, name: str) -> list[dict[str, str | None]]:
        """Return which of the tracker's words became which, a row for each field.

        Raises:
            NotFoundError: there is no such issue.
        """
        authorize(actor, Permission.READ)
        with self._database.read() as uow:
            return records.mapped(uow, name)

    def drop_edits(
        self, actor: Actor, name: str, fields: Iterable[str] = overrides.MIRRORED
    ) -> IssueRecord:
        """Give up local edits of mirrored fields: the source's values hold again.

        When the issue is read the next time, all of it is taken over anew: the
        moments of a status that was edited were not kept.

        Raises:
            UsageError: there is nothing to give up.
        """
        authorize(actor, Permission.WRITE_ISSUES)
        now = self._clock()
        with self._database.write() as uow:
            row = records.find(uow, name)
            assert row.number is not None
            dropped = overrides.drop(uow, row.number, fields)
            if not dropped:
                raise UsageError(
                    f"#{row.number} has no such edit that is not upstream",
                    f"issuetrack issue show {row.number}",
                )
            for edit in dropped:
                _restore(uow, actor, row, edit, now)
            row.remote_digest = None
            before = {edit.field: edit.value for edit in dropped}
            after = {edit.field: edit.upstream for edit in dropped}
            changing.finish(uow, actor, row, now, "issue.drop_edit", before, after)
            return records.record(uow, row)


def _restore(
    uow: UnitOfWork,
    actor: Actor,
    row: Issue,
    edit: overrides.Pending,
    now: datetime,
) -> None:
    if edit.field == "status":
        status = IssueStatus(edit.upstream)
        record_event(uow, actor, row, now, "status", row.status, status)
        changing.set_status(row, status, now)
    else:
        changing.apply(uow, actor, row, {edit.field: _typed(edit)}, now)
        overrides.drop(uow, row.number or 0, [edit.field])


def _typed(edit: overrides.Pending) -> Any:
    """Return what the source says as the field has it."""
    kinds = {"type": IssueType, "priority": Priority}
    kind = kinds.get(edit.field)
    return kind(edit.upstream) if kind and edit.upstream else edit.upstream
