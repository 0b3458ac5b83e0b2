"""Legs added up: standard scores over the union, floors, weights."""

import math
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuetrack.engine.retrieval import fusion
from issuetrack.engine.retrieval.fusion import (
    LEXICAL_NAME,
    LEXICAL_TEXT,
    LEXICAL_TITLE,
    VECTOR_TEXT,
    VECTOR_TITLE,
    WEIGHTS,
    Contribution,
)

legs_of_any_kind = st.dictionaries(
    st.sampled_from(sorted(WEIGHTS)),
    st.dictionaries(
        st.integers(1, 30), st.floats(-1, 40, allow_nan=False), max_size=12
    ),
)


def fuse(
    legs: Mapping[str, Mapping[int, float]], weights: Mapping[str, float] = WEIGHTS
) -> dict[int, list[Contribution]]:
    """Return the contributions of every candidate, which add up to its score."""
    fused = fusion.fuse(legs, weights)
    found = {one: fused.contributions(one) for one in fused.places}
    assert fused.scores == pytest.approx(
        {one: sum(c.value for c in parts) for one, parts in found.items()}
    )
    return found


def test_standard_scores_by_hand() -> None:
    """Three cosines .9 .6 .3: mean .6, deviation sqrt(.06)."""
    fused = fuse({VECTOR_TEXT: {1: 0.9, 2: 0.6, 3: 0.3}})
    far = 0.3 / math.sqrt(0.06)
    assert {n: c[0].standard_score for n, c in fused.items()} == {
        1: pytest.approx(far, abs=1e-6),
        2: pytest.approx(0, abs=1e-6),
        3: pytest.approx(-far, abs=1e-6),
    }
    assert fused[1][0].value == pytest.approx(0.5 * far, abs=1e-6)


def test_two_legs_by_hand() -> None:
    """A lexical leg that missed a candidate gives it 0, which pulls it down."""
    fused = fuse(
        {LEXICAL_TITLE: {1: 6.0, 2: 3.0}, VECTOR_TITLE: {1: 0.5, 3: 0.8, 2: 0.5}},
        {LEXICAL_TITLE: 2.0, VECTOR_TITLE: 1.0},
    )
    lexical = 3.0 / math.sqrt(6.0)
    vector = 0.1 / math.sqrt(0.02)
    scores = {
        n: sum(c.value for c in contributions) for n, contributions in fused.items()
    }
    assert scores == {
        1: pytest.approx(2 * lexical - vector, abs=1e-6),
        2: pytest.approx(-vector, abs=1e-6),
        3: pytest.approx(-2 * lexical + 2 * vector, abs=1e-6),
    }


def test_a_missed_candidate_counts_as_the_floor_of_a_vector_leg() -> None:
    """What a vector leg did not find is as far as the farthest it found."""
    fused = fuse(
        {VECTOR_TEXT: {1: 0.9, 2: 0.4}, LEXICAL_TEXT: {3: 5.0}},
        {VECTOR_TEXT: 1.0, LEXICAL_TEXT: 1.0},
    )
    vector = {n: c for n, (c, *_) in fused.items()}
    assert vector[3].standard_score == pytest.approx(vector[2].standard_score)
    assert (vector[3].strength, vector[2].strength) == (None, 0.4)


def test_a_leg_without_weight_is_left_out() -> None:
    """Neither its scores nor the candidates that only it found are there."""
    fused = fuse({VECTOR_TEXT: {1: 0.9}, LEXICAL_TEXT: {2: 5.0}}, {VECTOR_TEXT: 1.0})
    assert [(n, [c.leg for c in cs]) for n, cs in fused.items()] == [(1, [VECTOR_TEXT])]
    assert fuse({VECTOR_TEXT: {1: 0.9}}, {VECTOR_TEXT: 0.0}) == {}


def test_a_leg_that_found_nothing_is_left_out() -> None:
    """An empty leg says nothing of anybody."""
    fused = fuse({VECTOR_TEXT: {1: 0.9, 2: 0.1}, LEXICAL_TEXT: {}})
    assert {c.leg for cs in fused.values() for c in cs} == {VECTOR_TEXT}
    assert fuse({}) == fuse({LEXICAL_TEXT: {}}) == {}


def test_one_candidate_alone_scores_zero() -> None:
    """Without others to compare with there is no deviation, and no division by 0."""
    (only,) = fuse({VECTOR_TEXT: {7: 0.9}})[7]
    assert (only.strength, only.weight) == (0.9, 0.5)
    assert only.value == pytest.approx(0.0)


def test_lexical_and_vector_weigh_the_same_in_total() -> None:
    """Neither kind of leg can outvote the other."""
    lexical = WEIGHTS[LEXICAL_TEXT] + WEIGHTS[LEXICAL_TITLE]
    assert lexical == pytest.approx(WEIGHTS[VECTOR_TEXT] + WEIGHTS[VECTOR_TITLE])


@settings(derandomize=True, deadline=None, database=None, max_examples=100)
@given(legs=legs_of_any_kind)
def test_every_candidate_hears_from_every_leg(
    legs: dict[str, dict[int, float]],
) -> None:
    """Each candidate has one finite contribution of each leg that found anything."""
    fused = fuse(legs)
    used = {name for name, leg in legs.items() if leg}
    assert set(fused) == {number for leg in legs.values() for number in leg}
    for number, contributions in fused.items():
        assert [c.leg for c in contributions] == [n for n in legs if n in used]
        for c in contributions:
            assert c.strength == legs[c.leg].get(number)
            assert math.isfinite(c.value)


@settings(derandomize=True, deadline=None, database=None, max_examples=100)
@given(legs=legs_of_any_kind)
def test_standard_scores_of_a_leg_balance(legs: dict[str, dict[int, float]]) -> None:
    """Over all candidates the scores of one leg add up to nothing."""
    totals: dict[str, float] = {}
    for contributions in fuse(legs).values():
        for c in contributions:
            totals[c.leg] = totals.get(c.leg, 0.0) + c.standard_score
    assert all(abs(total) < 1e-3 for total in totals.values())


def test_words_and_meaning_weigh_the_same_however_their_legs_agree() -> None:
    """The sum of a family deviates by the sum of its weights, whatever its legs."""
    same = {1: 5.0, 2: 1.0, 3: 0.5, 4: 0.0}
    fused = fuse(
        {
            LEXICAL_TEXT: same,
            LEXICAL_TITLE: same,
            VECTOR_TEXT: {1: 0.1, 2: 0.9, 3: 0.2, 4: 0.3},
            VECTOR_TITLE: {1: 0.9, 2: 0.2, 3: 0.3, 4: 0.1},
        }
    )
    for family in ((LEXICAL_TEXT, LEXICAL_TITLE), (VECTOR_TEXT, VECTOR_TITLE)):
        sums = [sum(c.value for c in cs if c.leg in family) for cs in fused.values()]
        deviation = math.sqrt(sum(x * x for x in sums) / len(sums))
        assert deviation == pytest.approx(sum(WEIGHTS[leg] for leg in family))


def test_the_leg_of_names_says_nothing_of_what_has_none() -> None:
    """Candidates without a name get 0 from it, and do not move the others."""
    legs = {VECTOR_TEXT: {1: 0.9, 2: 0.5, 3: 0.1}, LEXICAL_NAME: {2: 4.0, 3: 0.0}}
    fused = fuse(legs)
    by_name = {n: cs[1].standard_score for n, cs in fused.items()}
    assert by_name == {1: 0.0, 2: pytest.approx(1.0), 3: pytest.approx(-1.0)}
