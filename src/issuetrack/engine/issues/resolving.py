"""Keeps the fix of an issue, as told or confirmed by a person, or as mined."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlmodel import col, delete, select

from issuetrack.engine.issues import records, workflow
from issuetrack.engine.issues.candidates import Change, Remark, Story
from issuetrack.engine.issues.resolution import Fix, mine, says_something
from issuetrack.engine.store.tables import (
    Issue,
    IssueEvent,
    Resolution,
    ResolutionRejection,
)
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
        "score": fix.score,
        "confirmed_by": teller,
        "created_at": now,
    }


def kept(uow: UnitOfWork, number: int) -> Resolution | None:
    """Return the row of what is kept as the fix of an issue."""
    return uow.session.exec(
        select(Resolution).where(Resolution.issue_number == number)
    ).first()


def put_resolution(
    uow: UnitOfWork, row: Issue, fix: Fix, now: datetime, teller: str | None = None
) -> None:
    """Keep the fix of an issue in place of what was kept before."""
    assert row.number is not None
    drop_resolution(uow, row.number)
    uow.insert(Resolution, [new_resolution(uow, row.number, fix, now, teller)])


def drop_resolution(uow: UnitOfWork, number: int) -> None:
    """Forget what is kept as the fix of an issue."""
    uow.session.exec(delete(Resolution).where(col(Resolution.issue_number) == number))


def rejected(uow: UnitOfWork, number: int) -> frozenset[bytes]:
    """Return the digests of the texts that are not the fix of an issue."""
    return rejected_of(uow, [number]).get(number, frozenset())


def rejected_of(
    uow: UnitOfWork, numbers: Collection[int]
) -> dict[int, frozenset[bytes]]:
    """Return the digests of the texts that are not the fix, by issue."""
    found: dict[int, frozenset[bytes]] = {}
    rows = uow.session.exec(
        select(ResolutionRejection.issue_number, ResolutionRejection.text_digest).where(
            col(ResolutionRejection.issue_number).in_(numbers)
        )
    )
    for number, digest in rows:
        found[number] = found.get(number, frozenset()) | {digest}
    return found


def story(uow: UnitOfWork, row: Issue, stated: str | None) -> Story:
    """Return an issue as the miner reads it; `stated` is what its tracker says."""
    assert row.number is not None
    remarks = [
        Remark(c.author, c.kind, c.body, c.key or str(c.id), c.created_at)
        for c in records.comments(uow, row.number)
        if c.body is not None
    ]
    changes = uow.session.exec(
        select(IssueEvent)
        .where(IssueEvent.issue_number == row.number)
        .order_by(col(IssueEvent.at), col(IssueEvent.id))
    )
    return Story(
        row.status,
        row.title,
        stated,
        row.assignee,
        row.reporter,
        row.resolved_at or row.closed_at,
        remarks,
        [Change(e.at, e.actor, e.field, e.before, e.after) for e in changes],
        row.external_key,
    )


def remine(
    uow: UnitOfWork, row: Issue, stated: str | None, now: datetime
) -> Fix | None:
    """Look for the accepted fix of an issue again, unless a person has told it here."""
    assert row.number is not None
    known = kept(uow, row.number)
    if known is not None and known.confirmed_by is not None:
        return None
    told = known is not None and known.how is not ResolutionHow.MINED
    if told and not says_something(stated):
        return None
    fix = mine(story(uow, row, stated), rejected(uow, row.number))
    if fix is not None:
        put_resolution(uow, row, fix, now)
    elif known is not None and row.status not in workflow.FINISHED:
        uow.session.delete(known)
    return fix
