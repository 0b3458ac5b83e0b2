"""What people's votes say of whole answers: examples for the calibration to learn."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from issuetrack.engine.assistant.confidence import Features
from issuetrack.engine.errors import PermissionDenied
from issuetrack.engine.store.types import OutcomeResult, RecommendationKind
from issuetrack.engine.store.unit_of_work import UnitOfWork

GOOD_STARS, BAD_STARS = 4, 2
RESULTS = {OutcomeResult.ACCEPTED: 1.0, OutcomeResult.REJECTED: 0.0}

_LATEST = (
    "SELECT vote.recommendation_id, vote.{person}, vote.{said} FROM {table} AS vote "
    "JOIN recommendation ON recommendation.id = vote.recommendation_id "
    "WHERE vote.id IN (SELECT max(id) FROM {table} WHERE recommendation_id > 0 {only}"
    " GROUP BY {person}, recommendation_id) AND recommendation.kind = ?"
)
_RATINGS = _LATEST.format(
    table="rating", person="rater", said="stars", only="AND credited IS NULL"
)
_OUTCOMES = _LATEST.format(table="outcome", person="actor", said="result", only="")
_COUNT = (
    "SELECT (SELECT count(*) FROM rating WHERE recommendation_id > 0 "
    "AND created_at > ?) + (SELECT count(*) FROM outcome WHERE recommendation_id > 0 "
    "AND created_at > ?)"
)


@dataclass(frozen=True)
class Example:
    """An answer whose worth is known.

    Attributes:
        success: 1 if it was right, 0 if not; a share where people disagree.
        votes: how many people say so; 0 for a past issue.
    """

    features: Features
    success: float
    votes: int = 0


def count_votes(uow: UnitOfWork, since: datetime) -> int:
    """Return how many votes on recommendations came after a moment."""
    moment = since.astimezone(UTC).replace(tzinfo=None)
    given = moment.isoformat(sep=" ", timespec="microseconds")
    return int(uow.sql(_COUNT, given, given)[0][0])


def voted(uow: UnitOfWork) -> list[Example]:
    """Return each recommendation that people judged, as far as may be read here.

    An outcome outweighs the same person's stars; of several the latest counts. Stars
    for one source of it, three stars and partly say nothing of the whole.
    """
    said: dict[int, dict[str, float | None]] = {}
    kind = RecommendationKind.SUGGESTION.value
    for number, person, stars in uow.sql(_RATINGS, kind):
        said.setdefault(number, {})[person] = _of_stars(int(stars))
    for number, person, result in uow.sql(_OUTCOMES, kind):
        said.setdefault(number, {})[person] = RESULTS.get(OutcomeResult(result))
    return list(_examples(uow, said))


def _of_stars(stars: int) -> float | None:
    if BAD_STARS < stars < GOOD_STARS:
        return None
    return 1.0 if stars >= GOOD_STARS else 0.0


def _examples(
    uow: UnitOfWork, said: dict[int, dict[str, float | None]]
) -> Iterator[Example]:
    for number, by_person in sorted(said.items()):
        judged = [worth for worth in by_person.values() if worth is not None]
        features = _features(uow, number) if judged else None
        if features is not None:
            yield Example(features, sum(judged) / len(judged), len(judged))


def _features(uow: UnitOfWork, number: int) -> Features | None:
    """Return the features that a recommendation recorded, if it did and may be read."""
    ((uuid, trace),) = uow.sql(
        "SELECT uuid, trace FROM recommendation WHERE id = ?", number
    )
    if trace is None:
        return None
    try:
        told = json.loads(uow.open("recommendation", "trace", uuid, bytes(trace)))
    except PermissionDenied:
        return None
    return Features.of(told["features"]) if told.get("features") else None
