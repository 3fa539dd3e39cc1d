"""How parameters change while a design settles: schedules, and the continuation that applies them."""

from topopt.continuation.continuation import Continuation
from topopt.continuation.schedules import Constant, Geometric, Linear, Schedule, Steps
from topopt.continuation.stairs import Petsc, Settling, Staircase, Top99neo

__all__ = [
    "Constant",
    "Continuation",
    "Geometric",
    "Linear",
    "Petsc",
    "Schedule",
    "Settling",
    "Staircase",
    "Steps",
    "Top99neo",
]
