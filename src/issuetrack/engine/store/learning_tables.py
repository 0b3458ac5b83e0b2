"""The tables of what is answered and learned: ratings, procedures, calibration.

They refer to those of `tables`, and those of `index_tables` to both.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, UniqueConstraint
from sqlmodel import Field, SQLModel

from issuetrack.engine.store.tables import moment, owned_by, words
from issuetrack.engine.store.types import (
    CalibrationKind,
    OutcomeResult,
    RecommendationKind,
    SopStatus,
)

ONE_OWNER = (
    "(issue_number IS NOT NULL) + (document_id IS NOT NULL) + (sop_id IS NOT NULL) = 1"
)
ONE_TARGET = "(recommendation_id IS NULL) <> (sop_id IS NULL)"


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
