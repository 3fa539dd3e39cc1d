"""The patch test: a linear field on the boundary is continued exactly by free interior nodes."""

import itertools

import numpy as np
import pytest

from topopt.fem import Material, PointLoad, StiffnessOperator, Structure, Support, SurfaceLoad
from topopt.fem.material import elasticity
from topopt.grid import Grid
from topopt.regions import Plane, Point
from topopt.solvers import SuperLU

CASES = [
    (Grid((4, 3), (2.0, 5.0)), Material(poisson=0.3)),
    (Grid((3, 5), (7.0, 1.0)), Material(young=2.0, poisson=0.4, plane="strain", thickness=0.3)),
    (Grid((3, 4, 3), (1.0, 5.0, 2.0)), Material(young=5.0, poisson=0.2)),
]


def held_at_the_boundary(grid, material):
    sides = [
        Plane(**{axis: end})
        for axis, length in zip(grid.axes, grid.size, strict=True)
        for end in (0.0, length)
    ]
    centre = tuple(h * (n // 2) for h, n in zip(grid.spacing, grid.cells, strict=True))
    load = PointLoad(Point(centre), (1.0,) * grid.ndim)
    return Structure(grid, tuple(Support(side) for side in sides), (load,), material)


@pytest.mark.parametrize(("grid", "material"), CASES)
def test_interior_nodes_follow_every_constant_strain(grid, material):
    structure = held_at_the_boundary(grid, material)
    inside = structure.free
    assert len(inside) == np.prod([n - 1 for n in grid.cells]) * grid.ndim
    operator = StiffnessOperator(structure, np.ones(grid.n_cells))
    factor = SuperLU().factor(operator)
    free_body = Structure(
        grid,
        (Support(Point((0.0,) * grid.ndim), spring=1e-300),),
        structure.loads,
        material,
    )
    whole = StiffnessOperator(free_body, np.ones(grid.n_cells))
    for i, j in itertools.product(range(grid.ndim), repeat=2):
        gradient = np.zeros((grid.ndim, grid.ndim))
        gradient[i, j] = 1.0
        exact = (grid.nodes @ gradient.T).ravel()
        boundary = exact.copy()
        boundary[inside] = 0.0
        found = boundary + factor.solve(-whole.apply(boundary)[:, None])[:, 0]
        assert np.abs(found - exact).max() < 1e-11 * np.abs(exact).max()


@pytest.mark.parametrize(("grid", "material"), CASES)
def test_a_pulled_bar_strains_uniformly(grid, material):
    """Normal traction at the end, symmetry planes at the other sides: uniaxial stress, known by hand."""
    supports = tuple(Support(Plane(**{axis: 0.0}), axis) for axis in grid.axes)
    pull = SurfaceLoad(Plane(x=grid.size[0]), (3.0,) + (0.0,) * (grid.ndim - 1))
    structure = Structure(grid, supports, (pull,), material)
    operator = StiffnessOperator(structure, np.ones(grid.n_cells))
    u = SuperLU().factor(operator).solve(structure.forces).reshape(-1, grid.ndim)
    stress = np.zeros(len(elasticity(material, grid.ndim)))
    stress[0] = 3.0
    strain = np.linalg.solve(elasticity(material, grid.ndim), stress)
    exact = grid.nodes * strain[: grid.ndim]
    assert np.abs(u - exact).max() < 1e-11 * np.abs(exact).max()
