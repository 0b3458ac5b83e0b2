"""The connector against GitHub's recorded answers and its own description."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.request import Request, urlopen

import pytest

from conftest import SHARED
from connectors.conftest import CACHE, ENVIRONMENT, Prism, StartPrism, installed
from issuetrack.connectors.github.connector import GitHubConnector
from issuetrack.connectors.github.refusals import refusal
from issuetrack.connectors.github.tracker import TRACKER
from issuetrack.connectors.github.walk import Progress, RepositoryWalk
from issuetrack.connectors.http import Client, next_link
from issuetrack.connectors.mapping import Overrides
from issuetrack.connectors.network import transport
from issuetrack.engine.errors import (
    IssueTrackError,
    NotFoundError,
    RemoteAnswerError,
    RemoteUnreachable,
    UsageError,
)
from issuetrack.engine.store.types import IssueStatus
from issuetrack.engine.sync.connector import Change, SourceSettings

SPEC = SHARED / "data" / "github" / "github-issues.prism.openapi.json"
FOLDER = CACHE / "issuetrack-tests" / "fixtures"
PACKAGE = "@octokit/fixtures-server@8"
TOKEN = "0000000000000000000000000000000000000001"
START_SECONDS = 60
MOMENT = "2026-03-02T09:00:00Z"
pytestmark = pytest.mark.external


@pytest.fixture(scope="module")
def recordings() -> Iterator[str]:
    """Return where recorded exchanges are played back; installed once for a machine."""
    program = installed(PACKAGE, "octokit-fixtures-server", FOLDER)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [str(program), "--port", str(port), "--fixtures-url", url]
    with subprocess.Popen(
        [*command, "--log-level", "error"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
        cwd=FOLDER,
    ) as process:
        try:
            _await_start(process, port)
            yield url
        finally:
            process.terminate()


def _await_start(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the recorded exchanges are not played back")


@contextmanager
def played(
    url: str, scenario: str, base_url: str | None = None
) -> Iterator[tuple[Client, str]]:
    """Return a client and the path under which a scenario is played back once."""
    asked = Request(
        f"{url}/fixtures",
        json.dumps({"scenario": scenario}).encode(),
        {"Content-Type": "application/json", "Accept": "application/json"},
    )
    with urlopen(asked, timeout=30) as answer:
        place = json.load(answer)["url"]
    client = Client(
        base_url or url,
        transport(url, None, ()),
        refusal,
        headers={
            "Content-Type": "application/json; charset=utf-8",
            "Accept": "application/vnd.github.v3+json",
            "Authorization": f"token {TOKEN}",
        },
    )
    try:
        yield client, place.removeprefix(url)
    finally:
        client.close()


def test_recorded_pages(recordings: str) -> None:
    """Five pages follow each other; the second is at the number of the repository."""
    with played(recordings, "paginate-issues") as (client, path):
        url: str | None
        url = f"{path}/repos/octokit-fixture-org/paginate-issues/issues?per_page=3"
        places, issues = [], []
        while url:
            answer = client.get(url)
            issues += answer.records()
            url = next_link(answer, client)
            places.append(url)
            assert answer.headers["etag"]
        assert client.rate is not None
        assert client.rate.remaining > 0
        assert client.requests == len(places) == 5
    assert len({issue["number"] for issue in issues}) == 13
    assert all("/repositories/1000/issues" in place for place in places if place)


def test_recorded_rename(recordings: str) -> None:
    """Reading and changing go to the new place, once each."""
    old = "/repos/octokit-fixture-org/rename-repository"
    first = {"name": "rename-repository-newname"}
    second = {**first, "description": "test description"}
    with played(recordings, "rename-repository") as (client, path):
        assert client.send("PATCH", f"{path}{old}", first).status == 200
        found = client.get(f"{path}{old}")
        assert found.record()["name"] == first["name"]
        assert found.url.endswith("/repositories/1000")
        answer = client.send("PATCH", f"{path}{old}", second)
        assert answer.record()["description"] == "test description"
        assert client.requests == 5


def test_recorded_pages_at_another_origin(recordings: str) -> None:
    """Where the pages name another host than the base url, none is asked for."""
    other = recordings.replace("127.0.0.1", "localhost")
    with played(recordings, "paginate-issues", other) as (client, path):
        place = f"{path}/repos/octokit-fixture-org/paginate-issues/issues?per_page=3"
        answer = client.get(place)
        assert len(answer.records()) == 3
        with pytest.raises(RemoteUnreachable, match="another origin"):
            next_link(answer, client)


def test_recorded_redirect_to_another_origin(recordings: str) -> None:
    """A redirect to another host is not followed, neither for a change."""
    other = recordings.replace("127.0.0.1", "localhost")
    old = "/repos/octokit-fixture-org/rename-repository"
    with played(recordings, "rename-repository", other) as (client, path):
        client.send("PATCH", f"{path}{old}", {"name": "rename-repository-newname"})
        with pytest.raises(RemoteUnreachable, match="another origin"):
            client.get(f"{path}{old}")
        assert client.requests == 2


def test_recorded_refusals(recordings: str) -> None:
    """GitHub's own words about what is wrong reach the reader."""
    with played(recordings, "errors") as (client, path):
        wrong = {"name": "foo", "color": "invalid"}
        place = f"{path}/repos/octokit-fixture-org/errors/labels"
        with pytest.raises(UsageError, match="Validation Failed") as caught:
            client.send("POST", place, wrong)
        assert client.rate is not None
    assert caught.value.hint
    with played(recordings, "branch-protection") as (client, path):
        place = "/repos/octokit-fixture-org/branch-protection/branches/main/protection"
        with pytest.raises(
            NotFoundError, match="octokit-fixture-org/branch-protection"
        ):
            client.get(f"{path}{place}")


def test_recorded_search(recordings: str) -> None:
    """A search says how much it found."""
    with played(recordings, "search-issues") as (client, path):
        params = {"q": "sesame repo:octokit-fixture-org/search-issues"}
        found = client.get(f"{path}/search/issues", params).record()
    assert found["total_count"] == len(found["items"])
    assert found["incomplete_results"] is False


@pytest.fixture(scope="module")
def described(prism: StartPrism) -> Prism:
    """Return GitHub as its description tells it."""
    return prism(SPEC)


@contextmanager
def talking_to(github: Prism, options: dict[str, str]) -> Iterator[GitHubConnector]:
    """Return a conversation during the block."""
    settings = SourceSettings(
        "shop", "github", github.url, options={"api-path": "/", **options}
    )
    connector = TRACKER.connect(TRACKER.settle(settings), "token", lambda *_: None)
    try:
        yield connector
    finally:
        connector.close()


def begin(pages: Iterator[Any]) -> None:
    """Ask for a first page; its links name the public host, which is refused."""
    with pytest.raises(RemoteUnreachable, match=r"to https://api.github.com, another"):
        list(pages)


def test_described_reading(described: Prism) -> None:
    """All that is asked for keeps to the description, though no page follows."""
    with talking_to(described, {"repo": "acme/shop"}) as connector:
        begin(connector.pages(None, None))
        for moments in (
            Progress(),
            Progress("2026-03-02T09:00:00Z", "2026-03-02T09:00:00Z"),
        ):
            walk = RepositoryWalk(
                connector._client, "/repos/acme/shop", "acme/shop", Overrides(), moments
            )
            begin(walk._issues(None))
            begin(walk._comments(None))
            with suppress(RemoteUnreachable):
                list(walk._events(None))
        with pytest.raises(RemoteAnswerError, match="cannot be understood"):
            connector.fetch("acme/shop#1")
        with suppress(RemoteUnreachable):
            list(connector._all("/repos/acme/shop/issues/1/timeline", "history"))
        assert connector.check().account == "octocat"
    with (
        talking_to(described, {"query": "is:open"}) as connector,
        suppress(RemoteUnreachable),
    ):
        list(connector.pages(None, None))
    log = described.log.read_text()
    for path in ("issues", "issues/comments", "issues/events", "issues/1"):
        assert f"get /repos/acme/shop/{path}" in log
    assert "get /search/issues" in log
    assert "NO_PATH_MATCHED" not in log
    assert described.violations == []


@pytest.mark.parametrize(
    "change",
    [
        Change("acme/shop#1", "m1", "text **bold**"),
        Change("acme/shop#1", "m1", "by the way", status=IssueStatus.CLOSED),
        Change("acme/shop#1", "m1", status=IssueStatus.OPEN),
        Change(
            "acme/shop#1", "m1", fields={"title": "x", "body": "y", "labels": ["a"]}
        ),
        Change("acme/shop#1", "m1", fields={"assignee": "ines"}),
    ],
)
def test_described_changes(described: Prism, change: Change) -> None:
    """What is written keeps to the description."""
    with talking_to(described, {"repo": "acme/shop"}) as connector:
        key = connector.push(change)
        assert (key is not None) == (change.comment is not None)
        with suppress(RemoteUnreachable):
            assert connector.pushed(change) is None
    assert described.violations == []


def test_violations_are_seen(prism: StartPrism) -> None:
    """A wrong request would be told."""
    own = prism(SPEC)
    with talking_to(own, {"repo": "acme/shop"}) as connector:
        with suppress(IssueTrackError):
            connector._client.get("/repos/acme/shop/issues", {"per_page": "many"})
        with suppress(IssueTrackError):
            connector._client.send("POST", "/repos/acme/shop/issues/1/comments", {})
    assert len(own.violations) == 2
