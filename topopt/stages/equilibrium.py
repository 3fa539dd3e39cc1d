"""From moduli to displacements, and sensitivities back by the adjoint method."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from topopt.chain import Pullback, Stage
from topopt.errors import InputError, NumericalError, SingularSystemError
from topopt.fem.operator import StiffnessOperator, energies
from topopt.fem.sanity import require_held
from topopt.fem.structure import Structure
from topopt.parameters import Array
from topopt.solvers import Solver, choose
from topopt.solvers.protocol import Factor

__all__ = ["Equilibrium"]

ROUNDING = 4 * float(np.finfo(np.float64).eps)
CONTRAST = 1e-14
"""Below this ratio of moduli a hinge may be lost in rounding, and the balance of forces is checked."""
BALANCE = 1e-3
"""The share of the forces that may be out of balance there."""


@dataclass(frozen=True)
class Equilibrium(Stage):
    """Static equilibrium K(E) u = f of every load case, K = sum_e E_e k0_e + springs.

    Input: moduli relative to the full material, shape (n_cells,), none negative. Output: displacements,
    shape (n_dofs, n_cases), zero on fixed components. The pullback of a cotangent v solves K lambda = v with
    the same factor, and dE_e = -sum over cases of lambda_e^T k0 u_e. Where v is a multiple of the case's own
    forces (as for the compliance), lambda is that multiple of u and nothing is solved.

    Source: Bendsøe & Sigmund, Topology Optimization, 2004, section 1.2, doi:10.1007/978-3-662-05086-6.

    Parameters
    ----------
    structure : Structure
        Grid, supports, loads, material.
    solver : str or Solver
        ``"auto"``, a name in `topopt.solvers.SOLVERS`, or a solver.
    """

    costly: ClassVar[bool] = True

    structure: Structure
    solver: str | Solver = "auto"

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
        (moduli,) = inputs
        structure = self.structure
        operator = StiffnessOperator(structure, moduli)
        _require_usable(moduli)
        require_held(structure, moduli)
        factor = _factored(operator, _chosen(structure, self.solver))
        displacements = factor.solve(structure.forces)
        if float(moduli.min()) < CONTRAST * float(moduli.max()):
            _require_balance(operator, structure.forces, displacements)

        def pullback(cotangent: Array) -> tuple[Array]:
            adjoint = _adjoint(structure, factor, displacements, cotangent)
            total = np.zeros(len(moduli))
            for left, right in zip(adjoint.T, displacements.T, strict=True):
                if np.any(left):
                    total -= energies(structure, left, right)
            return (total,)

        return displacements, pullback


def _require_usable(moduli: Array) -> None:
    """Refuse moduli that no material has."""
    if not np.isfinite(moduli.sum()):
        raise NumericalError(f"moduli: {np.count_nonzero(~np.isfinite(moduli))} are nan or infinite")
    lowest = float(moduli.min())
    if lowest < 0:
        raise InputError(
            f"moduli: {np.count_nonzero(moduli < 0)} are negative, the lowest {lowest:g}; "
            f"a filter or a move may have left [0, 1]"
        )


@functools.lru_cache(maxsize=8)
def _chosen(structure: Structure, request: str | Solver) -> Solver:
    """Choose once, so that the memory which a run itself takes is not held against its next iteration."""
    return choose(structure, request).solver


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


def _adjoint(structure: Structure, factor: Factor, displacements: Array, cotangent: Array) -> Array:
    """Solve K lambda = cotangent, column by column only where the answer is not known already."""
    wanted = np.zeros_like(displacements)
    wanted[structure.free] = cotangent[structure.free]
    adjoint = np.zeros_like(displacements)
    unknown = []
    for case in range(wanted.shape[1]):
        multiple = _multiple(wanted[:, case], structure.forces[:, case])
        if multiple is None:
            unknown.append(case)
        else:
            adjoint[:, case] = multiple * displacements[:, case]
    if unknown:
        adjoint[:, unknown] = factor.solve(wanted[:, unknown])
    return adjoint


def _multiple(vector: Array, of: Array) -> float | None:
    """Return a with vector = a * of, to rounding, or None if there is no such number."""
    largest = int(np.argmax(np.abs(of)))
    factor = float(vector[largest] / of[largest])
    same = np.abs(vector - factor * of) <= ROUNDING * np.abs(vector)
    return factor if bool(same.all()) else None
