"""How fast neighbouring states part: the Lyapunov spectrum by QR, with its error."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from topopt.errors import InputError
from topopt.nets.costate import Path, followed
from topopt.nets.layers import steepness
from topopt.parameters import Array

__all__ = ["RandomNetwork", "Spectrum", "spectrum"]

BLOCKS = 20
"""Parts of the path whose means give the error."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Lyapunov exponents.

    Attributes
    ----------
    exponents : array, shape (k,)
        The largest k, nats a step, the largest first.
    errors : array, shape (k,)
        Standard error of each, from the means of 20 parts of the path.
    """

    exponents: Array
    errors: Array

    @property
    def dimension(self) -> float:
        """The Kaplan-Yorke dimension; nan where the exponents at hand do not sum up to less than 0.

        References
        ----------
        Frederickson, Kaplan, Yorke and Yorke 1983, doi:10.1016/0022-0396(83)90011-6
        """
        sums = np.cumsum(self.exponents)
        if self.exponents[0] <= 0:
            return 0.0
        if sums[-1] > 0:
            return math.nan
        whole = int(np.flatnonzero(sums > 0)[-1]) + 1
        return whole + float(sums[whole - 1]) / abs(float(self.exponents[whole]))

    @property
    def entropy(self) -> float:
        """The sum of the positive exponents, which bounds the entropy rate, nats a step."""
        return float(self.exponents[self.exponents > 0].sum())


def spectrum(
    step: Callable[[Array], Array],
    tangent: Callable[[Array, Array], Array],
    start: Array,
    count: int,
    steps: int = 1000,
    discard: int = 200,
    seed: int = 0,
) -> Spectrum:
    """Return the largest exponents of a map.

    Parameters
    ----------
    step : callable
        From a state, shape (n,), to the next.
    tangent : callable
        From a state and directions, shape (n, count), to the directions behind the step.
    start : array, shape (n,)
        The first state.
    count : int
        How many exponents.
    steps, discard : int
        Length of the path, and of the part before it that is not counted.
    seed : int
        Of the first directions.

    References
    ----------
    Benettin, Galgani, Giorgilli and Strelcyn 1980, doi:10.1007/BF02128236
    """
    if not 1 <= count <= start.size:
        raise InputError(f"spectrum: expected 1 to {start.size} exponents, got {count}")
    if steps < BLOCKS:
        raise InputError(f"spectrum: the error needs at least {BLOCKS} steps, got {steps}")
    state = start
    directions = np.linalg.qr(np.random.default_rng(seed).normal(size=(start.size, count)))[0]
    growth = np.empty((steps, count))
    for number in range(-discard, steps):
        moved = tangent(state, directions)
        state = step(state)
        directions, triangle = np.linalg.qr(moved)
        if number >= 0:
            with np.errstate(divide="ignore"):
                growth[number] = np.log(np.abs(np.diagonal(triangle)))
    blocks = growth[: steps - steps % BLOCKS].reshape(BLOCKS, -1, count).mean(axis=1)
    order = np.argsort(-growth.mean(axis=0), kind="stable")
    errors = blocks.std(axis=0, ddof=1) / math.sqrt(BLOCKS)
    return Spectrum(growth.mean(axis=0)[order], errors[order])


@dataclass(frozen=True, eq=False)
class RandomNetwork:
    """``x' = J tanh(x)`` with Gaussian J of variance g**2 / n: chaos from g = 1 on.

    Parameters
    ----------
    coupling : array, shape (n, n)
        J.

    References
    ----------
    Sompolinsky, Crisanti and Sommers 1988, doi:10.1103/PhysRevLett.61.259; in discrete time Cessac 1995,
    doi:10.1051/jp1:1995173
    """

    coupling: Array

    @staticmethod
    def drawn(n: int, gain: float, seed: int = 0) -> RandomNetwork:
        """Return a network of n units."""
        random = np.random.default_rng(seed)
        return RandomNetwork(random.normal(scale=gain / math.sqrt(n), size=(n, n)))

    def step(self, state: Array) -> Array:
        """Return the next state."""
        return np.asarray(self.coupling @ np.tanh(state))

    def tangent(self, state: Array, directions: Array) -> Array:
        """Return directions behind a step, shape (n, k)."""
        return np.asarray(self.coupling @ (steepness(1.0, state)[:, None] * directions))

    def start(self, seed: int = 0) -> Array:
        """Return a random state."""
        return np.random.default_rng(seed).normal(size=len(self.coupling))

    def spectrum(self, count: int, steps: int = 1000, discard: int = 200, seed: int = 0) -> Spectrum:
        """Return the largest exponents."""
        return spectrum(self.step, self.tangent, self.start(seed), count, steps, discard, seed)

    def costate_path(self, steps: int, discard: int = 200, seed: int = 0) -> Path:
        """Follow a random costate back over a path."""
        state = self.start(seed)
        for _ in range(discard):
            state = self.step(state)
        slopes = []
        for _ in range(steps):
            slopes.append(steepness(1.0, state))
            state = self.step(state)
        last = np.random.default_rng(seed + 1).normal(size=len(state))
        back = (lambda v, s=s: s * (self.coupling.T @ v) for s in reversed(slopes))
        return followed(last, back)
