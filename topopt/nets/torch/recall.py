"""Partner recall: at a residue, say of what kind the residue is that it touches in the folded protein."""

from __future__ import annotations

import copy
import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from topopt.nets.proteins import BINS, Contacts, chains, contacts
from topopt.nets.torch.biases import chrono_biases, forget_bias
from topopt.nets.torch.model import TorchModel
from topopt.parameters import Array

__all__ = ["ContactReader", "contact_model", "surviving"]

LEAD = 8
"""Residues in front of the first partner that are read before it."""
INPUTS = 22
"""One for each kind of residue, one for the strange ones, one that marks the first partner."""


class ContactReader(nn.Module):
    """A recurrent net over a chain's residues with a mark on one; its last output says of what kind that was.

    Parameters
    ----------
    cell : {"rnn", "lstm", "lstm_forget", "lstm_chrono"}
        As torch draws it; with forget gates that add 0 (``lstm``) or 1 (``lstm_forget``); with chrono biases.
    units : int
        Of the cell.
    seed : int
        Of its weights.
    """

    def __init__(
        self, cell: Literal["rnn", "lstm", "lstm_forget", "lstm_chrono"], units: int = 64, seed: int = 0
    ) -> None:
        """Draw the weights."""
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.cell = (nn.RNN if cell == "rnn" else nn.LSTM)(INPUTS, units)
            self.head = nn.Linear(units, 2)
            if cell == "lstm_chrono":
                chrono_biases(self.cell, BINS[-1][1])
            elif cell != "rnn":
                forget_bias(self.cell, 1.0 if cell == "lstm_forget" else 0.0)

    def forward(self, drives: Tensor) -> Tensor:
        """Return logits, shape (batch, 2), of drives, shape (steps, batch, 22)."""
        return self.head(self.cell(drives)[0][-1])


class ContactModel(TorchModel):
    """A reader with contacts of 92 chains, and its accuracy on the other 23."""

    def accuracies(self, x: Array, count: int = 256) -> dict[str, float]:
        """Return the share of right answers by separation, on chains that were held out."""
        reader = self.loaded(x)
        pairs, found = contacts(held_out=True), {}
        for low, high in BINS:
            hits = []
            for seed in range(count // 64):
                drives, kinds, _ = drawn(pairs, 64, (seed, low), (low, high))
                with torch.no_grad():
                    hits.append((reader(drives).argmax(dim=1) == kinds).double().mean().item())
            found[f"{low}-{high}"] = float(np.mean(hits))
        return found

    def sharp_accuracy(self, x: Array) -> float:
        """Return the smallest of these shares."""
        return min(self.accuracies(x).values())


def contact_model(reader: ContactReader, batch: int = 32, every: int = 100) -> ContactModel:
    """Return a reader as a model; separations of every batch are of one of the six bins, at random.

    Parameters
    ----------
    reader : ContactReader
        With the weights to begin with.
    batch : int
        Contacts of one.
    every : int
        Batches from one recording and judgement to the next.
    """
    pairs = contacts()

    def loss(module: nn.Module, number: int) -> Tensor:
        drives, kinds, _ = drawn(pairs, batch, (number,), BINS[number % len(BINS)])
        return functional.cross_entropy(module(drives), kinds)

    def judge(module: nn.Module) -> dict[str, float]:
        held, shares = contacts(held_out=True), {}
        for low, high in BINS:
            drives, kinds, _ = drawn(held, 64, (0, low), (low, high))
            shares[f"{low}_{high}"] = (module(drives).argmax(dim=1) == kinds).double().mean().item()
        return shares

    return ContactModel(reader, loss, int, judge, ("head",), every=every, judged=every)


def drawn(
    pairs: Contacts, count: int, seed: tuple[int, ...], separation: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return drives (steps, count, 22), kinds (count,) and the step of the marked residue (count,).

    All end at the second partner; a chain that begins later is led in by zeros. Kinds are drawn half and
    half, so that none is the better guess.
    """
    random = np.random.default_rng(seed)
    apart = pairs.separation
    fitting = np.flatnonzero((apart >= separation[0]) & (apart <= separation[1]))
    kinds = pairs.kind[fitting]
    halves = [random.choice(fitting[kinds == kind], count // 2) for kind in (0, 1)]
    chosen = random.permutation(np.concatenate(halves))
    steps = LEAD + int(apart[chosen].max()) + 1
    drives, marks = np.zeros((steps, len(chosen), INPUTS), dtype=np.float32), []
    for place, (number, first) in enumerate(_of(pairs, chosen)):
        second = first + apart[chosen[place]]
        begin = max(0, second + 1 - steps)
        residues = chains()[number].residues[begin : second + 1]
        at = np.arange(steps - len(residues), steps)
        drives[at, place, residues] = 1.0
        marks.append(steps - 1 - apart[chosen[place]])
        drives[marks[-1], place, INPUTS - 1] = 1.0
    return torch.from_numpy(drives), torch.from_numpy(pairs.kind[chosen]), torch.tensor(marks)


def surviving(reader: ContactReader, separation: tuple[int, int], count: int = 64) -> float:
    """Return log10 of the loss's gradient at the marked residue over that at the last, the median.

    In double precision, so that what float32 would round to nothing is seen.
    """
    double = copy.deepcopy(reader).double()
    drives, kinds, marks = drawn(contacts(held_out=True), count, (7, separation[0]), separation)
    drives = drives.double().requires_grad_()
    (slope,) = torch.autograd.grad(functional.cross_entropy(double(drives), kinds), drives)
    sizes = slope.norm(dim=2)
    ratios = sizes[marks, torch.arange(len(marks))] / sizes[-1]
    median = float(ratios.median())
    return math.log10(median) if median > 0 else -math.inf


def _of(pairs: Contacts, chosen: np.ndarray) -> list[tuple[int, int]]:
    """Return chain and first residue of chosen pairs."""
    return list(zip(pairs.chain[chosen].tolist(), pairs.first[chosen].tolist(), strict=True))
