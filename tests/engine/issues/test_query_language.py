"""The query language of issue lists: every column, sign, sort and mistake."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from issuetrack.engine.errors import QuerySyntaxError
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.issues.query import COLUMNS, SORTS
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.types import IssueStatus, IssueType, Priority
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.sync.ports import RemoteIssue
from issuetrack.engine.workspace import Workspace

KEY = "00112233445566778899aabbccddeeff"
DAY = datetime(2026, 3, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)

FROM_JIRA = (
    RemoteIssue(
        "OPS-1",
        "Disk full on app-07",
        created_at=DAY - 24 * HOUR,
        updated_at=DAY - 1 * HOUR,
        body="No space left on device. See https://wiki.example.com/disk for more.",
        status=IssueStatus.CLOSED,
        priority=Priority.P1,
        service="checkout",
        site="DC1",
        category="linux",
        labels=("disk", "Prod"),
        reporter="monitoring",
        assignee="ops-team",
        url="https://jira.example.com/browse/OPS-1",
        resolved_at=DAY,
        closed_at=DAY + 12 * HOUR,
        resolution="Removed the old log files and restarted the agent",
    ),
    RemoteIssue(
        "OPS-2",
        "Certificate expired",
        created_at=DAY,
        updated_at=DAY,
        body="Browsers refuse the portal, BadCertificateTimeInvalid in the log.",
        type=IssueType.PROBLEM,
        status=IssueStatus.RESOLVED,
        priority=Priority.P2,
        service="staff portal",
        site="DC2",
        category="tls",
        labels=("tls",),
        reporter="helpdesk",
        assignee="web-team",
        resolved_at=DAY + 23 * HOUR + timedelta(minutes=59, seconds=59),
    ),
    RemoteIssue(
        "OPS-3",
        "Raise max_connections",
        created_at=DAY + 23 * HOUR,
        updated_at=DAY + 24 * HOUR,
        type=IssueType.CHANGE,
        status=IssueStatus.IN_PROGRESS,
        priority=Priority.P3,
        service="checkout-db",
        labels=("disk", "database"),
        assignee="ops-team",
    ),
)
FROM_GITHUB = (
    RemoteIssue(
        "acme/shop#4",
        "Crash when the disk is full",
        created_at=DAY + 24 * HOUR,
        updated_at=DAY + 48 * HOUR,
        body="100% of the runs end with ENOSPC",
        type=IssueType.BUG,
        priority=Priority.P4,
        url="https://github.com/acme/shop/issues/4",
    ),
)


@pytest.fixture(scope="module")
def known(
    tmp_path_factory: pytest.TempPathFactory, embedder: LlamaEmbedder
) -> Iterator[Workspace]:
    """Return a workspace with issues 1-3 of `jira`, 4 of `github`, 5 and 6 local."""
    path = tmp_path_factory.mktemp("query") / "query.db"
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    Workspace.create(path, "owner", lambda _: [secret])
    workspace = Workspace.open(
        path,
        Unlock(environment_key=KEY),
        embedder,
        lambda: datetime(2026, 3, 20, 9, 30, tzinfo=UTC),
    )
    workspace.imports.run(workspace.actor, "jira", "jira", FROM_JIRA)
    workspace.imports.run(workspace.actor, "github", "github", FROM_GITHUB)
    request = IssueDraft(
        "New laptop", type=IssueType.SERVICE_REQUEST, service="50%_off", labels=("it",)
    )
    workspace.issues.create(workspace.actor, request)
    workspace.issues.create(workspace.actor, IssueDraft("Printer jam"))
    workspace.drain_index()
    yield workspace
    workspace.close()


def numbers(workspace: Workspace, query: str, sort: str = "number") -> list[int]:
    """Return the numbers of the issues that fit a query."""
    listed, total = workspace.issues.matching(workspace.actor, query, sort)
    assert total == len(listed)
    return [summary.number for summary in listed]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [1, 2, 3, 4, 5, 6]),
        ("   ", [1, 2, 3, 4, 5, 6]),
        ("status:open", [4, 5, 6]),
        ("status:closed", [1]),
        ("status:in_progress,resolved", [2, 3]),
        ("status:OPEN", [4, 5, 6]),
        ("-status:open", [1, 2, 3]),
        ("priority:P1", [1]),
        ("priority:p1,P2", [1, 2]),
        ("priority:none", [5, 6]),
        ("priority:P4,none", [4, 5, 6]),
        ("-priority:none", [1, 2, 3, 4]),
        ("type:bug", [4]),
        ("type:incident", [1, 6]),
        ("type:problem,change,service_request", [2, 3, 5]),
        ("service:checkout", [1]),
        ("service:CHECKOUT", [1]),
        ("service:checkout*", [1, 3]),
        ("service:*db", [3]),
        ('service:"staff portal"', [2]),
        ("service:none", [4, 6]),
        ("-service:none", [1, 2, 3, 5]),
        ("-service:checkout*", [2, 4, 5, 6]),
        ("service:50%_off", [5]),
        ("service:50%", []),
        ("service:50%_of_", []),
        ("service:checkout,checkout-db", [1, 3]),
        ("site:DC1", [1]),
        ("site:dc1,dc2", [1, 2]),
        ("site:none", [3, 4, 5, 6]),
        ("category:tls", [2]),
        ("category:t*,linux", [1, 2]),
        ("assignee:ops-team", [1, 3]),
        ("assignee:none", [4, 5, 6]),
        ("-assignee:ops-team", [2, 4, 5, 6]),
        ("reporter:owner", [5, 6]),
        ("reporter:monitoring,helpdesk", [1, 2]),
        ("key:OPS-2", [2]),
        ("key:ops-*", [1, 2, 3]),
        ("key:none", [5, 6]),
        ("key:acme/shop#4", [4]),
        ("label:disk", [1, 3]),
        ("label:PROD", [1]),
        ("label:tls,database", [2, 3]),
        ("label:none", [4, 6]),
        ("-label:none", [1, 2, 3, 5]),
        ("-label:disk", [2, 4, 5, 6]),
        ("-label:disk,tls", [4, 5, 6]),
        ("label:dis", []),
        ("source:jira", [1, 2, 3]),
        ("source:jira,github", [1, 2, 3, 4]),
        ("source:elsewhere", []),
        ("status:open type:bug", [4]),
        ("status:open -type:bug", [5, 6]),
        ("label:disk assignee:ops-team status:closed", [1]),
        ("-priority:P1", [2, 3, 4, 5, 6]),
        ("-source:jira", [4, 5, 6]),
        ("-resolved:2026-03-10", [3, 4, 5, 6]),
        ("-closed:>2026-01-01", [2, 3, 4, 5, 6]),
        ("source:none", [5, 6]),
        ("resolved:none", [3, 4, 5, 6]),
    ],
)
def test_columns(known: Workspace, query: str, expected: list[int]) -> None:
    """Each column takes values, several values, `none`, `*` and negation."""
    assert numbers(known, query) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("created:2026-03-10", [2, 3]),
        ("created:>2026-03-10", [4, 5, 6]),
        ("created:>=2026-03-10", [2, 3, 4, 5, 6]),
        ("created:<2026-03-10", [1]),
        ("created:<=2026-03-10", [1, 2, 3]),
        ("created:2026-03-09", [1]),
        ("updated:2026-03-10", [2]),
        ("updated:>=2026-03-11 updated:<2026-03-13", [3, 4]),
        ("resolved:2026-03-10", [1, 2]),
        ("resolved:>2026-03-10", []),
        ("resolved:<2026-03-10", []),
        ("closed:2026-03-10", [1]),
        ("closed:<2026-03-11", [1]),
        ("-created:2026-03-10", [1, 4, 5, 6]),
        ("created:2026-03-10T23:00", [3]),
        ("created:>2026-03-10T23:00", [4, 5, 6]),
        ("created:>=2026-03-10T23:00", [3, 4, 5, 6]),
        ("created:<2026-03-10T23:00", [1, 2]),
        ("created:<=2026-03-10T23:00", [1, 2, 3]),
        ("created:2026-03-11T01:00+02:00", [3]),
        ("created:2026-03-10T23:00:00Z", [3]),
        ("created:>2026-03-19", [5, 6]),
    ],
)
def test_dates(known: Workspace, query: str, expected: list[int]) -> None:
    """A date without a time means its whole day in UTC, whatever the sign."""
    assert numbers(known, query) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("disk", [1, 4]),
        ("disks", [1, 4]),
        ("DISK full", [1, 4]),
        ("disk certificate", []),
        ('"disk full"', [1, 4]),
        ("enospc", [4]),
        ("max_connections", [3]),
        ("app-07", [1]),
        ("BadCertificateTimeInvalid", [2]),
        ("removed agent", [1]),
        ("100%", [4]),
        ("https://wiki.example.com/disk", [1]),
        ("disk status:closed", [1]),
        ("status:open disk", [4]),
        ("jam", [6]),
        ("zebra", []),
        ("AND", [1]),
        ("NOT disk", []),
        ("it's it's", []),
        ('disk*" OR', None),
        ("NEAR(disk full)", []),
    ],
)
def test_bare_words(known: Workspace, query: str, expected: list[int] | None) -> None:
    """Every word must be somewhere in title, text or fix; urls are words."""
    if expected is None:
        with pytest.raises(QuerySyntaxError, match="quotation mark"):
            numbers(known, query)
    else:
        assert numbers(known, query) == expected


def test_a_column_name_with_slashes_behind_is_a_word(known: Workspace) -> None:
    """`https://...` is no column `https`."""
    assert numbers(known, "https://jira.example.com/nowhere") == []


@pytest.mark.parametrize(
    ("query", "message", "marked"),
    [
        ("colour:red", "there is no column 'colour'", "colour:red"),
        ("status:open colour:red disk", "no column 'colour'", "colour:red"),
        ("-colour:red", "no column 'colour'", "-colour:red"),
        ("status:opne", "'opne' is not one of its values", "status:opne"),
        ("disk priority:P1,P9", "'P9' is not one of its values", "priority:P1,P9"),
        ("type:task", "'task' is not one of its values", "type:task"),
        ("status:", "status: needs a value", "status:"),
        ("disk created:", "created: needs a value", "created:"),
        ("created:yesterday", "'yesterday' is not a date", "created:yesterday"),
        ("created:>2026-13-01", "'2026-13-01' is not a date", "created:>2026-13-01"),
        ("x closed:>=", "is not a date", "closed:>="),
        ("updated:2026-02-30", "'2026-02-30' is not a date", "updated:2026-02-30"),
    ],
)
def test_a_wrong_term_is_pointed_at(
    known: Workspace, query: str, message: str, marked: str
) -> None:
    """The message shows the query and carets exactly under the wrong term."""
    with pytest.raises(QuerySyntaxError, match=r"is not|no column|needs") as caught:
        numbers(known, query)
    what, shown, carets = caught.value.message.splitlines()
    assert message in what
    assert shown == f"  {query}"
    start = carets.index("^")
    assert shown[start : start + carets.count("^")] == marked
    assert caught.value.hint


def test_the_hint_of_a_wrong_value_lists_the_right_ones(known: Workspace) -> None:
    """Whoever mistypes a value learns which there are."""
    with pytest.raises(QuerySyntaxError) as caught:
        numbers(known, "status:done")
    assert caught.value.hint == "values are: open, in_progress, resolved, closed"


def test_the_hint_of_a_wrong_column_lists_the_columns(known: Workspace) -> None:
    """Whoever mistypes a column learns which there are."""
    with pytest.raises(QuerySyntaxError) as caught:
        numbers(known, "owner:me")
    assert caught.value.hint == f"columns are: {', '.join(COLUMNS)}"
    assert {"status", "service", "label", "source", "created"} < set(COLUMNS)


@pytest.mark.parametrize("query", ['"disk full', "service:'staff", 'a "b" "c'])
def test_an_open_quotation_mark_is_told(known: Workspace, query: str) -> None:
    """A quotation mark without its partner is a mistake, not a word."""
    with pytest.raises(QuerySyntaxError, match="quotation mark is not closed"):
        numbers(known, query)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("number", [1, 2, 3, 4, 5, 6]),
        ("-number", [6, 5, 4, 3, 2, 1]),
        ("created", [1, 2, 3, 4, 5, 6]),
        ("-updated", [6, 5, 4, 3, 2, 1]),
        ("updated", [1, 2, 3, 4, 5, 6]),
        ("priority", [1, 2, 3, 4, 5, 6]),
        ("-priority", [4, 3, 2, 1, 6, 5]),
        ("title", [2, 4, 1, 5, 6, 3]),
        ("-title", [3, 6, 5, 1, 4, 2]),
        ("status", [1, 3, 4, 5, 6, 2]),
    ],
)
def test_sorts(known: Workspace, sort: str, expected: list[int]) -> None:
    """Lists go up or down by a column; absent values come last, numbers break ties."""
    assert numbers(known, "", sort) == expected


@pytest.mark.parametrize("sort", ["colour", "", "-", "--number", "number desc"])
def test_a_wrong_sort_is_refused(known: Workspace, sort: str) -> None:
    """Only known columns can be sorted by; the hint names them."""
    with pytest.raises(QuerySyntaxError, match="cannot sort by") as caught:
        numbers(known, "", sort)
    assert caught.value.hint == f"sort by one of: {', '.join(SORTS)}"


def test_a_limit_cuts_the_list_but_not_the_count(known: Workspace) -> None:
    """Of six issues two are listed, and it is told that there are six."""
    listed, total = known.issues.matching(known.actor, "", "number", 2)
    assert ([summary.number for summary in listed], total) == ([1, 2], 6)


def test_an_export_takes_the_same_queries(known: Workspace) -> None:
    """`every` yields complete records in the order of numbers."""
    records = list(known.issues.every(known.actor, "label:disk"))
    assert [record.number for record in records] == [1, 3]
    assert records[0].body.startswith("No space left")


@pytest.mark.parametrize("query", ["service:,", "label:,,", "key:,"])
def test_values_of_commas_only_are_no_values(known: Workspace, query: str) -> None:
    """A column followed by nothing but commas needs a value."""
    with pytest.raises(QuerySyntaxError, match="needs a value"):
        numbers(known, query)


def test_the_last_day_of_the_calendar_is_a_date(known: Workspace) -> None:
    """`9999-12-31`, as trackers write for never, can be compared with."""
    assert numbers(known, "created:<=9999-12-31") == [1, 2, 3, 4, 5, 6]


def test_a_value_that_is_not_unicode_finds_nothing(known: Workspace) -> None:
    """Bytes of an argument that are not UTF-8 arrive as lone surrogates."""
    assert numbers(known, "service:\udcff") == []


@settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    query=st.lists(
        st.one_of(
            st.sampled_from([*(f"{c}:x" for c in COLUMNS), "-", ":", "none", "*", "%"]),
            st.text(st.characters(codec="utf-8"), max_size=8),
        ),
        max_size=6,
    ).map(" ".join)
)
def test_any_query_is_answered_or_refused(known: Workspace, query: str) -> None:
    """No text crashes the list: it fits issues or is a mistake that is shown."""
    with contextlib.suppress(QuerySyntaxError):
        assert set(numbers(known, query)) <= {1, 2, 3, 4, 5, 6}
