"""The bridge keeps its promises: parameters by name, numpy's costates, underflow told, memory bounded."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import topopt as to
from topopt.nets import Affine, Samples, sign_net
from topopt.nets import SignGate as NumpyGate

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from topopt.nets.torch import SignGate, Stepped, Tap, TorchModel, segmented_adjoint  # noqa: E402


class Noise(nn.Module):
    """Adds noise of a scheduled size."""

    def __init__(self) -> None:
        super().__init__()
        self.sigma = 0.0

    def forward(self, x: Any) -> Any:
        return x + self.sigma * torch.randn_like(x)


class Sequence(nn.Module):
    """Something with a length."""

    def __init__(self) -> None:
        super().__init__()
        self.length = 4.0

    def forward(self, x: Any) -> Any:
        return x[:, : round(self.length)].sum(dim=1, keepdim=True)


class User(nn.Module):
    """What a user brings: a gate, noise, a temperature, a sequence whose length grows."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.sequence, self.noise, self.gate = Sequence(), Noise(), SignGate()
        self.inner, self.outer = nn.Linear(1, 3), nn.Linear(3, 1)
        self.temperature = 1.0

    def forward(self, x: Any) -> Any:
        return self.outer(self.gate(self.inner(self.noise(self.sequence(x))))) / self.temperature


def squared(net: nn.Module, batch: Any) -> Any:
    """Return a loss."""
    return net(batch).square().mean()


def test_parameters_are_addressed_by_the_names_of_the_parts() -> None:
    model = TorchModel(User().double(), squared, lambda number: torch.ones(2, 8, dtype=torch.float64))
    named = {"gate.beta", "temperature", "noise.sigma", "sequence.length"}
    assert named <= model.parameters().keys()
    schedules = {
        "gate.beta": to.Linear(1.0, 3.0, over=2),
        "temperature": to.Linear(2.0, 1.0, over=2),
        "noise.sigma": to.Linear(0.5, 0.0, over=2),
        "sequence.length": to.Linear(2.0, 6.0, over=2),
        "optimizer.rate": to.Follow("gate.beta", factor=0.1, power=-1.0),
    }
    last = to.solve(model, to.Sgd(), to.Continuation(schedules), to.Stop(change=0.0, iterations=3))
    ends = {"gate.beta": 3.0, "temperature": 1.0, "noise.sigma": 0.0, "sequence.length": 6.0}
    assert last.iteration.parameters == pytest.approx(ends | {"optimizer.rate": 0.1 / 3.0})
    # the last step was of that rate, and each of the others changes the loss
    before = last.history[-2]
    start, x = model.evaluate(model.initial(), ends).objective, model.initial()
    assert before.parameters["sequence.length"] == 4.0
    for name, other in {
        "gate.beta": 1.0,
        "temperature": 2.0,
        "noise.sigma": 0.5,
        "sequence.length": 2.0,
    }.items():
        assert model.evaluate(x, ends | {name: other}).objective != pytest.approx(start, rel=1e-6)


def test_the_costates_are_those_of_the_same_net_in_numpy(rng) -> None:
    """Feed-forward, to 1e-12: cells are held against numpy in test_torch, numpy against complex steps."""
    samples = Samples(rng.normal(size=(9, 4)), np.arange(9) % 3)
    ours = sign_net(samples, samples, (6, 5), NumpyGate(2.5))
    parts: list[nn.Module] = []
    order = []
    for link in ours.chain.upto("logits"):
        if isinstance(link.stage, Affine):
            own = ours.start[link.stage.begin :][: link.stage.size].reshape(-1, link.stage.outputs)
            layer = nn.Linear(link.stage.inputs, link.stage.outputs).double()
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(own[:-1].T))
                layer.bias.copy_(torch.from_numpy(own[-1]))
            parts.append(layer)
        else:
            parts.append(SignGate(2.5))
        order.append(link.name)
    inputs, labels = torch.from_numpy(samples.inputs), torch.from_numpy(samples.labels)
    model = TorchModel(
        nn.Sequential(*parts),
        lambda net, batch: nn.functional.cross_entropy(net(batch), labels),
        lambda number: inputs,
    )
    theirs, known = model.evaluate(model.initial()), ours.evaluate(ours.start)
    assert theirs.objective == pytest.approx(known.objective, rel=1e-14)
    assert theirs.signals is not None
    assert known.signals is not None
    for number, name in enumerate(order):
        for kind in ("cotangents", "references"):
            found, expected = (getattr(e.signals, kind) for e in (theirs, known))
            size = np.abs(expected[name]).max()
            np.testing.assert_allclose(found[str(number)], expected[name], rtol=0, atol=1e-12 * size)


def test_what_float32_rounds_to_nothing_is_recorded_as_nothing_and_double_precision_tells() -> None:
    torch.manual_seed(0)
    net = Stepped(nn.RNNCell(1, 4))
    drives = torch.randn(300, 2, 1)

    def logged(module: nn.Module, kind: Any) -> dict[str, float]:
        model = TorchModel(
            module.to(kind), lambda net, batch: net(batch)[0][-1].sum(), lambda number: drives.to(kind)
        )
        (iteration,) = (
            step.iteration for step in to.optimize(model, to.Sgd(), stop=to.Stop(change=0.0, iterations=1))
        )
        return {name: stage["norm"] for name, stage in iteration.stages.items()}

    single, double = logged(net, torch.float32), logged(net, torch.float64)
    assert single["cell[0]"] == -math.inf
    assert -300 < double["cell[0]"] < -45
    assert single["cell[299]"] == pytest.approx(double["cell[299]"], abs=1e-6)


def test_the_memory_of_a_segmented_adjoint_is_that_of_one_segment() -> None:
    """Of what torch keeps for the way back, counted."""

    class Kept:
        now = peak = 0

        def __init__(self, tensor: Any) -> None:
            self.tensor = tensor
            Kept.now += tensor.numel()
            Kept.peak = max(Kept.peak, Kept.now)

        def __del__(self) -> None:
            Kept.now -= self.tensor.numel()

    torch.manual_seed(0)
    net, peaks = Stepped(nn.RNNCell(1, 4)).double(), []
    for steps in (40, 400):
        Kept.now = Kept.peak = 0
        with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
            segmented_adjoint(net, torch.randn(steps, 1, 1, dtype=torch.float64), torch.sum, segment=20)
        peaks.append(Kept.peak)
    assert peaks[0] == peaks[1] > 0


def test_an_open_tap_changes_no_digit() -> None:
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)), torch.randn(5, 3)
    plain = torch.autograd.grad(net(x).sum(), list(net.parameters()))
    with Tap(net):
        tapped = torch.autograd.grad(net(x).sum(), list(net.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(plain, tapped, strict=True))
