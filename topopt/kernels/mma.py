"""The dual of MMA's subproblem with one row: value, derivative and minimiser, in one pass each."""

from __future__ import annotations

import math

from topopt.kernels.compiled import kernel
from topopt.parameters import Array
from topopt.threads import each

__all__ = ["minimiser", "response"]


def response(multiplier: float, bulk: float, arrays: tuple[Array, ...]) -> tuple[float, float]:
    """Return what the row changes by at the minimiser, and minus the derivative of that.

    Parameters
    ----------
    multiplier : float
        Of the row.
    bulk : float
        Half of what both fractions of a variable share of its derivative.
    arrays : tuple of array, each of shape (n,)
        Of the subproblem: gradient, bulk, the row's derivatives and magnitudes, span, floor and ceiling.
    """
    n = arrays[0].size
    sums = each(lambda at: _response(multiplier, bulk, *(array[at] for array in arrays)), n)
    return sum(value for value, _ in sums), sum(stiffness for _, stiffness in sums)


def minimiser(multiplier: float, bulk: float, arrays: tuple[Array, ...], out: Array) -> Array:
    """Write the best move for a multiplier; the arrays are those of `response`."""
    each(lambda at: _minimiser(out[at], multiplier, bulk, *(array[at] for array in arrays)), out.size)
    return out


@kernel
def _response(
    multiplier: float,
    bulk: float,
    gradient: Array,
    base: Array,
    row: Array,
    magnitude: Array,
    span: Array,
    floor: Array,
    ceiling: Array,
) -> tuple[float, float]:
    """Do a piece; `Subproblem.response` says where the formulas come from."""
    value, stiffness = 0.0, 0.0
    for j in range(gradient.size):
        tilt = 0.5 * (multiplier * row[j] + gradient[j])
        weight = bulk * (multiplier * magnitude[j] + base[j])
        xi = -tilt / (math.sqrt((weight - tilt) * (weight + tilt)) + weight)
        low, high = floor[j], ceiling[j]
        bounded = min(max(xi, low), high)
        square = bounded * bounded
        gap = 1.0 - square
        odd = span[j] * bounded / gap
        value += odd * (row[j] + 2.0 * bulk * magnitude[j] * bounded)
        slope = row[j] * (1.0 + square) + 4.0 * bulk * magnitude[j] * bounded
        factor = span[j] * (1.0 + square) / (4.0 * weight * gap * gap * gap)
        stiffness += slope * slope * factor if bounded == xi else 0.0
    return value, stiffness


@kernel
def _minimiser(
    out: Array,
    multiplier: float,
    bulk: float,
    gradient: Array,
    base: Array,
    row: Array,
    magnitude: Array,
    span: Array,
    floor: Array,
    ceiling: Array,
) -> None:
    """Do a piece."""
    for j in range(gradient.size):
        tilt = 0.5 * (multiplier * row[j] + gradient[j])
        weight = bulk * (multiplier * magnitude[j] + base[j])
        xi = -tilt / (math.sqrt((weight - tilt) * (weight + tilt)) + weight)
        out[j] = min(max(xi, floor[j]), ceiling[j])
