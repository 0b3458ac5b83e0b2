"""GitHub's REST objects in the common vocabulary.

https://docs.github.com/en/rest/issues
"""

import re

from issuetrack.connectors import fields, vocabulary
from issuetrack.connectors.fields import Record
from issuetrack.engine.store.types import IssueStatus, IssueType
from issuetrack.engine.sync.ports import Item, RemoteComment, RemoteIssue, SkippedRecord

_ISSUE_URL = re.compile(r"/repos/(?P<repository>[^/]+/[^/]+)/issues/(?P<number>\d+)")
_HTML_URL = re.compile(r"//[^/]+/(?P<repository>[^/]+/[^/]+)/issues/(?P<number>\d+)")


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
        return SkippedRecord("pull request")
    return issue(record)


def _key(url: str) -> str:
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
        author=_login(record, "user"),
        key=fields.required(record, "id"),
        issue_key=_key(fields.required(record, "issue_url")),
    )


def issue(record: Record) -> RemoteIssue:
    """Return an issue."""
    labels = [
        fields.required(label, "name") if isinstance(label, dict) else str(label)
        for label in fields.items(record, "labels")
    ]
    kinds = [vocabulary.TYPE.get(vocabulary.word(label)) for label in labels]
    priorities = [vocabulary.priority(_last_word(label)) for label in labels]
    closed = vocabulary.moment(fields.text(record, "closed_at"))
    state = fields.required(record, "state")
    if state not in ("open", "closed"):
        raise ValueError(f"unknown state {state!r}")
    created = vocabulary.moment(fields.required(record, "created_at"))
    updated = vocabulary.moment(fields.text(record, "updated_at"))
    assert created is not None
    url = fields.text(record, "html_url")
    return RemoteIssue(
        key=_key(fields.text(record, "url") or url or ""),
        title=fields.required(record, "title"),
        body=fields.text(record, "body") or "",
        type=next((kind for kind in kinds if kind), IssueType.BUG),
        status=IssueStatus.CLOSED if state == "closed" else IssueStatus.OPEN,
        priority=next((p for p in priorities if p), None),
        labels=tuple(labels),
        reporter=_login(record, "user"),
        assignee=_login(record, "assignee"),
        url=url,
        created_at=created,
        updated_at=updated or created,
        resolved_at=closed,
        closed_at=closed,
    )


def _last_word(label: str) -> str:
    """Return the word after the last `/` or `:` of a label like `priority/high`."""
    head, _, tail = label.replace(":", "/").rpartition("/")
    names_priority = "prio" in head.lower() or not head
    return tail.strip() if names_priority and not tail.strip().isdigit() else ""
