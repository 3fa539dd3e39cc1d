"""How hard the material is strained: von Mises' stress cell by cell, relaxed where the density is low."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated, ClassVar

import annotated_types as at
import numpy as np

from topopt.cells import Indices
from topopt.chain import Pullback, Stage
from topopt.errors import InputError
from topopt.fem.element import shapes, strain_displacement
from topopt.fem.material import elasticity
from topopt.fem.structure import Structure
from topopt.meshes import Mesh
from topopt.parameters import Array
from topopt.regions import Region
from topopt.threads import BLOCK, pieces

__all__ = ["VonMises"]

PIECE = BLOCK // 4
"""Cells at a time: all in one go would take half a kilobyte each, and for every load case, in space."""


@dataclass(frozen=True)
class VonMises(Stage):
    """Relaxed von Mises stress at the cells' centres, ``rho**relax sigma(u)``.

    Input: displacements, shape (n_dofs, n_cases), and densities, shape (n_cells,). Output: shape
    (n_cells, n_cases), force per area. sigma is that of the full material under the cell's strain; with an
    exponent below that of the stiffness, void has no stress although it is strained, and the material of thin
    members has its own: the optimum with a hole is not cut off from that without (qp-relaxation).

    Parameters
    ----------
    structure : Structure
        Grid or mesh, material, cases.
    relax : float
        The exponent.
    apart_from : Region, optional
        Cells whose stress is not looked at, such as those under a point load, where it has no limit.

    References
    ----------
    Bruggi 2008, doi:10.1007/s00158-007-0203-6; Le et al. 2010, doi:10.1007/s00158-009-0440-y
    """

    takes: ClassVar[tuple[str, ...]] = ("displacements", "densities")
    gives: ClassVar[str] = "stresses"

    structure: Structure
    relax: Annotated[float, at.Gt(0), at.Le(1)] = 0.5
    apart_from: Region | None = None

    def __post_init__(self) -> None:
        """Refuse a region that leaves nothing to look at."""
        super().__post_init__()
        if not self._seen.any():
            raise InputError("VonMises.apart_from: it holds every cell; there is no stress left to look at")

    @functools.cached_property
    def _seen(self) -> Array:
        """1 for cells that are looked at, 0 for the others."""
        mesh = self.structure.mesh
        seen = np.ones(mesh.n_cells)
        if self.apart_from is not None:
            seen[mesh.cells_in(self.apart_from)] = 0.0
        return seen

    @functools.cached_property
    def _form(self) -> Array:
        """The square of the stress as a quadratic form of a cell's displacements, or of each cell's."""
        structure = self.structure
        ndim = structure.ndim
        law = elasticity(structure.material, ndim)
        mesh = structure.mesh
        if isinstance(mesh, Mesh):
            gradients = mesh.middle_gradients()
        else:
            gradients = shapes(np.full(ndim, 0.5), mesh.spacing)[1]
        stresses = np.moveaxis(law @ strain_displacement(gradients), -2, 0)
        normal = list(stresses[:ndim])
        if ndim == 2:
            across = structure.material.poisson if structure.material.plane == "strain" else 0.0
            normal.append(across * (stresses[0] + stresses[1]))
        pairs = ((0, 1), (1, 2), (2, 0))
        form = sum(0.5 * _square(normal[i] - normal[j]) for i, j in pairs)
        return np.asarray(form + 3.0 * sum(_square(shear) for shear in stresses[ndim:]))

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the stresses and their pullback."""
        displacements, density = inputs
        structure = self.structure
        wanted = (structure.n_dofs, len(structure.cases)), (structure.mesh.n_cells,)
        if (displacements.shape, density.shape) != wanted:
            raise InputError(
                f"VonMises: expected displacements of shape {wanted[0]} and densities of shape {wanted[1]}, "
                f"got {displacements.shape} and {density.shape}"
            )
        pure = np.empty((structure.mesh.n_cells, len(structure.cases)))
        for piece in pieces(len(pure), PIECE):
            _, gathered, strained = self._strained(displacements, piece)
            pure[piece] = np.sqrt(np.maximum(np.einsum("eic,eic->ec", gathered, strained), 0.0))
        pure *= self._seen[:, None]
        share = np.maximum(density, 0.0)[:, None] ** self.relax

        def pullback(v: Array) -> tuple[Array, Array]:
            factor = np.divide(v * share, pure, out=np.zeros_like(pure), where=pure > 0)
            back = np.zeros(displacements.shape[::-1])
            for piece in pieces(len(pure), PIECE):
                table, _, strained = self._strained(displacements, piece)
                for case, total in enumerate(back):
                    np.add.at(
                        total, table.ravel(), (strained[:, :, case] * factor[piece, case, None]).ravel()
                    )
            slope = self.relax * np.maximum(density, 1e-12) ** (self.relax - 1.0)
            return np.ascontiguousarray(back.T), (v * pure).sum(axis=1) * slope

        return share * pure, pullback

    def _strained(self, displacements: Array, at: slice) -> tuple[Indices, Array, Array]:
        """Return unknowns, displacements and their products with the form, of a range of cells."""
        table = self.structure.dofs_in(at)
        gathered = np.take(displacements, table, axis=0)
        if self._form.ndim == 2:
            return table, gathered, np.tensordot(gathered, self._form, (1, 0)).transpose(0, 2, 1)
        return table, gathered, self._form[at] @ gathered


def _square(rows: Array) -> Array:
    """Return the outer product of a row with itself, for each row in front."""
    return np.asarray(rows[..., :, None] * rows[..., None, :])
