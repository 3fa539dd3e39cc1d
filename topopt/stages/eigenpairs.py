"""The largest eigenvalues over a stiffness that is factored once, and what their derivatives are made of."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import linalg

from topopt.chain import Stage
from topopt.errors import InputError, NumericalError
from topopt.fem.assembly import each_times
from topopt.fem.operator import StiffnessOperator
from topopt.fem.structure import Structure
from topopt.parameters import Array
from topopt.solvers import Solver

__all__ = ["assembled", "largest", "quadratic", "require_room"]

TOLERANCE = 1e-10
"""Relative error of eigenvalues; their derivatives have its root."""
VECTORS = 5
"""Lanczos vectors for each eigenvalue; with 20 in all, as is usual, six took twice as many solves."""


def require_room(stage: Stage, structure: Structure, count: int) -> None:
    """Refuse more eigenvalues than ARPACK can find.

    Raises
    ------
    InputError
        Naming the stage.
    """
    if count >= structure.n_free - 1:
        raise InputError(
            f"{type(stage).__name__}.count: {count} of {structure.n_free} free unknowns are too many"
        )


def quadratic(own: Array, matrix: Array) -> Array:
    """Return ``u_e^T A u_e`` for the unknowns of every cell, shape (n_cells,).

    Parameters
    ----------
    own : array, shape (n_cells, k)
        Unknowns cell by cell.
    matrix : array, shape (k, k) or (n_cells, k, k)
        One for all cells, or one for each.
    """
    return np.asarray(np.einsum("ei,ei->e", each_times(own, matrix), own))


def assembled(structure: Structure, cells: Array) -> sparse.csc_matrix:
    """Assemble matrices of cells, k * k entries each, on the free unknowns, both triangles of them."""
    entries, slots, indices, indptr = _places(structure)
    data = np.bincount(slots, cells.reshape(-1)[entries], len(indices))
    return sparse.csc_matrix((data, indices, indptr), shape=(structure.n_free,) * 2)


@functools.lru_cache(maxsize=2)
def _places(structure: Structure) -> tuple[NDArray[np.intp], ...]:
    """Return which entries of the cells' matrices are on free unknowns, where they are added, the pattern."""
    place = np.full(structure.n_dofs, -1, dtype=np.intp)
    place[structure.free] = np.arange(structure.n_free)
    local = place[structure.cell_dofs]
    rows, columns = np.repeat(local, local.shape[1], axis=1).ravel(), np.tile(local, local.shape[1]).ravel()
    entries = np.flatnonzero((rows >= 0) & (columns >= 0))
    size = structure.n_free
    keys, slots = np.unique(columns[entries] * size + rows[entries], return_inverse=True)
    ends, indices = np.divmod(keys, size)
    return (
        entries,
        slots,
        indices.astype(np.int32),
        np.searchsorted(ends, np.arange(size + 1)).astype(np.int32),
    )


def largest(
    operator: StiffnessOperator, solver: Solver, matrix: sparse.csc_matrix, count: int, who: str
) -> tuple[Array, Array]:
    """Return the largest mu of A phi = mu K phi, descending, and modes with phi . K phi = 1, on all unknowns.

    K stands where ARPACK has the mass, so that A may be indefinite and only K is factored. The start is
    always the same, so that a run resumes to the same digits.

    Parameters
    ----------
    operator : StiffnessOperator
        K.
    solver : Solver
        Factors it.
    matrix : sparse matrix
        A, on the free unknowns.
    count : int
        How many.
    who : str
        The stage, for the message.

    Raises
    ------
    NumericalError
        If ARPACK does not converge.
    """
    structure = operator.system
    factor, free, n = solver.factor(operator), structure.free, structure.n_free

    def flexibility(v: Array) -> Array:
        rhs = np.zeros(structure.n_dofs)
        rhs[free] = v.ravel()
        return np.asarray(factor.solve(rhs)[free])

    inverse = linalg.LinearOperator((n, n), matvec=flexibility, dtype=np.float64)
    start = np.random.default_rng(0).random(n)
    try:
        values, modes = linalg.eigsh(
            matrix,
            count,
            M=operator.full_matrix,
            Minv=inverse,
            which="LA",
            v0=start,
            ncv=min(n, max(20, VECTORS * count)),
            tol=TOLERANCE,
        )
    except linalg.ArpackError as error:
        raise NumericalError(f"{who}: the eigenvalues were not found: {error}") from error
    order = np.argsort(values)[::-1]
    full = np.zeros((structure.n_dofs, count))
    full[free] = modes[:, order]
    return values[order], full
