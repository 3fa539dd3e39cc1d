"""One cross-section all along an axis, or one part over and over again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import annotated_types as at
import numpy as np

from topopt.errors import InputError
from topopt.parameters import Array
from topopt.stages.making.averaging import Averaged, axis_of

__all__ = ["Extruded", "Repeated"]


@dataclass(frozen=True)
class Extruded(Averaged):
    """The mean of a field along an axis, everywhere on that axis: one cross-section.

    Parameters
    ----------
    domain : Domain
        The cells.
    along : str
        The axis.
    """

    along: str = "z"

    def __post_init__(self) -> None:
        """Refuse what is no axis."""
        super().__post_init__()
        axis_of(self.domain, self.along, "Extruded.along")

    def _mean(self, field: Array) -> Array:
        """Return the mean along the axis."""
        shaped = self.domain.grid.shaped(field)
        axis = axis_of(self.domain, self.along, "Extruded.along")
        mean = shaped.mean(axis=axis, keepdims=True)
        return np.array(np.broadcast_to(mean, shaped.shape)).ravel()


@dataclass(frozen=True)
class Repeated(Averaged):
    """The mean of equal parts of a field, in each of them: a pattern.

    Parameters
    ----------
    domain : Domain
        The cells; their number along the axis is a multiple of `times`.
    along : str
        The axis.
    times : int
        How many parts there are.
    """

    along: str = "x"
    times: Annotated[int, at.Ge(1)] = 2

    def __post_init__(self) -> None:
        """Refuse parts that are not equal."""
        super().__post_init__()
        cells = self.domain.grid.cells[axis_of(self.domain, self.along, "Repeated.along")]
        if cells % self.times:
            raise InputError(
                f"Repeated.times: {cells} cells along {self.along} leave {cells % self.times} over when "
                f"they are divided into {self.times} parts"
            )

    def _mean(self, field: Array) -> Array:
        """Return the mean of the parts."""
        shaped = self.domain.grid.shaped(field)
        axis = axis_of(self.domain, self.along, "Repeated.along")
        parts = np.stack(np.split(shaped, self.times, axis))
        mean = parts.mean(axis=0)
        return np.concatenate([mean] * self.times, axis).ravel()
