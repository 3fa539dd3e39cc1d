"""Profiles on numbers that can be counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topopt.errors import InputError
from topopt.study.outcome import Judgement
from topopt.study.profiles import curve, geometric_mean, ratio, solves_to

INF = math.inf
amounts = st.lists(st.one_of(st.floats(1.0, 100.0), st.just(INF)), min_size=1, max_size=20)


def test_a_performance_profile_counted_by_hand():
    # four cases: best, best, 10 % above, failed
    assert curve([1.0, 1.0, 1.1, INF])([0.99, 1.0, 1.05, 1.1, 50.0]).tolist() == [
        0,
        0.5,
        0.5,
        0.75,
        0.75,
    ]


def test_a_failure_is_never_dropped():
    assert curve([1.0, INF, INF, INF]).end == 0.25
    assert curve([INF, INF]).end == 0.0
    assert curve([INF])([1.0, 1e300]).tolist() == [0.0, 0.0]


def test_a_data_profile_steps_up_where_cases_are_solved():
    profile = curve([40, 20, INF, 40])
    assert profile.at.tolist() == [20.0, 40.0]
    assert profile.share.tolist() == [0.25, 0.75]
    assert profile([19.0, 20.0, 39.0, 40.0]).tolist() == [0.0, 0.25, 0.25, 0.75]


@given(amounts)
def test_a_profile_rises_and_ends_at_the_share_that_did_not_fail(numbers):
    profile = curve(numbers)
    assert np.all(np.diff(profile.share) > 0)
    assert profile.end == pytest.approx(np.mean(np.isfinite(numbers)))
    limits = np.linspace(0.5, 101.0, 7)
    assert profile(limits).tolist() == pytest.approx(
        [np.mean(np.array(numbers) <= limit) for limit in limits]
    )


def test_a_profile_of_nothing_and_of_nan_are_refused():
    with pytest.raises(InputError, match="there is no case"):
        curve([])
    with pytest.raises(InputError, match="a failure counts as inf"):
        curve([1.0, math.nan])


@pytest.mark.parametrize(
    ("value", "best", "expected"),
    [
        (200.0, 200.0, 1.0), (210.0, 200.0, 1.05), (-1.0, -1.0, 1.0), (-0.9, -1.0, 1.1), (0.0, -1.0, 2.0),
        (INF, 200.0, INF), (math.nan, 200.0, INF), (INF, INF, INF), (0.0, 0.0, 1.0), (1.0, 0.0, INF),
    ],
)  # fmt: skip
def test_the_ratio_to_the_best_whatever_the_sign(value, best, expected):
    assert ratio(value, best) == pytest.approx(expected)


def test_the_best_must_be_known_or_inf():
    with pytest.raises(InputError, match="expected a finite best value"):
        ratio(1.0, math.nan)


def test_the_geometric_mean():
    assert geometric_mean([1.0, 1.21]) == pytest.approx(1.1)
    assert geometric_mean([1.0, INF]) == INF
    assert math.isnan(geometric_mean([]))


WAY = [
    Judgement(5, 10, INF, 500.0, 0.4, "broken"),
    Judgement(10, 20, 208.0, 230.0, 0.20),
    Judgement(15, 31, 203.0, 215.0, 0.05),
    Judgement(20, 40, 214.0, 216.0, 0.019),
    Judgement(25, 50, 201.9, 203.0, 0.001),
]


@pytest.mark.parametrize(("within", "solves"), [(0.05, 20), (0.02, 31), (0.01, 50), (0.001, INF)])
def test_solves_to_are_those_of_the_first_judgement_near_enough(within, solves):
    assert solves_to(WAY, 200.0, within) == solves


def test_black_and_white_may_be_demanded_as_well():
    # at 40 solves it is black enough but 7 % above; only at 50 both hold
    assert solves_to(WAY, 200.0, 0.05, black=True) == 50
    assert solves_to(WAY, 200.0, 0.08, black=True) == 40
    assert solves_to([Judgement(1, 1, 200.0, 200.0)], 200.0, 0.05, black=True) == INF
    assert solves_to([Judgement(1, 1, 200.0, 200.0, 0.02)], 200.0, 0.05, black=True) == INF
