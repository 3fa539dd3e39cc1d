"""What the log says of one iteration: how the sensitivities fared on their way to the design."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from topopt.evaluation import Bounds, Evaluation, Gate, Signals
from topopt.kernels import twin
from topopt.measures import discreteness
from topopt.parameters import Array
from topopt.threads import dot, each
from topopt.vanishing.latent import latent_residual
from topopt.vanishing.size import Size, ratio, sized, small

__all__ = ["Reading", "read"]

DEAD_SLOPE = 1e-3
"""A gate whose slope is below this counts as dead."""
TYPICAL = 200_000
"""Entries at least, regularly spaced, that the typical gain is the median of, where there are many more."""


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
    design = next(iter(signals.cotangents))
    s, r = signals.cotangents[design], signals.references[design]
    sizes = {name: sized(cotangent) for name, cotangent in signals.cotangents.items()}
    plain = {
        name: sizes[name] if reference is signals.cotangents[name] else sized(reference)
        for name, reference in signals.references.items()
    }
    stages = _stage_metrics(signals, sizes, plain)
    lagrangian = _lagrangian(multipliers, s, evaluation.rival_jacobian, evaluation.jacobian)
    rivals = signals.reference_rivals
    reference = multipliers[: len(rivals)] @ rivals if len(rivals) else r
    total = {
        **{name: stages[design][name] for name in ("attenuation", "participation", "dead3", "dead6")},
        "typical_gain": _typical_gain(s, r),
        "residual": ratio(sized(bounds.inward(x, lagrangian)), sizes[design]),
        "latent_residual": latent_residual(
            x,
            reference,
            (sized(reference) if len(rivals) else plain[design], plain[design]),
            signals.reference_constraints,
            bounds,
        ),
    }
    for name, gate in signals.gates.items():
        slope = _lagrangian(multipliers, gate.objective, gate.rivals, gate.constraints)
        stages[name] = stages.get(name, {}) | _gate_metrics(gate, slope)
        total |= {f"homotopy:{parameter}": dot(slope, tilt) for parameter, tilt in gate.tilts.items()}
        total |= {
            f"ahead:{parameter}:{factor:g}": share
            for parameter, shares in gate.ahead.items()
            for factor, share in shares.items()
        }
    total["blocked"] = max((stages[name]["blocked"] for name in signals.gates), default=0.0)
    return Reading(total, stages)


def _lagrangian(multipliers: Array, objective: Array, rivals: Array, constraints: Array) -> Array:
    """Return the Lagrangian's slope: rivals, weighted by the first multipliers, replace the objective."""
    k, slope = len(rivals), np.empty(objective.size)
    if not k and len(constraints) == 1:
        add, factor = _added.of(slope.size), float(multipliers[0])
        each(lambda at: add(objective[at], factor, constraints[0, at], slope[at]), slope.size)
        return slope

    def work(at: slice) -> None:
        own = multipliers[:k] @ rivals[:, at] if k else objective[at]
        np.add(own, multipliers[k:] @ constraints[:, at], out=slope[at])

    each(work, slope.size)
    return slope


@twin("sizes.added")
def _added(one: Array, factor: float, other: Array, out: Array) -> None:
    """Write the sum of a piece and a multiple of another."""
    np.add(one, factor * other, out=out)


def _stage_metrics(
    signals: Signals, sizes: Mapping[str, Size], plain: Mapping[str, Size]
) -> dict[str, dict[str, float]]:
    """Measure the cotangent at every name against its reference, design first; both have been sized."""
    stages: dict[str, dict[str, float]] = {}
    names = list(sizes)
    for name, below in zip(names, [*names[1:], None], strict=True):
        cotangent, reference = signals.cotangents[name].ravel(), signals.references[name]
        norm = sizes[name].log_norm
        reference_norm = plain[name].log_norm
        rms = 10.0 ** min(reference_norm - 0.5 * math.log10(reference.size), 308.0)
        # <=, so that where even the reference has underflown, nothing counts as alive
        three, six = small.of(cotangent.size)(cotangent, (1e-3 * rms, 1e-6 * rms))
        stages[name] = {
            "norm": norm,
            "gain": _difference(norm, sizes[below].log_norm) if below else 0.0,
            "attenuation": _attenuation(norm, reference_norm),
            "participation": sizes[name].participation,
            "dead3": three / cotangent.size,
            "dead6": six / cotangent.size,
        }
    return stages


def _gate_metrics(gate: Gate, uphill: Array) -> dict[str, float]:
    """Measure a gate: how open it is, how discrete its output, how much of it is stuck on the wrong side."""
    n, blocked = gate.slope.size, _blocked.of(gate.slope.size)
    largest = max(each(lambda at: float(gate.slope[at].max()), n))
    mean = sum(each(lambda at: float(gate.slope[at].sum()), n)) / n
    return {
        "slope_mean": mean,
        "slope_max": largest,
        "slope_participation": sized(gate.slope).participation,
        "discreteness": discreteness(gate.output),
        "blocked": sum(each(lambda at: blocked(gate.slope[at], gate.output[at], uphill[at], DEAD_SLOPE), n))
        / n,
    }


@twin("sizes.blocked")
def _blocked(slope: Array, output: Array, uphill: Array, dead: float) -> int:
    """Return in how many places of a piece the slope is dead while uphill leads to the other half."""
    return int(np.count_nonzero((slope < dead) & np.where(output < 0.5, uphill < 0, uphill > 0)))


def _attenuation(norm: float, reference: float) -> float:
    """Return how far a norm lies below its reference: infinitely, where nothing is left of either."""
    return -math.inf if norm == -math.inf else norm - reference


def _difference(upper: float, lower: float) -> float:
    """Return the difference of two log-norms; nothing from nothing is no change, not nan."""
    return 0.0 if upper == lower else upper - lower


def _typical_gain(s: Array, r: Array) -> float:
    """Return the median of |s_i| / |r_i| over the entries that have a reference."""
    if s is r:
        return 1.0
    step = max(1, s.size // TYPICAL)
    s, r = s[::step], r[::step]
    alive = r != 0
    with np.errstate(over="ignore"):  # a reference of 1e-320 is nothing to divide by
        gains = np.abs(s / r if alive.all() else s[alive] / r[alive])
    return float(np.median(gains, overwrite_input=True)) if gains.size else 0.0
