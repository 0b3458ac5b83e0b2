"""What is sent to GitHub to change an issue."""

from collections.abc import Mapping
from typing import Any

from issuetrack.engine.errors import UsageError
from issuetrack.engine.store.types import CommentKind, IssueStatus
from issuetrack.engine.sync.connector import Change, Request

MARK = "<!-- issuetrack:{} -->"
_STATES = {
    IssueStatus.OPEN: {"state": "open"},
    IssueStatus.IN_PROGRESS: {"state": "open"},
    IssueStatus.RESOLVED: {"state": "closed", "state_reason": "completed"},
    IssueStatus.CLOSED: {"state": "closed", "state_reason": "completed"},
}
_FIELDS = {"title": "title", "body": "body", "labels": "labels"}


def requests_for(change: Change, url: str) -> list[Request]:
    """Return the requests that make a change of the issue at a url.

    Raises:
        UsageError: GitHub cannot do that.
    """
    found = []
    if change.comment is not None:
        if change.kind is CommentKind.WORK_NOTE:
            raise UsageError("GitHub has no internal comments", "leave --internal away")
        body = f"{change.comment}\n\n{MARK.format(change.mark)}"
        found.append(Request("POST", f"{url}/comments", {"body": body}))
    content = _content(change)
    if content:
        found.append(Request("PATCH", url, content))
    return found


def _content(change: Change) -> Mapping[str, Any]:
    """Return what is to be patched."""
    content: dict[str, Any] = {}
    if change.status is not None:
        content |= _STATES[change.status]
    for name, value in change.fields.items():
        if name == "assignee":
            content["assignees"] = [value] if value else []
        elif name in _FIELDS:
            content[_FIELDS[name]] = value
        else:
            raise UsageError(
                f"GitHub has no {name} to write to",
                f"it has: {', '.join([*_FIELDS, 'assignee', 'status'])}",
            )
    return content
