"""The PDE filter: a density that diffuses over a length, solved on the nodes of the grid or mesh."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from topopt.cells import Cells, Indices
from topopt.chain import Pullback
from topopt.errors import TooLargeError
from topopt.fem.element import diffusion, diffusions, mass, masses
from topopt.fem.operator import StiffnessOperator
from topopt.grid import Domain, Grid, structured
from topopt.meshes import Mesh
from topopt.parameters import Array, Positive
from topopt.solvers import Multigrid, choose, direct
from topopt.stages.averaged import averaged, refuse_radius, silence
from topopt.stages.on_cells import OnCells

__all__ = ["Helmholtz"]

MOST_FACTORED = {2: 250_000, 3: 20_000}
"""Nodes of a grid with void up to which a factor is kept, by dimension; larger ones take multigrid.

Measured on two cores, setup and one filtering, CHOLMOD and multigrid: 4.1 + 0.11 and 0.05 + 0.06 s with
1000x500
cells, 0.42 + 0.008 and 0.02 + 0.004 s with 24x24x24, 3.0 + 0.05 and 0.04 + 0.01 s with 40x40x40.
"""
BOXES, SIMPLICES = 2.0, 1.5
"""Least radius in longest edges: neighbours get no weight below 0 beyond a trace.

Summed over the neighbours of a cell the trace was at most 0.005 with 240 triangles and 900 tetrahedra,
regular, stretched threefold, and with nodes shaken by 0.3 edges.
"""
EXACT = 1e-10
"""Residual that multigrid leaves, over the load."""


@dataclass(frozen=True)
class Helmholtz(OnCells):
    """Density filter that solves ``-length**2 laplace(t) + t = x`` with ``length = radius / (2 sqrt(3))``.

    The equation is discretised by bilinear (trilinear) elements with a natural boundary: the load of a cell
    is shared by its nodes, and a cell's output is the mean of its nodes. Void cells are left out of the
    mesh. Solid cells contribute a density of 1. In solid and void cells the output is exactly 1 and 0,
    whatever the input there.

    Without void cells the finite element matrices are diagonal in cosines, so that a fast cosine transform
    solves the equation, exactly to the rounding of the largest entry: what is smaller than that, in the
    output or in the sensitivity, comes out as exactly 0, as in `Cone`. With void cells a sparse factor by
    the direct solver that is installed does, kept for as long as the radius stays, or on larger grids
    conjugate gradients with multigrid, to a residual of 1e-10.

    On a mesh the same equation stands, by the mesh's own elements: a cell loads its nodes with its density
    times the integrals of their shape functions, and its output is the mean of the solution over the cell.

    Parameters
    ----------
    domain : Domain
        The grid or mesh and its passive parts.
    radius : float
        Radius of the cone filter with about the same reach, in the grid's unit of length; at least twice a
        cell's longest edge (one and a half times that of triangles and tetrahedra, whose longest edges are
        diagonals), at most the longest edge of the grid. Below, the elements are too coarse for the
        equation: neighbours would get negative weights, and densities would leave 0 to 1. Up to three
        edges a trace of that (below 0.01) can remain where cells are elongated or where the boundary of a
        3-D void is ragged; it is not cut off, because the output must stay linear in the input.

    Raises
    ------
    InputError
        If the radius is too small for the cells or larger than all of them together.
    TooLargeError
        On use, if the factor for a grid with void cells would not fit into memory.

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
        mesh = self.domain.mesh
        edges = SIMPLICES if isinstance(mesh, Mesh) and mesh.kind.constant else BOXES
        least = edges * float(mesh.spacing.max())
        refuse_radius("Helmholtz", self.domain.mesh, self.radius, math.nextafter(least * (1 - 2e-9), 0.0))

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the filtered field, shape (n_cells,)."""
        (design,) = inputs
        weights, smooth = _weights(self.domain, self.radius), _smoother(self.domain, self.radius)
        return averaged(self.domain, design, smooth, weights, lambda: _back(self.domain, self.radius))


def _smoother(domain: Domain, radius: float) -> Callable[[Array], Array]:
    """Return the map from a field to its diffused field."""
    if isinstance(domain.mesh, Grid) and not domain.void_cells.any():
        return functools.partial(_by_cosines, domain.mesh, radius)
    return _meshed(domain, radius)


@functools.lru_cache(maxsize=4)
def _back(domain: Domain, radius: float) -> Array:
    """Return what the pullback makes of ones."""
    made = _smoother(domain, radius)(_weights(domain, radius)[0])
    made.flags.writeable = False
    return made


@functools.lru_cache(maxsize=8)
def _weights(domain: Domain, radius: float) -> tuple[Array, Array]:
    """Return 1 in active cells and 0 elsewhere, and what the solid cells contribute."""
    gain = domain.active.astype(np.float64)
    solid = domain.solid_cells.astype(np.float64)
    offset = _smoother(domain, radius)(solid) if solid.any() else solid
    if isinstance(domain.mesh, Mesh):  # what the smoother gives is integrated over the cells
        gain /= domain.mesh.volumes
        offset = offset / domain.mesh.volumes
    offset = domain.impose(offset) if solid.any() else offset
    gain.flags.writeable = offset.flags.writeable = False
    return gain, offset


def _by_cosines(grid: Grid, radius: float, field: Array) -> Array:
    """Solve on a box of cells, where the nodes' equations are diagonal in cosines; noise is 0."""
    symbol, norm = _symbol(grid, radius)
    transform = fft.dctn(grid.shaped(field), norm="ortho", overwrite_x=False)
    transform *= symbol
    output = np.asarray(fft.idctn(transform, norm="ortho", overwrite_x=True)).reshape(-1)
    silence(output, field, norm)
    return output


@functools.lru_cache(maxsize=8)
def _symbol(grid: Grid, radius: float) -> tuple[Array, float]:
    """Return the factor by which the filter damps each cosine, shape `cells`, and the norm of the weights.

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
    # the squares of the weights of all cells together are the squares of the symbol together
    return cast(Array, symbol), float(np.sqrt(np.mean(np.square(symbol))))


@dataclass(frozen=True)
class _Nodal:
    """The equation on the cells that are not void, one unknown for each of their nodes: a `System`."""

    domain: Domain
    radius: float

    @property
    def mesh(self) -> Cells:
        """The grid or mesh, void cells included."""
        return self.domain.mesh

    @property
    def n_cells(self) -> int:
        """Number of cells that are not void."""
        return len(self.cells)

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return self.domain.mesh.ndim

    @functools.cached_property
    def cells(self) -> NDArray[np.intp]:
        """The cells that are not void."""
        return np.flatnonzero(~self.domain.void_cells)

    @functools.cached_property
    def cell_dofs(self) -> Indices:
        """Unknowns of each cell, numbered in the order of the nodes."""
        nodes = self.domain.mesh.cell_nodes[self.cells]
        present = np.zeros(self.domain.mesh.n_nodes, dtype=bool)
        present[nodes] = True
        return (np.cumsum(present, dtype=np.int32) - 1)[nodes].astype(np.int32)

    @property
    def n_dofs(self) -> int:
        """Number of unknowns: the last node has the last one."""
        return int(self.cell_dofs.max()) + 1

    @property
    def element_matrix(self) -> Array:
        """Matrix of a cell divided by its volume; on a mesh, of every cell, not divided."""
        matrix = _element(self.domain.mesh, self.radius)
        return matrix if matrix.ndim == 2 else matrix[self.cells]

    @property
    def free(self) -> NDArray[np.intp]:
        """All unknowns: the boundary is natural."""
        return np.arange(self.n_dofs)

    @property
    def n_free(self) -> int:
        """Number of free unknowns."""
        return self.n_dofs

    @property
    def springs(self) -> Array:
        """None."""
        return np.zeros(self.n_dofs)


@functools.lru_cache(maxsize=2)
def _meshed(domain: Domain, radius: float) -> Callable[[Array], Array]:
    """Factor the equation on the mesh without its void cells and return the map from field to field."""
    mesh = _Nodal(domain, radius)
    if isinstance(domain.mesh, Grid) and domain.mesh.n_nodes > MOST_FACTORED[mesh.ndim]:
        return _iterated(_Lattice(domain, radius))
    try:
        solver = choose(mesh, direct("auto")).solver
    except TooLargeError as error:
        raise TooLargeError(
            f"Helmholtz on a grid with void cells: {error}; Cone, or Helmholtz without void, factors nothing"
        ) from error
    factor = solver.factor(StiffnessOperator(mesh, np.ones(len(mesh.cells))))
    cells, table, n_dofs = mesh.cells, mesh.cell_dofs, mesh.n_dofs
    corners = table.shape[1]
    whole = isinstance(domain.mesh, Grid)
    parts = np.full((1, corners), 1.0 / corners) if whole else cast(Mesh, domain.mesh).shares[cells]

    def solve(field: Array) -> Array:
        shares = field[cells][:, None] * parts
        load = np.bincount(table.ravel(), weights=shares.ravel(), minlength=n_dofs).astype(np.float64)
        output = np.zeros(domain.mesh.n_cells)
        nodes = factor.solve(load)[table]
        output[cells] = nodes.mean(axis=1) if whole else (nodes * parts).sum(axis=1)
        return output

    return solve


@dataclass(frozen=True)
class _Lattice(_Nodal):
    """The same with an unknown for every node of the grid: what touches void alone has no equation."""

    @property
    def n_cells(self) -> int:
        """Number of cells, void ones included: their modulus is 0."""
        return self.domain.mesh.n_cells

    @property
    def cell_dofs(self) -> Indices:
        """Unknowns of each cell: its nodes."""
        return self.domain.mesh.cell_nodes

    @property
    def n_dofs(self) -> int:
        """Number of unknowns."""
        return self.domain.mesh.n_nodes


def _iterated(mesh: _Lattice) -> Callable[[Array], Array]:
    """Return the map from field to field by multigrid: no table of cells is needed, nothing is factored."""
    grid, present = structured(mesh.domain), ~mesh.domain.void_cells
    factor = Multigrid(tolerance=EXACT).factor(StiffnessOperator(mesh, present.astype(np.float64)))
    corners = list(np.ndindex(*(2,) * grid.ndim))
    windows = [tuple(slice(c, c + n) for c, n in zip(corner, grid.cells, strict=True)) for corner in corners]

    def solve(field: Array) -> Array:
        shares = grid.shaped(np.where(present, field / len(corners), 0.0))
        load = np.zeros(grid.nodes_shape)
        for window in windows:
            load[window] += shares
        nodes = factor.solve(load.ravel()).reshape(grid.nodes_shape)
        output = functools.reduce(np.add, (nodes[window] for window in windows)).ravel() / len(corners)
        output[~present] = 0.0
        return np.asarray(output)

    return solve


@functools.lru_cache(maxsize=2)
def _element(cells: Cells, radius: float) -> Array:
    """Return the matrix of one element divided by its volume, or of every cell of a mesh."""
    if isinstance(cells, Mesh):
        points = cells.mapped(2)
        return masses(points) + _length2(radius) * diffusions(points)
    grid = structured(cells)
    return (mass(grid.spacing) + _length2(radius) * diffusion(grid.spacing)) / grid.cell_volume


def _length2(radius: float) -> float:
    """Return the square of the diffusion length."""
    return radius**2 / 12.0
