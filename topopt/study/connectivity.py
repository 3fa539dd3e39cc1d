"""Does a black-and-white design carry its loads: does each have a way through solid cells to a support."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from topopt.cells import Flags
from topopt.errors import InputError
from topopt.fem import Structure
from topopt.fem.picking import place
from topopt.fem.sanity import free_motions
from topopt.grid import Grid

__all__ = ["Connectivity", "connectivity"]

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
        Grid, supports and loads.
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
    grid = structure.grid
    if solid.shape != (grid.n_cells,) or solid.dtype != bool:
        raise InputError(
            f"solid: expected {grid.n_cells} flags, one a cell, got {solid.dtype} of {solid.shape}"
        )
    shaped, count = ndimage.label(solid.reshape(grid.cells))  # the default structure: faces only
    labels = shaped.ravel()
    loaded = dict(_loaded(structure)) | {name: np.asarray(nodes) for name, nodes in ports.items()}
    held = _held(structure, np.concatenate(list(loaded.values())))
    around = _around(grid, labels)
    touched = [
        body for body in np.unique(np.concatenate([around[n].ravel() for n in loaded.values()])) if body
    ]
    motions = {body: _motions(grid, labels == body, held) for body in touched}
    faults = [
        fault for name, nodes in loaded.items() for fault in _faults(grid, name, nodes, around, motions)
    ]
    return Connectivity(tuple(faults), int(count) - len(touched))


def _loaded(structure: Structure) -> Iterator[tuple[str, Numbers]]:
    """Walk the load cases: what to call each, and the nodes that it pushes."""
    for name, column in zip(structure.case_names, structure.forces.T, strict=True):
        yield f"load case '{name}'", np.flatnonzero(column.reshape(-1, structure.ndim).any(axis=1))


def _held(structure: Structure, loaded: Numbers) -> Flags:
    """Return which components of which nodes a support holds, shape (n_nodes, ndim)."""
    sprung = (structure.springs > 0).reshape(-1, structure.ndim)
    sprung[loaded] = False
    return structure.fixed.reshape(sprung.shape) | sprung


def _around(grid: Grid, labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the bodies of the cells at each node, 0 for void and for outside, shape (n_nodes, 2**ndim)."""
    around = np.zeros((grid.n_nodes, 2**grid.ndim), dtype=labels.dtype)
    for corner, nodes in enumerate(grid.cell_nodes.T):
        around[nodes, corner] = labels
    return around


def _motions(grid: Grid, body: Flags, held: Flags) -> list[str]:
    """Name the rigid motions that the supports leave to a body."""
    nodes = np.unique(grid.cell_nodes[body])
    return free_motions(grid.nodes[nodes], held[nodes])


def _faults(
    grid: Grid, name: str, nodes: Numbers, around: NDArray[np.int32], motions: Mapping[int, list[str]]
) -> Iterator[str]:
    """Say which of some nodes touch no material, and which hang on bodies that nothing holds."""
    bodies = around[nodes]
    bare = ~bodies.any(axis=1)
    loose = ~bare & ~np.isin(bodies, [body for body, free in motions.items() if not free]).any(axis=1)
    if bare.any():
        first = place(grid.nodes[nodes[bare][0]])
        yield f"{name}: {np.count_nonzero(bare)} of {len(nodes)} nodes touch only void, the first at {first}"
    if loose.any():
        first = place(grid.nodes[nodes[loose][0]])
        body = int(bodies[loose][0].max())
        yield (
            f"{name}: {np.count_nonzero(loose)} of {len(nodes)} nodes hang on a body that no support holds: "
            f"nothing stops it from {' and from '.join(motions[body])}, the first at {first}"
        )
