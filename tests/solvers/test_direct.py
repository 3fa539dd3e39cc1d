"""The direct solvers leave no residual, agree, and remember nothing."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topopt.errors import InputError, MissingDependencyError, SingularSystemError
from topopt.fem import LoadCase, PointLoad, StiffnessOperator, Structure, Support
from topopt.grid import Grid
from topopt.regions import Plane, Point
from topopt.solvers import Cholmod, SuperLU
from topopt.solvers.cholmod import _analysis

pytest.importorskip("sksparse")

SOLVERS = [Cholmod(), Cholmod("metis"), Cholmod("nesdis"), SuperLU()]


def cantilever(cells):
    grid = Grid(cells)
    forces = np.eye(grid.ndim)
    cases = tuple(
        LoadCase(axis, (PointLoad(Point(grid.size), tuple(force)),))
        for axis, force in zip(grid.axes, forces, strict=True)
    )
    return Structure(grid, (Support(Plane(x=0.0)),), cases)


def operator(structure, seed=0, lowest=1e-9):
    moduli = np.random.default_rng(seed).choice([lowest, 1.0], structure.grid.n_cells, p=[0.2, 0.8])
    return StiffnessOperator(structure, moduli)


@pytest.mark.parametrize("solver", SOLVERS, ids=str)
@pytest.mark.parametrize("cells", [(30, 12), (6, 5, 4)])
def test_all_cases_in_one_solve_leave_no_residual(solver, cells):
    structure = cantilever(cells)
    stiffness = operator(structure, lowest=1e-3)
    u = solver.factor(stiffness).solve(structure.forces)
    assert u.shape == structure.forces.shape
    residual = stiffness.apply(u) - structure.forces
    assert np.abs(residual).max() < 1e-10
    fixed = np.setdiff1d(np.arange(structure.n_dofs), structure.free)
    assert not u[fixed].any()
    for case, column in enumerate(structure.forces.T):
        single = solver.factor(stiffness).solve(column)
        assert single.shape == column.shape
        assert single == pytest.approx(u[:, case], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("cells", [(40, 20), (8, 5, 6)])
def test_cholmod_and_superlu_agree_at_high_contrast(cells):
    structure = cantilever(cells)
    stiffness = operator(structure)
    one = Cholmod().factor(stiffness).solve(structure.forces)
    two = SuperLU().factor(stiffness).solve(structure.forces)
    works = (structure.forces * one).sum(axis=0), (structure.forces * two).sum(axis=0)
    assert works[0] == pytest.approx(works[1], rel=1e-9)


@pytest.mark.parametrize("solver", SOLVERS, ids=str)
def test_a_factor_outlives_the_next_one(solver):
    structure = cantilever((30, 12))
    first = solver.factor(operator(structure, seed=1))
    before = first.solve(structure.forces)
    second = solver.factor(operator(structure, seed=2)).solve(structure.forces)
    assert np.array_equal(first.solve(structure.forces), before)
    assert not np.allclose(before, second)


def test_the_memory_of_a_factor_that_nobody_holds_is_used_again():
    structure = cantilever((30, 12))
    solver = Cholmod()
    first, second = solver.factor(operator(structure, seed=1)), solver.factor(operator(structure, seed=2))
    before, memory = second.solve(structure.forces), id(first.substitute.__self__)
    del first
    third = solver.factor(operator(structure, seed=3))
    assert id(third.substitute.__self__) == memory
    assert np.array_equal(second.solve(structure.forces), before)
    _analysis.cache_clear()
    cold = solver.factor(operator(structure, seed=3))
    assert np.array_equal(third.solve(structure.forces), cold.solve(structure.forces))


def test_a_factorisation_that_fails_leaves_no_trace():
    structure = cantilever((30, 12))
    solver = Cholmod()
    good = operator(structure, seed=1)
    before = solver.factor(good).solve(structure.forces)
    with pytest.raises(SingularSystemError, match="not positive definite"):
        solver.factor(StiffnessOperator(structure, -good.moduli))
    assert np.array_equal(solver.factor(good).solve(structure.forces), before)


@pytest.mark.parametrize("solver", SOLVERS, ids=str)
def test_emptying_the_caches_changes_no_digit(solver):
    structure = cantilever((30, 12))
    warm = solver.factor(operator(structure, seed=1)).solve(structure.forces)
    solver.factor(operator(structure, seed=2))
    again = solver.factor(operator(structure, seed=1)).solve(structure.forces)
    _analysis.cache_clear()
    cold = solver.factor(operator(structure, seed=1)).solve(structure.forces)
    assert np.array_equal(warm, again)
    assert np.array_equal(warm, cold)


@settings(max_examples=15, deadline=None)
@given(st.floats(1e-3, 1e3), st.one_of(st.floats(1e-3, 1e3), st.floats(-1e3, -1e-3)))
def test_displacements_scale_with_the_load_and_against_the_moduli(softer, louder):
    structure = cantilever((8, 5))
    stiffness = operator(structure, lowest=1e-3)
    u = Cholmod().factor(stiffness).solve(structure.forces)
    scaled = StiffnessOperator(structure, stiffness.moduli / softer)
    other = Cholmod().factor(scaled).solve(structure.forces * louder)
    assert np.abs(other - u * softer * louder).max() <= 1e-9 * np.abs(u).max() * softer * abs(louder)


def test_entries_on_fixed_unknowns_are_ignored_and_inputs_untouched():
    structure = cantilever((6, 4))
    factor = Cholmod().factor(operator(structure))
    rhs = np.ones((structure.n_dofs, 2))
    rhs.flags.writeable = False
    u = factor.solve(rhs)
    clean = np.zeros_like(rhs)
    clean[structure.free] = 1.0
    assert np.array_equal(u, factor.solve(clean))


def test_a_matrix_that_is_not_positive_definite():
    structure = cantilever((6, 4))
    moduli = np.ones(24)
    moduli[:12] = -1.0
    with pytest.raises(SingularSystemError, match="CHOLMOD: the stiffness matrix is not positive definite"):
        Cholmod().factor(StiffnessOperator(structure, moduli))
    with pytest.raises(SingularSystemError, match="SuperLU: the stiffness matrix is singular"):
        SuperLU().factor(StiffnessOperator(structure, np.zeros(24)))


def test_an_unknown_ordering():
    with pytest.raises(InputError, match=r"Cholmod.ordering: 'metiss' is unknown; did you mean 'metis'\?"):
        Cholmod("metiss")


def test_cholmod_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "sksparse", None)
    structure = cantilever((6, 4))
    with pytest.raises(MissingDependencyError, match=r"pip install scikit-sparse==0\.4\.16"):
        Cholmod().factor(operator(structure))
