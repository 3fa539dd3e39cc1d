"""The energy of every cell: by a table of its unknowns, or compiled where there are many."""

from __future__ import annotations

from topopt.fem import operator
from topopt.fem.assembly import System
from topopt.grid import Grid
from topopt.kernels import is_long
from topopt.parameters import Array

__all__ = ["energies"]


def energies(system: System, left: Array, right: Array) -> Array:
    """Return left_e^T k0 right_e for every cell, the derivative of left^T K right by its modulus.

    Parameters
    ----------
    system : System
        Cells and their element matrix k0.
    left, right : array, shape (n_dofs,)
        Displacements; the same array twice gives twice the strain energy of each cell at modulus 1.

    Returns
    -------
    array, shape (n_cells,)
    """
    mesh = system.mesh
    if not (isinstance(mesh, Grid) and is_long(mesh.n_cells)):
        return operator.energies(system, left, right)
    from topopt.kernels import energies as compiled

    return compiled.energies(mesh.cells, system.element_matrix, left, right)
