"""A generator of digits against a critic that may be far ahead of it, and fall silent.

One scalar holds both players: the critic's loss on samples that are cut off from the generator, and the
generator's loss through a critic whose weights are held. Its gradient is what each player descends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from topopt.errors import InputError
from topopt.nets.digits import digits
from topopt.nets.torch.model import TorchModel
from topopt.parameters import Array

__all__ = ["Duel", "Game", "digit_duel", "frechet"]

Loss = Literal["saturating", "non_saturating", "wasserstein"]
NOISE, PIXELS, WIDTH = 16, 64, 128


class Duel(nn.Module):
    """Two nets of two hidden layers, and what the game between them depends on.

    Parameters
    ----------
    loss : {"saturating", "non_saturating", "wasserstein"}
        The generator minimises the critic's gain, as first written down; or maximises the critic's doubt; or
        both play for the critic's mean, with a penalty on its slope.
    seed : int
        Of the weights.

    Attributes
    ----------
    sigma : float
        Standard deviation of Gaussian noise on real and made digits alike.
    pace : float
        What the generator's gradient is multiplied with: 0 while the critic is trained ahead.
    penalty : float
        On the critic's slope, as published: R1, half of it times the square at real digits; for Wasserstein,
        all of it times the square of what the slope lacks of 1 between real and made ones.

    References
    ----------
    Goodfellow et al. 2014, arXiv:1406.2661; Arjovsky and Bottou 2017, arXiv:1701.04862 (silence); Gulrajani
    et al. 2017, arXiv:1704.00028; Mescheder, Geiger and Nowozin 2018, arXiv:1801.04406 (R1)
    """

    def __init__(self, loss: Loss = "saturating", seed: int = 0) -> None:
        """Draw the weights."""
        super().__init__()
        self.loss = loss
        self.sigma, self.pace, self.penalty = 0.0, 1.0, 10.0 if loss == "wasserstein" else 0.0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.generator = nn.Sequential(*_layers(NOISE, PIXELS), nn.Tanh())
            self.critic = nn.Sequential(*_layers(PIXELS, 1))

    def forward(self, real: Tensor) -> tuple[Tensor, Tensor]:
        """Return the losses of generator and critic on a batch of real digits, shape (batch, 64)."""
        for name in ("sigma", "penalty"):
            if getattr(self, name) < 0.0:
                raise InputError(f"{name}: expected a value >= 0, got {getattr(self, name):g}")
        made = self.generator(torch.randn(len(real), NOISE, dtype=real.dtype))
        held = {name: weight.detach() for name, weight in self.critic.named_parameters()}
        yes, no = self.critic(self._blurred(real)), self.critic(self._blurred(made.detach()))
        seen = functional_call(self.critic, held, (self._blurred(made),))
        if self.loss == "wasserstein":
            return -seen.mean(), no.mean() - yes.mean() + self._penalty(real, made.detach())
        critic = functional.softplus(-yes).mean() + functional.softplus(no).mean()
        generator = -functional.softplus(seen) if self.loss == "saturating" else functional.softplus(-seen)
        return generator.mean(), critic + self._penalty(real, real)

    def _blurred(self, images: Tensor) -> Tensor:
        """Return images with noise."""
        return images + self.sigma * torch.randn_like(images) if self.sigma else images

    def _penalty(self, real: Tensor, made: Tensor) -> Tensor:
        """Return the penalty on the critic's slope."""
        if not self.penalty:
            return torch.zeros(())
        share = torch.rand(len(real), 1)
        between = (share * real + (1.0 - share) * made).requires_grad_()
        (slope,) = torch.autograd.grad(self.critic(between).sum(), between, create_graph=True)
        if self.loss == "wasserstein":
            return self.penalty * ((slope.norm(dim=1) - 1.0) ** 2).mean()
        return 0.5 * self.penalty * (slope.norm(dim=1) ** 2).mean()


class Game(TorchModel):
    """The game as a model, with the distance of what is made from what is real."""

    def distance(self, x: Array, count: int = 2000) -> float:
        """Return the Fréchet distance of pixels, made digits against real ones; see `frechet`."""
        duel = self.loaded(x)
        assert isinstance(duel, Duel)
        return _distance(duel, count)

    def surrogates(self, parameters: Mapping[str, float]) -> tuple[str, ...]:
        """Return a sentence: what the players descend is the gradient of no single number."""
        return ("each player descends a loss of its own",)

    def sharp_accuracy(self, x: Array) -> float:
        """Return one over one plus the distance, so that 1 is best, for a study's yardstick."""
        return 1.0 / (1.0 + self.distance(x))


def digit_duel(duel: Duel, batch: int = 64, every: int = 50) -> Game:
    """Return a game on scikit-learn's digits as a model; its parameters are ``sigma``, ``pace``, ``penalty``.

    The log has the norm of the generator's own gradient as ``generator`` (log10), the critic's mean
    probability that a made digit is real as ``doubt``, and the distance as ``frechet``.

    Parameters
    ----------
    duel : Duel
        With the weights to begin with.
    batch : int
        Real digits of one.
    every : int
        Batches from one recording and judgement to the next.
    """
    real = torch.from_numpy(digits(1797)[0].inputs).float()

    def batches(number: int) -> Tensor:
        chosen = np.random.default_rng(number).integers(0, len(real), batch)
        return real[torch.from_numpy(chosen)]

    def loss(module: nn.Module, images: Tensor) -> Tensor:
        generator, critic = module(images)
        return module.pace * generator + critic

    def judge(module: nn.Module) -> dict[str, float]:
        with torch.no_grad():
            made = module.generator(torch.randn(500, NOISE))
            doubt = torch.sigmoid(module.critic(made)).mean().item()
        with torch.enable_grad():
            generator, _ = module(real[:500])
            slopes = torch.autograd.grad(generator, list(module.generator.parameters()))
        size = float(torch.cat([slope.reshape(-1) for slope in slopes]).double().norm())
        log = float(np.log10(size)) if size else -np.inf
        return {"generator": log, "doubt": doubt, "frechet": _distance(module, 1000)}

    return Game(duel, loss, batches, judge, every=every, judged=every)


def frechet(made: Array, real: Array) -> float:
    """Return the Fréchet distance of two sets of images, rows of pixels, as Gaussians.

    References
    ----------
    Dowson and Landau 1982, doi:10.1016/0047-259X(82)90077-X; Heusel et al. 2017, arXiv:1706.08500

    Examples
    --------
    >>> images = np.random.default_rng(0).normal(size=(500, 4))
    >>> print(f"{frechet(images, images + 2.0):.4f}")
    16.0000
    """
    apart = made.mean(axis=0) - real.mean(axis=0)
    ours, theirs = np.cov(made.T), np.cov(real.T)
    # the trace of the root of a product of two that are positive; its eigenvalues are real, but for rounding
    root = np.sqrt(np.clip(np.linalg.eigvals(ours @ theirs).real, 0.0, None)).sum()
    return float(apart @ apart + np.trace(ours + theirs) - 2.0 * root)


def _distance(duel: Duel, count: int) -> float:
    """Return the distance of so many made digits from all real ones."""
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = duel.generator(torch.randn(count, NOISE)).double().numpy()
    return frechet(made, digits(1797)[0].inputs)


def _layers(inputs: int, outputs: int) -> list[nn.Module]:
    """Return two hidden layers and what comes out."""
    bends = nn.LeakyReLU(0.2), nn.LeakyReLU(0.2)
    return [nn.Linear(inputs, WIDTH), bends[0], nn.Linear(WIDTH, WIDTH), bends[1], nn.Linear(WIDTH, outputs)]
