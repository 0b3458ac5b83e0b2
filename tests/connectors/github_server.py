"""A GitHub on loopback that keeps repositories, and answers as its REST interface."""

import hashlib
import json
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import count
from typing import Any
from urllib.parse import urlencode

from issuetrack.connectors.github.connector import GitHubConnector
from issuetrack.connectors.github.tracker import TRACKER
from issuetrack.connectors.http import Patience
from issuetrack.engine.sync.connector import SourceSettings
from issuetrack.testing.server import LoopbackServer, Received, Reply, serving

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TOKEN = "an-invented-token"
DOCS = "https://docs.github.com/rest"
QUICK = Patience(attempts=3, first=0.01, longest=0.05, answer=10.0)
MOST_FOUND = 1000
_TERM = re.compile(r'(\w+):(>=)?("[^"]*"|\S+)')
_CLOSES = re.compile(r"(?i)\bfixes\s+#(\d+)")

Raw = dict[str, Any]


def stamp(moment: datetime) -> str:
    """Return a moment as GitHub writes it."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def person(login: str | None) -> Raw | None:
    """Return an account as GitHub shows it."""
    return {"login": login, "type": "User"} if login else None


@dataclass(eq=False)
class Comment:
    """A comment; `extra` goes over what it says."""

    id: int
    number: int
    body: str
    created: datetime
    updated: datetime
    author: str = "ines"
    extra: Raw = field(default_factory=dict)


@dataclass(eq=False)
class Ticket:
    """An issue or a pull request; `extra` goes over what it says."""

    id: int
    number: int
    title: str
    created: datetime
    updated: datetime
    body: str | None = "since noon"
    state: str = "open"
    reason: str | None = None
    closed: datetime | None = None
    labels: list[str] = field(default_factory=list)
    assignee: str | None = None
    pull: bool = False
    merged: datetime | None = None
    comments: list[Comment] = field(default_factory=list)
    events: list[Raw] = field(default_factory=list)
    references: list[tuple[datetime, "Ticket"]] = field(default_factory=list)
    extra: Raw = field(default_factory=dict)


@dataclass(eq=False)
class Repository:
    """A repository with what is in it.

    Attributes:
        moved: where transferred issues are now.
        order: caches of the issues and comments by their last change.
    """

    id: int
    name: str
    issues: dict[int, Ticket] = field(default_factory=dict)
    comments: dict[int, Comment] = field(default_factory=dict)
    events: list[tuple[Raw, Ticket]] = field(default_factory=list)
    moved: dict[int, tuple["Repository", int]] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)
    last: int = 0
    has_issues: bool = True
    private: bool = False
    writable: bool = True
    order: dict[str, list[Any]] = field(default_factory=dict)

    def by_change(self, kind: str) -> list[Any]:
        """Return issues or comments by their last change."""
        if kind not in self.order:
            found = self.issues if kind == "issues" else self.comments
            self.order[kind] = sorted(found.values(), key=lambda x: (x.updated, x.id))
        return self.order[kind]


@dataclass
class FakeGitHub:
    """GitHub, with a clock that the test moves.

    Attributes:
        prefix: where its interface is, such as `/api/v3`.
        now: the moment it believes in.
        rate: requests that are left.
        incomplete: so many searches are not finished in time.
        keeps_query: a redirect carries the parameters of the request.
    """

    prefix: str = ""
    now: datetime = START
    rate: int = 5000
    incomplete: int = 0
    keeps_query: bool = True
    scopes: str = "repo"
    server: LoopbackServer = field(default_factory=lambda: LoopbackServer(missing))
    repositories: dict[int, Repository] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    ids: Iterator[int] = field(default_factory=lambda: count(1000))

    @property
    def api(self) -> str:
        return f"{self.server.url}{self.prefix}"

    def tick(self, seconds: float = 1.0) -> None:
        """Move the clock."""
        self.now += timedelta(seconds=seconds)

    def repo(self, name: str = "acme/shop", **changes: Any) -> Repository:
        """Return a repository, a new one where there is none of that name."""
        if name not in self.names:
            made = Repository(next(self.ids), name)
            self.names[name] = made.id
            self.repositories[made.id] = made
        found = self.repositories[self.names[name]]
        for key, value in changes.items():
            setattr(found, key, value)
        return found

    def rename_repository(self, old: str, new: str) -> None:
        """Give a repository another name; the old one leads to it."""
        found = self.repo(old)
        found.name = new
        self.names[new] = found.id

    def add_issue(
        self, title: str = "Checkout is down", name: str = "acme/shop", **changes: Any
    ) -> Ticket:
        """Add an issue, at the moment that the clock shows."""
        repo = self.repo(name)
        repo.last = number = repo.last + 1
        ticket = Ticket(next(self.ids), number, title, self.now, self.now)
        for key, value in changes.items():
            setattr(ticket, key, value)
        repo.issues[number] = ticket
        repo.order.clear()
        return ticket

    def add_pull(
        self, body: str, name: str = "acme/shop", *, merged: bool = True
    ) -> Ticket:
        """Add a pull request; a merged one closes the issues that it names."""
        pull = self.add_issue("Repair it", name, body=body, pull=True)
        for number in map(int, _CLOSES.findall(body)):
            target = self.repo(name).issues.get(number)
            if target is not None:
                target.references.append((self.now, pull))
                if merged:
                    self.close(target, name)
        if merged:
            pull.state, pull.closed, pull.merged = "closed", self.now, self.now
        return pull

    def touch(self, ticket: Ticket, name: str = "acme/shop") -> None:
        """Change an issue at this moment."""
        ticket.updated = self.now
        self.repo(name).order.clear()

    def comment(
        self,
        ticket: Ticket,
        body: str,
        name: str = "acme/shop",
        extra: Raw | None = None,
    ) -> Comment:
        """Add a comment, at the moment that the clock shows."""
        made = Comment(next(self.ids), ticket.number, body, self.now, self.now)
        made.extra = extra or {}
        ticket.comments.append(made)
        self.repo(name).comments[made.id] = made
        self.touch(ticket, name)
        return made

    def edit_comment(
        self, comment: Comment, body: str, name: str = "acme/shop"
    ) -> None:
        """Change the text of a comment."""
        comment.body, comment.updated = body, self.now
        self.repo(name).order.clear()

    def event(
        self, ticket: Ticket, kind: str, name: str = "acme/shop", **more: Any
    ) -> None:
        """Note a change of an issue."""
        entry = {
            "id": next(self.ids),
            "event": kind,
            "actor": person("ravi"),
            "created_at": stamp(self.now),
            "commit_id": None,
            "commit_url": None,
            **more,
        }
        ticket.events.append(entry)
        self.repo(name).events.append((entry, ticket))
        self.touch(ticket, name)

    def close(
        self,
        ticket: Ticket,
        name: str = "acme/shop",
        reason: str = "completed",
        commit: str | None = None,
    ) -> None:
        """Close an issue, by a commit or by hand."""
        ticket.state, ticket.reason, ticket.closed = "closed", reason, self.now
        url = f"{self.api}/repos/{name}/commits/{commit}" if commit else None
        self.event(ticket, "closed", name, commit_id=commit, commit_url=url)

    def reopen(self, ticket: Ticket, name: str = "acme/shop") -> None:
        """Open a closed issue."""
        ticket.state, ticket.reason, ticket.closed = "open", "reopened", None
        self.event(ticket, "reopened", name)

    def rename(self, ticket: Ticket, title: str, name: str = "acme/shop") -> None:
        """Give an issue another title."""
        told = {"from": ticket.title, "to": title}
        ticket.title = title
        self.event(ticket, "renamed", name, rename=told)

    def label(self, ticket: Ticket, word: str, name: str = "acme/shop") -> None:
        """Put a label on an issue."""
        ticket.labels.append(word)
        self.event(ticket, "labeled", name, label={"name": word})

    def transfer(self, ticket: Ticket, target: str, name: str = "acme/shop") -> Ticket:
        """Move an issue to another repository, where it gets another number and id."""
        repo = self.repo(name)
        made = self.add_issue(ticket.title, target, body=ticket.body)
        repo.moved[ticket.number] = self.repo(target), made.number
        self._take_out(repo, ticket)
        return made

    def delete(self, ticket: Ticket, name: str = "acme/shop") -> None:
        """Delete an issue."""
        repo = self.repo(name)
        repo.deleted.add(ticket.number)
        self._take_out(repo, ticket)

    def _take_out(self, repo: Repository, ticket: Ticket) -> None:
        del repo.issues[ticket.number]
        for comment in ticket.comments:
            del repo.comments[comment.id]
        repo.events = [pair for pair in repo.events if pair[1] is not ticket]
        repo.order.clear()

    def populate(
        self, issues: int, comments: int = 0, name: str = "acme/shop", every: float = 60
    ) -> list[Ticket]:
        """Add many issues with comments; answers are made when they are asked for."""
        made = []
        for number in range(issues):
            ticket = self.add_issue(
                f"Disk {number} is full on host-{number % 50}", name
            )
            for turn in range(comments):
                self.comment(ticket, f"remark {turn}: cleaned /var/log, {number}", name)
            made.append(ticket)
            self.tick(every)
        return made

    def respond(self, request: Received) -> Reply:
        """Answer a request."""
        token = request.headers.get("authorization")
        if token not in (None, f"Bearer {TOKEN}", f"token {TOKEN}"):
            return self._sent(request, refused(401, "Bad credentials"))
        if not request.path.startswith(f"{self.prefix}/"):
            return Reply(status=404, raw=b"<html>Page not found</html>")
        path = request.path.removeprefix(self.prefix)
        for pattern, answer in ROUTES:
            match = re.fullmatch(pattern, path)
            if match is not None:
                return self._sent(request, answer(self, request, *match.groups()))
        return self._sent(request, missing(request))

    def _sent(self, request: Received, reply: Reply) -> Reply:
        """Return an answer with its tag, date and rate limit; 304 if it is known."""
        body = json.dumps(reply.content).encode()
        tag = f'W/"{hashlib.sha256(body).hexdigest()}"'
        known = request.method == "GET" and request.headers.get("if-none-match") == tag
        if not known:
            self.rate -= 1
        headers = {
            "Date": format_datetime(self.now, usegmt=True),
            "ETag": tag,
            "X-RateLimit-Limit": "5000",
            "X-RateLimit-Remaining": str(self.rate),
            "X-RateLimit-Reset": str(int((self.now + timedelta(hours=1)).timestamp())),
            **reply.headers,
        }
        if known:
            return Reply(status=304, headers=headers, raw=b"")
        return Reply(status=reply.status, headers=headers, raw=body)

    def account(self, request: Received) -> Reply:
        """Answer who is asking."""
        if "authorization" not in request.headers:
            return refused(401, "Requires authentication")
        scopes = {"X-OAuth-Scopes": self.scopes} if self.scopes else {}
        return Reply({"login": "ines", "id": 1}, headers=scopes)

    def organisation(self, request: Received, name: str) -> Reply:
        """Answer the repositories of an organisation."""
        found = [r for r in self.repositories.values() if r.name.startswith(f"{name}/")]
        if not found:
            return missing(request)
        shown = [self._shown(repo) for repo in sorted(found, key=lambda r: r.name)]
        return self._page(request, shown, "/organizations/77/repos")

    def repository(self, request: Received, owner: str, rest: str) -> Reply:
        """Answer what is asked of a repository by its name, or where it is now."""
        name, _, rest = rest.partition("/")
        wanted = f"{owner}/{name}"
        number = self.names.get(wanted)
        if number is None or self._hidden(request, self.repositories[number]):
            return missing(request)
        if self.repositories[number].name != wanted:
            place = f"/repositories/{number}" + (f"/{rest}" if rest else "")
            return self._moved(request, place)
        return self.inside(request, str(number), rest)

    def _hidden(self, request: Received, repo: Repository) -> bool:
        return repo.private and "authorization" not in request.headers

    def _moved(self, request: Received, place: str) -> Reply:
        query = f"?{urlencode(request.query)}" if request.query else ""
        url = f"{self.api}{place}" + (query if self.keeps_query else "")
        code = 301 if request.method == "GET" else 307
        content = {"message": "Moved Permanently", "url": url}
        return Reply(content, code, {"Location": url})

    def inside(self, request: Received, number: str, rest: str | None) -> Reply:
        """Answer what is asked of a repository by its number."""
        repo = self.repositories.get(int(number))
        if repo is None:
            return missing(request)
        rest = (rest or "").strip("/")
        if not rest:
            return Reply(self._shown(repo))
        if not repo.has_issues and request.method == "GET":
            return refused(410, "Issues has been disabled in this repository.")
        if rest in ("issues", "issues/comments"):
            return self._listed(request, repo, rest.rpartition("/")[2])
        if rest == "issues/events":
            place = f"/repositories/{repo.id}/issues/events"
            newest = list(reversed(repo.events))
            return self._page(request, newest, place, lambda e: self._event(repo, *e))
        match = re.fullmatch(r"issues/(\d+)(/\w+)?", rest)
        if match is None:
            return missing(request)
        return self._of_issue(request, repo, int(match[1]), match[2] or "")

    def _listed(self, request: Received, repo: Repository, kind: str) -> Reply:
        query = request.query
        found: Sequence[Any] = repo.by_change(kind)
        since = query.get("since")
        if since:
            moment = datetime.fromisoformat(since)
            found = found[bisect_left(found, moment, key=lambda x: x.updated) :]
        if kind == "issues":
            state = query.get("state", "open")
            if state != "all":
                found = [ticket for ticket in found if ticket.state == state]
        sort = query.get("sort", "created")
        if sort == "created":
            found = sorted(found, key=lambda x: (x.created, x.id))
        downwards = query.get("direction", "desc" if kind == "issues" else "asc")
        if downwards == "desc" and (kind == "issues" or "sort" in query):
            found = list(reversed(found))
        part = "issues" if kind == "issues" else "issues/comments"
        show = self._issue if kind == "issues" else self._comment
        return self._page(
            request, found, f"/repositories/{repo.id}/{part}", lambda x: show(repo, x)
        )

    def _of_issue(
        self, request: Received, repo: Repository, number: int, part: str
    ) -> Reply:
        if number in repo.moved:
            target, there = repo.moved[number]
            return self._moved(request, f"/repositories/{target.id}/issues/{there}")
        if number in repo.deleted:
            return refused(410, "This issue was deleted")
        ticket = repo.issues.get(number)
        if ticket is None:
            return missing(request)
        if request.method != "GET":
            return self._write(request, repo, ticket, part)
        place = f"/repositories/{repo.id}/issues/{number}{part}"
        if part == "/comments":
            shown = [self._comment(repo, comment) for comment in ticket.comments]
            return self._page(request, shown, place)
        if part == "/timeline":
            return self._page(request, self._timeline(repo, ticket), place)
        return missing(request) if part else Reply(self._issue(repo, ticket))

    def _write(
        self, request: Received, repo: Repository, ticket: Ticket, part: str
    ) -> Reply:
        if "authorization" not in request.headers:
            return refused(401, "Requires authentication")
        if not repo.writable:
            words = "Resource not accessible by personal access token"
            return refused(
                403, words, {"X-Accepted-GitHub-Permissions": "issues=write"}
            )
        said = request.content
        if (request.method, part) == ("POST", "/comments"):
            made = self.comment(ticket, said["body"], repo.name)
            return Reply(self._comment(repo, made), 201)
        if (request.method, part) != ("PATCH", ""):
            return missing(request)
        if said.get("state") == "closed" and ticket.state == "open":
            self.close(ticket, repo.name, said.get("state_reason", "completed"))
        elif said.get("state") == "open" and ticket.state == "closed":
            self.reopen(ticket, repo.name)
        ticket.title = said.get("title", ticket.title)
        ticket.body = said.get("body", ticket.body)
        ticket.labels = said.get("labels", ticket.labels)
        if "assignees" in said:
            ticket.assignee = next(iter(said["assignees"]), None)
        self.touch(ticket, repo.name)
        return Reply(self._issue(repo, ticket))

    def search(self, request: Received) -> Reply:
        """Answer a search over issues and pull requests."""
        text = request.query.get("q", "")
        terms = {name: value.strip('"') for name, _, value in _TERM.findall(text)}
        repos = [r for r in self.repositories.values() if in_scope(r, terms)]
        if "repo" in terms and not repos:
            words = (
                "The listed users and repositories cannot be searched either because "
                "the resources do not exist or you do not have permission to view them."
            )
            return refused(422, "Validation Failed", errors=[{"message": words}])
        since = datetime.fromisoformat(terms.get("updated", "2000-01-01T00:00:00Z"))
        found = [
            (ticket.updated, ticket.id, repo, ticket)
            for repo in repos
            for ticket in repo.by_change("issues")
            if ticket.updated >= since and matches(ticket, terms)
        ]
        found.sort(key=lambda place: place[:2])
        page, size = place_of(request)
        if page * size > MOST_FOUND and (page - 1) * size >= MOST_FOUND:
            return refused(422, "Only the first 1000 search results are available")
        self.incomplete -= 1
        shown = found[(page - 1) * size : page * size]
        content = {
            "total_count": len(found),
            "incomplete_results": self.incomplete >= 0,
            "items": [self._issue(repo, ticket) for *_, repo, ticket in shown],
        }
        links = self._links(request, min(len(found), MOST_FOUND), "/search/issues")
        links |= {"X-RateLimit-Limit": "30", "X-RateLimit-Remaining": "29"}
        return Reply(content, headers=links)

    def _page(
        self,
        request: Received,
        found: Sequence[Any],
        place: str,
        show: Callable[[Any], Raw] = lambda raw: raw,
    ) -> Reply:
        page, size = place_of(request)
        shown = [show(one) for one in found[(page - 1) * size : page * size]]
        return Reply(shown, headers=self._links(request, len(found), place))

    def _links(self, request: Received, held: int, place: str) -> dict[str, str]:
        page, size = place_of(request)
        last = max(1, -(-held // size))
        wanted = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
        if page == 1:
            del wanted["prev"], wanted["first"]
        if page >= last:
            del wanted["next"], wanted["last"]
        shown = [
            f"<{self.api}{place}?{urlencode({**request.query, 'page': number})}>"
            f'; rel="{name}"'
            for name, number in wanted.items()
        ]
        return {"Link": ", ".join(shown)} if shown else {}

    def _shown(self, repo: Repository) -> Raw:
        return {
            "id": repo.id,
            "full_name": repo.name,
            "has_issues": repo.has_issues,
            "private": repo.private,
            "permissions": {"pull": True, "triage": repo.writable, "admin": False},
        }

    def _issue(self, repo: Repository, ticket: Ticket) -> Raw:
        kind = "pull" if ticket.pull else "issues"
        shown: Raw = {
            "id": ticket.id,
            "number": ticket.number,
            "title": ticket.title,
            "url": f"{self.api}/repos/{repo.name}/issues/{ticket.number}",
            "repository_url": f"{self.api}/repos/{repo.name}",
            "html_url": f"{self.server.url}/{repo.name}/{kind}/{ticket.number}",
            "user": person("ines"),
            "state": ticket.state,
            "state_reason": ticket.reason,
            "labels": [{"name": word} for word in ticket.labels],
            "assignee": person(ticket.assignee),
            "milestone": None,
            "comments": len(ticket.comments),
            "created_at": stamp(ticket.created),
            "updated_at": stamp(ticket.updated),
            "closed_at": stamp(ticket.closed) if ticket.closed else None,
            "body": ticket.body,
        }
        if ticket.pull:
            merged = stamp(ticket.merged) if ticket.merged else None
            shown["pull_request"] = {"merged_at": merged}
        return shown | ticket.extra

    def _comment(self, repo: Repository, comment: Comment) -> Raw:
        ticket = repo.issues[comment.number]
        kind = "pull" if ticket.pull else "issues"
        page = f"{self.server.url}/{repo.name}/{kind}/{ticket.number}"
        shown = {
            "id": comment.id,
            "issue_url": f"{self.api}/repos/{repo.name}/issues/{ticket.number}",
            "html_url": f"{page}#issuecomment-{comment.id}",
            "user": person(comment.author),
            "created_at": stamp(comment.created),
            "updated_at": stamp(comment.updated),
            "body": comment.body,
        }
        return shown | comment.extra

    def _event(self, repo: Repository, entry: Raw, ticket: Ticket) -> Raw:
        return {"issue": self._issue(repo, ticket), **entry}

    def _timeline(self, repo: Repository, ticket: Ticket) -> list[Raw]:
        found = list(ticket.events)
        for comment in ticket.comments:
            shown = self._comment(repo, comment)
            found.append({"event": "commented", "actor": shown["user"], **shown})
        for moment, pull in ticket.references:
            source = {"type": "issue", "issue": self._issue(repo, pull)}
            entry = {"event": "cross-referenced", "actor": person("ravi")}
            found.append({**entry, "created_at": stamp(moment), "source": source})
        return sorted(found, key=lambda entry: str(entry.get("created_at")))


def in_scope(repo: Repository, terms: dict[str, str]) -> bool:
    """Tell whether a search looks into a repository."""
    org = terms.get("org")
    return repo.name == terms.get("repo", repo.name) and (
        org is None or repo.name.startswith(f"{org}/")
    )


def matches(ticket: Ticket, terms: dict[str, str]) -> bool:
    """Tell whether a search finds an issue."""
    if terms.get("is", terms.get("type")) == "issue" and ticket.pull:
        return False
    return "label" not in terms or terms["label"] in ticket.labels


def place_of(request: Received) -> tuple[int, int]:
    """Return the page that is asked for and its size."""
    size = int(request.query.get("per_page", "30"))
    return int(request.query.get("page", "1")), min(size, 100)


def refused(
    code: int,
    words: str,
    headers: dict[str, str] | None = None,
    errors: list[Raw] | None = None,
) -> Reply:
    """Return a refusal in GitHub's words."""
    content: Raw = {"message": words, "documentation_url": DOCS, "status": str(code)}
    if errors is not None:
        content["errors"] = errors
    return Reply(content, code, headers or {})


def missing(_request: Received) -> Reply:
    """Return the refusal of something that is not there or not to be seen."""
    return refused(404, "Not Found")


ROUTES: Sequence[tuple[str, Callable[..., Reply]]] = (
    (r"/user", FakeGitHub.account),
    (r"/orgs/([^/]+)/repos", FakeGitHub.organisation),
    (r"/search/issues", FakeGitHub.search),
    (r"/repos/([^/]+)/(.+)", FakeGitHub.repository),
    (r"/repositories/(\d+)(/.*)?", FakeGitHub.inside),
)


@contextmanager
def running(github: FakeGitHub) -> Iterator[LoopbackServer]:
    """Serve a GitHub during the block."""
    with serving(github.respond) as server:
        github.server = server
        yield server


@contextmanager
def talking(
    github: FakeGitHub,
    options: dict[str, str] | None = None,
    *,
    secret: str | None = TOKEN,
    mapping: tuple[str, ...] = (),
    patience: Patience = QUICK,
    url: str | None = None,
) -> Iterator[GitHubConnector]:
    """Return a conversation with a GitHub that runs already."""
    scope = options or {"repo": "acme/shop"}
    settings = SourceSettings(
        "shop",
        "github",
        url or github.server.url,
        options={"api-path": github.prefix or "/", **scope},
        mapping=mapping,
    )
    connector = TRACKER.connect(
        TRACKER.settle(settings), secret, lambda *_: None, patience
    )
    try:
        yield connector
    finally:
        connector.close()
