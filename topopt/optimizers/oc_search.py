"""The search for the multiplier of the optimality criteria that meets the constraint as evaluated anew."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from topopt.optimizers.oc_update import Proposal, Update
from topopt.parameters import Array, frozen

__all__ = ["Found", "Lesson", "found"]

AIM = 1e-3
"""By what share of the last miss a trial may be off its aim."""
FIRST_REACH = 1.0
"""How far the second trial may go from the first, in log(multiplier); four times as far each time after."""
STALLED = 0.5
"""Two trials in a row that leave more than this share of the miss are followed by a bisection."""
STEEP = 10.0
"""A constraint that changes that many times as much as its linearisation, or as little, teaches nothing."""
PATIENCE = 60
"""Most re-evaluations of the constraint in a step; 2 to 6 are usual, 10 and more beside jumps."""


class _Trial(NamedTuple):
    """A multiplier's logarithm, the constraint there, and its linearised change."""

    t: float
    value: float
    change: float


class Lesson(NamedTuple):
    """What the last steps teach the next one, which saves rechecks.

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

    The linearised constraint proposes two trials, corrected by what the last steps taught; then interpolation
    says what its change should be: a secant at the third trial, an inverse parabola after it. Once the root
    is bracketed, t itself is interpolated, since beside a jump the linearised constraint says nothing, and a
    bisection follows on what leads out of the bracket or leaves most of the miss: Brent 1971,
    doi:10.1093/comjnl/14.4.422, but that a bracket one end of which stays is no stall.

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
    point = update.solved_from(guess, -reserve - lesson.expected, tolerance)
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


def _met(one: float, other: float) -> bool:
    """Tell whether two logarithms agree to rounding."""
    return abs(one - other) <= 1e-14 * max(1.0, abs(one))


def _next(
    update: Update, point: Proposal, tried: list[_Trial], bracket: tuple[float, float], ratio: float
) -> Proposal:
    """Return what to try next, in the bracket."""
    if min(trial.value for trial in tried) <= 0.0 < max(trial.value for trial in tried):
        return _inside(update, tried, bracket)
    return _beyond(update, point, tried, bracket, ratio)


def _inside(update: Update, tried: list[_Trial], bracket: tuple[float, float]) -> Proposal:
    """Return what to try between two trials of different sign."""
    low, high = bracket
    t = math.nan if _stalled(tried) else _interpolated([(trial.t, trial.value) for trial in tried], -1.0)
    return update.at(t if low < t < high else 0.5 * (low + high))


def _beyond(
    update: Update, point: Proposal, tried: list[_Trial], bracket: tuple[float, float], ratio: float
) -> Proposal:
    """Return what to try while all trials, the last of which is `point`, lie on one side of the root."""
    (low, high), value = bracket, tried[-1].value
    farthest = FIRST_REACH * 4.0 ** (len(tried) - 1)
    least, most = max(low, point.t - farthest), min(high, point.t + farthest)
    target = point.change - value / ratio
    if len(tried) > 1:
        target = _interpolated([(trial.change, trial.value) for trial in tried], 1.0)
        target = target if math.isfinite(target) else -math.copysign(math.inf, value)
    proposed = update.solved(point, target, AIM * abs(value), least, most)
    end = update.ends[1] if value > 0.0 else update.ends[0]
    # A proposal that stays at the last trial has nothing new to say; the end says whether there is a root.
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
    # Of equal values, between which there is no inverse slope, one counts. A trial that is missing is nan,
    # and so is what follows from it, for which no comparison holds: nan is no answer.
    best = sorted({value: (place, value) for place, value in tried}.values(), key=lambda trial: abs(trial[1]))
    (a, f), (b, g), (c, h) = (*best[:3], *[(math.nan, math.nan)] * 3)[:3]
    secant, next_secant = (a - b) / (f - g), (b - c) / (g - h)  # of the place over the value
    if not sense * secant > 0.0:
        return math.nan
    curved = f * g * (next_secant - secant) / (h - f) if sense * next_secant > 0.0 else 0.0
    return a - f * secant + curved
