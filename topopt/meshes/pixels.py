"""Which cell of a mesh lies under each of many equal pixels: what a picture of densities is looked up in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from topopt.parameters import Array

__all__ = ["rastered"]

# Simplices that make up a cell, by its dimension and number of corners, in the order of files.
_SIMPLICES = {
    (2, 3): ((0, 1, 2),),
    (2, 4): ((0, 1, 2), (0, 2, 3)),
    (3, 4): ((0, 1, 2, 3),),
    (3, 8): ((0, 1, 2, 6), (0, 2, 3, 6), (0, 3, 7, 6), (0, 7, 4, 6), (0, 4, 5, 6), (0, 5, 1, 6)),
}


def rastered(points: Array, corners: NDArray[np.int32], lower: Array, width: float, shape: tuple[int, ...]
             ) -> NDArray[np.intp]:  # fmt: skip
    """Return the cell whose simplices hold the centre of each pixel, and -1 where there is none.

    Parameters
    ----------
    points : array, shape (n_nodes, ndim)
        Coordinates of the nodes.
    corners : array of int, shape (n_cells, k)
        Nodes of each cell.
    lower : array, shape (ndim,)
        Lower corner of the first pixel.
    width : float
        Of a pixel.
    shape : tuple of int
        Pixels along each axis.
    """
    ndim = points.shape[1]
    found = np.full(shape, -1, dtype=np.intp)
    for simplex in _SIMPLICES[ndim, corners.shape[1]]:
        places = (points[corners[:, simplex]] - lower) / width - 0.5
        first = np.ceil(places.min(axis=1) - 1e-9).astype(int).clip(0)
        last = np.floor(places.max(axis=1) + 1e-9).astype(int)
        inverse = np.linalg.inv(np.swapaxes(places[:, 1:] - places[:, :1], 1, 2))
        for cell in np.flatnonzero((last >= first).all(axis=1)):
            window = tuple(slice(a, b + 1) for a, b in zip(first[cell], last[cell], strict=True))
            under = found[window]
            at = np.moveaxis(np.indices(under.shape), 0, -1) + first[cell] - places[cell, 0]
            shares = at @ inverse[cell].T
            under[(shares >= -1e-9).all(axis=-1) & (shares.sum(axis=-1) <= 1 + 1e-9)] = cell
    return found
