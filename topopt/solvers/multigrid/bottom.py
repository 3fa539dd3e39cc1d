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
from topopt.solvers.multigrid.banded import added, coupled, factor_band, mirror, reduce, solve_both
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
    """

    ends: tuple[Array, Array]
    order: NDArray[np.intp]

    @property
    def size(self) -> int:
        """Unknowns of a plane."""
        return len(self.ends[0]) + len(self.ends[1]) - len(self.order)


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
        width, size = np.uintp(front.shape[1]), np.uintp(len(self.middle))
        solve_both(front.ravel(), rear.ravel(), self.middle.ravel(), self.bands.order, width, size, b, x)


@dataclass(frozen=True, eq=False)
class _Places:
    """Where the entries of the cells' matrices go in two bands that lie one behind the other."""

    front: int
    size: int
    width: int
    order: NDArray[np.intp]
    held: NDArray[np.bool_]
    targets: NDArray[np.intp]


@remembered(maxsize=8)
def _places(lattice: Lattice, meeting: int, fixed: NDArray[np.uintp]) -> _Places:
    """Return the numbering plane by plane, the longest axis slowest, which keeps the bands narrow.

    Entries of fixed unknowns go to a place behind all others.
    """
    axes = np.argsort([-n for n in lattice.box], kind="stable")
    nodes = np.arange(lattice.n).reshape(lattice.box).transpose(axes).ravel()
    order = (nodes[:, None] + np.arange(lattice.components) * lattice.n).ravel()
    planes = max(lattice.box)
    size = len(order) // planes
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    by_place = number.reshape(lattice.components, *lattice.box)
    corners = []
    for corner in np.ndindex(*(2,) * lattice.ndim):
        window = tuple(slice(c, c + n) for c, n in zip(corner, lattice.cells, strict=True))
        corners.append(by_place[(slice(None), *window)].reshape(lattice.components, -1))
    dofs = np.concatenate(corners).T
    one, two = np.tril_indices(dofs.shape[1])
    row, column = np.maximum(dofs[:, one], dofs[:, two]), np.minimum(dofs[:, one], dofs[:, two])
    width = int((row - column).max()) + 1
    front = (meeting + 1) * size
    # behind the middle plane it is the larger number of two that is eliminated first
    line = np.where(row < front, column, front + len(order) - 1 - row)
    targets = line * width + row - column
    held = np.isin(order, fixed.astype(np.intp))
    targets[held[row] | held[column]] = (len(order) + size) * width
    turned = np.concatenate([np.arange(front), np.arange(len(order) - 1, front - 1, -1)])
    return _Places(front, size, width, order[turned], held[turned], targets.ravel())


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
    planes = max(lattice.box)
    places = _places(lattice, planes // 2 if meeting is None else meeting, fixed)
    matrices = cell_matrices(element_matrix, known, level, lattice)
    rows = np.zeros((len(places.order) + places.size + 1, places.width))
    added(places.targets, matrices.ravel(), rows.ravel())
    own = rows[: len(places.order)]
    if len(springs):
        own[:, 0] += springs[places.order]
    own[places.held | (own[:, 0] <= 0.0), 0] = 1.0
    front, rear = rows[: places.front], rows[places.front : -1]
    mirror(front[-places.size :], rear[-places.size :])
    return Bands((front, rear), places.order)


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
    middle = bands.ends[0][-bands.size :, : bands.size].copy()
    try:
        products = len(bands.order) * bands.ends[0].shape[1] ** 2
        alone = 2 if products < WORTH else 0
        both = each(lambda at: _eliminated(bands.ends[at.start], bands.size, dtype), 2, Pass(1, alone))
        (front, ahead), (rear, behind) = both
        reduce(middle, ahead, behind)
        factor_band(middle)
    except LinAlgError as error:
        raise SingularSystemError(
            f"multigrid: the operator of the coarsest grid is not positive definite ({error})"
        ) from error
    return Bottom(Bands((front, rear), bands.order), _kept(middle, dtype))


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
