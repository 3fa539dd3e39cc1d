"""How heavy a structure is, and how it swings by itself."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated, ClassVar

import annotated_types as at
import numpy as np
from scipy import sparse

from topopt.chain import Pullback, Stage
from topopt.fem.element import mass, masses
from topopt.fem.operator import StiffnessOperator
from topopt.fem.structure import Structure
from topopt.meshes import Mesh
from topopt.parameters import Amount, Array, PositiveAmount, UnitOpen
from topopt.solvers import Solver, direct
from topopt.stages.eigenpairs import assembled, largest, quadratic, require_room
from topopt.stages.states import chosen, require_shapes

__all__ = ["Frequencies", "Masses", "inertia"]


@dataclass(frozen=True)
class Masses(Stage):
    """How heavy a cell of a given density is, relative to the full material.

    ``m = rho``, but ``c rho**6 + d rho**7`` below the threshold, smooth across it: where mass falls
    slower than stiffness, near-void swings by itself, slower than the structure.

    Parameters
    ----------
    threshold : float
        Density below which mass is taken away.
    floor : float
        What is left of the mass of void.

    References
    ----------
    Tcherniak 2002, doi:10.1002/nme.484; Du and Olhoff 2007, doi:10.1007/s00158-007-0101-y
    """

    gives: ClassVar[str] = "masses"

    threshold: UnitOpen = 0.1
    floor: UnitOpen = 1e-9

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the masses, one per cell."""
        (rho,) = inputs
        t = self.threshold
        light = rho < t
        c, d = 6.0 / t**5, -5.0 / t**6
        own = np.where(light, c * rho**6 + d * rho**7, rho)
        slope = np.where(light, 6.0 * c * rho**5 + 7.0 * d * rho**6, 1.0)
        span = 1.0 - self.floor
        return self.floor + span * own, lambda v: (v * span * slope,)


@dataclass(frozen=True)
class Frequencies(Stage):
    """The lowest eigenvalues of K phi = lambda M phi: squares of the circular frequencies.

    Input: moduli and masses, shape (n_cells,) each, relative to the full material. Output: shape (count,),
    ascending, 1 / time squared. With mass-normalised modes ``d lambda = phi . (dK - lambda dM) phi``. Where
    eigenvalues are equal that of each has no derivative, but a symmetric function of all of them has: take
    `PowerNorm` with a power below -1 for the smallest.

    Parameters
    ----------
    structure : Structure
        Grid, supports, material; its loads are not looked at.
    count : int
        How many; a few more than the objective needs, so that no mode comes as a surprise.
    density : float
        Mass of the full material per volume, in 2-D per area and thickness.
    attached : float
        Further mass at the loads' nodes, shared equally.
    solver : str or Solver
        As in `Equilibrium`; a direct one, since ARPACK multiplies its errors.

    Raises
    ------
    NumericalError
        If ARPACK does not converge.

    References
    ----------
    Seyranian, Lund and Olhoff 1994, doi:10.1007/BF01742705 (multiple eigenvalues); Lehoucq, Sorensen and Yang
    1998, doi:10.1137/1.9780898719628 (ARPACK)
    """

    costly: ClassVar[bool] = True
    takes: ClassVar[tuple[str, ...]] = ("moduli", "masses")

    structure: Structure
    count: Annotated[int, at.Ge(1)] = 6
    density: PositiveAmount = 1.0
    attached: Amount = 0.0
    solver: str | Solver = "auto"

    def rehearsed(self, *inputs: Array) -> Array:
        """Return as many numbers."""
        moduli, masses = inputs
        cells = (self.structure.mesh.n_cells,)
        require_shapes(self, ("moduli", moduli, cells), ("masses", masses, cells))
        require_room(self, self.structure, self.count)
        return np.arange(1.0, self.count + 1.0)

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the eigenvalues and their pullback."""
        moduli, masses = inputs
        structure = self.structure
        require_room(self, structure, self.count)
        body = self._element
        weights = assembled(structure, masses[:, None, None] * body) + self._extra
        operator, solver = StiffnessOperator(structure, moduli), chosen(structure, direct(self.solver))
        inverse, modes = largest(operator, solver, weights, self.count, type(self).__name__)
        eigenvalues = 1.0 / inverse
        modes = modes * np.sqrt(eigenvalues)  # of unit mass, not of unit energy

        def pullback(v: Array) -> tuple[Array, Array]:
            by_modulus, by_mass = np.zeros(len(moduli)), np.zeros(len(moduli))
            for weight, value, mode in zip(v, eigenvalues, modes.T, strict=True):
                own = mode[structure.cell_dofs]
                by_modulus += weight * quadratic(own, structure.element_matrix)
                by_mass -= weight * value * quadratic(own, body)
            return by_modulus, by_mass

        return np.asarray(eigenvalues, dtype=np.float64), pullback

    @functools.cached_property
    def _element(self) -> Array:
        """Mass matrix of a cell of the full material, or of each cell of a mesh."""
        return inertia(self.structure, self.density)

    @functools.cached_property
    def _extra(self) -> sparse.csc_matrix:
        """The attached mass, on the free unknowns."""
        structure = self.structure
        diagonal = np.zeros((structure.mesh.n_nodes, structure.ndim))
        nodes = np.flatnonzero(np.abs(structure.forces).reshape(structure.mesh.n_nodes, -1).any(axis=1))
        diagonal[nodes] = self.attached / len(nodes)
        return sparse.diags(diagonal.ravel()[structure.free], format="csc")


def inertia(structure: Structure, density: float) -> Array:
    """Return the mass matrix of a cell, shape (k, k), or of each cell of a mesh, shape (n_cells, k, k).

    Parameters
    ----------
    structure : Structure
        Its cells and thickness.
    density : float
        Of the full material.
    """
    mesh = structure.mesh
    of_cells = masses(mesh.mapped(2)) if isinstance(mesh, Mesh) else mass(mesh.spacing)
    return np.asarray(np.kron(density * structure.thickness * of_cells, np.eye(mesh.ndim)), np.float64)
