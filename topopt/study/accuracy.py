"""The yardstick of nets: the share of what is right on samples held out, with every gate a sign."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from topopt.errors import InputError
from topopt.evaluation import Evaluation, Model
from topopt.parameters import Array
from topopt.study.yardstick import Score, Threshold, Yardstick

__all__ = ["SharpAccuracy", "fitting"]


@runtime_checkable
class Sharpened(Protocol):
    """A net that can be judged with every gate a sign."""

    def sharp_accuracy(self, x: Array) -> float:
        """Return the share of right answers on samples held out, or the precision of what codes find."""


@dataclass(frozen=True)
class SharpAccuracy:
    """The yardstick of nets with gates: one over the accuracy of the net that was meant.

    One per cent above the best known is one per cent fewer right answers. How soft the gates were when the
    net was judged makes no difference; a net that answers nothing right is broken.
    """

    def judge(self, model: Model, x: Array, evaluation: Evaluation, parameters: Mapping[str, float]) -> Score:
        """Return one over the share of right answers."""
        if not isinstance(model, Sharpened):
            raise InputError(
                f"SharpAccuracy judges what has a sharp_accuracy, as topopt.nets.Net has, got a "
                f"{type(model).__name__}"
            )
        accuracy = model.sharp_accuracy(x)
        return Score(1.0 / accuracy) if accuracy else Score(math.inf, "no answer is right")


def fitting(model: Model, threshold: Threshold) -> Yardstick:
    """Return the yardstick for a model that a file describes: the given one for designs on a grid."""
    return SharpAccuracy() if isinstance(model, Sharpened) else threshold
