"""How full it is around every cell: what a limit on thickness, or a design like bone, is judged by."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import signal, sparse

from topopt.cells import Indices
from topopt.chain import Pullback
from topopt.errors import InputError
from topopt.grid import Domain, Grid
from topopt.meshes import Mesh
from topopt.parameters import Array, Positive
from topopt.stages.averaged import refuse_radius
from topopt.stages.on_cells import OnCells

__all__ = ["LocalMean"]

FINEST = 2000
"""Pixels along the longest side of a mesh at most, with which it is found out what lies beyond it."""


@dataclass(frozen=True)
class LocalMean(OnCells):
    """The mean of a field over a disc, in 3-D a ball, around every cell; beyond the cells there is nothing.

    Input and output: shape (n_cells,). Limited to a little below 1 in every cell, it forbids that a disc of
    this radius is all solid: no member is thicker than twice the radius, the maximum length scale. Limited to
    less, it spreads the material evenly, like bone. A cell that the disc's rim crosses counts by about the
    share of it that lies inside. Take `PowerNorm` of it, whose limit follows the largest (`Normalised`).

    On a mesh a cell counts by its volume, and where the disc reaches beyond the mesh squares (cubes) of
    nothing take its place. On equal squares that is the mean on their grid.

    Parameters
    ----------
    domain : Domain
        The cells.
    radius : float
        In the grid's unit of length; larger than half a cell's shortest edge (of a mesh: half the edge of a
        square or cube as large as its median cell), at most the grid's longest.

    Raises
    ------
    InputError
        If the disc reaches no other cell or beyond the whole grid.

    References
    ----------
    Guest 2009, doi:10.1007/s00158-008-0250-7 (maximum length scale); Fernández et al. 2019,
    doi:10.1007/s00158-019-02313-8 (as one limit); Wu, Aage, Westermann and Sigmund 2018,
    doi:10.1109/TVCG.2017.2655523 (bone-like)
    """

    linear: ClassVar[bool] = True

    domain: Domain
    radius: Positive

    def __post_init__(self) -> None:
        """Refuse a disc of one cell, and one that is larger than the grid."""
        super().__post_init__()
        mesh = self.domain.mesh
        edge = _edge(mesh) if isinstance(mesh, Mesh) else float(mesh.spacing.min())
        if self.radius <= 0.5 * edge:
            raise InputError(
                f"LocalMean.radius: {self.radius:g} reaches no neighbour; cells have an edge of {edge:g}"
            )
        refuse_radius("LocalMean", mesh, self.radius, 0.0)

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the means; on a grid the disc is symmetric, so that the map is its own adjoint."""
        (field,) = inputs
        mesh = self.domain.mesh
        if field.shape != (mesh.n_cells,):
            raise InputError(f"LocalMean: expected an input of shape ({mesh.n_cells},), got {field.shape}")
        if isinstance(mesh, Mesh):
            around = _around(mesh, self.radius)
            return around @ field, lambda v: (around.T @ v,)
        return self._mean(field), lambda v: (self._mean(v),)

    def _mean(self, field: Array) -> Array:
        """Return the mean over the disc around every cell of a grid."""
        grid = self.domain.grid
        return np.asarray(
            signal.oaconvolve(grid.shaped(field), _disc(grid, self.radius), mode="same"), np.float64
        ).ravel()


@functools.lru_cache(maxsize=8)
def _disc(grid: Grid, radius: float) -> Array:
    """Return the weights of the cells around one, sum 1."""
    spacing = grid.spacing
    reach = [int(radius / h + 1.0) for h in spacing]
    steps = np.meshgrid(
        *(h * np.arange(-far, far + 1) for far, h in zip(reach, spacing, strict=True)), indexing="ij"
    )
    distance = np.sqrt(sum(step**2 for step in steps))
    weights = _inside(distance, radius, float(spacing.min()))
    return np.asarray(weights / weights.sum())


@functools.lru_cache(maxsize=4)
def _around(mesh: Mesh, radius: float) -> sparse.csr_array:
    """Return the weight of every cell of a mesh in the mean around every other, a row each."""
    edges = mesh.volumes ** (1.0 / mesh.ndim)
    row, column, weights = _weighed(mesh.centres, mesh.centres, edges, mesh.volumes, radius)
    places, volumes = _beyond(mesh, radius)
    width = np.full(len(places), _edge(mesh))
    reached, _, missing = _weighed(mesh.centres, places, width, volumes, radius)
    whole = np.bincount(row, weights, mesh.n_cells) + np.bincount(reached, missing, mesh.n_cells)
    return sparse.csr_array((weights / whole[row], (row, column)), shape=(mesh.n_cells,) * 2)


def _weighed(
    middles: Array, places: Array, edges: Array, volumes: Array, radius: float
) -> tuple[Indices, Indices, Array]:
    """Return which places lie in the disc around which middle, and how much of their volume."""
    from scipy.spatial import cKDTree

    reach = radius + 0.5 * float(edges.max(initial=0.0))
    pairs = cKDTree(middles).sparse_distance_matrix(cKDTree(places), reach, output_type="ndarray")
    row, column = pairs["i"], pairs["j"]
    return row, column, volumes[column] * _inside(pairs["v"], radius, edges[column])


def _inside(distance: Array, radius: float, edge: float | Array) -> Array:
    """Return about which share of a cell lies within a radius of a point so far from its middle."""
    return np.asarray(np.clip((radius - distance) / edge + 0.5, 0.0, 1.0))


def _edge(mesh: Mesh) -> float:
    """Return the edge of a square or cube as large as the median cell."""
    return float(np.median(mesh.volumes) ** (1.0 / mesh.ndim))


def _beyond(mesh: Mesh, radius: float) -> tuple[Array, Array]:
    """Return middles and volumes of the squares or cubes around a mesh that no cell covers wholly.

    They are as large as the median cell, and as much of them counts as the pixels of half their edge say.
    """
    pixels = mesh.raster(FINEST) < 0
    width = max(mesh.size) / max(pixels.shape)
    apron = int(np.ceil((radius + width) / (2.0 * width)))
    padding = [(2 * apron, 2 * apron + length % 2) for length in pixels.shape]
    outside = np.pad(pixels, padding, constant_values=True)
    for axis in range(mesh.ndim):
        outside = np.add.reduceat(outside, np.arange(0, outside.shape[axis], 2), axis, dtype=np.intp)
    at = np.argwhere(outside)
    middles = mesh.lower + 2.0 * width * (at + 0.5 - apron)
    return middles, outside[tuple(at.T)] * width**mesh.ndim
