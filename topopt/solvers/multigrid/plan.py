"""What a hierarchy of lattices has in common at all moduli: sizes, fixed entries, where supports go."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topopt.fem.assembly import System
from topopt.parameters import Array
from topopt.remembered import remembered
from topopt.solvers.matrixfree.lattice import Lattice
from topopt.solvers.matrixfree.operator import fixed_dofs, lattice_of
from topopt.solvers.matrixfree.walsh import child_matrices, matrices_at

__all__ = ["ByPlane", "Floor", "Plan", "lowered", "plan"]

ByPlane = tuple[NDArray[np.uintp], NDArray[np.uintp], NDArray[np.uintp]]
"""Where each plane's fixed entries begin, their components, their nodes counted from the plane's first."""

SAMPLED = 3
"""The last level of which all fine cells are looked at."""


@dataclass(frozen=True, eq=False)
class Floor:
    """One lattice of a hierarchy.

    Attributes
    ----------
    lattice : Lattice
        The nodes.
    fixed : array of uintp
        Entries held at zero: those of a fine entry at the same place.
    off : array of uintp
        Fixed entries without a partner on the next coarser lattice.
    bound : float
        A bound of the eigenvalues of K after division by its diagonal.
    """

    lattice: Lattice
    fixed: NDArray[np.uintp]
    off: NDArray[np.uintp]
    bound: float

    @functools.cached_property
    def by_plane(self) -> ByPlane:
        """Fixed entries by planes of nodes, across the first axis."""
        lattice = self.lattice
        component, node = np.divmod(self.fixed, np.uintp(lattice.n))
        plane, place = np.divmod(node, np.uintp(lattice.n // lattice.shape[0]))
        order = np.argsort(plane, kind="stable")
        starts = np.searchsorted(plane[order], np.arange(lattice.shape[0] + 1, dtype=np.uintp))
        return starts.astype(np.uintp), component[order], place[order]


@dataclass(frozen=True, eq=False)
class Plan:
    """The lattices, fine to coarse."""

    floors: tuple[Floor, ...]


@functools.lru_cache(maxsize=4)
def plan(system: System, coarsest: int) -> Plan:
    """Halve the cells, at least once, until at most `coarsest` unknowns are left.

    An axis with an odd number of cells gets a layer of void, so that any grid can be halved; unknowns that
    only void touches stay zero.
    """
    lattice = lattice_of(system)
    chain: list[Lattice] = []
    while not chain or (lattice.n * lattice.components > coarsest and max(lattice.cells) > 1):
        chain.append(lattice)
        lattice = Lattice(lattice.coarse_cells, lattice.components)
    chain.append(Lattice(lattice.cells, lattice.components, coarsened=False))
    flags = chain[0].vector(bool)
    flags[chain[0].numbers(fixed_dofs(system))] = True
    floors = []
    for level, lattice in enumerate(chain):
        fixed = np.flatnonzero(flags).astype(np.uintp)
        off = fixed[:0]
        bound = largest_eigenvalue(system.element_matrix, system.ndim, level)
        if level + 1 < len(chain):
            nodes = flags.reshape(-1, *lattice.shape)
            coarse = chain[level + 1].vector(bool)
            steps = tuple(slice(None, None, 2 if n > 1 else 1) for n in lattice.shape)
            inner = nodes[(slice(None), *steps)]
            window = tuple(slice(0, n) for n in inner.shape[1:])
            coarse.reshape(-1, *chain[level + 1].shape)[(slice(None), *window)] = inner
            loose = flags.copy().reshape(nodes.shape)
            loose[(slice(None), *steps)] = False
            off = np.flatnonzero(loose.ravel()).astype(np.uintp)
            flags = coarse
        floors.append(Floor(lattice, fixed, off, bound))
    return Plan(tuple(_without_idle(floors)))


def _without_idle(floors: list[Floor]) -> Iterator[Floor]:
    """Forget fixed entries all of whose coarse neighbours are fixed, as in a clamped face."""
    for fine, coarse in itertools.pairwise(floors):
        reached = lowered(fine, coarse, fine.off, np.ones(len(fine.off)))
        yield fine if reached.any() else dataclasses.replace(fine, off=fine.off[:0])
    yield floors[-1]


def lowered(fine: Floor, coarse: Floor, entries: NDArray[np.uintp], values: Array) -> Array:
    """Return stiffnesses to the ground at some entries as a diagonal of the next coarser lattice.

    The transposed interpolation of the diagonal, which is what lumping the exact product gives.
    """
    shape = fine.lattice.shape
    component, node = np.divmod(entries.astype(np.intp), fine.lattice.n)
    places = np.array(np.unravel_index(node, shape))
    out = np.zeros(coarse.lattice.components * coarse.lattice.n)
    halves = places / 2.0
    for corner in np.ndindex(2, 2, 2):
        at, weight = [], np.ones(len(node))
        for axis, up in enumerate(corner):
            if shape[axis] == 1:
                at.append(places[axis])
                weight = weight * (1.0 - up)
                continue
            lower = np.floor(halves[axis]).astype(np.intp)
            part = halves[axis] - lower
            at.append(np.minimum(lower + up, coarse.lattice.shape[axis] - 1))
            weight = weight * (part if up else 1.0 - part)
        number = component * coarse.lattice.n + np.ravel_multi_index(at, coarse.lattice.shape)
        np.add.at(out, number, weight * values)
    out[coarse.fixed] = 0.0
    return out


@remembered(maxsize=32)
def largest_eigenvalue(element_matrix: Array, ndim: int, level: int) -> float:
    """Return a bound of the eigenvalues of D^-1 K on a level, whatever the moduli.

    For sums of matrices K_c and of their diagonals D_c the largest eigenvalue of the pencil is at most the
    largest of the summands' (the Rayleigh quotient of the sum is a mean of theirs). From the fourth level on
    not all fine cells are looked at, but those of the third and the one in the corner, where the largest is.
    """
    children = child_matrices(element_matrix, ndim, min(level, SAMPLED))
    if level > SAMPLED:
        children = np.concatenate([children, matrices_at(element_matrix, ndim, level, [(0,) * ndim])])
    scale = 1.0 / np.sqrt(np.einsum("cii->ci", children))
    return float(np.linalg.eigvalsh(children * scale[:, :, None] * scale[:, None, :])[:, -1].max())
