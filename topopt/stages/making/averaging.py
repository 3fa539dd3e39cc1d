"""A field that obeys a symmetry is the mean of its images, so that taking the mean is its own adjoint."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from topopt.chain import Pullback
from topopt.errors import InputError
from topopt.grid import Domain
from topopt.parameters import Array
from topopt.stages.on_cells import OnCells

__all__ = ["Averaged", "axes_of", "axis_of"]


@dataclass(frozen=True)
class Averaged(OnCells):
    """The nearest field that obeys a symmetry: an orthogonal projection.

    Parameters
    ----------
    domain : Domain
        The cells.
    """

    linear: ClassVar[bool] = True
    instead: ClassVar[str] = "leave it out"

    domain: Domain

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the mean; it is its own adjoint."""
        return self._mean(inputs[0]), lambda v: (self._mean(v),)

    @abstractmethod
    def _mean(self, field: Array) -> Array:
        """Return the mean over all images of a field."""


def axes_of(domain: Domain, names: str, who: str) -> list[int]:
    """Return the numbers of axes."""
    known = domain.grid.axes
    if not names or any(name not in known for name in names) or len(set(names)) < len(names):
        raise InputError(f"{who}: expected some of {', '.join(known)}, each once, got '{names}'")
    return [known.index(name) for name in names]


def axis_of(domain: Domain, name: str, who: str) -> int:
    """Return the number of a single axis."""
    axes = axes_of(domain, name, who)
    if len(axes) != 1:
        raise InputError(f"{who}: expected one axis, got '{name}'")
    return axes[0]
