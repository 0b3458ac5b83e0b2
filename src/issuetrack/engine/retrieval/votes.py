"""What people said of answers, as votes on what the answers were made of.

A rating or an outcome of a recommendation is shared out to its sources by what rests
on them, or goes to the one source it names; that of a procedure is the procedure's
own. Of what one person said of one thing only the last counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from issuetrack.engine.retrieval.subjects import Subject
from issuetrack.engine.store.types import OutcomeResult
from issuetrack.engine.store.unit_of_work import UnitOfWork

MIDDLE_STARS, MOST_ABOVE = 3, 2
WORTH = {
    OutcomeResult.ACCEPTED: 1.0,
    OutcomeResult.PARTLY: 0.25,
    OutcomeResult.REJECTED: -1.0,
}
HALF_LIFE_DAYS = 365.0
GOOD = 0.5

_LATEST = (
    "SELECT max(id) FROM {table} WHERE created_at < ? "
    "GROUP BY {person}, recommendation_id, sop_id, {part}"
)
_VOTES = (
    "SELECT vote.{person}, vote.{said}, vote.created_at, {credited}, vote.sop_id, "
    "source.issue_number, source.document_id, source.sop_id, source.share, "
    "recommendation.id, recommendation.title_vector, recommendation.text_vector "
    "FROM {table} AS vote "
    "LEFT JOIN recommendation ON recommendation.id = vote.recommendation_id "
    "LEFT JOIN recommendation_source AS source "
    "ON source.recommendation_id = vote.recommendation_id "
    "WHERE vote.id IN (" + _LATEST + ") ORDER BY vote.id"
)
_RATINGS = _VOTES.format(
    table="rating",
    person="rater",
    said="stars",
    credited="vote.credited",
    part="credited",
)
_OUTCOMES = _VOTES.format(
    table="outcome",
    person="actor",
    said="result",
    credited="NULL",
    part="issue_number",
)
_ANY = "SELECT EXISTS (SELECT 1 FROM rating) OR EXISTS (SELECT 1 FROM outcome)"


class VoteKind(StrEnum):
    """How somebody said it."""

    RATING = "rating"
    OUTCOME = "outcome"


@dataclass(frozen=True)
class Vote:
    """What one person said of one source, for one question.

    Attributes:
        worth: -1 (useless) to 1 (it was that).
        weight: 0..1; what part of the answer rested on it, less as it ages.
        recommendation: what was voted on; None for a procedure by itself.
        asked: the raw int8 vectors of the question's title and text, if known.
    """

    kind: VoteKind
    voter: str
    subject: Subject
    worth: float
    weight: float
    recommendation: int | None
    asked: tuple[bytes, bytes] | None


def votes(uow: UnitOfWork, at: datetime) -> list[Vote]:
    """Return the votes that were there at a moment, aged to it."""
    if not uow.sql(_ANY)[0][0]:
        return []
    moment = at.astimezone(UTC).replace(tzinfo=None)
    given = moment.isoformat(sep=" ", timespec="microseconds")
    found = [
        *_of(VoteKind.RATING, uow.sql(_RATINGS, given), moment),
        *_of(VoteKind.OUTCOME, uow.sql(_OUTCOMES, given), moment),
    ]
    return [vote for vote in found if vote.weight > 0]


def _of(
    kind: VoteKind, rows: list[tuple[object, ...]], now: datetime
) -> Iterator[Vote]:
    for row in rows:
        subject = _subject(*row[4:8])
        if subject is None:
            continue
        voter, said, created, credited, own, *_, share, number, title, text = row
        whole = own is not None or credited is not None
        if credited is not None and subject.name != credited:
            continue
        yield Vote(
            kind,
            str(voter),
            subject,
            _worth(said),
            (1.0 if whole else _number(share)) * _freshness(str(created), now),
            None if number is None else int(_number(number)),
            _vectors(title, text),
        )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _subject(own: object, *source: object) -> Subject | None:
    issue, document, sop = (n if isinstance(n, int) else None for n in source)
    sop = own if isinstance(own, int) else sop
    if issue is document is sop is None:
        return None
    return Subject.of(issue, document, sop)


def _worth(said: object) -> float:
    if isinstance(said, int):
        return (said - MIDDLE_STARS) / MOST_ABOVE
    return WORTH[OutcomeResult(str(said))]


def _freshness(created: str, now: datetime) -> float:
    days = (now - datetime.fromisoformat(created)).total_seconds() / 86400
    return float(0.5 ** (max(days, 0.0) / HALF_LIFE_DAYS))


def _vectors(title: object, text: object) -> tuple[bytes, bytes] | None:
    if isinstance(title, bytes) and isinstance(text, bytes) and len(title) == len(text):
        return title, text
    return None
