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
UNRESOLVED = 0.063
"""Cells across an interface below which the alarm rings.

A fifth below what the grid resolves, `RESOLVED`: where a guard holds the width there, the design trembles on.
"""
OPEN = 0.6
"""A latent residual above this says that the design is far from done.

It tells a death that matters from one that does not: where a design has become black and white on a good
path, its sensitivities die as well. Measured on the MBB beam (60 x 20 and 120 x 40 cells, volume .5 and .3)
and the cantilever (60 x 30) at the end: at most .54 where the black-and-white design came within 1 % of the
best known, however sharp the projection (64 or 512); .62 to .88 where it was 30 % off or more after a freeze
or a concentration; and in such a run .7 to 1 within ten iterations of the start.
"""
SHATTERED = 0.3
"""A relative rise of the objective above that of a formed design that counts as a blow-up.

Measured on the same runs and the L-bracket: at most .26 where it ended within 1 % of the best, at least .9
where "50 soft iterations, then 64 or 512" left it 18 % off or more. In the first iteration after a sharpening
the objective even falls; the steps that follow are what shatters, up to eight of them.
"""
FORMED = 0.02
"""Non-discreteness below which a design has formed, and a rise of its objective means something."""
FEASIBLE = 0.02
"""The same for its violation."""
NEWTON = 12
"""Most Newton steps for the multipliers of the latent residual; three or four do."""
NEGLIGIBLE = 0.01
"""Relative change of these multipliers after which there is no other step."""
WINDOW = 10
"""Iterations for which a formed design is remembered, and a change of parameters held responsible."""

ALARMS: Mapping[str, str] = {
    "freeze": "more than 99 % of the sensitivities are dead: nothing can move, and the design is not done",
    "concentration": "a few variables carry the whole sensitivity, the others are dead",
    "blow-up": "a black-and-white design was shattered: its objective rose far above what it had been",
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
        Of the constraints, so that the Lagrangian is objective + multipliers . constraints; before them,
        where there are rivals, the weights of these, which take the objective's place in it.
    bounds : Bounds
        Of the design.

    Returns
    -------
    Reading
        `total` holds, for the design: `attenuation` (log10 of ||s||/||r||), `typical_gain` (median of
        |s_i|/|r_i|), `participation`, `dead3`, `dead6`, `residual`, `latent_residual`; over all gates:
        `blocked`; and `homotopy:<parameter>`, the slope of the Lagrangian along a scheduled parameter, and
        `ahead:<parameter>:<factor>`, the share of the sensitivity that a sharper gate would let survive.
        Here s is the true and r the reference sensitivity, in which every gate is the identity. The latent
        residual has its own multipliers, those that make it smallest: the optimiser's mean nothing where what
        it was told is dead (up to 1e130 was seen).
    """
    signals = evaluation.signals
    if signals is None:
        return Reading({}, {})
    stages = _stage_metrics(signals)
    design = next(iter(signals.cotangents))
    s, r = signals.cotangents[design], signals.references[design]
    lagrangian = _lagrangian(multipliers, s, evaluation.rival_jacobian, evaluation.jacobian)
    rivals = signals.reference_rivals
    reference = multipliers[: len(rivals)] @ rivals if len(rivals) else r
    total = {
        **{name: stages[design][name] for name in ("attenuation", "participation", "dead3", "dead6")},
        "typical_gain": _typical_gain(s, r),
        "residual": _ratio(bounds.inward(x, lagrangian), s),
        "latent_residual": _latent_residual(x, reference, r, signals.reference_constraints, bounds),
    }
    for name, gate in signals.gates.items():
        stages[name] = stages.get(name, {}) | _gate_metrics(gate, multipliers)
        slope = _lagrangian(multipliers, gate.objective, gate.rivals, gate.constraints)
        total |= {f"homotopy:{parameter}": float(slope @ tilt) for parameter, tilt in gate.tilts.items()}
        total |= {
            f"ahead:{parameter}:{factor:g}": share
            for parameter, shares in gate.ahead.items()
            for factor, share in shares.items()
        }
    total["blocked"] = max((stages[name]["blocked"] for name in signals.gates), default=0.0)
    return Reading(total, stages)


def alarms(
    reading: Reading, measures: Mapping[str, float], objective: float | None, history: History
) -> tuple[str, ...]:
    """Return the names of the alarms that ring (the thresholds were calibrated on good and failed runs).

    Parameters
    ----------
    reading : Reading
        Of this iteration.
    measures : mapping
        Of this iteration; `interface` (cells across the projection's interface) is looked at if given.
    objective : float or None
        Of this iteration; None if the optimiser refused the design.
    history : History
        The log before this iteration.
    """
    total, ringing = reading.total, []
    if total and total["latent_residual"] > OPEN:
        if total["dead3"] > 0.99:
            ringing.append("freeze")
        if 0.0 < total["participation"] < 0.05 and total["dead3"] > 0.8:
            ringing.append("concentration")
        if total["residual"] < 0.05:
            ringing.append("masked")
    if objective is not None and _shattered(objective, history):
        ringing.append("blow-up")
    if measures.get("interface", math.inf) < UNRESOLVED:
        ringing.append("unresolved")
    return tuple(ringing)


def _shattered(objective: float, history: History) -> bool:
    """Return whether the objective rose far above that of a formed design not long ago."""
    formed = [
        it.objective
        for it in history[-WINDOW:]
        if it.measures.get("discreteness", 1.0) < FORMED and it.violation <= FEASIBLE and not it.refused
    ]
    best = min(formed, default=math.inf)
    return objective > best + SHATTERED * abs(best)


def _lagrangian(multipliers: Array, objective: Array, rivals: Array, constraints: Array) -> Array:
    """Return the Lagrangian's slope: rivals, weighted by the first multipliers, replace the objective."""
    k = len(rivals)
    slope = multipliers[:k] @ rivals if k else objective
    return np.asarray(slope + multipliers[k:] @ constraints)


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
    uphill = _lagrangian(multipliers, gate.objective, gate.rivals, gate.constraints)
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


def _latent_residual(x: Array, reference: Array, whole: Array, rows: Array, bounds: Bounds) -> float:
    """Return the smallest residual of the reference sensitivities that multipliers can give, as a share.

    The whole is the reference of the objective, of the worst where there are rivals: their weighted sum,
    which stands in the Lagrangian, may vanish where they balance.

    The squared residual is convex in the multipliers and quadratic between the values at which a variable
    leaves its bound or comes to it, so that a few Newton steps, halved where they lead too far, end near it.
    """
    largest = float(np.abs(reference).max())
    if largest == 0.0:
        return 1.0  # not done for all that is known
    r = reference / largest
    sizes = np.abs(rows).max(axis=1, initial=0.0)
    rows = rows[sizes > 0] / sizes[sizes > 0, None]
    at = tried = np.zeros(len(rows))
    best = math.inf
    for _ in range(NEWTON):
        slope = r + tried @ rows
        free = bounds.inward(x, slope)
        square = float(free @ free)
        if square < best:
            best, at = square, tried
            part = np.where((free != 0.0) | (slope == 0.0), rows, 0.0)
            tried = np.maximum(np.linalg.lstsq(part @ rows.T, -part @ r, rcond=None)[0], 0.0)
        else:
            tried = 0.5 * (at + tried)
        if np.allclose(tried, at, rtol=NEGLIGIBLE, atol=0.0):
            break
    return _ratio(np.array([math.sqrt(best)]), whole / largest)


def _typical_gain(s: Array, r: Array) -> float:
    """Return the median of |s_i| / |r_i| over the entries that have a reference."""
    if s is r:
        return 1.0
    alive = r != 0
    with np.errstate(over="ignore"):  # a reference of 1e-320 is nothing to divide by
        return float(np.median(np.abs(s[alive] / r[alive]))) if alive.any() else 0.0
