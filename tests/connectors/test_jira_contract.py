"""Jira keeps to what every connector keeps to, as Server and as Cloud."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from connectors.jira_server import FakeJira, running
from connectors.jira_tickets import START, Ticket
from issuetrack.connectors.jira.tracker import TRACKER
from issuetrack.engine.sync.connector import SourceSettings
from issuetrack.testing.contract import ConnectorContract
from issuetrack.testing.server import LoopbackServer
from issuetrack.testing.upstream import Upstream


class JiraUpstream:
    """A Jira whose clock stands still."""

    def __init__(self, jira: FakeJira) -> None:
        self.jira = jira
        self.now = START

    @property
    def server(self) -> LoopbackServer:
        return self.jira.server

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def add(self, title: str, body: str, comments: Sequence[str] = ()) -> str:
        (ticket,) = self.jira.add(self.now, summary=title, description=body)
        ticket.fields["created"] = self.now.isoformat()
        for text in comments:
            self.comment(ticket.key, text)
        return ticket.key

    def edit(self, key: str, title: str) -> None:
        self._changed(key).summary = title

    def comment(self, key: str, body: str) -> None:
        self._changed(key).comment(body)

    def close(self, key: str) -> None:
        self._changed(key).status = "Done"

    def delete(self, key: str) -> None:
        del self.jira.tickets[self._changed(key).number]

    def spoil(self, key: str) -> None:
        self._changed(key).fields["labels"] = 7

    def _changed(self, key: str) -> Ticket:
        (ticket,) = (t for t in self.jira.tickets.values() if t.key == key)
        ticket.updated = self.now
        return ticket


class JiraContract(ConnectorContract):
    """What both have in common."""

    tracker = TRACKER
    version: str

    @contextmanager
    def serve(self) -> Iterator[Upstream]:
        jira = FakeJira(self.version, most=3, secret=f"Bearer {self.secret}")
        jira.may.add("EDIT_ISSUES")
        with running(jira):
            yield JiraUpstream(jira)

    def settings(self, upstream: Upstream) -> SourceSettings:
        options = {"api-version": self.version}
        return SourceSettings("ops", "jira", upstream.server.url, None, options)


class TestServer(JiraContract):
    version = "2"


class TestCloud(JiraContract):
    version = "3"
