"""Records of ServiceNow's tables in the common vocabulary."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conftest import SHARED
from issuetrack.connectors.mapping import Overrides
from issuetrack.connectors.servicenow import records as servicenow
from issuetrack.connectors.servicenow.journal import (
    comment,
    events,
    shift_of,
    shown_comments,
)
from issuetrack.connectors.servicenow.query import Position, fields_in, narrowed
from issuetrack.engine.store.types import CommentKind, IssueStatus, IssueType, LinkKind
from issuetrack.engine.sync.ports import RemoteIssue, RemoteLink

ID = "0123456789abcdef0123456789abcdef"
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def both(value: str, shown: str) -> dict[str, str]:
    """Return a field as `sysparm_display_value=all` gives it."""
    return {"value": value, "display_value": shown}


RECORD: dict[str, Any] = {
    "sys_id": both(ID, ID),
    "number": both("INC0000007", "INC0000007"),
    "sys_class_name": both("incident", "Incident"),
    "short_description": both("Mail is slow", "Mail is slow"),
    "description": both("Since Monday.", "Since Monday."),
    "active": both("true", "true"),
    "state": both("2", "In Progress"),
    "priority": both("2", "2 - High"),
    "business_service": both("", ""),
    "cmdb_ci": both("a" * 32, "mail-01"),
    "location": both("b" * 32, "Berlin"),
    "category": both("software", "Software"),
    "subcategory": both("email", "Email"),
    "caller_id": both("c" * 32, "Ada Lovelace"),
    "caller_id.location": both("d" * 32, "Paris"),
    "assigned_to": both("", ""),
    "assignment_group": both("e" * 32, "Mail team"),
    "problem_id": both("f" * 32, "PRB0000003"),
    "rfc": both("1" * 32, "CHG0000004"),
    "parent_incident": both("2" * 32, "INC0000001"),
    "opened_at": both("2026-01-31 11:00:00", "31-01-2026 12:00:00"),
    "sys_created_on": both("2026-01-31 11:00:05", "31-01-2026 12:00:05"),
    "sys_updated_on": both("2026-01-31 12:00:00", "31-01-2026 13:00:00"),
}


def issue(*overrides: str, table: str = "incident", **changes: Any) -> RemoteIssue:
    """Return what the record with changed fields becomes."""
    record = RECORD | changes
    assert servicenow.looks_like(record)
    rules = Overrides.parse(overrides)
    return servicenow.issue(record, table, rules, "https://x.service-now.com")


def test_fields() -> None:
    """Dates are the raw ones in UTC; names and choices are those that people see."""
    found = issue()
    assert (found.id, found.key, found.title) == (ID, "INC0000007", "Mail is slow")
    assert (found.body, found.type) == ("Since Monday.", IssueType.INCIDENT)
    assert (found.status, found.priority) == (IssueStatus.IN_PROGRESS, "P2")
    assert (found.service, found.site) == ("mail-01", "Berlin")
    assert found.category == "Software / Email"
    assert (found.reporter, found.assignee) == ("Ada Lovelace", "Mail team")
    assert (found.created_at, found.updated_at) == (NOON - timedelta(hours=1), NOON)
    assert found.url == (
        f"https://x.service-now.com/nav_to.do?uri=incident.do?sys_id={ID}"
    )
    assert found.links == (
        RemoteLink(LinkKind.RELATES_TO, "INC0000001"),
        RemoteLink(LinkKind.CAUSED_BY, "PRB0000003"),
        RemoteLink(LinkKind.RELATES_TO, "CHG0000004"),
    )
    assert not found.complete
    words = {(m.field, m.origin, m.word, m.value) for m in found.mapped}
    assert ("status", "state", "In Progress", "in_progress") in words
    assert ("service", "cmdb_ci", "mail-01", "mail-01") in words


@pytest.mark.parametrize(
    ("table", "code", "label", "status"),
    [
        ("incident", "1", "New", "open"),
        ("incident", "2", "In Progress", "in_progress"),
        ("incident", "3", "On Hold", "in_progress"),
        ("incident", "6", "Resolved", "resolved"),
        ("incident", "7", "Closed", "closed"),
        ("incident", "8", "Canceled", "closed"),
        ("incident", "6", "Gelöst", "resolved"),
        ("incident", "3", "Resolved", "resolved"),
        ("problem", "101", "New", "open"),
        ("problem", "103", "Root Cause Analysis", "in_progress"),
        ("problem", "106", "Gelöst", "resolved"),
        ("problem", "107", "Closed", "closed"),
        ("change_request", "-5", "New", "open"),
        ("change_request", "-1", "Implement", "in_progress"),
        ("change_request", "0", "Review", "in_progress"),
        ("change_request", "3", "Closed", "closed"),
        ("change_request", "4", "Abgebrochen", "closed"),
        ("sc_task", "3", "Closed Complete", "closed"),
        ("sc_req_item", "1", "Open", "open"),
        ("sc_request", "99", "Waiting for a unicorn", "open"),
    ],
)
def test_states(table: str, code: str, label: str, status: str) -> None:
    """The label decides where it is known, else the number in its table."""
    record = {"state": both(code, label), "sys_class_name": both(table, table)}
    assert issue(table=table, **record).status == status


def test_a_companys_own_state_follows_active() -> None:
    """A state that nobody knows is closed when the record is not active."""
    own = both("42", "Parked")
    assert issue(state=own).status is IssueStatus.OPEN
    assert issue(state=own, active=both("false", "false")).status is IssueStatus.CLOSED


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        ("incident", IssueType.INCIDENT),
        ("problem", IssueType.PROBLEM),
        ("change_request", IssueType.CHANGE),
        ("sc_request", IssueType.SERVICE_REQUEST),
        ("sc_req_item", IssueType.SERVICE_REQUEST),
        ("sc_task", IssueType.SERVICE_REQUEST),
    ],
)
def test_types(table: str, kind: IssueType) -> None:
    """Each table has its type, whether the record names it or not."""
    assert issue(sys_class_name=both(table, "Any")).type is kind
    assert issue(table=table, sys_class_name=None).type is kind


def test_overrides() -> None:
    """A word, a field and a field of another record can be read otherwise."""
    found = issue(
        "status:in progress=resolved", "site=caller_id.location", "service=caller_id"
    )
    assert found.status is IssueStatus.RESOLVED
    assert (found.site, found.service) == ("Paris", "Ada Lovelace")
    rules = Overrides.parse(["site=caller_id.location", "service=cmdb_ci"])
    assert servicenow.places(rules) == ("caller_id.location",)


def test_an_empty_short_description() -> None:
    """The title is the first line of the description, else the number."""
    empty = both("", "")
    assert issue(short_description=empty).title == "Since Monday."
    assert issue(short_description=empty, description=empty).title == "INC0000007"


def test_html() -> None:
    """HTML becomes Markdown, in journals between code marks too."""
    assert issue(description=both("<p>It <b>broke</b></p>", "")).body == "It **broke**"
    assert servicenow.text("[code]<p>It <b>broke</b></p>[/code]") == "It **broke**"
    assert servicenow.text("if a < b") == "if a < b"
    assert servicenow.text(None) == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"number": both("", "")}, "number is missing"),
        ({"sys_id": None}, "sys_id is missing"),
        ({"opened_at": None, "sys_created_on": None}, "opened_at and sys_created_on"),
        ({"sys_updated_on": both("soon", "soon")}, "'soon' is not a date"),
        ({"short_description": [1]}, "should be a text"),
        ({"priority": {"value": {}, "display_value": None}}, "should be a text"),
    ],
)
def test_records_that_cannot_be_understood(
    changes: dict[str, Any], reason: str
) -> None:
    """The reason names the field."""
    with pytest.raises(ValueError, match=reason):
        issue(**changes)


def test_a_real_record() -> None:
    """A record as an instance gave it out, with raw values and links."""
    path = SHARED / "data" / "servicenow" / "table_api_incident_record.json"
    if not path.is_file():
        pytest.skip(f"the shared data set {path.name} is not here")
    record = json.loads(path.read_text())["result"][0]
    found = servicenow.issue(record)
    assert (found.key, found.title) == ("INC0000060", "Unable to connect to email")
    assert (found.status, found.priority) == (IssueStatus.CLOSED, "P3")
    assert found.created_at == datetime(2016, 12, 12, 15, 19, 57, tzinfo=UTC)
    assert found.resolved_at == datetime(2016, 12, 13, 21, 43, 14, tzinfo=UTC)
    assert found.closed_at == found.updated_at
    assert found.resolution == "This incident is resolved."
    assert found.category == "inquiry / email"
    assert (found.service, found.reporter, found.assignee) == (None, None, None)
    assert found.links == ()


def test_journal_rows() -> None:
    """An entry keeps its sys_id, its author and who it is for."""
    row = {
        "sys_id": ID,
        "element": "comments",
        "value": "[code]<p>Try again</p>[/code]",
        "sys_created_on": "2026-01-31 12:00:00",
        "sys_created_by": "ada",
    }
    found = comment(row)
    assert (found.key, found.author, found.created_at) == (ID, "ada", NOON)
    assert (found.body, found.kind) == ("Try again", CommentKind.PUBLIC)
    assert comment(row | {"element": "work_notes"}).kind is CommentKind.WORK_NOTE


def test_journal_text() -> None:
    """Entries are taken out of a record's text; times go back to UTC, keys stay."""
    text = (
        "31-01-2026 13:00:00 - Ada (Admin) (Work notes)\nsecond\n\nwith two parts\n\n"
        "31-01-2026 12:30:00 - Ada (Admin) (Arbeitsnotizen)\nfirst\n\n"
        "31-01-2026 12:30:00 - Ada (Admin) (Work notes)\n2 - not (a head)\n\n"
    )
    public = "31-01-2026 12:45:00 - Bob (Additional comments)\nhello\n\n"
    record = RECORD | {"work_notes": both("", text), "comments": both("", public)}
    found = shown_comments(record)
    assert [c.body for c in found] == [
        "2 - not (a head)",
        "first",
        "hello",
        "second\n\nwith two parts",
    ]
    assert found[0].created_at == NOON - timedelta(minutes=30)
    assert found[0].key == "20260131T113000-Ada (Admin)-work_notes"
    assert found[1].key == "20260131T113000-Ada (Admin)-work_notes-2"
    assert [c.kind for c in found].count(CommentKind.PUBLIC) == 1
    assert shown_comments(RECORD) == ()


@pytest.mark.parametrize(
    ("shown", "hours"),
    [
        ("2026-01-31 12:00:00", 0),
        ("2026-01-31 04:00:00", -8),
        ("31/01/2026 13:00:00", 1),
        ("31-01-2026 13:00", 1),
        ("01/31/2026 04:00:00", -8),
        ("2026-01-31 04:00:00 AM", -8),
        ("31.01.2026 17:30:00", 5.5),
        ("2026-02-28 12:00:00", None),
        ("yesterday", None),
        ("03/04/2026 10:00:00", None),
    ],
)
def test_the_zone_that_dates_are_shown_in(shown: str, hours: float | None) -> None:
    """The shift is known for the usual formats, else not known."""
    record = {"sys_updated_on": both("2026-01-31 12:00:00", shown)}
    shift = None if hours is None else timedelta(hours=hours)
    assert shift_of(record, "sys_updated_on") == shift


def test_history() -> None:
    """States and people are named; state and incident_state are one change."""
    row = {
        "sys_id": ID,
        "fieldname": "state",
        "oldvalue": "1",
        "newvalue": "2",
        "user": "ada",
        "sys_created_on": "2026-01-31 12:00:00",
    }
    rows = [
        row,
        row | {"sys_id": "b", "fieldname": "incident_state"},
        row
        | {"sys_id": "c", "fieldname": "assigned_to", "oldvalue": "", "newvalue": "u"},
    ]
    first, second = events(rows, "incident", {"u": "Bob"})
    assert (first.key, first.at, first.field, first.actor) == (
        ID,
        NOON,
        "status",
        "ada",
    )
    assert (first.before, first.after) == ("New", "In Progress")
    assert (second.field, second.before, second.after) == ("assignee", None, "Bob")
    assert len({event.key for event in (first, second)}) == 2


def test_queries() -> None:
    """What is added holds for each part of a query; its own order is dropped."""
    query = "active=true^priority=1^ORpriority=2^NQcaller_id.vip=true^ORDERBYnumber^EQ"
    assert narrowed(query, ("x=1",), ("sys_id",)) == (
        "active=true^priority=1^ORpriority=2^x=1^NQcaller_id.vip=true^x=1^ORDERBYsys_id"
    )
    assert narrowed("", ("x=1",)) == "x=1"
    assert narrowed("", (), ("sys_id",)) == "ORDERBYsys_id"
    assert narrowed("a=x^^y^b=2", ()) == "a=x^^y^b=2"
    assert fields_in(query) == ("active", "priority", "caller_id.vip")
    assert fields_in("short_descriptionLIKEx^stateNOT IN1,2^123TEXTQUERY321=y") == (
        "short_description",
        "state",
    )


def test_positions() -> None:
    """Behind a record means later, or at the same moment with a greater sys_id."""
    assert Position(NOON).conditions() == ("sys_updated_on>=2026-01-31 12:00:00",)
    assert Position(NOON, "b", timedelta(hours=-8)).conditions() == (
        "sys_updated_on>=2026-01-31 04:00:00",
        "sys_updated_on>2026-01-31 04:00:00",
        "ORsys_id>b",
    )
