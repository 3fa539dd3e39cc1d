"""A module in double precision for a while, whatever its code says: what its gradient is tested in.

Single precision cannot be tested by differences: the loss is rounded to seven digits, and a step below the
seventh digit of a weight is no step at all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary, WeakTensorKeyDictionary

__all__ = ["in_double"]

SHORTER = (torch.float16, torch.bfloat16, torch.float32)
CASTS = (Tensor.float, Tensor.half, Tensor.bfloat16)


@contextlib.contextmanager
def in_double(module: nn.Module) -> Iterator[None]:
    """Let a module compute in double precision for a while; afterwards it is what it was, digit for digit.

    Its weights and buffers are widened in place, so that a loss that holds the module itself sees them. What
    is shorter elsewhere (batches, constants of the loss, casts in its code) is widened where it is used.
    Chance is drawn in double precision too: other numbers than in single precision, the same every time.

    Parameters
    ----------
    module : torch.nn.Module
        Of the user.
    """
    tensors = [tensor for tensor in (*module.parameters(), *module.buffers()) if tensor.dtype in SHORTER]
    short = [tensor.data for tensor in tensors]
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        for tensor in tensors:
            tensor.data = tensor.data.double()
        with _Widened():
            yield
    finally:
        torch.set_default_dtype(default)
        for tensor, data in zip(tensors, short, strict=True):
            tensor.data = data


class _Widened(TorchFunctionMode):
    """Widens every shorter tensor that a function of torch is given, and every shorter type that it names."""

    def __init__(self) -> None:
        """Begin without twins."""
        super().__init__()
        # One twin a tensor, so that what is written into it in place is found again.
        self._twins: WeakIdKeyDictionary = WeakTensorKeyDictionary()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function of torch with what it is given, widened."""
        if func in CASTS:
            func = Tensor.double
        named = {name: self._wide(value) for name, value in (kwargs or {}).items()}
        return func(*self._wide(tuple(args)), **named)

    def _wide(self, value: Any) -> Any:
        """Return what a function is given, widened."""
        if isinstance(value, torch.dtype):
            return torch.float64 if value in SHORTER else value
        if isinstance(value, Tensor):
            return self._twin(value) if value.dtype in SHORTER else value
        if type(value) in (tuple, list):
            return type(value)(self._wide(part) for part in value)
        if type(value) is dict:
            return {name: self._wide(part) for name, part in value.items()}
        return value

    def _twin(self, tensor: Tensor) -> Tensor:
        """Return a tensor's twin; of one that requires a gradient a new one, through which that passes."""
        if tensor.requires_grad:
            return tensor.double()
        if tensor not in self._twins:
            self._twins[tensor] = tensor.double()
        twin: Tensor = self._twins[tensor]
        return twin
