"""A Jira on loopback that keeps issues: version 2 as of Server, 3 as of Cloud."""

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from connectors.jira_tickets import (
    START,
    STATUSES,
    Ticket,
    moment,
    place,
    rich,
    stamp,
    status,
)
from issuetrack.connectors.http import Patience
from issuetrack.connectors.jira.tracker import JiraConnector, JiraTracker
from issuetrack.engine.sync.connector import Page, SourceSettings
from issuetrack.engine.sync.ports import RemoteIssue
from issuetrack.testing.server import LoopbackServer, Received, Reply, serving

QUICK = Patience(attempts=3, first=0.01, longest=0.05, answer=10.0)
EMPTY = ("Issue Does Not Exist",)


@dataclass
class FakeJira:
    """Answers as Jira does.

    Attributes:
        zone: of the profile, by which the query is read.
        fold: which of two equal local times a query means.
        most: the most issues on a page.
        tells_totals: a search says how many comments and changes there are.
        may: the permissions of the account.
        secret: the value of the Authorization header; None lets everybody in.
        before_search: called before a search, one each.
        moved: new keys by old ones.
    """

    version: str = "2"
    context: str = ""
    zone: str = "Europe/Berlin"
    fold: int = 0
    most: int = 100
    told_zone: str | None = "Europe/Berlin"
    secret: str | None = None
    anonymous_zone: str | None = None
    service: bool = False
    tells_totals: bool = True
    may: set[str] = field(
        default_factory=lambda: {"BROWSE_PROJECTS", "ADD_COMMENTS", "TRANSITION_ISSUES"}
    )
    tickets: dict[int, Ticket] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    before_search: list[Callable[[], None]] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    server: LoopbackServer = field(init=False)

    @property
    def is_v3(self) -> bool:
        return self.version == "3"

    def add(self, *moments: datetime, **changes: Any) -> list[Ticket]:
        """Add an issue for each moment of its update."""
        made = []
        for updated in moments:
            number = max(self.tickets, default=0) + 1
            ticket = Ticket(number, updated, **changes)
            self.tickets[number] = ticket
            made.append(ticket)
        return made

    def touch(self, number: int, **changes: Any) -> None:
        """Update an issue now."""
        self.tickets[number] = replace(
            self.tickets[number], updated=datetime.now(UTC), **changes
        )

    def respond(self, request: Received) -> Reply:
        """Answer one request."""
        if self.secret is not None:
            given = request.headers.get("authorization")
            if given != self.secret:
                return refused(401, "Client must be authenticated")
        root = f"{self.context}/rest/api/{self.version}/"
        if not request.path.startswith(root):
            return Reply(status=404, raw=b"<html>Not found</html>")
        parts = request.path.removeprefix(root).split("/")
        method = getattr(self, f"_{parts[0].lower()}", None)
        return method(request, parts[1:]) if method else refused(404, "no such thing")

    def _myself(self, request: Received, _: list[str]) -> Reply:
        if "authorization" not in request.headers:
            return refused(401, "You are not authenticated")
        return Reply({"displayName": "Mia Krystof", "timeZone": self.told_zone})

    def _serverinfo(self, _request: Received, _: list[str]) -> Reply:
        now = datetime.now(UTC).astimezone(ZoneInfo(self.zone))
        info = {
            "version": "9.12.4",
            "deploymentType": "Cloud" if self.is_v3 else "Server",
            "baseUrl": "https://acme.example/",
            "serverTime": f"{now:%Y-%m-%dT%H:%M:%S}.000{now:%z}",
        }
        if self.anonymous_zone:
            info["serverTimeZone"] = self.anonymous_zone
        return Reply(info)

    def _mypermissions(self, request: Received, _: list[str]) -> Reply:
        names = request.query["permissions"].split(",")
        found = {
            name: {"key": name, "havePermission": name in self.may} for name in names
        }
        return Reply({"permissions": found})

    def _priority(self, _request: Received, _: list[str]) -> Reply:
        return Reply([{"name": name} for name in ("Highest", "High", "Medium", "Low")])

    def _user(self, request: Received, _: list[str]) -> Reply:
        asked = request.query.get("query" if self.is_v3 else "username", "")
        people = [
            {"displayName": "Mia Krystof", "name": "mia", "accountId": "5b10"},
            {"displayName": "Mia", "name": "mia2", "accountId": "5b11"},
        ]
        return Reply([p for p in people if asked.lower() in p["displayName"].lower()])

    def _search(self, request: Received, parts: list[str]) -> Reply:
        content = request.content
        if self.is_v3 is not bool(parts):
            return refused(410 if not parts else 404, "The requested API is removed")
        if parts == ["approximate-count"]:
            found = self._found(content["jql"])
            return found if isinstance(found, Reply) else Reply({"count": len(found)})
        if "startAt" in content or "nextPageToken" in content or "expand" in content:
            self.queries.append(content["jql"])
            if self.before_search:
                self.before_search.pop(0)()
        found = self._found(content["jql"])
        if isinstance(found, Reply):
            return found
        size = min(self.most, content["maxResults"])
        return self._page(content, found, size)

    def _page(self, content: dict[str, Any], found: list[Ticket], size: int) -> Reply:
        if not self.is_v3:
            start = content.get("startAt", 0)
            shown = found[start : start + size]
            page = {"startAt": start, "maxResults": size, "total": len(found)}
            return Reply(page | {"issues": [self.record(t, content) for t in shown]})
        token = content.get("nextPageToken")
        if token:
            after = base64.b64decode(token).decode()
            found = [ticket for ticket in found if place(ticket) > after]
        shown = found[:size]
        issues = [self.record(ticket, content) for ticket in shown]
        if len(found) <= size:
            return Reply({"issues": issues, "isLast": True})
        last = base64.b64encode(place(shown[-1]).encode()).decode()
        return Reply({"issues": issues, "nextPageToken": last, "isLast": False})

    def _found(self, jql: str) -> Reply | list[Ticket]:
        where = jql.partition("ORDER BY")[0].strip()
        if self.is_v3 and not where:
            return refused(400, "Unbounded JQL queries are not allowed here.")
        if "nonsense" in where:
            return refused(
                400, "Field 'nonsense' does not exist\x1b[31m or is\nhidden."
            )
        bound = re.search(r'updated >= "([^"]+)"', where)
        project = re.search(r"project = (\w+)", where)
        found = [t for t in self.tickets.values() if "BROWSE_PROJECTS" in self.may]
        if project:
            found = [t for t in found if t.project == project[1]]
        if bound:
            local = datetime.fromisoformat(bound[1])
            since = local.replace(tzinfo=ZoneInfo(self.zone), fold=self.fold)
            found = [t for t in found if moment(t) >= since.astimezone(UTC)]
        return sorted(found, key=place)

    def record(self, ticket: Ticket, content: dict[str, Any]) -> dict[str, Any]:
        """Return an issue as a search shows it."""
        wanted = content.get("fields") or ["*all"]
        known = self._fields(ticket)
        if "*all" not in wanted:
            known = {name: value for name, value in known.items() if name in wanted}
        record: dict[str, Any] = {
            "id": ticket.id,
            "key": ticket.key,
            "self": f"https://elsewhere.example/rest/api/2/issue/{ticket.id}",
            "fields": known,
        }
        if "changelog" in (content.get("expand") or ""):
            shown = ticket.histories[-40:] if self.is_v3 else ticket.histories
            total = self._total(ticket.histories, shown)
            record["changelog"] = {"total": total, "histories": shown}
        return record

    def _fields(self, ticket: Ticket) -> dict[str, Any]:
        shown = ticket.comments[-20:] if self.is_v3 else ticket.comments[:50]
        kind = "service_desk" if self.service else "software"
        return {
            "summary": ticket.summary,
            "description": self._text(ticket.description),
            "created": stamp(START),
            "updated": stamp(ticket.updated),
            "status": status(ticket.status),
            "issuetype": {"name": "Bug"},
            "priority": {"name": "High"},
            "project": {"key": ticket.project, "name": "Shop", "projectTypeKey": kind},
            "labels": [],
            "comment": {
                "comments": [self._comment(c) for c in shown],
                "total": self._total(ticket.comments, shown),
            },
        } | ticket.fields

    def _total(self, held: list[Any], shown: list[Any]) -> int:
        return len(held if self.tells_totals else shown)

    def _text(self, body: Any) -> Any:
        return rich(body) if self.is_v3 and isinstance(body, str) else body

    def _comment(self, comment: dict[str, Any]) -> dict[str, Any]:
        shown = {n: value for n, value in comment.items() if n != "properties"}
        return shown | {"body": self._text(comment["body"])}

    def _issue(self, request: Received, parts: list[str]) -> Reply:
        name = self.moved.get(parts[0], parts[0]).upper()
        ticket = next((t for t in self.tickets.values() if name in (t.key, t.id)), None)
        if ticket is None or "BROWSE_PROJECTS" not in self.may:
            return refused(404, *EMPTY)
        what = parts[1] if len(parts) > 1 else "whole"
        act: Callable[[Received, Ticket], Reply] = getattr(self, f"_issue_{what}")
        return act(request, ticket)

    def _issue_whole(self, request: Received, ticket: Ticket) -> Reply:
        if request.method == "PUT":
            if "EDIT_ISSUES" not in self.may:
                return refused(403, "You may not edit")
            ticket.fields |= request.content["fields"]
            return Reply(status=204)
        query = dict(request.query)
        names = query.get("fields", "*all").split(",")
        return Reply(self.record(ticket, query | {"fields": names}))

    def _issue_comment(self, request: Received, ticket: Ticket) -> Reply:
        if request.method == "POST":
            if "ADD_COMMENTS" not in self.may:
                return refused(403, "You do not have the permission to comment.")
            ticket.comment(request.content["body"])
            inner = request.content.get("properties")
            if inner and self.is_v3:
                ticket.comments[-1]["jsdPublic"] = False
            elif inner:
                ticket.comments[-1]["properties"] = inner
            return Reply({"id": ticket.comments[-1]["id"]}, 201)
        found = list(ticket.comments)
        if request.query.get("orderBy") == "-created":
            found.reverse()
        shown = [self._comment(comment) for comment in found]
        if request.query.get("expand") == "properties":
            shown = [
                s | {"properties": c.get("properties", [])}
                for s, c in zip(shown, found, strict=True)
            ]
        return self._slice(request, "comments", shown)

    def _issue_changelog(self, request: Received, ticket: Ticket) -> Reply:
        return self._slice(request, "values", ticket.histories)

    def _slice(self, request: Received, name: str, found: list[Any]) -> Reply:
        start = int(request.query.get("startAt", "0"))
        shown = found[start : start + int(request.query["maxResults"])]
        return Reply({"startAt": start, "total": len(found), name: shown})

    def _issue_transitions(self, request: Received, ticket: Ticket) -> Reply:
        offered = [name for name in STATUSES if name not in (ticket.status, "Closed")]
        if request.method == "POST":
            if "TRANSITION_ISSUES" not in self.may:
                return refused(403, "You do not have the permission to move it.")
            number = int(request.content["transition"]["id"])
            ticket.status = list(STATUSES)[number]
            return Reply(status=204)
        names = list(STATUSES)
        steps = [
            {"id": str(names.index(n)), "name": f"Go {n}", "to": status(n)}
            for n in offered
        ]
        return Reply({"transitions": steps})


def refused(code: int, *messages: str) -> Reply:
    """Return a refusal in Jira's own words."""
    return Reply({"errorMessages": list(messages), "errors": {}}, code)


@contextmanager
def running(jira: FakeJira) -> Iterator[LoopbackServer]:
    """Serve a Jira during the block."""
    with serving(jira.respond) as server:
        jira.server = server
        yield server


@contextmanager
def talking(
    jira: FakeJira,
    username: str | None = None,
    *,
    secret: str | None = "token",
    mapping: tuple[str, ...] = (),
    options: dict[str, str] | None = None,
) -> Iterator[JiraConnector]:
    """Return a conversation with a Jira that runs during the block."""
    with running(jira) as server:
        settings = SourceSettings(
            "ops",
            "jira",
            server.url,
            username,
            {"api-version": jira.version, "context-path": jira.context}
            | (options or {}),
            mapping,
        )
        tracker = JiraTracker(QUICK)
        connector = tracker.connect(tracker.settle(settings), secret, lambda *_: None)
        try:
            yield connector
        finally:
            connector.close()


def keys(pages: list[Page]) -> list[str]:
    """Return the keys of the issues, in the order in which they came."""
    issues = [item for page in pages for item in page.items]
    return [issue.key for issue in issues if isinstance(issue, RemoteIssue)]


def all_pages(connector: JiraConnector, cursor: str | None = None) -> list[Page]:
    """Return all pages."""
    return list(connector.pages(cursor, None))


def numbers(*wanted: int) -> list[str]:
    """Return the keys with these numbers."""
    return [f"OPS-{number}" for number in wanted]


def one(connector: JiraConnector, key: str = "OPS-1") -> RemoteIssue:
    """Return an issue that is there."""
    found = connector.fetch(key)
    assert isinstance(found, RemoteIssue)
    return found
