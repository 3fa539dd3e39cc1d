"""Under which multiple of its load a structure buckles."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated, ClassVar

import annotated_types as at
import numpy as np

from topopt.chain import Pullback, Stage
from topopt.errors import InputError
from topopt.fem.assembly import each_times
from topopt.fem.element import boxed, strain_displacement
from topopt.fem.material import elasticity
from topopt.fem.operator import StiffnessOperator
from topopt.fem.structure import Structure
from topopt.meshes import Mesh
from topopt.parameters import Array
from topopt.solvers import Solver, direct
from topopt.stages.eigenpairs import assembled, largest, quadratic, require_room
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
        Grid or mesh, supports, material, cases.
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
    takes: ClassVar[tuple[str, ...]] = ("moduli", "stressed", "displacements")

    structure: Structure
    count: Annotated[int, at.Ge(1)] = 6
    case: Annotated[int, at.Ge(0)] = 0
    solver: str | Solver = "auto"

    def __post_init__(self) -> None:
        """Refuse a case that is not there."""
        super().__post_init__()
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
        bent = each_times(displacements[table, self.case], np.swapaxes(tensor, -1, -2))
        n_cells, corners = structure.mesh.cell_nodes.shape
        one = -(stressed[:, None] * bent).reshape(n_cells, corners, corners)
        geometric = assembled(structure, np.einsum("enm,ab->enamb", one, np.eye(structure.ndim)))
        values, modes = largest(operator, solver, geometric, self.count, type(self).__name__)

        def pullback(v: Array) -> tuple[Array, Array, Array]:
            by_modulus, products = np.zeros(len(moduli)), np.zeros((n_cells, corners, corners))
            for weight, value, mode in zip(v, values, modes.T, strict=True):
                own = mode[table]
                by_modulus -= weight * value * quadratic(own, structure.element_matrix)
                by_node = own.reshape(n_cells, corners, structure.ndim)
                products -= weight * (by_node @ np.swapaxes(by_node, 1, 2))
            flat = products.reshape(bent.shape)
            pulled = stressed[:, None] * each_times(flat, tensor)
            back = np.zeros_like(displacements)
            back[:, self.case] = np.bincount(table.ravel(), pulled.ravel(), structure.n_dofs)
            return by_modulus, np.einsum("ep,ep->e", flat, bent), back

        return values, pullback

    @functools.cached_property
    def _tensor(self) -> Array:
        """G of a full cell, or of every cell of a mesh, for a unit of each of its displacements.

        Shape (corners**2, k) or (n_cells, corners**2, k): the integral of grad N_n . sigma grad N_m, which is
        the same for every component of a mode. The stress is taken at the points of the quadrature.
        """
        structure = self.structure
        mesh, ndim = structure.mesh, structure.ndim
        cells = mesh.mapped(1 if mesh.kind.constant else 3) if isinstance(mesh, Mesh) else boxed(mesh.spacing)
        law = elasticity(structure.material, ndim)
        pairs = [(0, 1), (0, 2), (1, 2)][: ndim * (ndim - 1) // 2]
        total: Array = np.zeros(())
        for gradients, weights in zip(np.moveaxis(cells.gradients, 1, 0), cells.weights.T, strict=True):
            voigt = law @ strain_displacement(gradients)
            stress = np.zeros((len(voigt), ndim, ndim, voigt.shape[-1]))
            for row, (i, j) in enumerate([*((axis, axis) for axis in range(ndim)), *pairs]):
                stress[:, i, j] = stress[:, j, i] = voigt[:, row]
            share = (structure.thickness * weights)[:, None, None] * gradients
            total = total + np.einsum("eni,eijk,emj->enmk", share, stress, gradients, optimize=True)
        flat = total.reshape(len(total), -1, total.shape[-1])
        return flat if isinstance(mesh, Mesh) else flat[0]
