"""How good stated chances are: do they tell good from bad, and do they come true?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

BINS = 10
SIMULATIONS = 1000
BAND = 0.95
SHARES = (1.0, 0.8, 0.6, 0.4, 0.3, 0.2, 0.1)
Numbers = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class ReliabilityBin:
    """The answers of about the same confidence.

    Attributes:
        least: the lowest confidence that belongs here.
        most: the highest.
        answers: how many there are.
        confidence: their mean confidence.
        right: the share of them that was right.
    """

    least: float
    most: float
    answers: int
    confidence: float
    right: float


@dataclass(frozen=True)
class AbstentionPoint:
    """What is gained by keeping silent below a confidence.

    Attributes:
        threshold: the lowest confidence that is answered.
        answered: the share of the questions that is.
        precision: the share of these answers that is right.
    """

    threshold: float
    answered: float
    precision: float


@dataclass(frozen=True)
class Reliability:
    """The measures of some answers whose truth is known.

    Attributes:
        answers: how many.
        right: how many of them were right.
        auc: chance that a right answer has the higher confidence than a wrong one;
            None without both.
        brier: mean square of confidence minus truth (Brier 1950).
        brier_of_base_rate: the same if the share of right ones were always said.
        error: expected calibration error (Guo et al. 2017), ten bins of equal width.
        error_band: below this are 95 in 100 perfectly calibrated models of this size.
        bins: the reliability table, empty bins left out.
        abstention: share answered against precision.
    """

    answers: int
    right: int
    auc: float | None
    brier: float
    brier_of_base_rate: float
    error: float
    error_band: float
    bins: tuple[ReliabilityBin, ...]
    abstention: tuple[AbstentionPoint, ...]


def reliability(
    chances: Sequence[float], truths: Sequence[bool], seed: int = 0
) -> Reliability | None:
    """Return the measures of stated chances; None where there are none.

    Args:
        chances: what was said of each answer, 0..1.
        truths: whether it was right.
        seed: of the simulated perfect models.
    """
    if not chances:
        return None
    said = np.array(chances, dtype=float)
    true = np.array(truths, dtype=float)
    rate = float(true.mean())
    return Reliability(
        len(said),
        int(true.sum()),
        auc(said, true),
        float(np.mean((said - true) ** 2)),
        rate * (1 - rate),
        calibration_error(said, true),
        calibration_band(said, seed),
        _bins(said, true),
        abstention(said, true),
    )


def auc(chances: Numbers, truths: Numbers) -> float | None:
    """Return the area under the ROC curve, ties half; None without both classes."""
    right, wrong = np.sort(chances[truths > 0]), np.sort(chances[truths == 0])
    if not len(right) or not len(wrong):
        return None
    below = np.searchsorted(wrong, right, "left") + np.searchsorted(
        wrong, right, "right"
    )
    return float(below.sum() / (2.0 * len(right) * len(wrong)))


def _bin_of(chances: Numbers) -> npt.NDArray[np.intp]:
    return np.minimum((chances * BINS).astype(np.intp), BINS - 1)


def calibration_error(chances: Numbers, truths: Numbers) -> float:
    """Return the mean gap between confidence and truth, bin by bin, by their sizes."""
    gaps = np.bincount(_bin_of(chances), chances - truths, minlength=BINS)
    return float(np.abs(gaps).sum() / len(chances))


def calibration_band(chances: Numbers, seed: int = 0) -> float:
    """Return the error that 95 in 100 perfectly calibrated models stay below."""
    generator = np.random.default_rng(seed)
    drawn = generator.random((SIMULATIONS, len(chances))) < chances
    errors = [calibration_error(chances, truths.astype(float)) for truths in drawn]
    return float(np.quantile(errors, BAND))


def _bins(chances: Numbers, truths: Numbers) -> tuple[ReliabilityBin, ...]:
    places = _bin_of(chances)
    return tuple(
        ReliabilityBin(
            place / BINS,
            (place + 1) / BINS,
            int(here.sum()),
            float(chances[here].mean()),
            float(truths[here].mean()),
        )
        for place in range(BINS)
        if (here := places == place).any()
    )


def abstention(chances: Numbers, truths: Numbers) -> tuple[AbstentionPoint, ...]:
    """Return the precision of the surest answers, by the share that is answered."""
    order = np.argsort(-chances, kind="stable")
    said, true = chances[order], truths[order]
    points = []
    for share in SHARES:
        least = float(said[max(1, round(share * len(said))) - 1])
        kept = said >= least
        points.append(
            AbstentionPoint(least, float(kept.mean()), float(true[kept].mean()))
        )
    return tuple(dict.fromkeys(points))


def threshold_for(
    chances: Sequence[float], truths: Sequence[bool], precision: float, least: int
) -> float | None:
    """Return the lowest confidence from which on answers are this often right.

    Args:
        chances: what was said of each answer.
        truths: whether it was right.
        precision: the share that has to be right.
        least: how many answers there have to be at or above it.
    """
    found = None
    said, true = np.array(chances, dtype=float), np.array(truths, dtype=float)
    for value in np.unique(said)[::-1]:
        kept = said >= value
        if kept.sum() >= least and true[kept].mean() >= precision:
            found = float(value)
    return found
