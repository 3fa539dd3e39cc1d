"""Multigrid on this machine's processor: vectors of numpy, sweeps on all threads."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import DTypeLike

from topopt.fem.assembly import System
from topopt.parameters import Array
from topopt.solvers.matrixfree.lattice import Vector
from topopt.solvers.matrixfree.operator import MatrixFree
from topopt.solvers.multigrid.cycle import Hierarchy, Steps
from topopt.solvers.multigrid.hierarchy import hierarchy
from topopt.solvers.multigrid.plan import Plan
from topopt.solvers.multigrid.vectors import advance, direction

__all__ = ["Host", "HostSpace"]


@dataclass(frozen=True)
class HostSpace:
    """Vectors on the nodes of a matrix-free operator."""

    operator: MatrixFree

    def zeros(self) -> Vector:
        """Return a vector of zeros."""
        return self.operator.lattice.vector(np.float64)

    def load(self, unknowns: Array) -> Vector:
        """Return a vector of unknowns that are numbered node by node, zero on fixed ones."""
        vector = self.zeros()
        self.operator.lattice.load(vector, unknowns)
        vector[self.operator.fixed] = 0.0
        return vector

    def unload(self, vector: Vector) -> Array:
        """Return a vector's unknowns, numbered node by node."""
        return self.operator.lattice.unload(vector)

    def norm(self, vector: Vector) -> float:
        """Return the Euclidean norm."""
        return float(np.linalg.norm(vector))

    def dot(self, one: Vector, other: Vector) -> float:
        """Return the scalar product."""
        return float(np.dot(one, other))

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


@dataclass(frozen=True)
class Host:
    """Builds what a solve needs in this machine's memory."""

    def exact(self, system: System, moduli: Array, scale: float, spring: float) -> MatrixFree:
        """Return the operator in double precision; element matrix and springs are scaled."""
        return MatrixFree.of(system, moduli, np.float64, scale, spring)

    def space(self, operator: MatrixFree) -> HostSpace:
        """Return where its vectors live."""
        return HostSpace(operator)

    def cycles(
        self, operator: MatrixFree, system: System, moduli: Array, plan: Plan, scale: float,
        spring: float, steps: Steps, dtype: DTypeLike,
    ) -> Hierarchy:  # fmt: skip
        """Return the preconditioner."""
        return hierarchy(system, moduli, plan, scale, spring, steps, dtype)
