"""Conjugate gradients with a multigrid preconditioner on structured grids."""

from topopt.solvers.multigrid.multigrid import Multigrid, usable

__all__ = ["Multigrid", "usable"]
