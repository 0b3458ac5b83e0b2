"""All that changed in GitHub is read, however it changes meanwhile."""

import json
import re
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.github_server import (
    QUICK,
    START,
    TOKEN,
    FakeGitHub,
    Ticket,
    running,
    stamp,
    talking,
)
from issuetrack.connectors.github.connector import GitHubConnector
from issuetrack.connectors.github.tracker import TRACKER
from issuetrack.connectors.github.walk import Position
from issuetrack.engine.errors import (
    CredentialError,
    IssueTrackError,
    NotFoundError,
    RemoteAnswerError,
    RemoteForbidden,
    RemoteUnreachable,
    UsageError,
)
from issuetrack.engine.store.types import (
    CommentKind,
    GoneReason,
    IssueStatus,
    IssueType,
    LinkKind,
    Priority,
)
from issuetrack.engine.sync.connector import Change, Page, SourceSettings
from issuetrack.engine.sync.ports import (
    BadRecord,
    GoneIssue,
    RemoteComment,
    RemoteEvent,
    RemoteIssue,
    RemoteLink,
    SkippedRecord,
)
from issuetrack.testing.server import Reply, answering

Kind = TypeVar("Kind")
SCOPES = pytest.mark.parametrize(
    "options", [{"repo": "acme/shop"}, {"org": "acme"}, {"query": "org:acme"}]
)


@pytest.fixture(params=["", "/api/v3"], ids=["cloud", "enterprise"])
def github(request: pytest.FixtureRequest) -> Iterator[FakeGitHub]:
    """Return a running GitHub, as in the cloud and as on a host of one's own."""
    yield from _running(FakeGitHub(request.param))


@pytest.fixture
def cloud() -> Iterator[FakeGitHub]:
    """Return a running GitHub."""
    yield from _running(FakeGitHub())


def _running(github: FakeGitHub) -> Iterator[FakeGitHub]:
    with running(github):
        github.repo()
        yield github


def of(pages: Iterable[Page], kind: type[Kind]) -> list[Kind]:
    """Return the items of a kind, in the order in which they came."""
    return [item for page in pages for item in page.items if isinstance(item, kind)]


def keys(pages: Iterable[Page]) -> list[str]:
    """Return the keys of the issues, in the order in which they came."""
    return [issue.key for issue in of(pages, RemoteIssue)]


def texts(pages: Iterable[Page]) -> set[str]:
    """Return what the comments say."""
    return {comment.body for comment in of(pages, RemoteComment)}


def numbers(*wanted: int) -> list[str]:
    """Return the keys with these numbers."""
    return [f"acme/shop#{number}" for number in wanted]


def read(connector: GitHubConnector, cursor: str | None = None) -> list[Page]:
    """Return all pages."""
    return list(connector.pages(cursor, None))


def end(pages: list[Page], cursor: str | None = None) -> str | None:
    """Return where the next run begins."""
    return pages[-1].cursor if pages else cursor


def settle(url: str, options: dict[str, str] | None = None) -> SourceSettings:
    """Return settled settings."""
    given = options or {"repo": "acme/shop"}
    return TRACKER.settle(SourceSettings("shop", "github", url, options=given))


def test_first_read_brings_everything(github: FakeGitHub) -> None:
    """Issues with their words, comments, changes and how many there are."""
    tickets = github.populate(230, 1, every=1)
    github.close(tickets[4], commit="c0ffee")
    with talking(github) as connector:
        pages = read(connector)
        assert connector.traffic.requests == len(github.server.received)
        assert connector.traffic.rate_remaining == github.rate
    assert sorted(set(keys(pages))) == sorted(numbers(*range(1, 231)))
    assert pages[0].total == 300
    assert len(texts(pages)) == 230
    (event,) = of(pages, RemoteEvent)
    assert (event.field, event.before, event.after) == ("status", "open", "closed")
    assert (event.issue_key, event.actor) == ("acme/shop#5", "ravi")
    (link,) = of(pages, RemoteLink)
    assert link == RemoteLink(LinkKind.CLOSED_BY, "acme/shop@c0ffee", "acme/shop#5")
    first = of(pages, RemoteIssue)[0]
    assert first.title == "Disk 0 is full on host-0"
    assert (first.id, first.reporter) == (str(tickets[0].id), "ines")
    assert first.url == f"{github.server.url}/acme/shop/issues/1"
    assert of(pages, BadRecord) == []


@SCOPES
def test_token_and_version_go_along(github: FakeGitHub, options: Any) -> None:
    """Every request carries the token, the version and who is asking."""
    github.populate(3)
    with talking(github, options) as connector:
        read(connector)
    for request in github.server.received:
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        assert request.headers["x-github-api-version"] == "2022-11-28"
        assert request.headers["accept"] == "application/vnd.github+json"
        assert request.headers["user-agent"].startswith("issuetrack/")
        assert request.path.startswith(f"{github.prefix}/")


def test_without_a_token(cloud: FakeGitHub) -> None:
    """What is public is read without a token."""
    cloud.populate(3)
    with talking(cloud, secret=None) as connector:
        assert keys(read(connector)) == numbers(1, 2, 3)
        assert "more than 60 requests an hour" in connector.check().may_not[-1]
    assert all("authorization" not in r.headers for r in cloud.server.received)


@pytest.mark.parametrize("every", [0, 1.2])
def test_resumes_behind_every_page(cloud: FakeGitHub, every: float) -> None:
    """A walk that was killed behind any page goes on from its cursor."""
    # FAULTS 1
    for ticket in cloud.populate(230, 1, every=every):
        if ticket.number % 2:
            cloud.close(ticket)
    with talking(cloud) as connector:
        whole = read(connector)
        events = {event.key for event in of(whole, RemoteEvent)}
        assert (len(set(keys(whole))), len(texts(whole)), len(events)) == (
            230,
            230,
            115,
        )
        for stop in range(1, len(whole) + 1):
            walk = connector.pages(None, None)
            first = [next(walk) for _ in range(stop)]
            rest = read(connector, first[-1].cursor)
            assert set(keys(first + rest)) == set(keys(whole)), stop
            assert texts(first + rest) == texts(whole), stop
            found = {event.key for event in of(first + rest, RemoteEvent)}
            assert found == events, stop


def test_tag_of_a_page_says_nothing_of_those_behind(cloud: FakeGitHub) -> None:
    """A killed walk that begins at the same moment again does not end with a 304."""
    cloud.add_issue()
    with talking(cloud) as connector:
        cursor = end(read(connector))
        cloud.populate(250, every=0)
        killed = next(connector.pages(cursor, None))
        pages = [killed, *read(connector, killed.cursor)]
    assert set(keys(pages)) == set(numbers(*range(1, 252)))


def test_nothing_new_takes_three_requests(github: FakeGitHub) -> None:
    """What is as it was is not sent again: 304 for issues, comments and events."""
    for ticket in github.populate(150, 1):
        github.close(ticket)
        github.tick(20)
    github.tick(600)
    with talking(github) as connector:
        cursor = end(read(connector))
        for _ in range(2):
            cursor = end(read(connector, cursor), cursor)
        left = github.rate
        github.server.received.clear()
        assert read(connector, cursor) == []
        asked = github.server.received
        assert len(asked) == 3
        assert all("if-none-match" in request.headers for request in asked)
        assert github.rate == left
        github.add_issue("After the silence")
        assert "acme/shop#151" in keys(read(connector, cursor))


def test_exactly_a_page_hides_nothing_that_comes_after(cloud: FakeGitHub) -> None:
    """A full page is never taken for the end, though its tag stays."""
    cloud.populate(100, every=0)
    with talking(cloud) as connector:
        cursor = end(read(connector))
        for _ in range(3):
            cursor = end(read(connector, cursor), cursor)
        cloud.add_issue()
        assert numbers(101)[0] in keys(read(connector, cursor))


def test_only_what_changed_comes_again(cloud: FakeGitHub) -> None:
    """After the cursor come what changed, what was added and what was said since."""
    tickets = cloud.populate(120, 1)
    with talking(cloud) as connector:
        cursor = end(read(connector))
        cloud.tick(3600)
        cloud.rename(tickets[2], "Disk full, every night")
        cloud.comment(tickets[7], "again")
        cloud.edit_comment(tickets[9].comments[0], "corrected")
        cloud.add_issue()
        pages = read(connector, cursor)
    assert {"acme/shop#3", "acme/shop#8", "acme/shop#121"} <= set(keys(pages))
    assert len(keys(pages)) < 10
    assert {"again", "corrected"} <= texts(pages)
    (renamed,) = of(pages, RemoteEvent)
    told = "Disk 2 is full on host-2", "Disk full, every night"
    assert (renamed.before, renamed.after) == told


@pytest.mark.parametrize("every", [0, 1, 60])
@pytest.mark.parametrize("touched", [0, 99, 100, 101, 205])
def test_issue_updated_meanwhile_hides_no_other(
    cloud: FakeGitHub, every: float, touched: int
) -> None:
    """An issue that moves to the end while pages are read pushes none out."""
    tickets = cloud.populate(250, every=every)
    with talking(cloud) as connector:
        walk = connector.pages(None, None)
        pages = [next(walk)]
        cloud.tick(3600 if every else 0)
        cloud.touch(tickets[touched])
        pages += list(walk)
    assert set(keys(pages)) == set(numbers(*range(1, 251)))


@settings(max_examples=8)
@given(st.lists(st.tuples(st.integers(0, 249), st.integers(1, 200)), max_size=6))
def test_changes_between_pages_hide_nothing(changes: list[tuple[int, int]]) -> None:
    """Whatever changes between pages and runs, all issues and comments arrive."""
    cloud = FakeGitHub()
    with running(cloud), talking(cloud) as connector:
        tickets = cloud.populate(250, every=3)
        pages: list[Page] = []
        walk = connector.pages(None, None)
        for place, seconds in changes:
            pages += [page for page in [next(walk, None)] if page is not None]
            cloud.tick(seconds)
            cloud.comment(tickets[place], f"{place} {seconds} {cloud.now}")
        pages += list(walk)
        cloud.tick(600)
        pages += read(connector, pages[-1].cursor)
    newest = {issue.key: issue.updated_at for issue in of(pages, RemoteIssue)}
    assert newest == {f"acme/shop#{t.number}": t.updated for t in tickets}
    assert texts(pages) == {c.body for t in tickets for c in t.comments}


def test_many_issues_with_one_moment(cloud: FakeGitHub) -> None:
    """More issues than a page holds may have changed at the very same second."""
    cloud.add_issue()
    cloud.tick()
    cloud.populate(330, every=0)
    cloud.tick()
    cloud.add_issue()
    with talking(cloud) as connector:
        pages = read(connector)
    assert set(keys(pages)) == set(numbers(*range(1, 333)))


def test_comment_made_while_issues_are_read(cloud: FakeGitHub) -> None:
    """A comment on an issue that this run could not meet comes with the next one."""
    cloud.populate(150, 1)
    with talking(cloud) as connector:
        walk = connector.pages(None, None)
        pages = [next(walk), next(walk)]
        cloud.tick(700)
        late = cloud.add_issue()
        cloud.comment(late, "on an issue that is not known yet")
        pages += list(walk)
        cursor = pages[-1].cursor
        cloud.tick(700)
        again = read(connector, cursor)
    assert "acme/shop#151" not in keys(pages)
    assert "acme/shop#151" in keys(again)
    assert "on an issue that is not known yet" in texts(again)


def test_events_walk_back_and_go_on(cloud: FakeGitHub) -> None:
    """A walk over events that was killed goes on; the next one stops where it began."""
    (ticket,) = cloud.populate(1)
    for turn in range(450):
        cloud.label(ticket, f"turn-{turn}")
        cloud.tick()
    with talking(cloud) as connector:
        walk = connector.pages(None, None)
        pages: list[Page] = []
        while not of(pages, RemoteEvent):
            pages.append(next(walk))
        for turn in range(450, 460):
            cloud.label(ticket, f"turn-{turn}")
            cloud.tick()
        rest = read(connector, pages[-1].cursor)
        cloud.server.received.clear()
        after = read(connector, rest[-1].cursor)
        asked = [r for r in cloud.server.received if r.path.endswith("/events")]
    found = {event.after for event in of(pages + rest + after, RemoteEvent)}
    assert found == {f"turn-{turn}" for turn in range(460)}
    assert len(asked) == 1


def test_since_leaves_out_what_is_older(cloud: FakeGitHub) -> None:
    """Without a cursor, `since` bounds issues, comments and events, inclusively."""
    for ticket in cloud.populate(10, 1, every=60):
        cloud.label(ticket, "seen")
    with talking(cloud) as connector:
        since = START + timedelta(minutes=7)
        cloud.touch(cloud.repo().issues[3])
        pages = list(connector.pages(None, since))
        assert set(keys(pages)) >= set(numbers(3))
        assert len(texts(pages)) == 3
        asked = cloud.server.received[0].query["since"]
        assert asked == stamp(since)


def test_pull_requests_are_no_issues(github: FakeGitHub) -> None:
    """They are skipped with their comments and events; what they close says so."""
    first, second = github.populate(2)
    github.tick()
    pull = github.add_pull(f"Fixes #{first.number}")
    github.comment(pull, "looks good")
    github.label(pull, "ready")
    github.tick()
    github.add_pull(f"Fixes #{second.number}", merged=False)
    with talking(github) as connector:
        pages = read(connector)
    assert set(keys(pages)) == set(numbers(1, 2))
    assert texts(pages) == set()
    url = f"{github.server.url}/acme/shop/pull/3"
    links = set(of(pages, RemoteLink))
    assert links == {RemoteLink(LinkKind.CLOSED_BY, url, "acme/shop#1")}
    assert {e.issue_key for e in of(pages, RemoteEvent)} == {"acme/shop#1"}
    skipped = [item.what for item in of(pages, SkippedRecord)]
    assert skipped.count("pull request") == 2


def test_pull_request_that_is_read_before_its_issue(cloud: FakeGitHub) -> None:
    """Its link comes again on the page of the issue, also after a kill in between."""
    late = cloud.populate(1)[0]
    cloud.tick()
    pull = cloud.add_pull(f"Fixes #{late.number}")
    cloud.tick(60)
    cloud.populate(150)
    cloud.tick(60)
    cloud.touch(late)
    with talking(cloud) as connector:
        walk = connector.pages(None, None)
        pages = [next(walk)]
        assert "acme/shop#1" not in keys(pages)
        pages += read(connector, pages[-1].cursor)
    url = f"{cloud.server.url}/acme/shop/pull/{pull.number}"
    wanted = RemoteLink(LinkKind.CLOSED_BY, url, "acme/shop#1")
    (place,) = [p for p in pages if "acme/shop#1" in keys([p])]
    assert wanted in place.items


def test_repository_named_pull(cloud: FakeGitHub) -> None:
    """The comments of a repository with that name are no comments on pull requests."""
    ticket = cloud.add_issue(name="acme/pull")
    cloud.comment(ticket, "all the same", "acme/pull")
    with talking(cloud, {"repo": "acme/pull"}) as connector:
        assert texts(read(connector)) == {"all the same"}


def test_duplicates_and_attachments(cloud: FakeGitHub) -> None:
    """What a comment says of another issue is a link; uploads are kept by name."""
    ticket, other = cloud.populate(2)
    ticket.body = (
        "see [trace.txt](https://github.com/user-attachments/files/17/trace.txt) and "
        "![graph](https://github.com/user-attachments/assets/0a1b)"
    )
    cloud.comment(other, "Duplicate of #1")
    cloud.comment(other, "duplicate of acme/other#7")
    cloud.comment(other, "this is no duplicate of #9, I think")
    cloud.comment(ticket, "Duplicate of #1")
    with talking(cloud) as connector:
        pages = read(connector)
    links = {(link.issue_key, link.target) for link in of(pages, RemoteLink)}
    assert links == {("acme/shop#2", "acme/shop#1"), ("acme/shop#2", "acme/other#7")}
    first = next(i for i in of(pages, RemoteIssue) if i.key == "acme/shop#1")
    assert first.attachments == ("trace.txt", "graph")


@pytest.mark.parametrize("keeps_query", [True, False])
def test_renamed_repository(github: FakeGitHub, *, keeps_query: bool) -> None:
    """Keys change, ids stay, nothing is left out; closed issues neither."""
    github.keeps_query = keeps_query
    for ticket in github.populate(130, 1):
        github.close(ticket)
    with talking(github) as connector:
        before = of(read(connector), RemoteIssue)
        github.rename_repository("acme/shop", "acme/store")
        pages = read(connector)
        gone = connector.fetch("acme/shop#3")
    after = {issue.id: issue.key for issue in of(pages, RemoteIssue)}
    assert after == {i.id: i.key.replace("shop", "store") for i in before}
    assert len(texts(pages)) == 130
    assert gone == GoneIssue("acme/shop#3", GoneReason.MOVED, "acme/store#3")


def test_rename_between_pages(cloud: FakeGitHub) -> None:
    """The walk goes on under the new name."""
    cloud.populate(230)
    with talking(cloud) as connector:
        walk = connector.pages(None, None)
        pages = [next(walk)]
        cloud.rename_repository("acme/shop", "acme/store")
        pages += list(walk)
    found = {issue.id for issue in of(pages, RemoteIssue)}
    assert len(found) == 230


def test_transferred_and_deleted(github: FakeGitHub) -> None:
    """One has moved, one is gone, one is there with all that hangs on it."""
    kept, moved, deleted = github.populate(3, 2)
    github.close(kept, reason="not_planned")
    new = github.transfer(moved, "acme/platform")
    github.delete(deleted)
    with talking(github) as connector:
        found = connector.fetch("acme/shop#1")
        assert isinstance(found, RemoteIssue)
        assert found.complete
        assert len(found.comments) == 2
        assert [event.after for event in found.events] == ["closed"]
        assert found.status is IssueStatus.CLOSED
        target = f"acme/platform#{new.number}"
        told = GoneIssue("acme/shop#2", GoneReason.MOVED, target)
        assert connector.fetch("acme/shop#2") == told
        told = GoneIssue("acme/shop#3", GoneReason.DELETED)
        assert connector.fetch("acme/shop#3") == told
        assert connector.fetch("acme/shop#99") == GoneIssue(
            "acme/shop#99", GoneReason.DELETED
        )
        with pytest.raises(NotFoundError, match="has no acme/nowhere, or the token"):
            connector.fetch("acme/nowhere#1")
        with pytest.raises(UsageError, match="OPS-1 is no issue of GitHub"):
            connector.fetch("OPS-1")


def test_fetched_history_says_who_closed_it(cloud: FakeGitHub) -> None:
    """A timeline gives the merged pull request, the commit and the duplicate."""
    _first, second = cloud.populate(2, 1)
    pull = cloud.add_pull("Fixes #1")
    cloud.close(second, commit="c0ffee")
    cloud.comment(second, "Duplicate of #1")
    with talking(cloud) as connector:
        one, two = connector.fetch("acme/shop#1"), connector.fetch("acme/shop#2")
        with pytest.raises(UsageError, match="is a pull request"):
            connector.fetch("acme/shop#3")
    assert isinstance(one, RemoteIssue)
    assert isinstance(two, RemoteIssue)
    url = f"{cloud.server.url}/acme/shop/pull/{pull.number}"
    assert one.links == (RemoteLink(LinkKind.CLOSED_BY, url),)
    assert set(two.links) == {
        RemoteLink(LinkKind.CLOSED_BY, "acme/shop@c0ffee"),
        RemoteLink(LinkKind.DUPLICATE_OF, "acme/shop#1"),
    }


def test_long_history_is_paged(cloud: FakeGitHub) -> None:
    """An issue with more than a page of history is read whole."""
    (ticket,) = cloud.populate(1)
    for turn in range(230):
        cloud.comment(ticket, f"turn {turn}")
    with talking(cloud) as connector:
        found = connector.fetch("acme/shop#1")
    assert isinstance(found, RemoteIssue)
    assert len(found.comments) == 230


def test_organisation(github: FakeGitHub) -> None:
    """All of its repositories with issues are read, each from its own cursor."""
    for name in ("acme/web", "acme/api", "acme/wiki", "other/web"):
        github.populate(3, 1, name)
    github.repo("acme/wiki", has_issues=False)
    with talking(github, {"org": "acme"}) as connector:
        pages = read(connector)
        assert {k.partition("#")[0] for k in keys(pages)} == {"acme/api", "acme/web"}
        assert len(keys(pages)) == len(of(pages, RemoteComment)) == 6
        github.tick(3600)
        github.add_issue(name="acme/api")
        github.populate(1, name="acme/brand-new")
        again = read(connector, pages[-1].cursor)
        assert {"acme/api#4", "acme/brand-new#1"} <= set(keys(again))
        github.repositories.clear()
        with pytest.raises(NotFoundError, match="/orgs/acme/repos"):
            read(connector)


def test_organisation_resumes_behind_every_page(cloud: FakeGitHub) -> None:
    """A walk over many repositories goes on with the one that it was in."""
    # FAULTS 1
    for name in ("acme/api", "acme/shop", "acme/web"):
        cloud.populate(120, 1, name)
    with talking(cloud, {"org": "acme"}) as connector:
        whole = read(connector)
        assert len(set(keys(whole))) == 360
        for stop in range(1, len(whole) + 1):
            walk = connector.pages(None, None)
            first = [next(walk) for _ in range(stop)]
            rest = read(connector, first[-1].cursor)
            assert set(keys(first + rest)) == set(keys(whole)), stop
            assert texts(first + rest) == texts(whole), stop


def test_search_beyond_its_thousand_results(cloud: FakeGitHub) -> None:
    """A search gives 1,000 results at most; later ones are asked for by their moment."""
    for ticket in cloud.populate(1150, every=1):
        if ticket.number % 10 == 0:
            cloud.comment(ticket, f"remark on {ticket.number}")
    with talking(cloud, {"query": "org:acme"}) as connector:
        walk = connector.pages(None, None)
        pages = [next(walk) for _ in range(3)]
        pages += read(connector, pages[-1].cursor)
    assert set(keys(pages)) == set(numbers(*range(1, 1151)))
    assert pages[0].total == 1150
    assert all(i.complete for i in of(pages, RemoteIssue))
    said = {c.body for i in of(pages, RemoteIssue) for c in i.comments}
    assert len(said) == 115


def test_search_with_too_many_at_one_moment(cloud: FakeGitHub) -> None:
    """What GitHub does not give is said, after what it does give."""
    cloud.populate(1001, every=0)
    with talking(cloud, {"query": "org:acme"}) as connector:
        walk = connector.pages(None, None)
        with pytest.raises(RemoteAnswerError, match="more than 1000 issues changed at"):
            keys(walk)
    assert len(cloud.server.received) <= 1120


def test_search_finds_issues_only(cloud: FakeGitHub) -> None:
    """Pull requests are not searched for, and skipped where they come."""
    cloud.populate(2)
    cloud.add_pull("Repairs nothing")
    with talking(cloud, {"query": "org:acme is:issue"}) as connector:
        assert keys(read(connector)) == numbers(1, 2)
        assert cloud.server.received[0].query["q"] == "org:acme is:issue"
    with talking(cloud, {"query": "org:acme"}) as connector:
        assert keys(read(connector)) == numbers(1, 2)
    with talking(cloud, {"query": 'org:acme label:"is:issue" '}) as connector:
        pages = read(connector)
    assert keys(pages) == []


def test_search_that_is_not_finished(cloud: FakeGitHub) -> None:
    """A search that was cut short is asked again, three times at most."""
    cloud.populate(2)
    cloud.incomplete = 2
    with talking(cloud, {"query": "org:acme"}) as connector:
        assert keys(read(connector)) == numbers(1, 2)
        cloud.incomplete = 3
        with pytest.raises(RemoteAnswerError, match="did not finish the search"):
            read(connector)


def test_search_finds_what_has_just_gone(cloud: FakeGitHub) -> None:
    """The index of the search lags; an issue that is gone does not stop the rest."""
    tickets = cloud.populate(3)
    real = cloud.repo().issues.pop(2)
    cloud.repo().order["issues"] = tickets
    with talking(cloud, {"query": "org:acme"}) as connector:
        pages = read(connector)
    assert real.number == 2
    assert keys(pages) == numbers(1, 3)
    assert of(pages, GoneIssue) == [GoneIssue("acme/shop#2", GoneReason.DELETED)]


def test_search_that_is_not_understood(cloud: FakeGitHub) -> None:
    """GitHub's own words say what is wrong."""
    with (
        talking(cloud, {"query": "repo:acme/nowhere"}) as connector,
        pytest.raises(UsageError, match="cannot be searched") as caught,
    ):
        read(connector)
    assert "--query" in str(caught.value.hint)


WRONG: list[dict[str, Any]] = [
    {"title": None},
    {"title": ["a", "list"]},
    {"title": {"an": "object"}},
    {"state": "ajar"},
    {"state": 7},
    {"created_at": "the day before yesterday"},
    {"created_at": None},
    {"created_at": "0001-01-01T00:00:00+23:59"},
    {"updated_at": "2026-13-45T99:99:99Z"},
    {"updated_at": "zzzz"},
    {"updated_at": ["a"]},
    {"labels": "urgent"},
    {"labels": [{"colour": "red"}]},
    {"user": "ines"},
    {"user": {"login": {}}},
    {"assignee": []},
    {"url": "no address", "html_url": None},
    {"pull_request": 5, "title": None},
]


@pytest.mark.parametrize("options", [{"repo": "acme/shop"}, {"query": "org:acme"}])
def test_bad_issues_are_put_aside(cloud: FakeGitHub, options: Any) -> None:
    """A record of the wrong shape stops neither the page, the run nor the next run."""
    # FAULTS 15
    for wrong in [{}, *WRONG, {}]:
        cloud.add_issue(extra=wrong)
        cloud.tick()
    last = len(WRONG) + 2
    with talking(cloud, options) as connector:
        pages = read(connector)
        assert keys(pages) == numbers(1, last)
        bad = of(pages, BadRecord)
        assert len(bad) + len(of(pages, SkippedRecord)) == len(WRONG)
        assert all(one.reason and json.loads(one.content) for one in bad)
        cloud.tick(3600)
        cloud.add_issue()
        again = read(connector, pages[-1].cursor)
    assert f"acme/shop#{last + 1}" in keys(again)


@pytest.mark.parametrize("wrong", [None, 5, "issue", [], [[]], True])
def test_records_that_are_no_objects(cloud: FakeGitHub, wrong: Any) -> None:
    """Anything may stand in a list; the rest of it is read."""
    # FAULTS 15
    cloud.populate(2, 1)
    good = cloud._issue(cloud.repo(), cloud.repo().issues[1])
    said = cloud._comment(cloud.repo(), cloud.repo().issues[1].comments[0])
    mixed = [
        answering(Reply([wrong, good])),
        answering(Reply([wrong, said])),
        answering(Reply([wrong])),
    ]
    with talking(cloud) as connector:
        cloud.server.fail(*mixed)
        pages = read(connector)
        assert keys(pages) == numbers(1)
        assert len(of(pages, BadRecord)) == 3
        assert len(texts(pages)) == 1
        assert "acme/shop#2" in keys(read(connector, pages[-1].cursor))


def test_bad_comments_and_events_are_put_aside(cloud: FakeGitHub) -> None:
    """What cannot be understood of a history leaves the rest of it as it is."""
    # FAULTS 15
    (ticket,) = cloud.populate(1)
    cloud.comment(ticket, "whole")
    broken: list[dict[str, Any]]
    broken = [{"created_at": "soon"}, {"id": None}, {"issue_url": 5}, {"body": []}]
    for wrong in broken:
        cloud.comment(ticket, "in pieces", extra=wrong)
    cloud.label(ticket, "whole")
    cloud.event(ticket, "labeled", created_at="soon")
    cloud.event(ticket, "labeled", label="urgent")
    cloud.event(ticket, "labeled", id="first")
    with talking(cloud) as connector:
        pages = read(connector)
        found = connector.fetch("acme/shop#1")
    assert texts(pages) == {"whole"}
    assert len(of(pages, BadRecord)) == 7
    assert [event.after for event in of(pages, RemoteEvent)] == ["whole"]
    assert isinstance(found, RemoteIssue)
    assert not found.complete
    assert "whole" in {comment.body for comment in found.comments}


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"query": "org:acme"}, {"total_count": 1, "items": "none"}),
        ({"query": "org:acme"}, []),
        ({"query": "org:acme"}, None),
        ({"org": "acme"}, [{"full_name": ["acme", "shop"]}]),
        ({"org": "acme"}, {"repositories": []}),
        ({"repo": "acme/shop"}, {"issues": []}),
        ({"repo": "acme/shop"}, "issues"),
    ],
)
def test_answers_of_another_shape(
    cloud: FakeGitHub, options: dict[str, str], wrong: Any
) -> None:
    """Whatever comes in place of the list that was asked for has one error."""
    # FAULTS 15
    cloud.server.fail(answering(Reply(wrong, raw=json.dumps(wrong).encode())))
    with talking(cloud, options) as connector, pytest.raises(RemoteAnswerError):
        read(connector)


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (0, {"login": ["ines"]}),
        (1, {"full_name": None}),
        (1, {"full_name": "acme/shop", "permissions": "all"}),
        (2, []),
    ],
)
def test_checks_of_another_shape(cloud: FakeGitHub, place: int, wrong: Any) -> None:
    """A check that is answered with nonsense says that it was."""
    # FAULTS 15
    cloud.server.fail(*[None] * place, answering(Reply(wrong)))
    with talking(cloud) as connector, pytest.raises(RemoteAnswerError):
        connector.check()


@pytest.mark.parametrize("tag", ["\xe9", '"' + "a" * 5000 + '"'])
def test_strange_tags_are_not_repeated(cloud: FakeGitHub, tag: str) -> None:
    """What GitHub calls its content is kept only where it can be sent back."""
    cloud.populate(2)
    answers = [answering(Reply([], headers={"ETag": tag})) for _ in range(6)]
    with talking(cloud) as connector:
        cloud.server.fail(*answers)
        pages = read(connector)
        read(connector, pages[-1].cursor)
        assert tag not in pages[-1].cursor


@pytest.mark.parametrize("cursor", ["", "{", "[]", "5", '{"repositories": {"a": 5}}'])
def test_cursor_that_cannot_be_read(cloud: FakeGitHub, cursor: str) -> None:
    """It counts as nothing read."""
    cloud.populate(2)
    with talking(cloud) as connector:
        assert keys(read(connector, cursor)) == numbers(1, 2)
    assert Position.parse(cursor) == Position()


MAPPING = (
    "service=label:area/",
    "status:closed not_planned=resolved",
    "priority:sev1=P1",
    "type:outage=incident",
)


def test_mapping_of_the_source(cloud: FakeGitHub) -> None:
    """Overrides decide, and what became what from where is kept."""
    ticket = cloud.add_issue(labels=["sev1", "area/payments", "outage"])
    cloud.close(ticket, reason="not_planned")
    plain = cloud.add_issue(labels=["priority/high", "bug"])
    cloud.close(plain)
    with talking(cloud, mapping=MAPPING) as connector:
        one, two = of(read(connector), RemoteIssue)
    assert (one.service, one.status) == ("payments", IssueStatus.RESOLVED)
    assert (one.priority, one.type) == (Priority.P1, IssueType.INCIDENT)
    assert (two.service, two.status) == (None, IssueStatus.CLOSED)
    assert (two.priority, two.type) == (Priority.P2, IssueType.BUG)
    rules = {mapped.field: mapped.rule for mapped in one.mapped}
    assert rules["service"] == "service=label:area/"
    assert rules["status"] == "status:closed not_planned=resolved"
    assert rules["priority"] == "priority:sev1=P1"
    assert rules["type"] == "type:outage=incident"
    words = {mapped.field: (mapped.word, mapped.value) for mapped in one.mapped}
    assert words["priority"] == ("sev1", "P1")
    assert {m.rule for m in two.mapped if m.field != "service"} == {"default"}


def test_mapping_reaches_searches_and_single_issues(cloud: FakeGitHub) -> None:
    """Whichever way an issue comes, the same becomes of it."""
    cloud.add_issue(labels=["sev1", "area/payments"])
    with talking(cloud, {"query": "org:acme"}, mapping=MAPPING) as connector:
        (found,) = of(read(connector), RemoteIssue)
        fetched = connector.fetch("acme/shop#1")
    assert found == fetched
    assert (found.service, found.priority) == ("payments", Priority.P1)


@pytest.mark.parametrize(
    ("url", "settled", "prefix"),
    [
        ("", "https://api.github.com", "/"),
        ("https://github.com", "https://api.github.com", "/"),
        ("https://GitHub.com/", "https://api.github.com", "/"),
        ("https://www.github.com", "https://api.github.com", "/"),
        ("https://api.github.com/", "https://api.github.com", "/"),
        ("https://git.example.com", "https://git.example.com", "/api/v3"),
        ("HTTPS://Git.Example.com:8443", "https://git.example.com:8443", "/api/v3"),
        ("http://git.example.com", "http://git.example.com", "/api/v3"),
    ],
)
def test_base_url(url: str, settled: str, prefix: str) -> None:
    """The pages of the cloud lead to its interface; other hosts have it under a path."""
    found = settle(url)
    assert (found.base_url, found.options["api-path"]) == (settled, prefix)
    assert settle(found.base_url, dict(found.options)) == found


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://github.com/acme/shop", "has a path"),
        ("https://git.example.com/api/v3", "has a path"),
        ("https://git.example.com/?a=b", "has a path"),
        ("https://ines:secret@git.example.com", "user name or password"),
        ("https://token@github.com", "user name or password"),
        ("ftp://git.example.com", "not a http"),
        ("git.example.com", "not a http"),
        ("https://", "no host"),
        ("http://api.github.com", "unencrypted"),
        ("http://github.com", "unencrypted"),
    ],
)
def test_base_url_that_is_refused(url: str, words: str) -> None:
    """What is wrong is said with what to write, and never with the password."""
    with pytest.raises(UsageError, match=words) as caught:
        settle(url)
    assert caught.value.hint
    assert "secret" not in f"{caught.value.message} {caught.value.hint}"


def test_plain_http_can_be_forced() -> None:
    """Whoever insists gets it."""
    options = {"repo": "acme/shop", "insecure-http": "yes"}
    assert settle("http://api.github.com", options).base_url == "http://api.github.com"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"api-path": "/"}, "repositories, an organisation or a search"),
        ({"repo": "a/b", "org": "acme"}, "repositories, an organisation or a search"),
        ({"repo": "shop"}, "'shop' is no repository"),
        ({"repo": "acme/shop, https://x/y"}, "is no repository"),
        ({"repo": "acme/shop", "colour": "red"}, "has no colour"),
        ({"repo": "acme/shop", "insecure-http": "perhaps"}, "cannot be 'perhaps'"),
        ({"repo": "acme/shop", "allow-address": "home"}, "home"),
    ],
)
def test_options_that_are_refused(options: dict[str, str], words: str) -> None:
    """A source covers one kind of scope, and knows its options."""
    with pytest.raises(UsageError, match=words) as caught:
        settle("", options)
    assert caught.value.hint


def test_scope_in_words() -> None:
    """A source says what it covers."""
    several = settle("", {"repo": " acme/shop , acme/api"})
    assert TRACKER.scope(several) == "repo acme/shop,acme/api"
    assert TRACKER.scope(settle("", {"org": "acme"})) == "org acme"
    assert TRACKER.scope(settle("", {"query": "is:open"})) == "query is:open"


def test_check(github: FakeGitHub) -> None:
    """Who we are, what we may do, how much there is and what is left."""
    github.populate(3)
    github.add_pull("Fixes #1")
    with talking(github) as connector:
        access = connector.check()
    assert access.account == "ines"
    assert access.server == f"GitHub at {github.server.url}, scopes repo"
    assert access.may == ("read issues", "comment and close issues")
    assert (access.may_not, access.issues) == ((), 3)
    assert (access.rate_remaining, access.rate_limit) == (github.rate + 1, 5000)
    assert access.rate_reset_at is not None


def test_check_says_what_is_missing(cloud: FakeGitHub) -> None:
    """A token that may only read says so, of an organisation and of a search."""
    cloud.populate(3)
    cloud.repo(writable=False)
    for options, issues in (({"org": "acme"}, 3), ({"repo": "acme/shop"}, 3)):
        with talking(cloud, options) as connector:
            access = connector.check()
        assert access.issues == issues
        assert "takes write access to issues" in access.may_not[0]
    with talking(cloud, {"query": "org:acme"}) as connector:
        assert connector.check().issues == 3
    cloud.repo(has_issues=False)
    with (
        talking(cloud) as connector,
        pytest.raises(UsageError, match="issues switched off"),
    ):
        connector.check()


def test_check_of_a_renamed_repository(cloud: FakeGitHub) -> None:
    """Issues are counted under the name that the repository has now."""
    cloud.populate(3)
    cloud.rename_repository("acme/shop", "acme/store")
    with talking(cloud) as connector:
        assert connector.check().issues == 3


REFUSALS: list[tuple[int, dict[str, Any], dict[str, str], type[Exception], str]] = [
    (401, {"message": "Bad credentials"}, {}, CredentialError, "Bad credentials"),
    (
        403,
        {"message": "Resource not accessible by personal access token"},
        {"X-Accepted-GitHub-Permissions": "issues=read"},
        RemoteForbidden,
        "may not do this .*personal access token.*it takes issues=read",
    ),
    (
        403,
        {"message": "Must have admin rights"},
        {"X-Accepted-OAuth-Scopes": "repo"},
        RemoteForbidden,
        "it takes repo",
    ),
    (
        403,
        {"message": "Resource protected by organization SAML enforcement."},
        {"X-GitHub-SSO": "required; url=https://github.com/orgs/acme/sso"},
        RemoteForbidden,
        "single sign-on",
    ),
    (404, {"message": "Not Found"}, {}, NotFoundError, "has no acme/shop/issues"),
    (410, {"message": "Issues are off"}, {}, NotFoundError, "has no acme/shop/issues"),
    (
        422,
        {"message": "Validation Failed", "errors": [{"message": "q is bad"}, "long"]},
        {},
        UsageError,
        "Validation Failed; q is bad; long",
    ),
    (
        403,
        {"message": "You have exceeded a secondary rate limit. Please wait."},
        {},
        RemoteUnreachable,
        "the rate limit of .* is used up",
    ),
    (451, {"message": "Unavailable"}, {}, RemoteAnswerError, "refuses .*Unavailable"),
    (400, {"message": ["odd"]}, {}, RemoteAnswerError, "refuses"),
    (404, {}, {}, NotFoundError, "has no"),
]


@pytest.mark.parametrize(("code", "content", "headers", "kind", "words"), REFUSALS)
def test_refusals_say_what_to_do(
    cloud: FakeGitHub,
    code: int,
    content: dict[str, Any],
    headers: dict[str, str],
    kind: type[IssueTrackError],
    words: str,
) -> None:
    """Each refusal has its own error, GitHub's words and a remedy."""
    cloud.server.fail(*[answering(Reply(content, code, headers))] * 5)
    with talking(cloud) as connector, pytest.raises(kind, match=words) as caught:
        read(connector)
    assert type(caught.value) is kind
    assert caught.value.hint
    assert TOKEN not in f"{caught.value.message} {caught.value.hint}"


def test_words_of_a_refusal_are_cleaned(cloud: FakeGitHub) -> None:
    """GitHub's words never bring control characters or pages of text along."""
    said = {"message": "\x1b[31mno\nno \x9b2J" + "x" * 5000}
    cloud.server.fail(answering(Reply(said, 401)))
    with talking(cloud) as connector, pytest.raises(CredentialError) as caught:
        read(connector)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 500


def test_refusals_of_the_server_itself(cloud: FakeGitHub) -> None:
    """A wrong token, a private repository and a page that is no interface."""
    cloud.repo("acme/secret", private=True)
    with talking(cloud, secret="wrong") as c, pytest.raises(CredentialError):
        read(c)
    with (
        talking(cloud, {"repo": "acme/secret"}, secret=None) as c,
        pytest.raises(NotFoundError, match="acme/secret/issues, or the token may not"),
    ):
        read(c)
    cloud.prefix = "/api/v3"
    options = {"repo": "acme/shop", "api-path": "/elsewhere"}
    with talking(cloud, options) as c, pytest.raises(NotFoundError):
        read(c)


CHANGE = Change(
    "acme/shop#1",
    "0d9c3e5a",
    comment="Restarted the *payment* worker.",
    status=IssueStatus.CLOSED,
    fields={"title": "Payments hang", "labels": ["sev1"], "assignee": "ravi"},
)


def test_what_is_shown_is_what_is_sent(github: FakeGitHub) -> None:
    """The requests that were announced are those that arrive, and no others."""
    (ticket,) = github.populate(1)
    with talking(github) as connector:
        announced = connector.requests_for(CHANGE)
        assert github.server.received == []
        assert connector.pushed(CHANGE) is None
        github.server.received.clear()
        key = connector.push(CHANGE)
        got = [
            (r.method, f"{github.server.url}{r.path}", r.content)
            for r in github.server.received
        ]
        assert got == [(r.method, r.url, r.content) for r in announced]
        assert connector.pushed(CHANGE) == key == str(ticket.comments[0].id)
        other = Change("acme/shop#1", "another-mark", comment=CHANGE.comment)
        assert connector.pushed(other) is None
    assert TOKEN not in repr(announced)
    assert ticket.comments[0].body.startswith("Restarted the *payment* worker.\n\n<!--")
    assert (ticket.title, ticket.state, ticket.assignee) == (
        "Payments hang",
        "closed",
        "ravi",
    )


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [
        (IssueStatus.OPEN, "open", None),
        (IssueStatus.IN_PROGRESS, "open", None),
        (IssueStatus.RESOLVED, "closed", "completed"),
        (IssueStatus.CLOSED, "closed", "completed"),
    ],
)
def test_status_is_written(
    cloud: FakeGitHub, status: IssueStatus, state: str, reason: str | None
) -> None:
    """Closing twice is the same as closing once."""
    (ticket,) = cloud.populate(1)
    change = Change("acme/shop#1", "m", status=status)
    with talking(cloud) as connector:
        for _ in range(2):
            assert connector.push(change) is None
    assert (ticket.state, ticket.reason) == (state, reason)
    assert len(ticket.events) == (state == "closed")


def test_mark_is_found_among_many_comments(cloud: FakeGitHub) -> None:
    """However much was said since, the earlier try is found."""
    (ticket,) = cloud.populate(1)
    with talking(cloud) as connector:
        for turn in range(120):
            cloud.comment(ticket, f"turn {turn}")
        key = connector.push(Change("acme/shop#1", "mark", comment="done"))
        cloud.comment(ticket, "later", extra={"body": None})
        assert connector.pushed(Change("acme/shop#1", "mark", comment="done")) == key


def test_writing_that_is_refused(cloud: FakeGitHub) -> None:
    """What GitHub cannot do or does not allow is said; nothing is sent in part."""
    (ticket,) = cloud.populate(1)
    with talking(cloud) as connector:
        note = Change("acme/shop#1", "m", "psst", kind=CommentKind.WORK_NOTE)
        with pytest.raises(UsageError, match="no internal comments"):
            connector.push(note)
        with pytest.raises(UsageError, match="GitHub has no priority"):
            connector.push(
                Change("acme/shop#1", "m", "text", fields={"priority": "P1"})
            )
        assert cloud.server.received == []
        cloud.repo(writable=False)
        with pytest.raises(RemoteForbidden, match="it takes issues=write"):
            connector.push(Change("acme/shop#1", "m", "text"))
    assert ticket.comments == []


def test_writing_to_a_renamed_repository(cloud: FakeGitHub) -> None:
    """GitHub sends a change on with 307; it arrives there, once."""
    (ticket,) = cloud.populate(1)
    cloud.rename_repository("acme/shop", "acme/store")
    with talking(cloud) as connector:
        key = connector.push(CHANGE)
    assert [str(comment.id) for comment in ticket.comments] == [key]
    assert ticket.state == "closed"


@pytest.mark.parametrize("code", [301, 302, 303])
def test_writing_that_is_sent_elsewhere_is_no_success(
    cloud: FakeGitHub, code: int
) -> None:
    """An answer that nothing was done is never taken for done."""
    (ticket,) = cloud.populate(1)
    place = {"Location": f"{cloud.api}/repositories/1000/issues/1"}
    cloud.server.fail(answering(Reply({}, code, place)))
    with (
        talking(cloud) as connector,
        pytest.raises(RemoteAnswerError, match="another place"),
    ):
        connector.push(Change("acme/shop#1", "m", status=IssueStatus.CLOSED))
    assert ticket.state == "open"


def test_stand_in_serves_ten_thousand_issues() -> None:
    """It is fast enough to be measured against."""
    cloud = FakeGitHub()
    started = time.monotonic()
    with running(cloud), talking(cloud) as connector:
        cloud.populate(1000, 3)
        pages = read(connector)
    assert len(set(keys(pages))) == 1000
    assert len(texts(pages)) == 3000
    assert time.monotonic() - started < 20


def test_stand_in_pages_as_github_does(cloud: FakeGitHub) -> None:
    """Its links lead to the number of the repository; its defaults are GitHub's."""
    tickets: list[Ticket] = cloud.populate(65)
    cloud.close(tickets[0])
    with talking(cloud, patience=QUICK) as connector:
        answer = connector._client.get("/repos/acme/shop/issues")
    assert len(answer.records()) == 30
    assert answer.records()[0]["number"] == 65
    links = dict(re.findall(r'<([^>]+)>; rel="(\w+)"', answer.headers["link"]))
    place = f"{cloud.api}/repositories/{cloud.repo().id}/issues?page="
    assert links == {f"{place}2": "next", f"{place}3": "last"}


def test_repository_that_is_gone_does_not_stop_the_others() -> None:
    """The others are read, and then it is told which one is missing."""
    cloud = FakeGitHub()
    cloud.repo("acme/shop")
    cloud.populate(3)
    pages: list[Page] = []
    with (
        running(cloud),
        talking(cloud, {"repo": "acme/gone,acme/shop"}) as connector,
        pytest.raises(NotFoundError, match="acme/gone"),
    ):
        pages.extend(connector.pages(None, None))
    assert sorted(keys(pages)) == numbers(1, 2, 3)


def test_comment_that_waits_is_not_hidden_by_its_tag(cloud: FakeGitHub) -> None:
    """A comment younger than the walk comes with the next, even in the same second."""
    (ticket,) = cloud.populate(1)
    cloud.tick(600)
    with talking(cloud) as connector:
        cursor = read(connector)[-1].cursor
        cloud.now += timedelta(seconds=5)
        cloud.comment(ticket, "meanwhile")
        cloud.now -= timedelta(seconds=5)
        early = read(connector, cursor)
        again = read(connector, early[-1].cursor if early else cursor)
        cloud.now += timedelta(seconds=10)
        late = read(
            connector, (again or early)[-1].cursor if again or early else cursor
        )
    assert "meanwhile" not in texts(early) | texts(again)
    assert "meanwhile" in texts(late)
