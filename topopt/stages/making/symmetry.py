"""Mirror images and turns: a design that looks the same from several sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from topopt.errors import InputError
from topopt.parameters import Array
from topopt.stages.making.averaging import Averaged, axes_of

__all__ = ["Rotated", "Symmetric"]


@dataclass(frozen=True)
class Symmetric(Averaged):
    """The mean of a field and its mirror images.

    Parameters
    ----------
    domain : Domain
        The cells.
    across : str
        Axes whose middle planes are planes of symmetry, as in ``"x"`` or ``"xy"``.
    """

    across: str = "x"

    def __post_init__(self) -> None:
        """Refuse what is no axis."""
        super().__post_init__()
        axes_of(self.domain, self.across, "Symmetric.across")

    def _mean(self, field: Array) -> Array:
        """Return the mean over all mirror images."""
        shaped = self.domain.grid.shaped(field)
        for axis in axes_of(self.domain, self.across, "Symmetric.across"):
            shaped = 0.5 * (shaped + np.flip(shaped, axis))
        return np.ascontiguousarray(shaped).ravel()


@dataclass(frozen=True)
class Rotated(Averaged):
    """The mean of a field and its images under turns about the grid's middle: cyclic symmetry.

    Parameters
    ----------
    domain : Domain
        The cells; for four images the two axes of the plane have equal numbers of them.
    plane : str
        Two axes, as in ``"xy"``.
    order : {2, 4}
        How many images there are, half turns or quarter turns apart: those that map square cells on cells.
    """

    plane: str = "xy"
    order: int = 4

    def __post_init__(self) -> None:
        """Refuse turns that do not map the grid on itself."""
        super().__post_init__()
        axes = axes_of(self.domain, self.plane, "Rotated.plane")
        if len(axes) != 2:
            raise InputError(f"Rotated.plane: expected two axes, got '{self.plane}'")
        if self.order not in (2, 4):
            raise InputError(f"Rotated.order: expected 2 or 4 images, got {self.order}")
        counts = [self.domain.grid.cells[axis] for axis in axes]
        if self.order == 4 and counts[0] != counts[1]:
            raise InputError(
                f"Rotated.order: a quarter turn does not map {counts[0]} x {counts[1]} cells on themselves"
            )

    def _mean(self, field: Array) -> Array:
        """Return the mean over all turns."""
        shaped = self.domain.grid.shaped(field)
        first, second = axes_of(self.domain, self.plane, "Rotated.plane")
        turns = [np.rot90(shaped, k * 4 // self.order, (first, second)) for k in range(self.order)]
        return np.ascontiguousarray(sum(turns) / self.order).ravel()
