"""The method of moving asymptotes: published optima, other solvers, steps where little is left to go by."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, brentq, minimize

from topopt.errors import ParameterError
from topopt.evaluation import Evaluation
from topopt.optimizers import MMA, MMAState
from topopt.parameters import Array

Problem = Callable[[Array], Evaluation]


def minimised(
    problem: Problem, x: Array, lower: Array, upper: Array, steps: int, **fields: float
) -> tuple[Array, MMAState]:
    """Return design and memory after some steps."""
    mma = MMA(**fields)
    state = mma.init(x, lower, upper)
    for _ in range(steps):
        x, state = mma.step(x, problem(x), state)
    return x, state


def kkt(problem: Problem, x: Array, state: MMAState) -> float:
    """Return the largest violation of the first-order conditions, as a share of the gradient."""
    now = problem(x)
    slope = now.gradient + state.multipliers @ now.jacobian
    stationary = x - np.clip(x - slope / np.max(np.abs(now.gradient)), state.lower, state.upper)
    work = float(np.max(np.abs(state.multipliers * now.constraints), initial=0.0)) / abs(now.objective)
    return max(float(np.max(np.abs(stationary))), float(np.max(now.constraints, initial=0.0)), work)


def beam(x: Array) -> Evaluation:
    """Svanberg's five-segment cantilever (1987, section 6)."""
    loads = np.array([61.0, 37.0, 19.0, 7.0, 1.0])
    limit = np.array([np.sum(loads / x**3) - 1.0])
    return Evaluation(0.0624 * x.sum(), np.full(5, 0.0624), limit, (-3.0 * loads / x**4)[None])


def truss(x: Array) -> Evaluation:
    """Svanberg's two-bar truss (1987, section 5): area and half the span; weight under two stress limits."""
    area, span = x
    length = np.sqrt(1.0 + span**2)
    signs = np.array([1.0, -1.0])
    bracket = 8.0 / area + signs / (area * span)
    jacobian = np.stack(
        [
            -0.124 * length * bracket / area,
            0.124 * (span / length * bracket - length * signs / (area * span**2)),
        ],
        axis=1,
    )
    gradient = np.array([length, area * span / length])
    return Evaluation(area * length, gradient, 0.124 * length * bracket - 1.0, jacobian)


def test_svanbergs_beam() -> None:
    # Stationarity: x_j proportional to (3 load_j)^(1/4); the constraint fixes the factor.
    loads = np.array([61.0, 37.0, 19.0, 7.0, 1.0])
    shape = loads**0.25
    exact = shape * np.sum(loads / shape**3) ** (1 / 3)
    x, state = minimised(beam, np.full(5, 5.0), np.ones(5), np.full(5, 10.0), 60)
    assert exact == pytest.approx([6.016, 5.309, 4.494, 3.502, 2.153], abs=6e-4)
    assert x == pytest.approx(exact, rel=1e-6)
    assert beam(x).objective == pytest.approx(1.340, abs=5e-4)
    assert state.multipliers == pytest.approx(0.0624 * exact[:1] ** 4 / (3 * 61.0), rel=1e-5)
    assert kkt(beam, x, state) < 1e-6


def test_svanbergs_truss() -> None:
    # The first limit is active: the weight becomes 0.124 (1 + t^2)(8 + 1 / t), least where 16 t^3 + t^2 = 1.
    span = brentq(lambda t: 16 * t**3 + t**2 - 1.0, 0.1, 1.6)
    weight = 0.124 * (1 + span**2) * (8 + 1 / span)
    bounds = np.array([0.2, 0.1]), np.array([4.0, 1.6])
    x, state = minimised(truss, np.array([1.5, 0.5]), *bounds, 60)
    assert [weight, span] == pytest.approx([1.51, 0.38], abs=5e-3)
    assert x == pytest.approx([weight / np.sqrt(1 + span**2), span], rel=1e-6)
    assert state.multipliers[1] == pytest.approx(0.0, abs=1e-8)  # the second limit is slack
    assert kkt(truss, x, state) < 1e-6


def test_beam_is_solved_in_few_steps() -> None:
    x, _ = minimised(beam, np.full(5, 5.0), np.ones(5), np.full(5, 10.0), 12)
    assert beam(x).objective == pytest.approx(1.33996, rel=1e-4)
    assert beam(x).constraints[0] < 1e-3


def test_quadratic_programme_with_many_constraints_agrees_with_scipy() -> None:
    rng = np.random.default_rng(11)
    n, m = 12, 25
    root = rng.normal(size=(n, n)) / 3.0
    matrix, middle = root @ root.T + np.eye(n), rng.uniform(-1, 2, n)
    rows, level = rng.normal(size=(m, n)) / n, rng.uniform(0.02, 0.2, m)

    def problem(x: Array) -> Evaluation:
        force = matrix @ (x - middle)
        return Evaluation(0.5 * float(force @ (x - middle)) + 1.0, force, rows @ (x - 0.3) - level, rows)

    lower, upper = np.zeros(n), np.ones(n)
    reference = minimize(
        lambda x: problem(x).objective,
        np.full(n, 0.3),
        jac=lambda x: problem(x).gradient,
        bounds=list(zip(lower, upper, strict=True)),
        constraints=LinearConstraint(rows, -np.inf, level + rows @ np.full(n, 0.3)),
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    x, state = minimised(problem, np.full(n, 0.3), lower, upper, 300)
    assert x == pytest.approx(reference.x, abs=1e-5)
    assert np.count_nonzero(state.multipliers > 1e-3) >= 3  # several limits are active
    assert kkt(problem, x, state) < 1e-5


def test_infeasible_start_is_brought_home() -> None:
    x, state = minimised(beam, np.full(5, 1.5), np.ones(5), np.full(5, 10.0), 60)
    assert beam(np.full(5, 1.5)).constraints[0] > 30.0
    assert beam(x).objective == pytest.approx(1.33996, rel=1e-4)
    assert state.elastic == pytest.approx([0.0], abs=1e-6)


def test_impossible_constraint_leaves_an_elastic_violation_in_the_state() -> None:
    def problem(x: Array) -> Evaluation:
        return Evaluation(float(x.sum()), np.ones(3), np.array([4.0 - x.sum()]), -np.ones((1, 3)))

    x, state = minimised(problem, np.full(3, 0.5), np.zeros(3), np.ones(3), 20)
    assert x == pytest.approx(np.ones(3))
    assert state.elastic[0] == pytest.approx(1.0, rel=1e-2)


def test_without_constraints_the_box_alone_holds() -> None:
    middle = np.array([-0.5, 0.3, 1.7])

    def problem(x: Array) -> Evaluation:
        gap = x - middle
        return Evaluation(float(gap @ gap), 2 * gap, np.zeros(0), np.zeros((0, 3)))

    x, state = minimised(problem, np.full(3, 0.6), np.zeros(3), np.ones(3), 80, nearest=1e-7)
    assert x == pytest.approx([0.0, 0.3, 1.0], abs=1e-6)
    assert state.multipliers.shape == (0,)


def test_inactive_constraint_changes_nothing() -> None:
    middle = np.array([0.2, 0.7])

    def problem(x: Array) -> Evaluation:
        gap = x - middle
        return Evaluation(float(gap @ gap) + 1.0, 2 * gap, np.array([x.sum() - 1.9]), np.ones((1, 2)))

    x, state = minimised(problem, np.full(2, 0.5), np.zeros(2), np.ones(2), 80, nearest=1e-7)
    assert x == pytest.approx(middle, abs=1e-6)
    assert state.multipliers == pytest.approx([0.0], abs=1e-9)


def wavy(seed: int, n: int, m: int) -> tuple[Problem, Array, Array, Array]:
    """Return a smooth non-convex problem with its start and bounds; some variables are fixed."""
    rng = np.random.default_rng(seed)
    tilt, rows, level = rng.normal(size=n), rng.normal(size=(m, n)), rng.normal(size=m) * 0.1
    lower = rng.normal(size=n)
    upper = lower + rng.uniform(0.1, 3.0, n) * (rng.random(n) > 0.2)
    start = lower + rng.random(n) * (upper - lower)

    def problem(x: Array) -> Evaluation:
        f, df = float(tilt @ np.sin(3 * x)), 3 * tilt * np.cos(3 * x)
        return Evaluation(f, df, rows @ np.cos(x) / n - level, -rows * np.sin(x) / n)

    return problem, start, lower, upper


@given(seed=st.integers(0, 10**6), n=st.integers(1, 25), m=st.integers(0, 8), move=st.floats(0.01, 1.0))
@settings(max_examples=40, deadline=None)
def test_bounds_and_move_limits_hold_and_inputs_survive(seed: int, n: int, m: int, move: float) -> None:
    problem, x, lower, upper = wavy(seed, n, m)
    mma = MMA(move=move)
    state = mma.init(x, lower, upper)
    for _ in range(6):
        evaluation, before = problem(x), x.copy()
        copies = evaluation.gradient.copy(), evaluation.jacobian.copy()
        new, state = mma.step(x, evaluation, state)
        assert np.all((new >= lower) & (new <= upper))
        assert np.all(np.abs(new - x) <= move * (upper - lower) * (1 + 1e-12) + 1e-15)
        assert np.array_equal(x, before)
        assert np.array_equal(evaluation.gradient, copies[0])
        assert np.array_equal(evaluation.jacobian, copies[1])
        x = new


@pytest.mark.parametrize("factor", [1e-9, 1e6])
def test_scaling_the_objective_scales_the_multipliers_only(factor: float) -> None:
    def scaled(x: Array) -> Evaluation:
        now = beam(x)
        return Evaluation(factor * now.objective, factor * now.gradient, now.constraints, now.jacobian)

    bounds = np.ones(5), np.full(5, 10.0)
    one, first = minimised(beam, np.full(5, 5.0), *bounds, 15)
    two, second = minimised(scaled, np.full(5, 5.0), *bounds, 15)
    assert two == pytest.approx(one, rel=1e-9)
    assert second.multipliers == pytest.approx(factor * first.multipliers, rel=1e-7)


def test_order_of_variables_and_constraints_does_not_matter() -> None:
    problem, x, lower, upper = wavy(4, 20, 3)
    order, turn = np.random.default_rng(0).permutation(20), np.array([2, 0, 1])

    def shuffled(y: Array) -> Evaluation:
        x = np.empty(20)
        x[order] = y
        now = problem(x)
        return Evaluation(
            now.objective, now.gradient[order], now.constraints[turn], now.jacobian[turn][:, order]
        )

    one, first = minimised(problem, x, lower, upper, 8)
    two, second = minimised(shuffled, x[order], lower[order], upper[order], 8)
    assert two == pytest.approx(one[order], abs=1e-7)
    assert second.multipliers == pytest.approx(first.multipliers[turn], rel=1e-5, abs=1e-8)


def test_the_scale_is_fixed_at_the_first_step_that_has_one() -> None:
    mma, x = MMA(), np.full(5, 5.0)
    state = mma.init(x, np.ones(5), np.full(5, 10.0))
    nothing = Evaluation(0.0, np.zeros(5), np.array([-0.5]), np.zeros((1, 5)))
    y, state = mma.step(x, nothing, state)
    assert np.array_equal(y, x)
    assert state.scale == 0.0
    x, state = mma.step(y, beam(y), state)
    scale = state.scale
    assert scale == pytest.approx(100.0 / (5 * 9 * 0.0624))
    faint = dataclasses.replace(beam(x), gradient=np.full(5, 1e-8))
    _, state = mma.step(x, faint, state)
    assert state.scale == scale


def _pair(x: Array, df: Array) -> Evaluation:
    """Return a linear objective under an inactive volume limit."""
    return Evaluation(float(df @ x) + 5.0, df, np.array([x.mean() - 2.0]), np.full((1, x.size), 1 / x.size))


def test_variables_without_sensitivities_stay() -> None:
    df, row = np.array([-1.0, 0.0, -2.0]), np.array([[1.0, 0.0, 1.0]])

    def problem(x: Array) -> Evaluation:
        return Evaluation(float(df @ x) + 3.0, df, row @ x - 1.0, row)

    x, _ = minimised(problem, np.array([0.5, 0.37, 0.5]), np.zeros(3), np.ones(3), 25)
    assert x[1] == pytest.approx(0.37, abs=1e-12)
    assert x[[0, 2]] == pytest.approx([0.0, 1.0], abs=1e-6)


def test_vanished_sensitivities_do_not_become_full_steps() -> None:
    mma, x, df = MMA(), np.full(4, 0.5), np.array([-1.0, 1.0, 2.0, -2.0])
    state = mma.init(x, np.zeros(4), np.ones(4))
    y, state = mma.step(x, _pair(x, df), state)
    assert np.max(np.abs(y - x)) == pytest.approx(0.2)
    z, state = mma.step(y, _pair(y, 1e-9 * df), state)
    assert np.max(np.abs(z - y)) < 1e-3


def test_all_sensitivities_zero_leave_the_design_alone() -> None:
    _, x, lower, upper = wavy(2, 9, 2)
    nothing = Evaluation(1.0, np.zeros(9), np.array([-0.1, -0.2]), np.zeros((2, 9)))
    y, _ = minimised(lambda x: nothing, x, lower, upper, 3)
    assert y == pytest.approx(x, abs=1e-14)


def test_unusable_parameters_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"MMA\.move: expected a value <= 1, got 2"):
        MMA(move=2.0)
    with pytest.raises(ParameterError, match=r"MMA\.asyincr: expected a value >= 1, got 0.5"):
        MMA(asyincr=0.5)
    with pytest.raises(ParameterError, match=r"MMA.nearest: expected a value <= farthest \(10\), got 11"):
        MMA(nearest=11.0)
