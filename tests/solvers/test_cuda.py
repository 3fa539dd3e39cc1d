"""Multigrid's kernels for a graphics card, in numba's simulator: the same numbers as on the host.

The simulator gives every thread of a kernel a thread of Python, so grids are a few cells wide;
`tests/benchmarks/bench_cuda.py` repeats the comparison on a card, at full size.
"""

import dataclasses

import numpy as np
import pytest

import topopt.solvers.cuda.bottom
from topopt import optimize
from topopt.errors import InputError, MissingDependencyError, ProblemFileError
from topopt.fem import LoadCase, Material, PointLoad, StiffnessOperator, Structure, Support
from topopt.fem.element import diffusion, mass
from topopt.files.job import parse
from topopt.grid import Grid
from topopt.regions import Plane, Point
from topopt.solvers import Multigrid, SuperLU
from topopt.solvers.cuda import Card
from topopt.solvers.cuda import device as cuda_device
from topopt.solvers.cuda.vectors import CardSpace, dot
from topopt.solvers.matrixfree.operator import MatrixFree
from topopt.solvers.matrixfree.sweep import APPLY
from topopt.solvers.multigrid.cycle import Hierarchy, Steps
from topopt.solvers.multigrid.hierarchy import hierarchy
from topopt.solvers.multigrid.plan import plan
from topopt.solvers.multigrid.scaled import Scaled

TINY = """
name: tiny
grid: {cells: [3, 2]}
regions:
  wall: {plane: {x: 0.0}}
  tip:  {point: [3.0, 0.0]}
supports: [{on: wall}]
loads: [{on: tip, force: [0.0, -1.0]}]
chain:
  - {name: filtered,     type: cone,        radius: 1.5}
  - {name: stiffness,    type: simp}
  - {name: displacement, type: equilibrium, solver: {name: multigrid, device: cuda, tolerance: 1.0e-5}}
  - {name: compliance,   type: compliance}
  - {name: volume,       type: mean,        reads: [filtered]}
minimise: compliance
density: filtered
limits: {volume: 0.5}
stop: {iterations: 1}
"""

GRIDS = [Grid((5, 3), (1.0, 0.7)), Grid((3, 2, 2), (1.0, 2.0, 1.5))]


class Heat:
    """One unknown a node: diffusion and mass, held at one end."""

    def __init__(self, grid):
        self.mesh, self.n_cells = grid, grid.n_cells
        self.ndim, self.n_dofs = grid.ndim, grid.n_nodes
        self.free = np.arange(2, grid.n_nodes)
        self.cell_dofs = grid.cell_nodes
        self.element_matrix = diffusion(grid.spacing) + 0.3 * mass(grid.spacing)
        self.springs = np.zeros(self.n_dofs)


def body(grid, cases=1):
    """Held at a node that the coarse grid lacks, by a roller and by springs."""
    supports = (
        Support(Plane(x=0.0), "x"),
        Support(Point(tuple(float(h) for h in grid.spacing)), "y"),
        Support(Plane(y=0.0), spring=0.5),
    )
    forces = np.eye(grid.ndim)[:cases]
    loads = tuple(
        LoadCase(str(number), (PointLoad(Point(grid.size), tuple(force)),))
        for number, force in enumerate(forces)
    )
    return Structure(grid, supports, loads, Material(poisson=0.2))


@pytest.fixture(params=["elastic", "scalar"])
def kind(request):
    return request.param


def system_of(kind, grid):
    return Heat(grid) if kind == "scalar" else body(grid)


def moduli_of(grid, rng):
    """Half of it void."""
    return np.where(rng.random(grid.n_cells) < 0.5, 1e-6, 0.5 + rng.random(grid.n_cells))


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_the_operator_is_that_of_the_host(kind, grid, rng):
    system, moduli = system_of(kind, grid), moduli_of(grid, rng)
    u = rng.normal(size=system.n_dofs)
    on_card = Card().exact(Scaled(system, moduli, 2.0, 3.0)).apply(u)
    host = MatrixFree.of(system, moduli, np.float64, 2.0, 3.0)
    u[np.setdiff1d(np.arange(system.n_dofs), system.free)] = 0.0
    assert on_card == pytest.approx(host.apply(u), rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("threads", [1, 5])
def test_a_cycle_is_that_of_the_host(kind, grid, threads, rng, monkeypatch):
    """Smoothing, transfers, Galerkin products and the coarsest solve at once, in double precision."""
    monkeypatch.setattr(topopt.solvers.cuda.bottom, "THREADS", threads)
    system, moduli = system_of(kind, grid), moduli_of(grid, rng)
    floors, steps = plan(system, 10), Steps(1, 2)
    assert len(floors.floors) > 1
    card = Card()
    body = Scaled(system, moduli)
    on_card = card.cycles(card.exact(body), body, floors, steps, np.float64)
    on_host = hierarchy(body, floors, steps, np.float64)
    b = rng.normal(size=len(on_host.rhs)) * (on_host.levels[0].operator.inverse > 0)
    on_host.rhs[:] = b
    on_card.rhs.copy_to_device(b)
    expected, energy = on_host.cycle()
    found, same = on_card.cycle()
    assert found.copy_to_host() == pytest.approx(expected, rel=1e-9, abs=1e-9 * np.abs(expected).max())
    assert same == pytest.approx(energy, rel=1e-9)


def test_several_corrections_are_those_of_the_host(rng):
    grid = Grid((6, 5), (1.0, 1.0))
    found = plan(body(grid), 1)
    assert len(found.floors) > 3
    scaled, steps, card = Scaled(body(grid), moduli_of(grid, rng)), Steps(1, 1, visits=3), Card()
    on_card = card.cycles(card.exact(scaled), scaled, found, steps, np.float64)
    on_host, once = (hierarchy(scaled, found, Steps(1, 1, visits), np.float64) for visits in (3, 1))
    b = rng.normal(size=len(on_host.rhs)) * (on_host.levels[0].operator.inverse > 0)
    on_host.rhs[:] = b
    on_card.rhs.copy_to_device(b)
    expected = on_host.cycle()[0].copy()
    once.rhs[:] = b
    assert not np.allclose(once.cycle()[0], expected, rtol=1e-3)
    for _ in range(2):  # the second finds what the first has left in its vectors
        found_there = on_card.cycle()[0].copy_to_host()
        assert found_there == pytest.approx(expected, rel=1e-9, abs=1e-9 * np.abs(expected).max())


def test_a_third_grid_is_the_galerkin_product_of_the_first(rng):
    """Couplings of every coarse lattice come from the fine moduli at once."""
    grid = Grid((6, 5), (1.0, 1.0))
    system, moduli = body(grid), moduli_of(grid, rng)
    found = plan(system, 1)
    assert len(found.floors) > 2
    found = dataclasses.replace(found, floors=found.floors[:4])
    card = Card()
    scaled = Scaled(system, moduli)
    on_card = card.cycles(card.exact(scaled), scaled, found, Steps(1, 1), np.float64)
    on_host = hierarchy(scaled, found, Steps(1, 1), np.float64)
    for one, other in zip(on_card.hierarchy.levels, on_host.levels, strict=True):
        expected = other.operator.inverse
        assert one.operator.inverse.copy_to_host() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("precision", "cases"), [("double", 2), ("double", 1), ("single", 1)])
def test_a_solve_takes_the_same_cycles_to_the_same_state_as_on_the_host(precision, cases, rng, monkeypatch):
    grid = Grid((4, 2), (1.0, 0.7))
    structure, moduli = body(grid, cases=cases), moduli_of(grid, rng)
    operator = StiffnessOperator(structure, moduli)
    exact = SuperLU().factor(operator).solve(structure.forces)
    near = [StiffnessOperator(structure, moduli**power) for power in (1.1, 1.3)]
    guesses = [SuperLU().factor(other).solve(structure.forces) for other in near]
    solver = Multigrid(tolerance=3e-3, smoothing=(1, 1), coarsest=100, precision=precision)
    host = solver.factor(operator)
    # the card's products with K are in double precision whatever the cycle's
    monkeypatch.setattr(Hierarchy, "product", lambda self, p, q: host._exact.run(APPLY, p, q))

    def next_product(self, beta, z, p, following, q):
        following[:] = z + beta * p
        return self.product(following, q)

    monkeypatch.setattr(Hierarchy, "next_product", next_product)
    expected = host.solve(structure.forces, guesses)
    factor = dataclasses.replace(solver, device="cuda").factor(operator)
    assert factor.solve(structure.forces, guesses) == pytest.approx(expected, abs=1e-5 * np.abs(exact).max())
    assert factor.work.iterations == host.work.iterations > 1
    assert expected == pytest.approx(exact, abs=0.1 * np.abs(exact).max())


def test_sums_are_over_all_blocks(rng):
    space = CardSpace(MatrixFree.of(body(Grid((7, 3))), np.ones(21)).lattice, None)
    one, other = space.zeros(), space.zeros()
    numbers = rng.normal(size=(2, one.size))
    one.copy_to_device(numbers[0])
    other.copy_to_device(numbers[1])
    assert dot(one, other) == pytest.approx(numbers[0] @ numbers[1], rel=1e-12)


@pytest.fixture
def no_card(monkeypatch):
    monkeypatch.setattr(cuda_device, "SIMULATED", False)
    monkeypatch.setattr(cuda_device, "DRIVERS", ())
    cuda_device.card_available.cache_clear()
    yield
    cuda_device.card_available.cache_clear()


def test_without_a_card_it_says_what_to_do(no_card):
    structure = body(Grid((5, 3)))
    with pytest.raises(MissingDependencyError, match=r"needs an Nvidia graphics card.*take device 'cpu'"):
        Multigrid(device="cuda").factor(StiffnessOperator(structure, np.ones(15)))


def test_a_file_that_asks_for_a_card_is_refused_where_it_asks(no_card):
    with pytest.raises(ProblemFileError, match=r"tiny:12: chain\.displacement\.solver: device 'cuda' needs"):
        parse(TINY, "tiny")


def test_an_unknown_device_is_refused():
    with pytest.raises(InputError, match="'gpu' is unknown; did you mean"):
        Multigrid(device="gpu")


def test_a_run_on_a_card_from_a_problem_file():
    ends = []
    for overrides in ((), ("chain.displacement.solver=superlu",)):
        job = parse(TINY, overrides=overrides)
        *_, last = optimize(job.problem, job.optimizer, stop=job.stop)
        ends.append(last.iteration.objective)
    assert ends[0] == pytest.approx(ends[1], rel=1e-4)
