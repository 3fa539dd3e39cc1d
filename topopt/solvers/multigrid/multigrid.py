"""The solver: conjugate gradients with a geometric multigrid preconditioner, without the stiffness matrix."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import annotated_types as at

from topopt.errors import InputError, suggestion
from topopt.parameters import Positive, checked
from topopt.solvers.protocol import Operator, System

if TYPE_CHECKING:
    from topopt.solvers.multigrid.factor import MultigridFactor

__all__ = ["Multigrid", "usable"]

PRECISIONS = ("single", "double")
LADDERS = ("whole", "direct")
DEVICES = ("cpu", "cuda")
FOLLOWED = 0.01
"""Tolerance over the change of the density, where it follows."""


@dataclass(frozen=True)
class Multigrid:
    """Conjugate gradients, preconditioned by geometric multigrid, on a structured grid.

    The finest operator is applied cell by cell, the coarse ones are exact Galerkin products, the coarsest
    one is factored. A field of moduli that defeats the cycle is met by a ladder: more smoothing, a W-cycle
    in double precision, and a direct solver at last; every step up is logged as a warning.

    Sources: Trottenberg, Oosterlee & Schüller, Multigrid, 2001; Amir, Aage & Lazarov 2014,
    doi:10.1007/s00158-013-1015-5.

    Parameters
    ----------
    tolerance : float
        Norm of f - K u over that of f at which a solve ends.
    follow : bool
        Solve as exactly as the optimisation can use: the tolerance is a hundredth of the root mean square
        change of the density in the iteration before, at most `loosest` and at least `tolerance`, and a solve
        goes on until the error that it may leave in the sensitivities is below `error`.
    loosest, error : float
        Of a tolerance that follows. The error is what is wrong with the cells' energies, all signs dropped,
        over their sum.
    smoothing : tuple of int, optional
        Chebyshev steps on the finest grid and on the others, before and after each correction; if left out,
        (1, 2) in space, and (2, 2) in the plane and where the second grid is solved for directly. In the
        plane that took .87 of the time of (1, 4).
    visits : int, optional
        How many corrections the grids from the third on get in a cycle, weighted as in Chebyshev's iteration;
        1 is a V-cycle. If left out, 1 in the plane and 2 in space. Cycles and milliseconds of a solve to 1e-5
        on two cores, the cantilever of 128x64x64 uniform, and black and white as
        problems/cantilever_3d_fine.yaml leaves it: smoothing (1, 2) and 1, 2, 3 visits 12, 230 and 26, 455;
        12, 268 and 19, 392; 12, 286 and 17, 382; (2, 3) and 2 visits 7, 227 and 14, 415.
    coarsest : int
        Unknowns up to which a grid is solved directly.
    precision : {"single", "double"}
        Of the cycle, and of directions, products and the residual of the iteration around it; the solution is
        in double precision either way, and so is the residual that is believed.
    limit : int
        Iterations before the ladder is climbed.
    ladder : {"whole", "direct"}
        All its steps, or at once the direct solver, where that is cheap; then a step up is no warning.
    device : {"cpu", "cuda"}
        Where it computes: on this machine's processor, or on an Nvidia graphics card, for which the extra
        ``topopt[cuda]`` must be installed.
    """

    tolerance: Positive = 1e-5
    follow: bool = False
    loosest: Positive = 1e-3
    error: Positive = 0.01
    smoothing: tuple[int, int] | None = None
    visits: Annotated[int, at.Ge(1)] | None = None
    coarsest: Annotated[int, at.Ge(100)] = 5000
    precision: str = "single"
    limit: Annotated[int, at.Ge(1)] = 200
    ladder: str = "whole"
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Refuse numbers out of bounds and unknown words."""
        checked(self)
        for name, known in (("precision", PRECISIONS), ("ladder", LADDERS), ("device", DEVICES)):
            word = getattr(self, name)
            if word not in known:
                raise InputError(f"Multigrid.{name}: '{word}' is unknown; {suggestion(word, known)}")
        steps = self.smoothing
        if steps is not None and (len(steps) != 2 or min(steps) < 1):
            raise InputError(f"Multigrid.smoothing: expected two numbers of steps >= 1, got {steps}")

    def at(self, progress: float) -> Multigrid:
        """Return the solver as the last change of the density wants it.

        Parameters
        ----------
        progress : float
            Root mean square change; inf in front of the first iteration, nan where nothing is known.
        """
        if not self.follow:
            return self
        wanted = FOLLOWED * progress if progress == progress else 0.0
        return dataclasses.replace(self, tolerance=max(self.tolerance, min(self.loosest, wanted)))

    def factor(self, operator: Operator) -> MultigridFactor:
        """Build the operators of all grids.

        Raises
        ------
        InputError
            If the system has no grid, or its element matrix is not that of an isotropic material.
        SingularSystemError
            If no modulus is positive, or the ladder ends at a direct solver that finds the operator singular.
        """
        from topopt.solvers.multigrid.factor import (
            MultigridFactor,  # the compiler takes half a second to load
        )

        return MultigridFactor(self, operator)


def usable(system: System) -> bool:
    """Return whether the solver can do it: a grid of cells of one isotropic material."""
    from topopt.solvers.matrixfree.coefficients import coefficients
    from topopt.solvers.matrixfree.operator import on_grid

    if not on_grid(system):
        return False
    try:
        coefficients(system.element_matrix, system.ndim)
    except InputError:
        return False
    return True
