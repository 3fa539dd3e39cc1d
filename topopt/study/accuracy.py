"""The yardstick of nets: the share of right answers on samples held out, with every gate a sign."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from topopt.errors import InputError
from topopt.evaluation import Evaluation, Model
from topopt.nets import Net
from topopt.parameters import Array
from topopt.study.yardstick import Score

__all__ = ["SharpAccuracy"]


@dataclass(frozen=True)
class SharpAccuracy:
    """The yardstick of a `topopt.nets.Net`: one over the accuracy of the net that was meant.

    One per cent above the best known is one per cent fewer right answers. How soft the gates were when the
    net was judged makes no difference; a net that answers nothing right is broken.
    """

    def judge(self, model: Model, x: Array, evaluation: Evaluation, parameters: Mapping[str, float]) -> Score:
        """Return one over the share of right answers."""
        if not isinstance(model, Net):
            raise InputError(f"SharpAccuracy judges a topopt.nets.Net, got {type(model).__name__}")
        accuracy = model.sharp_accuracy(x)
        return Score(1.0 / accuracy) if accuracy else Score(math.inf, "no answer is right")
