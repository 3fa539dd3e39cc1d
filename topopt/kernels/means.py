"""What makes means of weighted sums, in one pass."""

from __future__ import annotations

from topopt.kernels.compiled import plain
from topopt.parameters import Array

__all__ = ["mean"]


@plain
def mean(sums: Array, gain: Array, smallest: float, largest: float, slack: float, out: Array) -> None:
    """Write the means of a piece; those that rounding pushed past the limits are put back onto them."""
    floor, ceiling = smallest - slack, largest + slack
    for j in range(out.size):
        value = sums[j] * gain[j]
        value = smallest if (value < smallest) & (value >= floor) else value
        out[j] = largest if (value > largest) & (value <= ceiling) else value
