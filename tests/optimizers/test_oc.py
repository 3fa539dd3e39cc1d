"""Optimality criteria: closed-form optima, exact constraints, few rechecks, and missing sensitivities."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from tests.mbb import half_mbb
from topopt.errors import InputError, ParameterError
from topopt.evaluation import Evaluation
from topopt.optimizers import MMA, OC, OCState, packed, unpacked
from topopt.optimizers.oc_search import Lesson
from topopt.parameters import Array, replaced


def resource(x: Array, worth: Array, share: float) -> Evaluation:
    """Return ``sum(worth / x)`` under ``mean(x) <= share``."""

    def volume(design: Array) -> Array:
        return np.array([design.mean() / share - 1.0])

    row = np.full((1, x.size), 1.0 / (share * x.size))
    return Evaluation(float(np.sum(worth / x)), -worth / x**2, volume(x), row, recheck=volume)


def closed_form(worth: Array, share: float, lower: float, upper: float) -> tuple[Array, float]:
    """Return the optimum ``clip(sqrt(worth / nu))`` and the multiplier of the normalised volume."""

    def design(log_nu: float) -> Array:
        return np.clip(np.sqrt(worth * np.exp(-log_nu)), lower, upper)

    root = brentq(lambda log_nu: design(log_nu).mean() - share, -40.0, 40.0, xtol=1e-14)
    return design(root), float(np.exp(root)) * share * worth.size


def projected(beta: float, share: float, n: int) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """Return a filtered, projected volume constraint and its gradient."""

    def filtered(x: Array) -> Array:
        return (np.roll(x, 1) + x + np.roll(x, -1)) / 3.0

    def density(t: Array) -> Array:
        low, high = np.tanh(beta * 0.5), np.tanh(beta * (t - 0.5))
        return (low + high) / (2.0 * low)

    def volume(x: Array) -> Array:
        return np.array([density(filtered(x)).mean() / share - 1.0])

    def gradient(x: Array) -> Array:
        slope = beta * (1.0 - np.tanh(beta * (filtered(x) - 0.5)) ** 2) / (2.0 * np.tanh(beta * 0.5))
        return (filtered(slope) / (share * n))[None]

    return volume, gradient


@pytest.mark.parametrize("optimizer", [OC(), MMA()], ids=["OC", "MMA"])
def test_separable_resource_problem_reaches_its_closed_form(optimizer: OC | MMA) -> None:
    worth = np.random.default_rng(3).random(50) ** 3 + 1e-3
    exact, multiplier = closed_form(worth, 0.4, 0.05, 0.7)
    x = np.full(50, 0.4)
    state = optimizer.init(x, np.full(50, 0.05), np.full(50, 0.7))
    for _ in range(150):
        x, state = optimizer.step(x, resource(x, worth, 0.4), state)
    assert np.max(np.abs(x - exact)) < 1e-6
    assert state.multipliers == pytest.approx([multiplier], rel=1e-6)
    assert 0 < np.count_nonzero(exact == 0.7) < 50  # the upper bound takes part


@pytest.mark.parametrize(("beta", "most"), [(1e-3, 2), (2.0, 4), (8.0, 6), (32.0, 8), (128.0, 40)])
def test_projected_volume_is_met_exactly_with_few_rechecks(beta: float, most: int) -> None:
    n, rng = 400, np.random.default_rng(5)
    volume, gradient = projected(beta, 0.5, n)
    calls = []

    def recheck(x: Array) -> Array:
        calls.append(1)
        return volume(x)

    x, optimizer = rng.uniform(0.3, 0.7, n), OC()
    state = optimizer.init(x, np.zeros(n), np.ones(n))
    for _ in range(10):
        calls.clear()
        df = -(rng.random(n) ** 4) * 10.0 ** rng.uniform(-3, 0, n)
        x, state = optimizer.step(x, Evaluation(1.0, df, volume(x), gradient(x), recheck=recheck), state)
        assert abs(volume(x)[0]) <= 1e-9
        assert len(calls) == state.rechecks <= most


def test_a_beam_that_is_sharpened_takes_few_rechecks() -> None:
    problem, optimizer = half_mbb(60, 20, radius=2.4), OC()
    x, bounds = problem.initial(), problem.bounds()
    state = optimizer.init(x, bounds.lower, bounds.upper)
    means = {}
    for beta in (1.0, 4.0, 16.0, 64.0):
        counts = []
        for _ in range(12):
            x, state = optimizer.step(x, problem.evaluate(x, {"physical.beta": beta}), state)
            counts.append(state.rechecks)
        means[beta] = np.mean(counts)
        assert abs(problem.evaluate(x, {"physical.beta": beta}).constraints[0]) <= optimizer.tolerance
    assert means[1.0] <= 3.3
    assert means[4.0] <= 3.7
    assert means[16.0] <= 5.7
    assert means[64.0] <= 7.8


def test_what_the_linearised_constraint_missed_twice_is_expected() -> None:
    assert Lesson(miss=3.0, earlier=2.0).expected == 2.0
    assert Lesson(miss=-1.0, earlier=-2.0).expected == -1.0
    assert Lesson(miss=1.0, earlier=-2.0).expected == 0.0  # a design that swings
    x, rows = np.full(4, 0.5), np.full((1, 4), 0.25)

    def bent(design: Array) -> Array:
        """Return a constraint that changes twice as much as `rows` says, and by .01 more."""
        return np.array([2.0 * rows[0] @ (design - x) + 0.01])

    state = OC().init(x, np.zeros(4), np.ones(4))
    counts = []
    for _ in range(3):
        evaluation = Evaluation(1.0, -np.arange(1.0, 5.0), np.zeros(1), rows, recheck=bent)
        _, state = OC().step(x, evaluation, state)
        counts.append(state.rechecks)
        assert state.lesson[:2] == pytest.approx([2.0, 0.005], rel=1e-6)
    assert counts[0] > counts[1] > counts[2] == 1


@pytest.mark.parametrize("eta", [0.3, 0.5])
def test_a_step_has_no_root_but_a_nearest_design(eta: float) -> None:
    n, rng = 200, np.random.default_rng(2)

    def volume(design: Array) -> Array:
        filtered = (np.roll(design, 1) + design + np.roll(design, -1)) / 3.0
        return np.array([np.heaviside(filtered - eta, 0.5).mean() - 0.4])

    x, optimizer = rng.uniform(eta - 0.15, eta + 0.15, n), OC()
    state = optimizer.init(x, np.zeros(n), np.ones(n))
    for row in (np.full((1, n), 1.0 / n), np.full((1, n), 1e-200)):  # subpixel smoothing has the one
        df = -(rng.random(n) ** 2)
        new, after = optimizer.step(x, Evaluation(1.0, df, volume(x), row, recheck=volume), state)
        assert abs(volume(new)[0]) <= 3.0 / n  # cells that the filter ties
        assert after.rechecks <= 50
        assert 0.1 <= Lesson(*after.lesson).ratio <= 10.0


@pytest.mark.parametrize("goal", [0.47, 0.531])
@pytest.mark.parametrize(
    ("bent", "most", "miss"),
    [
        (lambda y: np.where(y > 0.0, 1.0, -1e-3), 55, 1e-3),
        (lambda y: np.where(y > 0.0, 1e-3, -1.0), 55, 1e-3),
        (lambda y: np.expm1(200.0 * y), 20, 1e-10),
    ],
    ids=["jump up", "jump down", "stiff"],
)
def test_what_interpolation_does_not_find_is_bisected(
    bent: Callable[[float], float], most: int, miss: float, goal: float
) -> None:
    x, row, optimizer = np.linspace(0.3, 0.7, 20), np.full((1, 20), 0.05), OC()

    def recheck(design: Array) -> Array:
        return np.array([bent(float(design.mean()) - goal)])

    state = optimizer.init(x, np.zeros(20), np.ones(20))
    slope = -(np.arange(1.0, 21.0) ** 2)
    new, state = optimizer.step(x, Evaluation(1.0, slope, recheck(x), row, recheck=recheck), state)
    assert abs(recheck(new)[0]) <= miss
    assert state.rechecks <= most


def test_a_projected_run_resumed_takes_the_same_trials() -> None:
    problem, optimizer = half_mbb(24, 8), OC()
    x, bounds = problem.initial(), problem.bounds()
    state = optimizer.init(x, bounds.lower, bounds.upper)
    for step in range(10):
        if step == 4:
            y, again = x.copy(), unpacked(OCState, packed(state))
        beta = {"physical.beta": 2.0 ** (step // 2)}
        x, state = optimizer.step(x, problem.evaluate(x, beta), state)
        if step >= 4:
            y, again = optimizer.step(y, problem.evaluate(y, beta), again)
            assert x.tobytes() == y.tobytes()
            assert all(np.array_equal(packed(again)[name], now) for name, now in packed(state).items())
    assert Lesson(*state.lesson).miss != 0.0
    assert Lesson(*state.lesson).ratio != 1.0


@given(
    seed=st.integers(0, 10**6),
    move=st.floats(0.01, 1.0),
    damping=st.floats(0.1, 1.0),
    spread=st.integers(0, 300),
)
@settings(max_examples=60, deadline=None)
def test_bounds_and_move_limits_hold_and_inputs_survive(
    seed: int, move: float, damping: float, spread: int
) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 30))
    lower = rng.uniform(0.0, 0.4, n) * rng.integers(0, 2, n)
    upper = lower + rng.uniform(0.0, 2.0, n) * rng.integers(0, 2, n)
    x = lower + rng.random(n) * (upper - lower)
    df = rng.normal(size=n) * 10.0 ** rng.uniform(-spread, 0, n)
    row = (rng.random(n) * 10.0 ** rng.uniform(-spread, 0, n))[None]
    evaluation = Evaluation(1.0, df, row @ x - 0.5, row, recheck=lambda design: row @ design - 0.5)
    before = [values.copy() for values in (x, df, row)]
    optimizer = OC(move=move, damping=damping)
    new, _ = optimizer.step(x, evaluation, optimizer.init(x, lower, upper))
    assert np.all((new >= lower) & (new <= upper))
    assert np.all(np.abs(new - x) <= move * (upper - lower) * (1 + 1e-12) + 1e-16)
    for values, copy in zip((x, df, row), before, strict=True):
        assert np.array_equal(values, copy)


def _stepped(x: Array, df: Array, row: Array, level: float, **fields: float) -> tuple[Array, float]:
    """Return the design and the multiplier after a step under ``row . x <= level``."""
    optimizer = OC(**fields)
    state = optimizer.init(x, np.zeros(x.size), np.ones(x.size))
    evaluation = Evaluation(
        1.0,
        df,
        np.array([row @ x - level]),
        row[None],
        recheck=lambda design: np.array([row @ design - level]),
    )
    new, state = optimizer.step(x, evaluation, state)
    return new, float(state.multipliers[0])


def test_unreachable_constraint_goes_to_the_least_violating_end() -> None:
    new, multiplier = _stepped(np.full(4, 0.8), -np.ones(4), np.full(4, 0.25), 0.1)
    assert new == pytest.approx(np.full(4, 0.6), abs=1e-8)
    assert multiplier > 0.0


def test_inactive_constraint_takes_the_generous_end_with_no_multiplier() -> None:
    new, multiplier = _stepped(np.full(4, 0.3), -np.ones(4), np.full(4, 0.25), 0.9)
    assert new == pytest.approx(np.full(4, 0.5), abs=1e-12)
    assert multiplier == 0.0


def test_positive_objective_gradients_count_as_zero() -> None:
    df, row = np.array([3.0, -1.0, -1.0]), np.full(3, 1 / 3)
    new, _ = _stepped(np.full(3, 0.5), df, row, 0.5)
    assert new[0] == pytest.approx(0.3)
    assert new.mean() == pytest.approx(0.5, abs=1e-10)
    everywhere, _ = _stepped(np.full(3, 0.5), np.ones(3), row, 0.5)
    assert everywhere == pytest.approx(np.full(3, 0.3))


def test_all_sensitivities_zero_leave_the_design_alone() -> None:
    x = np.linspace(0.2, 0.8, 5)
    for row in (np.zeros(5), np.full(5, 0.2)):
        new, multiplier = _stepped(x, np.zeros(5), row, 0.5)
        assert np.array_equal(new, x)
        assert multiplier == 0.0


def test_no_objective_gradient_but_a_violation_scales_the_design_uniformly() -> None:
    x = np.array([0.4, 0.5, 0.6])
    new, _ = _stepped(x, np.zeros(3), np.full(3, 1 / 3), 0.45)
    assert new == pytest.approx(0.9 * x, abs=1e-9)


@pytest.mark.parametrize("nothing", [0.0, 1e-310])
def test_variable_without_any_sensitivity_stays(nothing: float) -> None:
    x = np.array([0.4, 0.37, 0.6])
    df, row = np.array([-1.0, -nothing, -4.0]), np.array([0.5, nothing, 0.5])
    new, _ = _stepped(x, df, row, 0.5)
    assert new[1] == x[1]
    assert new[2] > x[2]
    assert new[0] < x[0]


def test_variable_that_costs_nothing_grows_to_its_limit() -> None:
    new, _ = _stepped(np.full(3, 0.5), -np.ones(3), np.array([0.5, 0.5, 0.0]), 0.5)
    assert new == pytest.approx([0.5, 0.5, 0.7], abs=1e-9)


def test_sensitivities_over_six_hundred_decades_do_no_harm() -> None:
    x, rng = np.full(40, 0.5), np.random.default_rng(0)
    df, row = -(10.0 ** rng.uniform(-300, 0, 40)), 10.0 ** rng.uniform(-300, 0, 40)
    new, multiplier = _stepped(x, df, row, float(row @ x))
    assert np.all(np.isfinite([*new, multiplier]))
    assert abs(row @ (new - x)) <= 1e-9


def test_dead_projection_is_searched_without_its_gradient() -> None:
    volume, _ = projected(4000.0, 0.5, 100)
    x = np.random.default_rng(1).uniform(0.3, 0.6, 100)
    optimizer = OC(move=0.5)
    state = optimizer.init(x, np.zeros(100), np.ones(100))
    evaluation = Evaluation(1.0, -np.ones(100), volume(x), np.full((1, 100), 1e-200), recheck=volume)
    new, state = optimizer.step(x, evaluation, state)
    assert abs(volume(new)[0]) <= 0.021  # one cell more or less is 0.02
    assert state.rechecks <= 60


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_scaling_the_objective_changes_the_multiplier_only(factor: float) -> None:
    worth = np.random.default_rng(7).random(20) + 0.1
    x = np.full(20, 0.4)
    state = OC().init(x, np.full(20, 0.05), np.ones(20))
    one, first = OC().step(x, resource(x, worth, 0.4), state)
    two, second = OC().step(x, resource(x, factor * worth, 0.4), state)
    assert two == pytest.approx(one, rel=1e-9)
    assert second.multipliers == pytest.approx(factor * first.multipliers, rel=1e-8)


def _plain(**changes: object) -> Evaluation:
    """Return a harmless evaluation of three variables with some fields replaced."""
    good = resource(np.full(3, 0.4), np.ones(3), 0.4)
    return dataclasses.replace(good, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"constraints": np.zeros(2), "jacobian": np.ones((2, 3))}, "exactly one constraint, got 2; use MMA"),
        ({"constraints": np.zeros(0), "jacobian": np.ones((0, 3))}, "exactly one constraint, got 0; use MMA"),
        ({"recheck": None}, "OC needs a constraint without a state solve; use MMA"),
        ({"jacobian": np.array([[1.0, -1.0, 1.0]])}, "variable 1 lowers the constraint"),
        ({"gradient": np.array([-1.0, np.nan, 0.0])}, r"gradient: 1 of 3 .* first is entry 1 \(nan\)"),
    ],
)
def test_unusable_evaluations_are_refused(changes: dict[str, object], text: str) -> None:
    x = np.full(3, 0.4)
    with pytest.raises(InputError, match=text):
        OC().step(x, _plain(**changes), OC().init(x, np.zeros(3), np.ones(3)))


def test_unusable_parameters_and_bounds_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"OC\.move: expected a value > 0, got 0"):
        OC(move=0.0)
    with pytest.raises(InputError, match="variable 1: OC needs lower bounds >= 0, got -1; use MMA"):
        OC().init(np.zeros(2), np.array([0.0, -1.0]), np.ones(2))
    assert replaced(OC(), {"move": 0.1}, "optimizer").move == 0.1
