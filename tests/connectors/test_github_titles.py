"""The titles of merged pull requests, told of the issues that they closed."""

from datetime import UTC, datetime
from typing import Any

from issuetrack.connectors.github import records
from issuetrack.engine.issues.candidates import PULL_REQUEST_TITLE
from issuetrack.engine.store.types import LinkKind
from issuetrack.engine.sync.ports import RemoteEvent, RemoteLink

URL = "https://github.com/acme/shop/pull/12"
PULL: dict[str, Any] = {
    "number": 12,
    "title": "Raise the pool of checkout to 40",
    "html_url": URL,
    "repository_url": "https://api.github.com/repos/acme/shop",
    "user": {"login": "ravi"},
    "body": "Fixes #7",
    "pull_request": {"merged_at": "2026-03-02T09:00:00Z"},
}
TITLE = RemoteEvent(
    f"pull request {URL}",
    datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
    PULL_REQUEST_TITLE,
    after="Raise the pool of checkout to 40 (#12)",
    actor="ravi",
    issue_key="acme/shop#7",
)


def test_a_merged_pull_request_tells_its_title() -> None:
    """For each issue that it says it closes."""
    assert list(records.merged(PULL)) == [TITLE]


def test_one_that_was_not_merged_tells_nothing() -> None:
    """Its change was not taken."""
    assert list(records.merged(PULL | {"pull_request": {"merged_at": None}})) == []


def test_a_timeline_tells_link_and_title() -> None:
    """Only of the issue whose timeline it is."""
    entry = {"source": {"issue": PULL}}
    link = RemoteLink(LinkKind.CLOSED_BY, URL, "acme/shop#7")
    assert records.cross_reference(entry, "acme/shop#7") == [link, TITLE]
    assert records.cross_reference(entry, "acme/shop#8") == []
