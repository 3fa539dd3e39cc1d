"""A problem packs a chain on a grid into numbers for an optimiser, with derivatives that are right."""

import re

import numpy as np
import pytest

import topopt as to
from topopt.check import taylor
from topopt.errors import ChainError, InputError, ParameterError
from topopt.measures import interface

GRID = to.Grid((12, 6), (2.0, 1.0))
SOLID, VOID = to.Box((0.0, 5 / 6), (2.0, 1.0)), to.Box((0.5, 0.0), (1.0, 0.4))
DOMAIN = to.Domain(GRID, SOLID, VOID)
N_SOLID = int(DOMAIN.solid_cells.sum())
N_COUNTED = DOMAIN.n_active + N_SOLID
TIP = to.Point((2.0, 0.0))
BODY = to.Structure(
    GRID,
    (to.Support(to.Plane(x=0.0)),),
    (
        to.LoadCase("down", (to.PointLoad(TIP, (0.0, -1.0)),), weight=0.7),
        to.LoadCase("pull", (to.PointLoad(TIP, (1.0, 0.0)),), weight=2.0),
    ),
)
CHAIN = to.Chain(
    [
        ("filtered", to.Cone(DOMAIN, 0.4)),
        ("physical", to.Tanh(beta=2.0, eta=0.45)),
        ("stiffness", to.Simp(e_min=1e-6)),
        ("displacement", to.Equilibrium(BODY)),
        ("compliance", to.Compliance(BODY)),
        ("tip", to.Displacement(BODY, TIP, (0.0, -1.0), case="down"), "displacement"),
        ("volume", to.Mean(DOMAIN), "physical"),
        ("weight", to.Mean(DOMAIN), "filtered"),
    ]
)
LIMITS = {"volume": to.Limit(lower=0.2, upper=0.5), "tip": 30.0, "weight": to.Limit(lower=0.1)}


def problem(**changes):
    arguments = {"chain": CHAIN, "domain": DOMAIN, "minimise": "compliance", "limits": LIMITS} | changes
    return to.Problem(**arguments)


def test_only_the_active_cells_are_variables(rng):
    made = problem()
    n = DOMAIN.n_active
    assert GRID.n_cells - n == 12 + 6
    assert made.initial().shape == (n,)
    bounds = made.bounds()
    assert (bounds.lower.shape, bounds.lower.max(), bounds.upper.min()) == ((n,), 0.0, 1.0)
    x = rng.uniform(size=n)
    field = made.field(x)
    np.testing.assert_array_equal(field[DOMAIN.active], x)
    assert (field[DOMAIN.solid_cells] == 1.0).all()
    assert (field[DOMAIN.void_cells] == 0.0).all()
    evaluation = made.evaluate(x)
    np.testing.assert_array_equal(evaluation.output, made.tape(x)["physical"][DOMAIN.active])
    assert evaluation.gradient.shape == (n,)
    assert evaluation.jacobian.shape == (4, n)


@pytest.mark.parametrize("beta", [0.0, 1.0, 8.0, 32.0])
def test_gradient_and_jacobian_pass_the_taylor_test(rng, beta):
    made, parameters = problem(), {"physical.beta": beta}
    x = rng.uniform(0.3, 0.7, DOMAIN.n_active)
    direction = rng.uniform(-1.0, 1.0, x.size)
    evaluation = made.evaluate(x, parameters)
    objective = taylor(
        lambda y: made.evaluate(y, parameters).objective, x, evaluation.gradient, direction, step=0.05
    )
    assert objective.ok, str(objective)
    for k, name in enumerate(evaluation.constraint_names):
        constraint = taylor(
            lambda y, k=k: made.evaluate(y, parameters).constraints[k],
            x,
            evaluation.jacobian[k],
            direction,
            step=0.05,
        )
        assert constraint.ok, f"{name}: {constraint}"


def test_limits_become_constraints_relative_to_their_bounds(rng):
    evaluation = problem().evaluate(rng.uniform(0.3, 0.7, DOMAIN.n_active))
    r = evaluation.responses
    assert evaluation.constraint_names == ("volume", "volume.lower", "tip", "weight.lower")
    expected = [r["volume"] / 0.5 - 1, 1 - r["volume"] / 0.2, r["tip"] / 30 - 1, 1 - r["weight"] / 0.1]
    np.testing.assert_allclose(evaluation.constraints, expected, rtol=1e-13)
    assert evaluation.objective == r["compliance"]
    assert set(r) == {"compliance", "tip", "volume", "weight"}


def test_negative_bounds_and_zero_keep_their_sign(rng):
    x = rng.uniform(0.3, 0.7, DOMAIN.n_active)
    tip = problem().evaluate(x).responses["tip"]
    both = problem(limits={"tip": to.Limit(lower=-4.0, upper=0.0)}).evaluate(x)
    np.testing.assert_allclose(both.constraints, [tip, (-4.0 - tip) / 4.0], rtol=1e-13)


def test_the_load_cases_are_summed_with_their_weights(rng):
    x = rng.uniform(0.3, 0.7, DOMAIN.n_active)
    tape = problem().tape(x)
    work = (BODY.forces * tape["displacement"]).sum(axis=0)
    assert problem().evaluate(x).objective == pytest.approx(0.7 * work[0] + 2.0 * work[1], rel=1e-13)


def test_parameters_override_those_of_the_chain(rng):
    made = problem()
    x = rng.uniform(0.3, 0.7, DOMAIN.n_active)
    assert made.parameters()["physical.beta"] == 2.0
    sharper = made.evaluate(x, {"physical.beta": 16.0})
    expected = to.Tanh(beta=16.0, eta=0.45)(made.tape(x)["filtered"])
    np.testing.assert_array_equal(sharper.output, expected[DOMAIN.active])
    assert made.evaluate(x).objective == made.evaluate(x, {"physical.beta": 2.0}).objective
    assert list(sharper.signals.gates["physical"].tilts) == ["physical.beta"]
    with pytest.raises(ParameterError, match=r"did you mean 'physical.beta'"):
        made.evaluate(x, {"physical.bet": 1.0})


def test_recheck_gives_the_constraints_anew_at_the_parameters_of_the_evaluation(rng):
    made = problem(limits={"volume": to.Limit(lower=0.2, upper=0.5), "weight": 0.4})
    x, y = rng.uniform(0.1, 0.9, (2, DOMAIN.n_active))
    evaluation = made.evaluate(x, {"physical.beta": 9.0})
    np.testing.assert_array_equal(evaluation.recheck(x), evaluation.constraints)
    np.testing.assert_array_equal(evaluation.recheck(y), made.evaluate(y, {"physical.beta": 9.0}).constraints)


def test_there_is_no_recheck_where_a_state_is_needed(rng):
    x = rng.uniform(0.3, 0.7, DOMAIN.n_active)
    assert problem().evaluate(x).recheck is None
    assert problem(limits={}).evaluate(x).recheck is None


def test_a_problem_without_limits_has_constraints_of_no_length(rng):
    evaluation = problem(limits={}).evaluate(rng.uniform(0.3, 0.7, DOMAIN.n_active))
    assert evaluation.constraints.shape == (0,)
    assert evaluation.jacobian.shape == (0, DOMAIN.n_active)
    assert evaluation.signals.reference_constraints.shape == (0, DOMAIN.n_active)


def test_the_evaluation_says_what_it_took_and_measured(rng):
    evaluation = problem().evaluate(rng.uniform(0.3, 0.7, DOMAIN.n_active))
    rho = evaluation.output
    assert evaluation.solves == 1
    assert evaluation.measures["discreteness"] == pytest.approx(np.mean(4 * rho * (1 - rho)))
    assert 0 < evaluation.measures["interface"] < 20
    np.testing.assert_array_equal(evaluation.picture.density[DOMAIN.active], rho)
    assert (evaluation.picture.density[DOMAIN.solid_cells] == 1.0).all()
    assert evaluation.picture.grid is GRID


def test_the_interface_is_that_of_the_design_and_not_of_what_is_passive(rng):
    x = rng.uniform(0.3, 0.7, DOMAIN.n_active)
    sharp = {"physical.beta": 9.0}
    tape = problem().tape(x, sharp)
    fields = tape["filtered"], tape["physical"], tape.chain["physical"].stage.edge_slope(tape["filtered"])
    width = problem().evaluate(x, sharp).measures["interface"]
    assert width == interface(GRID, *fields, DOMAIN.active)
    assert width > 1.2 * interface(GRID, *fields)


def test_without_a_projection_there_is_no_interface(rng):
    chain = to.Chain([("physical", to.Cone(DOMAIN, 0.4)), ("volume", to.Mean(DOMAIN))])
    evaluation = problem(chain=chain, minimise="volume", limits={}).evaluate(
        rng.uniform(size=DOMAIN.n_active)
    )
    assert set(evaluation.measures) == {"discreteness"}
    assert evaluation.solves == 0


@pytest.mark.parametrize(
    ("limits", "start", "expected"),
    [
        ({"volume": 0.35}, None, (0.35 * N_COUNTED - N_SOLID) / DOMAIN.n_active),
        ({"tip": 3.0, "weight": 0.6}, None, (0.6 * N_COUNTED - N_SOLID) / DOMAIN.n_active),
        ({"volume": 0.01}, None, 0.0),  # the solid alone is more
        ({"tip": 3.0}, None, 0.5),
        ({"volume": to.Limit(lower=0.3)}, None, 0.5),
        ({"volume": 0.35}, 0.7, 0.7),
        ({}, 0, 0.0),
    ],
)
def test_the_start_meets_the_volume_limit_or_is_a_half(limits, start, expected):
    np.testing.assert_allclose(problem(limits=limits, start=start).initial(), expected, rtol=1e-15)


def test_a_start_may_be_given_cell_by_cell(rng):
    given = rng.uniform(size=GRID.cells)
    np.testing.assert_array_equal(problem(start=given).initial(), given.ravel()[DOMAIN.active])


def test_a_grid_and_a_list_of_links_will_do():
    made = to.Problem(
        [("physical", to.Tanh(beta=1.0)), ("volume", to.Mean(GRID))], GRID, "volume", {"volume": 0.4}
    )
    assert made.initial().shape == (GRID.n_cells,)
    assert made.grid == GRID


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"minimise": "complience"}, "minimise: no 'complience' in the chain: did you mean 'compliance'?"),
        ({"minimise": "design"}, "minimise: no 'design' in the chain: valid names: "),
        ({"limits": {"volum": 0.5}}, "limits: no 'volum' in the chain: did you mean 'volume'?"),
        ({"limits": {"design": 0.5}}, "limits: no 'design' in the chain: valid names: "),
        ({"density": "fysical"}, "density: no 'fysical' in the chain: did you mean 'physical'?"),
        ({"limits": {"volume": "half"}}, "limits: 'volume': expected a number or a Limit, got 'half'"),
        ({"limits": {"volume": None}}, "limits: 'volume': expected a number or a Limit, got None"),
        ({"limits": {"volume": True}}, "limits: 'volume': expected a number or a Limit, got True"),
        ({"limits": {"volume": 1.5}}, "limits: 'volume' is a mean density: expected a value between 0 and 1"),
        ({"limits": {"volume": 0.0}}, "limits: 'volume' is a mean density: expected a value between 0 and 1"),
        ({"limits": {"weight": -1}}, "limits: 'weight' is a mean density: expected a value between 0 and 1"),
        ({"limits": {"tip": float("nan")}}, "limit: expected finite lower <= upper, at least one of them"),
        ({"start": 1.5}, "start: densities lie between 0 and 1, got 1.5 to 1.5"),
        ({"start": -0.1}, "start: densities lie between 0 and 1, got -0.1 to -0.1"),
        ({"start": np.zeros(5)}, "start: expected one value per cell, shape (12, 6) or (72,), got (5,)"),
        ({"start": float("nan")}, "start: 72 entries are nan or infinite"),
        ({"domain": (12, 6)}, "domain: expected a Domain or a Grid, got (12, 6)"),
        ({"chain": [("a", CHAIN)]}, "link 'a': expected a Stage, got"),
    ],
)
def test_what_does_not_fit_is_refused(changes, text):
    with pytest.raises(InputError, match=f"^{re.escape(text)}"):
        problem(**changes)


@pytest.mark.parametrize("given", [{}, {"upper": np.inf}, {"lower": 2.0, "upper": 1.0}, {"lower": np.nan}])
def test_a_limit_that_limits_nothing_is_refused(given):
    with pytest.raises(
        InputError, match=r"^limit: expected finite lower <= upper, at least one of them, got Limit\("
    ):
        to.Limit(**given)


def test_a_limit_on_what_is_no_density_may_have_any_size():
    chain = to.Chain([*CHAIN.links, ("modulus", to.Mean(DOMAIN), "stiffness")])
    made = problem(chain=chain, limits={"modulus": 40.0})
    assert (made.initial() == 0.5).all()


def test_a_response_that_is_no_number_is_refused_when_it_is_first_asked_for():
    made = problem(limits={"physical": 0.5})
    with pytest.raises(ChainError, match=r"'physical' has shape \(72,\); only a scalar has sensitivities"):
        made.evaluate(made.initial())


def test_a_design_of_the_wrong_length_is_refused():
    with pytest.raises(InputError, match=r"^design: expected shape \(54,\), got \(72,\)$"):
        problem().evaluate(np.zeros(72))


def test_stages_of_another_grid_are_refused():
    chain = problem().chain
    with pytest.raises(
        InputError, match=r"link 'filtered' was made for Grid\(.*the problem's domain is Grid\("
    ):
        to.Problem(chain, to.Grid((7, 5)), "compliance")
