"""Projections: end points, range, monotony, limits, and slopes that vanish but are not rounded away."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topopt import check
from topopt.errors import ParameterError
from topopt.stages import Eroding, Exponential, Tanh

BETAS = st.one_of(st.floats(0.0, 1e4), st.floats(0.0, 1e-3), st.just(math.inf))
PROJECTIONS = st.one_of(
    st.builds(Tanh, beta=BETAS, eta=st.floats(0.0, 1.0)),
    st.builds(Exponential, beta=BETAS),
    st.builds(Eroding, beta=BETAS),
)


@given(projection=PROJECTIONS, n=st.integers(2, 70))
def test_end_points_are_exact_and_the_map_is_monotone_within_them(projection, n):
    t = np.linspace(0.0, 1.0, n)
    projected = projection(t)
    assert projected[0] == 0.0
    assert projected[-1] == 1.0
    assert projected.min() >= 0.0
    assert projected.max() <= 1.0 + 1e-15
    assert np.diff(projected).min() >= -1e-15


@given(projection=PROJECTIONS)
def test_slope_is_finite_and_never_negative(projection):
    slope = projection.vjp(np.linspace(0.0, 1.0, 33))[1](np.ones(33))[0]
    assert np.isfinite(slope).all()
    assert slope.min() >= 0.0


@pytest.mark.parametrize("projection", [Tanh(0.0), Tanh(0.0, 0.2), Exponential(0.0), Eroding(0.0)])
def test_no_sharpness_is_the_identity_to_the_last_digit(projection, rng):
    t, v = rng.random((2, 20))
    assert np.array_equal(projection(t), t)
    assert np.array_equal(projection.vjp(t)[1](v)[0], v)


@pytest.mark.parametrize("beta", [1e-300, 1e-9, 0.99e-8, 1.01e-8, 1e-6, 1e-4])
@pytest.mark.parametrize("kind", [Tanh, Exponential, Eroding])
def test_little_sharpness_is_nearly_the_identity(kind, beta, rng):
    t = rng.random(50)
    order = beta**2 if kind is Tanh else beta
    assert np.abs(kind(beta)(t) - t).max() <= order + 4e-16


def test_formulas(rng):
    t, beta, eta = rng.random(30), 7.0, 0.3
    tanh = np.tanh(beta * eta) + np.tanh(beta * (t - eta))
    np.testing.assert_allclose(
        Tanh(beta, eta)(t), tanh / (np.tanh(beta * eta) + np.tanh(beta * (1 - eta))), rtol=1e-13
    )
    np.testing.assert_allclose(Exponential(beta)(t), 1 - np.exp(-beta * t) + t * np.exp(-beta), rtol=1e-13)
    np.testing.assert_allclose(
        Eroding(beta)(t), np.exp(-beta * (1 - t)) - (1 - t) * np.exp(-beta), rtol=1e-12
    )
    np.testing.assert_allclose(Eroding(beta)(t), 1 - Exponential(beta)(1 - t), atol=1e-15)


def test_tanh_also_holds_a_little_outside_its_range():
    t, beta, eta = np.array([-0.3, -1e-3, 1.001, 1.2]), 6.0, 0.3
    formula = np.tanh(beta * eta) + np.tanh(beta * (t - eta))
    formula /= np.tanh(beta * eta) + np.tanh(beta * (1 - eta))
    np.testing.assert_allclose(Tanh(beta, eta)(t), formula, rtol=1e-12)
    assert np.isfinite(Tanh(1e4, eta)(t)).all()


def test_infinite_sharpness_is_the_step():
    t = np.array([0.0, 0.29, 0.3, 0.31, 1.0])
    assert Tanh(math.inf, 0.3)(t).tolist() == [0, 0, 0.5, 1, 1]
    assert Tanh(math.inf, 0.0)(t).tolist() == [0, 1, 1, 1, 1]
    assert Tanh(math.inf, 1.0)(t).tolist() == [0, 0, 0, 0, 1]
    assert Exponential(math.inf)(t).tolist() == [0, 1, 1, 1, 1]
    assert Eroding(math.inf)(t).tolist() == [0, 0, 0, 0, 1]
    for projection in (Tanh(math.inf), Exponential(math.inf), Eroding(math.inf)):
        assert not projection.vjp(t)[1](np.ones(5))[0].any()
        assert not projection.derivative("beta", t).any()


def test_a_vanished_slope_is_not_rounded_to_zero():
    # at beta |t - eta| = 30 the slope is beta / 2 * 4 exp(-60), while 1 - tanh(30)**2 rounds to exactly 0
    slope = Tanh(100.0).vjp(np.array([0.2, 0.8]))[1](np.ones(2))[0]
    np.testing.assert_allclose(slope, 50 * 4 * math.exp(-60), rtol=1e-10)
    assert 1 - np.tanh(30.0) ** 2 == 0


@pytest.mark.parametrize("beta", [0.5, 2.0, 16.0, 64.0, 512.0, 1e4])
@pytest.mark.parametrize("kind", [Tanh, Exponential, Eroding])
def test_taylor_over_the_whole_range_of_sharpness(kind, beta, rng):
    t = np.concatenate([rng.uniform(0.02, 0.98, 40), 0.5 + rng.uniform(-2, 2, 20) / max(beta, 8)])
    if kind is not Tanh:
        t = rng.uniform(0.1, 5.0, 40) / max(beta, 8) * 0.9
        t = 1 - t if kind is Eroding else t
    report = check.stage(kind(beta), t, rng=rng, step=min(0.1, 1 / beta))
    report.raise_if_failed()
    assert report["taylor input 0"].passed
    assert report["derivative beta"].passed


@pytest.mark.parametrize("eta", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("beta", [1e-3, 1.0, 8.0, 64.0])
def test_taylor_over_the_whole_range_of_thresholds(beta, eta, rng):
    t = np.clip(eta + rng.uniform(-1.5, 1.5, 40) / max(beta, 2), 0.0, 1.0)
    check.stage(Tanh(beta, eta), t, rng=rng).raise_if_failed()


@pytest.mark.parametrize("eta", [0.0, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("beta", [0.0, 1.0, 8.0, 512.0])
def test_edge_slope_is_the_slope_where_the_output_is_one_half(beta, eta):
    t = np.linspace(0.0, 1.0, 200_001)
    projected, pullback = Tanh(beta, eta).vjp(t)
    crossing = np.argmin(np.abs(projected - 0.5))
    slope = pullback(np.ones_like(t))[0][crossing]
    assert Tanh(beta, eta).edge_slope() == pytest.approx(slope, rel=5e-3)


@pytest.mark.parametrize("kind", [Exponential, Eroding])
def test_edge_slope_of_a_sharp_exponential(kind):
    t = np.linspace(0.0, 1.0, 200_001)
    projected, pullback = kind(32.0).vjp(t)
    crossing = np.argmin(np.abs(projected - 0.5))
    assert kind(32.0).edge_slope() == pytest.approx(pullback(np.ones_like(t))[0][crossing], rel=1e-2)


def test_a_tiny_density_keeps_its_digits():
    t = np.array([1e-12])
    exact = math.sinh(6e-12) * math.cosh(3.0) / (math.sinh(6.0) * math.cosh(6 * (1e-12 - 0.5)))
    assert Tanh(6.0)(t)[0] == pytest.approx(exact, rel=1e-13)


def test_bounds():
    with pytest.raises(ParameterError, match=r"Tanh\.beta: expected a value >= 0, got -1"):
        Tanh(-1.0)
    with pytest.raises(ParameterError, match=r"Tanh\.eta: expected a value <= 1, got 1\.5"):
        Tanh(1.0, 1.5)
    with pytest.raises(ParameterError, match=r"Exponential\.beta: expected a number, got nan"):
        Exponential(math.nan)
    assert Tanh(1.0).derivative("gamma", np.ones(2)) is None
