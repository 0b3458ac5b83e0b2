"""How sure an answer is: the chance that it helps, from what retrieval saw of it.

Calibrated on the workspace's own history (see `calibration`) that chance is what came
true of answers with such features. Until then a formula with weights set by hand
stands in, and its number is said not to be calibrated:

    z = -4.2 + 5.0 similarity + 2.0 coverage + 1.0 signature + 0.8 margin + 0.6 fixes
    confidence = quality / (1 + exp(-z))

Without evidence the confidence is 0.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from issuetrack.engine.assistant.sources import Source
from issuetrack.engine.retrieval.fusion import WEIGHTS as LEGS
from issuetrack.engine.retrieval.lexical_index import signatures, words
from issuetrack.engine.retrieval.search import Match
from issuetrack.engine.retrieval.weighting import OUTCOMES, RATINGS, THIS_QUESTION
from issuetrack.engine.store.types import CalibrationKind

INTERCEPT = -4.2
WEIGHTS = {
    "similarity": 5.0,
    "coverage": 2.0,
    "signature": 1.0,
    "margin": 0.8,
    "fixes": 0.6,
}
CALIBRATED = {
    CalibrationKind.SUGGESTION: (
        "similarity",
        "standout",
        "agreement",
        "coverage",
        "signature",
        "age",
        "quality",
        "votes",
    ),
    CalibrationKind.DUPLICATE: (
        "similarity",
        "standout",
        "agreement",
        "coverage",
        "signature",
        "age",
        "overlap",
    ),
}
NEXT = 7
AMONG = 3
READ_CHARACTERS = 20_000
VOTES = (RATINGS, OUTCOMES, THIS_QUESTION)
_SHORT = 2
_FILLERS = {"the", "and", "for", "with", "from", "when", "not", "that", "this", "into"}


@dataclass(frozen=True)
class Features:
    """What the confidence is computed from.

    Attributes:
        similarity: the best cosine of the answer's source and the question, 0..1.
        coverage: the share of the question's words that the source holds; between
            duplicates that of the title of either that the other holds, the lesser.
        signature: 1 if both name the same error.
        margin: how far the source is ahead of the next, as a share of its relevance.
        fixes: the share of the three best matches whose fix is known.
        quality: 0..1, how well the fix is known.
        standout: similarity above the mean of the seven matches that follow.
        agreement: the share of the legs that rank none of the matches above it.
        age: ln(1 + days) since the evidence was settled; between duplicates, between
            the days they were opened on.
        overlap: 1 if the earlier was not settled when the later was opened.
        votes: what people's votes add to the source's score.
    """

    similarity: float = 0.0
    coverage: float = 0.0
    signature: float = 0.0
    margin: float = 0.0
    fixes: float = 0.0
    quality: float = 0.0
    standout: float = 0.0
    agreement: float = 0.0
    age: float = 0.0
    overlap: float = 0.0
    votes: float = 0.0

    @classmethod
    def of(cls, told: Mapping[str, float]) -> "Features":
        """Return recorded features; what was not recorded is 0."""
        known = {n: float(told[n]) for n in cls.__dataclass_fields__ if n in told}
        return cls(**known)

    def values(self, names: Sequence[str]) -> list[float]:
        """Return the features of these names, in order."""
        return [float(getattr(self, name)) for name in names]


@dataclass(frozen=True)
class LogisticWeights:
    """A logistic model as it is kept: the intercept, then a weight for each feature."""

    names: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]

    def chance(self, features: Features) -> float:
        """Return the chance of success, 0..1."""
        z = self.weights[0]
        values = features.values(self.names)
        rest = zip(values, self.means, self.scales, self.weights[1:], strict=True)
        z += sum((value - mean) / scale * w for value, mean, scale, w in rest)
        return 0.5 * (1.0 + math.tanh(0.5 * z))


@dataclass(frozen=True)
class Basis:
    """Where a confidence comes from; by nothing, if it is not calibrated.

    Attributes:
        issues: past issues it was calibrated on.
        ratings: ratings and outcomes it was calibrated on.
        calibrated_at: when; None if it is not.
    """

    issues: int = 0
    ratings: int = 0
    calibrated_at: datetime | None = None

    @property
    def words(self) -> str:
        """Say it."""
        if self.calibrated_at is None:
            return "not calibrated yet: run issuetrack backtest"
        counts = (self.issues, "past issue"), (self.ratings, "rating")
        told = [f"{n} {what}{'' if n == 1 else 's'}" for n, what in counts if n]
        return "from " + " and ".join(told)


@dataclass(frozen=True)
class Confidence:
    """How sure an answer is, 0..1, and where the number comes from."""

    value: float
    basis: Basis = Basis()


def confidence(
    features: Features | None, model: LogisticWeights | None = None
) -> float:
    """Return the chance, 0..1, that an answer helps; 0 without evidence.

    Args:
        features: what was seen of it; None without evidence.
        model: the calibration in force; None for the formula.
    """
    if features is None:
        return 0.0
    if model is not None:
        return round(model.chance(features), 2)
    z = INTERCEPT + sum(w * getattr(features, n) for n, w in WEIGHTS.items())
    return round(features.quality / (1.0 + math.exp(-z)), 2)


def additions(
    features: Features | None, model: LogisticWeights | None = None
) -> dict[str, float]:
    """Return what each feature adds to the log-odds of an answer, by its name."""
    if features is None:
        return {}
    if model is None:
        return {name: w * getattr(features, name) for name, w in WEIGHTS.items()}
    values = features.values(model.names)
    each = zip(values, model.means, model.scales, model.weights[1:], strict=True)
    return {
        name: (value - mean) / scale * w
        for name, (value, mean, scale, w) in zip(model.names, each, strict=True)
    }


def answer_features(
    helpful: Sequence[Source], found: Sequence[Source], now: datetime | None = None
) -> Features | None:
    """Return the features of an answer; None without a source that tells a fix.

    Args:
        helpful: the sources it is made of, best first.
        found: all that are about the question, best match first.
        now: when it is asked; None where the age of evidence does not matter.
    """
    if not helpful:
        return None
    best = helpful[0]
    following = helpful[1].relevance if len(helpful) > 1 else 0.0
    top = found[:AMONG]
    others = [source.match for source in found if source is not best]
    return Features(
        similarity=_similarity(best.match),
        coverage=best.coverage,
        signature=1.0 if best.same_error else 0.0,
        margin=max(0.0, best.relevance - following) / max(best.relevance, 1e-9),
        fixes=sum(1 for source in top if source.fix) / len(top),
        quality=best.quality,
        standout=_standout(best.match, others),
        agreement=_agreement(best.match, others),
        age=_age(best.origin.settled, now),
        votes=_votes(best.match),
    )


@dataclass(frozen=True)
class Filed:
    """An issue as far as a duplicate of it is known by.

    Attributes:
        settled_at: when it was resolved or closed; None while it is not.
    """

    title: str
    body: str
    created_at: datetime
    settled_at: datetime | None = None

    @property
    def text(self) -> str:
        """Return title and body together."""
        return f"{self.title}\n{self.body}"[:READ_CHARACTERS]


def duplicate_features(
    asked: Filed, matches: Sequence[Match], top: Filed
) -> Features | None:
    """Return the features of the first match as the same as an issue.

    Args:
        asked: the issue.
        matches: what was found, best first.
        top: the first of them.
    """
    if not matches:
        return None
    first, rest = matches[0], matches[1:]
    earlier, later = sorted((asked, top), key=lambda filed: filed.created_at)
    settled = earlier.settled_at
    same_error = set(signatures(asked.text)) & set(signatures(top.text))
    return Features(
        similarity=_similarity(first),
        coverage=min(_title_held(asked, top), _title_held(top, asked)),
        signature=1.0 if same_error else 0.0,
        standout=_standout(first, rest),
        agreement=_agreement(first, rest),
        age=_age(earlier.created_at, later.created_at),
        overlap=0.0 if settled and settled < later.created_at else 1.0,
    )


def _similarity(match: Match) -> float:
    return max(match.similarity or 0.0, 0.0)


def _standout(match: Match, others: Sequence[Match]) -> float:
    following = [_similarity(other) for other in others[:NEXT]]
    if not following:
        return 0.0
    return _similarity(match) - sum(following) / len(following)


def _agreement(match: Match, others: Sequence[Match]) -> float:
    own = {c.leg: c.standard_score for c in match.contributions if c.leg in LEGS}
    best = dict(own)
    for other in others[:NEXT]:
        for part in other.contributions:
            if part.leg in own:
                best[part.leg] = max(best[part.leg], part.standard_score)
    agreeing = sum(own[leg] >= best[leg] for leg in own)
    return agreeing / len(own) if own else 0.0


def _votes(match: Match) -> float:
    return sum(c.value for c in match.contributions if c.leg in VOTES)


def _age(then: datetime | None, now: datetime | None) -> float:
    if then is None or now is None:
        return 0.0
    return math.log1p(max(0.0, (now - then).total_seconds() / 86400))


def _title_held(one: Filed, other: Filed) -> float:
    asked = _words(one.title)
    return len(asked & _words(other.text)) / len(asked) if asked else 0.0


def _words(text: str) -> set[str]:
    return {w for w in words(text) if len(w) > _SHORT and w not in _FILLERS}
