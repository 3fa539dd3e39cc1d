"""The ground of a sketch: the box with its passive cells, in the plane or in space."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from topopt.cells import Cells, Flags
from topopt.figures.camera import View
from topopt.figures.outlines import boundary, faces, runs
from topopt.figures.scene import Scene
from topopt.figures.style import GREY, INK
from topopt.grid import Domain, Grid, structured
from topopt.meshes import Mesh
from topopt.parameters import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_body", "draw_plane", "draw_void", "measured"]

ACTIVE, SOLID, VOID = "#E9E4D8", "#5B5B5B", "#FFFFFF"


def draw_plane(axes: Axes, shown: Scene) -> list[Any]:
    """Draw the box and the passive cells of a 2-D problem; return legend entries."""
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Patch, PathPatch, Rectangle

    mesh = shown.mesh
    if isinstance(mesh, Grid):
        axes.add_patch(Rectangle((0, 0), *mesh.size, facecolor=ACTIVE, edgecolor="none", zorder=1))
    else:
        whole = _shape(mesh, np.ones(mesh.n_cells, dtype=bool))
        axes.add_patch(PathPatch(whole, facecolor=ACTIVE, edgecolor=ACTIVE, linewidth=0.3, zorder=1))
    handles: list[Any] = [Patch(facecolor=ACTIVE, edgecolor=GREY, linewidth=0.8, label="to be designed")]
    looks: tuple[tuple[Flags, dict[str, Any], str], ...] = (
        (shown.solid, {"facecolor": SOLID, "edgecolor": SOLID}, "stays solid"),
        (shown.void, {"facecolor": VOID, "edgecolor": "#BBBBBB", "hatch": "..."}, "stays void"),
    )
    for flags, look, label in looks:
        if flags.any():
            axes.add_patch(PathPatch(_shape(mesh, flags), linewidth=0, zorder=2, **look))
            handles.append(Patch(linewidth=0.0, label=label, **look))
    outline = np.concatenate([boundary(mesh, ~shown.void), boundary(mesh, shown.solid)])
    axes.add_collection(LineCollection(list(outline), colors=INK, linewidths=1.0, zorder=3, capstyle="round"))
    measured(axes, mesh)
    return handles


def draw_void(axes: Axes, domain: Domain) -> None:
    """Dot and outline the cells of a 2-D domain that stay void, over a picture of a design."""
    from matplotlib.collections import LineCollection
    from matplotlib.patches import PathPatch

    flags = domain.void_cells
    if not flags.any():
        return
    look = {"facecolor": "none", "edgecolor": "#BBBBBB", "hatch": ".."}
    axes.add_patch(PathPatch(_shape(domain.mesh, flags), linewidth=0, zorder=2, **look))
    lines = list(boundary(domain.mesh, flags))
    axes.add_collection(LineCollection(lines, colors="#AAAAAA", linewidths=0.9, zorder=3, capstyle="round"))


def measured(axes: Axes, mesh: Cells) -> None:
    """Let the axes measure the box of all cells and nothing beyond it."""
    from matplotlib.ticker import MaxNLocator

    for number, (name, axis) in enumerate((("bottom", axes.xaxis), ("left", axes.yaxis))):
        low, length = float(mesh.lower[number]), mesh.size[number]
        axes.spines[name].set_bounds(low, low + length)
        count = int(np.clip(8 * length / max(mesh.size), 1, 8))
        ticks = MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]).tick_values(low, low + length)
        axis.set_ticks([tick for tick in ticks if -1e-9 <= (tick - low) / length <= 1 + 1e-9])
    axes.set(xlabel="$x$", ylabel="$y$")


def _shape(mesh: Cells, flags: Flags) -> Any:
    """Return flagged cells in the plane as one path, so that a hatch runs through them."""
    from matplotlib.path import Path

    if isinstance(mesh, Grid):
        return _path(runs(mesh, flags))
    rings = mesh.nodes[mesh.cell_nodes[flags]]
    closed = np.concatenate([rings, rings[:, :1]], axis=1)
    codes = [Path.MOVETO, *[Path.LINETO] * (rings.shape[1] - 1), Path.CLOSEPOLY]
    return Path(closed.reshape(-1, 2), np.tile(codes, len(rings)))


def _path(rectangles: Array) -> Any:
    """Return rectangles as one path, so that a hatch runs through them."""
    from matplotlib.path import Path

    x, y, w, h = rectangles.T
    corners = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h], [x, y]]).transpose(2, 0, 1)
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    return Path(corners.reshape(-1, 2), np.tile(codes, len(rectangles)))


def draw_body(axes: Axes, shown: Scene, eye: View) -> list[Any]:
    """Draw the box and the passive cells of a 3-D problem; return legend entries."""
    from matplotlib.patches import Patch

    axes.set_axis_off()
    size, lower = np.array(shown.mesh.size), shown.mesh.lower
    handles: list[Any] = []
    if isinstance(shown.mesh, Mesh):
        _draw_skin(axes, shown.mesh, eye)
    for start, end, hidden in _edges(size, eye):
        line = {"linestyle": (0, (3, 3)), "color": "#AAAAAA"} if hidden else {"color": INK}
        axes.plot(
            *eye.project(np.array([start, end]) + lower).T, linewidth=0.9, zorder=1 if hidden else 3, **line
        )
    looks = (
        (shown.solid, (0.36, 0.36, 0.36), 1.0, "stays solid"),
        (shown.void, (0.55, 0.75, 0.88), 0.35, "stays void"),
    )
    for flags, colour, alpha, label in looks:
        if flags is shown.void and _wraps(shown):
            handles.append(Patch(facecolor="white", edgecolor=GREY, label="stays void: all around"))
        elif flags.any():
            _draw_cells(axes, shown, flags, eye, colour, alpha)
            handles.append(Patch(facecolor=colour, alpha=alpha, label=label))
    _name_edges(axes, lower, size, eye)
    return handles


def _wraps(shown: Scene) -> bool:
    """Return whether cells that stay void cover most of the box and would hide the rest."""
    if not isinstance(shown.mesh, Grid):
        return False
    void = shown.void.reshape(shown.mesh.cells)
    sides = [void.take(side, axis).ravel() for axis in range(3) for side in (0, -1)]
    return float(np.concatenate(sides).mean()) > 0.5


def _edges(size: Array, eye: View) -> list[tuple[Array, Array, bool]]:
    """Return the box's edges: start, end, and whether the box hides it."""
    corners = [np.array(corner) * size for corner in itertools.product((0, 1), repeat=3)]
    toward = eye.frame()[2]
    hidden_corner = np.where(toward > 1e-9, 0.0, size)
    if np.any(np.abs(toward) < 1e-9):
        hidden_corner = np.full(3, np.nan)
    pairs = itertools.combinations(corners, 2)
    return [
        (a, b, bool(np.all(a == hidden_corner) or np.all(b == hidden_corner)))
        for a, b in pairs
        if np.count_nonzero(a != b) == 1
    ]


def _draw_cells(
    axes: Axes, shown: Scene, flags: Flags, eye: View, colour: tuple[float, float, float], alpha: float
) -> None:
    """Draw the faces of cells that look at the eye, back to front, each side in its own shade."""
    from matplotlib.collections import PolyCollection

    toward = eye.frame()[2]
    if isinstance(shown.mesh, Mesh):
        corners, facing = _skin(shown.mesh, flags, toward)
        shades = list(0.75 + 0.5 * facing)
    else:
        visible, shades = [], []
        for number, corners in enumerate(faces(structured(shown.mesh), flags)):
            axis, sign = number // 2, 1 if number % 2 else -1
            if sign * toward[axis] > 1e-9:
                visible.append(corners)
                shades += [0.75 + 0.5 * abs(toward[axis])] * len(corners)
        corners = np.concatenate(visible)
    order = np.argsort(eye.depth(corners.mean(axis=1)))
    rgb = np.clip(np.outer(np.array(shades)[order], colour), 0.0, 1.0)
    axes.add_collection(
        PolyCollection(
            list(eye.project(corners[order])), facecolors=np.column_stack([rgb, np.full(len(rgb), alpha)]),
            edgecolors="face" if alpha == 1.0 else "none", linewidths=0.4, antialiaseds=alpha == 1.0,
            zorder=2,
        )
    )  # fmt: skip


def _skin(mesh: Mesh, flags: Flags, toward: Array) -> tuple[Array, Array]:
    """Return the faces around flagged cells that look at the eye, and how squarely each does."""
    around = mesh.around(flags)
    corners = mesh.nodes[mesh.facets[around]]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    out = np.einsum("ij,ij->i", normals, corners.mean(axis=1) - mesh.centres[around // mesh.sides])
    facing = np.sign(out) * (normals @ toward)
    return corners[facing > 1e-9], facing[facing > 1e-9]


def _draw_skin(axes: Axes, mesh: Mesh, eye: View) -> None:
    """Draw the boundary of a mesh in space, where it looks at the eye."""
    from matplotlib.collections import PolyCollection

    corners, facing = _skin(mesh, np.ones(mesh.n_cells, dtype=bool), eye.frame()[2])
    order = np.argsort(eye.depth(corners.mean(axis=1)))
    colours = np.clip(np.outer(0.85 + 0.15 * facing[order], np.array([0.914, 0.894, 0.847])), 0.0, 1.0)
    axes.add_collection(
        PolyCollection(
            list(eye.project(corners[order])),
            facecolors=colours,
            edgecolors="#BBBBBB",
            linewidths=0.3,
            zorder=1,
        )
    )


def _name_edges(axes: Axes, lower: Array, size: Array, eye: View) -> None:
    """Write the name and length of each axis beside the edge of it that is lowest or most to the side."""
    from matplotlib.patheffects import Normal, Stroke

    halo = [Stroke(linewidth=3.0, foreground="white"), Normal()]
    centre = eye.project(lower + size / 2)
    for axis, name in enumerate("xyz"):
        others = [other for other in range(3) if other != axis]
        best, text_at = -np.inf, centre
        for sides in itertools.product((0.0, 1.0), repeat=2):
            middle = 0.5 * size
            middle[others] = np.array(sides) * size[others]
            away = eye.project(lower + middle) - centre
            score = float(-away[1] + 0.3 * away[0]) if axis != 1 else float(-away[0] - 0.1 * away[1])
            if score > best:
                best, text_at = score, eye.project(lower + middle)
        if np.linalg.norm(eye.project(np.eye(3)[axis])) < 0.1:
            continue
        away = text_at - centre
        away = away / max(float(np.linalg.norm(away)), 1e-12)
        place = text_at + (0.05, 0.05, 0.12)[axis] * float(size.max()) * away
        axes.text(
            float(place[0]), float(place[1]), f"${name}$: {size[axis]:g}",
            zorder=8, ha=("center", "right", "left")[axis], va="center", color=INK, path_effects=halo,
        )  # fmt: skip
