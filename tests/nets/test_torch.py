"""The bridge to torch holds against torch's own gradients, our costates, and itself after a resume."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import topopt as to
from topopt.errors import InputError, ParameterError
from topopt.nets.layers import SignGate as NumpyGate
from topopt.nets.recurrent import LSTM, RNN, costate_path

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

from topopt.nets.torch import (  # noqa: E402
    SignGate,
    Stepped,
    Tap,
    TorchModel,
    TorchOptimizer,
    segmented_adjoint,
)


def tower(depth: int = 20, width: int = 12) -> nn.Sequential:
    """Return a deep tanh net of 2 depth + 1 parts."""
    torch.manual_seed(1)
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(width, width), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(width, 1)).double()


def test_a_tap_agrees_with_retain_grad_to_the_last_digit() -> None:
    net, x = tower(), torch.randn(7, 12, dtype=torch.float64)
    with Tap(net) as tap:
        net(x).square().sum().backward()
    costates = tap.costates
    assert len(costates) == 41
    values, value = [], x
    for part in net:
        value = part(value)
        value.retain_grad()
        values.append(value)
    value.square().sum().backward()
    for costate, expected in zip(costates.values(), values, strict=True):
        assert torch.equal(costate, expected.grad)


def test_a_closed_tap_leaves_no_hook_behind() -> None:
    net = tower(2)
    with Tap(net):
        pass
    assert not any(part._forward_hooks for part in net.modules())


class TwiceCalled(nn.Module):
    """One layer that is called several times."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.bend = nn.Linear(3, 3), nn.ReLU(inplace=True)

    def forward(self, x: Any) -> Any:
        for _ in range(4):
            x = self.bend(self.layer(x) + 0.1 * x)
        return x


def test_a_part_called_several_times_is_a_stage_a_call_in_place_or_not() -> None:
    torch.manual_seed(0)
    net = TwiceCalled().double()
    x = torch.randn(5, 3, dtype=torch.float64)
    with Tap(net) as tap:
        grads = torch.autograd.grad(net(x).sum(), list(net.parameters()))
    names = [f"layer[{k}]" for k in range(4)] + [f"bend[{k}]" for k in range(4)]
    assert sorted(tap.costates) == sorted(names)
    # the weight's gradient is the sum of the outer products at the calls
    inputs, value = [], x
    for _ in range(4):
        inputs.append(value)
        value = torch.relu(net.layer(value) + 0.1 * value)
    total = sum(tap.costates[f"layer[{k}]"].T @ inputs[k] for k in range(4))
    torch.testing.assert_close(total, grads[0], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_tap_sees_through_checkpoints(reentrant: bool) -> None:
    net, x = tower(6), torch.randn(4, 12, dtype=torch.float64, requires_grad=True)
    with Tap(net) as plain:
        net(x).sum().backward()
    with Tap(net) as tap:
        half = checkpoint(net[:6], x, use_reentrant=reentrant)
        checkpoint(net[6:], half, use_reentrant=reentrant).sum().backward()
    assert set(tap.costates) == set(plain.costates)
    for name, costate in plain.costates.items():
        torch.testing.assert_close(tap.costates[name], costate, rtol=0, atol=0)


def test_a_fused_net_is_one_stage_and_says_so_and_its_stepped_twin_shows_every_step() -> None:
    torch.manual_seed(0)
    fused, x = nn.LSTM(2, 5).double(), torch.randn(50, 3, 2, dtype=torch.float64)
    with pytest.warns(UserWarning, match=r"one kernel.*Stepped\.of"), Tap(nn.Sequential(fused)) as tap:
        fused(x)[0][-1].sum().backward()
    assert tap.fused == ("0",)
    stepped = Stepped.of(fused)
    with Tap(stepped) as steps:
        outputs, _ = stepped(x)
        outputs[-1].sum().backward()
    torch.testing.assert_close(outputs, fused(x)[0], rtol=1e-12, atol=1e-14)
    assert list(steps.costates) == [f"cell[{k}]" for k in range(50)]
    assert steps.costates["cell[0]"].abs().sum() < 1e-3 * steps.costates["cell[49]"].abs().sum()


def test_a_tap_refuses_what_would_crash_torch_and_what_is_not_there() -> None:
    net = Stepped(nn.RNNCell(1, 2))
    with pytest.raises(InputError, match="segmented_adjoint"), Tap(net):
        net(torch.zeros(10_001, 1, 1))
    with pytest.raises(InputError, match=r"no part 'cel': did you mean 'cell'"):
        Tap(net, ["cel"])


def test_attention_is_one_stage_and_says_so_and_parametrised_layers_are_seen() -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    with pytest.warns(UserWarning, match="self_attn runs all of its steps"), Tap(layer) as tap:
        layer(torch.randn(3, 5, 8)).sum().backward()
    assert {"self_attn", "linear1", "linear2", "norm1", "norm2"} <= tap.costates.keys()
    net = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)), nn.Tanh())
    with Tap(net) as tap:
        net(torch.ones(2, 4)).sum().backward()
    assert list(tap.costates) == ["0", "1"]


def bridged(cell: RNN | LSTM) -> nn.Module:
    """Return torch's cell with the weights of ours."""
    inputs, units = cell.u.shape[0], cell.w.shape[0]
    made = (nn.LSTM if isinstance(cell, LSTM) else nn.RNN)(inputs, units).double()
    with torch.no_grad():
        made.weight_hh_l0.copy_(torch.from_numpy(cell.w.T.copy()))
        made.weight_ih_l0.copy_(torch.from_numpy(cell.u.T.copy()))
        made.bias_hh_l0.zero_()
        made.bias_ih_l0.copy_(torch.from_numpy(cell.b))
    return made


@pytest.mark.parametrize("draw", [RNN.drawn, LSTM.drawn], ids=["rnn", "lstm"])
@pytest.mark.parametrize("segment", [37, 100, 5000])
def test_the_segmented_adjoint_is_back_propagation(draw: Callable[..., Any], segment: int) -> None:
    ours = draw(2, 6, seed=3)
    module = bridged(ours)
    random = np.random.default_rng(0)
    drives = torch.from_numpy(random.normal(size=(200, 4, 2)))
    pull = torch.from_numpy(random.normal(size=(4, 6)))
    found = segmented_adjoint(module, drives, lambda out: (out * pull).sum(), segment=segment)
    (module(drives)[0][-1] * pull).sum().backward()
    for name, weight in module.named_parameters():
        expected = weight.grad.numpy()
        np.testing.assert_allclose(
            found.gradient[name], expected, rtol=0, atol=1e-12 * np.abs(expected).max()
        )
    # and the costate is that of the recursion written out in numpy
    seed = np.zeros((4, ours.rest(1).shape[1]))
    seed[:, :6] = pull.numpy()
    path = costate_path(ours, drives.numpy(), seed)
    np.testing.assert_allclose(found.path.log_norms, path.log_norms[found.steps], rtol=1e-12, atol=1e-12)
    direction = np.concatenate([path.direction[:, k : k + 6].ravel() for k in range(0, seed.shape[1], 6)])
    np.testing.assert_allclose(found.path.direction, direction, rtol=0, atol=1e-12)


def test_a_path_of_ten_thousand_steps_ends_far_below_the_smallest_float() -> None:
    module = bridged(RNN.drawn(2, 8, seed=1))
    drives = torch.from_numpy(np.random.default_rng(0).normal(size=(10_000, 1, 2)))
    found = segmented_adjoint(module, drives, torch.sum, segment=100)
    assert found.path.lost > 400
    assert found.rate == pytest.approx(found.path.lost * -math.log(10) / 10_000, rel=0.02)


def test_float32_that_underflows_within_a_segment_is_refused_with_the_way_out() -> None:
    module = bridged(RNN.drawn(2, 8, seed=1)).float()
    drives = torch.zeros(4000, 1, 2)
    with pytest.raises(InputError, match="shorter segments or float64"):
        segmented_adjoint(module, drives, torch.sum, segment=2000)


@pytest.mark.parametrize("beta", [0.0, 0.7, 20.0, math.inf])
def test_the_gate_is_that_of_numpy(beta: float) -> None:
    z = np.array([-30.0, -1.0, -1e-3, 0.0, 0.2, 5.0])
    tensor = torch.from_numpy(z).requires_grad_()
    SignGate(beta)(tensor).sum().backward()
    output, pullback = NumpyGate(beta).vjp(z)
    np.testing.assert_allclose(SignGate(beta)(tensor).detach().numpy(), output, rtol=1e-13)
    np.testing.assert_allclose(tensor.grad.numpy(), pullback(np.ones(6))[0], rtol=1e-13)


def test_straight_through_passes_what_the_softer_gate_passes() -> None:
    z = torch.linspace(-2, 2, 9, dtype=torch.float64, requires_grad=True)
    SignGate(math.inf, backward_beta=0.0)(z).sum().backward()
    assert torch.equal(z.grad, torch.ones_like(z))
    z.grad = None
    SignGate(math.inf, backward_beta=1.0)(z).sum().backward()
    torch.testing.assert_close(z.grad, 1 / torch.cosh(z.detach()) ** 2)


class Noisy(nn.Module):
    """Gate, dropout, noise: everything that makes a run hard to repeat."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.inner, self.gate, self.drop = nn.Linear(4, 16), SignGate(1.0), nn.Dropout(0.1)
        self.outer = nn.Linear(16, 1)
        self.sigma = 0.1

    def forward(self, x: Any) -> Any:
        x = x + self.sigma * torch.randn_like(x)
        return self.outer(self.drop(self.gate(self.inner(x))))


def points(number: int) -> tuple[Any, Any]:
    """Return a batch of its own for every number."""
    x = torch.from_numpy(np.random.default_rng(number).normal(size=(32, 4))).float()
    return x, torch.sign(x[:, :1] * x[:, 1:2])


def misfit(net: nn.Module, batch: tuple[Any, Any]) -> Any:
    """Return the mean square error."""
    return ((net(batch[0]) - batch[1]) ** 2).mean()


SHARPER = to.Continuation(
    {
        "gate.beta": to.Geometric(1.0, 8.0, over=20),
        "sigma": to.Linear(0.3, 0.0, over=20),
        "batch": to.Counter(),
    }
)


@pytest.mark.parametrize(
    "optimizer", [to.Adam(rate=0.02), TorchOptimizer("AdamW", rate=0.02, options={"weight_decay": 0.1})]
)
def test_a_run_broken_off_goes_on_to_the_same_weights(optimizer: Any, tmp_path: Path) -> None:
    stop = to.Stop(change=0.0, iterations=25)
    whole = to.solve(TorchModel(Noisy(), misfit, points), optimizer, SHARPER, stop)
    steps = to.optimize(TorchModel(Noisy(), misfit, points), optimizer, SHARPER, stop)
    half = next(step for step in steps if step.iteration.number == 11)
    model = TorchModel(Noisy(), misfit, points)
    *_, last = to.optimize(model, optimizer, SHARPER, stop, snapshot=half.snapshot)
    np.testing.assert_array_equal(last.snapshot.x, whole.snapshot.x)
    assert whole.iteration.parameters["gate.beta"] == 8.0
    assert whole.iteration.parameters["sigma"] == 0.0
    assert model.module.gate.beta == 1.0  # what was scheduled is given back


def test_the_weights_to_begin_with_are_not_those_of_the_last_evaluation() -> None:
    model = TorchModel(Noisy(), misfit, points)
    start = model.initial()
    model.evaluate(start + 1.0)
    np.testing.assert_array_equal(model.initial(), start)


def test_the_log_knows_what_the_gate_holds_back() -> None:
    model = TorchModel(Noisy().double(), lambda net, b: misfit(net, [v.double() for v in b]), points)
    x = model.initial()
    parameters = {"gate.beta": 60.0, "sigma": 0.0, "drop.p": 0.0}
    found = model.evaluate(x, parameters)
    assert found.signals is not None
    (name,) = found.signals.gates
    gate = found.signals.gates[name]
    assert name == "gate"
    np.testing.assert_allclose(found.signals.cotangents["inner"], gate.objective * gate.slope, rtol=1e-12)
    np.testing.assert_allclose(found.signals.references["inner"], gate.objective, rtol=1e-12)
    # the homotopy slope is the derivative along beta
    h = 1e-6
    up, down = (model.evaluate(x, parameters | {"gate.beta": 60 + d}).objective for d in (h, -h))
    assert gate.objective @ gate.tilts["gate.beta"] == pytest.approx((up - down) / (2 * h), rel=1e-5)
    # and looking ahead is what a sharper gate lets through
    sharper = model.evaluate(x, parameters | {"gate.beta": 75.0}).signals.gates["gate"].slope
    now = np.linalg.norm(gate.objective * gate.slope)
    assert gate.ahead["gate.beta"][1.25] == pytest.approx(np.linalg.norm(gate.objective * sharper) / now)


class Steep(nn.Module):
    """A gate as a user writes one."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, z: Any) -> Any:
        return torch.tanh(self.slope * z)


def gated(gate: Callable[[float], nn.Module], **options: Any) -> TorchModel:
    """Return a net with two gates, of which one is called twice."""
    torch.manual_seed(4)
    shared = gate(6.0)
    net = nn.Sequential(
        nn.Linear(4, 8), gate(8.0), nn.Linear(8, 8), nn.ReLU(inplace=True), shared, nn.Linear(8, 8), shared,
        nn.Linear(8, 1),
    ).double()  # fmt: skip
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(16, 4)))
    return TorchModel(net, lambda net, batch: net(batch).square().mean(), lambda number: x, **options)


def test_gates_of_ones_own_are_passed_by_the_reference_as_ours_are() -> None:
    own, ours, unnamed = gated(Steep, gates=("1", "4")), gated(SignGate), gated(Steep)
    x = own.initial()
    found, expected, blind = (model.evaluate(x) for model in (own, ours, unnamed))
    np.testing.assert_allclose(found.gradient, expected.gradient, rtol=1e-10, atol=1e-14)
    for kind in ("cotangents", "references"):
        mine, theirs = (getattr(one.signals, kind) for one in (found, expected))
        assert mine.keys() == theirs.keys()
        for name, costate in theirs.items():
            np.testing.assert_allclose(mine[name], costate, rtol=0, atol=1e-12 * np.abs(costate).max())
    assert not np.allclose(found.signals.references["weights"], found.signals.cotangents["weights"])
    assert np.array_equal(found.gradient, blind.gradient)
    assert blind.signals.references is blind.signals.cotangents
    assert not any(part._forward_hooks for part in own.module.modules())


def test_the_survival_gate_holds_gates_of_ones_own_before_nothing_is_left() -> None:
    def left(**options: Any) -> float:
        """Return the gradient's norm where the gates are held, powers of ten."""
        torch.manual_seed(1)
        parts = [part for _ in range(4) for part in (nn.Linear(6, 6), Steep(1.0))]
        model = TorchModel(
            nn.Sequential(*parts).double(),
            lambda net, batch: (net(batch) - 1.0).square().mean(),
            lambda number: 3.0 * torch.ones(2, 6, dtype=torch.float64),
            **options,
        )
        slopes = {f"{k}.slope": to.Follow("1.slope") for k in (3, 5, 7)}
        rules = to.Continuation({"1.slope": to.Survival(final=1e6), **slopes})
        last = to.solve(model, to.Sgd(rate=1e-9), rules, to.Stop(change=0.0, iterations=300))
        return last.iteration.stages["weights"]["norm"]

    assert left(gates=("1", "3", "5", "7")) > -20.0
    assert left() == -math.inf


@pytest.mark.parametrize("again", [False, None])
def test_a_gate_of_ones_own_may_lie_behind_a_checkpoint(again: bool | None) -> None:
    def found(again: bool | None) -> Any:
        net = Remembered(again).double()
        net.lower[1] = Steep(2.0)
        x = torch.from_numpy(np.random.default_rng(0).normal(size=(8, 4)))
        model = TorchModel(
            net, lambda net, batch: net(batch).square().mean(), lambda number: x, gates=("lower.1",)
        )
        return model.evaluate(model.initial()).signals

    plain, other = found(None), found(again)
    for name, costate in plain.references.items():
        np.testing.assert_array_equal(other.references[name], costate)
    assert not np.allclose(plain.references["weights"], plain.cotangents["weights"])


class Remembered(nn.Module):
    """A gate between layers, computed again on the way back or not, and an in-place layer behind it."""

    def __init__(self, again: bool | None) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.lower = nn.Sequential(nn.Linear(4, 6), SignGate(2.0), nn.ReLU(inplace=True), nn.Linear(6, 6))
        self.upper, self.again, self.scale = nn.Linear(6, 1), again, nn.Parameter(torch.tensor(1.5))

    def forward(self, x: Any) -> Any:
        again = self.again
        found = self.lower(x) if again is None else checkpoint(self.lower, x, use_reentrant=again)
        return self.scale * self.upper(found)


def remembered(again: bool | None) -> TorchModel:
    """Return it as a model whose input could have a gradient, as older checkpoints need."""
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(8, 4))).requires_grad_()
    net = Remembered(again).double()
    return TorchModel(net, lambda net, batch: net(batch).square().mean(), lambda number: x)


def test_a_checkpoint_changes_neither_gradient_nor_log() -> None:
    plain, again = (
        model.evaluate(model.initial(), {"lower.1.beta": 2.0}) for model in map(remembered, (None, False))
    )
    np.testing.assert_array_equal(again.gradient, plain.gradient)
    for kind in ("cotangents", "references"):
        expected, found = (getattr(one.signals, kind) for one in (plain, again))
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[name], expected[name]) for name in expected)
    expected, found = (one.signals.gates["lower.1"] for one in (plain, again))
    assert np.array_equal(found.slope, expected.slope)
    # the layer behind the gate overwrites what came out of it, and the log still has it
    assert expected.output.min() < 0.45
    assert np.allclose(expected.slope, 2.0 * (1.0 - (2.0 * expected.output - 1.0) ** 2))


def test_a_gate_is_heard_whatever_is_watched() -> None:
    whole = TorchModel(Noisy(), misfit, points)
    part = TorchModel(Noisy(), misfit, points, watch=("outer",))
    expected, found = (m.evaluate(m.initial()).signals.gates["gate"] for m in (whole, part))
    np.testing.assert_array_equal(found.objective, expected.objective)


def test_the_gradient_passes_a_taylor_test() -> None:
    model = TorchModel(Noisy().double(), lambda net, b: misfit(net, [v.double() for v in b]), points)
    x = model.initial()
    direction = np.random.default_rng(1).normal(size=x.size)
    at = model.evaluate(x)
    rests = [
        abs(model.evaluate(x + h * direction).objective - at.objective - h * (at.gradient @ direction))
        for h in (1e-3, 5e-4)
    ]
    assert rests[1] < 0.27 * rests[0]


def test_the_survival_gate_drives_a_module_of_torch() -> None:
    continuation = to.Continuation({"gate.beta": to.Survival(final=16.0), "batch": to.Counter()})
    last = to.solve(
        TorchModel(Noisy(), misfit, points),
        to.Adam(rate=0.02),
        continuation,
        to.Stop(change=0.0, iterations=60),
    )
    assert last.iteration.parameters["gate.beta"] > 2.0
    assert {"weights", "inner", "gate", "outer"} <= set(last.iteration.stages)


def first(loss: Callable[..., Any]) -> Any:
    """Return a first evaluation."""
    model = TorchModel(Noisy(), loss, points)
    return model.evaluate(model.initial())


class Tied(nn.Module):
    """A layer that is used twice, once behind a checkpoint: outside of it its weight has a gradient."""

    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.layer, self.reentrant = nn.Linear(4, 4), reentrant

    def forward(self, x: Any) -> Any:
        return self.layer(x) + checkpoint(self.layer, x, use_reentrant=self.reentrant).sin()


def test_a_checkpoint_that_hides_a_use_of_a_tied_weight_is_refused() -> None:
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(8, 4))).requires_grad_()

    def model(reentrant: bool) -> TorchModel:
        return TorchModel(Tied(reentrant).double(), lambda net, batch: net(batch).sum(), lambda number: x)

    good = model(False)
    good.evaluate(good.initial())
    bad = model(True)
    with pytest.raises(InputError, match="a part of its gradient; use checkpoint"):
        bad.evaluate(bad.initial())


class Counted(nn.Module):
    """A net whose author wrote an integer where a float was meant, and others that are counts."""

    def __init__(self) -> None:
        super().__init__()
        self.temperature, self.rounds, self.deep = 1, 2, True
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Any) -> Any:
        for _ in range(self.rounds):
            x = torch.tanh(self.layer(x) / self.temperature)
        return x


def test_an_integer_can_be_scheduled_and_one_that_is_not_stays_one() -> None:
    net = Counted().double()
    model = TorchModel(
        net, lambda net, batch: net(batch).sum(), lambda number: torch.ones(2, 3, dtype=torch.double)
    )
    assert model.parameters() == {"temperature": 1.0, "rounds": 2.0, "batch": 0.0}
    x = model.initial()
    expected = torch.ones(2, 3, dtype=torch.double)
    for _ in range(2):
        expected = torch.tanh(net.layer(expected) / 2.5)
    assert model.evaluate(x, {"temperature": 2.5}).objective == pytest.approx(
        expected.sum().item(), rel=1e-14
    )
    assert type(net.temperature) is int
    assert type(net.rounds) is int
    cooled = to.Continuation({"temperature": to.Linear(2.0, 0.5, over=2)})
    last = to.solve(model, to.Adam(), cooled, to.Stop(change=0.0, iterations=3))
    assert [it.parameters["temperature"] for it in last.history] == [2.0, 1.25, 0.5]


class Declared(Counted):
    """The same net, whose class says which of its numbers is a count."""

    rounds: int


def driven(net: nn.Module, **parameters: float) -> float:
    """Return the loss of a net at scheduled numbers."""
    model = TorchModel(net, lambda net, batch: net(batch).sum(), lambda number: torch.ones(2, 3))
    return model.evaluate(model.initial(), parameters).objective


def test_a_count_that_is_scheduled_stays_a_count() -> None:
    net, declared = Counted(), Declared()
    declared.load_state_dict(net.state_dict())
    net.rounds = 3
    assert driven(Counted(), rounds=3.0) != driven(Counted(), rounds=2.0)
    assert driven(declared, rounds=3.0) == driven(net)
    assert driven(declared, rounds=2.6) == driven(net)
    assert driven(declared, rounds=3.4) == driven(net)
    assert type(declared.rounds) is int
    with pytest.raises(
        InputError, match=r"'float' object.*, 'rounds' \(2\.6\): let it give whole numbers, or declare"
    ):
        driven(net, rounds=2.6, temperature=2.0)


def test_a_type_error_that_is_the_users_own_stays_one() -> None:
    def wrong(net: nn.Module, batch: object) -> object:
        return len(3)  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="has no len"):
        TorchModel(Counted(), wrong, points).evaluate(np.zeros(12), {"rounds": 2.0})  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [-1.0, 0.5, math.nan, math.inf])
def test_a_batch_has_a_number_from_0_on(number: float) -> None:
    with pytest.raises(InputError, match=rf"^TorchModel\.batch: expected the number.*got {number:g}$"):
        TorchModel(Noisy(), misfit, points).evaluate(np.zeros(97), {"batch": number})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: TorchModel(Noisy(), misfit, points).evaluate(np.zeros(97), {"sigm": 1.0}),
            "no parameter 'sigm': did you mean 'sigma'",
        ),
        (lambda: TorchModel(nn.ReLU(), misfit, points), "no weights that require a gradient"),
        (lambda: TorchModel(Noisy(), misfit, points, watch=("gat",)), "no part 'gat': did you mean 'gate'"),
        (lambda: TorchModel(Noisy(), misfit, points, gates=("gat",)), "no part 'gat': did you mean 'gate'"),
        (lambda: gated(Steep, gates=("0",)).evaluate(np.zeros(193)), "'0' is no gate; one makes of a tensor"),
        (lambda: gated(Steep, gates=("3",)).evaluate(np.zeros(193)), "'3' works in place; a gate must leave"),
        (lambda: TorchModel(Noisy(), misfit, points, every=0), r"TorchModel\.every: expected at least 1"),
        (lambda: TorchModel(nn.LazyLinear(3), misfit, points), "'weight' has no shape yet"),
        (lambda: TorchModel(nn.Linear(2, 2, dtype=torch.cfloat), misfit, points), "'weight' is complex"),
        (lambda: first(lambda net, batch: misfit(net, batch).detach()), "does not depend on the weights"),
        (lambda: first(lambda net, batch: net(batch[0])), r"one number, got shape \(32, 1\)"),
        (lambda: first(lambda net, batch: misfit(net, batch).item()), "one number, got float"),
        (lambda: TorchModel(Noisy(), misfit, points).evaluate(np.zeros(3)), "expected 97 weights.*got 3"),
        (lambda: remembered(True).evaluate(remembered(True).initial()), "use_reentrant=False"),
        (lambda: TorchOptimizer("AdamV"), "no 'AdamV': did you mean 'Adam'"),
        (lambda: TorchOptimizer("SGD", options={"momentun": 1}), "SGD refuses them"),
        (lambda: TorchOptimizer("LBFGS"), "LBFGS evaluates by itself"),
        (lambda: Stepped.of(nn.LSTM(2, 3, num_layers=2)), "one layer and one direction"),
    ],
)
def test_what_cannot_work_is_refused_with_a_reason(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_a_batch_normalisation_that_remembers_is_refused() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    with pytest.raises(InputError, match=r"'1\.running_mean' changes with every evaluation"):
        TorchModel(net, misfit, points).evaluate(TorchModel(net, misfit, points).initial())


def test_an_unknown_parameter_is_refused_before_the_first_iteration() -> None:
    continuation = to.Continuation({"gate.bta": to.Linear(1.0, 2.0)})
    with pytest.raises(ParameterError, match=r"gate\.bta.*did you mean 'gate\.beta'"):
        next(to.optimize(TorchModel(Noisy(), misfit, points), to.Adam(), continuation))


def test_no_warning_for_what_is_not_fused() -> None:
    with warnings.catch_warnings(), Tap(tower(2)):
        warnings.simplefilter("error")
