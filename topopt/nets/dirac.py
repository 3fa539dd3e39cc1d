"""The smallest adversarial game: a generator of one point against a critic of one slope, exactly.

The data sit at 0, the generator puts all it makes at theta, and psi x is the critic's logit of x being made.
A critic that is sure of itself is silent for the generator that minimises the critic's gain, and loud for
the one that maximises the critic's doubt: the ratio of their gradients is e**(psi theta).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from topopt.parameters import Array, NonNegative, Positive, checked

__all__ = ["DiracGan"]

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(41)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


@dataclass(frozen=True)
class DiracGan:
    """The game of Mescheder, Geiger and Nowozin.

    Parameters
    ----------
    penalty : float
        R1: half of it times the square of the critic's slope is taken from the critic's gain.
    noise : float
        Standard deviation of Gaussian noise on data and made samples alike.

    References
    ----------
    Mescheder, Geiger and Nowozin 2018, arXiv:1801.04406; the generator's two losses: Goodfellow et al. 2014,
    arXiv:1406.2661; instance noise: Sonderby et al. 2017, arXiv:1610.04490

    Examples
    --------
    >>> game = DiracGan()
    >>> print(f"{game.alternative(1.0, 40.0) / game.saturating(1.0, 40.0):.3g}")
    2.35e+17
    """

    penalty: NonNegative = 0.0
    noise: NonNegative = 0.0

    def __post_init__(self) -> None:
        """Check that numbers lie in their bounds."""
        checked(self)

    def saturating(self, theta: float, psi: float) -> float:
        """Return the derivative of the critic's gain, which the original generator minimises."""
        return psi * float(WEIGHTS @ _logistic(-psi * self._spread(theta)))

    def alternative(self, theta: float, psi: float) -> float:
        """Return the derivative of what the non-saturating generator minimises."""
        return psi * float(WEIGHTS @ _logistic(psi * self._spread(theta)))

    def critic(self, theta: float, psi: float) -> float:
        """Return the derivative of the critic's gain with respect to its slope, the penalty included."""
        made, data = self._spread(theta), self._spread(0.0)
        gain = WEIGHTS @ (made * _logistic(-psi * made) - data * _logistic(psi * data))
        return float(gain) - self.penalty * psi

    def step(self, theta: float, psi: float, rate: Positive, saturating: bool = True) -> tuple[float, float]:
        """Return generator and critic after a simultaneous step of both."""
        slope = self.saturating(theta, psi) if saturating else self.alternative(theta, psi)
        return theta - rate * slope, psi + rate * self.critic(theta, psi)

    def eigenvalues(self, rate: Positive) -> Array:
        """Return the eigenvalues of a step at the equilibrium; where their modulus exceeds 1 it runs away."""
        held = self.penalty + 0.5 * self.noise**2
        return np.linalg.eigvals(np.array([[1.0, -0.5 * rate], [0.5 * rate, 1.0 - rate * held]]))

    def _spread(self, place: float) -> Array:
        """Return where noise puts what sits at a place, at the nodes of the quadrature."""
        return place + self.noise * NODES


def _logistic(z: Array) -> Array:
    """Return 1 / (1 + exp(-z)), not rounded to nothing where it has died."""
    q = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, q) / (1.0 + q)
