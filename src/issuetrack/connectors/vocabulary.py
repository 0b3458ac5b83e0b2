"""The words that trackers use, in the common vocabulary."""

import re
from datetime import UTC, datetime

from issuetrack.engine.store.types import IssueStatus, IssueType, Priority

STATUS = {
    "open": IssueStatus.OPEN,
    "new": IssueStatus.OPEN,
    "to do": IssueStatus.OPEN,
    "todo": IssueStatus.OPEN,
    "reopened": IssueStatus.OPEN,
    "backlog": IssueStatus.OPEN,
    "in progress": IssueStatus.IN_PROGRESS,
    "in review": IssueStatus.IN_PROGRESS,
    "patch available": IssueStatus.IN_PROGRESS,
    "on hold": IssueStatus.IN_PROGRESS,
    "pending": IssueStatus.IN_PROGRESS,
    "waiting": IssueStatus.IN_PROGRESS,
    "resolved": IssueStatus.RESOLVED,
    "fixed": IssueStatus.RESOLVED,
    "done": IssueStatus.RESOLVED,
    "closed": IssueStatus.CLOSED,
    "canceled": IssueStatus.CLOSED,
    "cancelled": IssueStatus.CLOSED,
}
PRIORITY = {
    "p1": Priority.P1,
    "p2": Priority.P2,
    "p3": Priority.P3,
    "p4": Priority.P4,
    "1": Priority.P1,
    "2": Priority.P2,
    "3": Priority.P3,
    "4": Priority.P4,
    "5": Priority.P4,
    "blocker": Priority.P1,
    "critical": Priority.P1,
    "highest": Priority.P1,
    "urgent": Priority.P1,
    "major": Priority.P2,
    "high": Priority.P2,
    "medium": Priority.P3,
    "moderate": Priority.P3,
    "normal": Priority.P3,
    "minor": Priority.P3,
    "low": Priority.P4,
    "lowest": Priority.P4,
    "trivial": Priority.P4,
    "planning": Priority.P4,
}
TYPE = {
    "incident": IssueType.INCIDENT,
    "bug": IssueType.BUG,
    "defect": IssueType.BUG,
    "problem": IssueType.PROBLEM,
    "change": IssueType.CHANGE,
    "improvement": IssueType.CHANGE,
    "new feature": IssueType.CHANGE,
    "enhancement": IssueType.CHANGE,
    "feature": IssueType.CHANGE,
    "task": IssueType.CHANGE,
    "sub task": IssueType.CHANGE,
    "story": IssueType.CHANGE,
    "epic": IssueType.CHANGE,
    "service request": IssueType.SERVICE_REQUEST,
    "request": IssueType.SERVICE_REQUEST,
    "question": IssueType.SERVICE_REQUEST,
    "support": IssueType.SERVICE_REQUEST,
}
_MOMENTS = (
    "%d/%b/%y %H:%M",
    "%d/%b/%Y %H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
)
_WORD = re.compile(r"[\s_-]+")


def word(text: str) -> str:
    """Return a word as the tables above write it."""
    return _WORD.sub(" ", text.strip().lower())


def status(text: str | None) -> IssueStatus:
    """Return the status for a tracker's word.

    Raises:
        ValueError: the word is not known.
    """
    if not text:
        return IssueStatus.OPEN
    try:
        return STATUS[word(text)]
    except KeyError as error:
        raise ValueError(f"unknown status {text!r}") from error


def priority(text: str | None) -> Priority | None:
    """Return the priority for a tracker's word; None for words without one.

    ServiceNow's `2 - High` counts as 2.
    """
    if not text:
        return None
    known = word(text)
    return PRIORITY.get(known) or PRIORITY.get(known.split(" ")[0])


def issue_type(text: str | None, default: IssueType = IssueType.INCIDENT) -> IssueType:
    """Return the type for a tracker's word; words without one get the default."""
    return TYPE.get(word(text), default) if text else default


def moment(text: str | None) -> datetime | None:
    """Return the moment that a text names; without a zone it is UTC.

    Raises:
        ValueError: it is not a moment.
    """
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = _by_format(text)
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return found.astimezone(UTC)


def _by_format(text: str) -> datetime:
    for layout in _MOMENTS:
        try:
            return datetime.strptime(text.strip(), layout).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise ValueError(f"{text!r} is not a date; write 2026-01-31T12:00:00Z")
