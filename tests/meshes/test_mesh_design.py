"""A design on a mesh: stages pass their tests there, and what needs a grid says what to take instead."""

import numpy as np
import pytest

from tests.meshed import SHAKEN, boxes, shaken, simplices
from topopt import check
from topopt.continuation import Continuation, Geometric
from topopt.errors import InputError
from topopt.fem import LoadCase, PointLoad, Structure, Support
from topopt.grid import Domain, Grid
from topopt.measures import interface
from topopt.meshes import Mesh
from topopt.optimizers import MMA, OC
from topopt.problem import Problem
from topopt.regions import Ball, Box, Plane, Point
from topopt.run import Stop, optimize
from topopt.stages import (
    Cast,
    Compliance,
    Conduction,
    Cone,
    Displacement,
    DynamicCompliance,
    Equilibrium,
    Extruded,
    Frequencies,
    Helmholtz,
    Mean,
    MeanTemperature,
    PreservingTanh,
    Printed,
    Repeated,
    Rotated,
    SelfWeight,
    SensitivityFilter,
    Simp,
    Ssp,
    Ssp2,
    Symmetric,
    Tanh,
    ThermalLoad,
    VonMises,
)


def beam(cells):
    far, ndim = cells.size, cells.ndim
    return Structure(
        cells,
        (Support(Plane(x=0.0)), Support(Point(far), "y", spring=0.2)),
        (
            LoadCase("down", (PointLoad(Plane(x=far[0]), (0.0, -1.0, 0.0)[:ndim]),)),
            LoadCase("up", (PointLoad(Point(far), (0.5, 1.0, 0.0)[:ndim]),), weight=0.5),
        ),
    )


def graded():
    """Triangles of a beam that are up to seven times as large on the right as on the left."""
    mesh = simplices(Grid((24, 8), (3.0, 1.0)))
    share = mesh.points[:, :1] / 3.0
    return Mesh(np.hstack([3.0 * share * (0.25 + 0.75 * share), mesh.points[:, 1:]]), mesh.corners)


def chain(cells, radius=0.3, projection=None):
    body, domain = beam(cells), Domain(cells)
    return (
        ("filtered", Helmholtz(domain, radius)),
        ("physical", projection or Tanh(beta=1.0, eta=0.5)),
        ("stiffness", Simp(penal=3.0, e_min=1e-6)),
        ("displacement", Equilibrium(body)),
        ("compliance", Compliance(body)),
        ("volume", Mean(domain), "physical"),
    )


@pytest.mark.parametrize("kind", SHAKEN)
def test_every_stage_that_works_on_a_mesh_passes_its_tests(kind):
    mesh, rng = SHAKEN[kind], np.random.default_rng(0)
    body, ndim = beam(mesh), mesh.ndim
    field = rng.uniform(0.2, 0.8, mesh.n_cells)
    warm = rng.uniform(0.0, 2.0, (mesh.n_nodes, 1))
    moved = 1e-2 * rng.standard_normal((body.n_dofs, 2))
    passive = Domain(mesh, solid=Box((0.0,) * ndim, (0.5, *mesh.size[1:])), void=Ball(mesh.size, 0.6))
    assert passive.void_cells.any()
    assert passive.solid_cells.any()
    radius = (1.5 if mesh.kind.constant else 2.0) * float(mesh.spacing.max())
    for stage, *inputs in (
        (Helmholtz(Domain(mesh), radius), field),
        (Helmholtz(passive, radius), field),
        (Mean(mesh), field),
        (Mean(passive), field),
        (Equilibrium(body), field),
        (Compliance(body), moved),
        (Displacement(body, Plane(x=mesh.size[0]), (0.0, 1.0, 0.0)[:ndim]), moved),
        (SelfWeight(body, (0.0, -1.0, 0.3)[:ndim]), field),
        (VonMises(body), moved, field),
        (Frequencies(body, 3, attached=0.7), field, field),
        (DynamicCompliance(body, 0.3), field, field),
        (Conduction(passive, sink=Plane(x=0.0), cooled=Plane(y=mesh.size[1]), film=0.7), field),
        (MeanTemperature(passive, Plane(x=0.0)), warm),
        (ThermalLoad(body, expansion=0.3), warm, field),
    ):
        report = check.stage(stage, *inputs, rng=rng)
        assert report.ok, str(report)


@pytest.mark.parametrize("kind", SHAKEN)
def test_the_gradient_of_a_whole_design_is_right(kind):
    mesh = SHAKEN[kind]
    radius = (1.5 if mesh.kind.constant else 2.0) * float(mesh.spacing.max())
    problem = Problem(chain(mesh, radius), Domain(mesh), "compliance", {"volume": 0.4})
    x = np.random.default_rng(1).uniform(0.3, 0.7, mesh.n_cells)
    for response in ("compliance", "volume"):
        assert check.chain(problem.chain, response, x, np.random.default_rng(2)).ok


def test_a_grid_and_its_cells_as_a_mesh_are_designed_alike():
    grid = Grid((24, 8), (3.0, 1.0))
    runs = []
    for cells in (grid, boxes(grid)):
        problem = Problem(chain(cells), Domain(cells), "compliance", {"volume": 0.4})
        continuation = Continuation({"physical.beta": Geometric(start=1.0, final=8.0, over=10)})
        runs.append(list(optimize(problem, MMA(), continuation, stop=Stop(iterations=12)))[-1])
    (one, other) = runs
    assert other.iteration.objective == pytest.approx(one.iteration.objective, rel=1e-8)
    assert np.abs(one.evaluation.picture.density - other.evaluation.picture.density).max() < 1e-6
    assert other.iteration.measures == pytest.approx(one.iteration.measures, rel=0.2)


def test_edges_of_passive_triangles_are_not_those_of_the_design():
    mesh = graded()
    x, y = mesh.centres.T
    before = 0.5 + 0.1 * (x - np.median(x))
    active = y > np.median(y)
    steep = np.where(active, before, before > 0.5)
    assert interface(mesh, steep, steep, 5.0, active) > 1.5 * interface(mesh, steep, steep, 5.0)
    assert interface(mesh, steep, steep, 5.0, active & (x < np.median(x))) == np.inf


@pytest.mark.parametrize("optimizer", [OC(), MMA()])
def test_triangles_are_designed_and_count_by_their_volume(optimizer):
    mesh = graded()
    assert mesh.volumes.max() > 5 * mesh.volumes.min()
    problem = Problem(chain(mesh, 0.42), Domain(mesh), "compliance", {"volume": 0.4})
    steps = list(optimize(problem, optimizer, stop=Stop(iterations=30)))
    density = steps[-1].evaluation.picture.density
    assert steps[-1].iteration.objective < 0.6 * steps[0].iteration.objective
    assert density @ mesh.volumes / mesh.volumes.sum() == pytest.approx(0.4, abs=2e-3)
    assert abs(density.mean() - 0.4) > 0.01  # the number of cells is not what is limited
    assert len(steps[-1].iteration.stages) > 3
    assert steps[-1].iteration.measures["interface"] > 0


@pytest.mark.parametrize(
    ("make", "instead"),
    [
        (lambda mesh: Cone(mesh, 0.5), "Cone needs a grid of equal cells.*; take Helmholtz"),
        (lambda mesh: SensitivityFilter(mesh, 0.5), "SensitivityFilter needs a grid.*; take Helmholtz"),
        (
            lambda mesh: Ssp(mesh, 1.0),
            "Ssp needs a grid of equal cells, but works on a mesh of 24 triangles; take Tanh",
        ),
        (lambda mesh: Ssp2(mesh, 1.0), "Ssp2 needs a grid.*; take Tanh"),
        (lambda mesh: Symmetric(mesh), "Symmetric needs a grid.*; leave it out"),
        (lambda mesh: Extruded(mesh), "Extruded needs a grid.*; leave it out"),
        (lambda mesh: Repeated(mesh), "Repeated needs a grid.*; leave it out"),
        (lambda mesh: Printed(mesh), "Printed needs a grid.*; leave it out"),
        (lambda mesh: Rotated(mesh), "Rotated needs a grid.*; leave it out"),
        (lambda mesh: Cast(mesh), "Cast needs a grid.*; leave it out"),
    ],
)
def test_what_needs_a_grid_says_what_to_take(make, instead):
    with pytest.raises(InputError, match=instead):
        make(SHAKEN["triangles"])


def test_a_projection_that_keeps_the_sum_is_refused_where_it_is_not_the_volume():
    mesh = graded()
    with pytest.raises(InputError, match=r"the volume only where all cells are equal; take Tanh"):
        Problem(chain(mesh, 0.42, PreservingTanh(beta=2.0)), Domain(mesh), "compliance", {"volume": 0.4})
    even = boxes(Grid((24, 8), (3.0, 1.0)))
    assert Problem(chain(even, 0.3, PreservingTanh(beta=2.0)), Domain(even), "compliance", {"volume": 0.4})


def test_links_that_were_made_for_another_mesh_are_refused():
    with pytest.raises(
        InputError, match=r"link 'filtered' was made for a mesh of 24 triangles, the problem's"
    ):
        Problem(chain(shaken(simplices(Grid((4, 3), (2.0, 1.0)))), 1.6), Domain(graded()), "compliance")
