"""How parameters change while a design settles: schedules, controllers, and what applies them."""

from topopt.continuation.continuation import USUAL, Continuation
from topopt.continuation.controllers import Homotopy, Linked, Survival
from topopt.continuation.follow import Follow
from topopt.continuation.guards import Guard, Guarded
from topopt.continuation.normalised import Normalised
from topopt.continuation.refreshed import Refreshed
from topopt.continuation.rollback import Rollback
from topopt.continuation.schedules import Constant, Counter, Geometric, Linear, Power, Schedule, Steps
from topopt.continuation.stairs import Petsc, Settling, Staircase, Top99neo

__all__ = [
    "USUAL",
    "Constant",
    "Continuation",
    "Counter",
    "Follow",
    "Geometric",
    "Guard",
    "Guarded",
    "Homotopy",
    "Linear",
    "Linked",
    "Normalised",
    "Petsc",
    "Power",
    "Refreshed",
    "Rollback",
    "Schedule",
    "Settling",
    "Staircase",
    "Steps",
    "Survival",
    "Top99neo",
]
