"""What nets on handwritten digits share: batches by number, the loss, the answers when nothing is soft."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from topopt.nets.digits import digits

__all__ = ["Drawn", "cross_entropy", "digit_batches", "right_answers"]

Drawn = tuple[Tensor, Tensor]
"""Images and labels of a batch."""


def digit_batches(size: int) -> Callable[[int], Drawn]:
    """Return from a batch's number to so many of scikit-learn's digits to learn from, the same every time."""
    train, _ = digits()
    images, labels = torch.from_numpy(train.inputs).float(), torch.from_numpy(train.labels)

    def batches(number: int) -> Drawn:
        chosen = torch.from_numpy(np.random.default_rng(number).integers(0, len(images), size))
        return images[chosen], labels[chosen]

    return batches


def cross_entropy(module: nn.Module, drawn: Drawn) -> Tensor:
    """Return the mean cross-entropy of a batch."""
    return functional.cross_entropy(module(drawn[0]), drawn[1])


def right_answers(net: nn.Module, soft: str) -> float:
    """Return the share of right answers on digits that were held out, the attribute `soft` at 0 meanwhile."""
    _, held_out = digits()
    before = getattr(net, soft)
    setattr(net, soft, 0.0)
    try:
        with torch.no_grad():
            answers = net(torch.from_numpy(held_out.inputs).float()).argmax(dim=1).numpy()
    finally:
        setattr(net, soft, before)
    return float((answers == held_out.labels).mean())
