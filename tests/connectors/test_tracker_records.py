"""Raw objects of GitHub and Jira, and the words of trackers, in our vocabulary."""

from datetime import UTC, datetime
from typing import Any

import pytest

from issuetrack.connectors import vocabulary
from issuetrack.connectors.files import interchange
from issuetrack.connectors.github import records as github
from issuetrack.connectors.jira import records as jira
from issuetrack.engine.sync.ports import RemoteComment, RemoteIssue, SkippedRecord

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
GITHUB: dict[str, Any] = {
    "url": "https://api.github.com/repos/acme/shop/issues/7",
    "html_url": "https://github.com/acme/shop/issues/7",
    "number": 7,
    "title": "Checkout is down",
    "body": "since noon",
    "state": "closed",
    "user": {"login": "reporter"},
    "assignee": {"login": "worker"},
    "labels": [],
    "created_at": "2026-01-31T12:00:00Z",
    "updated_at": "2026-01-31T13:00:00Z",
    "closed_at": "2026-01-31T13:00:00Z",
}
COMMENT: dict[str, Any] = {
    "id": 11,
    "issue_url": "https://api.github.com/repos/acme/shop/issues/7",
    "body": "on it",
    "user": {"login": "worker"},
    "created_at": "2026-01-31T12:00:00Z",
}
FIELDS: dict[str, Any] = {
    "summary": "Checkout is down",
    "description": "since noon",
    "created": "2026-01-31T14:00:00.000+0200",
    "updated": "2026-01-31T12:00:00.000+0000",
    "resolutiondate": "2026-01-31T12:00:00.000+0000",
    "status": {"name": "Closed"},
    "priority": {"name": "Critical"},
    "issuetype": {"name": "Bug"},
    "project": {"name": "Shop"},
    "components": [{"name": "checkout"}, {"name": "other"}],
    "labels": ["database"],
    "reporter": {"displayName": "Reporter"},
    "assignee": {"name": "worker"},
    "resolution": {"name": "Fixed"},
    "issuelinks": [
        {"type": {"outward": "relates to"}, "outwardIssue": {"key": "SHOP-1"}},
        {"type": {"outward": "duplicates"}, "outwardIssue": {"key": "SHOP-2"}},
    ],
    "comment": {
        "comments": [
            {"id": "1", "body": "public", "created": "2026-01-31T12:00:00.000+0000"},
            {
                "id": "2",
                "body": "internal",
                "created": "2026-01-31T12:00:00.000+0000",
                "jsdPublic": False,
            },
            {
                "id": "3",
                "body": "for developers",
                "created": "2026-01-31T12:00:00.000+0000",
                "visibility": {"type": "role", "value": "Developers"},
            },
        ]
    },
}


def jira_issue(**changes: Any) -> RemoteIssue:
    """Return what a Jira issue with changed fields becomes."""
    record = {
        "key": "SHOP-7",
        "self": "https://jira.example/path/rest/api/2/issue/10007",
        "fields": FIELDS | changes,
    }
    assert jira.looks_like(record)
    return jira.issue(record)


def github_issue(**changes: Any) -> RemoteIssue:
    """Return what a GitHub issue with changed fields becomes."""
    found = github.item(GITHUB | changes)
    assert isinstance(found, RemoteIssue)
    return found


def test_github_issue() -> None:
    """A GitHub issue keeps people, state, times, and is a bug without a label."""
    assert github.looks_like(GITHUB)
    found = github_issue()
    assert (found.key, found.url) == ("acme/shop#7", GITHUB["html_url"])
    assert (found.title, found.body) == ("Checkout is down", "since noon")
    assert (found.status, found.type, found.priority) == ("closed", "bug", None)
    assert (found.reporter, found.assignee) == ("reporter", "worker")
    assert found.created_at == NOON
    assert found.closed_at == found.resolved_at == found.updated_at


def test_github_issue_with_nulls() -> None:
    """Null body, people and times are allowed."""
    nulls = ("body", "user", "assignee", "closed_at", "updated_at", "labels")
    found = github_issue(state="open", **dict.fromkeys(nulls))
    assert (found.body, found.reporter, found.assignee) == ("", None, None)
    assert (found.status, found.closed_at, found.updated_at) == ("open", None, NOON)


@pytest.mark.parametrize(
    ("labels", "kind", "priority"),
    [
        (["bug"], "bug", None),
        ([{"name": "enhancement"}], "change", None),
        (["question", "P1"], "service_request", "P1"),
        (["priority: high"], "bug", "P2"),
        (["prio/critical"], "bug", "P1"),
        (["area/high"], "bug", None),
        (["milestone/2"], "bug", None),
        (["1"], "bug", None),
    ],
)
def test_github_labels(labels: list[Any], kind: str, priority: str | None) -> None:
    """Labels tell type and priority where they name one."""
    found = github_issue(labels=labels)
    assert (found.type, found.priority) == (kind, priority)
    assert len(found.labels) == len(labels)


def test_github_key_from_either_address() -> None:
    """The key is made of the API's address, or of the page's."""
    found = github_issue(url=None)
    assert found.key == "acme/shop#7"
    with pytest.raises(ValueError, match="is not the address of an issue"):
        github.item(GITHUB | {"url": "https://e.example/7", "html_url": None})


def test_github_pull_request_is_skipped() -> None:
    """A pull request is not an issue; `pull_request: null` is one."""
    assert github.item(GITHUB | {"pull_request": {}}) == SkippedRecord("pull request")
    assert github_issue(pull_request=None).key == "acme/shop#7"


def test_github_comment() -> None:
    """A comment names its issue; a deleted author is nobody."""
    assert github.looks_like(COMMENT)
    found = github.item(COMMENT)
    assert isinstance(found, RemoteComment)
    assert (found.body, found.created_at, found.author) == ("on it", NOON, "worker")
    assert (found.kind, found.key) == ("public", "11")
    assert found.issue_key == "acme/shop#7"
    nobody = github.item(COMMENT | {"user": None, "body": None})
    assert isinstance(nobody, RemoteComment)
    assert (nobody.author, nobody.body) == (None, "")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"title": None}, "title is missing"),
        ({"title": {}}, "title should be a text"),
        ({"state": "merged"}, "unknown state 'merged'"),
        ({"state": None}, "state is missing"),
        ({"created_at": None}, "created_at is missing"),
        ({"created_at": "noon"}, "'noon' is not a date"),
        ({"user": "login"}, "user should be an object"),
        ({"labels": {}}, "labels should be a list"),
        ({"labels": [{}]}, "name is missing"),
    ],
)
def test_wrong_github_issue_is_told(changes: dict[str, Any], reason: str) -> None:
    """What is wrong with a GitHub object is named."""
    # FAULTS 15
    with pytest.raises(ValueError, match=reason):
        github.item(GITHUB | changes)


def test_jira_issue() -> None:
    """A Jira issue keeps its fields; the first component is the service."""
    found = jira_issue()
    assert (found.key, found.url) == (
        "SHOP-7",
        "https://jira.example/path/browse/SHOP-7",
    )
    assert (found.status, found.priority, found.type) == ("closed", "P1", "bug")
    assert (found.service, found.category) == ("checkout", "Shop")
    assert (found.labels, found.reporter) == (("database",), "Reporter")
    assert (found.assignee, found.resolution) == ("worker", "Fixed")
    assert found.created_at == found.resolved_at == found.closed_at == NOON
    assert found.duplicate_of == "SHOP-2"
    assert [c.kind for c in found.comments] == ["public", "work_note", "work_note"]


def test_jira_issue_with_nulls() -> None:
    """Everything but summary and creation may be null or missing."""
    nulls = dict.fromkeys(set(FIELDS) - {"summary", "created"})
    for content in (nulls, {}):
        record = {"key": "SHOP-7", "fields": content}
        record["fields"] = {
            "summary": "s",
            "created": FIELDS["created"],
        } | content
        found = jira.issue(record)
        assert (found.status, found.body, found.comments) == ("open", "", ())
        assert (found.type, found.url) == ("service_request", None)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"name": "Open"}, "open"),
        ({"name": "Patch Available"}, "in_progress"),
        ({"name": "Resolved"}, "resolved"),
        ({"name": "Invented", "statusCategory": {"key": "new"}}, "open"),
        ({"name": "Invented", "statusCategory": {"key": "done"}}, "resolved"),
        (
            {"name": "Invented", "statusCategory": {"key": "indeterminate"}},
            "in_progress",
        ),
        ({"name": "Invented"}, "open"),
    ],
)
def test_jira_status(status: dict[str, Any], expected: str) -> None:
    """A workflow's own status counts by its category."""
    assert jira_issue(status=status).status == expected


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"summary": None}, "summary is missing"),
        ({"created": None}, "created is missing"),
        ({"created": "noon"}, "'noon' is not a date"),
        ({"description": {"type": "doc"}}, "description should be a text"),
        ({"labels": [1]}, "labels should hold texts"),
        ({"components": ["x"]}, "components should hold objects"),
        ({"status": "Closed"}, "status should be an object"),
        ({"comment": {"comments": [{}]}}, "created is missing"),
    ],
)
def test_wrong_jira_issue_is_told(changes: dict[str, Any], reason: str) -> None:
    """What is wrong with a Jira object is named."""
    # FAULTS 15
    with pytest.raises(ValueError, match=reason):
        jira_issue(**changes)


def test_own_issue_needs_only_key_and_title() -> None:
    """Of our own format key and title must be there; numbers count as texts."""
    found = interchange.issue({"key": 7, "title": 1.5})
    assert (found.key, found.title, found.status) == ("7", "1.5", "open")
    assert found.created_at == found.updated_at == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("names", [(), ("closed_at",), ("closed_at", "resolved_at")])
def test_own_issue_was_updated_at_its_last_time(names: tuple[str, ...]) -> None:
    """Without updated_at the latest known time is taken."""
    record = {"key": "A", "title": "a", "created_at": "2026-01-01T00:00:00Z"}
    found = interchange.issue(record | dict.fromkeys(names, "2026-01-31T12:00:00Z"))
    assert found.updated_at == (NOON if names else datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00+00:00",
        "2026-01-31T14:00:00.000+0200",
        "2026-01-31T12:00:00",
        "2026-01-31 12:00:00",
        "31/Jan/26 12:00",
        "31/Jan/2026 12:00",
        "31.01.2026 12:00",
        "31.01.2026 12:00:00",
        "01/31/2026 12:00:00",
    ],
)
def test_moments_of_trackers(text: str) -> None:
    """The ways in which trackers write a time; without a zone it is UTC."""
    assert vocabulary.moment(text) == NOON


@pytest.mark.parametrize("text", ["soon", "2026-13-01", "12", " ", "31/02/2026 12:00"])
def test_what_is_no_moment(text: str) -> None:
    """A time that is none is told with the way to write one."""
    with pytest.raises(ValueError, match="is not a date; write 2026-01-31T12:00:00Z"):
        vocabulary.moment(text)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("P1", "P1"),
        ("2 - High", "P2"),
        ("Blocker", "P1"),
        ("LOWEST", "P4"),
        ("5 - Planning", "P4"),
        ("none", None),
        ("", None),
        (None, None),
    ],
)
def test_priorities_of_trackers(word: str | None, expected: str | None) -> None:
    """Words and numbers for a priority; a word without one gives none."""
    assert vocabulary.priority(word) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("To Do", "open"),
        ("in-progress", "in_progress"),
        ("IN_REVIEW", "in_progress"),
        ("Done", "resolved"),
        ("Canceled", "closed"),
        (None, "open"),
    ],
)
def test_statuses_of_trackers(word: str | None, expected: str) -> None:
    """Words for a status in any case and spelling; without one it is open."""
    assert vocabulary.status(word) == expected


def test_types_of_trackers() -> None:
    """Words for a type; an unknown one is the default."""
    assert vocabulary.issue_type("New Feature") == "change"
    assert vocabulary.issue_type("Sub-task") == "change"
    assert vocabulary.issue_type("Umbrella") == "incident"
    assert vocabulary.issue_type(None) == "incident"
