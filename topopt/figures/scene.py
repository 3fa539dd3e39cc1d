"""From a structure to symbols: what holds it and what pushes it, thinned out to stay readable."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from topopt.cells import AXES, Cells, Flags
from topopt.errors import InputError
from topopt.fem import BodyLoad, LineLoad, Load, PointLoad, Structure, Support, SurfaceLoad
from topopt.figures.thinning import thinned
from topopt.grid import Domain, Grid, designed, structured
from topopt.meshes import Mesh, pieces
from topopt.parameters import Array

__all__ = ["Hold", "Push", "Scene", "scene"]

_UNIFORM = (PointLoad, LineLoad, SurfaceLoad, BodyLoad)


@dataclass(frozen=True, eq=False)
class Hold:
    """A support as it is drawn.

    Attributes
    ----------
    kind : str
        ``fixed`` (every component), ``roller`` (some components) or ``spring``.
    components : tuple of int
        The axes that are held.
    points : array, shape (k, ndim)
        Where the symbols stand.
    outward : array, shape (k, ndim)
        Unit vectors from the points to where there is room for the symbols.
    ends : array, shape (2, ndim)
        Opposite corners of the box around all nodes that are held.
    flat : bool
        Whether to draw it as an edge or a face: the nodes fill the box, which is straight or flat, and they
        are clamped or, in space, slide in it.
    """

    kind: str
    components: tuple[int, ...]
    points: Array
    outward: Array
    ends: Array
    flat: bool


@dataclass(frozen=True, eq=False)
class Push:
    """A load as it is drawn.

    Attributes
    ----------
    case : int
        Number of its load case.
    points : array, shape (k, ndim)
        Where the arrows act.
    vectors : array, shape (k, ndim)
        Directions, the longest of length 1.
    row : bool
        Whether the arrows stand for a distributed load.
    pulls : array of bool, shape (k,)
        Whether the arrow starts at its point; else it ends there.
    lane : int
        How many loads at the same place stand before it; `topopt.figures.lanes` moves it aside.
    """

    case: int
    points: Array
    vectors: Array
    row: bool
    pulls: Flags
    lane: int = 0


@dataclass(frozen=True, eq=False)
class Scene:
    """All that a sketch of a problem shows.

    Attributes
    ----------
    mesh : Grid or Mesh
        The cells.
    solid, void : array of bool, shape (n_cells,)
        The passive cells.
    holds : tuple of Hold
        One a support and direction.
    pushes : tuple of Push
        One a load.
    cases : tuple of str
        Names of the load cases.
    """

    mesh: Cells
    solid: Flags
    void: Flags
    holds: tuple[Hold, ...]
    pushes: tuple[Push, ...]
    cases: tuple[str, ...]


def scene(structure: Structure, domain: Domain | Cells | None = None) -> Scene:
    """Return what a sketch of the problem shows.

    Parameters
    ----------
    structure : Structure
        With supports and loads.
    domain : Domain, Grid or Mesh, optional
        With passive regions; none if left out.

    Raises
    ------
    InputError
        If the two are not on the same cells.
    """
    mesh = structure.mesh
    domain = designed(mesh if domain is None else domain)
    if domain.mesh != mesh:
        raise InputError(f"sketch: the structure is on {mesh}, the domain on {domain.mesh}; use one grid")
    holds = [hold for support in structure.supports for hold in _holds(support, mesh)]
    pushes = [
        _clear(_push(number, load, mesh, structure.thickness), holds)
        for number, case in enumerate(structure.cases)
        for load in case.loads
    ]
    return Scene(
        mesh, domain.solid_cells, domain.void_cells, tuple(holds), tuple(pushes), structure.case_names
    )


def _holds(support: Support, mesh: Cells) -> list[Hold]:
    """Return a support's symbols, piece by piece of its region."""
    components = tuple(range(mesh.ndim)) if support.fix == "all" else tuple(map(AXES.index, support.fix))
    kind = "spring" if support.spring is not None else "fixed" if len(components) == mesh.ndim else "roller"
    return [
        hold
        for nodes in _pieces(mesh.nodes_in(support.on), mesh)
        for hold in _symbols(kind, components, nodes, mesh)
    ]


def _pieces(picked: Flags, mesh: Cells) -> list[Array]:
    """Return the nodes of each connected piece of a region; of a region in very many, all together."""
    from scipy.ndimage import label  # loads half of scipy, which only a sketch needs

    if isinstance(mesh, Mesh):
        labels, count = pieces(mesh.edges, picked)
    else:
        labels, count = label(picked.reshape(structured(mesh).nodes_shape), np.ones((3,) * mesh.ndim))
    if count > 12:
        return [mesh.nodes[picked]]
    return [mesh.nodes[labels.ravel() == number] for number in range(1, count + 1)]


def _symbols(kind: str, components: tuple[int, ...], nodes: Array, mesh: Cells) -> list[Hold]:
    """Return the symbols of one piece: one for a full clamp, else one a component."""
    points = nodes[thinned(nodes, max(mesh.size) / 12)]
    ends = np.array([nodes.min(axis=0), nodes.max(axis=0)])
    flat = _is_flat(nodes, ends, mesh)
    if kind == "fixed":
        if isinstance(mesh, Mesh) and (ends[0] != ends[1]).all():  # a curved piece has no side of its own
            outward = _off_cells(points, mesh)
        else:
            outward = _outward(points, ends, mesh)
        return [Hold(kind, components, points, outward, ends, flat)]
    # In space, a plane of symmetry is a face that is held across itself.
    across = [axis for axis in range(mesh.ndim) if ends[0, axis] == ends[1, axis]]
    slides = flat and kind == "roller" and mesh.ndim == 3
    return [
        Hold(kind, (axis,), points, _along(points, axis, mesh), ends, slides and axis in across)
        for axis in components
    ]


def _is_flat(nodes: Array, ends: Array, mesh: Cells) -> bool:
    """Return whether nodes fill the box between two corners, and that box lacks exactly one dimension."""
    if not isinstance(mesh, Grid):  # a piece hangs together, so that along an axis it leaves nothing out
        return bool(mesh.ndim == 2 and np.count_nonzero(np.ptp(ends, axis=0) > 1e-9 * max(mesh.size)) == 1)
    counts = np.round((ends[1] - ends[0]) / mesh.spacing).astype(int) + 1
    return bool(np.prod(counts) == len(nodes) and np.count_nonzero(counts > 1) == mesh.ndim - 1)


def _along(points: Array, axis: int, mesh: Cells) -> Array:
    """Return unit vectors along an axis, to the side where the points are nearer to the outside."""
    outward = np.zeros(points.shape)
    outward[:, axis] = np.where(
        points[:, axis] - mesh.lower[axis] > 0.5 * mesh.size[axis] * (1 + 1e-9), 1.0, -1.0
    )
    return outward


def _off_cells(points: Array, mesh: Mesh) -> Array:
    """Return unit vectors at nodes of a mesh away from the cells around them: out of a curved boundary."""
    number = {tuple(point): index for index, point in enumerate(mesh.nodes)}
    nodes = [number[tuple(point)] for point in points]
    sums, corners = np.zeros((mesh.n_nodes, mesh.ndim)), mesh.cell_nodes.shape[1]
    np.add.at(sums, mesh.cell_nodes.ravel(), np.repeat(mesh.centres, corners, axis=0))
    touching = np.bincount(mesh.cell_nodes.ravel(), minlength=mesh.n_nodes)[nodes]
    away = points - sums[nodes] / touching[:, None]
    return np.asarray(away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-300))


def _outward(points: Array, ends: Array, mesh: Cells) -> Array:
    """Return unit vectors away from the box: across the side that holds all points, else downwards."""
    lower, upper = mesh.lower, mesh.lower + np.array(mesh.size)
    flat = [axis for axis in (1, 0, *range(2, mesh.ndim)) if ends[0, axis] == ends[1, axis]]
    on_side = [axis for axis in flat if np.isclose(ends[0, axis], [lower[axis], upper[axis]]).any()]
    return _along(points, (on_side or flat or [1])[0], mesh)


def _push(case: int, load: Load, mesh: Cells, thickness: float) -> Push:
    """Return a load's arrows; only those of profiles and of unknown loads vary in length."""
    forces = load.nodal_forces(mesh, thickness)
    size = np.linalg.norm(forces, axis=1)
    inside = isinstance(load, BodyLoad)
    # The nodes on a body's rim carry less than those inside, and arrows are wanted inside.
    loaded = np.flatnonzero(size > (0.9 if inside else 1e-9) * size.max())
    pitch = max(mesh.size) / (8 if inside else 16)
    chosen = loaded[thinned(mesh.nodes[loaded], pitch)]
    length = size[chosen] if isinstance(load, _UNIFORM) else np.full(len(chosen), size[chosen].max())
    if isinstance(load, PointLoad) and load.profile:
        length = np.sqrt(length * size[chosen].max())  # or a peak would leave nothing to be seen of the rest
    vectors = forces[chosen] / np.maximum(length, 1e-300)[:, None]
    points = mesh.nodes[chosen]
    pulls = np.zeros(len(points), dtype=bool) if inside else _pulls(points, vectors, mesh)
    return Push(case, points, vectors, len(loaded) > 2, pulls)


def _pulls(points: Array, vectors: Array, mesh: Cells) -> Flags:
    """Return which arrows start at their points: those that would else lie inside and so can lie outside."""
    reach = 1e-3 * max(mesh.size)
    tail_outside = _outside(points - reach * vectors, mesh)
    return ~tail_outside & _outside(points + reach * vectors, mesh)


def _clear(push: Push, holds: list[Hold]) -> Push:
    """Turn those arrows to the other side of their point that would lie on a support's symbol."""
    pulls = push.pulls.copy()
    for hold in holds:
        meets = np.linalg.norm(push.points[:, None] - hold.points[None], axis=2) < 1e-9
        along = push.vectors @ hold.outward.T
        pulls |= np.any(meets & (along < -0.7), axis=1)
    return replace(push, pulls=pulls)


def _outside(points: Array, mesh: Cells) -> Flags:
    """Return which points lie outside the box."""
    slack = 1e-9 * max(mesh.size)
    above = points - mesh.lower
    return np.asarray(np.any((above < -slack) | (above > np.array(mesh.size) + slack), axis=1))
