"""Where a region lies: coordinates that are finite, and as many of them as the space has axes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from topopt.errors import InputError
from topopt.parameters import Array

__all__ = ["coordinates", "fitting", "require_radius"]


def coordinates(values: ArrayLike, what: str) -> tuple[float, ...]:
    """Return coordinates as a tuple of finite floats."""
    position = tuple(float(value) for value in np.atleast_1d(np.asarray(values, dtype=np.float64)))
    if len(position) not in (2, 3) or not all(math.isfinite(value) for value in position):
        raise InputError(f"{what}: expected 2 or 3 finite coordinates, got {values!r}")
    return position


def fitting(position: tuple[float, ...], size: tuple[float, ...], what: str) -> Array:
    """Return coordinates as an array, refusing the wrong number of them."""
    if len(position) != len(size):
        raise InputError(f"{what}: {len(position)} coordinates {position} on a {len(size)}-D grid")
    return np.array(position)


def require_radius(radius: float, what: str) -> None:
    """Refuse a radius that is not a positive finite number."""
    if not (math.isfinite(radius) and radius > 0):
        raise InputError(f"{what}: expected a positive radius, got {radius}")
