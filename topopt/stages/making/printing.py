"""What a printer builds layer on layer has to stand on the layer below."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from topopt.chain import Pullback
from topopt.grid import Domain
from topopt.parameters import Array, Positive, UnitOpen
from topopt.stages.making.layers import flattened, layered, require_direction
from topopt.stages.on_cells import OnCells

__all__ = ["Printed"]


@dataclass(frozen=True)
class Printed(OnCells):
    """What a printer makes of a blueprint, layer on layer: nothing stands on void.

    A cell is at most as dense as the densest of those that carry it, which lie below it: three in 2-D, five
    in 3-D, so that overhangs are at most 45 degrees on square cells. Minimum and maximum are smooth:
    ``smin(a, b) = (a + b - sqrt((a - b)**2 + e) + sqrt(e)) / 2`` and ``smax = (sum s**p)**(1 / q)`` with q so
    that equal densities of `exact` stay what they are. The first layer stands on the plate.

    Parameters
    ----------
    domain : Domain
        The cells.
    up : str
        Where the printer builds: ``"+y"``, ``"-x"``, ...
    power : float
        p.
    exact : float
        Density at which the maximum of equal densities is exact.
    smooth : float
        e.

    References
    ----------
    Langelaar 2017, doi:10.1007/s00158-016-1522-2 (2-D); 2016, doi:10.1016/j.addma.2016.06.010 (3-D)
    """

    instead: ClassVar[str] = "leave it out"

    domain: Domain
    up: str = "+y"
    power: Positive = 40.0
    exact: UnitOpen = 0.5
    smooth: Positive = 1e-4

    def __post_init__(self) -> None:
        """Refuse other directions."""
        super().__post_init__()
        require_direction(self.up, self.domain.grid, "Printed.up")

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the printed field; the pullback walks down the layers."""
        layers = layered(inputs[0], self.domain.grid, self.up)
        printed = np.empty_like(layers)
        printed[0] = layers[0]
        slopes: list[tuple[Array, list[Array]]] = []
        for height in range(1, len(layers)):
            carried, shares = self._carried(printed[height - 1])
            gap = layers[height] - carried
            root = np.sqrt(gap**2 + self.smooth)
            printed[height] = 0.5 * (layers[height] + carried - root + math.sqrt(self.smooth))
            mine = 0.5 * (1.0 - gap / root)
            slopes.append((mine, [(1.0 - mine) * share for share in shares]))

        def pullback(v: Array) -> tuple[Array]:
            passed = layered(v, self.domain.grid, self.up).copy()
            for height in range(len(layers) - 1, 0, -1):
                mine, shares = slopes[height - 1]
                for place, share in zip(self._places(), shares, strict=True):
                    _moved_back(passed[height] * share, place, passed[height - 1])
                passed[height] *= mine
            return (flattened(passed, self.domain.grid, self.up),)

        return flattened(printed, self.domain.grid, self.up), pullback

    def _places(self) -> Iterator[tuple[int, ...]]:
        """Yield where the cells that carry lie, seen from the one below."""
        flat = self.domain.grid.ndim - 1
        yield (0,) * flat
        for axis in range(flat):
            for step in (-1, 1):
                yield tuple(step * (other == axis) for other in range(flat))

    def _carried(self, below: Array) -> tuple[Array, list[Array]]:
        """Return the smooth maximum of what carries each cell, and its derivatives."""
        carriers = [_moved(below, place) for place in self._places()]
        q = self.power + math.log(len(carriers)) / math.log(self.exact)
        total = sum(carrier**self.power for carrier in carriers)
        total = np.maximum(total, 1e-300)
        outer = self.power / q * total ** (1.0 / q - 1.0)
        return total ** (1.0 / q), [outer * carrier ** (self.power - 1.0) for carrier in carriers]


def _windows(shape: tuple[int, ...], place: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return where a layer's cells have a neighbour at a place, and where these neighbours are."""
    here = tuple(slice(max(0, -step), n - max(0, step)) for n, step in zip(shape, place, strict=True))
    there = tuple(slice(max(0, step), n - max(0, -step)) for n, step in zip(shape, place, strict=True))
    return here, there


def _moved(layer: Array, place: tuple[int, ...]) -> Array:
    """Return each cell's neighbour at a place, 0 where there is none."""
    out = np.zeros_like(layer)
    here, there = _windows(layer.shape, place)
    out[here] = layer[there]
    return out


def _moved_back(layer: Array, place: tuple[int, ...], out: Array) -> None:
    """Add to each neighbour at a place what its cell holds."""
    here, there = _windows(layer.shape, place)
    out[there] += layer[here]
