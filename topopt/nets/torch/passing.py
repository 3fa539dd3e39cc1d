"""Gates of a torch module while they are watched: what passed them, and what would pass if they were open."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from topopt.errors import InputError
from topopt.evaluation import AHEAD, Gate
from topopt.nets.torch.gates import SignGate, steepness
from topopt.parameters import Array

__all__ = ["Calls", "Detour", "as_logged", "bypassed", "detoured", "flat", "watched"]

Calls = list[tuple[Tensor, Tensor]]
"""What came in and what went out, call by call."""


class Passable(Protocol):
    """What sensitivities may pass as they are."""

    bypassed: bool


class Detour:
    """A way past a part that its author made: what comes out is the part's, whose way back may be left out.

    Parameters
    ----------
    name : str
        Of the part.

    Attributes
    ----------
    bypassed : bool
        Whether sensitivities pass as they are for now.
    """

    def __init__(self, name: str) -> None:
        """Remember the name."""
        self.name, self.bypassed = name, False

    def hook(self, _part: nn.Module, inputs: tuple[Any, ...], output: Any) -> Tensor:
        """Return what came out, with a second way back."""
        z = inputs[0] if inputs else None
        if not (isinstance(z, Tensor) and isinstance(output, Tensor) and z.shape == output.shape):
            raise InputError(
                f"TorchModel.gates: '{self.name}' is no gate; one makes of a tensor another of its shape"
            )
        if output is z:
            raise InputError(f"TorchModel.gates: '{self.name}' works in place; a gate must leave its input")
        found: Tensor = _Fork.apply(z, output, self)
        return found


class _Fork(torch.autograd.Function):
    """What came out of a part; on the way back the detour says at the time where it leads."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, output: Tensor, detour: Detour) -> Tensor:
        """Return what came out."""
        ctx.detour = detour
        return output.clone()  # what comes next may work in place

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Return the costate to the input itself, or to the part."""
        return (grads[0], None, None) if ctx.detour.bypassed else (None, grads[0], None)


@contextlib.contextmanager
def detoured(module: nn.Module, names: Iterable[str]) -> Iterator[list[Detour]]:
    """Lay a detour around parts for a while; a tap hears what comes out of it."""
    parts = dict(module.named_modules())
    detours = {name: Detour(name) for name in names if not isinstance(parts[name], SignGate)}
    hooks = [parts[name].register_forward_hook(one.hook, prepend=True) for name, one in detours.items()]
    try:
        yield list(detours.values())
    finally:
        for hook in hooks:
            hook.remove()


@contextlib.contextmanager
def watched(gates: Mapping[str, SignGate]) -> Iterator[Mapping[str, Calls]]:
    """Let gates write their calls down for a while; what a checkpoint computes again later is not written."""
    calls: dict[str, Calls] = {name: [] for name in gates}
    for name, gate in gates.items():
        gate.calls = calls[name]
    try:
        yield calls
    finally:
        for gate in gates.values():
            gate.calls = None


@contextlib.contextmanager
def bypassed(gates: Iterable[Passable]) -> Iterator[None]:
    """Let sensitivities pass gates as they are for a while."""
    gates = list(gates)
    for gate in gates:
        gate.bypassed = True
    try:
        yield
    finally:
        for gate in gates:
            gate.bypassed = False


def as_logged(
    name: str, gate: SignGate, calls: Calls, costates: Mapping[str, Array], scheduled: tuple[str, ...]
) -> Gate:
    """Return a gate as the log sees it, all of its calls in a row."""
    z = np.concatenate([flat(seen) for seen, _ in calls])
    output = np.concatenate([flat(out) for _, out in calls])
    arrived = [costates[key] for key in costates if key == name or key.startswith(f"{name}[")]
    cotangent = np.concatenate(arrived) if arrived else np.zeros(z.size)
    slope = gate.slope(z)
    key = f"{name}.beta"
    tilts: dict[str, Array] = {}
    ahead: dict[str, dict[float, float]] = {}
    if key in scheduled and np.isfinite(gate.beta):
        tilts[key] = z * steepness(1.0, gate.beta * z)
        now = float(np.linalg.norm(cotangent * slope))
        if now > 0:
            sharper = {factor: gate.slope(z, factor) for factor in AHEAD}
            ahead[key] = {f: float(np.linalg.norm(cotangent * s)) / now for f, s in sharper.items()}
    nothing = np.zeros((0, z.size))
    return Gate(0.5 * (1.0 + output), slope, cotangent, nothing, tilts, ahead, nothing)


def flat(tensor: Tensor) -> Array:
    """Return a tensor's numbers in a row, in double precision."""
    return tensor.detach().double().cpu().numpy().reshape(-1)
