"""How a run went: objective, constraint, discreteness and change under the stairs of every parameter."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from topopt.figures.data import iterations, stairs
from topopt.figures.panels import (
    draw_changes,
    draw_stairs,
    label_ends,
    log_floor,
    share_iterations,
    tidy,
)
from topopt.figures.style import CYCLE, GREY, INK, canvas, styled
from topopt.history import History
from topopt.parameters import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Panel = Callable[[Axes, History, Array], None]

__all__ = ["convergence"]


@styled
def convergence(history: History) -> Figure:
    """Draw how a run converged.

    Parameters
    ----------
    history : History
        At least one iteration.

    Returns
    -------
    matplotlib.figure.Figure
        To be saved by `topopt.figures.save`.
    """
    numbers = iterations(history)
    parameters = [parameter for parameter in stairs(history) if not parameter.steady][:4]
    rows = _panels(history)
    heights = [0.75] * len(parameters) + [1.7] + [1.15] * (len(rows) - 1)
    figure = canvas(height=sum(heights) + 0.25 * len(heights) + 0.5)
    panels = list(figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0])
    share_iterations(panels, numbers)
    for axes, parameter in zip(panels, parameters, strict=False):
        draw_stairs(axes, parameter)
    for axes, draw in zip(panels[len(parameters) :], rows, strict=True):
        draw(axes, history, numbers)
    draw_changes(panels, parameters)
    figure.align_ylabels(panels)
    return figure


def _panels(history: History) -> list[Panel]:
    """Return what draws each panel that the history has something for."""
    panels: list[Panel] = [_objective]
    if np.isfinite(history.column("violation")).any():
        panels.append(_violation)
    if any("discreteness" in it.measures for it in history):
        panels.append(_discreteness)
    if np.isfinite([_positive(history.column(name)) for name in ("change", "progress")]).any():
        panels.append(_change)
    return panels


def _line(axes: Axes, numbers: Array, values: Array, colour: str, style: str = "-") -> None:
    """Draw a line; a single value is a dot."""
    axes.plot(numbers, values, style, color=colour, marker="o" if len(numbers) == 1 else None, markersize=4)


def _objective(axes: Axes, history: History, numbers: Array) -> None:
    """Draw the objective, on a log axis if it spans more than a factor of four."""
    from matplotlib.ticker import FuncFormatter

    values = history.column("objective")
    _line(axes, numbers, values, CYCLE[0])
    tidy(axes, "objective $f$")
    finite = values[np.isfinite(values)]
    if finite.size and finite.min() > 0 and finite.max() > 4 * finite.min():
        _log(axes, finite.max() > 50 * finite.min())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.annotate(
        f" {values[-1]:.5g}", (1.0, values[-1]), xycoords=("axes fraction", "data"), va="center",
        color=CYCLE[0], fontsize=9, annotation_clip=False,
    )  # fmt: skip


def _log(axes: Axes, decades: bool) -> None:
    """Give a panel a log axis with plain numbers."""
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if decades else (1.0, 2.0, 3.0, 5.0)))
    axes.yaxis.set_minor_locator(NullLocator())


def _violation(axes: Axes, history: History, numbers: Array) -> None:
    """Draw the largest constraint in per cent of its bound, violated above the line."""
    values = 100.0 * history.column("violation")
    _line(axes, numbers, values, CYCLE[1])
    axes.axhline(0.0, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, [2, 98])
    reach = max(abs(low), abs(high), 0.05)
    bottom, top = max(finite.min(), -1.5 * reach, -20.0), min(finite.max(), 1.5 * reach)
    bottom = min(bottom, finite[-1])
    axes.set_ylim(min(bottom, 0.0) - 0.15 * reach, max(top, 0.0) + 0.15 * reach)
    tidy(axes, "constraint\n$g$ [%]")
    for word, side in (("violated", "bottom"), ("met", "top")):
        axes.annotate(
            f" {word}", (1.0, 0.0), xycoords=("axes fraction", "data"), va=side, color=GREY, fontsize=8,
            annotation_clip=False,
        )  # fmt: skip


def _discreteness(axes: Axes, history: History, numbers: Array) -> None:
    """Draw the measure of non-discreteness in per cent."""
    values = 100.0 * history.column("measures:discreteness")
    _line(axes, numbers, values, CYCLE[2])
    axes.set_ylim(0.0, max(1.08 * float(np.nanmax(values)), 1.0))
    tidy(axes, "grey share\n" + r"$M_{\mathrm{nd}}$ [%]")
    last = f" {values[-1]:.2g} %" if values[-1] >= 0.01 else " < 0.01 %"
    axes.annotate(
        last, (1.0, values[-1]), xycoords=("axes fraction", "data"), va="center", color=CYCLE[2], fontsize=9,
        annotation_clip=False,
    )  # fmt: skip


def _change(axes: Axes, history: History, numbers: Array) -> None:
    """Draw the largest change of a variable and the mean change of the output."""
    curves = [
        ("largest $|\\Delta x|$", CYCLE[0], _positive(history.column("change"))),
        ("r.m.s. $\\Delta\\bar\\rho$", CYCLE[4], _positive(history.column("progress"))),
    ]
    curves = [curve for curve in curves if np.isfinite(curve[2]).any()]
    for _, colour, values in curves:
        _line(axes, numbers, values, colour)
    axes.set_yscale("log")
    axes.set_ylim(log_floor([values for *_, values in curves]), 2.0)
    tidy(axes, "change")
    label_ends(axes, curves, numbers)


def _positive(values: Array) -> Array:
    """Return values with nan where a log axis has no place for them."""
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)
