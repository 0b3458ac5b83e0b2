"""The changes of one session, each with what takes it back."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from issuetrack.engine.errors import (
    ConflictError,
    IssueTrackError,
    NotFoundError,
    PermissionDenied,
    UsageError,
)
from issuetrack.engine.issues.workflow import NEXT

if TYPE_CHECKING:
    from issuetrack.engine.issues.records import IssueRecord
    from issuetrack.engine.store.types import IssueStatus
    from issuetrack.engine.workspace import Workspace

MOST = 100
FINAL = (ConflictError, UsageError, NotFoundError, PermissionDenied)
Back = Callable[["Workspace", int], "IssueRecord"]


@dataclass(frozen=True)
class Change:
    """Something that was done to an issue.

    Attributes:
        number: the issue.
        told: what was done, in a few words.
        back: takes it back, given the revision that it left.
        before: the revision that it was done to.
        after: the revision that it left.
        overwrites: whether taking it back writes over what is there, so that nobody
            may have changed the issue in between.
    """

    number: int
    told: str
    back: Back
    before: int
    after: int
    overwrites: bool = True


class UndoStack:
    """What can be taken back, the latest last.

    A revision that is not the one a change left says that somebody else was there in
    between: their work is not written over.
    """

    def __init__(self) -> None:
        self._changes: deque[Change] = deque(maxlen=MOST)

    def push(self, change: Change) -> None:
        """Keep a change."""
        self._changes.append(change)

    def last(self) -> Change | None:
        """Return the latest change; None where there is none."""
        return self._changes[-1] if self._changes else None

    def take_back(self, workspace: "Workspace", change: Change) -> "IssueRecord":
        """Undo the latest change; what can never be undone is forgotten.

        Raises:
            ConflictError: the issue was changed since.
            IssueTrackError: the engine refuses.
        """
        try:
            record = change.back(workspace, change.after)
        except IssueTrackError as error:
            if isinstance(error, FINAL):
                self._changes.remove(change)
            raise
        self._changes.remove(change)
        self._settle(change, record.summary.revision)
        return record

    def _settle(self, undone: Change, revision: int) -> None:
        """Let the change before stand on the revision that undoing left."""
        if not undone.overwrites and revision != undone.after + 1:
            return
        for place, change in enumerate(self._changes):
            if change.number == undone.number and change.after == undone.before:
                self._changes[place] = replace(change, after=revision)


def way(start: "IssueStatus", goal: "IssueStatus") -> list["IssueStatus"]:
    """Return the shortest way from one status to another, without its start."""
    ways, known = deque([[start]]), {start}
    while ways:
        path = ways.popleft()
        if path[-1] is goal:
            return path[1:]
        for step in sorted(NEXT[path[-1]] - known):
            known.add(step)
            ways.append([*path, step])
    return []
