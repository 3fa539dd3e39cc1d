"""A change that shatters the design is undone and tried again half as fast, at the price of what it took."""

import contextlib
import dataclasses
import math
import re
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import topopt as to
from topopt.continuation import Continuation, Follow, Homotopy, Linear, Rollback, Staircase, Steps, Survival
from topopt.errors import InputError, ParameterError
from topopt.evaluation import Bounds
from topopt.files.folder import Recording, RunFolder
from topopt.history import History, Iteration
from topopt.optimizers.protocol import packed

NAME = "hill.sharpness"
SHORT = to.MMA(move=0.02, asyinit=0.02, nearest=0.001)
"""Without a constraint every first step of MMA is a full one."""


def log(*entries):
    """Return a log from (value, objective[, restored])."""
    return History(
        Iteration(k + 1, objective, parameters={NAME: value}, restored=restored[0] if restored else 0)
        for k, (value, objective, *restored) in enumerate(entries)
    )


def prices(history):
    """Return how many iterations each roll-back undid."""
    standing, undone = [], []
    for it in history:
        if it.restored:
            undone.append(sum(number > it.restored for number in standing))
            standing = [number for number in standing if number <= it.restored]
        standing.append(it.number)
    return undone


@dataclass(frozen=True)
class Hill:
    """The optimum wanders with the logarithm of the sharpness, so that a leap leaves the design behind."""

    steepness: float = 20.0

    def initial(self):
        return np.full(3, 0.05)

    def bounds(self):
        return Bounds(np.zeros(3), np.ones(3))

    def parameters(self):
        return {NAME: 1.0, "hill.other": 1.0}

    def evaluate(self, x, parameters):
        away = x - 0.05 - 0.12 * math.log(parameters[NAME]) * np.array([1.0, 0.9, 0.8])
        objective = 1.0 + self.steepness / 3 * float(away @ away)
        return to.Evaluation(
            objective, 2 * self.steepness / 3 * away, np.zeros(0), np.zeros((0, 3)), output=x.copy(), solves=1
        )


def climbed(steepness, rollback=Rollback(), schedule=Staircase(1.0, 16.0, every=8), iterations=40, **more):
    continuation = Continuation({NAME: schedule}, rollback=rollback)
    stop = to.Stop(change=0.0, iterations=iterations)
    return list(to.optimize(Hill(steepness), SHORT, continuation, stop, **more))


def test_a_rise_behind_a_change_goes_back_to_the_iteration_in_front_of_it():
    rule = Rollback(rise=0.05, patience=3)
    calm = [(1.0, 10.0), (1.0, 9.0), (2.0, 9.4), (2.0, 9.44), (2.0, 9.45)]
    assert [rule.target(log(*calm[:k])) for k in range(6)] == [None] * 6
    assert rule.target(log(*calm[:2], (2.0, 9.46))) == 2
    assert rule.target(log(*calm[:4], (2.0, 9.46))) == 2
    assert rule.target(log(*calm[:5], (2.0, 9.46))) is None  # it has stood for three iterations
    assert [rule.anchor(log(*calm[:k])) for k in range(6)] == [None, 1, 2, 2, 2, 5]
    assert rule.anchor(log(*calm, (2.0, 9.4))) == 6


def test_a_rise_is_measured_from_the_least_since_the_change():
    """Sharpening lowers the objective first; what shatters then may still lie below what was in front."""
    fallen = [(1.0, 9.0), (2.0, 8.0)]
    assert Rollback().target(log(*fallen, (2.0, 8.41))) == 1
    assert Rollback().target(log(*fallen, (2.0, 8.39))) is None


def test_a_rise_without_a_change_goes_back_to_the_best_design_so_far():
    rule = Rollback(rise=0.05, patience=3)
    stretch = [(1.0, 10.0), (1.0, 9.0), (1.0, 9.4)]
    assert rule.anchor(log(*stretch)) == 2
    assert rule.target(log(*stretch, (1.0, 9.46))) == 2
    assert rule.target(log(*stretch, (1.0, 9.44))) is None
    drift = [(1.0, 9.0), (1.0, 9.2), (1.0, 9.3), (1.0, 9.4), (1.0, 9.8)]
    assert rule.anchor(log(*drift[:4])) == 4  # it creeps: three iterations on, this is the one to beat
    assert rule.target(log(*drift)) is None


def test_a_rise_without_a_change_is_tried_again_three_times_with_ever_shorter_steps():
    rule, entries, widths = Rollback(), [(1.0, 9.0), (1.0, 10.0)], []
    for _ in range(3):
        assert rule.target(log(*entries)) == 1
        widths.append(rule.width({NAME: 1.0}, log(*entries)))
        entries.append((1.0, 10.0, 1))
    assert widths == [0.25, 0.125, 0.0625]
    assert rule.target(log(*entries)) is None
    assert rule.anchor(log(*entries)) == 5
    assert rule.standing(log(*entries)).values(NAME) == [1.0, 1.0]


def test_what_an_optimiser_refused_neither_rises_nor_is_gone_back_to():
    history = History(
        [*log((1.0, 9.0), (1.0, 8.0)), Iteration(3, 99.0, parameters={NAME: 1.0}, refused=True)]
    )
    assert Rollback().target(history) is None
    low = History([*history[:2], dataclasses.replace(history[2], objective=1.0)])
    assert Rollback().anchor(low) == 2


@pytest.mark.parametrize("patience", [1, 2, 5])
def test_patience_counts_the_iterations_behind_the_change(patience):
    rule = Rollback(patience=patience)
    for behind in range(1, 9):
        history = log((1.0, 1.0), *[(2.0, 1.0)] * (behind - 1), (2.0, 2.0))
        assert (rule.target(history) == 1) == (behind <= patience)


def test_a_negative_objective_rises_too():
    assert Rollback().target(log((1.0, -1.0), (2.0, -0.94))) == 1
    assert Rollback().target(log((1.0, -1.0), (2.0, -0.96))) is None


def test_an_infeasible_design_is_not_worth_going_back_to():
    history = log((1.0, 1.0), (2.0, 2.0))
    for violation, target in [(0.01, 1), (0.011, None)]:
        first = dataclasses.replace(history[0], violation=violation)
        assert Rollback().target(History([first, history[1]])) == target


def shaded(*entries):
    """Return a log from (value, objective, M_nd)."""
    return History(
        Iteration(k + 1, objective, parameters={NAME: value}, measures={"discreteness": grey})
        for k, (value, objective, grey) in enumerate(entries)
    )


def test_a_design_that_forms_may_rise_and_one_that_is_done_may_not():
    rule = Rollback(grey=0.2)
    forming = [(1.0, 9.0, 0.6), (1.1, 12.0, 0.5), (1.2, 15.0, 0.3), (1.3, 14.0, 0.2), (1.4, 13.0, 0.1)]
    assert [rule.anchor(shaded(*forming[:k])) for k in range(6)] == [None, None, None, None, 4, 4]
    assert [rule.target(shaded(*forming[:k])) for k in range(6)] == [None] * 6
    assert rule.target(shaded(*forming, (1.5, 13.7, 0.1))) == 4
    assert rule.target(shaded(*forming, (1.5, 13.6, 0.1))) is None
    assert Rollback().target(shaded(*forming[:2])) == 1


def test_a_design_that_becomes_grey_again_is_let_pass_and_forgotten():
    rule = Rollback(grey=0.2)
    done = [(64.0, 9.0, 0.01), (64.0, 9.0, 0.01)]
    again = [(1.0, 12.0, 0.4), (1.1, 15.0, 0.4), (1.2, 14.0, 0.1), (1.2, 14.0, 0.1)]
    assert [rule.target(shaded(*done, *again[:k])) for k in range(5)] == [None] * 5
    assert [rule.anchor(shaded(*done, *again[:k])) for k in range(5)] == [2, None, None, 5, 6]


def test_a_value_that_is_no_longer_watched_gives_way_to_the_next_change():
    entries = [(1.0, 1.0), (2.0, 1.0), (3.0, 1.0), (4.0, 1.0), (5.0, 1.0)]
    assert [Rollback(patience=2).anchor(log(*entries[:k])) for k in range(1, 6)] == [1, 1, 3, 3, 5]


def test_schedules_see_the_log_without_what_was_undone():
    rule = Rollback()
    pending = log((1.0, 1.0), (1.0, 1.0), (2.0, 2.0))
    assert [it.number for it in rule.standing(pending)] == [1, 2]
    assert Continuation({NAME: Staircase(1.0, 8.0, every=2)}, rollback=rule).at(pending)[
        NAME
    ] == pytest.approx(math.sqrt(2))
    retried = log((1.0, 1.0), (1.0, 1.0), (2.0, 2.0), (1.4, 1.0, 2), (1.7, 1.0))
    assert [it.number for it in rule.standing(retried)] == [1, 2, 4, 5]
    twice = log((1.0, 1.0), (1.0, 1.0), (2.0, 2.0), (1.4, 2.0, 2), (1.2, 1.0, 2))
    assert [it.number for it in rule.standing(twice)] == [1, 2, 5]
    assert rule.standing(log((1.0, 1.0))) == log((1.0, 1.0))


def test_growth_is_halved_and_halved_again():
    rule, wish = Rollback(), {NAME: 64.0}
    one = log((1.0, 1.0), (4.0, 2.0))
    assert rule.limited(wish, one)[NAME] == pytest.approx(2.0)
    two = log((1.0, 1.0), (4.0, 2.0), (2.0, 2.0, 1))
    assert rule.limited(wish, two)[NAME] == pytest.approx(math.sqrt(2.0))
    three = log((1.0, 1.0), (4.0, 2.0), (2.0, 2.0, 1), (math.sqrt(2), 1.0, 1))
    assert rule.limited(wish, three)[NAME] == pytest.approx(2.0)  # from there, half as fast as the gentlest
    assert rule.limited({NAME: 1.5}, three) == {NAME: 1.5}
    assert rule.limited({NAME: 0.5}, three) == {NAME: 0.5}
    assert rule.limited({"b.c": 9.0}, three) == {"b.c": 9.0}
    assert rule.limited(wish, log((1.0, 1.0), (4.0, 1.0))) == wish


def test_a_fall_is_let_pass_whatever_was_watched_over_in_front_of_it():
    rising = [(8.0, 10.0), (9.0, 10.0), (10.0, 10.0)]
    assert [it.number for it in Rollback().standing(log(*rising, (1.0, 20.0)))] == [1, 2, 3, 4]
    assert Rollback().anchor(log(*rising, (1.0, 20.0))) == 4
    assert Rollback().target(log(*rising, (1.0, 20.0), (1.1, 22.0))) == 4
    assert Rollback().target(log(*rising, (11.0, 20.0))) == 1


def test_what_falls_cannot_be_gentler_and_is_let_pass():
    assert Rollback().target(log((1.0, 1.0), (0.5, 9.0))) is None
    assert Rollback().anchor(log((1.0, 1.0), (0.5, 9.0))) == 2
    falling = Continuation({NAME: Linear(9.0, 1.0)}, rollback=Rollback())
    log_of_fall = log((9.0, 1.0), (falling.schedules[NAME]([9.0], History()), 2.0))
    assert falling.rollback.target(log_of_fall) is None


@pytest.mark.parametrize(("then", "holds"), [(1.0024, True), (math.inf, True), (1.0026, False)])
def test_what_cannot_be_gentler_stands_for_the_rest_of_the_run(then, holds):
    history = log((1.0, 1.0), (then, 9.0))
    continuation = Continuation({NAME: Steps((1.0, then), 1)}, rollback=Rollback())
    assert continuation.rollback.target(history) == 1
    assert (continuation.at(history)[NAME] == 1.0) == holds
    assert continuation.rollback.held(history) == ({NAME} if holds else set())
    later = History([*history, Iteration(3, 1.0, parameters={NAME: 1.0}, restored=1)])
    assert (continuation.at(later)[NAME] == 1.0) == holds
    assert continuation.settled(later) == holds


def test_a_rise_that_no_gentleness_prevents_ends_in_standing():
    """The objective grows with the parameter at any pace: sooner or later the run gives in."""
    continuation = Continuation({NAME: Survival(growth=0.05, change=10.0)}, rollback=Rollback())
    history = History()
    for number in range(1, 60):
        parameters, restored = continuation.at(history), continuation.rollback.target(history) or 0
        objective = parameters[NAME] ** 30
        history.append(
            Iteration(
                number,
                objective,
                parameters=parameters,
                restored=restored,
                actual=0.0,
                vanishing={"attenuation": 0.0},
            )
        )
    assert continuation.rollback.held(history) == {NAME}
    assert continuation.settled(history)
    values = continuation.rollback.standing(history).values(NAME)
    assert values == sorted(values)
    assert values[-20:] == [values[-1]] * 20
    paces = [math.log(it.parameters[NAME] / history[it.restored - 1].parameters[NAME])
             for it in history if it.restored]  # fmt: skip
    assert min(pace for pace in paces if pace > 0) < 0.002  # it was tried before


def test_a_run_that_stays_calm_is_the_run_without():
    with_it, without = climbed(1.0), climbed(1.0, rollback=None)
    assert not any(step.iteration.restored for step in with_it)
    np.testing.assert_array_equal(with_it[-1].snapshot.x, without[-1].snapshot.x)
    assert (
        with_it[-1].history.column("objective").tolist() == without[-1].history.column("objective").tolist()
    )


def test_a_leap_costs_exactly_one_evaluation():
    schedule = Staircase(1.0, 2.0, every=8)
    run = climbed(12.0, schedule=schedule)
    history = run[-1].history
    restarts = [it for it in history if it.restored]
    assert prices(history) == [1]
    assert history[-1].solves == len(history) == 40
    for it in restarts:
        undone, before = history[it.number - 2], history[it.restored - 1]
        assert undone.objective > 1.05 * before.objective
        assert undone.parameters[NAME] == pytest.approx(2.0 * before.parameters[NAME])
        assert it.parameters[NAME] == pytest.approx(math.sqrt(2.0) * before.parameters[NAME])
        assert it.objective < 1.05 * before.objective
        # it starts from the design in front of the change, whose step was undone
        np.testing.assert_array_equal(run[it.number - 1].x, run[it.restored - 1].x)
        # and is compared with it, not with what was undone
        assert it.actual == it.objective - before.objective
        assert math.isnan(it.progress)
    assert history[-1].parameters[NAME] == 2.0
    assert Continuation({NAME: schedule}, rollback=Rollback()).settled(history)


def test_the_second_failure_quarters_the_growth():
    history = climbed(80.0, schedule=Staircase(1.0, 2.0, every=8), iterations=24)[-1].history
    restarts = [it for it in history if it.restored]
    assert [it.restored for it in restarts] == [8, 8]
    assert [it.number for it in restarts] == [10, 11]
    assert [it.parameters[NAME] for it in restarts] == pytest.approx([2**0.5, 2**0.25])
    assert history[-1].parameters[NAME] == 2.0


def test_after_a_roll_back_the_steps_are_damped():
    run = climbed(20.0)
    at = next(k for k, step in enumerate(run) if step.iteration.restored)
    width = 0.5 / (1.0 + run[at].iteration.parameters[NAME])
    state = run[at].snapshot.state
    assert SHORT.asyinit < width  # what is closer already stays
    np.testing.assert_array_equal(state.span, run[at - 1].snapshot.state.span)
    assert state.span.max() <= width
    assert state.scale == run[0].snapshot.state.scale


def test_followers_are_led_by_what_was_limited():
    rules = {NAME: Staircase(1.0, 16.0, every=2), "hill.other": Follow(NAME, 1.0, 3.0, (1.0, 16.0))}
    continuation = Continuation(rules, rollback=Rollback())
    history = History(
        Iteration(k, f, parameters={NAME: v, "hill.other": w})
        for k, v, w, f in [(1, 1.0, 1.0, 1.0), (2, 1.0, 1.0, 1.0), (3, 2.0, 1.5, 2.0)]
    )
    assert continuation.at(history) == pytest.approx({NAME: math.sqrt(2), "hill.other": 1.25})


def test_a_jump_is_one_from_where_it_starts_again():
    history = log((1.0, 1.0), (1.0, 1.0), (1.5, 9.0))
    assert Continuation({NAME: Staircase()}, rollback=Rollback()).jump(history, {NAME: 1.05}) is None
    assert Continuation({NAME: Staircase()}, rollback=Rollback()).jump(history, {NAME: 1.2}) == 1.2
    assert Continuation({NAME: Staircase()}).jump(history, {NAME: 1.2}) == 1.2


def same(one, other):
    """Compare two last steps digit for digit, but for the seconds."""
    for first, second in zip(one.history, other.history, strict=True):
        rows = [{c: v for c, v in it.row().items() if not c.startswith("seconds:")} for it in (first, second)]
        assert rows[0] == rows[1]
    np.testing.assert_array_equal(one.snapshot.x, other.snapshot.x)
    for name, array in packed(one.snapshot.state).items():
        np.testing.assert_array_equal(packed(other.snapshot.state)[name], array)


@pytest.mark.parametrize("steepness", [20.0, 80.0])
def test_a_run_goes_on_from_every_snapshot_bit_for_bit(steepness):
    whole = climbed(steepness, iterations=30)
    assert any(step.iteration.restored for step in whole)
    for step in whole[:-1]:
        snapshot = dataclasses.replace(step.snapshot, history=History.from_tables(*step.history.tables()))
        same(climbed(steepness, iterations=30, snapshot=snapshot)[-1], whole[-1])


@given(st.lists(st.floats(0.5, 2.0), min_size=2, max_size=25), st.integers(1, 6), st.integers(1, 4))
def test_a_stored_log_gives_every_value_and_every_restart_again(objectives, patience, every):
    rule = Rollback(patience=patience)
    continuation = Continuation({NAME: Staircase(1.0, 512.0, every=every)}, rollback=rule)
    history = History()
    for number, objective in enumerate(objectives, start=1):
        restored = rule.target(history) or 0
        parameters = continuation.at(history)
        history.append(Iteration(number, objective, parameters=parameters, restored=restored))
    stored = History.from_tables(*history.tables())
    assert [it.restored for it in stored] == [it.restored for it in history]
    assert [continuation.at(stored[:k]) for k in range(len(stored))] == [it.parameters for it in history]
    standing = rule.standing(history)
    values = standing.values(NAME)
    assert values == sorted(values)
    numbers = [it.number for it in standing]
    assert numbers == sorted(set(numbers))
    for it in history:
        if it.restored:
            assert 1 <= it.restored < it.number - 1
    assert all(1 <= price <= patience for price in prices(history))


class Killed(BaseException):
    """Stands for SIGKILL."""


def test_a_folder_killed_between_undoing_and_retrying_goes_on_to_the_same_digits(tmp_path):
    continuation = Continuation({NAME: Staircase(1.0, 16.0, every=8)}, rollback=Rollback())
    parts = (Hill(20.0), SHORT, continuation, to.Stop(change=0.0, iterations=30))
    whole = list(to.optimize(*parts))
    first = next(step.iteration.number for step in whole if step.iteration.restored)
    # in front of the change; once the undone iteration was written down; once the retry was
    for number in (first - 2, first - 1, first):
        with (
            contextlib.suppress(Killed),
            RunFolder.create(tmp_path, "hill", recording=Recording(frames_every=0)) as folder,
        ):
            for step in folder.steps(*parts):
                if step.iteration.number == number:
                    raise Killed
        with RunFolder.open(folder.path) as again:
            for step in again.steps(*parts):
                last = step
        same(last, whole[-1])
        assert last.history[number - 1].number == number


def test_a_snapshot_without_the_design_to_go_back_to_is_refused():
    whole = climbed(20.0, rollback=None, iterations=9)
    text = "snapshot: made without this roll-back or these rounds: the design of iteration 8, to which it may"
    with pytest.raises(InputError, match=f"^{re.escape(text)}"):
        climbed(20.0, iterations=12, snapshot=whole[8].snapshot)
    with pytest.raises(InputError, match=re.escape(text)):
        climbed(20.0, iterations=12, snapshot=whole[7].snapshot)
    # long before a change there is nothing to miss
    last = climbed(20.0, iterations=12, snapshot=whole[5].snapshot)[-1]
    assert last.history[9].restored == 8


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"rise": 0.0}, "Rollback.rise: expected a value > 0, got 0"),
        ({"patience": 0}, "Rollback.patience: expected a value >= 1, got 0"),
        ({"grey": 1.5}, "Rollback.grey: expected a value <= 1, got 1.5"),
    ],
)
def test_numbers_out_of_bounds_are_refused(given, text):
    with pytest.raises(ParameterError, match=f"^{re.escape(text)}$"):
        Rollback(**given)


@pytest.mark.parametrize(
    ("schedule", "shattered"),
    [(Steps((1.0, 64.0), 50), 600.0), (Homotopy(final=48.0), 450.0)],
    ids=["a leap", "nothing changed"],
)
def test_a_beam_that_is_shattered_without_ends_well_with_it(beam, schedule, shattered):
    """The second stands at 48 for long before it is shattered; rounding decides which radii are."""
    stop, worst = to.Stop(change=0.0, iterations=160), 0.0
    for nudge in range(5):
        problem = beam(24, 8, radius=2.0 + 1e-6 * nudge)
        ends = {}
        for rollback in (None, Rollback()):
            continuation = Continuation({"physical.beta": schedule}, rollback=rollback)
            ends[rollback is None] = to.solve(problem, to.MMA(), continuation, stop)
        worst = max(worst, *ends[True].history.column("objective")[130:])
        last = ends[False]
        assert sum(it.restored > 0 for it in last.history) <= 8
        assert all(price <= 10 for price in prices(last.history))
        # the budget may end while the run is still on its way back
        assert sorted(last.history.column("objective")[-30:])[15] < 208.0
    assert worst > shattered
