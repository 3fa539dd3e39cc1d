"""A continuation applies schedules by name and knows when all of them have arrived."""

import re

import pytest

from topopt.continuation import Constant, Continuation, Linear, Staircase
from topopt.errors import InputError, ParameterError
from topopt.history import History, Iteration


def test_every_schedule_follows_its_own_parameter():
    continuation = Continuation({"a.beta": Staircase(1.0, 4.0, every=1), "b.move": Linear(0.4, 0.2, over=2)})
    history = History()
    seen = []
    for k in range(1, 5):
        seen.append(continuation.at(history))
        assert continuation.settled(history) == (k > 3)
        history.append(Iteration(k, 0.0, parameters=seen[-1]))
    assert [p["a.beta"] for p in seen] == [1.0, 2.0, 4.0, 4.0]
    assert [p["b.move"] for p in seen] == pytest.approx([0.4, 0.3, 0.2, 0.2])
    assert continuation.settled(history)


def test_an_empty_continuation_has_always_settled():
    assert Continuation().at(History()) == {}
    assert Continuation().settled(History())


def test_a_constant_has_settled_after_its_first_iteration():
    continuation = Continuation({"a": Constant(2.0)})
    assert not continuation.settled(History())
    assert continuation.settled(History([Iteration(1, 0.0, parameters={"a": 2.0})]))


def test_every_unknown_parameter_is_named_with_a_suggestion():
    continuation = Continuation({"fisical.beta": Constant(1.0), "physical.bta": Constant(1.0)})
    text = (
        "'fisical.beta' is not a parameter that can be scheduled: did you mean 'physical.beta'?; "
        "'physical.bta' is not a parameter that can be scheduled: did you mean 'physical.beta'?"
    )
    with pytest.raises(ParameterError, match=f"^{re.escape(text)}$"):
        continuation.require(["physical.beta", "physical.eta", "optimizer.move"])
    continuation.require(iter(["physical.bta", "fisical.beta"]))


def test_what_is_no_schedule_is_refused():
    with pytest.raises(InputError, match=r"^continuation of 'physical.beta': expected a Schedule, got 64.0$"):
        Continuation({"physical.beta": 64.0})
