"""Issues of Jira: whole, mapped, moved or gone."""

from datetime import timedelta

import pytest

from connectors.jira_server import FakeJira, one, talking
from connectors.jira_tickets import START, rich, stamp
from issuetrack.engine.errors import NotFoundError, RemoteAnswerError, UsageError
from issuetrack.engine.store.types import GoneReason, LinkKind
from issuetrack.engine.sync.connector import Change
from issuetrack.engine.sync.ports import GoneIssue, RemoteIssue, RemoteLink
from issuetrack.testing import server as faults

VERSIONS = pytest.mark.parametrize("version", ["2", "3"])


def test_behind_the_gateway_issues_are_seen_elsewhere() -> None:
    """Atlassian's gateway shows people nothing, so Jira is asked where it is."""
    jira = FakeJira("3", context="/ex/jira/1-2")
    jira.add(START, START)
    with talking(jira) as connector:
        assert one(connector).url == "https://acme.example/browse/OPS-1"
        assert one(connector, "OPS-2").url == "https://acme.example/browse/OPS-2"
        assert len(jira.server.received) == 3


@VERSIONS
def test_comments_of_service_projects_say_for_whom_they_are(version: str) -> None:
    """Where a search does not tell, each comment is asked about."""
    jira = FakeJira(version, service=True)
    (ticket,) = jira.add(START)
    inside = {"key": "sd.public.comment", "value": {"internal": True}}
    ticket.comment("for all", properties=[])
    ticket.comment("inside", properties=[inside])
    with talking(jira) as connector:
        (page,) = connector.pages(None, None)
    (found,) = page.items
    assert isinstance(found, RemoteIssue)
    kinds = [comment.kind.value for comment in found.comments]
    assert kinds == ["public", "work_note"]


def test_404_that_is_not_of_jira_says_nothing_of_the_issue() -> None:
    """A proxy's 404 does not make an issue look deleted."""
    jira = FakeJira()
    jira.add(START)
    with talking(jira) as connector:
        jira.server.fail(faults.page(404))
        with pytest.raises(NotFoundError, match="has no /rest") as error:
            connector.fetch("OPS-1")
    assert "context-path=/jira" in (error.value.hint or "")


@VERSIONS
def test_all_comments_and_changes_come(version: str) -> None:
    """A search shows few of them; the rest is asked for."""
    jira = FakeJira(version)
    (ticket,) = jira.add(START)
    for n in range(250):
        ticket.comment(f"comment {n}", jsdPublic=n % 2 == 0)
        ticket.change(("status", "Open", f"S{n}"), ("Sprint", None, "12"))
    with talking(jira) as connector:
        (page,) = connector.pages(None, None)
        sent = len(jira.server.received)
        fetched = one(connector)
    (found,) = page.items
    assert found == fetched
    assert isinstance(found, RemoteIssue)
    assert [c.body for c in found.comments] == [f"comment {n}" for n in range(250)]
    kinds = [c.kind.value for c in found.comments[:2]]
    assert kinds == ["public", "work_note"]
    assert [e.after for e in found.events] == [f"S{n}" for n in range(250)]
    assert found.complete
    assert sent == (2 + 3 + 3 if version == "3" else 2 + 3)


def test_full_looking_lists_are_not_trusted() -> None:
    """Cloud cuts lists at a length; one that is that long may have been cut."""
    jira = FakeJira("3", tells_totals=False)
    (ticket,) = jira.add(START)
    for n in range(45):
        ticket.comment(f"{n}")
        ticket.change(("status", "Open", f"S{n}"))
    with talking(jira) as connector:
        found = one(connector)
    assert (len(found.comments), len(found.events)) == (45, 45)


def test_short_lists_are_not_asked_for_again() -> None:
    """What a search shows whole takes no further request."""
    jira = FakeJira("3")
    for ticket in jira.add(*[START] * 30):
        for n in range(19):
            ticket.comment(f"{n}")
            ticket.change(("status", "Open", "Done"))
    with talking(jira) as connector:
        list(connector.pages(None, None))
        assert len(jira.server.received) == 2


def test_comments_that_are_gone_meanwhile() -> None:
    """An issue whose comments cannot be read any more is not called complete."""
    jira = FakeJira("3")
    (ticket,) = jira.add(START)
    for n in range(30):
        ticket.comment(f"{n}")
    with talking(jira) as connector:
        jira.server.fail(None, faults.status(404))
        found = connector.fetch("OPS-1")
    assert isinstance(found, RemoteIssue)
    assert (found.complete, len(found.comments)) == (False, 20)


@VERSIONS
def test_whole_issue(version: str) -> None:
    """All parts of an issue come over."""
    jira = FakeJira(version)
    (ticket,) = jira.add(START + timedelta(hours=1), status="Verify")
    other = {"key": "OPS-9"}
    ticket.fields = {
        "labels": ["db", "area/web"],
        "components": [{"name": "checkout"}],
        "resolution": {"name": "Fixed"},
        "resolutiondate": stamp(START),
        "reporter": {"accountId": "5b10ac8d82e05b22cc7d4ef5", "displayName": ""},
        "assignee": {"name": "worker"},
        "attachment": [{"filename": "core.txt"}, {"filename": None}],
        "issuelinks": [
            {"type": {"inward": "is caused by", "outward": "causes"}, "inwardIssue": other},
            {"type": {"inward": "is blocked by", "outward": "blocks"}, "outwardIssue": {"key": "OPS-8"}},
            {"type": {"inward": "is duplicated by", "outward": "duplicates"}, "outwardIssue": {"key": "OPS-7"}},
            {"type": {"inward": "is caused by", "outward": "causes"}, "outwardIssue": {"key": "OPS-6"}},
        ],
        "customfield_10010": {"value": "Berlin"},
    }  # fmt: skip
    ticket.change(
        ("Component", None, "a"), ("Component", None, "b"), ("Key", "X-1", "OPS-1")
    )
    mapping = ("site=customfield_10010.value", "status:Verify=resolved")
    with talking(jira, mapping=mapping) as connector:
        found = one(connector, "ops-1")
        url = jira.server.url
    assert (found.id, found.key, found.url) == ("10001", "OPS-1", f"{url}/browse/OPS-1")
    assert (found.type, found.status, found.priority) == ("bug", "resolved", "P2")
    assert (found.service, found.site, found.category) == ("checkout", "Berlin", "Shop")
    assert (found.reporter, found.assignee) == ("5b10ac8d82e05b22cc7d4ef5", "worker")
    assert (found.resolution, found.resolved_at, found.closed_at) == (
        "Fixed",
        START,
        None,
    )
    assert (found.attachments, found.duplicate_of) == (("core.txt",), "OPS-7")
    assert found.links == (
        RemoteLink(LinkKind.CAUSED_BY, "OPS-9"),
        RemoteLink(LinkKind.RELATES_TO, "OPS-8"),
        RemoteLink(LinkKind.RELATES_TO, "OPS-6"),
    )
    assert [(e.key, e.field, e.before, e.after) for e in found.events] == [
        ("5000:components", "components", None, "a"),
        ("5000:components:2", "components", None, "b"),
        ("5000:key", "key", "X-1", "OPS-1"),
    ]
    rules = {m.field: (m.value, m.origin, m.word, m.rule) for m in found.mapped}
    assert rules["status"] == (
        "resolved", "fields.status.name", "Verify", "status:Verify=resolved",
    )  # fmt: skip
    assert rules["site"][1:] == (
        "customfield_10010.value", "Berlin", "site=customfield_10010.value",
    )  # fmt: skip
    assert rules["priority"] == ("P2", "fields.priority.name", "High", "default")


def test_only_mapped_fields_are_asked_for() -> None:
    """Fields of a place's own come with the others, and no more than that."""
    jira = FakeJira()
    with talking(jira, mapping=("service=customfield_7.child.value",)) as it:
        list(it.pages(None, None))
    asked = jira.server.received[-1].content["fields"]
    assert "customfield_7" in asked
    assert "worklog" not in asked


def test_documents_become_markdown() -> None:
    """A description and comments of Cloud are documents."""
    jira = FakeJira("3")
    (ticket,) = jira.add(START)
    ticket.fields["description"] = rich("first\nsecond")
    ticket.comment("a comment")
    with talking(jira) as connector:
        found = one(connector)
    assert found.body == "first\n\nsecond"
    assert found.comments[0].body == "a comment"


@VERSIONS
def test_issue_that_is_elsewhere_or_gone(version: str) -> None:
    """A moved issue names its new key, a deleted one is gone."""
    jira = FakeJira(version)
    jira.add(START, project="WEB")
    jira.moved = {"OPS-1": "WEB-1"}
    with talking(jira) as connector:
        assert connector.fetch("OPS-1") == GoneIssue("OPS-1", GoneReason.MOVED, "WEB-1")
        assert connector.fetch("OPS-2") == GoneIssue("OPS-2", GoneReason.DELETED)
        assert one(connector, "10001").key == "WEB-1"


@pytest.mark.parametrize(
    "key", ["", "../myself", "OPS-1/comment", "OPS", "ÖPS-1", "a b-1"]
)
def test_what_is_no_key_is_not_asked_for(key: str) -> None:
    """A key cannot name anything but an issue."""
    jira = FakeJira()
    with talking(jira) as connector:
        for act in (connector.fetch, lambda k: connector.push(Change(k, "m", "text"))):
            with pytest.raises(UsageError, match="is no key"):
                act(key)
        assert jira.server.received == []


def test_fetched_issue_that_cannot_be_understood() -> None:
    """One issue asked for by key is told to be wrong."""
    jira = FakeJira()
    (ticket,) = jira.add(START)
    ticket.fields["labels"] = 7
    with (
        talking(jira) as connector,
        pytest.raises(RemoteAnswerError, match="labels should be a list"),
    ):
        connector.fetch("OPS-1")
