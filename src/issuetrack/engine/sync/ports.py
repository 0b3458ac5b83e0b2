"""What a connector or a file gives the engine, in the common vocabulary."""

from dataclasses import dataclass, field
from datetime import datetime

from issuetrack.engine.store.types import (
    CommentKind,
    GoneReason,
    IssueStatus,
    IssueType,
    LinkKind,
    Priority,
)


@dataclass(frozen=True)
class Mapped:
    """Which word of a tracker became which word here.

    Attributes:
        field: the field here, such as `status`.
        value: what it became; None where the tracker's word says nothing here.
        origin: the field there, such as `fields.status.name`.
        word: what it says.
        rule: `default`, or the override of the source that decided.
    """

    field: str
    value: str | None
    origin: str
    word: str | None
    rule: str = "default"


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
class RemoteEvent:
    """A change of a field upstream; `issue_key` where it comes apart from its issue.

    Attributes:
        key: what the tracker calls the change; known again by it.
    """

    key: str
    at: datetime
    field: str
    before: str | None = None
    after: str | None = None
    actor: str | None = None
    issue_key: str | None = None


@dataclass(frozen=True)
class RemoteLink:
    """A relation to another issue (its key) or to a commit or page (its url)."""

    kind: LinkKind
    target: str
    issue_key: str | None = None


@dataclass(frozen=True)
class RemoteIssue:
    """An issue as its source has it.

    Attributes:
        id: what the tracker calls it for ever, where its key can change.
        complete: its comments, events and links are all that there are; others that
            the source once had are gone.
        attachments: their names.
        mapped: which of the tracker's words became which here.
    """

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
    id: str | None = None
    events: tuple[RemoteEvent, ...] = ()
    links: tuple[RemoteLink, ...] = ()
    attachments: tuple[str, ...] = ()
    mapped: tuple[Mapped, ...] = ()
    complete: bool = False
    apart: bool = False


@dataclass(frozen=True)
class GoneIssue:
    """An issue that its source no longer has where it was."""

    key: str
    reason: GoneReason
    moved_to: str | None = None


@dataclass(frozen=True)
class RemoteDocument:
    """A page of knowledge, such as a wiki page, as Markdown.

    Attributes:
        key: its name within its source, such as the path of its file.
    """

    key: str
    title: str
    body: str
    updated_at: datetime
    url: str | None = None


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


Item = (
    RemoteIssue
    | RemoteComment
    | RemoteEvent
    | RemoteLink
    | GoneIssue
    | RemoteDocument
    | BadRecord
    | SkippedRecord
)
