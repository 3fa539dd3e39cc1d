"""Recurrent nets that step where one can watch: the weights of a fused one, one call of the cell a step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from topopt.errors import InputError

__all__ = ["Stepped"]

CELLS = {nn.RNN: nn.RNNCell, nn.LSTM: nn.LSTMCell, nn.GRU: nn.GRUCell}


class Stepped(nn.Module):
    """A cell run over a sequence; a `Tap` on ``cell`` sees the costate of every step.

    Parameters
    ----------
    cell : torch.nn.RNNCell, torch.nn.LSTMCell or torch.nn.GRUCell
        Or whatever maps an input, shape (batch, features), and a state to the next state.
    """

    def __init__(self, cell: nn.Module) -> None:
        """Keep the cell."""
        super().__init__()
        self.cell = cell

    @classmethod
    def of(cls, fused: nn.RNNBase) -> Stepped:
        """Return a stepped net with copies of a fused one's weights.

        Raises
        ------
        InputError
            For several layers, two directions or projections.
        """
        made = CELLS.get(type(fused))
        if made is None or fused.num_layers != 1 or fused.bidirectional or fused.proj_size:
            raise InputError(
                "Stepped.of: expected a torch.nn.RNN, LSTM or GRU of one layer and one direction without "
                f"projections, got {fused}"
            )
        options: dict[str, Any] = {"nonlinearity": fused.nonlinearity} if type(fused) is nn.RNN else {}
        cell = made(fused.input_size, fused.hidden_size, fused.bias, **options)
        weights = {name.removesuffix("_l0"): value for name, value in fused.state_dict().items()}
        cell.to(next(fused.parameters())).load_state_dict(weights)
        return cls(cell)

    def forward(self, drives: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return the outputs, shape (steps, batch, units), and the last state.

        Parameters
        ----------
        drives : Tensor, shape (steps, batch, features)
            The inputs; they are unbound once, since indexing step by step makes the way back quadratic.
        state : optional
            The first state; at rest if left out.
        """
        outputs = []
        for drive in drives.unbind(0):
            state = self.cell(drive, state)
            outputs.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(outputs), state
