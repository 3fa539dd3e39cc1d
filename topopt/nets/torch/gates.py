"""The sharp gate of the nets in numpy, as a torch module: the same slope, exact however far it has died."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["SignGate", "steepness"]


class SignGate(nn.Module):
    """``tanh(beta z)``, the sign at ``beta = inf``; its pullback may be that of a softer gate.

    Parameters
    ----------
    beta : float
        Sharpness; a continuation schedules it as ``<name of the part>.beta``.
    backward_beta : float
        Sharpness whose slope the sensitivities see at most; 0 lets them pass as they are, inf makes it a
        plain gate.

    Attributes
    ----------
    bypassed : bool
        Whether sensitivities pass as they are for now: what `TorchModel` measures its references with.
    calls : list of pairs of Tensor, or None
        What came in and what went out, call by call; None while nobody watches.
    """

    def __init__(self, beta: float = 1.0, backward_beta: float = math.inf) -> None:
        """Remember the sharpness."""
        super().__init__()
        self.beta, self.backward_beta, self.bypassed = float(beta), float(backward_beta), False
        self.calls: list[tuple[Tensor, Tensor]] | None = None

    def slope(self, z: Any, factor: float = 1.0) -> Any:
        """Return the slope that sensitivities see, with the sharpness times a factor.

        Parameters
        ----------
        z : array or Tensor
            What comes in.
        factor : float
            On both sharpnesses.
        """
        if self.beta > self.backward_beta == 0:
            return z * 0.0 + 1.0
        return steepness(factor * min(self.beta, self.backward_beta), z)

    def forward(self, z: Tensor) -> Tensor:
        """Return the gate's output."""
        output: Tensor = _Sign.apply(z, self)
        if self.calls is not None:
            self.calls.append((z.detach(), output.detach().clone()))  # what comes next may work in place
        return output


class _Sign(torch.autograd.Function):
    """The map with its pullback, which asks the gate at the time whether it is bypassed."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, gate: SignGate) -> Tensor:
        """Return tanh(beta z)."""
        ctx.save_for_backward(z)
        ctx.gate = gate
        if math.isinf(gate.beta):
            return torch.where(z < 0, -1.0, 1.0).to(z.dtype)
        return torch.tanh(gate.beta * z)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Return the costate in front of the gate."""
        (z,) = ctx.saved_tensors
        return grads[0] if ctx.gate.bypassed else grads[0] * ctx.gate.slope(z), None


def steepness(beta: float, z: Any) -> Any:
    """Return the slope of tanh(beta z), an array or a tensor, not rounded to nothing where it has died.

    Parameters
    ----------
    beta : float
        Sharpness; at 0 and at inf nothing passes.
    z : array or Tensor
        What comes in.
    """
    if math.isinf(beta):
        return z * 0.0
    q = torch.exp(-2.0 * beta * abs(z)) if isinstance(z, Tensor) else np.exp(-2.0 * beta * abs(z))
    return beta * 4.0 * q / (1.0 + q) ** 2
