"""One ranking from several: z-scores over the union of the candidates, weighted.

A leg gives each candidate a strength; a candidate that a leg did not find counts as
the leg's floor. The leg of names holds only what has a name, documents and procedures,
and says nothing of the rest. Strengths become standard scores, so that legs with different units
can be added. The sum of the lexical legs and that of the vector legs become standard
scores again, so that words and meaning weigh the same, however much the legs of either
agree and however the vector space is adapted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

LEXICAL_TEXT = "lexical_text"
LEXICAL_TITLE = "lexical_title"
LEXICAL_NAME = "lexical_name"
VECTOR_TITLE = "vector_title"
VECTOR_TEXT = "vector_text"

WEIGHTS = {
    LEXICAL_TEXT: 0.5,
    LEXICAL_TITLE: 0.35,
    LEXICAL_NAME: 0.25,
    VECTOR_TITLE: 0.35,
    VECTOR_TEXT: 0.5,
}
FLAT = 1e-6
PARTIAL = (LEXICAL_NAME,)
FAMILIES = (LEXICAL_TEXT, LEXICAL_TITLE, LEXICAL_NAME), (VECTOR_TITLE, VECTOR_TEXT)
Candidate = TypeVar("Candidate", bound=int | tuple[int, int])


@dataclass(frozen=True)
class Contribution:
    """What one leg says of one candidate.

    Attributes:
        leg: which leg.
        strength: in the leg's own unit (BM25 or cosine); None if it missed it.
        standard_score: deviations above the mean of the candidates.
        weight: what the standard score is multiplied with.
        rank: its place among what the leg found, the best is 1; None if it missed it.
    """

    leg: str
    strength: float | None
    standard_score: float
    weight: float
    rank: int | None = None

    @property
    def value(self) -> float:
        """Return what the leg adds to the score."""
        return self.weight * self.standard_score


@dataclass(frozen=True)
class Fusion(Generic[Candidate]):
    """What all legs say of all candidates.

    Attributes:
        places: by candidate, its place in the arrays.
        legs: by leg, the strength of each candidate it found.
        standard: by leg, the (n,) standard scores.
        weights: by leg, what they are multiplied with.
    """

    places: Mapping[Candidate, int]
    legs: Mapping[str, Mapping[Candidate, float]]
    standard: Mapping[str, npt.NDArray[np.float64]]
    weights: Mapping[str, float]

    @property
    def scores(self) -> dict[Candidate, float]:
        """Return the sum of what the legs add, for each candidate."""
        total = np.zeros(len(self.places))
        for leg in self.legs:
            total += self.weights[leg] * self.standard[leg]
        return dict(zip(self.places, total.tolist(), strict=True))

    def contributions(self, found: Candidate) -> list[Contribution]:
        """Return what each leg says of a candidate."""
        place = self.places[found]
        return [
            Contribution(
                name,
                leg.get(found),
                float(self.standard[name][place]),
                self.weights[name],
                self._rank(name, leg.get(found)),
            )
            for name, leg in self.legs.items()
        ]

    @cached_property
    def _ordered(self) -> dict[str, npt.NDArray[np.float64]]:
        return {name: np.sort([*leg.values()]) for name, leg in self.legs.items()}

    def _rank(self, name: str, strength: float | None) -> int | None:
        if strength is None:
            return None
        better = np.searchsorted(self._ordered[name], strength, side="right")
        return 1 + len(self.legs[name]) - int(better)


def fuse(
    legs: Mapping[str, Mapping[Candidate, float]],
    weights: Mapping[str, float] = WEIGHTS,
) -> Fusion[Candidate]:
    """Return what all legs together say of what any of them found.

    Args:
        legs: by leg, the strength of each candidate it found.
        weights: by leg; a leg without one is left out.
    """
    used = {name: leg for name, leg in legs.items() if weights.get(name) and leg}
    candidates = sorted({found for leg in used.values() for found in leg})
    scores = {name: _standard(name, leg, candidates) for name, leg in used.items()}
    balanced = {name: weights[name] * _balance(name, scores, weights) for name in used}
    places = {found: place for place, found in enumerate(candidates)}
    return Fusion(places, used, scores, balanced)


def _standard(
    name: str, leg: Mapping[Candidate, float], candidates: list[Candidate]
) -> npt.NDArray[np.float64]:
    if name in PARTIAL:
        return _standard_within(leg, candidates)
    floor = 0.0 if name.startswith("lexical") else min(leg.values())
    strengths = np.array([leg.get(found, floor) for found in candidates])
    scores: npt.NDArray[np.float64] = (strengths - strengths.mean()) / (
        strengths.std() + 1e-9
    )
    return scores


def _standard_within(
    leg: Mapping[Candidate, float], candidates: list[Candidate]
) -> npt.NDArray[np.float64]:
    known = np.array(list(leg.values()))
    mean, spread = known.mean(), known.std() + 1e-9
    return np.array([(leg.get(found, mean) - mean) / spread for found in candidates])


def _balance(
    name: str,
    scores: Mapping[str, npt.NDArray[np.float64]],
    weights: Mapping[str, float],
) -> float:
    """Return what makes the deviation of a leg's family the sum of its weights."""
    family = next(legs for legs in FAMILIES if name in legs)
    members = [leg for leg in family if leg in scores]
    together = sum(weights[leg] * scores[leg] for leg in members)
    spread = float(np.std(together))
    return sum(weights[leg] for leg in members) / spread if spread > FLAT else 1.0
