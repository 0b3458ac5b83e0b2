"""What was said of recommendations and procedures, read back for engineers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlmodel import col, func, select

from issuetrack.engine.assistant.targets import Target
from issuetrack.engine.store.learning_tables import Outcome, Rating
from issuetrack.engine.store.types import OutcomeResult
from issuetrack.engine.store.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class FeedbackFilter:
    """Which of it is wanted; None for any.

    Attributes:
        since: said then or later.
        stars: the fewest and the most; outcomes have none and are left out.
    """

    target: Target | None = None
    since: datetime | None = None
    stars: tuple[int, int] | None = None


@dataclass(frozen=True)
class FeedbackEntry:
    """One rating or outcome.

    Attributes:
        counts: whether it is the last rating of this person for this; an outcome
            always counts.
        source: the one cited source that a rating is about; None for all of them.
        text: why, as it was written; None where nothing was.
    """

    kind: Literal["rating", "outcome"]
    recommendation: int | None
    sop: int | None
    at: datetime
    by: str
    stars: int | None
    result: OutcomeResult | None
    issue: int | None
    source: str | None
    counts: bool
    text: str | None


def entries(
    uow: UnitOfWork, wanted: FeedbackFilter, names: Mapping[str, str], limit: int
) -> list[FeedbackEntry]:
    """Return ratings and outcomes, the latest first.

    Args:
        uow: what to read through.
        wanted: which of them.
        names: of principals, by uuid.
        limit: at most so many.
    """
    found = _ratings(uow, wanted, names, limit)
    if wanted.stars is None:
        found += _outcomes(uow, wanted, names, limit)
    found.sort(key=lambda entry: entry.at, reverse=True)
    return found[:limit]


def _ratings(
    uow: UnitOfWork, wanted: FeedbackFilter, names: Mapping[str, str], limit: int
) -> list[FeedbackEntry]:
    conditions = _conditions(Rating, wanted)
    if wanted.stars is not None:
        conditions.append(col(Rating.stars).between(*wanted.stars))
    rows = uow.session.exec(
        select(Rating)
        .where(*conditions)
        .order_by(col(Rating.created_at).desc(), col(Rating.id).desc())
        .limit(limit)
    ).all()
    last = set(
        uow.session.exec(
            select(func.max(Rating.id)).group_by(
                col(Rating.rater), col(Rating.recommendation_id), col(Rating.sop_id)
            )
        )
    )
    return [
        FeedbackEntry(
            "rating",
            row.recommendation_id,
            row.sop_id,
            row.created_at,
            names.get(row.rater, row.rater),
            row.stars,
            None,
            None,
            row.credited,
            row.id in last,
            uow.open_optional("rating", "feedback", row.uuid, row.feedback),
        )
        for row in rows
    ]


def _outcomes(
    uow: UnitOfWork, wanted: FeedbackFilter, names: Mapping[str, str], limit: int
) -> list[FeedbackEntry]:
    rows = uow.session.exec(
        select(Outcome)
        .where(*_conditions(Outcome, wanted))
        .order_by(col(Outcome.created_at).desc(), col(Outcome.id).desc())
        .limit(limit)
    )
    return [
        FeedbackEntry(
            "outcome",
            row.recommendation_id,
            row.sop_id,
            row.created_at,
            names.get(row.actor, row.actor),
            None,
            row.result,
            row.issue_number,
            None,
            True,
            uow.open_optional("outcome", "note", row.uuid, row.note),
        )
        for row in rows
    ]


def _conditions(
    table: type[Rating] | type[Outcome], wanted: FeedbackFilter
) -> list[Any]:
    found: list[Any] = []
    if wanted.target is not None:
        found.append(col(table.recommendation_id) == wanted.target.recommendation)
        found.append(col(table.sop_id) == wanted.target.sop)
    if wanted.since is not None:
        found.append(col(table.created_at) >= wanted.since)
    return found
