"""The convex separable subproblem of MMA, solved in the space of its few multipliers.

With the asymptotes at ``x -+ span`` and ``xi = (x_new - x) / span``, a function with derivatives ``g_j`` is
approximated by the sum over j of ``span_j (P_j xi / (1 - xi) - Q_j xi / (1 + xi))`` with
``P = 0.501 |g| + g / 2 + r`` and ``Q = 0.501 |g| - g / 2 + r``: Svanberg's 1.001 and 0.001, written so that
one absolute value does, and with ``magnitude = |g| + r / 0.501`` it carries the regularisation as well. For
given multipliers the best ``xi`` is then closed form with one square root.

The first rows may be rivals: ``min z`` with every rival ``<= z``. The level z is free, so their multipliers,
the weights, sum to 1. A Newton step keeps that sum, and needs no z: it is the weighted mean of the rivals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from topopt.kernels import LONG
from topopt.parameters import Array
from topopt.threads import each

__all__ = ["BULK", "Dual", "Solution", "Subproblem", "reach"]

BULK = 0.501
"""Half of what both fractions of a variable share of its derivative: Svanberg's 1.001 and 0.001 together."""
BLOCK = 8192
"""Variables treated at a time: all temporaries of a block stay in the cache."""
TOLERANCE = 1e-9
"""Largest error of a constraint of the subproblem, as a share of that constraint's size."""
SMALL = 1e-6
"""Least size that a constraint counts with."""
PATIENCE = 20
"""Newton steps on the dual; 4 to 12 are usual."""


@dataclass(frozen=True, eq=False)
class Subproblem:
    """One convex separable approximation.

    Attributes
    ----------
    gradient, bulk : array, shape (n,)
        Derivatives of the scaled objective, 0 where rivals take its place, and their magnitudes.
    values : array, shape (m,)
        The rows at the current design: the rivals, if there are any, and then the constraints.
    jacobian, magnitude : array, shape (m, n)
        Derivatives of the rows, and their magnitudes: absolute values and what makes them convex.
    span : array, shape (n,)
        Distance of the asymptotes from the current design.
    floor, ceiling : array, shape (n,)
        Bounds on ``xi``; within (-1, 1).
    penalty, softness : float
        Of the elastic variables, ``penalty y + softness y**2 / 2`` for each constraint.
    rivals : int
        How many rows are rivals; their multipliers sum to 1.
    """

    gradient: Array
    bulk: Array
    values: Array
    jacobian: Array
    magnitude: Array
    span: Array
    floor: Array
    ceiling: Array
    penalty: float
    softness: float
    rivals: int = 0

    @property
    def compiled(self) -> bool:
        """Whether there is one row, which is no rival, and enough variables for compiled passes."""
        return self.values.size == 1 and not self.rivals and self.gradient.size >= LONG

    @property
    def arrays(self) -> tuple[Array, ...]:
        """What a compiled pass goes through."""
        rows = self.jacobian[0], self.magnitude[0]
        return self.gradient, self.bulk, *rows, self.span, self.floor, self.ceiling

    def pull(self, multipliers: Array, at: slice) -> tuple[Array, Array]:
        """Return half of P - Q and half of P + Q of the Lagrangian on a block."""
        tilt = multipliers @ self.jacobian[:, at]
        tilt += self.gradient[at]
        tilt *= 0.5
        weight = multipliers @ self.magnitude[:, at]
        weight += self.bulk[at]
        weight *= BULK
        return tilt, weight

    def approximated(self, xi: Array) -> Array:
        """Return the approximated rows at a move, shape (m,)."""
        odd = self._odd(xi)
        values: Array = self.values + self.jacobian @ odd + 2.0 * BULK * (self.magnitude @ (odd * xi))
        return values

    def promised(self, xi: Array) -> float:
        """Return the change of the approximated objective in a move; 0 where rivals take its place."""
        odd = self._odd(xi)
        return float(self.gradient @ odd + 2.0 * BULK * (self.bulk @ (odd * xi)))

    def _odd(self, xi: Array) -> Array:
        """Return the odd part of the fractions' sum, per unit of derivative."""
        return np.asarray(self.span * xi / (1.0 - xi * xi))

    def _stationary(self, multipliers: Array, at: slice) -> tuple[Array, Array]:
        """Return the unbounded minimiser ``xi`` of the Lagrangian on a block, and half of P + Q."""
        tilt, weight = self.pull(multipliers, at)
        root = (weight - tilt) * (weight + tilt)
        np.sqrt(root, out=root)
        root += weight
        np.divide(tilt, root, out=tilt)
        return np.negative(tilt, out=tilt), weight

    def minimiser(self, multipliers: Array) -> Array:
        """Return the best ``xi`` for given multipliers, shape (n,)."""
        xi = np.empty_like(self.gradient)
        if self.compiled:
            from topopt.kernels import mma

            return mma.minimiser(float(multipliers[0]), BULK, self.arrays, xi)

        def work(at: slice) -> None:
            np.clip(self._stationary(multipliers, at)[0], self.floor[at], self.ceiling[at], out=xi[at])

        each(work, xi.size, BLOCK)
        return xi

    def response(self, multipliers: Array) -> tuple[Array, Array]:
        """Return the approximated rows at the minimiser and minus their derivative.

        Returns
        -------
        values : array, shape (m,)
            The gradient of the dual function, elastic variables left out.
        stiffness : array, shape (m, m)
            Minus the (generalised) Hessian of the dual function; positive semi-definite.
        """
        if self.compiled:
            from topopt.kernels import mma

            value, slope = mma.response(float(multipliers[0]), BULK, self.arrays)
            return self.values + value, np.array([[slope]])
        parts = each(lambda at: self._response(multipliers, at), self.gradient.size, BLOCK)
        return self.values + sum(value for value, _ in parts), sum(
            (stiffness for _, stiffness in parts), np.zeros((self.values.size, self.values.size))
        )

    def _response(self, multipliers: Array, at: slice) -> tuple[Array, Array]:
        """Return the response of a block."""
        xi, weight = self._stationary(multipliers, at)
        bounded = np.minimum(np.maximum(xi, self.floor[at]), self.ceiling[at])
        free = bounded == xi
        span = self.span[at]
        square = bounded * bounded
        gap = 1.0 - square
        odd = span * bounded / gap
        jacobian, magnitude = self.jacobian[:, at], self.magnitude[:, at]
        values = jacobian @ odd + 2.0 * BULK * (magnitude @ (odd * bounded))
        # d(row)/d(xi) = span * (jacobian (1 + xi^2) + 4 BULK magnitude xi) / gap^2 and
        # d2(Lagrangian)/d(xi)2 = span * 4 weight / ((1 + xi^2) gap) at a stationary point.
        square += 1.0
        factor = span * free * square / (4.0 * weight * gap * gap * gap)
        slope = jacobian * square + magnitude * (4.0 * BULK * bounded)
        return values, (slope * factor) @ slope.T

    def elastic(self, multipliers: Array, barrier: float) -> tuple[Array, Array]:
        """Return the elastic variables ``y > 0`` that go with the multipliers, and their derivatives.

        Rivals have none: what they share is the level.
        """
        excess = multipliers - self.penalty
        root = np.sqrt(excess * excess + 4.0 * self.softness * barrier)
        above = excess > 0.0
        y = np.where(above, excess + root, 4.0 * self.softness * barrier / (root + np.abs(excess)))
        y /= 2.0 * self.softness
        y[: self.rivals] = 0.0
        # d/dl of the positive root of softness y^2 - excess y - barrier = 0
        return y, y / root

    def levelled(self, left: Array, multipliers: Array) -> Array:
        """Take the rivals' level off what the rows leave, so that nothing is left along the weights."""
        k = self.rivals
        return np.concatenate([left[:k] - multipliers[:k] @ left[:k], left[k:]]) if k else left

    def solved(self, matrix: Array, residual: Array) -> Array:
        """Solve a Newton system for the multipliers, the rivals' weights keeping their sum."""
        k = self.rivals
        direction = _solved(matrix, residual)
        if k:
            lifted = _solved(matrix, np.where(np.arange(residual.size) < k, 1.0, 0.0))
            direction -= direction[:k].sum() / lifted[:k].sum() * lifted
        return direction


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
        steep = sum(each(lambda at: float(np.abs(gradient[at]) @ span[at]), span.size, BLOCK))
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


def _solved(matrix: Array, residual: Array) -> Array:
    """Solve a Newton system after scaling its diagonal to 1; multipliers may differ by many decades."""
    scale = 1.0 / np.sqrt(np.diag(matrix))
    solution: Array = scale * np.linalg.solve(matrix * scale * scale[:, None], scale * residual)
    return solution


def reach(values: Array, change: Array) -> float:
    """Return the largest step, at most 1, that keeps one per cent of every positive value."""
    shrink = float(np.max(-change / values, initial=0.0))
    return min(1.0, 0.99 / shrink) if shrink > 0.0 else 1.0
