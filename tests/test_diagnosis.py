"""The diagnosis says what happened in words, and its numbers are those of the log."""

import math

import topopt as to
from topopt.diagnosis import account, diagnose
from topopt.measures import RESOLVED

GATE = {"physical": {"slope_mean": 0.5}, "design": {"norm": 0.0}}


def iteration(number, *alarms, beta=None, **changes):
    values = {
        "objective": 100.0 - number,
        "violation": -1e-4,
        "parameters": {} if beta is None else {"physical.beta": beta},
        "measures": {"discreteness": 0.125},
        "vanishing": {"attenuation": -0.1, "dead3": 0.25},
        "stages": GATE,
        "alarms": alarms,
    }
    return to.Iteration(number, **(values | changes))


def test_nothing_has_been_run():
    assert diagnose(to.History()) == "Nothing has been run yet."


def test_a_healthy_run():
    history = to.History([iteration(1), iteration(2)])
    assert diagnose(history, "settled: so it is").splitlines() == [
        "After 2 iterations (settled: so it is): objective 98, 12.5 % grey (M_nd).",
        "All limits hold (largest normalised value -1.0e-04).",
        "The sensitivity was weakest at iteration 1: 79.4 % of its reference norm reached the design, "
        "25 % of the variables were dead; the stage 'physical' takes it (mean slope 0.5).",
        "No alarm rang: the sensitivities stayed alive.",
    ]


def test_all_grey_is_a_hundred_per_cent():
    assert ", 100 % grey (M_nd)." in diagnose(to.History([iteration(1, measures={"discreteness": 1.0})]))


def test_a_violated_limit_is_said_loudly():
    text = diagnose(to.History([iteration(1, violation=1.234)]))
    assert "A limit is VIOLATED by 123 %: this design does not meet the problem." in text
    assert "All limits hold" not in text
    assert "VIOLATED by 0.11 %" in diagnose(to.History([iteration(1, violation=1.1e-3)]))
    assert "VIOLATED" not in diagnose(to.History([iteration(1, violation=1e-3)]))


def test_a_run_without_limits_says_nothing_of_them():
    text = diagnose(to.History([iteration(1, violation=-math.inf)]))
    assert "limit" not in text


def test_a_frozen_run():
    dead = {"attenuation": -9.3, "dead3": 1.0}
    history = to.History(
        [
            iteration(1, beta=1.0),
            iteration(2, "freeze", beta=64.0, vanishing=dead, stages={"physical": {"slope_mean": 9.8e-10}}),
            iteration(3, "freeze", beta=64.0, vanishing=dead | {"attenuation": -9.2}),
        ]
    )
    text = diagnose(history, "frozen")
    assert (
        "weakest at iteration 2 (physical.beta = 64): 10^-9.3 of its reference norm reached the design"
        in text
    )
    assert "100 % of the variables were dead; the stage 'physical' takes it (mean slope 9.8e-10)" in text
    assert (
        "Alarm 'freeze' from iteration 2 (physical.beta = 64), to the end (2 times): "
        "more than 99 % of the sensitivities are dead: nothing can move, and the design is not done." in text
    )
    assert (
        "Failure: Freeze, from iteration 2, at physical.beta = 64, after physical.beta jumped from 1 " in text
    )
    assert text.endswith("    physical.beta: {guard: {hold: 0.005, interface: 0.08, growth: 0.03}}")
    assert account(history, "frozen") == text[: text.index("\nCure: ")]
    assert "No alarm" not in text


def test_no_sensitivity_at_all():
    text = diagnose(to.History([iteration(1, vanishing={"attenuation": -math.inf, "dead3": 1.0})]))
    assert "nothing of its reference norm reached the design" in text


def test_iterations_without_a_reading_are_passed_over():
    history = to.History(
        [iteration(1, vanishing={}), iteration(2, vanishing={"attenuation": -2.0, "dead3": 0.5})]
    )
    assert "weakest at iteration 2: 1 % of its reference norm" in diagnose(history)


def test_the_stage_that_takes_most_is_named():
    stages = {"eroded": {"slope_mean": 0.1}, "physical": {"slope_mean": 0.5}}
    assert "the stage 'eroded' takes it (mean slope 0.1)" in diagnose(
        to.History([iteration(1, stages=stages)])
    )


def test_a_masked_run_that_recovers():
    history = to.History([iteration(1), iteration(2, "masked", beta=32.0), iteration(3, beta=32.0)])
    text = diagnose(history)
    assert (
        "Alarm 'masked' from iteration 2 (physical.beta = 32), last in iteration 2 (once): "
        "the residual looks converged only because the projection hides the true one." in text
    )
    assert "Failure: Masked stall, from iteration 2, at physical.beta = 32." in text
    assert "    physical.beta: {type: survival, start: 1, final: 64, hold: 0.005, interface: 0.08}" in text


def test_a_blow_up():
    text = diagnose(
        to.History([iteration(1, beta=1.0), iteration(2, beta=64.0), iteration(3, "blow-up", beta=64.0)])
    )
    assert "a black-and-white design was shattered: its objective rose far above what it had been" in text
    assert (
        "Failure: Blow-up, from iteration 3, at physical.beta = 64, after physical.beta jumped from 1 in "
        in text
    )
    assert (
        "Cure: Let physical.beta grow by at most 3 % an iteration, stop it where the design is black" in text
    )


def test_a_stall():
    history = to.History(
        [iteration(1, beta=16.0, vanishing={"attenuation": -0.1, "dead3": 0.0, "latent_residual": 0.68})]
    )
    text = diagnose(history, "settled: no variable moves by more than 0.01")
    assert "Failure: Stall, from iteration 1, at physical.beta = 16." in text
    assert (
        "The run stopped as settled, but 68 % of the reference sensitivity asks for more: this is not "
        in text
    )


def test_a_death_at_the_end_of_the_way_is_none():
    done = {"attenuation": -29.5, "dead3": 1.0, "latent_residual": 0.31}
    text = diagnose(to.History([iteration(1, vanishing=done)]), "settled: it is")
    assert (
        "No alarm rang: the sensitivities died only where the design was done (latent residual 0.31;" in text
    )
    assert "Failure" not in text
    assert "Cure" not in text


def test_a_failure_that_was_not_caused_by_sharpness_gets_no_cure():
    text = diagnose(to.History([iteration(1, "freeze", beta=1.0)]))
    assert (
        "It rang while the projection was soft (physical.beta = 1), so sharpening is not the cause: " in text
    )
    assert "Cure" not in text
    text = diagnose(to.History([iteration(1, "freeze", stages={})]))
    assert "There is no projection to soften: look at the parameters that changed." in text


def test_a_grid_that_is_too_coarse_is_told_how_far_it_goes():
    thin = {"interface": RESOLVED / 2}
    history = to.History([iteration(1, beta=95.0), iteration(2, "unresolved", beta=100.0, measures=thin)])
    text = diagnose(history)
    assert "Warning: Unresolved interface, from iteration 2, at physical.beta = 100." in text
    assert (
        "The design may be sound, but the grid resolves physical.beta up to about 50 with this filter" in text
    )
    assert "Stop there, refine the grid, or take a radius 2 times as large." in text


def test_a_step_has_no_resolution_to_name():
    history = to.History([iteration(1, "unresolved", beta=math.inf, measures={"interface": 0.0})])
    text = diagnose(history)
    assert "the grid resolves physical.beta only so far with this filter radius" in text
    assert "take a radius that is larger." in text
    assert "nan" not in text


def test_a_fixed_projection_is_named_and_its_sharpness_is_told():
    history = to.History([iteration(1, "freeze", "unresolved", measures={"interface": 0.01})])
    text = diagnose(history, standing={"physical.beta": 64.0})
    assert "Failure: Freeze, from iteration 1, at physical.beta = 64." in text
    assert "    physical.beta: {type: survival, start: 1, final: 64, hold: 0.005, interface: 0.08}" in text
    assert "Failure: Freeze, from iteration 1.\n" in diagnose(history)


def test_a_model_without_signals_or_without_a_projection():
    assert "The model gave no signals, so nothing is known of its sensitivities." in diagnose(
        to.History([iteration(1, vanishing={})])
    )
    text = diagnose(to.History([iteration(1, stages={"design": {}})]))
    assert "There is no projection in this chain, so nothing can close." in text


def test_an_alarm_of_the_users_own():
    text = diagnose(to.History([iteration(1, "smoke")]))
    assert "Alarm 'smoke' from iteration 1, to the end (once): an alarm of the user." in text
