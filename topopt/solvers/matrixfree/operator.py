"""The stiffness operator without its matrix, on a structured grid, in single or double precision."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from topopt.errors import InputError
from topopt.fem.assembly import System
from topopt.grid import Grid, structured
from topopt.parameters import Array
from topopt.solvers.matrixfree.coefficients import coefficients, kind_of
from topopt.solvers.matrixfree.compiled import slabs
from topopt.solvers.matrixfree.lattice import Lattice, Vector
from topopt.solvers.matrixfree.sweep import APPLY, sweep

__all__ = ["MatrixFree", "fixed_dofs", "lattice_of", "on_grid"]


def on_grid(system: System) -> bool:
    """Return whether a system has all cells of a grid, with its unknowns numbered node by node."""
    mesh = system.mesh
    whole = isinstance(mesh, Grid) and system.n_cells == mesh.n_cells
    return whole and system.n_dofs in (mesh.n_nodes, mesh.n_nodes * mesh.ndim)


def lattice_of(system: System) -> Lattice:
    """Return the finest lattice of a system.

    Raises
    ------
    InputError
        If the system does not live on a grid.
    """
    if not on_grid(system):
        raise InputError(
            f"a matrix-free operator needs a structured grid with its unknowns on all nodes, got "
            f"{type(system).__name__}; take the solver 'cholmod' or 'superlu'"
        )
    grid = structured(system.mesh)
    return Lattice(grid.cells, system.n_dofs // grid.n_nodes)


@functools.lru_cache(maxsize=4)
def fixed_dofs(system: System) -> NDArray[np.intp]:
    """Return the unknowns that are fixed, ascending and read-only."""
    fixed = np.ones(system.n_dofs, dtype=bool)
    fixed[system.free] = False
    numbers = np.flatnonzero(fixed)
    numbers.flags.writeable = False
    return numbers


@functools.lru_cache(maxsize=4)
def _fixed_entries(system: System) -> NDArray[np.uintp]:
    """Return where fixed unknowns stand in a vector of the finest lattice."""
    return lattice_of(system).numbers(fixed_dofs(system))


@functools.lru_cache(maxsize=4)
def _sprung(system: System) -> bool:
    """Return whether there is a spring."""
    return bool(system.springs.any())


@dataclass(frozen=True, eq=False)
class MatrixFree:
    """K u on a lattice.

    Attributes
    ----------
    lattice : Lattice
        How vectors lie in memory.
    kind : int
        Of the cells, see `topopt.solvers.matrixfree.sweep`.
    moduli, springs, inverse : vector
        By cell; constant diagonal or empty; one over the diagonal, zero where nothing can move.
    coefficients : array
        In the precision of the arithmetic.
    fixed : array of uintp
        Entries held at zero.
    """

    lattice: Lattice
    kind: int
    moduli: Vector
    springs: Vector
    inverse: Vector
    coefficients: Vector
    fixed: NDArray[np.uintp]

    @staticmethod
    def of(system: System, moduli: Array, dtype: DTypeLike = np.float64, scale: float = 1.0,
           spring: float = 1.0) -> MatrixFree:  # fmt: skip
        """Return the operator at given moduli, without `inverse`; element matrix and springs are scaled.

        Raises
        ------
        InputError
            If the system is not on a grid, or its element matrix is not that of an isotropic material.
        """
        lattice = lattice_of(system)
        values = coefficients(system.element_matrix, system.ndim) * scale
        springs = np.zeros(0, dtype)
        if _sprung(system):
            springs = lattice.vector(dtype)
            lattice.load(springs, system.springs * spring)
        return MatrixFree(
            lattice,
            kind_of(system.ndim, lattice.components),
            lattice.spread(moduli, dtype),
            springs,
            np.zeros(0, dtype),
            values.astype(dtype),
            _fixed_entries(system),
        )

    def run(self, job: int, u: Vector, y: Vector, b: Vector | None = None, z: Vector | None = None,
            a: float = 0.0, c: float = 0.0) -> float:  # fmt: skip
        """Do one of the jobs of `sweep`; return its sum."""
        nothing, number, components, sizes = self._settings
        return float(
            sweep(self.kind, components, u, y, nothing if b is None else b, nothing if z is None else z,
                  self.inverse, self.springs, self.fixed, self.moduli, self.coefficients, *sizes, job,
                  number(a), number(c), slabs())
        )  # fmt: skip

    @functools.cached_property
    def _settings(self) -> tuple[Vector, Any, np.uintp, tuple[np.uintp, np.uintp, np.uintp]]:
        """Return what a call needs beside its vectors; no closure over self, which would outlive its use."""
        nothing = np.zeros(0, self.moduli.dtype)
        components = np.uintp(self.lattice.components)
        return nothing, self.coefficients.dtype.type, components, self.lattice.sizes

    def apply(self, unknowns: Array) -> Array:
        """Return K u on all unknowns; entries on fixed ones count as zero, and are zero.

        Parameters
        ----------
        unknowns : array, shape (n_dofs,) or (n_dofs, k)
            Numbered node by node.
        """
        columns = unknowns.reshape(len(unknowns), -1)
        out = np.empty(columns.shape)
        u, y = (self.lattice.vector(self.moduli.dtype) for _ in range(2))
        for column, result in zip(columns.T, out.T, strict=True):
            self.lattice.load(u, column)
            u[self.fixed] = 0
            self.run(APPLY, u, y)
            result[:] = self.lattice.unload(y)
        return out.reshape(unknowns.shape)
