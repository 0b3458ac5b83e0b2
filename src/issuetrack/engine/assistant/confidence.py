"""How sure a suggestion is: a first formula over what retrieval saw.

    z = -4.2 + 5.0 similarity + 2.0 coverage + 1.0 signature + 0.8 margin
        + 0.6 agreement
    confidence = quality / (1 + exp(-z))

Similarity is the best cosine, coverage the share of the question's words that the
best source holds, signature whether both name the same error, margin how far the best
source is ahead of the next, agreement the share of the three best matches with a
known fix; quality is 1 for a fix that people stated or confirmed and 0.85 for a mined
one. The weights are set by hand and not yet calibrated on anybody's history; without
evidence the confidence is 0.
"""

import math
from dataclasses import dataclass

INTERCEPT = -4.2
WEIGHTS = {
    "similarity": 5.0,
    "coverage": 2.0,
    "signature": 1.0,
    "margin": 0.8,
    "agreement": 0.6,
}


@dataclass(frozen=True)
class Features:
    """What the formula looks at, each 0..1."""

    similarity: float
    coverage: float
    signature: float
    margin: float
    agreement: float
    quality: float


def confidence(features: Features | None) -> float:
    """Return the chance, 0..1, that the suggestion helps; 0 without evidence."""
    if features is None:
        return 0.0
    z = INTERCEPT + sum(w * getattr(features, n) for n, w in WEIGHTS.items())
    return round(features.quality / (1.0 + math.exp(-z)), 2)
