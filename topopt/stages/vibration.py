"""How far a structure swings where it is shaken at one frequency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from topopt.chain import Pullback, Stage
from topopt.errors import SingularSystemError
from topopt.fem.assembly import each_times
from topopt.fem.operator import StiffnessOperator
from topopt.fem.structure import Structure
from topopt.parameters import Amount, Array, PositiveAmount
from topopt.stages.eigenpairs import assembled
from topopt.stages.modes import inertia
from topopt.stages.states import require_shapes

__all__ = ["DynamicCompliance"]


@dataclass(frozen=True)
class DynamicCompliance(Stage):
    """``|f . u|`` of the steady swing ``((1 + i loss) K - omega**2 M) u = f``, summed over the cases.

    Input: moduli and masses, shape (n_cells,) each, relative to the full material. Output: shape (), force
    times length; the static compliance at omega = 0. The system is symmetric, complex and factored by
    SuperLU; u is its own adjoint, so that nothing more is solved.

    Parameters
    ----------
    structure : Structure
        Grid, supports, loads, material.
    omega : float
        Circular frequency of the loads; a continuation may raise it.
    loss : float
        Loss factor of the material, which keeps resonances finite.
    density : float
        Mass of the full material per volume, in 2-D per area and thickness.

    Raises
    ------
    SingularSystemError
        At a resonance without loss.

    References
    ----------
    Ma, Kikuchi and Hagiwara 1993, doi:10.1007/BF00350262; Olhoff and Du 2016, doi:10.1007/s00158-016-1574-3
    """

    costly: ClassVar[bool] = True
    takes: ClassVar[tuple[str, ...]] = ("moduli", "masses")

    structure: Structure
    omega: Amount = 1.0
    loss: Amount = 0.02
    density: PositiveAmount = 1.0

    def rehearsed(self, *inputs: Array) -> Array:
        """Return a number."""
        moduli, masses = inputs
        cells = (self.structure.mesh.n_cells,)
        require_shapes(self, ("moduli", moduli, cells), ("masses", masses, cells))
        return np.ones(())

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the dynamic compliance and its pullback."""
        moduli, masses = inputs
        structure = self.structure
        free, body = structure.free, inertia(structure, self.density)
        stiffness = (1.0 + 1j * self.loss) * StiffnessOperator(structure, moduli).full_matrix
        weights = assembled(structure, masses[:, None, None] * body)
        try:
            factor = linalg.splu(
                sparse.csc_matrix(stiffness - self.omega**2 * weights), permc_spec="MMD_AT_PLUS_A"
            )
        except RuntimeError as error:
            raise SingularSystemError(
                f"DynamicCompliance: omega = {self.omega:g} is a resonance, and there is no loss: {error}"
            ) from error
        swing = np.zeros((structure.n_dofs, structure.forces.shape[1]), dtype=np.complex128)
        swing[free] = factor.solve(structure.forces[free].astype(np.complex128))
        works = np.einsum("ic,ic->c", structure.forces, swing)
        sizes = structure.weights * np.abs(works)

        def pullback(v: Array) -> tuple[Array, Array]:
            by_modulus, by_mass = np.zeros(len(moduli)), np.zeros(len(moduli))
            table = structure.cell_dofs
            for weight, work, column in zip(structure.weights, works, swing.T, strict=True):
                turned = weight * np.conj(work) / abs(work) if work else 0.0
                own = column[table]
                bent = (each_times(own, structure.element_matrix) * own).sum(axis=1)
                swung = (each_times(own, body) * own).sum(axis=1)
                by_modulus -= (turned * (1.0 + 1j * self.loss) * bent).real
                by_mass += (turned * self.omega**2 * swung).real
            return float(v) * by_modulus, float(v) * by_mass

        return np.asarray(sizes.sum()), pullback
