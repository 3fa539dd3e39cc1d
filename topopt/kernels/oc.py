"""The update of the optimality criteria along its multiplier, in one pass a trial."""

from __future__ import annotations

import math

from topopt.kernels.compiled import exact, kernel
from topopt.parameters import Array
from topopt.threads import each

__all__ = ["grown", "moved"]


def moved(
    factor: Array, low: Array, high: Array, row: Array, scale: float, out: Array
) -> tuple[float, float]:
    """Write ``new = clip(scale * factor, low, high)``; return ``row . new`` and what of it is free."""
    sums = each(lambda at: _moved(factor[at], low[at], high[at], row[at], scale, out[at]), out.size)
    return sum(total for total, _ in sums), sum(free for _, free in sums)


@kernel
def _moved(
    factor: Array, low: Array, high: Array, row: Array, scale: float, out: Array
) -> tuple[float, float]:
    """Do a piece."""
    total, free = 0.0, 0.0
    for j in range(out.size):
        raw = scale * factor[j]
        new = min(max(raw, low[j]), high[j])
        out[j] = new
        cost = row[j] * new
        total += cost
        free += cost if raw == new else 0.0
    return total, free


@exact
def grown(
    x: Array,
    slope: Array,
    cost: Array,
    lower: Array,
    upper: Array,
    move: float,
    center: float,
    damping: float,
    tiny: float,
    widest: float,
    factor: Array,
    low: Array,
    high: Array,
    row: Array,
) -> tuple[float, float, float]:
    """Write factors, limits and costs of a piece, see `topopt.optimizers.oc_update`.

    Parameters
    ----------
    x, slope, cost : array, shape (n,)
        The design, and the derivatives of objective and constraint.
    lower, upper : array, shape (n,)
        Bounds.
    move : float
        Share of the range between its bounds that a variable may move by.
    center, damping : float
        Of the update.
    tiny, widest : float
        Below what a derivative is zero, and the largest logarithm of a factor of change.
    factor, low, high, row : array, shape (n,)
        Are written.
    """
    half = math.exp(0.5 * center)  # taken off both sides, for the whole might overflow
    root, most = damping == 0.5, math.exp(widest)
    for j in range(x.size):
        gain = -slope[j] if slope[j] <= -tiny else 0.0
        price = cost[j] if cost[j] >= tiny else 0.0
        row[j] = price
        ratio = (gain / half) / (price * half)
        factor[j] = math.sqrt(ratio) if root else ratio**damping
    least, largest, start = math.inf, 0.0, 0.0
    for j in range(x.size):
        reach = move * (upper[j] - lower[j])
        bottom, top = max(lower[j], x[j] - reach), min(upper[j], x[j] + reach)
        share = factor[j]
        if share != share:
            bottom = top = x[j]
            share = 1.0
        elif share > 0.0:
            share = min(max(share, 1.0 / most), most)
        new = x[j] * share
        factor[j], low[j], high[j] = new, bottom, top
        moves = (new > 0.0) & (top > bottom)
        down = new / top if moves else math.inf
        up = new / max(bottom, 1e-9 * top) if moves else 0.0
        least = down if down < least else least
        largest = up if up > largest else largest
        start += row[j] * x[j]
    return least, largest, start
