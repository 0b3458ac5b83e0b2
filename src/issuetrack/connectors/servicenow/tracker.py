"""ServiceNow as a tracker: its options, and conversations with an instance."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx

from issuetrack.connectors.answers import clean_words
from issuetrack.connectors.fields import Record
from issuetrack.connectors.http import Client
from issuetrack.connectors.mapping import Overrides
from issuetrack.connectors.scopes import pages_of_all
from issuetrack.connectors.servicenow import records as servicenow
from issuetrack.connectors.servicenow.access import Inspector
from issuetrack.connectors.servicenow.api import (
    BASIC,
    LIMIT,
    OAUTH,
    Api,
    Explainer,
    Rows,
)
from issuetrack.connectors.servicenow.details import Details, bad_record
from issuetrack.connectors.servicenow.oauth import BearerTransport
from issuetrack.connectors.servicenow.push import Writer, mark_line
from issuetrack.connectors.servicenow.query import Position
from issuetrack.connectors.servicenow.walk import Walk
from issuetrack.connectors.settling import settled, transport_for
from issuetrack.engine.errors import (
    CredentialError,
    NotFoundError,
    RemoteAnswerError,
    UsageError,
)
from issuetrack.engine.store.types import GoneReason
from issuetrack.engine.sync.connector import (
    Access,
    Change,
    Option,
    Page,
    Request,
    SourceSettings,
    Traffic,
    Waiting,
)
from issuetrack.engine.sync.ports import BadRecord, GoneIssue, Item, RemoteIssue

OPTIONS: tuple[Option, ...] = (
    Option("table", "tables with commas between them", default="incident"),
    Option("query", "encoded query, such as active=true^priority<=2"),
    Option(
        "auth",
        "name and password, or client id and secret",
        False,
        BASIC,
        (BASIC, OAUTH),
    ),
    Option(
        "close-code",
        "close code for resolving incidents",
        default="Solved (Permanently)",
    ),
)
CLOUD = ("service-now.com", "servicenowservices.com")
_NUMBER = re.compile(r"[A-Za-z0-9_.-]+")


class ServiceNow:
    """The kind of tracker.

    Args:
        per_page: how many records to ask for at once.
    """

    kind = "servicenow"
    title = "ServiceNow"
    options = OPTIONS

    def __init__(self, per_page: int = LIMIT) -> None:
        self._per_page = per_page

    def settle(self, settings: SourceSettings) -> SourceSettings:
        """Return settings with their defaults.

        Raises:
            UsageError: something is missing or makes no sense; says what to write.
        """
        found = settled(
            settings,
            self.options,
            default_url=None,
            cloud=CLOUD,
            path_hint="choose what to read with --table and --query",
        )
        tables = _tables(found)
        unknown = [table for table in tables if table not in servicenow.TYPES]
        if unknown or not tables:
            raise UsageError(
                f"--table cannot be {', '.join(unknown) or 'empty'}",
                f"use some of: {', '.join(servicenow.TYPES)}",
            )
        if not found.username:
            raise UsageError(
                "--username is needed",
                "the user's name, or with --auth oauth the client id",
            )
        return replace(found, options={**found.options, "table": ",".join(tables)})

    def scope(self, settings: SourceSettings) -> str:
        """Return in a few words what the source covers."""
        tables = " and ".join(_tables(settings))
        query = settings.options.get("query")
        return f"{tables} where {query}" if query else f"all of {tables}"

    def connect(
        self, settings: SourceSettings, secret: str | None, waiting: Waiting
    ) -> "Conversation":
        """Return a conversation; nothing is sent yet.

        Raises:
            CredentialError: there is no secret.
        """
        if not secret or not settings.username:
            raise CredentialError(
                f"the source {settings.name} has no password or client secret",
                f"issuetrack source edit {settings.name} --username NAME --token-stdin",
            )
        transport = transport_for(settings)
        return Conversation(settings, secret, waiting, transport, self._per_page)


def _tables(settings: SourceSettings) -> list[str]:
    parts = settings.options.get("table", "incident").replace(",", " ").split()
    return list(dict.fromkeys(parts))


class Conversation:
    """A conversation with an instance.

    Args:
        settings: as they were settled.
        secret: the password, or the client secret.
        waiting: told of waits.
        transport: what does the talking.
        per_page: how many records to ask for at once.
    """

    def __init__(
        self,
        settings: SourceSettings,
        secret: str,
        waiting: Waiting,
        transport: httpx.BaseTransport,
        per_page: int,
    ) -> None:
        username = settings.username or ""
        oauth = settings.options.get("auth") == OAUTH
        self._bearer = (
            BearerTransport(settings.base_url, username, secret, transport)
            if oauth
            else None
        )
        self._client = Client(
            settings.base_url,
            self._bearer or transport,
            Explainer(OAUTH if oauth else BASIC),
            auth=None if oauth else (username, secret),
            waiting=waiting,
        )
        self._settings = settings
        self._tables = _tables(settings)
        self._traffic = Traffic()
        self._api = Api(self._client, per_page)
        overrides = Overrides.parse(settings.mapping)
        self._names = (*servicenow.READ, *servicenow.places(overrides))
        self._details = Details(self._api, self._traffic, overrides, settings.base_url)
        close_code = settings.options.get("close-code", "")
        self._writer = Writer(self._api, settings.base_url, close_code)

    @property
    def traffic(self) -> Traffic:
        """Return what the conversation took so far."""
        tokens = self._bearer.requests if self._bearer else 0
        self._traffic.requests = self._client.requests + tokens
        if self._client.rate:
            self._traffic.rate_remaining = self._client.rate.remaining
        return self._traffic

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def check(self) -> Access:
        """Ask who we are, what we may do and how much there is.

        Raises:
            UsageError: the query names fields that do not exist.
        """
        return Inspector(self._api, self._settings, self._tables).access()

    def pages(self, cursor: str | None, since: datetime | None) -> Iterator[Page]:
        """Yield what changed, oldest change first within each table.

        Raises:
            UsageError: the cursor is not one of ours.
        """
        starts = _starts(cursor, since, self._tables)
        query = self._settings.options.get("query", "")
        walk = Walk(self._api, query, self._names, self._traffic)
        places = dict(starts)

        def read(table: str) -> Iterator[Page]:
            before = 0
            for batch in walk.batches(table, starts[table]):
                total = _total(batch.found, before, alone=len(self._tables) == 1)
                before += len(batch.found.rows)
                places[table] = _kept(batch.position, starts[table])
                items = self._items(
                    table, batch.found, since if cursor is None else None
                )
                yield Page(items, _cursor(places), total)

        yield from pages_of_all(self._tables, read)

    def _items(
        self, table: str, found: Rows, since: datetime | None
    ) -> tuple[Item, ...]:
        rows = [row for row in found.rows if not _is_older(row, since)]
        issues = self._details.issues(table, rows) if rows else []
        bad = [bad_record(table, row, "it is not an object") for row in found.bad]
        return (*issues, *bad)

    def fetch(self, key: str) -> RemoteIssue | GoneIssue:
        """Return one issue, complete, or where it has gone.

        Raises:
            RemoteAnswerError: the record cannot be understood.
        """
        found = self._found(key)
        if found is None:
            return GoneIssue(key, GoneReason.DELETED)
        item = self._details.issues(found[0], [found[1]])[0]
        if isinstance(item, BadRecord):
            raise RemoteAnswerError(
                f"{key} cannot be understood: {clean_words(item.reason)}",
                "look at the record in ServiceNow",
            )
        return item

    def _found(self, key: str) -> tuple[str, Record] | None:
        """Return the record of a number and its table."""
        if not _NUMBER.fullmatch(key):
            return None
        for table in self._tables:
            rows = self._api.page(table, f"number={key}", self._names, limit=1).rows
            if rows and servicenow.value(rows[0], "number") == key:
                return servicenow.value(rows[0], "sys_class_name") or table, rows[0]
        return None

    def _needed(self, change: Change) -> tuple[str, Record]:
        found = self._found(change.key)
        if found is None:
            raise NotFoundError(
                f"ServiceNow shows no record {change.key}",
                "it was deleted, or the account may not see it",
            )
        return found

    def requests_for(self, change: Change) -> Sequence[Request]:
        """Return the requests that `push` would send, in their order.

        Raises:
            UsageError: ServiceNow cannot do that.
        """
        return self._writer.requests(change, *self._needed(change))

    def pushed(self, change: Change) -> str | None:
        """Return the key of what an earlier `push` of the change left there."""
        mark = mark_line(change.mark)
        comments = self._details.comments(self._needed(change)[1])
        return next((x.key for x in comments if mark in x.body), None)

    def push(self, change: Change) -> str | None:
        """Make a change; return the key of the comment it added, if any.

        Raises:
            UsageError: ServiceNow cannot do that.
            RemoteForbidden: it did not do all of it.
        """
        self._writer.send(change, *self._needed(change))
        return self.pushed(change) if change.comment is not None else None


def _is_older(row: Record, since: datetime | None) -> bool:
    if since is None:
        return False
    try:
        return servicenow.updated(row) < since
    except ValueError:
        return False


def _total(found: Rows, before: int, *, alone: bool) -> int | None:
    return before + found.total if alone and found.total is not None else None


def _kept(position: Position | None, start: Position | None) -> Position | None:
    """Return the position to begin with next time; never one that was only overlap."""
    return position if position is not None and position.id else start


def _starts(
    cursor: str | None, since: datetime | None, tables: Sequence[str]
) -> dict[str, Position | None]:
    begin = Position(since.astimezone(UTC)) if since and cursor is None else None
    if cursor is None:
        return dict.fromkeys(tables, begin)
    try:
        kept = json.loads(cursor)
        return {table: _position(kept.get(table)) for table in tables}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            "the cursor of the source cannot be understood",
            "read everything again with: issuetrack sync NAME --full",
        ) from error


def _position(kept: Sequence[str | int] | None) -> Position | None:
    if kept is None:
        return None
    at, key, minutes = kept
    moment = datetime.fromisoformat(str(at)).astimezone(UTC)
    return Position(moment, str(key), timedelta(minutes=int(minutes)))


def _cursor(places: Mapping[str, Position | None]) -> str:
    kept = {
        table: [
            place.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            place.id,
            int(place.shift / timedelta(minutes=1)),
        ]
        for table, place in places.items()
        if place is not None
    }
    return json.dumps(kept, separators=(",", ":"))


TRACKER = ServiceNow()
