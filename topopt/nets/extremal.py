"""Which few pixels keep a net's answer: an explanation as a design of limited volume, under continuation.

The mask is the density, its area the volume, the net behind it the structure. Where the net's gates are
saturated the mask hears nothing from it; softened, and sharpened as the mask forms, they let it hear.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from topopt.chain import Chain, Link, Pullback, Stage
from topopt.evaluation import Bounds, Evaluation
from topopt.nets.digits import digits
from topopt.nets.layers import SignGate
from topopt.nets.net import Net, sign_net
from topopt.nets.saliency import gradient, integrated, rescaled, saliency_chain, softened
from topopt.optimizers import Adam
from topopt.parameters import Array, UnitOpen, checked
from topopt.signals import signals

__all__ = ["Extremal", "explained_digit", "saturated"]

MASK, IMAGE, LOST, AREA = "mask", "image", "lost", "area"


@dataclass(frozen=True, eq=False)
class _Blend(Stage):
    """A picture where the mask is 1, the baseline where it is 0."""

    linear: ClassVar[bool] = True

    picture: Array
    baseline: Array

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return what the net is shown."""
        apart = self.picture - self.baseline
        return self.baseline + inputs[0] * apart, lambda v: (v * apart,)


@dataclass(frozen=True)
class _Lost(Stage):
    """The share of a logit's height above that of the baseline which is missing."""

    nothing: float
    whole: float

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the share."""
        height = self.whole - self.nothing
        return np.asarray((self.whole - inputs[0]) / height), lambda v: (-v / height,)


@dataclass(frozen=True)
class _Area(Stage):
    """The mean of a mask."""

    linear: ClassVar[bool] = True

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the mean."""
        (mask,) = inputs
        return np.asarray(mask.mean()), lambda v: (np.full(mask.shape, v.item() / mask.size),)


@dataclass(frozen=True, eq=False)
class Extremal:
    """A `topopt.Model` whose design is a mask, and whose objective what a logit loses under it.

    Parameters
    ----------
    explained : Chain
        From ``input`` to ``logit``; see `saliency_chain`.
    picture, baseline : array, shape (n,)
        What is explained, and what is shown where the mask is 0.
    area : float
        Largest mean of the mask.

    References
    ----------
    Fong and Vedaldi 2017, arXiv:1704.03296; of limited area: Fong, Patrick and Vedaldi 2019, arXiv:1910.08485
    """

    explained: Chain
    picture: Array
    baseline: Array
    area: UnitOpen = 0.15

    def __post_init__(self) -> None:
        """Check that numbers lie in their bounds."""
        checked(self)

    @functools.cached_property
    def chain(self) -> Chain:
        """From the mask to what is lost, and to its area."""
        first, *others = self.explained
        links = [Link(IMAGE, _Blend(self.picture, self.baseline)), Link(first.name, first.stage, IMAGE)]
        nothing, whole = (
            float(self.explained.run(at)["logit"].item()) for at in (self.baseline, self.picture)
        )
        return Chain(
            (*links, *others, Link(LOST, _Lost(nothing, whole), "logit"), Link(AREA, _Area(), MASK)), MASK
        )

    def initial(self) -> Array:
        """Return a mask that is equal everywhere."""
        return np.full(self.picture.size, self.area)

    def bounds(self) -> Bounds:
        """Return 0 and 1."""
        return Bounds(np.zeros(self.picture.size), np.ones(self.picture.size))

    def parameters(self) -> dict[str, float]:
        """Return every parameter of the net that is explained, ``code1.beta`` among them."""
        return self.chain.parameters()

    def kept(self, ranking: Array) -> float:
        """Return the share of the logit that the largest entries keep, as many as the area allows, alone.

        Parameters
        ----------
        ranking : array, shape (n,)
            A mask, or how responsible each pixel is held.
        """
        hard = np.zeros(ranking.size)
        hard[np.argsort(-ranking, kind="stable")[: round(self.area * ranking.size)]] = 1.0
        return 1.0 - float(self.chain.run(hard)[LOST].item())

    def rivals(self) -> dict[str, float]:
        """Return the same of the pixels that methods without a design hold responsible, by method."""
        methods = (gradient, integrated, rescaled, softened)
        at = self.explained, self.picture, self.baseline
        return {method.__name__: self.kept(method(*at).shares) for method in methods}

    def evaluate(self, x: Array, parameters: Mapping[str, float] | None = None) -> Evaluation:
        """Evaluate a mask at parameters that override the net's own.

        `measures` has what the net as it stands has left under a mask of zeros and ones (``kept``), and how
        far the mask is from being one (``discreteness``, 4 times the mean of m (1 - m)).
        """
        parameters = parameters or {}
        tape = self.chain.at(parameters).run(x)
        lost, area = tape.sensitivities(LOST), tape.sensitivities(AREA, 1.0 / self.area)
        return Evaluation(
            objective=float(tape[LOST].item()),
            gradient=lost[MASK],
            constraints=np.array([float(tape[AREA].item()) / self.area - 1.0]),
            jacobian=area[MASK][None, :],
            constraint_names=(AREA,),
            signals=signals(tape, lost, (area,), parameters, lambda value: value.ravel()),
            output=x,
            responses={name: float(tape[name].item()) for name in (LOST, AREA)},
            measures={"kept": self.kept(x), "discreteness": float(4.0 * (x * (1.0 - x)).mean())},
            solves=1,
        )


@functools.lru_cache(maxsize=4)
def saturated(slope: float, units: int = 48, seed: int = 0) -> tuple[Net, Array]:
    """Return a net of one layer of gates on digits, and weights that it learnt as the gates grew steep.

    Parameters
    ----------
    slope : float
        Of the gates at the end, at least 1.
    units : int
        How many gates.
    seed : int
        Of the first weights.
    """
    train, held_out = digits()
    net, adam = sign_net(train, held_out, (units,), SignGate(), seed), Adam(clip=1.0)
    x, bounds = net.initial(), net.bounds()
    state = adam.init(x, bounds.lower, bounds.upper)
    for step in range(300):
        beta = slope ** min(1.0, max(0.0, (step - 60) / 200))
        tape = net.chain.at({"code1.beta": beta}).run(x)
        slope_of_loss = tape.sensitivities("loss")["weights"]
        found = Evaluation(float(tape["loss"].item()), slope_of_loss, np.zeros(0), np.zeros((0, x.size)))
        x, state = dataclasses.replace(adam, rate=0.01 / beta).step(x, found, state)
    return sign_net(train, held_out, (units,), SignGate(slope), seed), x


def explained_digit(digit: int, slope: float, area: float, seed: int = 0) -> Extremal:
    """Return one of the digits that were held out, behind a mask, in front of a net of saturated gates.

    Parameters
    ----------
    digit : int
        Its place among those held out.
    slope : float
        Of the gates.
    area : float
        Of the mask.
    seed : int
        Of the net's first weights.
    """
    net, weights = saturated(slope, seed=seed)
    _, held_out = digits()
    chain = saliency_chain(net, weights, int(held_out.labels[digit]))
    return Extremal(chain, held_out.inputs[digit], -np.ones(64), area)
