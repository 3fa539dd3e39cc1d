"""What iterative solvers begin with and leave: order, shapes, log, a run resumed to the last digit."""

import numpy as np
import pytest

import topopt as to
from topopt import solves
from topopt.files import RunFolder
from topopt.solvers import Multigrid


def beam(solver=Multigrid(), adjoint=False):
    grid = to.Grid((40, 20))
    domain = to.Domain(grid)
    cases = (
        to.LoadCase("down", (to.PointLoad(to.Point((40.0, 10.0)), (0.0, -1.0)),)),
        to.LoadCase("along", (to.PointLoad(to.Point((40.0, 0.0)), (1.0, 0.0)),)),
    )
    structure = to.Structure(grid, (to.Support(to.Plane(x=0.0)),), cases)
    links = [
        ("filtered", to.Cone(domain, 3.0)),
        ("stiffness", to.Simp()),
        ("displacement", to.Equilibrium(structure, solver)),
        ("compliance", to.Compliance(structure)),
        ("volume", to.Mean(domain), "filtered"),
    ]
    return to.Problem(to.Chain(links), domain, "compliance", {"volume": 0.4}, density="filtered")


def test_a_guess_is_found_by_order_and_shape():
    first, second, older = np.zeros((4, 1)), np.ones((4, 2)), np.full((4, 1), 2.0)
    with solves.begun((first, second), (older,)) as now:
        assert solves.current() is now
        assert [id(state) for state in now.guesses((4, 1))] == [id(first), id(older)]
        assert now.guesses((6, 1)) == []
        now.states.append(first)
        assert [id(state) for state in now.guesses((4, 2))] == [id(second)]
        now.states.append(second)
        assert now.guesses((4, 1)) == []
    assert solves.current() is not now
    assert solves.current().guesses((4, 1)) == []


def test_direct_solvers_leave_nothing_behind():
    pytest.importorskip("sksparse")
    step = next(to.optimize(beam("cholmod"), to.OC()))
    assert step.snapshot.states == ()
    assert step.iteration.solver == {}
    assert "solver:" not in step.history.tables()[0]


def test_the_log_counts_cycles_and_a_warm_start_saves_some():
    steps = list(to.optimize(beam(), to.OC(), stop=to.Stop(iterations=20, change=0.0)))
    counts = [step.iteration.solver["iterations"] for step in steps]
    assert all(count > 0 for count in counts)
    history = steps[-1].history
    assert to.History.from_tables(*history.tables()) == history
    late = steps[-1]
    with solves.begun() as cold:
        beam().evaluate(late.x)
    assert counts[-1] < 0.8 * cold.iterations
    assert late.iteration.solver["climbs"] == 0
    assert 0 < late.iteration.solver["tolerance"] <= 1e-5


def test_a_climb_is_counted_in_the_log(caplog):
    step = next(to.optimize(beam(Multigrid(limit=1)), to.OC()))
    assert step.iteration.solver["climbs"] == 3
    assert "going on with a direct solver" in caplog.text


@pytest.mark.parametrize("large", [0, 10**6])
@pytest.mark.parametrize("optimizer", [to.OC(), to.MMA()])
def test_a_resumed_run_is_the_unbroken_one_digit_for_digit(tmp_path, optimizer, large, monkeypatch):
    monkeypatch.setattr("topopt.run.LARGE", large)
    stop = to.Stop(iterations=7, change=0.0)
    whole = list(to.optimize(beam(), optimizer, stop=stop))
    with RunFolder.create(tmp_path, "broken") as folder:
        for step in folder.steps(beam(), optimizer, stop=stop):
            if step.iteration.number == 4:
                break
    with RunFolder.open(tmp_path / "broken") as folder:
        last = list(folder.steps(beam(), optimizer, stop=stop))[-1]
    assert np.array_equal(last.x, whole[-1].x)
    assert last.history.column("objective").tolist() == whole[-1].history.column("objective").tolist()
    assert last.history.column("solver:iterations").tolist() == (
        whole[-1].history.column("solver:iterations").tolist()
    )


def test_without_the_states_it_would_be_another_run():
    """The guess reaches the last digits, so that it has to be part of the snapshot."""
    stop = to.Stop(iterations=6, change=0.0)
    steps = list(to.optimize(beam(Multigrid(tolerance=1e-3)), to.OC(), stop=stop))
    halfway = steps[2].snapshot
    bare = to.Snapshot(halfway.history, halfway.x, halfway.state, halfway.output)
    model = beam(Multigrid(tolerance=1e-3))
    kept = list(to.optimize(model, to.OC(), stop=stop, snapshot=halfway))[-1]
    lost = list(to.optimize(model, to.OC(), stop=stop, snapshot=bare))[-1]
    assert np.array_equal(kept.x, steps[-1].x)
    assert not np.array_equal(lost.x, steps[-1].x)


def test_a_tolerance_that_follows_saves_cycles_and_leads_to_the_same_design():
    stop = to.Stop(iterations=25, change=0.0)
    runs = [
        list(to.optimize(beam(solver), to.OC(), stop=stop))
        for solver in (Multigrid(tolerance=1e-8), Multigrid(tolerance=1e-8, follow=True))
    ]
    fixed, following = (steps[-1].history for steps in runs)
    assert following.column("solver:iterations").sum() < 0.8 * fixed.column("solver:iterations").sum()
    assert following.column("objective")[-1] == pytest.approx(fixed.column("objective")[-1], rel=1e-3)
    assert following.column("solver:error").max() <= 0.01
    tolerance = following.column("solver:tolerance")
    assert tolerance[:8].max() > 5 * np.median(tolerance[-8:])


def test_an_adjoint_state_starts_from_the_last_one():
    """A displacement as the objective: its right-hand side is no multiple of the loads."""
    problem = beam(Multigrid(tolerance=1e-9))
    structure = problem.chain["displacement"].stage.structure
    exact = to.Problem(
        to.Chain(
            [
                *[(link.name, link.stage) for link in problem.chain][:2],
                ("displacement", to.Equilibrium(structure, "superlu")),
                ("tip", to.Displacement(structure, to.Point((20.0, 0.0)), (0.3, -1.0))),
            ]
        ),
        problem.domain, "tip", density="filtered",
    )  # fmt: skip
    solving = {"displacement": problem.chain["displacement"].stage}
    iterative = to.Problem(
        to.Chain([(link.name, solving.get(link.name, link.stage)) for link in exact.chain]),
        problem.domain, "tip", density="filtered",
    )  # fmt: skip
    x = np.linspace(0.2, 0.9, 800)
    wanted = exact.evaluate(x)
    with solves.begun() as first:
        found = iterative.evaluate(x)
    assert [state.shape for state in first.states] == [(1722, 2), (1722, 2)]
    assert found.objective == pytest.approx(wanted.objective, rel=1e-7)
    assert found.gradient == pytest.approx(wanted.gradient, abs=1e-6 * np.abs(wanted.gradient).max())
    with solves.begun(first.states) as second:
        iterative.evaluate(x)
    assert second.iterations == 4
