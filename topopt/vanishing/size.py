"""How large a vector is, however small: its norm in decades, and how many entries carry it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from topopt.kernels import twin
from topopt.parameters import Array

__all__ = ["Size", "power", "ratio", "sized", "small"]


@dataclass(frozen=True)
class Size:
    """How large a vector of `n` entries is: the largest, and in its unit the sums of all and of all squares.

    Squares of small sensitivities would underflow.
    """

    n: int
    largest: float
    total: float
    square: float

    @property
    def log_norm(self) -> float:
        """Return log10 of the Euclidean norm; -inf for the zero vector."""
        return math.log10(self.largest) + 0.5 * math.log10(self.square) if self.largest else -math.inf

    @property
    def participation(self) -> float:
        """Return (sum |s|)^2 / (n sum s^2): 1 if all entries carry equally, 1/n if one does, 0 if none."""
        return self.total**2 / (self.n * self.square) if self.largest else 0.0


def sized(vector: Array) -> Size:
    """Measure a vector in one pass, safe where squares underflow."""
    flat = vector.ravel()
    parts = _parts.of(flat.size)(flat)
    largest = max(part[0] for part in parts)
    if largest == 0.0:
        return Size(flat.size, 0.0, 0.0, 0.0)
    total = sum(part[0] / largest * part[1] for part in parts)
    square = sum((part[0] / largest) ** 2 * part[2] for part in parts)
    return Size(flat.size, largest, total, square)


@twin("sizes.sized")
def _parts(vector: Array) -> list[tuple[float, float, float]]:
    """Return, piece by piece, the largest magnitude and in its unit the sums of magnitudes and of squares."""
    magnitude = np.abs(vector)
    largest = float(magnitude.max())
    if largest == 0.0:
        return [(0.0, 0.0, 0.0)]
    magnitude /= largest
    return [(largest, float(magnitude.sum()), float(magnitude @ magnitude))]


@twin("sizes.small")
def small(vector: Array, limits: tuple[float, float]) -> tuple[int, int]:
    """Return how many entries are at most as large as each limit."""
    magnitude = np.abs(vector)
    counts = [int(np.count_nonzero(magnitude <= limit)) for limit in limits]
    return counts[0], counts[1]


def ratio(part: Size, whole: Size) -> float:
    """Return ||part|| / ||whole||: 0 if there is no part, inf if only the whole has vanished."""
    return 0.0 if part.log_norm == -math.inf else power(part.log_norm - whole.log_norm)


def power(decades: float) -> float:
    """Return 10 to a power, inf where that is too large."""
    return float(10.0**decades) if decades < 300 else math.inf
