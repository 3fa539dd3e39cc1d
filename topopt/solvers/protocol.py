"""The door of every solver: factor an operator once, solve with it many times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from topopt.fem.assembly import System
from topopt.parameters import Array

__all__ = ["DirectFactor", "Factor", "IterativeFactor", "Operator", "Solver", "System", "Work"]


class Operator(Protocol):
    """A symmetric positive definite operator on the free unknowns of a system."""

    @property
    def system(self) -> Any:
        """The system behind it."""

    @property
    def moduli(self) -> Array:
        """By cell; a solver without a matrix begins with these."""

    @property
    def matrix(self) -> Any:
        """Lower triangle, CSC, on the free unknowns."""

    @property
    def full_matrix(self) -> Any:
        """Both triangles, CSC, on the free unknowns."""

    def apply(self, u: Array) -> Array:
        """Return K u on all unknowns, zero on fixed ones."""

    def diagonal(self) -> Array:
        """Return the diagonal on all unknowns, zero on fixed ones."""


class Factor(Protocol):
    """An operator made ready for solving; it stays valid whatever is factored later."""

    def solve(self, rhs: Array, guesses: Sequence[Array] = ()) -> Array:
        """Return the solutions of K u = rhs, zero on fixed unknowns.

        Parameters
        ----------
        rhs : array, shape (n_dofs,) or (n_dofs, k)
            Right-hand sides as columns; entries on fixed unknowns are ignored.
        guesses : sequence of array, optional
            Each like `rhs` and near the solutions, the nearest first; an iterative solver begins with the
            best mixture of them, others ignore them.

        Returns
        -------
        array
            Like `rhs`, fresh.
        """


@dataclass(frozen=True)
class Work:
    """What a `solve` took, all its right-hand sides together.

    Attributes
    ----------
    iterations, climbs : int
        Cycles, and rungs of a ladder that were climbed because a cycle did not do.
    tolerance, error : float
        The largest residual, as a share of its right-hand side, and the largest error that it may leave in
        sensitivities, as a share of the energy.
    """

    iterations: int = 0
    climbs: int = 0
    tolerance: float = 0.0
    error: float = 0.0


@runtime_checkable
class IterativeFactor(Factor, Protocol):
    """A factor whose solutions depend on the guesses, within its tolerance."""

    @property
    def work(self) -> Work:
        """Of the last `solve`."""


class Solver(Protocol):
    """A way to solve; concrete ones are frozen dataclasses."""

    def __hash__(self) -> int:
        """Hash, as frozen dataclasses do."""

    def factor(self, operator: Operator) -> Factor:
        """Make an operator ready for solving.

        Raises
        ------
        SingularSystemError
            If the operator is not positive definite.
        """


@dataclass(frozen=True, eq=False)
class DirectFactor:
    """A factorisation of the matrix on the free unknowns.

    Attributes
    ----------
    system : System
        Which unknowns are free.
    substitute : callable
        Maps right-hand sides (n_free, k) to solutions.
    """

    system: System
    substitute: Callable[[Array], Array]

    def solve(self, rhs: Array, guesses: Sequence[Array] = ()) -> Array:
        """Return the solutions, all columns at once; see `Factor.solve`."""
        columns = rhs.reshape(rhs.shape[0], -1)
        out = np.zeros_like(columns, dtype=np.float64)
        out[self.system.free] = self.substitute(columns[self.system.free])
        return out.reshape(rhs.shape)
