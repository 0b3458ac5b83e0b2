"""Issues as other rooms see them: frozen, opened, complete."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select

from issuetrack.engine.errors import NotFoundError
from issuetrack.engine.issues.overrides import Pending, pending
from issuetrack.engine.issues.texts import clean_line
from issuetrack.engine.store.tables import (
    Comment,
    Issue,
    IssueEvent,
    Link,
    Resolution,
    Source,
)
from issuetrack.engine.store.types import (
    CommentKind,
    GoneReason,
    IssueStatus,
    IssueType,
    Priority,
    ResolutionHow,
    Role,
)
from issuetrack.engine.store.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class IssueSummary:
    """An issue without its text: what a list shows."""

    number: int
    key: str | None
    url: str | None
    source: str | None
    type: IssueType
    status: IssueStatus
    priority: Priority | None
    service: str | None
    site: str | None
    category: str | None
    labels: tuple[str, ...]
    reporter: str | None
    assignee: str | None
    title: str
    created_at: datetime
    updated_at: datetime
    resolved_at: datetime | None
    closed_at: datetime | None
    duplicate_of: int | None
    revision: int


@dataclass(frozen=True)
class CommentRecord:
    """A comment.

    Attributes:
        body: None where the actor may not read it.
        carries_fix: it tells of a remedy, and nobody said that this is not the fix.
    """

    id: int
    key: str | None
    kind: CommentKind
    author: str | None
    body: str | None
    created_at: datetime
    carries_fix: bool


@dataclass(frozen=True)
class EventRecord:
    """A change of one field."""

    at: datetime
    actor: str | None
    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class ResolutionRecord:
    """What fixed an issue.

    Attributes:
        text: None where the actor may not read it.
        score: 0..1, how sure the miner was; None where a person told it here.
    """

    text: str | None
    how: ResolutionHow
    provenance: str
    reader: Role
    score: float | None = None


@dataclass(frozen=True)
class LinkRecord:
    """A relation to another issue (its key) or to a commit or page (its url)."""

    kind: str
    target: str


@dataclass(frozen=True)
class UpstreamRecord:
    """What the source of an issue has beside the fields.

    Attributes:
        gone: why the source no longer has it where it was; None if it has.
        moved_to: where it is now, where that is known.
        pending: local edits that the source does not know of.
    """

    gone: GoneReason | None
    moved_to: str | None
    attachments: tuple[str, ...]
    pending: tuple[Pending, ...]


@dataclass(frozen=True)
class IssueRecord:
    """An issue with everything that is known of it."""

    summary: IssueSummary
    body: str
    comments: tuple[CommentRecord, ...]
    events: tuple[EventRecord, ...]
    resolution: ResolutionRecord | None
    links: tuple[LinkRecord, ...]
    upstream: UpstreamRecord

    @property
    def number(self) -> int:
        """Return the number it is shown by."""
        return self.summary.number


def is_number(text: str) -> bool:
    """Tell whether a text is a row number that SQLite can hold."""
    return text.isascii() and text.isdigit() and len(text) < len(str(2**63))


def find(uow: UnitOfWork, name: str) -> Issue:
    """Return the row of an issue named by `#17`, `17`, its key or its url.

    Raises:
        NotFoundError: there is none, or a key names several.
    """
    wanted = clean_line(name)
    digits = wanted.removeprefix("#")
    if is_number(digits):
        found = uow.session.get(Issue, int(digits))
        if found is not None:
            return found
    rows = uow.session.exec(
        select(Issue).where(
            (col(Issue.external_key) == wanted) | (col(Issue.url) == wanted)
        )
    ).all()
    if len(rows) > 1:
        numbers = ", ".join(f"#{row.number}" for row in rows)
        raise NotFoundError(
            f"{wanted} names several issues: {numbers}", "use one of the numbers"
        )
    if not rows:
        raise NotFoundError(
            f"there is no issue {wanted}", "list them: issuetrack issue list"
        )
    return rows[0]


def summaries(uow: UnitOfWork, rows: Sequence[Issue]) -> list[IssueSummary]:
    """Return list entries for rows."""
    names = dict(uow.session.exec(select(Source.id, Source.name)).all())
    return [_summary(row, names.get(row.source_id)) for row in rows]


def by_number(uow: UnitOfWork, numbers: Sequence[int]) -> dict[int, IssueSummary]:
    """Return list entries by number; the ones that do not exist are left out."""
    rows = uow.session.exec(select(Issue).where(col(Issue.number).in_(numbers))).all()
    return {summary.number: summary for summary in summaries(uow, rows)}


def _summary(row: Issue, source: str | None) -> IssueSummary:
    assert row.number is not None
    return IssueSummary(
        row.number,
        row.external_key,
        row.url,
        source,
        row.type,
        row.status,
        row.priority,
        row.service,
        row.site,
        row.category,
        tuple(row.labels),
        row.reporter,
        row.assignee,
        row.title,
        row.created_at,
        row.updated_at,
        row.resolved_at,
        row.closed_at,
        row.duplicate_of,
        row.revision,
    )


def comments(uow: UnitOfWork, number: int) -> list[CommentRecord]:
    """Return the comments of an issue in the order of time."""
    rows = uow.session.exec(
        select(Comment)
        .where(Comment.issue_number == number)
        .order_by(col(Comment.created_at), col(Comment.id))
    )
    out = []
    for row in rows:
        assert row.id is not None
        note = row.kind is CommentKind.WORK_NOTE
        readable = uow.can_read(Role.ENGINEER if note else Role.VIEWER)
        body = uow.open("comment", "body", row.uuid, row.body) if readable else None
        out.append(
            CommentRecord(
                row.id,
                row.external_key,
                row.kind,
                row.author,
                body,
                row.created_at,
                row.carries_fix,
            )
        )
    return out


def resolution(uow: UnitOfWork, number: int) -> ResolutionRecord | None:
    """Return what fixed an issue, where that is known."""
    row = uow.session.exec(
        select(Resolution).where(Resolution.issue_number == number)
    ).first()
    if row is None:
        return None
    text = None
    if uow.can_read(row.reader):
        text = uow.open("resolution", "text", row.uuid, row.text)
    return ResolutionRecord(text, row.how, row.provenance, row.reader, row.score)


def record(uow: UnitOfWork, row: Issue) -> IssueRecord:
    """Return everything known of one issue."""
    assert row.number is not None
    events = uow.session.exec(
        select(IssueEvent)
        .where(IssueEvent.issue_number == row.number)
        .order_by(col(IssueEvent.at), col(IssueEvent.id))
    )
    return IssueRecord(
        summaries(uow, [row])[0],
        uow.open_optional("issue", "body", row.uuid, row.body) or "",
        tuple(comments(uow, row.number)),
        tuple(EventRecord(e.at, e.actor, e.field, e.before, e.after) for e in events),
        resolution(uow, row.number),
        links(uow, row.number),
        UpstreamRecord(
            row.gone,
            row.moved_to,
            tuple(row.attachments),
            pending(uow, row.number),
        ),
    )


def links(uow: UnitOfWork, number: int) -> tuple[LinkRecord, ...]:
    """Return what an issue is related to."""
    rows = uow.session.exec(
        select(Link.kind, Link.target)
        .where(Link.issue_number == number)
        .order_by(col(Link.id))
    )
    return tuple(LinkRecord(kind, target) for kind, target in rows)


def mapped(uow: UnitOfWork, name: str) -> list[dict[str, str | None]]:
    """Return which of the tracker's words became which here, a row for each field."""
    row = find(uow, name)
    text = uow.open_optional("issue", "mapped", row.uuid, row.mapped)
    return list(json.loads(text)) if text else []
