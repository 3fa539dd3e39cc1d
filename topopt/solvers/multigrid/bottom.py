"""The coarsest lattice, solved directly: a banded factor made in double precision, burnt at both ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.linalg import LinAlgError

from topopt.errors import SingularSystemError
from topopt.parameters import Array
from topopt.remembered import remembered
from topopt.solvers.matrixfree.lattice import Lattice, Vector
from topopt.solvers.multigrid.banded import added, coupled, factor_band, reduce, solve_both
from topopt.solvers.multigrid.moments import Moments, cell_matrices
from topopt.threads import Pass, each

__all__ = ["Bands", "Bottom", "bands_of", "bottom"]

WORTH = 10_000_000
"""Multiplications that are worth waking a thread."""


@dataclass(frozen=True, eq=False)
class Bands:
    """A symmetric operator whose planes across the longest axis couple with their neighbours only.

    The planes in front of the middle one are taken upwards and those behind it downwards, so that either end
    can be eliminated without the other; both go on into the middle plane, each in its own direction. Row j of
    a band holds the entries (j, j), (j + 1, j), ... of a lower triangle; what is beyond the last is not read.

    Attributes
    ----------
    ends : pair of arrays, shape (unknowns of the end and of the middle plane, width)
        The middle plane's own block is that of the operator in both.
    order : array
        Entry of a vector by row: front, middle, rear backwards.
    size : int
        Unknowns of a plane.
    """

    ends: tuple[Array, Array]
    order: NDArray[np.intp]
    size: int


@dataclass(frozen=True, eq=False)
class Bottom:
    """A factor of the coarsest operator.

    Attributes
    ----------
    bands : Bands
        Columns of the factor with one over its diagonal; the rows of the middle plane hold nothing.
    middle : array, shape (s, s)
        The same of what both ends leave of the middle plane.
    """

    bands: Bands
    middle: Array

    def solve(self, b: Vector, x: Vector) -> None:
        """Write the solution for `b` into `x`."""
        front, rear = self.bands.ends
        width, size = np.uintp(front.shape[1]), np.uintp(self.bands.size)
        solve_both(front.ravel(), rear.ravel(), self.middle.ravel(), self.bands.order, width, size, b, x)


@dataclass(frozen=True, eq=False)
class _End:
    """The numbering of one end and the middle plane, which comes last.

    Attributes
    ----------
    cells : tuple of slice
        Those of the end, and those that the middle plane has on its other side.
    order : array
        Entry of a vector by row.
    held : array of bool
        Which rows are fixed.
    targets : array
        Where the entries of the cells' matrices go in the band; behind it, if a fixed row or one of the other
        end is part of them.
    width : int
        Of the band.
    """

    cells: tuple[slice, ...]
    order: NDArray[np.intp]
    held: NDArray[np.bool_]
    targets: NDArray[np.intp]
    width: int


@dataclass(frozen=True, eq=False)
class _Numbering:
    """The numbering of both ends; `order` and `size` are those of `Bands`."""

    ends: tuple[_End, _End]
    order: NDArray[np.intp]
    size: int


@remembered(maxsize=8)
def _numbering(lattice: Lattice, meeting: int, fixed: NDArray[np.uintp]) -> _Numbering:
    """Return the numbering plane by plane, the longest axis slowest, which keeps the bands narrow."""
    axes = np.argsort([-n for n in lattice.box], kind="stable")
    nodes = np.arange(lattice.n).reshape(lattice.box).transpose(axes).ravel()
    order = (nodes[:, None] + np.arange(lattice.components) * lattice.n).ravel()
    size, last = len(order) // max(lattice.box), max(lattice.cells)
    first, behind = meeting * size, (meeting + 1) * size  # of the middle plane, and of the rear

    def end(cells: slice, own: NDArray[np.intp]) -> _End:
        window = [slice(0, n) for n in lattice.cells]
        window[axes[0]] = cells
        return _end(lattice, tuple(window), own, fixed)

    front = end(slice(0, min(meeting + 1, last)), order[:behind])
    rear = end(slice(meeting - 1, last), order[first:][::-1])
    return _Numbering((front, rear), np.append(order[:behind], order[behind:][::-1]), size)


def _end(
    lattice: Lattice, cells: tuple[slice, ...], order: NDArray[np.intp], fixed: NDArray[np.uintp]
) -> _End:
    """Return an end, numbered: where the matrices of its cells go in its band."""
    number = np.full((lattice.components, *lattice.box), len(order))
    number.reshape(-1)[order] = np.arange(len(order))
    corners = []
    for corner in np.ndindex(*(2,) * lattice.ndim):
        window = tuple(slice(c, c + n) for c, n in zip(corner, lattice.cells, strict=True))
        corners.append(number[(slice(None), *window)][(slice(None), *cells)].reshape(lattice.components, -1))
    dofs = np.concatenate(corners).T
    one, two = np.tril_indices(dofs.shape[1])
    row, column = np.maximum(dofs[:, one], dofs[:, two]), np.minimum(dofs[:, one], dofs[:, two])
    held = np.append(np.isin(order, fixed.astype(np.intp)), True)
    width = int((row - column)[row < len(order)].max()) + 1
    targets = np.where(held[row] | held[column], len(order) * width, column * width + row - column)
    return _End(cells, order, held[:-1], targets.ravel(), width)


def bands_of(element_matrix: Array, known: Moments, level: int, lattice: Lattice, fixed: NDArray[np.uintp],
             springs: Array, meeting: int | None = None) -> Bands:  # fmt: skip
    """Return the Galerkin operator of the coarsest lattice.

    Unknowns that are fixed, or that only void touches, have a one on the diagonal.

    Parameters
    ----------
    known : Moments
        On any finer level.
    meeting : int, optional
        The number of the middle plane; if left out, it lies half-way.
    """
    numbering = _numbering(lattice, max(lattice.box) // 2 if meeting is None else meeting, fixed)
    moments = known.coarser(level, lattice)

    def assembled(at: slice) -> Array:
        return _assembled(element_matrix, moments, numbering.ends[at.start], springs)

    front, rear = each(assembled, 2, _both(len(numbering.order), numbering.ends[0].width))
    return Bands((front, rear), numbering.order, numbering.size)


def _both(unknowns: int, width: int) -> Pass:
    """Return the pass over the two ends: at once, where that is worth waking a thread."""
    return Pass(1, 2 if unknowns * width**2 < WORTH else 0)


def _assembled(element_matrix: Array, moments: Moments, end: _End, springs: Array) -> Array:
    """Return the band of one end."""
    matrices = cell_matrices(element_matrix, moments, end.cells)
    entries = np.zeros(len(end.order) * end.width + 1)
    added(end.targets, matrices.ravel(), entries)
    band = entries[:-1].reshape(-1, end.width)
    if len(springs):
        band[:, 0] += springs[end.order]
    band[end.held | (band[:, 0] <= 0.0), 0] = 1.0
    return band


def bottom(element_matrix: Array, known: Moments, level: int, lattice: Lattice, fixed: NDArray[np.uintp],
           springs: Array, dtype: DTypeLike) -> Bottom:  # fmt: skip
    """Factor the Galerkin operator of the coarsest lattice, both ends at once where two threads may.

    Parameters
    ----------
    dtype : float32 or float64
        In which the factor is kept; it is computed in double precision.

    Raises
    ------
    SingularSystemError
        If it is not positive definite: some body can move, or the moduli differ beyond rounding.

    Source: van der Vorst 1987, doi:10.1016/0167-8191(87)90040-0 (elimination from both ends).
    """
    bands = bands_of(element_matrix, known, level, lattice, fixed, springs)
    order, size, width = bands.order, bands.size, bands.ends[0].shape[1]
    middle = bands.ends[0][-size:, :size].copy()

    def eliminated(at: slice) -> tuple[Array, Array]:
        return _eliminated(bands.ends[at.start], size, dtype)

    try:
        (front, ahead), (rear, behind) = each(eliminated, 2, _both(len(order), width))
        reduce(middle, ahead, behind)
        factor_band(middle)
    except LinAlgError as error:
        raise SingularSystemError(
            f"multigrid: the operator of the coarsest grid is not positive definite ({error})"
        ) from error
    return Bottom(Bands((front, rear), order, size), _kept(middle, dtype))


def _eliminated(band: Array, size: int, dtype: DTypeLike) -> tuple[Array, Array]:
    """Factor a band in place; return what is kept, and what the middle plane loses."""
    factor_band(band)
    rows = np.zeros((size, size))
    coupled(band, rows)
    return _kept(band, dtype), np.asarray(rows @ rows.T)


def _kept(factor: Array, dtype: DTypeLike) -> Array:
    """Return a factor as `Bottom` wants it.

    In single precision a solve reads half as much; what it solves with is still a square, hence positive.
    """
    np.divide(1.0, factor[:, 0], out=factor[:, 0])
    return np.asarray(factor, dtype)
