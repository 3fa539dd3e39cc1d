"""Projections push densities towards 0 and 1; how hard is the parameter that a continuation raises."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from topopt.chain import Pullback, Stage
from topopt.kernels import twin
from topopt.parameters import Array, NonNegative, Unit
from topopt.threads import CHAIN, COMPILED, each

__all__ = ["Eroding", "Exponential", "Tanh"]

STRAIGHT = 1e-8
"""Below this sharpness the tanh projection differs from the identity by less than round-off (beta**2 / 3)."""


@dataclass(frozen=True)
class Tanh(Stage):
    """Smoothed step at a threshold.

    ``H(t) = (tanh(beta eta) + tanh(beta (t - eta))) / (tanh(beta eta) + tanh(beta (1 - eta)))``,
    the identity at ``beta = 0`` and the step at ``beta = inf`` (slope zero everywhere).

    The slope is computed from ``4 q / (1 + q)**2`` with ``q = exp(-2 beta |t - eta|)``, not from
    ``1 - tanh**2``: a slope of 1e-24 is a vanished one, a slope of 0 would be a rounded one.

    Parameters
    ----------
    beta : float
        Sharpness, >= 0; the steepest slope is about ``beta / 2``.
    eta : float
        Threshold, 0 to 1.

    References
    ----------
    Wang, Lazarov, Sigmund, Struct. Multidisc. Optim. 43 (2011), doi:10.1007/s00158-010-0602-y

    Examples
    --------
    >>> import numpy as np
    >>> Tanh(beta=8.0)(np.array([0.0, 0.4, 0.5, 1.0])).round(3).tolist()
    [0.0, 0.168, 0.5, 1.0]
    """

    sharp: ClassVar[bool] = True

    beta: NonNegative
    eta: Unit = 0.5

    @property
    def _limiting(self) -> bool:
        """Whether this is the identity or the step."""
        return self.beta < STRAIGHT or math.isinf(self.beta)

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the projected field; the slope is computed when a cotangent first asks for it."""
        (t,) = inputs
        if self.beta < STRAIGHT:
            return t, _passed_on
        if math.isinf(self.beta):
            return self._step(t), _stopped
        output, q = self._run(t)
        steepest = 4.0 * self.beta / sum(self._ends())

        def pullback(v: Array) -> tuple[Array]:
            passed, pull = np.empty_like(q), _pulled.of(q.size)
            each(lambda at: pull(q[at], steepest, v[at], passed[at]), len(q))
            return (passed,)

        return output, pullback

    def __call__(self, *inputs: Array) -> Array:
        """Return the projected field; what the slope would need is let go piece by piece."""
        (t,) = inputs
        if self._limiting:
            return self.vjp(t)[0]
        output, write = np.empty_like(t), _project.of(t.size)
        each(lambda at: write(t[at], self.beta, self.eta, output[at], np.empty(len(t[at]))), len(t), COMPILED)
        return output

    def _run(self, t: Array) -> tuple[Array, Array]:
        """Return H and ``q = exp(-2 beta |t - eta|)``.

        The sums of tanh are ``sinh(beta t) cosh(beta (1 - eta)) / (sinh(beta) cosh(beta (t - eta)))``, here
        with falling exponentials: nothing cancels, so that densities near 0 keep all their digits.
        """
        output, q, write = np.empty_like(t), np.empty_like(t), _project.of(t.size)
        each(lambda at: write(t[at], self.beta, self.eta, output[at], q[at]), len(t), COMPILED)
        return output, q

    def _step(self, t: Array) -> Array:
        """Return the limit of H for ``beta = inf``."""
        below, above = self._ends()
        return np.heaviside(t - self.eta, below / (below + above))

    def _ends(self) -> tuple[float, float]:
        """Return ``tanh(beta eta)`` and ``tanh(beta (1 - eta))``."""
        if math.isinf(self.beta):
            return float(self.eta > 0), float(self.eta < 1)
        return math.tanh(self.beta * self.eta), math.tanh(self.beta * (1.0 - self.eta))

    def edge_slope(self, *inputs: Array) -> float:
        """Return the slope where the output is one half."""
        if self._limiting:
            return 1.0 if self.beta < STRAIGHT else math.inf
        below, above = self._ends()
        return self.beta * (1.0 - ((above - below) / 2.0) ** 2) / (below + above)

    def derivative(self, parameter: str, *inputs: Array) -> Array | None:
        """Return the derivative with respect to ``beta`` or ``eta``."""
        (t,) = inputs
        if parameter not in ("beta", "eta"):
            return None
        if self._limiting:
            return np.zeros_like(t)
        tilt = np.empty_like(t)
        projected, q = self._run(t)
        each(lambda at: self._tilted(parameter, t[at], projected[at], q[at], tilt[at]), len(t), CHAIN)
        return tilt

    def _tilted(self, parameter: str, t: Array, projected: Array, q: Array, out: Array) -> None:
        """Write the derivative of a piece with respect to ``beta`` or ``eta``."""
        beta, eta = self.beta, self.eta
        below, above = self._ends()
        low, high = _sech2(beta * np.array([eta, 1.0 - eta]))
        here = 4.0 * q / np.square(1.0 + q)  # 1 / cosh(beta (t - eta))**2, with all digits far out
        if parameter == "beta":
            rise = eta * low + (t - eta) * here
            out[...] = (rise - projected * (eta * low + (1.0 - eta) * high)) / (below + above)
        else:
            out[...] = beta * (low - here - projected * (low - high)) / (below + above)


@dataclass(frozen=True)
class Exponential(Stage):
    """Dilating projection: any material becomes full material.

    ``H(t) = 1 - exp(-beta t) + t exp(-beta)``, the identity at ``beta = 0``; at ``beta = inf`` everything
    above 0 becomes 1 (slope zero everywhere).

    Parameters
    ----------
    beta : float
        Sharpness, >= 0.

    References
    ----------
    Guest, Prevost, Belytschko, Int. J. Numer. Meth. Engng 61 (2004), doi:10.1002/nme.1064
    """

    sharp: ClassVar[bool] = True

    beta: NonNegative

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the projected field."""
        (t,) = inputs
        if self.beta == 0:
            return t, _passed_on
        if math.isinf(self.beta):
            return np.where(t > 0, 1.0, 0.0), _stopped
        floor = float(np.exp(-self.beta))
        decay = np.exp(-self.beta * t)
        output = 1.0 - decay
        output += floor * t
        return output, lambda v: (v * (self.beta * decay + floor),)

    def edge_slope(self, *inputs: Array) -> float:
        """Return the slope where the output is one half: about ``beta / 2`` for a sharp projection."""
        return 0.5 * self.beta + math.exp(-self.beta)

    def derivative(self, parameter: str, *inputs: Array) -> Array | None:
        """Return the derivative with respect to ``beta``."""
        (t,) = inputs
        if parameter != "beta":
            return None
        if math.isinf(self.beta):
            return np.zeros_like(t)
        return np.asarray(t * (np.exp(-self.beta * t) - np.exp(-self.beta)))


@dataclass(frozen=True)
class Eroding(Stage):
    """Eroding projection: only full material stays; the mirror image of `Exponential`.

    ``H(t) = exp(-beta (1 - t)) - (1 - t) exp(-beta)``, the identity at ``beta = 0``; at ``beta = inf``
    everything below 1 becomes 0 (slope zero everywhere).

    Parameters
    ----------
    beta : float
        Sharpness, >= 0.

    References
    ----------
    Sigmund, Struct. Multidisc. Optim. 33 (2007), doi:10.1007/s00158-006-0087-x
    """

    sharp: ClassVar[bool] = True

    beta: NonNegative

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the projected field."""
        (t,) = inputs
        if self.beta == 0:
            return t, _passed_on
        if math.isinf(self.beta):
            return np.where(t < 1, 0.0, 1.0), _stopped
        floor = float(np.exp(-self.beta))
        rise = np.exp(-self.beta * (1.0 - t))
        # rise - (1 - t) floor, in a form whose terms are never negative: densities near 0 keep their digits
        output = rise * (t - (1.0 - t) * np.expm1(-self.beta * t))
        return output, lambda v: (v * (self.beta * rise + floor),)

    def edge_slope(self, *inputs: Array) -> float:
        """Return the slope where the output is one half: about ``beta / 2`` for a sharp projection."""
        return 0.5 * self.beta + math.exp(-self.beta)

    def derivative(self, parameter: str, *inputs: Array) -> Array | None:
        """Return the derivative with respect to ``beta``."""
        (t,) = inputs
        if parameter != "beta":
            return None
        if math.isinf(self.beta):
            return np.zeros_like(t)
        return np.asarray((1.0 - t) * (np.exp(-self.beta) - np.exp(-self.beta * (1.0 - t))))


@twin("projection.project")
def _project(t: Array, beta: float, eta: float, output: Array, q: Array) -> None:
    """Write H and ``q = exp(-2 beta |t - eta|)`` of a piece; `Tanh` says what they are."""
    steep = -2.0 * beta
    # by the same routines as the fields, so that 1 becomes 1 to the last digit
    end, top, bottom = np.array([1.0, 1.0 - eta, eta])[:, None] * steep
    np.subtract(t, eta, out=q)
    low = q < 0
    np.abs(q, out=q)
    q *= steep
    np.exp(q, out=q)
    np.abs(t, out=output)
    output *= steep
    np.expm1(output, out=output)
    output /= np.expm1(end)
    share = 1.0 + q
    output *= np.divide(1.0 + np.exp(top), share, out=share)
    factor = np.where(low, q, 1.0)
    if t.min(initial=0.0) < 0:
        # below 0 sinh changes its sign, and what grew with -t has been cancelled against q
        np.copyto(factor, -np.exp(bottom), where=t < 0)
    output *= factor


@twin("projection.pulled")
def _pulled(q: Array, steepest: float, v: Array, out: Array) -> None:
    """Write the cotangent of a piece times the slope ``steepest q / (1 + q)**2``."""
    slope = np.multiply(q, steepest, out=out)
    share = 1.0 + q
    slope /= np.square(share, out=share)
    slope *= v


def _sech2(z: Array) -> Array:
    """Return 1 / cosh(z)**2 with full relative precision far out, where 1 - tanh(z)**2 rounds to 0."""
    q = np.exp(-2.0 * np.abs(z))
    return np.asarray(4.0 * q / np.square(1.0 + q))


def _passed_on(cotangent: Array) -> tuple[Array]:
    """Pull back through the identity."""
    return (cotangent,)


def _stopped(cotangent: Array) -> tuple[Array]:
    """Pull back through a step, whose slope is zero wherever it has one."""
    return (np.zeros_like(cotangent),)
