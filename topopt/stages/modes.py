"""How a structure swings, and under which load it buckles: eigenvalues, with one factor of the stiffness."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated, ClassVar

import annotated_types as at
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import linalg

from topopt.chain import Pullback, Stage
from topopt.errors import InputError, NumericalError
from topopt.fem.assembly import each_times
from topopt.fem.element import gauss, mass, masses, shapes, strain_displacement
from topopt.fem.material import elasticity
from topopt.fem.operator import StiffnessOperator
from topopt.fem.structure import Structure
from topopt.grid import structured
from topopt.meshes import Mesh
from topopt.parameters import Array, Positive, UnitOpen
from topopt.solvers import Solver
from topopt.stages.states import chosen, require_shapes

__all__ = ["BucklingFactors", "Frequencies", "Masses", "assembled", "direct", "inertia"]

TOLERANCE = 1e-10
"""Relative error of eigenvalues; their derivatives have its root."""
VECTORS = 5
"""Lanczos vectors for each eigenvalue; with 20 in all, as is usual, six took twice as many solves."""


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

    structure: Structure
    count: Annotated[int, at.Ge(1)] = 6
    density: Positive = 1.0
    attached: Annotated[float, at.Ge(0)] = 0.0
    solver: str | Solver = "auto"

    def rehearsed(self, *inputs: Array) -> Array:
        """Return as many numbers."""
        moduli, masses = inputs
        cells = (self.structure.mesh.n_cells,)
        require_shapes(self, ("moduli", moduli, cells), ("masses", masses, cells))
        _require_room(self, self.structure, self.count)
        return np.arange(1.0, self.count + 1.0)

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the eigenvalues and their pullback."""
        moduli, masses = inputs
        structure = self.structure
        _require_room(self, structure, self.count)
        body = self._element
        weights = assembled(structure, masses[:, None, None] * body) + self._extra
        operator, solver = StiffnessOperator(structure, moduli), chosen(structure, direct(self.solver))
        inverse, modes = _largest(operator, solver, weights, self.count, type(self).__name__)
        eigenvalues = 1.0 / inverse
        modes = modes * np.sqrt(eigenvalues)  # of unit mass, not of unit energy

        def pullback(v: Array) -> tuple[Array, Array]:
            by_modulus, by_mass = np.zeros(len(moduli)), np.zeros(len(moduli))
            for weight, value, mode in zip(v, eigenvalues, modes.T, strict=True):
                own = mode[structure.cell_dofs]
                by_modulus += weight * _quadratic(own, structure.element_matrix)
                by_mass -= weight * value * _quadratic(own, body)
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
        _require_room(self, structure, self.count)
        return np.arange(self.count, 0.0, -1.0)

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the inverse load factors and their pullback."""
        moduli, stressed, displacements = inputs
        structure = self.structure
        _require_room(self, structure, self.count)
        operator, solver = StiffnessOperator(structure, moduli), chosen(structure, direct(self.solver))
        table, tensor = structure.cell_dofs, self._tensor
        moved = displacements[table, self.case]
        bent = moved @ tensor.T  # G of every cell at its own displacements, flat
        geometric = assembled(structure, -stressed[:, None] * bent)
        values, modes = _largest(operator, solver, geometric, self.count, type(self).__name__)

        def pullback(v: Array) -> tuple[Array, Array, Array]:
            by_modulus, products = np.zeros(len(moduli)), np.zeros_like(bent)
            for weight, value, mode in zip(v, values, modes.T, strict=True):
                own = mode[table]
                by_modulus -= weight * value * _quadratic(own, structure.element_matrix)
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


def _quadratic(own: Array, matrix: Array) -> Array:
    """Return the form of a matrix for the unknowns of every cell."""
    return np.asarray(np.einsum("ei,ei->e", each_times(own, matrix), own))


def direct(solver: str | Solver) -> str | Solver:
    """Return what is asked for; automatic is the best direct solver, however large the grid."""
    if solver != "auto":
        return solver
    from topopt.solvers.cholmod import cholmod_available

    return "cholmod" if cholmod_available() else "superlu"


def _require_room(stage: Stage, structure: Structure, count: int) -> None:
    """Refuse more eigenvalues than ARPACK can find."""
    if count >= len(structure.free) - 1:
        raise InputError(
            f"{type(stage).__name__}.count: {count} of {len(structure.free)} free unknowns are too many"
        )


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


def assembled(structure: Structure, cells: Array) -> sparse.csc_matrix:
    """Assemble matrices of cells, k * k entries each, on the free unknowns."""
    entries, slots, indices, indptr = _places(structure)
    data = np.bincount(slots, cells.reshape(-1)[entries], len(indices))
    return sparse.csc_matrix((data, indices, indptr), shape=(len(structure.free),) * 2)


@functools.lru_cache(maxsize=2)
def _places(structure: Structure) -> tuple[NDArray[np.intp], ...]:
    """Return which entries of the cells' matrices are on free unknowns, where they are added, the pattern."""
    place = np.full(structure.n_dofs, -1, dtype=np.intp)
    place[structure.free] = np.arange(len(structure.free))
    local = place[structure.cell_dofs]
    rows, columns = np.repeat(local, local.shape[1], axis=1).ravel(), np.tile(local, local.shape[1]).ravel()
    entries = np.flatnonzero((rows >= 0) & (columns >= 0))
    size = len(structure.free)
    keys, slots = np.unique(columns[entries] * size + rows[entries], return_inverse=True)
    ends, indices = np.divmod(keys, size)
    return (
        entries,
        slots,
        indices.astype(np.int32),
        np.searchsorted(ends, np.arange(size + 1)).astype(np.int32),
    )


def _largest(
    operator: StiffnessOperator, solver: Solver, matrix: sparse.csc_matrix, count: int, who: str
) -> tuple[Array, Array]:
    """Return the largest mu of A phi = mu K phi, descending, and modes with phi . K phi = 1, on all unknowns.

    K stands where ARPACK has the mass, so that A may be indefinite and only K is factored. The start is
    always the same, so that a run resumes to the same digits.
    """
    structure = operator.system
    factor, free, n = solver.factor(operator), structure.free, len(structure.free)

    def flexibility(v: Array) -> Array:
        rhs = np.zeros(structure.n_dofs)
        rhs[free] = v.ravel()
        return np.asarray(factor.solve(rhs)[free])

    inverse = linalg.LinearOperator((n, n), matvec=flexibility, dtype=np.float64)
    start = np.random.default_rng(0).random(n)
    try:
        values, modes = linalg.eigsh(
            matrix,
            count,
            M=operator.full_matrix,
            Minv=inverse,
            which="LA",
            v0=start,
            ncv=min(n, max(20, VECTORS * count)),
            tol=TOLERANCE,
        )
    except linalg.ArpackError as error:
        raise NumericalError(f"{who}: the eigenvalues were not found: {error}") from error
    order = np.argsort(values)[::-1]
    full = np.zeros((structure.n_dofs, count))
    full[free] = modes[:, order]
    return values[order], full
