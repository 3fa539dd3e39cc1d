"""Finite elements against solutions that are known in closed form: rates, and beam theory."""

import numpy as np
import pytest

from topopt.fem import BodyLoad, Material, PointLoad, StiffnessOperator, Structure, Support, SurfaceLoad
from topopt.fem.element import shapes
from topopt.fem.material import elasticity
from topopt.grid import Grid
from topopt.regions import Everywhere, Plane
from topopt.solvers import choose


def solved(structure, forces):
    operator = StiffnessOperator(structure, np.ones(structure.grid.n_cells))
    return choose(structure).solver.factor(operator).solve(forces)


def manufactured_error(grid, material):
    """L2 error at the nodes for u_a = prod_b sin(pi x_b), all a, with the body force that it needs."""
    ndim = grid.ndim
    supports = tuple(
        Support(Plane(**{axis: end}))
        for axis, length in zip(grid.axes, grid.size, strict=True)
        for end in (0.0, length)
    )
    structure = Structure(grid, supports, (BodyLoad(Everywhere(), (1.0,) * ndim),), material)
    law = elasticity(material, ndim)
    mu, lame = law[-1, -1], law[0, 1]
    forces = np.zeros((grid.n_nodes, ndim))
    offset = 0.5 / np.sqrt(3)
    lower = grid.nodes[grid.cell_nodes[:, 0]]
    for corner in np.ndindex(*(2,) * ndim):
        point = 0.5 + offset * (2 * np.array(corner) - 1)
        values, _ = shapes(point, grid.spacing)
        f = body_force(lower + point * grid.spacing, mu, lame) * grid.cell_volume / 2**ndim
        for local, value in enumerate(values):
            np.add.at(forces, grid.cell_nodes[:, local], value * f)
    u = solved(structure, forces.reshape(-1, 1)).reshape(-1, ndim)
    exact = np.prod(np.sin(np.pi * grid.nodes), axis=1)[:, None]
    return np.sqrt(np.mean((u - exact) ** 2))


def body_force(x, mu, lame):
    """f = -mu lap u - (lame + mu) grad div u for that field."""
    ndim = x.shape[1]
    s, c = np.sin(np.pi * x), np.cos(np.pi * x)
    lap = -ndim * np.pi**2 * np.prod(s, axis=1)
    f = np.empty_like(x)
    for a in range(ndim):
        grad_div = -(np.pi**2) * np.prod(s, axis=1)
        for b in range(ndim):
            if b != a:
                others = [k for k in range(ndim) if k not in (a, b)]
                grad_div = grad_div + np.pi**2 * c[:, a] * c[:, b] * np.prod(s[:, others], axis=1)
        f[:, a] = -mu * lap - (lame + mu) * grad_div
    return f


@pytest.mark.parametrize(
    ("counts", "ndim", "material"),
    [
        ((8, 16, 32, 64), 2, Material()),
        ((8, 16, 32, 64), 2, Material(plane="strain", poisson=0.35)),
        ((8, 12, 16), 3, Material()),
    ],
)
def test_displacements_converge_with_order_two(counts, ndim, material):
    # cells half as wide as high
    grids = [Grid((2 * n, *[n] * (ndim - 1)), (1.0,) * ndim) for n in counts]
    errors = [manufactured_error(grid, material) for grid in grids]
    rate = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert rate > 1.9, f"rate {rate:.3f}, errors {errors}"
    assert errors[-1] < 0.01


def tip_deflection(cells, material):
    """A cantilever of 20 by 1 by 1/2 under a unit force at its end."""
    ndim = len(cells)
    grid = Grid(cells, (20.0, 1.0, 0.5)[:ndim])
    tip = SurfaceLoad(Plane(x=20.0), (0.0, -2.0, 0.0)[:ndim])
    structure = Structure(grid, (Support(Plane(x=0.0)),), (tip,), material)
    u = solved(structure, structure.forces).reshape(-1, ndim)
    return -u[grid.nodes_in(Plane(x=20.0)), 1].mean()


@pytest.mark.parametrize(
    ("coarse", "fine", "material"),
    [
        ((80, 8), (160, 16), Material(1000.0, 0.0, thickness=0.5)),
        ((60, 6, 1), (120, 12, 2), Material(1000.0, 0.0)),
    ],
)
def test_a_slender_cantilever_bends_like_a_timoshenko_beam(coarse, fine, material):
    inertia = 0.5 / 12
    theory = 20.0**3 / (3 * 1000.0 * inertia) + 20.0 / (500.0 * 0.5 * 5 / 6)
    # bilinear cells bend too stiffly by a share of order h^2, which Richardson's extrapolation removes
    stiff, better = tip_deflection(coarse, material), tip_deflection(fine, material)
    assert stiff < better < theory
    assert better + (better - stiff) / 3 == pytest.approx(theory, rel=1e-3)


def test_a_symmetric_structure_deforms_symmetrically():
    grid = Grid((24, 8))
    supports = (Support(Plane(x=0.0)), Support(Plane(x=24.0)))
    structure = Structure(grid, supports, (PointLoad(Plane(x=12.0), (0.0, -1.0)),))
    u = solved(structure, structure.forces).reshape(*grid.nodes_shape, 2)
    assert u[::-1, :, 1] == pytest.approx(u[:, :, 1], abs=1e-12)
    assert u[::-1, :, 0] == pytest.approx(-u[:, :, 0], abs=1e-12)
