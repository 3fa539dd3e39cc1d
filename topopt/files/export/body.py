"""The body that a design stands for: smooth, and of the design's own volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, optimize

from topopt.files.export.border import GAP, LEVEL
from topopt.files.export.outline import Outline, outline
from topopt.files.export.surface import Surface, surface
from topopt.grid import Grid
from topopt.parameters import Array

__all__ = ["SMOOTHING", "Body", "body"]

SMOOTHING = 0.7
"""Cells over which a design is smoothed: hides the steps, and leaves members of two cells whole."""
LEVELS = 0.05, 0.95
"""Between these densities the edge of the body is looked for."""


@dataclass(frozen=True, eq=False)
class Body:
    """A smoothed density, and the level above which it is solid.

    Attributes
    ----------
    grid : Grid
        The cells.
    density : array, shape (n_cells,)
        Smoothed.
    level : float
        The density at the edge.
    volume : float
        Of the material before the densities were smoothed, in 2-D an area: what the body shall hold.
    smoothing : float
        Cells over which they were.
    """

    grid: Grid
    density: Array
    level: float
    volume: float
    smoothing: float = SMOOTHING

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return self.grid.ndim

    @property
    def lower(self) -> Array:
        """Lower corner of the box."""
        return np.zeros(self.ndim)

    @property
    def size(self) -> tuple[float, ...]:
        """Edge lengths of the box."""
        return self.grid.size

    @property
    def how(self) -> str:
        """How the density was smoothed, in words."""
        return f", smoothed over {self.smoothing:g} cells" if self.smoothing else ""

    def outline(self) -> Outline:
        """Return the edge of a plane body."""
        return outline(self.grid, self.density, self.level)

    def surface(self, thickness: float = 1.0) -> Surface:
        """Return the skin; a plane body becomes a plate."""
        return surface(self.grid, self.density, thickness, self.level)


def body(grid: Grid, density: Array, smoothing: float = SMOOTHING) -> Body | None:
    """Return the body of a design, None if no density exceeds one half.

    The density is smoothed by a Gaussian, the design going on as its mirror image beyond the box, and the
    level is solved for at which the contour holds as much as there is material. To smooth the density and not
    the triangles keeps the surface closed and free of folds, and faces of the box where they are.

    Parameters
    ----------
    grid : Grid
        The cells.
    density : array, shape (n_cells,)
        0 is void, 1 is solid.
    smoothing : float
        Standard deviation of the Gaussian in cells; 0 leaves the steps.
    """
    if not (density > LEVEL).any():
        return None
    smooth = ndimage.gaussian_filter(grid.shaped(density), smoothing, mode="reflect").ravel()
    volume = float(density.sum()) * grid.cell_volume

    def surplus(level: float) -> float:
        held = Body(grid, smooth, level, volume, smoothing)
        return (held.outline().area if grid.ndim == 2 else held.surface().volume) - volume

    if surplus(LEVELS[0]) <= 0:
        level = LEVELS[0]
    elif surplus(LEVELS[1]) >= 0:
        level = LEVELS[1]
    else:
        level = float(optimize.brentq(surplus, *LEVELS, xtol=1e-4, rtol=1e-4))
    # A field without an edge jumps from all to nothing; all is the body then.
    return Body(grid, smooth, min(level, float(smooth.max()) - 2 * GAP), volume, smoothing)
