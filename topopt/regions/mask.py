"""A picture laid over the whole grid: what is true in it is inside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topopt.errors import InputError
from topopt.parameters import Array
from topopt.regions.region import TOLERANCE, Flags
from topopt.regions.tabulated import Tabulated

__all__ = ["Mask"]


@dataclass(frozen=True, eq=False)
class Mask(Tabulated):
    """The points where a picture is true; the picture is stretched over the whole grid.

    Parameters
    ----------
    picture : array of bool
        Indexed ``[ix, iy]`` or ``[ix, iy, iz]`` with y up, any resolution. A 2-D picture on a 3-D grid is
        drawn out along z.
    """

    picture: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Freeze the picture, so that equal masks stay equal."""
        picture = np.array(self.picture)
        if picture.dtype != bool and not np.isin(picture, (0, 1)).all():
            raise InputError("mask: expected an array of booleans (or 0 and 1)")
        if picture.ndim not in (2, 3) or picture.size == 0:
            raise InputError(f"mask: expected a picture with 2 or 3 axes, got shape {picture.shape}")
        picture = np.ascontiguousarray(picture.astype(bool))
        picture.flags.writeable = False
        object.__setattr__(self, "picture", picture)

    def contains(self, points: Array, size: tuple[float, ...], spacing: Array) -> Flags:
        """Look every point up in the picture."""
        if self.picture.ndim > len(size):
            raise InputError("mask: a 3-D picture does not fit a 2-D grid")
        slack = TOLERANCE * spacing
        if np.any(points < -slack) or np.any(points > np.array(size) + slack):
            raise InputError(
                f"mask: the picture is stretched over the box from the origin to {size}, but there are "
                f"points outside of it; move the mesh's lower corner to the origin"
            )
        index = tuple(
            np.clip((points[:, axis] / size[axis] * count).astype(int), 0, count - 1)
            for axis, count in enumerate(self.picture.shape)
        )
        return np.asarray(self.picture[index], dtype=bool)
