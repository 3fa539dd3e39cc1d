"""What spinning does to a structure: every part of it is pulled away from the axis."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from topopt.chain import Pullback, Stage
from topopt.errors import InputError
from topopt.fem.element import mass
from topopt.fem.structure import Structure
from topopt.meshes import Mesh
from topopt.parameters import Amount, Array, PositiveAmount

__all__ = ["Centrifugal"]

EXACT = 4
"""Order of the products of two shape functions and the volume of a cell with skew sides."""


@dataclass(frozen=True)
class Centrifugal(Stage):
    """Nodal forces of a turn at constant speed, ``integral of N density rho speed**2 r``, r from the axis.

    Input: densities, shape (n_cells,). Output: shape (n_dofs, n_cases), the same in every case; zero on fixed
    components. `Equilibrium` reads it beside the moduli, `TotalWork` beside the displacements; like weight,
    it wants a stiffness that does not fall faster than the mass (`Ramp`, or `Masses` before it).

    Parameters
    ----------
    structure : Structure
        Its grid, cases and supports.
    about : tuple of float
        A point on the axis.
    axis : str
        Along which it runs; in 2-D z, out of the plane.
    speed : float
        Circular, per time; a continuation may raise it.
    density : float
        Mass of the full material per volume, in 2-D per area and thickness.

    Raises
    ------
    InputError
        If the point or the axis does not fit the grid.

    References
    ----------
    Bruyneel and Duysinx 2005, doi:10.1007/s00158-004-0484-y (loads that the density makes)
    """

    linear: ClassVar[bool] = True
    gives: ClassVar[str] = "forces"

    structure: Structure
    about: tuple[float, ...]
    axis: str = "z"
    speed: Amount = 1.0
    density: PositiveAmount = 1.0

    def __post_init__(self) -> None:
        """Normalise the point and refuse what does not fit the cells."""
        super().__post_init__()
        mesh = self.structure.mesh
        about = tuple(float(value) for value in self.about)
        if len(about) != mesh.ndim or not all(map(math.isfinite, about)):
            raise InputError(f"Centrifugal.about: expected {mesh.ndim} finite numbers, got {about}")
        object.__setattr__(self, "about", about)
        known = mesh.axes if mesh.ndim == 3 else "z"
        if self.axis not in tuple(known):
            raise InputError(f"Centrifugal.axis: expected one of {', '.join(known)}, got '{self.axis}'")

    @functools.cached_property
    def _pull(self) -> tuple[Array, Array]:
        """Pull on each node of a full cell at unit speed, as two parts that add up.

        That of the cell's middle, and what nodes add by where they lie in the cell: of a grid, whose cells
        are equal, shapes (n_cells, 1, ndim) and (2**ndim, ndim); of a mesh (n_cells, corners, ndim) both.
        """
        mesh = self.structure.mesh
        across = np.array([name != self.axis for name in mesh.axes], dtype=np.float64)
        if isinstance(mesh, Mesh):
            return self._pull_of_mesh(mesh, across)
        grid = self.structure.grid
        weights = self.density * self.structure.thickness * mass(grid.spacing)
        corners = np.array(list(np.ndindex(*(2,) * grid.ndim))) - 0.5
        middles = (grid.centres - np.array(self.about)) * across
        return middles[:, None, :] * weights[0].sum(), weights @ (corners * grid.spacing * across)

    def _pull_of_mesh(self, mesh: Mesh, across: Array) -> tuple[Array, Array]:
        """Return the same for cells that are not alike; products of shape functions are exact."""
        cells = mesh.mapped(EXACT)
        weights = self.density * self.structure.thickness * cells.weights
        local = mesh.points[mesh.corners] - mesh.centres[:, None]
        # one node's shape function times the arm, which the shape functions interpolate
        moments = np.einsum("eq,qa,qb,ebk->eak", weights, cells.values, cells.values, local)
        masses = np.einsum("eq,qa->ea", weights, cells.values)
        middles = (mesh.centres - np.array(self.about)) * across
        return masses[:, :, None] * middles[:, None, :], moments * across

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the forces and their pullback."""
        (density,) = inputs
        structure, (middle, local) = self.structure, self._pull
        wanted = (structure.mesh.n_cells,)
        if density.shape != wanted:
            raise InputError(f"Centrifugal: expected an input of shape {wanted}, got {density.shape}")
        square, table, ndim = self.speed**2, structure.cell_dofs, structure.ndim
        parts = (square * density)[:, None, None] * (middle + local)
        forces = np.bincount(table.ravel(), parts.ravel(), structure.n_dofs)
        forces[structure.fixed] = 0.0

        def pullback(v: Array) -> tuple[Array]:
            along = np.where(structure.fixed, 0.0, v.sum(axis=1))[table].reshape(*table.shape[:1], -1, ndim)
            return (square * np.einsum("enk,enk->e", along, middle + local),)

        return np.repeat(forces[:, None], len(structure.cases), axis=1), pullback
