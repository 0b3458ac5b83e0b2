"""How procedures did: used, judged, and what speaks for looking at one again."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import col, select

from issuetrack.engine.assistant.sops import records as sop_records
from issuetrack.engine.assistant.sops.records import Citation, stands_in
from issuetrack.engine.issues import procedures, records
from issuetrack.engine.issues.procedures import SopSummary
from issuetrack.engine.issues.records import IssueRecord
from issuetrack.engine.issues.workflow import FINISHED
from issuetrack.engine.store.learning_tables import (
    Outcome,
    Rating,
    Sop,
    SopUse,
    SopVersion,
)
from issuetrack.engine.store.tables import Issue
from issuetrack.engine.store.types import OutcomeResult
from issuetrack.engine.store.unit_of_work import UnitOfWork

STALE_AFTER = timedelta(days=180)
LEADING_SHARE = 0.5
LED = (
    "SELECT source.sop_id, outcome.id FROM recommendation_source AS source "
    "JOIN outcome ON outcome.recommendation_id = source.recommendation_id "
    "WHERE source.sop_id > 0 AND source.share >= ?"
)


@dataclass(frozen=True)
class SopStatistics:
    """How one procedure did.

    Attributes:
        used: how often it was recommended, or named as what fixed an issue.
        raters: how many people rated it; of each the last rating counts.
        stars: the mean of these ratings; None without any.
        outcomes: how often it, or a recommendation that rests on it by half or more,
            was accepted, partly accepted and rejected.
        last_success: when it was last accepted.
        stale: why somebody should look at it again; empty if nothing says so.
    """

    summary: SopSummary
    used: int
    last_used: datetime | None
    raters: int
    stars: float | None
    outcomes: tuple[tuple[OutcomeResult, int], ...]
    last_success: datetime | None
    stale: tuple[str, ...]


@dataclass(frozen=True)
class _Record:
    """What is known of one procedure."""

    row: SopVersion
    uses: Sequence[SopUse]
    ratings: Sequence[Rating]
    outcomes: Sequence[Outcome]
    citations: tuple[Citation, ...]

    @property
    def last_used(self) -> datetime | None:
        return max((use.at for use in self.uses), default=None)

    @property
    def last_success(self) -> datetime | None:
        return max(self._moments(OutcomeResult.ACCEPTED), default=None)

    @property
    def last_failure(self) -> datetime | None:
        return max(self._moments(OutcomeResult.REJECTED), default=None)

    def _moments(self, result: OutcomeResult) -> Iterable[datetime]:
        return (o.created_at for o in self.outcomes if o.result is result)


def of(uow: UnitOfWork, now: datetime, sop: int | None) -> list[SopStatistics]:
    """Return how procedures did: one, or all that are not out of use."""
    query = select(Sop).order_by(col(Sop.id))
    chosen = col(Sop.current).is_not(None) if sop is None else col(Sop.id) == sop
    rows = [
        procedures.version_of(uow, found)
        for found in uow.session.exec(query.where(chosen)).all()
    ]
    summaries = procedures.summaries(uow, rows)
    known = _records(uow, rows)
    return [
        _statistics(uow, now, *entry) for entry in zip(summaries, known, strict=True)
    ]


def _records(uow: UnitOfWork, rows: Sequence[SopVersion]) -> list[_Record]:
    uses = uow.session.exec(select(SopUse)).all()
    ratings = uow.session.exec(
        select(Rating).where(col(Rating.sop_id).is_not(None)).order_by(col(Rating.id))
    ).all()
    outcomes = uow.session.exec(select(Outcome)).all()
    led = {(sop, outcome) for sop, outcome in uow.sql(LED, LEADING_SHARE)}
    return [
        _Record(
            row,
            [use for use in uses if use.sop_id == row.sop_id],
            [rating for rating in ratings if rating.sop_id == row.sop_id],
            [
                outcome
                for outcome in outcomes
                if outcome.sop_id == row.sop_id or (row.sop_id, outcome.id) in led
            ],
            sop_records.citations_of(uow, row),
        )
        for row in rows
    ]


def _statistics(
    uow: UnitOfWork, now: datetime, summary: SopSummary, known: _Record
) -> SopStatistics:
    stars = list({rating.rater: rating.stars for rating in known.ratings}.values())
    counts = Counter(outcome.result for outcome in known.outcomes)
    return SopStatistics(
        summary,
        len(known.uses),
        known.last_used,
        len(stars),
        sum(stars) / len(stars) if stars else None,
        tuple((result, counts[result]) for result in OutcomeResult),
        known.last_success,
        tuple(_stale(uow, now, known)),
    )


def _stale(uow: UnitOfWork, now: datetime, known: _Record) -> Iterator[str]:
    row = known.row
    moments = (row.created_at, row.decided_at, known.last_used, known.last_success)
    quiet = now - max(moment for moment in moments if moment is not None)
    if quiet > STALE_AFTER:
        yield f"neither used nor confirmed for {quiet.days} days"
    failure = known.last_failure
    if failure and failure > max(row.created_at, known.last_success or row.created_at):
        yield f"rejected on {failure.date().isoformat()}, and no success since"
    yield from _cited_otherwise(uow, known.citations)


def _cited_otherwise(uow: UnitOfWork, citations: Sequence[Citation]) -> Iterator[str]:
    """Yield which cited issues are no longer as they were when they were quoted."""
    for number in dict.fromkeys(citation.issue for citation in citations):
        row = uow.session.get(Issue, number)
        if row is None:
            yield f"#{number}, which it cites, is gone"
            continue
        issue = records.record(uow, row)
        if issue.summary.status not in FINISHED:
            yield f"#{number}, which it cites, is {_words(issue.summary.status)} again"
        quotes = (c.quote for c in citations if c.issue == number)
        told = _texts(issue)
        if told is not None and not all(stands_in(quote, told) for quote in quotes):
            yield f"#{number}, which it cites, was changed since"


def _words(status: str) -> str:
    return status.replace("_", " ")


def _texts(issue: IssueRecord) -> str | None:
    """Return all that an issue says; None if not all of it may be read here."""
    resolution = issue.resolution.text if issue.resolution else ""
    said = [resolution, *(comment.body for comment in issue.comments)]
    if any(text is None for text in said):
        return None
    return "\n".join([issue.summary.title, issue.body, *(text or "" for text in said)])
