"""Walks over what changed in Jira, oldest change first, without passing over any.

Cloud hands out a token for each next page. Elsewhere pages are numbered, and an issue
that is updated while they are read moves to the end and shifts those behind it: so
each page starts at the minute of the last issue read, and numbers count only within
that. An issue that was updated after the walk began does not move the position: the
search may still have had it at its earlier place.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from issuetrack.connectors.answers import Paging
from issuetrack.connectors.fields import Record
from issuetrack.connectors.jira import jql as jira_jql
from issuetrack.connectors.jira.jql import LocalTime, moment_of
from issuetrack.connectors.jira.reading import PAGE, Site, is_end
from issuetrack.engine.errors import RemoteAnswerError, UsageError
from issuetrack.engine.sync.connector import OVERLAP, Page

SEARCH = "Jira's search"
Mark = tuple[str, datetime | None]


@dataclass(frozen=True)
class Cursor:
    """How far was read: all issues that were last updated up to then."""

    updated: datetime | None = None

    @classmethod
    def read(cls, text: str | None) -> "Cursor":
        """Read a cursor as `text` wrote it.

        Raises:
            UsageError: it is none of ours.
        """
        try:
            content = json.loads(text) if text else {}
            return cls(moment_of(content.get("updated")))
        except (ValueError, AttributeError) as error:
            raise UsageError(
                "the position kept for this source is not one of Jira's",
                "read everything again: issuetrack sync NAME --full",
            ) from error

    @property
    def text(self) -> str:
        """Return the cursor as one line."""
        updated = self.updated.isoformat() if self.updated else None
        return json.dumps({"updated": updated}, separators=(",", ":"))


@dataclass(frozen=True)
class _Window:
    """The issues from a minute on, and how many of them were read.

    Attributes:
        restarts: how often pages were counted from the start again.
    """

    bound: str | None
    offset: int = 0
    restarts: int = 0


@dataclass
class Walk:
    """One walk over the issues of a scope.

    Attributes:
        scope: a query without an order.
        start: the earliest update to be told of; None for all issues.
        position: how far was read.
        limit: later updates do not move the position; None if it is not known.
    """

    site: Site
    scope: str
    local: LocalTime
    start: datetime | None
    position: datetime | None
    limit: datetime | None = None
    seen: set[Mark] = field(default_factory=set)

    def pages(self) -> Iterator[Page]:
        """Yield the pages."""
        walked = self._by_token() if self.site.is_v3 else self._by_minute()
        for records, total in walked:
            items = tuple(self.site.issue(record) for record in records)
            yield Page(items, Cursor(self.position).text, total)

    def _by_token(self) -> Iterator[tuple[list[Any], int | None]]:
        paging, token, first = Paging(SEARCH), "", True
        query = self._query(self._bound(self.start))
        while True:
            content: dict[str, Any] = {
                "jql": query,
                "maxResults": PAGE,
                "fields": self.site.fields,
                "expand": "changelog",
            }
            if token:
                content["nextPageToken"] = token
            page, found = self._searched(content, "search", "jql")
            token = str(page.get("nextPageToken") or "")
            last = page.get("isLast") is True or not token
            total = self._total(last, len(found)) if first else None
            self._advance(found)
            yield found, total
            if last:
                return
            paging.turn(token, empty=not found)
            first = False

    def _total(self, last: bool, held: int) -> int | None:
        if last:
            return held
        scope = jira_jql.condition(
            self.scope, self._bound(self.start), bounded=self.site.is_v3
        )
        try:
            return count(self.site, scope)
        except RemoteAnswerError:
            return None

    def _by_minute(self) -> Iterator[tuple[list[Any], int | None]]:
        paging, window, first = Paging(SEARCH), _Window(self._bound(self.start)), True
        while True:
            page, found = self._searched(
                {
                    "jql": self._query(window.bound),
                    "startAt": window.offset,
                    "maxResults": PAGE,
                    "fields": self.site.fields,
                    "expand": ["changelog"],
                },
                "search",
            )
            marks = [_mark(record) for record in found]
            shifted = bool(window.offset and marks) and marks[0] not in self.seen
            fresh = [r for r, m in zip(found, marks, strict=True) if m not in self.seen]
            self.seen.update(marks)
            self._advance(found)
            total = page.get("total")
            yield fresh, total if first and isinstance(total, int) else None
            if not shifted and is_end(page, window.offset + len(found), found):
                return
            first, window = False, self._next(window, len(found), shifted=shifted)
            place = min(window.offset, len(self.seen))
            token = f"{window.bound} {place} {window.restarts}"
            paging.turn(token, empty=not found)

    def _next(self, window: "_Window", read: int, *, shifted: bool) -> "_Window":
        bound = self._bound(self.position) or window.bound
        if bound == window.bound and not shifted:
            return replace(window, offset=window.offset + max(read - 1, 1))
        self._forget()
        return _Window(bound, 0, window.restarts + 1)

    def _searched(self, content: Record, *path: str) -> tuple[Record, list[Any]]:
        answer = self.site.client.read("POST", self.site.path(*path), content)
        page = answer.record()
        found = page.get("issues")
        if not isinstance(found, list):
            raise answer.unexpected("a list of issues")
        if self.limit is None and answer.date is not None:
            self.limit = answer.date - OVERLAP
        return page, found

    def _advance(self, records: list[Any]) -> None:
        for record in records:
            updated = _mark(record)[1]
            if updated is None or (self.limit is not None and updated > self.limit):
                continue
            if self.position is None or updated > self.position:
                self.position = updated

    def _forget(self) -> None:
        """Forget the issues that lie before anything that is still to come."""
        if self.position is not None:
            earliest = self.position - self.local.slack - timedelta(hours=3)
            self.seen = {mark for mark in self.seen if mark[1] and mark[1] > earliest}

    def _bound(self, moment: datetime | None) -> str | None:
        return None if moment is None else self.local.minute(moment)

    def _query(self, bound: str | None) -> str:
        return jira_jql.query(self.scope, bound, bounded=self.site.is_v3)


def count(site: Site, scope: str) -> int:
    """Return how many issues a query without an order finds.

    Raises:
        RemoteAnswerError: Jira does not tell.
    """
    name = "total"
    path: tuple[str, ...] = ("search",)
    content: dict[str, Any] = {"jql": scope}
    if site.is_v3:
        path, name = ("search", "approximate-count"), "count"
    else:
        content |= {"maxResults": 0, "fields": ["id"]}
    answer = site.client.read("POST", site.path(*path), content)
    found = answer.record().get(name)
    if not isinstance(found, int):
        raise answer.unexpected("a number of issues")
    return found


def _mark(record: Any) -> Mark:
    """Return an issue and its version, as far as they can be read."""
    if not isinstance(record, dict):
        return "", None
    content = record.get("fields")
    updated = content.get("updated") if isinstance(content, dict) else None
    return str(record.get("id") or record.get("key")), moment_of(updated)
