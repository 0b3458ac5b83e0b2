"""Walks over what changed in GitHub repositories, and remembers how far it came.

Pages are asked for by the moment of the last issue read, not by their number: an
issue that changes meanwhile moves to the end, and the ones behind it would slip onto
a page that was read already.
"""

import contextlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from issuetrack.connectors import fields, vocabulary
from issuetrack.connectors.answers import Answer, Paging
from issuetrack.connectors.github import records as github
from issuetrack.connectors.http import Client, next_link
from issuetrack.connectors.mapping import Overrides
from issuetrack.engine.store.types import LinkKind
from issuetrack.engine.sync.connector import OVERLAP, Page
from issuetrack.engine.sync.ports import (
    BadRecord,
    Item,
    RemoteComment,
    RemoteEvent,
    RemoteIssue,
    RemoteLink,
    SkippedRecord,
)

PER_PAGE = 100
MOST_AWAITED = 2000
MOST_AT_ONCE = 1000
NOT_MODIFIED = 304
LONGEST_TAG = 200
SHOWN_RECORD = 65536
_PAGE = re.compile(r"[0-9]{1,9}")


@dataclass
class Progress:
    """How far one repository is read; all moments as GitHub writes them.

    Attributes:
        issues: the last change of an issue that was read.
        comments: the last change of a comment that was read.
        events: the newest event that was read.
        tags: by the kind of page, what GitHub calls the content that was read last
            and the moment it was asked for with.
        walk: an unfinished walk back over events: next page and newest event.
        awaited: merged pull requests of issues that were not read yet.
    """

    issues: str | None = None
    comments: str | None = None
    events: int = 0
    tags: dict[str, list[str]] = field(default_factory=dict)
    walk: list[int] | None = None
    awaited: list[list[str]] = field(default_factory=list)


@dataclass
class Position:
    """How far a source is read: each repository, or the search."""

    repositories: dict[str, Progress] = field(default_factory=dict)
    search: str | None = None

    def dump(self) -> str:
        """Return the cursor."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def parse(cls, cursor: str | None) -> "Position":
        """Read a cursor; what cannot be read counts as nothing read."""
        try:
            found = json.loads(cursor or "{}")
            repositories = found.get("repositories", {})
            return cls(
                {name: Progress(**value) for name, value in repositories.items()},
                found.get("search"),
            )
        except (ValueError, TypeError, AttributeError):
            return cls()


def moment(value: datetime) -> str:
    """Return a moment as GitHub writes it."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def before(text: str) -> str:
    """Return the moment a little before another."""
    found = vocabulary.moment(text)
    assert found is not None
    return moment(found - OVERLAP)


def changed_at(record: Any) -> str | None:
    """Return the last change of a record as GitHub writes it; None if it is bad."""
    try:
        found = vocabulary.moment(fields.required(record, "updated_at"))
        assert found is not None
        before(moment(found))
        return moment(found)
    except (ValueError, AttributeError, OverflowError):
        return None


def bad(origin: str, error: Exception, record: Any) -> BadRecord:
    """Return a record that could not be mapped."""
    content = json.dumps(record, default=str)[:SHOWN_RECORD]
    return BadRecord(origin, None, str(error), content)


def origin_of(record: Any, otherwise: str) -> str:
    """Return what to call a record that may be anything."""
    url = record.get("html_url") if isinstance(record, dict) else None
    return url if isinstance(url, str) else otherwise


class RepositoryWalk:
    """Reads what changed in one repository: issues, comments, then events.

    Args:
        client: talks to GitHub.
        path: of the repository in the interface, such as `/repos/acme/shop`.
        name: of the repository.
        overrides: of the source's mapping.
        progress: how far it is read; it is moved on.
    """

    def __init__(
        self,
        client: Client,
        path: str,
        name: str,
        overrides: Overrides,
        progress: Progress,
    ) -> None:
        self._client = client
        self._path = path
        self._name = name
        self._overrides = overrides
        self._progress = progress
        self._first: datetime | None = None

    def pages(self, since: datetime | None) -> Iterator[Page]:
        """Yield pages; their cursors are to be filled in."""
        start = moment(since) if since else None
        yield from self._issues(start)
        yield from self._comments(start)
        yield from self._events(start)

    def _get(self, kind: str, part: str, params: Mapping[str, str]) -> Answer:
        """Ask for a page; a first one that is as it was has the status 304."""
        asked = params.get("since", "")
        known = self._progress.tags.get(kind)
        first = params.get("page", "1") == "1"
        etag = known[0] if first and known and known[1] == asked else None
        answer = self._client.get(f"{self._path}/{part}", params, etag)
        if self._first is None and answer.date is not None:
            self._first = answer.date
        if first and answer.status != NOT_MODIFIED:
            self._progress.tags.pop(kind, None)
        return answer

    def _keep_tag(self, kind: str, answer: Answer, params: Mapping[str, str]) -> None:
        """Remember a first page, which tells next time whether anything changed."""
        tag = answer.headers.get("etag", "")
        if tag.isascii() and tag.isprintable() and 0 < len(tag) <= LONGEST_TAG:
            self._progress.tags[kind] = [tag, params.get("since", "")]

    def _by_change(
        self, kind: str, part: str, known: str | None, since: str | None, state: str
    ) -> Iterator[tuple[Answer, list[Any], str | None]]:
        """Yield pages of what changed, each with the moment of its last change."""
        start = before(known) if known else since
        params = {"sort": "updated", "direction": "asc", "per_page": str(PER_PAGE)}
        if state:
            params["state"] = state
        number = 1
        paging, before_that = Paging(f"{self._name}, {kind}"), set[str]()
        while True:
            asked = {"page": str(number)} if number > 1 else {}
            if start:
                asked["since"] = start
            answer = self._get(kind, part, params | asked)
            if answer.status == NOT_MODIFIED:
                return
            records = answer.records()
            last = _last_change(records)
            more = next_link(answer, self._client) is not None
            is_last = not more and len(records) < PER_PAGE
            if is_last and number == 1:
                self._keep_tag(kind, answer, asked)
            fresh = [r for r in records if not marks([r]) & before_that]
            yield answer, fresh, last
            if is_last:
                return
            if last and (start is None or last > start):
                start, number = last, 1
            else:
                number += 1
            shown = marks(records)
            repeats = shown <= before_that or number > MOST_AT_ONCE
            paging.turn(f"{start} {number}", empty=repeats)
            before_that = shown

    def _issues(self, since: str | None) -> Iterator[Page]:
        total = None
        walk = self._by_change("issues", "issues", self._progress.issues, since, "all")
        for answer, records, last in walk:
            items = [self._issue(record) for record in records]
            items += self._links(records, items)
            items += _titles(records)
            self._progress.issues = _later(self._progress.issues, last)
            total = total or _total(answer)
            yield Page(tuple(items), "", total)
        self._progress.awaited = []

    def _issue(self, record: Any) -> Item:
        try:
            if record.get("pull_request") is not None:
                return SkippedRecord(github.PULL_REQUEST)
            issue = github.issue(record, self._overrides)
        except (ValueError, AttributeError, OverflowError) as error:
            return bad(origin_of(record, self._name), error, record)
        return replace(issue, apart=True)

    def _links(self, records: list[Any], items: list[Item]) -> list[RemoteLink]:
        """Return links from issues to the merged pull requests that closed them.

        A pull request can be read before its issue; it is kept until the issue comes.
        """
        met = {item.key for item in items if isinstance(item, RemoteIssue)}
        found = []
        for record in records:
            with contextlib.suppress(ValueError, AttributeError):
                found += list(github.closed_by(record))
        awaited = [
            RemoteLink(LinkKind.CLOSED_BY, url, key)
            for key, url in self._progress.awaited
        ]
        links = found + [link for link in awaited if link.issue_key in met]
        left = [link for link in awaited + found if link.issue_key not in met]
        self._progress.awaited = [
            [link.issue_key or "", link.target] for link in left[-MOST_AWAITED:]
        ]
        return links

    def _comments(self, since: str | None) -> Iterator[Page]:
        """Yield comments; one that is younger than the walk waits for the next.

        Its issue may be younger too, and was not among those read.
        """
        walk = self._by_change(
            "comments", "issues/comments", self._progress.comments, since, ""
        )
        for _, records, last in walk:
            items: list[Item] = []
            for record in records:
                found = _comment(record, self._name)
                if any(map(self._is_younger, found)):
                    self._progress.tags.pop("comments", None)
                else:
                    items += found
            reached = moment(self._first - OVERLAP) if self._first else None
            reached = _earlier(last, reached)
            self._progress.comments = _later(self._progress.comments, reached)
            yield Page(tuple(items), "")

    def _is_younger(self, item: Item) -> bool:
        if not isinstance(item, RemoteComment) or self._first is None:
            return False
        return item.created_at > self._first

    def _events(self, since: str | None) -> Iterator[Page]:
        """Walk back over the events, the newest first, to where an earlier walk began."""
        number, newest = self._progress.walk or (1, 0)
        paging, lowest = Paging(f"{self._name}, events"), sys.maxsize
        while True:
            params = {"per_page": str(PER_PAGE)}
            if number > 1:
                params["page"] = str(number)
            answer = self._get("events", "issues/events", params)
            if answer.status == NOT_MODIFIED:
                return
            records = answer.records()
            more = next_link(answer, self._client) is not None
            items, ids, oldest = _events_of(records, self._name)
            newest = max([newest, *ids])
            known = min(ids, default=0) <= self._progress.events
            early = since is not None and oldest is not None and oldest < since
            done = known or early or not more
            if number == 1:
                self._keep_tag("events", answer, params)
            self._progress.walk = None if done else [number + 1, newest]
            if done:
                self._progress.events = max(self._progress.events, newest)
            yield Page(tuple(items), "")
            if done:
                return
            number += 1
            low = min(ids, default=lowest)
            paging.turn(str(number), empty=low >= lowest)
            lowest = min(low, lowest)


def _last_change(records: list[Any]) -> str | None:
    return max(filter(None, map(changed_at, records)), default=None)


def marks(records: list[Any]) -> set[str]:
    """Return by what records of a page are known on the next one."""
    known = [r for r in records if isinstance(r, dict)]
    return {f"{r.get('id')} {r.get('updated_at')}" for r in known}


def _later(one: str | None, other: str | None) -> str | None:
    return max(one or "", other or "") or None


def _earlier(one: str | None, other: str | None) -> str | None:
    return min(one, other) if one and other else one


def _total(answer: Answer) -> int | None:
    """Return about how many records the pages hold, where GitHub tells."""
    header = answer.headers.get("link", "").encode()
    links = httpx.Response(200, headers=[(b"link", header)]).links
    query = parse_qs(urlsplit(links.get("last", {}).get("url", "")).query)
    page = query.get("page", [""])[0]
    return int(page) * PER_PAGE if _PAGE.fullmatch(page) else None


def _titles(records: list[Any]) -> list[RemoteEvent]:
    """Return the titles of merged pull requests, for the issues they closed."""
    found: list[RemoteEvent] = []
    for record in records:
        with contextlib.suppress(ValueError, AttributeError):
            found += github.merged(record)
    return found


def _comment(record: Any, name: str) -> list[Item]:
    try:
        if github.is_on_pull_request(record):
            return [SkippedRecord("comment on a pull request")]
        comment = github.comment(record)
        found = github.duplicates(comment.issue_key or "", comment.body)
    except (ValueError, AttributeError, OverflowError) as error:
        return [bad(origin_of(record, name), error, record)]
    return [comment, *found]


def _events_of(
    records: list[Any], name: str
) -> tuple[list[Item], list[int], str | None]:
    """Return the items, the numbers and the oldest moment of a page of events."""
    items: list[Item] = []
    ids, moments = [], []
    for record in records:
        try:
            ids.append(int(fields.required(record, "id")))
            moments.append(fields.required(record, "created_at"))
            issue = fields.mapping(record, "issue")
            if issue and issue.get("pull_request") is None:
                key = github.key_of(fields.required(issue, "url"))
                items += github.event(record, key)
        except (ValueError, AttributeError, OverflowError) as error:
            items.append(bad(origin_of(record, name), error, record))
    return items, ids, min(moments, default=None)
