"""Several objectives: MMA lowers the largest, its weights tell who counts, the residual is of all of them."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest

import topopt as to
from topopt.errors import InputError
from topopt.evaluation import Evaluation, Signals
from topopt.optimizers import MMA, OC, MMAState, packed, unpacked
from topopt.parameters import Array
from topopt.vanishing import read

Model = Callable[[Array], Evaluation]


def rivalry(
    x: Array, rivals: list[tuple[float, list[float]]], limits: list[tuple[float, list[float]]] | None = None
) -> Evaluation:
    """Return an evaluation whose objective is the worst of several, each a value and a gradient."""
    values, rows = np.array([f for f, _ in rivals]), np.array([df for _, df in rivals], dtype=float)
    limits = limits or []
    worst = int(np.argmax(values))
    row = np.array([dg for _, dg in limits], dtype=float).reshape(-1, x.size)
    signals = Signals({"design": rows[worst]}, {}, {"design": rows[worst]}, row, reference_rivals=rows)
    return Evaluation(
        float(values[worst]),
        rows[worst],
        np.array([g for g, _ in limits]),
        row,
        rivals=values,
        rival_jacobian=rows,
        signals=signals,
    )


def centre(corners: list[list[float]], limit: tuple[float, float, float] | None = None) -> Model:
    """Return the problem of the smallest circle around points, its centre perhaps held in a half-plane."""

    def evaluate(x: Array) -> Evaluation:
        rivals = [(float((x - c) @ (x - c)), 2 * (x - c)) for c in np.array(corners)]
        a, b, level = limit or (0.0, 0.0, 0.0)
        return rivalry(x, rivals, [(a * x[0] + b * x[1] - level, [a, b])] if limit else [])

    return evaluate


def charalambous_bandler_2(x: Array) -> Evaluation:
    """CB2 of Charalambous & Bandler 1976, doi:10.1109/TCS.1976.1084252: the largest of three, 1.9522245."""
    a, b = x
    e = 2 * np.exp(b - a)
    second = ((2 - a) ** 2 + (2 - b) ** 2, [-2 * (2 - a), -2 * (2 - b)])
    return rivalry(x, [(a**2 + b**4, [2 * a, 4 * b**3]), second, (e, [-e, e])])


def charalambous_bandler_3(x: Array) -> Evaluation:
    """CB3: the largest of three that all equal 2 at (1, 1)."""
    a, b = x
    e = 2 * np.exp(b - a)
    second = ((2 - a) ** 2 + (2 - b) ** 2, [-2 * (2 - a), -2 * (2 - b)])
    return rivalry(x, [(a**4 + b**2, [4 * a**3, 2 * b]), second, (e, [-e, e])])


def solved(
    model: Model, start: list[float], steps: int = 60, low: float = -3.0, high: float = 3.0, **fields: float
) -> tuple[Array, MMAState]:
    """Return design and memory after some steps."""
    mma, x = MMA(**fields), np.array(start)
    state = mma.init(x, np.full(x.size, low), np.full(x.size, high))
    for _ in range(steps):
        x, state = mma.step(x, model(x), state)
    return x, state


SIDE = np.sqrt(3.0)
CASES = {
    # model, start, optimum, its value, weights, multipliers
    "a tie of two": (centre([[-1, 0], [1, 0]]), [0.7, 0.9], [0, 0], 1.0, [0.5, 0.5], []),
    "a tie of three": (
        centre([[0, 1], [SIDE / 2, -0.5], [-SIDE / 2, -0.5]]), [0.7, 0.9], [0, 0], 1.0, [1 / 3] * 3, [],
    ),
    # the third corner lies within the circle about the other two
    "an idle third": (centre([[-1, 0], [1, 0], [0.2, 0.3]]), [0.7, 0.9], [0, 0], 1.0, [0.5, 0.5, 0], []),
    "twins": (centre([[-1, 0], [-1, 0], [1, 0]]), [0.7, 0.9], [0, 0], 1.0, None, []),
    # at (0, 1) the weighted gradient is (0, 2) and the row (0, -1)
    "a tie on a limit": (centre([[-1, 0], [1, 0]], (0, -1, -1)), [0.7, 1.4], [0, 1], 2.0, [0.5, 0.5], [2.0]),
    "one alone on a limit": (
        centre([[-1, 0], [1, 0]], (-1, 0, -0.5)), [2.0, 0.9], [0.5, 0], 2.25, [1, 0], [3.0],
    ),
    "CB3": (charalambous_bandler_3, [0.2, 2.0], [1, 1], 2.0, None, []),
    "CB2": (charalambous_bandler_2, [1.0, -0.1], [1.139038, 0.899560], 1.9522245, None, []),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_known_optima(name: str) -> None:
    model, start, optimum, value, weights, multipliers = CASES[name]
    x, state = solved(model, start, steps=150, nearest=1e-7)
    k = model(x).rivals.size
    assert x == pytest.approx(optimum, abs=2e-5)
    assert model(x).objective == pytest.approx(value, rel=1e-6)
    assert state.multipliers[:k].sum() == pytest.approx(1.0, rel=1e-9)
    if weights is not None:
        assert state.multipliers[:k] == pytest.approx(weights, abs=1e-4)
    assert state.multipliers[k:] == pytest.approx(multipliers, rel=1e-3)
    assert state.elastic == pytest.approx(np.zeros(len(multipliers)), abs=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_the_residual_is_that_of_the_lagrangian_and_vanishes_at_the_optimum(name: str) -> None:
    model, start = CASES[name][:2]
    x, state = solved(model, start, steps=150, nearest=1e-7)
    n = x.size
    bounds = to.evaluation.Bounds(np.full(n, -3.0), np.full(n, 3.0))
    total = read(x, model(x), state.multipliers, bounds).total
    assert total["residual"] < 1e-4
    assert total["latent_residual"] < 1e-4
    # the worst alone is no optimum, so a residual of its own gradient would not vanish
    alone = state.multipliers.copy()
    k = model(x).rivals.size
    alone[:k] = np.eye(k)[np.argmax(model(x).rivals)]
    if name != "one alone on a limit":
        assert read(x, model(x), alone, bounds).total["residual"] > 0.1


def test_few_steps_do() -> None:
    x, _ = solved(charalambous_bandler_3, [0.2, 2.0], steps=20, nearest=1e-7)
    assert charalambous_bandler_3(x).objective == pytest.approx(2.0, rel=1e-3)


@pytest.mark.parametrize("size", [1e-6, 1e6])
def test_one_scale_for_all_rivals_keeps_path_and_weights(size: float) -> None:
    def scaled(x: Array) -> Evaluation:
        now = charalambous_bandler_2(x)
        rivals = [(size * f, list(size * df)) for f, df in zip(now.rivals, now.rival_jacobian, strict=True)]
        return rivalry(x, rivals)

    one, first = solved(charalambous_bandler_2, [1.0, -0.1], steps=15)
    two, second = solved(scaled, [1.0, -0.1], steps=15)
    assert two == pytest.approx(one, rel=1e-7)
    assert second.multipliers == pytest.approx(first.multipliers, abs=1e-7)


def test_the_order_of_the_rivals_does_not_matter() -> None:
    def turned(x: Array) -> Evaluation:
        now = charalambous_bandler_2(x)
        return rivalry(x, [(now.rivals[i], list(now.rival_jacobian[i])) for i in (2, 0, 1)])

    one, first = solved(charalambous_bandler_2, [1.0, -0.1], steps=15)
    two, second = solved(turned, [1.0, -0.1], steps=15)
    assert two == pytest.approx(one, abs=1e-7)
    assert second.multipliers == pytest.approx(first.multipliers[[2, 0, 1]], abs=1e-6)


def test_a_single_rival_is_an_objective() -> None:
    def rival(x: Array) -> Evaluation:
        return rivalry(x, [(float(x @ x) + 1.0, list(2 * x))], [(1.0 - x.sum(), [-1.0, -1.0])])

    def plain(x: Array) -> Evaluation:
        return Evaluation(float(x @ x) + 1.0, 2 * x, np.array([1.0 - x.sum()]), -np.ones((1, 2)))

    one, first = solved(rival, [2.0, -0.5], steps=12)
    two, second = solved(plain, [2.0, -0.5], steps=12)
    assert one == pytest.approx(two, abs=1e-8)
    assert first.multipliers == pytest.approx([1.0, *second.multipliers], rel=1e-6)


def test_a_run_resumed_from_npz_continues_bit_for_bit() -> None:
    model, start = CASES["a tie on a limit"][:2]
    mma, x = MMA(), np.array(start)
    state = mma.init(x, np.full(2, -3.0), np.full(2, 3.0))
    for step in range(14):
        if step == 7:
            file = io.BytesIO()
            np.savez(file, design=x, **packed(state))
            file.seek(0)
            with np.load(file) as saved:
                y = saved["design"]
                again = unpacked(MMAState, {name: saved[name] for name in saved if name != "design"})
        x, state = mma.step(x, model(x), state)
        if step >= 7:
            y, again = mma.step(y, model(y), again)
            assert x.tobytes() == y.tobytes()
    assert state.multipliers.tobytes() == again.multipliers.tobytes()
    assert state.multipliers.shape == (3,)


def test_oc_refuses_rivals() -> None:
    x = np.full(2, 0.5)
    with pytest.raises(InputError, match=r"^OC lowers one objective, got 2 rivals; use MMA$"):
        OC().step(x, CASES["a tie on a limit"][0](x), OC().init(x, np.zeros(2), np.ones(2)))


def test_another_number_of_rivals_is_refused() -> None:
    x = np.array([0.7, 0.9])
    x, state = MMA().step(x, CASES["a tie of two"][0](x), MMA().init(x, np.full(2, -3.0), np.full(2, 3.0)))
    with pytest.raises(InputError, match="the state was made with 2, now there are 0 and 3 rivals; start a"):
        MMA().step(x, CASES["a tie of three"][0](x), state)
