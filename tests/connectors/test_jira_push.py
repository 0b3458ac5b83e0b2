"""Changes written to Jira: what is sent, what is refused, and nothing twice."""

from typing import Any

import pytest

from connectors.jira_server import FakeJira, talking
from connectors.jira_tickets import START, Ticket
from issuetrack.connectors.jira.tracker import JiraConnector
from issuetrack.connectors.jira.writing import document, wiki
from issuetrack.engine.errors import RemoteForbidden, RemoteUnreachable, UsageError
from issuetrack.engine.store.types import CommentKind, IssueStatus
from issuetrack.engine.sync.connector import Change, Request
from issuetrack.engine.sync.ports import RemoteIssue
from issuetrack.testing import server as faults

VERSIONS = pytest.mark.parametrize("version", ["2", "3"])
ALL = {"BROWSE_PROJECTS", "ADD_COMMENTS", "TRANSITION_ISSUES", "EDIT_ISSUES"}
CODE = "Restarted *it*:\n\n```bash\nsystemctl restart {shop}\n```\n\ndone"


def jira_with(version: str, **changes: Any) -> tuple[FakeJira, Ticket]:
    """Return a Jira with one issue, and that."""
    jira = FakeJira(version, may=set(ALL), **changes)
    (ticket,) = jira.add(START)
    return jira, ticket


def sent(jira: FakeJira) -> list[Request]:
    """Return the requests that changed something."""
    changing = [
        r for r in jira.server.received if r.method != "GET" and "/search" not in r.path
    ]
    return [Request(r.method, jira.server.url + r.path, r.content) for r in changing]


@VERSIONS
@pytest.mark.parametrize(
    "change",
    [
        Change("OPS-1", "m1", CODE),
        Change("OPS-1", "m1", "inside", CommentKind.WORK_NOTE),
        Change("OPS-1", "m1", status=IssueStatus.IN_PROGRESS),
        Change("OPS-1", "m1", "now done", status=IssueStatus.RESOLVED),
        Change("OPS-1", "m1", fields={"priority": "P1", "labels": ["a", "b"]}),
        Change("OPS-1", "m1", fields={"assignee": "mia krystof", "title": "a\n b"}),
        Change("OPS-1", "m1", fields={"assignee": None, "body": CODE}),
        Change("OPS-1", "m1"),
    ],
    ids=lambda change: str(change.comment or change.status or change.fields)[:20],
)
def test_what_is_shown_is_what_is_sent(version: str, change: Change) -> None:
    """The requests shown before are those sent, and no others."""
    jira, _ = jira_with(version, service=True)
    with talking(jira) as connector:
        shown = connector.requests_for(change)
        assert sent(jira) == []
        connector.push(change)
        assert sent(jira) == shown
    assert "token" not in repr(shown)


@VERSIONS
def test_comment_is_known_again(version: str) -> None:
    """A comment ends with its mark, by which it is found; another mark is not."""
    jira, ticket = jira_with(version)
    with talking(jira) as connector:
        for n in range(3):
            ticket.comment(f"old {n}")
        change = Change("OPS-1", "run-7", CODE)
        assert connector.pushed(change) is None
        key = connector.push(change)
        assert key == ticket.comments[-1]["id"]
        assert connector.pushed(change) == key
        for other in ("run-70", "run-", "un-7"):
            assert connector.pushed(Change("OPS-1", other, CODE)) is None
        assert connector.pushed(Change("OPS-1", "run-7")) is None
        found = read(connector).comments[-1]
    assert "issuetrack:run-7" in found.body.splitlines()[-1]
    assert "systemctl restart {shop}" in found.body


def read(connector: JiraConnector) -> RemoteIssue:
    """Return the issue as it is now."""
    found = connector.fetch("OPS-1")
    assert isinstance(found, RemoteIssue)
    return found


def test_markup_of_each_version() -> None:
    """The same text as wiki markup and as a document."""
    assert wiki(CODE) == (
        "Restarted \\*it\\*:\n\n"
        "{noformat}\nsystemctl restart {shop}\n{noformat}\n\ndone"
    )
    assert document(CODE)["content"] == [
        {
            "type": "paragraph",
            "content": [{"type": "text", "text": "Restarted *it*:"}],
        },
        {
            "type": "codeBlock",
            "content": [{"type": "text", "text": "systemctl restart {shop}"}],
            "attrs": {"language": "bash"},
        },
        {"type": "paragraph", "content": [{"type": "text", "text": "done"}]},
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b [x|y] {color}", "a\\_b \\[x\\|y\\] \\{color\\}"),
        ("well-known -x- 1+1 +y", "well-known \\-x- 1+1 \\+y"),
        ("C:\\\\temp", "C:&#92;&#92;temp"),
        ("what??", "what\\??"),
        ("## Cause\n- one\n* two", "h2. Cause\n* one\n* two"),
        ("bq. x\n#1", "\\bq. x\n#1"),
        ("one\ntwo\n\n\n\nthree", "one\ntwo\n\nthree"),
        ("```\nopen {noformat}", "{noformat}\nopen { noformat }\n{noformat}"),
        ("~~~~\na\n```\nb\n~~~~\nc", "{noformat}\na\n```\nb\n{noformat}\n\nc"),
        ("", ""),
    ],
)
def test_plain_text_stays_plain(text: str, expected: str) -> None:
    """Signs of the wiki mean nothing in a text that was not written for it."""
    assert wiki(text) == expected


def test_document_of_lines() -> None:
    """Lines of a paragraph are kept apart; empty text nodes are never written."""
    assert document("one\ntwo")["content"][0]["content"] == [
        {"type": "text", "text": "one"},
        {"type": "hardBreak"},
        {"type": "text", "text": "two"},
    ]
    assert document("```\n```")["content"] == [{"type": "codeBlock", "content": []}]
    assert document("") == {"type": "doc", "version": 1, "content": []}


@VERSIONS
def test_internal_comment(version: str) -> None:
    """A work note is internal, and comes back as a work note."""
    jira, _ = jira_with(version, service=True)
    note = Change("OPS-1", "m1", "inside", CommentKind.WORK_NOTE)
    with talking(jira) as connector:
        connector.push(note)
        assert read(connector).comments[0].kind is CommentKind.WORK_NOTE
    jira, ticket = jira_with(version)
    with talking(jira) as connector:
        for act in (connector.requests_for, connector.push):
            with pytest.raises(UsageError, match="no service project"):
                act(note)
    assert ticket.comments == []


@VERSIONS
def test_status_goes_through_a_transition(version: str) -> None:
    """The step is chosen by where it leads; where nothing is to do, nothing is sent."""
    jira, ticket = jira_with(version)
    with talking(jira) as connector:
        change = Change("OPS-1", "m1", status=IssueStatus.RESOLVED)
        connector.push(change)
        assert (ticket.status, connector.requests_for(change)) == ("Done", [])
        with pytest.raises(UsageError, match="no step to closed") as error:
            connector.push(Change("OPS-1", "m2", "text", status=IssueStatus.CLOSED))
    possible = "Go Open to Open, Go In Progress to In Progress, Go Verify to Verify"
    assert error.value.hint == f"possible are: {possible}"
    assert ticket.comments == []


def test_status_words_of_the_source_count() -> None:
    """An override of the source decides which status a step leads to."""
    jira, ticket = jira_with("2")
    with talking(jira, mapping=("status:Verify=closed",)) as connector:
        connector.push(Change("OPS-1", "m1", status=IssueStatus.CLOSED))
        assert ticket.status == "Verify"


def test_status_by_name_before_status_by_category() -> None:
    """Of two steps to work in progress the one that is called so is taken."""
    jira, ticket = jira_with("2")
    ticket.status = "Done"
    with talking(jira) as connector:
        connector.push(Change("OPS-1", "m1", status=IssueStatus.IN_PROGRESS))
    assert ticket.status == "In Progress"


@VERSIONS
def test_fields(version: str) -> None:
    """Fields take Jira's own words, accounts and texts."""
    jira, ticket = jira_with(version)
    wanted = {"priority": "P1", "assignee": "Mia Krystof", "labels": "a, b"}
    with talking(jira) as connector:
        connector.push(Change("OPS-1", "m1", fields=wanted))
        account = {"accountId": "5b10"} if version == "3" else {"name": "mia"}
        assert ticket.fields["assignee"] == account
        assert ticket.fields["priority"] == {"name": "Highest"}
        assert ticket.fields["labels"] == ["a", "b"]


@VERSIONS
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"service": "x"}, "service cannot be written"),
        ({"labels": ["two words"]}, "no label 'two words'"),
        ({"assignee": "Somebody"}, "nobody by the name 'Somebody'"),
        ({"priority": "P9"}, "no priority that means P9"),
    ],
)
def test_fields_that_cannot_be_written(
    version: str, values: dict[str, Any], message: str
) -> None:
    """What Jira cannot take is refused before anything is sent."""
    jira, _ = jira_with(version)
    with talking(jira) as connector:
        with pytest.raises(UsageError, match=message) as error:
            connector.push(Change("OPS-1", "m1", "text", fields=values))
        assert sent(jira) == []
    assert error.value.hint


@VERSIONS
@pytest.mark.parametrize(
    ("change", "missing"),
    [
        (Change("OPS-1", "m1", "text"), "ADD_COMMENTS"),
        (Change("OPS-1", "m1", status=IssueStatus.RESOLVED), "TRANSITION_ISSUES"),
        (Change("OPS-1", "m1", fields={"title": "x"}), "EDIT_ISSUES"),
    ],
)
def test_missing_permission_is_named(
    version: str, change: Change, missing: str
) -> None:
    """A refusal names the permission that is missing."""
    jira, _ = jira_with(version)
    jira.may.discard(missing)
    with talking(jira) as connector, pytest.raises(RemoteForbidden) as error:
        connector.push(change)
    assert missing in (error.value.hint or "")


@VERSIONS
def test_change_is_not_sent_twice(version: str) -> None:
    """A change whose answer was lost is not sent again; its mark tells if it is there."""
    # FAULTS 14
    jira, ticket = jira_with(version)
    change = Change("OPS-1", "m1", "text")
    with talking(jira) as connector:
        jira.server.fail(faults.reset())
        with pytest.raises(RemoteUnreachable):
            connector.push(change)
        assert (len(sent(jira)), connector.pushed(change)) == (1, None)
        connector.push(change)
        assert connector.pushed(change) == ticket.comments[0]["id"]


@pytest.mark.parametrize(
    "content", [{}, {"transitions": 7}, {"transitions": [{"to": 7}]}]
)
def test_transitions_that_make_no_sense(content: Any) -> None:
    """A list of transitions of another shape is told."""
    # FAULTS 15
    jira, _ = jira_with("2")
    with talking(jira) as connector:
        jira.server.fail(None, faults.answering(faults.Reply(content)))
        with pytest.raises(RemoteUnreachable, match=r"other than|cannot be understood"):
            connector.push(Change("OPS-1", "m1", status=IssueStatus.RESOLVED))
