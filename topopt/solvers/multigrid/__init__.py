"""Conjugate gradients with a multigrid preconditioner on structured grids."""

from topopt.solvers.multigrid.multigrid import Multigrid

__all__ = ["Multigrid"]
