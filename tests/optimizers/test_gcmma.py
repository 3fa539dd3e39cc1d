"""GCMMA finds what MMA finds, and what it accepts never gets worse, however wavy the problem."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from topopt.evaluation import Evaluation
from topopt.optimizers import GCMMA, MMA, GCMMAState
from topopt.parameters import Array

Model = Callable[[Array], Evaluation]


def tried(
    model: Model, x: Array, lower: Array, upper: Array, steps: int, **fields: float
) -> tuple[list[Evaluation], GCMMAState]:
    """Return the evaluations of the accepted designs, and the memory after so many trials."""
    gcmma, accepted = GCMMA(**fields), []
    state = gcmma.init(x, lower, upper)
    for _ in range(steps):
        evaluation = model(x)
        before = state.accepted
        x, state = gcmma.step(x, evaluation, state)
        if state.accepted > before:
            accepted.append(evaluation)
    return accepted, state


def beam(x: Array) -> Evaluation:
    """Svanberg's five-segment cantilever (1987, section 6)."""
    loads = np.array([61.0, 37.0, 19.0, 7.0, 1.0])
    limit = np.array([np.sum(loads / x**3) - 1.0])
    return Evaluation(0.0624 * x.sum(), np.full(5, 0.0624), limit, (-3.0 * loads / x**4)[None])


def test_svanbergs_beam() -> None:
    loads = np.array([61.0, 37.0, 19.0, 7.0, 1.0])
    shape = loads**0.25
    exact = shape * np.sum(loads / shape**3) ** (1 / 3)
    accepted, state = tried(beam, np.full(5, 5.0), np.ones(5), np.full(5, 10.0), 60)
    assert state.base == pytest.approx(exact, rel=1e-5)
    assert accepted[-1].objective == pytest.approx(1.33996, rel=1e-5)
    assert state.multipliers == pytest.approx(0.0624 * exact[:1] ** 4 / (3 * 61.0), rel=1e-4)


def valley(x: Array) -> Evaluation:
    """Rosenbrock's valley, whose floor bends faster than MMA believes."""
    a, b = x
    f = 100.0 * (b - a * a) ** 2 + (1.0 - a) ** 2 + 1.0
    df = np.array([-400.0 * a * (b - a * a) - 2.0 * (1.0 - a), 200.0 * (b - a * a)])
    return Evaluation(f, df, np.zeros(0), np.zeros((0, 2)))


def test_a_bent_valley_is_walked_down_without_a_step_up() -> None:
    start, lower, upper = np.array([-1.2, 1.0]), np.full(2, -2.0), np.full(2, 2.0)
    accepted, _ = tried(valley, start, lower, upper, 400)
    values = [now.objective for now in accepted]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 1.1
    mma, x = MMA(), start
    memory, rises, last = mma.init(x, lower, upper), 0, np.inf
    for _ in range(100):
        now = valley(x)
        rises, last = rises + (now.objective > last), now.objective
        x, memory = mma.step(x, now, memory)
    assert rises > 10  # the same approximation, believed blindly


def wavy(seed: int, n: int, m: int, k: int) -> tuple[Model, Array, Array, Array]:
    """Return a smooth non-convex problem with a feasible start; k rivals, or an objective if that is 0."""
    rng = np.random.default_rng(seed)
    tilt, rows = rng.normal(size=(max(k, 1), n)), rng.normal(size=(m, n))
    lower = rng.normal(size=n)
    upper = lower + rng.uniform(0.1, 3.0, n)
    start = lower + rng.random(n) * (upper - lower)
    level = rows @ np.cos(start) / n + rng.uniform(0.01, 0.3, m)

    def model(x: Array) -> Evaluation:
        f, df = tilt @ np.sin(5 * x), 5 * tilt * np.cos(5 * x)
        g, dg = rows @ np.cos(x) / n - level, -rows * np.sin(x) / n
        worst = int(np.argmax(f))
        rivals = {"rivals": f, "rival_jacobian": df} if k else {}
        return Evaluation(float(f[worst]), df[worst], g, dg, **rivals)  # type: ignore[arg-type]

    return model, start, lower, upper


@example(seed=12, n=1, m=0, k=2)
@example(seed=673, n=1, m=1, k=3)  # a multiplier beyond the usual penalty
@given(seed=st.integers(0, 10**6), n=st.integers(1, 20), m=st.integers(0, 5), k=st.sampled_from([0, 2, 3]))
@settings(max_examples=40, deadline=None)
def test_what_is_accepted_never_rises_and_stays_feasible(seed: int, n: int, m: int, k: int) -> None:
    model, start, lower, upper = wavy(seed, n, m, k)
    for penalty in (GCMMA().penalty, 1e6):
        accepted, state = tried(model, start, lower, upper, 40, penalty=penalty)
        values = np.array([now.objective for now in accepted])
        # what counts as rounding is a share of the scaled objective, 100 at first, not of what is left
        assert np.all(np.diff(values) <= 1e-7 * 100.0 / state.scale)
        feasible = all(now.constraints.max(initial=0.0) <= 1e-7 for now in accepted)
        # only where a multiplier has come up to the penalty is a violation bought
        assert feasible or (penalty < 1e6 and state.elastic.max() > 1e-7)
        assert len(accepted) >= 3
        assert state.refused < 20


def test_a_refused_trial_starts_again_from_the_accepted_design_with_more_curvature() -> None:
    gcmma, x = GCMMA(), np.array([0.5])
    state = gcmma.init(x, np.zeros(1), np.ones(1))

    def flat(value: float, slope: float) -> Evaluation:
        return Evaluation(value, np.array([slope]), np.zeros(0), np.zeros((0, 1)))

    first, state = gcmma.step(x, flat(1.0, 1.0), state)
    assert first[0] < 0.5
    assert state.accepted == 1
    second, again = gcmma.step(first, flat(5.0, -9.0), state)  # much higher than promised
    assert (again.accepted, again.refused) == (1, 1)
    assert again.base == x
    assert again.curvature[0] == pytest.approx(10.0 * state.curvature[0])
    assert first[0] < second[0] < 0.5
    third, last = gcmma.step(second, flat(0.9, 1.0), again)
    assert (last.accepted, last.refused) == (2, 0)
    assert last.base == second
    assert third[0] < second[0]


def test_where_no_promise_can_be_kept_the_twentieth_trial_is_accepted() -> None:
    gcmma, x = GCMMA(), np.array([0.5])
    state = gcmma.init(x, np.zeros(1), np.ones(1))
    for trial in range(22):
        value = 1.0 if trial == 0 else 2.0  # the model has changed behind the optimiser's back
        evaluation = Evaluation(value, np.array([1.0]), np.zeros(0), np.zeros((0, 1)))
        x, state = gcmma.step(x, evaluation, state)
        if trial == 19:
            assert (state.accepted, state.refused) == (1, 19)
    assert state.accepted == 2
    assert state.curvature[0] < 1e3  # and begins anew, with the caution of a first step


def test_a_model_that_has_changed_is_met_with_an_open_mind() -> None:
    gcmma, x = GCMMA(), np.array([0.5])
    state = gcmma.init(x, np.zeros(1), np.ones(1))

    def line(value: float) -> Evaluation:
        return Evaluation(value, np.array([1.0]), np.zeros(0), np.zeros((0, 1)))

    assert gcmma.step(x, line(1.0), gcmma.rebased(state))[1].accepted == 1
    for _ in range(3):
        x, state = gcmma.step(x, line(1.0 + float(x[0])), state)
    refused = gcmma.step(x, line(9.0), state)[1]
    assert (refused.accepted, refused.refused) == (3, 1)
    after = gcmma.step(x, line(9.0), gcmma.rebased(state))[1]
    assert (after.accepted, after.refused) == (4, 0)
    assert after.base == x
    assert after.span[0] == pytest.approx(1.2 * state.span[0])  # the asymptotes go on as if nothing had been
    again = gcmma.step(x, line(9.0), gcmma.rebased(refused))[1]
    assert (again.accepted, again.refused) == (4, 0)


def test_it_says_that_it_verifies() -> None:
    assert GCMMA.verifies
    assert not getattr(MMA, "verifies", False)
