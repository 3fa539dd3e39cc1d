"""Solvers: one file each, one protocol, one `choose`."""

from topopt.solvers.cholmod import Cholmod
from topopt.solvers.choose import SOLVERS, Choice, choose, direct
from topopt.solvers.multigrid import Multigrid
from topopt.solvers.protocol import Factor, Operator, Solver
from topopt.solvers.superlu import SuperLU

__all__ = [
    "SOLVERS",
    "Choice",
    "Cholmod",
    "Factor",
    "Multigrid",
    "Operator",
    "Solver",
    "SuperLU",
    "choose",
    "direct",
]
