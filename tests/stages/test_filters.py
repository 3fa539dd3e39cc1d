"""The cone filter against its definition, cell by cell, and the sensitivity filter against its formula."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import sparse

from topopt import check
from topopt.errors import InputError, ParameterError
from topopt.grid import Domain, Grid
from topopt.regions import Ball, Box, Everywhere, Mask, Nowhere
from topopt.stages import Cone, SensitivityFilter, Simp

INF = float("inf")
GRIDS = {
    "square": Domain(Grid((7, 5))),
    "strip": Domain(Grid((12, 1)), Nowhere(), Nowhere()),
    "aspect": Domain(Grid((6, 5), (6.0, 10.0))),
    "passive": Domain(Grid((9, 8)), solid=Box((0, 0), (2, 2)), void=Ball((6, 5), 1.8)),
    "wall": Domain(Grid((8, 6)), void=Box((3, 0), (5, 4))),
    "aspect passive": Domain(Grid((8, 6), (4.0, 6.0)), solid=Box((0, 4), (INF, 6)), void=Ball((2, 2), 1)),
    "box": Domain(Grid((5, 4, 3))),
    "box passive": Domain(
        Grid((5, 4, 4), (5, 4, 8)), solid=Box((0, 0, 0), (1, 4, 2)), void=Ball((4, 2, 5), 2)
    ),
}


def cone_matrix(domain: Domain, radius: float) -> np.ndarray:
    """Return the cone weights H with the columns of void cells left out, by two loops."""
    centres = domain.grid.centres
    weights = np.zeros((len(centres), len(centres)))
    for i, j in itertools.product(range(len(centres)), repeat=2):
        if not domain.void_cells[j]:
            weights[i, j] = max(0.0, radius - float(np.linalg.norm(centres[i] - centres[j])))
    return weights


@pytest.mark.parametrize("radius", [1.1, 2.4, 4.0])
@pytest.mark.parametrize("name", GRIDS)
def test_cone_is_the_weighted_mean_of_its_definition(name, radius, rng):
    domain = GRIDS[name]
    if radius <= domain.grid.spacing.min():
        radius = 1.5 * domain.grid.spacing.min()
    weights = cone_matrix(domain, radius)
    density = rng.random(domain.grid.n_cells)
    imposed = domain.impose(density)
    with np.errstate(invalid="ignore"):
        wanted = domain.impose(np.nan_to_num(weights @ imposed / weights.sum(axis=1)))
    np.testing.assert_allclose(Cone(domain, radius)(density), wanted, atol=2e-15)


@pytest.mark.parametrize("name", GRIDS)
def test_conformance(name, rng):
    domain = GRIDS[name]
    check.stage(Cone(domain, 2.4), rng.uniform(0.1, 0.9, domain.grid.n_cells), rng=rng).raise_if_failed()


@pytest.mark.parametrize("kind", [Cone, SensitivityFilter])
def test_passive_cells_are_exact_and_receive_no_sensitivity(kind, rng):
    domain = GRIDS["passive"]
    density = rng.random(72)
    output, pullback = kind(domain, 2.4).vjp(density)
    assert (output[domain.solid_cells] == 1.0).all()
    assert (output[domain.void_cells] == 0.0).all()
    pulled = pullback(rng.standard_normal(72))[0]
    assert not pulled[~domain.active].any()
    assert pulled[domain.active].all()
    other = density.copy()
    other[~domain.active] = rng.random(np.count_nonzero(~domain.active))
    assert np.array_equal(kind(domain, 2.4)(other), output)


@st.composite
def domains(draw) -> Domain:
    """Draw a small grid of any aspect with random passive cells."""
    ndim = draw(st.integers(2, 3))
    cells = tuple(draw(st.integers(2, 7)) for _ in range(ndim))
    size = tuple(n * draw(st.sampled_from([0.5, 1.0, 2.0])) for n in cells)
    dice = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kinds = dice.choice(3, p=[0.6, 0.2, 0.2], size=cells)
    kinds.flat[:2] = 0
    return Domain(Grid(cells, size), solid=Mask(kinds == 1), void=Mask(kinds == 2))


@given(domain=domains(), reach=st.floats(0.05, 1.0), constant=st.floats(0.0, 1.0), seed=st.integers(0, 999))
@example(domain=Domain(Grid((2, 2), (1.0, 1.0))), reach=0.5, constant=5e-324, seed=0)
def test_cone_keeps_constants_stays_in_bounds_and_has_its_adjoint(domain, reach, constant, seed):
    low, high = 1.001 * domain.grid.spacing.min(), max(domain.grid.size)
    cone = Cone(domain, low + reach * max(0.0, high - low) if high > low else low)
    rng = np.random.default_rng(seed)
    output = cone(rng.integers(0, 2, domain.grid.n_cells).astype(float))
    assert output.min() >= 0.0
    assert output.max() <= 1.0
    assert np.isfinite(Simp(1.5)(output)).all()
    full = cone(np.ones(domain.grid.n_cells))
    assert np.array_equal(full, domain.impose(np.ones(domain.grid.n_cells)))
    if not domain.solid_cells.any():
        same = cone(np.full(domain.grid.n_cells, constant))
        assert (same[domain.active] == constant).all() or constant < 1e-300
        digits = 1e-14 * np.finfo(float).tiny  # numbers below the smallest normal one carry fewer
        np.testing.assert_allclose(same[domain.active], constant, rtol=1e-14, atol=digits)
    assert check.dot(cone, output, rng=rng) < 1e-13


def test_rounding_never_leaves_a_negative_density():
    domain = Domain(Grid((64, 64)), void=Box((30, 0), (34, 50)))
    density = np.zeros((64, 64))
    density[:5, :5] = 1.0
    for place in (Domain(domain.grid), domain):
        output = Cone(place, 5.0)(density.ravel())
        assert output.min() == 0.0
        assert np.isfinite(Simp(2.5)(output)).all()


def vanishing_slopes(domain: Domain) -> np.ndarray:
    """Return the slope of a tanh projection at beta = 512 over a ramp, 1e-200 to 1, its sign alternating."""
    ramp = domain.grid.centres @ np.array([0.9, 0.1]) / domain.grid.size[0]
    slope = np.cosh(512.0 * 0.49 * ramp) ** -2.0
    assert slope.min() < 1e-190
    assert slope.max() > 0.1
    return slope * np.where(domain.grid.centres[:, 1] % 20 < 10, 1.0, -1.0)


def sums(domain: Domain, radius: float) -> sparse.csr_array:
    """Return the cone weights as a sparse matrix, exact in every entry."""
    (nx, ny), reach = domain.grid.cells, int(radius)
    number = np.arange(nx * ny).reshape(nx, ny)
    rows, columns, weights = [], [], []
    for dx, dy in itertools.product(range(-reach, reach + 1), repeat=2):
        weight = radius - float(np.hypot(dx, dy))
        if weight > 0:
            here = number[max(0, -dx) : nx - max(0, dx), max(0, -dy) : ny - max(0, dy)]
            there = number[max(0, dx) : nx + min(0, dx), max(0, dy) : ny + min(0, dy)]
            rows.append(here.ravel())
            columns.append(there.ravel())
            weights.append(np.full(here.size, weight))
    entries = (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.csr_array(entries, shape=(nx * ny,) * 2)


def assert_honest(output: np.ndarray, exact: np.ndarray, floor: float) -> None:
    """Demand that every entry is exactly 0 or true to its size, and that only what vanishes is 0."""
    kept = output != 0.0
    assert 0 < np.count_nonzero(kept) < len(output)
    assert (np.sign(output[kept]) == np.sign(exact[kept])).all()
    error = np.abs(output[kept] / exact[kept] - 1.0)
    assert error.max() < 0.15
    assert error[np.abs(exact[kept]) > 1e6 * floor].max() < 1e-6
    assert np.abs(exact[~kept]).max() < 1.2 * floor


@pytest.mark.parametrize("radius", [1.5, 5.5])
@pytest.mark.parametrize("scale", [1.0, 1e-170])
def test_a_vanished_sensitivity_is_zero_and_not_noise(radius, scale):
    domain = Domain(Grid((240, 40)))
    slope = vanishing_slopes(domain)
    weights = sums(domain, radius)
    total = weights @ np.ones(9600)
    floor = 8 * np.finfo(float).eps * np.sqrt((weights[[4820]] ** 2).sum())
    cone = Cone(domain, radius)
    pulled = cone.vjp(np.full(9600, 0.5))[1](slope * scale)[0]
    assert_honest(pulled / scale, weights.T @ (slope / total), floor * float(np.linalg.norm(slope / total)))
    summed = cone(slope * scale) / scale * total
    assert_honest(summed, weights @ slope, floor * float(np.linalg.norm(slope)))


def test_vanished_sensitivities_beside_passive_cells_are_zero():
    domain = Domain(Grid((240, 40)), solid=Box((0, 0), (4, 10)), void=Box((100, 10), (120, 30)))
    slope = vanishing_slopes(domain)
    pulled = Cone(domain, 3.5).vjp(np.full(9600, 0.5))[1](slope)[0]
    far = domain.grid.shaped(pulled)[130:]
    assert not far.any()
    assert np.count_nonzero(pulled) > 500


def test_values_outside_the_unit_interval_are_filtered_as_they_are(rng):
    domain, density = GRIDS["square"], rng.standard_normal(35) * 50
    weights = cone_matrix(domain, 2.4)
    np.testing.assert_allclose(
        Cone(domain, 2.4)(density), weights @ density / weights.sum(axis=1), atol=1e-12
    )


def test_cone_is_the_same_filter_on_every_scale(rng):
    density = rng.random(48)
    small = Cone(Domain(Grid((8, 6), (0.08, 0.06))), 0.024)(density)
    np.testing.assert_allclose(small, Cone(Domain(Grid((8, 6))), 2.4)(density), atol=1e-14)


def test_sensitivity_filter_is_the_formula(rng):
    domain = GRIDS["square"]
    density, cotangent = rng.random(35), rng.standard_normal(35)
    density[3] = 0.0
    output, pullback = SensitivityFilter(domain, 2.4).vjp(density)
    assert output is density
    weights = cone_matrix(domain, 2.4)
    wanted = weights @ (density * cotangent) / (np.maximum(1e-3, density) * weights.sum(axis=1))
    np.testing.assert_allclose(pullback(cotangent)[0], wanted, rtol=1e-9, atol=1e-12)


def test_sensitivity_filter_is_reported_as_a_heuristic(rng):
    report = check.stage(SensitivityFilter(GRIDS["square"], 2.4), rng.uniform(0.1, 0.9, 35), rng=rng)
    assert report.ok
    assert report["taylor"].passed is None
    assert "heuristic: not tested" in str(report)


@pytest.mark.parametrize("kind", [Cone, SensitivityFilter])
def test_a_useless_radius_is_refused_with_the_size_of_a_cell(kind):
    domain = Domain(Grid((10, 10), (1.0, 2.0)))
    with pytest.raises(
        InputError, match=r"radius: 0\.1 is too small for cells of 0\.1 x 0\.2; give more than 0\.1"
    ):
        kind(domain, 0.1)
    with pytest.raises(
        InputError, match=r"radius: 2\.4 is larger than the whole grid of 1 x 2 .* not a number of"
    ):
        kind(domain, 2.4)
    with pytest.raises(ParameterError, match=r"radius: expected a value > 0, got -1"):
        kind(domain, -1.0)
    assert kind(domain, 2.0).radius == 2.0


def test_radius_reaches_across_the_whole_grid(rng):
    domain = Domain(Grid((6, 3)))
    density = rng.random(18)
    weights = cone_matrix(domain, 6.0)
    np.testing.assert_allclose(
        Cone(domain, 6.0)(density), weights @ density / weights.sum(axis=1), atol=1e-15
    )


def test_nearly_everything_passive():
    picture = np.ones((6, 6), dtype=bool)
    picture[0, 0] = picture[5, 5] = False
    domain = Domain(Grid((6, 6)), void=Mask(picture))
    density = np.full(36, 0.3)
    density[0] = 0.7
    np.testing.assert_allclose(Cone(domain, 2.0)(density)[[0, 35, 7]], [0.7, 0.3, 0.0], atol=1e-15)
    with pytest.raises(InputError, match="both solid and void"):
        Domain(Grid((6, 6)), solid=Everywhere(), void=Box((0, 0), (2, 2)))
