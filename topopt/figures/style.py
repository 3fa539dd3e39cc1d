"""What all figures share: colours that colour-blind eyes can tell apart, sizes, one font, a canvas."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from topopt.errors import MissingDependencyError

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

__all__ = [
    "ALARM",
    "ALARM_MARKERS",
    "CYCLE",
    "FAILED",
    "GREY",
    "INK",
    "LIGHT",
    "WIDTH",
    "canvas",
    "ink",
    "save",
    "styled",
]

P = ParamSpec("P")
T = TypeVar("T")

WIDTH = 9.0
"""Inches: 900 pixels at the 100 dots per inch of a README."""

INK = "#222222"
GREY = "#777777"
LIGHT = "#DDDDDD"
# Okabe & Ito 2008, https://jfly.uni-koeln.de/color/, without black and yellow (too pale for a line on white).
CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")

ALARM: Mapping[str, str] = {
    "freeze": "#0072B2",
    "concentration": "#E69F00",
    "blow-up": "#D55E00",
    "masked": "#CC79A7",
    "unresolved": "#009E73",
}
FAILED = ALARM["blow-up"]
"""The colour of failures."""
ALARM_MARKERS: Mapping[str, str] = {
    "freeze": "s",
    "concentration": "^",
    "blow-up": "*",
    "masked": "D",
    "unresolved": "v",
}

_RULES: dict[str, Any] = {
    # matplotlib ships this font, so that figures look the same everywhere.
    "font.family": ["DejaVu Sans"],
    "font.size": 10.0,
    "mathtext.fontset": "dejavusans",
    "text.usetex": False,
    "text.color": INK,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.labelsize": 10.0,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.facecolor": "white",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": "#E8E8E8",
    "grid.linewidth": 0.7,
    "grid.alpha": 1.0,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "legend.fontsize": 9.0,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "hatch.linewidth": 0.6,
    "figure.facecolor": "white",
    "savefig.facecolor": "auto",
    "savefig.bbox": None,
    "axes.unicode_minus": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "topopt",
}


def styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Run a drawing function under our rules and leave matplotlib's own as they were."""

    @functools.wraps(draw)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            import matplotlib
        except ImportError as error:
            raise MissingDependencyError("figures need matplotlib: pip install matplotlib") from error
        with matplotlib.rc_context(_RULES):  # type: ignore[arg-type]
            return draw(*args, **kwargs)

    return wrapped


def canvas(height: float, width: float = WIDTH) -> Figure:
    """Return an empty figure, unknown to pyplot, whose parts find their own places."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=100, layout="constrained")


@functools.cache
def ink() -> Colormap:
    """Return the map from faded (0, paper) to alive (1, ink); its lightness falls steadily."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = ["#FBF3DC", "#CFE1E4", "#7FB8DA", "#2F80BD", "#0B4A8B", "#06285A"]
    return LinearSegmentedColormap.from_list("ink", colours).with_extremes(bad="#FFFFFF")


@styled
def save(figure: Figure, path: str | os.PathLike[str], dpi: float = 200.0) -> None:
    """Write a figure to a file; the suffix (png, svg, pdf) says as what.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Whatever the functions of this room return.
    path : path-like
        Where to.
    dpi : float
        Dots per inch; 200 gives 1800 pixels, sharp where a README shows 900.
    """
    figure.savefig(path, dpi=dpi)
