"""The subproblem of MMA by a primal-dual interior-point method, where its dual has sharp kinks."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from topopt.optimizers.mma_dual import Dual, Solution, reach
from topopt.optimizers.mma_subproblem import BULK, Subproblem
from topopt.parameters import Array

__all__ = ["solve_interior"]

TOLERANCE = 1e-9
PATIENCE = 150


@dataclass(frozen=True, eq=False)
class _Point:
    """An interior point: every entry is positive, and `_newton` says what its products tend to.

    Both distances from the bounds are carried along, since a difference would drown in rounding. Rivals have
    no elastic variables.
    """

    left: Array
    right: Array
    below: Array
    above: Array
    multipliers: Array
    slack: Array
    elastic: Array
    tension: Array
    """Multiplier of ``elastic >= 0``."""


@dataclass(frozen=True, eq=False)
class _Newton:
    """The residuals at a point, and the step that a Newton iteration takes from it."""

    step: _Point
    error: float
    """Largest residual in units of work, to be compared with the barrier."""
    violation: float
    """Largest error of a constraint as a share of its size."""


def solve_interior(problem: Subproblem, dual: Dual) -> Solution | None:
    """Solve the subproblem by following the central path of the move and the multipliers together.

    Slower than the dual method but indifferent to variables that meet their bounds: the barrier keeps them
    inside. Ends on the closed form for the multipliers found where that is accurate.

    Parameters
    ----------
    problem : Subproblem
        What to solve.
    dual : Dual
        Sizes of objective and constraints.

    Returns
    -------
    Solution or None
        None if the tolerance was not reached.

    References
    ----------
    Svanberg 2007, "MMA and GCMMA" (notes, KTH Stockholm), section 5; the method is the textbook one.
    """
    thin = np.maximum(problem.ceiling - problem.floor, 1e-12)
    at, mu = _started(problem, dual, thin)
    for _ in range(PATIENCE):
        newton = _newton(problem, dual, at, mu)
        work = max(dual.steep, float(at.multipliers @ dual.size))
        if newton.error <= max(10.0 * mu, 1e-11 * work):
            if dual.ended(mu, at.multipliers) and newton.violation <= TOLERANCE:
                solution = dual.closed(at.multipliers, mu)
                if solution is not None:
                    return solution
            if mu <= 1e-14 * work:
                primal = Solution(problem.floor + at.left, at.multipliers, at.elastic)
                return primal if newton.violation <= 1e-7 else None
            mu *= min(0.1, (mu / work) ** 0.5)
            newton = _newton(problem, dual, at, mu)
        at = _moved(at, newton.step)
    return None


def _started(problem: Subproblem, dual: Dual, thin: Array) -> tuple[_Point, float]:
    """Return a point that meets every constraint, if need be elastically, and the first barrier."""
    m, n = problem.jacobian.shape
    half = 0.5 * thin
    mu = 0.1 * max(dual.steep, 1.0) / m
    k = problem.rivals
    multipliers = np.minimum(mu * m / dual.size, 0.5 * problem.penalty)
    multipliers[:k] = 1.0 / max(k, 1)
    values = problem.approximated(problem.floor + half)
    room = values + mu / multipliers
    elastic = np.maximum(room[k:], mu / problem.penalty)
    tension = problem.penalty + problem.softness * elastic - multipliers[k:]
    slack = np.concatenate([np.max(room[:k], initial=-np.inf) - values[:k], elastic - values[k:]])
    mu = max(mu, float(np.sum(tension * elastic)) / max(elastic.size, 1))
    weak = np.full(n, 2.0 * mu / n) / thin
    return _Point(half, half, weak, weak, multipliers, slack, elastic, tension), mu


def _moved(at: _Point, step: _Point) -> _Point:
    """Take the step as far as everything stays positive."""
    names = [field.name for field in dataclasses.fields(_Point)]
    pairs = {name: (getattr(at, name), getattr(step, name)) for name in names}
    length = min(reach(values, change) for values, change in pairs.values())
    return _Point(**{name: values + length * change for name, (values, change) in pairs.items()})


def _newton(problem: Subproblem, dual: Dual, at: _Point, mu: float) -> _Newton:
    """Eliminate everything but the multipliers from the Newton system, solve it, and substitute back."""
    left, right, xi = at.left, at.right, problem.floor + at.left
    n = xi.size
    tilt, weight = problem.pull(at.multipliers)
    square = xi * xi
    gap = 1.0 - square
    wide = problem.span / (gap * gap)
    slope = wide * (2.0 * tilt * (1.0 + square) + 4.0 * weight * xi)
    bend = 4.0 * wide / gap * (weight * (1.0 + 3.0 * square) + tilt * xi * (3.0 + square))
    bend += at.below / left + at.above / right
    work = mu / n
    slope += work / right - work / left
    rows = (problem.jacobian * (1.0 + square) + problem.magnitude * (4.0 * BULK * xi)) * wide
    k = problem.rivals
    stiff = np.zeros(k)
    force = mu / at.elastic
    pressure = problem.penalty + problem.softness * at.elastic - at.multipliers[k:] - force
    give = problem.softness + at.tension / at.elastic
    values = problem.approximated(xi) - np.concatenate([stiff, at.elastic])
    missed = problem.levelled(values + at.slack, at.multipliers)
    miss = np.abs(missed)
    residual = missed - at.slack + mu / at.multipliers
    matrix = (rows / bend) @ rows.T
    matrix += np.diag(np.concatenate([stiff, 1.0 / give]) + at.slack / at.multipliers)
    rest = residual - rows @ (slope / bend) + np.concatenate([stiff, pressure / give])
    change = problem.solved(matrix, rest)
    move = -(slope + change @ rows) / bend
    stretch = (change[k:] - pressure) / give
    step = _Point(
        move,
        -move,
        work / left - at.below - at.below / left * move,
        work / right - at.above + at.above / right * move,
        change,
        mu / at.multipliers - at.slack - at.slack / at.multipliers * change,
        stretch,
        force - at.tension - at.tension / at.elastic * stretch,
    )
    error = max(
        n * float(np.max(np.abs(slope) * (left + right))),
        float(np.max(miss * at.multipliers)),
        float(np.max(np.abs(at.slack * at.multipliers - mu))),
        float(np.max(np.abs(pressure) * at.elastic, initial=0.0)),
    )
    return _Newton(step, error, float(np.max(miss / dual.size)))
