"""Where a body is looked at from: parallel projections, so that lengths along an axis stay comparable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from topopt.errors import InputError, suggestion
from topopt.parameters import Array

__all__ = ["VIEWS", "View", "view"]


@dataclass(frozen=True)
class View:
    """A direction to look along.

    Attributes
    ----------
    backward : tuple of float
        From the body to the eye.
    up : tuple of float
        What points up in the picture, roughly.
    """

    backward: tuple[float, float, float]
    up: tuple[float, float, float] = (0.0, 1.0, 0.0)

    def frame(self) -> Array:
        """Return the unit vectors right, up and backward, shape (3, 3), one a row."""
        backward = np.array(self.backward) / np.linalg.norm(self.backward)
        right = np.cross(self.up, backward)
        right /= np.linalg.norm(right)
        return np.array([right, np.cross(backward, right), backward])

    def project(self, points: Array) -> Array:
        """Return points in the picture's plane, shape (..., 2); those of 2-D pass."""
        return points if points.shape[-1] == 2 else points @ self.frame()[:2].T

    def depth(self, points: Array) -> Array:
        """Return how near points are to the eye, shape (...)."""
        return np.asarray(points @ self.frame()[2])


VIEWS = {
    "corner": View((0.62, 0.52, 1.0)),
    "back": View((-0.62, 0.52, -1.0)),
    "front": View((0.0, 0.0, 1.0)),
    "side": View((1.0, 0.0, 0.0)),
    "top": View((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
    "below": View((0.62, -0.52, 1.0)),
}
"""By name; `front` looks along -z, `side` along -x, `top` down along -y."""


def view(name: str) -> View:
    """Return a view by name.

    Raises
    ------
    InputError
        For an unknown name, with a suggestion.
    """
    if name not in VIEWS:
        raise InputError(f"no view '{name}': {suggestion(name, VIEWS)}")
    return VIEWS[name]
