"""The pattern of the stiffness matrix, found once; its entries are then one product with the moduli."""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from topopt.cells import Cells, Indices
from topopt.parameters import Array

__all__ = ["Pattern", "System", "each_times", "pattern"]


class System(Protocol):
    """What operators and solvers need to know: a hashable description of cells that share unknowns."""

    def __hash__(self) -> int:
        """Hash, so that patterns and analyses can be memoised."""

    @property
    def mesh(self) -> Cells:
        """The grid or mesh that it lives on; some of its cells may be left out."""

    @property
    def n_cells(self) -> int:
        """Number of cells that have a modulus."""

    @property
    def ndim(self) -> int:
        """2 or 3."""

    @property
    def n_dofs(self) -> int:
        """Number of unknowns, fixed ones included."""

    @property
    def cell_dofs(self) -> Indices:
        """Unknowns of each cell, shape (n_cells, k)."""

    @property
    def element_matrix(self) -> Array:
        """Matrix of a cell of modulus 1, shape (k, k), or one for each cell, (n_cells, k, k); symmetric."""

    @property
    def free(self) -> NDArray[np.intp]:
        """Unknowns that are not fixed, ascending."""

    @property
    def n_free(self) -> int:
        """Number of free unknowns."""

    @property
    def springs(self) -> Array:
        """Constant diagonal, shape (n_dofs,)."""


def each_times(vectors: NDArray[Any], matrix: Array) -> NDArray[Any]:
    """Return each cell's vector times the cells' matrix, or times its own.

    Parameters
    ----------
    vectors : array, shape (n_cells, k)
        One a cell.
    matrix : array, shape (k, k) or (n_cells, k, k)
        As `System.element_matrix`.
    """
    if matrix.ndim == 2:
        return np.asarray(vectors @ matrix)
    return np.asarray((vectors[:, None, :] @ matrix)[:, 0, :])


@dataclass(frozen=True, eq=False)
class Pattern:
    """The lower triangle of the matrix on the free unknowns, by columns.

    Attributes
    ----------
    indptr, indices : array
        Columns and rows of the entries; rows ascend, so a column opens with its diagonal.
    from_moduli : sparse matrix, shape (nnz, n_cells)
        Entries are ``from_moduli @ moduli + from_springs``.
    from_springs : array, shape (nnz,)
        The constant part.
    """

    indptr: Indices
    indices: Indices
    from_moduli: sparse.csr_array
    from_springs: Array

    @functools.cached_property
    def _lower(self) -> sparse.csc_matrix:
        """The triangle with the constant part alone: its indices are checked here, once."""
        n = len(self.indptr) - 1
        lower = sparse.csc_matrix((self.from_springs, self.indices, self.indptr), shape=(n, n), copy=False)
        lower.has_sorted_indices = True
        return lower

    def matrix(self, moduli: Array) -> sparse.csc_matrix:
        """Return the lower triangle for given moduli."""
        lower = copy.copy(self._lower)
        lower.data = self.from_moduli @ moduli
        lower.data += self.from_springs
        return lower


@functools.lru_cache(maxsize=3)
def pattern(system: System) -> Pattern:
    """Find the pattern by sorting the entries of all cells once.

    Parameters
    ----------
    system : System
        Cells, unknowns, springs.

    Returns
    -------
    Pattern
        Memoised for the last three systems; one weighs about 0.4 kB a cell in 2-D and 4 kB in 3-D.
    """
    n_free = system.n_free
    number = np.full(system.n_dofs, -1, dtype=np.int64)
    number[system.free] = np.arange(n_free)
    local = number[system.cell_dofs]
    one, two = np.tril_indices(local.shape[1])
    first, second = local[:, one], local[:, two]
    keys = np.minimum(first, second) * n_free + np.maximum(first, second)
    kept = np.flatnonzero(((first >= 0) & (second >= 0)).ravel())
    del first, second
    keys = keys.ravel()[kept]
    order = np.argsort(keys)
    keys, kept = keys[order], kept[order]
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    column, row = np.divmod(keys[starts], n_free)
    cell, pair = np.divmod(kept, len(one))
    entries = system.element_matrix[..., one, two]
    values = entries[pair] if entries.ndim == 1 else entries[cell, pair]
    rows_of_p = np.append(starts, len(keys)).astype(np.int32)
    from_moduli = sparse.csr_array(
        (values, cell.astype(np.int32), rows_of_p), shape=(len(starts), len(local))
    )
    from_moduli.sort_indices()  # cells in order: the sum does not depend on how ties were sorted
    indptr = np.searchsorted(column, np.arange(n_free + 1)).astype(np.int32)
    from_springs = np.zeros(len(starts))
    from_springs[indptr[:-1]] = system.springs[system.free]
    return Pattern(indptr, row.astype(np.int32), from_moduli, from_springs)
