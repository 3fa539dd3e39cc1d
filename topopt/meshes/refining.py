"""A mesh of half the edge: every cell cut at the middles of its edges, its groups carried along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topopt.meshes.elements import order_of, skfem
from topopt.meshes.mesh import Group, Mesh
from topopt.parameters import Array

__all__ = ["refined"]

Numbers = NDArray[np.intp]
Finder = Callable[[Array], Numbers]


def refined(mesh: Mesh) -> tuple[Mesh, Numbers]:
    """Cut every cell of a mesh into four (2-D) or eight (3-D) by scikit-fem's uniform refinement.

    A group keeps what it holds: the new cells in its cells, the new nodes on its lines and faces. Of a bare
    set of nodes these are the sides on the boundary that lie wholly in it, or, where there is none, such
    edges. A curved boundary stays a polygon.

    Parameters
    ----------
    mesh : Mesh
        What is cut.

    Returns
    -------
    Mesh
        The finer one.
    array of int, shape (n_cells of the finer one,)
        The cell that each of its cells was cut from.

    Raises
    ------
    MissingDependencyError
        If scikit-fem is absent.
    """
    order = order_of(mesh.kind.element)
    # A cell's number travels as the bits of it, each a named part of the mesh, which scikit-fem hands down.
    numbers = np.arange(mesh.n_cells)
    bits = {str(bit): np.flatnonzero(numbers >> bit & 1) for bit in range(mesh.n_cells.bit_length())}
    rows = np.ascontiguousarray(mesh.points.T), np.ascontiguousarray(mesh.corners[:, order].T)
    made: Any = getattr(skfem(), mesh.kind.mesh)(*rows, sort_t=False)
    finer = made.with_subdomains(bits).refined()
    parents = np.zeros(finer.t.shape[1], dtype=np.intp)
    for bit, cells in finer.subdomains.items():
        parents[cells] += 1 << int(bit)
    points, corners = finer.p.T, _facing(finer.p.T, finer.t.T[:, np.argsort(order)], mesh.kind.constant)
    find = _finder(points)
    groups = {name: _carried(mesh, part, parents, corners, find) for name, part in mesh.groups.items()}
    return Mesh(points, corners.astype(np.int32), groups), parents


def _facing(points: Array, corners: Numbers, simplices: bool) -> Numbers:
    """Return cells whose corners all run the same way; inside tetrahedra scikit-fem does not see to it."""
    if simplices:
        places = points[corners]
        turned = np.linalg.det(places[:, 1:] - places[:, :1]) < 0
        corners = corners.copy()
        corners[turned, -2:] = corners[turned, :-3:-1]
    return corners


def _finder(points: Array) -> Finder:
    """Return what finds nodes by their coordinates."""
    from scipy.spatial import cKDTree

    tree = cKDTree(points)
    return lambda places: np.asarray(tree.query(places)[1], dtype=np.intp)


def _carried(mesh: Mesh, part: Group, parents: Numbers, corners: Numbers, find: Finder) -> Group:
    """Return a group on the finer mesh."""
    sides = part.sides if part.sides or len(part.cells) else _between(mesh, part.nodes)
    cut = tuple(_cut(mesh.points[side], find) for side in sides)
    cells = np.flatnonzero(np.isin(parents, part.cells))
    nodes = [find(mesh.points[part.nodes]), corners[cells].ravel(), *(side.ravel() for side in cut)]
    return Group(np.unique(np.concatenate(nodes)), cells, cut)


def _between(mesh: Mesh, nodes: Numbers) -> tuple[Numbers, ...]:
    """Return the sides on the boundary whose corners are all among some nodes, or else such edges."""
    inside = np.isin(np.arange(mesh.n_nodes), nodes)
    for facets in (mesh.boundary, mesh.edges):
        chosen = facets[inside[facets].all(axis=1)]
        if len(chosen):
            return (chosen.astype(np.intp),)
    return ()


def _cut(places: Array, find: Finder) -> Numbers:
    """Cut points, lines, triangles or quadrilaterals, given by their corners in order, at their middles."""
    count = places.shape[1]
    middles = 0.5 * (places + np.roll(places, -1, axis=1))
    if count == 1:
        pieces = [places]
    elif count == 2:
        pieces = [np.stack([places[:, k], middles[:, 0]], axis=1) for k in range(2)]
    else:
        inner = [places.mean(axis=1)] if count == 4 else []
        pieces = [
            np.stack([places[:, k], middles[:, k], *inner, middles[:, k - 1]], axis=1) for k in range(count)
        ]
        pieces += [] if inner else [middles]
    return find(np.concatenate(pieces))
