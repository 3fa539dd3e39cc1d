"""From a structure to symbols: what holds it and what pushes it, thinned out to stay readable."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from topopt.errors import InputError
from topopt.fem import BodyLoad, LineLoad, Load, PointLoad, Structure, Support, SurfaceLoad
from topopt.figures.thinning import thinned
from topopt.grid import AXES, Domain, Flags, Grid
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
    grid : Grid
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

    grid: Grid
    solid: Flags
    void: Flags
    holds: tuple[Hold, ...]
    pushes: tuple[Push, ...]
    cases: tuple[str, ...]


def scene(structure: Structure, domain: Domain | Grid | None = None) -> Scene:
    """Return what a sketch of the problem shows.

    Parameters
    ----------
    structure : Structure
        With supports and loads.
    domain : Domain, optional
        With passive regions; none if left out.

    Raises
    ------
    InputError
        If the two are not on the same grid.
    """
    grid = structure.grid
    domain = domain if isinstance(domain, Domain) else Domain(domain or grid)
    if domain.grid != grid:
        raise InputError(f"sketch: the structure is on {grid}, the domain on {domain.grid}; use one grid")
    thickness = structure.material.thickness if grid.ndim == 2 else 1.0
    holds = [hold for support in structure.supports for hold in _holds(support, grid)]
    pushes = [
        _clear(_push(number, load, grid, thickness), holds)
        for number, case in enumerate(structure.cases)
        for load in case.loads
    ]
    return Scene(
        grid, domain.solid_cells, domain.void_cells, tuple(holds), tuple(pushes), structure.case_names
    )


def _holds(support: Support, grid: Grid) -> list[Hold]:
    """Return a support's symbols, piece by piece of its region."""
    components = tuple(range(grid.ndim)) if support.fix == "all" else tuple(map(AXES.index, support.fix))
    kind = "spring" if support.spring is not None else "fixed" if len(components) == grid.ndim else "roller"
    return [
        hold
        for nodes in _pieces(grid.nodes_in(support.on), grid)
        for hold in _symbols(kind, components, nodes, grid)
    ]


def _pieces(picked: Flags, grid: Grid) -> list[Array]:
    """Return the nodes of each connected piece of a region; of a region in very many, all together."""
    from scipy.ndimage import label  # loads half of scipy, which only a sketch needs

    labels, count = label(picked.reshape(grid.nodes_shape), np.ones((3,) * grid.ndim))
    if count > 12:
        return [grid.nodes[picked]]
    return [grid.nodes[labels.ravel() == number] for number in range(1, count + 1)]


def _symbols(kind: str, components: tuple[int, ...], nodes: Array, grid: Grid) -> list[Hold]:
    """Return the symbols of one piece: one for a full clamp, else one a component."""
    points = nodes[thinned(nodes, max(grid.size) / 12)]
    ends = np.array([nodes.min(axis=0), nodes.max(axis=0)])
    flat = _is_flat(nodes, ends, grid)
    if kind == "fixed":
        return [Hold(kind, components, points, _outward(points, ends, grid), ends, flat)]
    # In space, a plane of symmetry is a face that is held across itself.
    across = [axis for axis in range(grid.ndim) if ends[0, axis] == ends[1, axis]]
    slides = flat and kind == "roller" and grid.ndim == 3
    return [
        Hold(kind, (axis,), points, _along(points, axis, grid), ends, slides and axis in across)
        for axis in components
    ]


def _is_flat(nodes: Array, ends: Array, grid: Grid) -> bool:
    """Return whether nodes fill the box between two corners, and that box lacks exactly one dimension."""
    counts = np.round((ends[1] - ends[0]) / grid.spacing).astype(int) + 1
    return bool(np.prod(counts) == len(nodes) and np.count_nonzero(counts > 1) == grid.ndim - 1)


def _along(points: Array, axis: int, grid: Grid) -> Array:
    """Return unit vectors along an axis, to the side where the points are nearer to the outside."""
    outward = np.zeros(points.shape)
    outward[:, axis] = np.where(points[:, axis] > 0.5 * grid.size[axis] * (1 + 1e-9), 1.0, -1.0)
    return outward


def _outward(points: Array, ends: Array, grid: Grid) -> Array:
    """Return unit vectors away from the box: across the side that holds all points, else downwards."""
    sides = np.array(grid.size)
    flat = [axis for axis in (1, 0, *range(2, grid.ndim)) if ends[0, axis] == ends[1, axis]]
    on_side = [axis for axis in flat if np.isclose(ends[0, axis], [0.0, sides[axis]]).any()]
    return _along(points, (on_side or flat or [1])[0], grid)


def _push(case: int, load: Load, grid: Grid, thickness: float) -> Push:
    """Return a load's arrows; only those of profiles and of unknown loads vary in length."""
    forces = load.nodal_forces(grid, thickness)
    size = np.linalg.norm(forces, axis=1)
    inside = isinstance(load, BodyLoad)
    # The nodes on a body's rim carry less than those inside, and arrows are wanted inside.
    loaded = np.flatnonzero(size > (0.9 if inside else 1e-9) * size.max())
    pitch = max(grid.size) / (8 if inside else 16)
    chosen = loaded[thinned(grid.nodes[loaded], pitch)]
    length = size[chosen] if isinstance(load, _UNIFORM) else np.full(len(chosen), size[chosen].max())
    if isinstance(load, PointLoad) and load.profile:
        length = np.sqrt(length * size[chosen].max())  # or a peak would leave nothing to be seen of the rest
    vectors = forces[chosen] / np.maximum(length, 1e-300)[:, None]
    points = grid.nodes[chosen]
    pulls = np.zeros(len(points), dtype=bool) if inside else _pulls(points, vectors, grid)
    return Push(case, points, vectors, len(loaded) > 2, pulls)


def _pulls(points: Array, vectors: Array, grid: Grid) -> Flags:
    """Return which arrows start at their points: those that would else lie inside and so can lie outside."""
    reach = 1e-3 * max(grid.size)
    tail_outside = _outside(points - reach * vectors, grid)
    return ~tail_outside & _outside(points + reach * vectors, grid)


def _clear(push: Push, holds: list[Hold]) -> Push:
    """Turn those arrows to the other side of their point that would lie on a support's symbol."""
    pulls = push.pulls.copy()
    for hold in holds:
        meets = np.linalg.norm(push.points[:, None] - hold.points[None], axis=2) < 1e-9
        along = push.vectors @ hold.outward.T
        pulls |= np.any(meets & (along < -0.7), axis=1)
    return replace(push, pulls=pulls)


def _outside(points: Array, grid: Grid) -> Flags:
    """Return which points lie outside the box."""
    slack = 1e-9 * max(grid.size)
    return np.asarray(np.any((points < -slack) | (points > np.array(grid.size) + slack), axis=1))
