"""The update of the optimality criteria along its multiplier, in one pass a trial."""

from __future__ import annotations

import math

from topopt.kernels.compiled import exact, kernel
from topopt.parameters import Array
from topopt.threads import each

__all__ = ["clipped", "grown", "linear"]


def clipped(factor: Array, low: Array, high: Array, scale: float, out: Array) -> Array:
    """Write ``clip(scale * factor, low, high)``."""
    each(lambda at: _clipped(factor[at], low[at], high[at], scale, out[at]), out.size)
    return out


def linear(x: Array, factor: Array, low: Array, high: Array, row: Array, scale: float) -> tuple[float, float]:
    """Return ``row . (new - x)`` and ``row . new`` over the entries that the limits leave alone."""
    sums = each(lambda at: _linear(x[at], factor[at], low[at], high[at], row[at], scale), x.size)
    return sum(change for change, _ in sums), sum(free for _, free in sums)


@kernel
def _clipped(factor: Array, low: Array, high: Array, scale: float, out: Array) -> None:
    """Do a piece."""
    for j in range(out.size):
        out[j] = min(max(scale * factor[j], low[j]), high[j])


@kernel
def _linear(
    x: Array, factor: Array, low: Array, high: Array, row: Array, scale: float
) -> tuple[float, float]:
    """Do a piece."""
    change, free = 0.0, 0.0
    for j in range(x.size):
        raw = scale * factor[j]
        new = min(max(raw, low[j]), high[j])
        change += row[j] * (new - x[j])
        free += row[j] * (new if raw == new else 0.0)
    return change, free


@exact
def grown(
    x: Array,
    slope: Array,
    cost: Array,
    low: Array,
    high: Array,
    center: float,
    damping: float,
    tiny: float,
    widest: float,
    factor: Array,
    costs: Array,
) -> tuple[float, float]:
    """Write factors and costs of a piece, see `topopt.optimizers.oc_update`.

    Parameters
    ----------
    x, slope, cost : array, shape (n,)
        The design, and the derivatives of objective and constraint.
    low, high : array, shape (n,)
        Limits, changed where a variable neither gains nor costs.
    center, damping : float
        Of the update.
    tiny, widest : float
        Below what a derivative is zero, and the largest logarithm of a factor of change.
    factor, costs : array, shape (n,)
        Are written.
    """
    half = math.exp(0.5 * center)  # taken off both sides, for the whole might overflow
    root, most = damping == 0.5, math.exp(widest)
    for j in range(x.size):
        gain = -slope[j] if slope[j] <= -tiny else 0.0
        price = cost[j] if cost[j] >= tiny else 0.0
        costs[j] = price
        ratio = (gain / half) / (price * half)
        factor[j] = math.sqrt(ratio) if root else ratio**damping
    least, largest = math.inf, 0.0
    for j in range(x.size):
        share = factor[j]
        if share != share:
            low[j] = high[j] = x[j]
            share = 1.0
        elif share > 0.0:
            share = min(max(share, 1.0 / most), most)
        new = x[j] * share
        factor[j] = new
        moves = (new > 0.0) & (high[j] > low[j])
        down = new / high[j] if moves else math.inf
        up = new / max(low[j], 1e-9 * high[j]) if moves else 0.0
        least = down if down < least else least
        largest = up if up > largest else largest
    return least, largest
