"""The random network of infinitely many units: its variance and exponents, from one-dimensional integrals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from topopt.errors import InputError
from topopt.parameters import Array

__all__ = ["MeanField", "mean_field"]

# Gauss-Hermite with 200 points misses the narrow slope of large gains by a third; the trapezoid rule on
# twelve standard deviations converges faster than any power.
_NORMAL = np.linspace(-12.0, 12.0, 20_001)
_WEIGHTS = np.exp(-0.5 * _NORMAL**2) * (_NORMAL[1] - _NORMAL[0]) / math.sqrt(2.0 * math.pi)


@dataclass(frozen=True)
class MeanField:
    """What the theory says of ``x' = J tanh(x)``.

    Attributes
    ----------
    variance : float
        Of a unit; 0 up to a gain of 1.
    largest : float
        Largest Lyapunov exponent, nats a step.
    mean : float
        Mean of all exponents.
    """

    variance: float
    largest: float
    mean: float


def mean_field(gain: float) -> MeanField:
    """Solve ``s = g**2 E tanh(x)**2`` with x Gaussian of variance s, and return what follows from it.

    Parameters
    ----------
    gain : float
        g, positive.

    References
    ----------
    Cessac 1995, doi:10.1051/jp1:1995173; Engelken, Wolf and Abbott 2023, doi:10.1103/PhysRevResearch.5.043044

    Examples
    --------
    >>> print(round(mean_field(2.0).largest, 6))
    0.154724
    """
    if not 0 < gain < math.inf:
        raise InputError(f"mean_field: expected a positive gain, got {gain}")
    if gain <= 1.0:
        return MeanField(0.0, math.log(gain), math.log(gain) - 0.5)

    def excess(variance: float) -> float:
        return gain**2 * _mean(lambda x: np.tanh(x) ** 2, variance) / variance - 1.0

    variance = float(brentq(excess, 1e-12 * gain**2, gain**2, xtol=1e-15, rtol=1e-14))
    slope = 0.5 * math.log(gain**2 * _mean(lambda x: np.cosh(x) ** -4, variance))
    mean = math.log(gain) - 0.5 + _mean(lambda x: -2.0 * np.log(np.cosh(x)), variance)
    return MeanField(variance, slope, mean)


def _mean(function: Callable[[Array], Array], variance: float) -> float:
    """Return the mean of a function of a Gaussian."""
    return float(_WEIGHTS @ function(math.sqrt(variance) * _NORMAL))
