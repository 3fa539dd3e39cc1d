"""Coarse to fine: exact derivatives on every grid, and one run over all of them."""

from __future__ import annotations

import numpy as np
import pytest

import topopt as to
from topopt.check import taylor
from topopt.errors import InputError
from topopt.refinement import coarsened

SIZE = (2.0, 1.0)


def beam(cells, cls=to.Problem, passive=True, **more):
    grid = to.Grid(cells, SIZE)
    void = to.Box((2 / 3, 0.0), (4 / 3, 1 / 3)) if passive else to.regions.Nowhere()
    domain = to.Domain(grid, void=void)
    body = to.Structure(
        grid,
        (to.Support(to.Plane(x=0.0)),),
        (to.LoadCase("down", (to.PointLoad(to.Point((2.0, 0.0)), (0.0, -1.0)),)),),
    )
    chain = to.Chain(
        [
            ("filtered", to.Cone(domain, 0.4)),
            ("physical", to.Tanh(beta=2.0)),
            ("stiffness", to.Simp(e_min=1e-6)),
            ("displacement", to.Equilibrium(body)),
            ("compliance", to.Compliance(body)),
            ("volume", to.Mean(domain), "physical"),
        ]
    )
    return cls(chain, domain, "compliance", {"volume": 0.4}, **more)


def refinable(**more):
    return beam((24, 12), to.Refinable, coarser={2: beam((12, 6)), 4: beam((6, 3))}, **more)


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_objective_and_constraints_have_exact_derivatives_on_every_grid(factor, rng):
    problem = refinable()
    x = rng.uniform(0.2, 0.8, problem.domain.n_active)
    at = {"grid.coarsening": factor}
    there = problem.evaluate(x, at)
    for value, gradient in (
        (lambda y: problem.evaluate(y, at).objective, there.gradient),
        (lambda y: problem.evaluate(y, at).constraints[0], there.jacobian[0]),
    ):
        assert taylor(value, x, gradient, rng.uniform(-0.1, 0.1, x.size)).ok


@pytest.mark.parametrize("factor", [2, 4])
def test_a_design_of_blocks_is_worth_what_it_is_on_the_coarse_grid(factor, rng):
    problem = refinable()
    coarse = problem.coarser[factor]
    blocks = coarse.field(rng.uniform(0.2, 0.8, coarse.domain.n_active))
    fine = np.kron(coarse.grid.shaped(blocks), np.ones((factor, factor))).ravel()[problem.domain.active]
    there = problem.evaluate(fine, {"grid.coarsening": factor})
    same = coarse.evaluate(blocks[coarse.domain.active])
    assert there.objective == pytest.approx(same.objective, rel=1e-12)
    assert there.constraints == pytest.approx(same.constraints, abs=1e-12)
    assert there.recheck(fine) == pytest.approx(there.constraints, abs=1e-12)
    assert there.output.shape == there.gradient.shape == fine.shape
    assert there.picture.grid == problem.grid
    assert there.signals.cotangents["design"].shape == fine.shape


def test_without_coarsening_it_is_the_fine_problem():
    problem, plain = refinable(), beam((24, 12))
    x = problem.initial()
    np.testing.assert_array_equal(problem.evaluate(x, {}).gradient, plain.evaluate(x, {}).gradient)


def test_a_schedule_goes_from_coarse_to_fine_and_the_run_resumes_to_the_same_digits():
    continuation = to.Continuation(
        {"grid.coarsening": to.Steps((4, 2, 1), (6, 6)), "physical.beta": to.Geometric(1.0, 8.0, over=12)}
    )
    stop = to.Stop(change=0.0, iterations=18)
    steps = list(to.optimize(refinable(), to.MMA(), continuation, stop))
    assert [it.parameters["grid.coarsening"] for it in steps[-1].history] == [4.0] * 6 + [2.0] * 6 + [1.0] * 6
    assert steps[-1].iteration.objective < 0.8 * beam((24, 12)).evaluate(steps[0].x, {}).objective
    *_, last = to.optimize(refinable(), to.MMA(), continuation, stop, steps[8].snapshot)
    np.testing.assert_array_equal(last.x, steps[-1].x)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: coarsened(to.Grid((10, 6)), 4), r"\[10, 6\] cells cannot be taken in blocks of 4"),
        (lambda: beam((24, 12), to.Refinable, coarser={2: beam((8, 4))}), "coarser: expected Grid.*12, 6"),
        (
            lambda: refinable().evaluate(refinable().initial(), {"grid.coarsening": 3.0}),
            "no grid for 3; choose one of 1, 2, 4",
        ),
    ],
)
def test_what_does_not_nest_is_refused(build, text):
    with pytest.raises(InputError, match=text):
        build()
