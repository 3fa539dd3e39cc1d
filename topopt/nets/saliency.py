"""Which inputs mattered: the gradient, which is blind where a neuron is saturated, and three ways to see.

All explain one logit of a chain whose source is the input, such as `saliency_chain` makes of a net.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from topopt.chain import Chain, Link, Pullback, Stage
from topopt.errors import InputError
from topopt.nets.layers import Affine, Bend, SignGate
from topopt.nets.net import LOGITS, Net
from topopt.parameters import Array

__all__ = ["Attribution", "deletion", "gradient", "integrated", "rescaled", "saliency_chain", "softened"]

APART = 1e-10
"""A gate whose input differs by less from what the baseline gives it has a slope, and no chord."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """How much each input is held responsible for a logit.

    Attributes
    ----------
    shares : array, shape (n,)
        By input; those of a complete method sum up to the logit's difference from the baseline.
    gap : float
        How far they do not.
    """

    shares: Array
    gap: float


@dataclass(frozen=True, eq=False)
class _Fixed(Stage):
    """A layer whose weights are constant."""

    layer: Affine
    weights: Array

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return z for one sample, shape (outputs,)."""
        output, pullback = self.layer.vjp(self.weights, inputs[0][None, :])
        return output[0], lambda v: (pullback(v[None, :])[1][0],)


@dataclass(frozen=True)
class _Entry(Stage):
    """One entry of a vector."""

    number: int

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the entry."""
        (values,) = inputs

        def pullback(v: Array) -> tuple[Array]:
            passed = np.zeros_like(values)
            passed[self.number] = v.item()
            return (passed,)

        return np.asarray(values[self.number]), pullback


@dataclass(frozen=True, eq=False)
class _Chord(Stage):
    """The straight line in place of a gate, from what the baseline gives it to what the input does."""

    linear: ClassVar[bool] = True

    steepness: Array

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the line's rise."""
        return self.steepness * inputs[0], lambda v: (self.steepness * v,)


def saliency_chain(net: Net, weights: Array, label: int) -> Chain:
    """Return the chain from one input to the logit of a class, ``logit``, at weights that stay.

    Parameters
    ----------
    net : Net
        A net of affine layers and gates.
    weights : array, shape (n,)
        Its weights.
    label : int
        The class.
    """
    links = []
    for link in net.chain.upto(LOGITS):
        stage = link.stage
        if isinstance(stage, Affine):
            stage = _Fixed(dataclasses.replace(stage, fed=None), weights)
        links.append(Link(link.name, stage))
    return Chain((*links, Link("logit", _Entry(label))), source="input")


def gradient(chain: Chain, x: Array, baseline: Array) -> Attribution:
    """Return gradient times difference: what a saturated neuron hides, it does not see.

    References
    ----------
    Simonyan, Vedaldi and Zisserman 2014, arXiv:1312.6034
    """
    return _attributed(chain, x, baseline, chain.run(x).sensitivities("logit")[chain.source])


def integrated(chain: Chain, x: Array, baseline: Array, points: int = 50) -> Attribution:
    """Return integrated gradients on Gauss and Legendre's points, with their gap of completeness.

    References
    ----------
    Sundararajan, Taly and Yan 2017, arXiv:1703.01365
    """
    nodes, weights = np.polynomial.legendre.leggauss(points)
    shares = 0.5 * (nodes + 1.0)
    mean = sum(
        0.5 * weight * chain.run(baseline + share * (x - baseline)).sensitivities("logit")[chain.source]
        for share, weight in zip(shares, weights, strict=True)
    )
    return _attributed(chain, x, baseline, np.asarray(mean))


def rescaled(chain: Chain, x: Array, baseline: Array) -> Attribution:
    """Return DeepLIFT's shares (its Rescale): a gate passes back the slope of its chord from the baseline.

    A saturated gate has a chord where it has no slope, so that nothing is lost and nothing has to be summed
    up along a path; the shares are complete to rounding.

    References
    ----------
    Shrikumar, Greenside and Kundaje 2017, arXiv:1704.02685
    """
    here, there = chain.run(x), chain.run(baseline)
    links = []
    for link in chain:
        stage = link.stage
        if isinstance(stage, (SignGate, Bend)):
            before = link.reads[0]
            apart = here[before] - there[before]
            far = np.abs(apart) > APART
            rise = (here[link.name] - there[link.name]) / np.where(far, apart, 1.0)
            stage = _Chord(np.where(far, rise, stage.vjp(here[before])[1](np.ones_like(apart))[0]))
        links.append(Link(link.name, stage, link.reads))
    straight = Chain(tuple(links), chain.source)
    return _attributed(chain, x, baseline, straight.run(x).sensitivities("logit")[chain.source])


def softened(chain: Chain, x: Array, baseline: Array, factors: Sequence[float] = ()) -> Attribution:
    """Return the mean gradient over softer gates: continuation on the slope as an explanation.

    Parameters
    ----------
    factors : sequence of float
        On the gates' sharpness; 2**-8 to 1 in half octaves if left out.
    """
    sharpness = {f"{link.name}.beta": link.stage.beta for link in chain if isinstance(link.stage, SignGate)}
    if not sharpness:
        raise InputError("softened: the chain has no gates with a sharpness to lower")
    factors = factors or [2.0 ** (-0.5 * k) for k in range(17)]
    mean = np.zeros_like(x)
    for factor in factors:
        softer = chain.at({name: factor * beta for name, beta in sharpness.items()})
        slope = softer.run(x).sensitivities("logit")[chain.source]
        mean += slope / max(float(np.linalg.norm(slope)), 1e-300)
    return _attributed(chain, x, baseline, mean / len(factors))


def deletion(chain: Chain, x: Array, baseline: Array, attribution: Attribution) -> float:
    """Return the mean share of the logit that is left as inputs go, the most responsible first.

    The lower, the better the attribution found what mattered.

    References
    ----------
    Petsiuk, Das and Saenko 2018, arXiv:1806.07421
    """
    whole, nothing = (float(chain.run(place)["logit"].item()) for place in (x, baseline))
    if whole == nothing:
        return 1.0
    now, left = x.copy(), []
    for place in np.argsort(-attribution.shares, kind="stable"):
        now[place] = baseline[place]
        left.append((float(chain.run(now)["logit"].item()) - nothing) / (whole - nothing))
    return float(np.mean(left))


def _attributed(chain: Chain, x: Array, baseline: Array, slope: Array) -> Attribution:
    """Return slope times difference, and what it leaves unexplained."""
    shares = slope * (x - baseline)
    reached = float((chain.run(x)["logit"] - chain.run(baseline)["logit"]).item())
    return Attribution(shares, abs(reached - float(shares.sum())))
