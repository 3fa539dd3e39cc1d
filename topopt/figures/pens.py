"""How a dozen lines in one panel are told apart: colour, dashes, and a name at the end of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from topopt.figures.style import CYCLE, INK
from topopt.parameters import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LINE", "End", "Pen", "draw_stop", "name_ends", "pens", "spread"]

LINE = 0.185
"""Inches from one name to the next."""

# Blue and black lie apart in lightness, so that the first lines can be told even in grey.
_COLOURS = (CYCLE[0], CYCLE[1], CYCLE[2], CYCLE[3], INK, CYCLE[4], CYCLE[5])
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (1.4, 1.2)), (0, (6, 1.5, 1.3, 1.5)))


@dataclass(frozen=True)
class Pen:
    """How a line is drawn wherever it appears."""

    colour: str
    dashes: Any
    width: float

    def line(self) -> dict[str, Any]:
        """Return matplotlib's words for it."""
        return {"color": self.colour, "linestyle": self.dashes, "linewidth": self.width}


@dataclass(frozen=True)
class End:
    """How high a line ends, as a share of the panel, and what is written there."""

    text: str
    pen: Pen
    y: float


def pens(names: Sequence[str]) -> Mapping[str, Pen]:
    """Return a pen for every name, no two alike among the first 28; the first name's is the boldest.

    Parameters
    ----------
    names : sequence of str
        In the order of their importance.
    """
    n = len(_COLOURS)
    return {
        name: Pen(_COLOURS[k % n], _DASHES[k // n % len(_DASHES)], 2.4 if k == 0 else 1.5)
        for k, name in enumerate(names)
    }


def spread(places: ArrayLike, gap: float, low: float = 0.0, high: float = 1.0) -> Array:
    """Return ascending places at least a gap apart, near to the given ones and inside the limits.

    Where the limits have no room for all, they are evenly spaced and stick out at both ends alike.

    Parameters
    ----------
    places : array, shape (n,)
        Ascending.
    gap : float
        The least distance.
    low, high : float
        The limits.

    Examples
    --------
    >>> spread([0.5, 0.5, 0.9], 0.25).tolist()
    [0.375, 0.625, 0.9]
    """
    wanted = np.asarray(places, dtype=np.float64)
    offsets = gap * np.arange(wanted.size)
    # Without the gaps, the places need only not descend: isotonic regression, by pooling adjacent violators.
    pools: list[tuple[float, int]] = []
    for value in wanted - offsets:
        mean, count = float(value), 1
        while pools and pools[-1][0] > mean:
            before, size = pools.pop()
            mean, count = (before * size + mean * count) / (size + count), size + count
        pools.append((mean, count))
    free = np.repeat([mean for mean, _ in pools], [count for _, count in pools])
    last = high - offsets[-1] if wanted.size else high
    if last < low:
        return np.asarray(0.5 * (low + last) + offsets)
    return np.asarray(np.clip(free, low, last) + offsets)


def draw_stop(axes: Axes, x: float, y: float, pen: Pen) -> None:
    """Mark where a line stops short of the panel's right edge, and lead a thread there."""
    low, high = axes.get_xlim()
    if x < high - 0.02 * (high - low):
        axes.plot([x], [y], "o", color=pen.colour, markersize=3.5, zorder=3.5)
        axes.plot([x, high], [y, y], color=pen.colour, linewidth=0.6, alpha=0.6, zorder=1)


def name_ends(axes: Axes, ends: Sequence[End], height: float) -> None:
    """Write each line's name right of the panel, joined to the line's end by a thread in its own dashes.

    Parameters
    ----------
    axes : Axes
        The panel.
    ends : sequence of End
        Of equal ends, the first is written on top.
    height : float
        Of the panel, in inches.
    """
    ordered = [end for _, end in sorted(enumerate(ends), key=lambda item: (item[1].y, -item[0]))]
    places = spread([end.y for end in ordered], LINE / height)
    for end, place in zip(ordered, places, strict=True):
        line = end.pen.line()
        axes.plot([1.012, 1.045], [end.y, place], transform=axes.transAxes, clip_on=False,
                  color=end.pen.colour, linewidth=0.6)  # fmt: skip
        axes.plot([1.045, 1.085], [place, place], transform=axes.transAxes, clip_on=False, **line)
        bold = "bold" if end.pen.width > 2 else "normal"
        axes.text(1.095, place, end.text, transform=axes.transAxes, va="center", fontsize=8.5,
                  color=end.pen.colour, fontweight=bold)  # fmt: skip
