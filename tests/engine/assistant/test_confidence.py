"""The confidence: bounded, rising, nothing without evidence, and where it comes from."""

import math
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuetrack.engine.assistant.confidence import (
    CALIBRATED,
    INTERCEPT,
    WEIGHTS,
    Basis,
    Features,
    Filed,
    LogisticWeights,
    answer_features,
    confidence,
    duplicate_features,
)
from issuetrack.engine.retrieval.fusion import (
    LEXICAL_TEXT,
    VECTOR_TEXT,
    Contribution,
)
from issuetrack.engine.retrieval.search import Match

LOOK = settings(derandomize=True, deadline=None, database=None, max_examples=200)
BY_HAND = (*WEIGHTS, "quality")
DAY = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
share = st.floats(0, 1, allow_nan=False)
features = st.builds(Features, **dict.fromkeys(BY_HAND, share))
MIDDLE = Features(
    similarity=0.5, coverage=0.5, margin=0.3, fixes=0.6, quality=0.85, signature=0.0
)
MODEL = LogisticWeights(("similarity", "age"), (0.5, 2.0), (0.25, 1.0), (0.4, 1.5, -1))


def match(number: int, similarity: float | None, **scores: float) -> Match:
    """Return a match with standard scores by leg."""
    parts = (Contribution(leg, 0.5, score, 1.0) for leg, score in scores.items())
    return Match(number, sum(scores.values()), similarity, tuple(parts))


def test_without_evidence_there_is_none() -> None:
    """No features, no confidence, calibrated or not; no source, no features."""
    assert confidence(None) == 0.0
    assert confidence(None, MODEL) == 0.0
    assert answer_features([], []) is None


@LOOK
@given(given_features=features)
def test_it_is_a_share(given_features: Features) -> None:
    """Never below 0, above 1, or above the quality of the fix."""
    value = confidence(given_features)
    assert 0.0 <= value <= 1.0
    assert value <= given_features.quality + 0.005


@LOOK
@given(given_features=features, name=st.sampled_from(BY_HAND), more=share)
def test_it_never_falls_when_a_feature_rises(
    given_features: Features, name: str, more: float
) -> None:
    """More of any feature of the formula is at least as sure."""
    least, most = sorted([getattr(given_features, name), more])
    lower = replace(given_features, **{name: least})
    higher = replace(given_features, **{name: most})
    assert confidence(lower) <= confidence(higher)


@pytest.mark.parametrize("name", BY_HAND)
def test_every_feature_counts(name: str) -> None:
    """From nothing to all of one feature the number changes visibly."""
    none = replace(MIDDLE, **{name: 0.0})
    full = replace(MIDDLE, **{name: 1.0})
    assert confidence(full) - confidence(none) > 0.05


def test_the_formula_by_hand() -> None:
    """z is the weighted sum, the quality the ceiling, two digits are told."""
    z = INTERCEPT + 5.0 * 0.5 + 2.0 * 0.5 + 1.0 * 0 + 0.8 * 0.3 + 0.6 * 0.6
    assert confidence(MIDDLE) == round(0.85 / (1 + math.exp(-z)), 2)


def test_the_ends_of_the_scale() -> None:
    """A match in nothing is near 0, one in everything near 1."""
    everything = Features(**dict.fromkeys(BY_HAND, 1.0))
    assert confidence(Features(quality=1.0)) < 0.03
    assert confidence(everything) > 0.97


def test_a_calibrated_chance_by_hand() -> None:
    """Features are standardised, weighted, added to the intercept, and squashed."""
    z = 0.4 + 1.5 * (0.9 - 0.5) / 0.25 - 1 * (1.0 - 2.0) / 1.0
    chance = 1 / (1 + math.exp(-z))
    asked = Features(similarity=0.9, age=1.0)
    assert MODEL.chance(asked) == pytest.approx(chance)
    assert confidence(asked, MODEL) == round(chance, 2)


@LOOK
@given(
    st.lists(st.floats(-1e12, 1e12, allow_nan=False), min_size=2, max_size=2),
    st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=3, max_size=3),
)
def test_a_calibrated_chance_is_a_share(
    values: list[float], weights: list[float]
) -> None:
    """Whatever the features and weights: 0 to 1, without overflow."""
    model = replace(MODEL, weights=tuple(weights))
    assert 0.0 <= model.chance(Features(similarity=values[0], age=values[1])) <= 1.0


def test_every_calibrated_feature_is_one() -> None:
    """What the calibration is fitted on are fields of the features."""
    known = {field.name for field in fields(Features)}
    assert all(known.issuperset(names) for names in CALIBRATED.values())


def test_recorded_features_are_read_back() -> None:
    """Unknown names are left out, missing ones are 0."""
    told = {"similarity": 0.7, "age": 3, "of another release": 1.0}
    assert Features.of(told) == Features(similarity=0.7, age=3.0)


def test_the_basis_in_words() -> None:
    """It says how many of what, or what to run."""
    assert Basis().words == "not calibrated yet: run issuetrack backtest"
    assert Basis(212, 31, DAY).words == "from 212 past issues and 31 ratings"
    assert Basis(212, 0, DAY).words == "from 212 past issues"
    assert Basis(0, 1, DAY).words == "from 1 rating"


def test_duplicates_by_hand() -> None:
    """Each feature of two issues that may be the same, from small numbers."""
    asked = Filed("Disk full on node seven", "ENOSPC again", DAY)
    top = Filed("Node seven disk", "write failed: ENOSPC", DAY - timedelta(days=9))
    found = [
        match(1, 0.9, **{LEXICAL_TEXT: 2.0, VECTOR_TEXT: 1.0}),
        match(2, 0.6, **{LEXICAL_TEXT: 2.5, VECTOR_TEXT: 0.5}),
        match(3, 0.4, **{LEXICAL_TEXT: 0.1, VECTOR_TEXT: 0.2}),
    ]
    told = duplicate_features(asked, found, top)
    assert told is not None
    assert asdict(told) == pytest.approx(
        asdict(
            Features(
                similarity=0.9,
                standout=0.4,
                agreement=0.5,
                coverage=3 / 4,
                signature=1.0,
                age=math.log(10),
                overlap=1.0,
            )
        )
    )


@pytest.mark.parametrize(
    ("settled", "overlap"), [(None, 1.0), (-10.0, 0.0), (-1.0, 1.0), (5.0, 1.0)]
)
def test_overlap_is_that_the_earlier_was_not_settled(
    settled: float | None, overlap: float
) -> None:
    """What was settled before the later was opened does not overlap, in hours."""
    end = None if settled is None else DAY + timedelta(hours=settled)
    top = Filed("a", "", DAY - timedelta(hours=20), end)
    asked = Filed("a", "", DAY - timedelta(hours=2))
    told = duplicate_features(asked, [match(1, 0.5)], top)
    assert told is not None
    assert told.overlap == overlap


def test_without_matches_there_is_no_duplicate() -> None:
    """Nothing found, nothing to be a duplicate of."""
    assert duplicate_features(Filed("a", "", DAY), [], Filed("b", "", DAY)) is None


def test_odd_matches_have_features() -> None:
    """A match without vectors or legs, and empty texts, give numbers all the same."""
    told = duplicate_features(Filed("", "", DAY), [match(1, None)], Filed("", "", DAY))
    assert told == Features(overlap=1.0)
