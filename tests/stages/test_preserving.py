"""Volume-preserving projections: the volume to the last digits, limits, and a threshold in the adjoint."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from topopt import check
from topopt.chain import Chain
from topopt.grid import Grid
from topopt.measures import interface
from topopt.problem import Problem
from topopt.stages import Cone, Mean, PreservingExponential, PreservingTanh, Tanh

KINDS = (PreservingTanh, PreservingExponential)
BETAS = st.one_of(st.floats(0.0, 1e4), st.floats(0.0, 1e-3), st.sampled_from([1e-8, 1e4, math.inf]))
SHARP = (1e-3, 0.1, 1.0, 8.0, 64.0, 512.0, 1e3)
FIELDS = st.one_of(
    arrays(np.float64, st.integers(1, 40), elements=st.floats(0.0, 1.0)),
    arrays(np.float64, st.integers(1, 40), elements=st.sampled_from([0.0, 1e-12, 0.1, 0.5, 0.9, 1.0])),
    st.builds(np.full, st.integers(1, 9), st.floats(0.0, 1.0)),
)


def slope_sum(stage, t):
    """Return the pullback of ones: how much the volume moves with each entry."""
    return stage.vjp(t)[1](np.ones_like(t))[0]


@pytest.mark.parametrize("kind", KINDS)
@given(t=FIELDS, beta=BETAS)
@example(t=np.array([0.1, 0.1, 0.9, 0.9]), beta=1e4)
@example(t=np.array([0.1, 0.1, 0.9]), beta=1e4)
@example(t=np.full(7, 1e-12), beta=64.0)
@example(t=np.full(3, 0.3), beta=1e4)
def test_volume_is_kept_and_range_and_order_too(kind, t, beta):
    projected = kind(beta)(t)
    assert projected.sum() == pytest.approx(t.sum(), rel=1e-12, abs=1e-300)
    assert projected.min() >= 0.0
    assert projected.max() <= 1.0 + 4e-16
    assert np.diff(projected[np.argsort(t, kind="stable")]).min(initial=0.0) >= -4e-16
    assert (projected[t == 0.0] == 0.0).all()
    assert projected[t == 1.0] == pytest.approx(1.0, rel=3e-16)
    assert 0.0 <= kind(beta).threshold(t) <= 1.0


@pytest.mark.parametrize("kind", KINDS)
@given(t=FIELDS, beta=BETAS)
def test_slope_is_finite_and_never_negative(kind, t, beta):
    stage = kind(beta)
    assert np.isfinite(slope_sum(stage, t)).all()
    slope = stage.slope(t)
    assert np.isfinite(slope).all()
    assert slope.min() >= 0.0
    assert np.isfinite(stage.derivative("beta", t)).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("beta", SHARP)
def test_the_volume_of_the_pullback_is_kept_too(kind, beta, rng):
    t = rng.uniform(0.2, 0.8, 50)
    np.testing.assert_allclose(slope_sum(kind(beta), t), 1.0, rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_volume_is_kept_where_eta_itself_has_too_few_digits(kind):
    for t in (np.full(50, 0.3), np.array([0.2, 0.9]), np.array([0.1] * 5 + [0.9] * 6)):
        assert kind(1e7)(t).sum() == pytest.approx(t.sum(), rel=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_no_sharpness_is_the_identity(kind, rng):
    t, v = rng.random((2, 20))
    assert np.array_equal(kind(0.0)(t), t)
    assert np.array_equal(kind(0.0).vjp(t)[1](v)[0], v)
    assert kind(0.0).edge_slope(t) == 1.0
    for beta in (1e-300, 1e-9, 1.01e-8, 1e-6, 1e-4):
        order = beta**2 if kind is PreservingTanh else beta
        assert np.abs(kind(beta)(t) - t).max() <= order + 1e-15
        np.testing.assert_allclose(kind(beta).vjp(t)[1](v)[0], v, atol=20 * order + 1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_infinite_sharpness_is_the_threshold_at_equal_volume_and_ties_share(kind):
    stage = kind(math.inf)
    assert stage(np.array([0.1, 0.9, 0.2, 0.8])).tolist() == [0, 1, 0, 1]
    np.testing.assert_allclose(stage(np.array([0.1, 0.9, 0.5, 0.5, 0.3])), [0, 1, 0.65, 0.65, 0], rtol=1e-15)
    assert stage(np.full(4, 0.3)) == pytest.approx([0.3] * 4, rel=1e-15)
    assert stage(np.ones(3)).tolist() == [1, 1, 1]
    assert stage(np.zeros(3)).tolist() == [0, 0, 0]
    t = np.array([0.1, 0.9, 0.5])
    assert slope_sum(stage, t).tolist() == [1.0] * 3  # the volume is kept: what is left moves with it
    assert not slope_sum(stage, np.array([0.0, 1.0, 1.0, 0.0])).any()
    assert not stage.slope(t).any()
    assert not stage.derivative("beta", t).any()
    assert stage.edge_slope(t) == math.inf


@pytest.mark.parametrize("kind", KINDS)
def test_taylor_at_infinite_sharpness(kind, rng):
    """Exact, since the output is linear as long as the entries keep their order."""
    stage, t = kind(math.inf), rng.permutation(np.linspace(0.02, 0.97, 40))
    direction, cotangent = rng.normal(size=(2, 40))
    output, pullback = stage.vjp(t)
    slope = float(pullback(cotangent)[0] @ direction)
    assert abs(slope) > 0.01
    for step in (1e-3, -1e-3, 1e-5):
        change = float(cotangent @ (stage(t + step * direction) - output))
        assert change == pytest.approx(step * slope, rel=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_entries_that_tie_at_infinite_sharpness_move_together(kind, rng):
    stage, t = kind(math.inf), np.array([0.1, 0.9, 0.5, 0.5, 0.3])
    cotangent = rng.normal(size=5)
    slope = stage.vjp(t)[1](cotangent)[0]
    for direction in (np.ones(5), np.eye(5)[0], np.eye(5)[1], np.array([0.0, 0.0, 1.0, 1.0, 0.0])):
        change = float(cotangent @ (stage(t + 1e-4 * direction) - stage(t)))
        assert change == pytest.approx(1e-4 * float(slope @ direction), rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_the_pullback_of_a_great_sharpness_comes_close_to_that_of_the_infinite_one(kind, rng):
    t, cotangent = np.array([0.1, 0.9, 0.52, 0.3, 0.71]), rng.normal(size=5)
    limit = kind(math.inf).vjp(t)[1](cotangent)[0]
    np.testing.assert_allclose(kind(1e4).vjp(t)[1](cotangent)[0], limit, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_a_great_sharpness_comes_close_to_the_infinite_one(kind, rng):
    t = rng.random(200)
    t = t[np.abs(t - kind(math.inf).threshold(t)) > 1e-3]
    np.testing.assert_allclose(kind(1e5)(t), kind(math.inf)(t), atol=1e-6)


def test_tanh_is_the_plain_one_at_the_threshold_found(rng):
    t, stage = rng.random(60) ** 2, PreservingTanh(12.0)
    plain = Tanh(12.0, stage.threshold(t))
    np.testing.assert_allclose(stage(t), plain(t), rtol=1e-11)
    np.testing.assert_allclose(stage.slope(t), slope_sum(plain, t), rtol=1e-14)
    assert stage.edge_slope(t) == plain.edge_slope()


def test_exponential_has_the_published_halves(rng):
    t, beta, stage = rng.random(60) ** 2, 9.0, PreservingExponential(9.0)
    eta = stage.threshold(t)
    lower = eta * (np.exp(-beta * (1 - t / eta)) - (1 - t / eta) * np.exp(-beta))
    up = (t - eta) / (1 - eta)
    upper = (1 - eta) * (1 - np.exp(-beta * up) + up * np.exp(-beta)) + eta
    np.testing.assert_allclose(stage(t), np.where(t <= eta, lower, upper), rtol=1e-11)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("beta", SHARP)
def test_taylor_over_the_whole_range_of_sharpness(kind, beta, rng):
    t = np.concatenate([rng.uniform(0.02, 0.98, 40), 0.45 + rng.uniform(-2, 2, 20) / max(beta, 8)])
    report = check.stage(kind(beta), t, rng=rng, step=min(0.1, 1 / beta))
    report.raise_if_failed()
    assert report["taylor input 0"].passed
    assert report["derivative beta"].passed


@pytest.mark.parametrize("kind", KINDS)
def test_taylor_of_a_uniform_field(kind, rng):
    check.stage(kind(16.0), np.full(30, 0.3), rng=rng, step=0.02).raise_if_failed()


@pytest.mark.parametrize("kind", KINDS)
def test_without_anything_near_the_threshold_it_is_a_constant(kind):
    t = np.array([0.0, 1.0, 1.0, 0.0])  # the volume is kept by every threshold
    stage = kind(32.0)
    assert np.array_equal(stage(t), t)
    np.testing.assert_array_equal(slope_sum(stage, t), stage.slope(t))
    gap = np.array([0.1, 0.1, 0.9, 0.9])  # and here by every threshold in the gap, to the last digit
    assert slope_sum(PreservingTanh(1e4), gap).tolist() == [0.0] * 4
    np.testing.assert_array_less(slope_sum(PreservingTanh(64.0), gap), 1e-12)
    alive = slope_sum(PreservingTanh(64.0), np.array([0.1, 0.1, 0.88, 0.9]))
    np.testing.assert_allclose(alive, 1.0, rtol=1e-9)


def test_edge_slope_depends_on_the_field_and_gives_the_width_of_the_interface():
    grid = Grid((40, 2))
    t = np.repeat(np.linspace(0.0, 1.0, 40), 2) ** 2
    for kind in KINDS:
        stage = kind(32.0)
        projected = stage(t)
        crossing = np.argmin(np.abs(projected - 0.5))
        assert stage.edge_slope() is None
        assert stage.edge_slope(t) == pytest.approx(stage.slope(t)[crossing], rel=0.4)
        assert 0.1 < interface(grid, t, projected, stage.edge_slope(t)) < 10.0


def test_passive_cells_count_in_the_mean_and_stay(rng):
    t = rng.uniform(0.1, 0.9, 50)
    t[:20] = 1.0
    projected = PreservingTanh(8.0)(t)
    assert (projected[:20] == 1.0).all()
    assert PreservingTanh(8.0).threshold(t) == pytest.approx(PreservingTanh(8.0).threshold(t[20:]), rel=1e-9)


def test_the_log_sees_the_slope_and_not_the_pullback_of_ones(rng):
    grid = Grid((12, 8))
    links = [("filtered", Cone(grid, 2.5)), ("physical", PreservingTanh(16.0)), ("volume", Mean(grid))]
    problem = Problem(Chain(links), grid, "volume", start=rng.random(grid.n_cells))
    evaluation = problem.evaluate(problem.initial(), {"physical.beta": 16.0})
    gate = evaluation.signals.gates["physical"]
    filtered = problem.tape(problem.initial())["filtered"]
    np.testing.assert_array_equal(gate.slope, PreservingTanh(16.0).slope(filtered))
    assert gate.slope.max() > 2.0
    assert evaluation.measures["interface"] > 0.0
    assert abs(gate.tilts["physical.beta"].sum()) < 1e-12  # the volume does not move with beta
    np.testing.assert_allclose(evaluation.gradient.sum(), 1.0, rtol=1e-9)
