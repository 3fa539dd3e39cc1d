"""References, gates and homotopy slopes against pullbacks written out by hand and finite differences."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

import topopt as to
from topopt.signals import signals
from topopt.vanishing import read

GRID = to.Grid((12, 6))
DOMAIN = to.Domain(GRID)
CONE = to.Cone(DOMAIN, 2.5)


@dataclass(frozen=True)
class Bowl(to.Stage):
    """A scalar that every input changes: sum of w (z - 1)**2 over all inputs."""

    seed: int = 0

    def vjp(self, *inputs):
        weights = [
            np.random.default_rng(self.seed + k).uniform(0.5, 2.0, z.shape) for k, z in enumerate(inputs)
        ]
        value = sum(float(w @ (z - 1.0) ** 2) for w, z in zip(weights, inputs, strict=True))

        def pullback(v):
            return tuple(2.0 * v * w * (z - 1.0) for w, z in zip(weights, inputs, strict=True))

        return np.asarray(value), pullback


@dataclass(frozen=True)
class Counted(to.Stage):
    """A Bowl that counts how often it is pulled back."""

    costly: ClassVar[bool] = True
    pulls: ClassVar[list[int]] = []

    def vjp(self, *inputs):
        value, pullback = Bowl().vjp(*inputs)

        def counted(v):
            self.pulls.append(1)
            return pullback(v)

        return value, counted


def read_off(chain, rng, *, constraints=("volume",), scheduled=(), cut=lambda field: field, minimise="cost"):
    tape = chain.run(rng.uniform(0.2, 0.8, GRID.n_cells))
    rows = [tape.sensitivities(name) for name in constraints]
    return tape, rows, signals(tape, tape.sensitivities(minimise), rows, scheduled, cut)


def one_projection(beta=6.0):
    return to.Chain(
        [
            ("filtered", CONE),
            ("physical", to.Tanh(beta=beta, eta=0.45)),
            ("cost", Bowl()),
            ("volume", to.Mean(DOMAIN), "physical"),
        ]
    )


def transposed(tape, name, cotangent):
    """Pull back through one link by hand."""
    return tape.chain[name].stage.vjp(*(tape[read] for read in tape.chain[name].reads))[1](cotangent)[0]


def test_the_reference_is_the_filter_alone(rng):
    tape, rows, found = read_off(one_projection(), rng)
    g, volume = found.cotangents["physical"], rows[0]["physical"]
    np.testing.assert_allclose(found.references["design"], transposed(tape, "filtered", g), rtol=1e-14)
    np.testing.assert_array_equal(found.references["filtered"], g)
    np.testing.assert_allclose(
        found.reference_constraints, [transposed(tape, "filtered", volume)], rtol=1e-14
    )
    slope = transposed(tape, "physical", np.ones(GRID.n_cells))
    np.testing.assert_allclose(
        found.cotangents["design"], transposed(tape, "filtered", slope * g), rtol=1e-12, atol=1e-15
    )
    assert list(found.cotangents) == ["design", "filtered", "physical", "cost"]


def test_a_gate_shows_what_the_log_needs(rng):
    tape, rows, found = read_off(one_projection(), rng)
    gate = found.gates["physical"]
    np.testing.assert_array_equal(gate.output, tape["physical"])
    np.testing.assert_allclose(gate.slope, transposed(tape, "physical", np.ones(GRID.n_cells)))
    np.testing.assert_array_equal(gate.objective, found.cotangents["physical"])
    np.testing.assert_array_equal(gate.constraints, rows[0]["physical"][None])
    assert list(found.gates) == ["physical"]


def test_without_a_gate_the_reference_is_the_sensitivity_itself(rng):
    chain = to.Chain([("physical", CONE), ("cost", Bowl()), ("volume", to.Mean(DOMAIN), "physical")])
    _, rows, found = read_off(chain, rng)
    assert found.gates == {}
    for name, cotangent in found.cotangents.items():
        assert found.references[name] is cotangent
    np.testing.assert_array_equal(found.reference_constraints[0], rows[0]["design"])


def test_two_projections_in_a_row_are_both_bypassed(rng):
    chain = to.Chain(
        [
            ("filtered", CONE),
            ("once", to.Tanh(beta=5.0)),
            ("again", CONE),
            ("physical", to.Tanh(beta=9.0, eta=0.4)),
            ("cost", Bowl()),
            ("volume", to.Mean(DOMAIN), "once"),
        ]
    )
    tape, rows, found = read_off(chain, rng)
    g = found.cotangents["physical"]
    expected = transposed(tape, "filtered", transposed(tape, "again", g))
    np.testing.assert_allclose(found.references["design"], expected, rtol=1e-13)
    np.testing.assert_array_equal(found.references["again"], g)
    np.testing.assert_allclose(found.references["once"], transposed(tape, "again", g), rtol=1e-14)
    # the volume reads between the two
    np.testing.assert_allclose(
        found.reference_constraints[0], transposed(tape, "filtered", rows[0]["once"]), rtol=1e-14
    )
    np.testing.assert_array_equal(found.gates["physical"].constraints, np.zeros((1, GRID.n_cells)))
    np.testing.assert_array_equal(found.gates["once"].constraints, rows[0]["once"][None])


def robust(beta=8.0):
    """Return three projections of one field: the cost reads two of them, the volume the third."""
    return to.Chain(
        [
            ("filtered", CONE),
            ("eroded", to.Tanh(beta=beta, eta=0.7), "filtered"),
            ("physical", to.Tanh(beta=beta, eta=0.5), "filtered"),
            ("dilated", to.Tanh(beta=beta, eta=0.3), "filtered"),
            ("cost", Bowl(), ("eroded", "physical")),
            ("volume", to.Mean(DOMAIN), "dilated"),
        ]
    )


def test_three_projections_of_one_field_add_up(rng):
    tape, rows, found = read_off(robust(), rng)
    g = found.cotangents["eroded"] + found.cotangents["physical"]
    np.testing.assert_allclose(found.references["filtered"], g, rtol=1e-14)
    np.testing.assert_allclose(found.references["design"], transposed(tape, "filtered", g), rtol=1e-13)
    assert list(found.gates) == ["eroded", "physical", "dilated"]
    np.testing.assert_allclose(
        found.reference_constraints[0], transposed(tape, "filtered", rows[0]["dilated"]), rtol=1e-14
    )


def test_a_gate_that_only_a_constraint_reads_is_a_gate(rng):
    _, rows, found = read_off(robust(), rng, scheduled=["dilated.beta"])
    gate = found.gates["dilated"]
    np.testing.assert_array_equal(gate.objective, np.zeros(GRID.n_cells))
    np.testing.assert_array_equal(gate.constraints[0], rows[0]["dilated"])
    assert list(gate.tilts) == ["dilated.beta"]
    assert "dilated" not in found.cotangents


def test_a_gate_that_nothing_reads_is_left_alone(rng):
    chain = to.Chain([("a", to.Tanh(beta=2.0)), ("b", to.Tanh(beta=2.0), "design"), ("cost", Bowl(), "b")])
    _, _, found = read_off(chain, rng, constraints=())
    assert list(found.gates) == ["b"]
    assert found.reference_constraints.shape == (0, GRID.n_cells)
    assert found.gates["b"].constraints.shape == (0, GRID.n_cells)


def test_the_costly_stage_is_not_pulled_back_again(rng):
    chain = to.Chain([("filtered", CONE), ("physical", to.Tanh(beta=4.0)), ("cost", Counted())])
    tape = chain.run(rng.uniform(0.2, 0.8, GRID.n_cells))
    objective = tape.sensitivities("cost")
    before = len(Counted.pulls)
    signals(tape, objective, [], ["physical.beta"], lambda field: field)
    assert len(Counted.pulls) == before


def test_passive_cells_are_cut_away(rng):
    keep = np.arange(GRID.n_cells) % 3 > 0
    tape, rows, found = read_off(
        one_projection(),
        rng,
        cut=lambda f: f[keep] if f.shape == keep.shape else f,
        scheduled=["physical.beta"],
    )
    whole = signals(tape, tape.sensitivities("cost"), rows, ["physical.beta"], lambda field: field)
    for name in ("design", "filtered", "physical"):
        np.testing.assert_array_equal(found.cotangents[name], whole.cotangents[name][keep])
        np.testing.assert_array_equal(found.references[name], whole.references[name][keep])
    np.testing.assert_array_equal(found.reference_constraints, whole.reference_constraints[:, keep])
    mine, full = found.gates["physical"], whole.gates["physical"]
    for part, field in [
        (mine.output, full.output),
        (mine.slope, full.slope),
        (mine.objective, full.objective),
        (mine.constraints[0], full.constraints[0]),
        (mine.tilts["physical.beta"], full.tilts["physical.beta"]),
    ]:
        np.testing.assert_array_equal(part, field[keep])


@pytest.mark.parametrize("beta", [0.5, 4.0, 32.0])
@pytest.mark.parametrize("parameter", ["beta", "eta"])
def test_tilts_are_derivatives_along_a_parameter(rng, beta, parameter):
    chain = one_projection(beta)
    name = f"physical.{parameter}"
    tape, _, found = read_off(chain, rng, scheduled=[name, "somebody.else"])
    step = 1e-5 * chain.parameters()[name]
    up, down = (
        chain.at({name: chain.parameters()[name] + h}).run(tape["design"])["physical"] for h in (step, -step)
    )
    expected = (up - down) / (2 * step)
    assert list(found.gates["physical"].tilts) == [name]
    np.testing.assert_allclose(found.gates["physical"].tilts[name], expected, rtol=1e-5, atol=1e-8)


def test_a_parameter_that_is_not_scheduled_has_no_tilt(rng):
    assert read_off(one_projection(), rng)[2].gates["physical"].tilts == {}


def structure(domain):
    grid = domain.grid
    right = to.Point((grid.size[0], 0.0))
    return to.Structure(
        grid,
        (to.Support(to.Plane(x=0.0)),),
        (
            to.LoadCase("down", (to.PointLoad(right, (0.0, -1.0)),)),
            to.LoadCase("pull", (to.PointLoad(right, (1.0, 0.0)),), weight=0.4),
        ),
    )


@pytest.mark.parametrize("beta", [1.0, 8.0, 32.0])
def test_the_slope_of_the_homotopy_is_that_of_the_lagrangian_with_the_state_solved_again(rng, beta):
    domain = to.Domain(GRID, solid=to.Box((0.0, 5.0), (12.0, 6.0)), void=to.Box((3.0, 0.0), (5.0, 2.0)))
    body = structure(domain)
    chain = to.Chain(
        [
            ("filtered", to.Cone(domain, 2.5)),
            ("physical", to.Tanh(beta=1.0, eta=0.4)),
            ("stiffness", to.Simp()),
            ("displacement", to.Equilibrium(body)),
            ("compliance", to.Compliance(body)),
            ("volume", to.Mean(domain), "physical"),
        ]
    )
    problem = to.Problem(chain, domain, "compliance", {"volume": 0.5})
    x, multipliers = rng.uniform(0.2, 0.8, domain.n_active), np.array([7.0])

    def lagrangian(value):
        evaluation = problem.evaluate(x, {"physical.beta": value})
        return evaluation.objective + multipliers @ evaluation.constraints

    step = 1e-4 * beta
    expected = (lagrangian(beta + step) - lagrangian(beta - step)) / (2 * step)
    evaluation = problem.evaluate(x, {"physical.beta": beta})
    total = read(x, evaluation, multipliers, problem.bounds()).total
    assert total["homotopy:physical.beta"] == pytest.approx(expected, rel=1e-5)
    assert evaluation.solves == 1


def secant(t, beta, eta):
    """Return the tanh projection's slope, written out."""
    scale = np.tanh(beta * eta) + np.tanh(beta * (1 - eta))
    return beta / np.cosh(beta * (t - eta)) ** 2 / scale


@pytest.mark.parametrize("beta", [0.5, 4.0, 40.0])
def test_the_survivors_ahead_are_those_of_the_same_sensitivity_at_a_sharper_gate(rng, beta):
    names = ["physical.beta", "physical.eta"]
    mask = rng.uniform(size=GRID.n_cells) < 0.5
    tape, _, found = read_off(
        one_projection(beta), rng, scheduled=names, cut=lambda field: field[mask] if field.size > 1 else field
    )
    t, g = tape["filtered"][mask], tape.sensitivities("cost")["physical"][mask]
    ahead = found.gates["physical"].ahead
    assert list(ahead) == ["physical.beta"]
    assert list(ahead["physical.beta"]) == [1.25, 1.6, 2.0]
    for factor, share in ahead["physical.beta"].items():
        expected = np.linalg.norm(g * secant(t, factor * beta, 0.45)) / np.linalg.norm(
            g * secant(t, beta, 0.45)
        )
        assert share == pytest.approx(expected, rel=1e-9)


def test_nothing_is_looked_at_ahead_of_what_nobody_schedules_or_what_is_a_step_or_dead(rng):
    chain = one_projection
    assert read_off(chain(), rng)[2].gates["physical"].ahead == {}
    assert read_off(chain(), rng, scheduled=["physical.eta"])[2].gates["physical"].ahead == {}
    for beta in (0.0, 1e9):
        found = read_off(chain(beta), rng, scheduled=["physical.beta"])[2]
        assert found.gates["physical"].ahead == {"physical.beta": {}}


def test_the_survivors_ahead_are_in_the_log_of_a_beam(rng):
    body = structure(DOMAIN)
    chain = to.Chain(
        [
            ("filtered", CONE),
            ("physical", to.Tanh(beta=1.0)),
            ("stiffness", to.Simp()),
            ("displacement", to.Equilibrium(body)),
            ("compliance", to.Compliance(body)),
            ("volume", to.Mean(DOMAIN), "physical"),
        ]
    )
    problem = to.Problem(chain, DOMAIN, "compliance", {"volume": 0.5})
    x = rng.uniform(0.2, 0.8, DOMAIN.n_active)
    evaluation = problem.evaluate(x, {"physical.beta": 6.0})
    total = read(x, evaluation, np.ones(1), problem.bounds()).total
    shares = [total[f"ahead:physical.beta:{factor}"] for factor in ("1.25", "1.6", "2")]
    assert evaluation.solves == 1
    t = problem.tape(x, {"physical.beta": 6.0})["filtered"]
    g = evaluation.signals.gates["physical"].objective
    for factor, share in zip((1.25, 1.6, 2.0), shares, strict=True):
        expected = np.linalg.norm(g * secant(t, factor * 6.0, 0.5)) / np.linalg.norm(g * secant(t, 6.0, 0.5))
        assert share == pytest.approx(expected, rel=1e-9)
