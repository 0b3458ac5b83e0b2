"""One ranking from several: z-scores over the union of the candidates, weighted.

A leg gives each candidate a strength; a candidate that a leg did not find counts as
the leg's floor. Strengths become standard scores, so that legs with different units
can be added. Lexical and vector legs weigh the same in total.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

LEXICAL_TEXT = "lexical_text"
LEXICAL_TITLE = "lexical_title"
VECTOR_TITLE = "vector_title"
VECTOR_TEXT = "vector_text"

WEIGHTS = {
    LEXICAL_TEXT: 0.5,
    LEXICAL_TITLE: 0.35,
    VECTOR_TITLE: 0.35,
    VECTOR_TEXT: 0.5,
}
Candidate = TypeVar("Candidate", bound=int | tuple[bool, int])


@dataclass(frozen=True)
class Contribution:
    """What one leg says of one candidate.

    Attributes:
        leg: which leg.
        strength: in the leg's own unit (BM25 or cosine); None if it missed it.
        standard_score: deviations above the mean of the candidates.
        weight: what the standard score is multiplied with.
    """

    leg: str
    strength: float | None
    standard_score: float
    weight: float

    @property
    def value(self) -> float:
        """Return what the leg adds to the score."""
        return self.weight * self.standard_score


def fuse(
    legs: Mapping[str, Mapping[Candidate, float]],
    weights: Mapping[str, float] = WEIGHTS,
) -> dict[Candidate, list[Contribution]]:
    """Return the contributions for every candidate that any leg found.

    Args:
        legs: by leg, the strength of each candidate it found.
        weights: by leg; a leg without one is left out.
    """
    used = {name: leg for name, leg in legs.items() if weights.get(name) and leg}
    candidates = sorted({found for leg in used.values() for found in leg})
    out: dict[Candidate, list[Contribution]] = {found: [] for found in candidates}
    for name, leg in used.items():
        floor = 0.0 if name.startswith("lexical") else min(leg.values())
        strengths = np.array([leg.get(found, floor) for found in candidates])
        scores = (strengths - strengths.mean()) / (strengths.std() + 1e-9)
        for found, score in zip(candidates, scores, strict=True):
            out[found].append(
                Contribution(name, leg.get(found), float(score), weights[name])
            )
    return out
