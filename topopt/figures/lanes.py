"""Loads of several cases at one place, moved apart so that none hides another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from topopt.figures.scene import Push
from topopt.parameters import Array

__all__ = ["apart"]

STEP = 0.022
"""From one lane to the next, as a share of the longest edge."""


def apart(pushes: Sequence[Push], size: tuple[float, ...]) -> tuple[Push, ...]:
    """Return loads whose arrows do not lie on those of a load before them.

    Each such load goes to the next lane: its arrows stand a step to the side, and are longer, so that a line
    through their tails is seen as well.

    Parameters
    ----------
    pushes : sequence of Push
        In the order in which they are drawn.
    size : tuple of float
        Edges of the box.
    """
    step = STEP * max(size)
    lanes: list[int] = []
    for number, push in enumerate(pushes):
        met = [lanes[other] for other in range(number) if _meet(pushes[other], push, step)]
        lanes.append(min(set(range(len(met) + 1)) - set(met)))
    return tuple(
        replace(push, points=push.points + lane * step * _sideways(push, size), lane=lane) if lane else push
        for push, lane in zip(pushes, lanes, strict=True)
    )


def _meet(one: Push, other: Push, step: float) -> bool:
    """Return whether an arrow of one load lies on one of another."""
    near = np.linalg.norm(one.points[:, None] - other.points[None], axis=2) < 0.9 * step
    return bool(np.any(near & (_sides(one) @ _sides(other).T > 0.95)))


def _sides(push: Push) -> Array:
    """Return unit vectors from the points to where the arrows lie."""
    unit = push.vectors / np.maximum(np.linalg.norm(push.vectors, axis=1, keepdims=True), 1e-300)
    return np.asarray(np.where(push.pulls[:, None], unit, -unit))


def _sideways(push: Push, size: tuple[float, ...]) -> Array:
    """Return the axis across the arrows along which the load extends most, towards the middle of the box."""
    extent = np.ptp(push.points, axis=0)
    slant = np.abs(push.vectors).max(axis=0)
    axis = int(np.argmax(np.where(slant < 0.8, 1.0 + extent / max(size), 1.0 - slant)))
    sign = 1.0 if push.points[:, axis].mean() <= 0.5 * size[axis] * (1 + 1e-9) else -1.0
    return np.asarray(sign * np.eye(len(size))[axis])
