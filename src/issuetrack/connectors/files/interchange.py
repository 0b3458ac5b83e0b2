"""issuetrack's own JSON lines: what `export` writes and `import` reads.

One object a line; `key` and `title` must be there, everything else may be missing or
null. The fields are described in docs/import-formats.md.
"""

from typing import Any

from issuetrack.connectors import fields, vocabulary
from issuetrack.connectors.fields import Record
from issuetrack.engine.issues.records import IssueRecord
from issuetrack.engine.store.types import CommentKind, ResolutionHow, Role
from issuetrack.engine.sync.ports import RemoteComment, RemoteIssue

EPOCH = "1970-01-01T00:00:00Z"


def looks_like(record: Record) -> bool:
    """Tell whether a record is one of ours."""
    return "title" in record


def issue(record: Record) -> RemoteIssue:
    """Return the issue that a record tells of.

    Raises:
        ValueError: a field is missing or of the wrong type.
    """
    created = vocabulary.moment(fields.text(record, "created_at") or EPOCH)
    updated = vocabulary.moment(fields.text(record, "updated_at"))
    resolved = vocabulary.moment(fields.text(record, "resolved_at"))
    closed = vocabulary.moment(fields.text(record, "closed_at"))
    assert created is not None
    return RemoteIssue(
        key=fields.required(record, "key"),
        title=fields.required(record, "title"),
        body=fields.text(record, "body") or "",
        type=vocabulary.issue_type(fields.text(record, "type")),
        status=vocabulary.status(fields.text(record, "status")),
        priority=vocabulary.priority(fields.text(record, "priority")),
        service=fields.text(record, "service"),
        site=fields.text(record, "site"),
        category=fields.text(record, "category"),
        labels=fields.texts(record, "labels"),
        reporter=fields.text(record, "reporter"),
        assignee=fields.text(record, "assignee"),
        url=fields.text(record, "url"),
        created_at=created,
        updated_at=updated or closed or resolved or created,
        resolved_at=resolved,
        closed_at=closed,
        duplicate_of=fields.text(record, "duplicate_of"),
        resolution=fields.text(record, "resolution"),
        comments=tuple(_comment(c) for c in fields.records(record, "comments")),
    )


def _comment(record: Record) -> RemoteComment:
    created = vocabulary.moment(fields.text(record, "created_at") or EPOCH)
    assert created is not None
    kind = fields.text(record, "kind") or CommentKind.PUBLIC.value
    if kind not in list(CommentKind):
        raise ValueError(f"unknown kind of comment {kind!r}")
    return RemoteComment(
        body=fields.text(record, "body") or "",
        created_at=created,
        author=fields.text(record, "author"),
        kind=CommentKind(kind),
        key=fields.text(record, "key"),
    )


def exported(issue: IssueRecord, duplicate_of: str | None) -> dict[str, Any]:
    """Return an issue as one line's object.

    Args:
        issue: the issue.
        duplicate_of: the key that its original is exported under.
    """
    summary = issue.summary
    resolution = issue.resolution
    return {
        "key": exported_key(summary.number, summary.key),
        "title": summary.title,
        "body": issue.body,
        "type": summary.type,
        "status": summary.status,
        "priority": summary.priority,
        "service": summary.service,
        "site": summary.site,
        "category": summary.category,
        "labels": list(summary.labels),
        "reporter": summary.reporter,
        "assignee": summary.assignee,
        "url": summary.url,
        "created_at": summary.created_at.isoformat(),
        "updated_at": summary.updated_at.isoformat(),
        "resolved_at": summary.resolved_at and summary.resolved_at.isoformat(),
        "closed_at": summary.closed_at and summary.closed_at.isoformat(),
        "duplicate_of": duplicate_of,
        "resolution": _stated(issue) if resolution else None,
        "comments": [
            {
                "key": comment.key or f"local-{comment.id}",
                "author": comment.author,
                "kind": comment.kind,
                "body": comment.body,
                "created_at": comment.created_at.isoformat(),
            }
            for comment in issue.comments
            if comment.body is not None
        ],
    }


def _stated(issue: IssueRecord) -> str | None:
    """Return what a person said fixed it, if everybody may read that.

    What was mined is mined again from the comments.
    """
    resolution = issue.resolution
    if resolution is None or resolution.how is ResolutionHow.MINED:
        return None
    return resolution.text if resolution.reader is Role.VIEWER else None


def exported_key(number: int, key: str | None) -> str:
    """Return the key an issue is exported under; local issues get one."""
    return key or f"local-{number}"
