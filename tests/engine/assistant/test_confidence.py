"""The confidence formula: bounded, rising, nothing without evidence."""

import math
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuetrack.engine.assistant.confidence import (
    INTERCEPT,
    WEIGHTS,
    Features,
    confidence,
)

LOOK = settings(derandomize=True, deadline=None, database=None, max_examples=200)
share = st.floats(0, 1, allow_nan=False)
features = st.builds(Features, share, share, share, share, share, share)
MIDDLE = Features(0.5, 0.5, 0.0, 0.3, 0.6, 0.85)


def test_without_evidence_there_is_none() -> None:
    """No features, no confidence."""
    assert confidence(None) == 0.0


@LOOK
@given(given_features=features)
def test_it_is_a_share(given_features: Features) -> None:
    """Never below 0, above 1, or above the quality of the fix."""
    value = confidence(given_features)
    assert 0.0 <= value <= 1.0
    assert value <= given_features.quality + 0.005


@LOOK
@given(
    given_features=features,
    name=st.sampled_from([field.name for field in fields(Features)]),
    more=share,
)
def test_it_never_falls_when_a_feature_rises(
    given_features: Features, name: str, more: float
) -> None:
    """More of any feature is at least as sure."""
    least, most = sorted([getattr(given_features, name), more])
    lower = replace(given_features, **{name: least})
    higher = replace(given_features, **{name: most})
    assert confidence(lower) <= confidence(higher)


@pytest.mark.parametrize("name", [field.name for field in fields(Features)])
def test_every_feature_counts(name: str) -> None:
    """From nothing to all of one feature the number changes visibly."""
    none = replace(MIDDLE, **{name: 0.0})
    full = replace(MIDDLE, **{name: 1.0})
    assert confidence(full) - confidence(none) > 0.05


def test_the_formula_by_hand() -> None:
    """z is the weighted sum, the quality the ceiling, two digits are told."""
    z = INTERCEPT + 5.0 * 0.5 + 2.0 * 0.5 + 1.0 * 0 + 0.8 * 0.3 + 0.6 * 0.6
    assert confidence(MIDDLE) == round(0.85 / (1 + math.exp(-z)), 2)
    assert set(WEIGHTS) == {f.name for f in fields(Features)} - {"quality"}


def test_the_ends_of_the_scale() -> None:
    """A match in nothing is near 0, one in everything near 1."""
    assert confidence(Features(0, 0, 0, 0, 0, 1)) < 0.03
    assert confidence(Features(1, 1, 1, 1, 1, 1)) > 0.97
