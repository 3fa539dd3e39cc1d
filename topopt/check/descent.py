"""The Taylor test of a model's objective: a net's loss, or what a `Model` of your own lowers."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

import numpy as np

from topopt.check.remainder import taylor
from topopt.check.report import Outcome, Report, judged
from topopt.evaluation import Model
from topopt.parameters import Array

__all__ = ["InDouble", "Surrogate", "model"]


@runtime_checkable
class InDouble(Protocol):
    """A model that computes in single precision, and can be asked to do it in double."""

    def in_double(self) -> AbstractContextManager[None]:
        """Let it compute in double precision for a while."""


@runtime_checkable
class Surrogate(Protocol):
    """A model whose gradient may be replaced on purpose, and is then no derivative of its objective."""

    def surrogates(self, parameters: Mapping[str, float]) -> tuple[str, ...]:
        """Return the names of what replaces a derivative at these parameters."""


def model(
    model: Model,
    rng: np.random.Generator,
    *,
    x: Array | None = None,
    parameters: Mapping[str, float] | None = None,
    step: float = 0.01,
) -> Report:
    """Run the Taylor test of a model's objective along a random direction.

    A model in single precision is tested in double: a loss that is rounded to seven digits says nothing of
    the square of a small step.

    Parameters
    ----------
    model : Model
        The model.
    rng : numpy.random.Generator
        Draws the direction.
    x : array, shape (n,), optional
        Where to test; where the model begins if left out.
    parameters : mapping, optional
        Parameters that override the model's own.
    step : float
        The largest step, in units of the variables' ranges, of 1 where they are wider.
    """
    subject, label = f"model {type(model).__name__}", "taylor objective"
    parameters = dict(parameters or {})
    replaced = model.surrogates(parameters) if isinstance(model, Surrogate) else ()
    if replaced:
        detail = f"replaced on purpose: not tested ({', '.join(replaced)})"
        return Report(subject, (Outcome(label, None, detail),))
    x = model.initial() if x is None else np.array(x, dtype=np.float64)
    direction = rng.normal(size=x.size) * np.minimum(model.bounds().ranges, 1.0)
    with model.in_double() if isinstance(model, InDouble) else contextlib.nullcontext():
        gradient = model.evaluate(x, parameters).gradient
        test = taylor(lambda at: model.evaluate(at, parameters).objective, x, gradient, direction, step=step)
    return Report(subject, (judged(label, test),))
