"""What a run of a source is asked for, and what it did."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from issuetrack.engine.errors import UsageError
from issuetrack.engine.sync.merge import MergeCounts, MergeReport
from issuetrack.engine.sync.service import Problem

SHOWN_PROBLEMS = 20


@dataclass(frozen=True)
class Wish:
    """What a run is to do.

    Attributes:
        since: read what has changed since then, whatever was read before.
        full: read everything, and find what has gone.
        dry_run: count, and write nothing.
        key: read this one issue only.
        limit: stop after so many issues.
    """

    since: datetime | None = None
    full: bool = False
    dry_run: bool = False
    key: str | None = None
    limit: int | None = None

    def check(self) -> None:
        """Refuse wishes that contradict each other.

        Raises:
            UsageError: they do.
        """
        if self.key is not None and (self.full or self.since or self.limit):
            raise UsageError(
                "--key reads one issue", "leave --full, --since and --limit away"
            )
        if self.full and self.since:
            raise UsageError("--full reads everything", "leave --since away")
        if self.limit is not None and self.limit < 1:
            raise UsageError("--limit is less than 1", "leave it away to read all")


@dataclass(kw_only=True)
class SyncReport(MergeCounts):
    """What a run did; with a dry run, what it would do.

    Attributes:
        cursor: where the next run begins; the connector's own words.
        partial: something is missing; `reasons` says what.
        hint: what to do about what ended the run early.
        notices: what the credential may not read, and is left out.
        already_running: another process is at it; nothing was done here.
        total: how many issues the run was about to read, where known.
    """

    source: str
    dry_run: bool = False
    full: bool = False
    pages: int = 0
    requests: int = 0
    gone: int = 0
    cursor: str | None = None
    partial: bool = False
    reasons: list[str] = field(default_factory=list)
    hint: str | None = None
    notices: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    already_running: bool = False
    total: int | None = None
    rate_remaining: int | None = None

    @property
    def issues(self) -> int:
        """Return how many issues were met."""
        return self.created + self.updated + self.unchanged

    def add_batch(self, batch: MergeReport) -> None:
        """Add what one batch did; the first problems are kept to be shown."""
        self.add(batch)
        room = max(SHOWN_PROBLEMS - len(self.problems), 0)
        self.problems += [
            Problem(bad.origin, bad.line, bad.reason) for bad in batch.problems[:room]
        ]

    def lacks(self, reason: str) -> None:
        """Note that something is missing."""
        self.partial = True
        self.reasons.append(reason)


Progress = Callable[[SyncReport], None]
