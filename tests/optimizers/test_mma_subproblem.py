"""The subproblem of MMA: its optimality conditions, on problems easy and ugly, by either method."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.optimize import minimize

from topopt.errors import NumericalError
from topopt.optimizers import mma_model
from topopt.optimizers.mma_dual import Dual, Solution
from topopt.optimizers.mma_interior import solve_interior
from topopt.optimizers.mma_model import solved
from topopt.optimizers.mma_subproblem import Subproblem
from topopt.parameters import Array


def random_subproblem(seed: int, rivals: int = 0) -> Subproblem:
    """Return a subproblem: sparse rows, vanished gradients, violations from 1e-6 to 10, m up to 60.

    Rivals, if any, take the place of the objective.
    """
    rng = np.random.default_rng(seed)
    n, m = int(10 ** rng.uniform(0, 2.5)), int(10 ** rng.uniform(0, 1.8))
    gradient = rng.normal(size=n) * 100 / n * 10.0 ** rng.uniform(-8, 0) * 10.0 ** rng.uniform(-6, 0, n)
    jacobian = rng.normal(size=(m, n)) / n * 10.0 ** rng.uniform(-1, 1)
    if seed % 3 == 0:
        jacobian *= rng.random((m, n)) < 0.2
    if seed % 4 == 0:
        jacobian = np.abs(jacobian)
    r = 1e-5 / n
    values, magnitude = rng.normal(size=m) * 10.0 ** rng.uniform(-6, 1), np.abs(jacobian) + r / 0.501
    if rivals:
        rows = gradient * rng.normal(size=(rivals, n))
        values = np.concatenate([-(10.0 ** rng.uniform(-3, 1.5, rivals)), values])
        values[0], gradient = 0.0, np.zeros(n)
        magnitude = np.concatenate([np.abs(rows) + 100.0 * r / 0.501, magnitude])
        jacobian = np.concatenate([rows, jacobian])
    return Subproblem(
        gradient=gradient,
        bulk=np.zeros(n) if rivals else np.abs(gradient) + 100.0 * r / 0.501,
        values=values,
        jacobian=jacobian,
        magnitude=magnitude,
        span=rng.uniform(0.01, 1.0, n),
        floor=-np.minimum(0.9, rng.uniform(0, 1, n)),
        ceiling=np.minimum(0.9, rng.uniform(0, 1, n)),
        penalty=1000.0,
        softness=1.0,
        rivals=rivals,
    )


def approximated(problem: Subproblem, rows: Array, bulk: Array, xi: Array) -> tuple[Array, Array, Array]:
    """Return change, derivative and sum of the two opposing forces, straight from Svanberg's p and q."""
    r = 0.501 * (bulk - np.abs(rows))
    p = 1.001 * np.maximum(rows, 0) + 0.001 * np.maximum(-rows, 0) + r
    q = 0.001 * np.maximum(rows, 0) + 1.001 * np.maximum(-rows, 0) + r
    change = ((p / (1 - xi) + q / (1 + xi) - p - q) * problem.span).sum(axis=-1)
    up, down = p / (1 - xi) ** 2 * problem.span, q / (1 + xi) ** 2 * problem.span
    return change, up - down, up + down


def constraints_at(problem: Subproblem, xi: Array) -> Array:
    """Return the approximated rows."""
    return problem.values + approximated(problem, problem.jacobian, problem.magnitude, xi)[0]


def cost_at(problem: Subproblem, xi: Array, elastic: Array) -> float:
    """Return the approximated objective and what the elastic variables cost."""
    change = approximated(problem, problem.gradient, problem.bulk, xi)[0]
    level = constraints_at(problem, xi)[: problem.rivals].max() if problem.rivals else 0.0
    return float(change + level + np.sum(problem.penalty * elastic + 0.5 * problem.softness * elastic**2))


def assert_optimal(problem: Subproblem, solution: Solution, tolerance: float) -> None:
    """Check the first-order conditions with formulas that are independent of the solver's."""
    k = problem.rivals
    xi, multipliers, y = solution.xi, solution.multipliers, solution.elastic
    g = constraints_at(problem, xi)
    if k:
        assert multipliers[:k].sum() == pytest.approx(1.0, rel=1e-9)
        g[:k] -= multipliers[:k] @ g[:k]
    _, df, force = approximated(problem, problem.gradient, problem.bulk, xi)
    _, dg, forces = approximated(problem, problem.jacobian, problem.magnitude, xi)
    slope = df + multipliers @ dg
    size = np.abs(problem.values) + problem.magnitude @ problem.span + 1e-300
    work = max(float(multipliers @ size), float(np.abs(problem.gradient) @ problem.span), 1e-9)
    size[:k] = np.maximum(size[:k], work)  # their level is the objective
    pressure = problem.penalty + problem.softness * y - multipliers[k:]
    y = np.concatenate([np.zeros(k), y])
    pressure = np.concatenate([np.ones(k), pressure])
    distance = np.where(slope > 0.0, xi - problem.floor, problem.ceiling - xi)
    assert np.all(multipliers >= 0.0)
    assert np.all(distance >= -1e-15)
    assert np.all(pressure >= -tolerance * problem.penalty)
    assert np.max(np.abs(pressure * y)) <= tolerance * work
    assert np.max((g - y) / size) <= tolerance
    assert np.max(np.abs(multipliers * (g - y))) <= tolerance * work
    balanced = np.abs(slope) <= tolerance * (force + multipliers @ forces)
    assert np.all(balanced | (np.abs(slope) * distance * xi.size <= tolerance * work))


def test_the_approximation_is_svanbergs() -> None:
    problem = random_subproblem(5)
    multipliers = np.linspace(0.1, 2.0, problem.values.size)
    xi = problem.minimiser(multipliers)
    assert problem.response(multipliers)[0] == pytest.approx(constraints_at(problem, xi), rel=1e-10)


def test_the_stiffness_is_minus_the_derivative_of_the_response() -> None:
    problem = random_subproblem(9)
    multipliers = np.linspace(0.5, 2.0, problem.values.size)
    way, h = np.cos(np.arange(multipliers.size)), 1e-7
    ahead, behind = (problem.response(multipliers + sign * h * way)[0] for sign in (1, -1))
    stiffness = problem.response(multipliers)[1]
    assert stiffness == pytest.approx(stiffness.T)
    assert (behind - ahead) / (2 * h) == pytest.approx(stiffness @ way, rel=1e-4, abs=1e-6 * stiffness.max())


@pytest.mark.parametrize("rivals", [0, 2, 3, 7])
@pytest.mark.parametrize("seed", range(60))
def test_solutions_are_optimal(seed: int, rivals: int) -> None:
    problem = random_subproblem(seed, rivals)
    solution = solved(problem, np.zeros(0))
    assert_optimal(problem, solution, 1e-7)
    again = solved(problem, solution.multipliers * np.linspace(0.9, 1.1, solution.multipliers.size))
    assert_optimal(problem, again, 1e-7)


@pytest.mark.parametrize("rivals", [0, 3])
def test_both_methods_agree(rivals: int) -> None:
    compared = 0
    for seed in range(40):
        problem = random_subproblem(seed, rivals)
        dual = Dual.of(problem)
        one, two = dual.climbed(np.zeros(0)), solve_interior(problem, dual)
        assert two is not None
        if one is not None:
            f, g = (cost_at(problem, solution.xi, solution.elastic) for solution in (one, two))
            assert f == pytest.approx(g, rel=1e-5, abs=1e-7 * dual.steep)
            compared += 1
    assert compared >= 15


@pytest.mark.parametrize("seed", [18, 32, 49])
def test_solution_agrees_with_scipy(seed: int) -> None:
    rough = random_subproblem(seed)
    top = np.abs(rough.gradient).max()
    problem = dataclasses.replace(rough, gradient=rough.gradient / top, bulk=rough.bulk / top, penalty=5.0)
    n = problem.gradient.size
    solution = solved(problem, np.zeros(0))
    m = problem.values.size
    reference = minimize(
        lambda z: cost_at(problem, z[:n], z[n:]),
        np.concatenate([0.5 * (problem.floor + problem.ceiling), np.maximum(problem.values, 0) + 1]),
        bounds=[*zip(problem.floor, problem.ceiling, strict=True), *[(0, None)] * m],
        constraints={"type": "ineq", "fun": lambda z: z[n:] - constraints_at(problem, z[:n])},
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    )
    assert reference.success
    cost = cost_at(problem, solution.xi, solution.elastic)
    assert cost == pytest.approx(reference.fun, rel=1e-5)


def test_failure_is_told_with_the_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Dual, "climbed", lambda self, start: None)
    monkeypatch.setattr(mma_model, "solve_interior", lambda problem, dual: None)
    with pytest.raises(
        NumericalError, match="could not be solved; are the constraints normalised to about 1"
    ):
        solved(random_subproblem(0), np.zeros(0))
