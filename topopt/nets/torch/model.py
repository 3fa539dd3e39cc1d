"""A torch module and a loss as a model that `topopt.optimize` drives: weights are the design."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from topopt.errors import InputError
from topopt.evaluation import Bounds, Evaluation, Gate, Signals
from topopt.nets.torch.gates import SignGate, steepness
from topopt.nets.torch.tap import Tap
from topopt.parameters import Array, Positive, checked

__all__ = ["TorchModel"]

WEIGHTS, BATCH = "weights", "batch"
AHEAD = (1.25, 1.6, 2.0)
"""Factors on a gate's sharpness at which the log looks ahead."""


@dataclass(frozen=True, eq=False)
class TorchModel:
    """What `optimize` lowers: the loss of a module, at its weights and at scheduled parameters.

    Every public float attribute of the module and its parts is a parameter under its dotted name:
    ``gate.beta``, ``noise.sigma``, ``temperature``, ``drop.p``; so is ``batch``, the number of the batch,
    which a `Counter` raises. An evaluation is a function of weights and parameters alone, whatever chance
    is in the module (its seed is the batch's number), so that a run resumes to the same result.

    Parameters
    ----------
    module : torch.nn.Module
        With the weights to begin with.
    loss : callable
        From the module and a batch to a scalar.
    batches : callable
        From a number, 0, 1, ..., to the batch.
    judge : callable, optional
        From the module to numbers for the log: an accuracy on samples that are held out, say.
    watch : tuple of str, optional
        Parts whose costates are recorded; all that have no parts of their own if left out.
    every : int
        Batches from one recording to the next. A recording costs a second way back where there are gates.
        Controllers that read the log need 1.
    judged : int
        Batches from one judgement to the next.
    reach : float
        Bound of every weight, on both sides of 0.
    threads : int
        Of torch, while it evaluates; recurrent nets are slower on two.

    Attributes
    ----------
    start : array, shape (n,)
        The weights that the module had when the model was made. An evaluation leaves its own in it.

    Examples
    --------
    >>> import topopt as to
    >>> from topopt.nets.torch import SignGate, TorchModel
    >>> torch.manual_seed(0)  # doctest: +ELLIPSIS
    <torch...>
    >>> net = nn.Sequential(nn.Linear(2, 8), SignGate(), nn.Linear(8, 1))
    >>> points = torch.randn(64, 2)
    >>> truth = torch.sign(points[:, :1])
    >>> model = TorchModel(net, lambda net, batch: ((net(batch) - truth) ** 2).mean(), lambda number: points)
    >>> sharper = to.Continuation({"1.beta": to.Geometric(1.0, 16.0, over=40)})
    >>> last = to.solve(model, to.Adam(rate=0.05), sharper, to.Stop(change=0.0, iterations=60))
    >>> last.iteration.objective < 0.3, sorted(last.iteration.stages)
    (True, ['0', '1', '2', 'weights'])
    """

    module: nn.Module
    loss: Callable[[nn.Module, Any], Tensor]
    batches: Callable[[int], Any]
    judge: Callable[[nn.Module], Mapping[str, float]] | None = None
    watch: tuple[str, ...] | None = None
    every: int = 1
    judged: int = 1
    reach: Positive = 100.0
    threads: int = 1
    start: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse modules without weights, and counts below 1."""
        checked(self)
        if not self._weights():
            raise InputError("TorchModel.module: it has no weights that require a gradient")
        for name in ("every", "judged", "threads"):
            if getattr(self, name) < 1:
                raise InputError(f"TorchModel.{name}: expected at least 1, got {getattr(self, name)}")
        if BATCH in _floats(self.module):
            raise InputError(f"TorchModel.module: its attribute '{BATCH}' is the name of the batch's number")
        Tap(self.module, self.watch)
        start = np.concatenate([_flat(weight) for weight in self._weights()])
        object.__setattr__(self, "start", start)

    def initial(self) -> Array:
        """Return the weights that the module had when the model was made, in a row."""
        return self.start.copy()

    def bounds(self) -> Bounds:
        """Return the box of the weights."""
        wide = np.full(sum(weight.numel() for weight in self._weights()), self.reach)
        return Bounds(-wide, wide)

    def parameters(self) -> dict[str, float]:
        """Return every public float of the module, and the number of the batch."""
        return _floats(self.module) | {BATCH: 0.0}

    def evaluate(self, x: Array, parameters: Mapping[str, float] | None = None) -> Evaluation:
        """Evaluate weights, shape (n,), at parameters that override the module's own.

        Raises
        ------
        InputError
            If a buffer of the module (a running average of a batch normalisation) changes as it is evaluated.
        """
        values = self.parameters() | dict(parameters or {})
        number = int(values.pop(BATCH))
        with self._at(x, values, number):
            recording = number % self.every == 0
            tap = Tap(self.module, self.watch)
            gates = self._gates() if recording else {}
            with tap if recording else contextlib.nullcontext(), _watched(gates):
                before = [buffer.clone() for buffer in self.module.buffers()]
                loss = self.loss(self.module, self.batches(number))
                self._require_still(before)
                gradient = self._gradient(loss, keep=bool(gates))
                signals = None
                if recording:
                    signals = self._signals(loss, gradient, tap, gates, tuple(parameters or {}))
            measures: Mapping[str, float] = {}
            if self.judge is not None and number % self.judged == 0:
                with torch.no_grad():
                    measures = self.judge(self.module)
        value = float(loss.detach())
        return Evaluation(
            objective=value,
            gradient=gradient,
            constraints=np.zeros(0),
            jacobian=np.zeros((0, x.size)),
            signals=signals,
            output=np.array(x),
            responses={"loss": value},
            measures={name: float(measure) for name, measure in measures.items()},
            solves=1,
        )

    def loaded(self, x: Array) -> nn.Module:
        """Return the module with other weights, for good."""
        place = 0
        with torch.no_grad():
            for weight in self._weights():
                part = x[place : place + weight.numel()].reshape(tuple(weight.shape))
                weight.copy_(torch.from_numpy(np.ascontiguousarray(part)))
                place += weight.numel()
        return self.module

    def _weights(self) -> list[Tensor]:
        """Return the weights that are learnt."""
        return [weight for weight in self.module.parameters() if weight.requires_grad]

    def _gates(self) -> dict[str, SignGate]:
        """Return the gates by name."""
        parts = self.module.named_modules()
        return {name: part for name, part in parts if isinstance(part, SignGate)}

    @contextlib.contextmanager
    def _at(self, x: Array, values: Mapping[str, float], number: int) -> Iterator[None]:
        """Give the module weights, parameters, a seed and threads for a while."""
        own, count = _floats(self.module), torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(number)
                self.loaded(x)
                _set(self.module, values)
                yield
        finally:
            _set(self.module, own)
            torch.set_num_threads(count)

    def _require_still(self, before: list[Tensor]) -> None:
        """Refuse a module that remembers more than its weights."""
        for (name, buffer), old in zip(self.module.named_buffers(), before, strict=True):
            if not torch.equal(buffer, old):
                raise InputError(
                    f"TorchModel.module: its buffer '{name}' changes with every evaluation, so that no run "
                    "could be resumed; use LayerNorm or GroupNorm, or track_running_stats=False"
                )

    def _gradient(self, loss: Tensor, keep: bool) -> Array:
        """Return the derivative with respect to the weights, in a row."""
        weights = self._weights()
        found = torch.autograd.grad(loss, weights, retain_graph=keep, allow_unused=True)
        parts = [torch.zeros_like(w) if g is None else g for w, g in zip(weights, found, strict=True)]
        return np.concatenate([_flat(part) for part in parts])

    def _signals(
        self, loss: Tensor, gradient: Array, tap: Tap, gates: dict[str, SignGate], scheduled: tuple[str, ...]
    ) -> Signals:
        """Return what the vanishing log reads; the references take a second way back, past the gates."""
        true = {WEIGHTS: gradient} | {name: _flat(costate) for name, costate in tap.costates.items()}
        references = true
        called = {name: gate for name, gate in gates.items() if gate.calls}
        if called:
            for gate in called.values():
                gate.bypassed = True
            straight = self._gradient(loss, keep=False)
            references = {WEIGHTS: straight} | {
                name: _flat(costate) for name, costate in tap.costates.items()
            }
        return Signals(
            cotangents=true,
            gates={name: _gate(name, gate, true, scheduled) for name, gate in called.items()},
            references=references,
            reference_constraints=np.zeros((0, gradient.size)),
        )


@contextlib.contextmanager
def _watched(gates: Mapping[str, SignGate]) -> Iterator[None]:
    """Let gates remember their calls for a while."""
    for gate in gates.values():
        gate.calls = []
    try:
        yield
    finally:
        for gate in gates.values():
            gate.calls, gate.bypassed = None, False


def _gate(name: str, gate: SignGate, costates: Mapping[str, Array], scheduled: tuple[str, ...]) -> Gate:
    """Return a gate as the log sees it, all of its calls in a row."""
    calls = gate.calls or []
    z = np.concatenate([_flat(seen) for seen, _ in calls])
    output = np.concatenate([_flat(out) for _, out in calls])
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


def _floats(module: nn.Module) -> dict[str, float]:
    """Return every public float attribute of a module and its parts, by dotted name."""
    return {
        f"{name}.{attribute}" if name else attribute: value
        for name, part in module.named_modules()
        for attribute, value in vars(part).items()
        if type(value) is float and not attribute.startswith("_")
    }


def _set(module: nn.Module, values: Mapping[str, float]) -> None:
    """Give a module other values of its floats."""
    for name, value in values.items():
        part, _, attribute = name.rpartition(".")
        setattr(module.get_submodule(part), attribute, float(value))


def _flat(tensor: Tensor) -> Array:
    """Return a tensor's numbers in a row, in double precision."""
    return tensor.detach().double().cpu().numpy().reshape(-1)
