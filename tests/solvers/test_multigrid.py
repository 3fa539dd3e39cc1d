"""The multigrid solver against CHOLMOD: supports, loads, islands, hinges, several cases, the ladder."""

import logging
import sys

import numba
import numpy as np
import pytest

from topopt.errors import InputError, NumericalError, ParameterError, SingularSystemError, TooLargeError
from topopt.fem import LoadCase, Material, PointLoad, StiffnessOperator, Structure, Support
from topopt.fem.operator import energies
from topopt.grid import Domain, Grid
from topopt.regions import Box, Plane, Point
from topopt.solvers import SOLVERS, Cholmod, Multigrid, choose
from topopt.solvers.matrixfree.compiled import at_most
from topopt.stages.equilibrium import Equilibrium
from topopt.stages.responses import Compliance

pytest.importorskip("sksparse")

TIGHT = Multigrid(tolerance=1e-10)


def cantilever(cells, *supports, material=Material(), size=()):
    grid = Grid(cells, size)
    forces = np.eye(grid.ndim)
    cases = tuple(
        LoadCase(axis, (PointLoad(Point(grid.size), tuple(force)),))
        for axis, force in zip(grid.axes, forces, strict=True)
    )
    return Structure(grid, supports or (Support(Plane(x=0.0)),), cases, material)


def agrees(structure, moduli, solver=TIGHT, tolerance=1e-6):
    """Compare displacements in energy with CHOLMOD's; return the iterations."""
    operator = StiffnessOperator(structure, moduli)
    exact = Cholmod().factor(operator).solve(structure.forces)
    factor = solver.factor(operator)
    found = factor.solve(structure.forces)
    error = found - exact
    energy = (error * operator.apply(error)).sum(axis=0) / (exact * structure.forces).sum(axis=0)
    assert np.sqrt(np.abs(energy).max()) < tolerance
    assert not any(outcome.trouble for outcome in factor.outcomes)
    return max(outcome.iterations for outcome in factor.outcomes)


def beams(grid, thickness):
    """A cross of solid bars in void, thinner than the coarse cells."""
    x = grid.centres / grid.size
    width = thickness / min(grid.cells)
    bars = [np.abs(x[:, 0] - x[:, axis]) < width for axis in range(1, grid.ndim)]
    bars += [np.abs(1.0 - x[:, 0] - x[:, axis]) < width for axis in range(1, grid.ndim)]
    solid = np.any(bars, axis=0) | (x[:, 0] > 1 - width) | (x[:, 0] < width)
    return np.where(solid, 1.0, 1e-9)


@pytest.mark.parametrize(
    "cells", [(60, 20), (61, 37), (7, 5), (1, 40), (40, 1), (16, 8, 8), (13, 7, 9), (5, 5, 1), (2, 30, 3)]
)
def test_any_grid(cells, rng):
    structure = cantilever(cells)
    assert agrees(structure, 0.1 + rng.random(structure.grid.n_cells)) < 60


@pytest.mark.parametrize("cells", [(60, 24), (18, 12, 8)])
def test_thin_bars_in_void(cells):
    structure = cantilever(cells)
    assert agrees(structure, beams(structure.grid, 1.2), tolerance=1e-4) < 150


@pytest.mark.parametrize("cells", [(33, 21), (9, 7, 8)])
def test_supports_and_springs_anywhere(cells, rng):
    """Rollers, single nodes off every coarse node, springs, in the middle of the body."""
    structure = cantilever(
        cells,
        Support(Point(tuple(float(n // 2) for n in cells))),
        Support(Point((3.0, *(0.0,) * (len(cells) - 1)))),
        Support(Plane(x=0.0), "x"),
        Support(Point((5.0, *(1.0,) * (len(cells) - 1))), "y"),
        Support(Plane(y=0.0), spring=0.5),
    )
    assert agrees(structure, np.where(rng.random(structure.grid.n_cells) < 0.2, 1e-3, 1.0)) < 80


def test_elongated_cells_plane_strain_and_units(rng):
    steel = Material(young=210e9, poisson=0.3, plane="strain", thickness=0.01)
    structure = cantilever((40, 30), material=steel, size=(0.04, 0.09))
    assert agrees(structure, 0.2 + rng.random(1200)) < 60


@pytest.mark.parametrize("cells", [(48, 24), (16, 8, 8)])
def test_an_island_floats_in_void(cells):
    structure = cantilever(cells)
    x = structure.grid.centres / structure.grid.size
    bar = np.abs(x[:, 1] - 0.25) < 0.25
    island = (np.abs(x[:, 0] - 0.5) < 0.2) & (np.abs(x[:, 1] - 0.8) < 0.13)
    tip = x[:, 0] > 0.9
    usual = Multigrid(tolerance=1e-7)
    assert agrees(structure, np.where(bar | island | tip, 1.0, 1e-9), usual, tolerance=1e-4) < 100


def test_a_checkerboard_and_a_hinge():
    structure = cantilever((32, 16))
    ix, iy = np.divmod(np.arange(512), 16)
    board = np.where((ix + iy) % 2 == 0, 1.0, 1e-6)
    agrees(structure, board, tolerance=1e-4)
    halves = np.where(((ix < 16) & (iy < 8)) | ((ix >= 16) & (iy >= 8)), 1.0, 1e-6)
    agrees(structure, halves, tolerance=1e-4)


def test_a_hinge_at_full_contrast_keeps_its_digits_on_any_rung():
    """A bare factorisation loses the third; the cycle does not, nor does a direct solve that is refined."""
    structure = cantilever((120, 40))
    ix, iy = np.divmod(np.arange(4800), 40)
    halves = np.where((ix < 60) == (iy < 20), 1.0, 1e-9)
    operator = StiffnessOperator(structure, halves)
    works = []
    for solver in (Multigrid(), Multigrid(limit=1), Cholmod()):
        found = solver.factor(operator).solve(structure.forces)
        works.append(float(structure.forces[:, 1] @ found[:, 1]))
    cycle, refined, bare = works
    assert refined == pytest.approx(cycle, rel=1e-4)
    assert bare != pytest.approx(cycle, rel=1e-3)
    factor = Multigrid(limit=1).factor(operator)
    factor.solve(structure.forces)
    assert factor.work.climbs == 3
    assert 0.0 < factor.work.error < 0.1


def test_a_patch_of_checkerboard_at_full_contrast_is_no_matter_for_the_ladder():
    structure = cantilever((64, 32))
    ix, iy = np.divmod(np.arange(2048), 32)
    board = np.where((ix + iy) % 2 == 0, 1.0, 1e-9)
    patched = np.where((ix >= 20) & (ix < 44) & (iy >= 8) & (iy < 24), board, 1.0)
    factor = Multigrid().factor(StiffnessOperator(structure, patched))
    factor.solve(structure.forces)
    assert factor.work.climbs == 0
    agrees(structure, patched, Multigrid(tolerance=1e-8), tolerance=1e-5)


def test_what_hangs_on_nothing_is_not_taken_for_rounding():
    structure = cantilever((35, 2))
    moduli = np.ones((35, 2))
    moduli[17] = 0.0
    operator = StiffnessOperator(structure, moduli.ravel())
    with pytest.raises((SingularSystemError, NumericalError)):
        Multigrid().factor(operator).solve(structure.forces)


def test_a_direct_rung_that_would_not_fit_is_refused_with_an_estimate(monkeypatch):
    structure = cantilever((60, 20))
    factor = Multigrid(limit=2).factor(StiffnessOperator(structure, beams(structure.grid, 1.2)))
    monkeypatch.setattr(sys.modules["topopt.solvers.choose"], "available_bytes", lambda: 1000)
    with pytest.raises(TooLargeError, match="factorisation of 2520 unknowns in 2-D would take about"):
        factor.solve(structure.forces)


def test_noise_at_full_contrast_reaches_the_answer_by_any_rung(caplog, rng):
    structure = cantilever((48, 32))
    moduli = rng.choice([1e-9, 1.0], 1536)
    operator = StiffnessOperator(structure, moduli)
    exact = Cholmod().factor(operator).solve(structure.forces)
    with caplog.at_level(logging.WARNING):
        found = Multigrid(tolerance=1e-9).factor(operator).solve(structure.forces)
    works = [(structure.forces * u).sum(axis=0) for u in (exact, found)]
    assert works[0] == pytest.approx(works[1], rel=1e-4)


def test_passive_void_and_the_stage_on_top(rng):
    """Compliance and its slope through `Equilibrium`, as a run uses it."""
    structure = cantilever((30, 20))
    void = Domain(structure.grid, void=Box((10.0, 10.0), (20.0, 20.0))).void_cells
    moduli = np.where(void, 1e-9, 0.2 + rng.random(600))
    slopes = []
    for solver in ("cholmod", Multigrid(tolerance=1e-9)):
        u, pull = Equilibrium(structure, solver).vjp(moduli)
        _, back = Compliance(structure).vjp(u)
        slopes.append(pull(*back(np.ones(())))[0])
    assert slopes[1] == pytest.approx(slopes[0], rel=1e-6, abs=1e-7 * np.abs(slopes[0]).max())


def test_a_right_hand_side_of_any_kind(rng):
    """Adjoint loads: everywhere at once, with entries on fixed unknowns, zero columns, read-only."""
    structure = cantilever((12, 8, 6))
    operator = StiffnessOperator(structure, 0.1 + rng.random(576))
    rhs = rng.normal(size=(structure.n_dofs, 3))
    rhs[:, 1] = 0.0
    rhs.flags.writeable = False
    factor = TIGHT.factor(operator)
    found = factor.solve(rhs)
    assert found == pytest.approx(Cholmod().factor(operator).solve(rhs), abs=1e-7 * np.abs(found).max())
    assert factor.outcomes[1].iterations == 0
    assert factor.solve(rhs[:, 0]).shape == (structure.n_dofs,)


def test_the_fine_matrix_is_never_assembled(monkeypatch, rng):
    def refuse(self):
        raise AssertionError("assembled")

    structure = cantilever((16, 8, 8))
    monkeypatch.setattr(StiffnessOperator, "matrix", property(refuse))
    Multigrid().factor(StiffnessOperator(structure, np.ones(1024))).solve(structure.forces)


def test_a_guess_saves_iterations_and_a_bad_one_does_no_harm(rng):
    structure = cantilever((40, 20))
    moduli = 0.1 + rng.random(800)
    factor = Multigrid().factor(StiffnessOperator(structure, moduli))
    cold = factor.solve(structure.forces)
    count = [outcome.iterations for outcome in factor.outcomes]
    near = Multigrid().factor(StiffnessOperator(structure, moduli * 1.01))
    near.solve(structure.forces, [7.0 * cold])
    assert max(outcome.iterations for outcome in near.outcomes) < min(count) / 2
    near.solve(structure.forces, [rng.normal(size=cold.shape)])
    assert max(outcome.iterations for outcome in near.outcomes) <= max(count) + 1


@pytest.mark.parametrize("cases", [1, 3])
@pytest.mark.parametrize("cells", [(41, 20), (18, 12, 7)])
def test_the_last_two_states_together_say_where_the_next_one_lies(cells, cases, rng):
    structure = cantilever(cells)
    forces = structure.forces[:, :cases]
    start, way = 0.1 + rng.random((2, structure.grid.n_cells))
    designs = [StiffnessOperator(structure, start + step * way) for step in (0.2, 0.25, 0.3)]
    older, last = (TIGHT.factor(design).solve(forces) for design in designs[:2])
    factor = Multigrid().factor(designs[2])
    counts = []
    for guesses in ([last], [last, older], [last, np.zeros_like(last)], [last, last], [last, 1e9 * older]):
        found = factor.solve(forces, guesses)
        assert factor.work.tolerance <= 1e-5
        assert found == pytest.approx(TIGHT.factor(designs[2]).solve(forces), abs=1e-4 * np.abs(found).max())
        counts.append(factor.work.iterations)
    one, two, nothing, same, scaled = counts
    assert two < 0.8 * one
    assert scaled <= two + 1
    assert max(nothing, same) <= one + 1


def test_load_cases_help_each_other(rng):
    """Guesses for other mixtures of the loads are as good as guesses for the loads themselves."""
    structure = cantilever((18, 12, 8))
    moduli = 0.1 + rng.random(1728)
    near = TIGHT.factor(StiffnessOperator(structure, moduli * 1.01)).solve(structure.forces)
    factor = Multigrid().factor(StiffnessOperator(structure, moduli))
    factor.solve(structure.forces)
    cold = factor.work.iterations
    factor.solve(structure.forces, [near])
    own = factor.work.iterations
    found = factor.solve(structure.forces, [near @ rng.normal(size=(3, 3))])
    assert factor.work.iterations <= own + 2 < 0.7 * cold
    assert found == pytest.approx(TIGHT.factor(StiffnessOperator(structure, moduli)).solve(structure.forces),
                                  abs=1e-4 * np.abs(found).max())  # fmt: skip
    twice = np.repeat(near[:, :1], 3, axis=1)
    assert np.isfinite(factor.solve(structure.forces, [twice])).all()
    assert np.isfinite(factor.solve(structure.forces, [0.0 * near])).all()


def test_a_load_that_is_a_sum_of_others_costs_a_cycle(rng):
    structure = cantilever((18, 12, 8))
    first, second, _ = structure.forces.T
    columns = np.stack([first, second, 3.0 * first - second, 0.0 * first, first], axis=1)
    factor = Multigrid().factor(StiffnessOperator(structure, 0.1 + rng.random(1728)))
    found = factor.solve(columns)
    cycles = [outcome.iterations for outcome in factor.outcomes]
    assert min(cycles[:2]) > 5
    assert cycles[2] <= 2
    assert cycles[3] == 0
    assert cycles[4] <= 1
    assert found[:, 2] == pytest.approx(3.0 * found[:, 0] - found[:, 1], abs=1e-4 * np.abs(found[:, 2]).max())


@pytest.mark.parametrize("cells", [(60, 24), (18, 12, 8)])
@pytest.mark.parametrize("tolerance", [1e-2, 1e-3, 1e-5])
@pytest.mark.parametrize("near", [None, 0.3, 0.01])
def test_the_error_of_the_sensitivities_is_bounded(cells, tolerance, near, rng):
    """Cold and from good guesses, black and white and grey: the sum of all errors is below what is stated."""
    structure = cantilever(cells)
    for moduli in (beams(structure.grid, 1.2), 1e-3 + rng.random(structure.grid.n_cells) ** 3):
        operator = StiffnessOperator(structure, moduli)
        exact = Cholmod().factor(operator).solve(structure.forces)
        factor = Multigrid(tolerance=tolerance).factor(operator)
        guesses = []
        if near is not None:
            other = StiffnessOperator(structure, moduli * (1.0 + near * rng.random(structure.grid.n_cells)))
            guesses = [Cholmod().factor(other).solve(structure.forces)]
        found = factor.solve(structure.forces, guesses)
        for u, v, f in zip(found.T, exact.T, structure.forces.T, strict=True):
            parts = moduli * (energies(structure, u, u) - energies(structure, v, v))
            assert np.abs(parts).sum() / (v @ f) <= factor.work.error
        assert factor.work.error < 100 * tolerance**0.5


def test_a_tolerance_that_follows_is_loose_early_and_tight_late():
    follow = Multigrid(follow=True)
    assert [follow.at(p).tolerance for p in (np.inf, 0.05, 0.004, 1e-4)] == pytest.approx(
        [1e-3, 5e-4, 4e-5, 1e-5]
    )
    assert follow.at(np.nan).tolerance == 1e-5
    assert Multigrid(tolerance=1e-4).at(np.inf) == Multigrid(tolerance=1e-4)


def test_following_goes_on_until_the_sensitivities_are_good_enough():
    structure = cantilever((60, 24))
    operator = StiffnessOperator(structure, beams(structure.grid, 1.2))
    loose = Multigrid(tolerance=0.3).factor(operator)
    loose.solve(structure.forces)
    bounded = Multigrid(tolerance=0.3, loosest=0.3, error=1e-3, follow=True).at(np.inf).factor(operator)
    bounded.solve(structure.forces)
    assert loose.work.error > 1e-2
    assert bounded.work.error <= 1e-3
    assert bounded.work.iterations > loose.work.iterations


def test_a_factor_outlives_the_next_one(rng):
    structure = cantilever((30, 12))
    one, two = (StiffnessOperator(structure, 0.1 + rng.random(360)) for _ in range(2))
    first = TIGHT.factor(one)
    before = first.solve(structure.forces)
    after = TIGHT.factor(two).solve(structure.forces)
    assert np.array_equal(first.solve(structure.forces), before)
    assert not np.allclose(before, after)


@pytest.mark.parametrize("cells", [(60, 24), (16, 9, 8)])
def test_a_compliance_is_wrong_by_the_square_of_the_error_alone(cells, rng):
    structure = cantilever(cells)
    operator = StiffnessOperator(structure, 0.01 + rng.random(structure.grid.n_cells) ** 3)
    exact = Cholmod().factor(operator).solve(structure.forces)
    found = Multigrid(tolerance=1e-5).factor(operator).solve(structure.forces)
    error = found - exact
    energy = (error * operator.apply(error)).sum(axis=0)
    compliance = (structure.forces * exact).sum(axis=0)
    missing = compliance - (structure.forces * found).sum(axis=0)
    np.testing.assert_allclose(missing / compliance, energy / compliance, rtol=0.1, atol=1e-11)


@pytest.mark.parametrize("cells", [(30, 12), (13, 7), (5, 7, 3)])
def test_a_solve_that_went_wrong_leaves_nothing_behind(cells, rng):
    """The vectors are those of the solve before, padding included."""
    structure = cantilever(cells)
    operator = StiffnessOperator(structure, 0.1 + rng.random(structure.grid.n_cells))
    wanted = TIGHT.factor(operator).solve(structure.forces)
    wrong = structure.forces.copy()
    wrong[structure.free[-1]] = np.nan
    with pytest.raises(NumericalError, match="the last resort, leaves a residual of nan"):
        TIGHT.factor(operator).solve(wrong)
    assert np.array_equal(TIGHT.factor(operator).solve(structure.forces), wanted)


def test_a_stagnating_solve_climbs_the_ladder_and_says_so(caplog):
    structure = cantilever((60, 20))
    operator = StiffnessOperator(structure, beams(structure.grid, 1.2))
    exact = Cholmod().factor(operator).solve(structure.forces)
    with caplog.at_level(logging.WARNING):
        factor = Multigrid(limit=2).factor(operator)
        found = factor.solve(structure.forces)
    steps = [record.message for record in caplog.records]
    assert "no convergence within 2 iterations; going on with more smoothing in double" in steps[0]
    assert "more visits of the coarse grids" in steps[1]
    assert "a direct solver" in steps[2]
    assert factor.work.climbs == 3
    factor.solve(structure.forces)
    assert factor.work.climbs == 0
    assert found == pytest.approx(exact, rel=1e-9, abs=1e-9 * np.abs(exact).max())


def test_a_short_ladder_is_quiet_and_direct(caplog):
    structure = cantilever((60, 20))
    operator = StiffnessOperator(structure, beams(structure.grid, 1.2))
    exact = Cholmod().factor(operator).solve(structure.forces)
    with caplog.at_level(logging.INFO):
        factor = Multigrid(limit=2, ladder="direct").factor(operator)
        found = factor.solve(structure.forces)
    (record,) = (record for record in caplog.records if "going on" in record.message)
    assert record.levelno == logging.INFO
    assert record.message.endswith("no convergence within 2 iterations; going on with a direct solver")
    assert factor.work.climbs > 0
    assert found == pytest.approx(exact, rel=1e-9, abs=1e-9 * np.abs(exact).max())


def test_small_problems_come_out_the_same_on_any_number_of_threads(rng):
    structure = cantilever((120, 60))
    moduli = 1e-3 + rng.random(7200)

    def solved(count):
        with at_most(count):
            return Multigrid(1e-8).factor(StiffnessOperator(structure, moduli)).solve(structure.forces)

    assert np.array_equal(solved(1), solved(numba.config.NUMBA_NUM_THREADS))


def test_double_precision_and_more_smoothing(rng):
    structure = cantilever((18, 12, 8))
    moduli = beams(structure.grid, 1.2)
    usual = agrees(structure, moduli, tolerance=1e-4)
    more = agrees(
        structure,
        moduli,
        Multigrid(1e-10, smoothing=(3, 4), visits=1, coarsest=300, precision="double"),
        tolerance=1e-4,
    )
    assert more < 2 * usual


def test_what_is_no_multigrid():
    with pytest.raises(InputError, match="'half' is unknown; valid names: double, single"):
        Multigrid(precision="half")
    with pytest.raises(InputError, match=r"two numbers of steps >= 1, got \(0, 2\)"):
        Multigrid(smoothing=(0, 2))
    with pytest.raises(ParameterError, match=r"Multigrid.tolerance"):
        Multigrid(tolerance=-1.0)


def test_no_stiffness_at_all():
    structure = cantilever((6, 4))
    with pytest.raises(SingularSystemError, match="no cell has a positive modulus"):
        Multigrid().factor(StiffnessOperator(structure, np.zeros(24)))


def test_it_is_chosen_by_name():
    structure = cantilever((6, 4))
    assert SOLVERS["multigrid"] is Multigrid
    assert choose(structure, "multigrid").solver == Multigrid()
    assert choose(structure, Multigrid(1e-8)).solver.tolerance == 1e-8
