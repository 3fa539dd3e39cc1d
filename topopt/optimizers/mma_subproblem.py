"""The convex separable subproblem of MMA: what its functions are, and the best move for given multipliers.

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

from topopt.kernels import twin
from topopt.parameters import Array
from topopt.threads import CHAIN, Pass, each

__all__ = ["BLOCK", "BULK", "Subproblem"]

BULK = 0.501
"""Half of what both fractions of a variable share of its derivative: Svanberg's 1.001 and 0.001 together."""
BLOCK = 8192
"""Variables treated at a time: all temporaries of a block stay in the cache."""


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
    def arrays(self) -> tuple[Array, ...]:
        """What a pass over the variables goes through; the last axis is that of the variables."""
        rows = self.jacobian, self.magnitude
        return self.gradient, self.bulk, *rows, self.span, self.floor, self.ceiling

    @property
    def plain(self) -> bool:
        """Whether there is one row, which is no rival."""
        return self.values.size == 1 and not self.rivals

    def pull(self, multipliers: Array) -> tuple[Array, Array]:
        """Return half of P - Q and half of P + Q of the Lagrangian, each of shape (n,)."""
        return _pulled(multipliers, BULK, self.arrays)

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

    def minimiser(self, multipliers: Array) -> Array:
        """Return the best ``xi`` for given multipliers, shape (n,)."""
        n = self.gradient.size
        return _minimiser.of(n, fits=self.plain)(multipliers, BULK, self.arrays, np.empty(n))

    def response(self, multipliers: Array) -> tuple[Array, Array]:
        """Return the approximated rows at the minimiser and minus their derivative.

        Returns
        -------
        values : array, shape (m,)
            The gradient of the dual function, elastic variables left out.
        stiffness : array, shape (m, m)
            Minus the (generalised) Hessian of the dual function; positive semi-definite.
        """
        respond = _response.of(self.gradient.size, fits=self.plain)
        change, stiffness = respond(multipliers, BULK, self.arrays)
        return self.values + change, stiffness

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


@twin("mma.minimiser")
def _minimiser(multipliers: Array, half: float, arrays: tuple[Array, ...], out: Array) -> Array:
    """Write the best move for given multipliers."""
    floor, ceiling = arrays[-2:]

    def work(at: slice) -> None:
        xi, _ = _stationary(multipliers, half, _block(arrays, at))
        np.clip(xi, floor[at], ceiling[at], out=out[at])

    each(work, out.size, Pass(BLOCK, CHAIN.alone))
    return out


@twin("mma.response")
def _response(multipliers: Array, half: float, arrays: tuple[Array, ...]) -> tuple[Array, Array]:
    """Return what the rows change by at the minimiser, and minus the derivative of that."""
    n, m = arrays[0].size, multipliers.size
    parts = each(lambda at: _responded(multipliers, half, _block(arrays, at)), n, Pass(BLOCK, CHAIN.alone))
    return sum((change for change, _ in parts), np.zeros(m)), sum(
        (stiffness for _, stiffness in parts), np.zeros((m, m))
    )


def _block(arrays: tuple[Array, ...], at: slice) -> tuple[Array, ...]:
    """Return the arrays of some variables."""
    return tuple(array[..., at] for array in arrays)


def _responded(multipliers: Array, half: float, block: tuple[Array, ...]) -> tuple[Array, Array]:
    """Return the response of a block."""
    _, _, jacobian, magnitude, span, floor, ceiling = block
    xi, weight = _stationary(multipliers, half, block)
    bounded = np.minimum(np.maximum(xi, floor), ceiling)
    free = bounded == xi
    square = bounded * bounded
    gap = 1.0 - square
    odd = span * bounded / gap
    change = jacobian @ odd + 2.0 * half * (magnitude @ (odd * bounded))
    # d(row)/d(xi) = span * (jacobian (1 + xi^2) + 4 half magnitude xi) / gap^2 and
    # d2(Lagrangian)/d(xi)2 = span * 4 weight / ((1 + xi^2) gap) at a stationary point.
    square += 1.0
    factor = span * free * square / (4.0 * weight * gap * gap * gap)
    slope = jacobian * square + magnitude * (4.0 * half * bounded)
    return change, (slope * factor) @ slope.T


def _stationary(multipliers: Array, half: float, block: tuple[Array, ...]) -> tuple[Array, Array]:
    """Return the unbounded minimiser ``xi`` of the Lagrangian on a block, and half of P + Q."""
    tilt, weight = _pulled(multipliers, half, block)
    root = (weight - tilt) * (weight + tilt)
    np.sqrt(root, out=root)
    root += weight
    np.divide(tilt, root, out=tilt)
    return np.negative(tilt, out=tilt), weight


def _pulled(multipliers: Array, half: float, block: tuple[Array, ...]) -> tuple[Array, Array]:
    """Return half of P - Q and half of P + Q of the Lagrangian on a block."""
    gradient, bulk, jacobian, magnitude, *_ = block
    tilt = multipliers @ jacobian
    tilt += gradient
    tilt *= 0.5
    weight = multipliers @ magnitude
    weight += bulk
    weight *= half
    return tilt, weight


def _solved(matrix: Array, residual: Array) -> Array:
    """Solve a Newton system after scaling its diagonal to 1; multipliers may differ by many decades."""
    scale = 1.0 / np.sqrt(np.diag(matrix))
    solution: Array = scale * np.linalg.solve(matrix * scale * scale[:, None], scale * residual)
    return solution
