"""How a force is spread along an axis, exactly: its total and its centre are the same on every grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from topopt.cells import AXES
from topopt.errors import InputError, suggestion
from topopt.parameters import Array

__all__ = ["PROFILES", "require_profile", "shares"]

Profile = Sequence[tuple[str, str]]


def _even(t: Array) -> tuple[Array, Array]:
    """Return the integrals of p = 1."""
    return t, 0.5 * t**2


def _elliptic(t: Array) -> tuple[Array, Array]:
    """Return the integrals of p = 4/pi sqrt(1 - t^2), whose centre is at 4/(3 pi)."""
    root, angle = np.sqrt(1.0 - t**2), np.arcsin(t)
    return 2 / np.pi * (t * root + angle), 2 / np.pi * (t * angle + root - root**3 / 3)


def _flat_plate(t: Array) -> tuple[Array, Array]:
    """Return the integrals of p = 2/pi sqrt((1 - t) / t), whose centre is at 1/4."""
    angle = np.arcsin(np.sqrt(t))
    once = angle + 0.5 * np.sin(2 * angle)
    twice = 0.25 * angle - np.sin(4 * angle) / 16 - 0.5 * angle * np.cos(2 * angle) + 0.25 * np.sin(2 * angle)
    return 2 / np.pi * once, 2 / np.pi * twice


PROFILES: Mapping[str, Callable[[Array], tuple[Array, Array]]] = {
    "even": _even, "elliptic": _elliptic, "flat_plate": _flat_plate,
}  # fmt: skip
"""By name: the first and the second integral, from 0, of a density on [0, 1] whose total is 1.

Elliptic: the lift along a wing of least induced drag (Prandtl 1918). Flat plate: the lift along the chord of
a thin aerofoil (Glauert 1926).
"""


def require_profile(profile: Any) -> None:
    """Refuse what is no list of axes and names.

    Raises
    ------
    InputError
        With what was meant, perhaps.
    """
    for pair in profile:
        if len(pair) != 2:
            raise InputError(f"expected pairs of an axis and a name, got {pair}")
        if pair[0] not in AXES:
            raise InputError(f"no axis '{pair[0]}': {suggestion(str(pair[0]), AXES)}")
        if pair[1] not in PROFILES:
            raise InputError(f"no profile '{pair[1]}': {suggestion(str(pair[1]), PROFILES)}")
    axes = [axis for axis, _ in profile]
    if len(set(axes)) < len(axes):
        raise InputError(f"an axis is given twice: {', '.join(axes)}")


def shares(points: Array, profile: Profile) -> Array:
    """Return every point's share of a force, their sum 1.

    Layers of points across the first axis get what the shape functions between them integrate; each layer is
    divided by the rest of the profile.

    Parameters
    ----------
    points : array, shape (n, ndim)
        Coordinates of nodes.
    profile : sequence of (str, str)
        Axes and names of profiles.

    Returns
    -------
    array, shape (n,)
        At least 0.
    """
    if not profile:
        return np.full(len(points), 1.0 / len(points))
    (axis, name), *rest = profile
    places, layer = np.unique(points[:, AXES.index(axis)], return_inverse=True)
    found = np.empty(len(points))
    for number, weight in enumerate(_weights(places, name)):
        members = layer == number
        found[members] = weight * shares(points[members], rest)
    return found


def _weights(places: Array, name: str) -> Array:
    """Return the integral of a profile times each hat function between ascending places, shape (n,)."""
    if len(places) == 1:
        return np.ones(1)
    t = np.clip((places - places[0]) / (places[-1] - places[0]), 0.0, 1.0)
    once, twice = PROFILES[name](t)
    slopes = np.diff(twice) / np.diff(t)
    return np.diff(np.concatenate([once[:1], slopes, once[-1:]]))
