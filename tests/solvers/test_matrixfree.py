"""Without a matrix the operator is the assembled one, to round-off."""

import dataclasses

import numpy as np
import pytest
from scipy import sparse

from tests.meshed import boxes
from topopt.errors import InputError
from topopt.fem import Material, PointLoad, StiffnessOperator, Structure, Support
from topopt.fem.element import diffusion, mass
from topopt.grid import Grid
from topopt.regions import Plane, Point
from topopt.solvers.matrixfree.coefficients import coefficients
from topopt.solvers.matrixfree.operator import MatrixFree
from topopt.solvers.matrixfree.sweep import APPLY

GRIDS = [
    Grid((7, 5), (2.0, 1.0)),
    Grid((1, 1)),
    Grid((2, 300), (1.0, 77.0)),
    Grid((5, 3, 4), (5.0, 3.9, 2.8)),
    Grid((1, 1, 1)),
    Grid((3, 40, 9), (1.0, 7.0, 2.0)),
]


class Scalar:
    """K + M of one unknown a node, a few of them fixed."""

    def __init__(self, grid, free):
        self.mesh, self.n_cells = grid, grid.n_cells
        self.ndim, self.n_dofs, self.free = grid.ndim, grid.n_nodes, free
        self.cell_dofs = grid.cell_nodes
        self.element_matrix = diffusion(grid.spacing) + 0.3 * mass(grid.spacing)
        self.springs = np.zeros(self.n_dofs)


class Elastic:
    """A structure whose supports and springs are random."""

    def __init__(self, grid, rng, poisson):
        load = PointLoad(Point(grid.size), (0.0, -1.0, 0.0)[: grid.ndim])
        base = Structure(grid, (Support(Plane(x=0.0)),), (load,), Material(poisson=poisson))
        self.mesh, self.n_cells = grid, grid.n_cells
        self.ndim, self.n_dofs = grid.ndim, base.n_dofs
        self.cell_dofs, self.element_matrix = base.cell_dofs, base.element_matrix
        self.free = np.flatnonzero(rng.random(self.n_dofs) > 0.2)
        self.springs = np.zeros(self.n_dofs)
        self.springs[self.free[::5]] = rng.random(len(self.free[::5]))


def assembled(system, moduli):
    """Both triangles on all unknowns, by the plain way; fixed rows and columns are zero."""
    dofs = system.cell_dofs
    k = dofs.shape[1]
    values = moduli[:, None, None] * system.element_matrix
    rows, columns = np.repeat(dofs, k, axis=1).ravel(), np.tile(dofs, (1, k)).ravel()
    full = sparse.csr_array((values.ravel(), (rows, columns)), shape=(system.n_dofs,) * 2)
    full = full + sparse.diags_array(system.springs)
    keep = np.zeros(system.n_dofs)
    keep[system.free] = 1.0
    return sparse.diags_array(keep) @ full @ sparse.diags_array(keep)


def systems(rng):
    for grid in GRIDS:
        yield Elastic(grid, rng, 0.3)
        yield Elastic(grid, rng, -0.4)
        yield Scalar(grid, np.flatnonzero(rng.random(grid.n_nodes) > 0.1))


def random_moduli(system, rng):
    moduli = rng.choice([0.0, 1e-9, 1.0], system.n_cells) * rng.random(system.n_cells)
    return moduli


@pytest.mark.parametrize("cells", [(48, 24), (24, 12, 8)])
def test_strains_in_single_precision_do_not_know_how_far_the_body_moves(cells, rng):
    """The field is single; all that may be lost beside a double product is the rounding of the strains."""
    system = Elastic(Grid(cells), rng, 0.3)
    moduli = 0.5 + rng.random(system.n_cells)
    exact, single = (
        dataclasses.replace(MatrixFree.of(system, moduli, dtype), springs=np.zeros(0, dtype))
        for dtype in (np.float64, np.float32)
    )
    lattice = exact.lattice
    u = lattice.vector(np.float32)
    along = np.arange(lattice.n) / lattice.n
    u.reshape(lattice.components, -1)[:] = 100.0 + 0.1 * along
    wanted, found = lattice.vector(np.float64), lattice.vector(np.float32)
    exact.run(APPLY, u.astype(np.float64), wanted)
    single.run(APPLY, u, found)
    assert np.abs(found - wanted).max() < 3e-6 * np.abs(wanted).max()


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 2e-15), (np.float32, 1e-6)])
def test_the_operator_is_the_assembled_matrix_to_round_off(rng, dtype, tolerance):
    for system in systems(rng):
        moduli = random_moduli(system, rng)
        u = rng.normal(size=(system.n_dofs, 2))
        matrix = assembled(system, moduli)
        bound = abs(matrix) @ np.abs(u) + 1e-300
        found = MatrixFree.of(system, moduli, dtype).apply(u)
        assert np.max(np.abs(found - matrix @ u) / bound.max()) < 4 * tolerance
        assert not found[np.setdiff1d(np.arange(system.n_dofs), system.free)].any()


def test_it_agrees_with_the_operator_of_fem_and_keeps_its_input(rng):
    system = Elastic(GRIDS[3], rng, 0.2)
    moduli = random_moduli(system, rng)
    u = rng.normal(size=system.n_dofs)
    u.flags.writeable = False
    exact = StiffnessOperator(system, moduli).apply(u)
    assert MatrixFree.of(system, moduli).apply(u) == pytest.approx(exact, abs=1e-13)


def test_forty_five_numbers_make_a_brick_and_ten_a_rectangle():
    brick = Elastic(Grid((1, 1, 1), (1.0, 1.3, 0.7)), np.random.default_rng(0), 0.3)
    assert len(coefficients(brick.element_matrix, 3)) == 33  # 45 with their mirror images
    square = Elastic(Grid((1, 1), (1.0, 1.3)), np.random.default_rng(0), 0.3)
    assert len(coefficients(square.element_matrix, 2)) == 8


def test_an_element_that_is_not_mirror_symmetric_is_refused(rng):
    skew = rng.normal(size=(8, 8))
    with pytest.raises(InputError, match="does not keep to the mirror symmetry of its cell"):
        coefficients(skew + skew.T, 2)
    square = Elastic(Grid((1, 1)), rng, 0.3)
    resisting = square.element_matrix + 0.1 * np.eye(8)
    with pytest.raises(InputError, match="resists translations"):
        coefficients(resisting, 2)


def test_a_system_without_a_grid_is_refused(rng):
    system = Elastic(GRIDS[0], rng, 0.3)
    system.mesh = boxes(GRIDS[0])
    with pytest.raises(InputError, match="needs a structured grid"):
        MatrixFree.of(system, np.ones(35))
