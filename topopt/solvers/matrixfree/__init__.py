"""The stiffness operator of structured grids without its matrix."""

from topopt.solvers.matrixfree.operator import MatrixFree

__all__ = ["MatrixFree"]
