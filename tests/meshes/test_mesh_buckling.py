"""Buckling on a mesh: the grid's load factors on its cells, Euler's on others, exact derivatives."""

import numpy as np
import pytest

from tests.meshed import SHAKEN, boxes, shaken, simplices
from topopt import check
from topopt.chain import Chain
from topopt.fem import Material, PointLoad, Structure, Support, SurfaceLoad
from topopt.grid import Domain, Grid
from topopt.regions import Plane, Point
from topopt.stages import BucklingFactors, Equilibrium, Helmholtz, PowerNorm, Simp, SoftMaximum, Tanh


def column(cells, material=None):
    """Return a column that is held at its foot and pressed at its top, across it a little."""
    push = SurfaceLoad(Plane(x=cells.size[0]), (-1.0, 0.05, 0.02)[: cells.ndim])
    return Structure(cells, (Support(Plane(x=0.0)),), (push,), material or Material())


@pytest.mark.parametrize("grid", [Grid((24, 6), (4.0, 1.0)), Grid((8, 3, 2), (4.0, 1.0, 0.8))])
@pytest.mark.parametrize("plane", ["stress", "strain"])
def test_boxes_have_the_load_factors_and_the_derivatives_of_the_grid(grid, plane):
    material = Material(2.0, 0.3, plane, 0.5) if grid.ndim == 2 else Material(2.0, 0.3)
    rho = np.random.default_rng(0).uniform(0.3, 1.0, grid.n_cells)
    moduli, stressed = Simp(penal=3.0)(rho), Simp(penal=4.0, e_min=1e-15)(rho)
    found = []
    for cells in (grid, boxes(grid)):
        body = column(cells, material)
        values, pullback = BucklingFactors(body, 4).vjp(moduli, stressed, Equilibrium(body)(moduli))
        found.append([values, *pullback(np.array([1.0, 0.5, 0.2, 0.1]))])
    for of_grid, of_mesh in zip(*found, strict=True):
        assert np.abs(of_mesh - of_grid).max() < 1e-10 * np.abs(of_grid).max()


def test_a_plate_half_as_thick_buckles_at_half_the_load():
    factors = []
    for thickness in (1.0, 0.5):
        body = column(SHAKEN["triangles"], Material(thickness=thickness))
        body = Structure(body.mesh, body.supports, (PointLoad(Plane(x=2.0), (-1.0, 0.0)),), body.material)
        ones = np.ones(body.mesh.n_cells)
        factors.append(BucklingFactors(body, 3)(ones, ones, Equilibrium(body)(ones)))
    assert factors[1] == pytest.approx(2 * factors[0], rel=1e-8)


@pytest.mark.parametrize("made", [simplices, boxes])
@pytest.mark.parametrize("ndim", [2, 3])
def test_a_column_buckles_as_euler_says_and_finer_cells_come_nearer(made, ndim):
    """P = pi**2 E I / (4 L**2); what is left in the limit is the shear that Engesser adds, P / (k G A)."""
    length, height = 12.0, 1.0
    depth = 1.3 if ndim == 3 else 1.0
    euler = np.pi**2 * depth * height**3 / 12 / (4 * length**2)
    exact = euler / (1 + euler / (5 / 6 * 0.5 * height * depth))
    counts = (2, 4, 8) if ndim == 2 else (1, 2, 4)
    errors = []
    for n in counts:
        cells = (12 * n, n, *(n,) * (ndim - 2))
        mesh = made(Grid(cells, (length, height, depth)[:ndim]))
        push = SurfaceLoad(Plane(x=length), (-1.0 / (height * depth), 0.0, 0.0)[:ndim])
        body = Structure(mesh, (Support(Plane(x=0.0)),), (push,), Material(poisson=0.0))
        ones = np.ones(mesh.n_cells)
        lowest = 1 / BucklingFactors(body, 2)(ones, ones, Equilibrium(body)(ones))[0]
        errors.append(lowest / exact - 1)
    rates = np.log2(np.array(errors[:-1]) / errors[1:])
    assert min(errors) > 0, errors  # elements are too stiff, never too soft
    assert rates.min() > 1.7, (errors, rates)


@pytest.mark.parametrize("kind", SHAKEN)
def test_load_factors_of_uneven_cells_have_exact_derivatives(kind):
    """Also with respect to the displacements, whose cotangent the equilibrium pulls on."""
    mesh, rng = SHAKEN[kind], np.random.default_rng(1)
    body = column(mesh, Material(2.0, 0.3))
    rho = rng.uniform(0.4, 0.9, mesh.n_cells)
    moved = Equilibrium(body)(rho) + 1e-2 * rng.standard_normal((body.n_dofs, 1))
    report = check.stage(BucklingFactors(body, 3), rho, rho**2, moved, rng=rng)
    assert report.ok, str(report)


@pytest.mark.parametrize("kind", ["triangles", "tetrahedra"])
@pytest.mark.parametrize("norm", [PowerNorm(8.0), SoftMaximum(20.0)])
def test_the_norm_of_the_lowest_modes_has_an_exact_gradient_by_the_design(kind, norm):
    mesh = SHAKEN[kind]
    body, domain = column(mesh), Domain(mesh)
    chain = Chain(
        [
            ("filtered", Helmholtz(domain, 1.5 * float(mesh.spacing.max()))),
            ("physical", Tanh(beta=2.0)),
            ("stiffness", Simp(penal=3.0, e_min=1e-6)),
            ("displacement", Equilibrium(body)),
            ("stressed", Simp(penal=3.0, e_min=1e-15), "physical"),
            ("inverse", BucklingFactors(body, 4), ("stiffness", "stressed", "displacement")),
            ("norm", norm),
        ]
    )
    x = np.random.default_rng(2).uniform(0.3, 0.7, mesh.n_cells)
    assert check.chain(chain, "norm", x, np.random.default_rng(3)).ok


def test_void_beside_a_column_does_not_buckle_by_itself_when_its_stress_has_no_floor():
    grid = Grid((36, 12), (6.0, 2.0))
    mesh = shaken(simplices(grid), 0.1)
    push = PointLoad(Point((6.0, 0.5)), (-1.0, 0.0))
    body = Structure(mesh, (Support(Plane(x=0.0)),), (push,))
    rho = np.where(mesh.centres[:, 1] < 1.0, 1.0, 0.05)
    moduli = Simp(penal=3.0, e_min=1e-4)(rho)
    u = Equilibrium(body)(moduli)
    bare = np.where(rho == 1.0, 1.0, 0.0)
    alone = BucklingFactors(body, 1)(moduli, bare, u)[0]
    projected = BucklingFactors(body, 1)(moduli, Simp(penal=6.0, e_min=1e-15)(rho), u)[0]
    plain = BucklingFactors(body, 1)(moduli, np.maximum(rho, 0.0), u)[0]
    assert projected == pytest.approx(alone, rel=1e-3)
    assert plain > 1.5 * alone
