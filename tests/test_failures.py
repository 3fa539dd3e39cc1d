"""Failures are named with the iteration and the parameters at which they began, the cause first."""

import dataclasses
import math

import pytest

import topopt as to
from topopt.failures import Failure, Finding, Jump, failures, findings, jump, weakest


def iteration(number, *alarms, beta=None, latent=0.1, **parameters):
    values = {} if beta is None else {"physical.beta": beta}
    return to.Iteration(
        number, 1.0, parameters=values | parameters, alarms=alarms, vanishing={"latent_residual": latent}
    )


def names(history, reason=None):
    return [failure.name for failure in failures(to.History(history), reason)]


def test_findings_come_in_the_order_of_their_first_ring():
    history = to.History(
        [iteration(4), iteration(5, "masked"), iteration(6, "freeze", "masked"), iteration(7, "freeze")]
    )
    assert findings(history) == [Finding("masked", 5, 6, 2), Finding("freeze", 6, 7, 2)]


def test_a_run_without_alarms_has_not_failed():
    assert failures(to.History([iteration(1), iteration(2)]), "settled: so it is") == []
    assert failures(to.History()) == []


def test_a_failure_knows_where_it_began_also_in_a_part_of_a_log():
    history = to.History([iteration(7, beta=1.0), iteration(8, "freeze", beta=64.0), iteration(9, "freeze")])
    standing = {"physical.beta": 3.0, "physical.eta": 0.5}
    assert failures(history, standing=standing) == [
        Failure("freeze", 8, {"physical.beta": 64.0, "physical.eta": 0.5})
    ]


def test_what_spoils_a_design_comes_before_what_merely_may():
    assert names([iteration(1, "unresolved"), iteration(2, "masked")]) == ["masked", "unresolved"]


def test_what_was_undone_has_spoilt_nothing():
    history = [iteration(1), iteration(2, "blow-up"), iteration(3, "freeze")]
    assert names(history) == ["blow-up", "freeze"]
    back = dataclasses.replace(iteration(4, "unresolved"), restored=1)
    assert names([*history, back]) == ["unresolved"]
    assert [found.alarm for found in findings(to.History([*history, back]))] == [
        "blow-up",
        "freeze",
        "unresolved",
    ]


def test_what_is_left_after_a_blow_up_is_its_consequence():
    late = [iteration(number, beta=1.0 + (number == 3)) for number in range(1, 4)]
    both = [iteration(4, "concentration", beta=2.0), iteration(5, "blow-up", beta=2.0)]
    assert names([*late, *both]) == ["blow-up", "concentration"]
    # where nothing changed, what was there first comes first
    assert names([*late[:2], iteration(3, "concentration", beta=1.0), iteration(4, "blow-up", beta=1.0)]) == [
        "concentration", "blow-up",
    ]  # fmt: skip
    early = [iteration(1, "freeze"), *(iteration(number) for number in range(2, 20))]
    assert names([*early, iteration(20, "blow-up")]) == ["freeze", "blow-up"]


def test_a_run_that_settles_far_from_done_has_stalled_since_it_was():
    history = to.History(
        [iteration(1, latent=0.9), iteration(2), *(iteration(k, latent=0.61) for k in (3, 4))]
    )
    assert failures(history, "settled: nothing moves") == [Failure("stall", 3)]
    assert failures(history, "budget: 4 iterations spent") == []
    assert failures(to.History([*history, iteration(5, latent=0.6)]), "settled: nothing moves") == []


def test_a_stall_is_named_after_what_led_to_it_and_not_beside_its_alarm():
    stuck = [iteration(1, "concentration", latent=0.9), iteration(2, latent=0.9)]
    assert names(stuck, "settled: it is") == ["concentration", "stall"]
    assert names([iteration(1, "masked", latent=0.9)], "settled: it is") == ["masked"]


def test_the_largest_jump_not_long_before_is_found():
    history = to.History([
        iteration(1, beta=1.0, penal=1.0),
        iteration(2, beta=2.0, penal=1.0),
        iteration(3, beta=2.0, penal=3.0),
        *(iteration(number, beta=2.1, penal=3.0) for number in range(4, 30)),
    ])  # fmt: skip
    assert jump(Failure("blow-up", 9), history) == Jump("penal", 3, 1.0, 3.0)
    assert jump(Failure("blow-up", 2), history) == Jump("physical.beta", 2, 1.0, 2.0)
    assert jump(Failure("blow-up", 1), history) is None
    assert jump(Failure("blow-up", 13), history) is None  # ten iterations are a long time


@pytest.mark.parametrize(
    ("then", "found"),
    [(1.09, False), (1.11, True), (0.91, False), (0.89, True), (math.inf, True), (0.0, False)],
)
def test_what_counts_as_a_jump(then, found):
    history = to.History([iteration(1, beta=1.0), iteration(2, beta=then)])
    assert (jump(Failure("freeze", 2), history) is not None) == found


def test_a_move_limit_shatters_nothing():
    history = to.History([iteration(1, **{"optimizer.move": 0.1}), iteration(2, **{"optimizer.move": 0.9})])
    assert jump(Failure("blow-up", 2), history) is None


def test_the_weakest_iteration_of_those_that_were_read():
    read = [to.Iteration(k, 1.0, vanishing={"attenuation": a}) for k, a in ((1, -1.0), (2, -3.0))]
    assert weakest(to.History([*read, to.Iteration(3, 1.0)])) == read[1]
    assert weakest(to.History([to.Iteration(1, 1.0)])) is None
