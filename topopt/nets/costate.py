"""The costate of a long path, renormalised at every step: its logarithm knows what no float can hold.

``l_k = (df_k / dx_k)^T l_(k+1)`` is back-propagation and the adjoint of optimal control. On a path of 50,000
steps its norm may end at 10**-14,000; what is kept is the direction and the logarithm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from topopt.parameters import Array

__all__ = ["Path", "followed"]


@dataclass(frozen=True, eq=False)
class Path:
    """How a costate fared on its way back.

    Attributes
    ----------
    log_norms : array, shape (steps + 1,)
        log10 of its norm at every state, the first state first; -inf where nothing is left.
    direction : array
        The costate of the first state, of norm 1.
    """

    log_norms: Array
    direction: Array

    @property
    def rate(self) -> float:
        """What the logarithm (base e) gains a step on the way back, by least squares.

        For a long path of a stationary system this is its largest Lyapunov exponent.
        """
        k = np.arange(self.log_norms.size)
        slope = np.polynomial.polynomial.polyfit(k, self.log_norms, 1)[1]
        return -float(slope) * math.log(10.0)

    @property
    def lost(self) -> float:
        """How many decades are lost between the last state and the first."""
        return float(self.log_norms[-1] - self.log_norms[0])


def followed(seed: Array, pullbacks: Iterable[Callable[[Array], Array]]) -> Path:
    """Follow a costate from the last state to the first.

    Parameters
    ----------
    seed : array
        Costate of the last state.
    pullbacks : iterable of callable
        From the costate behind a step to the one in front of it, the last step first. They are linear.

    Examples
    --------
    A single unit with weight one half: ln(1/2) a step, however long the path.

    >>> path = followed(np.ones(1), (lambda v: 0.5 * v for _ in range(100_000)))
    >>> print(round(path.rate, 6), round(path.lost))
    -0.693147 30103
    """
    length = float(np.linalg.norm(seed))
    log_norms = [_log10(length)]
    direction = seed / length if length else seed
    for pullback in pullbacks:
        direction = pullback(direction)
        # twice, since squares underflow where the entries do not
        largest = float(np.abs(direction).max())
        if largest:
            direction = direction / largest
            length = float(np.linalg.norm(direction))
            direction /= length
            log_norms.append(log_norms[-1] + math.log10(largest) + math.log10(length))
        else:
            log_norms.append(-math.inf)
    return Path(np.array(log_norms[::-1]), direction)


def _log10(value: float) -> float:
    """Return the logarithm, -inf of nothing."""
    return math.log10(value) if value > 0 else -math.inf
