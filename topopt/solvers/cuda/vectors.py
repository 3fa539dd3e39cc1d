"""The long vectors of conjugate gradients on a card."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import DTypeLike

from topopt.parameters import Array
from topopt.solvers.cuda.device import BLOCK, SIMULATED, grid_for, stream
from topopt.solvers.matrixfree.lattice import Lattice
from topopt.solvers.multigrid.gradients import Sums

__all__ = ["CardSpace", "cast", "direction", "dot", "jacobi", "mix", "nothing", "zeros"]

BLOCKS = 2 if SIMULATED else 512
"""Blocks that add up a sum."""


@cuda.jit(device=True)
def _gathered(part, out):  # type: ignore[no-untyped-def]
    """Add the parts of a block's threads to the sum."""
    shared = cuda.shared.array(BLOCK, np.float64)
    t = cuda.threadIdx.x
    shared[t] = part
    cuda.syncthreads()
    half = BLOCK // 2
    while half > 0:
        if t < half:
            shared[t] += shared[t + half]
        cuda.syncthreads()
        half //= 2
    if t == 0:
        cuda.atomic.add(out, 0, shared[0])


@cuda.jit
def _dot(one, other, out):  # type: ignore[no-untyped-def]
    part = 0.0
    for e in range(cuda.grid(1), one.size, cuda.gridsize(1)):
        part += one[e] * other[e]
    _gathered(part, out)


@cuda.jit
def _advance(alpha, q, r, x, a, p, b, second, out):  # type: ignore[no-untyped-def]
    part = 0.0
    for e in range(cuda.grid(1), r.size, cuda.gridsize(1)):
        if second.size > 0:
            x[e] += a * p[e] + b * second[e]
        elif p.size > 0:
            x[e] += a * p[e]
        v = r[e] - alpha * q[e]
        r[e] = v
        part += v * v
    _gathered(part, out)


@cuda.jit
def _rescale(factor, f, x, r):  # type: ignore[no-untyped-def]
    e = cuda.grid(1)
    if e < x.size:
        x[e] *= factor
        r[e] = (1.0 - factor) * f[e] + factor * r[e]


@cuda.jit
def _direction(beta, z, p, following):  # type: ignore[no-untyped-def]
    e = cuda.grid(1)
    if e < p.size:
        following[e] = z[e] + beta * p[e]


@cuda.jit
def _mix(a, x, c, total):  # type: ignore[no-untyped-def]
    e = cuda.grid(1)
    if e < total.size:
        total[e] = a * x[e] if c == 0 else a * x[e] + c * total[e]


@cuda.jit
def _scale(vector, factor):  # type: ignore[no-untyped-def]
    e = cuda.grid(1)
    if e < vector.size:
        vector[e] *= factor


@cuda.jit
def _assign(target, source):  # type: ignore[no-untyped-def]
    e = cuda.grid(1)
    if e < target.size:
        target[e] = source[e]


@cuda.jit
def _jacobi(b, inverse, c, x, z):  # type: ignore[no-untyped-def]
    e = cuda.grid(1)
    if e < x.size:
        v = c * inverse[e] * b[e]
        x[e] = v
        if z.size > 0:
            z[e] = v


@cuda.jit
def _place(unknowns, vector, free, n0, n1, n2, m1, m2, n, components):  # type: ignore[no-untyped-def]
    g = cuda.grid(1)
    if g < unknowns.size:
        node, q = g // components, g % components
        at = q * n + (node // (n1 * n2) * m1 + (node // n2) % n1) * m2 + node % n2
        vector[at] = unknowns[g] if free[at] != 0 else 0.0


@cuda.jit
def _collect(vector, unknowns, n0, n1, n2, m1, m2, n, components):  # type: ignore[no-untyped-def]
    g = cuda.grid(1)
    if g < unknowns.size:
        node, q = g // components, g % components
        unknowns[g] = vector[q * n + (node // (n1 * n2) * m1 + (node // n2) % n1) * m2 + node % n2]


@cuda.jit
def _clear(vector):  # type: ignore[no-untyped-def]
    e = cuda.grid(1)
    if e < vector.size:
        vector[e] = 0


def zeros(size: int, dtype: DTypeLike) -> Any:
    """Return zeros on the card."""
    vector = cuda.device_array(size, np.dtype(dtype))
    if size:
        _clear[grid_for(size)](vector)
    return vector


def cast(values: Any, dtype: DTypeLike) -> Any:
    """Return an array of the card in another precision."""
    out = zeros(values.size, dtype)
    if values.size:
        _assign[grid_for(values.size)](out, values)
    return out


@functools.cache
def nothing(dtype: np.dtype[Any]) -> Any:
    """Return an empty array on the card, for an argument that a job has no use for."""
    return cuda.device_array(0, dtype)


def _summing(size: int) -> tuple[int, int, Any]:
    """Return blocks, threads and the queue of a sum over so many entries, several each."""
    return min(BLOCKS, max(1, size // BLOCK)), BLOCK, stream()


def dot(one: Any, other: Any) -> float:
    """Return a scalar product, added up in double precision."""
    out = zeros(1, np.float64)
    _dot[_summing(one.size)](one, other, out)
    return float(out.copy_to_host()[0])


def jacobi(b: Any, inverse: Any, c: float, x: Any, z: Any) -> None:
    """Do x = c b / diagonal, and z = x unless z is empty: the first step from zero."""
    _jacobi[grid_for(x.size)](b, inverse, c, x, z)


def direction(beta: float, z: Any, p: Any, following: Any) -> None:
    """Do following = z + beta p."""
    _direction[grid_for(p.size)](beta, z, p, following)


def mix(a: float, x: Any, c: float, total: Any) -> None:
    """Do total = a x + c total, whatever total is where c is zero."""
    number = total.dtype.type
    _mix[grid_for(total.size)](number(a), x, number(c), total)


@dataclass(frozen=True)
class CardSpace:
    """Vectors on the nodes of a lattice.

    Attributes
    ----------
    lattice : Lattice
        Where unknowns stand.
    free : array on the card
        By entry, zero where it is fixed.
    """

    lattice: Lattice
    free: Any

    def zeros(self) -> Any:
        """Return a vector of zeros."""
        return zeros(self.lattice.n * self.lattice.components, np.float64)

    @functools.cached_property
    def _places(self) -> tuple[int, ...]:
        """Return the grid's nodes along three axes, the lattice's rows and columns, its nodes, components."""
        cells = self.lattice.cells
        nodes = (cells[0] + 1, cells[1] + 1 if len(cells) == 3 else 1, cells[-1] + 1)
        return (*nodes, *self.lattice.shape[1:], self.lattice.n, self.lattice.components)

    def states(self) -> tuple[Any, Any]:
        """Return two vectors in double precision."""
        return self.zeros(), self.zeros()

    def directions(self, like: Any) -> tuple[Any, Any, Any]:
        """Return three vectors in double precision: mixed products were not measured on a card."""
        return self.zeros(), self.zeros(), self.zeros()

    def load(self, vector: Any, unknowns: Array, factor: float) -> None:
        """Write a multiple of unknowns that are numbered node by node, zero on fixed ones."""
        given = cuda.to_device(np.ascontiguousarray(factor * unknowns, dtype=np.float64))
        _place[grid_for(given.size)](given, vector, self.free, *self._places)

    def unload(self, vector: Any, factor: float) -> Array:
        """Return a multiple of a vector's unknowns, numbered node by node."""
        n0, n1, n2, *_, components = self._places
        out = cuda.device_array(n0 * n1 * n2 * components, np.float64)
        _collect[grid_for(out.size)](vector, out, *self._places)
        return np.asarray(factor * out.copy_to_host())

    def norm(self, vector: Any) -> float:
        """Return the Euclidean norm."""
        return float(np.sqrt(dot(vector, vector)))

    def dot(self, one: Any, other: Any) -> float:
        """Return the scalar product."""
        return dot(one, other)

    def sums(self, f: Any, x: Any, r: Any) -> Sums:
        """Return all scalar products of the three that `Sums` names."""
        return Sums(dot(f, x), dot(r, x), dot(f, r), dot(r, r), dot(x, x))

    def rescale(self, factor: float, f: Any, x: Any, r: Any) -> None:
        """Do x = factor x and r = (1 - factor) f + factor r, the residual of that."""
        _rescale[grid_for(x.size)](factor, f, x, r)

    def clear(self, vector: Any) -> None:
        """Write zeros."""
        _clear[grid_for(vector.size)](vector)

    def scale(self, vector: Any, factor: float) -> None:
        """Multiply in place."""
        _scale[grid_for(vector.size)](vector, factor)

    def assign(self, target: Any, source: Any) -> None:
        """Copy, from one precision to another where they differ."""
        _assign[grid_for(target.size)](target, source)

    def advance(
        self, alpha: float, q: Any, r: Any, x: Any = None, steps: Sequence[tuple[float, Any]] = ()
    ) -> float:
        """Do r -= alpha q, and x += a p for each of at most two steps; return r . r."""
        none, out = nothing(np.dtype(np.float64)), zeros(1, np.float64)
        (a, p), (b, second) = [*steps, (0.0, none), (0.0, none)][:2]
        _advance[_summing(r.size)](alpha, q, r, none if x is None else x, a, p, b, second, out)
        return float(out.copy_to_host()[0])

    def mix(self, a: float, x: Any, c: float, total: Any) -> None:
        """Do total = a x + c total."""
        _mix[grid_for(total.size)](a, x, c, total)
