"""Gates of a torch module while they are watched: what passed them, and what would pass if they were open."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import numpy as np
from torch import Tensor

from topopt.evaluation import AHEAD, Gate
from topopt.nets.torch.gates import SignGate, steepness
from topopt.parameters import Array

__all__ = ["Calls", "as_logged", "bypassed", "flat", "watched"]

Calls = list[tuple[Tensor, Tensor]]
"""What came in and what went out, call by call."""


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
def bypassed(gates: Mapping[str, SignGate]) -> Iterator[None]:
    """Let sensitivities pass gates as they are for a while."""
    for gate in gates.values():
        gate.bypassed = True
    try:
        yield
    finally:
        for gate in gates.values():
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
