"""Sparse LU factorisation by SuperLU, through SciPy: always there, several times slower than CHOLMOD."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.sparse.linalg import splu

from topopt.errors import SingularSystemError
from topopt.solvers.protocol import DirectFactor, Operator

__all__ = ["SuperLU"]


@dataclass(frozen=True)
class SuperLU:
    """LU factorisation in symmetric mode: minimum degree on A + A^T, diagonal pivots.

    Source: Demmel, Eisenstat, Gilbert, Li & Liu 1999, doi:10.1137/S0895479895291765.
    """

    def factor(self, operator: Operator) -> DirectFactor:
        """Factor the operator's full matrix; nothing is kept between calls."""
        try:
            factor = splu(
                operator.full_matrix,
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )
        except RuntimeError as error:
            raise SingularSystemError(f"SuperLU: the stiffness matrix is singular ({error})") from error
        return DirectFactor(operator.system, factor.solve)
