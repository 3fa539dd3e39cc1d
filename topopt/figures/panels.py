"""What charts over iterations are built of: a shared axis, stairs above, labels at the lines' ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from topopt.figures.data import Span, Stairs
from topopt.figures.style import ALARM, INK, LIGHT
from topopt.parameters import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Transform

__all__ = ["draw_changes", "draw_stairs", "label_ends", "log_floor", "shade", "share_iterations", "tidy"]


def tidy(axes: Axes, label: str) -> None:
    """Give a panel its label and quiet lines to read values by."""
    axes.set_ylabel(label, rotation=90)
    axes.grid(True, axis="y")


def share_iterations(panels: Sequence[Axes], numbers: Array) -> None:
    """Give panels one iteration axis, whose numbers stand under the last panel only."""
    from matplotlib.ticker import MaxNLocator

    for axes in panels:
        axes.set_xlim(numbers[0] - 0.5, numbers[-1] + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
        if axes is not panels[-1]:
            axes.tick_params(axis="x", labelbottom=False, length=0)
            axes.spines["bottom"].set_color(LIGHT)
    panels[-1].set_xlabel("iteration $k$")


def draw_stairs(axes: Axes, parameter: Stairs) -> None:
    """Draw a scheduled parameter as stairs, infinity included."""
    axes.step(parameter.iterations, parameter.level, where="mid", color=INK, linewidth=1.4)
    if len(parameter.iterations) == 1:
        axes.plot(parameter.iterations, parameter.level, "o", color=INK, markersize=3)
    if parameter.log:
        axes.set_yscale("log")
    drawn = parameter.level[~np.isnan(parameter.level)]
    low, high = float(drawn.min()), float(drawn.max())
    if parameter.log:
        axes.set_ylim(low / (high / low) ** 0.12, high * (high / low) ** 0.15)
    else:
        air = 0.15 * (high - low) or 0.1 * abs(high) or 0.1
        axes.set_ylim(low - air, high + air)
    ticks = _ticks(drawn, parameter)
    axes.set_yticks(ticks, ["∞" if tick == parameter.infinity else f"{tick:.3g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    tidy(axes, parameter.symbol)


def _ticks(drawn: Array, parameter: Stairs) -> list[float]:
    """Return the first, the last and at most two stairs between them that keep apart on the axis."""
    levels = np.unique(drawn)
    if len(levels) > 12:  # a ramp: round numbers between its ends
        powers = 2.0 ** np.arange(-30, 31) if parameter.log else np.empty(0)
        inner = powers[(powers > levels[0]) & (powers < levels[-1])]
        levels = np.concatenate([levels[:1], inner, levels[-1:]])
    position = np.log(levels) if parameter.log else levels
    apart = 0.22 * (position[-1] - position[0])
    chosen = [float(levels[0])]
    last = position[0]
    for level, place in zip(levels[1:-1], position[1:-1], strict=True):
        if place - last >= apart and position[-1] - place >= apart:
            chosen.append(float(level))
            last = place
    return chosen if len(levels) == 1 else [*chosen, float(levels[-1])]


def draw_changes(panels: Sequence[Axes], parameters: Sequence[Stairs]) -> None:
    """Mark where parameters changed, unless they change all the time."""
    changes = np.unique(np.concatenate([np.empty(0), *(parameter.changes for parameter in parameters)]))
    if len(changes) > 15:
        return
    for axes in panels:
        for number in changes:
            axes.axvline(number - 0.5, color=LIGHT, linewidth=0.9, zorder=0)


def shade(panels: Sequence[Axes], spans: Sequence[Span]) -> None:
    """Tint the iterations at which an alarm rang."""
    for axes in panels:
        for span in spans:
            axes.axvspan(
                span.first - 0.5, span.last + 0.5, color=ALARM.get(span.alarm, INK), alpha=0.10, linewidth=0
            )


def log_floor(curves: Sequence[Array], floor: float = 1e-8) -> float:
    """Return where a log axis should end: a decade under the smallest value, at most nine decades deep."""
    values = np.concatenate([curve[np.isfinite(curve) & (curve > 0)] for curve in curves])
    return max(floor, 10.0 ** (np.floor(np.log10(values.min())) - 0.3)) if values.size else floor


def label_ends(axes: Axes, curves: Sequence[tuple[str, str, Array]], numbers: Array) -> None:
    """Write each line's name at its right end, moved apart where they would overlap.

    Parameters
    ----------
    axes : Axes
        With its limits set.
    curves : sequence of (name, colour, values)
        One a line.
    numbers : array
        The iterations.
    """
    to_share: Transform = axes.transData + axes.transAxes.inverted()
    ends = []
    for name, colour, values in curves:
        seen = np.flatnonzero(np.isfinite(values))
        end = float(values[seen[-1]]) if seen.size else axes.get_ylim()[0]
        share = float(to_share.transform((numbers[-1], np.clip(end, *axes.get_ylim())))[1])
        ends.append((share, name, colour))
    height = axes.get_figure(root=True).get_figheight() * axes.get_position().height  # type: ignore[union-attr]
    for (_, name, colour), place in zip(sorted(ends), _apart(sorted(ends), 0.19 / height), strict=True):
        axes.text(1.012, place, name, color=colour, fontsize=9, va="center", transform=axes.transAxes)


def _apart(ends: Sequence[tuple[float, str, str]], gap: float) -> Array:
    """Return places at least a gap apart, near to where the lines end and inside the panel if possible."""
    places = np.array([end[0] for end in ends])
    for _ in range(200):
        for low in range(len(places) - 1):
            short = gap - (places[low + 1] - places[low])
            if short > 0:
                places[low] -= short / 2
                places[low + 1] += short / 2
        places += max(0.0, 0.02 - places[0]) - max(0.0, places[-1] - 0.98)
    return places
