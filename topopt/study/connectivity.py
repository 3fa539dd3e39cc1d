"""Does a black-and-white design carry its loads: does each have a way through solid cells to a support."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from topopt.cells import Cells, Flags
from topopt.errors import InputError
from topopt.fem import Structure
from topopt.fem.picking import place
from topopt.fem.sanity import free_motions
from topopt.grid import structured
from topopt.meshes import Mesh, pieces

__all__ = ["Connectivity", "bodies", "connectivity"]

Numbers = NDArray[np.intp]


@dataclass(frozen=True)
class Connectivity:
    """How the solid cells of a design hang together.

    Attributes
    ----------
    faults : tuple of str
        One sentence for everything loaded that no support carries; empty if the design is sound.
    islands : int
        Bodies that neither a load nor a port touches: wasted material, not a fault.
    """

    faults: tuple[str, ...]
    islands: int


def connectivity(structure: Structure, solid: Flags, ports: Mapping[str, Numbers] = {}) -> Connectivity:
    """Follow every load of every case through solid cells to the supports.

    A body is a group of solid cells that hang together by faces (in 2-D, by edges); cells that share less
    would make a hinge and are not connected. A loaded node is carried if a cell at it is solid and the
    supports hold the body of that cell against every rigid motion: half a beam that rests on its plane of
    symmetry alone still falls.

    Parameters
    ----------
    structure : Structure
        Grid or mesh, supports and loads.
    solid : array of bool, shape (n_cells,)
        The design.
    ports : mapping
        Further nodes that must be carried, by name, such as those whose displacement is the objective.
        Springs at a port or at a loaded node stand for a workpiece or an actuator and hold nothing; other
        springs hold like fixed components.

    Raises
    ------
    InputError
        If `solid` is not one flag per cell.
    """
    cells = structure.mesh
    if solid.shape != (cells.n_cells,) or solid.dtype != bool:
        raise InputError(
            f"solid: expected {cells.n_cells} flags, one a cell, got {solid.dtype} of {solid.shape}"
        )
    labels, count = bodies(cells, solid)
    loaded = dict(_loaded(structure)) | {name: np.asarray(nodes) for name, nodes in ports.items()}
    pushed = np.concatenate(list(loaded.values()))
    held = _held(structure, pushed)
    touched = np.unique(labels[solid & np.isin(cells.cell_nodes, pushed).any(axis=1)])
    motions = {int(body): _motions(cells, labels == body, held) for body in touched}
    faults = [
        fault for name, nodes in loaded.items() for fault in _faults(cells, name, nodes, labels, motions)
    ]
    return Connectivity(tuple(faults), count - len(touched))


def bodies(cells: Cells, solid: Flags) -> tuple[Numbers, int]:
    """Return which solid cells hang together by faces, in 2-D by edges.

    Parameters
    ----------
    cells : Grid or Mesh
        The cells.
    solid : array of bool, shape (n_cells,)
        Which of them are solid.

    Returns
    -------
    array of int, shape (n_cells,)
        The body of each cell, counted from 1; 0 for void.
    int
        How many bodies there are.
    """
    if not isinstance(cells, Mesh):
        shaped, count = ndimage.label(solid.reshape(structured(cells).cells))  # by default: faces only
        return shaped.ravel().astype(np.intp), int(count)
    return pieces(cells.neighbours, solid)


def _loaded(structure: Structure) -> Iterator[tuple[str, Numbers]]:
    """Walk the load cases: what to call each, and the nodes that it pushes."""
    for name, column in zip(structure.case_names, structure.forces.T, strict=True):
        yield f"load case '{name}'", np.flatnonzero(column.reshape(-1, structure.ndim).any(axis=1))


def _held(structure: Structure, loaded: Numbers) -> Flags:
    """Return which components of which nodes a support holds, shape (n_nodes, ndim)."""
    sprung = (structure.springs > 0).reshape(-1, structure.ndim)
    sprung[loaded] = False
    return structure.fixed.reshape(sprung.shape) | sprung


def _motions(cells: Cells, body: Flags, held: Flags) -> list[str]:
    """Name the rigid motions that the supports leave to a body."""
    nodes = np.unique(cells.cell_nodes[body])
    return free_motions(cells.nodes[nodes], held[nodes])


def _faults(
    cells: Cells, name: str, nodes: Numbers, labels: Numbers, motions: Mapping[int, list[str]]
) -> Iterator[str]:
    """Say which of some nodes touch no material, and which hang on bodies that nothing holds."""
    sound = [body for body, free in motions.items() if not free]
    bare = ~_touched(cells, labels > 0)[nodes]
    loose = ~bare & ~_touched(cells, np.isin(labels, sound))[nodes]
    if bare.any():
        first = place(cells.nodes[nodes[bare][0]])
        yield f"{name}: {np.count_nonzero(bare)} of {len(nodes)} nodes touch only void, the first at {first}"
    if loose.any():
        node, first = nodes[loose][0], place(cells.nodes[nodes[loose][0]])
        body = int(labels[(cells.cell_nodes == node).any(axis=1)].max())
        yield (
            f"{name}: {np.count_nonzero(loose)} of {len(nodes)} nodes hang on a body that no support holds: "
            f"nothing stops it from {' and from '.join(motions[body])}, the first at {first}"
        )


def _touched(cells: Cells, flags: Flags) -> Flags:
    """Return which nodes are corners of flagged cells, shape (n_nodes,)."""
    touched = np.zeros(cells.n_nodes, dtype=bool)
    touched[cells.cell_nodes[flags]] = True
    return touched
