"""Gradients through paths of any length: the costate is handed from segment to segment, renormalised.

The memory is that of one segment; the costate's logarithm is kept, since no float holds what is left after
50,000 steps of a default net.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from topopt.errors import InputError
from topopt.nets.costate import Path
from topopt.parameters import Array

__all__ = ["Adjoint", "segmented_adjoint"]


@dataclass(frozen=True, eq=False)
class Adjoint:
    """The way back through a long path.

    Attributes
    ----------
    loss : float
        At the end of the path.
    gradient : dict of str to array
        Of the loss, by name of the module's weight. What lies below the smallest float is 0 in it.
    path : Path
        The costate's logarithm at the first state of every segment and at the last state.
    steps : array of int
        At which states these are.
    """

    loss: float
    gradient: dict[str, Array]
    path: Path
    steps: Array

    @property
    def rate(self) -> float:
        """What the logarithm (base e) gains a step on the way back."""
        slope = np.polynomial.polynomial.polyfit(self.steps, self.path.log_norms, 1)[1]
        return -float(slope) * math.log(10.0)


def segmented_adjoint(
    module: nn.Module,
    drives: Tensor,
    loss: Callable[[Tensor], Tensor],
    state: Any = None,
    segment: int = 100,
) -> Adjoint:
    """Follow a costate back through a recurrent module, and sum the gradient of its weights.

    Parameters
    ----------
    module : torch.nn.Module
        Maps drives and a state to outputs and the next state, as `torch.nn.RNN`, `torch.nn.LSTM` (batch
        second) and `Stepped` do.
    drives : Tensor, shape (steps, batch, features)
        The inputs.
    loss : callable
        From the last output, shape (batch, units), to a scalar; it may have weights of its own.
    state : optional
        The first state; at rest if left out.
    segment : int
        Steps between two states that are kept. Within one the costate must not underflow: in float32 a
        default net loses all in 130 steps.

    Raises
    ------
    InputError
        If the path has no steps, or a costate vanishes within a segment.

    References
    ----------
    Griewank and Walther 2008, Evaluating Derivatives, doi:10.1137/1.9780898717761, chapter 12
    """
    if segment < 1 or drives.ndim < 2 or len(drives) == 0:
        raise InputError(
            f"segmented_adjoint: {tuple(drives.shape)} drives give no segments of {segment} steps"
        )
    starts = list(range(0, len(drives), segment))
    kept, last, like = _forward(module, drives, state, starts, segment)
    weights = {name: weight for name, weight in module.named_parameters() if weight.requires_grad}
    gradient = {name: torch.zeros_like(weight) for name, weight in weights.items()}

    end = last.detach().requires_grad_()
    value = loss(end)
    (seed,) = torch.autograd.grad(value, end)
    size = float(seed.double().norm())
    log_norms, scale = [math.log10(size) if size else -math.inf], size
    costate: tuple[Tensor, ...] | None = None
    for start, begin in zip(reversed(starts), reversed(kept), strict=True):
        state_in = tuple(tensor.detach().requires_grad_() for tensor in begin)
        outputs, state_out = module(drives[start : start + segment], _packed(state_in, like))
        ends: tuple[Tensor, ...] = (outputs[-1],) if costate is None else _tensors(state_out)
        arriving = (seed / size if size else seed,) if costate is None else costate
        found = torch.autograd.grad(ends, (*state_in, *weights.values()), arriving, allow_unused=True)
        for name, part in zip(weights, found[len(state_in) :], strict=True):
            if part is not None:
                gradient[name] += scale * part
        behind = found[: len(state_in)]
        passed = [
            torch.zeros_like(s) if part is None else part for s, part in zip(state_in, behind, strict=True)
        ]
        left = math.sqrt(sum(float(part.double().square().sum()) for part in passed))
        if left == 0.0 and size:
            raise InputError(
                f"segmented_adjoint: nothing is left of the costate within the {segment} steps from "
                f"{start} on ({drives.dtype}); take shorter segments or float64"
            )
        costate = tuple(part / left if left else part for part in passed)
        log_norms.append(log_norms[-1] + (math.log10(left) if left else -math.inf))
        scale *= left
    direction = np.concatenate([_flat(part) for part in costate or ()])
    path = Path(np.array(log_norms[::-1]), direction)
    arrays = {name: part.double().cpu().numpy() for name, part in gradient.items()}
    return Adjoint(float(value.detach()), arrays, path, np.array([*starts, len(drives)]))


def _forward(
    module: nn.Module, drives: Tensor, state: Any, starts: list[int], segment: int
) -> tuple[list[tuple[Tensor, ...]], Tensor, Any]:
    """Return the states in front of every segment, the last output and the last state."""
    kept: list[tuple[Tensor, ...]] = []
    with torch.no_grad():
        for start in starts:
            part = drives[start : start + segment]
            if state is None:
                _, after = module(part[:1], None)
                state = _rest(after)
            kept.append(_tensors(state))
            outputs, state = module(part, state)
    return kept, outputs[-1], state


def _rest(state: Any) -> Any:
    """Return a state at rest of the shape of another."""
    if isinstance(state, tuple):
        return tuple(torch.zeros_like(part) for part in state)
    return torch.zeros_like(state)


def _tensors(state: Any) -> tuple[Tensor, ...]:
    """Return a state as tensors."""
    return tuple(state) if isinstance(state, tuple) else (state,)


def _packed(parts: tuple[Tensor, ...], like: Any) -> Any:
    """Return the tensors of a state as that state is made."""
    return parts if isinstance(like, tuple) else parts[0]


def _flat(tensor: Tensor) -> Array:
    """Return a tensor's numbers."""
    return tensor.detach().double().cpu().numpy().ravel()
