"""The update of the optimality criteria along its multiplier, and the search for the multiplier."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from topopt.kernels import LONG, twin
from topopt.parameters import Array, frozen
from topopt.threads import COMPILED, each

__all__ = ["Found", "Lesson", "Update", "found"]

TINY = float(np.finfo(np.float64).tiny)
"""Sensitivities below the smallest normal number carry no digits and count as zero."""
WIDEST = 300.0
"""Update factors further than e**300 from their median are at a move limit whatever the multiplier."""
SAMPLE = LONG
"""Variables that say roughly what the multiplier is, where there are more."""
CLOSE = 1e-12
"""Two multipliers as close as this, relatively, are not told apart in the linearised constraint."""
AIM = 1e-3
"""By what share of the last miss a trial may be off its aim."""
FIRST_REACH = 1.0
"""How far the second trial may go from the first, in log(multiplier); four times as far each time after."""
STALLED = 0.5
"""Two trials in a row that leave more than this share of the miss are followed by a bisection."""
STEEP = 10.0
"""A constraint that changes that many times as much as its linearisation, or as little, teaches nothing."""
PATIENCE = 60
"""Most re-evaluations of the constraint in a step; 2 to 6 are usual."""


class Point(NamedTuple):
    """The design at a multiplier, and what the linearised constraint says of it.

    Attributes
    ----------
    t : float
        The multiplier's logarithm, see `Update`.
    design : array, shape (n,)
        The new design.
    change : float
        How much the linearised constraint has changed.
    free : float
        The part of ``row . design`` that the limits leave alone.
    """

    t: float
    design: Array
    change: float
    free: float


@dataclass(frozen=True, eq=False)
class Update:
    """The new design as a function of one number, the logarithm t of the multiplier over a typical one.

    Attributes
    ----------
    x : array, shape (n,)
        The old design.
    factor : array, shape (n,)
        The new design at the typical multiplier, before it is clipped.
    low, high : array, shape (n,)
        Bounds and move limits together.
    row : array, shape (n,)
        Derivatives of the constraint.
    start : float
        ``row . x``.
    damping : float
        The exponent of the update.
    center : float
        Logarithm of the typical multiplier.
    ends : tuple of float
        The t between which the design changes at all.
    """

    x: Array
    factor: Array
    low: Array
    high: Array
    row: Array
    start: float
    damping: float
    center: float
    ends: tuple[float, float]

    @classmethod
    def of(
        cls, x: Array, slope: Array, cost: Array, bounds: tuple[Array, Array], move: float, damping: float
    ) -> Update:
        """Prepare the update around `x` from the objective's and the constraint's derivatives.

        A variable may move by the share `move` of the range between its bounds, and not at all if it has no
        sensitivity.
        """
        n = x.size
        step = -(-n // SAMPLE) if n else 1
        some = _merit(slope[::step], cost[::step])
        finite = some[np.isfinite(some)]
        if not finite.size and step > 1:
            every = _merit(slope, cost)
            finite = every[np.isfinite(every)]
        center = float(np.median(finite)) if finite.size else 0.0
        factor, low, high, row = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
        (lower, upper), grow = bounds, _grown.of(n)

        def grown(at: slice) -> tuple[float, float, float]:
            return grow(
                x[at], slope[at], cost[at], lower[at], upper[at], move, center, damping, TINY, WIDEST,
                factor[at], low[at], high[at], row[at],
            )  # fmt: skip

        pieces = each(grown, n, COMPILED)
        least, largest = min(piece[0] for piece in pieces), max(piece[1] for piece in pieces)
        start = sum(piece[2] for piece in pieces)
        ends = (0.0, 0.0) if math.isinf(least) else (math.log(least) / damping, math.log(largest) / damping)
        return cls(x, factor, low, high, row, start, damping, center, ends)

    def at(self, t: float, out: Array | None = None) -> Point:
        """Return the design for the multiplier exp(center + t), written into `out` if that is given."""
        design = np.empty_like(self.x) if out is None else out
        scale = math.exp(min(-self.damping * t, 700.0))
        total, free = _moved.of(self.x.size)(self.factor, self.low, self.high, self.row, scale, design)
        return Point(t, design, total - self.start, free)

    def multiplier(self, t: float) -> float:
        """Return exp(center + t), kept finite."""
        return math.exp(min(self.center + t, 700.0))

    @functools.cached_property
    def sample(self) -> Update:
        """The update of a few variables, regularly spaced."""
        step = self.x.size // SAMPLE
        names = ("x", "factor", "low", "high", "row")
        few = {name: getattr(self, name)[::step].copy() for name in names}
        return dataclasses.replace(self, **few, start=float(few["row"] @ few["x"]))

    def guessed(self, target: float, near: float, guess: float) -> Point:
        """Return where the linearised change is `target`, but for `near`; the t that is given is a guess.

        Where there are many variables, some of them say roughly where to look.
        """
        share = self.x.size // SAMPLE
        if share > 1:
            guess = self.sample.guessed(target / share, near / share, guess).t
        low, high = self.ends
        return self.solved(self.at(min(max(guess, low), high)), target, near, low, high)

    def solved(self, start: Point, target: float, near: float, low: float, high: float) -> Point:
        """Return the point in [low, high] at which the linearised change is `target`, but for `near`.

        Where there is none, it is an end. Newton's method in the factor that all variables share, for in that
        the change is a polygon; halving where that leads out of what is left.
        """
        point, design, ends = start, None, {low, high}
        for _ in range(100):
            miss = point.change - target
            if abs(miss) <= near:
                break
            low, high = (point.t, high) if miss > 0.0 else (low, point.t)
            t = point.t + _leap(miss, point.free) / self.damping
            if not low < t < high:
                end = high if miss > 0.0 else low
                t = end if end in ends else 0.5 * (low + high)
                ends.discard(end)
            if abs(t - point.t) <= CLOSE * max(1.0, abs(t)):
                break
            point = self.at(t, design)
            design = point.design
        return point


def _leap(miss: float, free: float) -> float:
    """Return minus the logarithm of the factor by which what is free makes up for a miss; inf if none."""
    if free <= 0.0 or miss >= free:
        return math.copysign(math.inf, miss)
    return -math.log1p(-miss / free)


def _merit(slope: Array, cost: Array) -> Array:
    """Return the logarithm of what a variable gains over what it costs; nan where it does neither."""
    with np.errstate(divide="ignore", invalid="ignore"):
        gains = np.log(np.where(slope > -TINY, 0.0, -slope))
        return np.asarray(gains - np.log(np.where(cost < TINY, 0.0, cost)))


@twin("oc.grown")
def _grown(
    x: Array, slope: Array, cost: Array, lower: Array, upper: Array, move: float, center: float,
    damping: float, tiny: float, widest: float, factor: Array, low: Array, high: Array, row: Array,
) -> tuple[float, float, float]:  # fmt: skip
    """Write factors, limits and costs of a piece; return the ends of the scale, and what the design costs.

    The scale moves something between the least and the largest of factor over limit. A variable that neither
    gains nor costs is held where it is.
    """
    reach = move * (upper - lower)
    np.maximum(lower, x - reach, out=low)
    np.minimum(upper, x + reach, out=high)
    row[:] = np.where(cost < tiny, 0.0, cost)
    share = _merit(slope, cost)
    if (dead := np.isnan(share)).any():
        low[dead] = high[dead] = x[dead]
    share -= center
    share[dead] = 0.0
    none = np.isneginf(share)
    share *= damping
    with np.errstate(under="ignore"):
        np.multiply(x, np.exp(np.clip(share, -widest, widest, out=share), out=share), out=share)
    share[none] = 0.0
    factor[:] = share
    moving = (share > 0.0) & (high > low)
    share, top, bottom = share[moving], high[moving], low[moving]
    least = np.min(share / top, initial=math.inf)
    largest = np.max(share / np.maximum(bottom, 1e-9 * top), initial=0.0)
    return float(least), float(largest), float(row @ x)


@twin("oc.moved")
def _moved(
    factor: Array, low: Array, high: Array, row: Array, scale: float, out: Array
) -> tuple[float, float]:
    """Write ``new = clip(scale * factor, low, high)``; return ``row . new`` and what of it is free."""
    with np.errstate(over="ignore", under="ignore"):
        raw = factor * scale
    np.clip(raw, low, high, out=out)
    return float(row @ out), float(row @ np.where(raw == out, out, 0.0))


@dataclass(frozen=True)
class Lesson:
    """What the last steps teach the next one.

    Attributes
    ----------
    ratio : float
        How much the constraint changed for a change of the linearised one of 1.
    miss, earlier : float
        By how much more than the linearised one the constraint changed, in the last step and in that before.
    """

    ratio: float = 1.0
    miss: float = 0.0
    earlier: float = 0.0

    @property
    def expected(self) -> float:
        """The miss to expect: the smaller of the two; 0 if they differ in sign, as where a design swings."""
        if self.miss * self.earlier <= 0.0:
            return 0.0
        return math.copysign(min(abs(self.miss), abs(self.earlier)), self.miss)

    def followed(self, tried: list[_Trial], best: _Trial, reserve: float) -> Lesson:
        """Return what is known after a step that ended at one of its trials."""
        first, miss, ratio = tried[0], best.value - best.change - reserve, self.ratio
        if first.change != best.change:
            ratio = (first.value - best.value) / (first.change - best.change)
        return Lesson(ratio if 1.0 / STEEP < ratio < STEEP else 1.0, miss, self.miss)


@dataclass(frozen=True, eq=False)
class Found:
    """Where the search ended: a design, its multiplier, the re-evaluations that it took, what they taught."""

    design: Array
    multiplier: float
    count: int
    lesson: Lesson


def found(
    update: Update,
    recheck: Callable[[Array], Array],
    reserve: float,
    guess: float,
    lesson: Lesson,
    tolerance: float,
) -> Found:
    """Find the multiplier that makes the re-evaluated constraint zero.

    The linearised constraint proposes, corrected by what the last steps taught; from the third trial on
    inverse quadratic interpolation of the linearised change does. Once the root is bracketed, t itself is
    interpolated, since beside a jump the linearised constraint says nothing, and a bisection follows on what
    leads out of the bracket or leaves most of the miss: Brent 1971, doi:10.1093/comjnl/14.4.422, but that a
    bracket one end of which stays is no stall.

    Parameters
    ----------
    update : Update
        The design along the multiplier.
    recheck : callable
        The constraint at a design, which it may keep.
    reserve : float
        The constraint at the old design.
    guess : float
        The t to start from.
    lesson : Lesson
        Of the last step.
    tolerance : float
        Largest violation or reserve.
    """
    low, high = update.ends
    tried: list[_Trial] = []
    point = update.guessed(-reserve - lesson.expected, tolerance, guess)
    while True:
        value = float(recheck(frozen(point.design))[0])
        if value < -tolerance and _met(point.t, update.ends[0]):
            return Found(point.design, 0.0, len(tried) + 1, lesson)
        tried.append(_Trial(point.t, value, point.change))
        low, high = (point.t, high) if value > 0.0 else (low, point.t)
        stuck = _met(low, high) or (value > 0.0 and _met(point.t, update.ends[1]))
        if abs(value) <= tolerance or stuck or len(tried) == PATIENCE:
            break
        point = _next(update, point, tried, (low, high), lesson.ratio)
    best = min(tried, key=lambda trial: abs(trial.value))
    design = point.design if best is tried[-1] else frozen(update.at(best.t).design)
    return Found(design, update.multiplier(best.t), len(tried), lesson.followed(tried, best, reserve))


class _Trial(NamedTuple):
    """A multiplier's logarithm, the constraint there, and its linearised change."""

    t: float
    value: float
    change: float


def _met(one: float, other: float) -> bool:
    """Tell whether two logarithms agree to rounding."""
    return abs(one - other) <= 1e-14 * max(1.0, abs(one))


def _next(
    update: Update, point: Point, tried: list[_Trial], bracket: tuple[float, float], ratio: float
) -> Point:
    """Return the point to try next, in the bracket."""
    (low, high), value = bracket, tried[-1].value
    if min(trial.value for trial in tried) <= 0.0 < max(trial.value for trial in tried):
        t = math.nan if _stalled(tried) else _interpolated([(trial.t, trial.value) for trial in tried], -1.0)
        return update.at(t if low < t < high else 0.5 * (low + high))
    farthest = FIRST_REACH * 4.0 ** (len(tried) - 1)
    least, most = max(low, point.t - farthest), min(high, point.t + farthest)
    target = point.change - value / ratio
    if len(tried) > 1:
        target = _interpolated([(trial.change, trial.value) for trial in tried], 1.0)
        target = target if math.isfinite(target) else -math.copysign(math.inf, value)
    proposed = update.solved(point, target, AIM * abs(value), least, most)
    end = update.ends[1] if value > 0.0 else update.ends[0]
    return proposed if low < proposed.t < high else update.at(end)


def _stalled(tried: list[_Trial]) -> bool:
    """Tell whether the last two trials left most of the smallest miss before them."""
    misses = [abs(trial.value) for trial in tried]
    return len(misses) > 2 and min(misses[-2:]) > STALLED * min(misses[:-2])


def _interpolated(tried: list[tuple[float, float]], sense: float) -> float:
    """Return where the constraint is likely to be zero, from places that were tried and what it was there.

    The three trials with the least of it count. It is taken to rise (1) or fall (-1) with the place; nan
    where it does not.
    """
    best = sorted({value: (place, value) for place, value in tried}.values(), key=lambda trial: abs(trial[1]))
    (a, f), (b, g), (c, h) = (*best[:3], *[(math.nan, math.nan)] * 3)[:3]
    slope = (a - b) / (f - g)
    if not sense * slope > 0.0:
        return math.nan
    bend = (b - c) / (g - h)
    curved = f * g * (bend - slope) / (h - f) if sense * bend > 0.0 else 0.0
    return a - f * slope + curved
