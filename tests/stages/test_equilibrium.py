"""Equilibrium: published compliances, pullbacks that are right, and no solve that is not needed."""

import pickle
import sys

import numpy as np
import pytest

from topopt.errors import InputError, NumericalError, SingularSystemError, TooLargeError
from topopt.fem import LoadCase, Material, PointLoad, Structure, Support, SurfaceLoad
from topopt.grid import Grid
from topopt.regions import Plane, Point
from topopt.solvers import SuperLU, choose
from topopt.stages.equilibrium import Equilibrium
from topopt.stages.responses import Compliance, Displacement
from topopt.stages.states import _choice

MBB = Structure(
    Grid((60, 20)),
    (Support(Plane(x=0.0), "x"), Support(Point((60.0, 0.0)), "y")),
    (PointLoad(Point((0.0, 20.0)), (0.0, -1.0)),),
)


def bridge(cells=(8, 5), **more):
    """Two load cases of unequal weight, on springs."""
    grid = Grid(cells)
    ndim = grid.ndim
    top = Plane(y=grid.size[1])
    cases = (
        LoadCase("even", (SurfaceLoad(top, (0.0, -1.0, 0.0)[:ndim]),), weight=0.7),
        LoadCase("side", (PointLoad(Point(grid.size), (1.0, 0.5, -0.2)[:ndim]),), weight=1.6),
    )
    supports = (Support(Plane(x=0.0)), Support(Point(grid.size), "y", spring=0.05))
    return Structure(grid, supports, cases, **more)


class Counted:
    """A solver that counts the right-hand sides it is asked for."""

    def __init__(self):
        self.columns = 0

    def factor(self, operator):
        factor = SuperLU().factor(operator)
        counted = self

        class Factor:
            def solve(self, rhs):
                counted.columns += rhs.shape[1]
                return factor.solve(rhs)

        return Factor()


def taylor_rate(function, gradient, x, direction):
    """Fitted order of the remainder f(x + h d) - f(x) - h g.d; 2 if the gradient is right."""
    steps = np.array([0.1, 0.05, 0.025, 0.0125])
    start, slope = function(x), gradient @ direction
    remainders = [abs(function(x + h * direction) - start - h * slope) for h in steps]
    return np.polyfit(np.log(steps), np.log(remainders), 1)[0]


def test_mbb_first_iterate_has_the_published_compliance():
    e_min = 1e-9
    moduli = np.full(1200, e_min + 0.5**3 * (1 - e_min))
    for solver in ("auto", "superlu"):
        u = Equilibrium(MBB, solver)(moduli)
        assert Compliance(MBB)(u) == pytest.approx(1007.0221, abs=5e-5)


@pytest.mark.parametrize("cells", [(8, 5), (4, 3, 2)])
@pytest.mark.parametrize("solver", ["auto", "superlu"])
@pytest.mark.parametrize("seed", [0, 1])
def test_pullback_of_a_general_cotangent(cells, solver, seed):
    structure = bridge(cells)
    stage = Equilibrium(structure, solver)
    rng = np.random.default_rng(seed)
    moduli, direction = rng.uniform(0.3, 1.0, (2, structure.grid.n_cells))
    cotangent = rng.normal(size=structure.forces.shape)
    _, pullback = stage.vjp(moduli)
    (gradient,) = pullback(cotangent)
    rate = taylor_rate(lambda e: np.vdot(cotangent, stage(e)), gradient, moduli, direction - 0.65)
    assert rate > 1.9, f"rate {rate:.3f}"


@pytest.mark.parametrize("cells", [(8, 5), (4, 3, 2)])
def test_pullback_of_the_compliance_solves_nothing_and_is_right(cells):
    structure = bridge(cells)
    solver = Counted()
    stage = Equilibrium(structure, solver)
    response = Compliance(structure)
    rng = np.random.default_rng(3)
    moduli, direction = rng.uniform(0.3, 1.0, (2, structure.grid.n_cells))
    u, pullback = stage.vjp(moduli)
    assert solver.columns == 2
    (seed,) = response.vjp(u)[1](np.array(-1.7))
    (gradient,) = pullback(seed)
    assert solver.columns == 2
    rate = taylor_rate(lambda e: -1.7 * response(stage(e)), gradient, moduli, direction - 0.65)
    assert rate > 1.9, f"rate {rate:.3f}"
    assert gradient.min() > 0  # minus the compliance rises with every modulus


def test_only_the_unknown_columns_are_solved():
    structure = bridge()
    solver = Counted()
    _, pullback = Equilibrium(structure, solver).vjp(np.ones(40))
    seed = 3.0 * structure.forces
    seed[structure.free[7], 1] += 1e-9
    pullback(seed)
    assert solver.columns == 3
    pullback(np.zeros_like(seed))
    assert solver.columns == 3


def test_what_arrives_on_fixed_components_does_not_matter():
    structure = bridge()
    solver = Counted()
    _, pullback = Equilibrium(structure, solver).vjp(np.full(40, 0.5))
    fixed = np.setdiff1d(np.arange(structure.n_dofs), structure.free)
    noisy = structure.forces.copy()
    noisy[fixed] = 5.0
    assert np.array_equal(pullback(noisy)[0], pullback(structure.forces)[0])
    assert solver.columns == 2


def test_the_pullback_is_linear_fresh_and_outlives_the_next_run():
    structure = bridge()
    stage = Equilibrium(structure)
    rng = np.random.default_rng(4)
    moduli = rng.uniform(0.3, 1.0, 40)
    moduli.flags.writeable = False
    _, pullback = stage.vjp(moduli)
    one, two = rng.normal(size=(2, *structure.forces.shape))
    stage.vjp(rng.uniform(0.3, 1.0, 40))
    together = pullback(2.0 * one - 3.0 * two)[0]
    assert together == pytest.approx(2.0 * pullback(one)[0] - 3.0 * pullback(two)[0], rel=1e-9, abs=1e-9)
    assert pullback(one)[0] is not pullback(one)[0]


def test_twice_the_load_does_four_times_the_work():
    single = bridge(material=Material(young=3.0))
    double = Structure(
        single.grid,
        single.supports,
        tuple(LoadCase(case.name, case.loads + case.loads, case.weight) for case in single.cases),
        single.material,
    )
    moduli = np.random.default_rng(0).uniform(0.1, 1.0, 40)
    once = Compliance(single)(Equilibrium(single)(moduli))
    twice = Compliance(double)(Equilibrium(double)(moduli))
    assert twice == pytest.approx(4.0 * once, rel=1e-12)


def test_cases_do_not_disturb_each_other():
    structure = bridge()
    moduli = np.random.default_rng(0).uniform(0.1, 1.0, 40)
    u = Equilibrium(structure)(moduli)
    for number, case in enumerate(structure.cases):
        alone = Structure(structure.grid, structure.supports, (case,))
        assert Equilibrium(alone)(moduli)[:, 0] == pytest.approx(u[:, number], rel=1e-10, abs=1e-12)


def test_displacement_of_the_loaded_point_is_the_compliance():
    moduli = np.random.default_rng(0).uniform(0.1, 1.0, 1200)
    u = Equilibrium(MBB)(moduli)
    tip = Displacement(MBB, Point((0.0, 20.0)))
    assert tip(u) == pytest.approx(float(Compliance(MBB)(u)))


def test_a_mechanism_is_refused_in_words():
    loose = Structure(MBB.grid, (Support(Plane(x=0.0), "x"),), MBB.loads)
    with pytest.raises(SingularSystemError, match="nothing stops it from moving in y; add a support"):
        Equilibrium(loose)(np.ones(1200))
    hollow = np.ones((60, 20))
    hollow[10:20, 5:15] = 0.0
    with pytest.raises(SingularSystemError, match="81 nodes touch only cells of modulus 0"):
        Equilibrium(MBB)(hollow.ravel())


@pytest.mark.parametrize("solver", ["auto", "superlu"])
@pytest.mark.parametrize("void", [0.0, 1e-30])
def test_a_hinge_is_refused_with_advice(solver, void):
    """Two cells share a corner about which the outer one can turn; the rest is void, its nodes held."""
    supports = (Support(Plane(x=0.0)), Support(Point((2.0, 0.0))))
    structure = Structure(Grid((2, 2)), supports, (PointLoad(Point((2.0, 1.0)), (0.3, 1.0)),))
    moduli = np.array([1.0, void, void, 1.0])
    with pytest.raises(SingularSystemError, match=r"hang together by a single node \(a hinge\)"):
        Equilibrium(structure, solver)(moduli)
    assert np.abs(Equilibrium(structure, solver)(np.maximum(moduli, 1e-9))).max() > 1e6


def test_moduli_that_no_material_has():
    stage = Equilibrium(MBB)
    with pytest.raises(InputError, match=r"moduli: 2 are negative, the lowest -0\.5; a filter or a move"):
        stage(np.r_[np.ones(1198), -0.5, -0.25])
    with pytest.raises(NumericalError, match="moduli: 1 are nan or infinite"):
        stage(np.r_[np.ones(1199), np.nan])
    with pytest.raises(InputError, match=r"expected one value per cell, shape \(1200,\), got \(60, 20\)"):
        stage(np.ones((60, 20)))


def test_too_large_is_said_before_it_happens(monkeypatch):
    monkeypatch.setattr(sys.modules[choose.__module__], "available_bytes", lambda: 1000)
    _choice.cache_clear()
    with pytest.raises(TooLargeError, match="a factorisation of 2540 unknowns"):
        Equilibrium(MBB)(np.ones(1200))


def test_a_stage_is_a_value():
    stage = Equilibrium(MBB, "superlu")
    assert pickle.loads(pickle.dumps(stage)) == stage
    assert hash(stage) == hash(Equilibrium(MBB, "superlu"))
    assert stage.costly
