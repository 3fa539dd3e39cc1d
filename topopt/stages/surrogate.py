"""A projection that is sharp on the way forward and says on the way back that it is softer than it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from topopt.chain import Pullback, Stage
from topopt.parameters import Array, NonNegative, Unit
from topopt.stages.projections import Tanh

__all__ = ["Surrogate"]


@dataclass(frozen=True)
class Surrogate(Stage):
    """Tanh projection with a surrogate slope: forward at `beta`, backward the slope at `backward_beta`.

    What neural networks call a straight-through estimator: the sensitivities are biased on purpose, so that
    a design which the true slope would freeze can still move. The slope is that of the tanh projection at
    ``min(beta, backward_beta)``, so that it is exact while `beta` has not passed `backward_beta`; 0 there
    lets sensitivities pass unchanged. ``beta = inf`` is fine.

    It is a heuristic: no Taylor test is made of a chain with it, and an optimiser that checks its model of
    the objective against the objective itself refuses it.

    Parameters
    ----------
    beta : float
        Sharpness of the projection, >= 0, inf included.
    eta : float
        Threshold, 0 to 1.
    backward_beta : float
        Sharpness whose slope the sensitivities see at most, >= 0.

    References
    ----------
    Bengio, Leonard, Courville, arXiv:1308.3432 (2013), for the straight-through estimator

    Examples
    --------
    >>> import numpy as np
    >>> output, pullback = Surrogate(beta=np.inf, backward_beta=2.0).vjp(np.array([0.2, 0.8]))
    >>> output.tolist(), pullback(np.ones(2))[0].round(3).tolist()
    ([0.0, 1.0], [0.934, 0.934])
    """

    sharp: ClassVar[bool] = True
    heuristic: ClassVar[bool] = True

    beta: NonNegative
    eta: Unit = 0.5
    backward_beta: NonNegative = 8.0

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the projected field; its pullback is that of the softer projection."""
        (t,) = inputs
        output, pullback = self._forward.vjp(t)
        if self.beta > self.backward_beta:
            _, pullback = Tanh(self.backward_beta, self.eta).vjp(t)
        return output, pullback

    def derivative(self, parameter: str, *inputs: Array) -> Array | None:
        """Return the derivative of the projected field; `backward_beta` does not change it."""
        if parameter == "backward_beta":
            return np.zeros_like(inputs[0])
        return self._forward.derivative(parameter, *inputs)

    def edge_slope(self, *inputs: Array) -> float:
        """Return the true slope where the output is one half."""
        return self._forward.edge_slope(*inputs)

    @property
    def _forward(self) -> Tanh:
        """The projection."""
        return Tanh(self.beta, self.eta)
