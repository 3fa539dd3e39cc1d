"""Choices that cannot be differentiated, softened: which pixels to look at, by Gumbel's softmax.

Each of a few eyes chooses one of 64 pixels of a digit. While it is warm it sees a mixture of all, with noise,
and the mixture has a gradient; cold it sees one. The temperature is what a continuation lowers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from topopt.errors import InputError
from topopt.nets.torch.classifier import cross_entropy, digit_batches, right_answers
from topopt.nets.torch.model import TorchModel
from topopt.parameters import Array

__all__ = ["Eyes", "Selection", "selection_model"]


class Eyes(nn.Module):
    """A classifier that sees so many pixels of a digit, and learns which.

    Parameters
    ----------
    count : int
        Pixels.
    units : int
        Of its hidden layer.
    seed : int
        Of its weights.

    Attributes
    ----------
    temperature : float
        Of the choice, for a continuation to lower.

    References
    ----------
    Jang, Gu and Poole 2017, arXiv:1611.01144; Maddison, Mnih and Teh 2017, arXiv:1611.00712; as a choice of
    inputs: Balin, Abid and Zou 2019, Concrete autoencoders, arXiv:1901.09346
    """

    def __init__(self, count: int = 10, units: int = 64, seed: int = 0) -> None:
        """Draw the weights."""
        super().__init__()
        if not 1 <= count <= 64:
            raise InputError(f"Eyes.count: expected 1 to 64 pixels, got {count}")
        self.temperature = 1.0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.choice = nn.Parameter(0.01 * torch.randn(count, 64))
            self.seen = nn.Identity()  # where the signal towards the choice is recorded
            self.net = nn.Sequential(nn.Linear(count, units), nn.ReLU(), nn.Linear(units, 10))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits, shape (batch, 10), of images, shape (batch, 64); a temperature of 0 chooses."""
        if self.temperature < 0.0:
            raise InputError(f"temperature: expected a value >= 0, got {self.temperature:g}")
        if self.temperature == 0.0:
            return self.net(images[:, self.choice.argmax(dim=1)])
        gumbel = -torch.log(-torch.log(torch.rand_like(self.choice).clamp(1e-9, 1.0 - 1e-7)))
        weights = self.seen(functional.softmax((self.choice + gumbel) / self.temperature, dim=1))
        return self.net(images @ weights.T)


class Selection(TorchModel):
    """Eyes on digits, judged with hard choices on digits that were held out."""

    def sharp_accuracy(self, x: Array) -> float:
        """Return the share of right answers where every eye sees one pixel."""
        eyes = self.loaded(x)
        assert isinstance(eyes, Eyes)
        return right_answers(eyes, "temperature")


def selection_model(eyes: Eyes, batch: int = 64, every: int = 20) -> Selection:
    """Return eyes on scikit-learn's digits as a model; its parameter is ``temperature``.

    Parameters
    ----------
    eyes : Eyes
        With the weights to begin with.
    batch : int
        Digits of one.
    every : int
        Batches from one recording and judgement to the next.
    """

    def judge(module: nn.Module) -> dict[str, float]:
        return {
            "sharp": right_answers(module, "temperature"),
            "pixels": float(len(set(module.choice.argmax(dim=1).tolist()))),
        }

    return Selection(eyes, cross_entropy, digit_batches(batch), judge, every=every, judged=every)
