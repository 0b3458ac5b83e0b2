"""Keeps the fix of an issue, as stated by a person or mined from the comments."""

from datetime import datetime
from typing import Any

from sqlmodel import col, delete, select

from issuetrack.engine.issues import records, workflow
from issuetrack.engine.issues.resolution import Fix, Remark, mine, says_something
from issuetrack.engine.store.tables import Issue, Resolution
from issuetrack.engine.store.types import ResolutionHow
from issuetrack.engine.store.unit_of_work import UnitOfWork, new_uuid


def new_resolution(
    uow: UnitOfWork, issue: int, fix: Fix, now: datetime, teller: str | None = None
) -> dict[str, Any]:
    """Return the values of a new resolution row; `teller` is who told it here."""
    uuid = new_uuid()
    return {
        "uuid": uuid,
        "issue_number": issue,
        "text": uow.seal("resolution", "text", uuid, fix.text, fix.reader),
        "reader": fix.reader,
        "how": fix.how,
        "provenance": fix.provenance,
        "confirmed_by": teller,
        "created_at": now,
    }


def put_resolution(
    uow: UnitOfWork, row: Issue, fix: Fix, now: datetime, teller: str | None = None
) -> None:
    """Keep the fix of an issue in place of what was kept before."""
    assert row.number is not None
    uow.session.exec(
        delete(Resolution).where(col(Resolution.issue_number) == row.number)
    )
    uow.insert(Resolution, [new_resolution(uow, row.number, fix, now, teller)])


def remine(
    uow: UnitOfWork, row: Issue, stated: str | None, now: datetime
) -> Fix | None:
    """Look for the accepted fix of an issue again, unless a person has told it here."""
    assert row.number is not None
    known = uow.session.exec(
        select(Resolution).where(Resolution.issue_number == row.number)
    ).first()
    if known is not None and known.confirmed_by is not None:
        return None
    told = known is not None and known.how is not ResolutionHow.MINED
    if told and not says_something(stated):
        return None
    remarks = [
        Remark(c.author, c.kind, c.body, c.key or str(c.id))
        for c in records.comments(uow, row.number)
        if c.body is not None
    ]
    fix = mine(row.status, stated, row.assignee, remarks)
    if fix is not None:
        put_resolution(uow, row, fix, now)
    elif known is not None and row.status not in workflow.FINISHED:
        uow.session.delete(known)
    return fix
