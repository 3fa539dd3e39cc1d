"""How much of a signal is left on its way back, in systems of all kinds, on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from topopt.figures.style import CYCLE, GREY, canvas, styled
from topopt.parameters import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Strength", "strengths"]

STYLES = ("-", "--", ":")
"""Of lines, when the colours are used up."""


@dataclass(frozen=True, eq=False)
class Strength:
    """What is left of a signal in a system, before and after the cure.

    Attributes
    ----------
    system, cure : str
        What it is, and what helps.
    died : str
        Where the signal dies.
    measured : str
        What the strength is a ratio of.
    gained : str
        What the cure is worth.
    before, after : array
        Powers of ten on the way back, the end where it begins first.
    """

    system: str
    cure: str
    died: str
    measured: str
    gained: str
    before: Array
    after: Array


@styled
def strengths(found: Sequence[Strength]) -> Figure:
    """Draw all systems on one scale, before the cure on the left and after it on the right.

    Parameters
    ----------
    found : sequence of Strength
        The systems.
    """
    figure = canvas(height=6.0)
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, when in ((left, "before"), (right, "after")):
        for number, one in enumerate(found):
            values = np.maximum(getattr(one, when), -1e6)
            way = np.linspace(0.0, 1.0, len(values))
            colour = CYCLE[number % len(CYCLE)]
            style = STYLES[number // len(CYCLE) % len(STYLES)]
            axes.plot(way, values, ls=style, color=colour, label=one.system, lw=1.8)
            axes.plot(1.0, values[-1], "o", color=colour, ms=5, clip_on=False)
        axes.axhline(0.0, color=GREY, lw=0.8, zorder=0)
        axes.set_yscale("symlog", linthresh=1.0)
        axes.yaxis.set_major_formatter(lambda power, _: f"{power:,.0f}")  # they are powers already
        axes.set(xlabel="way back: 0 is where it begins, 1 where it is needed", xlim=(0, 1))
        axes.set_title({"before": "Before", "after": "After the cure"}[when])
    left.set_ylabel("what is left of the signal, powers of ten")
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8.5)
    return figure
