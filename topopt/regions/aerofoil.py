"""The section of a wing, from the four digits that NACA gave it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from topopt.errors import InputError
from topopt.parameters import Array
from topopt.regions.coordinates import coordinates
from topopt.regions.region import TOLERANCE, Flags, Region

__all__ = ["Aerofoil"]


@dataclass(frozen=True)
class Aerofoil(Region):
    """The points inside a NACA section of four digits in the x-y plane, drawn out along z in 3-D.

    Parameters
    ----------
    code : str
        Four digits: camber in hundredths of the chord, its place in tenths, thickness in hundredths.
    chord : float
        From the nose to the tail.
    nose : tuple of float
        Where it begins, ``(x, y)``.
    inset : float
        How far the boundary is moved in, to first order: a skin is the section without the section that is
        inset.
    tip_chord : float, optional
        Chord at the far end of z; in between it changes evenly, the section stays similar to itself. The same
        chord everywhere if left out.
    tip_nose : tuple of float, optional
        Where the section at the far end of z begins, for a wing that is swept back or raised. The same if
        left out.

    References
    ----------
    Jacobs, Ward and Pinkerton 1933, NACA Report 460; the tail is closed, with -0.1036 for -0.1015. Camber is
    laid across the chord, not across the mean line.

    Examples
    --------
    >>> wing = Aerofoil("0012", 1.0, (0.0, 0.5))
    >>> wing.contains(np.array([[0.3, 0.559], [0.3, 0.561]]), (1.0, 1.0), np.array([0.001, 0.001])).tolist()
    [True, False]
    """

    code: str
    chord: float
    nose: tuple[float, ...]
    inset: float = 0.0
    tip_chord: float | None = None
    tip_nose: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Normalise, and refuse what is no section."""
        object.__setattr__(self, "code", str(self.code))
        if len(self.code) != 4 or not self.code.isdecimal() or self.code[2:] == "00":
            raise InputError(f"aerofoil: expected four digits like '2412', got '{self.code}'")
        if (self.code[0] == "0") != (self.code[1] == "0"):
            raise InputError(f"aerofoil: camber needs a height and a place, or neither, got '{self.code}'")
        for name, nose in (("nose", self.nose), ("tip_nose", self.tip_nose)):
            if nose is not None:
                object.__setattr__(self, name, coordinates(nose, "aerofoil"))
                if len(getattr(self, name)) != 2:
                    raise InputError(f"aerofoil: expected a {name} (x, y), got {nose}")
        for name, chord in (("chord", self.chord), ("tip_chord", self.tip_chord)):
            if chord is not None and not (math.isfinite(chord) and chord > 0):
                raise InputError(f"aerofoil: expected a {name} above 0, got {chord}")
        if not (math.isfinite(self.inset) and self.inset >= 0):
            raise InputError(f"aerofoil: expected an inset of at least 0, got {self.inset}")

    def contains(self, points: Array, size: tuple[float, ...], spacing: Array) -> Flags:
        """Return the points between the lower and the upper surface."""
        chord, nose_x, nose_y = self._sections(points, size)
        along = (points[:, 0] - nose_x) / chord
        inside = (along >= self.inset / chord) & (along <= 1.0)
        t = np.clip(along, 0.0, 1.0)
        reach = chord * self._half_thickness(t) + TOLERANCE * spacing[1]
        if self.inset:
            # Across a slope, a layer of equal thickness is thicker along y.
            reach -= self.inset * np.hypot(1.0, self._slope(t))
        return np.asarray(inside & (np.abs(points[:, 1] - nose_y - chord * self._camber(t)) <= reach))

    def _half_thickness(self, t: Array) -> Array:
        """Return half the thickness at shares `t` of the chord, as a share of the chord."""
        thick = int(self.code[2:]) / 100
        powers = 0.2969 * np.sqrt(t) - t * (0.1260 + t * (0.3516 - t * (0.2843 - 0.1036 * t)))
        return np.asarray(5 * thick * powers)

    def _slope(self, t: Array) -> Array:
        """Return the derivative of the half thickness by `t`, which is infinite at the nose."""
        thick = int(self.code[2:]) / 100
        rise = 0.14845 / np.sqrt(np.maximum(t, 1e-12)) - 0.1260 - t * (0.7032 - t * (0.8529 - 0.4144 * t))
        return np.asarray(5 * thick * rise)

    def _camber(self, t: Array) -> Array:
        """Return the height of the mean line, two parabolas that meet at its top, as a share of the chord."""
        height, place = int(self.code[0]) / 100, int(self.code[1]) / 10
        if not height:
            return np.zeros_like(t)
        front = height / place**2 * (2 * place * t - t**2)
        back = height / (1 - place) ** 2 * (1 - 2 * place + 2 * place * t - t**2)
        return np.where(t < place, front, back)

    def _sections(self, points: Array, size: tuple[float, ...]) -> tuple[Array | float, ...]:
        """Return chord and nose of the section that every point lies in."""
        if self.tip_chord is None and self.tip_nose is None:
            return self.chord, *self.nose
        if len(size) < 3:
            raise InputError("aerofoil: a 2-D grid has no tip; leave tip_chord and tip_nose out")
        outboard = points[:, 2] / size[2]
        root = (self.chord, *self.nose)
        tip = (self.chord if self.tip_chord is None else self.tip_chord, *(self.tip_nose or self.nose))
        return tuple(a + outboard * (b - a) for a, b in zip(root, tip, strict=True))
