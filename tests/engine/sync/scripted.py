"""A tracker that says what a test lets it say, and remembers what it was asked."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from issuetrack.engine.errors import IssueTrackError, NotFoundError
from issuetrack.engine.issues.records import IssueRecord
from issuetrack.engine.sync.connector import (
    Access,
    Change,
    Page,
    Request,
    SourceSettings,
    Traffic,
    Waiting,
)
from issuetrack.engine.sync.credentials import CredentialFrom, CredentialSource
from issuetrack.engine.sync.ports import (
    GoneIssue,
    Item,
    RemoteComment,
    RemoteIssue,
)
from issuetrack.engine.sync.runs import SyncReport, Wish
from issuetrack.engine.sync.source_records import SourceRecord
from issuetrack.engine.workspace import Workspace

URL = "https://tracker.example"
TOKEN = "an-invented-token"
DAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
Step = Page | IssueTrackError | Callable[[], None]
Found = RemoteIssue | GoneIssue | IssueTrackError


@dataclass
class Script:
    """What the tracker says next, and what came to it.

    Attributes:
        steps: its pages; an error is raised and a function called where it stands.
        one: what it says when it is asked for one issue.
        left: what was pushed to it, by mark.
        before: called with each change that arrives, before it is made.
        after: called with each change that was made, before it is answered.
    """

    steps: list[Step] = field(default_factory=list)
    one: dict[str, Found] = field(default_factory=dict)
    asked: list[tuple[str | None, datetime | None]] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    secrets: list[str | None] = field(default_factory=list)
    settings: list[SourceSettings] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    closed: int = 0
    before: Callable[[Change], None] = lambda _change: None
    after: Callable[[Change], None] = lambda _change: None

    def connect(
        self, settings: SourceSettings, secret: str | None, waiting: Waiting
    ) -> "Conversation":
        """Return a conversation."""
        self.settings.append(settings)
        self.secrets.append(secret)
        return Conversation(self)


@dataclass
class Conversation:
    """One conversation with the tracker of a script."""

    script: Script
    traffic: Traffic = field(default_factory=Traffic)

    def check(self) -> Access:
        """Say who is asking."""
        return Access("ines")

    def pages(self, cursor: str | None, since: datetime | None) -> Iterator[Page]:
        """Yield the pages behind a cursor."""
        self.script.asked.append((cursor, since))
        self.traffic.notices += self.script.notices
        known = [s.cursor for s in self.script.steps if isinstance(s, Page)]
        reached = cursor not in known
        for step in self.script.steps:
            if not reached:
                reached = isinstance(step, Page) and step.cursor == cursor
                continue
            self.traffic.requests += 1
            if isinstance(step, Page):
                yield step
            elif isinstance(step, IssueTrackError):
                raise step
            else:
                step()

    def fetch(self, key: str) -> RemoteIssue | GoneIssue:
        """Return one issue."""
        self.script.fetched.append(key)
        self.traffic.requests += 1
        found = self.script.one.get(key)
        if found is None:
            raise NotFoundError(f"there is no {key}", None)
        if isinstance(found, IssueTrackError):
            raise found
        return found

    def requests_for(self, change: Change) -> Sequence[Request]:
        """Return one request for each part of a change."""
        url = f"{URL}/{change.key}"
        found = []
        if change.comment is not None:
            body = {"body": change.comment, "mark": change.mark}
            found.append(Request("POST", f"{url}/comments", body))
        content: dict[str, Any] = dict(change.fields)
        if change.status is not None:
            content["status"] = change.status
        if content:
            found.append(Request("PATCH", url, content))
        return found

    def pushed(self, change: Change) -> str | None:
        """Return the key of what an earlier push of a change left."""
        return self.script.left.get(change.mark)

    def push(self, change: Change) -> str | None:
        """Make a change."""
        self.script.before(change)
        self.script.requests += self.requests_for(change)
        key = None
        if change.comment is not None:
            key = self.script.left[change.mark] = f"r{len(self.script.left) + 1}"
        self.script.after(change)
        return key

    def close(self) -> None:
        """Note that the conversation ended."""
        self.script.closed += 1


def remote(key: str, **changes: Any) -> RemoteIssue:
    """Return an issue as the tracker has it."""
    said = {"title": f"title of {key}", "created_at": DAY, "updated_at": DAY}
    return RemoteIssue(key, **{**said, **changes})


def said(key: str, body: str, **changes: Any) -> RemoteComment:
    """Return a comment as the tracker has it."""
    return RemoteComment(
        **{"body": body, "created_at": DAY, "author": "ravi", "key": key, **changes}
    )


def settings(name: str = "shop", **changes: Any) -> SourceSettings:
    """Return what a person said of a source."""
    return SourceSettings(
        **{"name": name, "kind": "github", "base_url": URL, **changes}
    )


def stored(token: str = TOKEN) -> CredentialSource:
    """Return a token that the workspace keeps."""
    return CredentialSource(CredentialFrom.STORED, token)


@dataclass
class Mirror:
    """A workspace with one source, and the tracker behind it."""

    workspace: Workspace
    script: Script = field(default_factory=Script)
    name: str = "shop"

    def add(self, *, write_back: bool = False) -> SourceRecord:
        """Add the source."""
        return self.workspace.sources.add(
            self.workspace.actor,
            settings(self.name),
            "repo acme/shop",
            stored(),
            write_back=write_back,
        )

    def run(
        self,
        *,
        environment: Mapping[str, str] | None = None,
        wait: bool = False,
        **wish: Any,
    ) -> SyncReport:
        """Synchronise what the script says."""
        return self.workspace.sync.run(
            self.workspace.actor,
            self.name,
            self.script.connect,
            Wish(**wish),
            environment=environment or {},
            wait=wait,
        )

    def read(self, *items: Item, **wish: Any) -> SyncReport:
        """Synchronise one page with these items."""
        cursor = f"cursor {len(self.script.asked) + 1}"
        self.script.steps = [Page(items, cursor)]
        return self.run(**wish)

    def issue(self, name: str) -> IssueRecord:
        """Return an issue as people see it."""
        return self.workspace.issues.get(self.workspace.actor, name)

    @property
    def source(self) -> SourceRecord:
        """Return the source as people see it."""
        return self.workspace.sources.get(self.workspace.actor, self.name)

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Ask the database."""
        with self.workspace._database.write() as uow:
            return uow.sql(statement, *parameters)

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of every table."""
        with self.workspace._database.read() as uow:
            names = [
                name
                for (name,) in uow.sql(
                    "SELECT name FROM sqlite_master WHERE type = 'table' "
                    "AND sql NOT LIKE '%VIRTUAL%'"
                )
            ]
            return {n: uow.sql(f'SELECT * FROM "{n}" ORDER BY 1') for n in names}


def counts(report: SyncReport) -> dict[str, int]:
    """Return the counts of a run that are not zero."""
    names = ("created", "updated", "unchanged", "comments", "quarantined", "gone")
    return {name: getattr(report, name) for name in names if getattr(report, name)}
