"""From cotangents to numbers: when is a sensitivity dead, where did it die, and which alarm should ring."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from topopt.evaluation import Bounds, Evaluation, Gate, Signals
from topopt.history import History
from topopt.measures import discreteness
from topopt.parameters import Array

__all__ = ["ALARMS", "Reading", "alarms", "read"]

DEAD_SLOPE = 1e-3
"""A gate whose slope is below this counts as dead."""
UNRESOLVED = 0.07
"""Cells across an interface below which designs got worse: sharpness about 14 times radius over cell size."""

ALARMS: Mapping[str, str] = {
    "freeze": "more than 99 % of the sensitivities are dead: nothing can move",
    "concentration": "a few variables carry the whole sensitivity, the others are dead",
    "blow-up": "a converged black-and-white design was shattered by a change of parameters",
    "masked": "the residual looks converged only because the projection hides the true one",
    "unresolved": "the projection's interface is thinner than the grid can sample",
}
"""What each alarm means, by name."""


@dataclass(frozen=True)
class Reading:
    """The metrics of one iteration: of the whole chain, and stage by stage."""

    total: Mapping[str, float]
    stages: Mapping[str, Mapping[str, float]]


def read(x: Array, evaluation: Evaluation, multipliers: Array, bounds: Bounds) -> Reading:
    """Measure how the sensitivities fared on their way to the design.

    Parameters
    ----------
    x : array, shape (n,)
        The design.
    evaluation : Evaluation
        Of a model that gives signals; without them the reading is empty.
    multipliers : array, shape (m,)
        Of the constraints, so that the Lagrangian is objective + multipliers . constraints.
    bounds : Bounds
        Of the design.

    Returns
    -------
    Reading
        `total` holds, for the design: `attenuation` (log10 of ||s||/||r||), `typical_gain` (median of
        |s_i|/|r_i|), `participation`, `dead3`, `dead6`, `residual`, `latent_residual`; over all gates:
        `blocked`; and `homotopy:<parameter>`, the slope of the Lagrangian along a scheduled parameter.
        Here s is the true and r the reference sensitivity, in which every gate is the identity.
    """
    signals = evaluation.signals
    if signals is None:
        return Reading({}, {})
    stages = _stage_metrics(signals)
    design = next(iter(signals.cotangents))
    s, r = signals.cotangents[design], signals.references[design]
    lagrangian = s + multipliers @ evaluation.jacobian
    latent = r + multipliers @ signals.reference_constraints
    total = {
        **{name: stages[design][name] for name in ("attenuation", "participation", "dead3", "dead6")},
        "typical_gain": _typical_gain(s, r),
        "residual": _ratio(bounds.inward(x, lagrangian), s),
        "latent_residual": _ratio(bounds.inward(x, latent), r),
    }
    for name, gate in signals.gates.items():
        stages[name] = stages.get(name, {}) | _gate_metrics(gate, multipliers)
        slope = gate.objective + multipliers @ gate.constraints
        total |= {f"homotopy:{parameter}": float(slope @ tilt) for parameter, tilt in gate.tilts.items()}
    total["blocked"] = max((stages[name]["blocked"] for name in signals.gates), default=0.0)
    return Reading(total, stages)


def alarms(
    reading: Reading, measures: Mapping[str, float], progress: float, changed: bool, history: History
) -> tuple[str, ...]:
    """Return the names of the alarms that ring (the thresholds were calibrated on good and failed runs).

    Parameters
    ----------
    reading : Reading
        Of this iteration.
    measures : mapping
        Of this iteration; `interface` (cells across the projection's interface) is looked at if given.
    progress : float
        Root mean square change of the output since the last iteration.
    changed : bool
        Whether a parameter changed in front of this iteration.
    history : History
        The log before this iteration.
    """
    total, ringing = reading.total, []
    if total:
        if total["dead3"] > 0.99:
            ringing.append("freeze")
        if 0.0 < total["participation"] < 0.05 and total["dead3"] > 0.8:
            ringing.append("concentration")
        if total["residual"] < 0.05 and total["latent_residual"] > 0.5:
            ringing.append("masked")
    was_black_and_white = len(history) > 0 and history[-1].measures.get("discreteness", 1.0) < 0.01
    if changed and was_black_and_white and progress > 0.1:
        ringing.append("blow-up")
    if measures.get("interface", math.inf) < UNRESOLVED:
        ringing.append("unresolved")
    return tuple(ringing)


def _stage_metrics(signals: Signals) -> dict[str, dict[str, float]]:
    """Measure the cotangent at every name against its reference, design first."""
    stages: dict[str, dict[str, float]] = {}
    norms = {name: _log_norm(cotangent) for name, cotangent in signals.cotangents.items()}
    names = list(norms)
    for name, below in zip(names, [*names[1:], None], strict=True):
        cotangent, reference = signals.cotangents[name], signals.references[name]
        magnitude = np.abs(cotangent)
        reference_norm = norms[name] if reference is cotangent else _log_norm(reference)
        rms = 10.0 ** min(reference_norm - 0.5 * math.log10(reference.size), 308.0)
        stages[name] = {
            "norm": norms[name],
            "gain": _difference(norms[name], norms[below]) if below else 0.0,
            "attenuation": _attenuation(norms[name], reference_norm),
            "participation": _participation(magnitude),
            # <=, so that where even the reference has underflown, nothing counts as alive
            "dead3": float(np.mean(magnitude <= 1e-3 * rms)),
            "dead6": float(np.mean(magnitude <= 1e-6 * rms)),
        }
    return stages


def _gate_metrics(gate: Gate, multipliers: Array) -> dict[str, float]:
    """Measure a gate: how open it is, how discrete its output, how much of it is stuck on the wrong side."""
    uphill = gate.objective + multipliers @ gate.constraints
    wrong = np.where(gate.output < 0.5, uphill < 0, uphill > 0)
    return {
        "slope_mean": float(gate.slope.mean()),
        "slope_max": float(gate.slope.max()),
        "slope_participation": _participation(np.abs(gate.slope)),
        "discreteness": discreteness(gate.output),
        "blocked": float(np.mean((gate.slope < DEAD_SLOPE) & wrong)),
    }


def _log_norm(vector: Array) -> float:
    """Return log10 of the Euclidean norm, safe where squares underflow; -inf for the zero vector."""
    largest = max(float(vector.max()), -float(vector.min()))
    if largest == 0.0:
        return -math.inf
    if 1e-100 < largest < 1e100:
        flat = vector.ravel()
        return 0.5 * math.log10(float(flat @ flat))
    scaled = vector.ravel() / largest
    return math.log10(largest) + 0.5 * math.log10(float(scaled @ scaled))


def _attenuation(norm: float, reference: float) -> float:
    """Return how far a norm lies below its reference: infinitely, where nothing is left of either."""
    return -math.inf if norm == -math.inf else norm - reference


def _difference(upper: float, lower: float) -> float:
    """Return the difference of two log-norms; nothing from nothing is no change, not nan."""
    return 0.0 if upper == lower else upper - lower


def _participation(magnitude: Array) -> float:
    """Return (sum |s|)^2 / (n sum s^2): 1 if all entries carry equally, 1/n if one carries all, 0 if none."""
    largest = float(magnitude.max())
    if largest == 0.0:
        return 0.0
    scaled = magnitude.ravel() / largest
    return float(scaled.sum() ** 2 / (scaled.size * (scaled @ scaled)))


def _ratio(part: Array, whole: Array) -> float:
    """Return ||part|| / ||whole||: 0 if there is no part, inf if only the whole has vanished."""
    part_norm = _log_norm(part)
    if part_norm == -math.inf:
        return 0.0
    difference = part_norm - _log_norm(whole)
    return float(10.0**difference) if difference < 300 else math.inf


def _typical_gain(s: Array, r: Array) -> float:
    """Return the median of |s_i| / |r_i| over the entries that have a reference."""
    if s is r:
        return 1.0
    alive = r != 0
    with np.errstate(over="ignore"):  # a reference of 1e-320 is nothing to divide by
        return float(np.median(np.abs(s[alive] / r[alive]))) if alive.any() else 0.0
