"""The update of the optimality criteria: the new design as a function of the multiplier."""

from __future__ import annotations

import dataclasses
import functools
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from topopt.kernels import LONG, twin
from topopt.parameters import Array
from topopt.threads import COMPILED, each

__all__ = ["Proposal", "Update"]

TINY = float(np.finfo(np.float64).tiny)
"""Sensitivities below the smallest normal number carry no digits and count as zero."""
WIDEST = 300.0
"""Update factors further than e**300 from their median are at a move limit whatever the multiplier."""
SAMPLE = LONG
"""Variables that say roughly what the multiplier is, where there are more."""
CLOSE = 1e-12
"""Two multipliers as close as this, relatively, are not told apart in the linearised constraint."""


class Proposal(NamedTuple):
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

    def at(self, t: float, out: Array | None = None) -> Proposal:
        """Return the design for the multiplier exp(center + t), written into `out` if that is given."""
        design = np.empty_like(self.x) if out is None else out
        scale = math.exp(min(-self.damping * t, 700.0))
        total, free = _moved.of(self.x.size)(self.factor, self.low, self.high, self.row, scale, design)
        return Proposal(t, design, total - self.start, free)

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

    def solved_from(self, guess: float, target: float, near: float) -> Proposal:
        """Return where the linearised change is `target`, but for `near`, beginning with a guess of t.

        Where there are many variables, some of them say roughly where to look.
        """
        share = self.x.size // SAMPLE
        if share > 1:
            guess = self.sample.solved_from(guess, target / share, near / share).t
        low, high = self.ends
        return self.solved(self.at(min(max(guess, low), high)), target, near, low, high)

    def solved(self, start: Proposal, target: float, near: float, low: float, high: float) -> Proposal:
        """Return the proposal in [low, high] whose linearised change is `target`, but for `near`.

        Where there is none, it is an end. Newton's method in the factor that all variables share, for in that
        the change is a polygon; where that leads out, the end there, once, and from then on halving.
        """
        point, untried = start, {low, high}
        design = None  # the first design is the caller's; those after it overwrite one another
        for _ in range(100):
            miss = point.change - target
            if abs(miss) <= near:
                break
            low, high = (point.t, high) if miss > 0.0 else (low, point.t)
            t = point.t + _leap(miss, point.free) / self.damping
            if not low < t < high:
                end = high if miss > 0.0 else low
                t = end if end in untried else 0.5 * (low + high)
                untried.discard(end)
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
