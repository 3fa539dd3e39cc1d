"""A net that `topopt.optimize` drives: weights are the design, the loss is the objective, gates are gates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from topopt.chain import Chain, Link, Stage
from topopt.evaluation import Bounds, Evaluation
from topopt.nets.layers import Affine, CrossEntropy, SignGate, StraightThrough
from topopt.nets.samples import Samples
from topopt.parameters import Array, Positive, checked
from topopt.signals import signals

__all__ = ["Net", "sign_net"]

LOGITS, LOSS = "logits", "loss"


@dataclass(frozen=True, eq=False)
class Net:
    """A classifier as a chain from weights to loss; see `topopt.Model`.

    Parameters
    ----------
    chain : Chain
        From the source ``weights`` to ``logits`` and ``loss``.
    start : array, shape (n,)
        The weights to begin with.
    held_out : Chain
        The same on samples that are not learnt from, for the log and the yardstick.
    reach : float
        Bound of every weight, on both sides of 0.
    """

    chain: Chain
    start: Array
    held_out: Chain
    reach: Positive = 100.0

    def __post_init__(self) -> None:
        """Refuse chains that do not lead from weights to a loss."""
        checked(self)
        for chain in (self.chain, self.held_out):
            for name in (LOGITS, LOSS):
                chain[name]

    def initial(self) -> Array:
        """Return the weights to begin with."""
        return self.start.copy()

    def bounds(self) -> Bounds:
        """Return the box of the weights."""
        wide = np.full(self.start.size, self.reach)
        return Bounds(-wide, wide)

    def parameters(self) -> dict[str, float]:
        """Return every parameter of the chain, ``link.field``, with its value."""
        return self.chain.parameters()

    def evaluate(self, x: Array, parameters: Mapping[str, float] | None = None) -> Evaluation:
        """Evaluate weights, shape (n,), at parameters that override the net's own.

        `measures` has the share of right answers on the samples that are learnt from (``accuracy``), on those
        held out (``held_out``), and on these with every gate a sign (``sharp``).
        """
        parameters = parameters or {}
        tape = self.chain.at(parameters).run(x)
        loss = tape.sensitivities(LOSS)
        logits = tape[LOGITS]
        return Evaluation(
            objective=float(tape[LOSS].item()),
            gradient=loss[tape.chain.source],
            constraints=np.zeros(0),
            jacobian=np.zeros((0, x.size)),
            signals=signals(tape, loss, (), parameters, lambda value: value.ravel()),
            output=logits.ravel(),
            responses={LOSS: float(tape[LOSS].item())},
            measures={
                "accuracy": _right(self.chain, logits),
                "held_out": self.accuracy(x, parameters),
                "sharp": self.sharp_accuracy(x, parameters),
            },
            solves=1,
        )

    def sharpnesses(self) -> tuple[str, ...]:
        """Return the names of the sharpness of every gate, the first gate's first."""
        return tuple(f"{link.name}.beta" for link in self.chain if link.stage.sharp)

    def surrogates(self, parameters: Mapping[str, float]) -> tuple[str, ...]:
        """Return the gates whose pullback is that of a softer one at these parameters."""
        gates = {link.name: link.stage for link in self.chain.at(parameters)}
        return tuple(
            name
            for name, gate in gates.items()
            if gate.heuristic and not (isinstance(gate, StraightThrough) and gate.beta <= gate.backward_beta)
        )

    def accuracy(self, x: Array, parameters: Mapping[str, float] | None = None) -> float:
        """Return the share of right answers on the samples that are held out."""
        chain = self.held_out.at(parameters or {}).upto(LOGITS)
        return _right(self.held_out, chain.run(x)[LOGITS])

    def sharp_accuracy(self, x: Array, parameters: Mapping[str, float] | None = None) -> float:
        """Return the same of the net whose gates are signs."""
        gates = {f"{link.name}.beta": np.inf for link in self.chain if isinstance(link.stage, SignGate)}
        return self.accuracy(x, dict(parameters or {}) | gates)


def _right(chain: Chain, logits: Array) -> float:
    """Return the share of logits whose largest is the right one."""
    loss = chain[LOSS].stage
    assert isinstance(loss, CrossEntropy)
    return float((logits.argmax(axis=1) == loss.samples.labels).mean())


def sign_net(
    train: Samples, held_out: Samples, bits: tuple[int, ...] = (16,), gate: Stage = SignGate(), seed: int = 0
) -> Net:
    """Return a net whose hidden layers are gates: ``code1``, ``code2``, ... of so many bits each.

    Parameters
    ----------
    train, held_out : Samples
        To learn from, and to judge by.
    bits : tuple of int
        Width of the hidden layers.
    gate : Stage
        What every hidden layer ends in; its sharpness is scheduled as ``code1.beta``, ``code2.beta``, ...
    seed : int
        Of the first weights, Gaussian with a variance of one over the width of what comes in.
    """
    widths = (train.inputs.shape[1], *bits, train.classes)
    random, start = np.random.default_rng(seed), []
    layers: list[Affine] = []
    for begin, (inputs, outputs) in zip(_begins(widths), pairwise(widths), strict=True):
        layers.append(Affine(inputs, outputs, begin))
        start += [random.normal(size=inputs * outputs) / np.sqrt(inputs), np.zeros(outputs)]

    def chain(samples: Samples) -> Chain:
        first = Affine(widths[0], widths[1], 0, samples)
        links = [Link("score1", first, "weights"), Link("code1", gate)]
        for number, layer in enumerate(layers[1:-1], 2):
            links += [
                Link(f"score{number}", layer, ("weights", f"code{number - 1}")),
                Link(f"code{number}", gate),
            ]
        links.append(Link(LOGITS, layers[-1], ("weights", links[-1].name)))
        return Chain((*links, Link(LOSS, CrossEntropy(samples))), source="weights")

    return Net(chain(train), np.concatenate(start), chain(held_out))


def _begins(widths: tuple[int, ...]) -> list[int]:
    """Return where the weights of each layer begin."""
    sizes = [(inputs + 1) * outputs for inputs, outputs in pairwise(widths)]
    return [0, *np.cumsum(sizes[:-1]).tolist()]
