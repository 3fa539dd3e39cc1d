"""How a recurrent net of torch is prepared to remember: forget gates, chrono biases, rotations."""

from __future__ import annotations

import torch
from torch import nn

from topopt.errors import InputError

__all__ = ["chrono_biases", "forget_bias", "orthogonal_weights"]


def forget_bias(cell: nn.LSTM, value: float) -> None:
    """Set what the forget gates of an LSTM's first layer add, in all.

    References
    ----------
    Jozefowicz, Zaremba and Sutskever 2015, An empirical exploration of recurrent network architectures
    """
    n = cell.hidden_size
    with torch.no_grad():
        cell.bias_ih_l0[n : 2 * n] = value
        cell.bias_hh_l0[n : 2 * n] = 0.0


def chrono_biases(cell: nn.LSTM, longest: int) -> None:
    """Give an LSTM's first layer gates that remember for 1 to `longest` steps, spread in the logarithm.

    References
    ----------
    Tallec and Ollivier 2018, arXiv:1804.11188
    """
    if longest < 3:
        raise InputError(f"chrono_biases: expected a dependency of at least 3 steps, got {longest}")
    n = cell.hidden_size
    spans = torch.log(torch.empty(n).uniform_(1.0, longest - 1.0))
    with torch.no_grad():
        for bias in (cell.bias_ih_l0, cell.bias_hh_l0):
            bias[: 2 * n] = 0.0
        cell.bias_ih_l0[:n] = -spans
        cell.bias_ih_l0[n : 2 * n] = spans


def orthogonal_weights(cell: nn.RNN) -> None:
    """Make the states' matrix of an RNN's first layer a random rotation."""
    nn.init.orthogonal_(cell.weight_hh_l0)
