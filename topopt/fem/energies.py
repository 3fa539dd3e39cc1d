"""The energy of every cell of a structure: by a table of its unknowns, or compiled where there are many."""

from __future__ import annotations

from topopt.fem import operator
from topopt.fem.structure import Structure
from topopt.grid import Grid
from topopt.kernels import LONG
from topopt.parameters import Array

__all__ = ["energies"]


def energies(structure: Structure, left: Array, right: Array) -> Array:
    """Return left_e^T k0 right_e for every cell, the derivative of left^T K right by its modulus.

    Parameters
    ----------
    structure : Structure
        Cells and their element matrix k0.
    left, right : array, shape (n_dofs,)
        Displacements; the same array twice gives twice the strain energy of each cell at modulus 1.

    Returns
    -------
    array, shape (n_cells,)
    """
    grid = structure.mesh
    if not isinstance(grid, Grid) or grid.n_cells < LONG:
        return operator.energies(structure, left, right)
    from topopt.kernels import energies as compiled

    return compiled.energies(grid.cells, structure.element_matrix, left, right)
