"""How the densities were distributed over time: from grey to black and white, or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from topopt.figures.data import Frame, histogram
from topopt.figures.style import canvas, ink, styled
from topopt.parameters import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["densities"]


@styled
def densities(frames: Sequence[Frame]) -> Figure:
    """Draw a histogram of the densities over the iterations, shares of cells on a log scale.

    Parameters
    ----------
    frames : sequence of (int, array)
        Iteration and densities, floats from 0 to 1 or bytes from 0 to 255.

    Returns
    -------
    matplotlib.figure.Figure
        To be saved by `topopt.figures.save`.
    """
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    shown = histogram(frames)
    figure = canvas(height=3.6)
    axes = figure.subplots()
    image = axes.pcolormesh(
        _edges(shown.iterations), shown.edges, np.ma.masked_equal(shown.shares, 0.0), cmap=ink(),
        norm=LogNorm(1e-3, 1.0), rasterized=True,
    )  # fmt: skip
    axes.set(xlabel="iteration $k$", ylabel=r"density $\bar\rho$", ylim=(0, 1))
    axes.set_title("How many cells are void (bottom), grey (between) and solid (top)")
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    percent = FuncFormatter(lambda share, _: f"{100 * share:g} %")
    bar = figure.colorbar(image, ax=axes, format=percent, extend="min", pad=0.015, aspect=30)
    bar.set_label("share of cells")
    bar.outline.set_visible(False)
    return figure


def _edges(numbers: Array) -> Array:
    """Return edges around iterations that need not be evenly spaced, half of one beyond the ends."""
    middle = 0.5 * (numbers[1:] + numbers[:-1])
    return np.concatenate([[numbers[0] - 0.5], middle, [numbers[-1] + 0.5]])
