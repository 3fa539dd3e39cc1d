"""What warmth does to a structure: forces of the material that would expand and may not."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from topopt.chain import Pullback, Stage
from topopt.errors import InputError
from topopt.fem.assembly import each_times
from topopt.fem.element import boxed, strain_displacement
from topopt.fem.material import elasticity
from topopt.fem.structure import Structure
from topopt.meshes import Mesh
from topopt.parameters import Array, Finite

__all__ = ["ThermalLoad"]


@dataclass(frozen=True)
class ThermalLoad(Stage):
    """Nodal forces of expansion, ``integral of B . D alpha T``, the same in every load case.

    Input: temperatures, shape (n_nodes, 1), counted from where nothing is strained, and moduli relative to
    the full material, shape (n_cells,). Output: forces, shape (n_dofs, n_cases), zero on fixed components;
    `Equilibrium` reads them beside the moduli, `TotalWork` beside the displacements.

    Parameters
    ----------
    structure : Structure
        Cells, material, cases.
    expansion : float
        Coefficient of linear expansion, per degree.

    References
    ----------
    Rodrigues and Fernandes 1995, doi:10.1002/nme.1620381202; Gao and Zhang 2010,
    doi:10.1007/s00158-010-0527-5
    """

    takes: ClassVar[tuple[str, ...]] = ("temperatures", "moduli")
    gives: ClassVar[str] = "forces"

    structure: Structure
    expansion: Finite = 1.0

    @functools.cached_property
    def _element(self) -> Array:
        """Forces of a full cell for a degree at each of its nodes, (nodes, k), or of every cell of a mesh."""
        structure = self.structure
        mesh, ndim = structure.mesh, structure.ndim
        strain = np.zeros(ndim * (ndim + 1) // 2)
        across = structure.material.poisson if ndim == 2 and structure.material.plane == "strain" else 0.0
        strain[:ndim] = (1.0 + across) * self.expansion
        stress = elasticity(structure.material, ndim) @ strain
        cells = mesh.mapped(2) if isinstance(mesh, Mesh) else boxed(mesh.spacing)
        pushes = stress @ strain_displacement(cells.gradients)
        total = np.einsum("nq,qi,nqk->nik", structure.thickness * cells.weights, cells.values, pushes)
        return np.asarray(total if isinstance(mesh, Mesh) else total[0])

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the forces and their pullback."""
        temperatures, moduli = inputs
        structure = self.structure
        mesh, element = structure.mesh, self._element
        wanted = (mesh.n_nodes, 1), (mesh.n_cells,)
        if (temperatures.shape, moduli.shape) != wanted:
            raise InputError(
                f"ThermalLoad: expected temperatures of shape {wanted[0]} and moduli of shape {wanted[1]}, "
                f"got {temperatures.shape} and {moduli.shape}"
            )
        pushed = each_times(temperatures[mesh.cell_nodes, 0], element)
        parts = moduli[:, None] * pushed
        forces = np.bincount(structure.cell_dofs.ravel(), parts.ravel(), structure.n_dofs)
        held = structure.fixed
        forces[held] = 0.0

        def pullback(v: Array) -> tuple[Array, Array]:
            along = np.where(held, 0.0, v.sum(axis=1))[structure.cell_dofs]
            heat = moduli[:, None] * each_times(along, np.swapaxes(element, -1, -2))
            back = np.zeros(temperatures.shape)
            back[:, 0] = np.bincount(mesh.cell_nodes.ravel(), heat.ravel(), mesh.n_nodes)
            return back, np.asarray(np.einsum("ek,ek->e", along, pushed), dtype=np.float64)

        return np.repeat(forces[:, None], len(structure.cases), axis=1), pullback
