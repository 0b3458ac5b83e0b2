"""Local edits of fields that a source has a say in.

An edit holds here until the source says the same; it can be pushed to the tracker or
dropped. Values are kept as JSON, sealed.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import col, delete, select

from issuetrack.engine.identity.users import Actor
from issuetrack.engine.store.tables import Issue, IssueOverride
from issuetrack.engine.store.unit_of_work import UnitOfWork, new_uuid

MIRRORED = (
    "title",
    "body",
    "type",
    "status",
    "priority",
    "service",
    "site",
    "category",
    "labels",
    "assignee",
)


@dataclass(frozen=True)
class Pending:
    """A local edit that the source does not know of, or says otherwise.

    Attributes:
        value: what holds here.
        upstream: what the source says.
    """

    field: str
    value: Any
    upstream: Any
    actor: str
    at: datetime


def _sealed(uow: UnitOfWork, column: str, uuid: str, value: Any) -> bytes:
    return uow.seal("issue_override", column, uuid, json.dumps(value))


def _opened(uow: UnitOfWork, row: IssueOverride) -> Pending:
    value, upstream = (
        json.loads(uow.open("issue_override", column, row.uuid, sealed))
        for column, sealed in (("value", row.value), ("upstream", row.upstream))
    )
    return Pending(row.field, value, upstream, row.actor, row.created_at)


def pending(uow: UnitOfWork, number: int) -> tuple[Pending, ...]:
    """Return the local edits of an issue that are not upstream."""
    rows = uow.session.exec(
        select(IssueOverride)
        .where(IssueOverride.issue_number == number)
        .order_by(col(IssueOverride.field))
    )
    return tuple(_opened(uow, row) for row in rows)


def keep(
    uow: UnitOfWork,
    actor: Actor,
    row: Issue,
    field: str,
    before: Any,
    after: Any,
    now: datetime,
) -> None:
    """Note that a mirrored field was edited here; an edit back ends the matter.

    Args:
        uow: what to write through.
        actor: who edited it.
        row: the issue; of a local one nothing is noted.
        field: the field.
        before: its value before the edit.
        after: its value now.
        now: the moment.
    """
    if row.source_id is None or field not in MIRRORED:
        return
    assert row.number is not None
    known = uow.session.exec(
        select(IssueOverride).where(
            IssueOverride.issue_number == row.number, IssueOverride.field == field
        )
    ).first()
    upstream = before
    if known is not None:
        upstream = _opened(uow, known).upstream
        uow.session.delete(known)
        uow.session.flush()
    if _plain(upstream) == _plain(after):
        return
    uuid = new_uuid()
    uow.session.add(
        IssueOverride(
            uuid=uuid,
            issue_number=row.number,
            field=field,
            value=_sealed(uow, "value", uuid, after),
            upstream=_sealed(uow, "upstream", uuid, upstream),
            actor=actor.name,
            created_at=now,
        )
    )
    uow.session.flush()


def _plain(value: Any) -> Any:
    """Return a value as JSON gives it back."""
    return json.loads(json.dumps(value)) or None


def held(
    uow: UnitOfWork, numbers: Iterable[int]
) -> dict[int, dict[str, IssueOverride]]:
    """Return the pending edits of issues, by number and field."""
    found: dict[int, dict[str, IssueOverride]] = {}
    for row in uow.session.exec(
        select(IssueOverride).where(col(IssueOverride.issue_number).in_(list(numbers)))
    ):
        found.setdefault(row.issue_number, {})[row.field] = row
    return found


def meet(uow: UnitOfWork, row: IssueOverride, upstream: Any) -> bool:
    """Let a pending edit meet what the source says now.

    Returns:
        whether the edit still holds; it does not once the source says the same.
    """
    if _plain(_opened(uow, row).value) == _plain(upstream):
        uow.session.delete(row)
        return False
    row.upstream = _sealed(uow, "upstream", row.uuid, upstream)
    uow.session.add(row)
    return True


def drop(uow: UnitOfWork, number: int, fields: Iterable[str]) -> list[Pending]:
    """Forget pending edits of an issue; return them."""
    dropped = [edit for edit in pending(uow, number) if edit.field in set(fields)]
    uow.session.exec(
        delete(IssueOverride).where(
            col(IssueOverride.issue_number) == number,
            col(IssueOverride.field).in_([edit.field for edit in dropped]),
        )
    )
    return dropped
