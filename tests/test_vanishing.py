"""Every metric against its formula, every alarm at its condition and nowhere else."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import topopt as to
from tests.mbb import half_mbb
from topopt.evaluation import Bounds, Evaluation, Gate, Signals
from topopt.history import History, Iteration
from topopt.vanishing import ALARMS, Reading, alarms, read

ENTRIES = st.floats(-1e3, 1e3).map(lambda v: 0.0 if abs(v) < 1e-6 else v)
PAIRS = st.lists(st.tuples(ENTRIES, ENTRIES), min_size=1, max_size=12)


def box(n):
    return Bounds(np.zeros(n), np.ones(n))


def reading(s, r, *, x=None, gates=None, row=None, reference_row=None, multiplier=0.0):
    """Read a model with one constraint whose design has the sensitivity s and the reference r."""
    s, r = np.asarray(s, dtype=float), np.asarray(r, dtype=float)
    row = np.zeros(s.size) if row is None else np.asarray(row, dtype=float)
    reference_row = row if reference_row is None else np.asarray(reference_row, dtype=float)
    signals = Signals({"design": s}, gates or {}, {"design": r}, reference_row[None])
    evaluation = Evaluation(1.0, s, np.zeros(1), row[None], signals=signals)
    x = np.full(s.size, 0.5) if x is None else np.asarray(x, dtype=float)
    return read(x, evaluation, np.array([multiplier]), box(s.size))


@given(PAIRS)
def test_metrics_of_the_design_by_brute_force(pairs):
    s, r = np.array(pairs).T
    total = reading(s, r).total
    norm_s, norm_r = math.sqrt(sum(v * v for v in s)), math.sqrt(sum(v * v for v in r))
    rms = norm_r / math.sqrt(len(r))
    assert total["dead3"] == sum(abs(v) <= 1e-3 * rms * (1 - 1e-12) for v in s) / len(s)
    assert total["dead6"] == sum(abs(v) <= 1e-6 * rms * (1 - 1e-12) for v in s) / len(s)
    if norm_s and norm_r:
        assert total["attenuation"] == pytest.approx(math.log10(norm_s / norm_r), abs=1e-12)
    if norm_s:
        expected = sum(abs(v) for v in s) ** 2 / (len(s) * norm_s**2)
        assert total["participation"] == pytest.approx(expected, rel=1e-12)
        assert 1 / len(s) * (1 - 1e-12) <= total["participation"] <= 1 + 1e-12
        assert total["residual"] == pytest.approx(1.0)
    ratios = sorted(abs(a / b) for a, b in pairs if b)
    if ratios:
        middle = (ratios[(len(ratios) - 1) // 2] + ratios[len(ratios) // 2]) / 2
        assert total["typical_gain"] == pytest.approx(middle)


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-120, 1.0, 1e120, 1e200])
def test_the_size_of_the_numbers_changes_no_share(scale):
    s, r = np.array([3.0, -4.0, 1e-5]), np.array([1.0, 2.0, -2.0])
    total = reading(scale * s, scale * r).total
    reference = reading(s, r).total
    assert total == pytest.approx(reference, rel=1e-9, abs=1e-12)
    stages = reading(scale * s, r).stages["design"]
    assert stages["norm"] == pytest.approx(math.log10(5.0) + math.log10(scale), abs=1e-9)
    assert stages["attenuation"] == pytest.approx(math.log10(5.0 / 3.0) + math.log10(scale), abs=1e-9)
    assert stages["participation"] == pytest.approx(reference["participation"])


def test_all_equal_entries_take_part_alike():
    for value in (1.0, 1e-200, 5e-324, -1e250):
        total = reading(np.full(7, value), np.full(7, value)).total
        assert total["participation"] == 1.0
        assert total["dead3"] == 0.0


def test_one_entry_alone_has_its_share():
    total = reading([0.0, 0.0, 5.0, 0.0], np.ones(4)).total
    assert total["participation"] == 0.25
    assert total["dead3"] == 0.75
    assert total["typical_gain"] == 0.0


def test_a_design_without_any_sensitivity_is_dead():
    total = reading(np.zeros(3), np.ones(3)).total
    assert total["attenuation"] == -math.inf
    assert (total["participation"], total["dead3"], total["dead6"]) == (0.0, 1.0, 1.0)
    assert total["residual"] == 0.0
    assert total["latent_residual"] == pytest.approx(1.0)


def test_where_even_the_reference_has_gone_all_is_dead():
    total = reading(np.zeros(3), np.zeros(3)).total
    assert (total["attenuation"], total["dead3"], total["residual"]) == (-math.inf, 1.0, 0.0)
    assert total["latent_residual"] == 1.0  # not done, for all that is known
    assert total["participation"] == 0.0


def test_a_constraint_that_outlives_the_objective_is_no_convergence():
    total = reading(np.zeros(2), np.ones(2), row=[1.0, 0.0], multiplier=1.0).total
    assert total["residual"] == math.inf


def test_huge_numbers_overflow_nothing():
    huge = np.full(4, np.finfo(float).max)
    total = reading(huge, huge * [1.0, 1.0, 1e-300, 1e-320]).total
    assert total["participation"] == 1.0
    assert total["dead3"] == 0.0
    assert reading(huge, huge).total["dead3"] == 0.0


def test_the_dead_are_counted_against_the_reference():
    r = np.array([1.0, 1.0, 1.0, 1.0])
    total = reading([0.999e-3, 1.001e-3, 0.999e-6, 1.001e-6], r).total
    assert (total["dead3"], total["dead6"]) == (0.75, 0.25)


def test_the_residual_is_that_of_the_lagrangian_where_the_box_leaves_room():
    s, v = np.array([-3.0, -1.0, 2.0, -5.0]), np.array([1.0, 1.0, 1.0, 1.0])
    x = [0.5, 0.5, 0.0, 1.0]  # the third wants below 0, the fourth beyond 1
    total = reading(s, 2 * s, x=x, row=v, reference_row=0.5 * v, multiplier=2.0).total
    # s + 2 v = (-1, 1, 4, -3): free are the first and the second
    assert total["residual"] == pytest.approx(math.sqrt(2.0) / math.sqrt(39.0))
    # 2 s + m v / 2 = (-6, -2, 4, -10) + m / 2 is smallest on these two at m = 8: (-2, 2)
    assert total["latent_residual"] == pytest.approx(math.sqrt(8.0) / (2 * math.sqrt(39.0)))


@given(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(0.1, 5), st.sampled_from([0.0, 0.3, 1.0])), min_size=2),
    st.floats(0, 1e100),
)
def test_the_latent_residual_is_that_of_the_best_multipliers_whatever_the_optimiser_has(entries, wrong):
    r, row, x = np.array(entries).T
    r[0] = -3.0
    total = reading(r, r, x=x, row=row, multiplier=wrong).total
    tried = [
        np.linalg.norm(box(r.size).inward(x, r + multiplier * row))
        for multiplier in np.linspace(0.0, 50.0, 201)
    ]
    norm = np.linalg.norm(r)
    assert total["latent_residual"] <= min(tried) / norm + 0.02
    assert total["latent_residual"] <= 1.0 + 1e-9


@pytest.mark.parametrize(("distance", "blocked"), [(0.0, True), (1e-15, True), (9e-4, True), (2e-3, False)])
@pytest.mark.parametrize("upper", [False, True])
def test_a_variable_beside_its_bound_counts_as_on_it(distance, blocked, upper):
    bounds = Bounds(np.array([-10.0]), np.array([10.0]))
    x = np.array([10.0 - 20 * distance if upper else -10.0 + 20 * distance])
    outward = np.array([-1.0 if upper else 1.0])
    assert (bounds.inward(x, outward) == 0.0) == blocked
    assert bounds.inward(x, -outward) == -outward


def gate(output, slope, objective, constraint=None, tilts=None):
    constraint = np.zeros(len(output)) if constraint is None else constraint
    arrays = (np.array(v, dtype=float) for v in (output, slope, objective))
    return Gate(*arrays, np.array([constraint], dtype=float), tilts or {})


def test_a_gate_is_measured_by_slope_output_and_who_is_stuck_on_the_wrong_side():
    slope = [0.0, 2.0, 0.0, 0.0, 1e-4, 9e-4]
    output = [0.1, 0.2, 0.9, 0.9, 0.4, 0.6]
    # wrong are the closed that want to open (0; not 1, which lives; not 4, which the constraint holds back)
    # and the open that want to close (3 and 5)
    uphill = [-1.0, -1.0, -1.0, 1.0, -1.0, 1.0]
    constraint = [0.4, 0.0, 0.0, 0.0, 0.75, 0.0]  # times 2: the fifth is no longer wrong
    one = gate(output, slope, uphill, constraint)
    result = reading(np.ones(6), np.ones(6), gates={"physical": one}, multiplier=2.0)
    metrics = result.stages["physical"]
    assert metrics["slope_mean"] == pytest.approx(np.mean(slope))
    assert metrics["slope_max"] == 2.0
    assert metrics["slope_participation"] == pytest.approx(
        np.sum(slope) ** 2 / (6 * np.sum(np.square(slope)))
    )
    assert metrics["discreteness"] == pytest.approx(np.mean([4 * v * (1 - v) for v in output]))
    assert metrics["blocked"] == pytest.approx(3 / 6)
    assert result.total["blocked"] == metrics["blocked"]


def test_the_worst_gate_counts_and_without_gates_nothing_is_blocked():
    stuck = gate([0.0, 0.0], [0.0, 0.0], [-1.0, -1.0])
    free = gate([0.0, 0.0], [1.0, 1.0], [-1.0, -1.0])
    assert reading([1.0, 1.0], [1.0, 1.0], gates={"a": stuck, "b": free}).total["blocked"] == 1.0
    assert reading([1.0, 1.0], [1.0, 1.0]).total["blocked"] == 0.0


def test_the_homotopy_slope_is_that_of_the_lagrangian():
    one = gate([0.5, 0.5], [1.0, 1.0], [2.0, 3.0], [10.0, 0.0], {"physical.beta": np.array([1.0, -1.0])})
    total = reading([1.0, 1.0], [1.0, 1.0], gates={"physical": one}, multiplier=0.5).total
    assert total["homotopy:physical.beta"] == pytest.approx((2 + 5) - 3)


def test_gains_lie_between_neighbours():
    cotangents = {"design": np.array([0.01]), "filtered": np.array([0.1]), "physical": np.array([-100.0])}
    references = {
        "design": np.array([10.0]),
        "filtered": np.array([100.0]),
        "physical": cotangents["physical"],
    }
    signals = Signals(cotangents, {}, references, np.zeros((0, 1)))
    evaluation = Evaluation(1.0, cotangents["design"], np.zeros(0), np.zeros((0, 1)), signals=signals)
    stages = read(np.array([0.5]), evaluation, np.zeros(0), box(1)).stages
    assert list(stages) == ["design", "filtered", "physical"]
    assert [stages[name]["gain"] for name in stages] == pytest.approx([-1.0, -3.0, 0.0])
    assert [stages[name]["norm"] for name in stages] == pytest.approx([-2.0, -1.0, 2.0])
    assert [stages[name]["attenuation"] for name in stages] == pytest.approx([-3.0, -3.0, 0.0])


def test_a_model_without_signals_gives_an_empty_reading():
    evaluation = Evaluation(1.0, np.ones(2), np.zeros(0), np.zeros((0, 2)))
    assert read(np.ones(2), evaluation, np.zeros(0), box(2)) == Reading({}, {})


OPEN = {"dead3": 0.0, "participation": 1.0, "residual": 1.0, "latent_residual": 0.61}


def log(*entries):
    """Return a log of (objective, discreteness, violation, beta) each."""
    return History(
        Iteration(
            number,
            objective,
            violation=violation,
            measures={"discreteness": grey},
            parameters={"physical.beta": beta},
        )
        for number, (objective, grey, violation, beta) in enumerate(entries, start=1)
    )


SOFT, SHARP = (5.0, 0.3, 0.0, 1.0), (1.0, 0.019, 0.019, 64.0)


def ring(total=OPEN, interface=1.0, objective=1.0, history=History(), parameters=None):
    now = parameters or (history[-1].parameters if history else {})
    return alarms(Reading(total, {}), {"interface": interface}, objective, history, now)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ()),
        ({"dead3": 0.9900001}, ("freeze",)),
        ({"dead3": 0.99}, ()),
        ({"dead3": 0.81, "participation": 0.049}, ("concentration",)),
        ({"dead3": 0.8, "participation": 0.049}, ()),
        ({"dead3": 0.81, "participation": 0.05}, ()),
        ({"dead3": 0.81, "participation": 0.0}, ()),
        ({"dead3": 0.995, "participation": 0.01}, ("freeze", "concentration")),
        ({"residual": 0.049}, ("masked",)),
        ({"residual": 0.05}, ()),
    ],
)
def test_alarms_of_the_chain_ring_exactly_at_their_condition_and_only_if_there_is_more_to_do(
    change, expected
):
    assert ring(OPEN | change) == expected
    assert ring(OPEN | change | {"latent_residual": 0.6}) == ()


@pytest.mark.parametrize(
    ("latent", "dead", "rings"), [(0.901, 0.601, True), (0.901, 0.6, False), (0.9, 0.79, False)]
)
def test_a_design_that_is_far_from_done_is_concentrated_with_fewer_dead(latent, dead, rings):
    total = OPEN | {"latent_residual": latent, "dead3": dead, "participation": 0.049}
    assert ring(total) == (("concentration",) if rings else ())


@pytest.mark.parametrize(
    ("condition", "rings"),
    [
        ({"objective": 1.31, "history": log(SOFT, SHARP)}, True),
        ({"objective": 1.30, "history": log(SOFT, SHARP)}, False),
        ({"objective": 1.31, "history": log(SOFT, *[SHARP] * 9)}, True),
        ({"objective": 1.31, "history": log(SOFT, *[SHARP] * 10)}, True),  # without a change as well
        ({"objective": 1.31, "history": log(SHARP, *[(1.4, 0.3, 0.0, 64.0)] * 9)}, True),
        ({"objective": 1.31, "history": log(SHARP, *[(1.4, 0.3, 0.0, 64.0)] * 10)}, False),  # too long ago
        ({"objective": 1.31, "history": log(SHARP)}, True),
        ({"objective": None, "history": log(SHARP)}, False),  # refused
        ({"objective": 1.31, "history": log((1.0, 0.02, 0.0, 64.0))}, False),  # too grey
        ({"objective": 1.31, "history": log((1.0, 0.0, 0.03, 64.0))}, False),  # too heavy
        ({"objective": -0.69, "history": log((-1.0, 0.0, 0.0, 1.0))}, True),
        ({"objective": -0.71, "history": log((-1.0, 0.0, 0.0, 1.0))}, False),
        ({"objective": 1e9}, False),
        ({"objective": 9.0, "history": log(SOFT, SHARP), "parameters": {"physical.beta": 1.0}}, False),
        ({"objective": 9.0, "history": log(SOFT, SHARP), "parameters": {"physical.beta": 2.0}}, True),
        ({"objective": 9.0, "history": log(SOFT, SHARP, SOFT)}, False),  # in the round that began then
        ({"objective": 9.0, "history": log(SOFT, SHARP, SOFT, SHARP)}, True),
    ],
)
def test_the_blow_up_alarm_rings_exactly_at_its_condition(condition, rings):
    assert ring(**condition) == (("blow-up",) if rings else ())


@pytest.mark.parametrize(
    ("width", "rings"), [(0.0629, True), (0.0631, False), (0.07, False), (math.inf, False), (0.0, True)]
)
def test_the_interface_alarm_rings_a_little_below_where_a_guard_stands(width, rings):
    assert ring(interface=width) == (("unresolved",) if rings else ())


def test_without_a_reading_and_measures_nothing_rings():
    assert alarms(Reading({}, {}), {}, 1.0, History(), {}) == ()


def test_every_alarm_has_a_meaning():
    assert set(ALARMS) == {"freeze", "concentration", "blow-up", "masked", "unresolved"}


def run(problem, schedule, iterations):
    steps = to.optimize(
        problem,
        continuation=to.Continuation({"physical.beta": schedule}),
        stop=to.Stop(change=0.0, iterations=iterations),
    )
    return [step.iteration for step in steps]


@pytest.mark.parametrize("beta", [64.0, 512.0])
@pytest.mark.parametrize(("nx", "ny", "volume"), [(60, 20, 0.5), (60, 20, 0.3), (90, 30, 0.5)])
def test_an_abrupt_start_rings_within_ten_iterations(beta, nx, ny, volume):
    iterations = run(half_mbb(nx, ny, volume, 0.04 * nx), to.Constant(beta), 10)
    assert any({"freeze", "concentration"} & set(it.alarms) for it in iterations)


@pytest.mark.parametrize("beta", [64.0, 512.0])
def test_an_abrupt_start_below_the_threshold_freezes_at_once(beta):
    first = run(half_mbb(60, 20, 0.3, 2.4), to.Constant(beta), 1)[0]
    assert "freeze" in first.alarms
    assert first.vanishing["attenuation"] < -5.0
    if beta == 64.0:  # at 512 the density is so small that SIMP, too, sees no way up
        assert first.vanishing["blocked"] > 0.2


def test_doubling_does_not_freeze():
    iterations = run(half_mbb(60, 20, 0.5, 2.4), to.Staircase(1.0, 64.0, every=8), 60)
    assert iterations[-1].parameters["physical.beta"] == 64.0
    assert not {alarm for it in iterations for alarm in it.alarms} - {"unresolved"}
    assert max(it.vanishing["blocked"] for it in iterations) < 0.15
    assert iterations[-1].objective < iterations[0].objective / 3
