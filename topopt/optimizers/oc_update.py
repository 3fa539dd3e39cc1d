"""The update of the optimality criteria along its multiplier, and the search for the multiplier."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from topopt.kernels import LONG, twin
from topopt.parameters import Array
from topopt.threads import COMPILED, each

__all__ = ["Found", "Update", "found"]

TINY = float(np.finfo(np.float64).tiny)
"""Sensitivities below the smallest normal number carry no digits and count as zero."""
WIDEST = 300.0
"""Update factors further than e**300 from their median are at a move limit whatever the multiplier."""
SAMPLE = LONG
"""Variables that say roughly what the multiplier is, where there are more."""
CLOSE = 1e-12
"""Relative error of a multiplier that solves the linearised constraint, which is but a proposal."""
FIRST_REACH = 0.3
"""How far the second trial may go from the first, in log(multiplier); four times as far each time after."""
PATIENCE = 60
"""Most re-evaluations of the constraint in a step; 1 to 6 are usual."""


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
    damping: float
    center: float
    ends: tuple[float, float]

    @classmethod
    def of(cls, x: Array, slope: Array, cost: Array, limits: tuple[Array, Array], damping: float) -> Update:
        """Prepare the update around `x` from the objective's and the constraint's derivatives.

        The limits are taken over, and changed where a variable has no sensitivity.
        """
        (low, high), n = limits, x.size
        step = -(-n // SAMPLE) if n else 1
        some = _merit(slope[::step], cost[::step])
        finite = some[np.isfinite(some)]
        if not finite.size and step > 1:
            every = _merit(slope, cost)
            finite = every[np.isfinite(every)]
        center = float(np.median(finite)) if finite.size else 0.0
        factor, costs = np.empty(n), np.empty(n)

        def grow(at: slice) -> tuple[float, float]:
            fields = (x[at], slope[at], cost[at], low[at], high[at])
            return grown(*fields, center, damping, TINY, WIDEST, factor[at], costs[at])

        grown = _grown.of(n)
        ends = each(grow, n, COMPILED)
        start, stop = min(end[0] for end in ends), max(end[1] for end in ends)
        if math.isinf(start):
            return cls(x, factor, low, high, costs, damping, center, (0.0, 0.0))
        reach = math.log(start) / damping, math.log(stop) / damping
        return cls(x, factor, low, high, costs, damping, center, reach)

    def scale(self, t: float) -> float:
        """Return what the factors are multiplied by for the multiplier exp(center + t)."""
        return math.exp(min(-self.damping * t, 700.0))

    def at(self, t: float) -> Array:
        """Return the design for the multiplier exp(center + t)."""
        write = _clipped.of(self.x.size)
        return write(self.factor, self.low, self.high, self.scale(t), np.empty_like(self.x))

    def multiplier(self, t: float) -> float:
        """Return exp(center + t), kept finite."""
        return math.exp(min(self.center + t, 700.0))

    def linear(self, t: float) -> tuple[float, float]:
        """Return the linearised change of the constraint and its derivative with respect to t."""
        sums = _linear.of(self.x.size)
        change, free = sums(self.x, self.factor, self.low, self.high, self.row, self.scale(t))
        return change, -self.damping * free

    @functools.cached_property
    def sample(self) -> Update:
        """The update of a few variables, regularly spaced."""
        step = self.x.size // SAMPLE
        names = ("x", "factor", "low", "high", "row")
        return dataclasses.replace(self, **{name: getattr(self, name)[::step].copy() for name in names})

    def solved(self, target: float, low: float, high: float, guess: float) -> float:
        """Return the t in [low, high] at which the linearised change is nearest to `target`.

        Where there are many variables, some of them say roughly where to look.
        """
        share = self.x.size // SAMPLE
        if share > 1:
            guess = self.sample.solved(target / share, low, high, guess)
        t = min(max(guess, low), high)
        for _ in range(100):
            value, slope = self.linear(t)
            miss = value - target
            if miss > 0.0:
                low = t
            else:
                high = t
            newton = t - miss / slope if slope < 0.0 else math.inf
            # where the root is met but for rounding, the step may lead out of the bracket
            if miss == 0.0 or abs(newton - t) <= CLOSE * max(1.0, abs(t)):
                break
            last, t = t, newton if low < newton < high else 0.5 * (low + high)
            if abs(t - last) <= CLOSE * max(1.0, abs(t)):
                break
        return t


def _merit(slope: Array, cost: Array) -> Array:
    """Return the logarithm of what a variable gains over what it costs; nan where it does neither."""
    with np.errstate(divide="ignore", invalid="ignore"):
        gains = np.log(np.where(slope > -TINY, 0.0, -slope))
        return np.asarray(gains - np.log(np.where(cost < TINY, 0.0, cost)))


@twin("oc.grown")
def _grown(
    x: Array, slope: Array, cost: Array, low: Array, high: Array, center: float, damping: float, tiny: float,
    widest: float, factor: Array, costs: Array,
) -> tuple[float, float]:  # fmt: skip
    """Write factors and costs of a piece; return least and largest factor over what ends it moves between.

    A variable that neither gains nor costs is held where it is.
    """
    costs[:] = np.where(cost < tiny, 0.0, cost)
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
    return float(least), float(np.max(share / np.maximum(bottom, 1e-9 * top), initial=0.0))


@twin("oc.clipped")
def _clipped(factor: Array, low: Array, high: Array, scale: float, out: Array) -> Array:
    """Write ``clip(scale * factor, low, high)``."""
    with np.errstate(over="ignore", under="ignore"):
        return np.clip(np.multiply(factor, scale, out=out), low, high, out=out)


@twin("oc.linear")
def _linear(
    x: Array, factor: Array, low: Array, high: Array, row: Array, scale: float
) -> tuple[float, float]:
    """Return ``row . (new - x)`` and ``row . new`` over the entries that the limits leave alone."""
    with np.errstate(over="ignore", under="ignore"):
        raw = factor * scale
    new = np.clip(raw, low, high)
    return float(row @ (new - x)), float(row @ np.where(raw == new, raw, 0.0))


@dataclass(frozen=True, eq=False)
class Found:
    """Where the search ended: a design, its multiplier, and the re-evaluations that it took."""

    design: Array
    multiplier: float
    count: int


def found(
    update: Update, recheck: Callable[[Array], Array], reserve: float, guess: float, tolerance: float
) -> Found:
    """Find the multiplier that makes the re-evaluated constraint zero.

    The linearised constraint proposes, and corrected by what was seen it proposes again until the root is
    bracketed; from then on inverse quadratic interpolation closes in, and bisection where that stalls.

    Parameters
    ----------
    update : Update
        The design along the multiplier.
    recheck : callable
        The constraint at a design.
    reserve : float
        The constraint at the old design.
    guess : float
        The t to start from.
    tolerance : float
        Largest violation or reserve.
    """
    low, high = update.ends
    tried: list[_Trial] = []
    widths: list[float] = []
    t = update.solved(-reserve, low, high, guess)
    while True:
        design = update.at(t)
        value = float(recheck(design)[0])
        if value < -tolerance and _met(t, update.ends[0]):
            return Found(design, 0.0, len(tried) + 1)
        tried.append(_Trial(t, value, update.linear(t)[0]))
        low, high = (t, high) if value > 0.0 else (low, t)
        stuck = _met(low, high) or (value > 0.0 and _met(t, update.ends[1]))
        if abs(value) <= tolerance or stuck or len(tried) == PATIENCE:
            break
        widths.append(high - low)
        t = _proposal(update, tried, low, high)
        stalled = len(widths) > 2 and widths[-1] > 0.5 * widths[-3]
        if not low < t < high or (stalled and _bracketed(tried)):
            t = 0.5 * (low + high) if _bracketed(tried) else _end(update, value)
    best = min(tried, key=lambda trial: abs(trial.value))
    design = design if best is tried[-1] else update.at(best.t)
    return Found(design, update.multiplier(best.t), len(tried))


@dataclass(frozen=True)
class _Trial:
    """A multiplier's logarithm, the constraint there, and its linearised change."""

    t: float
    value: float
    linear: float


def _met(one: float, other: float) -> bool:
    """Tell whether two logarithms agree to rounding."""
    return abs(one - other) <= 1e-14 * max(1.0, abs(one))


def _end(update: Update, value: float) -> float:
    """Return the end of the range that lies in the direction of the root."""
    return update.ends[1] if value > 0.0 else update.ends[0]


def _bracketed(tried: list[_Trial]) -> bool:
    """Tell whether both signs were seen."""
    return min(trial.value for trial in tried) <= 0.0 < max(trial.value for trial in tried)


def _proposal(update: Update, tried: list[_Trial], low: float, high: float) -> float:
    """Return the next t to try; it may lie outside the bracket, which then is for the caller to mend."""
    last = tried[-1]
    if not _bracketed(tried):
        slope = 1.0
        if len(tried) > 1 and tried[-2].linear != last.linear:
            slope = (last.value - tried[-2].value) / (last.linear - tried[-2].linear)
        target = last.linear - last.value / slope if slope > 0.0 else -math.copysign(math.inf, last.value)
        farthest = FIRST_REACH * 4.0 ** (len(tried) - 1)
        aim = update.solved(target, low, high, last.t)
        return min(max(aim, last.t - farthest), last.t + farthest)
    ends = {trial.t: trial for trial in tried}
    a, b = ends[low], ends[high]
    others = [trial for trial in tried if trial.t not in (low, high)]
    if others and others[-1].value not in (a.value, b.value):
        t = _interpolated(a, b, others[-1])
        if low < t < high:
            return t
    return a.t + (b.t - a.t) * a.value / (a.value - b.value)


def _interpolated(a: _Trial, b: _Trial, c: _Trial) -> float:
    """Return the zero of the quadratic that gives t as a function of the constraint."""
    ab, ac, bc = a.value - b.value, a.value - c.value, b.value - c.value
    first = a.t * b.value * c.value / (ab * ac)
    second = -b.t * a.value * c.value / (ab * bc)
    return first + second + c.t * a.value * b.value / (ac * bc)
