"""The problem as one would draw it on a blackboard: box, supports, loads, what stays solid or void."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from topopt.cells import Cells
from topopt.fem import Structure
from topopt.figures.box import draw_body, draw_plane
from topopt.figures.camera import View, view
from topopt.figures.lanes import apart
from topopt.figures.scene import Hold, Push, Scene, scene
from topopt.figures.style import CYCLE, GREY, INK, WIDTH, canvas, styled
from topopt.grid import Domain
from topopt.parameters import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["sketch"]

ARROW = 0.11
"""Length of an arrow as a share of the longest edge."""
SYMBOL = 0.026
"""Height of a support's symbol as a share of the longest edge."""
ZIGZAG = np.array([[0, 0.3, 0.45, 0.75, 1.05, 1.35, 1.65, 1.8, 2.1], [0, 0, 0.4, -0.4, 0.4, -0.4, 0.4, 0, 0]])
"""A spring, along itself and across, in heights of a symbol."""
WALLS: dict[str, dict[str, Any]] = {
    "fixed": {"edgecolor": "#999999", "hatch": "/////"},
    "roller": {"edgecolor": "#9BC4E0", "hatch": "---"},
}
"""How an edge or a face looks that is clamped, or slides in itself."""


@styled
def sketch(structure: Structure, domain: Domain | Cells | None = None, look: str = "corner") -> Figure:
    """Draw a problem: supports, loads by case, passive regions.

    Parameters
    ----------
    structure : Structure
        With supports and loads.
    domain : Domain, Grid or Mesh, optional
        With passive regions; none if left out.
    look : str
        In 3-D: a name from `topopt.figures.VIEWS`.

    Returns
    -------
    matplotlib.figure.Figure
        To be saved by `topopt.figures.save`.
    """
    shown = scene(structure, domain)
    shown = replace(shown, pushes=apart(shown.pushes, shown.mesh.size))
    eye = view(look)
    low, high = _extent(shown, eye)
    ratio = float((high - low)[1] / (high - low)[0])
    margin = 0.9 if shown.mesh.ndim == 2 else 0.1
    width = min(WIDTH, 6.5 / ratio + margin)
    figure = canvas(height=ratio * (width - margin) + margin + 0.4, width=max(width, 5.0))
    axes = figure.subplots()
    axes.set_aspect("equal")
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    handles = draw_plane(axes, shown) if shown.mesh.ndim == 2 else draw_body(axes, shown, eye)
    scale = max(shown.mesh.size)
    for hold in shown.holds:
        _draw_hold(axes, hold, eye, SYMBOL * scale)
    for push in shown.pushes:
        _draw_push(axes, push, eye, ARROW * scale)
    handles += _legend(shown)
    columns = next(n for n in (5, 4, 3) if n == 3 or len(handles) <= n or len(handles) % n == 0)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)
    return figure


def _extent(shown: Scene, eye: View) -> tuple[Array, Array]:
    """Return the corners of the picture: the box, all arrows and all symbols, and a little air."""
    scale = max(shown.mesh.size)
    corners = (
        np.array(list(np.ndindex(*(2,) * shown.mesh.ndim))) * np.array(shown.mesh.size) + shown.mesh.lower
    )
    points = [corners]
    points += [hold.points + 2.6 * SYMBOL * scale * hold.outward for hold in shown.holds]
    points += [np.concatenate(_ends(push, ARROW * scale)) for push in shown.pushes]
    flat = eye.project(np.concatenate(points))
    air = 0.015 * scale if shown.mesh.ndim == 2 else 0.06 * scale
    return flat.min(axis=0) - air, flat.max(axis=0) + air


def _ends(push: Push, length: float) -> tuple[Array, Array]:
    """Return tails and tips of a load's arrows."""
    along = length * push.vectors * (0.6 if push.row else 1.0) * (1.0 + 0.3 * push.lane)
    shift = np.where(push.pulls[:, None], along, 0.0)
    return push.points - along + shift, push.points + shift


def _draw_push(axes: Axes, push: Push, eye: View, length: float) -> None:
    """Draw a load's arrows, over a line through their tails where it is a distributed load."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.patheffects import Normal, Stroke

    colour = CYCLE[push.case % len(CYCLE)]
    tails, tips = (eye.project(ends) for ends in _ends(push, length))
    halo = [Stroke(linewidth=3.6, foreground="white"), Normal()]
    width = 1.3 if push.row else 2.0
    for tail, tip in zip(tails, tips, strict=True):
        arrow = FancyArrowPatch(
            tail, tip, arrowstyle="-|>", mutation_scale=9 if push.row else 13, shrinkA=0, shrinkB=0,
            color=colour, linewidth=width, zorder=6, path_effects=halo, clip_on=False,
        )  # fmt: skip
        axes.add_patch(arrow)
    if push.row and _in_line(push.points):
        far = tips if push.pulls.all() else tails
        axes.plot(*far[[0, -1]].T, color=colour, linewidth=width, zorder=6, solid_capstyle="round")


def _in_line(points: Array) -> bool:
    """Return whether all points lie on the line from the first to the last."""
    along = points[-1] - points[0]
    off = points - points[0]
    off = off - np.outer(off @ along / (along @ along), along)
    return bool(np.abs(off).max() < 1e-6 * np.abs(along).max())


def _draw_hold(axes: Axes, hold: Hold, eye: View, size: float) -> None:
    """Draw a support: a hatched wall along a clamped edge, else a symbol at every point."""
    points, outward = eye.project(hold.points), eye.project(hold.outward)
    if hold.flat:
        _wall(axes, hold, eye, outward[0], size)
        return
    for point, direction in zip(points, outward, strict=True):
        length = float(np.linalg.norm(direction))
        if length > 0.1:
            _symbol(axes, hold.kind, point, direction / length, size * (0.7 if len(points) > 25 else 1.0))


def _wall(axes: Axes, hold: Hold, eye: View, outward: Array, size: float) -> None:
    """Draw a hatched band along a clamped edge; in 3-D, hatch the face."""
    from matplotlib.patches import Polygon

    look, ends = WALLS[hold.kind] | {"facecolor": "none", "zorder": 4}, hold.ends
    if ends.shape[1] == 2:
        corners = [ends[0], ends[1], ends[1] + 0.8 * size * outward, ends[0] + 0.8 * size * outward]
        axes.add_patch(Polygon(corners, linewidth=0, **look))
        axes.plot(*ends.T, color=INK, linewidth=2.2, zorder=5, solid_capstyle="butt")
        return
    first, second = np.flatnonzero(ends[0] != ends[1])
    face = np.repeat(ends[:1], 4, axis=0)
    face[1:3, first], face[2:, second] = ends[1, first], ends[1, second]
    axes.add_patch(Polygon(eye.project(face), linewidth=1.6, **look))


def _symbol(axes: Axes, kind: str, at: Array, outward: Array, size: float) -> None:
    """Draw a triangle (fixed), a triangle on wheels (roller) or a zigzag (spring), and the ground."""
    from matplotlib.patches import Circle, Polygon

    across = np.array([-outward[1], outward[0]])
    line: dict[str, Any] = {"color": INK, "linewidth": 1.1, "zorder": 5, "solid_capstyle": "round"}
    if kind == "spring":
        steps, swing = size * ZIGZAG
        axes.plot(*(at + np.outer(steps, outward) + np.outer(swing, across)).T, **line)
        foot = at + 2.1 * size * outward
    else:
        base = at + size * outward
        corners = [at, base + 0.6 * size * across, base - 0.6 * size * across]
        axes.add_patch(Polygon(corners, facecolor="white", edgecolor=INK, linewidth=1.1, zorder=5))
        foot = base
        if kind == "roller":
            for side in (-0.33, 0.33):
                wheel = base + size * (0.2 * outward + side * across)
                axes.add_patch(Circle(tuple(wheel), 0.2 * size, facecolor="white", edgecolor=INK, zorder=5))
            foot = base + 0.4 * size * outward
    wide = 0.85 * size * across
    axes.plot(*np.array([foot - wide, foot + wide]).T, **line)
    if kind != "roller":
        band = [
            foot - wide,
            foot + wide,
            foot + wide + 0.4 * size * outward,
            foot - wide + 0.4 * size * outward,
        ]
        axes.add_patch(Polygon(band, facecolor="none", edgecolor=GREY, hatch="//////", linewidth=0, zorder=4))


def _legend(shown: Scene) -> list[Any]:
    """Return legend entries for supports and load cases."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.path import Path

    words = {"fixed": "fixed", "roller": "held in one direction, free to slide"}
    marks = {"fixed": "^", "roller": "o"}
    plain: dict[str, Any] = {
        "linestyle": "none", "markersize": 8, "markerfacecolor": "white", "markeredgecolor": INK
    }  # fmt: skip
    handles: list[Any] = []
    for kind, word in words.items():
        alike = [hold for hold in shown.holds if hold.kind == kind]
        if any(hold.flat for hold in alike):
            handles.append(Patch(facecolor="white", linewidth=0, label=word, **WALLS[kind]))
        elif alike:
            handles.append(Line2D([], [], marker=marks[kind], label=word, **plain))
    if any(hold.kind == "spring" for hold in shown.holds):
        zigzag = Path(np.column_stack([ZIGZAG[1], 1.05 - ZIGZAG[0]]))
        thin = plain | {"markersize": 15, "markerfacecolor": "none", "markeredgewidth": 1.1}
        handles.append(Line2D([], [], marker=zigzag, label="spring", **thin))
    for number, name in enumerate(shown.cases):
        label = "load" if shown.cases == ("load",) else f"load case “{name}”"
        colour = CYCLE[number % len(CYCLE)]
        handles.append(Line2D([], [], color=colour, linewidth=2, marker="v", markersize=7, label=label))
    return handles
