"""The stiffness operator against plain loops, as a matrix and without one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topopt.errors import InputError
from topopt.fem import Material, PointLoad, StiffnessOperator, Structure, Support
from topopt.fem.assembly import pattern
from topopt.fem.operator import energies
from topopt.grid import Grid
from topopt.regions import Everywhere, Plane, Point
from topopt.solvers import SuperLU

GRIDS = [Grid((5, 3), (2.0, 1.0)), Grid((1, 1)), Grid((1, 6)), Grid((3, 2, 2), (1.0, 1.0, 3.0))]


def sprung(grid):
    """Held on the left in x alone, sprung at the bottom."""
    load = PointLoad(Point(grid.size), (0.0, -1.0, 0.0)[: grid.ndim])
    supports = (Support(Plane(x=0.0), "x"), Support(Plane(y=0.0), spring=0.3))
    return Structure(grid, supports, (load,), Material(poisson=0.2))


def brute_force(structure, moduli):
    """Assemble with loops, cut out the free unknowns."""
    full = np.diag(structure.springs)
    for dofs, modulus in zip(structure.cell_dofs, moduli, strict=True):
        full[np.ix_(dofs, dofs)] += modulus * structure.element_matrix
    return full[np.ix_(structure.free, structure.free)]


@pytest.mark.parametrize("grid", GRIDS)
def test_matrix_apply_and_diagonal_against_loops(grid):
    structure = sprung(grid)
    rng = np.random.default_rng(5)
    moduli = rng.uniform(0.0, 2.0, grid.n_cells)
    operator = StiffnessOperator(structure, moduli)
    exact = brute_force(structure, moduli)
    assert np.abs(operator.full_matrix.toarray() - exact).max() < 1e-14
    assert np.abs(operator.matrix.toarray() - np.tril(exact)).max() < 1e-14
    assert np.abs(operator.diagonal()[structure.free] - np.diag(exact)).max() < 1e-14
    u = rng.normal(size=(structure.n_dofs, 3))
    applied = operator.apply(u)
    fixed = np.setdiff1d(np.arange(structure.n_dofs), structure.free)
    assert np.abs(applied[structure.free] - exact @ u[structure.free]).max() < 1e-13
    assert not applied[fixed].any()
    assert not operator.diagonal()[fixed].any()
    assert operator.apply(u[:, 0]) == pytest.approx(applied[:, 0], abs=1e-14)


def test_pattern_is_what_a_direct_solver_wants():
    structure = sprung(GRIDS[0])
    found = pattern(structure)
    assert found.indices.dtype == found.indptr.dtype == np.int32
    for start, end, column in zip(found.indptr, found.indptr[1:], range(len(found.indptr)), strict=False):
        rows = found.indices[start:end]
        assert rows[0] == column
        assert np.all(np.diff(rows) > 0)
    assert pattern(sprung(Grid((5, 3), (2.0, 1.0)))) is found


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.0, 1e3), min_size=15, max_size=15), st.floats(0.0, 1e3))
def test_the_operator_is_linear_in_the_moduli_and_symmetric(values, factor):
    structure = sprung(GRIDS[0])
    bare = Structure(structure.grid, (Support(Plane(x=0.0), "x"),), structure.loads)
    moduli = np.array(values)
    rng = np.random.default_rng(1)
    u, v = rng.normal(size=(2, bare.n_dofs))
    once, scaled = StiffnessOperator(bare, moduli), StiffnessOperator(bare, factor * moduli)
    scale = 1e-12 * (1.0 + moduli.max() * max(factor, 1.0))
    assert np.abs(scaled.apply(u) - factor * once.apply(u)).max() <= scale
    assert abs(v @ once.apply(u) - u @ once.apply(v)) <= 100 * scale
    assert u @ once.apply(u) >= -100 * scale


def test_energies_add_up_to_the_quadratic_form():
    structure = sprung(GRIDS[3])
    rng = np.random.default_rng(2)
    u, v = np.zeros((2, structure.n_dofs))
    u[structure.free], v[structure.free] = rng.normal(size=(2, len(structure.free)))
    moduli = rng.uniform(size=structure.grid.n_cells)
    whole = v @ StiffnessOperator(structure, moduli).apply(u) - v @ (structure.springs * u)
    assert moduli @ energies(structure, v, u) == pytest.approx(whole)
    assert energies(structure, u, u).min() >= 0


def test_a_spring_against_a_hand_calculation():
    """One cell so stiff that it only rides on its springs: two in y, 4 together, carry 1."""
    grid = Grid((1, 1))
    supports = (Support(Everywhere(), "x"), Support(Plane(y=0.0), "y", spring=4.0))
    structure = Structure(grid, supports, (PointLoad(Plane(y=1.0), (0.0, -1.0)),), Material(young=1e9))
    u = SuperLU().factor(StiffnessOperator(structure, np.ones(1))).solve(structure.forces)
    assert u.reshape(-1, 2)[:, 1] == pytest.approx(np.full(4, -1.0 / 4.0), rel=1e-7)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_finer_grid_rests_on_the_same_springs(n):
    """A rigid block sinks by force over stiffness, into however many nodes its bed is divided."""
    supports = (Support(Everywhere(), "x"), Support(Plane(y=0.0), "y", spring=4.0))
    load = PointLoad(Plane(y=1.0), (0.0, -1.0))
    structure = Structure(Grid((3 * n, n), (3.0, 1.0)), supports, (load,), Material(young=1e6))
    assert structure.springs.sum() == pytest.approx(4.0)
    u = SuperLU().factor(StiffnessOperator(structure, np.ones(3 * n * n))).solve(structure.forces)
    assert u.reshape(-1, 2)[:, 1] == pytest.approx(np.full(len(u) // 2, -1.0 / 4.0), rel=1e-4)


def test_moduli_of_the_wrong_shape():
    with pytest.raises(InputError, match=r"moduli: expected one value per cell, shape \(15,\), got \(14,\)"):
        StiffnessOperator(sprung(GRIDS[0]), np.ones(14))
