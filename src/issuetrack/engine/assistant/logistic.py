"""Logistic regression with a Gaussian prior on its weights, by Newton's method.

The posterior of one fit, in Laplace's approximation (Bishop 2006, Pattern Recognition
and Machine Learning, 4.5.1), can be the prior of the next: so ratings add to what a
backtest taught without its cases being kept.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

RIDGE = 1.0
FLAT = 1e-6
MOST_STEPS = 100
CLOSE_ENOUGH = 1e-8
LEAST_SCALE = 1e-6
Numbers = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class LogisticModel:
    """A fitted model of k features.

    Attributes:
        means: (k,) what is taken off each feature.
        scales: (k,) what each is then divided by.
        weights: (k + 1,) the intercept, then a weight for each standard feature.
        precision: (k + 1, k + 1) the curvature there: the inverse covariance of
            the weights.
    """

    means: Numbers
    scales: Numbers
    weights: Numbers
    precision: Numbers

    def probabilities(self, features: Numbers) -> Numbers:
        """Return the (n,) chances of success for (n, k) features."""
        return _sigmoid(_design(features, self.means, self.scales) @ self.weights)


def fit(features: Numbers, successes: Numbers, ridge: float = RIDGE) -> LogisticModel:
    """Return the model of (n, k) features and (n,) outcomes of 0 and 1.

    Args:
        features: in their own units; they are standardised first.
        successes: what came of each.
        ridge: prior precision of each weight; the intercept has none.
    """
    means = features.mean(axis=0)
    spread = features.std(axis=0)
    scales = np.where(spread > LEAST_SCALE, spread, 1.0)
    prior = np.diag([FLAT, *[ridge] * features.shape[1]])
    start = LogisticModel(means, scales, np.zeros(len(prior)), prior)
    return update(start, features, successes)


def update(
    prior: LogisticModel, features: Numbers, successes: Numbers
) -> LogisticModel:
    """Return what a model becomes by (n, k) more features and (n,) outcomes."""
    design = _design(features, prior.means, prior.scales)
    weights = prior.weights
    for _ in range(MOST_STEPS):
        chances = _sigmoid(design @ weights)
        slope = design.T @ (chances - successes)
        slope += prior.precision @ (weights - prior.weights)
        precision = prior.precision + design.T * (chances * (1 - chances)) @ design
        step = _shortened(np.linalg.solve(precision, slope))
        weights = weights - step
        if np.abs(step).max() < CLOSE_ENOUGH:
            break
    chances = _sigmoid(design @ weights)
    precision = prior.precision + design.T * (chances * (1 - chances)) @ design
    return LogisticModel(prior.means, prior.scales, weights, precision)


def _shortened(step: Numbers) -> Numbers:
    """Return a step that moves no weight by more than 2: far off Newton overshoots."""
    largest = float(np.abs(step).max())
    return step if largest <= 2.0 else step * (2.0 / largest)  # noqa: PLR2004


def _design(features: Numbers, means: Numbers, scales: Numbers) -> Numbers:
    standard = (features - means) / scales
    return np.hstack([np.ones((len(standard), 1)), standard])


def _sigmoid(z: Numbers) -> Numbers:
    chances: Numbers = 0.5 * (1.0 + np.tanh(0.5 * z))
    return chances
