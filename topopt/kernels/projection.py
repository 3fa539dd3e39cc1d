"""The tanh projection in one pass over the field, and its pullback in another."""

from __future__ import annotations

from topopt.kernels.compiled import exact
from topopt.kernels.exponential import exp, expm1
from topopt.parameters import Array

__all__ = ["project", "pulled"]


@exact
def project(t: Array, beta: float, eta: float, output: Array, q: Array) -> None:
    """Write H and ``q = exp(-2 beta |t - eta|)`` of a piece; `topopt.stages.Tanh` says what they are."""
    steep = -2.0 * beta
    end, top, bottom = expm1(steep), 1.0 + exp(steep * (1.0 - eta)), -exp(steep * eta)
    for j in range(t.size):
        away = exp(steep * abs(t[j] - eta))
        factor = bottom if t[j] < 0.0 else (away if t[j] < eta else 1.0)
        output[j] = abs(expm1(steep * abs(t[j])) / end) * (top / (1.0 + away)) * factor
        q[j] = away


@exact
def pulled(q: Array, steepest: float, v: Array, out: Array) -> None:
    """Write the cotangent of a piece times the slope ``steepest q / (1 + q)**2``."""
    for j in range(q.size):
        share = 1.0 + q[j]
        out[j] = q[j] * steepest / (share * share) * v[j]
