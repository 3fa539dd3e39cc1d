"""What is no mesh, and where: nodes of no cell, cells that repeat, have no volume or are inside out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from topopt.errors import InputError
from topopt.meshes.elements import mapped, reference

if TYPE_CHECKING:
    from topopt.meshes.mesh import Mesh

__all__ = ["require_cells", "require_nodes"]

FLAT = 1e-10
"""A cell whose volume is below this share of its longest edge's power is none."""


def require_nodes(mesh: Mesh) -> None:
    """Refuse coordinates that are none, corners that are no nodes, loose nodes and repeated cells."""
    if not np.isfinite(mesh.points).all():
        raise InputError("mesh: coordinates are nan or infinite")
    lowest, highest = int(mesh.corners.min()), int(mesh.corners.max())
    if lowest < 0 or highest >= mesh.n_nodes:
        raise InputError(f"mesh: cells name the nodes {lowest} to {highest}, but there are {mesh.n_nodes}")
    used = np.zeros(mesh.n_nodes, dtype=bool)
    used[mesh.corners] = True
    if not used.all():
        raise InputError(f"mesh: {np.count_nonzero(~used)} nodes belong to no cell; leave them out")
    repeated = mesh.n_cells - len(np.unique(np.sort(mesh.corners, axis=1), axis=0))
    if repeated:
        raise InputError(f"mesh: {repeated} cells have the same corners as others; give every cell once")


def require_cells(mesh: Mesh) -> None:
    """Refuse cells without volume, and those whose corners run against the others'."""
    weights = mapped(mesh.points[mesh.corners], reference(mesh.kind.element, 2)).weights
    weights *= np.sign(np.median(np.sign(weights).sum(axis=1)) or 1.0)
    flat = np.abs(weights.sum(axis=1)) < FLAT * float(mesh.spacing.max()) ** mesh.ndim
    for wrong, text in (
        (flat, "are flat: they have no volume"),
        ((weights <= 0).any(axis=1), "are inverted: their corners run against the others', or they are no "
         "convex cells, so that the mesh folds over itself"),
    ):  # fmt: skip
        if wrong.any():
            first = ", ".join(f"{c:g}" for c in mesh.centres[np.argmax(wrong)])
            many = f"{np.count_nonzero(wrong)} of {mesh.n_cells} {mesh.kind.name}"
            raise InputError(f"mesh: {many} {text}, the first at ({first})")
