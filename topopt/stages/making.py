"""What a design has to obey to be made: symmetry, extrusion, repetition, and no overhangs in print."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

import annotated_types as at
import numpy as np

from topopt.chain import Pullback, Stage
from topopt.errors import InputError, suggestion
from topopt.grid import Domain, designed, structured
from topopt.parameters import Array, Positive, UnitOpen

__all__ = ["Cast", "Extruded", "Printed", "Repeated", "Rotated", "Symmetric"]


@dataclass(frozen=True)
class Symmetric(Stage):
    """The mean of a field and its mirror images.

    Parameters
    ----------
    domain : Domain
        The cells.
    across : str
        Axes whose middle planes are planes of symmetry, as in ``"x"`` or ``"xy"``.
    """

    linear: ClassVar[bool] = True

    domain: Domain
    across: str = "x"

    def __post_init__(self) -> None:
        """Take a bare grid as a domain, and refuse other axes."""
        super().__post_init__()
        object.__setattr__(self, "domain", designed(self.domain))
        structured(self.domain, type(self).__name__, "leave it out")
        _axes(self.domain, self.across, "Symmetric.across")

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the symmetric part; it is its own adjoint."""
        return self._mean(inputs[0]), lambda v: (self._mean(v),)

    def _mean(self, field: Array) -> Array:
        """Return the mean over all mirror images."""
        shaped = self.domain.grid.shaped(field)
        for axis in _axes(self.domain, self.across, "Symmetric.across"):
            shaped = 0.5 * (shaped + np.flip(shaped, axis))
        return np.ascontiguousarray(shaped).ravel()


@dataclass(frozen=True)
class Extruded(Stage):
    """The mean of a field along an axis, everywhere on that axis: one cross-section.

    Parameters
    ----------
    domain : Domain
        The cells.
    along : str
        The axis.
    """

    linear: ClassVar[bool] = True

    domain: Domain
    along: str = "z"

    def __post_init__(self) -> None:
        """Take a bare grid as a domain, and refuse other axes."""
        super().__post_init__()
        object.__setattr__(self, "domain", designed(self.domain))
        structured(self.domain, type(self).__name__, "leave it out")
        if len(_axes(self.domain, self.along, "Extruded.along")) != 1:
            raise InputError(f"Extruded.along: expected one axis, got '{self.along}'")

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the extruded field; the mean is its own adjoint."""
        return self._mean(inputs[0]), lambda v: (self._mean(v),)

    def _mean(self, field: Array) -> Array:
        """Return the mean along the axis."""
        shaped = self.domain.grid.shaped(field)
        axis = _axes(self.domain, self.along, "Extruded.along")[0]
        mean = shaped.mean(axis=axis, keepdims=True)
        return np.array(np.broadcast_to(mean, shaped.shape)).ravel()


@dataclass(frozen=True)
class Repeated(Stage):
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

    linear: ClassVar[bool] = True

    domain: Domain
    along: str = "x"
    times: Annotated[int, at.Ge(1)] = 2

    def __post_init__(self) -> None:
        """Take a bare grid as a domain, and refuse parts that are not equal."""
        super().__post_init__()
        object.__setattr__(self, "domain", designed(self.domain))
        structured(self.domain, type(self).__name__, "leave it out")
        axes = _axes(self.domain, self.along, "Repeated.along")
        if len(axes) != 1:
            raise InputError(f"Repeated.along: expected one axis, got '{self.along}'")
        cells = self.domain.grid.cells[axes[0]]
        if cells % self.times:
            raise InputError(
                f"Repeated.times: {cells} cells along {self.along} leave {cells % self.times} over when "
                f"they are divided into {self.times} parts"
            )

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the pattern; the mean is its own adjoint."""
        return self._mean(inputs[0]), lambda v: (self._mean(v),)

    def _mean(self, field: Array) -> Array:
        """Return the mean of the parts."""
        shaped = self.domain.grid.shaped(field)
        axis = _axes(self.domain, self.along, "Repeated.along")[0]
        parts = np.stack(np.split(shaped, self.times, axis))
        mean = parts.mean(axis=0)
        return np.concatenate([mean] * self.times, axis).ravel()


@dataclass(frozen=True)
class Printed(Stage):
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

    domain: Domain
    up: str = "+y"
    power: Positive = 40.0
    exact: UnitOpen = 0.5
    smooth: Positive = 1e-4

    def __post_init__(self) -> None:
        """Take a bare grid as a domain, and refuse other directions."""
        super().__post_init__()
        object.__setattr__(self, "domain", designed(self.domain))
        structured(self.domain, type(self).__name__, "leave it out")
        known = [f"{sign}{axis}" for axis in self.domain.grid.axes for sign in "+-"]
        if self.up not in known:
            raise InputError(f"Printed.up: '{self.up}' is no direction; {suggestion(self.up, known)}")

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the printed field; the pullback walks down the layers."""
        layers = self._layers(inputs[0])
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
            passed = self._layers(v).copy()
            for height in range(len(layers) - 1, 0, -1):
                mine, shares = slopes[height - 1]
                for place, share in zip(self._places(), shares, strict=True):
                    _moved_back(passed[height] * share, place, passed[height - 1])
                passed[height] *= mine
            return (self._flat(passed),)

        return self._flat(printed), pullback

    @property
    def _axis(self) -> int:
        """The axis of the printer."""
        return self.domain.grid.axes.index(self.up[1])

    def _layers(self, field: Array) -> Array:
        """Return a field by layers, the first on the plate."""
        layers = np.moveaxis(self.domain.grid.shaped(field), self._axis, 0)
        return np.ascontiguousarray(layers[::-1] if self.up[0] == "-" else layers)

    def _flat(self, layers: Array) -> Array:
        """Return layers as a field."""
        ordered = layers[::-1] if self.up[0] == "-" else layers
        return np.ascontiguousarray(np.moveaxis(ordered, 0, self._axis)).ravel()

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


@dataclass(frozen=True)
class Rotated(Stage):
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

    linear: ClassVar[bool] = True

    domain: Domain
    plane: str = "xy"
    order: int = 4

    def __post_init__(self) -> None:
        """Take a bare grid as a domain, and refuse turns that do not map it on itself."""
        super().__post_init__()
        object.__setattr__(self, "domain", designed(self.domain))
        structured(self.domain, type(self).__name__, "leave it out")
        axes = _axes(self.domain, self.plane, "Rotated.plane")
        if len(axes) != 2:
            raise InputError(f"Rotated.plane: expected two axes, got '{self.plane}'")
        if self.order not in (2, 4):
            raise InputError(f"Rotated.order: expected 2 or 4 images, got {self.order}")
        counts = [self.domain.grid.cells[axis] for axis in axes]
        if self.order == 4 and counts[0] != counts[1]:
            raise InputError(
                f"Rotated.order: a quarter turn does not map {counts[0]} x {counts[1]} cells on themselves"
            )

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the symmetric part; it is its own adjoint, since turns come with their inverses."""
        return self._mean(inputs[0]), lambda v: (self._mean(v),)

    def _mean(self, field: Array) -> Array:
        """Return the mean over all turns."""
        shaped = self.domain.grid.shaped(field)
        first, second = _axes(self.domain, self.plane, "Rotated.plane")
        turns = [np.rot90(shaped, k * 4 // self.order, (first, second)) for k in range(self.order)]
        return np.ascontiguousarray(sum(turns) / self.order).ravel()


@dataclass(frozen=True)
class Cast(Stage):
    """What can be drawn out of a mould: along the axis of drawing, density never rises again.

    A cell is as dense as the densest behind it, seen against the direction of drawing: the running maximum,
    smooth as ``m' = (m + s + sqrt((m - s)**2 + e) - sqrt(e)) / 2``.

    Parameters
    ----------
    domain : Domain
        The cells.
    drawn : str
        The direction in which the part leaves the mould: ``"+y"``, ``"-x"``, ...
    smooth : float
        e.

    References
    ----------
    Gersborg and Andreasen 2011, doi:10.1007/s00158-011-0649-1
    """

    domain: Domain
    drawn: str = "+y"
    smooth: Positive = 1e-4

    def __post_init__(self) -> None:
        """Take a bare grid as a domain, and refuse other directions."""
        super().__post_init__()
        object.__setattr__(self, "domain", designed(self.domain))
        structured(self.domain, type(self).__name__, "leave it out")
        known = [f"{sign}{axis}" for axis in self.domain.grid.axes for sign in "+-"]
        if self.drawn not in known:
            raise InputError(f"Cast.drawn: '{self.drawn}' is no direction; {suggestion(self.drawn, known)}")

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the cast field; the pullback runs with the drawing."""
        layers = self._layers(inputs[0])
        cast, roots = np.empty_like(layers), np.empty_like(layers)
        cast[-1] = layers[-1]
        for place in range(len(layers) - 2, -1, -1):
            roots[place] = np.sqrt((cast[place + 1] - layers[place]) ** 2 + self.smooth)
            cast[place] = 0.5 * (cast[place + 1] + layers[place] + roots[place] - math.sqrt(self.smooth))

        def pullback(v: Array) -> tuple[Array]:
            passed = self._layers(v).copy()
            for place in range(len(layers) - 1):
                share = 0.5 * (1.0 + (cast[place + 1] - layers[place]) / roots[place])
                passed[place + 1] += share * passed[place]
                passed[place] *= 1.0 - share
            return (self._flat(passed),)

        return self._flat(cast), pullback

    def _layers(self, field: Array) -> Array:
        """Return a field by layers, the last one leaving the mould first."""
        axis = self.domain.grid.axes.index(self.drawn[1])
        layers = np.moveaxis(self.domain.grid.shaped(field), axis, 0)
        return np.ascontiguousarray(layers[::-1] if self.drawn[0] == "-" else layers)

    def _flat(self, layers: Array) -> Array:
        """Return layers as a field."""
        ordered = layers[::-1] if self.drawn[0] == "-" else layers
        axis = self.domain.grid.axes.index(self.drawn[1])
        return np.ascontiguousarray(np.moveaxis(ordered, 0, axis)).ravel()


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


def _axes(domain: Domain, names: str, who: str) -> list[int]:
    """Return the numbers of axes."""
    known = domain.grid.axes
    if not names or any(name not in known for name in names) or len(set(names)) < len(names):
        raise InputError(f"{who}: expected some of {', '.join(known)}, each once, got '{names}'")
    return [known.index(name) for name in names]
