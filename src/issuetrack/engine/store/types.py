"""The words that columns hold, and column types shared by the tables."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import DateTime, Dialect, Enum
from sqlalchemy.types import TypeDecorator


class Role(StrEnum):
    """Who may read and do what; each role includes the ones before it.

    NONE is for services: it opens the file and holds no role key.
    """

    NONE = "none"
    VIEWER = "viewer"
    ENGINEER = "engineer"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """Return 0 for no role, 1 for a viewer, 2 for an engineer, 3 for an admin."""
        return list(Role).index(self)

    def includes(self, other: "Role") -> bool:
        """Tell whether this role may do what `other` may."""
        return self.rank >= other.rank


READER_ROLES = (Role.VIEWER, Role.ENGINEER, Role.ADMIN)


class PrincipalKind(StrEnum):
    """What holds a key pair."""

    PERSON = "person"
    SERVICE = "service"
    RECOVERY = "recovery"


class IssueType(StrEnum):
    """What kind of work an issue is."""

    INCIDENT = "incident"
    SERVICE_REQUEST = "service_request"
    PROBLEM = "problem"
    CHANGE = "change"
    BUG = "bug"


class IssueStatus(StrEnum):
    """Where an issue stands."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Priority(StrEnum):
    """How urgent an issue is; P1 comes first."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"


class CommentKind(StrEnum):
    """Who a comment is for: everybody, or engineers only."""

    PUBLIC = "public"
    WORK_NOTE = "work_note"


class ResolutionHow(StrEnum):
    """How a resolution came to be known."""

    STATED = "stated"
    MINED = "mined"
    CONFIRMED = "confirmed"


class GoneReason(StrEnum):
    """Why a tracker no longer has an issue where it was."""

    DELETED = "deleted"
    MOVED = "moved"


class LinkKind(StrEnum):
    """How an issue is related to something."""

    DUPLICATE_OF = "duplicate_of"
    CAUSED_BY = "caused_by"
    CLOSED_BY = "closed_by"
    RELATES_TO = "relates_to"


class SyncOutcome(StrEnum):
    """How a run of a source ended; one that was killed is kept as running."""

    RUNNING = "running"
    KILLED = "killed"
    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"


class RecommendationKind(StrEnum):
    """What was recommended."""

    SUGGESTION = "suggestion"
    ROOT_CAUSE = "root_cause"
    SOP_DRAFT = "sop_draft"


class SopStatus(StrEnum):
    """How far a version of a procedure is."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    DEPRECATED = "deprecated"


class OutcomeResult(StrEnum):
    """What became of a recommendation or a procedure that somebody followed."""

    ACCEPTED = "accepted"
    PARTLY = "partly"
    REJECTED = "rejected"


class CalibrationKind(StrEnum):
    """What a calibrated confidence is about."""

    SUGGESTION = "suggestion"
    DUPLICATE = "duplicate"


class ChunkKind(StrEnum):
    """Which part of an issue, document or procedure a chunk was cut from."""

    TITLE = "title"
    PROBLEM = "problem"
    RESOLUTION = "resolution"
    COMMENT = "comment"
    DOCUMENT_TITLE = "document_title"
    DOCUMENT = "document"
    SOP_TITLE = "sop_title"
    SOP = "sop"


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment, kept in UTC."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002 - the base's name
    ) -> datetime | None:
        """Return the moment as naive UTC for the driver."""
        if value is None:
            return None
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(
        self,
        value: Any,
        dialect: Dialect,  # noqa: ARG002 - the base's name
    ) -> datetime | None:
        """Return the stored moment as aware UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


def enum_column(words: type[StrEnum]) -> Enum:
    """Return a column type that stores the values of an enumeration."""
    return Enum(
        words,
        values_callable=lambda members: [member.value for member in members],
        native_enum=False,
        create_constraint=False,
        length=24,
    )
