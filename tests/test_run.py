"""The loop: it stops in time, goes on where it was, and asks of a model only what it promised."""

import math
import re
from dataclasses import dataclass, replace

import numpy as np
import pytest

import topopt as to
from topopt.errors import InputError, ParameterError
from topopt.evaluation import Bounds
from topopt.optimizers.protocol import packed


@dataclass(frozen=True)
class Hill:
    """No chain: lower sum (x - a)**2 under mean x <= 0.4 and x0 + x1 >= 0.2; a is a parameter."""

    a: float = 0.9
    names: tuple[str, ...] = ()
    output: bool = True

    def initial(self):
        return np.full(6, 0.2)

    def bounds(self):
        return Bounds(np.zeros(6), np.ones(6))

    def parameters(self):
        return {"hill.a": self.a}

    def evaluate(self, x, parameters):
        a = parameters.get("hill.a", self.a) * np.linspace(0.5, 1.0, x.size)
        return to.Evaluation(
            objective=float(np.sum((x - a) ** 2)),
            gradient=2 * (x - a),
            constraints=np.array([x.mean() / 0.4 - 1, 1 - (x[0] + x[1]) / 0.2]),
            jacobian=np.array([np.full(6, 1 / 2.4), [-5.0, -5.0, 0.0, 0.0, 0.0, 0.0]]),
            constraint_names=self.names,
            output=x**2 if self.output else None,
            seconds={"hill": 0.5, "evaluate": -1.0},
            responses={"answer": 42.0},
            solves=3,
        )


class Counting(Hill):
    """A Hill that remembers how it was asked."""

    def __init__(self):
        super().__init__()
        object.__setattr__(self, "asked", [])

    def evaluate(self, x, parameters):
        self.asked.append((x.copy(), dict(parameters)))
        return super().evaluate(x, parameters)


def beam():
    grid = to.Grid((18, 6))
    domain = to.Domain(grid, void=to.Box((6.0, 0.0), (9.0, 2.0)))
    supports = (to.Support(to.Plane(x=0.0), "x"), to.Support(to.Point((18.0, 0.0)), "y"))
    structure = to.Structure(grid, supports, (to.PointLoad(to.Point((0.0, 6.0)), (0.0, -1.0)),))
    chain = to.Chain(
        [
            ("filtered", to.Cone(domain, 1.8)),
            ("physical", to.Tanh(beta=1.0)),
            ("stiffness", to.Simp()),
            ("displacement", to.Equilibrium(structure)),
            ("compliance", to.Compliance(structure)),
            ("volume", to.Mean(domain), "physical"),
        ]
    )
    return to.Problem(chain, domain, "compliance", {"volume": 0.5})


BETA = to.Continuation(
    {
        "physical.beta": to.Settling(1.0, 16.0, every=3),
        "stiffness.penal": to.Linear(1.0, 3.0, over=5),
        "optimizer.move": to.Geometric(0.3, 0.05, over=9),
    }
)


def without_time(history):
    return to.History(replace(it, seconds={}) for it in history)


@pytest.mark.parametrize("optimizer", [to.MMA(), to.OC()], ids=["MMA", "OC"])
def test_a_run_goes_on_from_every_snapshot_bit_for_bit(optimizer):
    problem, stop = beam(), to.Stop(change=0.0, iterations=14)
    whole = list(to.optimize(problem, optimizer, BETA, stop))
    assert len(whole) == 14
    assert whole[-1].iteration.parameters["physical.beta"] == 16.0
    for k in range(13):
        stored = to.History.from_tables(*whole[k].history.tables())
        snapshot = replace(whole[k].snapshot, history=stored)
        rest = list(to.optimize(problem, optimizer, BETA, stop, snapshot))
        assert len(rest) == 13 - k
        last = rest[-1]
        np.testing.assert_array_equal(last.x, whole[-1].x)
        np.testing.assert_array_equal(last.snapshot.x, whole[-1].snapshot.x)
        assert last.reason == whole[-1].reason
        assert without_time(last.history) == without_time(whole[-1].history)
        for name, array in packed(whole[-1].snapshot.state).items():
            np.testing.assert_array_equal(packed(last.snapshot.state)[name], array)


def test_a_step_changes_nothing_of_the_steps_before():
    steps = to.optimize(Hill(), stop=to.Stop(iterations=5, change=0.0))
    first = next(steps)
    text, x = first.history.tables(), first.snapshot.x.copy()
    last = list(steps)[-1]
    assert first.history.tables() == text
    assert len(first.history) == 1
    np.testing.assert_array_equal(first.snapshot.x, x)
    assert [it.number for it in last.history] == [1, 2, 3, 4, 5]


def test_a_model_that_is_no_chain_reaches_its_optimum():
    last = to.solve(Hill(), stop=to.Stop(change=1e-6, iterations=200))
    # the mean is the only limit that binds: x = a - shift
    a = 0.9 * np.linspace(0.5, 1.0, 6)
    np.testing.assert_allclose(last.x, a - (a.mean() - 0.4), atol=1e-4)
    assert last.reason == "settled: no variable moves by more than 1e-06"
    assert last.iteration.violation == pytest.approx(0.0, abs=1e-5)
    assert last.iteration.vanishing == {}
    assert last.iteration.alarms == ()
    assert last._repr_png_() is None


def test_what_is_written_down():
    first, second = (s.iteration for s in to.optimize(Hill(), stop=to.Stop(change=0.0, iterations=2)))
    evaluation = Hill().evaluate(np.full(6, 0.2), {})
    assert first.objective == evaluation.objective
    assert first.violation == evaluation.constraints.max()
    assert math.isnan(first.progress)
    assert (first.solves, second.solves) == (3, 6)
    assert first.responses == {"answer": 42.0}
    assert set(first.seconds) == {"hill", "evaluate", "optimizer", "log"}
    assert first.seconds["hill"] == 0.5
    assert first.seconds["evaluate"] >= 0  # the loop's own clock wins


def test_change_prediction_and_progress_are_those_of_the_step():
    one, two = to.optimize(Hill(), stop=to.Stop(change=0.0, iterations=2))
    move = one.snapshot.x - one.x
    np.testing.assert_array_equal(two.x, one.snapshot.x)
    assert one.iteration.change == np.abs(move).max()
    assert one.iteration.predicted == pytest.approx(one.evaluation.gradient @ move, rel=1e-14)
    expected = math.sqrt(np.mean((two.x**2 - one.x**2) ** 2))
    assert two.iteration.progress == pytest.approx(expected, rel=1e-14)


def test_a_model_without_an_output_never_counts_as_settled_by_progress():
    steps = list(to.optimize(Hill(output=False), stop=to.Stop(change=0.0, progress=9.0, iterations=4)))
    assert len(steps) == 4
    assert all(math.isnan(step.iteration.progress) for step in steps)


@pytest.mark.parametrize(
    ("names", "expected"), [((), ["constraint 1", "constraint 2"]), (("mean", "pair"), ["mean", "pair"])]
)
def test_constraints_without_a_name_are_numbered(names, expected):
    step = next(to.optimize(Hill(names=names)))
    assert list(step.iteration.multipliers) == expected
    assert step.history.column(f"multipliers:{expected[0]}").shape == (1,)


def test_too_few_names_are_refused():
    text = "constraint_names: expected 2 names, one a constraint, got ('mean',)"
    with pytest.raises(InputError, match=f"^{re.escape(text)}$"):
        next(to.optimize(Hill(names=("mean",))))


def test_an_unknown_parameter_fails_before_the_first_evaluation():
    model = Counting()
    continuation = to.Continuation({"hill.b": to.Constant(1.0), "optimizer.mov": to.Constant(0.1)})
    with pytest.raises(ParameterError) as caught:  # noqa: PT011 (both sentences are asserted below)
        next(to.optimize(model, continuation=continuation))
    assert "'hill.b' is not a parameter that can be scheduled: did you mean 'hill.a'?" in str(caught.value)
    assert "'optimizer.mov' is not a parameter that can be scheduled: did you mean 'optimizer.move'?" in str(
        caught.value
    )
    assert model.asked == []


def test_a_value_out_of_bounds_is_refused_with_its_name():
    continuation = to.Continuation({"optimizer.move": to.Constant(1.5)})
    with pytest.raises(ParameterError, match=r"'optimizer': MMA\.move: expected a value <= 1, got 1.5$"):
        next(to.optimize(Hill(), continuation=continuation))


def test_a_scheduled_move_limit_takes_effect_and_stays_with_the_optimiser():
    model = Counting()
    schedules = {"optimizer.move": to.Steps((0.05, 0.01), 2), "hill.a": to.Constant(0.8)}
    continuation = to.Continuation(schedules)
    steps = list(to.optimize(model, to.MMA(move=0.5), continuation, to.Stop(change=0.0, iterations=4)))
    assert [step.iteration.change for step in steps] == pytest.approx([0.05, 0.05, 0.01, 0.01])
    assert [parameters for _, parameters in model.asked] == [{"hill.a": 0.8}] * 4
    assert steps[-1].iteration.parameters == {"optimizer.move": 0.01, "hill.a": 0.8}


def test_a_schedule_of_the_model_takes_effect():
    continuation = to.Continuation({"hill.a": to.Steps((0.9, 0.1), 1)})
    one, two = to.optimize(Hill(), continuation=continuation, stop=to.Stop(change=0.0, iterations=2))
    assert one.iteration.objective == Hill(0.9).evaluate(one.x, {}).objective
    assert two.iteration.objective == Hill(0.1).evaluate(two.x, {}).objective


def test_a_design_that_stands_still_does_not_stop_the_run_before_the_continuation_has_settled():
    continuation = to.Continuation({"hill.a": to.Steps((0.9, 0.8), 30)})
    steps = list(to.optimize(Hill(), continuation=continuation, stop=to.Stop(change=0.5)))
    assert len(steps) == 31
    assert steps[-1].reason == "settled: no variable moves by more than 0.5"
    assert [step.reason for step in steps[:-1]] == [None] * 30


def test_a_budget_that_ends_too_early_says_so():
    continuation = to.Continuation({"hill.a": to.Steps((0.9, 0.8), 30)})
    last = to.solve(Hill(), continuation=continuation, stop=to.Stop(iterations=3))
    assert last.reason == "budget: 3 iterations spent, before the continuation had settled"
    assert len(last.history) == 3


def test_a_stop_rule_of_the_users_own():
    seen = []

    def rule(history, settled):
        seen.append((len(history), settled))
        return "low enough" if history[-1].objective < 1.0 else None

    last = to.solve(Hill(), stop=rule)
    assert last.reason == "low enough"
    assert seen[0] == (1, True)
    assert len(seen) == last.iteration.number


def log(*entries, parameter=(1.0,) * 9):
    return to.History(
        to.Iteration(k + 1, 1.0, change=change, progress=progress, parameters={"p": parameter[k]})
        for k, (change, progress) in enumerate(entries)
    )


NAN = math.nan
BUDGET = "budget: 3 iterations spent"


@pytest.mark.parametrize(
    ("stop", "entries", "expected"),
    [
        (to.Stop(), [(0.02, NAN), (0.01, 1.0)], "settled: no variable moves by more than 0.01"),
        (to.Stop(), [(0.01, NAN), (0.0101, 0.0)], None),
        (to.Stop(window=2), [(0.02, NAN), (0.01, 1.0)], None),
        (to.Stop(window=2), [(0.01, NAN)], None),
        (to.Stop(window=2), [(0.01, NAN), (0.01, 1.0)], "settled: no variable moves by more than 0.01"),
        (
            to.Stop(change=0.0),
            [(0.0, NAN), (0.0, 0.0)],
            None,
        ),  # 0 switches both off, also where nothing moves
        (to.Stop(change=0.0, progress=1e-3), [(0.5, NAN)], None),
        (to.Stop(change=0.0, progress=1e-3, window=2), [(0.5, NAN), (0.5, 1e-4)], None),
        (
            to.Stop(change=0.0, progress=1e-3, window=2),
            [(0.5, NAN), (0.5, 1e-4), (0.5, 1e-3)],
            "settled: the output changes by no more than 0.001 (root mean square)",
        ),
        (to.Stop(iterations=3), [(0.5, NAN)] * 3, BUDGET),
        (to.Stop(iterations=3), [(0.5, NAN)] * 2, None),
    ],
)
def test_when_to_stop(stop, entries, expected):
    assert stop(log(*entries), True) == expected
    unsettled = stop(log(*entries), False)
    assert unsettled == (f"{BUDGET}, before the continuation had settled" if expected == BUDGET else None)


def test_a_window_needs_the_same_parameters_all_along():
    stop, quiet = to.Stop(window=3, iterations=99), [(0.0, NAN)] * 4
    assert stop(log(*quiet, parameter=(1.0, 1.0, 2.0, 2.0)), True) is None
    assert stop(log(*quiet, parameter=(1.0, 2.0, 1.0, 2.0)), True) is None
    assert stop(log(*quiet, parameter=(2.0, 1.0, 2.0, 1.0)), True) is None
    assert stop(log(*quiet, parameter=(1.0, 2.0, 2.0, 2.0)), True) is not None


def test_a_refused_design_is_none_that_has_settled():
    entries = [to.Iteration(1, 1.0, change=0.001, progress=0.0, refused=refused) for refused in (False, True)]
    assert to.Stop()(to.History(entries[:1]), True).startswith("settled")
    assert to.Stop()(to.History(entries[1:]), True) is None


class Valley(Hill):
    """A floor that bends faster than an optimiser believes (Rosenbrock)."""

    def initial(self):
        return np.array([0.1, 0.9])

    def bounds(self):
        return Bounds(np.full(2, -2.0), np.full(2, 2.0))

    def evaluate(self, x, parameters):
        a, b = x
        slope = np.array([-400.0 * a * (b - a * a) - 2.0 * (1.0 - a), 200.0 * (b - a * a)])
        objective = 100.0 * (b - a * a) ** 2 + (1.0 - a) ** 2 + 1.0
        return to.Evaluation(objective, slope, np.zeros(0), np.zeros((0, 2)), output=x.copy())


def test_a_refused_design_is_written_down_as_such_and_progress_goes_on_from_the_accepted_one():
    steps = list(to.optimize(Valley(), to.GCMMA(), stop=to.Stop(change=0.0, iterations=30)))
    refused = [step.iteration.refused for step in steps]
    assert 3 < sum(refused) < 27
    accepted = steps[0]
    for step in steps[1:]:
        assert step.iteration.refused == (step.snapshot.state.refused > 0)
        if step.iteration.refused:
            assert math.isnan(step.iteration.progress)
            assert not step.iteration.calm(1.0)
        else:
            moved = np.sqrt(np.mean((step.x - accepted.x) ** 2))
            assert step.iteration.progress == pytest.approx(moved, rel=1e-12)
            accepted = step
        np.testing.assert_array_equal(step.snapshot.output, accepted.x)


def test_a_run_that_has_ended_is_not_gone_on_with():
    stop = to.Stop(iterations=3, change=0.0)
    last = to.solve(Hill(), stop=stop)
    model = Counting()
    text = (
        "snapshot: the run has ended after 3 iterations (budget: 3 iterations spent); give a stop rule that"
    )
    with pytest.raises(InputError, match=f"^{re.escape(text)}"):
        next(to.optimize(model, stop=stop, snapshot=last.snapshot))
    assert model.asked == []
    more = to.Stop(iterations=4, change=0.0)
    assert [s.iteration.number for s in to.optimize(model, stop=more, snapshot=last.snapshot)] == [4]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"change": -0.1}, "Stop.change: expected a value >= 0, got -0.1"),
        ({"window": 0}, "Stop.window: expected a value >= 1, got 0"),
        ({"iterations": 0}, "Stop.iterations: expected a value >= 1, got 0"),
        ({"iterations": 2.5}, "Stop.iterations: expected an integer, got 2.5"),
    ],
)
def test_a_stop_rule_out_of_bounds_is_refused(given, text):
    with pytest.raises(ParameterError, match=f"^{re.escape(text)}$"):
        to.Stop(**given)


def test_a_notebook_shows_the_design_of_a_step():
    step = next(to.optimize(beam()))
    assert step._repr_png_().startswith(b"\x89PNG")
    assert step.evaluation.picture.density.shape == (18 * 6,)


def test_the_log_of_a_beam_holds_stages_alarms_and_slopes():
    last = to.solve(beam(), continuation=BETA, stop=to.Stop(change=0.0, iterations=4))
    it = last.iteration
    assert list(it.stages) == ["design", "filtered", "physical", "stiffness", "displacement", "compliance"]
    assert {"attenuation", "participation", "dead3", "dead6", "residual", "latent_residual"} <= set(
        it.vanishing
    )
    assert "homotopy:physical.beta" in it.vanishing
    assert "homotopy:stiffness.penal" not in it.vanishing
    assert list(it.multipliers) == ["volume"]
    assert it.parameters.keys() == BETA.schedules.keys()
    assert 0 < it.measures["discreteness"] < 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": to.MMA}, "optimizer: expected an optimiser such as MMA(), got <class"),
        ({"continuation": {"physical.beta": to.Constant(2.0)}}, "continuation: expected Continuation({name:"),
        ({"stop": 5}, "stop: expected a rule such as Stop(iterations=100), got 5"),
        ({"stop": to.Stop}, "stop: expected a rule such as Stop(iterations=100), got <class"),
    ],
)
def test_what_is_handed_in_wrongly_is_refused_before_anything_runs(arguments, message):
    with pytest.raises(InputError, match=re.escape(message)):
        next(to.optimize(None, **arguments))
