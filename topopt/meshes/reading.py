"""Meshes from files of Gmsh, Abaqus and VTK: their cells, and the groups that have names there."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topopt.errors import InputError, MissingDependencyError
from topopt.meshes.mesh import Group, Mesh
from topopt.meshes.refining import refined

__all__ = ["FORMATS", "read_mesh"]

FORMATS = {".msh": "gmsh", ".inp": "abaqus", ".vtu": "vtu", ".vtk": "vtk"}
"""meshio's reader by the end of a file's name."""
MOST = 5_000_000
"""Cells that refinement may make: more than direct solvers can do with."""
_DIMENSIONS = {"vertex": 0, "line": 1, "triangle": 2, "quad": 2, "tetra": 3, "hexahedron": 3}
_OTHERS = {"polygon": 2, "wedge": 3, "pyramid": 3, "polyhedron": 3}
_SAME_PLANE = 1e-9
"""Share of the size by which heights may differ in a plane mesh."""


def read_mesh(file: str | Path, scale: float = 1.0, refine: int = 0) -> Mesh:
    """Read an unstructured mesh with meshio.

    Parameters
    ----------
    file : str or Path
        ``.msh`` (Gmsh), ``.inp`` (Abaqus), ``.vtu`` or ``.vtk``. Groups are Gmsh's physical groups by name,
        or by number where they have none; Abaqus' sets of elements and nodes; in VTK the whole-number data
        of cells and points, where they are not zero.
    scale : float
        Coordinates are multiplied by this: 0.001 makes metres of millimetres.
    refine : int
        How often every cell is cut at the middles of its edges, see `refined`.

    Raises
    ------
    InputError
        If the file is missing or cannot be read, or holds no cells, several kinds of cells, cells of second
        order, or a surface in space; if so many cells as are asked for fit no machine.
    MissingDependencyError
        If meshio or scikit-fem is absent.
    """
    file = Path(file)
    content = _content(file)
    kind = _kind(content, file.name)
    points = np.asarray(content.points, dtype=np.float64)
    if _DIMENSIONS[kind] == 2:
        points = _plane(points, content, kind, file.name)
    corners, place = _once(np.concatenate([block.data for block in content.cells if block.type == kind]))
    used = np.unique(corners)
    number = np.full(len(points), -1, dtype=np.intp)
    number[used] = np.arange(len(used))
    mesh = Mesh(points[used] * scale, number[corners], dict(_groups(content, kind, number, place)))
    wanted = mesh.n_cells * 2.0 ** (mesh.ndim * refine)
    if refine and wanted > MOST:
        raise InputError(f"{file.name}: {wanted:.3g} cells are too many; choose a smaller refine")
    for _ in range(refine):
        mesh, _ = refined(mesh)
    return mesh


def _content(file: Path) -> Any:
    """Return what meshio reads."""
    if not file.is_file():
        raise InputError(f"there is no file {file.name}")
    if file.suffix.lower() not in FORMATS:
        raise InputError(f"{file.name}: expected a mesh that ends in {', '.join(FORMATS)}")
    try:
        import meshio
    except ImportError as error:
        raise MissingDependencyError(
            "meshes from files need meshio, which is not installed: pip install 'topopt[meshes]'"
        ) from error
    reader = importlib.import_module(f"{meshio.__name__}.{FORMATS[file.suffix.lower()]}")
    try:
        return reader.read(str(file))
    except (Exception, SystemExit) as error:  # readers fail in many ways on what they do not expect
        text = str(error) or type(error).__name__
        if text.startswith("Incompatible cell data"):  # what meshio says of cells without tags
            text += "; some cells are in no physical group: save without Mesh.SaveAll, or put all in groups"
        raise InputError(f"{file.name} is no mesh that can be read: {text}") from error


def _kind(content: Any, name: str) -> str:
    """Return the one kind that all cells of the highest dimension are of."""
    dimension = {kind: _dimension(kind) for kind in {block.type for block in content.cells}}
    highest = max(dimension.values(), default=0)
    if highest < 2:
        raise InputError(
            f"{name} holds no triangles, quadrilaterals, tetrahedra or hexahedra; Gmsh saves only what is in "
            "a physical group, so make one of the surface or volume, too"
        )
    kinds = sorted(kind for kind, value in dimension.items() if value == highest)
    for kind in kinds:
        if kind in _OTHERS:
            raise InputError(f"{name}: cells of kind '{kind}' have no element here; mesh it without them")
        if kind not in _DIMENSIONS:
            raise InputError(
                f"{name}: cells of kind '{kind}' are of higher order; mesh it with first order "
                f"(in Gmsh: Mesh.ElementOrder = 1)"
            )
    if len(kinds) > 1:
        counts = [sum(len(b.data) for b in content.cells if b.type == kind) for kind in kinds]
        mixed = " and ".join(f"{n} of kind '{kind}'" for n, kind in zip(counts, kinds, strict=True))
        raise InputError(f"{name} mixes cells, {mixed}; all must be of one kind")
    return str(kinds[0])


def _dimension(kind: str) -> int:
    """Return the dimension of a kind of cells in meshio's names, whatever its order."""
    known = {**_DIMENSIONS, **_OTHERS}
    return next((d for name, d in known.items() if kind.rstrip("0123456789") == name), 3)


def _plane(points: NDArray[Any], content: Any, kind: str, name: str) -> NDArray[Any]:
    """Return the coordinates in the plane; they must lie in one of constant z."""
    if points.shape[1] == 2:
        return points
    used = points[np.unique(np.concatenate([b.data for b in content.cells if b.type == kind]))]
    if np.ptp(used[:, 2]) > _SAME_PLANE * np.ptp(used, axis=0).max():
        raise InputError(
            f"{name} holds a surface in space, z from {used[:, 2].min():g} to {used[:, 2].max():g}; mesh the "
            f"volume inside, or give the surface as a region, stl; a plane mesh lies at one z"
        )
    return points[:, :2]


def _once(corners: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return every cell once, in the file's order, and which of them each of the file's cells is.

    Up to version 2.2 Gmsh's format repeats a cell for every physical group that it is in.
    """
    _, first, which = np.unique(np.sort(corners, axis=1), axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(first), dtype=np.intp)
    rank[order] = np.arange(len(first))
    return corners[first[order]], rank[which.ravel()]


def _groups(
    content: Any, kind: str, number: NDArray[np.intp], place: NDArray[np.intp]
) -> Iterator[tuple[str, Group]]:
    """Walk the groups; nodes that no cell has are left out."""
    found: dict[str, tuple[list[Any], list[Any], list[Any]]] = {}
    first = 0
    for index, block in enumerate(content.cells):
        for name, members in _members(content, index, block):
            nodes, cells, sides = found.setdefault(name, ([], [], []))
            nodes.append(block.data[members].ravel())
            if block.type == kind:
                cells.append(place[members + first])
            elif block.type in _DIMENSIONS:
                sides.append(number[block.data[members]])
        first += len(block.data) if block.type == kind else 0
    for name, members in content.point_sets.items():
        found.setdefault(name, ([], [], []))[0].append(np.asarray(members, dtype=np.intp))
    for name, values in content.point_data.items():
        if _counts(values):
            found.setdefault(name, ([], [], []))[0].append(np.flatnonzero(values))
    for name, (nodes, cells, sides) in found.items():
        ours = number[np.unique(np.concatenate(nodes))]
        if (ours >= 0).any():
            inside = np.unique(np.concatenate([*cells, np.zeros(0, dtype=np.intp)])).astype(np.intp)
            held = tuple(side[(side >= 0).all(axis=1)] for side in sides)
            yield name, Group(ours[ours >= 0], inside, tuple(side for side in held if len(side)))


def _members(content: Any, index: int, block: Any) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """Walk the groups that cells of a block are in, with these cells' places in it."""
    for name, sets in content.cell_sets.items():
        members = sets[index]
        if not name.startswith("gmsh:") and members is not None and len(members):
            yield name, np.asarray(members, dtype=np.intp)
    names = {(int(tag), int(d)): name for name, (tag, d) in content.field_data.items()}
    for data, blocks in content.cell_data.items():
        values = np.asarray(blocks[index])
        if data == "gmsh:physical":
            for tag in np.unique(values[values > 0]):
                name = names.get((int(tag), _dimension(block.type)), str(int(tag)))
                yield name, np.flatnonzero(values == tag)
        elif _counts(values) and not data.startswith("gmsh:") and values.any():
            yield data, np.flatnonzero(values)


def _counts(values: Any) -> bool:
    """Return whether data are whole numbers, one each."""
    array = np.asarray(values)
    return array.ndim == 1 and array.dtype.kind in "iub"
