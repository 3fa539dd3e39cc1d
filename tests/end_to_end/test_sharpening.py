"""What happens when a projection is sharpened to the end: runs end with a reason, and dead is called dead."""

import math

import pytest

import topopt as to


def beam(cells, radius, volume, beta=1.0):
    grid, (width, height) = to.Grid(cells), cells
    supports = (to.Support(to.Plane(x=0.0), "x"), to.Support(to.Point((width, 0.0)), "y"))
    structure = to.Structure(grid, supports, (to.PointLoad(to.Point((0.0, height)), (0.0, -1.0)),))
    domain = to.Domain(grid)
    chain = to.Chain(
        [
            ("filtered", to.Cone(domain, radius)),
            ("physical", to.Tanh(beta)),
            ("stiffness", to.Simp()),
            ("displacement", to.Equilibrium(structure)),
            ("compliance", to.Compliance(structure)),
            ("volume", to.Mean(domain), "physical"),
        ]
    )
    return to.Problem(chain, domain, "compliance", {"volume": volume})


@pytest.mark.parametrize(
    ("cells", "radius", "volume", "schedule"),
    [
        ((60, 20), 2.4, 0.5, to.Staircase(1.0, 512.0, every=20)),
        ((40, 20), 2.0, 0.5, to.Settling(every=25)),
        ((60, 20), 2.4, 0.3, to.Geometric(1.0, 512.0, 150)),
    ],
)
def test_mma_sharpens_to_512_and_dead_is_called_done(cells, radius, volume, schedule):
    continuation = to.Continuation({"physical.beta": schedule})
    last = to.solve(beam(cells, radius, volume), to.MMA(), continuation, to.Stop(iterations=300))
    assert last.iteration.parameters["physical.beta"] == 512.0
    assert last.iteration.violation < 1e-3
    assert last.iteration.objective < 500
    # The sensitivities are dead there, and that is no failure: nothing is left to be done.
    assert last.reason.startswith("settled")
    assert last.iteration.vanishing["dead3"] > 0.97
    assert {alarm for it in last.history for alarm in it.alarms} == {"unresolved"}


@pytest.mark.parametrize("beta", [2000.0, math.inf])
@pytest.mark.parametrize("optimizer", [to.OC(), to.MMA()], ids=["oc", "mma"])
def test_a_run_that_starts_dead_is_not_called_healthy(beta, optimizer):
    last = to.solve(beam((60, 20), 2.4, 0.4, beta), optimizer, stop=to.Stop(iterations=5))
    assert "freeze" in last.history[0].alarms
    text = to.diagnose(last.history, last.reason)
    assert "stayed alive" not in text
    assert "nothing of its reference norm reached the design, 100 % of the variables were dead" in text


def test_a_small_move_limit_is_not_mistaken_for_calm():
    moves = to.Continuation({"optimizer.move": to.Linear(0.2, 0.008, 10)})
    last = to.solve(beam((60, 20), 2.4, 0.5), to.MMA(), moves, to.Stop(iterations=40))
    assert last.reason.startswith("budget")
    assert last.iteration.change == pytest.approx(0.008)
    calm = to.Continuation({"physical.beta": to.Settling(1.0, 64.0, every=30)})
    slow = to.solve(beam((60, 20), 2.4, 0.5), to.MMA(move=0.008), calm, to.Stop(iterations=25))
    assert slow.history.values("physical.beta") == [1.0] * 25
