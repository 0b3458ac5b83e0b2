"""What is said of stated chances, against small cases worked out by hand."""

import numpy as np
import pytest

from issuetrack.engine.assistant import logistic
from issuetrack.engine.assistant.reliability import (
    auc,
    calibration_band,
    calibration_error,
    reliability,
    threshold_for,
)

SAID = [0.95, 0.85, 0.82, 0.45, 0.41, 0.15, 0.12, 0.05]
TRUE = [True, True, False, True, False, False, False, False]


def test_the_measures_by_hand() -> None:
    """Brier, its base rate, AUC with pairs counted, and the error bin by bin."""
    told = reliability(SAID, TRUE)
    assert told is not None
    square = [(s - t) ** 2 for s, t in zip(SAID, TRUE, strict=True)]
    assert told.brier == pytest.approx(sum(square) / 8)
    assert told.brier_of_base_rate == pytest.approx(3 / 8 * 5 / 8)
    assert told.auc == pytest.approx(14 / 15)
    gaps = (0.05, abs(0.85 + 0.82 - 1), abs(0.45 + 0.41 - 1), 0.15 + 0.12, 0.05)
    assert told.error == pytest.approx(sum(gaps) / 8)
    assert [(b.answers, b.right) for b in told.bins] == [
        (1, 0.0),
        (2, 0.0),
        (2, 0.5),
        (2, 0.5),
        (1, 1.0),
    ]


def test_silence_buys_precision() -> None:
    """The surest tenth here is one answer, and right; all are right in 3 of 8."""
    told = reliability(SAID, TRUE)
    assert told is not None
    first, *_, last = told.abstention
    assert (first.answered, first.precision) == (1.0, 3 / 8)
    assert (last.answered, last.precision) == (1 / 8, 1.0)


def test_nothing_to_measure() -> None:
    """No answers give no measures; one class alone gives no AUC."""
    assert reliability([], []) is None
    alone = reliability([0.4, 0.6], [True, True])
    assert alone is not None
    assert alone.auc is None


def test_ties_count_half() -> None:
    """A right and a wrong answer of one confidence are told apart by a coin."""
    assert auc(np.array([0.5, 0.5]), np.array([1.0, 0.0])) == 0.5


def test_the_band_holds_perfect_models() -> None:
    """Of perfectly calibrated models of a size, about 95 in 100 stay inside."""
    rng = np.random.default_rng(1)
    inside = 0
    said = rng.random(150) * 0.6
    band = calibration_band(said)
    for _ in range(200):
        inside += calibration_error(said, (rng.random(150) < said) * 1.0) <= band
    assert 180 <= inside <= 199


def test_the_lowest_threshold_that_is_precise() -> None:
    """As low as the precision allows, and never on too few answers."""
    assert threshold_for(SAID, TRUE, 0.6, 2) == 0.41
    assert threshold_for(SAID, TRUE, 0.7, 2) == 0.45
    assert threshold_for(SAID, TRUE, 0.8, 2) == 0.85
    assert threshold_for(SAID, TRUE, 1.0, 3) is None
    assert threshold_for([], [], 0.5, 1) is None


def made(count: int, seed: int) -> tuple[logistic.Numbers, logistic.Numbers]:
    """Return features and outcomes of a known model."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((count, 3)) * [1.0, 5.0, 0.1] + [0.0, 7.0, 3.0]
    z = -1.0 + 2.0 * features[:, 0] - 0.3 * (features[:, 1] - 7.0)
    return features, (rng.random(count) < 1 / (1 + np.exp(-z))) * 1.0


def test_a_known_model_is_found_again() -> None:
    """From many cases the weights are those that made them."""
    model = logistic.fit(*made(20_000, 1))
    assert model.weights == pytest.approx([-1.0, 2.0, -1.5, 0.0], abs=0.1)


def test_cases_in_two_parts_teach_what_they_teach_together() -> None:
    """A posterior that becomes the prior of the rest is the fit on everything."""
    features, outcomes = made(2_000, 2)
    whole = logistic.fit(features, outcomes)
    half = logistic.LogisticModel(
        whole.means, whole.scales, np.zeros(4), np.diag([1e-6, 1.0, 1.0, 1.0])
    )
    for part in (slice(0, 1000), slice(1000, 2000)):
        half = logistic.update(half, features[part], outcomes[part])
    assert half.weights == pytest.approx(whole.weights, abs=0.02)


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_odd_cases_give_finite_weights(outcome: float) -> None:
    """One outcome only, perfectly separated, or a feature that never changes."""
    features = np.column_stack([np.arange(40.0), np.full(40, 3.0)])
    for truths in (np.full(40, outcome), (features[:, 0] > 20) * 1.0):
        model = logistic.fit(features, truths)
        assert np.isfinite(model.weights).all()
        chances = model.probabilities(features * 1e6)
        assert ((chances >= 0) & (chances <= 1)).all()
