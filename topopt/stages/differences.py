"""Differences of a field from cell to cell, and their transposes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from topopt.grid import Grid
from topopt.parameters import Array

__all__ = ["Difference", "gradient", "hessian"]


@dataclass(frozen=True)
class Difference:
    """One kind of difference, from cell to cell, without a length.

    Attributes
    ----------
    steps : tuple of (str, int)
        ``first`` or ``second`` difference and its axis, one step after the other.
    weight : float
        Of its square in a sum of squares.
    """

    steps: tuple[tuple[str, int], ...]
    weight: float = 1.0

    def __call__(self, field: Array) -> Array:
        """Return the differences of a field of shape ``cells``, of the same shape."""
        for name, axis in self.steps:
            field = _along(_WAYS[name][0], field, axis)
        return field

    def transposed(self, field: Array) -> Array:
        """Return the transpose of the differences, applied to a field of shape ``cells``."""
        for name, axis in reversed(self.steps):
            field = _along(_WAYS[name][1], field, axis)
        return field


def gradient(grid: Grid) -> tuple[Difference, ...]:
    """Return first differences (central, one-sided at the ends) along every axis of two cells or more."""
    return tuple(Difference((("first", axis),)) for axis, n in enumerate(grid.cells) if n > 1)


def hessian(grid: Grid, weight: float = 1.0) -> tuple[Difference, ...]:
    """Return second differences along every axis of three cells or more and across every two.

    Their squares, weighted, sum up to the squared Frobenius norm times `weight`: those across count twice.
    """
    straight = [Difference((("second", axis),), weight) for axis, n in enumerate(grid.cells) if n > 2]
    pairs = itertools.combinations([axis for axis, n in enumerate(grid.cells) if n > 1], 2)
    return (*straight, *(Difference((("first", a), ("first", b)), 2.0 * weight) for a, b in pairs))


def _first(a: Array, out: Array) -> None:
    """Write central differences along the leading axis, one-sided at its ends."""
    np.subtract(a[2:], a[:-2], out=out[1:-1])
    out[1:-1] *= 0.5
    np.subtract(a[1], a[0], out=out[0])
    np.subtract(a[-1], a[-2], out=out[-1])


def _first_transposed(a: Array, out: Array) -> None:
    """Write the transpose of `_first`."""
    half = 0.5 * a[1:-1]
    out[2:] = half
    out[:2] = 0.0
    out[:-2] -= half
    out[1] += a[0]
    out[0] -= a[0]
    out[-1] += a[-1]
    out[-2] -= a[-1]


def _second(a: Array, out: Array) -> None:
    """Write second differences along the leading axis; the ends repeat their neighbours."""
    inner = out[1:-1]
    np.add(a[2:], a[:-2], out=inner)
    inner -= 2.0 * a[1:-1]
    out[0], out[-1] = out[1], out[-2]


def _second_transposed(a: Array, out: Array) -> None:
    """Write the transpose of `_second`."""
    inner = a[1:-1].copy()
    inner[0] += a[0]
    inner[-1] += a[-1]
    out[2:] = inner
    out[:2] = 0.0
    out[:-2] += inner
    out[1:-1] -= 2.0 * inner


_WAYS: dict[str, tuple[Callable[[Array, Array], None], Callable[[Array, Array], None]]] = {
    "first": (_first, _first_transposed),
    "second": (_second, _second_transposed),
}


def _along(write: Callable[[Array, Array], None], field: Array, axis: int) -> Array:
    """Apply differences along one axis."""
    out = np.empty_like(field)
    write(np.moveaxis(field, axis, 0), np.moveaxis(out, axis, 0))
    return out
