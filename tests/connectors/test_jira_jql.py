"""The query that Jira is asked: its scope, its order, and its local minutes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from connectors.jira_server import FakeJira, all_pages, keys, numbers, talking
from connectors.jira_tickets import START
from issuetrack.connectors.jira import jql as jira_jql
from issuetrack.connectors.jira.jql import LocalTime
from issuetrack.connectors.jira.walking import Cursor
from issuetrack.engine.errors import UsageError

VERSIONS = pytest.mark.parametrize("version", ["2", "3"])
MINUTE = timedelta(minutes=1)


@VERSIONS
@pytest.mark.parametrize("fold", [0, 1])
@pytest.mark.parametrize(
    ("zone", "start"),
    [
        ("Pacific/Auckland", datetime(2025, 4, 5, 12, 0, tzinfo=UTC)),
        ("Pacific/Auckland", datetime(2025, 9, 27, 12, 0, tzinfo=UTC)),
        ("America/New_York", datetime(2024, 11, 3, 4, 0, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2025, 4, 5, 13, 0, tzinfo=UTC)),
        ("Asia/Kathmandu", START),
        ("America/St_Johns", datetime(2025, 3, 9, 4, 0, tzinfo=UTC)),
        ("Pacific/Kiritimati", START),
    ],
)
def test_time_zones(version: str, fold: int, zone: str, start: datetime) -> None:
    """Each cursor leads to all that is younger, also where clocks were changed."""
    # FAULTS 10
    jira = FakeJira(version, zone=zone, told_zone=zone, fold=fold, most=10)
    jira.add(*(start + n * 13 * MINUTE for n in range(24)))
    with talking(jira) as connector:
        pages = all_pages(connector)
        assert set(keys(pages)) == set(numbers(*range(1, 25)))
        for page in pages[::2]:
            known = Cursor.read(page.cursor).updated
            assert known is not None
            younger = {t.key for t in jira.tickets.values() if t.updated >= known}
            assert younger <= set(keys(all_pages(connector, page.cursor)))


@pytest.mark.parametrize(
    ("told", "anonymous", "expected"),
    [
        ("Asia/Kathmandu", None, "2025-03-01 17:45"),
        ("Mars/Olympus", None, "2025-03-01 16:45"),
        (None, None, "2025-03-01 16:45"),
        (None, "Asia/Kathmandu", "2025-03-01 17:45"),
        ("../etc/passwd", "", "2025-03-01 16:45"),
    ],
)
def test_zone_of_the_profile_or_of_the_server(
    told: str | None, anonymous: str | None, expected: str
) -> None:
    """Without a known zone the server's time tells the distance, an hour at most off."""
    jira = FakeJira(zone="Asia/Kathmandu", told_zone=told, anonymous_zone=anonymous)
    with talking(jira) as connector:
        list(connector.pages(None, START))
    assert jira.queries == [f'updated >= "{expected}" {jira_jql.ORDER}']


def test_anonymous_walk_takes_the_time_of_the_server() -> None:
    """Without a credential nobody is asked who we are."""
    jira = FakeJira(zone="Asia/Kathmandu")
    jira.add(START)
    with talking(jira, secret=None) as connector:
        assert keys(all_pages(connector)) == numbers(1)
    assert "/rest/api/2/myself" not in {r.path for r in jira.server.received}


def test_unknown_server_time_goes_back_further_than_any_zone() -> None:
    """Where nothing is known the query goes back by 26 hours."""
    assert jira_jql.offset("noon") == LocalTime()
    assert LocalTime().minute(START) == "2025-02-28 10:00"


def test_a_minute_is_never_later_than_the_moment() -> None:
    """Whatever Jira takes a local minute for, it is not after the moment."""
    for name in ("Pacific/Auckland", "America/New_York", "Australia/Lord_Howe"):
        zone = ZoneInfo(name)
        moment = datetime(2024, 10, 1, tzinfo=UTC)
        while moment < datetime(2025, 5, 1, tzinfo=UTC):
            text = LocalTime(zone, timedelta()).minute(moment)
            local = datetime.fromisoformat(text)
            for fold in (0, 1):
                taken = local.replace(tzinfo=zone, fold=fold).astimezone(UTC)
                assert moment - timedelta(hours=2) < taken <= moment
            moment += timedelta(minutes=253)


@VERSIONS
def test_user_query_is_kept_whole(version: str) -> None:
    """The scope goes in parentheses, without its order."""
    jira = FakeJira(version)
    jira.add(START, project="OPS")
    jira.add(START, project="WEB")
    jql = 'project = WEB AND text ~ "order by (x" Order  By created'
    with talking(jira, options={"jql": jql}) as connector:
        (page,) = all_pages(connector)
        assert (keys([page]), page.total) == (["WEB-2"], 1)
        all_pages(connector, page.cursor)
    scope = '(project = WEB AND text ~ "order by (x")'
    assert jira.queries[0] == f"{scope} {jira_jql.ORDER}"
    assert (
        jira.queries[1] == f'{scope} AND updated >= "2025-03-01 12:58" {jira_jql.ORDER}'
    )


@pytest.mark.parametrize(
    ("jql", "expected"),
    [
        ("", ""),
        ("order by created", ""),
        ("assignee = currentUser() ORDER BY key", "assignee = currentUser()"),
        ("summary ~ 'it\\'s order by'", "summary ~ 'it\\'s order by'"),
        ("reorder = by", "reorder = by"),
        ('"order by" = 1\norder\tby x', '"order by" = 1'),
    ],
)
def test_order_is_taken_off(jql: str, expected: str) -> None:
    """Only an order that is no part of a text is taken off."""
    assert jira_jql.scope(jql) == expected


@pytest.mark.parametrize("jql", ["(a = 1", "a = 1)", 'a ~ "x', "a ~ 'x", "a) or (b"])
def test_query_that_would_break_out_is_refused(jql: str) -> None:
    """A query must be whole, or what we add would mean something else."""
    with pytest.raises(UsageError, match="the jql has a"):
        jira_jql.scope(jql)
