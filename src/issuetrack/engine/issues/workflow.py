"""Which status may follow which."""

from issuetrack.engine.errors import UsageError
from issuetrack.engine.store.types import IssueStatus

FINISHED = frozenset({IssueStatus.RESOLVED, IssueStatus.CLOSED})

NEXT = {
    IssueStatus.OPEN: {
        IssueStatus.IN_PROGRESS,
        IssueStatus.RESOLVED,
        IssueStatus.CLOSED,
    },
    IssueStatus.IN_PROGRESS: {
        IssueStatus.OPEN,
        IssueStatus.RESOLVED,
        IssueStatus.CLOSED,
    },
    IssueStatus.RESOLVED: {IssueStatus.OPEN, IssueStatus.CLOSED},
    IssueStatus.CLOSED: {IssueStatus.OPEN},
}


def check(number: int, before: IssueStatus, after: IssueStatus) -> None:
    """Refuse a change of status that makes no sense.

    Raises:
        UsageError: the issue is there already, or cannot get there directly.
    """
    if after in NEXT[before]:
        return
    if before is after:
        raise UsageError(
            f"#{number} is {before} already", f"issuetrack issue show {number}"
        )
    raise UsageError(
        f"#{number} is {before} and cannot become {after}",
        f"reopen it first: issuetrack issue reopen {number}",
    )
