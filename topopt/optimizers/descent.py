"""Descent without constraints, for nets: plain steps with momentum, and Adam."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any

import annotated_types as at
import numpy as np

from topopt.errors import InputError
from topopt.evaluation import Evaluation
from topopt.optimizers.protocol import check_bounds, check_evaluation
from topopt.parameters import Array, Checked, NonNegative, Positive, Unit

__all__ = ["Adam", "AdamState", "Sgd", "SgdState"]

Kept = Annotated[float, at.Ge(0), at.Lt(1)]
"""A share of a running average; at 1 nothing would ever enter it."""


@dataclass(frozen=True, eq=False)
class SgdState:
    """The memory of plain descent.

    Attributes
    ----------
    lower, upper : array, shape (n,)
        Bounds.
    multipliers : array, shape (0,)
        There are no constraints.
    steps : int
        Steps taken.
    velocity : array, shape (n,)
        Sum of the gradients, older ones less.
    """

    lower: Array
    upper: Array
    multipliers: Array
    steps: int
    velocity: Array


@dataclass(frozen=True)
class Sgd(Checked):
    """Gradient descent: ``v <- momentum v + g``, ``x <- x - rate v``, clipped to the bounds.

    Where a sensitivity has vanished, its steps vanish with it; `Adam` divides the scale away and hides that.

    Parameters
    ----------
    rate : float
        Step over gradient.
    momentum : float
        Share of the last velocity that is kept, 0 to 1.
    clip : float, optional
        Norm to which a longer gradient is shortened.

    References
    ----------
    Polyak 1964, doi:10.1016/0041-5553(64)90137-5

    Examples
    --------
    >>> import numpy as np
    >>> from topopt.evaluation import Evaluation
    >>> sgd, x = Sgd(rate=0.1), np.array([1.0])
    >>> state = sgd.init(x, -np.ones(1), np.ones(1))
    >>> for _ in range(10):
    ...     x, state = sgd.step(x, Evaluation(float(x[0] ** 2), 2 * x, np.zeros(0), np.zeros((0, 1))), state)
    >>> print(x.round(6))
    [0.107374]
    """

    rate: Positive = 0.1
    momentum: Unit = 0.0
    clip: Positive | None = None

    def init(self, x: Array, lower: Array, upper: Array) -> SgdState:
        """Return the memory to start with; see `Optimizer`."""
        lower, upper = _box(x, lower, upper)
        return SgdState(lower, upper, np.zeros(0), 0, np.zeros(x.size))

    def step(self, x: Array, evaluation: Evaluation, state: SgdState) -> tuple[Array, SgdState]:
        """Return the next design and the new memory; see `Optimizer`."""
        gradient = _gradient(self, x, evaluation, state, self.clip)
        velocity = self.momentum * state.velocity + gradient
        moved = np.clip(x - self.rate * velocity, state.lower, state.upper)
        return moved, dataclasses.replace(state, steps=state.steps + 1, velocity=velocity)

    def renewed(self, x: Array, state: SgdState, width: float | None) -> SgdState:
        """Return the memory at rest; see `Optimizer`."""
        return dataclasses.replace(state, velocity=np.zeros(x.size))


@dataclass(frozen=True, eq=False)
class AdamState:
    """The memory of Adam.

    Attributes
    ----------
    lower, upper : array, shape (n,)
        Bounds.
    multipliers : array, shape (0,)
        There are no constraints.
    steps : int
        Steps taken.
    averaged : int
        Steps that the averages hold.
    mean, square : array, shape (n,)
        Running averages of the gradient and of its square.
    """

    lower: Array
    upper: Array
    multipliers: Array
    steps: int
    averaged: int
    mean: Array
    square: Array


@dataclass(frozen=True)
class Adam(Checked):
    """Adam: the running mean of the gradient over the root of that of its square.

    A gradient that has vanished everywhere by the same factor makes the same step: what the log says of it is
    not seen in the loss. Compare with `Sgd` wherever vanishing matters.

    Parameters
    ----------
    rate : float
        Largest step, about.
    first, second : float
        Share of the running averages that is kept, of the gradient and of its square.
    small : float
        Added to the root.
    clip : float, optional
        Norm to which a longer gradient is shortened.

    References
    ----------
    Kingma and Ba 2015, arXiv:1412.6980

    Examples
    --------
    >>> import numpy as np
    >>> from topopt.evaluation import Evaluation
    >>> adam, x = Adam(rate=0.1), np.array([1.0, 1.0])
    >>> state = adam.init(x, -np.ones(2), np.ones(2))
    >>> slopes = np.array([1.0, 1e-12])
    >>> x, state = adam.step(x, Evaluation(0.0, slopes, np.zeros(0), np.zeros((0, 2))), state)
    >>> print(x.round(3))
    [0.9   0.9]
    """

    rate: Positive = 0.01
    first: Kept = 0.9
    second: Kept = 0.999
    small: NonNegative = 1e-16
    clip: Positive | None = None

    def init(self, x: Array, lower: Array, upper: Array) -> AdamState:
        """Return the memory to start with; see `Optimizer`."""
        lower, upper = _box(x, lower, upper)
        return AdamState(lower, upper, np.zeros(0), 0, 0, np.zeros(x.size), np.zeros(x.size))

    def step(self, x: Array, evaluation: Evaluation, state: AdamState) -> tuple[Array, AdamState]:
        """Return the next design and the new memory; see `Optimizer`."""
        gradient = _gradient(self, x, evaluation, state, self.clip)
        count = state.averaged + 1
        mean = self.first * state.mean + (1.0 - self.first) * gradient
        square = self.second * state.square + (1.0 - self.second) * gradient**2
        unbiased = mean / (1.0 - self.first**count), square / (1.0 - self.second**count)
        size = np.sqrt(unbiased[1]) + self.small
        step = np.divide(unbiased[0], size, out=np.zeros(x.size), where=size > 0)
        moved = np.clip(x - self.rate * step, state.lower, state.upper)
        kept = dataclasses.replace(state, steps=state.steps + 1, averaged=count, mean=mean, square=square)
        return moved, kept

    def renewed(self, x: Array, state: AdamState, width: float | None) -> AdamState:
        """Return the memory without averages; see `Optimizer`."""
        return dataclasses.replace(state, averaged=0, mean=np.zeros(x.size), square=np.zeros(x.size))


def _box(x: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
    """Return copies of the bounds, checked."""
    lower, upper = (np.array(values, dtype=np.float64) for values in (lower, upper))
    check_bounds(np.asarray(x, dtype=np.float64), lower, upper)
    return lower, upper


def _gradient(rule: Any, x: Array, evaluation: Evaluation, state: Any, clip: float | None) -> Array:
    """Return the gradient, shortened to a norm; refuse what a descent cannot heed."""
    m, k = np.size(evaluation.constraints), np.size(evaluation.rivals)
    if m or k:
        what = f"{m} constraints" if m else f"{k} rivals"
        raise InputError(
            f"{type(rule).__name__} lowers one objective without constraints, got {what}; use MMA"
        )
    check_evaluation(x, evaluation, state)
    if clip is None:
        return evaluation.gradient
    length = float(np.linalg.norm(evaluation.gradient))
    return evaluation.gradient if length <= clip else evaluation.gradient * (clip / length)
