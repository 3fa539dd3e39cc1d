"""From cotangents to numbers: when is a sensitivity dead, where did it die, and which alarm should ring."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from topopt.evaluation import AT_BOUND, Bounds, Evaluation, Gate, Signals, unblocked
from topopt.history import History
from topopt.kernels import twin
from topopt.measures import discreteness
from topopt.parameters import Array
from topopt.threads import each, summed

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
FEW = 0.8
"""Share of dead sensitivities above which the few that are left are too few."""
FAR = 0.9
"""A latent residual above which a smaller share will do, `FEW_FAR`: nearly all is still to be done.

Measured on the studies beta_full and beta_large: so it rings within ten iterations also for "abrupt 64" on
the wing's rib, which ends at twice the best, and for no other run that it had not rung for but a fixed
sharpness of 8 on the stressed bracket, 5 % off.
"""
FEW_FAR = 0.6
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
TYPICAL = 200_000
"""Entries at least, regularly spaced, that the typical gain is the median of, where there are many more."""
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
    design = next(iter(signals.cotangents))
    s, r = signals.cotangents[design], signals.references[design]
    sizes = {name: _sized(cotangent) for name, cotangent in signals.cotangents.items()}
    plain = {
        name: sizes[name] if reference is signals.cotangents[name] else _sized(reference)
        for name, reference in signals.references.items()
    }
    stages = _stage_metrics(signals, sizes, plain)
    lagrangian = _lagrangian(multipliers, s, evaluation.rival_jacobian, evaluation.jacobian)
    rivals = signals.reference_rivals
    reference = multipliers[: len(rivals)] @ rivals if len(rivals) else r
    total = {
        **{name: stages[design][name] for name in ("attenuation", "participation", "dead3", "dead6")},
        "typical_gain": _typical_gain(s, r),
        "residual": _ratio(_sized(bounds.inward(x, lagrangian)), sizes[design]),
        "latent_residual": _latent_residual(
            x,
            reference,
            (_sized(reference) if len(rivals) else plain[design], plain[design]),
            signals.reference_constraints,
            bounds,
        ),
    }
    for name, gate in signals.gates.items():
        slope = _lagrangian(multipliers, gate.objective, gate.rivals, gate.constraints)
        stages[name] = stages.get(name, {}) | _gate_metrics(gate, slope)
        total |= {f"homotopy:{parameter}": summed(slope, tilt) for parameter, tilt in gate.tilts.items()}
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
        few = FEW_FAR if total["latent_residual"] > FAR else FEW
        if 0.0 < total["participation"] < 0.05 and total["dead3"] > few:
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
    signals: Signals, sizes: Mapping[str, _Size], plain: Mapping[str, _Size]
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
        three, six = _small.of(cotangent.size)(cotangent, (1e-3 * rms, 1e-6 * rms))
        stages[name] = {
            "norm": norm,
            "gain": _difference(norm, sizes[below].log_norm) if below else 0.0,
            "attenuation": _attenuation(norm, reference_norm),
            "participation": sizes[name].participation,
            "dead3": three / cotangent.size,
            "dead6": six / cotangent.size,
        }
    return stages


@twin("sizes.small")
def _small(vector: Array, limits: tuple[float, float]) -> tuple[int, int]:
    """Return how many entries are at most as large as each limit."""
    magnitude = np.abs(vector)
    counts = [int(np.count_nonzero(magnitude <= limit)) for limit in limits]
    return counts[0], counts[1]


def _gate_metrics(gate: Gate, uphill: Array) -> dict[str, float]:
    """Measure a gate: how open it is, how discrete its output, how much of it is stuck on the wrong side."""
    n, blocked = gate.slope.size, _blocked.of(gate.slope.size)
    largest = max(each(lambda at: float(gate.slope[at].max()), n))
    mean = sum(each(lambda at: float(gate.slope[at].sum()), n)) / n
    return {
        "slope_mean": mean,
        "slope_max": largest,
        "slope_participation": _sized(gate.slope).participation,
        "discreteness": discreteness(gate.output),
        "blocked": sum(each(lambda at: blocked(gate.slope[at], gate.output[at], uphill[at], DEAD_SLOPE), n))
        / n,
    }


@twin("sizes.blocked")
def _blocked(slope: Array, output: Array, uphill: Array, dead: float) -> int:
    """Return in how many places of a piece the slope is dead while uphill leads to the other half."""
    return int(np.count_nonzero((slope < dead) & np.where(output < 0.5, uphill < 0, uphill > 0)))


@dataclass(frozen=True)
class _Size:
    """How large a vector is: its largest entry, and in units of that the sums of entries and of squares."""

    n: int
    largest: float
    total: float
    square: float

    @property
    def log_norm(self) -> float:
        """Return log10 of the Euclidean norm; -inf for the zero vector."""
        return math.log10(self.largest) + 0.5 * math.log10(self.square) if self.largest else -math.inf

    @property
    def participation(self) -> float:
        """Return (sum |s|)^2 / (n sum s^2): 1 if all entries carry equally, 1/n if one does, 0 if none."""
        return self.total**2 / (self.n * self.square) if self.largest else 0.0


def _sized(vector: Array) -> _Size:
    """Measure a vector in one pass, safe where squares underflow."""
    flat = vector.ravel()
    parts = _parts.of(flat.size)(flat)
    largest = max(part[0] for part in parts)
    if largest == 0.0:
        return _Size(flat.size, 0.0, 0.0, 0.0)
    total = sum(part[0] / largest * part[1] for part in parts)
    square = sum((part[0] / largest) ** 2 * part[2] for part in parts)
    return _Size(flat.size, largest, total, square)


@twin("sizes.sized")
def _parts(vector: Array) -> list[tuple[float, float, float]]:
    """Return, piece by piece, the largest magnitude and in its unit the sums of magnitudes and of squares."""
    magnitude = np.abs(vector)
    largest = float(magnitude.max())
    if largest == 0.0:
        return [(0.0, 0.0, 0.0)]
    magnitude /= largest
    return [(largest, float(magnitude.sum()), float(magnitude @ magnitude))]


def _attenuation(norm: float, reference: float) -> float:
    """Return how far a norm lies below its reference: infinitely, where nothing is left of either."""
    return -math.inf if norm == -math.inf else norm - reference


def _difference(upper: float, lower: float) -> float:
    """Return the difference of two log-norms; nothing from nothing is no change, not nan."""
    return 0.0 if upper == lower else upper - lower


def _ratio(part: _Size, whole: _Size) -> float:
    """Return ||part|| / ||whole||: 0 if there is no part, inf if only the whole has vanished."""
    return 0.0 if part.log_norm == -math.inf else _power(part.log_norm - whole.log_norm)


def _power(decades: float) -> float:
    """Return 10 to a power, inf where that is too large."""
    return float(10.0**decades) if decades < 300 else math.inf


def _latent_residual(
    x: Array, reference: Array, sizes: tuple[_Size, _Size], rows: Array, bounds: Bounds
) -> float:
    """Return the smallest residual of the reference sensitivities that multipliers can give, as a share.

    The sizes are those of the reference and of the whole, which is the objective's reference, the worst one's
    where there are rivals: their weighted sum, which stands in the Lagrangian, may vanish where they balance.

    The squared residual is convex in the multipliers and quadratic between the values at which a variable
    leaves its bound or comes to it, so that a few Newton steps, halved where they lead too far, end near it.
    """
    largest = sizes[0].largest
    if largest == 0.0:
        return 1.0  # not done for all that is known
    units = np.array([_sized(row).largest for row in rows])
    alive = units > 0
    rows, units = (rows if alive.all() else rows[alive]), units[alive, None]

    measured, fields = _latent.of(x.size, fits=len(rows) == 1), (x, bounds.lower, bounds.upper, reference)
    at = tried = np.zeros(len(units))
    best = math.inf
    for _ in range(NEWTON):
        square, matrix, target = measured(fields, rows, (largest, units), tried, AT_BOUND)
        if square < best:
            best, at = square, tried
            tried = np.maximum(np.linalg.lstsq(matrix, -target, rcond=None)[0], 0.0)
        else:
            tried = 0.5 * (at + tried)
        if (np.abs(tried - at) <= NEGLIGIBLE * np.abs(at)).all():
            break
    return _power(math.log10(largest) + 0.5 * math.log10(best) - sizes[1].log_norm) if best else 0.0


@twin("sizes.latent")
def _latent(
    fields: tuple[Array, ...], rows: Array, units: tuple[float, Array], tried: Array, near: float
) -> tuple[float, Array, Array]:
    """Return the squared residual at multipliers, and the matrix and right side of their normal equations."""
    x, lower, upper, reference = fields
    r, part = reference / units[0], rows / units[1]
    slope = r + tried @ part
    free, write = np.empty(slope.size), unblocked.of(slope.size)
    each(lambda at: write(x[at], lower[at], upper[at], slope[at], near, free[at]), slope.size)
    part = np.where((free != 0.0) | (slope == 0.0), part, 0.0)
    return float(free @ free), part @ part.T, part @ r


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
