"""A torch module and a loss as a model that `topopt.optimize` drives: weights are the design."""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from topopt.errors import InputError, suggestion
from topopt.evaluation import Bounds, Evaluation, Signals
from topopt.nets.samples import batch_number
from topopt.nets.torch.double import in_double
from topopt.nets.torch.gates import SignGate
from topopt.nets.torch.passing import Calls, Detour, as_logged, bypassed, detoured, flat, watched
from topopt.nets.torch.tap import Tap
from topopt.parameters import Array, Positive, checked

__all__ = ["TorchModel"]

WEIGHTS, BATCH = "weights", "batch"


@dataclass(frozen=True, eq=False)
class TorchModel:
    """What `optimize` lowers: the loss of a module, at its weights and at scheduled parameters.

    Every public float attribute of the module and its parts is a parameter under its dotted name:
    ``gate.beta``, ``noise.sigma``, ``temperature``, ``drop.p``; so is every integer of a part that is not
    torch's own, and ``batch``, the number of the batch, which a `Counter` raises. An evaluation is a function
    of weights and parameters alone, whatever chance is in the module (its seed is the batch's number), so
    that a run resumes to the same result.

    An integer is scheduled as one where the value is whole (``steps = 10``, for a ``range``) and as a float
    where it is not (``temperature = 1``); one that its class declares, ``steps: int``, is rounded.

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
    gates : tuple of str, optional
        Parts of your own that work entry by entry and whose slope can die. What is left of a sensitivity is
        said in comparison to what would arrive if gates let it pass as it is; `SignGate` is one unasked, and
        its slope is logged beside.
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
    gates: tuple[str, ...] = ()
    every: int = 1
    judged: int = 1
    reach: Positive = 100.0
    threads: int = 1
    start: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse modules without weights or with weights that are no real numbers yet, and counts below 1."""
        checked(self)
        if not self._weights():
            raise InputError("TorchModel.module: it has no weights that require a gradient")
        for name, weight in self.module.named_parameters():
            if isinstance(weight, nn.parameter.UninitializedParameter):
                raise InputError(f"TorchModel.module: '{name}' has no shape yet; run the module once before")
            if weight.is_complex():
                raise InputError(
                    f"TorchModel.module: '{name}' is complex, and a design is real; keep two real parts, and "
                    "join them by torch.view_as_complex"
                )
        for name in ("every", "judged", "threads"):
            if getattr(self, name) < 1:
                raise InputError(f"TorchModel.{name}: expected at least 1, got {getattr(self, name)}")
        if BATCH in _numbers(self.module):
            raise InputError(f"TorchModel.module: its attribute '{BATCH}' is the name of the batch's number")
        Tap(self.module, self.watch)
        Tap(self.module, self.gates)
        start = np.concatenate([flat(weight) for weight in self._weights()])
        object.__setattr__(self, "start", start)

    def initial(self) -> Array:
        """Return the weights that the module had when the model was made, in a row."""
        return self.start.copy()

    def bounds(self) -> Bounds:
        """Return the box of the weights."""
        wide = np.full(sum(weight.numel() for weight in self._weights()), self.reach)
        return Bounds(-wide, wide)

    def parameters(self) -> dict[str, float]:
        """Return every public number of the module that may be scheduled, and the number of the batch."""
        own = {name: float(value) for name, value in _numbers(self.module).items()}
        return own | {BATCH: 0.0}

    def evaluate(self, x: Array, parameters: Mapping[str, float] | None = None) -> Evaluation:
        """Evaluate weights, shape (n,), at parameters that override the module's own.

        Raises
        ------
        InputError
            If a buffer of the module (a running average of a batch normalisation) changes as it is evaluated,
            the number of the batch is no count, or a count of the module is scheduled to a fraction.
        """
        values = {name: float(value) for name, value in (parameters or {}).items()}
        number = batch_number(values.pop(BATCH, 0.0), "TorchModel")
        with self._at(x, values, number):
            recording = number % self.every == 0
            gates = self._gates() if recording else {}
            tap = Tap(self.module, None if self.watch is None else dict.fromkeys([*self.watch, *gates]))
            around = detoured(self.module, self.gates if recording else ())
            with tap if recording else contextlib.nullcontext(), around as detours:
                before = [buffer.clone() for buffer in self.module.buffers()]
                with watched(gates) as calls:
                    loss = self.loss(self.module, self.batches(number))
                _require_scalar(loss)
                self._require_still(before)
                if recording:
                    _require_seen(loss)
                gradient = self._gradient(loss, keep=bool(gates or detours))
                signals = None
                if recording:
                    signals = self._signals(loss, gradient, tap, calls, detours, tuple(parameters or {}))
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

    def in_double(self) -> AbstractContextManager[None]:
        """Let the module compute in double precision for a while: what `topopt.check.model` tests it in."""
        return in_double(self.module)

    def surrogates(self, parameters: Mapping[str, float]) -> tuple[str, ...]:
        """Return the gates whose pullback is that of a softer one at these parameters."""
        return tuple(
            name
            for name, gate in self._gates().items()
            if parameters.get(f"{name}.beta", gate.beta)
            > parameters.get(f"{name}.backward_beta", gate.backward_beta)
        )

    def loaded(self, x: Array) -> nn.Module:
        """Return the module with other weights, for good."""
        if x.size != self.start.size:
            raise InputError(f"TorchModel: expected {self.start.size} weights in a row, got {x.size}")
        place = 0
        with torch.no_grad():
            for weight in self._weights():
                part = np.ascontiguousarray(x[place : place + weight.numel()])
                weight.copy_(torch.from_numpy(part).reshape(weight.shape))
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
        own, count = _numbers(self.module), torch.get_num_threads()
        fitted = {name: _fitting(self.module, name, own, value) for name, value in values.items()}
        torch.set_num_threads(self.threads)
        try:
            with torch.random.fork_rng(devices=[]):
                _seed(number)
                self.loaded(x)
                _set(self.module, fitted)
                yield
        except TypeError as error:
            cut = [name for name in fitted if isinstance(own[name], int) and isinstance(fitted[name], float)]
            if not cut:
                raise
            names = ", ".join(f"'{name}' ({fitted[name]:g})" for name in cut)
            raise InputError(
                f"TorchModel: {error}; a schedule gave a fraction to what is an integer in the module, "
                f"{names}: let it give whole numbers, or declare the attribute in its class (`steps: int`), "
                "and it is rounded"
            ) from error
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
        if any(g is None for g in found):
            _require_seen(loss)
        parts = [torch.zeros_like(w) if g is None else g for w, g in zip(weights, found, strict=True)]
        return np.concatenate([flat(part) for part in parts])

    def _signals(
        self,
        loss: Tensor,
        gradient: Array,
        tap: Tap,
        calls: Mapping[str, Calls],
        detours: list[Detour],
        scheduled: tuple[str, ...],
    ) -> Signals:
        """Return what the vanishing log reads; the references take a second way back, past the gates."""
        true = {WEIGHTS: gradient} | {name: flat(costate) for name, costate in tap.costates.items()}
        references = true
        gates = {name: gate for name, gate in self._gates().items() if calls[name]}
        if gates or detours:
            with bypassed([*gates.values(), *detours]):
                straight = self._gradient(loss, keep=False)
            references = {WEIGHTS: straight} | {name: flat(costate) for name, costate in tap.costates.items()}
        return Signals(
            cotangents=true,
            gates={name: as_logged(name, gate, calls[name], true, scheduled) for name, gate in gates.items()},
            references=references,
            reference_constraints=np.zeros((0, gradient.size)),
        )


def _seed(number: int) -> None:
    """Seed torch's chance.

    `torch.manual_seed` does that too, but takes the stack down for every kind of card that is not in use: a
    sixth of the time of a small net's batch.
    """
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(number)


def _require_scalar(loss: Any) -> None:
    """Refuse what has no gradient."""
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        got = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise InputError(f"TorchModel.loss: expected a tensor with one number, got {got}")
    if not loss.requires_grad:
        raise InputError("TorchModel.loss: it does not depend on the weights; was it detached on its way?")


def _require_seen(loss: Tensor) -> None:
    """Refuse a checkpoint of the older kind, which hides its weights, be they used elsewhere or not."""
    waiting, seen = [loss.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        if node.name() == "CheckpointFunctionBackward":
            raise InputError(
                "TorchModel: a checkpoint with use_reentrant=True hides its weights from "
                "torch.autograd.grad, and one that is used elsewhere, too, would get a part of its gradient; "
                "use checkpoint(..., use_reentrant=False)"
            )
        seen.add(node)
        waiting += [parent for parent, _ in node.next_functions]


def _numbers(module: nn.Module) -> dict[str, float | int]:
    """Return every public number of a module and its parts that may be scheduled, by dotted name.

    Integers of torch's own parts are counts, of features or of layers, and are left alone.
    """
    found: dict[str, float | int] = {}
    for name, part in module.named_modules():
        whole = not type(part).__module__.startswith("torch.")
        for attribute, value in vars(part).items():
            number = isinstance(value, float) or (whole and type(value) is int)  # a bool is no number here
            if number and not attribute.startswith("_"):
                found[f"{name}.{attribute}" if name else attribute] = value
    return found


def _fitting(module: nn.Module, name: str, own: Mapping[str, float | int], value: float) -> float | int:
    """Return a scheduled value as what the module keeps under that name: a count stays one."""
    if name not in own:
        raise InputError(f"TorchModel: no parameter '{name}': {suggestion(name, [*own, BATCH])}")
    if not isinstance(own[name], int):
        return value
    whole = value.is_integer() or (math.isfinite(value) and _declared(module, name))
    return round(value) if whole else value


def _declared(module: nn.Module, name: str) -> bool:
    """Tell whether the class of a part declares a number as an integer."""
    part, _, attribute = name.rpartition(".")
    kinds = (inspect.get_annotations(cls) for cls in type(module.get_submodule(part)).__mro__)
    # a class with annotations from the future has them as text
    return next((kind[attribute] in (int, "int") for kind in kinds if attribute in kind), False)


def _set(module: nn.Module, values: Mapping[str, float | int]) -> None:
    """Give a module other values of its numbers."""
    for name, value in values.items():
        part, _, attribute = name.rpartition(".")
        setattr(module.get_submodule(part), attribute, value)
