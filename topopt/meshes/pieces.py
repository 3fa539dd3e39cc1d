"""What hangs together: the pieces that picked nodes or cells of a mesh fall into."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from topopt.cells import Flags

__all__ = ["pieces"]


def pieces(pairs: NDArray[np.integer], picked: Flags) -> tuple[NDArray[np.intp], int]:
    """Label the connected components among what is picked.

    Parameters
    ----------
    pairs : array of int, shape (m, 2)
        Which touch: nodes by edges, or cells by sides.
    picked : array of bool, shape (n,)
        What counts.

    Returns
    -------
    array of int, shape (n,)
        The piece of each, counted from 1; 0 for what is not picked.
    int
        How many pieces there are.
    """
    from scipy import sparse
    from scipy.sparse import csgraph

    inside = pairs[picked[pairs].all(axis=1)]
    links = sparse.coo_array((np.ones(len(inside)), inside.T), shape=(len(picked),) * 2)
    groups = csgraph.connected_components(links, directed=False)[1]
    labels = np.zeros(len(picked), dtype=np.intp)
    names, labels[picked] = np.unique(groups[picked], return_inverse=True)
    labels[picked] += 1
    return labels, len(names)
