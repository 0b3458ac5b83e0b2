"""Requests to Jira Cloud are as Atlassian's own description wants them."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from conftest import SHARED
from connectors.conftest import Prism, StartPrism
from connectors.jira_tickets import START
from issuetrack.connectors.jira.tracker import TRACKER, JiraConnector
from issuetrack.engine.errors import RemoteAnswerError, UsageError
from issuetrack.engine.store.types import CommentKind, GoneReason, IssueStatus
from issuetrack.engine.sync.connector import Change, SourceSettings
from issuetrack.engine.sync.ports import BadRecord, GoneIssue, RemoteIssue

SPEC = SHARED / "data" / "jira" / "jira-cloud-v3-issues.prism.openapi.json"
NO_OBJECT = "comment should be an object, not a list"
pytestmark = pytest.mark.external


@pytest.fixture(scope="module")
def cloud(prism: StartPrism) -> Prism:
    """Return Jira Cloud as its description tells it."""
    return prism(SPEC)


@contextmanager
def talking_to(cloud: Prism) -> Iterator[JiraConnector]:
    """Return a conversation during the block."""
    settings = SourceSettings(
        "ops", "jira", cloud.url, "me@example.com", {"api-version": "3"}
    )
    found = TRACKER.connect(TRACKER.settle(settings), "token", lambda *_: None)
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def connector(cloud: Prism) -> Iterator[JiraConnector]:
    """Return a conversation with it."""
    with talking_to(cloud) as found:
        yield found


def test_requests_to_cloud(cloud: Prism, connector: JiraConnector) -> None:
    """All that is read and written keeps to the description.

    The description lacks `mypermissions`, which Cloud has.
    """
    access = connector.check()
    assert (access.account, access.issues) == ("Mia Krystof", 153)
    assert access.server == "Jira 1001.0.0-SNAPSHOT"
    (page,) = connector.pages(None, None)
    (again,) = connector.pages(page.cursor, START)
    assert again.cursor == page.cursor
    (example,) = page.items
    assert isinstance(example, BadRecord)
    assert (example.origin, example.reason) == ("ED-1", NO_OBJECT)
    with pytest.raises(RemoteAnswerError, match=NO_OBJECT):
        connector.fetch("ED-1")
    assert connector.fetch("ED-7") == GoneIssue("ED-7", GoneReason.MOVED, "ED-1")
    assert cloud.violations == []
    assert set(cloud.unknown_paths) == {"get /rest/api/3/mypermissions"}


def test_parts_of_an_issue(cloud: Prism, connector: JiraConnector) -> None:
    """Comments are read to the end; the one page of changes repeats, which ends."""
    cut = {"total": 3}
    fields = {"summary": "s", "created": START.isoformat(), "comment": cut}
    found = connector.site.issue({"id": "10002", "key": "ED-1", "fields": fields})
    assert isinstance(found, RemoteIssue)
    (comment,) = found.comments
    assert comment.body.startswith("Lorem ipsum dolor sit amet")
    assert comment.kind is CommentKind.WORK_NOTE
    with pytest.raises(RemoteAnswerError, match="repeats its pages"):
        connector.site.issue(
            {"id": "10002", "key": "ED-1", "fields": {}, "changelog": cut}
        )
    assert cloud.violations == []


@pytest.mark.parametrize(
    "change",
    [
        Change("ED-1", "m1", "text **bold**\n\n```\ncode\n```"),
        Change("ED-1", "m1", "by the way", status=IssueStatus.IN_PROGRESS),
        Change("ED-1", "m1", fields={"title": "x", "body": "y", "labels": ["a"]}),
        Change("ED-1", "m1", fields={"assignee": "Mia Krystof"}),
    ],
)
def test_changes(cloud: Prism, connector: JiraConnector, change: Change) -> None:
    """What is written keeps to the description."""
    shown = connector.requests_for(change)
    assert (connector.push(change) is not None) == (change.comment is not None)
    assert connector.pushed(change) is None
    assert shown
    assert cloud.violations == []


def test_violations_are_seen(prism: StartPrism) -> None:
    """A wrong request would be told."""
    own = prism(SPEC)
    with talking_to(own) as connector, pytest.raises(UsageError):
        connector.site.get("issue", "ED-1", "comment", maxResults="many")
    assert own.violations == ["Request query parameter maxresults must be integer"]
