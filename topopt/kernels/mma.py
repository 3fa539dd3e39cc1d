"""MMA's asymptotes, approximation and move, and its dual where there is one row, in one pass each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from topopt.kernels.compiled import kernel, plain
from topopt.parameters import Array
from topopt.threads import COMPILED, each

__all__ = ["adapted", "approximated", "minimiser", "moved", "response"]


def adapted(fields: tuple[Array, ...], factors: tuple[float, float, float, float], out: Array) -> Array:
    """Write the distance of the asymptotes.

    Parameters
    ----------
    fields : tuple of array, each of shape (n,)
        The distance so far, the last three designs, the newest first, and the ranges.
    factors : tuple of float
        Of a variable that keeps its way and of one that turns; least and largest share of the range.
    out : array, shape (n,)
        Is written.
    """
    span, x, last, earlier, ranges = fields

    def work(at: slice) -> None:
        _adapted(out[at], span[at], x[at], last[at], earlier[at], ranges[at], *factors)

    each(work, out.size)
    return out


def approximated(
    fields: tuple[Array, ...],
    rows: tuple[Array, Array],
    shares: tuple[float, float, float, float],
    curvature: Array,
    out: tuple[Array, ...],
) -> None:
    """Write the approximation of an objective and its constraints.

    Parameters
    ----------
    fields : tuple of array, each of shape (n,)
        Gradient, design, bounds and distance of the asymptotes.
    rows : tuple of array, each of shape (m, n)
        Derivatives of the constraints, and their magnitudes, which are written.
    shares : tuple of float
        Factor on the objective; share of the way to the asymptotes, and of the range, that may be gone; half
        of what both fractions of a variable share of its derivative.
    curvature : array, shape (1 + m,)
        Of the objective and the constraints, before it is shared by the ranges.
    out : tuple of array, each of shape (n,)
        Gradient, bulk, floor and ceiling, which are written.
    """

    def work(at: slice) -> None:
        parts: tuple[Any, ...] = (*(field[at] for field in (*fields, *out)), *rows, *shares)
        _approximated(at.start, curvature, *parts)

    each(work, fields[0].size)


def moved(xi: Array, span: Array, x: Array, lower: Array, upper: Array) -> Array:
    """Turn a move in shares of the span into the new design, in place."""
    each(lambda at: _moved(xi[at], span[at], x[at], lower[at], upper[at]), xi.size)
    return xi


def response(multipliers: Array, half: float, arrays: tuple[Array, ...]) -> tuple[Array, Array]:
    """Return what the row changes by at the minimiser, and minus the derivative of that.

    Parameters
    ----------
    multipliers : array, shape (1,)
        Of the row.
    half : float
        Half of what both fractions of a variable share of its derivative.
    arrays : tuple of array, each of shape (n,) or (1, n)
        Of the subproblem: gradient, bulk, the row's derivatives and magnitudes, span, floor and ceiling.
    """
    multiplier, fields = float(multipliers[0]), _flat(arrays)
    sums = each(
        lambda at: _response(multiplier, half, *(field[at] for field in fields)),
        fields[0].size,
        COMPILED,
    )
    change, stiffness = sum(change for change, _ in sums), sum(stiffness for _, stiffness in sums)
    return np.array([change]), np.array([[stiffness]])


def minimiser(multipliers: Array, half: float, arrays: tuple[Array, ...], out: Array) -> Array:
    """Write the best move for a multiplier; multiplier and arrays are those of `response`."""
    multiplier, fields = float(multipliers[0]), _flat(arrays)
    each(
        lambda at: _minimiser(out[at], multiplier, half, *(field[at] for field in fields)),
        out.size,
        COMPILED,
    )
    return out


def _flat(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
    """Return arrays with the one row of a matrix in its place."""
    return tuple(array if array.ndim == 1 else array[0] for array in arrays)


@kernel
def _response(
    multiplier: float,
    half: float,
    gradient: Array,
    bulk: Array,
    row: Array,
    magnitude: Array,
    span: Array,
    floor: Array,
    ceiling: Array,
) -> tuple[float, float]:
    """Do a piece; the formulas are those of `topopt.optimizers.mma_subproblem`."""
    value, stiffness = 0.0, 0.0
    for j in range(gradient.size):
        tilt = 0.5 * (multiplier * row[j] + gradient[j])
        weight = half * (multiplier * magnitude[j] + bulk[j])
        xi = -tilt / (math.sqrt((weight - tilt) * (weight + tilt)) + weight)
        low, high = floor[j], ceiling[j]
        bounded = min(max(xi, low), high)
        square = bounded * bounded
        gap = 1.0 - square
        odd = span[j] * bounded / gap
        value += odd * (row[j] + 2.0 * half * magnitude[j] * bounded)
        slope = row[j] * (1.0 + square) + 4.0 * half * magnitude[j] * bounded
        factor = span[j] * (1.0 + square) / (4.0 * weight * gap * gap * gap)
        stiffness += slope * slope * factor if bounded == xi else 0.0
    return value, stiffness


@kernel
def _minimiser(
    out: Array,
    multiplier: float,
    half: float,
    gradient: Array,
    bulk: Array,
    row: Array,
    magnitude: Array,
    span: Array,
    floor: Array,
    ceiling: Array,
) -> None:
    """Do a piece."""
    for j in range(gradient.size):
        tilt = 0.5 * (multiplier * row[j] + gradient[j])
        weight = half * (multiplier * magnitude[j] + bulk[j])
        xi = -tilt / (math.sqrt((weight - tilt) * (weight + tilt)) + weight)
        out[j] = min(max(xi, floor[j]), ceiling[j])


@plain
def _adapted(
    out: Array,
    span: Array,
    x: Array,
    last: Array,
    earlier: Array,
    ranges: Array,
    growth: float,
    shrinkage: float,
    nearest: float,
    farthest: float,
) -> None:
    """Do a piece."""
    for j in range(out.size):
        turn = (x[j] - last[j]) * (last[j] - earlier[j])
        factor = growth if turn > 0.0 else (shrinkage if turn < 0.0 else 1.0)
        out[j] = min(max(factor * span[j], nearest * ranges[j]), farthest * ranges[j])


@plain
def _approximated(
    start: int,
    curvature: Array,
    gradient: Array,
    x: Array,
    lower: Array,
    upper: Array,
    span: Array,
    scaled: Array,
    bulk: Array,
    floor: Array,
    ceiling: Array,
    jacobian: Array,
    magnitude: Array,
    factor: float,
    far: float,
    move: float,
    half: float,
) -> None:
    """Do a piece."""
    for j in range(gradient.size):
        width = upper[j] - lower[j]
        ranged = width if width > 0.0 else 1.0
        reach = min(far * span[j], move * ranged)
        over = 1.0 / (half * ranged)
        scaled[j] = gradient[j] * factor
        bulk[j] = abs(scaled[j]) + curvature[0] * over
        for i in range(len(jacobian)):
            magnitude[i, start + j] = abs(jacobian[i, start + j]) + curvature[1 + i] * over
        floor[j] = max(-reach, lower[j] - x[j]) / span[j]
        ceiling[j] = min(reach, upper[j] - x[j]) / span[j]


@plain
def _moved(xi: Array, span: Array, x: Array, lower: Array, upper: Array) -> None:
    """Do a piece."""
    for j in range(xi.size):
        xi[j] = min(max(xi[j] * span[j] + x[j], lower[j]), upper[j])
