"""The stiffness operator: moduli on a system, as a matrix for direct solvers or applied cell by cell."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from topopt.errors import InputError
from topopt.fem.assembly import System, each_times, pattern
from topopt.parameters import Array

__all__ = ["StiffnessOperator", "energies"]


@dataclass(frozen=True, eq=False)
class StiffnessOperator:
    """The stiffness K of a system at given moduli, springs included, on its free unknowns.

    Parameters
    ----------
    system : System
        A `Structure`, or anything with the same few properties.
    moduli : array, shape (n_cells,)
        Relative to the full material.
    """

    system: System
    moduli: Array

    def __post_init__(self) -> None:
        """Refuse moduli of the wrong shape."""
        expected = (self.system.n_cells,)
        if np.shape(self.moduli) != expected:
            raise InputError(
                f"moduli: expected one value per cell, shape {expected}, got {np.shape(self.moduli)}"
            )

    @functools.cached_property
    def matrix(self) -> sparse.csc_matrix:
        """Lower triangle on the free unknowns, shape (n_free, n_free), int32 indices, rows ascending."""
        return pattern(self.system).matrix(self.moduli)

    @property
    def full_matrix(self) -> sparse.csc_matrix:
        """Both triangles on the free unknowns, shape (n_free, n_free)."""
        strict = sparse.tril(self.matrix, -1, format="csc")
        return sparse.csc_matrix(self.matrix + strict.T)

    def apply(self, u: Array) -> Array:
        """Return K u without the matrix: gather, one small product, add.

        Parameters
        ----------
        u : array, shape (n_dofs,) or (n_dofs, k)
            Entries on fixed unknowns count as zero.

        Returns
        -------
        array
            Like `u`; zero on fixed unknowns.
        """
        columns = np.zeros((u.shape[0], u.size // u.shape[0]))
        columns[self.system.free] = u.reshape(columns.shape)[self.system.free]
        dofs = self.system.cell_dofs
        out = np.zeros_like(columns)
        targets = dofs.ravel()
        for column, result in zip(columns.T, out.T, strict=True):
            parts = each_times(column[dofs], self.system.element_matrix)
            parts *= self.moduli[:, None]
            total = np.bincount(targets, weights=parts.ravel(), minlength=self.system.n_dofs)
            total += self.system.springs * column
            result[self.system.free] = total[self.system.free]
        return out.reshape(u.shape)

    def diagonal(self) -> Array:
        """Return the diagonal of K, shape (n_dofs,); zero on fixed unknowns."""
        diagonals = np.diagonal(self.system.element_matrix, axis1=-2, axis2=-1)
        parts = self.moduli[:, None] * diagonals
        total = np.bincount(
            self.system.cell_dofs.ravel(), weights=parts.ravel(), minlength=self.system.n_dofs
        )
        out = np.zeros(self.system.n_dofs)
        out[self.system.free] = (total + self.system.springs)[self.system.free]
        return out


def energies(system: System, left: Array, right: Array) -> Array:
    """Return left_e^T k0 right_e for every cell, the derivative of left^T K right by its modulus.

    Parameters
    ----------
    system : System
        Cells and the element matrix k0.
    left, right : array, shape (n_dofs,)
        Displacements; the same array twice gives twice the strain energy of each cell at modulus 1.

    Returns
    -------
    array, shape (n_cells,)
    """
    dofs = system.cell_dofs
    gathered = left[dofs]
    other = gathered if right is left else right[dofs]
    per_cell: Array = np.einsum("ij,ij->i", each_times(gathered, system.element_matrix), other)
    return per_cell
