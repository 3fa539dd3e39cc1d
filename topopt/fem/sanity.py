"""What is asked before anything is factored: is every body held, and every node."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from topopt.cells import AXES, Flags
from topopt.errors import SingularSystemError
from topopt.fem.picking import place
from topopt.fem.structure import Structure
from topopt.grid import Grid
from topopt.parameters import Array
from topopt.remembered import remembered

__all__ = ["free_motions", "mechanisms", "require_held"]

LOOSE = 1e-9
"""Below this, a share of a motion of unit size is none."""

UNRESISTED = 1e-12
"""A motion of unit size is free if the held components move by less than this, in the root mean square.

Lengths are in units of half the body's. Rounding moves the held components of a mechanism by about 1e-16.
The least that a sound support gives is a lever of one cell's edge, at two nodes: among m held components of a
body n cells long, it moves them by about 1 / (n sqrt(m)): 1e-8 for 200 000 cells held along one side.
"""


def require_held(structure: Structure, moduli: Array) -> None:
    """Refuse moduli that leave a body free to move or a node without stiffness.

    Parameters
    ----------
    structure : Structure
        Cells and supports.
    moduli : array, shape (n_cells,)
        Only their being positive counts, so the answer is memoised by pattern.

    Raises
    ------
    SingularSystemError
        Naming the free motion and where the body lies.
    """
    found = mechanisms(structure, moduli)
    if found:
        shown = "; ".join(found[:3])
        more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
        raise SingularSystemError(f"the structure is a mechanism: {shown}{more}")


def mechanisms(structure: Structure, moduli: Array) -> tuple[str, ...]:
    """Return one sentence for every body that can move without resistance; none if all is well.

    A body is a group of cells of positive modulus connected by common nodes. Two groups that share a single
    node form a hinge, which this does not look for.

    Parameters
    ----------
    structure : Structure
        Cells and supports.
    moduli : array, shape (n_cells,)
        Relative to the full material.
    """
    solid = np.asarray(moduli) > 0
    return _mechanisms(structure, None if solid.all() else np.packbits(solid))


@remembered(maxsize=8)
def _mechanisms(structure: Structure, packed: NDArray[np.uint8] | None) -> tuple[str, ...]:
    """Look at every body, and at the nodes that belong to none."""
    mesh = structure.mesh
    solid = np.ones(mesh.n_cells, dtype=bool)
    if packed is not None:
        solid = np.unpackbits(packed, count=mesh.n_cells).astype(bool)
    held = (structure.fixed | (structure.springs > 0)).reshape(mesh.n_nodes, -1)
    sentences = list(_bare_nodes(structure, solid, held))
    for nodes, n_cells in _bodies(structure, solid):
        motions = free_motions(mesh.nodes[nodes], held[nodes])
        if motions:
            where = (
                "it"
                if n_cells == mesh.n_cells
                else f"the body of {n_cells} cells between {place(mesh.nodes[nodes].min(axis=0))} and "
                f"{place(mesh.nodes[nodes].max(axis=0))}"
            )
            sentences.append(f"nothing stops {where} from {' and from '.join(motions)}; add a support")
    return tuple(sentences)


def _bare_nodes(structure: Structure, solid: Flags, held: Flags) -> Iterator[str]:
    """Say where free components have neither a cell with stiffness nor a spring."""
    mesh = structure.mesh
    if solid.all():
        return
    bare = np.ones(mesh.n_nodes, dtype=bool)
    bare[mesh.cell_nodes[solid]] = False
    loose = np.flatnonzero(bare & ~held.all(axis=1))
    if len(loose):
        yield (
            f"{len(loose)} nodes touch only cells of modulus 0, the first at {place(mesh.nodes[loose[0]])}; "
            f"give void a small stiffness (e_min > 0)"
        )


def _bodies(structure: Structure, solid: Flags) -> Iterator[tuple[NDArray[np.intp], int]]:
    """Walk the connected groups of cells: nodes and number of cells."""
    mesh = structure.mesh
    if solid.all() and isinstance(mesh, Grid):  # a mesh may be in several pieces
        yield np.arange(mesh.n_nodes), mesh.n_cells
        return
    nodes = mesh.cell_nodes[solid]
    if not len(nodes):
        return
    first = np.repeat(nodes[:, 0], nodes.shape[1] - 1)
    links = sparse.coo_array(
        (np.ones(len(first), dtype=np.int8), (first, nodes[:, 1:].ravel())), shape=(mesh.n_nodes,) * 2
    )
    labels = csgraph.connected_components(links, directed=False)[1]
    sizes = np.bincount(labels[nodes[:, 0]], minlength=labels.max() + 1)
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(np.bincount(labels))
    for label in np.flatnonzero(sizes):
        start = 0 if label == 0 else ends[label - 1]
        yield order[start : ends[label]], int(sizes[label])


def free_motions(points: Array, held: Flags) -> list[str]:
    """Name the rigid motions of a body that its supports leave free.

    Parameters
    ----------
    points : array, shape (n, ndim)
        Coordinates of the body's nodes.
    held : array of bool, shape (n, ndim)
        Which of their components are held; shape (n, 1) for a scalar field.

    Returns
    -------
    list of str
        Such as ``"moving in y"``; empty for a body that stays where it is.
    """
    ndim = points.shape[1]
    centred = points - points.mean(axis=0)
    centred /= max(float(np.abs(centred).max()), np.finfo(float).tiny)
    if held.shape[1] == 1:
        return [] if held.any() else ["taking any value"]
    rows = _rigid_modes(centred, ndim)[held.ravel()]
    if not len(rows):
        rows = np.zeros((1, rows.shape[1]))
    # singular values, not eigenvalues of rows.T @ rows: those would have rounding where small levers stand
    _, sizes, vectors = np.linalg.svd(np.linalg.qr(rows, mode="r"))
    resisted = np.count_nonzero(sizes > UNRESISTED * np.sqrt(len(rows)))
    null = vectors[resisted:].T
    words = []
    turning = _column_space(null[ndim:].T @ null[ndim:], null, ndim)
    shifts = null @ turning[1]
    words += _named(shifts[:ndim], AXES[:ndim], "moving in", "moving along")
    axes = ("z",) if ndim == 2 else AXES
    return words + _named(null[ndim:] @ turning[0], axes, "turning about", "turning about")


def _rigid_modes(points: Array, ndim: int) -> Array:
    """Return translations and then rotations at points, shape (n_points * ndim, 3 or 6)."""
    modes = [np.broadcast_to(axis, points.shape) for axis in np.eye(ndim)]
    spins = [np.array([0.0, 0.0, 1.0])] if ndim == 2 else list(np.eye(3))
    padded = np.pad(points, ((0, 0), (0, 3 - ndim)))
    modes += [np.cross(spin, padded)[:, :ndim] for spin in spins]
    return np.stack(modes, axis=-1).reshape(-1, len(modes))


def _column_space(gram: Array, null: Array, ndim: int) -> tuple[Array, Array]:
    """Split the free motions into combinations that turn and combinations that only shift."""
    if not null.shape[1]:
        return np.zeros((0, 0)), np.zeros((0, 0))
    sizes, vectors = np.linalg.eigh(gram)
    return vectors[:, sizes >= LOOSE], vectors[:, sizes < LOOSE]


def _named(directions: Array, axes: tuple[str, ...], plainly: str, obliquely: str) -> list[str]:
    """Name a space of directions: by axes where they lie in it, else by components."""
    if not directions.size:
        return []
    basis, sizes, _ = np.linalg.svd(directions, full_matrices=False)
    basis = basis[:, sizes > np.sqrt(LOOSE)]
    projector = basis @ basis.T
    names = [axis for axis, share in zip(axes, np.diag(projector), strict=True) if share > 1 - LOOSE]
    if len(names) == basis.shape[1]:
        return [f"{plainly} {name}" for name in names]
    return [f"{obliquely} {place(np.round(column, 3))}" for column in basis.T]
