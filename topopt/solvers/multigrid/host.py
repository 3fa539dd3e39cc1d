"""Multigrid on this machine's processor: vectors of numpy, sweeps on all threads."""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import DTypeLike

from topopt.parameters import Array
from topopt.solvers.matrixfree.lattice import Lattice, Vector
from topopt.solvers.matrixfree.operator import GridSystem, MatrixFree
from topopt.solvers.multigrid.cycle import Hierarchy, Steps
from topopt.solvers.multigrid.gradients import Search
from topopt.solvers.multigrid.hierarchy import hierarchy
from topopt.solvers.multigrid.plan import Plan
from topopt.solvers.multigrid.vectors import advance, direction

__all__ = ["Host", "HostSpace"]


@dataclass(frozen=True)
class HostSpace:
    """Vectors on the nodes of a matrix-free operator."""

    operator: MatrixFree

    def search(self) -> Search:
        """Return vectors for a solve, whatever they hold; the next solve is given the same."""
        return _search(self.operator.lattice, threading.get_ident())

    def load(self, vector: Vector, unknowns: Array, factor: float) -> None:
        """Write a multiple of unknowns that are numbered node by node, zero on fixed ones."""
        lattice = self.operator.lattice
        if vector.size > unknowns.size:  # a padded lattice: a solve that failed may have left anything there
            self.clear(vector)
        lattice.load(vector, unknowns, factor)
        vector[self.operator.fixed] = 0.0

    def unload(self, vector: Vector, factor: float) -> Array:
        """Return a multiple of a vector's unknowns, numbered node by node."""
        return self.operator.lattice.unload(vector, factor)

    def norm(self, vector: Vector) -> float:
        """Return the Euclidean norm."""
        return float(np.linalg.norm(vector))

    def dot(self, one: Vector, other: Vector) -> float:
        """Return the scalar product."""
        return float(np.dot(one, other))

    def clear(self, vector: Vector) -> None:
        """Write zeros."""
        vector.fill(0.0)

    def scale(self, vector: Vector, factor: float) -> None:
        """Multiply in place."""
        vector *= factor

    def assign(self, target: Vector, source: Vector) -> None:
        """Copy, from one precision to another where they differ."""
        target[:] = source

    def advance(self, alpha: float, p: Vector, q: Vector, x: Vector, r: Vector, single: Vector) -> float:
        """Do x += alpha p, r -= alpha q, single = r; return r . r."""
        return float(advance(alpha, p, q, x, r, single, numba.get_num_threads()))

    def direction(self, beta: float, z: Vector, p: Vector) -> None:
        """Do p = z + beta p."""
        direction(beta, z, p, numba.get_num_threads())


@functools.lru_cache(maxsize=1)
def _search(lattice: Lattice, thread: int) -> Search:
    """Return a thread's vectors: new memory costs as much as two sweeps through it before it is written."""
    return Search(*(lattice.vector(np.float64) for _ in range(5)))


@dataclass(frozen=True)
class Host:
    """Builds what a solve needs in this machine's memory."""

    def exact(self, system: GridSystem, moduli: Array, scale: float, spring: float) -> MatrixFree:
        """Return the operator in double precision; element matrix and springs are scaled."""
        return MatrixFree.of(system, moduli, np.float64, scale, spring)

    def space(self, operator: MatrixFree) -> HostSpace:
        """Return where its vectors live."""
        return HostSpace(operator)

    def cycles(
        self, operator: MatrixFree, system: GridSystem, moduli: Array, plan: Plan, scale: float,
        spring: float, steps: Steps, dtype: DTypeLike,
    ) -> Hierarchy:  # fmt: skip
        """Return the preconditioner."""
        return hierarchy(system, moduli, plan, scale, spring, steps, dtype)
