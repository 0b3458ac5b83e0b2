"""Mirrors Jira: Cloud by its REST API 3, Server and Data Center by 2."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import urlsplit

from issuetrack.connectors import settling
from issuetrack.connectors.answers import clean_words
from issuetrack.connectors.fields import Record
from issuetrack.connectors.http import Client, Patience
from issuetrack.connectors.jira import jql as jira_jql
from issuetrack.connectors.jira import records as jira
from issuetrack.connectors.jira.jql import LocalTime
from issuetrack.connectors.jira.push import Writer
from issuetrack.connectors.jira.reading import Site
from issuetrack.connectors.jira.refusals import NoIssue, Refusals
from issuetrack.connectors.jira.walking import Cursor, Walk, count
from issuetrack.connectors.mapping import Overrides
from issuetrack.engine.errors import NotFoundError, RemoteAnswerError, UsageError
from issuetrack.engine.store.types import GoneReason
from issuetrack.engine.sync.connector import (
    OVERLAP,
    Access,
    Change,
    Option,
    Page,
    Request,
    SourceSettings,
    Traffic,
    Waiting,
)
from issuetrack.engine.sync.ports import BadRecord, GoneIssue, RemoteIssue

CLOUD = ("atlassian.net", "api.atlassian.com")
BASIC, BEARER = "basic", "bearer"
OPTIONS = (
    Option("jql", "query that limits the issues, such as 'project = OPS'"),
    Option("api-version", "version of the REST API", choices=("2", "3")),
    Option("context-path", "path under which Jira lies, such as /jira"),
    Option("auth", "how the credential is sent", choices=(BASIC, BEARER)),
)
PERMISSIONS = {
    "BROWSE_PROJECTS": "read issues",
    "ADD_COMMENTS": "add comments",
    "TRANSITION_ISSUES": "change the status",
    "EDIT_ISSUES": "change fields",
}
_CONTEXT = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]*-\d+|\d+", re.ASCII)


class JiraTracker:
    """Jira, as a kind of tracker.

    Args:
        patience: how long and how often its conversations try.
    """

    kind = "jira"
    title = "Jira"
    options: tuple[Option, ...] = OPTIONS

    def __init__(self, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()

    def settle(self, settings: SourceSettings) -> SourceSettings:
        """Return settings with their defaults."""
        found = settling.settled(
            settings,
            OPTIONS,
            default_url=None,
            cloud=CLOUD,
            path_hint="for a Jira under /jira add --option context-path=/jira",
        )
        given = dict(found.options)
        given.setdefault("api-version", "3" if is_cloud(found.base_url) else "2")
        given.setdefault("auth", BASIC if found.username else BEARER)
        if "context-path" in given:
            given["context-path"] = _context(given["context-path"])
        jira_jql.scope(given.get("jql", ""))
        if given["auth"] == BASIC and not found.username:
            raise UsageError(
                "basic authentication needs a name",
                "give --username, or use --option auth=bearer",
            )
        return replace(found, options=given)

    def scope(self, settings: SourceSettings) -> str:
        """Return in a few words what the source covers."""
        return settings.options.get("jql") or "all issues that may be seen"

    def connect(
        self, settings: SourceSettings, secret: str | None, waiting: Waiting
    ) -> "JiraConnector":
        """Return a conversation."""
        basic = settings.options["auth"] == BASIC
        refusals = Refusals(is_cloud(settings.base_url), anonymous=not secret)
        client = Client(
            settings.base_url,
            settling.transport_for(settings),
            refusals.explain,
            headers={"Authorization": f"Bearer {secret}"}
            if secret and not basic
            else {},
            auth=(settings.username or "", secret) if secret and basic else None,
            patience=self._patience,
            waiting=waiting,
        )
        site = Site(
            client,
            settings.options.get("context-path", ""),
            settings.options["api-version"],
            Overrides.parse(settings.mapping),
        )
        scope = jira_jql.scope(settings.options.get("jql", ""))
        return JiraConnector(site, scope, anonymous=not secret)


TRACKER = JiraTracker()


def is_cloud(base_url: str) -> bool:
    """Tell whether a base url is Atlassian's own."""
    host = urlsplit(base_url).hostname or ""
    return any(host == end or host.endswith(f".{end}") for end in CLOUD)


def _context(path: str) -> str:
    plain = f"/{path.strip('/')}" if path.strip("/") else ""
    if not _CONTEXT.fullmatch(plain):
        raise UsageError(f"{path!r} is no path", "as in --option context-path=/jira")
    return plain


@dataclass
class JiraConnector:
    """One conversation with a Jira.

    Attributes:
        scope: a query without an order; empty for everything.
        anonymous: no credential is sent.
    """

    site: Site
    scope: str
    anonymous: bool
    _traffic: Traffic = field(default_factory=Traffic)

    @property
    def traffic(self) -> Traffic:
        """Return what the conversation took so far."""
        client = self.site.client
        self._traffic.requests = client.requests
        self._traffic.rate_remaining = client.rate.remaining if client.rate else None
        return self._traffic

    def check(self) -> Access:
        """Ask who we are, what we may do and how much there is."""
        account = None if self.anonymous else _who(self._myself())
        server = _server(self._server_info())
        may, may_not = self._permissions()
        scoped = jira_jql.condition(self.scope, None, bounded=self.site.is_v3)
        issues = count(self.site, scoped)
        rate = self.site.client.rate
        return Access(
            account=account,
            server=server,
            may=may,
            may_not=may_not,
            issues=issues,
            rate_remaining=rate.remaining if rate else None,
            rate_limit=rate.limit if rate else None,
            rate_reset_at=rate.reset_at if rate else None,
        )

    def pages(self, cursor: str | None, since: datetime | None) -> Iterator[Page]:
        """Yield what changed, oldest change first."""
        known = Cursor.read(cursor).updated
        start = since if cursor is None else None
        if known is not None:
            start = known - OVERLAP
        walk = Walk(self.site, self.scope, self._local_time(), start, known or start)
        yield from walk.pages()

    def fetch(self, key: str) -> RemoteIssue | GoneIssue:
        """Return one issue, complete, or where it has gone."""
        names = ",".join(self.site.fields)
        try:
            answer = self.site.get(
                "issue", _checked(key), fields=names, expand="changelog"
            )
        except NoIssue:
            return GoneIssue(key, GoneReason.DELETED)
        record = answer.record()
        now = str(record.get("key") or key)
        if not key.isdigit() and now.upper() != key.upper():
            return GoneIssue(key, GoneReason.MOVED, now)
        found = self.site.issue(record)
        if isinstance(found, BadRecord):
            raise RemoteAnswerError(
                f"Jira's issue {key} cannot be understood: {found.reason}",
                "the other issues are not affected",
            )
        return found

    def requests_for(self, change: Change) -> Sequence[Request]:
        """Return the requests that `push` would send, in their order."""
        _checked(change.key)
        return Writer(self.site).requests(change)

    def pushed(self, change: Change) -> str | None:
        """Return the key of the comment that an earlier `push` left there."""
        _checked(change.key)
        return Writer(self.site).sent(change)

    def push(self, change: Change) -> str | None:
        """Make a change; return the key of the comment it added, if any."""
        _checked(change.key)
        return Writer(self.site).send(change)

    def close(self) -> None:
        """Close the connections."""
        self.site.client.close()

    def _myself(self) -> Record:
        return self.site.get("myself").record()

    def _server_info(self) -> Record:
        return self.site.get("serverInfo").record()

    def _local_time(self) -> LocalTime:
        zones: list[object] = []
        if not self.anonymous:
            zones.append(self._myself().get("timeZone"))
        known = jira_jql.zone(zones)
        if known is not None:
            return known
        info = self._server_info()
        return jira_jql.zone([info.get("serverTimeZone")]) or jira_jql.offset(
            info.get("serverTime")
        )

    def _permissions(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return what may and what may not be done; nothing where Jira is too old."""
        try:
            answer = self.site.get("mypermissions", permissions=",".join(PERMISSIONS))
        except NotFoundError:
            return (), ()
        known = answer.record().get("permissions")
        held = known if isinstance(known, dict) else {}
        may: list[str] = []
        may_not: list[str] = []
        for name, action in PERMISSIONS.items():
            permission = held.get(name)
            if not isinstance(permission, dict):
                continue
            if permission.get("havePermission") is True:
                may.append(action)
            else:
                may_not.append(f"{action}: the permission {name} is missing")
        return tuple(may), tuple(may_not)


def _checked(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise UsageError(f"{key!r} is no key of a Jira issue", "as in OPS-123")
    return key


def _who(account: Record) -> str | None:
    name = jira.person({"account": account}, "account")
    return clean_words(name) if name else None


def _server(info: Record) -> str | None:
    parts = ("Jira", info.get("deploymentType"), info.get("version"))
    return clean_words(" ".join(part for part in parts if isinstance(part, str)))
