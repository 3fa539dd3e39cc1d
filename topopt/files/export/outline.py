"""The outline of a plane design: closed loops at one density, holes included."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from topopt.files.export.border import LEVEL, bordered, placed
from topopt.grid import Grid
from topopt.parameters import Array

__all__ = ["Outline", "cornered", "outline"]


@dataclass(frozen=True, eq=False)
class Outline:
    """What is solid, as polygons.

    Attributes
    ----------
    loops : tuple of arrays, shape (k, 2)
        Corners, counter-clockwise around material and clockwise around holes, not repeated at the end.
    """

    loops: tuple[Array, ...]

    @property
    def areas(self) -> Array:
        """Area of each loop, negative for holes."""
        return np.array([_area(loop) for loop in self.loops])

    @property
    def area(self) -> float:
        """Area of the material."""
        return float(self.areas.sum())


def outline(grid: Grid, density: Array, level: float = LEVEL) -> Outline:
    """Trace a contour of a plane design, linear between the centres of the cells.

    A design that fills the box gives exactly the box; at level 0.5 edges along the axes between void and
    solid run exactly along the faces of the cells, and their corners are cut by less than half a cell.

    Parameters
    ----------
    grid : Grid
        The cells, 2-D.
    density : array, shape (n_cells,)
        0 is void, 1 is solid.
    level : float
        Density above which a point is solid, between 0 and 1.
    """
    from contourpy import LineType, contour_generator

    # contourpy indexes [iy, ix]; material lies to the left of its lines.
    tracer = contour_generator(z=bordered(grid, density, level).T, line_type=LineType.Separate)
    traced = [cornered(placed(grid, np.asarray(line))) for line in tracer.lines(level)]
    return Outline(tuple(loop for loop in traced if len(loop) >= 3))


def cornered(line: Array) -> Array:
    """Return a closed line, shape (k, 2), without a repeated end and points that are no corners."""
    points = line[np.any(line != np.roll(line, 1, axis=0), axis=1)]
    while len(points) >= 3:
        before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
        lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
        turns = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]) > 1e-9 * lengths
        if turns.all():
            break
        points = points[turns]
    return points


def _area(loop: Array) -> float:
    """Return the area of a polygon, positive if its corners run counter-clockwise."""
    x, y = (loop - loop[0]).T
    return float(0.5 * (x @ np.roll(y, -1) - y @ np.roll(x, -1)))
