"""The update of the optimality criteria along its multiplier, in one pass a trial."""

from __future__ import annotations

from topopt.kernels.compiled import kernel
from topopt.parameters import Array
from topopt.threads import each

__all__ = ["clipped", "linear"]


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
