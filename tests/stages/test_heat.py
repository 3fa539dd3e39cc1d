"""Conduction against rods that can be solved by hand, and the design of a sink from a file."""

import numpy as np
import pytest

import topopt as to
from topopt import check
from topopt.errors import InputError
from topopt.files.job import parse
from topopt.grid import Domain, Grid
from topopt.regions import Box, Plane, Point
from topopt.solvers import Cholmod, Multigrid, SuperLU
from topopt.stages import Conduction, MeanTemperature

ROD = Domain(Grid((40, 4), (2.0, 0.5)))


def temperatures(stage, moduli=None):
    """At the nodes along the axis, from one end of the rod to the other."""
    grid = stage.domain.grid
    field = stage(np.ones(grid.n_cells) if moduli is None else moduli)[:, 0]
    return field.reshape(*(n + 1 for n in grid.cells))


def test_a_rod_heated_evenly_has_the_parabola():
    """T = q (L x - x**2 / 2) / k, exact at the nodes; its mean is q L**2 / 3 k."""
    stage = Conduction(ROD, sink=Plane(x=0.0), power=3.0, conductivity=5.0)
    x, q = np.linspace(0.0, 2.0, 41), 3.0 / (2.0 * 0.5)
    field = temperatures(stage)
    assert field == pytest.approx(np.repeat((q / 5.0 * (2.0 * x - x**2 / 2))[:, None], 5, axis=1), abs=1e-12)
    mean = MeanTemperature(ROD)(field.reshape(-1, 1))
    assert mean == pytest.approx(q * 4.0 / 15.0, rel=1e-3)
    end = MeanTemperature(ROD, Box((2.0, 0.0), (2.0, 0.5)))  # no cell: its nodes
    assert end(field.reshape(-1, 1)) == pytest.approx(q / 5.0 * 2.0, rel=1e-12)


def test_a_rod_heated_at_its_end_and_cooled_by_a_fluid_at_the_other():
    """All heat passes: T = P / film at the cold end, and rises by P / (k A) a length."""
    stage = Conduction(ROD, cooled=Plane(x=0.0), film=4.0, source=Plane(x=2.0), power=3.0, conductivity=5.0)
    found = temperatures(stage).mean(axis=1)
    assert found[0] == pytest.approx(3.0 / 4.0, rel=1e-12)
    assert found[-1] - found[0] == pytest.approx(3.0 / (5.0 * 0.5) * 2.0, abs=0.02)


def test_two_materials_in_a_row_add_their_resistances():
    moduli = np.where(ROD.grid.centres[:, 0] < 1.0, 1.0, 0.1)
    stage = Conduction(ROD, sink=Plane(x=0.0), source=Box((1.95, 0.0), (2.0, 0.5)), power=1.0)
    found = temperatures(stage, moduli).mean(axis=1)
    assert found[20] == pytest.approx(1.0 / 0.5, rel=1e-9)
    assert found[38] - found[20] == pytest.approx(0.9 / (0.1 * 0.5), rel=1e-9)


@pytest.mark.parametrize("cells", [(24, 16), (10, 8, 6)])
def test_solvers_agree(cells, rng):
    pytest.importorskip("sksparse")
    domain = Domain(Grid(cells))
    moduli = np.where(rng.random(domain.grid.n_cells) < 0.4, 1e-3, 1.0)
    fields = [
        Conduction(domain, sink=Plane(x=0.0), solver=solver)(moduli)
        for solver in (Cholmod(), SuperLU(), Multigrid(tolerance=1e-10))
    ]
    for field in fields[1:]:
        assert field == pytest.approx(fields[0], rel=1e-6)


def test_the_thermal_compliance_needs_no_second_solve(rng, monkeypatch):
    stage = Conduction(ROD, sink=Plane(x=0.0), solver=SuperLU())
    count = []
    real = to.stages.heat.solved
    monkeypatch.setattr(to.stages.heat, "solved", lambda *a: count.append(1) or real(*a))
    chain = to.Chain([("temperature", stage), ("mean", MeanTemperature(ROD))], "conductivity")
    chain.run(rng.uniform(0.1, 1.0, 160)).sensitivities("mean")
    assert len(count) == 1
    elsewhere = to.Chain(
        [("temperature", stage), ("mean", MeanTemperature(ROD, Point((2.0, 0.0))))], "conductivity"
    )
    elsewhere.run(rng.uniform(0.1, 1.0, 160)).sensitivities("mean")
    assert len(count) == 3


def test_taylor(rng):
    stage = Conduction(ROD, sink=Plane(x=0.0), cooled=Plane(y=0.5), film=0.7)
    hottest = MeanTemperature(ROD, Point((2.0, 0.0)))
    links = [("conducting", to.Simp(3.0, 1e-3)), ("temperature", stage), ("hottest", hottest)]
    check.chain(to.Chain(links), "hottest", rng.uniform(0.3, 0.8, 160), rng=rng).raise_if_failed()


def test_void_makes_no_heat():
    domain = Domain(Grid((4, 4)), void=Box((2.0, 0.0), (4.0, 4.0)))
    heat = Conduction(domain, sink=Plane(x=0.0)).body.forces  # a quarter of it is made in the sink
    assert heat.sum() == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "nothing takes the heat away; give a sink, or cooled and film"),
        ({"cooled": Plane(x=0.0)}, "nothing takes the heat away"),
        ({"sink": Plane(x=0.0), "film": 2.0}, "a fluid needs both"),
        ({"sink": Plane(x=0.0), "cooled": Plane(x=2.0)}, "a fluid needs both"),
        ({"sink": to.Everywhere()}, "every node is kept at zero"),
        ({"sink": Plane(x=0.0), "source": Box((0, 0), (0, 0.5))}, "all heat is made in the sink"),
        ({"sink": Plane(x=9.0)}, "no node lies in this region"),
        ({"sink": Plane(x=0.0), "power": 0.0}, r"Conduction\.power: expected a value > 0"),
        ({"sink": Plane(x=0.0), "film": -1.0}, r"Conduction\.film: expected a value >= 0"),
    ],
)
def test_what_cannot_be_is_refused(given, text):
    with pytest.raises(ValueError, match=text):
        Conduction(ROD, **given)


def test_a_conductivity_of_zero_is_refused():
    stage = Conduction(ROD, sink=Plane(x=0.0))
    with pytest.raises(InputError, match=r"the lowest is 0; raise e_min"):
        stage(np.r_[0.0, np.ones(159)])


FILE = """
name: sink
grid: {cells: [20, 20], size: [1.0, 1.0]}
regions: {sink: {box: {lower: [0.0, 0.4], upper: [0.0, 0.6]}}}
chain:
  - {name: filtered,    type: cone, radius: 0.12}
  - {name: physical,    type: tanh}
  - {name: conducting,  type: simp, penal: 3.0, e_min: 1.0e-2}
  - {name: temperature, type: conduction, sink: sink}
  - {name: mean,        type: mean_temperature}
  - {name: volume,      type: mean, reads: [physical]}
minimise: mean
limits: {volume: 0.4}
stop: {iterations: 60}
"""


def test_a_sink_is_designed_from_a_file():
    job = parse(FILE)
    assert job.choice is not None
    steps = list(to.optimize(job.problem, job.optimizer, job.continuation, job.stop))
    assert steps[-1].iteration.objective < 0.6 * steps[0].iteration.objective
    assert steps[-1].iteration.violation < 1e-3
    again = parse(job.resolved)
    assert again == job


def test_its_mistakes_are_located():
    wrong = FILE.replace("type: conduction, sink: sink", "type: conduction, power: 2.0")
    with pytest.raises(to.TopoptError, match=r"<text>:9: chain\.temperature.*nothing takes the heat away"):
        parse(wrong)
