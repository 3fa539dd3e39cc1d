"""Weight that the design brings along: hanging columns by hand, derivatives, and what SIMP gets wrong."""

import numpy as np
import pytest

import topopt as to
from topopt import check
from topopt.errors import InputError
from topopt.fem import Material
from topopt.grid import Domain, Grid

GRID = Grid((2, 30), (0.2, 3.0))
COLUMN = to.Structure(
    GRID,
    (to.Support(to.Plane(y=3.0)),),
    (to.PointLoad(to.Point((0.0, 0.0)), (0.0, -1e-12)),),
    Material(young=5.0, poisson=0.0, thickness=0.7),
)


def chain(structure, law, weight=(0.0, -2.0), tip=(0.2, 0.0)):
    return to.Chain(
        [
            ("stiffness", law, "design"),
            ("weight", to.SelfWeight(structure, weight), "design"),
            ("displacement", to.Equilibrium(structure), ("stiffness", "weight")),
            ("compliance", to.TotalWork(structure), ("displacement", "weight")),
            ("tip", to.Displacement(structure, to.Point(tip)), "displacement"),
        ]
    )


def test_a_column_hangs_by_its_own_weight():
    """u = w (L s - s**2 / 2) / E at a distance s from the ceiling, and C = A w**2 L**3 / 3 E."""
    tape = chain(COLUMN, to.Simp()).run(np.ones(60))
    u = tape["displacement"].reshape(3, 31, 2)[:, ::-1, 1]
    s = np.linspace(0.0, 3.0, 31)
    assert u == pytest.approx(np.tile(-2.0 / 5.0 * (3.0 * s - s**2 / 2), (3, 1)), abs=1e-10)
    assert tape["compliance"].item() == pytest.approx(0.2 * 0.7 * 2.0**2 * 3.0**3 / (3 * 5.0), rel=2e-3)
    assert tape["weight"].sum() == pytest.approx(
        -2.0 * 0.2 * 0.7 * (3.0 - 0.05)
    )  # half a layer hangs on the ceiling


@pytest.mark.parametrize("law", [to.Simp(), to.Ramp()], ids=["simp", "ramp"])
@pytest.mark.parametrize("response", ["compliance", "tip"])
def test_taylor(law, response, rng):
    cases = (
        to.LoadCase("down", (to.PointLoad(to.Point((6.0, 2.0)), (0.0, -1.0)),)),
        to.LoadCase("side", (to.PointLoad(to.Point((6.0, 4.0)), (1.0, 0.5)),), weight=0.5),
    )
    structure = to.Structure(Grid((6, 4)), (to.Support(to.Plane(x=0.0)),), cases)
    whole = chain(structure, law, (0.2, -0.4), tip=(6.0, 0.0))
    check.chain(whole, response, rng.uniform(0.3, 0.9, 24), rng=rng).raise_if_failed()


def test_the_compliance_still_needs_no_second_solve(rng, monkeypatch):
    count = []
    real = to.stages.equilibrium.solved
    monkeypatch.setattr(to.stages.equilibrium, "solved", lambda *a: count.append(1) or real(*a))
    chain(COLUMN, to.Ramp()).run(rng.uniform(0.3, 0.9, 60)).sensitivities("compliance")
    assert len(count) == 1


def test_near_void_material_sags_under_simp_and_not_under_ramp():
    """Bruyneel and Duysinx 2005: the ratio of weight to stiffness has no bound under a power law."""
    sags = {}
    for name, law in (("simp", to.Simp(3.0)), ("ramp", to.Ramp(8.0))):
        tip = [chain(COLUMN, law).run(np.full(60, rho))["tip"].item() for rho in (0.01, 1.0)]
        sags[name] = tip[0] / tip[1]
    assert sags["simp"] > 1e3
    assert sags["ramp"] < 10


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match=r"SelfWeight\.per_volume: expected 2 finite numbers"):
        to.SelfWeight(COLUMN, (0.0, 0.0, -1.0))
    with pytest.raises(InputError, match=r"SelfWeight\.per_volume: nothing weighs anything; leave it out"):
        to.SelfWeight(COLUMN, (0.0, 0.0))
    with pytest.raises(InputError, match=r"expected an input of shape \(60,\)"):
        to.SelfWeight(COLUMN)(np.ones(3))
    with pytest.raises(InputError, match="as its second input"):
        to.Equilibrium(COLUMN)(np.ones(60), np.ones(60))


def test_an_arch_stands_by_weight():
    """Most of the load is the material itself; in the fourth step no limit binds, and MMA has to see that."""
    domain = Domain(Grid((40, 20), (2.0, 1.0)))
    structure = to.Structure(
        domain.grid,
        (to.Support(to.Point((0.0, 0.0))), to.Support(to.Point((2.0, 0.0)))),
        (to.PointLoad(to.Point((1.0, 0.0)), (0.0, -0.1)),),
    )
    links = [
        ("filtered", to.Cone(domain, 0.12)),
        ("physical", to.Tanh(1.0)),
        ("stiffness", to.Ramp(), "physical"),
        ("weight", to.SelfWeight(structure, (0.0, -1.0)), "physical"),
        ("displacement", to.Equilibrium(structure), ("stiffness", "weight")),
        ("compliance", to.TotalWork(structure), ("displacement", "weight")),
        ("volume", to.Mean(domain), "physical"),
    ]
    problem = to.Problem(to.Chain(links), domain, "compliance", {"volume": 0.3})
    continuation = to.Continuation({"physical.beta": to.Geometric(1.0, 16.0, over=40)})
    steps = list(to.optimize(problem, to.MMA(move=0.1), continuation, to.Stop(change=0, iterations=60)))
    assert steps[-1].iteration.objective < 0.8 * steps[0].iteration.objective
    assert steps[-1].iteration.violation < 1e-3
