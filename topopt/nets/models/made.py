"""What all models of a file have in common: a few numbers, of which the net is made when it is asked for."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Annotated, Any, Self

import annotated_types as at

from topopt.check import InDouble, Surrogate
from topopt.evaluation import Bounds, Evaluation
from topopt.parameters import Array, checked

__all__ = ["Count", "Judged", "Made", "Seed"]

Count = Annotated[int, at.Ge(1)]
Seed = Annotated[int, at.Ge(0)]


class Made(ABC):
    """A model of a few numbers, which is built when it is first asked for anything."""

    seed: int

    def __post_init__(self) -> None:
        """Check that numbers lie in their bounds."""
        checked(self)

    @functools.cached_property
    @abstractmethod
    def model(self) -> Any:
        """The model itself."""

    def drawn_from(self, seed: int) -> Self:
        """Return the same model drawn from another seed."""
        return dataclasses.replace(self, seed=seed)  # type: ignore[type-var]

    def initial(self) -> Array:
        """Return the weights to begin with."""
        return self.model.initial()  # type: ignore[no-any-return]

    def bounds(self) -> Bounds:
        """Return the box of the weights."""
        return self.model.bounds()  # type: ignore[no-any-return]

    def parameters(self) -> dict[str, float]:
        """Return every parameter that may be scheduled."""
        return self.model.parameters()  # type: ignore[no-any-return]

    def evaluate(self, x: Array, parameters: Mapping[str, float] | None = None) -> Evaluation:
        """Evaluate weights at parameters that override the model's own."""
        return self.model.evaluate(x, parameters)  # type: ignore[no-any-return]

    def in_double(self) -> AbstractContextManager[None]:
        """Let a model in single precision compute in double for a while."""
        return self.model.in_double() if isinstance(self.model, InDouble) else contextlib.nullcontext()

    def surrogates(self, parameters: Mapping[str, float]) -> tuple[str, ...]:
        """Return the names of what replaces a derivative at these parameters."""
        return self.model.surrogates(parameters) if isinstance(self.model, Surrogate) else ()


class Judged(Made):
    """One whose weights can be judged as they were meant: with signs, hard choices, at the full distance."""

    def sharp_accuracy(self, x: Array) -> float:
        """Return the share of right answers on samples held out."""
        return self.model.sharp_accuracy(x)  # type: ignore[no-any-return]
