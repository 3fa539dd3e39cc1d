"""Stress, swing, buckling, warmth and worst loads are what books say of bars, beams and columns."""

from __future__ import annotations

import numpy as np
import pytest

from topopt.errors import InputError
from topopt.fem import LineLoad, LoadCase, Material, PointLoad, Structure, Support, SurfaceLoad
from topopt.grid import Domain, Grid
from topopt.regions import Box, Everywhere, Plane, Point
from topopt.stages import (
    BucklingFactors,
    Cast,
    Compliance,
    DynamicCompliance,
    Equilibrium,
    Extreme,
    Frequencies,
    Masses,
    OrderedSimp,
    OrderedTanh,
    PowerNorm,
    Rotated,
    Simp,
    SoftMaximum,
    ThermalLoad,
    VonMises,
    WorstDirection,
)

POISSON_FREE = Material(poisson=0.0)


def pulled(ndim: int, plane: str = "stress") -> Structure:
    """Return a bar that is pulled along x by a stress of 1 and may contract freely."""
    cells = (6, 3, 3)[:ndim]
    grid = Grid(cells)
    rest = [Support(Plane(**{axis: 0.0}), axis) for axis in "yz"[: ndim - 1]]
    material = Material(plane=plane) if ndim == 2 else Material()
    spread = LineLoad if ndim == 2 else SurfaceLoad
    load = spread(Plane(x=6.0), (1.0, 0.0, 0.0)[:ndim])
    return Structure(grid, (Support(Plane(x=0.0), "x"), *rest), (load,), material)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_bar_in_tension_has_the_stress_of_its_load(ndim: int) -> None:
    bar = pulled(ndim)
    moduli = np.ones(bar.grid.n_cells)
    stress = VonMises(bar)(Equilibrium(bar)(moduli), moduli)
    np.testing.assert_allclose(stress, 1.0, rtol=1e-10)


def test_in_plane_strain_the_stress_across_the_plane_counts() -> None:
    """sxx = 1, szz = nu: the square of von Mises' stress is 1 - nu + nu**2."""
    bar = pulled(2, "strain")
    moduli = np.ones(bar.grid.n_cells)
    stress = VonMises(bar)(Equilibrium(bar)(moduli), moduli)
    np.testing.assert_allclose(stress, np.sqrt(1 - 0.3 + 0.09), rtol=1e-10)


def test_relaxed_stress_vanishes_in_void_and_is_not_looked_at_where_told() -> None:
    bar = pulled(2)
    stage = VonMises(bar, 0.5, Box((4.0, 0.0), (6.0, 3.0)))
    u = Equilibrium(bar)(np.ones(18))
    stress = stage(u, np.full(18, 0.25)).reshape(6, 3)
    np.testing.assert_allclose(stress[:4], 0.5)
    assert not stress[4:].any()
    assert not stage(u, np.zeros(18)).any()
    with pytest.raises(InputError, match="holds every cell"):
        VonMises(bar, apart_from=Everywhere())


def test_norms_bracket_the_extremes_and_tighten(rng: np.random.Generator) -> None:
    v = rng.uniform(0.5, 2.0, 50)
    above = [float(PowerNorm(p)(v)) for p in (4.0, 16.0, 256.0)]
    below = [float(PowerNorm(p)(v)) for p in (-4.0, -16.0, -256.0)]
    soft = [float(SoftMaximum(p)(v)) for p in (4.0, 64.0, 4096.0)]
    largest, smallest = float(Extreme()(v)), float(Extreme("smallest")(v))
    assert (largest, smallest) == (v.max(), v.min())
    assert above == sorted(above, reverse=True)
    assert above[-1] == pytest.approx(largest, rel=0.02)
    assert min(above) >= largest
    assert below == sorted(below)
    assert below[-1] == pytest.approx(smallest, rel=0.02)
    assert max(below) <= smallest
    assert soft == sorted(soft)
    assert soft[-1] == pytest.approx(largest, rel=0.02)
    assert PowerNorm(1e4)(v) == pytest.approx(largest, rel=1e-3)  # no overflow
    for power in (0.0, 0.5, -0.5, np.inf):
        with pytest.raises(InputError, match=r"PowerNorm\.power: expected >= 1 or <= -1"):
            PowerNorm(power)


def slender(length: int = 60, height: int = 3) -> Structure:
    """Return a slender cantilever, pressed at its tip; cells are short: long ones bend stiffly."""
    grid = Grid((3 * length, height), (length, height))
    tip = PointLoad(Point((float(length), height / 2)), (-1.0, 0.0))
    return Structure(grid, (Support(Plane(x=0.0)),), (tip,), POISSON_FREE)


def test_a_cantilever_swings_as_euler_and_bernoulli_say() -> None:
    """omega_k = b_k**2 sqrt(EI / (rho A)) / L**2 with cos b cosh b = -1; shear slows the higher one."""
    beam = slender(120, 4)
    ones = np.ones(beam.grid.n_cells)
    found = np.sqrt(Frequencies(beam, 2, density=2.0)(ones, ones))
    unit = np.sqrt(4.0**2 / 12 / 2.0) / 120.0**2
    assert found[0] == pytest.approx(1.8751041**2 * unit, rel=0.01)
    assert found[1] == pytest.approx(4.6940911**2 * unit, rel=0.03)


def test_a_heavy_end_makes_a_light_beam_a_spring() -> None:
    """omega**2 = 3 EI / (m L**3) for a tip mass far above that of the beam."""
    grid = Grid((180, 3), (60.0, 3.0))
    beam = Structure(grid, (Support(Plane(x=0.0)),), (LineLoad(Plane(x=60.0), (0.0, -1.0)),), POISSON_FREE)
    ones = np.ones(grid.n_cells)
    found = Frequencies(beam, 1, attached=1e5)(ones, ones)
    assert found[0] == pytest.approx(3 * 27 / 12 / 1e5 / 60.0**3, rel=0.02)


def test_near_void_swings_by_itself_unless_its_mass_is_taken_away() -> None:
    """A stiff arm with a patch of .01 beside it: by SIMP and plain mass the patch is the slowest."""
    grid = Grid((24, 12))
    plate = Structure(grid, (Support(Plane(x=0.0)),), (PointLoad(Point((24.0, 0.0)), (0.0, -1.0)),))
    rho = np.where(grid.cells_in(Box((0.0, 0.0), (24.0, 4.0))), 1.0, 0.02)
    moduli = Simp(3.0, 1e-9)(rho)
    plain = Frequencies(plate, 1)(moduli, rho)[0]
    alone = Frequencies(plate, 1)(moduli, np.where(rho == 1.0, 1.0, 1e-9))[0]
    healed = Frequencies(plate, 1)(moduli, Masses()(rho))[0]
    assert plain < 0.2 * alone
    assert healed == pytest.approx(alone, rel=1e-3)


def test_equal_frequencies_have_a_derivative_together(rng: np.random.Generator) -> None:
    """A square plate held all around swings along x and along y alike; the norm of both is smooth."""
    grid = Grid((8, 8))
    rim = ~Box((0.5, 0.5), (7.5, 7.5))
    plate = Structure(grid, (Support(rim),), (PointLoad(Point((4.0, 4.0)), (1.0, 0.0)),))
    masses = np.ones(64)
    values = Frequencies(plate, 6)(np.ones(64), masses)
    assert values[1] == pytest.approx(values[0], rel=1e-9)

    def lowest(moduli: np.ndarray) -> tuple[float, np.ndarray]:
        value, pullback = Frequencies(plate, 6).vjp(moduli, masses)
        norm, back = PowerNorm(-8.0).vjp(value)
        return float(norm), pullback(back(np.ones(()))[0])[0]

    start, direction = np.ones(64), rng.normal(size=64)
    value, slope = lowest(start)
    rests = [
        abs(lowest(start + h * direction)[0] - value - h * float(slope @ direction)) for h in (1e-3, 5e-4)
    ]
    assert rests[1] < 0.3 * rests[0]


def test_a_column_buckles_as_euler_says() -> None:
    """P = pi**2 EI / (4 L**2); mu of a unit load is 1 / P."""
    column = slender(60, 3)
    ones = np.ones(column.grid.n_cells)
    u = Equilibrium(column)(ones)
    found = BucklingFactors(column, 2)(ones, ones, u)
    assert 1 / found[0] == pytest.approx(np.pi**2 * 27 / 12 / (4 * 60.0**2), rel=0.01)
    assert found[0] / found[1] == pytest.approx(9.0, rel=0.05)
    # twice the load, twice the factor
    assert BucklingFactors(column, 1)(ones, ones, 2 * u)[0] == pytest.approx(2 * found[0], rel=1e-8)


def test_more_modes_than_there_are_and_cases_that_are_not_there_are_refused() -> None:
    tiny = slender(1, 1)
    ones = np.ones(3)
    with pytest.raises(InputError, match=r"Frequencies\.count: 20 of 12 free unknowns"):
        Frequencies(tiny, 20)(ones, ones)
    with pytest.raises(InputError, match=r"BucklingFactors\.case: 1, but the structure has 1"):
        BucklingFactors(tiny, case=1)


def test_a_swing_at_no_frequency_is_the_static_one_and_a_resonance_is_high() -> None:
    beam = Structure(Grid((20, 4)), (Support(Plane(x=0.0)),), (PointLoad(Point((20.0, 2.0)), (0.0, -1.0)),))
    ones = np.ones(80)
    static = float(Compliance(beam)(Equilibrium(beam)(ones)))
    assert DynamicCompliance(beam, 0.0, 0.0)(ones, ones) == pytest.approx(static, rel=1e-10)
    first = float(np.sqrt(Frequencies(beam, 1)(ones, ones)[0]))
    peak = DynamicCompliance(beam, first, 0.02)(ones, ones)
    assert peak == pytest.approx(static / 0.02, rel=0.05)  # one mode, damped by its loss factor
    assert DynamicCompliance(beam, 0.5 * first, 0.02)(ones, ones) < 0.05 * peak


def test_the_worst_direction_is_the_worst_of_all() -> None:
    tip = Point((20.0, 4.0))
    cases = (LoadCase("x", (PointLoad(tip, (1.0, 0.0)),)), LoadCase("y", (PointLoad(tip, (0.0, 1.0)),)))
    beam = Structure(Grid((20, 8)), (Support(Plane(x=0.0)),), cases)
    u = Equilibrium(beam)(np.ones(160))
    worst = float(WorstDirection(beam, power=200.0)(u))
    flexibility = beam.forces.T @ u
    angles = np.linspace(0, np.pi, 1001)
    each = [np.array([np.cos(a), np.sin(a)]) @ flexibility @ [np.cos(a), np.sin(a)] for a in angles]
    assert worst == pytest.approx(max(each), rel=1e-5)
    assert WorstDirection(beam, ("x",))(u) == pytest.approx(flexibility[0, 0])
    assert Compliance(beam, "x")(u) == pytest.approx(flexibility[0, 0])
    for make in (lambda: WorstDirection(beam, ("z",)), lambda: Compliance(beam, "z")):
        with pytest.raises(InputError, match=r"no load case 'z'"):
            make()


def test_a_warm_bar_grows_and_has_no_stress_but_pushes_where_it_may_not() -> None:
    free = pulled(2)
    ones, warm = np.ones(18), np.full((free.grid.n_nodes, 1), 2.0)
    u = Equilibrium(free)(ones, ThermalLoad(free, 0.01)(warm, ones) - free.forces).reshape(-1, 2)
    nodes = free.grid.nodes_in(Plane(x=6.0))
    np.testing.assert_allclose(u[nodes, 0], 6 * 0.01 * 2.0, rtol=1e-10)
    held = Structure(
        Grid((6, 3)),
        (Support(Plane(x=0.0), "x"), Support(Plane(x=6.0), "x"), Support(Plane(y=0.0), "y")),
        (PointLoad(Point((3.0, 3.0)), (0.0, 1e-9)),),
    )
    u = Equilibrium(held)(ones, ThermalLoad(held, 0.01)(warm, ones))
    moved = u.reshape(-1, 2)
    assert np.abs(moved[:, 0]).max() < 1e-8
    top = held.grid.nodes_in(Plane(y=3.0))
    np.testing.assert_allclose(moved[top, 1], 3 * 0.01 * 2.0 * 1.3, rtol=1e-6)  # all of it goes up: 1 + nu


def test_materials_in_between_are_worth_less_than_their_weight() -> None:
    law = OrderedSimp(densities=(0.4, 0.7, 1.0), moduli=(0.2, 0.6, 1.0), penal=3.0)
    np.testing.assert_allclose(law(np.array([0.4, 0.7, 1.0])), [0.2, 0.6, 1.0])
    between = np.linspace(0.41, 0.69, 9)
    assert (law(between) < np.interp(between, [0.4, 0.7], [0.2, 0.6])).all()
    straight = OrderedSimp(densities=(0.4, 0.7, 1.0), moduli=(0.2, 0.6, 1.0), penal=1.0)
    np.testing.assert_allclose(straight(between), np.interp(between, [0.4, 0.7], [0.2, 0.6]))
    for fields in ({"densities": (0.5,)}, {"moduli": (0.5, 0.2)}, {"densities": (0.2, 0.5, 1.0)}):
        with pytest.raises(InputError, match="OrderedSimp"):
            OrderedSimp(**fields)


def test_a_step_leads_to_each_material_and_the_steps_join_with_one_slope() -> None:
    densities = np.array([0.0, 0.3, 0.5, 1.0])
    for beta in (0.0, 3.0, 40.0, np.inf):
        np.testing.assert_allclose(OrderedTanh((0.3, 0.5, 1.0), beta)(densities), densities, atol=1e-15)
    sharp = OrderedTanh((0.3, 0.5, 1.0), np.inf)(np.array([0.1, 0.2, 0.39, 0.41, 0.7, 0.8]))
    assert sharp.tolist() == [0.0, 0.3, 0.3, 0.5, 0.5, 1.0]
    _, pullback = OrderedTanh((0.3, 1.0), 5.0).vjp(np.array([0.3 - 1e-9, 0.3 + 1e-9]))
    below, above = pullback(np.ones(2))[0]
    assert below == pytest.approx(above, rel=1e-6)
    np.testing.assert_allclose(OrderedTanh((0.4, 1.0), 7.0)(np.array([0.2, 0.7])), [0.2, 0.7])
    for values in ((0.5,), (0.5, 0.4, 1.0), ()):
        with pytest.raises(InputError, match=r"OrderedTanh\.densities: expected numbers that ascend"):
            OrderedTanh(values, 1.0)


def test_a_cast_part_leaves_its_mould() -> None:
    grid = Grid((5, 8))
    rng = np.random.default_rng(0)
    blueprint = (rng.random(40) > 0.7).astype(float)
    cast = grid.shaped(Cast(Domain(grid), "+y", smooth=1e-8)(blueprint))
    assert (np.diff(cast, axis=1) <= 1e-3).all()
    assert (cast >= grid.shaped(blueprint) - 1e-3).all()
    np.testing.assert_allclose(
        cast, np.maximum.accumulate(grid.shaped(blueprint)[:, ::-1], 1)[:, ::-1], atol=1e-3
    )
    with pytest.raises(InputError, match=r"Cast\.drawn: '\+z' is no direction"):
        Cast(Domain(grid), "+z")


def test_casting_loses_no_more_than_stated_however_many_layers() -> None:
    """One solid cell behind 199 void ones: every layer rounds the maximum off, and the losses add up."""
    grid = Grid((2, 200))
    stage = Cast(Domain(grid))
    bound = np.sqrt(stage.smooth) / 2
    blueprint = np.zeros((2, 200))
    blueprint[0, -1] = 1.0
    blueprint[1, ::7] = 0.5
    cast = grid.shaped(stage(blueprint.ravel()))
    lost = np.maximum.accumulate(blueprint[:, ::-1], 1)[:, ::-1] - cast
    assert lost.min() >= -1e-12
    assert lost.max() <= bound
    assert (cast[:, 1:] - np.minimum.accumulate(cast, 1)[:, :-1]).max() <= bound
    np.testing.assert_allclose(stage(np.full(400, 0.4)), 0.4, atol=1e-12)  # equally dense, nothing is lost


def test_turned_parts_look_the_same_from_four_sides(rng: np.random.Generator) -> None:
    field = rng.random(36)
    turned = Grid((6, 6)).shaped(Rotated(Grid((6, 6)))(field))
    np.testing.assert_allclose(np.rot90(turned), turned)
    assert turned.mean() == pytest.approx(field.mean())
    with pytest.raises(InputError, match="does not map 6 x 4 cells"):
        Rotated(Grid((6, 4)))
    with pytest.raises(InputError, match="expected 2 or 4 images, got 3"):
        Rotated(Grid((6, 6)), order=3)
