"""How large a long vector is, what of it is dead, and how far its descent could go, in one pass each."""

from __future__ import annotations

import numpy as np

from topopt.kernels.compiled import kernel, plain
from topopt.parameters import Array
from topopt.threads import each

__all__ = [
    "added",
    "blocked",
    "latent",
    "multiple",
    "silence",
    "sized",
    "small",
    "stepped",
    "unblocked",
    "within",
]


def sized(vector: Array) -> list[tuple[float, float, float]]:
    """Return, piece by piece, the largest magnitude and in its unit the sums of magnitudes and of squares."""
    return each(lambda at: _sized(vector[at]), vector.size)


def small(vector: Array, limits: tuple[float, float]) -> tuple[int, int]:
    """Return how many entries are at most as large as each limit."""
    counts = each(lambda at: _small(vector[at], *limits), vector.size)
    return sum(one for one, _ in counts), sum(other for _, other in counts)


def latent(
    fields: tuple[Array, ...], rows: Array, units: tuple[float, Array], tried: Array, near: float
) -> tuple[float, Array, Array]:
    """Return the squared length of a descent's unblocked part, and the normal equation of its multiplier.

    Parameters
    ----------
    fields : tuple of array, each of shape (n,)
        The design, its bounds and the objective's derivatives.
    rows : array, shape (1, n)
        Derivatives of the one constraint.
    units : tuple of float and array of shape (1, 1)
        What the derivatives of the objective and of the constraint are divided by.
    tried : array, shape (1,)
        The multiplier.
    near : float
        Share of its range at which a variable lies on a bound, see `Bounds.inward`.
    """
    x, lower, upper, objective = fields
    row, unit, row_unit, multiplier = rows[0], units[0], float(units[1][0, 0]), float(tried[0])

    def work(at: slice) -> tuple[float, float, float]:
        pieces = (x[at], lower[at], upper[at], objective[at], row[at])
        return _latent(*pieces, unit, row_unit, multiplier, near)

    sums = each(work, x.size)
    square, stiffness, force = (sum(s[k] for s in sums) for k in range(3))
    return square, np.array([[stiffness]]), np.array([force])


@plain
def within(x: Array, lower: Array, upper: Array) -> bool:
    """Tell whether all entries of a piece lie within bounds that are finite."""
    outside = 0
    for j in range(x.size):
        fits = (-np.inf < lower[j]) & (lower[j] <= x[j]) & (x[j] <= upper[j]) & (upper[j] < np.inf)
        outside += not fits
    return outside == 0


@kernel
def _sized(vector: Array) -> tuple[float, float, float]:
    """Do a piece."""
    largest = _largest(vector)
    if largest == 0.0:
        return 0.0, 0.0, 0.0
    total, square = 0.0, 0.0
    for j in range(vector.size):
        magnitude = abs(vector[j]) / largest
        total += magnitude
        square += magnitude * magnitude
    return largest, total, square


@kernel
def _largest(vector: Array) -> float:
    """Return the largest magnitude, nan apart; four at a time, since one would wait for the one before."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = vector.size - vector.size % 4
    for j in range(0, whole, 4):
        p, q, r, s = abs(vector[j]), abs(vector[j + 1]), abs(vector[j + 2]), abs(vector[j + 3])
        a, b, c, d = p if p > a else a, q if q > b else b, r if r > c else c, s if s > d else d
    for j in range(whole, vector.size):
        p = abs(vector[j])
        a = p if p > a else a
    return max(max(a, b), max(c, d))


@kernel
def _small(vector: Array, limit: float, lower: float) -> tuple[int, int]:
    """Do a piece."""
    one, other = 0, 0
    for j in range(vector.size):
        one += abs(vector[j]) <= limit
        other += abs(vector[j]) <= lower
    return one, other


@kernel
def _latent(
    x: Array,
    lower: Array,
    upper: Array,
    reference: Array,
    row: Array,
    unit: float,
    row_unit: float,
    tried: float,
    near: float,
) -> tuple[float, float, float]:
    """Do a piece."""
    square, stiffness, force = 0.0, 0.0, 0.0
    for j in range(x.size):
        r, part = reference[j] / unit, row[j] / row_unit
        slope = r + tried * part
        close = near * (upper[j] - lower[j])
        low = (x[j] <= lower[j] + close) & (slope > 0.0)
        high = (x[j] >= upper[j] - close) & (slope < 0.0)
        free = 0.0 if low | high else 1.0
        square += free * slope * slope
        stiffness += free * part * part
        force += free * part * r
    return square, stiffness, force


@kernel
def blocked(slope: Array, output: Array, uphill: Array, dead: float) -> int:
    """Return in how many places of a piece the slope is dead while uphill leads to the other half.

    Parameters
    ----------
    slope, output : array, shape (n,)
        Of a gate.
    uphill : array, shape (n,)
        The slope of what is lowered by the output.
    dead : float
        Below which a slope is dead.
    """
    count = 0
    for j in range(slope.size):
        count += (slope[j] < dead) & ((uphill[j] < 0.0) if output[j] < 0.5 else (uphill[j] > 0.0))
    return count


@kernel
def silence(vector: Array, floor: float) -> None:
    """Set to 0, in place, what is smaller in a piece than the floor."""
    for j in range(vector.size):
        vector[j] = 0.0 if abs(vector[j]) < floor else vector[j]


@plain
def unblocked(x: Array, lower: Array, upper: Array, direction: Array, near: float, out: Array) -> None:
    """Write what `Bounds.inward` says of a piece; all arrays have shape (n,).

    Parameters
    ----------
    x, lower, upper : array
        The design and its bounds.
    direction : array
        Of steepest ascent.
    near : float
        Share of its range at which a variable lies on a bound.
    out : array
        Is written.
    """
    for j in range(x.size):
        close = near * (upper[j] - lower[j])
        low = (x[j] <= lower[j] + close) & (direction[j] > 0.0)
        high = (x[j] >= upper[j] - close) & (direction[j] < 0.0)
        out[j] = 0.0 if low | high else direction[j]


@plain
def added(one: Array, factor: float, other: Array, out: Array) -> None:
    """Write the sum of a piece and a multiple of another; all arrays have shape (n,)."""
    for j in range(one.size):
        out[j] = one[j] + factor * other[j]


@plain
def multiple(vector: Array, of: Array, factor: float, slack: float) -> bool:
    """Tell whether a piece is a multiple of another; both have shape (n,).

    Parameters
    ----------
    vector, of : array
        The one and the other.
    factor : float
        How many times the other.
    slack : float
        What counts as rounding, as a share of an entry.
    """
    same = True
    for j in range(vector.size):
        same &= abs(vector[j] - factor * of[j]) <= slack * abs(vector[j])
    return same


@kernel
def stepped(x: Array, following: Array, lower: Array, upper: Array, gradient: Array) -> tuple[float, float]:
    """Return the largest move in a piece, as a share of the range, and what the gradient predicts of it.

    Parameters
    ----------
    x, following : array, shape (n,)
        A design and the next.
    lower, upper : array, shape (n,)
        Their bounds.
    gradient : array, shape (n,)
        Of what is lowered, at the design.
    """
    largest, gain = 0.0, 0.0
    for j in range(x.size):
        move, width = following[j] - x[j], upper[j] - lower[j]
        share = abs(move) / (width if width > 0.0 else 1.0)
        largest = share if share > largest else largest
        gain += gradient[j] * move
    return largest, gain
