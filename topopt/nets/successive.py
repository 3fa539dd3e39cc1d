"""Training a net without a gradient step: the method of successive approximations.

A sweep runs the states forward, the costates back, and then lets every layer by itself maximise its
Hamiltonian. Far from where states and costates were computed that need not help; the extended method holds
each layer near them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from topopt.errors import InputError
from topopt.parameters import Array, NonNegative, Positive, checked

__all__ = ["Flow", "Sweep", "trained"]


@dataclass(frozen=True, eq=False)
class Flow:
    """A residual net, ``x_(k+1) = x_k + step tanh(x_k W_k + b_k)``, fitted to a target by its mean output.

    Parameters
    ----------
    inputs : array, shape (samples, width)
        The first states.
    targets : array, shape (samples,)
        What the mean of the last state shall be.
    layers : int
        How many steps there are.
    step : float
        Length of each.
    """

    inputs: Array
    targets: Array
    layers: int = 20
    step: Positive = 0.25

    def __post_init__(self) -> None:
        """Refuse targets that do not fit."""
        checked(self)
        if self.inputs.ndim != 2 or self.targets.shape != self.inputs.shape[:1]:
            raise InputError(
                f"Flow: targets of shape {self.targets.shape} do not fit inputs of shape {self.inputs.shape}"
            )

    @property
    def width(self) -> int:
        """Width of a state."""
        return int(self.inputs.shape[1])

    def drawn(self, seed: int = 0) -> Array:
        """Return weights to begin with, shape (layers, width (width + 1)): W row by row, then b."""
        random = np.random.default_rng(seed)
        w = random.normal(size=(self.layers, self.width**2)) / np.sqrt(self.width)
        return np.concatenate([w, np.zeros((self.layers, self.width))], axis=1)

    def states(self, weights: Array) -> list[Array]:
        """Return all states, the inputs first."""
        states = [self.inputs]
        for own in weights:
            states.append(self.following(states[-1], own))
        return states

    def following(self, state: Array, own: Array) -> Array:
        """Return the state behind a layer."""
        return np.asarray(state + self.step * np.tanh(self._reached(state, own)))

    def _reached(self, state: Array, own: Array) -> Array:
        """Return what the layer bends."""
        n = self.width
        return np.asarray(state @ own[: n * n].reshape(n, n) + own[n * n :])

    def loss(self, last: Array) -> float:
        """Return the mean square of what is missing."""
        return float(np.mean((last.mean(axis=1) - self.targets) ** 2))

    def costates(self, weights: Array, states: list[Array]) -> list[Array]:
        """Return the costates of all states: derivatives of minus the loss, sample by sample."""
        missing = states[-1].mean(axis=1) - self.targets
        last = -2.0 * missing[:, None] / (len(self.targets) * self.width)
        costates = [np.repeat(last, self.width, axis=1)]
        for own, state in zip(weights[::-1], states[-2::-1], strict=True):
            costates.append(self._before(state, costates[-1], own))
        return costates[::-1]

    def _before(self, state: Array, costate: Array, own: Array) -> Array:
        """Return the costate in front of a layer: the derivative of its Hamiltonian by the state."""
        n = self.width
        bent = np.tanh(self._reached(state, own))
        return np.asarray(costate + self.step * (costate * (1.0 - bent**2)) @ own[: n * n].reshape(n, n).T)

    def gradient(self, weights: Array) -> Array:
        """Return the derivative of the loss by the weights: minus that of the Hamiltonians."""
        states = self.states(weights)
        costates = self.costates(weights, states)
        rows = zip(weights, states, costates[1:], strict=False)
        return np.array([-self._slope(state, costate, own) for own, state, costate in rows])

    def _slope(self, state: Array, costate: Array, own: Array) -> Array:
        """Return the derivative of a layer's Hamiltonian, ``costate . following``, by its weights."""
        bent = np.tanh(self._reached(state, own))
        return self._spread(state, self.step * costate * (1.0 - bent**2))

    def _spread(self, state: Array, inner: Array) -> Array:
        """Return the derivative by the weights from that by what the layer bends."""
        return np.concatenate([(state.T @ inner).ravel(), inner.sum(axis=0)])

    def hamiltonian(self, own: Array, places: tuple[Array, ...], hold: float) -> tuple[float, Array]:
        """Return minus a layer's extended Hamiltonian, and its derivative by the layer's weights.

        Parameters
        ----------
        own : array
            The layer's weights.
        places : tuple of array
            State and costate in front of the layer, and behind it, where they were computed.
        hold : float
            What leaving these costs, per square and sample.
        """
        state, before, behind, costate = places
        n = self.width
        w = own[: n * n].reshape(n, n)
        bent = np.tanh(self._reached(state, own))
        slope = 1.0 - bent**2
        reached = state + self.step * bent
        value, inner = -float((costate * reached).sum()), -self.step * costate * slope
        off = reached - behind
        value, inner = value + 0.5 * hold * float((off**2).sum()), inner + hold * self.step * off * slope
        scaled = len(state) ** 2 * hold  # costates are as small as one sample's share of the loss
        felt = costate * slope
        missing = costate + self.step * felt @ w.T - before
        value += 0.5 * scaled * float((missing**2).sum())
        inner = inner - scaled * self.step * 2.0 * (missing @ w) * costate * bent * slope
        total = self._spread(state, inner)
        total[: n * n] += scaled * self.step * (missing.T @ felt).ravel()
        return value, total


@dataclass(frozen=True, eq=False)
class Sweep:
    """What one sweep left.

    Attributes
    ----------
    weights : array, shape (layers, width (width + 1))
        Of all layers.
    loss : float
        With them.
    """

    weights: Array
    loss: float


def trained(flow: Flow, weights: Array, hold: NonNegative = 0.1, maxima: int = 10) -> Iterator[Sweep]:
    """Sweep without end.

    Parameters
    ----------
    flow : Flow
        The net and its data.
    weights : array
        To begin with.
    hold : float
        Of the extended method; at 0 it is the original one, which may diverge.
    maxima : int
        Iterations of L-BFGS that a layer may spend on its maximum in a sweep.

    References
    ----------
    Li, Chen, Tai and E 2018, arXiv:1710.09513; the original method: Chernousko and Lyubushin 1982,
    doi:10.1002/oca.4660030201
    """
    while True:
        states = flow.states(weights)
        costates = flow.costates(weights, states)
        found = []
        for k, own in enumerate(weights):
            places = states[k], costates[k], states[k + 1], costates[k + 1]
            answer = minimize(
                flow.hamiltonian, own, (places, hold), "L-BFGS-B", True, options={"maxiter": maxima}
            )
            found.append(answer.x)
        weights = np.array(found)
        yield Sweep(weights, flow.loss(flow.states(weights)[-1]))
