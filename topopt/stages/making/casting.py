"""What is drawn out of a mould leaves nothing behind."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from topopt.chain import Pullback
from topopt.grid import Domain
from topopt.parameters import Array, Positive
from topopt.stages.making.layers import flattened, layered, require_direction
from topopt.stages.on_cells import OnCells

__all__ = ["Cast"]


@dataclass(frozen=True)
class Cast(OnCells):
    """What can be drawn out of a mould: along the axis of drawing, density never rises again.

    A cell is as dense as the densest behind it, seen against the direction of drawing: the running maximum,
    smooth as ``m' = (m + s + sqrt((m - s)**2 + e) - sqrt(e)) / 2`` with ``e = smooth / layers**2``. A layer
    never exceeds the true maximum, equals it where all behind are equally dense, and loses at most
    ``sqrt(e) / 2``; e shrinks with the layers, so that all of them together lose, and density rises, by
    at most ``sqrt(smooth) / 2``.

    Parameters
    ----------
    domain : Domain
        The cells.
    drawn : str
        The direction in which the part leaves the mould: ``"+y"``, ``"-x"``, ...
    smooth : float
        Four times the square of what the densest cell may lose on its way through all layers.

    References
    ----------
    Gersborg and Andreasen 2011, doi:10.1007/s00158-011-0649-1
    """

    instead: ClassVar[str] = "leave it out"

    domain: Domain
    drawn: str = "+y"
    smooth: Positive = 1e-4

    def __post_init__(self) -> None:
        """Refuse other directions."""
        super().__post_init__()
        require_direction(self.drawn, self.domain.grid, "Cast.drawn")

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the cast field; the pullback runs with the drawing."""
        layers = layered(inputs[0], self.domain.grid, self.drawn)
        cast, roots = np.empty_like(layers), np.empty_like(layers)
        e = self.smooth / len(layers) ** 2  # every layer loses up to sqrt(e) / 2, and they add up
        cast[-1] = layers[-1]
        for place in range(len(layers) - 2, -1, -1):
            roots[place] = np.sqrt((cast[place + 1] - layers[place]) ** 2 + e)
            cast[place] = 0.5 * (cast[place + 1] + layers[place] + roots[place] - math.sqrt(e))

        def pullback(v: Array) -> tuple[Array]:
            passed = layered(v, self.domain.grid, self.drawn).copy()
            for place in range(len(layers) - 1):
                share = 0.5 * (1.0 + (cast[place + 1] - layers[place]) / roots[place])
                passed[place + 1] += share * passed[place]
                passed[place] *= 1.0 - share
            return (flattened(passed, self.domain.grid, self.drawn),)

        return flattened(cast, self.domain.grid, self.drawn), pullback
