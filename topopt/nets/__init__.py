"""Nets under the same continuation, the same log and the same study as a bridge."""

from __future__ import annotations

from topopt.nets.digits import digits
from topopt.nets.hashing import PairwiseLikelihood, mean_average_precision
from topopt.nets.layers import Affine, Bend, CrossEntropy, Loss, SignGate, StraightThrough
from topopt.nets.net import Net, hash_net, sign_net
from topopt.nets.samples import Samples

__all__ = [
    "Affine",
    "Bend",
    "CrossEntropy",
    "Loss",
    "Net",
    "PairwiseLikelihood",
    "Samples",
    "SignGate",
    "StraightThrough",
    "digits",
    "hash_net",
    "mean_average_precision",
    "sign_net",
]
