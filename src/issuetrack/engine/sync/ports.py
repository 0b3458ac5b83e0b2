"""What a connector or a file gives the engine, in the common vocabulary."""

from dataclasses import dataclass, field
from datetime import datetime

from issuetrack.engine.store.types import (
    CommentKind,
    IssueStatus,
    IssueType,
    Priority,
)


@dataclass(frozen=True)
class RemoteComment:
    """A comment; `issue_key` where it comes apart from its issue."""

    body: str
    created_at: datetime
    author: str | None = None
    kind: CommentKind = CommentKind.PUBLIC
    key: str | None = None
    issue_key: str | None = None


@dataclass(frozen=True)
class RemoteIssue:
    """An issue as its source has it."""

    key: str
    title: str
    created_at: datetime
    updated_at: datetime
    body: str = ""
    type: IssueType = IssueType.INCIDENT
    status: IssueStatus = IssueStatus.OPEN
    priority: Priority | None = None
    service: str | None = None
    site: str | None = None
    category: str | None = None
    labels: tuple[str, ...] = ()
    reporter: str | None = None
    assignee: str | None = None
    url: str | None = None
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    duplicate_of: str | None = None
    resolution: str | None = None
    comments: tuple[RemoteComment, ...] = field(default=())


@dataclass(frozen=True)
class BadRecord:
    """A record that could not be understood: where it stood, why, and its text."""

    origin: str
    line: int | None
    reason: str
    content: str


@dataclass(frozen=True)
class SkippedRecord:
    """A record that is rightly not an issue, such as a pull request."""

    what: str


Item = RemoteIssue | RemoteComment | BadRecord | SkippedRecord
