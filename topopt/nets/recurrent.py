"""Recurrent cells in plain numpy, with their costates written out, on paths of any length.

A cell maps a state and an input to the next state. A path keeps one state in `SEGMENT` and computes the
others again on its way back, so that 50,000 steps take the memory of a few hundred.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from topopt.errors import InputError
from topopt.nets.costate import Path, followed
from topopt.nets.layers import bent, steepness
from topopt.parameters import Array

__all__ = ["LSTM", "RNN", "Cell", "chrono", "costate_path", "driven"]

SEGMENT = 250
"""Steps between two states that are kept."""


class Cell(Protocol):
    """One step of a recurrent net; a state is an array of shape (batch, state)."""

    def rest(self, batch: int) -> Array:
        """Return the state at rest."""

    def step(self, state: Array, drive: Array) -> Array:
        """Return the next state; `drive` has shape (batch, inputs)."""

    def vjp(self, state: Array, drive: Array) -> tuple[Array, Callable[[Array], tuple[Array, Array]]]:
        """Return the next state, and what maps its costate to the costate of `state` and to the gradient.

        The gradient is with respect to `weights`, flat.
        """

    @property
    def weights(self) -> Array:
        """All weights in a row."""


@dataclass(frozen=True, eq=False)
class RNN:
    """``h' = tanh(h W + x U + b)``.

    Parameters
    ----------
    w, u : array, shape (units, units), (inputs, units)
        What states and inputs are multiplied with.
    b : array, shape (units,)
        Constant.
    """

    w: Array
    u: Array
    b: Array

    @staticmethod
    def drawn(inputs: int, units: int, seed: int = 0, orthogonal: bool = False) -> RNN:
        """Return a cell with torch's default weights, uniform within one over the root of the units.

        Of the two constants that torch keeps apart b is the sum.

        Parameters
        ----------
        orthogonal : bool
            Whether the states' matrix is a random rotation instead.
        """
        random, reach = np.random.default_rng(seed), units**-0.5
        w = random.uniform(-reach, reach, (units, units))
        if orthogonal:
            w = np.linalg.qr(random.normal(size=(units, units)))[0]
        u = random.uniform(-reach, reach, (inputs, units))
        return RNN(w, u, random.uniform(-reach, reach, (2, units)).sum(axis=0))

    @property
    def weights(self) -> Array:
        """W, U and b in a row."""
        return np.concatenate([self.w.ravel(), self.u.ravel(), self.b])

    def rest(self, batch: int) -> Array:
        """Return zeros."""
        return np.zeros((batch, len(self.b)))

    def step(self, state: Array, drive: Array) -> Array:
        """Return the next state."""
        return np.tanh(state @ self.w + drive @ self.u + self.b)

    def vjp(self, state: Array, drive: Array) -> tuple[Array, Callable[[Array], tuple[Array, Array]]]:
        """Return the next state and its pullback."""
        following, back = bent(1.0, state @ self.w + drive @ self.u + self.b)

        def pullback(v: Array) -> tuple[Array, Array]:
            (before,) = back(v)
            gradient = ((state.T @ before).ravel(), (drive.T @ before).ravel(), before.sum(axis=0))
            return before @ self.w.T, np.concatenate(gradient)

        return following, pullback


@dataclass(frozen=True, eq=False)
class LSTM:
    """Long short-term memory; the state is the output h and the cell c, one after the other.

    ``c' = f c + i g``, ``h' = o tanh(c')``; g is hyperbolic, the other gates logistic; order i, f, g, o.

    Parameters
    ----------
    w, u : array, shape (units, 4 units), (inputs, 4 units)
        What outputs and inputs are multiplied with.
    b : array, shape (4 units,)
        Constants of the gates.

    References
    ----------
    Hochreiter and Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735; the forget gate: Gers, Schmidhuber and
    Cummins 2000, doi:10.1162/089976600300015015
    """

    w: Array
    u: Array
    b: Array

    @staticmethod
    def drawn(inputs: int, units: int, seed: int = 0, forget: float = 0.0) -> LSTM:
        """Return a cell with torch's default weights and a constant added to the forget gate's."""
        random, reach = np.random.default_rng(seed), units**-0.5
        w = random.uniform(-reach, reach, (units, 4 * units))
        u = random.uniform(-reach, reach, (inputs, 4 * units))
        b = random.uniform(-reach, reach, (2, 4 * units)).sum(axis=0)
        b[units : 2 * units] += forget
        return LSTM(w, u, b)

    @property
    def units(self) -> int:
        """Width of the output."""
        return len(self.b) // 4

    @property
    def weights(self) -> Array:
        """W, U and b in a row."""
        return np.concatenate([self.w.ravel(), self.u.ravel(), self.b])

    def rest(self, batch: int) -> Array:
        """Return zeros."""
        return np.zeros((batch, 2 * self.units))

    def step(self, state: Array, drive: Array) -> Array:
        """Return the next state."""
        return self._run(state, drive)[0]

    def _run(self, state: Array, drive: Array) -> tuple[Array, tuple[Array, ...]]:
        """Return the next state, the gates' values before their bends, and the gates."""
        n = self.units
        z = state[:, :n] @ self.w + drive @ self.u + self.b
        i, f, o = (_logistic(z[:, k * n : (k + 1) * n]) for k in (0, 1, 3))
        g = np.tanh(z[:, 2 * n : 3 * n])
        c = f * state[:, n:] + i * g
        return np.concatenate([o * np.tanh(c), c], axis=1), (z, i, f, g, o, c)

    def vjp(self, state: Array, drive: Array) -> tuple[Array, Callable[[Array], tuple[Array, Array]]]:
        """Return the next state and its pullback."""
        following, (z, i, f, g, o, c) = self._run(state, drive)
        n = self.units

        def pullback(v: Array) -> tuple[Array, Array]:
            bent = np.tanh(c)
            inner = v[:, n:] + v[:, :n] * o * steepness(1.0, c)
            before = np.empty_like(z)
            before[:, :n] = inner * g * _logistic_slope(z[:, :n])
            before[:, n : 2 * n] = inner * state[:, n:] * _logistic_slope(z[:, n : 2 * n])
            before[:, 2 * n : 3 * n] = inner * i * steepness(1.0, z[:, 2 * n : 3 * n])
            before[:, 3 * n :] = v[:, :n] * bent * _logistic_slope(z[:, 3 * n :])
            gradient = (state[:, :n].T @ before).ravel(), (drive.T @ before).ravel(), before.sum(axis=0)
            return np.concatenate([before @ self.w.T, inner * f], axis=1), np.concatenate(gradient)

        return following, pullback


def chrono(cell: LSTM, longest: int, seed: int = 0) -> LSTM:
    """Return the cell with forget gates that remember for 1 to `longest` steps, spread in the logarithm.

    References
    ----------
    Tallec and Ollivier 2018, arXiv:1804.11188
    """
    if longest < 3:
        raise InputError(f"chrono: expected a dependency of at least 3 steps, got {longest}")
    n, b = cell.units, cell.b.copy()
    spans = np.log(np.random.default_rng(seed).uniform(1.0, longest - 1.0, n))
    b[:n], b[n : 2 * n] = -spans, spans
    return LSTM(cell.w, cell.u, b)


def driven(cell: Cell, drives: Array, start: Array | None = None) -> Iterator[Array]:
    """Yield the states of a path, the first one included.

    Parameters
    ----------
    drives : array, shape (steps, batch, inputs)
        The inputs.
    start : array, optional
        The first state; at rest if left out.
    """
    state = cell.rest(drives.shape[1]) if start is None else start
    yield state
    for drive in drives:
        state = cell.step(state, drive)
        yield state


def costate_path(cell: Cell, drives: Array, seed: Array) -> Path:
    """Follow a costate back over a whole path; the memory is that of a segment.

    Parameters
    ----------
    drives : array, shape (steps, batch, inputs)
        The inputs.
    seed : array, shape (batch, state)
        Costate of the last state.
    """
    kept = [state for number, state in enumerate(driven(cell, drives)) if number % SEGMENT == 0]

    def pullbacks() -> Iterator[Callable[[Array], Array]]:
        for number in reversed(range(len(kept))):
            part = drives[number * SEGMENT : (number + 1) * SEGMENT]
            states = list(driven(cell, part, kept[number]))
            for state, drive in zip(states[-2::-1], part[::-1], strict=True):
                back = cell.vjp(state, drive)[1]
                yield lambda v, back=back: back(v)[0]  # type: ignore[misc]

    return followed(seed, pullbacks())


def _logistic(z: Array) -> Array:
    """Return 1 / (1 + exp(-z)) without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * z)))


def _logistic_slope(z: Array) -> Array:
    """Return its slope, not rounded to nothing where it has died."""
    q = np.exp(-np.abs(z))
    return np.asarray(q / (1.0 + q) ** 2)
