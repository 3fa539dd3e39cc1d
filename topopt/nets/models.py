"""Nets that a file can name under `model:`; one of your own is any dataclass with the methods of `Model`."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import annotated_types as at
import numpy as np

from topopt.errors import InputError
from topopt.evaluation import Bounds, Evaluation
from topopt.nets.digits import digits
from topopt.nets.flossing import Flossing
from topopt.nets.layers import StraightThrough
from topopt.nets.net import Net, sign_net
from topopt.nets.recurrent import RNN
from topopt.parameters import Array, checked

__all__ = ["FlossedRnn", "SignDigits"]

Count = Annotated[int, at.Ge(1)]


@dataclass(frozen=True)
class SignDigits:
    """Layers of signs on handwritten digits; see `sign_net`.

    Its gates are called ``code1``, ``code2``, ...; a gate whose ``backward_beta`` is set below its ``beta``
    is straight-through.

    Parameters
    ----------
    bits : tuple of int
        Width of the hidden layers.
    train : int
        How many of the 1,797 digits are learnt from; the others judge.
    seed : int
        Of the first weights.
    """

    bits: tuple[int, ...] = (16, 16, 16, 16)
    train: Annotated[int, at.Ge(1), at.Lt(1797)] = 1200
    seed: Annotated[int, at.Ge(0)] = 0

    def __post_init__(self) -> None:
        """Check that numbers lie in their bounds."""
        checked(self)
        object.__setattr__(self, "bits", tuple(self.bits))
        if not self.bits or min(self.bits) < 1:
            raise InputError(f"SignDigits.bits: expected one width >= 1 a layer, got {list(self.bits)}")

    @functools.cached_property
    def net(self) -> Net:
        """The net."""
        train, held_out = digits(self.train)
        gate = StraightThrough(beta=1.0, backward_beta=math.inf)
        return sign_net(train, held_out, self.bits, gate, self.seed)

    def initial(self) -> Array:
        """Return the weights to begin with."""
        return self.net.initial()

    def bounds(self) -> Bounds:
        """Return the box of the weights."""
        return self.net.bounds()

    def parameters(self) -> dict[str, float]:
        """Return every parameter of the chain."""
        return self.net.parameters()

    def evaluate(self, x: Array, parameters: Mapping[str, float] | None = None) -> Evaluation:
        """Evaluate weights; see `Net.evaluate`."""
        return self.net.evaluate(x, parameters)

    def sharp_accuracy(self, x: Array) -> float:
        """Return the share of right answers of the net whose gates are signs."""
        return self.net.sharp_accuracy(x)


@dataclass(frozen=True)
class FlossedRnn:
    """An RNN, driven by noise, whose first Lyapunov exponents are pushed to a target; see `Flossing`.

    Parameters
    ----------
    units : int
        Of the net.
    count : int
        How many exponents.
    steps : int
        Length of the path.
    seed : int
        Of weights and noise.
    """

    units: Count = 64
    count: Count = 16
    steps: Annotated[int, at.Ge(10)] = 55
    seed: Annotated[int, at.Ge(0)] = 0

    def __post_init__(self) -> None:
        """Check that numbers lie in their bounds, and that there are so many exponents."""
        checked(self)
        self._model.bounds()

    @functools.cached_property
    def _model(self) -> Flossing:
        """The model."""
        drives = np.random.default_rng(self.seed).normal(size=(self.steps, 1))
        return Flossing(RNN.drawn(1, self.units, self.seed), drives, self.count)

    def initial(self) -> Array:
        """Return the weights to begin with."""
        return self._model.initial()

    def bounds(self) -> Bounds:
        """Return the box of the weights."""
        return self._model.bounds()

    def parameters(self) -> dict[str, float]:
        """Return the target of the exponents."""
        return self._model.parameters()

    def evaluate(self, x: Array, parameters: Mapping[str, float] | None = None) -> Evaluation:
        """Evaluate weights; see `Flossing.evaluate`."""
        return self._model.evaluate(x, parameters)
