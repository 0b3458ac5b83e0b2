"""The past issues that a backtest replays, and when each became known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlmodel import col, select

from issuetrack.engine.assistant.backtest_truth import Fixes, Links, fix_texts, links
from issuetrack.engine.assistant.confidence import Filed
from issuetrack.engine.store.tables import Issue, Source
from issuetrack.engine.store.unit_of_work import UnitOfWork

LOCAL = "local"
NO_CATEGORY = "none"


@dataclass(frozen=True)
class PastIssue:
    """A resolved issue as it is asked again.

    Attributes:
        filed: what was asked, and when.
        source: the name of the tracker; `local` without one.
        by_link: earlier issues that people linked it with.
        by_fix: earlier issues whose fix says the same as its own.
        duplicates: issues opened before it that are linked as the same.
    """

    number: int
    filed: Filed
    source: str
    category: str
    by_link: frozenset[int]
    by_fix: frozenset[int]
    duplicates: frozenset[int]

    @property
    def right(self) -> frozenset[int]:
        """Return the earlier issues that would have been a right answer."""
        return self.by_link | self.by_fix


@dataclass(frozen=True)
class Moments:
    """When issues were opened, and from when on their fix was known.

    Attributes:
        created: by number.
        known: by number; issues without an end are not in it. Where a clock went
            backwards, and the end is before the beginning, the beginning counts.
        backwards: how many those are.
    """

    created: Mapping[int, datetime]
    known: Mapping[int, datetime]
    backwards: int

    def was_known(self, number: int, at: datetime) -> bool:
        """Tell whether an issue was finished before a moment."""
        known = self.known.get(number)
        return known is not None and known < at

    def was_open(self, number: int, at: datetime) -> bool:
        """Tell whether an issue was opened before a moment."""
        created = self.created.get(number)
        return created is not None and created < at


@dataclass(frozen=True)
class Past:
    """What is replayed, in the order of time, and what it is judged by.

    Attributes:
        finished: how many issues are resolved or closed.
        fixes: how many of them say what fixed them.
        same_by_chance: the share of random pairs of fixes that say the same.
    """

    issues: Sequence[PastIssue]
    moments: Moments
    finished: int
    fixes: int
    same_by_chance: float | None


def past(uow: UnitOfWork, since: datetime | None, limit: int) -> Past:
    """Return the newest finished issues, at most so many, opened since a moment."""
    moments = _moments(uow)
    fixes, linked = Fixes(fix_texts(uow)), links(uow)
    chosen = sorted(
        (created, number)
        for number, created in moments.created.items()
        if number in moments.known and (since is None or created >= since)
    )[-limit:]
    rows = _rows(uow, [number for _, number in chosen])
    issues = [_past_issue(uow, row, name, moments, linked, fixes) for row, name in rows]
    issues.sort(key=lambda issue: (issue.filed.created_at, issue.number))
    return Past(
        issues, moments, len(moments.known), len(fixes), fixes.share_by_chance()
    )


def _moments(uow: UnitOfWork) -> Moments:
    created: dict[int, datetime] = {}
    known: dict[int, datetime] = {}
    backwards = 0
    for number, opened, ended in uow.sql(
        "SELECT number, created_at, coalesce(resolved_at, closed_at) FROM issue"
    ):
        created[number] = _moment(opened)
        if ended is not None:
            known[number] = max(_moment(ended), created[number])
            backwards += _moment(ended) < created[number]
    return Moments(created, known, backwards)


def _moment(stored: str) -> datetime:
    return datetime.fromisoformat(stored).replace(tzinfo=UTC)


def _rows(
    uow: UnitOfWork, numbers: Sequence[int]
) -> Iterator[tuple[Issue, str | None]]:
    for start in range(0, len(numbers), 500):
        some = numbers[start : start + 500]
        yield from uow.session.exec(
            select(Issue, Source.name)
            .outerjoin(Source, col(Source.id) == col(Issue.source_id))
            .where(col(Issue.number).in_(some))
        )


def _past_issue(
    uow: UnitOfWork,
    row: Issue,
    source: str | None,
    moments: Moments,
    linked: Links,
    fixes: Fixes,
) -> PastIssue:
    assert row.number is not None
    number, at = row.number, row.created_at
    duplicates = linked.duplicates.get(number, frozenset())
    by_link = duplicates | linked.related.get(number, frozenset())
    body = uow.open_optional("issue", "body", row.uuid, row.body) or ""
    settled = row.resolved_at or row.closed_at
    return PastIssue(
        number,
        Filed(row.title, body, at, settled),
        source or LOCAL,
        row.category or NO_CATEGORY,
        frozenset(n for n in by_link if moments.was_known(n, at)),
        frozenset(n for n in fixes.same(number) if moments.was_known(n, at)),
        frozenset(n for n in duplicates if moments.was_open(n, at)),
    )
