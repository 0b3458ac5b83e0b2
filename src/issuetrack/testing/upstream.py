"""What the contract needs of a stand-in for a tracker, and what it reads from it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from issuetrack.engine.sync.connector import Page
from issuetrack.engine.sync.merge import remote_digest
from issuetrack.engine.sync.parts import comment_key
from issuetrack.engine.sync.ports import (
    BadRecord,
    GoneIssue,
    RemoteComment,
    RemoteIssue,
)
from issuetrack.testing.server import LoopbackServer

MOST_PAGES = 200


class Upstream(Protocol):
    """A stand-in for a tracker, which keeps issues.

    Its clock is its own, long past, and stands still until `wait`. Whatever changes
    an issue sets the moment of its last change to that clock.
    """

    @property
    def server(self) -> LoopbackServer:
        """Return the server that it answers through."""

    @property
    def now(self) -> datetime:
        """Return its moment, aware."""

    def wait(self, seconds: float) -> None:
        """Move its clock; back if the seconds are negative."""

    def add(self, title: str, body: str, comments: Sequence[str] = ()) -> str:
        """Open an issue; return its key."""

    def edit(self, key: str, title: str) -> None:
        """Change the title of an issue."""

    def comment(self, key: str, body: str) -> None:
        """Add a comment to an issue."""

    def close(self, key: str) -> None:
        """Close an issue."""

    def delete(self, key: str) -> None:
        """Delete an issue."""

    def spoil(self, key: str) -> None:
        """Let the record of an issue be one that cannot be understood."""


@dataclass
class Gathered:
    """What pages gave, the last of each issue and comment.

    Attributes:
        comments: by the key of the issue, then by that of the comment.
        cursors: of each page.
    """

    issues: dict[str, RemoteIssue] = field(default_factory=dict)
    comments: dict[str, dict[str, RemoteComment]] = field(default_factory=dict)
    bad: list[BadRecord] = field(default_factory=list)
    gone: list[GoneIssue] = field(default_factory=list)
    cursors: list[str] = field(default_factory=list)
    repeated: int = 0

    def take(self, page: Page) -> None:
        """Add a page."""
        self.cursors.append(page.cursor)
        for item in page.items:
            if isinstance(item, RemoteIssue):
                self._issue(item)
            elif isinstance(item, RemoteComment):
                self._comment(item.issue_key or "", item)
            elif isinstance(item, BadRecord):
                self.bad.append(item)
            elif isinstance(item, GoneIssue):
                self.gone.append(item)

    def _issue(self, issue: RemoteIssue) -> None:
        self.repeated += issue.key in self.issues
        self.issues[issue.key] = issue
        for comment in issue.comments:
            self._comment(issue.key, comment)

    def _comment(self, key: str, comment: RemoteComment) -> None:
        self.comments.setdefault(key, {})[comment_key(comment)] = comment

    @property
    def cursor(self) -> str:
        """Return the cursor of the last page."""
        return self.cursors[-1]

    @property
    def titles(self) -> dict[str, str]:
        """Return titles by keys."""
        return {key: issue.title for key, issue in self.issues.items()}

    def said(self, key: str) -> str:
        """Return the texts of all comments of an issue, oldest first."""
        found = self.comments.get(key, {}).values()
        return "\n".join(c.body for c in sorted(found, key=lambda c: c.created_at))

    def changed_since(self, earlier: "Gathered") -> set[str]:
        """Return the keys of issues and comments that an earlier read had not so."""
        known = {k: remote_digest(issue) for k, issue in earlier.issues.items()}
        changed = {
            k
            for k, issue in self.issues.items()
            if known.get(k) != remote_digest(issue)
        }
        for key, comments in self.comments.items():
            if not comments.items() <= earlier.comments.get(key, {}).items():
                changed.add(key)
        return changed


def gather(pages: Iterable[Page], into: Gathered | None = None) -> Gathered:
    """Read pages; those that do not end are an error."""
    found = into or Gathered()
    for number, page in enumerate(pages):
        if number >= MOST_PAGES:
            raise AssertionError(f"more than {MOST_PAGES} pages came")
        found.take(page)
    return found
