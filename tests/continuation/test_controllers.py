"""Controllers do what their formulas say with the numbers of a log, and nothing that the log does not say."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import topopt as to
from topopt.continuation import Continuation, Homotopy, Linked, Survival
from topopt.errors import InputError, ParameterError
from topopt.history import History, Iteration

NAME = "physical.beta"
AHEAD = {f"ahead:{NAME}:1.25": 0.95, f"ahead:{NAME}:1.6": 0.8, f"ahead:{NAME}:2": 0.6}


def entry(number, value, **more):
    return Iteration(number, **({"objective": 10.0, "parameters": {NAME: value}} | more))


def log(value=4.0, stood=1, before=1.0, **last):
    """Return a log in which the parameter has stood for so long."""
    return History([entry(1, before), *(entry(k + 2, value, **last) for k in range(stood))])


def answer(schedule, history):
    return Continuation({NAME: schedule}).at(history)[NAME]


@given(
    st.floats(-12, 1),
    st.floats(0.01, 0.5),
    st.floats(0.01, 0.99),
    st.floats(-1, 1),
    st.floats(0.001, 0.5),
    st.floats(0, 1),
)
def test_survival_grows_by_what_survives_as_the_design_settles(
    attenuation, growth, share, actual, change, grey
):
    history = log(vanishing={"attenuation": attenuation}, actual=actual, measures={"discreteness": grey})
    calm = max(0.3, 1 - abs(actual) / (change * 10.0))
    formed = max(0.1, 1 - grey) if grey > 0.005 else 0.0  # black and white: the guard holds
    expected = 4.0 * (1 + growth * min(1.0, 10.0**attenuation / share) * calm * formed)
    rule = Survival(growth=growth, survival=share, change=change)
    assert answer(rule, history) == pytest.approx(expected, rel=1e-14)


def test_survival_asks_nothing_of_a_density_where_there_is_none():
    history = log(vanishing={"attenuation": 0.0}, actual=0.0)
    assert answer(Survival(growth=0.2), history) == pytest.approx(4.0 * 1.2, rel=1e-14)


def test_survival_stands_where_nothing_survives():
    assert answer(Survival(), log(vanishing={"attenuation": -math.inf})) == 4.0


def test_survival_needs_the_vanishing_log():
    text = (
        "Survival reads the vanishing log, and this model gives no signals: take a schedule that needs none, "
        "such as Geometric"
    )
    with pytest.raises(InputError, match=f"^{re.escape(text)}$"):
        answer(Survival(), log())


@given(st.floats(-1, 1), st.floats(0.01, 0.5), st.floats(0.001, 0.5))
def test_linked_grows_by_how_calm_the_objective_is(actual, growth, change):
    history = log(actual=actual)
    calm = max(0.0, 1 - abs(actual) / (change * 10.0))
    expected = 4.0 * (1 + growth * calm)
    assert answer(Linked(growth=growth, change=change), history) == pytest.approx(expected, rel=1e-14)


def test_linked_stands_in_front_of_its_first_change():
    assert answer(Linked(), log()) == 4.0  # `actual` is nan
    assert answer(Linked(), log(actual=0.0, objective=0.0)) == pytest.approx(4.0 * 1.05)


@pytest.mark.parametrize(
    ("stood", "last", "steps"),
    [
        (1, {"residual": 0.0}, False),  # one iteration at a value is not settled
        (2, {"residual": 0.05}, True),
        (2, {"residual": 0.051}, False),
        (11, {"residual": 1.0}, False),
        (12, {"residual": 1.0}, True),
    ],
)
def test_the_corrector_waits_for_the_residual_or_out_of_patience(stood, last, steps):
    history = log(
        stood=stood, actual=-1.0, vanishing={"attenuation": -1.0, f"homotopy:{NAME}": 0.0} | AHEAD | last
    )
    assert (answer(Homotopy(), history) > 4.0) == steps


@pytest.mark.parametrize(
    ("stood", "changes", "steps"),
    [
        (2, (0.0, 0.0), False),
        (3, (0.02, -0.02), True),
        (3, (0.021, 0.0), False),
        (3, (0.0, 0.021), False),
        (3, (math.nan, 0.0), False),
    ],
)
def test_the_corrector_waits_for_a_flat_objective(stood, changes, steps):
    vanishing = {"residual": 1.0, f"homotopy:{NAME}": 0.0} | AHEAD
    history = log(stood=stood, actual=-5.0, vanishing=vanishing)[: stood - 1]
    for change in changes:
        history.append(entry(len(history) + 1, 4.0, actual=change, vanishing=vanishing))
    assert (answer(Homotopy(), history) > 4.0) == steps


def predicted(survivors=0.7, jump=0.02, slope=0.0, ahead=AHEAD, **more):
    vanishing = {"attenuation": -1.0, "residual": 0.0, f"homotopy:{NAME}": slope} | ahead
    return answer(Homotopy(survivors=survivors, jump=jump, **more), log(stood=2, vanishing=vanishing))


def test_the_predictor_interpolates_the_survivors():
    assert predicted(0.975) == pytest.approx(4.0 * 1.125)
    assert predicted(0.95) == pytest.approx(4.0 * 1.25)
    assert predicted(0.7) == pytest.approx(4.0 * 1.8)
    assert predicted(0.61) == pytest.approx(4.0 * 1.98)
    assert predicted(0.6) == predicted(0.1) == 8.0


def test_the_predictor_survives_a_column_order_of_strings():
    reverse = dict(reversed(AHEAD.items()))
    assert predicted(0.7, ahead=reverse) == predicted(0.7)


@given(st.floats(0.001, 100.0), st.booleans(), st.floats(0.01, 0.99), st.floats(0.001, 0.1))
def test_the_first_order_change_of_the_lagrangian_stays_small(slope, up, survivors, jump):
    value = predicted(survivors, jump, slope if up else -slope)
    assert value == pytest.approx(min(predicted(survivors), 4.0 + jump * 10.0 / slope), rel=1e-12)
    assert slope * (value - 4.0) <= jump * 10.0 * (1 + 1e-9)


@given(st.lists(st.floats(0.0, 2.0), min_size=3, max_size=3), st.floats(0.01, 0.99))
def test_the_predicted_step_is_at_most_a_doubling_and_no_step_back(shares, survivors):
    ahead = dict(zip(AHEAD, shares, strict=True))
    assert 4.0 <= predicted(survivors, ahead=ahead) <= 8.0


def test_nothing_is_sharpened_where_all_is_dead():
    history = log(stood=12, vanishing={"attenuation": -math.inf, "residual": 0.0})
    assert answer(Homotopy(), history) == 4.0


def test_homotopy_needs_the_slope_and_the_survivors():
    text = (
        "Homotopy reads the slope of 'stiffness.penal' and its survivors ahead, which the log does not have: "
        "drive the sharpness of a projection with it, or take Survival"
    )
    parameters = {"stiffness.penal": 2.0}
    vanishing = {"attenuation": 0.0, "residual": 0.0, f"homotopy:{NAME}": 1.0} | AHEAD
    history = History(Iteration(k, 1.0, parameters=parameters, vanishing=vanishing) for k in (1, 2))
    with pytest.raises(InputError, match=f"^{re.escape(text)}$"):
        Continuation({"stiffness.penal": Homotopy()}).at(history)


CONTROLLERS = [Survival, Linked, Homotopy]
LAST = {
    "actual": 0.0,
    "vanishing": {"attenuation": 0.0, "residual": 0.0, f"homotopy:{NAME}": 0.0} | AHEAD,
}


@pytest.mark.parametrize("cls", CONTROLLERS)
def test_controllers_keep_their_bounds(cls):
    def at(value=4.0, grey=0.5, width=9.0, **more):
        measures = {"discreteness": grey, "interface": width}
        history = log(value, 3, measures=measures, **LAST)
        return answer(cls(**more), history), Continuation({NAME: cls(**more)}).settled(history)

    assert Continuation({NAME: cls(start=3.0)}).at(History()) == {NAME: 3.0}
    free, settled = at()
    assert free > 4.0
    assert not settled
    assert at(final=4.01) == (4.01, False)
    assert at(final=4.0) == (4.0, True)
    assert at(grey=0.005) == (4.0, True)
    for black in ({"grey": 0.0051}, {"grey": 0.0, "hold": 0.0}):
        value, settled = at(**black)
        assert value >= free
        assert not settled
    assert at(width=0.0806) == (4.0, True)
    assert at(width=0.082)[0] == pytest.approx(min(4.0 * 0.082 / 0.08, free))
    assert at(width=0.01, interface=0.0) == (free, False)


@pytest.mark.parametrize("cls", CONTROLLERS)
@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"start": 8.0, "final": 4.0}, "grows only, from 8 it never reaches 4"),
        ({"start": math.inf, "final": math.inf}, "grows only, from inf it never reaches inf"),
    ],
)
def test_controllers_that_never_arrive_are_refused(cls, given, text):
    with pytest.raises(InputError, match=f"^{cls.__name__}: {re.escape(text)}$"):
        cls(**given)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Survival(start=0.0), "Survival.start: expected a value > 0, got 0"),
        (lambda: Survival(survival=1.0), "Survival.survival: expected a value < 1, got 1"),
        (lambda: Linked(change=0.0), "Linked.change: expected a value > 0, got 0"),
        (lambda: Homotopy(patience=0), "Homotopy.patience: expected a value >= 1, got 0"),
        (lambda: Homotopy(hold=-1.0), "Homotopy.hold: expected a value >= 0, got -1"),
    ],
)
def test_numbers_out_of_bounds_are_refused(make, text):
    with pytest.raises(ParameterError, match=f"^{re.escape(text)}$"):
        make()


@pytest.mark.parametrize("rule", [Survival(final=32.0), Linked(final=32.0), Homotopy(final=32.0)])
def test_a_beam_is_sharpened_without_a_collapse_and_its_log_gives_every_value_again(beam, rule):
    continuation = Continuation({NAME: rule})

    def arrived(history, settled):
        return "arrived" if settled or len(history) >= 150 else None

    last = to.solve(beam(), to.MMA(), continuation, arrived)
    history = last.history
    values = history.values(NAME)
    assert values[0] == 1.0
    assert values == sorted(values)
    assert continuation.settled(history)
    assert values[-1] == 32.0 or rule._guard.holds(values, history)
    assert values[-1] > 8.0
    assert not {"freeze", "blow-up"} & {name for it in history for name in it.alarms}
    assert last.iteration.objective < history[0].objective / 2
    stored = History.from_tables(*history.tables())
    assert [continuation.at(stored[:k])[NAME] for k in range(len(stored))] == values
