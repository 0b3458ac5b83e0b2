"""The tables; their names are the vocabulary of the whole program.

Columns of type `bytes` named for text (`body`, `text`, `payload`, ...) hold
sealed values: see `encryption`. Rows never leave a unit of work. The tables that
refer to these are in `learning_tables`, `index_tables` and `reading_tables`.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    ForeignKey,
    Index,
    Integer,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

from issuetrack.engine.store.types import (
    CommentKind,
    GoneReason,
    IssueStatus,
    IssueType,
    PrincipalKind,
    Priority,
    ResolutionHow,
    Role,
    SyncOutcome,
    UtcDateTime,
    enum_column,
)


def moment(*, nullable: bool = False, index: bool = False) -> Any:
    """Return a column for a moment in UTC."""
    return Field(default=None, sa_type=UtcDateTime, nullable=nullable, index=index)


def words(kind: Any, *, nullable: bool = False, index: bool = False) -> Any:
    """Return a column for one word of an enumeration."""
    return Field(
        default=None, sa_type=enum_column(kind), nullable=nullable, index=index
    )


def owned_by(table_key: str, *, nullable: bool = False) -> Any:
    """Return an indexed foreign key whose rows go with their owner."""
    return Field(
        sa_column=Column(
            Integer,
            ForeignKey(table_key, ondelete="CASCADE"),
            nullable=nullable,
            index=True,
        )
    )


class Setting(SQLModel, table=True):
    """A named value of the workspace: identity, policy, index state."""

    __tablename__ = "setting"
    key: str = Field(primary_key=True)
    value: str


class User(SQLModel, table=True):
    """A principal: a person, a service or the recovery key."""

    __tablename__ = "user"
    uuid: str = Field(primary_key=True)
    name: str = Field(unique=True)
    kind: PrincipalKind = words(PrincipalKind)
    role: Role = words(Role)
    sealing_key: bytes
    signing_key: bytes
    disabled: bool = False
    created_at: datetime = moment()


class Source(SQLModel, table=True):
    """Where issues come from: a tracker or a named import."""

    __tablename__ = "source"
    id: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(unique=True)
    name: str = Field(unique=True)
    kind: str
    base_url: str | None = None
    scope: str | None = None
    cursor: str | None = None
    token: bytes | None = None
    username: str | None = None
    options: dict[str, str] = Field(default_factory=dict, sa_type=JSON)
    mapping: list[str] = Field(default_factory=list, sa_type=JSON)
    write_back: bool = False
    paused: bool = False
    created_at: datetime = moment()


class SyncRun(SQLModel, table=True):
    """One run of a source: when, how it ended, what it did."""

    __tablename__ = "sync_run"
    id: int | None = Field(default=None, primary_key=True)
    source_id: int = owned_by("source.id")
    actor: str
    full: bool = False
    outcome: SyncOutcome = words(SyncOutcome)
    counts: dict[str, int] = Field(default_factory=dict, sa_type=JSON)
    reasons: list[str] = Field(default_factory=list, sa_type=JSON)
    started_at: datetime = moment()
    finished_at: datetime | None = moment(nullable=True)


# What lists are filtered and sorted by: they never read the pages of the rows.
LISTING = (
    "updated_at",
    "number",
    "status",
    "priority",
    "type",
    "service",
    "site",
    "category",
    "assignee",
    "reporter",
    "source_id",
    "external_key",
    "labels",
    "created_at",
    "resolved_at",
    "closed_at",
)


class Issue(SQLModel, table=True):
    """One issue, local or mirrored."""

    __tablename__ = "issue"
    __table_args__ = (
        UniqueConstraint("source_id", "external_key"),
        Index("issue_external_id", "source_id", "external_id"),
        Index("issue_listing", *LISTING),
    )
    number: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(unique=True)
    source_id: int | None = Field(default=None, foreign_key="source.id")
    external_key: str | None = Field(default=None, index=True)
    external_id: str | None = None
    url: str | None = Field(default=None, index=True)
    type: IssueType = words(IssueType)
    status: IssueStatus = words(IssueStatus)
    priority: Priority | None = words(Priority, nullable=True)
    service: str | None = None
    site: str | None = None
    category: str | None = None
    labels: list[str] = Field(default_factory=list, sa_type=JSON)
    reporter: str | None = None
    assignee: str | None = None
    title: str
    body: bytes | None = None
    created_at: datetime = moment()
    updated_at: datetime = moment()
    resolved_at: datetime | None = moment(nullable=True)
    closed_at: datetime | None = moment(nullable=True)
    duplicate_of: int | None = Field(
        default=None, foreign_key="issue.number", ondelete="SET NULL"
    )
    remote_digest: bytes | None = None
    mapped: bytes | None = None
    attachments: list[str] = Field(default_factory=list, sa_type=JSON)
    seen_at: datetime | None = moment(nullable=True)
    gone: GoneReason | None = words(GoneReason, nullable=True)
    moved_to: str | None = None
    revision: int = 1


class IssueOverride(SQLModel, table=True):
    """A local edit of a field that its source says otherwise; pending until pushed.

    Values are JSON, sealed.
    """

    __tablename__ = "issue_override"
    __table_args__ = (UniqueConstraint("issue_number", "field"),)
    id: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(unique=True)
    issue_number: int = owned_by("issue.number")
    field: str
    value: bytes
    upstream: bytes
    actor: str
    created_at: datetime = moment()


class OutgoingChange(SQLModel, table=True):
    """A change that is sent to a tracker; its uuid is the mark it is known by there."""

    __tablename__ = "outgoing_change"
    id: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(unique=True)
    issue_number: int = owned_by("issue.number")
    digest: bytes
    actor: str
    remote_key: str | None = None
    created_at: datetime = moment()
    sent_at: datetime | None = moment(nullable=True)


class Comment(SQLModel, table=True):
    """What somebody said on an issue."""

    __tablename__ = "comment"
    __table_args__ = (UniqueConstraint("issue_number", "external_key"),)
    id: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(unique=True)
    issue_number: int = owned_by("issue.number")
    external_key: str | None = None
    kind: CommentKind = words(CommentKind)
    author: str | None = None
    body: bytes
    carries_fix: bool = False
    created_at: datetime = moment()


class IssueEvent(SQLModel, table=True):
    """A change of one field of an issue."""

    __tablename__ = "issue_event"
    __table_args__ = (
        Index("issue_event_key", "issue_number", "external_key", unique=True),
    )
    id: int | None = Field(default=None, primary_key=True)
    issue_number: int = owned_by("issue.number")
    at: datetime = moment()
    external_key: str | None = None
    actor: str | None = None
    field: str
    before: str | None = None
    after: str | None = None


class Resolution(SQLModel, table=True):
    """What fixed an issue, how that is known and who may read it."""

    __tablename__ = "resolution"
    id: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(unique=True)
    issue_number: int = Field(
        sa_column=Column(
            Integer,
            ForeignKey("issue.number", ondelete="CASCADE"),
            nullable=False,
            unique=True,
        )
    )
    text: bytes
    reader: Role = words(Role)
    how: ResolutionHow = words(ResolutionHow)
    provenance: str
    score: float | None = None
    confirmed_by: str | None = None
    created_at: datetime = moment()


class ResolutionRejection(SQLModel, table=True):
    """A text of which a person said that it is not what fixed an issue."""

    __tablename__ = "resolution_rejection"
    __table_args__ = (UniqueConstraint("issue_number", "text_digest"),)
    id: int | None = Field(default=None, primary_key=True)
    issue_number: int = owned_by("issue.number")
    provenance: str
    text_digest: bytes
    actor: str
    created_at: datetime = moment()


class Link(SQLModel, table=True):
    """A relation of one issue to another thing."""

    __tablename__ = "link"
    id: int | None = Field(default=None, primary_key=True)
    issue_number: int = owned_by("issue.number")
    kind: str
    target: str
    upstream: bool = True


class Quarantine(SQLModel, table=True):
    """A record that could not be taken in, kept for a second look."""

    __tablename__ = "quarantine"
    __table_args__ = (UniqueConstraint("source_id", "origin", "record_digest"),)
    id: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(unique=True)
    source_id: int | None = Field(default=None, foreign_key="source.id")
    origin: str
    line: int | None = None
    reason: str
    record_digest: bytes
    record: bytes
    created_at: datetime = moment()


class Document(SQLModel, table=True):
    """A page of knowledge that was imported, such as a wiki page, as Markdown."""

    __tablename__ = "document"
    __table_args__ = (UniqueConstraint("source_id", "external_key"),)
    id: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(unique=True)
    source_id: int = Field(foreign_key="source.id")
    external_key: str = Field(index=True)
    title: str
    url: str | None = None
    body: bytes
    content_digest: bytes
    updated_at: datetime = moment()
    created_at: datetime = moment()


class AuditEntry(SQLModel, table=True):
    """One link of the audit chain."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index("audit_entry_entity", "entity_type", "entity_id"),)
    sequence: int = Field(
        sa_column=Column(Integer, primary_key=True, autoincrement=False)
    )
    at: datetime = moment()
    actor: str
    role: Role = words(Role)
    action: str
    entity_type: str
    entity_id: str
    change: bytes
    change_digest: bytes | None = None
    before_digest: bytes | None = None
    after_digest: bytes | None = None
    previous_hash: bytes
    hash: bytes
    signature: bytes
