"""Mechanics on a mesh: equal to that of the grid on the same cells, and exact for constant strains on any."""

import itertools

import numpy as np
import pytest

from tests.meshed import SHAKEN, boxes, simplices
from topopt.errors import InputError, SingularSystemError
from topopt.fem import (
    BodyLoad,
    LineLoad,
    Material,
    PointLoad,
    StiffnessOperator,
    Structure,
    Support,
    SurfaceLoad,
)
from topopt.fem.material import elasticity
from topopt.grid import Domain, Grid
from topopt.meshes import Mesh
from topopt.regions import Ball, Box, Everywhere, Plane, Point
from topopt.solvers import SuperLU, choose
from topopt.stages import (
    Compliance,
    Conduction,
    DynamicCompliance,
    Equilibrium,
    Frequencies,
    Helmholtz,
    Mean,
    MeanTemperature,
    SelfWeight,
    Simp,
    ThermalLoad,
    VonMises,
)

GRIDS = [Grid((6, 4), (3.0, 1.0)), Grid((3, 2, 2), (3.0, 1.0, 1.5))]


def beams(grid, cells, load=None, material=None):
    down = (0.0, -1.0, 0.0)[: grid.ndim]
    load = load or PointLoad(Plane(x=3.0), down)
    springs = Support(Plane(x=3.0), "y", spring=0.3)
    return Structure(cells, (Support(Plane(x=0.0)), springs), (load,), material or Material())


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("plane", ["stress", "strain"])
def test_boxes_give_the_numbers_of_the_grid(grid, plane):
    material = Material(2.0, 0.3, plane, 0.5) if grid.ndim == 2 else Material(2.0, 0.3)
    density = np.random.default_rng(0).uniform(0.1, 1.0, grid.n_cells)
    numbers = []
    for cells in (grid, boxes(grid)):
        structure, domain = (
            beams(grid, cells, material=material),
            Domain(cells, solid=Box((0,) * grid.ndim, (0.6,) * grid.ndim)),
        )
        physical = Helmholtz(domain, 2.1)(density)
        moduli = Simp(penal=3.0)(physical)
        displacements = Equilibrium(structure)(moduli)
        compliance = Compliance(structure)(displacements)
        stress = VonMises(structure)(displacements, physical)
        weight = SelfWeight(structure, (0.0, -1.0, 0.0)[: grid.ndim])(physical)
        swings = Frequencies(structure, 2, density=1.5, attached=0.1)(moduli, physical)
        shaken = DynamicCompliance(structure, 0.1)(moduli, physical)
        fluid = {"cooled": Plane(x=3.0), "film": 0.3}
        heated = Conduction(domain, sink=Plane(x=0.0), **fluid, conductivity=2.0)(moduli)
        warmth = [heated, MeanTemperature(domain, Plane(x=1.0))(heated)]
        warmth += [ThermalLoad(structure, 0.5)(heated, moduli)]
        responses = [swings, shaken, compliance, Mean(domain)(physical)]
        numbers.append([*responses, *warmth, stress, displacements, physical, weight])
    for of_grid, of_mesh in zip(*numbers, strict=True):
        assert np.abs(of_mesh - of_grid).max() < 1e-10 * np.abs(of_grid).max()


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("kind", [PointLoad, LineLoad, SurfaceLoad, BodyLoad])
@pytest.mark.parametrize("made", [boxes, simplices])
def test_loads_add_up_and_on_boxes_are_the_grids(grid, kind, made):
    on = (
        Everywhere()
        if kind is BodyLoad
        else Plane(x=3.0, y=1.0)
        if kind is LineLoad and grid.ndim == 3
        else Plane(x=3.0)
    )
    load = kind(on, (0.5, -1.0, 2.0)[: grid.ndim])
    found, expected = (load.nodal_forces(cells, 0.5) for cells in (made(grid), grid))
    assert found.sum(axis=0) == pytest.approx(expected.sum(axis=0))
    if made is boxes:
        assert np.abs(found - expected).max() < 1e-14


@pytest.mark.parametrize("kind", SHAKEN)
@pytest.mark.parametrize("plane", ["stress", "strain"])
def test_interior_nodes_follow_every_constant_strain(kind, plane):
    """The patch test."""
    mesh = SHAKEN[kind]
    material = Material(3.0, 0.35, plane) if mesh.ndim == 2 else Material(3.0, 0.35)
    sides = [
        Plane(**{axis: end})
        for axis, length in zip(mesh.axes, mesh.size, strict=True)
        for end in (0.0, length)
    ]
    push = PointLoad(Everywhere(), (1.0,) * mesh.ndim)
    structure = Structure(mesh, tuple(Support(side) for side in sides), (push,), material)
    loose = Structure(mesh, (Support(Point((0.0,) * mesh.ndim), spring=1e-300),), (push,), material)
    factor = SuperLU().factor(StiffnessOperator(structure, np.ones(mesh.n_cells)))
    whole = StiffnessOperator(loose, np.ones(mesh.n_cells))
    assert len(structure.free) == mesh.ndim * (mesh.n_nodes - len(np.unique(mesh.boundary))) > 0
    for i, j in itertools.product(range(mesh.ndim), repeat=2):
        gradient = np.zeros((mesh.ndim, mesh.ndim))
        gradient[i, j] = 1.0
        exact = (mesh.nodes @ gradient.T).ravel()
        boundary = exact.copy()
        boundary[structure.free] = 0.0
        found = boundary + factor.solve(-whole.apply(boundary)[:, None])[:, 0]
        assert np.abs(found - exact).max() < 1e-11 * np.abs(exact).max()


@pytest.mark.parametrize("kind", SHAKEN)
def test_a_pulled_bar_strains_uniformly_and_bears_the_traction(kind):
    mesh = SHAKEN[kind]
    supports = tuple(Support(Plane(**{axis: 0.0}), axis) for axis in mesh.axes)
    pull = SurfaceLoad(Plane(x=mesh.size[0]), (3.0,) + (0.0,) * (mesh.ndim - 1))
    structure = Structure(mesh, supports, (pull,), Material(2.0, 0.3))
    u = Equilibrium(structure)(np.ones(mesh.n_cells))
    stress = np.zeros(len(elasticity(structure.material, mesh.ndim)))
    stress[0] = 3.0
    strain = np.linalg.solve(elasticity(structure.material, mesh.ndim), stress)
    exact = mesh.nodes * strain[: mesh.ndim]
    assert np.abs(u.reshape(-1, mesh.ndim) - exact).max() < 1e-11 * np.abs(exact).max()
    assert np.allclose(VonMises(structure)(u, np.ones(mesh.n_cells)), 3.0, rtol=1e-10)


@pytest.mark.parametrize("kind", SHAKEN)
def test_heat_flows_evenly_through_uneven_cells(kind):
    """The patch test of conduction, and what is made is taken away."""
    mesh = SHAKEN[kind]
    rod = Conduction(mesh, sink=Plane(x=0.0), conductivity=5.0)
    flows = StiffnessOperator(rod.body, np.ones(mesh.n_cells)).apply(mesh.points[:, 0])
    end = np.isclose(mesh.points[:, 0], 2.0)
    assert np.abs(flows[~end]).max() < 1e-12
    assert flows.sum() == pytest.approx(5.0 * np.prod(mesh.size[1:]))
    source = Box((0.0,) * mesh.ndim, (0.8,) * mesh.ndim)
    cooled = Conduction(mesh, cooled=Plane(x=2.0), film=1.5, source=source, power=3.0)
    temperatures = cooled(np.linspace(0.2, 1.0, mesh.n_cells))
    assert cooled.body.springs @ temperatures[:, 0] == pytest.approx(3.0)


@pytest.mark.parametrize("kind", SHAKEN)
def test_even_warmth_strains_what_is_free_without_stress(kind):
    mesh = SHAKEN[kind]
    sides = tuple(Support(Plane(**{axis: 0.0}), axis) for axis in mesh.axes)
    bar = Structure(mesh, sides, (PointLoad(Plane(x=2.0), (1.0, 0.0, 0.0)[: mesh.ndim]),))
    moduli = np.linspace(0.2, 1.0, mesh.n_cells)
    pushes = ThermalLoad(bar, expansion=0.01)(np.full((mesh.n_nodes, 1), 4.0), moduli)
    moved = Equilibrium(bar)(moduli, pushes - bar.forces)
    assert np.abs(moved.reshape(-1, mesh.ndim) - 0.04 * mesh.points).max() < 1e-12


def test_finer_triangles_come_nearer_to_the_same_compliance():
    """Linear elements are too stiff, by an error of order h**2 but for the corners: against fine squares."""

    def compliance(cells):
        load = SurfaceLoad(Plane(x=3.0), (0.0, -1.0))
        structure = Structure(cells, (Support(Plane(x=0.0)),), (load,))
        return float(Compliance(structure)(Equilibrium(structure)(np.ones(cells.n_cells))))

    exact = compliance(Grid((192, 64), (3.0, 1.0)))
    errors = np.array([1 - compliance(simplices(Grid((3 * n, n), (3.0, 1.0)))) / exact for n in (4, 8, 16)])
    rates = np.log2(errors[:-1] / errors[1:])
    assert errors.min() > 0
    assert rates.min() > 1.4, (errors, rates)


@pytest.mark.parametrize("kind", SHAKEN)
def test_the_filter_keeps_constants_the_volume_and_passive_parts(kind):
    mesh = SHAKEN[kind]
    radius = (1.5 if mesh.kind.constant else 2.0) * float(mesh.spacing.max())
    whole = Helmholtz(Domain(mesh), radius)
    assert np.allclose(whole(np.full(mesh.n_cells, 0.3)), 0.3, rtol=1e-12)
    design = np.random.default_rng(1).uniform(0.0, 1.0, mesh.n_cells)
    filtered = whole(design)
    assert mesh.volumes @ filtered == pytest.approx(mesh.volumes @ design, rel=1e-12)
    assert -0.01 <= filtered.min() < filtered.max() <= 1.01
    passive = Domain(
        mesh, void=Ball((0.0,) * mesh.ndim, 0.6), solid=Box((1.5,) + (0.0,) * (mesh.ndim - 1), mesh.size)
    )
    assert 0 < passive.n_active < mesh.n_cells
    out = Helmholtz(passive, whole.radius)(design)
    assert set(out[passive.void_cells]) <= {0.0}
    assert set(out[passive.solid_cells]) <= {1.0}
    assert np.allclose(Helmholtz(passive, whole.radius)(np.ones(mesh.n_cells))[passive.active], 1.0)


def test_pieces_that_nothing_holds_are_named():
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    mesh = Mesh(np.concatenate([square, square + np.array([3.0, 0.0])]), [[0, 1, 2, 3], [4, 5, 6, 7]])
    structure = Structure(mesh, (Support(Plane(x=0.0)),), (PointLoad(Plane(x=1.0), (0.0, -1.0)),))
    with pytest.raises(
        SingularSystemError, match=r"nothing stops the body of 1 cells between \(3, 0\) and \(4, 1\)"
    ):
        Equilibrium(structure)(np.ones(2))


def test_multigrid_is_refused_with_what_does():
    mesh = SHAKEN["triangles"]
    structure = Structure(mesh, (Support(Plane(x=0.0)),), (PointLoad(Plane(x=2.0), (0.0, -1.0)),))
    with pytest.raises(
        InputError, match=r"multigrid needs a grid of equal cells.*take 'cholmod' or 'superlu'"
    ):
        choose(structure, "multigrid")
    assert "multigrid" not in choose(structure).reason


def test_a_region_that_picks_nothing_says_where_the_mesh_lies():
    mesh = SHAKEN["triangles"]
    with pytest.raises(
        InputError, match=r"the nearest node is at \(2, 1\); the mesh spans \(0, 0\) to \(2, 1\)"
    ):
        Structure(mesh, (Support(Point((9.0, 9.0))),), (PointLoad(Plane(x=2.0), (0.0, -1.0)),))
