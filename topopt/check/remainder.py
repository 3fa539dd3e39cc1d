"""The Taylor test: a right gradient leaves a remainder that falls with the square of the step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from topopt.parameters import Array

__all__ = ["Taylor", "taylor"]

RATE = 1.9
"""The Taylor rate that passes; a right gradient gives 2, a wrong one 1."""
_MARGIN = 100.0
"""A remainder counts if it exceeds the noise of the function by this factor."""


@dataclass(frozen=True)
class Taylor:
    """How fast the error of a linear prediction falls with the step.

    Attributes
    ----------
    rate : float
        Fitted slope of log remainder over log step, at the smallest steps that rounding leaves readable:
        2 for a right gradient, 1 for a wrong one; inf if there is no remainder to speak of (`exact`); nan if
        the function is too noisy to tell.
    steps, remainders : tuple of float
        Every step h tried and |f(x + h d) - f(x) - h g.d|.
    change : float
        How far f moves over the largest step, found or predicted, whichever is more.
    noise : float
        Rounding in f, measured with steps far too small to matter.
    """

    rate: float
    steps: tuple[float, ...]
    remainders: tuple[float, ...]
    change: float
    noise: float

    @property
    def exact(self) -> bool:
        """Whether the function is linear around x, to rounding or to a millionth of its change."""
        return self.rate == math.inf

    @property
    def still(self) -> bool:
        """Whether the function moves, and is predicted to move, too little for its noise to be tested."""
        return self.change <= 1e7 * self.noise and not self.rate >= 0

    @property
    def ok(self) -> bool:
        """Whether the gradient passes."""
        return self.rate >= RATE

    def __str__(self) -> str:
        """Say the rate in words."""
        if self.exact:
            return "linear here, no remainder to speak of"
        if self.still:
            return f"moves by no more than {self.change:.1e} (rounding {self.noise:.1e}): not tested"
        if math.isnan(self.rate):
            return f"too noisy to tell (noise {self.noise:.1e}, change {self.change:.1e})"
        return f"rate {self.rate:.3f} at steps around {self._used()[0]:.1e}"

    def _used(self) -> tuple[float, ...]:
        """Return the steps that the rate was fitted to, smallest first."""
        return tuple(h for h, _ in _readable(self.steps, self.remainders, self.noise))


def taylor(
    function: Callable[[Array], float],
    x: Array,
    gradient: Array,
    direction: Array,
    *,
    step: float = 0.1,
    rounding: float = 0.0,
) -> Taylor:
    """Compare a function with its linear prediction along a direction, at smaller and smaller steps.

    The steps fall by a factor of 4 from `step` until the remainder drowns in the function's own noise, so
    that a function with features as thin as 1e-6 is still judged where it is smooth.

    Parameters
    ----------
    function : callable
        From an array shaped like `x` to a number.
    x : array
        Where to test.
    gradient : array
        The claimed gradient at `x`.
    direction : array
        The direction d; scale it so that ``x + step * d`` can be evaluated.
    step : float
        The largest step.
    rounding : float
        Rounding in the function that is known beforehand, added to what is measured.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([1.0, 2.0])
    >>> taylor(lambda x: float(x @ x), x, 2 * x, np.array([1.0, -1.0])).ok
    True
    >>> round(taylor(lambda x: float(x @ x), x, 1.9 * x, np.array([1.0, 1.0])).rate, 2)
    1.0
    """
    x, direction = np.asarray(x, dtype=np.float64), np.asarray(direction, dtype=np.float64)
    start = float(function(x))
    slope = float(np.vdot(gradient, direction))

    def remainder(h: float) -> float:
        return abs(float(function(x + h * direction)) - start - h * slope)

    tiny = 1e-10 * step
    noise = max(remainder(tiny * k) for k in (1.0, 2.0, 3.0))
    noise += rounding + 2.0 * float(np.spacing(abs(start)))
    far = float(function(x + step * direction)) - start
    change = max(abs(far), abs(step * slope))
    steps, remainders = [step], [abs(far - step * slope)]
    h, drowned = step / 4.0, 0
    while h > 1e3 * tiny and drowned < 3:
        steps.append(h)
        remainders.append(remainder(h))
        drowned = drowned + 1 if remainders[-1] <= _MARGIN * noise else 0
        h /= 4.0
    return Taylor(_rate(steps, remainders, change, noise), tuple(steps), tuple(remainders), change, noise)


def _readable(steps: Sequence[float], remainders: Sequence[float], noise: float) -> list[tuple[float, float]]:
    """Return up to four (step, remainder), smallest step first, that lie well above the noise."""
    pairs = [(h, r) for h, r in zip(steps, remainders, strict=True) if r > _MARGIN * noise]
    return pairs[:-5:-1]


def _rate(steps: Sequence[float], remainders: Sequence[float], change: float, noise: float) -> float:
    """Fit the slope, or tell exactness (inf) and noise (nan) apart."""
    used = _readable(steps, remainders, noise)
    if change > 1e4 * noise and max(remainders) <= 1e-6 * change:
        return math.inf
    # Readable down to some step and then suddenly nothing, faster than the fourth power of the step
    # (4**4 = 256): linear as soon as the step is small, like a staircase.
    if used and used[0][0] > steps[-1] and used[0][1] > 256.0 * _MARGIN * noise:
        return math.inf
    if len(used) >= 3:
        h, r = np.log(np.array(used)).T
        return float(np.polyfit(h, r, 1)[0])
    return math.inf if change > 1e4 * noise and max(remainders) <= 1e-3 * change else math.nan
