"""Any optimiser of torch behind the protocol of ours, its memory packed into the run's checkpoint."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from topopt.errors import InputError, suggestion
from topopt.evaluation import Evaluation
from topopt.optimizers.protocol import check_bounds, check_evaluation
from topopt.parameters import Array, Positive, checked

__all__ = ["TorchOptimizer", "TorchState"]


@dataclass(frozen=True, eq=False)
class TorchState:
    """The memory of an optimiser of torch.

    Attributes
    ----------
    lower, upper : array, shape (n,)
        Bounds.
    multipliers : array, shape (0,)
        There are no constraints.
    steps : int
        Steps taken.
    memory : array of uint8
        Its `state_dict`, as torch saves it; empty before the first step.
    """

    lower: Array
    upper: Array
    multipliers: Array
    steps: int
    memory: NDArray[np.uint8]


@dataclass(frozen=True)
class TorchOptimizer:
    """A step of ``torch.optim.<name>`` on the weights in a row, clipped to their bounds.

    Parameters
    ----------
    name : str
        Class in `torch.optim` that needs no closure: ``AdamW``, ``RMSprop``, ``SGD``, ...
    rate : float
        Its learning rate, which a continuation schedules as ``optimizer.rate``.
    clip : float, optional
        Norm to which a longer gradient is shortened.
    options : mapping
        Its other arguments.

    Raises
    ------
    InputError
        If torch has no such optimiser, or it takes no such arguments.
    """

    name: str = "AdamW"
    rate: Positive = 1e-3
    clip: Positive | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what torch has not."""
        checked(self)
        known = [n for n, cls in vars(torch.optim).items() if isinstance(cls, type) and n != "Optimizer"]
        if self.name not in known:
            raise InputError(f"TorchOptimizer.name: no '{self.name}': {suggestion(self.name, known)}")
        if self.name == "LBFGS":
            raise InputError("TorchOptimizer.name: LBFGS evaluates by itself, which no log would see")
        try:
            self._made(torch.zeros(1))
        except (TypeError, ValueError) as error:
            raise InputError(f"TorchOptimizer.options: {self.name} refuses them: {error}") from error

    def init(self, x: Array, lower: Array, upper: Array) -> TorchState:
        """Return the memory to start with; see `Optimizer`."""
        lower, upper = (np.array(values, dtype=np.float64) for values in (lower, upper))
        check_bounds(np.asarray(x, dtype=np.float64), lower, upper)
        return TorchState(lower, upper, np.zeros(0), 0, np.zeros(0, dtype=np.uint8))

    def step(self, x: Array, evaluation: Evaluation, state: TorchState) -> tuple[Array, TorchState]:
        """Return the next design and the new memory; see `Optimizer`."""
        if np.size(evaluation.constraints) or np.size(evaluation.rivals):
            raise InputError(f"{self.name} lowers one objective without constraints; use MMA")
        check_evaluation(x, evaluation, state)
        weights = torch.tensor(x, requires_grad=True)
        weights.grad = torch.tensor(evaluation.gradient)
        if self.clip is not None:
            torch.nn.utils.clip_grad_norm_([weights], self.clip)
        rule = self._made(weights)
        if state.memory.size:
            rule.load_state_dict(torch.load(io.BytesIO(state.memory.tobytes()), weights_only=True))
            rule.param_groups[0]["lr"] = self.rate
        rule.step()
        buffer = io.BytesIO()
        torch.save(rule.state_dict(), buffer)
        moved = np.clip(weights.detach().numpy(), state.lower, state.upper)
        memory = np.frombuffer(buffer.getvalue(), dtype=np.uint8)
        return moved, dataclasses.replace(state, steps=state.steps + 1, memory=memory)

    def renewed(self, x: Array, state: TorchState, width: float | None) -> TorchState:
        """Return the memory without what earlier steps taught; see `Optimizer`."""
        return dataclasses.replace(state, memory=np.zeros(0, dtype=np.uint8))

    def _made(self, weights: torch.Tensor) -> Any:
        """Return torch's own object."""
        return getattr(torch.optim, self.name)([weights], lr=self.rate, **self.options)
