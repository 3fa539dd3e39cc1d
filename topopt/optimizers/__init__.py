"""Optimisers: they see vectors, bounds and numbers, and know nothing of mechanics."""

from __future__ import annotations

from topopt.optimizers.descent import Adam, AdamState, Sgd, SgdState
from topopt.optimizers.gcmma import GCMMA, GCMMAState
from topopt.optimizers.mma import MMA, MMAState
from topopt.optimizers.oc import OC, OCState
from topopt.optimizers.protocol import Optimizer, State, packed, unpacked

__all__ = [
    "GCMMA",
    "MMA",
    "OC",
    "Adam",
    "AdamState",
    "GCMMAState",
    "MMAState",
    "OCState",
    "Optimizer",
    "Sgd",
    "SgdState",
    "State",
    "packed",
    "unpacked",
]
