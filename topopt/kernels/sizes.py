"""How large the entries of a long vector are, and how far its descent could still go, in one pass each."""

from __future__ import annotations

from topopt.kernels.compiled import kernel
from topopt.parameters import Array
from topopt.threads import each

__all__ = ["latent", "sized", "small"]


def sized(vector: Array) -> list[tuple[float, float, float]]:
    """Return, piece by piece, the largest magnitude and in its unit the sums of magnitudes and of squares."""
    return each(lambda at: _sized(vector[at]), vector.size)


def small(vector: Array, limits: tuple[float, float]) -> tuple[int, int]:
    """Return how many entries are at most as large as each limit."""
    counts = each(lambda at: _small(vector[at], *limits), vector.size)
    return sum(one for one, _ in counts), sum(other for _, other in counts)


def latent(
    fields: tuple[Array, Array, Array, Array, Array], units: tuple[float, float], tried: float, near: float
) -> tuple[float, float, float]:
    """Return the squared length of a descent's unblocked part, and the normal equation of its multiplier.

    Parameters
    ----------
    fields : tuple of array, each of shape (n,)
        The design, its bounds, the objective's derivatives and those of the one constraint.
    units : tuple of float
        What the derivatives of the objective and of the constraint are divided by.
    tried : float
        The multiplier.
    near : float
        Share of its range at which a variable lies on a bound, see `Bounds.inward`.
    """
    x, lower, upper, objective, constraint = fields

    def work(at: slice) -> tuple[float, float, float]:
        pieces = (x[at], lower[at], upper[at], objective[at], constraint[at])
        return _latent(*pieces, *units, tried, near)

    sums = each(work, x.size)
    return sum(s[0] for s in sums), sum(s[1] for s in sums), sum(s[2] for s in sums)


@kernel
def _sized(vector: Array) -> tuple[float, float, float]:
    """Do a piece."""
    largest = 0.0
    for j in range(vector.size):
        magnitude = abs(vector[j])
        largest = magnitude if magnitude > largest else largest
    if largest == 0.0:
        return 0.0, 0.0, 0.0
    total, square = 0.0, 0.0
    for j in range(vector.size):
        magnitude = abs(vector[j]) / largest
        total += magnitude
        square += magnitude * magnitude
    return largest, total, square


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
