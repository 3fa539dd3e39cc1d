"""Runs side by side: what died where, and what design came of it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from topopt.design import Design
from topopt.errors import InputError, MissingDependencyError
from topopt.figures.body import studio
from topopt.figures.camera import view
from topopt.figures.data import Span, Strip, spans, watched
from topopt.figures.fading import heat
from topopt.figures.style import ALARM, ALARM_MARKERS, FAILED, GREY, INK, LIGHT, WIDTH, canvas, styled
from topopt.grid import Grid
from topopt.history import History
from topopt.parameters import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Portrait", "designs", "strips"]

ROW, LANE = 0.19, 0.4
"""Height of a stage in inches, and of an alarm's lane in stages."""
_QUICK = 400_000
"""Cells up to which a body's surface is drawn; beyond, its X-rays."""


@dataclass(frozen=True, eq=False)
class Portrait:
    """A run's last design with what is written above it.

    Attributes
    ----------
    name : str
        Of the continuation.
    caption : str
        Its value, or the like.
    density : array, shape (nx, ny) or (nx, ny, nz), optional
        0 to 1, cells taken as cubes; None if the run left none.
    fault : str
        What is wrong; empty if the design is sound.
    """

    name: str
    caption: str
    density: Array | None = None
    fault: str = ""


@styled
def strips(runs: Sequence[tuple[str, History]]) -> Figure:
    """Draw for each run how many sensitivities are alive, stage by stage, and which alarms rang.

    Parameters
    ----------
    runs : sequence of (str, History)
        Of one problem, best first.

    Returns
    -------
    matplotlib.figure.Figure
        To be saved by `topopt.figures.save`.

    Raises
    ------
    InputError
        If no run kept a vanishing log.
    """
    shown = [(name, history, _watched(history)) for name, history in runs]
    stages = max((len(strip.stages) for *_, strip in shown if strip), default=0)
    if not stages:
        raise InputError("strips: no run kept a vanishing log; there is nothing to draw")
    last = max(history[-1].number for _, history, strip in shown if strip)
    lanes = max(len({span.alarm for span in spans(history)}) for _, history, _ in shown)
    columns = 1 if len(shown) == 1 else 2
    rows = -(-len(shown) // columns)
    figure = canvas(height=rows * (ROW * (stages + LANE * lanes) + 0.42) + 1.1)
    panels = figure.subplots(rows, columns, squeeze=False)
    image = None
    for axes in panels.ravel()[len(shown) :]:
        axes.set_axis_off()
    for k, (axes, (name, history, strip)) in enumerate(zip(panels.ravel(), shown, strict=False)):
        axes.set_title(textwrap.shorten(name, 60), fontsize=9, pad=4 + 72 * ROW * LANE * lanes)
        if strip is None:
            _blank(axes, "no log: failed before the first iteration" if not len(history) else "no log")
            continue
        image = heat(axes, strip, (0.0, 1.0))
        _ring(axes, spans(history), len(strip.stages))
        axes.set_xlim(0.5, last + 0.5)
        axes.tick_params(axis="x", labelsize=8, labelbottom=k + columns >= len(shown))
        axes.tick_params(axis="y", labelsize=8)
        if k // columns == rows - 1:
            axes.set_xlabel("iteration $k$", fontsize=9)
    _legend(figure, image, panels, [span.alarm for _, history, _ in shown for span in spans(history)])
    return figure


@styled
def designs(portraits: Sequence[Portrait]) -> Figure:
    """Draw designs side by side: cells in grey in 2-D, a lit surface in 3-D.

    Parameters
    ----------
    portraits : sequence of Portrait
        Of one problem, best first.

    Returns
    -------
    matplotlib.figure.Figure
        To be saved by `topopt.figures.save`.

    Raises
    ------
    InputError
        If there is no design.
    """
    pictures = _pictures(portraits)
    sizes = [picture.shape for picture in pictures if picture is not None]
    if not sizes:
        raise InputError("designs: no run left a design; there is nothing to draw")
    ratio = max(height / width for height, width, *_ in sizes)
    columns = min(len(portraits), 2 if ratio < 0.2 else 3 if ratio < 0.8 else 4)
    rows = -(-len(portraits) // columns)
    wide = WIDTH / max(columns, 2)
    figure = canvas(height=rows * ((wide - 0.15) * ratio + 0.55), width=max(wide * columns, WIDTH / 2))
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.ravel()[len(portraits) :]:
        axes.set_axis_off()
    letters = round(15 * wide)
    for axes, portrait, picture in zip(panels.ravel(), portraits, pictures, strict=False):
        _portrait(axes, portrait, picture, letters)
    return figure


def _watched(history: History) -> Strip | None:
    """Return the share of entries alive at the stages that tell something; None without a log."""
    logged = any(metrics for it in history for metrics in it.stages.values())
    return watched(history) if logged else None


def _ring(axes: Axes, ringing: Sequence[Span], top: int) -> None:
    """Draw a bar over the strip while an alarm rings, and its symbol where it starts."""
    names = list(dict.fromkeys(span.alarm for span in ringing))
    for lane, name in enumerate(names):
        height = top - 0.5 + LANE * (lane + 0.6)
        mine = [span for span in ringing if span.alarm == name]
        colour, marker = ALARM.get(name, INK), ALARM_MARKERS.get(name, "o")
        for span in mine:
            axes.plot([span.first - 0.5, span.last + 0.5], [height] * 2, color=colour, linewidth=1.6,
                      clip_on=False, solid_capstyle="butt")  # fmt: skip
        axes.plot([mine[0].first], [height], marker, color=colour, markeredgecolor="white", clip_on=False,
                  markeredgewidth=0.5, markersize=8 if marker == "*" else 5.5, zorder=5)  # fmt: skip
    axes.set_ylim(-0.5, top - 0.5)


def _legend(figure: Figure, image: Any, panels: NDArray[Any], alarms: Sequence[str]) -> None:
    """Put the ink's scale and the alarms' symbols under the strips."""
    from matplotlib.lines import Line2D

    names = list(dict.fromkeys(alarms))
    marks = [
        Line2D([], [], color=ALARM.get(name, INK), marker=ALARM_MARKERS.get(name, "o"), linewidth=1.6,
               markeredgecolor="white", markersize=8, label=name)
        for name in names
    ]  # fmt: skip
    bar = figure.colorbar(
        image, ax=panels, location="bottom", aspect=50, shrink=0.45, pad=0.02, anchor=(0.0, 0.0),
        ticks=[0.0, 0.25, 0.5, 0.75, 1.0],
    )  # fmt: skip
    bar.outline.set_visible(False)
    bar.set_label("share of the entries alive, $1 - D_3$", fontsize=9)
    bar.ax.tick_params(labelsize=8, length=2)
    if marks:
        bar.ax.legend(handles=marks, loc="center left", bbox_to_anchor=(1.04, 0.0), ncols=3, fontsize=8.5,
                      columnspacing=1.2, handlelength=2.0)  # fmt: skip


def _blank(axes: Axes, text: str) -> None:
    """Leave a panel without a picture, and say why."""
    axes.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(0, 1))
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(LIGHT)
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=8.5, color=FAILED)


def _portrait(axes: Axes, portrait: Portrait, picture: NDArray[np.uint8] | None, letters: int) -> None:
    """Draw one design under its name; a failed one in a frame of the colour of failures."""
    colour = FAILED if portrait.fault else GREY
    if picture is None:
        _blank(axes, textwrap.fill(portrait.fault or "no design", letters))
    else:
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest" if picture.ndim == 2
                    else "antialiased", aspect="equal")  # fmt: skip
        axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(FAILED if portrait.fault else LIGHT)
        spine.set_linewidth(1.6 if portrait.fault else 0.8)
    axes.set_title(textwrap.shorten(portrait.name, letters, placeholder=" ..."), fontsize=9.5, pad=16)
    below = portrait.caption if picture is None or not portrait.fault else f"broken: {portrait.fault}"
    axes.text(0.0, 1.0, textwrap.shorten(below, letters, placeholder=" ..."), transform=axes.transAxes,
              fontsize=8.5, color=colour, va="bottom", ha="left")  # fmt: skip


def _pictures(portraits: Sequence[Portrait]) -> list[NDArray[np.uint8] | None]:
    """Return grey pixels in 2-D; in 3-D the lit surface in colour, or X-rays where that cannot be drawn."""
    shapes = {portrait.density.shape for portrait in portraits if portrait.density is not None}
    solid = [shape for shape in shapes if len(shape) == 3]
    if len(shapes) == 1 and solid and np.prod(solid[0]) <= _QUICK:
        grid = Grid(cells=solid[0], size=tuple(float(n) for n in solid[0]))
        try:
            with studio(grid, view("corner"), 700) as shoot:
                return [None if p.density is None else shoot(p.density.ravel()) for p in portraits]
        except MissingDependencyError:
            pass  # the X-rays below need no OpenGL
    return [None if p.density is None else _flat(p.density) for p in portraits]


def _flat(density: Array) -> NDArray[np.uint8]:
    """Return a design's grey pixels."""
    grid = Grid(cells=density.shape, size=tuple(float(n) for n in density.shape))
    return Design(grid, density.ravel()).pixels()
