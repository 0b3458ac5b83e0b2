"""The tables; their names are the vocabulary of the whole program.

Columns of type `bytes` named for text (`body`, `text`, `payload`, ...) hold
sealed values: see `encryption`. Rows never leave a unit of work.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

from issuetrack.engine.store.types import (
    CalibrationKind,
    ChunkKind,
    CommentKind,
    GoneReason,
    IssueStatus,
    IssueType,
    OutcomeResult,
    PrincipalKind,
    Priority,
    RecommendationKind,
    ResolutionHow,
    Role,
    SopStatus,
    SyncOutcome,
    UtcDateTime,
    enum_column,
)

ONE_OWNER = (
    "(issue_number IS NOT NULL) + (document_id IS NOT NULL) + (sop_id IS NOT NULL) = 1"
)
ONE_TARGET = "(recommendation_id IS NULL) <> (sop_id IS NULL)"


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


class Issue(SQLModel, table=True):
    """One issue, local or mirrored."""

    __tablename__ = "issue"
    __table_args__ = (
        UniqueConstraint("source_id", "external_key"),
        Index("issue_external_id", "source_id", "external_id"),
    )
    number: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(unique=True)
    source_id: int | None = Field(default=None, foreign_key="source.id")
    external_key: str | None = Field(default=None, index=True)
    external_id: str | None = None
    url: str | None = Field(default=None, index=True)
    type: IssueType = words(IssueType)
    status: IssueStatus = words(IssueStatus, index=True)
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
    updated_at: datetime = moment(index=True)
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


class Recommendation(SQLModel, table=True):
    """An answer that was given, with all that is needed to see why."""

    __tablename__ = "recommendation"
    id: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(unique=True)
    issue_number: int | None = Field(
        default=None, foreign_key="issue.number", ondelete="SET NULL"
    )
    kind: RecommendationKind = words(RecommendationKind)
    actor: str
    question: bytes
    payload: bytes
    confidence: float
    model: str
    seed: int | None = None
    prompt_hash: str | None = None
    trace: bytes | None = None
    title_vector: bytes | None = None
    text_vector: bytes | None = None
    latency_ms: float
    created_at: datetime = moment()


class RecommendationSource(SQLModel, table=True):
    """An issue, document or procedure that a recommendation cites.

    The shares of one recommendation add up to 1.
    """

    __tablename__ = "recommendation_source"
    __table_args__ = (CheckConstraint(ONE_OWNER),)
    id: int | None = Field(default=None, primary_key=True)
    recommendation_id: int = owned_by("recommendation.id")
    issue_number: int | None = owned_by("issue.number", nullable=True)
    document_id: int | None = owned_by("document.id", nullable=True)
    sop_id: int | None = owned_by("sop.id", nullable=True)
    share: float


class Rating(SQLModel, table=True):
    """A person's judgement of a recommendation or a procedure, 1 to 5 stars.

    Of the ratings that one person gave the same thing the last one counts. `credited`
    names the one source of a recommendation that a rating is about: `#17`, `D5`, `S3`.
    """

    __tablename__ = "rating"
    __table_args__ = (CheckConstraint(ONE_TARGET),)
    id: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(unique=True)
    recommendation_id: int | None = owned_by("recommendation.id", nullable=True)
    sop_id: int | None = owned_by("sop.id", nullable=True)
    rater: str
    credited: str | None = None
    stars: int
    feedback: bytes | None = None
    created_at: datetime = moment()


class Outcome(SQLModel, table=True):
    """What became of a recommendation or a procedure that somebody followed."""

    __tablename__ = "outcome"
    __table_args__ = (CheckConstraint(ONE_TARGET),)
    id: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(unique=True)
    recommendation_id: int | None = owned_by("recommendation.id", nullable=True)
    sop_id: int | None = owned_by("sop.id", nullable=True)
    issue_number: int | None = Field(
        default=None, foreign_key="issue.number", ondelete="SET NULL"
    )
    result: OutcomeResult = words(OutcomeResult)
    note: bytes | None = None
    actor: str
    created_at: datetime = moment()


class Sop(SQLModel, table=True):
    """A standard operating procedure; its text is in its versions.

    `current` is the version that is searched: the latest approved one, else the latest
    that is not deprecated; none where all are.
    """

    __tablename__ = "sop"
    id: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(unique=True)
    key: str | None = Field(default=None, unique=True)
    current: int | None = None
    created_by: str
    created_at: datetime = moment()


class SopVersion(SQLModel, table=True):
    """One version of a procedure; only its status ever changes.

    `content` is JSON of the fields, `original` the Markdown that was imported.
    """

    __tablename__ = "sop_version"
    __table_args__ = (UniqueConstraint("sop_id", "version"),)
    id: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(unique=True)
    sop_id: int = owned_by("sop.id")
    version: int
    parent: int | None = None
    status: SopStatus = words(SopStatus, index=True)
    title: str
    tags: list[str] = Field(default_factory=list, sa_type=JSON)
    content: bytes
    original: bytes | None = None
    citations: bytes | None = None
    author: str
    model: str | None = None
    approved_by: str | None = None
    created_at: datetime = moment()
    decided_at: datetime | None = moment(nullable=True)


class SopEvent(SQLModel, table=True):
    """What was done with a version of a procedure, and why."""

    __tablename__ = "sop_event"
    id: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(unique=True)
    sop_id: int = owned_by("sop.id")
    version: int
    at: datetime = moment()
    actor: str
    action: str
    note: bytes | None = None


class SopUse(SQLModel, table=True):
    """A time that a procedure was recommended for an issue, or named as its fix."""

    __tablename__ = "sop_use"
    id: int | None = Field(default=None, primary_key=True)
    sop_id: int = owned_by("sop.id")
    issue_number: int | None = owned_by("issue.number", nullable=True)
    recommendation_id: int | None = owned_by("recommendation.id", nullable=True)
    actor: str
    at: datetime = moment()


class Calibration(SQLModel, table=True):
    """How features of an answer become a probability; see `assistant.calibration`."""

    __tablename__ = "calibration"
    id: int | None = Field(default=None, primary_key=True)
    kind: CalibrationKind = words(CalibrationKind)
    created_at: datetime = moment()
    fitted_on: int
    positives: int
    ratings: int
    features: list[str] = Field(default_factory=list, sa_type=JSON)
    parameters: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    metrics: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    active: bool = True


class Adaptation(SQLModel, table=True):
    """How the vector space is adapted to this workspace; one row.

    `scatter` is a (d, d) float64 sum over pairs, `transform` a (d, d) float32 matrix.
    """

    __tablename__ = "adaptation"
    id: int | None = Field(default=None, primary_key=True)
    fingerprint: str
    pairs: int
    scatter: bytes
    transform: bytes | None = None
    applied_pairs: int = 0
    off_because: str | None = None
    updated_at: datetime = moment()


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


class Chunk(SQLModel, table=True):
    """A piece of an issue, document or procedure that the vector index knows."""

    __tablename__ = "chunk"
    __table_args__ = (CheckConstraint(ONE_OWNER),)
    id: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(unique=True)
    issue_number: int | None = owned_by("issue.number", nullable=True)
    document_id: int | None = owned_by("document.id", nullable=True)
    sop_id: int | None = owned_by("sop.id", nullable=True)
    kind: ChunkKind = words(ChunkKind)
    source_row: int | None = None
    ordinal: int
    heading: str | None = None
    text: bytes
    content_hash: bytes = Field(index=True)


class ChunkVector(SQLModel, table=True):
    """The raw embedding of a text, found by the hash of the text."""

    __tablename__ = "chunk_vector"
    content_hash: bytes = Field(primary_key=True)
    vector: bytes


class IndexQueue(SQLModel, table=True):
    """Issues, documents and procedures whose index entries are out of date."""

    __tablename__ = "index_queue"
    __table_args__ = (CheckConstraint(ONE_OWNER), {"sqlite_autoincrement": True})
    id: int | None = Field(default=None, primary_key=True)
    issue_number: int | None = Field(default=None, index=True)
    document_id: int | None = Field(default=None, index=True)
    sop_id: int | None = Field(default=None, index=True)
    queued_at: datetime = moment()


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
