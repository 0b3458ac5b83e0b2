"""The calibration in force: what of past answers came true, kept as a small model.

A backtest fits it on past issues; ratings and outcomes teach it more: four stars or
more and accepted are successes, two or less and rejected are failures. Never does it
learn from what the program itself said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlmodel import col, select

from issuetrack.engine.assistant.confidence import (
    CALIBRATED,
    Basis,
    Confidence,
    Features,
    Filed,
    LogisticWeights,
    confidence,
    duplicate_features,
)
from issuetrack.engine.assistant.voted import Example, count_votes, voted
from issuetrack.engine.retrieval.search import Match
from issuetrack.engine.store.learning_tables import Calibration as CalibrationRow
from issuetrack.engine.store.tables import Issue
from issuetrack.engine.store.types import CalibrationKind
from issuetrack.engine.store.unit_of_work import UnitOfWork

if TYPE_CHECKING:
    from issuetrack.engine.assistant.logistic import LogisticModel, Numbers

LEAST_CASES = 50
LEAST_OF_EACH = 10
REFIT_AFTER = 10
THRESHOLD = "duplicate_threshold"
MODEL, PAST = "model", "past"


@dataclass(frozen=True)
class Calibration:
    """How features become a chance, and what that was learnt from.

    Attributes:
        fitted_on: past issues.
        positives: those of them whose answer was right.
        ratings: ratings and outcomes.
        parameters: what the model is made of; `past` is it before any ratings.
        metrics: how good it was found to be.
    """

    kind: CalibrationKind
    created_at: datetime
    fitted_on: int
    positives: int
    ratings: int
    names: tuple[str, ...]
    parameters: Mapping[str, Any]
    metrics: Mapping[str, Any] = field(default_factory=dict)

    @property
    def basis(self) -> Basis:
        """Return where its numbers come from."""
        return Basis(self.fitted_on, self.ratings, self.created_at)

    @property
    def weights(self) -> LogisticWeights:
        """Return what gives the chance of features."""
        told = self.parameters[MODEL]
        parts = (tuple(told[name]) for name in ("means", "scales", "weights"))
        return LogisticWeights(self.names, *parts)


@dataclass(frozen=True)
class DuplicateChance:
    """How sure it is that the first match is the same as an issue.

    Attributes:
        chance: 0..1.
        probable: whether people are to be told; the backtest found the threshold.
    """

    match: Match
    chance: float
    probable: bool
    basis: Basis


def active(uow: UnitOfWork, kind: CalibrationKind) -> Calibration | None:
    """Return the calibration in force, None if nothing was calibrated yet."""
    row = uow.session.exec(
        select(CalibrationRow)
        .where(CalibrationRow.kind == kind, col(CalibrationRow.active))
        .order_by(col(CalibrationRow.id).desc())
    ).first()
    if row is None or tuple(row.features) != CALIBRATED[kind]:
        return None
    return Calibration(
        row.kind,
        row.created_at,
        row.fitted_on,
        row.positives,
        row.ratings,
        tuple(row.features),
        row.parameters,
        row.metrics,
    )


def sure(uow: UnitOfWork, features: Features | None) -> Confidence:
    """Return how sure an answer of these features is; 0 without evidence."""
    if features is None:
        return Confidence(0.0)
    known = active(uow, CalibrationKind.SUGGESTION)
    if known is None:
        return Confidence(confidence(features))
    return Confidence(confidence(features, known.weights), known.basis)


def lacking(right: int, wrong: int) -> str | None:
    """Say what is missing for a fit; None if there is enough."""
    needs = []
    if right + wrong < LEAST_CASES:
        needs.append(f"{LEAST_CASES} answered past issues (there are {right + wrong})")
    for count, word in ((right, "right"), (wrong, "wrong")):
        if count < LEAST_OF_EACH:
            needs.append(f"{LEAST_OF_EACH} with a {word} answer (there are {count})")
    return "; ".join(needs) or None


def fit(
    kind: CalibrationKind,
    now: datetime,
    past: Sequence[Example],
    votes: Sequence[Example] = (),
    metrics: Mapping[str, Any] | None = None,
) -> Calibration:
    """Return the calibration that past answers and people's votes teach."""
    from issuetrack.engine.assistant import logistic

    names = CALIBRATED[kind]
    learnt = logistic.fit(*_numbers(names, past or votes)) if past or votes else None
    assert learnt is not None
    model = learnt
    if past and votes:
        model = logistic.update(learnt, *_numbers(names, votes))
    return Calibration(
        kind,
        now,
        len(past),
        sum(example.success > 0 for example in past),
        sum(example.votes for example in votes),
        names,
        {MODEL: _told(model), **({PAST: _told(learnt)} if past else {})},
        dict(metrics or {}),
    )


def store(uow: UnitOfWork, calibration: Calibration) -> None:
    """Put a calibration in force; those before it are kept, out of force."""
    uow.sql("UPDATE calibration SET active = 0 WHERE kind = ?", calibration.kind.value)
    uow.session.add(
        CalibrationRow(
            kind=calibration.kind,
            created_at=calibration.created_at,
            fitted_on=calibration.fitted_on,
            positives=calibration.positives,
            ratings=calibration.ratings,
            features=list(calibration.names),
            parameters=dict(calibration.parameters),
            metrics=dict(calibration.metrics),
        )
    )
    uow.session.flush()


def learn(uow: UnitOfWork, now: datetime) -> Calibration | None:
    """Refit the confidence of suggestions when enough votes came since the last fit.

    Returns:
        what is in force from now on; None if nothing changed.
    """
    known = active(uow, CalibrationKind.SUGGESTION)
    since = known.created_at if known else datetime.min.replace(tzinfo=UTC)
    if count_votes(uow, since) < (REFIT_AFTER if known else LEAST_CASES):
        return None
    votes = voted(uow)
    right = sum(example.success >= 0.5 for example in votes)  # noqa: PLR2004
    if known is None and lacking(right, len(votes) - right):
        return None
    refitted = taught(known, votes, now)
    if refitted is not None:
        store(uow, refitted)
    return refitted


def taught(
    known: Calibration | None, votes: Sequence[Example], now: datetime
) -> Calibration | None:
    """Return a calibration that has learnt from all votes, None without any.

    Args:
        known: the one in force; what it learnt from past issues is kept, what it
            learnt from votes is learnt again.
        votes: all of them.
        now: its date.
    """
    if not votes:
        return None
    if known is None or PAST not in known.parameters:
        return fit(CalibrationKind.SUGGESTION, now, (), votes)
    from issuetrack.engine.assistant import logistic

    past = _model(known.parameters[PAST])
    model = logistic.update(past, *_numbers(known.names, votes))
    return Calibration(
        known.kind,
        now,
        known.fitted_on,
        known.positives,
        sum(example.votes for example in votes),
        known.names,
        {**known.parameters, MODEL: _told(model)},
        known.metrics,
    )


def duplicate_chance(
    uow: UnitOfWork, asked: Filed, matches: Sequence[Match]
) -> DuplicateChance | None:
    """Return how sure it is that the first match is the same as an issue.

    Args:
        uow: what to read through.
        asked: the issue.
        matches: earlier issues that were found for it, best first.

    Returns:
        None without a match, or while duplicates are not calibrated.
    """
    known = active(uow, CalibrationKind.DUPLICATE)
    if known is None or not matches:
        return None
    top = filed(uow, uow.session.get_one(Issue, matches[0].issue))
    features = duplicate_features(asked, matches, top)
    assert features is not None
    chance = known.weights.chance(features)
    threshold = known.metrics.get(THRESHOLD)
    probable = threshold is not None and chance >= threshold
    return DuplicateChance(matches[0], chance, probable, known.basis)


def filed(uow: UnitOfWork, row: Issue) -> Filed:
    """Return an issue as far as a duplicate of it is known by."""
    body = uow.open_optional("issue", "body", row.uuid, row.body) or ""
    return Filed(row.title, body, row.created_at, row.resolved_at or row.closed_at)


def _numbers(
    names: Sequence[str], examples: Sequence[Example]
) -> "tuple[Numbers, Numbers]":
    import numpy as np

    features = [example.features.values(names) for example in examples]
    successes = [example.success for example in examples]
    return np.array(features, dtype=float), np.array(successes, dtype=float)


def chances(calibration: Calibration, features: Sequence[Features]) -> list[float]:
    """Return the chance of each of these."""
    weights = calibration.weights
    return [weights.chance(one) for one in features]


def _told(model: "LogisticModel") -> dict[str, Any]:
    return {
        "means": model.means.tolist(),
        "scales": model.scales.tolist(),
        "weights": model.weights.tolist(),
        "precision": model.precision.tolist(),
    }


def _model(told: Mapping[str, Any]) -> "LogisticModel":
    import numpy as np

    from issuetrack.engine.assistant.logistic import LogisticModel

    return LogisticModel(
        *(np.array(told[n]) for n in ("means", "scales", "weights", "precision"))
    )
