"""Cells of a mesh as finite elements: scikit-fem's reference cells, mapped to where the corners lie.

From scikit-fem come the shape functions of the four reference cells (linear triangles and tetrahedra,
bilinear quadrilaterals, trilinear hexahedra), their quadrature, and which corners make a facet or an edge.
Ours is the map to the cells' own places, for all cells at once, and what is integrated there.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topopt.errors import MissingDependencyError
from topopt.parameters import Array

__all__ = [
    "KINDS", "Kind", "Mapped", "mapped", "nodal_shares", "order_of", "reference", "skfem", "slopes_at_middle",
]  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A kind of cell.

    Attributes
    ----------
    name : str
        In the plural, for messages.
    element, side, mesh : str
        Names of the element, of its facets' and of a mesh of them in scikit-fem; edges are always lines.
    constant : bool
        Whether gradients are the same all over a cell, so that one point integrates their products.
    """

    name: str
    element: str
    side: str
    mesh: str
    constant: bool


KINDS: Mapping[tuple[int, int], Kind] = MappingProxyType(
    {
        (2, 3): Kind("triangles", "ElementTriP1", "ElementLineP1", "MeshTri1", True),
        (2, 4): Kind("quadrilaterals", "ElementQuad1", "ElementLineP1", "MeshQuad1", False),
        (3, 4): Kind("tetrahedra", "ElementTetP1", "ElementTriP1", "MeshTet1", True),
        (3, 8): Kind("hexahedra", "ElementHex1", "ElementQuad1", "MeshHex1", False),
    }
)
"""By dimension and number of corners."""

_HEXAHEDRON = ((0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1))
"""Corners in the order of files (VTK, Gmsh, Abaqus); scikit-fem has another, and for the others the same."""


@dataclass(frozen=True, eq=False)
class Reference:
    """A reference cell with a quadrature, corners in the order of files.

    Attributes
    ----------
    values : array, shape (points, corners)
        Shape functions.
    slopes : array, shape (points, corners, ndim)
        Their derivatives by the reference coordinates.
    weights : array, shape (points,)
        They add up to the reference volume.
    facets, edges : array of int
        Corners of each facet, around it, and of each edge.
    """

    values: Array
    slopes: Array
    weights: Array
    facets: NDArray[np.intp]
    edges: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Mapped:
    """A quadrature on every cell.

    Attributes
    ----------
    values : array, shape (points, corners)
        Shape functions.
    gradients : array, shape (n_cells, points, corners, ndim)
        By the coordinates, 1 / length.
    weights : array, shape (n_cells, points)
        They add up to the cells' volumes; negative where a cell is turned inside out.
    """

    values: Array
    gradients: Array
    weights: Array


@functools.lru_cache(maxsize=32)
def reference(element: str, order: int) -> Reference:
    """Return a reference cell with a quadrature that is exact up to a polynomial order.

    Raises
    ------
    MissingDependencyError
        If scikit-fem is absent.
    """
    made = getattr(skfem(), element)()
    points, weights = skfem().quadrature.get_quadrature(made.refdom, order)
    return _reordered(made, *_sampled(made, points), weights)


@functools.lru_cache(maxsize=8)
def slopes_at_middle(element: str) -> Array:
    """Return the derivatives of the shape functions in the middle of the reference cell, (corners, ndim)."""
    made = getattr(skfem(), element)()
    middle = np.mean(made.doflocs, axis=0)[:, None]
    return np.asarray(_reordered(made, *_sampled(made, middle), np.ones(1)).slopes[0])


def mapped(places: Array, cell: Reference) -> Mapped:
    """Map a quadrature from the reference cell to cells.

    Parameters
    ----------
    places : array, shape (n_cells, corners, ndim)
        Where the corners are.
    cell : Reference
        What is mapped.
    """
    jacobians = np.einsum("nka,qkb->nqab", places, cell.slopes)
    determinants = np.linalg.det(jacobians)
    singular = determinants == 0
    if singular.any():
        jacobians[singular] = np.eye(places.shape[2])
    gradients = np.einsum("qkb,nqba->nqka", cell.slopes, np.linalg.inv(jacobians))
    return Mapped(cell.values, gradients, determinants * cell.weights)


def nodal_shares(places: Array, element: str) -> Array:
    """Return the integral of each shape function over cells, or over facets that are curves or surfaces.

    Parameters
    ----------
    places : array, shape (n, corners, ndim)
        Where the corners are, in a space of at least the cells' own dimension.
    element : str
        Its name in scikit-fem.

    Returns
    -------
    array, shape (n, corners)
        They add up to the volumes, areas or lengths.
    """
    cell = reference(element, 3)
    tangents = np.einsum("nka,qkb->nqab", places, cell.slopes)
    squares = np.linalg.det(np.einsum("nqab,nqac->nqbc", tangents, tangents))
    return np.asarray(np.einsum("nq,q,qk->nk", np.sqrt(np.maximum(squares, 0.0)), cell.weights, cell.values))


def skfem() -> Any:
    """Return scikit-fem.

    Raises
    ------
    MissingDependencyError
        If it is absent.
    """
    try:
        import skfem
        import skfem.quadrature
    except ImportError as error:
        raise MissingDependencyError(
            "unstructured meshes need scikit-fem, which is not installed: pip install 'topopt[meshes]'"
        ) from error
    return skfem


@functools.lru_cache(maxsize=8)
def order_of(element: str) -> NDArray[np.intp]:
    """Return at which place of the files' order each corner of scikit-fem's order stands."""
    corners = getattr(skfem(), element)().doflocs
    if len(corners) != len(_HEXAHEDRON):
        return np.arange(len(corners))
    return np.array([_HEXAHEDRON.index(tuple(int(c) for c in corner)) for corner in corners])


def _sampled(made: Any, points: Array) -> tuple[Array, Array]:
    """Return the shape functions and their derivatives at reference points."""
    count = len(made.doflocs)
    samples = [made.lbasis(points, index) for index in range(count)]
    values = np.stack([np.broadcast_to(value, points.shape[1]) for value, _ in samples], axis=1)
    slopes = np.stack([np.broadcast_to(slope, points.shape).T for _, slope in samples], axis=1)
    return np.array(values, dtype=np.float64), np.array(slopes, dtype=np.float64)


def _reordered(made: Any, values: Array, slopes: Array, weights: Array) -> Reference:
    """Return the reference cell with its corners in the order of files."""
    count = len(made.doflocs)
    ours = order_of(type(made).__name__)
    back = np.argsort(ours)
    sides = made.refdom.facets or [[0], [1]]
    edges = made.refdom.edges or (sides if len(sides[0]) == 2 else [list(range(count))])
    return Reference(
        values[:, back], slopes[:, back], np.asarray(weights), ours[np.array(sides)], ours[np.array(edges)]
    )
