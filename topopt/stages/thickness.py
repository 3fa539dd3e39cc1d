"""How full it is around every cell: what a limit on thickness, or a design like bone, is judged by."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import signal

from topopt.chain import Pullback
from topopt.errors import InputError
from topopt.grid import Domain, Grid
from topopt.parameters import Array, Positive
from topopt.stages.averaged import refuse_radius
from topopt.stages.on_cells import OnCells

__all__ = ["LocalMean"]


@dataclass(frozen=True)
class LocalMean(OnCells):
    """The mean of a field over a disc, in 3-D a ball, around every cell; beyond the grid there is nothing.

    Input and output: shape (n_cells,). Limited to a little below 1 in every cell, it forbids that a disc of
    this radius is all solid: no member is thicker than twice the radius, the maximum length scale. Limited to
    less, it spreads the material evenly, like bone. A cell that the disc's rim crosses counts by about the
    share of it that lies inside. Take `PowerNorm` of it, whose limit follows the largest (`Normalised`).

    Parameters
    ----------
    domain : Domain
        The cells.
    radius : float
        In the grid's unit of length; larger than half a cell's shortest edge, at most the grid's longest.

    Raises
    ------
    InputError
        If the disc reaches no other cell or beyond the whole grid, or the cells are those of a mesh.

    References
    ----------
    Guest 2009, doi:10.1007/s00158-008-0250-7 (maximum length scale); Fernández et al. 2019,
    doi:10.1007/s00158-019-02313-8 (as one limit); Wu, Aage, Westermann and Sigmund 2018,
    doi:10.1109/TVCG.2017.2655523 (bone-like)
    """

    linear: ClassVar[bool] = True
    instead: ClassVar[str] = "take a grid"

    domain: Domain
    radius: Positive

    def __post_init__(self) -> None:
        """Refuse a disc of one cell, and one that is larger than the grid."""
        super().__post_init__()
        grid = self.domain.grid
        edge = float(grid.spacing.min())
        if self.radius <= 0.5 * edge:
            raise InputError(
                f"LocalMean.radius: {self.radius:g} reaches no neighbour; cells have an edge of {edge:g}"
            )
        refuse_radius("LocalMean", grid, self.radius, 0.0)

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the means; the disc is symmetric, so that the map is its own adjoint."""
        return self._mean(inputs[0]), lambda v: (self._mean(v),)

    def _mean(self, field: Array) -> Array:
        """Return the mean over the disc around every cell."""
        grid = self.domain.grid
        return np.asarray(
            signal.oaconvolve(grid.shaped(field), _disc(grid, self.radius), mode="same"), np.float64
        ).ravel()


@functools.lru_cache(maxsize=8)
def _disc(grid: Grid, radius: float) -> Array:
    """Return the weights of the cells around one, sum 1."""
    spacing = grid.spacing
    reach = [min(int(radius / h + 1.0), n - 1) for h, n in zip(spacing, grid.cells, strict=True)]
    steps = np.meshgrid(
        *(h * np.arange(-far, far + 1) for far, h in zip(reach, spacing, strict=True)), indexing="ij"
    )
    distance = np.sqrt(sum(step**2 for step in steps))
    weights = np.clip((radius - distance) / spacing.min() + 0.5, 0.0, 1.0)
    return np.asarray(weights / weights.sum())
