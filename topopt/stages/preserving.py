"""Projections that keep the volume: their threshold is no parameter, but solved from the field itself."""

from __future__ import annotations

import functools
import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from topopt.cells import Flags
from topopt.chain import Pullback, Stage
from topopt.parameters import Array, NonNegative
from topopt.remembered import remembered
from topopt.stages.cut import cut, limit, tied_mean
from topopt.stages.projections import STRAIGHT, Tanh

__all__ = ["PreservingExponential", "PreservingTanh"]

Steps = Callable[[float], tuple[Array, Array]]
"""From a threshold to the projected field and its derivative with respect to the threshold."""

_SETTLED = 1e-13
"""The relative gap in the volume at which the search ends; the rest is put right in the output."""
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class _Preserving(Stage):
    """A projection of sharpness `beta` about the threshold that keeps the sum of the field."""

    sharp: ClassVar[bool] = True

    beta: NonNegative

    def threshold(self, t: Array) -> float:
        """Return the threshold eta, 0 to 1, at which the mean of the projected field is that of the field.

        Parameters
        ----------
        t : array
            Entries from 0 to 1. Where every threshold keeps the mean, to rounding, it is one of them.
        """
        return _threshold(self, t)

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the projected field; slope and weights are computed when a cotangent first asks for them."""
        (t,) = inputs
        if self.beta < STRAIGHT:
            return t, lambda v: (v,)
        if math.isinf(self.beta):
            return limit(t), lambda v: (np.full_like(v, tied_mean(v, t)),)
        eta = self.threshold(t)
        output, tilt = self._steps(t)(eta)
        weights, shift = _weighted(output, tilt, t)
        if abs(shift) * self.beta < 1e-3:  # what eta has no digits for; else first order would not do
            output += shift * tilt
        slope = functools.cache(lambda: self._slope(t, eta))

        def pullback(v: Array) -> tuple[Array]:
            follow = float(np.vdot(v, weights))
            cotangent = v - follow
            cotangent *= slope()
            cotangent += follow * bool(shift or weights.any())
            return (cotangent,)

        return output, pullback

    def slope(self, *inputs: Array) -> Array:
        """Return the slope of each entry at the threshold found, which is held."""
        (t,) = inputs
        if self.beta < STRAIGHT or math.isinf(self.beta):
            return np.full_like(t, float(self.beta < STRAIGHT))
        return self._slope(t, self.threshold(t))

    def edge_slope(self, *inputs: Array) -> float | None:
        """Return the slope where the output is one half, at the threshold of this field; None without it."""
        if self.beta < STRAIGHT or math.isinf(self.beta):
            return 1.0 if self.beta < STRAIGHT else math.inf
        return self._edge(self.threshold(inputs[0])) if inputs else None

    def derivative(self, parameter: str, *inputs: Array) -> Array | None:
        """Return the derivative with respect to ``beta``; the threshold moves along."""
        (t,) = inputs
        if parameter != "beta":
            return None
        if self.beta < STRAIGHT or math.isinf(self.beta):
            return np.zeros_like(t)
        eta = self.threshold(t)
        weights, _ = _weighted(*self._steps(t)(eta), t)
        held = self._sharpening(t, eta)
        return held - float(held.sum()) * weights

    @abstractmethod
    def _steps(self, t: Array) -> Steps:
        """Return the projection of a field as a function of the threshold."""

    @abstractmethod
    def _slope(self, t: Array, eta: float) -> Array:
        """Return the slope of each entry at a threshold."""

    @abstractmethod
    def _edge(self, eta: float) -> float:
        """Return the slope where the output is one half."""

    @abstractmethod
    def _sharpening(self, t: Array, eta: float) -> Array:
        """Return the derivative with respect to the sharpness at a threshold that is held."""


@dataclass(frozen=True)
class PreservingTanh(_Preserving):
    """Smoothed step at the threshold that keeps the volume.

    `Tanh` with the eta that solves ``mean H(t; eta) = mean t``. The mean is over all entries of the field,
    passive cells included; these are 0 or 1 and stay so. Entries lie from 0 to 1. The identity at
    ``beta = 0``. At ``beta = inf`` the largest entries become 1 and the others 0; those that tie at the
    threshold share what is left of the volume, so that a uniform field stays as it is; the slope at a held
    threshold is zero everywhere. What is left, and so the entry at the threshold, moves with every entry by
    as much: that is the derivative, exact as long as the entries keep their order. Entries that tie are
    taken to go on tying, since the projection leaps where one of them breaks away.

    The pullback is exact: ``dH_i/dt_j = H'_i [i = j] + w_i (1 - H'_j)`` with ``w_i`` the share of entry i
    in the sum of dH/deta. Where that sum lies below the rounding of the volume (a field of only 0 and 1, or
    one so far from the threshold that nothing near it is left), the volume does not determine eta: it counts
    as a constant, and the w are zero. Beyond ``beta`` of about 1e10 eta has no digits left for the volume.

    Parameters
    ----------
    beta : float
        Sharpness, >= 0; the steepest slope is about ``beta / 2``.

    References
    ----------
    Xu, Cai, Cheng, Struct. Multidisc. Optim. 41 (2010), doi:10.1007/s00158-009-0452-7;
    Ferrari, Sigmund, Struct. Multidisc. Optim. 62 (2020), doi:10.1007/s00158-020-02629-w

    Examples
    --------
    >>> import numpy as np
    >>> t = np.array([0.0, 0.1, 0.2, 0.3])
    >>> projected = PreservingTanh(beta=64.0)(t)
    >>> projected.round(3).tolist(), round(float(projected.mean()), 12)
    ([0.0, 0.0, 0.0, 0.6], 0.15)
    """

    def _steps(self, t: Array) -> Steps:
        """Return the projection; with ``q = exp(-2 beta |t - eta|)`` no factor grows and nothing cancels."""
        steep = -2.0 * self.beta
        end = np.expm1(np.array([steep]))
        rising = np.expm1(steep * t)
        rising /= end
        both = np.expm1(steep * (1.0 - t))
        both *= rising
        both *= -steep

        def at(eta: float) -> tuple[Array, Array]:
            q = t - eta
            low = q < 0
            np.abs(q, out=q)
            q *= steep
            np.exp(q, out=q)
            share = 1.0 + q
            output = (1.0 + np.exp(np.array([steep * (1.0 - eta)]))) / share
            output *= rising
            np.square(share, out=share)
            np.divide(q, share, out=share)
            share *= both
            np.copyto(q, 1.0, where=~low)
            output *= q
            return output, share

        return at

    def _slope(self, t: Array, eta: float) -> Array:
        """Return the slope of `Tanh`."""
        return Tanh(self.beta, eta).vjp(t)[1](np.ones_like(t))[0]

    def _edge(self, eta: float) -> float:
        """Return the edge slope of `Tanh`."""
        return Tanh(self.beta, eta).edge_slope()

    def _sharpening(self, t: Array, eta: float) -> Array:
        """Return the derivative of `Tanh`."""
        return np.asarray(Tanh(self.beta, eta).derivative("beta", t))


@dataclass(frozen=True)
class PreservingExponential(_Preserving):
    """Eroding below and dilating above the threshold that keeps the volume.

    Two exponential halves that meet at eta: ``eta (exp(-beta z) - z exp(-beta))`` with ``z = 1 - t / eta``
    below it, ``1 - (1 - eta) (exp(-beta z) - z exp(-beta))`` with ``z = (t - eta) / (1 - eta)`` above. The
    threshold is a fixed point, H(eta) = eta, and solves ``mean H(t; eta) = mean t``. Mean, limits, pullback
    and what happens where the volume does not determine eta are those of `PreservingTanh`.

    Parameters
    ----------
    beta : float
        Sharpness, >= 0; the slope at the threshold is about ``beta``.

    References
    ----------
    Xu, Cai, Cheng, Struct. Multidisc. Optim. 41 (2010), doi:10.1007/s00158-009-0452-7
    """

    def _steps(self, t: Array) -> Steps:
        """Return the projection, computed from the part that falls with the distance to eta."""

        def at(eta: float) -> tuple[Array, Array]:
            low, z, decay, floor = self._halves(t, eta)
            inner = 1.0 - z
            rest = -np.expm1(-self.beta * np.where(low, inner, z))
            below = decay * rest + floor * inner
            above = rest + floor * z  # 1 minus the same part as `below`, with all its digits
            tilt = np.where(low, below, 1.0 - above) - inner * (self.beta * decay + floor)
            return np.where(low, eta * below, eta + (1.0 - eta) * above), tilt

        return at

    def _halves(self, t: Array, eta: float) -> tuple[Flags, Array, Array, float]:
        """Return which entries lie below eta, z (0 at eta, 1 at the end), exp(-beta z) and exp(-beta)."""
        low = t < eta
        z = np.where(low, eta - t, t - eta)
        z /= np.maximum(np.where(low, eta, 1.0 - eta), 1e-300)
        return low, z, np.exp(-self.beta * z), float(np.exp(-self.beta))

    def _slope(self, t: Array, eta: float) -> Array:
        """Return ``beta exp(-beta z) + exp(-beta)``."""
        _, _, decay, floor = self._halves(t, eta)
        return np.asarray(self.beta * decay + floor)

    def _edge(self, eta: float) -> float:
        """Return the slope where a sharp projection is one half: ``beta`` if eta is, half of it far away."""
        return self.beta * 0.5 / max(eta, 1.0 - eta) + math.exp(-self.beta)

    def _sharpening(self, t: Array, eta: float) -> Array:
        """Return the derivative of the two halves."""
        low, z, decay, floor = self._halves(t, eta)
        return np.asarray(np.where(low, -eta, 1.0 - eta) * z * (decay - floor))


@remembered(maxsize=8)
def _threshold(stage: _Preserving, t: Array) -> float:
    """Return the threshold of a field; one iteration asks for it many times."""
    total = float(t.sum())
    start = cut(t)
    if math.isinf(stage.beta) or stage.beta < STRAIGHT:
        return start
    steps = stage._steps(t)

    def gap(eta: float) -> tuple[float, float]:
        output, tilt = steps(eta)
        return float(output.sum()) - total, float(tilt.sum())

    return _root(gap, start if 0.0 < start < 1.0 else 0.5, _SETTLED * total)


def _root(gap: Callable[[float], tuple[float, float]], start: float, tolerance: float) -> float:
    """Return where a falling function (value and slope) is zero: Newton, halving where that is too slow."""
    low, high, here, step = 0.0, 1.0, start, math.inf
    for _ in range(200):
        value, slope = gap(here)
        if abs(value) <= tolerance:
            break
        low, high = (here, high) if value > 0 else (low, here)
        there = here - value / slope if slope < 0 else -1.0
        # A Newton step must stay inside and be half of the one before: far out, where the function falls
        # exponentially, Newton creeps.
        if not (low < there < high and 2.0 * abs(there - here) <= step):
            there = 0.5 * (low + high)
        if there in (low, high, here):
            break
        here, step = there, abs(there - here)
    return here


def _weighted(output: Array, tilt: Array, t: Array) -> tuple[Array, float]:
    """Return each entry's share in the derivative of the sum, and the rest of eta to be moved by.

    Both are zero where the sum is flat: no threshold from 0 to 1 would change it by more than its rounding.
    """
    total, flow = float(t.sum()), float(tilt.sum())
    if not -flow > _EPS * abs(total):
        return np.zeros_like(t), 0.0
    return tilt / flow, (total - float(output.sum())) / flow
