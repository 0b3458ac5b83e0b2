"""All that changed in Jira is read, however it changes meanwhile."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.jira_server import FakeJira, all_pages, keys, numbers, talking
from connectors.jira_tickets import START, Ticket
from issuetrack.connectors.answers import MOST_EMPTY_PAGES
from issuetrack.connectors.jira.walking import Cursor
from issuetrack.engine.errors import (
    RemoteAnswerError,
    RemoteUnreachable,
    UsageError,
)
from issuetrack.engine.sync.ports import BadRecord, RemoteIssue
from issuetrack.testing import server as faults
from issuetrack.testing.server import Received, Reply, Respond

VERSIONS = pytest.mark.parametrize("version", ["2", "3"])
MINUTE = timedelta(minutes=1)


@VERSIONS
def test_all_issues_come_once_in_order(version: str) -> None:
    """The pages hold all issues, the first one tells how many there are."""
    jira = FakeJira(version, most=10)
    jira.add(*(START + n * MINUTE for n in range(35)))
    with talking(jira) as connector:
        pages = all_pages(connector)
        assert keys(pages) == numbers(*range(1, 36))
        assert [page.total for page in pages][:2] == [35, None]
        assert connector.traffic.requests == len(jira.server.received)
    assert Cursor.read(pages[-1].cursor).updated == START + 34 * MINUTE


@VERSIONS
def test_nothing_new_takes_two_requests(version: str) -> None:
    """A walk from the last cursor asks who we are and searches once."""
    jira = FakeJira(version)
    jira.add(*(START + n * MINUTE for n in range(35)))
    with talking(jira) as connector:
        cursor = all_pages(connector)[-1].cursor
        jira.server.received.clear()
        again = all_pages(connector, cursor)
        assert len(jira.server.received) == 2
    assert keys(again) == numbers(33, 34, 35)
    assert again[-1].cursor == cursor


@VERSIONS
def test_only_what_changed_comes_again(version: str) -> None:
    """After the cursor come the issues that were updated since."""
    jira = FakeJira(version)
    jira.add(*(START + n * MINUTE for n in range(35)))
    with talking(jira) as connector:
        cursor = all_pages(connector)[-1].cursor
        jira.touch(3)
        jira.add(START + timedelta(hours=1))
        again = all_pages(connector, cursor)
    assert keys(again) == numbers(33, 34, 35, 36, 3)


@VERSIONS
def test_empty_scope(version: str) -> None:
    """Where there is nothing, one page says so, and its cursor works."""
    with talking(FakeJira(version)) as connector:
        (page,) = all_pages(connector)
        assert (page.items, page.total) == ((), 0)
        assert [p.items for p in all_pages(connector, page.cursor)] == [()]


@VERSIONS
def test_since_leaves_out_what_is_older(version: str) -> None:
    """Without a cursor, `since` bounds the walk; with one it says nothing."""
    jira = FakeJira(version)
    jira.add(*(START + n * MINUTE for n in range(10)))
    with talking(jira) as connector:
        pages = list(connector.pages(None, START + 7 * MINUTE))
        assert keys(pages) == numbers(8, 9, 10)
        nothing = list(connector.pages(None, START + 700 * MINUTE))
        assert keys(nothing) == []
        after = list(connector.pages(nothing[-1].cursor, None))
        assert keys(after) == []


@VERSIONS
@pytest.mark.parametrize("stop", [1, 2, 3])
def test_resumed_walk_leaves_nothing_out(version: str, stop: int) -> None:
    """A walk that was killed behind any page goes on from its cursor."""
    # FAULTS 1
    jira = FakeJira(version, most=10)
    jira.add(*(START + n * MINUTE for n in range(35)))
    with talking(jira) as connector:
        walk = connector.pages(None, None)
        first = [next(walk) for _ in range(stop)]
        rest = all_pages(connector, first[-1].cursor)
    assert set(keys(first + rest)) == set(numbers(*range(1, 36)))
    assert len(keys(rest)) < 35


@VERSIONS
@pytest.mark.parametrize("spread", [timedelta(), timedelta(seconds=1), MINUTE])
@pytest.mark.parametrize("touched", [1, 10, 21])
def test_issue_updated_meanwhile_hides_no_other(
    version: str, spread: timedelta, touched: int
) -> None:
    """An issue that moves to the end while pages are read shifts none out of sight."""
    jira = FakeJira(version, most=10)
    jira.add(*(START + n * spread for n in range(35)))
    jira.before_search = [lambda: None, lambda: jira.touch(touched, summary="new")]
    with talking(jira) as connector:
        pages = all_pages(connector)
        assert set(keys(pages)) == set(numbers(*range(1, 36)))
        later = all_pages(connector, pages[-1].cursor)
    titles = [
        i.title for p in pages + later for i in p.items if isinstance(i, RemoteIssue)
    ]
    assert "new" in titles


@VERSIONS
def test_many_updates_meanwhile_hide_no_issue(version: str) -> None:
    """Every page loses three issues to the end; all come none the less."""
    jira = FakeJira(version, most=10)
    jira.add(*([START] * 45))
    hit = iter(range(1, 45))

    def three() -> None:
        for _ in range(3):
            jira.touch(next(hit))

    jira.before_search = [three] * 8
    with talking(jira) as connector:
        assert set(keys(all_pages(connector))) == set(numbers(*range(1, 46)))


@VERSIONS
def test_many_issues_of_one_minute(version: str) -> None:
    """A bulk change is read page by page and not over and over."""
    jira = FakeJira(version, most=10)
    jira.add(*[START] * 95)
    with talking(jira) as connector:
        assert keys(all_pages(connector)) == numbers(*range(1, 96))
    assert len(jira.queries) <= 13


@VERSIONS
def test_search_that_lags_behind_moves_no_cursor_too_far(version: str) -> None:
    """An issue shown at its old place with its new time does not skip the others."""
    jira = FakeJira(version, most=5)
    jira.add(*(START + n * MINUTE for n in range(20)))
    late = jira.tickets[5]
    late.updated, late.indexed = datetime.now(UTC), START + 4 * MINUTE
    with talking(jira) as connector:
        first = next(iter(connector.pages(None, None)))
        assert Cursor.read(first.cursor).updated == START + 3 * MINUTE
        assert set(keys(all_pages(connector))) == set(numbers(*range(1, 21)))


def test_endless_pages_end() -> None:
    """Repeated tokens, pages that do not move, and empty pages end with an error."""
    # FAULTS 16
    issue = FakeJira("3").record(Ticket(1, START), {})
    cases: list[tuple[str, Iterator[dict[str, Any]]]] = [
        ("3", iter(lambda: {"issues": [issue], "nextPageToken": "x"}, None)),
        ("3", ({"issues": [], "nextPageToken": f"{n}"} for n in range(99))),
        ("2", iter(lambda: {"issues": [issue] * 9, "total": 999}, None)),
        ("2", iter(lambda: {"issues": [issue], "total": 999}, None)),
    ]
    for version, answers in cases:
        jira = FakeJira(version)
        with talking(jira) as connector:
            jira.server.fail(None)
            whole = jira.server.respond

            def respond(
                request: Received, answers: Any = answers, whole: Respond = whole
            ) -> Reply:
                if request.path.endswith(("search/jql", "search")):
                    return Reply(next(answers))
                return whole(request)

            jira.server.respond = respond
            with pytest.raises(RemoteAnswerError, match="repeats its pages"):
                all_pages(connector)
            assert len(jira.server.received) < 10 + MOST_EMPTY_PAGES


@VERSIONS
@pytest.mark.parametrize("content", [{}, {"issues": {}}, {"issues": None}, [], "x"])
def test_answer_without_issues_is_told(version: str, content: Any) -> None:
    """A search answer must hold a list of issues."""
    # FAULTS 15
    jira = FakeJira(version)
    with talking(jira) as connector:
        jira.server.fail(None, faults.answering(Reply(content)))
        with pytest.raises(RemoteAnswerError, match="something other than"):
            all_pages(connector)


@VERSIONS
def test_wrong_record_is_put_aside(version: str) -> None:
    """What cannot be understood is told with its key; the others go on."""
    # FAULTS 15
    jira = FakeJira(version)
    jira.add(*[START] * 4)
    jira.tickets[1].fields = {"labels": [1]}
    jira.tickets[2].fields = {"created": "noon", "updated": "soon"}
    jira.tickets[3].fields = {"updated": 7, "comment": [1]}
    with talking(jira) as connector:
        (page,) = all_pages(connector)
    bad = [item for item in page.items if isinstance(item, BadRecord)]
    assert [b.origin for b in bad] == numbers(1, 2, 3)
    assert [b.reason for b in bad] == [
        "labels should hold texts, not int",
        "'noon' is not a date; write 2026-01-31T12:00:00Z",
        "comment should be an object, not a list",
    ]
    assert json.loads(bad[0].content)["fields"]["labels"] == [1]
    assert keys([page]) == numbers(4)


@VERSIONS
def test_list_of_anything_is_put_aside(version: str) -> None:
    """A list that holds no objects is put aside item by item."""
    jira = FakeJira(version)
    with talking(jira) as connector:
        jira.server.fail(
            None, faults.answering(Reply({"issues": [1, None, {}], "total": 3}))
        )
        (page,) = all_pages(connector)
    reasons = [item.reason for item in page.items if isinstance(item, BadRecord)]
    assert reasons == ["it should be an object"] * 2 + ["key is missing"]


@VERSIONS
@pytest.mark.parametrize(
    "fault",
    [
        faults.truncated(),
        faults.page(),
        faults.page(503),
        faults.reset(),
        faults.status(500),
    ],
    ids=["truncated", "web page", "503", "reset", "500"],
)
def test_failing_search_loses_nothing(version: str, fault: faults.Fault) -> None:
    """What fails for good ends the walk; the pages before it keep their cursors."""
    # FAULTS 14
    jira = FakeJira(version, most=10)
    jira.add(*(START + n * MINUTE for n in range(25)))
    with talking(jira) as connector:
        walk = connector.pages(None, None)
        first = next(walk)
        jira.server.fail(*[fault] * 5)
        with pytest.raises(RemoteUnreachable):
            next(walk)
        jira.server.faults.clear()
        rest = all_pages(connector, first.cursor)
    assert set(keys([first, *rest])) == set(numbers(*range(1, 26)))


@VERSIONS
@pytest.mark.parametrize(
    "fault", [faults.limited("0"), faults.status(502), faults.reset()]
)
def test_failure_of_a_moment_is_borne(version: str, fault: faults.Fault) -> None:
    """A search is sent again, as it changes nothing."""
    # FAULTS 13
    jira = FakeJira(version)
    jira.add(START)
    with talking(jira) as connector:
        jira.server.fail(None, fault)
        assert keys(all_pages(connector)) == numbers(1)


@pytest.mark.parametrize("text", ["{", "[1]", "7"])
def test_foreign_cursor_is_refused(text: str) -> None:
    """A cursor that is not ours is not taken for none."""
    with (
        talking(FakeJira()) as connector,
        pytest.raises(UsageError, match="not one of Jira's"),
    ):
        all_pages(connector, text)


def test_jira_says_what_is_wrong_with_the_query() -> None:
    """Jira's own words come through, clean."""
    for version in ("2", "3"):
        with talking(FakeJira(version), options={"jql": "nonsense = 1"}) as connector:
            with pytest.raises(UsageError) as error:
                all_pages(connector)
            assert error.value.message == (
                "Jira does not take the query: "
                "Field 'nonsense' does not exist [31m or is hidden."
            )


# FAULTS 1, 10
@VERSIONS
@pytest.mark.parametrize(
    "seed",
    [*range(4), *(pytest.param(n, marks=pytest.mark.slow) for n in range(4, 99))],
)
def test_whatever_happens_meanwhile_two_walks_have_it_all(
    version: str, seed: int
) -> None:
    """Issues are updated and deleted before each page, by chance."""
    chance = random.Random(seed)
    zone = chance.choice(["Europe/Berlin", "Pacific/Auckland", "Asia/Kathmandu"])
    jira = FakeJira(version, zone=zone, most=chance.randint(3, 12))
    jira.told_zone = chance.choice([zone, None])
    updated = START
    for _ in range(chance.randint(5, 60)):
        updated += timedelta(seconds=chance.choice([0, 0, 1, 31, 180]))
        jira.add(updated)

    def disturb() -> None:
        for _ in range(chance.randint(0, 3)):
            number = chance.choice(list(jira.tickets))
            if chance.random() < 0.7:
                jira.touch(number, summary=f"changed {chance.random()}")
            elif len(jira.tickets) > 2:
                del jira.tickets[number]

    jira.before_search = [disturb] * chance.randint(0, 12)
    with talking(jira) as connector:
        first = all_pages(connector)
        jira.before_search = []
        pages = first + all_pages(connector, first[-1].cursor)
    items = [item for page in pages for item in page.items]
    titles = {item.key: item.title for item in items if isinstance(item, RemoteIssue)}
    expected = {ticket.key: ticket.summary for ticket in jira.tickets.values()}
    assert {key: titles.get(key) for key in expected} == expected
