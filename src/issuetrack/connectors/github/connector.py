"""One conversation with GitHub.

https://docs.github.com/en/rest
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from issuetrack.connectors import fields
from issuetrack.connectors.answers import Paging, clean_words
from issuetrack.connectors.fields import Record
from issuetrack.connectors.github import records as github
from issuetrack.connectors.github.history import with_history
from issuetrack.connectors.github.walk import (
    PER_PAGE,
    Position,
    Progress,
    RepositoryWalk,
    bad,
    before,
    changed_at,
    moment,
    origin_of,
)
from issuetrack.connectors.github.writing import MARK, requests_for
from issuetrack.connectors.http import Client, next_link
from issuetrack.connectors.mapping import Overrides
from issuetrack.connectors.scopes import pages_of_all
from issuetrack.engine.errors import (
    NotFoundError,
    RemoteAnswerError,
    UsageError,
)
from issuetrack.engine.store.types import GoneReason
from issuetrack.engine.sync.connector import (
    Access,
    Change,
    Page,
    Request,
    SourceSettings,
    Traffic,
)
from issuetrack.engine.sync.ports import (
    GoneIssue,
    Item,
    RemoteIssue,
    SkippedRecord,
)

REPO, ORG, QUERY, API_PATH = "repo", "org", "query", "api-path"
MOST_FOUND = 1000
MOST_TRIED = 10
_KEY = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)#(?P<number>\d+)")


class GitHubConnector:
    """One conversation with GitHub."""

    def __init__(
        self, settings: SourceSettings, client: Client, *, has_token: bool
    ) -> None:
        self._options = settings.options
        self._overrides = Overrides.parse(settings.mapping)
        self._client = client
        self._has_token = has_token
        self._notices: list[str] = []

    @property
    def traffic(self) -> Traffic:
        """Return what the conversation took so far."""
        rate = self._client.rate
        remaining = rate.remaining if rate else None
        return Traffic(self._client.requests, remaining, self._notices)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _path(self, path: str) -> str:
        return self._options[API_PATH].rstrip("/") + path

    def _repo(self, name: str, path: str = "") -> str:
        return self._path(f"/repos/{quote(name)}{path}")

    def _all(self, path: str, what: str) -> Iterator[Any]:
        """Yield the records of every page of a list."""
        url: str | None = self._path(path)
        paging = Paging(what)
        while url:
            answer = self._client.get(url)
            records = answer.records()
            yield from records
            url = next_link(answer, self._client)
            if url:
                paging.turn(url, empty=not records, content=answer.body)

    def pages(self, cursor: str | None, since: datetime | None) -> Iterator[Page]:
        """Yield what changed, oldest change first within each repository."""
        position = Position.parse(cursor)
        if QUERY in self._options:
            yield from self._found(position, since)
            return

        def read(name: str) -> Iterator[Page]:
            progress = position.repositories.setdefault(name, Progress())
            walk = RepositoryWalk(
                self._client, self._repo(name), name, self._overrides, progress
            )
            for page in walk.pages(since):
                yield replace(page, cursor=position.dump())

        yield from pages_of_all(self._names(), read)

    def _names(self) -> list[str]:
        if REPO in self._options:
            return self._options[REPO].split(",")
        org = self._options[ORG]
        path = f"/orgs/{quote(org, safe='')}/repos?per_page={PER_PAGE}&sort=full_name"
        with _understood(f"the list of repositories of {org}"):
            names = [
                fields.required(record, "full_name")
                for record in self._all(path, f"the repositories of {org}")
                if isinstance(record, dict) and record.get("has_issues") is not False
            ]
        return sorted(names)

    def _found(self, position: Position, since: datetime | None) -> Iterator[Page]:
        """Yield what a search finds, each issue with its history.

        A search gives 1,000 results at most. The next page is asked for by the moment
        of the last change, so that no more than a page of a search is ever needed.
        """
        start = position.search
        start = before(start) if start else moment(since) if since else None
        number, paging = 1, Paging("the search")
        total = None
        while True:
            record = self._search(start, number)
            with _understood("the answer to the search"):
                records = _listed(record, "items")
            total = total or _count(record)
            items = [item for one in records for item in self._whole(one)]
            last = max(filter(None, map(changed_at, records)), default=None)
            position.search = max(position.search or "", last or "") or None
            yield Page(tuple(items), position.dump(), total)
            if len(records) < PER_PAGE:
                return
            if last and (start is None or last > start):
                start, number = last, 1
            else:
                number += 1
                if number * PER_PAGE > MOST_FOUND:
                    raise RemoteAnswerError(
                        f"more than {MOST_FOUND} issues changed at {last}, and GitHub "
                        "does not give the others",
                        "narrow --query, or use --repo: it has no such limit",
                    )
            paging.turn(f"{start} {number}", empty=not records)

    def _search(self, start: str | None, number: int, most: int = PER_PAGE) -> Record:
        query = self._options[QUERY]
        if "is:issue" not in query and "type:issue" not in query:
            query += " is:issue"
        if start:
            query += f" updated:>={start}"
        params = {
            "q": query,
            "sort": "updated",
            "order": "asc",
            "per_page": str(most),
            "page": str(number),
        }
        for _ in range(3):
            record = self._client.get(self._path("/search/issues"), params).record()
            if record.get("incomplete_results") is not True:
                return record
        raise RemoteAnswerError(
            "GitHub did not finish the search in time", "narrow --query"
        )

    def _whole(self, record: Any) -> list[Item]:
        try:
            if record.get("pull_request") is not None:
                return [SkippedRecord(github.PULL_REQUEST)]
            issue = github.issue(record, self._overrides)
        except (ValueError, AttributeError, OverflowError) as error:
            return [bad(origin_of(record, "the search"), error, record)]
        try:
            return self._with_history(issue)
        except NotFoundError:
            return [GoneIssue(issue.key, GoneReason.DELETED)]

    def _with_history(self, issue: RemoteIssue) -> list[Item]:
        repository, _, number = issue.key.partition("#")
        path = (
            f"/repos/{quote(repository)}/issues/{number}/timeline?per_page={PER_PAGE}"
        )
        return with_history(issue, self._all(path, f"the history of {issue.key}"))

    def fetch(self, key: str) -> RemoteIssue | GoneIssue:
        """Return one issue, complete, or where it has gone.

        Raises:
            UsageError: the key is not one of GitHub.
            NotFoundError: its repository is not there either.
        """
        repository, number = _split(key)
        try:
            path = self._repo(repository, f"/issues/{number}")
            record = self._client.get(path).record()
        except NotFoundError:
            self._client.get(self._repo(repository))
            return GoneIssue(key, GoneReason.DELETED)
        if record.get("pull_request") is not None:
            raise UsageError(f"{key} is a pull request", "name an issue")
        try:
            issue = github.issue(record, self._overrides)
        except (ValueError, OverflowError) as error:
            raise RemoteAnswerError(
                f"{key} cannot be understood: {error}", "report it with: source test"
            ) from error
        if issue.key.lower() != key.lower():
            return GoneIssue(key, GoneReason.MOVED, issue.key)
        whole = self._with_history(issue)[0]
        assert isinstance(whole, RemoteIssue)
        return whole

    def check(self) -> Access:
        """Ask who we are, what we may do and how much there is."""
        with _understood(f"what {self._client.base_url} says of itself"):
            return self._checked()

    def _checked(self) -> Access:
        account, scopes = self._account()
        rate = self._client.rate
        may, may_not = ["read issues"], []
        issues: int | None
        if QUERY in self._options:
            issues = _count(self._search(None, 1, 1))
        else:
            names = self._names()
            shown = [self._shown(name) for name in names[:MOST_TRIED]]
            rate = self._client.rate
            in_reach = ORG in self._options or len(names) == len(shown)
            issues = self._in_all(shown) if in_reach else None
            if shown and all(map(_may_write, shown)):
                may.append("comment and close issues")
            else:
                may_not.append(
                    "comment and close issues: takes write access to issues "
                    "(classic token: scope repo or public_repo)"
                )
        if not self._has_token:
            may_not.append("send more than 60 requests an hour: takes a token")
        rate = rate or self._client.rate
        return Access(
            account=account,
            server=f"GitHub at {self._client.base_url}" + scopes,
            may=tuple(may),
            may_not=tuple(may_not),
            issues=issues,
            rate_remaining=rate.remaining if rate else None,
            rate_limit=rate.limit if rate else None,
            rate_reset_at=rate.reset_at if rate else None,
        )

    def _account(self) -> tuple[str | None, str]:
        if not self._has_token:
            return None, ""
        answer = self._client.get(self._path("/user"))
        scopes = answer.headers.get("x-oauth-scopes", "")
        shown = f", scopes {scopes}" if scopes else ""
        return fields.text(answer.record(), "login"), shown

    def _shown(self, name: str) -> Record:
        record = self._client.get(self._repo(name)).record()
        if record.get("has_issues") is False:
            raise UsageError(f"{name} has its issues switched off", "leave it away")
        return record

    def _in_all(self, shown: Sequence[Record]) -> int | None:
        if ORG in self._options:
            return self._held(f"org:{self._options[ORG]}")
        names = [fields.required(one, "full_name") for one in shown]
        return sum(self._held(f"repo:{name}") for name in names)

    def _held(self, scope: str) -> int:
        params = {"q": f"{scope} is:issue", "per_page": "1"}
        answer = self._client.get(self._path("/search/issues"), params)
        return _count(answer.record()) or 0

    def requests_for(self, change: Change) -> Sequence[Request]:
        """Return the requests that `push` would send, in their order."""
        repository, number = _split(change.key)
        path = self._repo(repository, f"/issues/{number}")
        return requests_for(change, self._client.at_origin(path))

    def push(self, change: Change) -> str | None:
        """Make a change; return the key of the comment it added, if any."""
        key = None
        for request in self.requests_for(change):
            answer = self._client.send(request.method, request.url, request.content)
            if request.method == "POST":
                with _understood("the answer to the new comment"):
                    key = fields.required(answer.record(), "id")
        return key

    def pushed(self, change: Change) -> str | None:
        """Return the key of the comment that an earlier `push` left there."""
        repository, number = _split(change.key)
        path = (
            f"/repos/{quote(repository)}/issues/{number}/comments?per_page={PER_PAGE}"
        )
        mark = MARK.format(change.mark)
        for record in self._all(path, f"the comments of {change.key}"):
            if isinstance(record, dict) and mark in str(record.get("body")):
                with _understood(f"a comment of {change.key}"):
                    return fields.required(record, "id")
        return None


@contextmanager
def _understood(what: str) -> Iterator[None]:
    """Turn a field that is missing or wrong into the tracker's fault."""
    try:
        yield
    except ValueError as error:
        raise RemoteAnswerError(
            f"{what} cannot be understood: {error}",
            "check the base url and the kind of the source",
        ) from error


def _split(key: str) -> tuple[str, str]:
    match = _KEY.fullmatch(key)
    if match is None:
        raise UsageError(f"{clean_words(key)} is no issue of GitHub", "as acme/shop#17")
    return match["repository"], match["number"]


def _may_write(shown: Record) -> bool:
    may = fields.mapping(shown, "permissions")
    return bool(may.get("triage") or may.get("push") or may.get("admin"))


def _listed(record: Record, name: str) -> Sequence[Any]:
    """Return a list that must be there.

    Raises:
        ValueError: it is missing or something else.
    """
    if record.get(name) is None:
        raise ValueError(f"{name} is missing")
    return fields.items(record, name)


def _count(record: Record) -> int | None:
    count = record.get("total_count")
    return count if isinstance(count, int) else None
