"""Fused sweeps do the same as the passes that they replace."""

import numpy as np
import pytest

from topopt.fem import PointLoad, Structure, Support
from topopt.fem.element import diffusion, mass
from topopt.grid import Grid
from topopt.regions import Plane, Point
from topopt.solvers.matrixfree.sweep import APPLY, LAST, RESIDUAL
from topopt.solvers.multigrid.cycle import Steps
from topopt.solvers.multigrid.hierarchy import hierarchy
from topopt.solvers.multigrid.plan import plan
from topopt.solvers.multigrid.scaled import Scaled

GRIDS = [Grid((12, 10, 8)), Grid((9, 7, 11), (1.0, 2.0, 1.5)), Grid((6, 1, 2)), Grid((33, 17)), Grid((4, 4))]
WEIGHT = 0.37
CLOSE = {np.float32: 2e-6, np.float64: 1e-14}


@pytest.fixture(params=[1, 2, 3, 40])
def slabs(request, monkeypatch):
    """So many slabs, whatever the cores: some share planes, some have none."""
    monkeypatch.setattr("topopt.solvers.multigrid.hierarchy.slabs", lambda: request.param)


class Heat:
    """One unknown a node: diffusion and mass, some nodes held."""

    def __init__(self, grid):
        self.mesh, self.n_cells = grid, grid.n_cells
        self.ndim, self.n_dofs, self.free = (
            grid.ndim,
            grid.n_nodes,
            np.delete(np.arange(grid.n_nodes), [0, 1]),
        )
        self.cell_dofs = grid.cell_nodes
        self.element_matrix = diffusion(grid.spacing) + 0.3 * mass(grid.spacing)
        self.springs = np.zeros(self.n_dofs)


def body(grid, kind):
    """What is solved: springs, a plane that slides and a node that is held, or heat."""
    if kind == "scalar":
        return Heat(grid)
    between = Point(tuple(grid.spacing.tolist()))  # a node without a partner on the coarse lattice
    supports = (
        Support(between),
        Support(Plane(y=0.0), "y"),
        Support(Plane(x=0.0), spring=2.0),
    )
    force = (1.0, -1.0, 0.5)[: grid.ndim]
    return Structure(grid, supports, (PointLoad(Point(grid.size), force),))


def filled(grid, kind, dtype, rng):
    """The fused levels, and noise in their vectors, zero where they are fixed."""
    system = body(grid, kind)
    # two steps a level: every vector of a room is there
    moduli, steps = rng.uniform(0.01, 1.0, grid.n_cells), Steps(2, 2)
    cycles = hierarchy(Scaled(system, moduli), plan(system, 10), steps, dtype)
    found = []
    for number, level in enumerate(cycles.levels):
        if level.fused:
            room, below = cycles.rooms[number], cycles.rooms[number + 1]
            room.b[:] = rng.normal(size=room.b.size)
            room.b[level.operator.fixed] = 0.0
            below.x[:] = rng.normal(size=below.x.size)
            found.append((level, room, below))
    bricks = grid.ndim == 3 and kind == "elastic" and len(cycles.levels) > 1
    assert len(found) == (2 if bricks else 1)
    return found


def every(test):
    """Every grid, kind of unknowns and precision."""
    for name, values in (
        ("grid", GRIDS),
        ("kind", ["elastic", "scalar"]),
        ("dtype", [np.float32, np.float64]),
    ):
        test = pytest.mark.parametrize(name, values, ids=lambda v: getattr(v, "__name__", str(v)))(test)
    return pytest.mark.usefixtures("slabs")(test)


@every
def test_a_step_joins_the_way_down_and_the_way_up(grid, kind, dtype, rng):
    for level, room, below in filled(grid, kind, dtype, rng):
        x, y, b = room.x, room.y, room.b
        level.jacobi(b, WEIGHT, x, x[:0])
        level.run(RESIDUAL, x, y, b)
        level.restrict(y, below.b)
        expected = below.b.copy()
        below.b[:] = np.nan
        level.smooth_and_restrict(b, WEIGHT, below.b)
        assert np.abs(below.b - expected).max() < CLOSE[dtype] * np.abs(expected).max()
        level.prolong(below.x, x)
        product = level.run(LAST, x, y, b, None, 0.0, WEIGHT)
        expected = y.copy()
        y[:] = np.nan
        found = level.correct_and_smooth(below.x, b, WEIGHT, y)
        assert found == pytest.approx(product, rel=10 * CLOSE[dtype])
        assert np.abs(y - expected).max() < CLOSE[dtype] * np.abs(expected).max()
        assert not y[level.operator.fixed].any()


@every
def test_the_next_direction_joins_its_product(grid, kind, dtype, rng):
    level, room, _ = filled(grid, kind, dtype, rng)[0]
    z, p, following, q = room.b, room.z, room.x, room.y
    p[:] = rng.normal(size=p.size)
    p[level.operator.fixed] = 0.0
    product = level.next_product(0.7, z, p, following, q)
    found = q.copy()
    assert np.abs(following - (z + 0.7 * p)).max() < CLOSE[dtype] * np.abs(p).max()
    assert product == pytest.approx(level.run(APPLY, following, q), rel=10 * CLOSE[dtype], abs=CLOSE[dtype])
    assert np.abs(found - q).max() < CLOSE[dtype] * np.abs(q).max()
