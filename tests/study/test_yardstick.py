"""The yardstick: exactly so many cells, passive ones kept, broken designs infinite, no schedule in sight."""

import dataclasses
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

import topopt as to
from topopt.errors import InputError, ParameterError, SingularSystemError
from topopt.study.kept import Kept, Stated, responses
from topopt.study.yardstick import Score, Threshold, blackened, floored

GRID = to.Grid((12, 6))
SOLID, VOID = to.Box((0.0, 5.0), (12.0, 6.0)), to.Box((4.0, 0.0), (8.0, 2.0))
DOMAIN = to.Domain(GRID, SOLID, VOID)
N_SOLID, N_VOID = 12, 8
TIP = to.Point((12.0, 5.0))
BODY = to.Structure(GRID, (to.Support(to.Plane(x=0.0)),), (to.PointLoad(TIP, (0.0, -1.0)),))
MODERATE = 1e-3  # a modulus of void with which the trial is computed, but never judged


def links(body=BODY, domain=DOMAIN, beta=4.0):
    return [
        ("filtered", to.Cone(domain, 1.5)),
        ("physical", to.Tanh(beta=beta)),
        ("stiffness", to.Simp(e_min=MODERATE)),
        ("displacement", to.Equilibrium(body)),
        ("compliance", to.Compliance(body)),
        ("tip", to.Displacement(body, TIP, (0.0, -1.0)), "displacement"),
        ("volume", to.Mean(domain), "physical"),
    ]


def problem(more=(), **changes):
    chain = changes.pop("chain", to.Chain([*links(), *more]))
    arguments = {"domain": DOMAIN, "minimise": "compliance", "limits": {"volume": 0.4}} | changes
    return to.Problem(chain, **arguments)


def judged(made, x, parameters=None, **changes):
    parameters = parameters or {}
    return Threshold(**changes).judge(made, x, made.evaluate(x, parameters), parameters)


def directly(solid, body=BODY):
    """Return the compliance of a 0/1 design, computed without a chain."""
    moduli = np.where(solid, 1.0, 1e-9)
    return float((to.Equilibrium(body)(moduli) * body.forces).sum())


# Exactly so many cells


@given(st.integers(N_SOLID, GRID.n_cells - N_VOID), st.integers(0, 2**32), st.integers(1, 200))
def test_the_densest_cells_become_solid(count, seed, levels):
    density = np.random.default_rng(seed).integers(0, levels + 1, GRID.n_cells) / levels
    solid = blackened(DOMAIN, density, count)
    assert solid.sum() == count
    assert solid[DOMAIN.solid_cells].all()
    assert not solid[DOMAIN.void_cells].any()
    chosen, left = solid & DOMAIN.active, ~solid & DOMAIN.active
    if chosen.any() and left.any():
        assert density[chosen].min() >= density[left].max()
    np.testing.assert_array_equal(solid, blackened(DOMAIN, density.copy(), count))


def test_of_equal_cells_those_at_an_edge_go_first():
    grid = to.Grid((9, 9))
    block = np.zeros(grid.cells)
    block[1:8, 1:8] = 1.0
    lost = blackened(to.Domain(grid), block.ravel(), 45).reshape(grid.cells)
    corners = np.zeros(grid.cells, dtype=bool)
    corners[np.ix_([1, 7], [1, 7])] = True
    np.testing.assert_array_equal(block.astype(bool) & ~lost, corners)
    gained = blackened(to.Domain(grid), block.ravel(), 53).reshape(grid.cells)
    grown = ndimage.binary_dilation(block.astype(bool))
    assert not (gained & ~grown).any()


def test_a_uniform_density_leaves_ties_to_the_number_of_the_cell():
    solid = blackened(to.Domain(GRID), np.full(GRID.n_cells, 0.3), 22)
    assert np.flatnonzero(solid).tolist() == list(range(22))


@pytest.mark.parametrize("count", [0, N_SOLID - 1, GRID.n_cells - N_VOID + 1])
def test_a_count_that_passive_cells_forbid_is_refused(count):
    text = f"{count} solid cells: 12 of the 72 cells are passive solid and 52 may become solid"
    with pytest.raises(InputError, match=f"^{re.escape(text)}; choose another volume$"):
        blackened(DOMAIN, np.full(GRID.n_cells, 0.5), count)


# What is valued


def test_the_value_is_that_of_the_design_solved_directly(rng):
    made = problem(limits={"volume": 0.7})
    x = rng.uniform(size=DOMAIN.n_active)
    density = made.tape(x)["physical"]
    # by hand: of 64 cells that are not void, 45; 12 of them are passive
    ranked = sorted(np.flatnonzero(DOMAIN.active), key=lambda cell: -density[cell])
    solid = DOMAIN.solid_cells.copy()
    solid[ranked[: 45 - N_SOLID]] = True
    assert judged(made, x) == Score(pytest.approx(directly(solid), rel=1e-9), "")
    assert judged(made, x).value != pytest.approx(made.evaluate(x).objective, rel=1e-2)


def test_a_design_that_is_black_and_white_keeps_its_value():
    domain = to.Domain(GRID)
    frame = np.zeros(GRID.cells)
    frame[:, [0, 5]] = frame[11] = frame[5] = 1.0
    chain = to.Chain([("physical", to.Tanh(beta=64.0)), *links(domain=domain)[2:]])
    made = to.Problem(chain, domain, "compliance")
    score = judged(made, frame.ravel())
    assert score.value == pytest.approx(directly(frame.ravel() > 0), rel=1e-9)
    # the density that the trial sees is the same; void is softer
    assert score.value == pytest.approx(made.evaluate(frame.ravel()).objective, rel=0.05)
    assert score.value > made.evaluate(frame.ravel()).objective


@given(st.floats(0.1, 500.0), st.floats(0.1, 500.0), st.integers(0, 2**32))
def test_beta_has_no_say(beta, other, seed):
    # the same density field under two betas: the density is what follows the projection
    made = problem(limits={})
    x = np.random.default_rng(seed).uniform(size=DOMAIN.n_active)
    evaluation = made.evaluate(x, {"physical.beta": 2.0})
    ruler = Threshold(volume=0.8)
    first = ruler.judge(made, x, evaluation, {"physical.beta": beta})
    sharper = problem(chain=to.Chain(links(beta=other)), limits={})
    assert ruler.judge(sharper, x, evaluation, {"physical.beta": other, "stiffness.penal": 1.0}) == first


def test_a_sharper_projection_of_the_same_field_is_judged_the_same(rng):
    # tanh keeps the order of the cells, so the same cells are the densest
    made = problem(limits={"volume": 0.8})
    x = rng.uniform(0.3, 0.7, DOMAIN.n_active)
    values = {judged(made, x, {"physical.beta": beta}).value for beta in (0.0, 1.0, 8.0, 32.0)}
    assert len(values) == 1
    assert math.isfinite(values.pop())


def test_a_grey_design_is_judged_too():
    made = problem(start=0.5)
    assert judged(made, made.initial(), volume=0.9).value < math.inf


@pytest.mark.parametrize(
    ("changes", "limits", "count"),
    [
        ({}, {"volume": 0.7}, 45),  # of 64
        ({"volume": 0.9}, {"volume": 0.7}, 58),
        ({}, {"volume": to.Limit(lower=0.1, upper=0.6)}, 38),
        ({}, {"volume": to.Limit(lower=0.1)}, None),
        ({}, {"tip": 1e3}, None),
        ({}, {"weight": 0.3}, None),  # limits the filtered field, not the density
        ({}, {"everywhere": 0.7}, 50),  # of all 72
    ],
)
def test_the_volume_is_the_limit_or_the_designs_own(changes, limits, count, rng):
    more = [("weight", to.Mean(DOMAIN), "filtered"), ("everywhere", to.Mean(GRID), "physical")]
    made = problem(more, limits=limits)
    x = rng.uniform(0.5, 1.0, DOMAIN.n_active)
    density = made.tape(x)["physical"]
    wanted = count or round(float(density[~DOMAIN.void_cells].sum()))
    expected = directly(blackened(DOMAIN, density, wanted))
    assert judged(made, x, **changes).value == pytest.approx(expected, rel=1e-9)


def test_a_response_may_be_named(rng):
    made = problem(limits={"volume": 0.8})
    x = rng.uniform(size=DOMAIN.n_active)
    solid = blackened(DOMAIN, made.tape(x)["physical"], round(0.8 * 64))
    tip = to.Displacement(BODY, TIP, (0.0, -1.0))(to.Equilibrium(BODY)(np.where(solid, 1.0, 1e-9)))
    assert judged(made, x, response="tip").value == pytest.approx(float(tip), rel=1e-9)
    assert judged(made, x, response="volume").value == pytest.approx(solid.sum() / 64, rel=1e-12)


def robust(**changes):
    """Return three densities of one filtered field, of which the middle one is built."""
    designs = [
        link
        for name, eta in (("eroded", 0.6), ("physical", 0.5), ("dilated", 0.4))
        for link in (
            (name, to.Tanh(beta=4.0, eta=eta), "filtered"),
            (f"{name} stiffness", to.Simp(), name),
            (f"{name} displacement", to.Equilibrium(BODY), f"{name} stiffness"),
            (f"{name} compliance", to.Compliance(BODY), f"{name} displacement"),
        )
    ]
    chain = to.Chain([("filtered", to.Cone(DOMAIN, 1.5)), *designs])
    return problem(chain=chain, **{"limits": {}, "minimise": "eroded compliance"} | changes)


def test_another_density_than_the_one_that_is_built_is_not_valued(rng):
    made = robust()
    x = rng.uniform(size=DOMAIN.n_active)
    text = "what 'physical' alone determines: 'eroded compliance' does not depend on it; name a response of"
    with pytest.raises(InputError, match=re.escape(text)):
        judged(made, x)
    solid = blackened(DOMAIN, made.tape(x)["physical"], 51)
    score = judged(made, x, response="physical compliance", volume=0.8)
    assert score.value == pytest.approx(directly(solid), rel=1e-9)


def test_of_several_objectives_those_of_the_density_are_valued(rng):
    x = rng.uniform(size=DOMAIN.n_active)
    three = robust(minimise=("eroded compliance", "physical compliance", "dilated compliance"))
    single = judged(robust(minimise="physical compliance"), x, volume=0.8)
    assert judged(three, x, volume=0.8) == single


def test_of_several_objectives_the_largest_counts(rng):
    made = problem(minimise=("volume", "compliance"), limits={"volume": 0.8})
    x = rng.uniform(size=DOMAIN.n_active)
    one, other = judged(made, x, response="compliance"), judged(made, x, response="volume")
    assert judged(made, x) == max(one, other)
    assert one != other


def test_what_also_reads_something_before_the_density_is_not_valued(rng):
    @dataclasses.dataclass(frozen=True)
    class Product(to.Stage):
        def vjp(self, *inputs):
            return inputs[0] * inputs[1], lambda v: (v * inputs[1], v * inputs[0])

    mixed = [("mixed", Product(), ("physical", "filtered")), ("both", to.Mean(DOMAIN))]
    made = problem(mixed, minimise="both")
    text = "'both': link 'mixed' also reads 'filtered', which does not come from 'physical'"
    with pytest.raises(InputError, match=re.escape(text)):
        judged(made, rng.uniform(size=DOMAIN.n_active))


# What is broken


def test_a_bridge_with_a_gap_is_infinitely_soft():
    grid = to.Grid((20, 6))
    domain = to.Domain(grid)
    body = to.Structure(
        grid,
        (to.Support(to.Plane(x=0.0)), to.Support(to.Plane(x=20.0))),
        (to.PointLoad(to.Point((10.0, 3.0)), (0.0, -1.0)),),
    )
    chain = to.Chain([("physical", to.Tanh(beta=0.0)), *links(body, domain)[2:5]])
    made = to.Problem(chain, domain, "compliance")
    bar = np.zeros(grid.cells)
    bar[:, 2:4] = 1.0
    assert math.isfinite(judged(made, bar.ravel()).value)
    bar[[4, 15]] = 0.0
    score = judged(made, bar.ravel())
    assert score.value == math.inf
    assert "hang on a body that no support holds" in score.fault
    bar[[4, 15], 0] = 1.0  # material enough, but not at the gap
    assert judged(made, bar.ravel()).value == math.inf


def test_a_load_on_void_is_broken():
    domain = to.Domain(GRID)
    bare = to.Problem(to.Chain(links(domain=domain)), domain, "compliance", {"volume": 0.2})
    score = judged(bare, np.linspace(1.0, 0.0, GRID.n_cells))  # dense at the wall, far from the load
    assert score == (math.inf, "load case 'load': 1 of 1 nodes touch only void, the first at (12, 5)")


def test_a_displacement_that_is_looked_at_must_hang_on_something():
    low = to.Displacement(BODY, to.Point((12.0, 0.0)), (0.0, -1.0))
    made = problem([("low", low, "displacement")], minimise="low", limits={"volume": 0.2})
    score = judged(made, np.linspace(1.0, 0.0, DOMAIN.n_active))
    assert score.value == math.inf
    assert score.fault == "response 'low': 1 of 1 nodes touch only void, the first at (12, 0)"


class Weary:
    """A solver that gives up."""

    def factor(self, operator):
        raise SingularSystemError("the matrix has a zero pivot")


def test_a_solver_that_gives_up_is_a_fault_and_no_crash(rng):
    made = problem()
    x = rng.uniform(size=DOMAIN.n_active)
    evaluation = made.evaluate(x)
    tired = [
        (link.name, dataclasses.replace(link.stage, solver=Weary()), link.reads)
        if isinstance(link.stage, to.Equilibrium)
        else link
        for link in made.chain
    ]
    score = Threshold().judge(problem(chain=to.Chain(tired)), x, evaluation, {})
    assert score.value == math.inf
    assert "the matrix has a zero pivot" in score.fault


# What is refused


@pytest.mark.parametrize("volume", [0.0, -0.1, 1.1, math.nan])
def test_a_volume_that_is_no_share_is_refused(volume):
    with pytest.raises(InputError, match=r"Threshold\.volume: expected a share, 0 < volume <= 1, got "):
        Threshold(volume=volume)


def test_void_must_have_some_stiffness():
    with pytest.raises(ParameterError, match=r"Threshold\.e_min: expected a value > 0, got 0"):
        Threshold(e_min=0.0)


def test_what_cannot_be_judged_is_refused(rng):
    made = problem()
    x = made.initial()
    evaluation = made.evaluate(x)
    with pytest.raises(InputError, match=r"^Threshold judges a topopt\.Problem, got object$"):
        Threshold().judge(object(), x, evaluation, {})
    with pytest.raises(InputError, match=r"^Threshold: the evaluation shows no design"):
        Threshold().judge(made, x, dataclasses.replace(evaluation, picture=None), {})
    with pytest.raises(InputError, match=r"'compliancy': no link 'compliancy': did you mean 'compliance'\?"):
        judged(made, x, response="compliancy")
    with pytest.raises(InputError, match=r"'stiffness' has shape \(72,\); only a number has a value"):
        judged(made, x, response="stiffness", volume=0.9)
    with pytest.raises(InputError, match="12 of the 72 cells are passive solid"):
        judged(made, x, volume=0.1)


def test_void_that_conducts_heat_is_a_material_and_stays():
    """At a billionth what is heated far from the conductor would melt, black and white or not."""
    grid = to.Grid((6, 4))
    links = [("conducting", to.Simp(3.0, 1e-2)), ("temperature", to.Conduction(grid, to.Plane(x=0.0)))]
    heat = to.Chain(links, "physical")
    assert floored(heat, 1e-9) is heat
    plain = to.Chain(links[:1], "physical")
    assert floored(plain, 1e-9).parameters()["conducting.e_min"] == 1e-9


def test_a_limit_that_cannot_be_computed_takes_no_other_along(rng):
    """The volume of a design on which one solver gives up is known, and each limit says why it is not."""
    made = problem(
        [
            ("tired", to.Equilibrium(BODY, solver=Weary()), "stiffness"),
            ("second", to.Compliance(BODY), "tired"),
            ("filtered volume", to.Mean(DOMAIN), "filtered"),
        ]
    )
    solid = blackened(DOMAIN, rng.uniform(size=GRID.n_cells), 40)
    found = responses(made, solid, ["second", "volume", "compliance", "filtered volume"])
    assert found["volume"] == Score(pytest.approx(solid.sum() / 64, rel=1e-12))
    assert found["compliance"] == Score(pytest.approx(directly(solid), rel=1e-9))
    assert found["second"] == Score(math.inf, "its black-and-white design is broken")
    assert found["filtered volume"] == Score(math.inf, "does not follow from the density")
    kept = Kept(Stated("second", 1.0), (0.5, None), found["second"].fault)
    assert (kept.holds, kept.verdict) == (None, "its black-and-white design is broken")
    assert kept.facts()["fault"] == kept.verdict
