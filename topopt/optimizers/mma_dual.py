"""The dual of MMA's subproblem: a concave function of its few multipliers, climbed by Newton's method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from topopt.optimizers.mma_subproblem import BLOCK, Subproblem
from topopt.parameters import Array
from topopt.threads import SINGLE, Pass, each

__all__ = ["Dual", "Solution", "reach"]

TOLERANCE = 1e-9
"""Largest error of a constraint of the subproblem, as a share of that constraint's size."""
SMALL = 1e-6
"""Least size that a constraint counts with."""
PATIENCE = 20
"""Newton steps on the dual; 4 to 12 are usual."""


@dataclass(frozen=True, eq=False)
class Solution:
    """The move in shares of the span, the multipliers of the scaled problem, and the elastic variables.

    Multipliers are those of all rows, elastic variables those of the constraints.
    """

    xi: Array
    multipliers: Array
    elastic: Array


@dataclass(frozen=True, eq=False)
class Dual:
    """The concave dual of a subproblem, with the sizes that make its tolerances relative.

    Attributes
    ----------
    problem : Subproblem
        The subproblem.
    size : array, shape (m,)
        How large each row can become.
    steep : float
        How much the scaled objective, or the steepest rival, can change.
    """

    problem: Subproblem
    size: Array
    steep: float

    @classmethod
    def of(cls, problem: Subproblem) -> Dual:
        """Measure a subproblem."""
        change = problem.magnitude @ problem.span
        # Constraints are normalised to 1. One that is met and whose gradient has faded need not be solved to
        # a billionth of nothing: below rounding there is no digit left to solve for.
        size = np.maximum(np.abs(problem.values) + change, SMALL)
        gradient, span = problem.gradient, problem.span
        how = Pass(BLOCK, SINGLE.alone)  # computes too little to wake threads for as soon as for a response
        steep = sum(each(lambda at: float(np.abs(gradient[at]) @ span[at]), span.size, how))
        steep = max(steep, *change[: problem.rivals], 1e-10)
        return cls(problem, size, steep)

    def left(self, multipliers: Array, values: Array, mu: float) -> Array:
        """Return the slope of the barrier function, taken along the weights' sum."""
        y = self.problem.elastic(multipliers, mu)[0]
        return self.problem.levelled(values - y + mu / multipliers, multipliers)

    def closed(self, multipliers: Array, mu: float) -> Solution | None:
        """Return the closed form for given multipliers if it is as good as a solution has to be."""
        left = self.problem.response(multipliers)[0] - self.problem.elastic(multipliers, mu)[0]
        left = self.problem.levelled(left, multipliers)
        work = max(self.steep, float(multipliers @ self.size))
        good = np.all(left <= TOLERANCE * self.size) and np.all(-left * multipliers <= TOLERANCE * work)
        return self.solution(multipliers, mu) if good else None

    def idle(self) -> Solution | None:
        """Return the solution if no constraint binds, None if one does or there are rivals.

        Where the objective has died on many variables, these jump at the first touch of a multiplier, and no
        Newton step finds the way between.
        """
        if self.problem.rivals:
            return None
        return self.closed(1e-14 * self.steep / self.size, 1e-16 * self.steep)

    def ended(self, mu: float, multipliers: Array) -> bool:
        """Tell whether the barrier is small enough beside the multipliers."""
        return mu <= max(1e-14 * self.steep, TOLERANCE * float(multipliers @ self.size) / multipliers.size)

    def solution(self, multipliers: Array, mu: float) -> Solution:
        """Return the closed form for given multipliers."""
        y = self.problem.elastic(multipliers, mu)[0]
        violation = np.maximum(y - mu / multipliers, 0.0)[self.problem.rivals :]
        return Solution(self.problem.minimiser(multipliers), multipliers, violation)

    def climbed(self, start: Array) -> Solution | None:
        """Maximise by Newton's method on the barrier function; None if its patience ends.

        The barrier ``mu log(multiplier)`` falls superlinearly. A step costs one pass over the variables,
        O(n m^2).
        """
        mu = 1e-2 * self.steep / self.size.size
        if start.size:
            mu *= 1e-2
            multipliers = np.maximum(start, mu / self.size)
        else:
            multipliers = 0.1 * self.steep / self.size
        k = self.problem.rivals
        multipliers[:k] = multipliers[:k] / multipliers[:k].sum() if start.size else 1.0 / max(k, 1)
        slack = mu / multipliers
        values, stiffness = self.problem.response(multipliers)
        for _ in range(PATIENCE):
            while True:
                residual = self.left(multipliers, values, mu)
                ended = self.ended(mu, multipliers)
                if ended and float(np.max(np.abs(residual) / self.size)) <= TOLERANCE:
                    return self.solution(multipliers, mu)
                if ended or np.max(np.abs(residual) * multipliers) > 10.0 * mu:
                    break
                mu *= min(0.1, (mu / self.steep) ** 0.5)
            softening = self.problem.elastic(multipliers, mu)[1]
            matrix = stiffness + np.diag(softening + slack / multipliers)
            direction = self.problem.solved(matrix, residual)
            change = mu / multipliers - slack - slack / multipliers * direction
            slack = slack + reach(slack, change) * change
            multipliers, values, stiffness = self.searched(multipliers, direction, residual, mu)
            slack = np.clip(slack, 1e-8 * mu / multipliers, 1e8 * mu / multipliers)
        return None

    def searched(
        self, multipliers: Array, direction: Array, residual: Array, mu: float
    ) -> tuple[Array, Array, Array]:
        """Walk uphill on the barrier function until its slope has fallen, but not far below zero."""
        rise = float(residual @ direction)
        step = reach(multipliers, direction)
        for _ in range(5):
            trial = multipliers + step * direction
            values, stiffness = self.problem.response(trial)
            left = self.left(trial, values, mu)
            slope = float(left @ direction)
            if slope >= -0.5 * rise or np.max(np.abs(left) / self.size) <= TOLERANCE:
                break
            step *= min(0.7, max(0.05, rise / (rise - slope)))
        return trial, values, stiffness


def reach(values: Array, change: Array) -> float:
    """Return the largest step, at most 1, that keeps one per cent of every positive value."""
    shrink = float(np.max(-change / values, initial=0.0))
    return min(1.0, 0.99 / shrink) if shrink > 0.0 else 1.0
