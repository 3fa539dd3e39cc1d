"""Multigrid on this machine's processor: vectors of numpy, sweeps on all threads."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from topopt.parameters import Array
from topopt.solvers.matrixfree.compiled import slabs
from topopt.solvers.matrixfree.lattice import Lattice, Vector
from topopt.solvers.matrixfree.operator import MatrixFree
from topopt.solvers.multigrid.cycle import Hierarchy, Steps
from topopt.solvers.multigrid.gradients import Sums
from topopt.solvers.multigrid.hierarchy import hierarchy
from topopt.solvers.multigrid.plan import Plan
from topopt.solvers.multigrid.scaled import Scaled
from topopt.solvers.multigrid.vectors import advance, dot, mix, rescale, sums
from topopt.workspaces import workspace

__all__ = ["Host", "HostSpace"]


@dataclass(frozen=True)
class HostSpace:
    """Vectors on the nodes of a matrix-free operator."""

    operator: MatrixFree

    def states(self) -> tuple[Vector, Vector]:
        """Return two vectors in double precision, whatever they hold; the next solve is given the same."""
        f, x = _vectors(2, self.operator.lattice, np.dtype(np.float64), threading.get_ident())
        return f, x

    def directions(self, like: Vector) -> tuple[Vector, Vector, Vector]:
        """Return three vectors in the precision of another; the next solve is given the same."""
        p, following, q = _vectors(3, self.operator.lattice, like.dtype, threading.get_ident())
        return p, following, q

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
        return math.sqrt(self.dot(vector, vector))

    def dot(self, one: Vector, other: Vector) -> float:
        """Return the scalar product."""
        return float(dot(one, other, slabs()))

    def sums(self, f: Vector, x: Vector, r: Vector) -> Sums:
        """Return all scalar products of the three that `Sums` names."""
        return Sums(*sums(f, x, r, slabs()))

    def rescale(self, factor: float, f: Vector, x: Vector, r: Vector) -> None:
        """Do x = factor x and r = (1 - factor) f + factor r, the residual of that."""
        rescale(factor, f, x, r, slabs())

    def clear(self, vector: Vector) -> None:
        """Write zeros."""
        vector.fill(0.0)

    def scale(self, vector: Vector, factor: float) -> None:
        """Multiply in place."""
        vector *= factor

    def assign(self, target: Vector, source: Vector) -> None:
        """Copy, from one precision to another where they differ."""
        target[:] = source

    def advance(
        self,
        alpha: float,
        q: Vector,
        r: Vector,
        x: Vector | None = None,
        steps: Sequence[tuple[float, Vector]] = (),
    ) -> float:
        """Do r -= alpha q, and x += a p for each of at most two steps; return r . r."""
        nowhere = np.zeros(0) if x is None else x
        (a, p), (b, before) = [*steps, (0.0, q[:0]), (0.0, q[:0])][:2]
        return float(advance(alpha, q, r, nowhere, a, p, b, before, slabs()))

    def mix(self, a: float, x: Vector, c: float, total: Vector) -> None:
        """Do total = a x + c total."""
        mix(a, x, c, total, slabs())


@workspace(maxsize=2)
def _vectors(count: int, lattice: Lattice, dtype: np.dtype[Any], thread: int) -> tuple[Vector, ...]:
    """Return so many vectors of a thread."""
    return tuple(lattice.vector(dtype) for _ in range(count))


@dataclass(frozen=True)
class Host:
    """Builds what a solve needs in this machine's memory."""

    def exact(self, body: Scaled) -> MatrixFree:
        """Return the operator in double precision."""
        return MatrixFree.of(body.system, body.moduli, np.float64, body.scale, body.spring)

    def space(self, operator: MatrixFree) -> HostSpace:
        """Return where its vectors live."""
        return HostSpace(operator)

    def cycles(
        self, exact: MatrixFree, body: Scaled, plan: Plan, steps: Steps, dtype: DTypeLike
    ) -> Hierarchy:
        """Return the preconditioner."""
        return hierarchy(body, plan, steps, dtype)
