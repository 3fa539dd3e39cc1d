"""A problem with several objectives lowers the worst; limits are parameters and can be scheduled."""

import dataclasses
import re

import numpy as np
import pytest

import topopt as to
from topopt.check import taylor
from topopt.errors import InputError, ParameterError
from topopt.evaluation import Bounds
from topopt.vanishing import read

GRID = to.Grid((18, 6), (3.0, 1.0))
DOMAIN = to.Domain(GRID, solid=to.Box((0.0, 0.9), (3.0, 1.0)))
BODY = to.Structure(
    GRID,
    (to.Support(to.Plane(x=0.0)),),
    (to.LoadCase("down", (to.PointLoad(to.Point((3.0, 0.0)), (0.0, -1.0)),)),),
)
RIVALS = ("compliance_eroded", "compliance_nominal", "compliance_dilated")


def robust(domain=DOMAIN, **changes):
    links = [("filtered", to.Cone(domain, 0.5), "design")]
    for name, eta in (("eroded", 0.65), ("nominal", 0.5), ("dilated", 0.35)):
        links += [
            (name, to.Tanh(beta=4.0, eta=eta), "filtered"),
            (f"stiffness_{name}", to.Simp(e_min=1e-6), name),
            (f"displacement_{name}", to.Equilibrium(BODY), f"stiffness_{name}"),
            (f"compliance_{name}", to.Compliance(BODY), f"displacement_{name}"),
            (f"volume_{name}", to.Mean(domain), name),
        ]
    arguments = {
        "chain": to.Chain(links),
        "domain": domain,
        "minimise": RIVALS,
        "limits": {"volume_dilated": to.Limit(upper=0.6, lower=0.2)},
        "density": "nominal",
        "start": 0.5,
    }
    return to.Problem(**(arguments | changes))


def test_the_objective_is_the_worst_rival_and_everything_else_follows_it(rng):
    problem = robust()
    evaluation = problem.evaluate(rng.uniform(0.3, 0.7, DOMAIN.n_active))
    values = [evaluation.responses[name] for name in RIVALS]
    assert evaluation.rivals.tolist() == values
    assert evaluation.rival_names == RIVALS
    assert evaluation.objective == max(values) == values[0]
    np.testing.assert_array_equal(evaluation.gradient, evaluation.rival_jacobian[0])
    np.testing.assert_array_equal(evaluation.signals.cotangents["design"].shape, (DOMAIN.n_active,))
    assert set(evaluation.signals.gates) == {"eroded", "nominal", "dilated"}
    assert evaluation.solves == 3


def test_each_rival_passes_the_taylor_test(rng):
    problem = robust()
    x, direction = rng.uniform(0.3, 0.7, DOMAIN.n_active), rng.uniform(-1, 1, DOMAIN.n_active)
    evaluation = problem.evaluate(x)
    for k, name in enumerate(RIVALS):
        report = taylor(
            lambda y, k=k: problem.evaluate(y).rivals[k],
            x,
            evaluation.rival_jacobian[k],
            direction,
            step=0.02,
        )
        assert report.ok, f"{name}: {report}"


def test_one_name_is_no_rival_however_it_is_written(rng):
    x = rng.uniform(0.3, 0.7, DOMAIN.n_active)
    plain, listed = robust(minimise=RIVALS[1]), robust(minimise=[RIVALS[1]])
    assert listed.minimise == RIVALS[1]
    assert listed.objectives == plain.objectives == (RIVALS[1],)
    one, two = plain.evaluate(x), listed.evaluate(x)
    assert one.rivals.shape == (0,)
    assert one.signals.reference_rivals.shape == (0, DOMAIN.n_active)
    assert one.objective == two.objective == one.responses[RIVALS[1]]


@pytest.mark.parametrize(
    ("minimise", "text"),
    [
        ((), "minimise: expected the name of a response, or a tuple of different ones, got ()"),
        (("compliance_eroded",) * 2, "minimise: expected the name of a response, or a tuple of different"),
        ((1, 2), "minimise: expected the name of a response, or a tuple of different ones, got (1, 2)"),
        (None, "minimise: expected the name of a response, or a tuple of different ones, got None"),
        (("compliance_eroded", "volum_nominal"), "minimise: no 'volum_nominal' in the chain: did you mean"),
    ],
)
def test_what_cannot_be_lowered_is_refused(minimise, text):
    with pytest.raises(InputError, match=f"^{re.escape(text)}"):
        robust(minimise=minimise)


def test_signals_hold_every_rival_so_that_the_residual_is_the_lagrangians(rng):
    problem, n = robust(GRID), GRID.n_cells
    x = rng.uniform(0.3, 0.7, n)
    evaluation = problem.evaluate(x)
    signals = evaluation.signals
    assert signals.reference_rivals.shape == (3, n)
    multipliers = np.array([0.5, 0.2, 0.3, 2.0, 0.1])
    total = read(x, evaluation, multipliers, Bounds(np.zeros(n), np.ones(n))).total
    lagrangian = multipliers @ np.vstack([evaluation.rival_jacobian, evaluation.jacobian])
    norm = np.linalg.norm
    assert total["residual"] == pytest.approx(norm(lagrangian) / norm(evaluation.gradient), rel=1e-12)
    unlimited = dataclasses.replace(problem, limits={}).evaluate(x)
    total = read(x, unlimited, multipliers[:3], Bounds(np.zeros(n), np.ones(n))).total
    latent = multipliers[:3] @ unlimited.signals.reference_rivals
    assert total["latent_residual"] == pytest.approx(
        norm(latent) / norm(signals.references["design"]), rel=1e-12
    )
    # the three gates together let through what arrives
    passed = sum(
        (multipliers[:3] @ gate.rivals + multipliers[3:] @ gate.constraints) * gate.slope
        for gate in signals.gates.values()
    )
    pulled = problem.tape(x).pullbacks["filtered"](passed)[0]
    np.testing.assert_allclose(pulled, lagrangian, rtol=1e-9, atol=1e-12 * np.abs(lagrangian).max())


def test_the_homotopy_slope_weighs_the_rivals(rng):
    problem, n = robust(GRID), GRID.n_cells
    x = rng.uniform(0.3, 0.7, n)
    multipliers = np.array([0.5, 0.2, 0.3, 2.0, 0.1])

    def lagrangian(beta):
        now = problem.evaluate(x, {"dilated.beta": beta})
        return multipliers @ np.concatenate([now.rivals, now.constraints])

    at = problem.evaluate(x, {"dilated.beta": 4.0})
    total = read(x, at, multipliers, Bounds(np.zeros(n), np.ones(n))).total
    h = 1e-5
    slope = (lagrangian(4.0 + h) - lagrangian(4.0 - h)) / (2 * h)
    assert total["homotopy:dilated.beta"] == pytest.approx(slope, rel=1e-5)


def test_a_robust_run_levels_the_rivals_and_logs_their_weights():
    steps = list(to.optimize(robust(), stop=to.Stop(change=0.0, iterations=25)))
    last = steps[-1].iteration
    names = [f"minimise.{name}" for name in RIVALS]
    assert [*last.multipliers] == [*names, "volume_dilated", "volume_dilated.lower"]
    assert sum(last.multipliers[name] for name in names) == pytest.approx(1.0, rel=1e-9)
    assert last.objective == max(last.responses[name] for name in RIVALS)
    assert last.objective < 0.8 * steps[0].iteration.objective
    assert last.vanishing["residual"] < 0.3 * steps[0].iteration.vanishing["residual"]


def test_a_resumed_robust_run_is_the_unbroken_one():
    continuation = to.Continuation(
        {
            "limits.volume_dilated": to.Refreshed(0.4, "volume_nominal", "volume_dilated", every=3),
            "nominal.beta": to.Linear(1.0, 4.0, over=8),
        }
    )
    run = {"continuation": continuation, "stop": to.Stop(change=0.0, iterations=10)}
    whole = list(to.optimize(robust(), **run))
    again = list(to.optimize(robust(), snapshot=whole[4].snapshot, **run))
    assert again[-1].x.tobytes() == whole[-1].x.tobytes()
    assert again[-1].iteration.parameters == whole[-1].iteration.parameters
    assert len({step.iteration.parameters["limits.volume_dilated"] for step in whole}) > 1


def test_limits_are_parameters(rng):
    problem = robust()
    assert problem.parameters()["limits.volume_dilated"] == 0.6
    assert problem.parameters()["limits.volume_dilated.lower"] == 0.2
    x = rng.uniform(0.3, 0.7, DOMAIN.n_active)
    evaluation = problem.evaluate(x, {"limits.volume_dilated": 0.5, "limits.volume_dilated.lower": 0.3})
    volume = evaluation.responses["volume_dilated"]
    np.testing.assert_allclose(evaluation.constraints, [volume / 0.5 - 1, 1 - volume / 0.3], rtol=1e-13)
    assert problem.evaluate(x).constraints[0] == pytest.approx(volume / 0.6 - 1)
    assert problem.tape(x, {"limits.volume_dilated": 0.5})["volume_dilated"] == volume


def test_recheck_keeps_the_bound_of_the_evaluation(rng):
    x, y = rng.uniform(0.3, 0.7, (2, DOMAIN.n_active))
    at = {"limits.volume_dilated": 0.45, "dilated.beta": 2.0}
    evaluation = robust().evaluate(x, at)
    np.testing.assert_array_equal(evaluation.recheck(y), robust().evaluate(y, at).constraints)


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"limits.volume": 0.5}, "'limits.volume' is not a limit of the problem: did you mean"),
        (
            {"limits.volume_nominal": 1.5},
            "limits.volume_nominal: expected a mean density > 0 and <= 1, got 1",
        ),
        (
            {"limits.volume_nominal": 0.0},
            "limits.volume_nominal: expected a mean density > 0 and <= 1, got",
        ),
        ({"limits.volume_nominal": 0.1}, "limits.volume_nominal: limit: expected finite lower <= upper"),
        ({"limits.compliance_nominal": np.inf}, "limits.compliance_nominal: limit: expected finite lower"),
    ],
)
def test_bounds_that_cannot_be_met_are_refused(parameters, text):
    limits = {"volume_nominal": to.Limit(upper=0.5, lower=0.2), "compliance_nominal": 90.0}
    problem = robust(limits=limits)
    with pytest.raises(ParameterError, match=f"^{re.escape(text)}"):
        problem.evaluate(problem.initial(), parameters)


@pytest.mark.parametrize("name", ["limits", "optimizer"])
def test_a_link_may_not_bear_the_name_of_other_parameters(name):
    chain = to.Chain([(name, to.Tanh(beta=1.0)), ("volume", to.Mean(GRID))])
    text = f"link '{name}': parameters of the {name} bear this name; take another"
    with pytest.raises(InputError, match=f"^{text}$"):
        to.Problem(chain, GRID, "volume", density=name)


def test_volume_can_be_taken_away_little_by_little():
    grid = to.Grid((24, 12))
    structure = to.Structure(
        grid, (to.Support(to.Plane(x=0.0)),), (to.PointLoad(to.Point((24.0, 6.0)), (0.0, -1.0)),)
    )
    chain = to.Chain(
        [
            ("physical", to.Cone(to.Domain(grid), 2.0)),
            ("stiffness", to.Simp()),
            ("displacement", to.Equilibrium(structure)),
            ("compliance", to.Compliance(structure)),
            ("volume", to.Mean(grid), "physical"),
        ]
    )
    problem = to.Problem(chain, grid, "compliance", {"volume": 0.5}, start=1.0)
    continuation = to.Continuation({"limits.volume": to.Linear(1.0, 0.5, over=25)})
    steps = list(to.optimize(problem, to.MMA(), continuation, to.Stop(iterations=40)))
    limits = [step.iteration.parameters["limits.volume"] for step in steps]
    volumes = [step.iteration.responses["volume"] for step in steps]
    assert limits[0] == 1.0
    assert limits[25:] == [0.5] * len(limits[25:])
    # the design that answers a limit is evaluated one iteration later
    np.testing.assert_allclose(volumes[1:], limits[:-1], atol=5e-3)
    assert all(step.iteration.violation < 0.05 for step in steps)
    fixed = to.solve(dataclasses.replace(problem, start=0.5), stop=to.Stop(iterations=40))
    assert steps[-1].iteration.objective == pytest.approx(fixed.iteration.objective, rel=0.1)
