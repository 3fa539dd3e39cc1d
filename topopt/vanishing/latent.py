"""How far a design is from done for all that would arrive if no gate were in the way."""

from __future__ import annotations

import math

import numpy as np

from topopt.evaluation import AT_BOUND, Bounds, unblocked
from topopt.kernels import twin
from topopt.parameters import Array
from topopt.threads import each
from topopt.vanishing.size import Size, power, sized

__all__ = ["latent_residual"]

NEWTON = 12
"""Most Newton steps for the multipliers of the latent residual; three or four do."""
NEGLIGIBLE = 0.01
"""Relative change of these multipliers after which there is no other step."""


def latent_residual(
    x: Array, reference: Array, sizes: tuple[Size, Size], rows: Array, bounds: Bounds
) -> float:
    """Return the smallest residual of the reference sensitivities that multipliers can give, as a share.

    The sizes are those of the reference and of the whole, which is the objective's reference, the worst one's
    where there are rivals: their weighted sum, which stands in the Lagrangian, may vanish where they balance.

    The squared residual is convex in the multipliers and quadratic between the values at which a variable
    leaves its bound or comes to it, so that a few Newton steps, halved where they lead too far, end near it.

    Parameters
    ----------
    x, reference : array, shape (n,)
        The design, and the derivatives that would arrive of what is lowered.
    sizes : tuple of Size
        Of `reference` and of the whole.
    rows : array, shape (m, n)
        The derivatives that would arrive of the constraints.
    bounds : Bounds
        Of the design.
    """
    largest = sizes[0].largest
    if largest == 0.0:
        return 1.0  # not done for all that is known
    units = np.array([sized(row).largest for row in rows])
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
    return power(math.log10(largest) + 0.5 * math.log10(best) - sizes[1].log_norm) if best else 0.0


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
