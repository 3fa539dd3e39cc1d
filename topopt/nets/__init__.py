"""Nets under the same continuation, the same log and the same study as a bridge."""

from __future__ import annotations

from topopt.nets.digits import digits
from topopt.nets.layers import Affine, Bend, CrossEntropy, SignGate, StraightThrough
from topopt.nets.net import Net, sign_net
from topopt.nets.samples import Samples

__all__ = [
    "Affine",
    "Bend",
    "CrossEntropy",
    "Net",
    "Samples",
    "SignGate",
    "StraightThrough",
    "digits",
    "sign_net",
]
