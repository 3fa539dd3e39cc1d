"""How the continuations of one problem sharpened, and what was left of the sensitivities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from topopt.errors import InputError
from topopt.figures.data import symbol
from topopt.figures.panels import log_floor, tidy
from topopt.figures.pens import LINE, End, Pen, draw_stop, name_ends, pens
from topopt.figures.style import INK, canvas, styled
from topopt.history import History
from topopt.parameters import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["driven", "sharpening"]

Line = tuple[str, Array, Array]
"""A name, iterations and values."""
DEEPEST, HIGHEST = 1e-4, 20.0
"""Where the axis of survival ends at most; what lies beyond is drawn at its edge."""


@styled
def sharpening(runs: Sequence[tuple[str, History]], names: Sequence[str] = ()) -> Figure:
    """Draw the scheduled parameter over the iterations, and how much of the sensitivity is left.

    Parameters
    ----------
    runs : sequence of (str, History)
        The continuations of one problem.
    names : sequence of str
        All continuations of the study, best first; they give a line its colour in every figure.

    Returns
    -------
    matplotlib.figure.Figure
        To be saved by `topopt.figures.save`.

    Raises
    ------
    InputError
        If every history is empty.
    """
    shown = [(name, history) for name, history in runs if len(history)]
    if not shown:
        raise InputError("sharpening: every history is empty; there is nothing to draw")
    parameter = driven([history for _, history in shown])
    height = max(2.2, LINE * len(shown) + 0.1)
    rows = 1 + bool(parameter)
    figure = canvas(rows * (height + 0.35) + 0.5)
    panels = list(figure.subplots(rows, 1, squeeze=False, sharex=True)[:, 0])
    pen = pens(names or [name for name, _ in shown])
    last = max(history[-1].number for _, history in shown)
    for axes in panels:
        axes.set_xlim(0.5, last + 0.5)
    if parameter:
        curves = [(name, history.column("number"), _values(history, f"parameters:{parameter}"))
                  for name, history in shown]  # fmt: skip
        _draw_parameter(panels[0], curves, pen, symbol(parameter), height)
    with np.errstate(over="ignore"):
        arriving = [(name, history.column("number"), 10.0 ** _values(history, "vanishing:attenuation"))
                    for name, history in shown]  # fmt: skip
    _draw_survival(panels[-1], arriving, pen, height)
    panels[-1].set_xlabel("iteration $k$")
    figure.align_ylabels(panels)
    return figure


def driven(histories: Sequence[History]) -> str:
    """Return the scheduled parameter that tells continuations apart: a beta, or else one that changes."""
    seen = dict.fromkeys(name for history in histories for it in history for name in it.parameters)
    betas = [name for name in seen if name.rpartition(".")[2] == "beta"]
    changing = [name for name in seen if any(len(set(h.values(name))) > 1 for h in histories)]
    return next(iter([*betas, *changing, *seen]), "")


def _values(history: History, column: str) -> Array:
    """Return a column, nan where the history has none."""
    group, _, name = column.partition(":")
    return np.array([float(getattr(it, group).get(name, np.nan)) for it in history])


def _draw_parameter(
    axes: Axes, curves: Sequence[Line], pen: Mapping[str, Pen], written: str, height: float
) -> None:
    """Draw a scheduled parameter of every run as stairs; infinity has a level of its own."""
    values = np.concatenate([value for *_, value in curves])
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (1.0, 1.0)
    log = low > 0 and (high >= 5 * low or bool(np.isinf(values).any()))
    infinity = 2.5 * high if log else high + 0.25 * ((high - low) or 1.0)
    shown = [(name, at, np.where(np.isposinf(value), infinity, value)) for name, at, value in curves]
    if log:
        powers = 2.0 ** np.arange(np.floor(np.log2(low)), np.ceil(np.log2(high)) + 1)
        axes.set_yscale("log")
        ticks = [float(power) for power in powers[:: max(1, len(powers) // 6)]]
        ends = [infinity] * bool(np.isinf(values).any())
        axes.set_yticks([*ticks, *ends], [*(f"{tick:g}" for tick in ticks), *("∞" for _ in ends)])
        axes.set_yticks([], minor=True)
        axes.set_ylim(low / 1.3, 1.3 * (infinity if ends else max(high, ticks[-1])))
    _draw_named(axes, shown, pen, height, "steps-mid")
    tidy(axes, written)


def _draw_survival(axes: Axes, curves: Sequence[Line], pen: Mapping[str, Pen], height: float) -> None:
    """Draw how much of the sensitivity arrives at the design; what is 0 runs along the foot."""
    floor = log_floor([value for *_, value in curves], DEEPEST)
    top = 1.3 * max(1.0, *(float(value[np.isfinite(value)].max(initial=0.0)) for *_, value in curves))
    top = min(top, HIGHEST)
    axes.set_yscale("log")
    axes.set_ylim(floor / 1.3, top)
    axes.axhline(1.0, color=INK, linewidth=0.7, linestyle=(0, (4, 3)), zorder=0)
    shown = [(name, at, np.clip(value, floor, top)) for name, at, value in curves]
    _draw_named(axes, shown, pen, height, "default")
    tidy(axes, r"survival $\|s\|/\|r\|$")


def _draw_named(
    axes: Axes, curves: Sequence[Line], pen: Mapping[str, Pen], height: float, style: str
) -> None:
    """Draw lines, the most important on top, and name their ends."""
    to_share = axes.transData + axes.transAxes.inverted()
    ends = []
    for k, (name, at, values) in enumerate(curves):
        lone = "o" if len(at) == 1 else None
        axes.plot(at, values, drawstyle=style, zorder=3 - 0.01 * k, marker=lone, markersize=3,
                  **pen[name].line())  # fmt: skip
        seen = values[np.isfinite(values)]
        ends.append((name, float(seen[-1]) if seen.size else axes.get_ylim()[0]))
        draw_stop(axes, float(at[-1]), ends[-1][1], pen[name])
    axes.set_ylim(axes.get_ylim())
    places = [float(to_share.transform((1.0, value))[1]) for _, value in ends]
    name_ends(axes, [End(name, pen[name], y) for (name, _), y in zip(ends, places, strict=True)], height)
