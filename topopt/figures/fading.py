"""Where the sensitivities fade on their way from the objective to the design, and which alarms that rang."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from topopt.figures.data import Span, Stairs, Strip, alive, iterations, spans, stairs, strip, verdict, watched
from topopt.figures.panels import (
    draw_changes,
    draw_stairs,
    label_ends,
    log_floor,
    shade,
    share_iterations,
    tidy,
)
from topopt.figures.style import ALARM, ALARM_MARKERS, CYCLE, GREY, INK, canvas, ink, styled
from topopt.history import History
from topopt.parameters import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

__all__ = ["heat", "vanishing"]

DEEPEST = -3.0
"""Attenuations below this, in powers of ten, are drawn as entirely faded."""


@styled
def vanishing(history: History) -> Figure:
    """Draw where and when the sensitivities faded, and which alarms rang.

    Parameters
    ----------
    history : History
        Of a run that kept a vanishing log.

    Returns
    -------
    matplotlib.figure.Figure
        To be saved by `topopt.figures.save`.

    Raises
    ------
    InputError
        If the history is empty or holds no vanishing log.
    """
    numbers = iterations(history)
    fade, living = strip(history, "attenuation"), watched(history)
    steps, ringing = _shown(stairs(history)), spans(history)
    names = list(dict.fromkeys(span.alarm for span in ringing))
    tall = [0.24 * len(shown.stages) + 0.15 for shown in (fade, living)]
    heights = [0.75] * len(steps) + tall + [0.2 * len(names) + 0.1] * bool(names) + [1.75, 1.5]
    figure = canvas(height=sum(heights) + 0.3 * len(heights) + 1.1)
    panels = list(figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0])
    share_iterations(panels, numbers)
    for axes, parameter in zip(panels, steps, strict=False):
        draw_stairs(axes, parameter)
    upper, lower = panels[len(steps) : len(steps) + 2]
    _strips(figure, (upper, lower), (fade, living), tall)
    if names:
        _alarms(panels[-3], ringing, names)
    _shares(panels[-2], history, numbers)
    _residuals(panels[-1], history, numbers)
    shade(panels[-2:], ringing)
    draw_changes([*panels[: len(steps)], *panels[-2:]], steps)
    figure.align_ylabels(panels)
    figure.suptitle(_title(history, bool(names)), x=0.005, ha="left", fontsize=9.5, linespacing=1.5)
    return figure


def _strips(
    figure: Figure, panels: tuple[Axes, Axes], shown: tuple[Strip, Strip], tall: Sequence[float]
) -> None:
    """Draw how much arrives at each stage, and how many of its entries are alive."""
    (upper, lower), (fade, living) = panels, shown
    image = heat(upper, fade, (DEEPEST, 0.0))
    _bar(figure, image, upper, r"$\log_{10}\,\|s\|/\|r\|$", "min", tall[0])
    upper.set_title("How much of the sensitivity arrives at each stage", fontsize=9, color=GREY)
    image = heat(lower, living, (0.0, 1.0))
    _bar(figure, image, lower, "$1 - D_3$", "neither", tall[1])
    lower.set_title(
        "How many of its entries are alive, in front of the projection and behind it (top row)",
        fontsize=9,
        color=GREY,
    )


def _shown(parameters: Sequence[Stairs]) -> list[Stairs]:
    """Return the slopes of projections; if there are none, whatever changed."""
    slopes = [parameter for parameter in parameters if parameter.name.rpartition(".")[2] == "beta"]
    return (slopes or [parameter for parameter in parameters if not parameter.steady])[:2]


def _title(history: History, rang: bool) -> str:
    """Say what the figure shows and what it found."""
    how = "They run from the objective (top row) to the design (bottom row); dark is alive, pale has faded."
    found = verdict(history) if rang else f"{verdict(history)} No alarm rang."
    return "\n".join(["Where did the sensitivities fade?", how, found])


def heat(axes: Axes, shown: Strip, limits: tuple[float, float]) -> AxesImage:
    """Draw a metric of every stage as a strip of ink, the design at the bottom."""
    first, last = shown.iterations[[0, -1]]
    clipped = np.where(np.isneginf(shown.values), -1e30, shown.values)
    image = axes.imshow(
        clipped, cmap=ink(), vmin=limits[0], vmax=limits[1], aspect="auto", origin="lower",
        interpolation="nearest", extent=(first - 0.5, last + 0.5, -0.5, len(shown.stages) - 0.5),
    )  # fmt: skip
    axes.set_yticks(range(len(shown.stages)), shown.stages)
    axes.tick_params(axis="y", length=0)
    for row in range(1, len(shown.stages)):
        axes.axhline(row - 0.5, color="white", linewidth=2.0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return image


def _bar(figure: Figure, image: AxesImage, axes: Axes, label: str, extend: str, inches: float) -> None:
    """Put a colour bar into the space right of a strip."""
    place = axes.inset_axes((1.015, 0.02, 0.016, 0.96))
    bar = figure.colorbar(image, cax=place, extend=extend)
    bar.outline.set_visible(False)
    bar.set_label(label, fontsize=9)
    low, high = image.get_clim()
    bar.set_ticks([low, (low + high) / 2, high] if inches > 0.6 else [low, high])
    bar.ax.tick_params(labelsize=8, length=2)


def _alarms(axes: Axes, ringing: Sequence[Span], names: Sequence[str]) -> None:
    """Draw a lane for every alarm: a symbol where it starts, a bar while it rings."""
    for row, name in enumerate(reversed(names)):
        colour = ALARM.get(name, INK)
        mine = [span for span in ringing if span.alarm == name]
        bars = [(span.first - 0.5, span.last - span.first + 1.0) for span in mine]
        axes.broken_barh(bars, (row - 0.3, 0.6), facecolors=colour, alpha=0.35)
        axes.plot(
            [span.first for span in mine], [row] * len(mine), ALARM_MARKERS.get(name, "o"), color=colour,
            markeredgecolor="white", markersize=12 if ALARM_MARKERS.get(name) == "*" else 8, clip_on=False,
            linestyle="none",
        )  # fmt: skip
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_yticks(range(len(names)), list(reversed(names)))
    for label, name in zip(axes.get_yticklabels(), reversed(names), strict=True):
        label.set_color(ALARM.get(name, INK))
        label.set_fontweight("bold")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _curves(axes: Axes, curves: list[tuple[str, str, Array]], numbers: Array, styles: Sequence[str]) -> None:
    """Draw lines on a log axis, what is 0 along its foot, and name them at their ends."""
    axes.set_yscale("log")
    floor = log_floor([values for *_, values in curves])
    top = 1.6 * max([1.0, *(float(values[np.isfinite(values)].max(initial=0.0)) for *_, values in curves)])
    axes.set_ylim(floor, min(top, 1e4))
    drawn = [(name, colour, np.maximum(values, floor)) for name, colour, values in curves]
    for (_, colour, values), style in zip(drawn, styles, strict=True):
        axes.plot(
            numbers, values, style, color=colour, marker="o" if len(numbers) == 1 else None, markersize=4,
            clip_on=False,
        )  # fmt: skip
    label_ends(axes, drawn, numbers)


def _shares(axes: Axes, history: History, numbers: Array) -> None:
    """Draw the three shares that fall when sensitivities vanish."""
    shares = alive(history)
    names = {
        "arriving": r"norm $\|s\|/\|r\|$",
        "participation": "participation",
        "alive": "alive $1 - D_3$",
    }
    curves = [(names[key], colour, shares[key]) for key, colour in zip(names, CYCLE, strict=False)]
    _curves(axes, curves, numbers, ("-", "--", "-."))
    tidy(axes, "at the design")
    axes.set_title("1: nothing is lost.  Low: few variables can still move", fontsize=9, color=GREY)


def _residuals(axes: Axes, history: History, numbers: Array) -> None:
    """Draw the residual that the optimiser sees, and the one without projections."""
    curves = [
        ("residual", CYCLE[3], history.column("vanishing:residual")),
        ("latent residual", CYCLE[4], history.column("vanishing:latent_residual")),
    ]
    _curves(axes, curves, numbers, ("-", "--"))
    tidy(axes, "optimality")
    axes.set_title("Low residual, high latent residual: only looks converged", fontsize=9, color=GREY)
