"""Conjugate gradients with a multigrid preconditioner on structured grids."""
