"""A net that `topopt.optimize` drives: weights are the design, the loss is the objective, gates are gates."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import annotated_types as at
import numpy as np

from topopt.chain import Chain, Link, Stage
from topopt.errors import InputError
from topopt.evaluation import Bounds, Evaluation
from topopt.nets.hashing import PairwiseLikelihood
from topopt.nets.layers import Affine, Bend, CrossEntropy, Loss, SignGate, StraightThrough
from topopt.nets.samples import Samples, batch_number
from topopt.parameters import Array, NonNegative, Positive, checked
from topopt.signals import signals

__all__ = ["Net", "hash_net", "sign_net"]

WEIGHTS, LOGITS, LOSS = "weights", "logits", "loss"
BATCH, NOISE = "batch", "noise"

Layer = tuple[str, tuple[str, Stage] | None]
"""The name of an affine layer, and of what bends it, with that."""


@dataclass(frozen=True, eq=False)
class Net:
    """A chain from weights to a loss, which all samples enter at once; see `topopt.Model`.

    Beside those of the chain it has the parameters ``noise`` and ``batch``, the number of the batch, which a
    `Counter` raises: every number has noise of its own.

    Parameters
    ----------
    chain : Chain
        From the source ``weights`` to ``loss``, a `Loss`; its first link is an `Affine` that is fed.
    start : array, shape (n,)
        The weights to begin with.
    held_out : Chain
        The same on samples that are not learnt from, for the log and the yardstick.
    reach : float
        Bound of every weight, on both sides of 0.
    noise : float
        Standard deviation of Gaussian noise on the inputs that are learnt from (Bishop 1995,
        doi:10.1162/neco.1995.7.1.108): never the same sample twice.
    judged : int
        Batches from one judgement to the next.
    """

    chain: Chain
    start: Array
    held_out: Chain
    reach: Positive = 100.0
    noise: NonNegative = 0.0
    judged: Annotated[int, at.Ge(1)] = 1

    def __post_init__(self) -> None:
        """Refuse chains that do not lead from weights to a loss."""
        checked(self)
        for chain in (self.chain, self.held_out):
            if not isinstance(chain[LOSS].stage, Loss):
                kind = type(chain[LOSS].stage).__name__
                raise InputError(f"Net.chain: expected a Loss as 'loss', got a {kind}")

    def initial(self) -> Array:
        """Return the weights to begin with."""
        return self.start.copy()

    def bounds(self) -> Bounds:
        """Return the box of the weights."""
        wide = np.full(self.start.size, self.reach)
        return Bounds(-wide, wide)

    def parameters(self) -> dict[str, float]:
        """Return every parameter of the chain, ``link.field``, ``noise`` and ``batch``, with its value."""
        return self.chain.parameters() | {NOISE: self.noise, BATCH: 0.0}

    def evaluate(self, x: Array, parameters: Mapping[str, float] | None = None) -> Evaluation:
        """Evaluate weights, shape (n,), at parameters that override the net's own.

        `measures` has the share of right answers on the samples that are learnt from (``accuracy``), on those
        held out (``held_out``), and on these with every gate a sign (``sharp``).
        """
        given = dict(parameters or {})
        number = batch_number(given.get(BATCH, 0.0), "Net")
        inner = _of_chain(given)
        tape = self._fed(number, given.get(NOISE, self.noise)).at(inner).run(x)
        loss = tape.sensitivities(LOSS)
        answers = tape[_answers(self.chain)]
        measures = {}
        if number % self.judged == 0:
            measures = {
                "accuracy": _score(self.chain, answers),
                "held_out": self.accuracy(x, inner),
                "sharp": self.sharp_accuracy(x, inner),
            }
        return Evaluation(
            objective=float(tape[LOSS].item()),
            gradient=loss[tape.chain.source],
            constraints=np.zeros(0),
            jacobian=np.zeros((0, x.size)),
            signals=signals(tape, loss, (), inner, lambda value: value.ravel()),
            output=answers.ravel(),
            responses={LOSS: float(tape[LOSS].item())},
            measures=measures,
            solves=1,
        )

    def sharpnesses(self) -> tuple[str, ...]:
        """Return the names of the sharpness of every gate, the first gate's first."""
        return tuple(f"{link.name}.beta" for link in self.chain if link.stage.sharp)

    def surrogates(self, parameters: Mapping[str, float]) -> tuple[str, ...]:
        """Return the gates whose pullback is that of a softer one at these parameters."""
        gates = {link.name: link.stage for link in self.chain.at(_of_chain(parameters))}
        return tuple(
            name
            for name, gate in gates.items()
            if gate.heuristic and not (isinstance(gate, StraightThrough) and gate.beta <= gate.backward_beta)
        )

    def accuracy(self, x: Array, parameters: Mapping[str, float] | None = None) -> float:
        """Return the share of right answers on the samples that are held out, without noise."""
        name = _answers(self.held_out)
        chain = self.held_out.at(_of_chain(parameters or {})).upto(name)
        return _score(self.held_out, chain.run(x)[name])

    def sharp_accuracy(self, x: Array, parameters: Mapping[str, float] | None = None) -> float:
        """Return the same of the net whose gates are signs."""
        gates = {f"{link.name}.beta": np.inf for link in self.chain if isinstance(link.stage, SignGate)}
        return self.accuracy(x, dict(parameters or {}) | gates)

    def _fed(self, number: int, noise: float) -> Chain:
        """Return the chain fed with its samples and the noise of a batch."""
        if not noise:
            return self.chain
        first, *rest = self.chain
        stage = first.stage
        if not isinstance(stage, Affine) or stage.fed is None:
            raise InputError(f"Net.noise: needs a first link that is an Affine and fed, got {stage!r}")
        fed = dataclasses.replace(stage, fed=stage.fed.noisy(noise, number))
        return Chain((dataclasses.replace(first, stage=fed), *rest), self.chain.source)


def _of_chain(parameters: Mapping[str, float]) -> dict[str, float]:
    """Return the parameters that are the chain's."""
    return {name: value for name, value in parameters.items() if name not in (BATCH, NOISE)}


def _answers(chain: Chain) -> str:
    """Return the name of what the loss reads."""
    return chain[LOSS].reads[-1]


def _score(chain: Chain, answers: Array) -> float:
    """Return the share of what is right, as the loss understands it."""
    loss = chain[LOSS].stage
    assert isinstance(loss, Loss)
    return loss.score(answers)


def sign_net(
    train: Samples,
    held_out: Samples,
    bits: tuple[int, ...] = (16,),
    gate: Stage = SignGate(),
    seed: int = 0,
    noise: float = 0.0,
) -> Net:
    """Return a classifier whose hidden layers are gates: ``code1``, ``code2``, ... of so many bits each.

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
    noise : float
        As for `Net`.
    """
    widths = (train.inputs.shape[1], *bits, train.classes)
    start, chain = _stacked(widths, [*_gated(bits, gate), (LOGITS, None)], CrossEntropy, seed)
    return Net(chain(train), start, chain(held_out), noise=noise)


def hash_net(
    train: Samples,
    held_out: Samples,
    bits: tuple[int, ...] = (16,),
    gate: Stage = SignGate(),
    seed: int = 0,
    noise: float = 0.0,
    hidden: int = 64,
) -> Net:
    """Return a net that ends in gates: what the last says of a sample is its code, alike for one class.

    It is judged by what codes of samples held out retrieve, as `mean_average_precision` has it, at every
    twentieth batch.

    Parameters
    ----------
    train, held_out : Samples
        To learn from, and to judge by.
    bits : tuple of int
        Width of the layers, that of the code last.
    gate, seed, noise
        As for `sign_net`.
    hidden : int
        Smooth units below the signs.
    """
    widths = (train.inputs.shape[1], hidden, *bits)
    layers = [("mixed", ("hidden", Bend())), *_gated(bits, gate)]
    start, chain = _stacked(widths, layers, PairwiseLikelihood, seed)
    return Net(chain(train), start, chain(held_out), noise=noise, judged=20)


def _gated(bits: tuple[int, ...], gate: Stage) -> list[Layer]:
    """Return a layer with a gate for each width."""
    return [(f"score{number}", (f"code{number}", gate)) for number in range(1, len(bits) + 1)]


def _stacked(
    widths: tuple[int, ...], layers: Sequence[Layer], loss: Callable[[Samples], Loss], seed: int
) -> tuple[Array, Callable[[Samples], Chain]]:
    """Return the first weights, and a function from samples to the chain."""
    random, start = np.random.default_rng(seed), []
    affine: list[Affine] = []
    for begin, (inputs, outputs) in zip(_begins(widths), pairwise(widths), strict=True):
        affine.append(Affine(inputs, outputs, begin))
        start += [random.normal(size=inputs * outputs) / np.sqrt(inputs), np.zeros(outputs)]

    def chain(samples: Samples) -> Chain:
        links: list[Link] = []
        for layer, (name, bend) in zip(affine, layers, strict=True):
            if links:
                links.append(Link(name, layer, (WEIGHTS, links[-1].name)))
            else:
                links.append(Link(name, dataclasses.replace(layer, fed=samples), WEIGHTS))
            links += [] if bend is None else [Link(*bend)]
        return Chain((*links, Link(LOSS, loss(samples))), source=WEIGHTS)

    return np.concatenate(start), chain


def _begins(widths: tuple[int, ...]) -> list[int]:
    """Return where the weights of each layer begin."""
    sizes = [(inputs + 1) * outputs for inputs, outputs in pairwise(widths)]
    return [0, *np.cumsum(sizes[:-1]).tolist()]
