"""The multigrid solver on an Nvidia graphics card; importing this room imports numba's CUDA target."""

from topopt.solvers.cuda.card import Card

__all__ = ["Card"]
