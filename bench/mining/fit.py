"""Fits the weights of the miner on the tuning issues, and checks them there.

Conditional logit with an outside option (McFadden 1974): every issue chooses one of its
texts, or none. The likelihood of choosing a text that is labelled is maximised, with a
Gaussian penalty that draws each weight to the one that was set by hand: what the issues
of this tracker do not show keeps its prior. `python bench/mining/fit.py` prints the
weights and what thresholds give when the weights are fitted without the issues that
they are checked on (5 folds, several times, the folds by seed).
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from issuetrack.engine.issues.resolution import valued
from issuetrack.engine.issues.scoring import CROWD
from mining.sample import TUNING_LABELS, Drawn, accepted, labels, tuning_sample

PENALTY, BASE_PENALTY = 8.0, 0.05
STEPS, RATE = 400, 0.05
FOLDS, REPEATS, SEED = 5, 10, 1000
THRESHOLDS = tuple(round(0.16 + 0.02 * step, 2) for step in range(20))
PRIOR = {
    "base": -1.0,
    "done": 0.4,
    "now": 0.2,
    "remedy": 2.0,
    "fix": 0.6,
    "works": 0.3,
    "label": 1.2,
    "settled": 0.6,
    "pointer": 1.0,
    "names": 0.2,
    "code": 0.5,
    "plan": -0.4,
    "question": -1.2,
    "asks": -0.7,
    "opening": -0.6,
    "dead_end": -2.0,
    "failed": -1.0,
    "verdict": 0.6,
    "bulk": -2.5,
    "news": 0.7,
    "bare": -1.0,
    "commit": 0.4,
    "pull_request": 0.8,
    "first": 0.3,
    "referral": 2.0,
    "abandoned": -1.2,
    "contradicted": -0.8,
    "referred": -1.0,
    "last": 0.4,
    "superseded": -1.6,
    "assignee": 0.5,
    "resolver": 0.5,
    "reporter": -0.2,
    "closing": 0.6,
    "afterwards": -0.5,
    "undone": -6.0,
    "robot": -4.0,
}
Vector = NDArray[np.float64]
Places = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Choices:
    """The texts of issues, one after the other.

    Attributes:
        features: (n, d), in the order of PRIOR.
        issue: (n,) the place of the issue of each text.
        right: (n,) whether the labellers listed it.
        stated: (m,) whether an issue has a listed comment, even one that is no text here.
    """

    features: Vector
    issue: Places
    right: Flags
    stated: Flags

    def of(self, chosen: Flags) -> "Choices":
        """Return the texts of the issues that are flagged (m,)."""
        rows = chosen[self.issue]
        return Choices(
            self.features[rows], self.issue[rows], self.right[rows], self.stated
        )

    def summed(self, values: Vector) -> Vector:
        """Return the sum of values (n,) over the texts of each issue (m,)."""
        found = np.bincount(self.issue, values, minlength=len(self.stated))
        return found.astype(np.float64)


def choices(drawn: list[Drawn]) -> Choices:
    """Return the texts of issues with their features and labels."""
    both = labels(TUNING_LABELS)
    rows, issue, right, stated = [], [], [], []
    for place, one in enumerate(drawn):
        wanted = accepted(both, one.key)
        stated.append(bool(wanted))
        for text, values in valued(one.story):
            rows.append([values.get(name, 0.0) for name in PRIOR])
            issue.append(place)
            right.append(text.place in wanted)
    return Choices(np.array(rows), np.array(issue), np.array(right), np.array(stated))


def probabilities(texts: Choices, weights: Vector) -> Vector:
    """Return how likely each text is chosen; what is missing to 1 is none of them."""
    grown = np.exp(np.clip(texts.features @ weights, -30, 30))
    return np.asarray(grown / (1.0 + texts.summed(grown)[texts.issue]))


def fitted(training: Choices) -> Vector:
    """Return the weights, in the order of PRIOR (Adam, Kingma and Ba 2015)."""
    prior = np.array(list(PRIOR.values()))
    penalty = np.full(len(prior), PENALTY)
    penalty[0] = BASE_PENALTY
    weights, first, second = prior.copy(), np.zeros_like(prior), np.zeros_like(prior)
    for step in range(1, STEPS + 1):
        slope = penalty * (weights - prior) + _slope(training, weights)
        first = 0.9 * first + 0.1 * slope
        second = 0.99 * second + 0.01 * slope * slope
        towards = first / (1 - 0.9**step)
        weights = weights - RATE * towards / (np.sqrt(second / (1 - 0.99**step)) + 1e-8)
    return np.asarray(weights)


def _slope(texts: Choices, weights: Vector) -> Vector:
    chosen = probabilities(texts, weights)
    wanted = chosen * texts.right
    whole = texts.summed(wanted)[texts.issue]
    missing = chosen - np.divide(
        wanted, whole, out=np.zeros_like(wanted), where=whole > 0
    )
    return np.asarray(texts.features.T @ missing)


def checked(texts: Choices, repeat: int) -> tuple[Vector, Flags]:
    """Return score and rightness of the best text of each issue, fitted without it."""
    number = len(texts.stated)
    fold = np.random.default_rng(SEED + repeat).permutation(number) % FOLDS
    scores, right = np.zeros(number), np.zeros(number, dtype=bool)
    crowd = np.maximum(texts.summed(np.ones(len(texts.issue))), 1.0) ** CROWD
    for one in range(FOLDS):
        weights = fitted(texts.of(fold != one))
        rest = texts.of(fold == one)
        share = probabilities(rest, weights) / crowd[rest.issue]
        for place in np.argsort(share, kind="stable"):
            scores[rest.issue[place]] = share[place]
            right[rest.issue[place]] = rest.right[place]
    return scores, right


def check(texts: Choices) -> list[str]:
    """Return a line per threshold: precision@1 and coverage of what states a fix."""
    runs = [checked(texts, repeat) for repeat in range(REPEATS)]
    scores = np.array([score for score, _ in runs])
    right = np.array([flags for _, flags in runs])
    lines = []
    for threshold in THRESHOLDS:
        shown = scores >= threshold
        precision = (shown & right).sum() / max(shown.sum(), 1)
        coverage = (shown & texts.stated).sum() / (REPEATS * texts.stated.sum())
        lines.append(
            f"{threshold:.2f} precision {precision:.3f} of stated {coverage:.3f}"
        )
    return lines


def main() -> None:
    """Print the weights as they stand in `scoring.py`, and how they do unseen."""
    texts = choices(tuning_sample())
    for name, weight in zip(PRIOR, fitted(texts), strict=True):
        print(f'    "{name}": {weight:.2f},')
    print("\n".join(check(texts)))


if __name__ == "__main__":
    main()
