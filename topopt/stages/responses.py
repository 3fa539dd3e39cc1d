"""Numbers that a structure or a field is judged by."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import annotated_types as at
import numpy as np
from numpy.typing import NDArray

from topopt.chain import Pullback, Stage
from topopt.errors import InputError, suggestion
from topopt.fem.picking import nodes_of
from topopt.fem.structure import Structure
from topopt.grid import Domain
from topopt.meshes import Mesh
from topopt.parameters import Array
from topopt.regions import Region
from topopt.stages.on_cells import OnCells
from topopt.threads import dot, each

__all__ = ["Compliance", "Displacement", "Mean", "SelfWeight", "TotalWork", "WorstDirection"]


@dataclass(frozen=True)
class Compliance(Stage):
    """Work of the loads, sum over cases of weight * f^T u, or that of one case.

    Input: displacements, shape (n_dofs, n_cases). Output: shape (), force times length. One link a case, all
    of them in `minimise`, lowers the worst.

    Parameters
    ----------
    structure : Structure
        Its forces and weights.
    case : str, optional
        Name of a load case, which then counts with a weight of 1 and the others do not.

    Raises
    ------
    InputError
        If there is no such case.
    """

    linear: ClassVar[bool] = True

    structure: Structure
    case: str | None = None

    def __post_init__(self) -> None:
        """Refuse a case that is not there."""
        super().__post_init__()
        _weights(self, self.structure, self.case)

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the compliance and its pullback."""
        (displacements,) = inputs
        weights, forces = _weights(self, self.structure, self.case), self.structure.forces
        factors = forces if (weights == 1.0).all() else forces * weights
        return _weighted(self, displacements, factors, _loaded(self.structure))


@dataclass(frozen=True)
class WorstDirection(Stage):
    """Compliance under the worst load that loads of some cases add up to, the sum of their squared shares 1.

    Input: displacements, shape (n_dofs, n_cases). Output: shape (), force times length: the largest
    eigenvalue of ``C_ij = f_i . u_j``. With two cases of the same force along x and y it is that of the
    direction in the plane that is worst; with more, of the worst distribution. Near where two directions are
    equally bad, a power norm of all eigenvalues stands for the largest.

    Parameters
    ----------
    structure : Structure
        Its forces; weights of cases are not looked at.
    cases : tuple of str, optional
        Names of the load cases; all if left out.
    power : float
        Of the norm.

    References
    ----------
    Cherkaev and Cherkaev 2008, doi:10.1016/j.compstruc.2007.08.005 (the worst load as an eigenvalue)
    """

    structure: Structure
    cases: tuple[str, ...] | None = None
    power: Annotated[float, at.Ge(1)] = 32.0

    def __post_init__(self) -> None:
        """Refuse cases that are not there."""
        super().__post_init__()
        if self.cases is not None:
            object.__setattr__(self, "cases", tuple(self.cases))
        for case in self.cases or ():
            _weights(self, self.structure, case)

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the worst compliance and its pullback."""
        (displacements,) = inputs
        forces = self.structure.forces
        if displacements.shape != forces.shape:
            raise _misfit(self, displacements, forces.shape)
        names = self.structure.case_names
        chosen = [names.index(case) for case in self.cases or names]
        loads = forces[:, chosen]
        flexibility = loads.T @ displacements[:, chosen]
        values, shares = np.linalg.eigh(0.5 * (flexibility + flexibility.T))
        largest = float(values[-1])
        # Nothing has moved where an equilibrium is only tried out; all directions are then equally bad.
        ratios = np.maximum(values / largest, 0.0) if largest > 0 else np.ones_like(values)
        total = float((ratios**self.power).sum())

        def pullback(v: Array) -> tuple[Array]:
            slopes = ratios ** (self.power - 1.0) * total ** (1.0 / self.power - 1.0)
            back = np.zeros_like(displacements)
            back[:, chosen] = float(v) * loads @ ((shares * slopes) @ shares.T)
            return (back,)

        return np.asarray(largest * total ** (1.0 / self.power)), pullback


@dataclass(frozen=True)
class TotalWork(Stage):
    """The compliance where the design brings forces along: work of these and of the loads.

    Input: displacements and further forces (`SelfWeight`), both of shape (n_dofs, n_cases). Output: shape (),
    force times length.

    Parameters
    ----------
    structure : Structure
        Its forces and weights.
    """

    takes: ClassVar[tuple[str, ...]] = ("displacements", "forces")

    structure: Structure

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the work and its pullback."""
        displacements, more = inputs
        weights, forces = self.structure.weights, self.structure.forces
        if more.shape != forces.shape:
            raise _misfit(self, more, forces.shape)
        value, pullback = _weighted(self, displacements, (forces + more) * weights)
        return value, lambda v: (*pullback(v), displacements * (weights * float(v)))


@dataclass(frozen=True)
class Displacement(Stage):
    """Mean displacement of a region in a direction.

    Input: displacements, shape (n_dofs, n_cases). Output: shape (), length: the mean over the region's nodes
    of u . direction, in one case, or summed over the cases with their weights.

    Parameters
    ----------
    structure : Structure
        Its grid and cases.
    on : Region
        Picks nodes.
    direction : tuple of float
        Taken as it is, not made a unit vector.
    case : str, optional
        Name of a load case.

    Raises
    ------
    InputError
        If the region is empty, the direction does not fit the grid, or there is no such case.
    """

    linear: ClassVar[bool] = True

    structure: Structure
    on: Region
    direction: tuple[float, ...] = (0.0, -1.0)
    case: str | None = None

    def __post_init__(self) -> None:
        """Normalise the direction and refuse what does not fit the structure."""
        super().__post_init__()
        direction = tuple(float(value) for value in self.direction)
        ndim = self.structure.ndim
        if len(direction) != ndim or not all(map(math.isfinite, direction)) or not any(direction):
            raise InputError(
                f"Displacement.direction: expected {ndim} finite numbers, not all zero, got {direction}"
            )
        object.__setattr__(self, "direction", direction)
        _weights(self, self.structure, self.case)
        nodes_of(self.on, self.structure.mesh, "Displacement")
        if not self._seeds()[self.structure.free].any():
            raise InputError(
                "Displacement.on: the supports hold all its nodes along the direction; nothing moves there"
            )

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the mean displacement and its pullback."""
        (displacements,) = inputs
        return _weighted(self, displacements, self._seeds())

    def _seeds(self) -> Array:
        """Return the derivative with respect to the displacements."""
        structure = self.structure
        nodes = nodes_of(self.on, structure.mesh, "Displacement")
        field = np.zeros((structure.mesh.n_nodes, structure.ndim))
        field[nodes] = np.array(self.direction) / len(nodes)
        return np.outer(field.ravel(), _weights(self, structure, self.case))


@dataclass(frozen=True)
class Mean(OnCells):
    """Mean of a field over the cells that are not passive void; passive solid counts.

    On a mesh each cell counts by its volume.

    Input: shape (n_cells,). Output: shape (), in the field's unit.

    Parameters
    ----------
    domain : Domain
        Says which cells are passive void.
    """

    linear: ClassVar[bool] = True

    domain: Domain

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the mean and its pullback."""
        (field,) = inputs
        void = self.domain.void_cells
        if field.shape != void.shape:
            raise _misfit(self, field, void.shape)
        if isinstance(self.domain.mesh, Mesh):
            weights = np.where(void, 0.0, self.domain.mesh.volumes)
            weights /= weights.sum()
            return np.asarray(field @ weights), lambda v: (float(v) * weights,)
        counted = void.size - int(np.count_nonzero(void))
        some = counted < void.size

        def part(at: slice) -> float:
            return float((field[at][~void[at]] if some else field[at]).sum())

        def pullback(cotangent: Array) -> tuple[Array]:
            spread = np.full(void.shape, float(cotangent) / counted)
            if some:
                spread[void] = 0.0
            return (spread,)

        return np.asarray(sum(each(part, void.size)) / counted), pullback


@dataclass(frozen=True)
class SelfWeight(Stage):
    """Forces of the material's own weight, or of any acceleration, at the nodes.

    Input: densities, shape (n_cells,). Output: shape (n_dofs, n_cases), the same in every case; zero on fixed
    components. `Equilibrium` reads it beside the moduli, `TotalWork` beside the displacements. A stiffness
    that falls faster than the weight (`Simp`) makes near-void material sag without end; `Ramp` does not, if
    its `e_min` is not far below 1e-6.

    Parameters
    ----------
    structure : Structure
        Its grid, cases and supports.
    per_volume : tuple of float
        Weight of the full material: force per volume, in 2-D per area and thickness.

    Raises
    ------
    InputError
        If the weight does not fit the grid.

    References
    ----------
    Bruyneel and Duysinx 2005, doi:10.1007/s00158-004-0484-y
    """

    linear: ClassVar[bool] = True
    gives: ClassVar[str] = "forces"

    structure: Structure
    per_volume: tuple[float, ...] = (0.0, -1.0)

    def __post_init__(self) -> None:
        """Normalise the weight and refuse one that does not fit."""
        super().__post_init__()
        given, ndim = tuple(float(value) for value in self.per_volume), self.structure.ndim
        if len(given) != ndim or not all(map(math.isfinite, given)):
            raise InputError(f"SelfWeight.per_volume: expected {ndim} finite numbers, got {given}")
        if not any(given):
            raise InputError("SelfWeight.per_volume: nothing weighs anything; leave it out")
        object.__setattr__(self, "per_volume", given)

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the forces and their pullback."""
        (density,) = inputs
        structure = self.structure
        mesh = structure.mesh
        if density.shape != (mesh.n_cells,):
            raise _misfit(self, density, (mesh.n_cells,))
        table = mesh.cell_nodes
        shares = mesh.shares if isinstance(mesh, Mesh) else np.full(table.shape[1], 1.0 / table.shape[1])
        unit = structure.thickness * (1.0 if isinstance(mesh, Mesh) else float(np.prod(mesh.spacing)))
        held = structure.fixed.reshape(mesh.n_nodes, mesh.ndim)
        mass = np.bincount(table.ravel(), ((density * unit)[:, None] * shares).ravel(), mesh.n_nodes)
        forces = np.outer(mass, self.per_volume)
        forces[held] = 0.0
        cases = len(structure.cases)

        def pullback(v: Array) -> tuple[Array]:
            along = v.sum(axis=1).reshape(mesh.n_nodes, mesh.ndim)
            along = np.where(held, 0.0, along) @ np.array(self.per_volume)
            return ((along[table] * shares).sum(axis=1) * unit,)

        return np.repeat(forces.reshape(-1, 1), cases, axis=1), pullback


def _weights(stage: Stage, structure: Structure, case: str | None) -> Array:
    """Return the weights of all cases, or 1 for the one that is named."""
    if case is None:
        return structure.weights
    names = structure.case_names
    if case not in names:
        raise InputError(f"{type(stage).__name__}.case: no load case '{case}'; {suggestion(case, names)}")
    return np.array([float(name == case) for name in names])


@functools.lru_cache(maxsize=8)
def _loaded(structure: Structure) -> NDArray[np.intp]:
    """Return where forces act, which is in few places, among the entries of all cases."""
    return np.flatnonzero(structure.forces)


def _weighted(
    stage: Stage, given: Array, weights: Array, where: NDArray[np.intp] | slice = slice(None)
) -> tuple[Array, Pullback]:
    """Return the weighted sum of an input and its pullback; refuse an input of another shape.

    Of the flat weights, those outside `where` are 0.
    """
    if given.shape != weights.shape:
        raise _misfit(stage, given, weights.shape)
    flat, factors = given.reshape(-1)[where], weights.reshape(-1)[where]

    def pullback(cotangent: Array) -> tuple[Array]:
        product = np.zeros(weights.shape)
        product.reshape(-1)[where] = factors * float(cotangent)
        return (product,)

    return np.asarray(dot(factors, flat)), pullback


def _misfit(stage: Stage, given: Array, wanted: tuple[int, ...]) -> InputError:
    """Return the error of an input of another shape."""
    return InputError(f"{type(stage).__name__}: expected an input of shape {wanted}, got {given.shape}")
