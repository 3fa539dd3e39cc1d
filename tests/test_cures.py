"""A cure is data that fits a problem file, chosen by the failure and by how its parameters got there."""

import dataclasses
import math

import pytest
from ruamel.yaml import YAML

import topopt as to
from topopt.cures import Cure, cure, resolved
from topopt.failures import failures

BETA = "physical.beta"
BOTH = {"hold": 0.005, "interface": 0.08}


def log(*betas, alarm=None, gates=("physical",), interface=0.5, objectives=None, restored=0, **parameters):
    """Return a log with these sharpnesses, None for a fixed one, in whose last iteration an alarm rings."""
    last = len(betas)
    return to.History(
        to.Iteration(
            number,
            objectives[number - 1] if objectives else 1.0,
            restored=restored if number == last else 0,
            parameters=({} if beta is None else {BETA: beta})
            | {k: v[number - 1] for k, v in parameters.items()},
            alarms=(alarm,) if alarm and number == last else (),
            stages={gate: {"slope_mean": 1.0} for gate in gates},
            measures={"interface": interface},
        )
        for number, beta in enumerate(betas, start=1)
    )


def cured(history, reason=None, standing=None):
    chosen = cure(history, failures(history, reason, standing), reason)
    return chosen.changes if chosen else None


def survival(final):
    return {"type": "survival", "start": 1.0, "final": final} | BOTH


@pytest.mark.parametrize("alarm", ["freeze", "concentration", "masked"])
def test_a_death_at_a_sharpness_that_always_stood_is_cured_by_the_survival_gate(alarm):
    assert cured(log(64.0, 64.0, alarm=alarm)) == {("continuation", BETA): survival(64.0)}


def test_a_fixed_sharpness_is_known_from_the_problem_or_the_gate_goes_as_far_as_it_may():
    history = log(None, None, alarm="freeze")
    assert cured(history, standing={BETA: 128.0}) == {("continuation", BETA): survival(128.0)}
    assert cured(history, standing={BETA: 16.0}) == {("continuation", BETA): survival(64.0)}
    assert cured(history) == {("continuation", BETA): survival(512.0)}
    assert cured(log(math.inf, alarm="freeze")) == {("continuation", BETA): survival(512.0)}


def test_other_projections_follow():
    history = log(None, alarm="freeze", gates=("eroded", "dilated", "smooth"))
    assert cured(history, standing={"eroded.beta": 64.0, "dilated.beta": 64.0}) == {
        ("continuation", "eroded.beta"): survival(64.0),
        ("continuation", "dilated.beta"): {"type": "follow", "leader": "eroded.beta"},
    }


@pytest.mark.parametrize("alarm", ["freeze", "blow-up", "unresolved"])
def test_a_schedule_that_jumps_is_slowed_down_and_capped(alarm):
    """A cap alone on a jump made it worse."""
    guard = {"hold": 0.005, "interface": 0.08, "growth": 0.03}
    assert cured(log(1.0, 64.0, alarm=alarm)) == {("continuation", BETA, "guard"): guard}


def test_a_ramp_that_went_too_far_is_capped_and_keeps_its_pace():
    assert cured(log(60.0, 64.0, alarm="unresolved", interface=0.07)) == {
        ("continuation", BETA, "guard"): BOTH
    }


def test_a_blow_up_on_a_gentle_ramp_is_taken_back():
    rising = {"alarm": "blow-up", "objectives": (1.0, 2.0)}
    taken_back = {("continuation", "rollback"): {"rise": 0.05}}
    assert (
        cured(log(60.0, 64.0, interface=0.07, **rising))
        == {("continuation", BETA, "guard"): BOTH} | taken_back
    )
    # the guard would have let this pass
    assert cured(log(60.0, 64.0, **rising)) == taken_back


@pytest.mark.parametrize(
    "history",
    [
        log(60.0, 64.0, alarm="unresolved"),
        log(60.0, 64.0, alarm="freeze"),
        log(60.0, 64.0, alarm="blow-up"),
        log(60.0, 60.0, 64.0, 60.0, alarm="blow-up", objectives=(1.0, 1.0, 2.0, 2.0), restored=2),
    ],
)
def test_what_would_have_changed_nothing_or_acts_already_is_no_cure(history):
    """The guard would have let the ramp pass, and nothing rose or it is taken back already."""
    assert cured(history) is None
    assert cured(history, "budget: 2 iterations spent") is None
    text = to.diagnose(history)
    assert "There is no cure in how physical.beta grows: a guard or a roll-back with the usual bounds" in text
    assert "Cure:" not in text


def test_the_survival_gate_is_not_told_to_take_its_own_guard():
    """It stands where its guard stops it, and the interface becomes thinner all the same."""
    gate = to.Continuation({BETA: to.Survival(start=8.0, growth=0.08)})
    history = to.History()
    for number in range(1, 60):
        history.append(
            to.Iteration(
                number,
                1.0,
                parameters=gate.at(history),
                actual=0.0,
                vanishing={"attenuation": 0.0},
                stages={"physical": {"slope_mean": 1.0}},
                measures={"interface": 0.3 - 0.005 * number},
                alarms=("unresolved",) if number > 48 else (),
            )
        )
    assert len(set(history.values(BETA))) > 5
    assert failures(history)[0].name == "unresolved"
    assert cured(history) is None
    plain = to.History(dataclasses.replace(it, parameters={BETA: 8.0 * 1.05**it.number}) for it in history)
    assert cured(plain) == {("continuation", BETA, "guard"): BOTH}


def test_where_a_parameter_follows_already_its_leader_is_slowed_down():
    history = log(1.0, 16.0, alarm="blow-up", **{"stiffness.penal": (1.0, 100.0)})
    assert cured(history) == {("continuation", BETA, "guard"): BOTH | {"growth": 0.03}}


def test_another_parameter_that_jumped_follows_the_sharpness_or_grows_slowly():
    penal = {"stiffness.penal": (1.0, 9.0)}
    follow = {"type": "follow", "leader": BETA, "start": 1.0, "final": 9.0, "between": [1.0, 16.0]}
    history = log(10.0, 10.5, alarm="blow-up", **penal)
    assert cured(history) == {("continuation", "stiffness.penal"): follow}
    bound = {"hold": 0.0, "interface": 0.0, "growth": 0.03}
    assert cured(log(None, None, alarm="blow-up", **penal)) == {
        ("continuation", "stiffness.penal", "guard"): bound
    }


def test_a_budget_that_was_too_small_is_raised():
    changes = cured(log(64.0, alarm="freeze"), "budget: 1 iterations spent")
    assert changes[("stop", "iterations")] == 300
    assert ("stop", "iterations") not in cured(log(64.0, alarm="freeze"), "frozen: ...")


@pytest.mark.parametrize("history", [log(2.0, alarm="freeze"), log(1.0, gates=(), alarm=None), log(64.0)])
def test_there_is_no_cure_where_nothing_failed_or_nothing_was_sharp(history):
    assert cured(history) is None


def test_there_is_no_cure_without_a_projection():
    assert cured(log(None, alarm="freeze", gates=())) is None


def test_the_text_is_yaml_and_says_what_the_changes_say():
    one = Cure(
        {
            ("continuation", "a.b", "guard"): {"hold": 0.5},
            ("continuation", "c"): {"between": [1.0, 16.0]},
            ("stop", "iterations"): 300,
        },
        "",
    )
    data = YAML(typ="safe").load(one.yaml())
    assert (
        data
        == one.applied({})
        == {
            "continuation": {"a.b": {"guard": {"hold": 0.5}}, "c": {"between": [1.0, 16.0]}},
            "stop": {"iterations": 300},
        }
    )


def test_what_is_given_stays_as_it_was_and_the_rest_of_it_is_kept():
    data = {"continuation": {BETA: {"type": "steps"}, "memory": "damp"}, "name": "x"}
    done = Cure({("continuation", BETA, "guard"): {"growth": 0.03}}, "").applied(data)
    assert done == {
        "continuation": {BETA: {"type": "steps", "guard": {"growth": 0.03}}, "memory": "damp"},
        "name": "x",
    }
    assert data["continuation"][BETA] == {"type": "steps"}
    constant = Cure({("continuation", BETA): {"type": "survival"}}, "").applied({"continuation": {BETA: 64}})
    assert constant == {"continuation": {BETA: {"type": "survival"}}}


def test_how_far_a_grid_resolves_a_sharpness():
    assert resolved(log(64.0, 100.0, interface=0.035), BETA) == pytest.approx(43.75)
    assert resolved(log(None, interface=0.035), BETA, {BETA: 10.0}) == pytest.approx(4.375)
    assert resolved(log(math.inf, interface=0.0), BETA) is None


@pytest.mark.parametrize(
    ("history", "sentence"),
    [
        (log(64.0, alarm="freeze"), "Start soft, and let physical.beta grow as fast as the sensitivities"),
        (log(1.0, 64.0, alarm="blow-up"), "Let physical.beta grow by at most 3 % an iteration, stop it "),
        (
            log(60.0, 64.0, alarm="blow-up", interface=0.07, objectives=(1.0, 2.0)),
            "Stop it where the design is black and white or the grid resolves no more, take back what raises",
        ),
        (log(60.0, 64.0, alarm="blow-up", objectives=(1.0, 2.0)), "Take back what raises the objective."),
    ],
)
def test_a_cure_says_what_it_does(history, sentence):
    assert cure(history, failures(history)).why.startswith(sentence)
