"""Gradients of nets in single precision are tested in double: right ones pass, wrong ones are caught."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from topopt import check

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from topopt.nets.torch import SignGate, TorchModel  # noqa: E402


class _Scaled(torch.autograd.Function):
    """The square, whose pullback is off by a factor."""

    @staticmethod
    def forward(ctx: Any, z: Any, factor: float) -> Any:
        ctx.save_for_backward(z)
        ctx.factor = factor
        return z * z

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (z,) = ctx.saved_tensors
        return ctx.factor * 2.0 * z * grads[0], None


class Square(nn.Module):
    """A part with a pullback of its own."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, z: Any) -> Any:
        return _Scaled.apply(z, self.factor)


def stubborn(factor: float) -> TorchModel:
    """Return a net that insists on single precision wherever one may, with chance, kinks, writes in place."""
    torch.manual_seed(0)
    bend = nn.ReLU(inplace=True)
    net = nn.Sequential(nn.Linear(3, 16), bend, nn.Dropout(0.2), nn.Linear(16, 16), Square(factor))
    net.register_buffer("shift", torch.full((16,), 0.1))
    truth = torch.from_numpy(np.random.default_rng(0).normal(size=(64, 16)).astype(np.float32))

    def loss(module: Any, batch: Mapping[str, Any]) -> Any:
        seen = torch.from_numpy(batch["points"].numpy().astype(np.float32))
        seen[:, 0] += 0.25  # in place, on what was made in single precision
        out = net(seen.float()) + module.shift  # the net by its own name, as a closure sees it
        weighted = torch.zeros(64, 16, dtype=torch.float32)
        weighted[:] = out
        return nn.functional.mse_loss(weighted, truth)

    def batches(number: int) -> dict[str, Any]:
        points = np.random.default_rng(number).normal(size=(64, 3))
        return {"points": torch.tensor(points, dtype=torch.float32)}

    return TorchModel(net, loss, batches)


def test_a_right_gradient_passes_and_one_off_by_a_hundredth_does_not() -> None:
    right = check.model(stubborn(1.0), np.random.default_rng(0))
    assert right["taylor objective"].passed, str(right)
    assert "rate 2.0" in right["taylor objective"].detail
    wrong = check.model(stubborn(1.01), np.random.default_rng(0))
    assert wrong["taylor objective"].passed is False, str(wrong)
    assert "rate 1.0" in wrong["taylor objective"].detail


def test_what_was_widened_is_what_it_was_and_computes_the_same_meanwhile() -> None:
    model = stubborn(1.0)
    model.module.eval()  # without chance, whose numbers differ with the precision
    before = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    single = model.evaluate(model.initial())
    with model.in_double():
        assert {tensor.dtype for tensor in model.module.state_dict().values()} == {torch.float64}
        double = model.evaluate(model.initial())
    assert torch.get_default_dtype() == torch.float32
    for name, tensor in model.module.state_dict().items():
        assert tensor.dtype == before[name].dtype
        assert torch.equal(tensor, before[name])
    assert abs(double.objective - single.objective) < 1e-6 * single.objective
    assert double.objective != single.objective
    gap = np.abs(double.gradient - single.gradient).max()
    assert 0 < gap < 1e-5 * np.abs(single.gradient).max()
    assert model.evaluate(model.initial()).objective == single.objective


def test_a_module_is_itself_again_after_an_error() -> None:
    def loss(module: Any, batch: Any) -> Any:
        assert module.weight.dtype == torch.float64
        raise ZeroDivisionError("in the loss")

    net = nn.Linear(2, 2)
    with pytest.raises(ZeroDivisionError, match="in the loss"):
        check.model(TorchModel(net, loss, int), np.random.default_rng(0))
    assert net.weight.dtype == torch.float32
    assert torch.get_default_dtype() == torch.float32


def test_a_softer_way_back_is_not_tested_and_says_where() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 4), SignGate(8.0, backward_beta=1.0), nn.Linear(4, 1))
    model = TorchModel(net, lambda net, batch: net(batch).square().mean(), lambda number: torch.ones(5, 2))
    report = check.model(model, np.random.default_rng(0))
    assert report["taylor objective"].passed is None
    assert report["taylor objective"].detail == "replaced on purpose: not tested (1)"
    plain = {"1.backward_beta": 8.0}
    assert check.model(model, np.random.default_rng(0), parameters=plain)["taylor objective"].passed
