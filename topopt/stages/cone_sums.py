"""Sums over the neighbours of every cell, weighted by a cone: by stencil or transform, the quicker one."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from topopt.grid import Grid
from topopt.kernels import is_long
from topopt.parameters import Array, frozen, is_frozen
from topopt.stages.averaged import silencer
from topopt.threads import BLOCK, CHAIN, Pass, each, pieces

if TYPE_CHECKING:
    from topopt.kernels.stencil import Stencil

__all__ = ["cone_sum"]

_LOADS = 400
"""Numbers that a stencil may load for a cell; transforms are quicker than more, see `Stencil.loads`.

Measured on two threads: at 128x64x64 cells 219 loads took 0.5 of the transforms' time, 487 as long as they;
at 2400x800 cells 286 took 0.7 of it, 827 took 1.7. On one thread they are even at 330.
"""
_COLUMNS = 4 * BLOCK
"""Entries of the columns that are transformed together: a megabyte, which fits into a core's cache."""


def cone_sum(grid: Grid, radius: float, field: Array) -> Array:
    """Return the sum over neighbours, weighted by the cone, for every cell; noise of the transform is 0.

    Of a read-only field it may give a read-only array; of another, a fresh one. The last sum of a long field
    that is read-only is kept: OC rechecks the volume of the design that is evaluated next.
    """
    if not is_long(field.size) or not is_frozen(field):
        return _summed(grid, radius, field)
    kept = _last(grid, radius)
    for known, sums in kept:
        if known is field or _same(known, field):
            return sums
    sums = frozen(_summed(grid, radius, field))
    kept[:] = [(field, sums)]
    return sums


@functools.lru_cache(maxsize=2)
def _last(grid: Grid, radius: float) -> list[tuple[Array, Array]]:
    """Return the last field that was summed and its sums, in a list that is empty at first."""
    return []


def _same(one: Array, other: Array) -> bool:
    """Return whether two fields are equal."""
    return all(bool((one[at] == other[at]).all()) for at in pieces(one.size))


def _summed(grid: Grid, radius: float, field: Array) -> Array:
    """Sum over neighbours.

    Rows are transformed along the last axis without the padding of the others, which only ever exists for the
    few columns that are transformed, weighted and transformed back while they are in the cache.
    """
    if is_long(field.size) and (stencil := _stencil(grid, radius)) is not None:
        return stencil.summed(field)
    lengths, spectrum, weights = _spectrum(grid, radius)
    width = grid.cells[-1]
    rows, sums = field.reshape(-1, width), np.empty(field.size)
    silenced = silencer(field, weights)
    if field.size <= CHAIN.alone:  # fits into the cache as it is; in pieces it takes up to twice the time
        part = _weighed(fft.rfft(rows, lengths[-1]).reshape(*grid.cells[:-1], -1), lengths, spectrum)
        sums.reshape(grid.cells)[...] = fft.irfft(part, lengths[-1], overwrite_x=True)[..., :width]
        silenced(sums)
        return sums
    columns = np.empty((*grid.cells[:-1], spectrum.shape[-1]), dtype=np.complex128)
    transformed = columns.reshape(len(rows), -1)

    def forth(at: slice) -> None:
        transformed[at] = fft.rfft(rows[at], lengths[-1])

    def weigh(at: slice) -> None:
        columns[..., at] = _weighed(columns[..., at], lengths, spectrum[..., at])

    def back(at: slice) -> None:
        part = sums[at.start * width : at.stop * width]
        part.reshape(-1, width)[...] = fft.irfft(transformed[at], lengths[-1], overwrite_x=True)[:, :width]
        silenced(part)

    some = Pass(max(1, CHAIN.size // lengths[-1]), 0)
    each(forth, len(rows), some)
    few = max(1, min(_COLUMNS // math.prod(lengths[:-1]), -(-spectrum.shape[-1] // 4)))
    each(weigh, spectrum.shape[-1], Pass(few, 0))
    each(back, len(rows), some)
    return sums


def _weighed(part: NDArray[np.complex128], lengths: tuple[int, ...], spectrum: Array) -> Any:
    """Return columns transformed along all axes but the last, padded, weighted, and transformed back."""
    window = tuple(slice(0, n) for n in part.shape[:-1])
    for axis in reversed(range(part.ndim - 1)):
        part = fft.fft(part, lengths[axis], axis=axis)
    part *= spectrum
    for axis in range(part.ndim - 1):
        part = fft.ifft(part, axis=axis, overwrite_x=True)[window[: axis + 1]]
    return part


@functools.lru_cache(maxsize=8)
def _stencil(grid: Grid, radius: float) -> Stencil | None:
    """Return the cone as a stencil if its sums are quicker than transforms, which do not mind the radius."""
    from topopt.kernels.stencil import Stencil

    reaches = [min(int(radius / edge), n - 1) for edge, n in zip(grid.spacing, grid.cells, strict=True)]
    steps = [np.arange(reach + 1.0) for reach in reaches]
    stencil = Stencil.of(grid.cells, _cone(grid, radius, steps))
    return stencil if stencil.loads <= _LOADS else None


@functools.lru_cache(maxsize=8)
def _spectrum(grid: Grid, radius: float) -> tuple[tuple[int, ...], Array, float]:
    """Return the padded lengths, the transform of the cone (real, because it is even) and the cone's norm."""
    lengths, distances = [], []
    for axis, (n, edge) in enumerate(zip(grid.cells, grid.spacing, strict=True)):
        reach = min(int(radius / edge), n - 1)
        # a cone that wraps around by `reach` cells must fall into padding
        length = fft.next_fast_len(n + reach, real=axis == grid.ndim - 1)
        steps = np.arange(length)
        steps = np.minimum(steps, length - steps)
        distances.append(np.where(steps <= reach, steps, np.inf))
        lengths.append(length)
    cone = _cone(grid, radius, distances)
    return tuple(lengths), frozen(fft.rfftn(cone).real.copy()), float(np.linalg.norm(cone))


def _cone(grid: Grid, radius: float, steps: Sequence[Array]) -> Array:
    """Return the weights at distances that are given in cells, axis by axis."""
    squares = [(step * edge) ** 2 for step, edge in zip(steps, grid.spacing, strict=True)]
    return np.asarray(np.maximum(0.0, radius - np.sqrt(functools.reduce(np.add.outer, squares))))
