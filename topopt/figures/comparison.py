"""Many runs in one panel: how near to the best, how soon, and the way there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from topopt.errors import InputError
from topopt.figures.panels import tidy
from topopt.figures.pens import LINE, End, Pen, draw_stop, name_ends, pens
from topopt.figures.style import FAILED, GREY, canvas, styled
from topopt.parameters import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Course", "Curve", "data_profile", "performance_profile", "value_over_solves"]

FLOOR = 0.1
"""Per cent above the best known below which a log axis does not look."""
CAP = 200.0
"""Per cent above the best known beyond which the way there is not drawn."""
_MARKS = (1.0, 2.0, 5.0)


@dataclass(frozen=True, eq=False)
class Curve:
    """A profile: a share of cases that grows in steps.

    Attributes
    ----------
    at : array, shape (n,)
        Where it steps up, ascending; no step for what is never reached.
    share : array, shape (n,)
        Its height from there on, over all cases.
    """

    at: Array
    share: Array

    @property
    def end(self) -> float:
        """The share that is reached at last."""
        return float(self.share[-1]) if self.share.size else 0.0

    def __call__(self, limits: ArrayLike) -> Array:
        """Return the share at each limit."""
        heights = np.concatenate([[0.0], self.share])
        return np.asarray(heights[np.searchsorted(self.at, limits, side="right")])


@dataclass(frozen=True, eq=False)
class Course:
    """How a run's value came down.

    Attributes
    ----------
    name : str
        Of the continuation; runs from other starts have the same.
    solves : array, shape (n,)
        State solves spent.
    ratio : array, shape (n,)
        Of the black-and-white design's value to the best known; inf where that design is broken.
    failed : bool
        Whether the run failed in the end.
    """

    name: str
    solves: Array
    ratio: Array
    failed: bool = False


@styled
def performance_profile(
    profiles: Mapping[str, Curve], names: Sequence[str] = (), tie: float = 0.005
) -> Figure:
    """Draw which share of the cases every continuation brought how near to the best known.

    Parameters
    ----------
    profiles : mapping
        By continuation: ratios to the best known and the share of cases within each.
    names : sequence of str
        All continuations of the study, best first; they give a line its colour in every figure.
    tie : float
        Differences below it count as none; tinted.

    Returns
    -------
    matplotlib.figure.Figure
        To be saved by `topopt.figures.save`.

    Notes
    -----
    Dolan and Moré 2002, doi:10.1007/s101070100263.
    """
    above = {name: Curve(_per_cent(curve.at), curve.share) for name, curve in profiles.items()}
    reached = [float(curve.at.max()) for curve in above.values() if curve.at.size]
    figure, axes, height = _profile_panel(len(profiles))
    axes.set_xscale("log")
    axes.set_xlim(FLOOR, 1.25 * max([10.0, *reached]))
    axes.axvspan(FLOOR, max(100.0 * tie, FLOOR), color="#EFEFEF", linewidth=0, zorder=0)
    _plain_ticks(axes, "x")
    _draw_profiles(axes, above, pens(names or list(profiles)), height)
    axes.set_xlabel("value of the black-and-white design, above the best known [%]; tinted: a tie")
    axes.set_title("Performance profile: higher is better; what is missing at the right edge failed")
    return figure


@styled
def data_profile(profiles: Mapping[str, Curve], names: Sequence[str] = (), goal: str = "") -> Figure:
    """Draw which share of the cases every continuation had solved after how many state solves.

    Parameters
    ----------
    profiles : mapping
        By continuation: state solves and the share of cases solved by then.
    names : sequence of str
        All continuations of the study, best first; they give a line its colour in every figure.
    goal : str
        What counts as solved, for the title.

    Returns
    -------
    matplotlib.figure.Figure
        To be saved by `topopt.figures.save`.

    Notes
    -----
    Moré and Wild 2009, doi:10.1137/080724083; the unit of cost is one state solve.
    """
    reached = [float(curve.at.max()) for curve in profiles.values() if curve.at.size]
    figure, axes, height = _profile_panel(len(profiles))
    axes.set_xlim(0.0, 1.04 * max([1.0, *reached]))
    _draw_profiles(axes, profiles, pens(names or list(profiles)), height)
    axes.set_xlabel("state solves")
    axes.set_title("Data profile: share of the cases brought " + (goal or "near to the best known"))
    return figure


@styled
def value_over_solves(courses: Sequence[Course], names: Sequence[str] = ()) -> Figure:
    """Draw how the value of the black-and-white design came down, and where it was broken.

    Parameters
    ----------
    courses : sequence of Course
        Of one problem.
    names : sequence of str
        All continuations of the study, best first; they give a line its colour in every figure.

    Returns
    -------
    matplotlib.figure.Figure
        To be saved by `topopt.figures.save`.
    """
    shown = [course for course in courses if len(course.solves)]
    if not shown:
        raise InputError("value over solves: no design was judged; there is nothing to draw")
    drawn = list(dict.fromkeys(course.name for course in shown))
    height = max(3.2, LINE * len(drawn) + 0.2)
    figure = canvas(height + 0.8)
    axes = figure.subplots()
    every = np.concatenate([_per_cent(course.ratio) for course in shown])
    top = float(np.clip(every[np.isfinite(every)].max(initial=10.0), 10.0, CAP))
    broken = top * (top / FLOOR) ** 0.07
    axes.set(yscale="log", ylim=(FLOOR * 0.93, broken * (top / FLOOR) ** 0.03))
    axes.set_xlim(0.0, 1.01 * max(float(course.solves.max()) for course in shown))
    _plain_ticks(axes, "y", top if every[np.isfinite(every)].max(initial=0.0) > top else np.inf)
    for mark in _MARKS:
        axes.axhline(mark, color=GREY, linewidth=0.7, linestyle=(0, (2, 3)), zorder=0)
    if np.isinf(every).any():
        axes.axhline(broken, color=FAILED, linewidth=0.7, alpha=0.5, zorder=0)
        axes.text(0.995, broken, "broken", color=FAILED, fontsize=8, ha="right", va="bottom",
                  transform=axes.get_yaxis_transform())  # fmt: skip
    _draw_courses(axes, shown, pens(names or drawn), (top, broken), height)
    tidy(axes, "above the best known [%]")
    axes.set_xlabel("state solves")
    axes.set_title("Value of the design, made black and white, on its way")
    return figure


def _per_cent(ratio: ArrayLike) -> Array:
    """Return how many per cent above the best known a ratio is, at least the axis' floor."""
    return np.maximum(100.0 * (np.asarray(ratio, dtype=np.float64) - 1.0), FLOOR)


def _plain_ticks(axes: Axes, which: str, cap: float = np.inf) -> None:
    """Write the numbers of a log axis of per cents in full; beyond the cap, values are drawn at the cap."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 1e4, 1e5]
    axis.set_major_locator(FixedLocator([tick for tick in ticks if tick <= cap]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{'≥ ' if value == cap else ''}{value:g}"))


def _profile_panel(n_lines: int) -> tuple[Figure, Axes, float]:
    """Return a figure for profiles, its panel, and the panel's height in inches."""
    height = max(3.0, LINE * n_lines + 0.2)
    figure = canvas(height + 0.85)
    axes = figure.subplots()
    axes.set_ylim(-0.06, 1.06)
    axes.set_yticks([0.0, 0.25, 0.5, 0.75, 1.0], ["0", "25", "50", "75", "100"])
    tidy(axes, "share of the cases [%]")
    return figure, axes, height


def _draw_profiles(axes: Axes, profiles: Mapping[str, Curve], pen: Mapping[str, Pen], height: float) -> None:
    """Draw steps, a point apart where they coincide, and name them with what they reach."""
    from matplotlib.transforms import ScaledTranslation

    left, right = axes.get_xlim()
    low, high = axes.get_ylim()
    figure = axes.get_figure(root=True)
    ends = []
    for k, (name, curve) in enumerate(profiles.items()):
        # Few cases make many equal shares; moved by points, not by data, the lines stay true and visible.
        points = 1.3 * (0.5 * (len(profiles) - 1) - k)
        aside = ScaledTranslation(0.0, points / 72, figure.dpi_scale_trans)  # type: ignore[union-attr]
        share = np.concatenate([[0.0], curve.share, [curve.end]])
        axes.step(
            np.concatenate([[left], curve.at, [right]]), share, where="post", zorder=3 - 0.01 * k,
            transform=axes.transData + aside, **pen[name].line(),
        )  # fmt: skip
        place = (curve.end - low) / (high - low) + points / 72 / height
        ends.append(End(f"{name}  {100 * curve.end:.0f} %", pen[name], place))
    name_ends(axes, ends, height)


def _draw_courses(
    axes: Axes, courses: Sequence[Course], pen: Mapping[str, Pen], caps: tuple[float, float], height: float
) -> None:
    """Draw every course, a cross where a design was broken and where a run failed."""
    ends: dict[str, End] = {}
    starts = Counter(course.name for course in courses)
    lost = Counter(course.name for course in courses if course.failed)
    to_share = axes.transData + axes.transAxes.inverted()
    for k, course in enumerate(courses):
        above = _per_cent(course.ratio)
        level = np.where(np.isfinite(above), np.minimum(above, caps[0]), caps[1])
        lone = "o" if len(level) == 1 else None
        line = pen[course.name].line()
        if course.name in ends:  # another start
            line["linewidth"] = 0.8
        axes.plot(course.solves, level, marker=lone, markersize=4, zorder=3 - 0.01 * k, clip_on=False,
                  **line)  # fmt: skip
        wrong = ~np.isfinite(above)
        wrong[-1] |= course.failed
        if not wrong[-1]:
            draw_stop(axes, float(course.solves[-1]), float(level[-1]), pen[course.name])
        axes.plot(course.solves[wrong], level[wrong], "x", color=pen[course.name].colour, markersize=5,
                  markeredgewidth=1.4, clip_on=False, zorder=4)  # fmt: skip
        share = float(to_share.transform((0.0, level[-1]))[1])
        how = "failed" if starts[course.name] == 1 else f"failed {lost[course.name]} of {starts[course.name]}"
        text = f"{course.name}  {how}" if lost[course.name] else course.name
        ends.setdefault(course.name, End(text, pen[course.name], share))
    name_ends(axes, list(ends.values()), height)
