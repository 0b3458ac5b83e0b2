"""The parts of a change of one issue, inside one unit of work."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlmodel import col, select

from issuetrack.engine.errors import NotFoundError, UsageError
from issuetrack.engine.identity import audit
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues import overrides, resolving, workflow
from issuetrack.engine.issues.candidates import Remark
from issuetrack.engine.issues.history import record_event
from issuetrack.engine.issues.resolution import carries_fix
from issuetrack.engine.issues.texts import (
    checked_body,
    checked_title,
    clean_line,
    optional_line,
)
from issuetrack.engine.retrieval.outbox import enqueue
from issuetrack.engine.store.tables import Comment, Issue, OutgoingChange
from issuetrack.engine.store.types import CommentKind, IssueStatus, Role
from issuetrack.engine.store.unit_of_work import UnitOfWork, new_uuid


def apply(
    uow: UnitOfWork,
    actor: Actor,
    row: Issue,
    changes: Mapping[str, Any],
    now: datetime,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give fields new values; return the old and the new ones of what changed."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for field, value in changes.items():
        if field == "body":
            old = uow.open_optional("issue", "body", row.uuid, row.body) or ""
            new: Any = checked_body(value or "")
            stored: Any = uow.seal_optional("issue", "body", row.uuid, new)
        else:
            old = getattr(row, field)
            new = stored = _stored(field, value)
        if new == old:
            continue
        setattr(row, field, stored)
        overrides.keep(uow, actor, row, field, old, new, now)
        before[field], after[field] = old, new
        shown = field != "body"
        record_event(
            uow, actor, row, now, field, old if shown else "", new if shown else ""
        )
    return before, after


def add_comment(
    uow: UnitOfWork,
    actor: Actor,
    row: Issue,
    text: str,
    kind: CommentKind,
    now: datetime,
) -> None:
    """Add a comment of an actor."""
    assert row.number is not None
    uuid, remark = new_uuid(), Remark(actor.name, kind, text, "")
    rejected = resolving.rejected(uow, row.number)
    reader = Role.ENGINEER if kind is CommentKind.WORK_NOTE else Role.VIEWER
    uow.session.add(
        Comment(
            uuid=uuid,
            issue_number=row.number,
            kind=kind,
            author=actor.name,
            body=uow.seal("comment", "body", uuid, text, reader),
            carries_fix=carries_fix(remark, row.assignee, rejected),
            created_at=now,
        )
    )
    uow.session.flush()


def take_back(uow: UnitOfWork, actor: Actor, row: Issue, comment: int) -> str:
    """Delete a comment that its actor made here; return what it said.

    Raises:
        NotFoundError: the issue has no such comment.
        UsageError: somebody else made it, or a source has it or may have it.
    """
    found = uow.session.get(Comment, comment)
    if found is None or found.issue_number != row.number:
        raise NotFoundError(
            f"#{row.number} has no comment {comment}",
            f"look at it: issuetrack issue show {row.number}",
        )
    _check_own(uow, actor, found)
    text = uow.open("comment", "body", found.uuid, found.body)
    uow.session.delete(found)
    uow.session.flush()
    return text


def _check_own(uow: UnitOfWork, actor: Actor, comment: Comment) -> None:
    """Refuse a comment that is not its actor's alone.

    Raises:
        UsageError: somebody else made it, or a source has it or may have it.
    """
    if comment.external_key is not None:
        raise UsageError(
            f"comment {comment.id} is upstream",
            "delete it in the tracker; a sync takes it away here",
        )
    if comment.author != actor.name:
        raise UsageError(
            f"comment {comment.id} is by {comment.author or 'nobody known'}",
            "only your own comments can be taken back; add one that puts it right",
        )
    sent = select(OutgoingChange.id).where(
        OutgoingChange.issue_number == comment.issue_number,
        col(OutgoingChange.remote_key).is_(None),
        OutgoingChange.created_at >= comment.created_at,
    )
    if uow.session.exec(sent).first() is not None:
        raise UsageError(
            f"comment {comment.id} may have been pushed meanwhile",
            "add a comment that puts it right",
        )


def move(
    uow: UnitOfWork, actor: Actor, row: Issue, status: IssueStatus, now: datetime
) -> None:
    """Move an issue to another status.

    Raises:
        UsageError: it is there already, or cannot get there.
    """
    assert row.number is not None
    workflow.check(row.number, row.status, status)
    record_event(uow, actor, row, now, "status", row.status, status)
    overrides.keep(uow, actor, row, "status", row.status, status, now)
    set_status(row, status, now)


def set_status(row: Issue, status: IssueStatus, now: datetime) -> None:
    """Give an issue a status with its moments."""
    row.status = status
    if status is IssueStatus.OPEN:
        row.resolved_at = row.closed_at = None
    elif status is IssueStatus.RESOLVED:
        row.resolved_at = now
    elif status is IssueStatus.CLOSED:
        row.closed_at = now
        row.resolved_at = row.resolved_at or now


def finish(
    uow: UnitOfWork,
    actor: Actor,
    row: Issue,
    now: datetime,
    action: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any],
) -> None:
    """Count the revision, and write the audit entry and the index work of a change."""
    assert row.number is not None
    row.updated_at = now
    if before is not None or action == "issue.comment":
        row.revision += 1
    uow.session.add(row)
    entity = ("issue", str(row.number))
    audit.record(uow, actor, now, action, entity, before=before, after=after)
    enqueue(uow, [row.number], now)


def _stored(field: str, value: Any) -> Any:
    """Return a new value of a field as it is stored."""
    if field == "title":
        return checked_title(value)
    if field == "labels":
        return [clean_line(label) for label in value or ()]
    return optional_line(value) if type(value) is str else value
