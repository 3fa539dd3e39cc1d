"""The parts of multigrid against plain matrices: Galerkin products, transfers, cycle, smoother."""

import dataclasses
import functools

import numpy as np
import pytest
from scipy import sparse

from topopt.fem import Material, PointLoad, Structure, Support
from topopt.fem.element import diffusion, mass
from topopt.grid import Grid
from topopt.regions import Plane, Point
from topopt.solvers.matrixfree.lattice import Lattice
from topopt.solvers.matrixfree.operator import MatrixFree
from topopt.solvers.matrixfree.sweep import APPLY
from topopt.solvers.matrixfree.walsh import child_matrices
from topopt.solvers.multigrid.bottom import bands_of, bottom
from topopt.solvers.multigrid.cycle import LEAST, Steps, chebyshev, corrections
from topopt.solvers.multigrid.hierarchy import hierarchy
from topopt.solvers.multigrid.moments import cell_matrices, moments_of
from topopt.solvers.multigrid.plan import plan
from topopt.solvers.multigrid.scaled import Scaled
from topopt.solvers.multigrid.transfer import prolong, restrict
from topopt.solvers.multigrid.vectors import mix

GRIDS = [Grid((7, 5), (1.0, 1.0)), Grid((5, 6, 7), (1.0, 2.0, 3.0)), Grid((9, 1, 2)), Grid((4, 4))]
NOTHING = np.zeros(0, np.uintp)


def structure(grid, *supports):
    load = PointLoad(Point(grid.size), (1.0, -1.0, 0.0)[: grid.ndim])
    return Structure(grid, supports, (load,), Material(poisson=0.2))


class Heat:
    """One unknown a node: diffusion and mass."""

    def __init__(self, grid):
        self.mesh, self.n_cells = grid, grid.n_cells
        self.ndim, self.n_dofs, self.free = grid.ndim, grid.n_nodes, np.arange(grid.n_nodes)
        self.cell_dofs = grid.cell_nodes
        self.element_matrix = diffusion(grid.spacing) + 0.3 * mass(grid.spacing)
        self.springs = np.zeros(self.n_dofs)


def interpolation(fine, coarse):
    """P as a matrix, from hat functions on every axis."""
    axes = []
    for many, few in zip(fine.box, coarse.box, strict=True):
        axis = np.zeros((many, few))
        for node in range(many):
            axis[node, node // 2] += 0.5
            axis[node, (node + 1) // 2] += 0.5
        axes.append(sparse.csr_array(axis))
    return sparse.csr_array(
        sparse.kron(sparse.eye_array(fine.components), functools.reduce(sparse.kron, axes))
    )


def dense(operator):
    """An operator as a matrix, column by column."""
    lattice = operator.lattice
    u, y = lattice.vector(np.float64), lattice.vector(np.float64)
    columns = []
    for place in range(len(u)):
        u[:] = 0.0
        u[place] = 1.0
        operator.run(APPLY, u, y)
        columns.append(y.copy())
    return np.array(columns).T


def without_supports(found):
    """The same lattices with nothing fixed."""
    floors = [dataclasses.replace(f, fixed=f.fixed[:0], off=f.off[:0]) for f in found.floors]
    return dataclasses.replace(found, floors=tuple(floors))


def built(system, moduli, found, steps=Steps()):
    return hierarchy(Scaled(system, moduli), found, steps, np.float64)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("kind", ["elastic", "scalar"])
def test_every_coarse_operator_is_the_galerkin_product(grid, kind, rng):
    weak = Support(Plane(x=0.0), spring=1e-9)
    system = Heat(grid) if kind == "scalar" else structure(grid, weak)
    moduli = rng.random(grid.n_cells)
    found = without_supports(plan(system, 10))
    cycles = built(system, moduli, found)
    exact = dense(MatrixFree.of(system, moduli))
    for level in range(1, len(found.floors)):
        p = interpolation(found.floors[level - 1].lattice, found.floors[level].lattice)
        exact = p.T @ (exact @ p)
        size = np.abs(exact).max()
        if level < len(cycles.levels):
            operator = cycles.levels[level].operator
            assert np.abs(dense(operator) - exact).max() < 1e-8 * size
            there = operator.inverse > 0
            assert 1.0 / operator.inverse[there] == pytest.approx(np.diag(exact)[there], rel=1e-6)
            continue
        lower, order = factor_of(cycles.bottom)
        expected = exact[np.ix_(order, order)]
        there = np.diag(expected) > 1e-7 * size
        assert np.abs((lower @ lower.T - expected)[np.ix_(there, there)]).max() < 1e-8 * size


def factor_of(bottom):
    """The triangle that the coarsest operator is a square of, and the entry of a vector by its row."""
    (front, rear), size = bottom.bands.ends, bottom.bands.size
    ahead, behind = len(front) - size, len(rear) - size
    middle = ahead + behind + np.arange(size)
    numbers = [
        np.append(np.arange(ahead), middle),
        np.append(ahead + np.arange(behind), middle[::-1]),
        middle,
    ]
    lower = np.zeros((len(bottom.bands.order),) * 2)
    columns = (front[:ahead], rear[:behind], bottom.middle)
    for band, rows in zip(columns, numbers, strict=True):
        for column, entries in enumerate(band):
            count = min(len(entries), len(rows) - column)
            lower[rows[column : column + count], rows[column]] = entries[:count]
            lower[rows[column], rows[column]] = 1.0 / entries[0]
    order = bottom.bands.order
    return lower, np.concatenate([order[:ahead], order[ahead + size :], order[ahead : ahead + size]])


@pytest.mark.parametrize("cells", [(1, 1), (1, 9), (3, 2), (16, 5), (2, 1, 1), (3, 5, 2), (2, 3, 8)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["elastic", "scalar"])
def test_the_coarsest_operator_is_solved_exactly_from_both_ends(cells, kind, dtype, rng):
    grid = Grid(tuple(2 * n for n in cells))
    held = Support(Plane(x=0.0)), Support(Point(grid.size), spring=0.1)
    system = Heat(grid) if kind == "scalar" else structure(grid, *held)
    moduli = rng.uniform(0.1, 1.0, grid.n_cells)
    floor = plan(system, 10**6).floors[1]
    lattice = floor.lattice
    assert lattice.cells == cells
    springs = 0.1 * rng.random(lattice.components * lattice.n)
    moments = moments_of(moduli.reshape(grid.cells))
    bands = bands_of(system.element_matrix, moments, 1, lattice, floor.fixed, springs)
    found = bottom(system.element_matrix, moments, 1, lattice, floor.fixed, springs, dtype)
    x, b = lattice.vector(dtype), lattice.vector(dtype)
    b[:] = rng.standard_normal(len(b))
    b[floor.fixed] = 0.0
    found.solve(b, x)
    (front, rear), size = bands.ends, bands.size
    matrix = np.zeros((len(b), len(b)))
    first, last = np.split(bands.order, [len(front)])
    for band, rows in ((front, first), (rear, np.append(last, first[::-1][:size]))):
        for column, entries in enumerate(band[: len(rows)]):
            count = min(len(entries), len(rows) - column)
            matrix[rows[column : column + count], rows[column]] = entries[:count]
            matrix[rows[column], rows[column : column + count]] = entries[:count]
    assert np.abs(matrix @ x - b).max() < 100 * np.finfo(dtype).eps * np.abs(matrix).max() * np.abs(x).max()
    assert np.abs(x[floor.fixed]).max(initial=0.0) == 0.0


@pytest.mark.parametrize("cells", [(9, 21, 5), (30, 13)])
@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_moments_tell_what_all_fine_cells_together_give(cells, level, rng):
    ndim, n = len(cells), 2**level
    moduli = 10.0 ** rng.uniform(-9.0, 0.0, cells)
    size = tuple(np.multiply(cells, (1.0, 1.3, 0.7)[:ndim]))
    matrix = structure(Grid(cells, size), Support(Plane(x=0.0))).element_matrix
    padded = np.zeros([-(-count // n) * n for count in cells])
    padded[tuple(slice(0, count) for count in cells)] = moduli
    blocks = padded.reshape([m for count in padded.shape for m in (count // n, n)])
    order = (*range(0, 2 * ndim, 2), *range(1, 2 * ndim, 2))
    one, two = np.tril_indices(len(matrix))
    whole = blocks.transpose(order).reshape(-1, n**ndim) @ child_matrices(matrix, ndim, level)[:, one, two]
    coarse = Lattice(tuple(count // n for count in padded.shape), ndim)
    everywhere = tuple(slice(0, count) for count in coarse.cells)
    found = cell_matrices(matrix, moments_of(moduli).coarser(level, coarse), everywhere)
    diagonal = whole[:, one == two]
    assert np.abs(found - whole).max() < 1e-13 * np.abs(whole).max()
    np.testing.assert_allclose(found[:, one == two], diagonal, rtol=1e-12)
    between = moments_of(moduli).coarser(1, Lattice(tuple(-(-count // 2) for count in cells), ndim))
    if level > 1:
        again = cell_matrices(matrix, between.coarser(level, coarse), everywhere)
        assert np.abs(again - whole).max() < 1e-13 * np.abs(whole).max()
        np.testing.assert_allclose(again[:, one == two], diagonal, rtol=1e-12)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_transfers_are_interpolation_and_its_transpose(grid, rng):
    found = plan(structure(grid, Support(Plane(x=0.0))), 10)
    fine, coarse = found.floors[0].lattice, found.floors[1].lattice
    p = interpolation(fine, coarse)
    below, above = coarse.vector(np.float64), fine.vector(np.float64)
    below[:], above[:] = rng.random(len(below)), rng.random(len(above))
    before = above.copy()
    sizes = np.uintp(grid.ndim), fine.sizes, coarse.sizes
    prolong(below, above, NOTHING, *sizes, 2)
    assert above == pytest.approx(before + p @ below, rel=1e-13)
    restrict(above, below, NOTHING, *sizes, 2)
    assert below == pytest.approx(p.T @ above, rel=1e-13)
    fixed = np.array([0, len(above) - 1], dtype=np.uintp)
    prolong(below, above, fixed, *sizes, 2)
    assert not above[fixed].any()


@pytest.mark.parametrize(
    "steps", [Steps(1, 2), Steps(2, 3), Steps(3, 1), Steps(1, 1, visits=2), Steps(1, 2, visits=3)], ids=str
)
@pytest.mark.parametrize("grid", [Grid((7, 5), (1.0, 1.0)), Grid((4, 5, 3))], ids=str)
def test_the_cycle_is_symmetric_positive_and_contracts(grid, steps, rng):
    """Wherever it is held, B is symmetric and B K has its eigenvalues between 0 and 2."""
    held = (
        Support(Point((0.0,) * grid.ndim)),
        Support(Plane(y=grid.size[1]), "y"),
        Support(Plane(x=0.0), spring=2.0),
    )
    system = structure(grid, *held)
    moduli = np.where(rng.random(grid.n_cells) < 0.4, 1e-3, 1.0)
    cycles = built(system, moduli, plan(system, 10), steps)
    operator = MatrixFree.of(system, moduli)
    there = np.flatnonzero(cycles.levels[0].operator.inverse > 0)
    matrix = dense(operator)[np.ix_(there, there)]
    room, columns = cycles.rooms[0], []
    for place in there:
        room.b[:] = 0.0
        room.b[place] = 1.0
        x, product = cycles.cycle()
        assert product == pytest.approx(x[place], rel=1e-12)
        columns.append(x[there].copy())
    b = np.array(columns).T
    assert np.abs(b - b.T).max() < 1e-12 * np.abs(b).max()
    eigenvalues = np.linalg.eigvals(b @ matrix).real
    assert eigenvalues.min() > 0.0
    assert eigenvalues.max() < 2.0


@pytest.mark.parametrize("steps", range(1, 13))
def test_smoothing_contracts_up_to_the_bound_of_the_spectrum(steps):
    """A stretch too far would make the highest modes grow."""
    places = np.linspace(1e-3, 1.0, 1000)
    error, step = np.ones_like(places), np.zeros_like(places)
    for a, c in chebyshev(steps, 1.0):
        step = a * step + c * places * error
        error -= step
    assert np.abs(error).max() < 1.0
    assert np.abs(error[places > 0.3]).max() < 0.95


@pytest.mark.parametrize("visits", [1, 2, 3, 4])
def test_corrections_leave_least_of_the_interval_and_contract_below_it(visits):
    places = np.linspace(1e-3, 1.0, 2000)
    left = np.prod([1.0 - weight * places for weight in corrections(visits)], axis=0)
    inside = np.abs(left[places >= LEAST]).max()
    assert inside == pytest.approx(1.0 / chebyshev_value(visits, (1 + LEAST) / (1 - LEAST)), rel=1e-2)
    assert ((left[places < LEAST] > 0.0) & (left[places < LEAST] < 1.0)).all()


def chebyshev_value(degree, at):
    """Return Chebyshev's polynomial beyond 1."""
    return np.cosh(degree * np.arccosh(at))


def test_mixing_overwrites_what_is_not_wanted(rng):
    x, total = rng.random(1000), np.full(1000, np.nan)
    mix(2.0, x, 0.0, total, 2)
    assert np.array_equal(total, 2.0 * x)
    mix(1.0, x, -3.0, total, 2)
    assert total == pytest.approx(-5.0 * x, rel=1e-14)


@pytest.mark.parametrize(("cells", "components"), [((5, 3), 2), ((4, 3), 1), ((3, 4, 5), 3), ((2, 3, 2), 1)])
def test_unknowns_come_back_from_a_vector_in_their_order(cells, components, rng):
    lattice = Lattice(cells, components)
    nodes = tuple(n + 1 for n in cells)
    columns = rng.random((np.prod(nodes) * components, 3))
    vector = lattice.vector(np.float32)
    lattice.load(vector, columns[:, 1], 2.0)
    window = tuple(slice(0, n) for n in nodes)
    fields = vector.reshape(components, *lattice.box)
    wanted = 2.0 * np.moveaxis(columns[:, 1].reshape(*nodes, components), -1, 0)
    assert fields[(slice(None), *window)] == pytest.approx(wanted, rel=1e-6)
    assert np.count_nonzero(vector) == wanted.size
    assert lattice.unload(vector, 0.5) == pytest.approx(columns[:, 1], rel=1e-6)


@pytest.mark.parametrize("cells", [(16, 8), (8, 4, 4)])
@pytest.mark.parametrize("contrast", [1.0, 1e-2, 1e-9])
def test_the_bound_of_the_spectrum_holds_whatever_the_moduli(cells, contrast, rng):
    system = structure(Grid(cells), Support(Plane(x=0.0)))
    moduli = np.where(rng.random(system.n_cells) < 0.5, contrast, 1.0)
    found = plan(system, 1)
    cycles = built(system, moduli, found)
    for level, floor in zip(cycles.levels, found.floors, strict=False):
        operator = level.operator
        matrix = dense(operator)
        there = operator.inverse > 0
        scale = np.sqrt(operator.inverse[there])
        largest = np.linalg.eigvalsh(scale[:, None] * matrix[np.ix_(there, there)] * scale)[-1]
        assert largest <= floor.bound * (1 + 1e-12)


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_the_smoothing_polynomial_stays_within_one(steps):
    """On the whole spectrum the error does not grow, so that the cycle stays positive."""
    eigenvalues = np.linspace(1e-6, 1.0, 1001) * 3.7
    error, z = np.ones(1001), np.zeros(1001)
    for a, c in chebyshev(steps, 3.7):
        z = a * z + c * eigenvalues * error
        error = error - z
    assert np.abs(error).max() <= 1.0


def test_supports_off_the_coarse_nodes_become_springs_there():
    grid = Grid((8, 8))
    system = structure(grid, Support(Point((3.0, 5.0))), Support(Point((7.0, 0.0)), "y"))
    found = plan(system, 10)
    assert len(found.floors[0].off) == 3
    assert not len(found.floors[1].fixed)
    clamped = plan(structure(grid, Support(Plane(x=0.0))), 10)
    assert all(len(floor.fixed) and not len(floor.off) for floor in clamped.floors[:-1])
