"""A parameter follows another on a way of its own, and everything that can be scheduled can be driven."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import topopt as to
from topopt.continuation import Continuation, Follow, Rollback, Staircase
from topopt.errors import InputError
from topopt.history import History, Iteration

LEADER = "physical.beta"
ENDS = st.floats(-50, 50)
PLACES = st.floats(0.01, 500.0)


def played(continuation, iterations):
    """Return the log of a run in which nothing happens but the continuation."""
    history = History()
    for number in range(1, iterations + 1):
        history.append(Iteration(number, 1.0, parameters=continuation.at(history)))
    return history


@given(st.floats(0.1, 100), st.integers(1, 5))
def test_without_a_way_of_its_own_it_copies_the_leader(final, every):
    rule = Staircase(0.1, max(final, 0.1), every=every)
    history = played(Continuation({"b.beta": Follow(LEADER), LEADER: rule, "a.beta": Follow(LEADER)}), 20)
    assert history.values("a.beta") == history.values("b.beta") == history.values(LEADER)


@given(ENDS, ENDS, PLACES, PLACES, PLACES)
def test_a_way_of_its_own_is_walked_in_equal_ratios(start, final, low, high, lead):
    if math.log(low) == math.log(high):
        with pytest.raises(InputError, match="two positive, different values"):
            Follow(LEADER, start, final, (low, high))
        return
    rule = Follow(LEADER, start, final, (low, high))
    value = rule.at(lead)
    assert min(start, final) - 1e-9 <= value <= max(start, final) + 1e-9
    share = min(1.0, max(0.0, math.log(lead / low) / math.log(high / low)))
    assert value == pytest.approx(start + share * (final - start), abs=1e-6)
    assert rule.at(low) == start
    assert rule.at(high) == pytest.approx(final)
    assert rule.at(math.sqrt(low * high)) == pytest.approx((start + final) / 2, abs=1e-9)
    beyond, before = (math.inf, 0.0) if high > low else (0.0, math.inf)
    assert rule.at(beyond) == pytest.approx(final)
    assert rule.at(before) == start


def test_it_keeps_step_with_the_leader():
    rules = {"stiffness.penal": Follow(LEADER, 1.0, 3.0, (1.0, 16.0)), LEADER: Staircase(1.0, 64.0, every=2)}
    history = played(Continuation(rules), 12)
    assert history.values("stiffness.penal") == pytest.approx([1, 1, 1.5, 1.5, 2, 2, 2.5, 2.5, 3, 3, 3, 3])
    assert list(history[0].parameters) == ["stiffness.penal", LEADER]  # in the order they were given


def test_the_leader_decides_when_it_has_settled():
    continuation = Continuation(
        {"stiffness.penal": Follow(LEADER, 1.0, 3.0), LEADER: Staircase(1.0, 8.0, every=1)}
    )
    history = played(continuation, 4)
    assert [continuation.settled(history[:k]) for k in range(5)] == [False] * 4 + [True]


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        (
            {"a.beta": Follow("fysical.beta"), LEADER: Staircase()},
            "continuation of 'a.beta': follows 'fysical.beta', which has no way of its own: did you mean "
            "'physical.beta'?",
        ),
        (
            {"b.beta": Follow("a.beta"), "a.beta": Follow(LEADER), LEADER: Staircase()},
            "continuation of 'b.beta': follows 'a.beta', which has no way of its own: did you mean "
            "'physical.beta'?",
        ),
        (
            {"a.beta": Follow("a.beta")},
            "continuation of 'a.beta': follows 'a.beta', which has no way of its own: there are none",
        ),
    ],
)
def test_who_follows_nobody_is_refused(rules, text):
    with pytest.raises(InputError, match=f"^{re.escape(text)}$"):
        Continuation(rules)


HALF = "Follow: give finite start and final, or neither to copy the leader"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Follow(LEADER, start=1.0), HALF),
        (lambda: Follow(LEADER, final=1.0), HALF),
        (lambda: Follow(LEADER, 1.0, math.inf), HALF),
        (lambda: Follow(LEADER, 1.0, math.nan), HALF),
        (
            lambda: Follow(LEADER, 1.0, 3.0, (1.0, 1.0)),
            "Follow.between: expected two positive, different values, got (1.0, 1.0)",
        ),
        (
            lambda: Follow(LEADER, 1.0, 3.0, (0.0, 1.0)),
            "Follow.between: expected two positive, different values, got (0.0, 1.0)",
        ),
        (
            lambda: Follow(LEADER, 1.0, 3.0, (1.0, 2.0, 4.0)),
            "Follow.between: expected two positive, different values, got (1.0, 2.0, 4.0)",
        ),
    ],
)
def test_half_a_way_is_refused(make, text):
    with pytest.raises(InputError, match=f"^{re.escape(text)}$"):
        make()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"memory": "forget"}, "continuation: memory is keep, damp or reset, got 'forget'"),
        ({"rollback": 0.05}, "continuation: expected a Rollback or None, got 0.05"),
        ({"rollback": Rollback}, "continuation: expected a Rollback or None, got <class"),
    ],
)
def test_settings_that_are_none_are_refused(given, text):
    with pytest.raises(InputError, match=f"^{re.escape(text)}"):
        Continuation({}, **given)


def run(problem, continuation, iterations=40):
    return to.solve(problem, to.MMA(), continuation, to.Stop(change=0.0, iterations=iterations))


def test_one_gate_drives_the_projection_and_the_penalty_of_a_beam(beam):
    penalty = Follow(LEADER, 1.0, 3.0, (1.0, 4.0))
    continuation = Continuation({LEADER: to.Survival(growth=0.1, change=0.1), "stiffness.penal": penalty})
    last = run(beam(), continuation, 80)
    beta, penal = last.history.values(LEADER), last.history.values("stiffness.penal")
    assert beta[-1] > 8.0
    assert penal == pytest.approx([min(3.0, 1.0 + math.log(b) / math.log(2.0)) for b in beta])
    assert penal[0] == 1.0
    assert penal[-1] == 3.0
    assert last.iteration.measures["discreteness"] < 0.2
    assert last.iteration.violation < 1e-3


DRIVEN = {
    "stiffness.penal": to.Linear(1.0, 3.0, over=10),
    "physical.eta": to.Linear(0.3, 0.5, over=10),
    "filtered.radius": to.Geometric(3.0, 1.5, over=10),
    "optimizer.move": to.Geometric(0.3, 0.05, over=10),
    "limits.volume": to.Linear(0.7, 0.5, over=10),
}


@pytest.mark.parametrize(
    "names", [*((name,) for name in DRIVEN), tuple(DRIVEN), (LEADER, *DRIVEN)], ids="+".join
)
def test_every_parameter_can_be_driven_alone_and_together(beam, names):
    rules = {name: DRIVEN.get(name, to.Survival()) for name in names}
    continuation = Continuation(rules)
    steps = list(to.optimize(beam(), to.MMA(), continuation, to.Stop(change=0.0, iterations=20)))
    history = steps[-1].history
    table = history.tables()[0].splitlines()[0].split(",")
    for name, rule in rules.items():
        values = history.column(f"parameters:{name}")
        assert f"parameters:{name}" in table
        assert values.shape == (20,)
        assert values[-1] == rule.final or name == LEADER
        assert len(set(values.tolist())) >= 10
    assert np.isfinite(history.column("objective")).all()
    assert np.isfinite(steps[-1].x).all()
    assert steps[-1].iteration.violation < 1e-3
    # what the log says of the parameters is what the model was asked at
    last = steps[-1]
    own = {name: v for name, v in last.iteration.parameters.items() if not name.startswith("optimizer.")}
    assert beam().evaluate(last.x, own).objective == last.iteration.objective
    if "optimizer.move" in rules:
        move = history.column("parameters:optimizer.move")
        assert (history.column("change") <= move + 1e-12).all()
        assert (history.column("move") == move).all()


def test_what_is_driven_matters(beam):
    """Each of the schedules ends elsewhere than the run without it."""
    plain = run(beam(), Continuation(), 12).x
    for name, rule in DRIVEN.items():
        driven = run(beam(), Continuation({name: rule}), 12).x
        assert np.abs(driven - plain).max() > 1e-3, name


def test_a_follower_may_be_a_power_of_its_leader():
    """A learning rate that falls as the sharpness grows."""
    rule = Follow("physical.beta", factor=0.02, power=-1.0)
    assert rule.at(1.0) == 0.02
    assert rule.at(64.0) == 0.02 / 64
    assert Follow("physical.beta").at(7.0) == 7.0
    continuation = Continuation({"physical.beta": to.Geometric(1.0, 64.0, over=6), "optimizer.rate": rule})
    assert continuation.at(History())["optimizer.rate"] == pytest.approx(0.02)
    with pytest.raises(InputError, match=r"'physical\.beta' is 0, which has no power -1"):
        rule.at(0.0)
    with pytest.raises(InputError, match="start and final, or factor and power, not both"):
        Follow("physical.beta", start=1.0, final=3.0, power=2.0)
    with pytest.raises(InputError, match="finite factor and power"):
        Follow("physical.beta", factor=math.inf)
