"""Conversations with ServiceNow, over real HTTP with a stand-in on loopback."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from connectors.servicenow_server import FORMAT, Instance, Row, running
from issuetrack.connectors.servicenow.oauth import BearerTransport
from issuetrack.connectors.servicenow.tracker import TRACKER, Conversation
from issuetrack.engine.errors import (
    CredentialError,
    IssueTrackError,
    NotFoundError,
    RemoteAnswerError,
    RemoteForbidden,
    RemoteUnreachable,
    UsageError,
)
from issuetrack.engine.store.types import CommentKind, GoneReason, IssueStatus
from issuetrack.engine.sync.connector import Change, Page, SourceSettings
from issuetrack.engine.sync.ports import BadRecord, GoneIssue, RemoteIssue
from issuetrack.testing import server as faults
from issuetrack.testing.server import LoopbackServer, Reply

HOME = "a" * 32
OPEN: list[Conversation] = []
EAST, WEST = timedelta(hours=2), timedelta(hours=-8)


@pytest.fixture
def instance() -> Instance:
    """Return an instance with one user."""
    made = Instance()
    made.add("sys_user", user_name="sync", name="Sync Account", active="true")
    made.labels[HOME] = "Berlin"
    return made


@pytest.fixture
def server(instance: Instance) -> Iterator[LoopbackServer]:
    with running(instance) as running_server:
        yield running_server
        while OPEN:
            OPEN.pop().close()


def talk(
    server: LoopbackServer,
    *mapping: str,
    secret: str = "pässword",
    username: str = "sync",
    **options: str,
) -> Conversation:
    """Return a conversation with the stand-in."""
    given = {name.replace("_", "-"): said for name, said in options.items()}
    settings = SourceSettings(
        "desk", "servicenow", server.url, username, given, mapping
    )
    settled = TRACKER.settle(settings)
    OPEN.append(TRACKER.connect(settled, secret, lambda _why, _for: None))
    return OPEN[-1]


def read(
    conversation: Conversation, cursor: str | None = None, since: datetime | None = None
) -> tuple[list[Page], dict[str, RemoteIssue]]:
    """Return the pages, and the issues by their keys."""
    pages = list(conversation.pages(cursor, since))
    items = [item for page in pages for item in page.items]
    return pages, {item.key: item for item in items if isinstance(item, RemoteIssue)}


def keys(pages: list[Page]) -> list[str]:
    """Return the keys in the order in which they came."""
    items = [item for page in pages for item in page.items]
    return [item.key for item in items if isinstance(item, RemoteIssue)]


def asked(server: LoopbackServer, table: str) -> list[str]:
    """Return the queries that a table was asked, in their order."""
    path = f"/api/now/table/{table}"
    return [r.query["sysparm_query"] for r in server.received if r.path == path]


# settings


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "--base-url is needed"),
        ({"base_url": "https://x.service-now.com"}, "--username is needed"),
        ({"base_url": "http://x.service-now.com"}, "unencrypted"),
        ({"base_url": "https://x.service-now.com/api/now"}, "has a path"),
        ({"options": {"table": "sys_user"}}, "--table cannot be sys_user"),
        ({"options": {"table": " , "}}, "--table cannot be empty"),
        ({"options": {"auth": "magic"}}, "--auth cannot be 'magic'"),
        ({"options": {"project": "X"}}, "has no project"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], said: str) -> None:
    """Each is refused with what is wrong."""
    plain: dict[str, Any] = {"base_url": "" if not settings else "https://x.example"}
    with pytest.raises(UsageError, match=said):
        TRACKER.settle(SourceSettings("desk", "servicenow", **{**plain, **settings}))


def test_settings() -> None:
    """Tables come apart, the rest has defaults, and the scope is told."""
    given = SourceSettings(
        "desk",
        "servicenow",
        "https://x.service-now.com/",
        "sync",
        {"table": "incident, problem,incident", "query": "active=true"},
    )
    found = TRACKER.settle(given)
    assert found.options["table"] == "incident,problem"
    assert found.options["auth"] == "basic"
    assert found.base_url == "https://x.service-now.com"
    assert TRACKER.scope(found) == "incident and problem where active=true"
    with pytest.raises(CredentialError, match="no password or client secret"):
        TRACKER.connect(found, None, lambda _why, _for: None)


# reading


def test_a_whole_issue(instance: Instance, server: LoopbackServer) -> None:
    """Comments, work notes, history and attachments belong to their record."""
    row = instance.incident(1, location=HOME, caller_id="b" * 32, u_place="Room 1")
    instance.labels["b" * 32] = "Ada"
    bob = instance.add("sys_user", user_name="bob", name="Bob")
    instance.say(row, "looking into it")
    instance.say(row, "[code]<p>We are <b>on it</b></p>[/code]", "comments")
    instance.audit(row, "state", "1", "2")
    instance.audit(row, "assigned_to", "", bob["sys_id"])
    instance.add("sys_attachment", table_sys_id=row["sys_id"], file_name="log.txt")
    talking = talk(server, "service=u_place")
    (page,), issues = read(talking)
    found = issues["INC0000001"]
    assert [(c.body, c.kind, c.author) for c in found.comments] == [
        ("looking into it", CommentKind.WORK_NOTE, "ada"),
        ("We are **on it**", CommentKind.PUBLIC, "ada"),
    ]
    assert [(e.field, e.before, e.after) for e in found.events] == [
        ("status", "New", "In Progress"),
        ("assignee", None, "Bob"),
    ]
    assert (found.attachments, found.complete) == (("log.txt",), True)
    assert (found.site, found.service, found.reporter) == ("Berlin", "Room 1", "Ada")
    assert found.status is IssueStatus.IN_PROGRESS
    assert (page.total, talking.traffic.requests) == (1, 5)
    assert talking.traffic.notices == []
    sent = server.received[0].query
    assert sent["sysparm_display_value"] == "all"
    assert sent["sysparm_exclude_reference_link"] == "true"
    assert sent["sysparm_limit"] == "100"
    assert "u_place" in sent["sysparm_fields"].split(",")


def test_pages(instance: Instance, server: LoopbackServer) -> None:
    """Every record comes once, oldest change first; a second run brings little."""
    for number in range(250):
        instance.incident(number)
    talking = talk(server)
    pages, issues = read(talking)
    assert len(keys(pages)) == len(issues) == 250
    assert keys(pages) == sorted(issues)
    assert [page.total for page in pages] == [250, 250, 250]
    assert talking.traffic.requests == 12 + 1
    again = talk(server)
    repeated, _ = read(again, pages[-1].cursor)
    assert len(keys(repeated)) == 121
    assert repeated[-1].cursor == pages[-1].cursor


def test_nothing_new(instance: Instance, server: LoopbackServer) -> None:
    """A run without anything new takes four requests."""
    instance.say(instance.incident(1), "x")
    pages, _ = read(talk(server))
    talking = talk(server)
    repeated, _ = read(talking, pages[-1].cursor)
    assert keys(repeated) == ["INC0000001"]
    assert talking.traffic.requests == 4


def test_an_empty_table(server: LoopbackServer) -> None:
    """Nothing is read, and the next run begins at the beginning."""
    pages, issues = read(talk(server))
    assert (issues, pages[-1].cursor) == ({}, "{}")
    assert read(talk(server), pages[-1].cursor)[1] == {}


def test_records_that_change_meanwhile(
    instance: Instance, server: LoopbackServer
) -> None:
    """A record that changes between pages comes again, and no other is skipped."""
    rows = [instance.incident(number) for number in range(250)]
    changed = iter(rows[:3])

    def change(table: str) -> None:
        if table == "incident" and (row := next(changed, None)):
            instance.touch(row, short_description="changed")

    instance.after = change
    _, issues = read(talk(server))
    assert len(issues) == 250
    assert issues["INC0000000"].title == issues["INC0000001"].title == "changed"
    assert all("sysparm_offset" not in r.query for r in server.received)


def test_many_records_of_one_moment(instance: Instance, server: LoopbackServer) -> None:
    """More records than a page holds changed in the same second."""
    for number in range(330):
        row = instance.incident(number)
        row["sys_updated_on"] = "2026-03-01 12:00:00"
    pages, issues = read(talk(server))
    assert (len(keys(pages)), len(issues)) == (330, 330)


@pytest.mark.parametrize("counted", [True, False])
def test_hidden_records(
    instance: Instance, server: LoopbackServer, counted: bool
) -> None:
    """Access rules leave gaps in pages; what is behind them comes all the same."""
    instance.counted = counted
    rows = [instance.incident(number) for number in range(450)]
    instance.invisible = {row["sys_id"] for row in rows[20:40]}
    if counted:
        instance.invisible |= {row["sys_id"] for row in rows[110:400]}
    talking = talk(server)
    _, issues = read(talking)
    if counted:
        assert len(issues) == 140
        (notice,) = talking.traffic.notices
        assert "some records of incident are hidden" in notice
    else:
        assert len(issues) == 430


def test_a_query(instance: Instance, server: LoopbackServer) -> None:
    """Each part of the query is narrowed, so that pages do not run over."""
    for number in range(240):
        instance.incident(number, priority=str(number % 4 + 1))
    pages, issues = read(talk(server, query="priority=1^ORpriority=2^NQpriority=4"))
    assert len(keys(pages)) == len(issues) == 180
    assert asked(server, "incident")[1].count("^NQ") == 1


def test_several_tables(instance: Instance, server: LoopbackServer) -> None:
    """Each table has its place in the cursor; a stopped run goes on in the next."""
    instance.incident(1)
    instance.add("problem", number="PRB1", sys_class_name="problem", state="103")
    talking = talk(server, table="incident,problem")
    first = next(iter(talking.pages(None, None)))
    assert json.loads(first.cursor).keys() == {"incident"}
    pages, issues = read(talk(server, table="incident,problem"), first.cursor)
    assert issues["PRB1"].type == "problem"
    assert json.loads(pages[-1].cursor).keys() == {"incident", "problem"}


def test_a_table_that_is_refused_does_not_stop_the_others(
    instance: Instance, server: LoopbackServer
) -> None:
    """The incidents are read, and then it is told what may not be."""
    instance.incident(1)
    instance.forbidden.add("problem")
    pages: list[Page] = []
    with pytest.raises(RemoteForbidden, match="ACL"):
        pages.extend(talk(server, table="problem,incident").pages(None, None))
    assert len(keys(pages)) == 1


def test_only_since(instance: Instance, server: LoopbackServer) -> None:
    """What has not changed since then is left out, in every table."""
    for number in range(20):
        instance.incident(number)
    instance.add("problem", number="PRB1", sys_class_name="problem")
    since = datetime(2026, 3, 1, 12, 0, 12, tzinfo=UTC)
    talking = talk(server, table="incident,problem")
    first = next(iter(talking.pages(None, since)))
    assert len(first.items) == 10
    instance.tables["problem"][0]["sys_updated_on"] = "2025-01-01 00:00:00"
    _, issues = read(talk(server, table="incident,problem"), first.cursor)
    assert "PRB1" not in issues


@pytest.mark.parametrize("layout", [FORMAT, "%d/%m/%Y %H:%M:%S"])
@pytest.mark.parametrize("shift", [EAST, WEST])
@pytest.mark.parametrize("local", [False, True])
def test_time_zones(
    instance: Instance,
    server: LoopbackServer,
    shift: timedelta,
    local: bool,
    layout: str,
) -> None:
    """Whichever zone dates in queries are in, nothing is missed or read for nothing."""
    instance.shift, instance.local_literals, instance.layout = shift, local, layout
    for number in range(130):
        instance.incident(number)
        instance.now += timedelta(minutes=5)
    talking = talk(server)
    pages, issues = read(talking)
    assert len(keys(pages)) == len(issues) == 130
    assert talking.traffic.requests == 2 * 4 + 1 + 1 + local
    assert bool(talking.traffic.notices) == local
    instance.touch(instance.tables["incident"][5])
    again, _ = read(talk(server), pages[-1].cursor)
    assert keys(again)[-1] == "INC0000005"
    assert len(keys(again)) < 30
    middle = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)
    _, late = read(talk(server), since=middle)
    rows = instance.tables["incident"]
    assert late.keys() == {
        row["number"] for row in rows if row["sys_updated_on"] >= "2026-03-01 20:00:00"
    }


@pytest.mark.parametrize("shift", [EAST, WEST])
def test_a_time_zone_that_first_makes_no_difference(
    instance: Instance, server: LoopbackServer, shift: timedelta
) -> None:
    """After a first run of one page the zone is not known yet; nothing is missed."""
    instance.shift, instance.local_literals = shift, True
    rows = [instance.incident(number) for number in range(5)]
    pages, _ = read(talk(server))
    instance.now += timedelta(hours=1)
    instance.touch(rows[0])
    instance.now += timedelta(hours=12)
    instance.touch(rows[4])
    again, issues = read(talk(server), pages[-1].cursor)
    assert issues.keys() >= {"INC0000000", "INC0000004"}
    instance.now += timedelta(hours=1)
    instance.touch(rows[1])
    instance.now += timedelta(hours=12)
    instance.touch(rows[2])
    assert "INC0000001" in read(talk(server), again[-1].cursor)[1]


def test_a_time_zone_that_changes(instance: Instance, server: LoopbackServer) -> None:
    """Somebody changes the account's zone between two runs."""
    instance.shift, instance.local_literals = WEST, True
    rows = [instance.incident(number) for number in range(150)]
    pages, _ = read(talk(server))
    instance.shift = EAST
    instance.touch(rows[0])
    assert "INC0000000" in read(talk(server), pages[-1].cursor)[1]


def test_a_time_zone_that_cannot_be_told(
    instance: Instance, server: LoopbackServer
) -> None:
    """Dates shown in an unknown form and read in an unknown zone are refused."""
    instance.shift, instance.local_literals, instance.layout = WEST, True, "%A"
    for number in range(150):
        instance.incident(number)
    with pytest.raises(RemoteAnswerError, match="cannot be told") as caught:
        read(talk(server))
    assert "GMT" in str(caught.value.hint)


def test_a_record_that_is_gone_between_runs(
    instance: Instance, server: LoopbackServer
) -> None:
    """The record at the cursor was deleted; what comes later is read."""
    instance.incident(1)
    last = instance.incident(2)
    pages, _ = read(talk(server))
    instance.tables["incident"].remove(last)
    instance.now += timedelta(hours=3)
    assert read(talk(server), pages[-1].cursor)[1].keys() == {"INC0000001"}
    instance.tables["incident"].clear()
    empty, _ = read(talk(server), pages[-1].cursor)
    assert (keys(empty), empty[-1].cursor) == ([], pages[-1].cursor)
    instance.incident(3)
    assert "INC0000003" in read(talk(server), pages[-1].cursor)[1]


def test_a_cursor_of_something_else(server: LoopbackServer) -> None:
    """It is refused, with what to do."""
    for cursor in ("x", "[]", '{"incident":[1]}', '{"incident":["x","y",0]}'):
        with pytest.raises(UsageError, match="cursor"):
            read(talk(server), cursor)


# what access rules hide


@pytest.mark.parametrize("way", ["hidden", "forbidden"])
def test_a_journal_that_may_not_be_read(
    instance: Instance, server: LoopbackServer, way: str
) -> None:
    """Comments come from the record's own text, with keys that stay the same."""
    instance.shift = EAST
    row = instance.incident(1)
    instance.say(row, "first")
    instance.say(row, "second", "comments")
    getattr(instance, way).add("sys_journal_field")
    talking = talk(server)
    found = read(talking)[1]["INC0000001"]
    assert [(c.body, c.kind, c.author) for c in found.comments] == [
        ("first", CommentKind.WORK_NOTE, "Ada Lovelace"),
        ("second", CommentKind.PUBLIC, "Ada Lovelace"),
    ]
    assert found.comments[0].created_at == datetime(2026, 3, 1, 12, 0, 3, tzinfo=UTC)
    assert not found.complete
    (notice,) = talking.traffic.notices
    assert "sys_journal_field may not be read" in notice
    assert "role needed: admin" in notice
    instance.shift = WEST
    again = read(talk(server))[1]["INC0000001"]
    assert [c.key for c in again.comments] == [c.key for c in found.comments]


@pytest.mark.parametrize("way", ["hidden", "forbidden"])
def test_history_that_may_not_be_read(
    instance: Instance, server: LoopbackServer, way: str
) -> None:
    """It is left out and told once; the issue is not complete then."""
    for number in range(120):
        row = instance.incident(number)
        instance.audit(row, "state", "1", "2")
        instance.touch(row)
    getattr(instance, way).update(("sys_audit", "sys_attachment"))
    talking = talk(server)
    found = read(talking)[1]["INC0000001"]
    assert (found.events, found.complete) == ((), False)
    assert len(asked(server, "sys_audit")) == (2 if way == "hidden" else 1)
    notices = " ".join(talking.traffic.notices)
    assert notices.count("history of changes is left out") == 1
    assert ("names of attachments" in notices) == (way == "forbidden")


def test_a_journal_that_shows_nothing_at_all(
    instance: Instance, server: LoopbackServer
) -> None:
    """Whether there are no comments or none that may be seen is not known."""
    row = instance.incident(1)
    assert not read(talk(server))[1]["INC0000001"].complete
    assert server.received[-1].query["sysparm_no_count"] == "true"
    other = instance.incident(2)
    instance.say(other, "x")
    assert talk(server).fetch("INC0000001").complete  # type: ignore[union-attr]
    instance.say(row, "x")
    assert read(talk(server))[1]["INC0000001"].complete


def test_history_of_other_records_only(
    instance: Instance, server: LoopbackServer
) -> None:
    """Records without changes of state have none; it was asked for in general."""
    row = instance.incident(1)
    instance.touch(row, short_description="other")
    instance.audit(row, "short_description", "a", "b")
    instance.say(row, "x")
    talking = talk(server)
    assert read(talking)[1]["INC0000001"].complete
    assert talking.traffic.notices == []


def test_a_bad_record(instance: Instance, server: LoopbackServer) -> None:
    """It is put aside with its text, and the others come. # FAULTS 15"""
    for number in range(110):
        instance.incident(number)
    instance.tables["incident"][3]["number"] = ""
    instance.tables["incident"][4]["opened_at"] = "soon"
    pages, issues = read(talk(server))
    bad = [i for page in pages for i in page.items if isinstance(i, BadRecord)]
    assert [b.reason for b in bad] == [
        "number is missing",
        "'soon' is not a date; write 2026-01-31T12:00:00Z",
    ]
    assert bad[1].origin == "incident INC0000004"
    assert "Printer 4 jams" in bad[1].content
    assert len(issues) == 108


def test_rows_that_are_no_records(instance: Instance, server: LoopbackServer) -> None:
    """They are put aside as well."""
    server.fail(faults.answering(Reply({"result": [7, {"number": "INC1"}]})))
    page, *_ = read(talk(server))[0]
    assert [i.reason for i in page.items if isinstance(i, BadRecord)] == [
        "sys_id is missing",
        "it is not an object",
    ]


def test_an_order_that_is_not_kept(instance: Instance, server: LoopbackServer) -> None:
    """An instance that gives out the same records for ever is stopped. # FAULTS 16"""
    rows = [instance.incident(number) for number in range(100)]
    same = {"result": [instance._given("incident", r, ALL) for r in rows]}
    headers = {"X-Total-Count": "500"}

    def respond(request: faults.Received) -> Reply:
        if request.path.endswith("/incident"):
            return Reply(same, headers=headers)
        return instance.respond(request)

    server.respond = respond
    with pytest.raises(RemoteAnswerError, match="order of its changes"):
        read(talk(server))


ALL = {"sysparm_display_value": "all"}


# refusals


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        ({"result": {}}, RemoteAnswerError, "something other than"),
        ({"records": []}, RemoteAnswerError, "something other than"),
        ([], RemoteAnswerError, "something other than an object"),
    ],
)
def test_answers_of_another_shape(
    server: LoopbackServer, content: Any, kind: type[IssueTrackError], said: str
) -> None:
    """They are told apart from an empty table. # FAULTS 15"""
    server.fail(faults.answering(Reply(content)))
    with pytest.raises(kind, match=said):
        read(talk(server))


def test_a_hibernating_instance(server: LoopbackServer) -> None:
    """It says how to wake it, whether tables or a token are asked for."""
    page = b"<html><title>Instance Hibernating page</title></html>"
    for auth in ("basic", "oauth"):
        server.fail(faults.answering(Reply(raw=page)))
        with pytest.raises(RemoteAnswerError, match="hibernates") as caught:
            read(talk(server, auth=auth))
        assert "developer.servicenow.com" in str(caught.value.hint)
    server.fail(faults.page())
    with pytest.raises(RemoteAnswerError, match="a web page"):
        read(talk(server))


def test_a_wrong_password(server: LoopbackServer) -> None:
    """The words of ServiceNow are shown, and what it may be."""
    with pytest.raises(CredentialError, match="User Not Authenticated") as caught:
        read(talk(server, secret="wrong"))
    assert "locked out" in str(caught.value.hint)
    assert "wrong" not in caught.value.message


@pytest.mark.parametrize(
    ("status", "message", "kind", "said"),
    [
        (403, "no", RemoteForbidden, "does not let the account use incident: no"),
        (400, "Invalid table incident", UsageError, "has no table incident"),
        (400, "bad query", RemoteAnswerError, "with status 400: bad query"),
        (404, "gone", NotFoundError, "no such record of incident: gone"),
    ],
)
def test_refusals(
    server: LoopbackServer,
    status: int,
    message: str,
    kind: type[IssueTrackError],
    said: str,
) -> None:
    """Each has its own error with a hint, without control characters."""
    error = {"error": {"message": f"\x1b{message}", "detail": None}}
    server.fail(faults.answering(Reply(error, status)))
    with pytest.raises(kind, match=said) as caught:
        read(talk(server))
    assert caught.value.hint
    assert caught.value.message.isprintable()


def test_a_failure_of_a_moment(instance: Instance, server: LoopbackServer) -> None:
    """It is tried again, as long as ServiceNow asks for. # FAULTS 13, 14"""
    instance.incident(1)
    server.fail(faults.status(503), faults.limited("0"), None, faults.reset())
    assert len(read(talk(server))[1]) == 1


# tokens


def test_a_token(instance: Instance, server: LoopbackServer) -> None:
    """One token serves the whole run, and the secret goes to its endpoint only."""
    for number in range(120):
        instance.incident(number)
    talking = talk(server, auth="oauth")
    assert len(read(talking)[1]) == 120
    assert len(instance.tokens) == 1
    assert talking.traffic.requests == len(server.received) == 10
    first, *others = server.received
    assert (first.method, first.path) == ("POST", "/oauth_token.do")
    assert "authorization" not in first.headers
    assert all(b"pass" not in r.body for r in others)
    assert all("pass" not in str(r.query) for r in server.received)


def test_a_token_that_expires(instance: Instance, server: LoopbackServer) -> None:
    """It is asked for again in the middle of a run, also before a change."""
    for number in range(250):
        instance.incident(number)
    instance.lifetime = 5
    assert len(read(talk(server, auth="oauth"))[1]) == 250
    assert len(instance.tokens) == 3
    instance.lifetime = 1
    change = Change("INC0000001", "m1", comment="done")
    assert talk(server, auth="oauth").push(change)
    assert len(instance.tables["sys_journal_field"]) == 1


def test_a_token_that_is_never_good(instance: Instance, server: LoopbackServer) -> None:
    """It is asked for once more at most."""
    instance.lifetime = 0
    with pytest.raises(CredentialError, match="token it gave out"):
        read(talk(server, auth="oauth"))
    assert len(instance.tokens) == 1


@pytest.mark.parametrize(
    ("reply", "kind", "said"),
    [
        (None, CredentialError, "no token to the client: access_denied"),
        (Reply({}, 401), CredentialError, "no token to the client"),
        (Reply(raw=b"no", status=401), CredentialError, "no token to the client"),
        (Reply({}, 200), RemoteAnswerError, "status 200 and no token"),
        (Reply({"access_token": "x\r\ny"}), RemoteAnswerError, "no token"),
        (Reply({"access_token": 7}), RemoteAnswerError, "no token"),
        (Reply(raw=b"x" * 100_000), RemoteAnswerError, "no token"),
    ],
)
def test_no_token(
    server: LoopbackServer, reply: Reply | None, kind: type[IssueTrackError], said: str
) -> None:
    """Each reason is told apart; the secret is not shown."""
    if reply:
        server.fail(faults.answering(reply))
    with pytest.raises(kind, match=said) as caught:
        read(talk(server, auth="oauth", secret="hush"))
    assert "hush" not in f"{caught.value.message} {caught.value.hint}"


def test_a_token_endpoint_that_fails_for_a_moment(
    instance: Instance, server: LoopbackServer
) -> None:
    """It is tried again like everything else."""
    instance.incident(1)
    server.fail(faults.status(503), faults.limited("1"))
    assert len(read(talk(server, auth="oauth"))[1]) == 1


# where credentials go


@pytest.mark.parametrize("auth", ["basic", "oauth"])
def test_other_origins(instance: Instance, server: LoopbackServer, auth: str) -> None:
    """Neither a redirect nor a Link leads a credential elsewhere. # FAULTS 17"""
    for number in range(120):
        instance.incident(number)
    with faults.serving(lambda _request: Reply({"result": []})) as canary:
        talking = talk(server, auth=auth)
        instance.link = f"{canary.url}/api/now/table/incident?sysparm_offset=100"
        assert len(read(talking)[1]) == 120
        server.fail(faults.redirect(f"{canary.url}/api/now/table/incident"))
        with pytest.raises(RemoteUnreachable, match="another origin"):
            read(talking)
        if auth == "oauth":
            server.fail(faults.redirect(f"{canary.url}/oauth_token.do"))
            with pytest.raises(RemoteAnswerError, match="status 302 and no token"):
                read(talk(server, auth=auth))
        assert canary.received == []


def test_the_token_knows_its_origin(server: LoopbackServer) -> None:
    """What puts the token on requests refuses another origin by itself. # FAULTS 17"""
    with faults.serving(lambda _request: Reply({})) as canary:
        guarded = BearerTransport(server.url, "sync", "hush", httpx.HTTPTransport())
        with (
            httpx.Client(transport=guarded, trust_env=False) as client,
            pytest.raises(httpx.UnsupportedProtocol),
        ):
            client.get(canary.url)
        assert canary.received == []
    assert "hush" not in repr(guarded)


# one issue


def test_one_issue(instance: Instance, server: LoopbackServer) -> None:
    """It is found by its number, whether the query covers it or not."""
    row = instance.incident(1, active="false")
    instance.say(row, "done", "comments")
    instance.add("problem", number="PRB1", sys_class_name="problem")
    talking = talk(server, query="active=true", table="incident,problem")
    found = talking.fetch("INC0000001")
    assert isinstance(found, RemoteIssue)
    assert [c.body for c in found.comments] == ["done"]
    assert isinstance(talking.fetch("PRB1"), RemoteIssue)
    for key in ("INC0000009", "INC1^ORnumberISNOTEMPTY", ""):
        assert talking.fetch(key) == GoneIssue(key, GoneReason.DELETED)
    assert not any("^OR" in query for query in asked(server, "incident"))
    row["opened_at"] = "soon"
    with pytest.raises(RemoteAnswerError, match="INC0000001 cannot be understood"):
        talking.fetch("INC0000001")


# what may be done


def test_check(instance: Instance, server: LoopbackServer) -> None:
    """The account, the number of issues, and each table by its role."""
    rows = [instance.incident(n, priority=str(n % 2 + 1)) for n in range(5)]
    instance.say(rows[0], "x")
    instance.hidden.add("sys_audit")
    instance.headers = {
        "X-RateLimit-Limit": "500",
        "X-RateLimit-Reset": "1772370000",
    }
    talking = talk(server, query="priority=1^caller_idISEMPTY^ORDERBYnumber")
    found = talking.check()
    assert (found.account, found.issues) == ("Sync Account (sync)", 3)
    assert (found.rate_remaining, found.rate_limit) == (None, 500)
    assert found.rate_reset_at == datetime(2026, 3, 1, 13, 0, tzinfo=UTC)
    assert found.may[0] == "read incident"
    assert any("sys_journal_field" in text for text in found.may)
    assert any("sys_audit" in t and "role needed: admin" in t for t in found.may_not)


def test_check_with_a_token(instance: Instance, server: LoopbackServer) -> None:
    """The account is the user of the client; not shown if users may not be read."""
    instance.incident(1)
    assert talk(server, auth="oauth").check().account == "Sync Account (sync)"
    instance.forbidden.add("sys_user")
    assert talk(server, auth="oauth").check().account is None
    assert talk(server).check().account == "sync"


def test_check_of_tables_that_show_nothing(
    instance: Instance, server: LoopbackServer
) -> None:
    """A table that is silently empty is told with its role; a refused one fails."""
    instance.incident(1)
    instance.hidden.add("incident")
    found = talk(server).check()
    assert "itil, or sn_incident_read" in found.may_not[0]
    instance.forbidden.add("incident")
    with pytest.raises(RemoteForbidden, match="ACL") as caught:
        talk(server).check()
    assert "sn_incident_read" in str(caught.value.hint)


@pytest.mark.parametrize("no_rows", [False, True])
def test_a_query_about_fields_that_do_not_exist(
    instance: Instance, server: LoopbackServer, no_rows: bool
) -> None:
    """ServiceNow would silently give out everything, or nothing; it is refused."""
    instance.no_rows_if_invalid = no_rows
    instance.incident(1)
    instance.incident(2, caller_id="b" * 32)
    with pytest.raises(UsageError, match=r"incident has no u_gone, callr_id\.name:"):
        talk(server, query="active=true^u_gone=1^NQcallr_id.name=x").check()
    talk(server, query="active=true^u_place=1^caller_id=x").check()


# writing


def journal(instance: Instance) -> list[Row]:
    return instance.tables.get("sys_journal_field", [])


def test_a_comment(instance: Instance, server: LoopbackServer) -> None:
    """It is sent as it was shown, its mark in the last line, and found again."""
    row = instance.incident(1)
    talking = talk(server)
    change = Change("INC0000001", "m1", "on *it*", CommentKind.WORK_NOTE)
    assert talking.pushed(change) is None
    (shown,) = talking.requests_for(change)
    key = talking.push(change)
    sent = next(r for r in server.received if r.method == "PATCH")
    assert (shown.method, shown.content) == ("PATCH", sent.content)
    assert shown.url.startswith(f"{server.url}{sent.path}?")
    assert sent.content == {"work_notes": "on *it*\n\n[issuetrack:m1]"}
    assert key == journal(instance)[0]["sys_id"] == talking.pushed(change)
    public = Change("INC0000001", "m2", "hello")
    assert talking.pushed(public) is None
    talking.push(public)
    assert journal(instance)[1]["element"] == "comments"
    assert row["state"] == "2"


@pytest.mark.parametrize("way", ["hidden", "forbidden"])
def test_a_comment_found_in_the_text(
    instance: Instance, server: LoopbackServer, way: str
) -> None:
    """Without the journal table the mark is found in the record's own text."""
    instance.incident(1)
    getattr(instance, way).add("sys_journal_field")
    change = Change("INC0000001", "m1", "on it")
    key = talk(server).push(change)
    assert key is not None
    assert talk(server).pushed(change) == key


def test_an_answer_that_got_lost(instance: Instance, server: LoopbackServer) -> None:
    """A change is sent once only; whether it was done is seen by its mark."""
    instance.incident(1)
    talking = talk(server)
    change = Change("INC0000001", "m1", "on it")
    server.fail(None, faults.reset())
    with pytest.raises(RemoteUnreachable):
        talking.push(change)
    assert talking.pushed(change) is None
    assert sum(r.method == "PATCH" for r in server.received) == 1
    talking.push(change)
    assert talking.pushed(change)
    assert len(journal(instance)) == 1


def test_fields(instance: Instance, server: LoopbackServer) -> None:
    """Each goes to its field; a person is found by user id, name or address."""
    row = instance.incident(1)
    instance.add("sys_user", user_name="bob", name="Bob", active="true")
    change = Change(
        "INC0000001",
        "m1",
        fields={"title": "New", "body": "Text", "category": "x", "assignee": "bob"},
    )
    talking = talk(server)
    assert talking.push(change) is None
    assert (row["short_description"], row["description"]) == ("New", "Text")
    assert row["assigned_to"] == instance.tables["sys_user"][1]["sys_id"]
    talking.push(Change("INC0000001", "m2", fields={"assignee": None}))
    assert row["assigned_to"] == ""
    assert journal(instance) == []


@pytest.mark.parametrize(
    ("status", "code"), [("open", "1"), ("in_progress", "2"), ("closed", "7")]
)
def test_states(
    instance: Instance, server: LoopbackServer, status: str, code: str
) -> None:
    """Each status has its state."""
    row = instance.incident(1, state="3")
    talk(server).push(Change("INC0000001", "m1", status=IssueStatus(status)))
    assert row["state"] == code
    assert ("close_code" in row) == (status == "closed")


def test_resolving(instance: Instance, server: LoopbackServer) -> None:
    """It says how and why: a close code that the instance offers, and notes."""
    row = instance.incident(1)
    resolved = Change("INC0000001", "m1", "cleaned it", status=IssueStatus.RESOLVED)
    talk(server).push(resolved)
    assert (row["state"], row["close_code"]) == ("6", "Solved (Permanently)")
    assert row["close_notes"] == "cleaned it"
    again = Change("INC0000001", "m1", status=IssueStatus.RESOLVED)
    assert talk(server).requests_for(again) == []
    assert talk(server).push(again) is None
    assert row["close_notes"] == "cleaned it"
    row["state"] = "2"
    instance.add(
        "sys_choice",
        name="incident",
        element="close_code",
        inactive="false",
        value="Solution provided",
    )
    with pytest.raises(UsageError, match="no close code 'Solved") as caught:
        talk(server).requests_for(resolved)
    assert "Solution provided" in str(caught.value.hint)
    talking = talk(server, close_code="Solution provided")
    because = Change(
        "INC0000001",
        "m2",
        status=IssueStatus.RESOLVED,
        fields={"resolution": "new fuse"},
    )
    talking.push(because)
    assert (row["close_code"], row["close_notes"]) == ("Solution provided", "new fuse")
    instance.forbidden.add("sys_choice")
    row["state"] = "2"
    talk(server, close_code="anything").push(resolved)
    assert row["close_code"] == "anything"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (Change("INC0000001", "m", fields={"priority": "P1"}), "impact and urgency"),
        (Change("INC0000001", "m", fields={"service": "x"}), "service cannot be"),
        (Change("INC0000001", "m", fields={"assignee": "eve"}), "no user that may"),
        (Change("INC0000001", "m", fields={"assignee": "a^b"}), "no name of a user"),
        (Change("PRB1", "m", status=IssueStatus.RESOLVED), "cannot be moved"),
    ],
)
def test_changes_that_cannot_be_made(
    instance: Instance, server: LoopbackServer, change: Change, said: str
) -> None:
    """They are refused before anything is sent."""
    instance.incident(1)
    instance.add("problem", number="PRB1", sys_class_name="problem")
    talking = talk(server, table="incident,problem")
    for attempt in (talking.requests_for, talking.push):
        with pytest.raises(UsageError, match=said):
            attempt(change)
    assert all(request.method == "GET" for request in server.received)


def test_a_change_that_is_silently_not_made(
    instance: Instance, server: LoopbackServer
) -> None:
    """A field that an access rule protects is noticed."""
    instance.incident(1)
    instance.readonly = {"state"}
    change = Change("INC0000001", "m1", status=IssueStatus.OPEN)
    with pytest.raises(RemoteForbidden, match="left state as it was"):
        talk(server).push(change)


def test_a_change_of_nothing(server: LoopbackServer) -> None:
    """A record that is not there cannot be changed."""
    change = Change("INC0000001", "m1", "x")
    talking = talk(server)
    for attempt in (talking.requests_for, talking.push, talking.pushed):
        with pytest.raises(NotFoundError, match="shows no record INC0000001"):
            attempt(change)
    talking.close()
