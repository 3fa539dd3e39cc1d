"""Subpixel-smoothed projections: alive at infinite sharpness, exact pullback through the differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from topopt import check
from topopt.chain import Chain
from topopt.errors import ParameterError
from topopt.grid import Domain, Grid
from topopt.measures import discreteness, interface
from topopt.problem import Problem
from topopt.regions import Ball, Box
from topopt.stages import Cone, Mean, Ssp, Ssp2, Tanh
from topopt.stages.differences import gradient, hessian

KINDS = (Ssp, Ssp2)
BETAS = st.one_of(st.floats(0.0, 1e4), st.floats(0.0, 1e-3), st.just(math.inf))
PLATE, BLOCK = Grid((12, 9), (3.0, 9.0)), Grid((6, 5, 4), (6.0, 2.5, 4.0))
SHAPES = st.sampled_from([(1, 2), (1, 5), (2, 3), (5, 4), (2, 1, 3), (3, 4, 2)])


def wave(grid):
    """Return a smooth field of cells, steep enough that every edge is smoothed by a good part of a cell."""
    x = grid.centres / np.array(grid.size)
    return 0.5 + 0.4 * np.sin(3.5 * x @ np.array([1.0, 0.8, 0.6])[: grid.ndim] + 0.3)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data(), cells=SHAPES, beta=BETAS, eta=st.floats(0.0, 1.0))
def test_range_and_slopes(kind, data, cells, beta, eta):
    grid = Grid(cells)
    t = data.draw(arrays(np.float64, grid.n_cells, elements=st.floats(0.0, 1.0)))
    stage = kind(grid, beta, eta)
    projected, pullback = stage.vjp(t)
    assert projected.min() >= -1e-14
    assert projected.max() <= 1.0 + 1e-14
    assert np.isfinite(pullback(np.ones_like(t))[0]).all()
    slope = stage.slope(t)
    assert np.isfinite(slope).all()
    assert slope.min() >= -1e-12
    for parameter in ("beta", "eta"):
        assert np.isfinite(stage.derivative(parameter, t)).all()


@pytest.mark.parametrize("kind", KINDS)
@given(value=st.floats(0.0, 1.0), beta=BETAS, eta=st.floats(0.0, 1.0))
def test_a_uniform_field_has_no_gradient_and_is_projected_as_ever(kind, value, beta, eta):
    t = np.full(PLATE.n_cells, value)
    assert np.array_equal(kind(PLATE, beta, eta)(t), Tanh(beta, eta)(t))
    if value in (0.0, 1.0) and 0 < eta < 1:
        assert np.array_equal(kind(PLATE, beta, eta)(t), t)


@pytest.mark.parametrize("kind", KINDS)
def test_no_sharpness_is_the_identity(kind, rng):
    t, v = rng.random((2, PLATE.n_cells))
    assert np.array_equal(kind(PLATE, 0.0)(t), t)
    assert np.array_equal(kind(PLATE, 0.0).vjp(t)[1](v)[0], v)
    for beta in (1e-9, 1e-6, 1e-4):
        assert np.abs(kind(PLATE, beta)(t) - t).max() <= beta**2 + 1e-15
        np.testing.assert_allclose(kind(PLATE, beta).vjp(t)[1](v)[0], v, atol=20 * beta**2 + 1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("beta", [2.0, 64.0, math.inf])
def test_an_edge_that_moves_through_the_cells_never_dies_and_grows_evenly(kind, beta):
    # a straight ramp that is shifted: the volume grows with the shift, cell by cell, without a dead spot
    grid = Grid((20, 3))
    ramp = (grid.centres[:, 0] - 10.0) * 0.2 + 0.5
    slopes, volumes = [], []
    for shift in np.linspace(0.0, 1.0, 21):
        projected, pullback = kind(grid, beta).vjp(np.clip(ramp + 0.2 * shift, 0.0, 1.0))
        volumes.append(projected.sum() / 3)
        slopes.append(pullback(np.full(grid.n_cells, 0.2 / 3))[0].sum())
    assert np.diff(volumes).min() > 0.0
    assert volumes[-1] - volumes[0] == pytest.approx(1.0, rel=1e-2)
    assert min(slopes) > 0.05
    if beta == math.inf:
        assert max(Tanh(beta).vjp(ramp)[1](np.ones(grid.n_cells))[0]) == 0.0


def test_infinite_sharpness_is_the_share_of_the_cell(rng):
    grid = Grid((9, 1))
    t = np.linspace(0.1, 0.9, 9) + 0.02
    d = (0.5 - t) / (0.1 * 0.55)
    share = 0.5 - 15 / 16 * d + 5 / 8 * d**3 - 3 / 16 * d**5
    expected = np.where(np.abs(d) < 1, share, np.where(d < 0, 1.0, 0.0))
    np.testing.assert_allclose(Ssp(grid, math.inf)(t), expected, atol=1e-12)
    assert np.count_nonzero((expected > 0) & (expected < 1)) == 1
    np.testing.assert_allclose(Ssp(grid, 1e6)(t), expected, atol=1e-9)


def test_the_published_formula_at_finite_sharpness():
    grid, h = Grid((9, 7), (4.5, 3.5)), 0.5
    t, plain = wave(grid), Tanh(9.0, 0.4)
    norm = np.sqrt(sum(np.square(part) for part in np.gradient(grid.shaped(t), h))).reshape(-1)
    radius = 0.55 * h
    d = (0.4 - t) / (norm * radius)

    def share(d):
        return 0.5 - 15 / 16 * d + 5 / 8 * d**3 - 3 / 16 * d**5

    below, above = t - radius * norm * share(d), t + radius * norm * share(-d)
    smoothed = (1 - share(d)) * plain(below) + share(d) * plain(above)
    expected = np.where(np.abs(d) < 1, smoothed, plain(t))
    assert 5 < np.count_nonzero(np.abs(d) < 1) < 40
    np.testing.assert_allclose(Ssp(grid, 9.0, 0.4)(t), expected, rtol=1e-12, atol=1e-14)


def test_the_second_order_reach_adds_the_curvature():
    # a ridge one cell wide at the threshold: no gradient on top of it, but curvature
    grid = Grid((7, 1))
    t = np.array([0.1, 0.2, 0.3, 0.52, 0.3, 0.2, 0.1])
    assert Ssp(grid, math.inf)(t)[3] == 1.0
    d = (0.5 - 0.52) / (0.55 * 0.55 * 0.44)
    share = 0.5 - 15 / 16 * d + 5 / 8 * d**3 - 3 / 16 * d**5
    assert Ssp2(grid, math.inf)(t)[3] == pytest.approx(share, rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("grid", [PLATE, BLOCK], ids=["2-D", "3-D"])
@pytest.mark.parametrize("eta", [0.3, 0.5])
@pytest.mark.parametrize("beta", [1e-3, 0.1, 1.0, 8.0, 64.0, 1e3, math.inf])
def test_taylor_over_the_whole_range_of_sharpness(kind, grid, beta, eta, rng):
    step = min(0.01, 1 / beta) if beta < math.inf else 0.01
    report = check.stage(kind(grid, beta, eta), wave(grid), rng=rng, step=step)
    report.raise_if_failed()
    assert report["taylor input 0"].passed or beta < 0.01


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("beta", [8.0, math.inf])
def test_passive_cells_stay_and_the_others_are_still_exact(kind, beta, rng):
    domain = Domain(PLATE, solid=Box((0.0, 0.0), (0.6, 9.0)), void=Ball((3.0, 9.0), 1.6))
    t = domain.impose(0.9 - 0.7 * wave(PLATE))
    stage = kind(domain, beta, 0.2)
    assert kind(PLATE, beta, 0.2)(t)[domain.void_cells].max() > 0.01  # an edge would reach into the void
    projected = stage(t)
    assert (projected[domain.solid_cells] == 1.0).all()
    assert (projected[domain.void_cells] == 0.0).all()
    assert not stage.slope(t)[~domain.active].any()
    assert not stage.derivative("eta", t)[~domain.active].any()
    check.stage(stage, t, rng=rng, step=0.005).raise_if_failed()


@pytest.mark.parametrize("cells", [(1, 1), (1, 6), (2, 3), (5, 4), (1, 2, 3), (3, 4, 5)])
def test_differences_and_their_transposes(cells, rng):
    grid = Grid(cells)
    a, b = rng.standard_normal((2, *cells))
    for take in (*gradient(grid), *hessian(grid)):
        assert np.vdot(take(a), b) == pytest.approx(np.vdot(a, take.transposed(b)), rel=1e-11, abs=1e-12)


def test_differences_of_polynomials_are_exact():
    grid = Grid((5, 6, 4))
    x, y, z = np.moveaxis(grid.centres, 1, 0).reshape(3, *grid.cells)
    ahead = [take(2.0 * x - 3.0 * y + z) for take in gradient(grid)]
    assert [float(part.min()) for part in ahead] == pytest.approx([2, -3, 1])
    assert [float(part.max()) for part in ahead] == pytest.approx([2, -3, 1])
    curved = hessian(grid, 0.5)
    bent = [take(x**2 - 2.0 * y**2 + 0.5 * z**2 + x * y - 3.0 * y * z) for take in curved]
    assert [float(part[2, 2, 2]) for part in bent] == pytest.approx([2, -4, 1, 1, 0, -3])
    assert [float(part[0, 0, 0]) for part in bent[:3]] == pytest.approx([2, -4, 1])
    assert [take.weight for take in curved] == [0.5, 0.5, 0.5, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_interface_stays_resolved_however_sharp(kind):
    grid = Grid((40, 10))
    t = 0.5 + 0.02 * (grid.centres[:, 0] - 20.2)
    for beta, wide in ((math.inf, 0.293), (1e4, 0.293), (4.0, 1 / (2 * Tanh(4.0).edge_slope() * 0.02))):
        stage = kind(grid, beta)
        assert stage.edge_slope() is None
        assert interface(grid, t, stage(t), stage.edge_slope(t)) == pytest.approx(wide, rel=0.02)
    flat = np.full(grid.n_cells, 0.2)
    assert kind(grid, 8.0).edge_slope(flat) == Tanh(8.0).edge_slope()
    middle = kind(grid, 16.0)
    near = int(np.argmin(np.abs(t - 0.5)))
    assert middle.edge_slope(t) == pytest.approx(middle.slope(t)[near], rel=0.05)


def test_in_a_problem_the_log_reads_the_slope_and_the_design_is_sharp(rng):
    grid = Grid((30, 20))
    links = [("filtered", Cone(grid, 4.0)), ("physical", Ssp(grid, math.inf)), ("volume", Mean(grid))]
    start = np.clip(14.9 - grid.centres[:, 0], 0.1, 0.9)  # an edge that does not lie on the faces of cells
    problem = Problem(Chain(links), grid, "volume", start=start)
    evaluation = problem.evaluate(problem.initial(), {"physical.beta": math.inf})
    gate = evaluation.signals.gates["physical"]
    assert gate.slope.max() > 1.0
    assert np.linalg.norm(evaluation.gradient) > 0.0
    assert 0.2 < evaluation.measures["interface"] < 0.4
    assert discreteness(problem.tape(problem.initial())["physical"]) < 0.05


def test_rounding_is_no_gradient(rng):
    t = 0.5 + 1e-15 * rng.standard_normal(PLATE.n_cells)
    projected, pullback = Ssp2(PLATE, 64.0).vjp(t)
    assert np.abs(projected - 0.5).max() < 1e-12
    assert np.abs(pullback(np.ones_like(t))[0] - Tanh(64.0).edge_slope()).max() < 1e-9


def test_bounds():
    with pytest.raises(ParameterError, match=r"Ssp\.beta: expected a value >= 0, got -1"):
        Ssp(PLATE, -1.0)
    with pytest.raises(ParameterError, match=r"Ssp2\.eta: expected a value <= 1, got 2"):
        Ssp2(PLATE, 1.0, 2.0)
    assert Ssp(PLATE, 1.0).derivative("gamma", wave(PLATE)) is None
