"""Under which multiple of its load a structure buckles."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated, ClassVar

import annotated_types as at
import numpy as np

from topopt.chain import Pullback, Stage
from topopt.errors import InputError
from topopt.fem.element import gauss, shapes, strain_displacement
from topopt.fem.material import elasticity
from topopt.fem.operator import StiffnessOperator
from topopt.fem.structure import Structure
from topopt.grid import structured
from topopt.parameters import Array
from topopt.solvers import Solver
from topopt.stages.eigenpairs import assembled, direct, largest, quadratic, require_room
from topopt.stages.states import chosen, require_shapes

__all__ = ["BucklingFactors"]


@dataclass(frozen=True)
class BucklingFactors(Stage):
    """The largest inverse load factors mu of -G(u) phi = mu K phi: it buckles at 1 / mu times its load.

    Input: moduli, shape (n_cells,), further moduli that the stress is computed with (the same, or a softer
    law that keeps void from buckling by itself), and displacements, shape (n_dofs, n_cases). Output: shape
    (count,), descending; mu <= 1 says that the load is carried. G is linear in moduli and displacements, so
    that the equilibrium's own pullback does the adjoint.

    Parameters
    ----------
    structure : Structure
        Grid, supports, material, cases.
    count : int
        How many.
    case : int
        Number of the load case.
    solver : str or Solver
        As in `Frequencies`.

    References
    ----------
    Neves, Rodrigues and Guedes 1995, doi:10.1007/BF01743533; Ferrari and Sigmund 2019,
    doi:10.1007/s00158-019-02253-3
    """

    costly: ClassVar[bool] = True

    structure: Structure
    count: Annotated[int, at.Ge(1)] = 6
    case: Annotated[int, at.Ge(0)] = 0
    solver: str | Solver = "auto"

    def __post_init__(self) -> None:
        """Refuse a case that is not there, and a mesh."""
        super().__post_init__()
        structured(self.structure.mesh, "BucklingFactors", "take a grid")
        if self.case >= len(self.structure.cases):
            raise InputError(
                f"BucklingFactors.case: {self.case}, but the structure has {len(self.structure.cases)}"
            )

    def rehearsed(self, *inputs: Array) -> Array:
        """Return as many numbers."""
        moduli, stressed, displacements = inputs
        structure = self.structure
        cells, state = (structure.mesh.n_cells,), (structure.n_dofs, len(structure.cases))
        require_shapes(
            self,
            ("moduli", moduli, cells),
            ("stressed moduli", stressed, cells),
            ("displacements", displacements, state),
        )
        require_room(self, structure, self.count)
        return np.arange(self.count, 0.0, -1.0)

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the inverse load factors and their pullback."""
        moduli, stressed, displacements = inputs
        structure = self.structure
        require_room(self, structure, self.count)
        operator, solver = StiffnessOperator(structure, moduli), chosen(structure, direct(self.solver))
        table, tensor = structure.cell_dofs, self._tensor
        moved = displacements[table, self.case]
        bent = moved @ tensor.T  # G of every cell at its own displacements, flat
        geometric = assembled(structure, -stressed[:, None] * bent)
        values, modes = largest(operator, solver, geometric, self.count, type(self).__name__)

        def pullback(v: Array) -> tuple[Array, Array, Array]:
            by_modulus, products = np.zeros(len(moduli)), np.zeros_like(bent)
            for weight, value, mode in zip(v, values, modes.T, strict=True):
                own = mode[table]
                by_modulus -= weight * value * quadratic(own, structure.element_matrix)
                products -= ((weight * own)[:, :, None] * own[:, None, :]).reshape(bent.shape)
            by_stressed = np.einsum("ep,ep->e", products, bent)
            pulled = stressed[:, None] * (products @ tensor)
            back = np.zeros_like(displacements)
            back[:, self.case] = np.bincount(table.ravel(), pulled.ravel(), structure.n_dofs)
            return by_modulus, by_stressed, back

        return values, pullback

    @functools.cached_property
    def _tensor(self) -> Array:
        """G of a full cell, flat, for a unit of each of its displacements, shape (k * k, k)."""
        structure = self.structure
        grid, ndim = structure.grid, structure.ndim
        law = elasticity(structure.material, ndim)
        pairs = [(0, 1), (0, 2), (1, 2)] if ndim == 3 else [(0, 1)]
        k = ndim * 2**ndim
        total = np.zeros((k, k, k))
        for point, weight in gauss(grid.spacing):
            gradients = shapes(point, grid.spacing)[1]
            stresses = law @ strain_displacement(gradients)
            tensor = np.zeros((ndim, ndim, k))
            for axis in range(ndim):
                tensor[axis, axis] = stresses[axis]
            for row, (i, j) in enumerate(pairs, start=ndim):
                tensor[i, j] = tensor[j, i] = stresses[row]
            scalar = np.einsum("ni,ijk,mj->nmk", gradients, tensor, gradients)
            share = weight * structure.thickness
            total += share * np.einsum("nmk,ab->nambk", scalar, np.eye(ndim)).reshape(k, k, k)
        return total.reshape(k * k, k)
