"""The PDE filter: the equation it solves, the fast path against the sparse one, and its limits."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from topopt import check
from topopt.errors import InputError, TooLargeError
from topopt.grid import Domain, Grid
from topopt.regions import Ball, Box
from topopt.stages import Helmholtz
from topopt.stages import helmholtz as filters
from topopt.stages.helmholtz import _by_cosines, _meshed

DOMAINS = {
    "square": Domain(Grid((9, 7))),
    "aspect": Domain(Grid((9, 7), (9, 14))),
    "solid": Domain(Grid((9, 7)), solid=Box((0, 0), (2, 2))),
    "void": Domain(Grid((9, 7)), void=Ball((6, 4), 1.6)),
    "both": Domain(Grid((9, 7), (9, 14)), solid=Box((0, 0), (2, 4)), void=Ball((6, 8), 2.5)),
    "box": Domain(Grid((5, 6, 7), (5, 6, 14))),
    "box passive": Domain(Grid((6, 5, 5)), solid=Box((0, 0, 0), (1, 5, 5)), void=Ball((4, 2, 2), 1.2)),
}


@pytest.mark.parametrize("name", DOMAINS)
def test_conformance(name, rng):
    domain = DOMAINS[name]
    report = check.stage(Helmholtz(domain, 4.5), rng.uniform(0.1, 0.9, domain.grid.n_cells), rng=rng)
    report.raise_if_failed()
    assert report["dot"].passed


@pytest.mark.parametrize(
    "grid",
    [Grid((9, 7)), Grid((1, 8)), Grid((6, 5), (3.0, 20.0)), Grid((5, 4, 6)), Grid((4, 5, 6), (2, 5, 9))],
)
@pytest.mark.parametrize("radius", [0.4, 2.4, 7.0])
def test_cosines_solve_the_finite_element_equations_exactly(grid, radius, rng):
    field = rng.random(grid.n_cells)
    np.testing.assert_allclose(
        _by_cosines(grid, radius, field), _meshed(Domain(grid), radius)(field), rtol=0, atol=1e-13
    )


@pytest.mark.parametrize("radius", [2.0, 6.5])
def test_a_vanished_sensitivity_is_zero_and_not_noise(radius):
    """The sparse factor has no cancellation here, so that it is right in every entry."""
    grid = Grid((240, 40))
    slope = np.cosh(512.0 * 0.49 * grid.centres @ np.array([0.9, 0.1]) / 240) ** -2.0
    slope *= np.where(grid.centres[:, 1] % 20 < 10, 1.0, -1.0)
    assert np.abs(slope).min() < 1e-190
    exact = _meshed(Domain(grid), radius)(slope)
    pulled = Helmholtz(Domain(grid), radius).vjp(np.full(9600, 0.5))[1](slope)[0]
    kept = pulled != 0.0
    assert 500 < np.count_nonzero(kept) < 9000
    assert (np.sign(pulled[kept]) == np.sign(exact[kept])).all()
    error = np.abs(pulled[kept] / exact[kept] - 1.0)
    assert error.max() < 0.15
    assert error[np.abs(exact[kept]) > 1e-8 * np.abs(exact).max()].max() < 1e-6
    assert np.abs(exact[~kept]).max() < 1e-12 * np.abs(exact).max()


def test_a_factor_that_would_not_fit_is_refused_beforehand(monkeypatch):
    monkeypatch.setattr(sys.modules["topopt.solvers.choose"], "available_bytes", lambda: 10_000_000)
    stage = Helmholtz(Domain(Grid((300, 100)), void=Box((0, 0), (5, 5))), 3.0)
    with pytest.raises(
        TooLargeError, match=r"^Helmholtz on a grid with void cells: .*30376 unknowns in 2-D .*; Cone, or"
    ):
        stage(np.ones(30_000))
    assert Helmholtz(Domain(Grid((300, 100))), 3.0)(np.ones(30_000))[0] == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["void", "box passive"])
def test_every_solver_gives_the_same_filter(name, rng, monkeypatch):
    domain = DOMAINS[name]
    density = rng.random(domain.grid.n_cells)
    usual = Helmholtz(domain, 4.25)(density)
    _meshed.cache_clear()
    monkeypatch.setattr("topopt.stages.helmholtz.direct", lambda request: "superlu")
    np.testing.assert_allclose(Helmholtz(domain, 4.25)(density), usual, rtol=0, atol=1e-14)
    _meshed.cache_clear()


def test_against_a_dense_assembly_of_the_weak_form(rng):
    grid, radius = Grid((4, 3), (4.0, 4.5)), 3.4
    (hx, hy), length2 = grid.spacing, radius**2 / 12
    # Q4 rectangle, corners (0,0), (0,1), (1,0), (1,1): integrals of grad N . grad N and N N over the element
    points = (np.array([-1, 1]) / np.sqrt(3) + 1) / 2
    element = np.zeros((4, 4))
    for s in points:
        for t in points:
            shape = np.array([(1 - s) * (1 - t), (1 - s) * t, s * (1 - t), s * t])
            dx = np.array([-(1 - t), -t, 1 - t, t]) / hx
            dy = np.array([-(1 - s), 1 - s, -s, s]) / hy
            element += (
                hx * hy / 4 * (length2 * (np.outer(dx, dx) + np.outer(dy, dy)) + np.outer(shape, shape))
            )
    matrix, spread = np.zeros((grid.n_nodes,) * 2), np.zeros((grid.n_nodes, grid.n_cells))
    for cell, nodes in enumerate(grid.cell_nodes):
        matrix[np.ix_(nodes, nodes)] += element
        spread[nodes, cell] = hx * hy / 4
    density = rng.random(grid.n_cells)
    wanted = spread.T @ np.linalg.solve(matrix, spread @ density) / (hx * hy)
    np.testing.assert_allclose(Helmholtz(Domain(grid), radius)(density), wanted, atol=1e-14)


@pytest.mark.parametrize("name", DOMAINS)
def test_keeps_full_material_and_stays_in_bounds(name, rng):
    domain = DOMAINS[name]
    ones = np.ones(domain.grid.n_cells)
    np.testing.assert_allclose(Helmholtz(domain, 4.5)(ones), domain.impose(ones), atol=1e-14)
    for _ in range(5):
        output = Helmholtz(domain, 6.0)(rng.integers(0, 2, domain.grid.n_cells).astype(float))
        assert output.min() >= 0.0
        assert output.max() <= 1.0


def test_mean_is_kept_without_passive_cells(rng):
    domain, density = DOMAINS["square"], rng.random(63)
    assert Helmholtz(domain, 3.0)(density).mean() == pytest.approx(density.mean(), rel=1e-13)


def test_passive_cells_are_exact_and_receive_no_sensitivity(rng):
    domain = DOMAINS["both"]
    density = rng.random(63)
    output, pullback = Helmholtz(domain, 4.5).vjp(density)
    assert (output[domain.solid_cells] == 1.0).all()
    assert (output[domain.void_cells] == 0.0).all()
    assert not pullback(rng.standard_normal(63))[0][~domain.active].any()
    density[~domain.active] = 0.123
    assert np.array_equal(Helmholtz(domain, 4.5)(density), output)


def test_nothing_diffuses_through_a_void_wall():
    domain = Domain(Grid((9, 4)), void=Box((4, 0), (5, 4)))
    density = np.zeros((9, 4))
    density[:4] = 1.0
    output = domain.grid.shaped(Helmholtz(domain, 3.0)(density.ravel()))
    np.testing.assert_allclose(output[:4], 1.0, atol=1e-14)
    np.testing.assert_allclose(output[5:], 0.0, atol=1e-14)


def test_diffusion_length_converges_to_the_exact_green_function():
    # a layer of density in a long bar decays like exp(-|x| / length), whatever the cells
    radius, rates = 2.0, []
    for n in (40, 80):
        grid = Grid((n, 1), (10.0, 1.0))
        edge = (grid.centres[:, 0] < 5.0).astype(float)
        stage = Helmholtz(Domain(grid), max(radius, 2.0))
        field = stage(edge)
        x = grid.centres[:, 0] - 5.0
        length = radius / (2 * np.sqrt(3))
        exact = np.where(x < 0, 1 - 0.5 * np.exp(x / length), 0.5 * np.exp(-x / length))
        rates.append(np.abs(field - exact).max())
    assert np.log2(rates[0] / rates[1]) > 1.8


def test_a_radius_that_the_cells_do_not_resolve_is_refused():
    with pytest.raises(InputError, match=r"Helmholtz\.radius: 1\.9 is too small for cells of 1 x 1; give"):
        Helmholtz(Domain(Grid((8, 8))), 1.9)
    with pytest.raises(InputError, match=r"Helmholtz\.radius: 9 is larger than the whole grid of 8 x 8"):
        Helmholtz(Domain(Grid((8, 8))), 9.0)
    assert Helmholtz(Domain(Grid((8, 8))), 2.0).radius == 2.0
    assert Helmholtz(Domain(Grid((30, 10), (3.0, 1.0))), 0.2).radius == 0.2


@pytest.mark.parametrize("cells", [(37, 24), (1, 40), (13, 12, 9)])
@pytest.mark.parametrize("radius", [2.5, 6.0])
def test_multigrid_filters_like_the_factor(cells, radius, rng, monkeypatch):
    """Void inside and at the boundary, odd numbers of cells, and a node that only void touches."""
    grid = Grid(cells)
    centre = [0.6 * n for n in cells]
    domain = Domain(grid, solid=Box([0.0] * len(cells), [1.0] * len(cells)), void=Ball(centre, 3.2))
    field = rng.random(grid.n_cells)
    exact = _meshed(domain, radius)(field)
    monkeypatch.setattr(filters, "MOST_FACTORED", {2: 0, 3: 0})
    monkeypatch.setattr(filters, "choose", None)
    _meshed.cache_clear()
    filters._weights.cache_clear()
    found = _meshed(domain, radius)(field)
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-8)
    report = check.stage(Helmholtz(domain, radius), rng.uniform(0.1, 0.9, grid.n_cells), rng=rng)
    report.raise_if_failed()
    assert report["dot"].passed
    _meshed.cache_clear()
    filters._weights.cache_clear()
