"""What MMA makes of an evaluation: a scale, asymptotes, a convex approximation, and its solution."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any

import annotated_types as at
import numpy as np

from topopt.errors import NumericalError, ParameterError
from topopt.evaluation import Bounds, Evaluation
from topopt.kernels import twin
from topopt.optimizers.mma_dual import Dual, Solution
from topopt.optimizers.mma_interior import solve_interior
from topopt.optimizers.mma_subproblem import BULK, Subproblem
from topopt.optimizers.protocol import Share, check_bounds
from topopt.parameters import Array, Checked, Positive, UnitOpen
from topopt.threads import each

__all__ = ["SIZE", "MovingAsymptotes", "heights", "moved", "multiplier_units", "scaling", "solved"]

Widening = Annotated[float, at.Ge(1)]
SIZE = 100.0
"""The scaled objective at first: the larger of its value and of its derivatives times the ranges."""


@dataclass(frozen=True)
class MovingAsymptotes(Checked, ABC):
    """What the methods of moving asymptotes share; `topopt.optimizers.MMA` says what each number is."""

    move: Share = 0.2
    asyinit: Positive = 0.5
    asyincr: Widening = 1.2
    asydecr: Share = 0.7
    nearest: Positive = 0.01
    farthest: Positive = 10.0
    albefa: UnitOpen = 0.1
    raa0: Positive = 1e-5
    penalty: Positive = 1000.0
    softness: Positive = 1.0

    def __post_init__(self) -> None:
        """Refuse asymptotes whose least distance is beyond the largest."""
        super().__post_init__()
        if self.nearest > self.farthest:
            raise ParameterError(
                f"{type(self).__name__}.nearest: expected a value <= farthest ({self.farthest:g}), "
                f"got {self.nearest:g}"
            )

    def init(self, x: Array, lower: Array, upper: Array) -> Any:
        """Return the memory to start with.

        Parameters
        ----------
        x : array, shape (n,)
            The start design.
        lower, upper : array, shape (n,)
            Finite bounds; where they agree the variable is fixed.

        Raises
        ------
        InputError
            If shapes differ, bounds cross or are infinite, or `x` lies outside them.
        """
        x, lower, upper = (np.array(values, dtype=np.float64) for values in (x, lower, upper))
        check_bounds(x, lower, upper)
        return self._begun(x, Bounds(lower, upper), self.asyinit * Bounds(lower, upper).ranges)

    @abstractmethod
    def _begun(self, x: Array, bounds: Bounds, span: Array) -> Any:
        """Return the memory in front of the first step, with the asymptotes at a distance."""

    def adapted(self, span: Array, x: Array, last: Array, earlier: Array, ranges: Array) -> Array:
        """Draw the asymptotes in where a variable oscillates, push them out where it keeps its way.

        Parameters
        ----------
        span : array, shape (n,)
            Distance of the asymptotes so far.
        x, last, earlier : array, shape (n,)
            The last three designs, the newest first.
        ranges : array, shape (n,)
            Of the variables.
        """
        factors = self.asyincr, self.asydecr, self.nearest, self.farthest
        return _adapted.of(x.size)((span, x, last, earlier, ranges), factors, np.empty_like(x))

    def approximation(
        self, x: Array, evaluation: Evaluation, bounds: Bounds, span: Array, scale: float, curvature: Array
    ) -> Subproblem:
        """Build the convex separable approximation around a design.

        Parameters
        ----------
        x : array, shape (n,)
            The design.
        evaluation : Evaluation
            There.
        bounds : Bounds
            Of the design.
        span : array, shape (n,)
            Distance of the asymptotes.
        scale : float
            Of the objective or all rivals; 0 if there is none yet.
        curvature : array, shape (max(k, 1) + m,)
            Of the objective or each of k rivals, and of each constraint, before it is shared by the ranges.
        """
        k, n, factor = evaluation.rivals.size, x.size, scale or 1.0
        values, jacobian = np.asarray(evaluation.constraints, dtype=np.float64), evaluation.jacobian
        lowered = evaluation.gradient
        if k:
            # The level is free, so that only the distance from the worst matters.
            values = np.concatenate([(evaluation.rivals - evaluation.rivals.max()) * factor, values])
            jacobian = np.concatenate([evaluation.rival_jacobian * factor, jacobian])
            lowered, curvature = np.zeros(n), np.concatenate([[0.0], curvature])
        magnitude = np.empty(jacobian.shape)
        gradient, bulk, floor, ceiling = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
        _approximated.of(n)(
            (lowered, x, bounds.lower, bounds.upper, span),
            (jacobian, magnitude),
            (factor, 1.0 - self.albefa, self.move, BULK),
            curvature,
            (gradient, bulk, floor, ceiling),
        )
        return Subproblem(
            gradient=gradient,
            bulk=bulk,
            values=values,
            jacobian=jacobian,
            magnitude=magnitude,
            span=span,
            floor=floor,
            ceiling=ceiling,
            penalty=self.penalty,
            softness=self.softness,
            rivals=k,
        )


@twin("mma.adapted")
def _adapted(fields: tuple[Array, ...], factors: tuple[float, float, float, float], out: Array) -> Array:
    """Write the distance of the asymptotes, see `topopt.kernels.mma`."""
    span, x, last, earlier, ranges = fields
    growth, shrinkage, nearest, farthest = factors

    def work(at: slice) -> None:
        turn = (x[at] - last[at]) * (last[at] - earlier[at])
        factor = np.where(turn > 0.0, growth, np.where(turn < 0.0, shrinkage, 1.0))
        factor *= span[at]
        np.clip(factor, nearest * ranges[at], farthest * ranges[at], out=out[at])

    each(work, x.size)
    return out


@twin("mma.approximated")
def _approximated(
    fields: tuple[Array, ...],
    rows: tuple[Array, Array],
    shares: tuple[float, float, float, float],
    curvature: Array,
    out: tuple[Array, ...],
) -> None:
    """Write the approximation of an objective and its rows, see `topopt.kernels.mma`."""
    given, x, lower, upper, span = fields
    jacobian, magnitude = rows
    factor, far, move, half = shares
    gradient, bulk, floor, ceiling = out

    def work(at: slice) -> None:
        ranges = Bounds(lower[at], upper[at]).ranges
        reach = np.minimum(far * span[at], move * ranges)
        over = 1.0 / (half * ranges)
        np.multiply(given[at], factor, out=gradient[at])
        np.add(np.abs(gradient[at]), curvature[0] * over, out=bulk[at])
        sizes = np.abs(jacobian[:, at], out=magnitude[:, at])
        sizes += curvature[1:, None] * over
        np.divide(np.maximum(-reach, lower[at] - x[at]), span[at], out=floor[at])
        np.divide(np.minimum(reach, upper[at] - x[at]), span[at], out=ceiling[at])

    each(work, x.size)


def scaling(evaluation: Evaluation, ranges: Array) -> float:
    """Return the factor that brings the objective, or all rivals, to MMA's liking; 0 if all is 0.

    Parameters
    ----------
    evaluation : Evaluation
        Of the first design.
    ranges : array, shape (n,)
        Of the variables.
    """
    rows = evaluation.rival_jacobian if evaluation.rivals.size else evaluation.gradient[None]
    values = evaluation.rivals if evaluation.rivals.size else np.array([evaluation.objective])
    size = max(float(np.max(np.abs(values))), float(np.max(np.abs(rows) @ ranges)))
    return SIZE / size if size > 0.0 else 0.0


def multiplier_units(evaluation: Evaluation, scale: float) -> Array:
    """Return what the user's multipliers are to be multiplied by, shape (k + m,): weights are shares.

    Parameters
    ----------
    evaluation : Evaluation
        With k rivals and m constraints.
    scale : float
        Of the objective; 0 if there is none yet.
    """
    k, m = evaluation.rivals.size, evaluation.constraints.size
    return np.concatenate([np.ones(k), np.full(m, scale or 1.0)])


def heights(evaluation: Evaluation) -> Array:
    """Return how large the scaled functions are: the objective or each rival, then the constraints.

    Parameters
    ----------
    evaluation : Evaluation
        With k rivals and m constraints; shape (max(k, 1) + m,).
    """
    k, m = max(evaluation.rivals.size, 1), evaluation.constraints.size
    return np.concatenate([np.full(k, SIZE), np.ones(m)])


def solved(problem: Subproblem, start: Array) -> Solution:
    """Solve a subproblem on its dual, which is quick, or where that has sharp kinks by interior points.

    Where neither gets through, no constraint may bind at all.

    Parameters
    ----------
    problem : Subproblem
        What to solve.
    start : array, shape (k + m,)
        Multipliers of the scaled problem to start from; empty if there are none.

    Raises
    ------
    NumericalError
        If neither method reaches its tolerance.
    """
    m = problem.values.size
    if m == 0:
        return Solution(problem.minimiser(np.zeros(0)), np.zeros(0), np.zeros(0))
    dual = Dual.of(problem)
    solution = dual.climbed(start) or solve_interior(problem, dual) or dual.idle()
    if solution is None:
        raise NumericalError(
            f"MMA: the subproblem ({problem.gradient.size} variables, {m} rows) could not be solved; "
            f"are the constraints normalised to about 1? Their sizes lie between {dual.size.min():.1e} "
            f"and {dual.size.max():.1e}"
        )
    return solution


def moved(xi: Array, span: Array, x: Array, bounds: Bounds) -> Array:
    """Turn a move in shares of the span into the new design, in place.

    Parameters
    ----------
    xi : array, shape (n,)
        The move; is overwritten.
    span : array, shape (n,)
        Distance of the asymptotes.
    x : array, shape (n,)
        The design.
    bounds : Bounds
        Of the design.
    """
    return _moved.of(x.size)(xi, span, x, bounds.lower, bounds.upper)


@twin("mma.moved")
def _moved(xi: Array, span: Array, x: Array, lower: Array, upper: Array) -> Array:
    """Turn a move in shares of the span into the new design, in place."""
    xi *= span
    xi += x
    return np.clip(xi, lower, upper, out=xi)
