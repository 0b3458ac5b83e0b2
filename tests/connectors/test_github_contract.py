"""GitHub keeps to what every connector keeps to."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import pytest

from connectors.github_server import TOKEN, FakeGitHub, Ticket, running
from issuetrack.connectors.github import connector as github_connector
from issuetrack.connectors.github import walk as github_walk
from issuetrack.connectors.github.tracker import TRACKER
from issuetrack.engine.sync.connector import SourceSettings
from issuetrack.testing.contract import ConnectorContract
from issuetrack.testing.server import LoopbackServer
from issuetrack.testing.upstream import Upstream

PER_PAGE = 3


@dataclass
class GitHubUpstream:
    """A GitHub with one repository, as the contract asks for it."""

    github: FakeGitHub

    @property
    def server(self) -> LoopbackServer:
        return self.github.server

    @property
    def now(self) -> datetime:
        return self.github.now

    def wait(self, seconds: float) -> None:
        self.github.tick(seconds)

    def add(self, title: str, body: str, comments: Sequence[str] = ()) -> str:
        ticket = self.github.add_issue(title, body=body)
        for text in comments:
            self.github.comment(ticket, text)
        return f"acme/shop#{ticket.number}"

    def edit(self, key: str, title: str) -> None:
        self.github.rename(self._ticket(key), title)

    def comment(self, key: str, body: str) -> None:
        self.github.comment(self._ticket(key), body)

    def close(self, key: str) -> None:
        self.github.close(self._ticket(key))

    def delete(self, key: str) -> None:
        self.github.delete(self._ticket(key))

    def spoil(self, key: str) -> None:
        self._ticket(key).extra = {"title": ["no", "text"]}

    def _ticket(self, key: str) -> Ticket:
        return self.github.repo().issues[int(key.partition("#")[2])]


class GitHubContract(ConnectorContract):
    """What both kinds of scope have in common."""

    tracker = TRACKER
    secret = TOKEN
    scope: tuple[str, str]

    @pytest.fixture(autouse=True)
    def _small_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        search = github_connector.GitHubConnector._search
        monkeypatch.setattr(search, "__defaults__", (PER_PAGE,))
        for module in (github_connector, github_walk):
            monkeypatch.setattr(module, "PER_PAGE", PER_PAGE)
        monkeypatch.setattr(github_connector, "MOST_FOUND", 10 * PER_PAGE)

    @contextmanager
    def serve(self) -> Iterator[Upstream]:
        github = FakeGitHub()
        github.repo()
        with running(github):
            yield GitHubUpstream(github)

    def settings(self, upstream: Upstream) -> SourceSettings:
        options = dict([self.scope, ("api-path", "/")])
        return SourceSettings("shop", "github", upstream.server.url, options=options)


class TestRepository(GitHubContract):
    scope = "repo", "acme/shop"


class TestSearch(GitHubContract):
    scope = "query", "org:acme"
