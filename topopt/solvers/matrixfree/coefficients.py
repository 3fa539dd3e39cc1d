"""The numbers that the sweeps over cells multiply with, taken out of an element matrix."""

from __future__ import annotations

import numpy as np

from topopt.errors import InputError
from topopt.parameters import Array
from topopt.remembered import remembered
from topopt.solvers.matrixfree.sweep import BRICK, SCALAR_2D, SCALAR_3D, SQUARE
from topopt.solvers.matrixfree.walsh import blocks

__all__ = ["coefficients", "kind_of"]

# (class, row, column) of every number that `cells_h8` and `cells_q4` read, in their order.
_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
_H8 = (
    *((0, *pair) for pair in _PAIRS),
    *((6, *pair) for pair in ((0, 0), (0, 1), (1, 1), (2, 2))),
    *((5, *pair) for pair in ((0, 0), (0, 2), (2, 2), (1, 1))),
    *((3, *pair) for pair in ((1, 1), (1, 2), (2, 2), (0, 0))),
    *((4, *pair) for pair in ((1, 1), (1, 2), (2, 2))),
    *((2, *pair) for pair in ((0, 0), (0, 2), (2, 2))),
    *((1, *pair) for pair in ((0, 0), (0, 1), (1, 1))),
    *((7, *pair) for pair in _PAIRS),
)
_Q4 = ((0, 0, 0), (0, 0, 1), (0, 1, 1), (3, 0, 0), (3, 0, 1), (3, 1, 1), (1, 0, 0), (2, 1, 1))


def kind_of(ndim: int, components: int) -> int:
    """Return the kind of cell for a dimension and a number of unknowns per node."""
    return {(3, 3): BRICK, (2, 2): SQUARE, (3, 1): SCALAR_3D, (2, 1): SCALAR_2D}[ndim, components]


@remembered(maxsize=8)
def coefficients(element_matrix: Array, ndim: int) -> Array:
    """Return the numbers that the cells' kernel reads, in its order, read-only.

    Raises
    ------
    InputError
        If the element matrix holds more than these.
    """
    found = blocks(element_matrix, ndim)
    if found.shape[1] == 1:
        return _frozen(found[:, 0, 0])
    places = np.array(_H8 if ndim == 3 else _Q4)
    rest = found.copy()
    rest[places[:, 0], places[:, 1], places[:, 2]] = 0.0
    rest[places[:, 0], places[:, 2], places[:, 1]] = 0.0
    if np.abs(rest).max() > 1e-12 * np.abs(found).max():
        raise InputError(
            "the element matrix resists translations or couples modes that an isotropic material does not; "
            "take the solver 'cholmod'"
        )
    return _frozen(found[places[:, 0], places[:, 1], places[:, 2]])


def _frozen(array: Array) -> Array:
    """Return an array that everybody may have."""
    array.flags.writeable = False
    return array
