"""Layers of a net as stages of a chain, so that tape, log and continuation are those of a bridge.

The chain's source holds all weights in a row; a layer knows which of them are its own. What a net is fed with
is constant and lives in the first layer.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from topopt.chain import Pullback, Stage
from topopt.errors import InputError
from topopt.nets.samples import Samples
from topopt.parameters import Array, NonNegative

__all__ = ["Affine", "Bend", "CrossEntropy", "Loss", "SignGate", "StraightThrough", "bent", "steepness"]


@dataclass(frozen=True)
class Affine(Stage):
    """``z = a W + b``, read from its own part of the weights.

    Parameters
    ----------
    inputs, outputs : int
        Width of what comes in and goes out.
    begin : int
        Where its weights begin; `size` of them are its own, W row by row and then b.
    fed : Samples, optional
        What it is fed with, if it is the first layer; it then reads the weights alone.
    """

    inputs: int
    outputs: int
    begin: int = 0
    fed: Samples | None = None

    def __post_init__(self) -> None:
        """Refuse samples of another width."""
        if self.fed is not None and self.fed.inputs.shape[1] != self.inputs:
            raise InputError(f"Affine.fed: expected samples of {self.inputs} features, got {self.fed}")

    @property
    def size(self) -> int:
        """How many weights are its own."""
        return (self.inputs + 1) * self.outputs

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return z, shape (samples, outputs)."""
        weights = inputs[0]
        a = self.fed.inputs if self.fed is not None else inputs[1]
        own = weights[self.begin : self.begin + self.size].reshape(self.inputs + 1, self.outputs)

        def pullback(v: Array) -> tuple[Array, ...]:
            passed = np.zeros(weights.size)
            at = self.begin + self.inputs * self.outputs
            passed[self.begin : at] = (a.T @ v).ravel()
            passed[at : self.begin + self.size] = v.sum(axis=0)
            return (passed,) if self.fed is not None else (passed, v @ own[:-1].T)

        return a @ own[:-1] + own[-1], pullback


@dataclass(frozen=True)
class SignGate(Stage):
    """``tanh(beta z)``, the sign at ``beta = inf``: HashNet's gate, the twin of a projection.

    Parameters
    ----------
    beta : float
        Sharpness, the slope at 0.

    References
    ----------
    Cao, Long, Wang and Yu 2017, HashNet, arXiv:1702.00758

    Examples
    --------
    >>> import numpy as np
    >>> SignGate(beta=np.inf)(np.array([-2.0, 0.5])).tolist()
    [-1.0, 1.0]
    """

    sharp: ClassVar[bool] = True

    beta: NonNegative = 1.0

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the gate's output; the slope is ``beta 4 q / (1 + q)**2`` with ``q = exp(-2 beta |z|)``."""
        (z,) = inputs
        if math.isinf(self.beta):
            return np.where(z < 0, -1.0, 1.0), lambda v: (np.zeros_like(v),)
        return bent(self.beta, z)

    def derivative(self, parameter: str, *inputs: Array) -> Array | None:
        """Return the derivative with respect to the sharpness."""
        (z,) = inputs
        if parameter != "beta":
            return None
        return z * steepness(1.0, self.beta * z) if math.isfinite(self.beta) else np.zeros_like(z)

    def openness(self, output: Array) -> Array:
        """Return -1 to 1 as 0 to 1."""
        return 0.5 * (1.0 + output)


@dataclass(frozen=True)
class StraightThrough(SignGate):
    """`SignGate` whose pullback is that of a softer gate: sharp on the way forward, soft on the way back.

    Parameters
    ----------
    beta : float
        Sharpness of the gate, inf included.
    backward_beta : float
        Sharpness whose slope the sensitivities see at most; 0 lets them pass as they are, and inf makes it a
        plain gate.

    References
    ----------
    Bengio, Leonard and Courville 2013, arXiv:1308.3432
    """

    heuristic: ClassVar[bool] = True

    beta: NonNegative = math.inf
    backward_beta: NonNegative = 1.0

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the sharp output and the softer pullback."""
        (z,) = inputs
        output, pullback = SignGate(self.beta).vjp(z)
        if self.beta <= self.backward_beta:
            return output, pullback
        if self.backward_beta == 0:
            return output, lambda v: (np.array(v),)
        return output, lambda v: (v * steepness(self.backward_beta, z),)


@dataclass(frozen=True)
class Bend(Stage):
    """``tanh(gain z)``, a neuron that nothing replaces: in deep nets it contracts, and the signal with it.

    Parameters
    ----------
    gain : float
        Slope at 0.
    """

    gain: NonNegative = 1.0

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the output."""
        (z,) = inputs
        return bent(self.gain, z)


class Loss(Stage):
    """What a net lowers, and the share of what is right by which it is judged."""

    @abstractmethod
    def score(self, output: Array) -> float:
        """Return the share that is right of what the net answers, 0 to 1, at an input of the loss."""


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Mean cross-entropy of logits and classes.

    Parameters
    ----------
    samples : Samples
        With the right classes.
    """

    samples: Samples

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the loss."""
        (logits,) = inputs
        rows, labels = np.arange(len(logits)), self.samples.labels
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_share = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

        def pullback(v: Array) -> tuple[Array]:
            passed = np.exp(log_share)
            passed[rows, labels] -= 1.0
            return (passed * (v / len(logits)),)

        return np.asarray(-log_share[rows, labels].mean()), pullback

    def score(self, output: Array) -> float:
        """Return the share of logits whose largest is the right one."""
        return float((output.argmax(axis=1) == self.samples.labels).mean())


def bent(beta: float, z: Array) -> tuple[Array, Pullback]:
    """Return ``tanh(beta z)`` and its pullback, both from one exponential, which is what they cost."""
    q = np.exp(-2.0 * beta * np.abs(z))
    return np.copysign((1.0 - q) / (1.0 + q), z), lambda v: (v * (4.0 * beta * q / (1.0 + q) ** 2),)


def steepness(beta: float, z: Array) -> Array:
    """Return the slope of ``tanh(beta z)``, exact to the last digit however far it has died.

    ``1 - tanh**2`` rounds to 0 from an argument of 19 on; what has vanished must not look like what was
    rounded.
    """
    q = np.exp(-2.0 * beta * np.abs(z))
    return np.asarray(beta * 4.0 * q / (1.0 + q) ** 2)
