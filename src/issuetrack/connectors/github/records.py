"""GitHub's REST objects in the common vocabulary.

https://docs.github.com/en/rest/issues
"""

import re
from collections.abc import Iterable, Iterator

from issuetrack.connectors import fields, vocabulary
from issuetrack.connectors.fields import Record
from issuetrack.connectors.mapping import Overrides, Reading
from issuetrack.engine.issues.candidates import PULL_REQUEST_TITLE
from issuetrack.engine.store.types import IssueStatus, IssueType, LinkKind, Priority
from issuetrack.engine.sync.ports import (
    Item,
    RemoteComment,
    RemoteEvent,
    RemoteIssue,
    RemoteLink,
    SkippedRecord,
)

PULL_REQUEST = "pull request"
_ISSUE_URL = re.compile(r"/repos/(?P<repository>[^/]+/[^/]+)/issues/(?P<number>\d+)")
_HTML_URL = re.compile(r"//[^/]+/(?P<repository>[^/]+/[^/]+)/issues/(?P<number>\d+)")
_PULL_URL = re.compile(r"/pull/\d+")
_REFERENCE = (
    r"(?:(?:https?://[^\s/]+/)?(?P<repository>[\w.-]+/[\w.-]+)(?:#|/issues/)|#)"
    r"(?P<number>\d+)\b"
)
_CLOSES = re.compile(
    rf"(?i)\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+{_REFERENCE}"
)
_DUPLICATE = re.compile(rf"(?im)^\s*duplicate of\s+{_REFERENCE}")
_UPLOAD = re.compile(
    r"\[([^\]\n]{1,200})\]\(https?://[^)\s]*/(?:files|assets)/[^)\s]*\)"
)
_COMMIT_API = re.compile(
    r"//[^/]+(?:/api/v3)?/repos/(?P<repository>[^/]+/[^/]+)/commits/"
)


def looks_like(record: Record) -> bool:
    """Tell whether a record is an issue, pull request or comment of GitHub."""
    is_issue = "number" in record and "state" in record and "title" in record
    return is_issue or ("issue_url" in record and "body" in record)


def item(record: Record) -> Item:
    """Return what a raw object is.

    Raises:
        ValueError: a field is missing or of the wrong type.
    """
    if "issue_url" in record:
        return comment(record)
    if record.get("pull_request") is not None:
        return SkippedRecord(PULL_REQUEST)
    return issue(record)


def key_of(url: str) -> str:
    """Return `owner/name#number` for the address of an issue.

    Raises:
        ValueError: it is none.
    """
    match = _ISSUE_URL.search(url) or _HTML_URL.search(url)
    if match is None:
        raise ValueError(f"{url!r} is not the address of an issue")
    return f"{match['repository']}#{match['number']}"


def _login(record: Record, name: str) -> str | None:
    return fields.text(fields.mapping(record, name), "login")


def comment(record: Record) -> RemoteComment:
    """Return an issue comment that comes apart from its issue."""
    created = vocabulary.moment(fields.required(record, "created_at"))
    assert created is not None
    return RemoteComment(
        body=fields.text(record, "body") or "",
        created_at=created,
        author=_login(record, "user") or _login(record, "actor"),
        key=fields.required(record, "id"),
        issue_key=key_of(fields.required(record, "issue_url")),
    )


def is_on_pull_request(record: Record) -> bool:
    """Tell whether a comment is on a pull request."""
    return _PULL_URL.search(fields.text(record, "html_url") or "") is not None


def issue(record: Record, overrides: Overrides | None = None) -> RemoteIssue:
    """Return an issue, without its comments.

    Raises:
        ValueError: a field is missing or of the wrong type.
    """
    labels = [
        fields.required(label, "name") if isinstance(label, dict) else str(label)
        for label in fields.items(record, "labels")
    ]
    closed = vocabulary.moment(fields.text(record, "closed_at"))
    state = fields.required(record, "state")
    if state not in ("open", "closed"):
        raise ValueError(f"unknown state {state!r}")
    created = vocabulary.moment(fields.required(record, "created_at"))
    updated = vocabulary.moment(fields.text(record, "updated_at"))
    assert created is not None
    url = fields.text(record, "html_url")
    body = fields.text(record, "body") or ""
    read = Reading(record, overrides or Overrides(), labels)
    named = _overridden("type", labels, read.overrides)
    said = named or _type_word(record, labels)
    kind = read.word("type", "type, labels", said, _type)
    said = _overridden("priority", labels, read.overrides) or _priority_word(labels)
    priority = read.word("priority", "labels", said, _priority)
    reason = fields.text(record, "state_reason")
    status = read.word("status", "state", _state_word(state, reason), _status)
    return RemoteIssue(
        id=fields.text(record, "id"),
        key=key_of(fields.text(record, "url") or url or ""),
        title=fields.required(record, "title"),
        body=body,
        type=IssueType(kind or IssueType.BUG),
        status=IssueStatus(status or IssueStatus.OPEN),
        priority=Priority(priority) if priority else None,
        service=read.word("service", "", None, _nothing),
        site=read.word("site", "", None, _nothing),
        category=read.word("category", "", None, _nothing),
        labels=tuple(labels),
        reporter=_login(record, "user"),
        assignee=_login(record, "assignee"),
        url=url,
        created_at=created,
        updated_at=updated or created,
        resolved_at=closed,
        closed_at=closed,
        attachments=tuple(_UPLOAD.findall(body)),
        mapped=tuple(m for m in read.mapped if m.origin),
    )


def _overridden(name: str, labels: Iterable[str], overrides: Overrides) -> str | None:
    """Return the first label that the source's mapping gives a meaning."""
    known = (x for x in labels if (name, vocabulary.word(x)) in overrides.words)
    return next(known, None)


def _nothing(_said: str | None) -> None:
    """Return None: GitHub has no such field."""


def _type_word(record: Record, labels: Iterable[str]) -> str | None:
    kind = fields.text(fields.mapping(record, "type"), "name")
    named = (label for label in labels if vocabulary.word(label) in vocabulary.TYPE)
    return kind or next(named, None)


def _type(said: str | None) -> str:
    return vocabulary.issue_type(said, IssueType.BUG)


def _priority_word(labels: Iterable[str]) -> str | None:
    return next((x for x in labels if vocabulary.priority(_last_word(x))), None)


def _priority(said: str | None) -> str | None:
    return vocabulary.priority(_last_word(said)) if said else None


def _state_word(state: str, reason: str | None) -> str:
    return f"{state} {reason}" if reason and state == "closed" else state


def _status(said: str | None) -> str:
    is_closed = (said or "").startswith("closed")
    return IssueStatus.CLOSED if is_closed else IssueStatus.OPEN


def _last_word(label: str) -> str:
    """Return the word after the last `/` or `:` of a label like `priority/high`."""
    head, _, tail = label.replace(":", "/").rpartition("/")
    names_priority = "prio" in head.lower() or not head
    return tail.strip() if names_priority and not tail.strip().isdigit() else ""


def closed_by(record: Record) -> Iterator[RemoteLink]:
    """Yield the issues that a merged pull request says it closes."""
    merged = fields.mapping(record, "pull_request").get("merged_at")
    url = fields.text(record, "html_url")
    if not merged or not url:
        return
    own = _repository(record)
    for match in _CLOSES.finditer(fields.text(record, "body") or ""):
        key = f"{match['repository'] or own}#{match['number']}"
        yield RemoteLink(LinkKind.CLOSED_BY, url, key)


def merged(record: Record) -> Iterator[RemoteEvent]:
    """Yield the title of a merged pull request for the issues it says it closes."""
    at = vocabulary.moment(
        fields.text(fields.mapping(record, "pull_request"), "merged_at")
    )
    title, number = fields.text(record, "title"), record.get("number")
    if at is None or not title:
        return
    for link in closed_by(record):
        yield RemoteEvent(
            f"pull request {link.target}",
            at,
            PULL_REQUEST_TITLE,
            after=f"{title} (#{number})",
            actor=_login(record, "user"),
            issue_key=link.issue_key,
        )


def duplicates(issue_key: str, text: str) -> Iterator[RemoteLink]:
    """Yield what a comment says its issue is a duplicate of."""
    own = issue_key.partition("#")[0]
    for match in _DUPLICATE.finditer(text):
        target = f"{match['repository'] or own}#{match['number']}"
        if target != issue_key:
            yield RemoteLink(LinkKind.DUPLICATE_OF, target, issue_key)


def _repository(record: Record) -> str:
    url = fields.text(record, "repository_url") or ""
    return "/".join(url.rstrip("/").split("/")[-2:])


def event(record: Record, issue_key: str) -> list[RemoteEvent | RemoteLink]:
    """Return what an entry of the history says; nothing for what is not kept.

    https://docs.github.com/en/rest/using-the-rest-api/issue-event-types
    """
    kind = fields.text(record, "event")
    told = _told(kind, record)
    if told is None:
        return []
    at = vocabulary.moment(fields.required(record, "created_at"))
    assert at is not None
    found: list[RemoteEvent | RemoteLink] = [
        RemoteEvent(
            fields.required(record, "id"),
            at,
            *told,
            actor=_login(record, "actor"),
            issue_key=issue_key,
        )
    ]
    commit = fields.text(record, "commit_id")
    if kind == "closed" and commit:
        match = _COMMIT_API.search(fields.text(record, "commit_url") or "")
        repository = match["repository"] if match else issue_key.partition("#")[0]
        target = f"{repository}@{commit}"
        found.append(RemoteLink(LinkKind.CLOSED_BY, target, issue_key))
    return found


def _told(
    kind: str | None, record: Record
) -> tuple[str, str | None, str | None] | None:
    """Return field, old value and new value of an event."""
    label = fields.text(fields.mapping(record, "label"), "name")
    rename = fields.mapping(record, "rename")
    assignee = _login(record, "assignee")
    known = {
        "closed": ("status", "open", "closed"),
        "reopened": ("status", "closed", "open"),
        "labeled": ("labels", None, label),
        "unlabeled": ("labels", label, None),
        "assigned": ("assignee", None, assignee),
        "unassigned": ("assignee", assignee, None),
        "renamed": ("title", fields.text(rename, "from"), fields.text(rename, "to")),
    }
    return known.get(kind or "")


def cross_reference(record: Record, issue_key: str) -> list[RemoteLink | RemoteEvent]:
    """Return the merged pull request that a timeline entry says closes the issue.

    The link to it comes first, then its title.
    """
    source = fields.mapping(fields.mapping(record, "source"), "issue")
    said: list[RemoteLink | RemoteEvent] = [*closed_by(source), *merged(source)]
    return [item for item in said if item.issue_key == issue_key]
