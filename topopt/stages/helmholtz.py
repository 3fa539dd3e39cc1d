"""The PDE filter: a density that diffuses over a length, solved on the nodes of the grid."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np
from scipy import fft, sparse
from scipy.sparse.linalg import splu

from topopt.chain import Pullback, Stage
from topopt.grid import Domain, Grid
from topopt.parameters import Array, Positive
from topopt.stages.filters import averaged, refuse_radius

__all__ = ["Helmholtz"]


@dataclass(frozen=True)
class Helmholtz(Stage):
    """Density filter that solves ``-length**2 laplace(t) + t = x`` with ``length = radius / (2 sqrt(3))``.

    The equation is discretised by bilinear (trilinear) elements with a natural boundary: the load of a cell
    is shared by its nodes, and a cell's output is the mean of its nodes. Void cells are left out of the
    mesh. Solid cells contribute a density of 1. In solid and void cells the output is exactly 1 and 0,
    whatever the input there.

    Without void cells the finite element matrices are diagonal in cosines, so that a fast cosine transform
    solves the equation exactly; with void cells a sparse factor does, kept for as long as the radius stays.

    Parameters
    ----------
    domain : Domain
        The grid and its passive parts.
    radius : float
        Radius of the cone filter with about the same reach, in the grid's unit of length; at least twice a
        cell's longest edge, at most the longest edge of the grid. Below, the elements are too coarse for the
        equation: neighbours would get negative weights, and densities would leave 0 to 1. Up to three
        edges a trace of that (below 0.01) can remain where cells are elongated or where the boundary of a
        3-D void is ragged; it is not cut off, because the output must stay linear in the input.

    Raises
    ------
    InputError
        If the radius is too small for the cells or larger than the grid.

    References
    ----------
    Lazarov, Sigmund, Int. J. Numer. Meth. Engng 86 (2011), doi:10.1002/nme.3072
    """

    linear: ClassVar[bool] = True

    domain: Domain
    radius: Positive

    def __post_init__(self) -> None:
        """Refuse a radius that the cells do not resolve."""
        super().__post_init__()
        least = 2.0 * float(self.domain.grid.spacing.max())
        refuse_radius("Helmholtz", self.domain.grid, self.radius, math.nextafter(least * (1 - 2e-9), 0.0))

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the filtered field, shape (n_cells,)."""
        (design,) = inputs
        gain, offset = _weights(self.domain, self.radius)
        return averaged(self.domain, design, _smoother(self.domain, self.radius), gain, offset)


def _smoother(domain: Domain, radius: float) -> Callable[[Array], Array]:
    """Return the map from a field to its diffused field."""
    if domain.void_cells.any():
        return _meshed(domain, radius)
    return functools.partial(_by_cosines, domain.grid, radius)


@functools.lru_cache(maxsize=8)
def _weights(domain: Domain, radius: float) -> tuple[Array, Array]:
    """Return 1 in active cells and 0 elsewhere, and what the solid cells contribute."""
    gain = domain.active.astype(np.float64)
    solid = domain.solid_cells.astype(np.float64)
    offset = domain.impose(_smoother(domain, radius)(solid)) if solid.any() else solid
    gain.flags.writeable = offset.flags.writeable = False
    return gain, offset


def _by_cosines(grid: Grid, radius: float, field: Array) -> Array:
    """Solve on a box of cells, where the nodes' equations are diagonal in cosines."""
    transform = fft.dctn(grid.shaped(field), norm="ortho", overwrite_x=False)
    transform *= _symbol(grid, radius)
    return np.asarray(fft.idctn(transform, norm="ortho", overwrite_x=True)).reshape(-1)


@functools.lru_cache(maxsize=8)
def _symbol(grid: Grid, radius: float) -> Array:
    """Return the factor by which the filter damps each cosine, shape `cells`.

    On an axis with n cells the cosine of angle a = pi k / n has the mass (2 + cos a) / 3 and the stiffness
    (2 - 2 cos a) / h**2; spreading cells to nodes and averaging back each give cos(a / 2). With the natural
    boundary this holds up to the last node, because cosines are their own mirror image there.
    """
    length2 = _length2(radius)
    mass, ratio, spread = [], [], []
    for n, edge in zip(grid.cells, grid.spacing, strict=True):
        angle = np.pi * np.arange(n) / n
        mass.append((2.0 + np.cos(angle)) / 3.0)
        ratio.append(length2 * 4.0 * np.square(np.sin(angle / 2) / edge) / mass[-1])
        spread.append(np.square(np.cos(angle / 2)) / mass[-1])
    symbol = functools.reduce(np.multiply.outer, spread) / (1.0 + functools.reduce(np.add.outer, ratio))
    symbol.flags.writeable = False
    return cast(Array, symbol)


@functools.lru_cache(maxsize=4)
def _meshed(domain: Domain, radius: float) -> Callable[[Array], Array]:
    """Factor the equation on the mesh without its void cells and return the map from field to field."""
    grid = domain.grid
    cells = np.flatnonzero(~domain.void_cells)
    nodes, table = np.unique(grid.cell_nodes[cells], return_inverse=True)
    table = table.reshape(len(cells), -1)
    corners = table.shape[1]
    local = _element(grid, radius)
    rows, columns = np.repeat(table, corners, axis=1).ravel(), np.tile(table, (1, corners)).ravel()
    entries = (np.tile(local.ravel(), len(cells)), (rows, columns))
    matrix = sparse.csc_array(sparse.coo_array(entries, shape=(len(nodes),) * 2))
    factor = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    pointers = np.arange(0, table.size + 1, corners)
    mean = sparse.csr_array(
        (np.full(table.size, 1.0 / corners), table.ravel(), pointers), shape=(len(cells), len(nodes))
    )
    load = sparse.csr_array(mean.T)

    def solve(field: Array) -> Array:
        output = np.zeros(grid.n_cells)
        output[cells] = mean @ factor.solve(load @ field[cells])
        return output

    return solve


def _element(grid: Grid, radius: float) -> Array:
    """Return the matrix of one element divided by its volume, corners in the order of `cell_nodes`."""
    mass = np.array([[2.0, 1.0], [1.0, 2.0]]) / 6.0
    slope = np.array([[1.0, -1.0], [-1.0, 1.0]])
    total = _product([mass] * grid.ndim)
    for axis, edge in enumerate(grid.spacing):
        parts = [slope / edge**2 if axis == other else mass for other in range(grid.ndim)]
        total += _length2(radius) * _product(parts)
    return total


def _product(factors: list[Array]) -> Array:
    """Return the Kronecker product of one matrix per axis, x first."""
    product: Array = np.ones((1, 1))
    for factor in factors:
        product = np.kron(product, factor).astype(np.float64)
    return product


def _length2(radius: float) -> float:
    """Return the square of the diffusion length."""
    return radius**2 / 12.0
