"""Requests to ServiceNow's Table API, and what its refusals mean."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from issuetrack.connectors.answers import Answer, clean_words
from issuetrack.connectors.fields import Record
from issuetrack.connectors.http import Client
from issuetrack.connectors.servicenow.records import value
from issuetrack.engine.errors import (
    CredentialError,
    IssueTrackError,
    NotFoundError,
    RemoteAnswerError,
    RemoteForbidden,
    UsageError,
)
from issuetrack.engine.sync.connector import Request

TABLES = "/api/now/table"
LIMIT = 100
MOST_PAGES = 1000
UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 401, 403, 404
BASIC, OAUTH = "basic", "oauth"
ROLES = {
    "incident": "itil, or sn_incident_read to read only",
    "problem": "itil, or sn_problem_read to read only",
    "change_request": "itil, or sn_change_read to read only",
    "sc_request": "itil, or sn_request_read to read only",
    "sc_req_item": "itil, or sn_request_read to read only",
    "sc_task": "itil, or sn_request_read to read only",
    "sys_journal_field": "admin, or an own read rule on sys_journal_field",
    "sys_audit": "admin, or an own read rule on sys_audit",
    "sys_attachment": "itil, or read access to the records",
    "sys_user": "itil, or snc_read_only",
}
_TABLE = re.compile(rf"{TABLES}/(?P<table>\w+)")


@dataclass(frozen=True)
class Rows:
    """Some rows of a table.

    Attributes:
        rows: those that may be seen; ServiceNow leaves the others out silently.
        total: how many the query finds, seen or not; None where it is not said.
        bad: what came among them that is no object.
        more: others follow.
    """

    rows: tuple[Record, ...]
    total: int | None
    bad: tuple[Any, ...] = ()
    more: bool = False


@dataclass(frozen=True)
class Rate:
    """What ServiceNow says of its rate limit: seldom what is left of it."""

    limit: int | None
    remaining: int | None
    reset_at: datetime | None


@dataclass
class Api:
    """Reads and changes rows of tables.

    Attributes:
        per_page: how many rows to ask for at once.
        headers: of the last answer.
    """

    client: Client
    per_page: int = LIMIT
    headers: Mapping[str, str] = field(default_factory=dict)

    def page(
        self,
        table: str,
        query: str,
        names: Sequence[str],
        *,
        limit: int | None = None,
        offset: int = 0,
        display: str = "all",
        counted: bool = True,
    ) -> Rows:
        """Return the rows that a query finds, at most so many.

        Without counting it is quick on tables of any size.

        Raises:
            RemoteAnswerError: the answer is not `{"result": [...]}`.
        """
        limit = limit or self.per_page
        params = {
            "sysparm_query": query,
            "sysparm_fields": ",".join(names),
            "sysparm_limit": str(limit),
            "sysparm_display_value": display,
            "sysparm_exclude_reference_link": "true",
        }
        if not counted:
            params["sysparm_no_count"] = "true"
        if offset:
            params["sysparm_offset"] = str(offset)
        answer = self.client.get(f"{TABLES}/{table}", params)
        self.headers = answer.headers
        found = _result(answer)
        if not isinstance(found, list):
            raise answer.unexpected('{"result": [...]}')
        total = self._number("x-total-count")
        more = bool(found) if total is None else offset + limit < total
        rows = tuple(row for row in found if isinstance(row, Mapping))
        bad = tuple(row for row in found if not isinstance(row, Mapping))
        return Rows(rows, total, bad, more)

    def _number(self, name: str) -> int | None:
        said = self.headers.get(name, "")
        return int(said) if said.isascii() and said.isdigit() else None

    def rate(self) -> Rate:
        """Return what the last answer says of the rate limit."""
        reset = self._number("x-ratelimit-reset")
        try:
            until = None if reset is None else datetime.fromtimestamp(reset, UTC)
        except (ValueError, OverflowError, OSError):
            until = None
        return Rate(
            self._number("x-ratelimit-limit"),
            self._number("x-ratelimit-remaining"),
            until,
        )

    def all(self, table: str, conditions: str, names: Sequence[str]) -> Iterator[Rows]:
        """Yield all rows that a query finds, by their raw values, in its order.

        Raises:
            RemoteAnswerError: they do not end.
        """
        for number in range(MOST_PAGES):
            offset = number * self.per_page
            found = self.page(table, conditions, names, offset=offset, display="false")
            yield found
            if not found.more:
                return
        raise RemoteAnswerError(
            f"{table} repeats its pages without an end",
            "nothing that was read is lost; ask the tracker's admin",
        )

    def count(self, table: str, query: str) -> Rows:
        """Return how many rows a query finds, and one of them."""
        return self.page(table, query, ("sys_id",), limit=1, display="false")

    def change(self, request: Request) -> Record:
        """Change a row; return it as it is then.

        Raises:
            RemoteAnswerError: the answer is not `{"result": {...}}`.
        """
        answer = self.client.send(request.method, request.url, request.content)
        found = _result(answer)
        if not isinstance(found, Mapping):
            raise answer.unexpected('{"result": {...}}')
        return found


def changing(table: str, sys_id: str) -> str:
    """Return the path and query for changing a row."""
    return f"{TABLES}/{table}/{sys_id}?sysparm_exclude_reference_link=true"


def by_owner(rows: Iterable[Record], name: str) -> dict[str, list[Record]]:
    """Return rows by the sys_id of what they belong to."""
    found: dict[str, list[Record]] = {}
    for row in rows:
        found.setdefault(value(row, name) or "", []).append(row)
    return found


def refuse_hibernation(body: bytes, url: str) -> None:
    """Refuse the page that stands for a developer instance nobody has used lately.

    Raises:
        RemoteAnswerError: it is that page.
    """
    if body.lstrip()[:1] == b"<" and b"hibernat" in body.lower():
        raise RemoteAnswerError(
            f"{urlsplit(url).netloc} is a developer instance that hibernates",
            "wake it at https://developer.servicenow.com, then try again",
        )


def _result(answer: Answer) -> Any:
    refuse_hibernation(answer.body, answer.url)
    content = answer.record()
    if "result" not in content:
        raise answer.unexpected('{"result": ...}')
    return content["result"]


def said_in(answer: Answer) -> str:
    """Return the words of `{"error": {"message", "detail"}}`; empty without any."""
    try:
        error = answer.record().get("error")
    except RemoteAnswerError:
        return ""
    if isinstance(error, Mapping):
        words = (error.get("message"), error.get("detail"))
        error = ": ".join(word for word in words if word and isinstance(word, str))
    return clean_words(error) if isinstance(error, str) else ""


@dataclass(frozen=True)
class Explainer:
    """Makes an error of a refusal.

    Attributes:
        auth: how we say who we are.
    """

    auth: str

    def __call__(self, answer: Answer) -> IssueTrackError:
        """Return the error that an answer of 400 and above stands for."""
        host, path = urlsplit(answer.url).netloc, urlsplit(answer.url).path
        said = said_in(answer)
        words = f": {said}" if said else ""
        match = _TABLE.match(path)
        table = match["table"] if match else path
        if answer.status == UNAUTHORIZED:
            return self._unauthorized(host, words)
        if answer.status == FORBIDDEN:
            return RemoteForbidden(
                f"{host} does not let the account use {table}{words}",
                f"role needed: {ROLES.get(table, 'one that may use it')}",
            )
        if answer.status == NOT_FOUND:
            return NotFoundError(
                f"{host} has no such record of {table}{words}", "check the number"
            )
        if "invalid table" in said.lower():
            return UsageError(
                f"{host} has no table {table}", "the account may also lack its role"
            )
        return RemoteAnswerError(
            f"{host} refuses a request for {table} with status {answer.status}{words}",
            "check the query of the source",
        )

    def _unauthorized(self, host: str, words: str) -> CredentialError:
        if self.auth == OAUTH:
            return CredentialError(
                f"{host} does not take the token it gave out{words}",
                "set the OAuth application user of the client, who must be active",
            )
        return CredentialError(
            f"{host} does not take the user name and password{words}",
            "check both; the user may be locked out, may have to sign in in another "
            "way, or may not use web services",
        )
