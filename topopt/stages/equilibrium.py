"""From moduli to displacements, and sensitivities back by the adjoint method."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from topopt.chain import Pullback, Stage
from topopt.errors import InputError, NumericalError, SingularSystemError
from topopt.fem.energies import energies
from topopt.fem.operator import StiffnessOperator
from topopt.fem.sanity import require_held
from topopt.fem.structure import Structure
from topopt.parameters import Array
from topopt.solvers import Solver
from topopt.solvers.protocol import Factor
from topopt.stages.states import chosen, multiple, require_shapes, solved

__all__ = ["Equilibrium"]

CONTRAST = 1e-14
"""Below this ratio of moduli a hinge may be lost in rounding, and the balance of forces is checked."""
BALANCE = 1e-3
"""The share of the forces that may be out of balance there."""


@dataclass(frozen=True)
class Equilibrium(Stage):
    """Static equilibrium K(E) u = f of every load case, K = sum_e E_e k0_e + springs.

    Input: moduli relative to the full material, shape (n_cells,), none negative; and, if it reads a second
    name, forces that the design brings along (`SelfWeight`), shape (n_dofs, n_cases). Output: displacements,
    shape (n_dofs, n_cases), zero on fixed components. The pullback of a cotangent v solves K lambda = v with
    the same factor; dE_e = -sum over cases of lambda_e^T k0 u_e, and lambda is the derivative by the forces.
    Where v is a multiple of the case's own forces (as for the compliance), lambda is that multiple of u and
    nothing is solved.

    Source: Bendsøe & Sigmund, Topology Optimization, 2004, section 1.2, doi:10.1007/978-3-662-05086-6.

    Parameters
    ----------
    structure : Structure
        Grid or mesh, supports, loads, material.
    solver : str or Solver
        ``"auto"``, a name in `topopt.solvers.SOLVERS`, or a solver.
    """

    costly: ClassVar[bool] = True
    takes: ClassVar[tuple[str, ...]] = ("moduli", "forces")
    gives: ClassVar[str] = "displacements"

    structure: Structure
    solver: str | Solver = "auto"

    def rehearsed(self, *inputs: Array) -> Array:
        """Return the displacements of nodes that stand on equal springs: the forces."""
        moduli, *brought = inputs
        require_shapes(self, ("moduli", moduli, (self.structure.mesh.n_cells,)))
        return np.array(_total(self.structure, brought))

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the displacements and the adjoint pullback.

        Raises
        ------
        InputError
            If the moduli have the wrong shape or one is negative.
        SingularSystemError
            If a body can move without resistance; the message names the motion.
        TooLargeError
            If the factorisation would not fit into memory.
        """
        moduli, *brought = inputs
        structure = self.structure
        forces = _total(structure, brought)
        operator = StiffnessOperator(structure, moduli)
        lowest = float(moduli.min())
        _require_usable(moduli, lowest)
        require_held(structure, moduli)
        factor = _factored(operator, chosen(structure, self.solver))
        displacements = solved(factor, forces)
        if lowest < CONTRAST * float(moduli.max()):
            _require_balance(operator, forces, displacements)

        def pullback(cotangent: Array) -> tuple[Array, ...]:
            adjoint = _adjoint(structure, factor, (forces, displacements), cotangent)
            parts = (
                _scaled(energies(structure, left, right), -share)
                for (share, left), right in zip(adjoint, displacements.T, strict=True)
                if share and np.any(left)
            )
            total = next(parts, np.zeros(len(moduli)))
            for part in parts:
                total += part
            if not brought:
                return (total,)
            return total, np.stack([share * left for share, left in adjoint], axis=1)

        return displacements, pullback


def _total(structure: Structure, brought: list[Array]) -> Array:
    """Return all forces: the structure's, and those that the design brings along."""
    if not brought:
        return structure.forces
    (more,) = brought
    if more.shape != structure.forces.shape:
        raise InputError(
            f"Equilibrium: expected forces of shape {structure.forces.shape} as its second input, "
            f"got {more.shape}"
        )
    total = structure.forces + more
    total[_fixed(structure)] = 0.0
    return total


def _require_usable(moduli: Array, lowest: float) -> None:
    """Refuse moduli that no material has; the lowest is known."""
    if not np.isfinite(moduli.sum()):
        raise NumericalError(f"moduli: {np.count_nonzero(~np.isfinite(moduli))} are nan or infinite")
    if lowest < 0:
        raise InputError(
            f"moduli: {np.count_nonzero(moduli < 0)} are negative, the lowest {lowest:g}; "
            f"a filter or a move may have left [0, 1]"
        )


def _factored(operator: StiffnessOperator, solver: Solver) -> Factor:
    """Factor the operator; a failure comes back with what may be wrong with the structure."""
    try:
        return solver.factor(operator)
    except SingularSystemError as error:
        raise SingularSystemError(f"{error}; {_advice(operator.moduli)}") from error


def _require_balance(operator: StiffnessOperator, forces: Array, displacements: Array) -> None:
    """Refuse displacements that do not balance the forces: rounding has hidden a zero pivot."""
    missing = np.linalg.norm(operator.apply(displacements) - forces, axis=0)
    share = float((missing / np.linalg.norm(forces, axis=0)).max())
    if not share < BALANCE:
        raise SingularSystemError(
            f"the displacements leave {share:.1e} of the forces without balance; {_advice(operator.moduli)}"
        )


def _advice(moduli: Array) -> str:
    """Say what makes a matrix singular although every body is held."""
    positive = moduli[moduli > 0]
    return (
        f"every body is held, so look for parts that hang together by a single node (a hinge), or for too "
        f"much contrast: the moduli range from {positive.min():.1e} to {positive.max():.1e}; raise e_min"
    )


def _scaled(part: Array, factor: float) -> Array:
    """Multiply in place: a copy of a long field takes as long as the product."""
    part *= factor
    return part


def _adjoint(
    structure: Structure, factor: Factor, state: tuple[Array, Array], cotangent: Array
) -> list[tuple[float, Array]]:
    """Solve K lambda = cotangent, column by column only where the answer is not known already.

    The state are forces and displacements. Returns for each case a number and a vector; lambda is their
    product.
    """
    forces, displacements = state
    wanted, fixed = cotangent, _fixed(structure)
    if np.any(wanted[fixed]):
        wanted = wanted.copy()
        wanted[fixed] = 0.0
    adjoint, unknown = [], []
    loaded = _loaded(structure) if forces is structure.forces else _largest(forces)
    columns = zip(wanted.T, forces.T, loaded, displacements.T, strict=True)
    for case, (vector, own, largest, right) in enumerate(columns):
        share = multiple(vector, own, largest)
        if share is None:
            unknown.append(case)
        adjoint.append((share or 0.0, right))
    if unknown:
        for case, left in zip(unknown, solved(factor, wanted[:, unknown]).T, strict=True):
            adjoint[case] = (1.0, left)
    return adjoint


@functools.lru_cache(maxsize=8)
def _fixed(structure: Structure) -> NDArray[np.intp]:
    """Return the numbers of the components that are fixed."""
    return np.flatnonzero(structure.fixed)


@functools.lru_cache(maxsize=8)
def _loaded(structure: Structure) -> tuple[int, ...]:
    """Return the component with the largest force, case by case."""
    return _largest(structure.forces)


def _largest(forces: Array) -> tuple[int, ...]:
    """Return the component with the largest force, case by case."""
    return tuple(int(np.argmax(np.abs(column))) for column in forces.T)
