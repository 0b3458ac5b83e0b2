"""Jira Server's REST v2 objects in the common vocabulary.

https://docs.atlassian.com/software/jira/docs/api/REST/latest/
"""

import re

from issuetrack.connectors import fields, vocabulary
from issuetrack.connectors.fields import Record
from issuetrack.engine.store.types import CommentKind, IssueStatus, IssueType
from issuetrack.engine.sync.ports import RemoteComment, RemoteIssue

CATEGORY = {
    "new": IssueStatus.OPEN,
    "indeterminate": IssueStatus.IN_PROGRESS,
    "done": IssueStatus.RESOLVED,
}
_SITE = re.compile(r"^(https?://[^/]+(?:/[^/]+)*?)/rest/api/")
_DUPLICATES = "duplicates"


def looks_like(record: Record) -> bool:
    """Tell whether a record is an issue of Jira."""
    return "key" in record and isinstance(record.get("fields"), dict)


def issue(record: Record) -> RemoteIssue:
    """Return an issue with its comments.

    Raises:
        ValueError: a field is missing or of the wrong type.
    """
    key = fields.required(record, "key")
    content = fields.mapping(record, "fields")
    created = vocabulary.moment(fields.required(content, "created"))
    assert created is not None
    updated = vocabulary.moment(fields.text(content, "updated"))
    status = _status(content)
    resolved = vocabulary.moment(fields.text(content, "resolutiondate"))
    components = [fields.text(c, "name") for c in fields.records(content, "components")]
    kind = fields.text(fields.mapping(content, "issuetype"), "name")
    return RemoteIssue(
        key=key,
        title=fields.required(content, "summary"),
        body=fields.text(content, "description") or "",
        type=vocabulary.issue_type(kind, IssueType.SERVICE_REQUEST),
        status=status,
        priority=vocabulary.priority(
            fields.text(fields.mapping(content, "priority"), "name")
        ),
        service=next((name for name in components if name), None),
        category=fields.text(fields.mapping(content, "project"), "name"),
        labels=fields.texts(content, "labels"),
        reporter=_person(content, "reporter"),
        assignee=_person(content, "assignee"),
        url=_browse_url(fields.text(record, "self"), key),
        created_at=created,
        updated_at=updated or created,
        resolved_at=resolved,
        closed_at=resolved if status is IssueStatus.CLOSED else None,
        duplicate_of=_duplicate_of(content),
        resolution=fields.text(fields.mapping(content, "resolution"), "name"),
        comments=tuple(
            _comment(c)
            for c in fields.records(fields.mapping(content, "comment"), "comments")
        ),
    )


def _status(content: Record) -> IssueStatus:
    status = fields.mapping(content, "status")
    name = fields.text(status, "name") or ""
    known = vocabulary.STATUS.get(vocabulary.word(name))
    if known is not None:
        return known
    category = fields.text(fields.mapping(status, "statusCategory"), "key")
    return CATEGORY.get(category or "", IssueStatus.OPEN)


def _person(record: Record, name: str) -> str | None:
    person = fields.mapping(record, name)
    return fields.text(person, "displayName") or fields.text(person, "name")


def _comment(record: Record) -> RemoteComment:
    created = vocabulary.moment(fields.required(record, "created"))
    assert created is not None
    private = bool(fields.mapping(record, "visibility")) or bool(
        record.get("jsdPublic") is False
    )
    return RemoteComment(
        body=fields.text(record, "body") or "",
        created_at=created,
        author=_person(record, "author"),
        kind=CommentKind.WORK_NOTE if private else CommentKind.PUBLIC,
        key=fields.text(record, "id"),
    )


def _duplicate_of(content: Record) -> str | None:
    for link in fields.records(content, "issuelinks"):
        outward = fields.mapping(link, "outwardIssue")
        kind = fields.text(fields.mapping(link, "type"), "outward")
        if outward and kind == _DUPLICATES:
            return fields.text(outward, "key")
    return None


def _browse_url(api_url: str | None, key: str) -> str | None:
    match = _SITE.match(api_url or "")
    return f"{match[1]}/browse/{key}" if match else None
