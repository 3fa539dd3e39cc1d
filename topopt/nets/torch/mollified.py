"""A deep net of saturating gates that begins as a shallow linear one: mollified, and annealed to what it is.

While it is soft, units copy what lies below their layer instead of bending it, at random, and those that bend
carry noise where they are saturated; both leave the upper layers last.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from topopt.errors import InputError
from topopt.nets.torch.classifier import cross_entropy, digit_batches, right_answers
from topopt.nets.torch.model import TorchModel
from topopt.parameters import Array

__all__ = ["Deep", "Mollified", "mollified_model"]

NOISE = 1.0
"""Of a saturated gate in a layer that is all soft, before the square of how far it is saturated."""


class Deep(nn.Module):
    """A classifier of many layers of sigmoids, which as drawn lets no gradient through.

    Parameters
    ----------
    depth, width : int
        Hidden layers, and units of each.
    seed : int
        Of the weights.

    Attributes
    ----------
    softness : float
        k in the probability ``1 - exp(-k l / depth)`` that a unit of layer l copies; a continuation lowers it
        to 0, where the net is what it is.

    References
    ----------
    Gulcehre, Moczulski, Visin and Bengio 2016, Mollifying networks, arXiv:1608.04980; the noise: Gulcehre,
    Moczulski, Denil and Bengio 2016, Noisy activation functions, arXiv:1603.00391
    """

    def __init__(self, depth: int = 8, width: int = 32, seed: int = 0) -> None:
        """Draw the weights."""
        super().__init__()
        if depth < 1 or width < 1:
            raise InputError(f"Deep: expected at least one layer of one unit, got {depth} of {width}")
        self.softness = 0.0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.inward = nn.Linear(64, width)
            self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
            self.outward = nn.Linear(width, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits, shape (batch, 10), of images, shape (batch, 64)."""
        if self.softness < 0.0:
            raise InputError(f"softness: expected a value >= 0, got {self.softness:g}")
        state = self.inward(images)
        for number, layer in enumerate(self.layers, 1):
            share = -np.expm1(-self.softness * number / len(self.layers))
            z = layer(state)
            bent = torch.sigmoid(z)
            if share:
                bent = bent + share * _unsettled(z, bent)
                bent = torch.where(torch.rand_like(bent) < share, state, bent)
            state = bent
        return self.outward(state)


class Mollified(TorchModel):
    """A deep net on digits, judged without copies and noise on digits that were held out."""

    def sharp_accuracy(self, x: Array) -> float:
        """Return the share of right answers of the net as it is."""
        net = self.loaded(x)
        assert isinstance(net, Deep)
        return right_answers(net, "softness")


def mollified_model(net: Deep, batch: int = 64, every: int = 20) -> Mollified:
    """Return a deep net on scikit-learn's digits as a model; its parameter is ``softness``.

    Parameters
    ----------
    net : Deep
        With the weights to begin with.
    batch : int
        Digits of one.
    every : int
        Batches from one recording and judgement to the next.
    """

    def judge(module: nn.Module) -> dict[str, float]:
        return {"sharp": right_answers(module, "softness")}

    return Mollified(net, cross_entropy, digit_batches(batch), judge, every=every, judged=every)


def _unsettled(z: Tensor, bent: Tensor) -> Tensor:
    """Return noise that draws a saturated gate towards its tangent at 0, and leaves an open one alone."""
    apart = 0.25 * z + 0.5 - bent
    size = NOISE * (torch.sigmoid(apart) - 0.5) ** 2
    return torch.sign(apart) * size * torch.randn_like(z).abs()
