"""A tap on a torch module: the costate of every stage, as it passes on its way back.

A forward hook hangs a hook on the tensor that comes out. That sees what no module hook sees: in-place
activations, modules called several times, `torch.autograd.grad`, checkpoints.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from topopt.errors import InputError, suggestion

__all__ = ["Tap"]

CALLS = 10_000
"""Hooks that one recording may hang on one graph; torch is known to overflow its stack at some 50,000."""
FUSED = (nn.RNNBase, nn.MultiheadAttention)
"""Modules whose inner path runs in one kernel, where nothing can be seen."""


class Tap:
    """Records costates of a module's parts while it is open; costs nothing while it is closed.

    Parameters
    ----------
    module : torch.nn.Module
        Of the user.
    names : iterable of str, optional
        Parts, as `named_modules` calls them; all that have no parts of their own, or are fused, if left out.

    Raises
    ------
    InputError
        If there is no such part.

    Notes
    -----
    A part that is called several times gives one stage a call: ``cell[0]``, ``cell[1]``, ... Under
    checkpoints with `use_reentrant=True` calls are numbered in the order in which they are computed again.

    Examples
    --------
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    >>> with Tap(net) as tap:
    ...     net(torch.ones(5, 2)).sum().backward()
    >>> {name: tuple(costate.shape) for name, costate in tap.costates.items()}
    {'0': (5, 3), '1': (5, 3)}
    """

    def __init__(self, module: nn.Module, names: Iterable[str] | None = None) -> None:
        """Look the parts up."""
        parts = dict(module.named_modules())
        self._parts = {}
        for name in _leaves(module) if names is None else names:
            if name not in parts:
                raise InputError(f"Tap: no part '{name}': {suggestion(name, [n for n in parts if n])}")
            self._parts[name] = parts[name]
        self._hooks: list[Any] = []
        self.clear()

    @property
    def fused(self) -> tuple[str, ...]:
        """Names of tapped parts whose inside cannot be seen: one stage, however many steps they run."""
        return tuple(name for name, part in self._parts.items() if isinstance(part, FUSED))

    def clear(self) -> None:
        """Forget what was recorded."""
        self._calls: list[_Call] = []

    def __enter__(self) -> Self:
        """Open it."""
        if self.fused:
            warnings.warn(
                f"Tap: {', '.join(self.fused)} runs all of its steps in one kernel; its costates are seen "
                "where it ends, not step by step. Use Stepped.of(...), or segmented_adjoint.",
                stacklevel=2,
            )
        self.clear()
        for name, part in self._parts.items():
            self._hooks.append(part.register_forward_hook(self._hook(name)))
        return self

    def __exit__(self, *_: object) -> None:
        """Close it; what was recorded stays."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    @property
    def costates(self) -> dict[str, Tensor]:
        """Costates by stage, in the order of the calls; of several tensors that come out all, in a row."""
        arrived = [call for call in self._calls if any(slot is not None for slot in call.slots)]
        counts = Counter(call.name for call in arrived)
        numbers: Counter[str] = Counter()
        found = {}
        for call in arrived:
            many = counts[call.name] > 1
            found[f"{call.name}[{numbers[call.name]}]" if many else call.name] = call.costate
            numbers[call.name] += 1
        return found

    def _hook(self, name: str) -> Any:
        """Return the forward hook of one part."""

        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            tensors = [tensor for tensor in _tensors(output) if tensor.requires_grad]
            if not tensors:
                return
            if len(self._calls) >= CALLS:
                raise InputError(
                    f"Tap: more than {CALLS} calls in one recording, and torch crashes on graphs with many "
                    "more hooks; tap fewer parts, or use segmented_adjoint"
                )
            call = _Call(name, [tensor.detach() for tensor in tensors], [None] * len(tensors))
            self._calls.append(call)
            for place, tensor in enumerate(tensors):
                tensor.register_hook(call.arrival(place))

        return hook


@dataclass(eq=False)
class _Call:
    """One call of a part: the tensors that came out, and their costates once they have come back."""

    name: str
    outputs: list[Tensor]
    slots: list[Tensor | None]

    def arrival(self, place: int) -> Callable[[Tensor], None]:
        """Return the hook of one tensor."""

        def arrive(costate: Tensor) -> None:
            self.slots[place] = costate.detach()

        return arrive

    @property
    def costate(self) -> Tensor:
        """The costate; of several tensors all in a row, zeros where none came."""
        pairs = zip(self.slots, self.outputs, strict=True)
        parts = [torch.zeros_like(output) if slot is None else slot for slot, output in pairs]
        return parts[0] if len(parts) == 1 else torch.cat([part.reshape(-1) for part in parts])


def _leaves(module: nn.Module) -> list[str]:
    """Return the names of the parts without parts of their own; fused and parametrised ones are whole."""
    parts = dict(module.named_modules())
    inside = [f"{name}." for name, part in parts.items() if name and isinstance(part, FUSED)]
    inside += [name for name in parts if name.rpartition(".")[2] == "parametrizations"]
    seen = [name for name in parts if name and not name.startswith(tuple(inside))]
    return [name for name in seen if not any(other.startswith(f"{name}.") for other in seen)]


def _tensors(output: Any) -> Iterator[Tensor]:
    """Yield the tensors in what a module returns."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from _tensors(value)
    elif isinstance(output, (tuple, list)):
        for value in output:
            yield from _tensors(value)
