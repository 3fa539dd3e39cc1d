"""What a chart shows, as numbers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topopt.diagnosis import weakest
from topopt.errors import InputError
from topopt.figures import data
from topopt.history import History, Iteration


def _log(*iterations: dict) -> History:
    return History(
        Iteration(k, 1.0, **{"parameters": {}} | fields) for k, fields in enumerate(iterations, start=1)
    )


def test_stairs_know_where_they_rise_and_where_infinity_is_drawn():
    history = _log(*({"parameters": {"physical.beta": beta}} for beta in (1.0, 1.0, 4.0, 16.0, math.inf)))
    (beta,) = data.stairs(history)
    assert (beta.name, beta.symbol, beta.log, beta.steady) == ("physical.beta", r"$\beta$", True, False)
    assert beta.changes.tolist() == [3, 4, 5]
    assert beta.values.tolist() == [1, 1, 4, 16, math.inf]
    assert beta.level.tolist() == [1, 1, 4, 16, 64]
    assert beta.infinity == 64


def test_stairs_of_a_parameter_that_passes_zero_are_linear_and_infinity_still_above():
    history = _log(*({"parameters": {"a.shift": value}} for value in (-1.0, 0.0, math.inf)))
    (shift,) = data.stairs(history)
    assert not shift.log
    assert shift.level.tolist() == [-1, 0, 0.5]


def test_steady_stairs_have_no_changes_and_narrow_ones_need_no_log_axis():
    steady, narrow = data.stairs(
        _log(*({"parameters": {"o.move": 0.2, "s.penal": p}} for p in (1.0, 2.0, 3.0)))
    )
    assert steady.steady
    assert not steady.log
    assert not narrow.steady
    assert not narrow.log


@given(st.lists(st.sampled_from([1.0, 2.0, 8.0, math.inf]), min_size=1, max_size=30))
def test_drawn_levels_are_finite_and_keep_the_order_of_the_values(values):
    (beta,) = data.stairs(_log(*({"parameters": {"p.beta": value}} for value in values)))
    assert np.isfinite(beta.level).all()
    order = np.argsort(values, kind="stable")
    assert (np.diff(beta.level[order]) >= 0).all()
    assert len(beta.changes) == sum(a != b for a, b in itertools.pairwise(values))


def test_strip_has_a_row_per_stage_in_chain_order_and_nan_where_nothing_was_logged():
    first = {"design": {"attenuation": -1.0, "norm": 3.0}, "physical": {"attenuation": 0.0}}
    history = _log({"stages": first}, {"stages": {"design": {"attenuation": -2.0}}})
    fade = data.strip(history)
    assert fade.stages == ("design", "physical")
    assert fade.iterations.tolist() == [1, 2]
    np.testing.assert_array_equal(fade.values, [[-1, -2], [0, np.nan]])
    assert data.strip(history, "norm").stages == ("design",)


def test_strip_says_which_metrics_there_are():
    history = _log({"stages": {"design": {"dead3": 0.1}}})
    with pytest.raises(InputError, match=r"no stage has a metric 'dead4': did you mean 'dead3'\?"):
        data.strip(history, "dead4")
    with pytest.raises(InputError, match="the model that was run gives no signals to watch"):
        data.strip(_log({}))
    with pytest.raises(InputError, match="the history is empty; there is nothing to draw"):
        data.strip(History())


def test_watched_rows_end_with_the_gate_that_the_others_are_compared_with(run):
    history = run(20)
    shown = data.watched(history)
    assert shown.stages == ("design", "filtered", "physical")
    np.testing.assert_allclose(shown.values, 1.0 - data.strip(history, "dead3").values[:3])


def test_without_gates_only_the_design_is_watched(run):
    assert data.watched(run(5, gates=())).stages == ("design",)


def test_spans_join_neighbours_and_close_at_the_end():
    rings = [("a",), ("a", "b"), (), ("a",), ("a",)]
    found = data.spans(_log(*({"alarms": names} for names in rings)))
    assert found == [data.Span("a", 1, 2), data.Span("b", 2, 2), data.Span("a", 4, 5)]


def test_spans_of_a_slice_keep_the_iterations_numbers():
    history = _log(*({"alarms": ("freeze",)} for _ in range(6)))[3:5]
    assert data.spans(history) == [data.Span("freeze", 4, 5)]


@given(st.lists(st.sets(st.sampled_from("abc")), min_size=1, max_size=25))
def test_spans_cover_exactly_the_iterations_at_which_an_alarm_rang(rings):
    found = data.spans(_log(*({"alarms": tuple(sorted(names))} for names in rings)))
    covered = [(s.alarm, k) for s in found for k in range(s.first, s.last + 1)]
    assert sorted(covered) == sorted((name, k) for k, names in enumerate(rings, start=1) for name in names)
    by_alarm = sorted(found, key=lambda s: (s.alarm, s.first))
    assert all(b.first > a.last + 1 for a, b in itertools.pairwise(by_alarm) if a.alarm == b.alarm)


def _vanishing(attenuation: float, participation: float, dead3: float) -> dict[str, float]:
    return {"attenuation": attenuation, "participation": participation, "dead3": dead3}


def test_shares_are_one_where_nothing_is_lost():
    history = _log({"vanishing": _vanishing(0.0, 1.0, 0.0)}, {"vanishing": _vanishing(-2.0, 0.1, 0.75)})
    shares = data.alive(history)
    assert {name: values.tolist() for name, values in shares.items()} == {
        "arriving": [1.0, 0.01],
        "participation": [1.0, 0.1],
        "alive": [1.0, 0.25],
    }


@pytest.mark.parametrize(
    ("worst", "beta", "said"),
    [
        (
            _vanishing(-2.0, 0.1, 0.75), 32.0,
            "Weakest at iteration 2 (β = 32): 75 % of the variables are dead; "
            "what arrives has 1 % of the norm of the reference.",
        ),
        (
            _vanishing(1.0, 0.1, 0.5), math.inf,
            "Weakest at iteration 2 (β = ∞): 50 % of the variables are dead; "
            "what arrives has 10 times the norm of the reference.",
        ),
        (_vanishing(-0.1, 0.9, 0.005), 1.0, "At no iteration was more than 1 % of the variables dead."),
    ],
)  # fmt: skip
def test_the_verdict_names_iteration_slope_and_share(worst, beta, said):
    good = {"vanishing": _vanishing(2.0, 1.0, 0.0), "parameters": {"p.beta": 1.0}}
    history = _log(good, {"vanishing": worst, "parameters": {"p.beta": beta}})
    assert data.verdict(history) == said


def test_the_verdict_names_the_iteration_of_the_diagnosis():
    weak = {"vanishing": _vanishing(-3.0, 0.1, 0.5)}
    crowded = {"vanishing": _vanishing(-1.0, 0.1, 0.9)}
    unknown = {"vanishing": _vanishing(math.nan, math.nan, math.nan)}
    history = _log(unknown, crowded, weak)
    assert weakest(history) is history[2]
    assert "Weakest at iteration 3: 50 % of the variables are dead" in data.verdict(history)
    assert "The model gave no signals" in data.verdict(_log(unknown))


def test_nothing_that_arrives_is_nought_per_cent():
    history = _log({"vanishing": _vanishing(-math.inf, 0.0, 1.0)})
    assert "100 % of the variables are dead; what arrives has 0 % of the norm" in data.verdict(history)


def test_bytes_and_floats_give_the_same_densities():
    np.testing.assert_array_equal(
        data.as_density(np.array([[0, 255], [51, 102]], dtype=np.uint8)), [0, 1, 0.2, 0.4]
    )
    np.testing.assert_array_equal(data.as_density([0.0, 0.25]), [0, 0.25])


def test_histogram_counts_cells_as_shares():
    frames = [(1, np.linspace(0.5, 0.7, 8)), (5, np.array([0, 0, 0, 255], dtype=np.uint8))]
    shown = data.histogram(frames, bins=4)
    assert shown.iterations.tolist() == [1, 5]
    assert shown.edges.tolist() == [0, 0.25, 0.5, 0.75, 1]
    np.testing.assert_array_equal(shown.shares, [[0, 0.75], [0, 0], [1, 0], [0, 0.25]])


def test_every_column_of_a_histogram_sums_to_one_even_with_densities_out_of_bounds(rng):
    frames = [(k, rng.normal(0.5, 1.0, 100)) for k in range(1, 6)]
    np.testing.assert_allclose(data.histogram(frames).shares.sum(axis=0), 1.0)


def test_bytes_fall_evenly_into_the_bins():
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(data.histogram([(1, every)]).shares, np.full((32, 1), 1 / 32))


def test_histogram_refuses_frames_that_are_none_or_out_of_order():
    with pytest.raises(InputError, match="no frames: there is nothing to draw"):
        data.histogram([])
    with pytest.raises(InputError, match=r"expected ascending iterations, got \[2, 1\]"):
        data.histogram([(2, np.zeros(3)), (1, np.zeros(3))])
