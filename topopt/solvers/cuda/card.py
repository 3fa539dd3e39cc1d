"""Builds what a multigrid solve needs on a graphics card; moduli go up, displacements come down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import DTypeLike

from topopt.grid import structured
from topopt.parameters import Array
from topopt.remembered import remembered
from topopt.solvers.cuda.bottom import card_bottom
from topopt.solvers.cuda.device import grid_for, require_card
from topopt.solvers.cuda.kernels import kernels
from topopt.solvers.cuda.levels import CardLevel, FineOperator, StoredOperator, flags
from topopt.solvers.cuda.recorded import Recorded
from topopt.solvers.cuda.vectors import CardSpace, cast, nothing, zeros
from topopt.solvers.matrixfree.coefficients import coefficients
from topopt.solvers.matrixfree.lattice import Lattice
from topopt.solvers.matrixfree.operator import fixed_dofs, lattice_of
from topopt.solvers.matrixfree.walsh import child_matrices
from topopt.solvers.multigrid.cycle import Hierarchy, Room, Steps
from topopt.solvers.multigrid.hierarchy import coarser_springs
from topopt.solvers.multigrid.moments import moments_of
from topopt.solvers.multigrid.plan import Plan
from topopt.solvers.multigrid.scaled import Scaled

__all__ = ["Card"]


@dataclass(frozen=True)
class Card:
    """The graphics card; coarse operators are the same exact Galerkin products as on the host.

    A node gathers what its eight cells give, with the whole element matrix: 576 products a node, which a card
    does faster than it could share them out.
    """

    def __post_init__(self) -> None:
        """Refuse to go on without a card."""
        require_card()

    def exact(self, body: Scaled) -> FineOperator:
        """Return the operator in double precision.

        Raises
        ------
        InputError
            If the system is not on a grid, or its element matrix is not that of an isotropic material.
        """
        system = body.system
        lattice = lattice_of(system)
        # refuses what the coarse operators cannot be made of
        coefficients(system.element_matrix, system.ndim)
        springs = np.zeros(0)
        if system.springs.any():
            springs = lattice.vector(np.float64)
            lattice.load(springs, system.springs * body.spring)
        return FineOperator(
            kernels(np.dtype(np.float64), lattice.components, system.ndim),
            lattice,
            flags(lattice, lattice.numbers(fixed_dofs(system))),
            cuda.to_device(springs),
            cuda.to_device(lattice.spread(body.moduli, np.float64)),
            cuda.to_device(np.ascontiguousarray(system.element_matrix * body.scale).ravel()),
            nothing(np.dtype(np.float64)),
        )

    def space(self, operator: FineOperator) -> CardSpace:
        """Return where its vectors live."""
        return CardSpace(operator.lattice, operator.free)

    def cycles(
        self, exact: FineOperator, body: Scaled, plan: Plan, steps: Steps, dtype: DTypeLike
    ) -> Recorded:
        """Return the preconditioner.

        Raises
        ------
        SingularSystemError
            If the coarsest operator cannot be factored.
        """
        system = body.system
        kind = kernels(np.dtype(dtype), exact.lattice.components, system.ndim)
        matrix = system.element_matrix * body.scale
        levels, springs = _levels(_cast(exact, kind, dtype), plan, matrix)
        last = plan.floors[-1]
        known = moments_of(body.moduli.reshape(structured(system.mesh).cells))
        direct = card_bottom(matrix, known, len(levels), last.lattice, last.fixed, springs)
        rooms = tuple(
            Room.at(level, steps, partial(_some, floor.lattice, dtype), unwritten=False)
            for level, floor in enumerate(plan.floors)
        )
        return Recorded(Hierarchy(levels, direct, rooms, steps), exact)


def _levels(finest: FineOperator, plan: Plan, matrix: Array) -> tuple[tuple[CardLevel, ...], Array]:
    """Return all levels but the coarsest, fine to coarse, and the springs of that one."""
    floors, ndim, dtype = plan.floors, finest.lattice.ndim, finest.moduli.dtype
    finest = replace(finest, inverse=finest.diagonal())
    springs: Array = finest.springs.copy_to_host()
    stage: FineOperator | StoredOperator = finest
    levels: list[CardLevel] = []
    for level, (floor, coarse) in enumerate(pairwise(floors)):
        held = flags(coarse.lattice, coarse.fixed)
        diagonal = stage.inverse.copy_to_host() if len(floor.off) else np.zeros(0)
        springs = coarser_springs(floor, coarse, springs, diagonal)
        finest.kernels.invert[grid_for(stage.inverse.size)](stage.inverse, stage.free)
        levels.append(CardLevel(stage, floor.bound, coarse.lattice, held))
        if level + 2 < len(floors):
            table = _table(matrix, ndim, level + 1)
            stored = cuda.to_device(springs.astype(dtype))
            stage = StoredOperator.galerkin(finest, table, level + 1, coarse.lattice, held, stored)
    return tuple(levels), springs


def _cast(operator: FineOperator, kind: Any, dtype: DTypeLike) -> FineOperator:
    """Return the operator in the precision of the cycle."""
    if np.dtype(dtype) == operator.moduli.dtype:
        return operator
    springs, moduli = (cast(getattr(operator, name), dtype) for name in ("springs", "moduli"))
    matrix = cuda.to_device(operator.matrix.copy_to_host().astype(dtype))
    return replace(operator, kernels=kind, springs=springs, moduli=moduli, matrix=matrix)


@remembered(maxsize=16)
def _table(matrix: Array, ndim: int, level: int) -> Any:
    """Return what each fine cell of a coarse one adds to its matrix, on the card."""
    return cuda.to_device(child_matrices(matrix, ndim, level))


def _some(lattice: Lattice, dtype: DTypeLike, wanted: bool) -> Any:
    """Return a vector on the card, or an empty one."""
    return zeros(lattice.n * lattice.components if wanted else 0, dtype)
