"""Which of two enhancers lies where 50,000 bases begin: read base by base, or in words of a thousand."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from topopt.errors import InputError
from topopt.nets.genomes import Enhancers, genome
from topopt.nets.torch.biases import chrono_biases, orthogonal_weights
from topopt.nets.torch.model import TorchModel
from topopt.nets.torch.segmented import Adjoint, segmented_adjoint
from topopt.nets.torch.stepped import Stepped
from topopt.parameters import Array

__all__ = ["Reader", "enhancer_model", "lambda_path"]

WORD = 1000
"""Bases that the convolution makes one word of."""


class Reader(nn.Module):
    """A recurrent net that reads a window of a genome and says at its end what it began with.

    Parameters
    ----------
    cell : {"rnn", "lstm"}
        An RNN whose states' matrix is a rotation, or an LSTM with chrono biases.
    words : bool
        Whether a convolution with a maximum over every thousand bases stands in front of it.
    units, filters : int
        Of cell and convolution.
    seed : int
        Of its weights.

    Attributes
    ----------
    distance : float
        Bases between the window's beginning and its end, for a continuation to raise.
    """

    def __init__(
        self, cell: Literal["rnn", "lstm"], words: bool, units: int = 32, filters: int = 16, seed: int = 0
    ) -> None:
        """Draw the weights."""
        super().__init__()
        self.distance = 50_000.0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.words = nn.Conv1d(4, filters, 20) if words else None
            fused = (nn.LSTM if cell == "lstm" else nn.RNN)(filters if words else 4, units)
            self.head = nn.Linear(units, 2)
            if cell == "lstm":
                chrono_biases(fused, 50 if words else 50_000)
            else:
                orthogonal_weights(fused)
        # Fifty words may be watched step by step; bases by the thousand may not.
        self.cell = Stepped.of(fused) if words else fused

    def forward(self, codes: Tensor) -> Tensor:
        """Return logits, shape (batch, 2), of bases as 0 to 3, shape (batch, length)."""
        bases = functional.one_hot(codes.long(), 4).to(self.head.weight.dtype)
        if self.words is None:
            return self.head(self.cell(bases.transpose(0, 1))[0][-1])
        found = self.words(bases.transpose(1, 2))
        words = functional.max_pool1d(found, WORD, ceil_mode=True)
        return self.head(self.cell(words.permute(2, 0, 1))[0][-1])


def lambda_path(
    cell: Literal["RNN", "RNN, orthogonal", "LSTM", "LSTM, chrono"], steps: int | None = None
) -> Adjoint:
    """Return the costate of a recurrent net of 32 units along phage lambda, base by base, as it is drawn.

    Parameters
    ----------
    cell : {"RNN", "RNN, orthogonal", "LSTM", "LSTM, chrono"}
        As torch draws it; with a rotation; with chrono biases for all steps.
    steps : int, optional
        Bases, of 48,502; all if left out.
    """
    codes = torch.from_numpy(genome("lambda")[:steps].astype(np.int64))
    drives = functional.one_hot(codes, 4).double()[:, None]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        drawn = (nn.LSTM if "LSTM" in cell else nn.RNN)(4, 32)
        if cell == "RNN, orthogonal":
            orthogonal_weights(drawn)
        if cell == "LSTM, chrono":
            chrono_biases(drawn, len(codes))
    return segmented_adjoint(drawn.double(), drives, torch.sum)


class EnhancerModel(TorchModel):
    """A reader with its windows, and its accuracy on genome that it has never seen."""

    def sharp_accuracy(self, x: Array, count: int = 208) -> float:
        """Return the share of right answers at the full distance on genome that was held out."""
        reader = self.loaded(x)
        assert isinstance(reader, Reader)
        return right(reader, Enhancers(), 50_000, count, seed=1)


def enhancer_model(reader: Reader, batch: int = 8, every: int = 50) -> EnhancerModel:
    """Return a reader as a model; its parameters are ``distance`` and ``batch``.

    Parameters
    ----------
    reader : Reader
        With the weights to begin with.
    batch : int
        Windows of one.
    every : int
        Batches from one recording and judgement to the next.
    """
    task = Enhancers()

    def loss(module: nn.Module, number: int) -> Tensor:
        length = round(module.distance)
        if reader.words is not None and length < WORD:
            raise InputError(f"distance: expected at least {WORD} bases, one word, got {length}")
        codes, labels = task.windows(batch, length, number)
        return functional.cross_entropy(module(torch.from_numpy(codes)), torch.from_numpy(labels))

    def judge(module: nn.Module) -> dict[str, float]:
        return {"held_out": right(module, task, round(module.distance), 32, seed=0)}

    watch = None if reader.words is not None else ("head",)
    return EnhancerModel(reader, loss, int, judge, watch, every=every, judged=every)


def right(module: nn.Module, task: Enhancers, length: int, count: int, seed: int) -> float:
    """Return the share of right answers on windows of the genome that is held out."""
    hits = []
    with torch.no_grad():
        codes, labels = task.windows(count, length, seed, held_out=True)
        for begin in range(0, count, 16):
            logits = module(torch.from_numpy(codes[begin : begin + 16]))
            hits.append(logits.argmax(dim=1).numpy() == labels[begin : begin + 16])
    return float(np.concatenate(hits).mean())
