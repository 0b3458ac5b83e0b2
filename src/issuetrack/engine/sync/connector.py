"""What a connector to a tracker is, and what passes between it and the engine.

A `Tracker` is a kind of tracker; it checks what a person said of a source and makes a
`Connector`, which is one conversation with it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from issuetrack.engine.store.types import CommentKind, IssueStatus
from issuetrack.engine.sync.ports import GoneIssue, Item, RemoteIssue

OVERLAP = timedelta(minutes=2)

Waiting = Callable[[str, float], None]


@dataclass(frozen=True)
class Option:
    """Something that a person can say of a source of one kind.

    Attributes:
        name: as the command line has it, such as `api-version`.
        help: one line.
        required: nothing works without it.
        default: what it is when nobody says.
        choices: what it can be; empty for anything.
    """

    name: str
    help: str
    required: bool = False
    default: str | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class SourceSettings:
    """What a person said of a source.

    Attributes:
        base_url: the origin, `scheme://host[:port]`; requests go nowhere else.
        username: whose the credential is; None where it says so itself.
        options: by the names of the tracker's `options`.
        mapping: overrides, such as `status:Waiting for customer=in_progress`.
    """

    name: str
    kind: str
    base_url: str
    username: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    mapping: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    """Some items, and the cursor that goes on behind them.

    Attributes:
        cursor: opaque to the engine; kept in the transaction of the items.
        total: how many issues the whole run is about to read, where that is known.
    """

    items: tuple[Item, ...]
    cursor: str
    total: int | None = None


@dataclass(frozen=True)
class Access:
    """What a source may do and how much it holds.

    Attributes:
        account: who the tracker takes us for; None without a credential.
        server: what the tracker says it is.
        may: what the credential may do.
        may_not: what it may not, each with what is missing.
        issues: how many issues the scope holds, where the tracker tells.
        rate_remaining: requests that are left until `rate_reset_at`.
    """

    account: str | None = None
    server: str | None = None
    may: tuple[str, ...] = ()
    may_not: tuple[str, ...] = ()
    issues: int | None = None
    rate_remaining: int | None = None
    rate_limit: int | None = None
    rate_reset_at: datetime | None = None


@dataclass(frozen=True)
class Change:
    """What is to be changed upstream, all of one issue.

    Attributes:
        mark: by which the change is known there, so that it is not made twice.
        comment: a text to add, Markdown; None for none.
        status: the status to move to; None to leave it.
        fields: other fields with their new values, by their names here.
    """

    key: str
    mark: str
    comment: str | None = None
    kind: CommentKind = CommentKind.PUBLIC
    status: IssueStatus | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """One request as it would be sent; credentials are not shown."""

    method: str
    url: str
    content: Mapping[str, Any]


@dataclass
class Traffic:
    """What a conversation took so far.

    Attributes:
        requests: how many were sent.
        rate_remaining: how many are left, as the tracker last said.
        notices: what could not be read and is left out, each once.
    """

    requests: int = 0
    rate_remaining: int | None = None
    notices: list[str] = field(default_factory=list)

    def notice(self, text: str) -> None:
        """Keep a notice, once."""
        if text not in self.notices:
            self.notices.append(text)


class Connector(Protocol):
    """One conversation with a tracker.

    Every method may raise `RemoteUnreachable`, `CredentialError`, `RemoteForbidden`,
    `NotFoundError` or `UsageError`.
    """

    @property
    def traffic(self) -> Traffic:
        """Return what the conversation took so far."""

    def check(self) -> Access:
        """Ask who we are, what we may do and how much there is."""

    def pages(self, cursor: str | None, since: datetime | None) -> Iterator[Page]:
        """Yield what changed, oldest change first; read lazily.

        Args:
            cursor: of the last page that was kept; None to read everything.
            since: without a cursor, leave out what has not changed since then.
        """

    def fetch(self, key: str) -> RemoteIssue | GoneIssue:
        """Return one issue, complete, or where it has gone."""

    def requests_for(self, change: Change) -> Sequence[Request]:
        """Return the requests that `push` would send, in their order.

        Raises:
            UsageError: the tracker cannot do that.
        """

    def pushed(self, change: Change) -> str | None:
        """Return the key of what an earlier `push` of the change left there."""

    def push(self, change: Change) -> str | None:
        """Make a change; return the key of the comment it added, if any."""

    def close(self) -> None:
        """Close the connections."""


class Tracker(Protocol):
    """A kind of tracker. Registered as an entry point of `issuetrack.connectors`."""

    kind: str
    title: str
    options: tuple[Option, ...]

    def settle(self, settings: SourceSettings) -> SourceSettings:
        """Return settings with their defaults.

        Raises:
            UsageError: something is missing or makes no sense; says what to write.
        """

    def scope(self, settings: SourceSettings) -> str:
        """Return in a few words what the source covers."""

    def connect(
        self, settings: SourceSettings, secret: str | None, waiting: Waiting
    ) -> Connector:
        """Return a conversation; nothing is sent yet.

        Args:
            settings: as `settle` returned them.
            secret: the token or password; None to go without.
            waiting: to be told of a wait: why, and for how many seconds.
        """
