"""What joins the sweep of a product does the same as the passes that it replaces."""

import numba
import numpy as np
import pytest

from topopt.fem import PointLoad, StiffnessOperator, Structure, Support
from topopt.grid import Grid
from topopt.regions import Plane, Point
from topopt.solvers import Multigrid
from topopt.solvers.matrixfree.sweep import APPLY, LAST, RESIDUAL

GRIDS = [Grid((12, 10, 8)), Grid((9, 7, 11), (1.0, 2.0, 1.5)), Grid((6, 1, 2)), Grid((33, 17)), Grid((4, 4))]
WEIGHT = 0.37
CLOSE = {"single": 2e-6, "double": 1e-14}


@pytest.fixture(params=[1, 2])
def threads(request):
    """As many threads as asked for, if there are."""
    usual = numba.get_num_threads()
    numba.set_num_threads(min(request.param, usual))
    yield
    numba.set_num_threads(usual)


def filled(grid, precision, rng):
    """The levels that are applied cell by cell, and noise in their vectors, zero where they are fixed."""
    supports = (
        Support(Point((0.0,) * grid.ndim)),
        Support(Plane(y=0.0), "y"),
        Support(Plane(x=0.0), spring=2.0),
    )
    force = (1.0, -1.0, 0.5)[: grid.ndim]
    structure = Structure(grid, supports, (PointLoad(Point(grid.size), force),))
    operator = StiffnessOperator(structure, rng.uniform(0.01, 1.0, grid.n_cells))
    # two steps a level: every vector of a room is there
    cycles = Multigrid(smoothing=(2, 2), coarsest=100, precision=precision).factor(operator)._cycles
    for number, level in enumerate(cycles.levels):
        if level.single:
            room, below = cycles.rooms[number], cycles.rooms[number + 1]
            room.b[:] = rng.normal(size=room.b.size)
            room.b[level.operator.fixed] = 0.0
            below.x[:] = rng.normal(size=below.x.size)
            yield level, room, below


@pytest.mark.parametrize("precision", ["single", "double"])
@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.usefixtures("threads")
def test_a_step_joins_the_way_down_and_the_way_up(grid, precision, rng):
    for level, room, below in filled(grid, precision, rng):
        x, y, b = room.x, room.y, room.b
        level.jacobi(b, WEIGHT, x, x[:0])
        level.run(RESIDUAL, x, y, b)
        level.restrict(y, below.b)
        expected = below.b.copy()
        below.b[:] = np.nan
        level.down(b, WEIGHT, below.b)
        assert np.abs(below.b - expected).max() < CLOSE[precision] * np.abs(expected).max()
        level.prolong(below.x, x)
        product = level.run(LAST, x, y, b, None, 0.0, WEIGHT)
        expected = y.copy()
        y[:] = np.nan
        assert level.up(below.x, b, WEIGHT, y) == pytest.approx(product, rel=10 * CLOSE[precision])
        assert np.abs(y - expected).max() < CLOSE[precision] * np.abs(expected).max()
        assert not y[level.operator.fixed].any()


@pytest.mark.parametrize("precision", ["single", "double"])
@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.usefixtures("threads")
def test_the_next_direction_joins_its_product(grid, precision, rng):
    level, room, _ = next(filled(grid, precision, rng))
    z, p, following, q = room.b, room.z, room.x, room.y
    p[:] = rng.normal(size=p.size)
    p[level.operator.fixed] = 0.0
    product = level.onward(0.7, z, p, following, q)
    found = q.copy()
    assert following == pytest.approx(z + 0.7 * p, rel=CLOSE[precision], abs=CLOSE[precision])
    assert product == pytest.approx(level.run(APPLY, following, q), rel=10 * CLOSE[precision])
    assert np.abs(found - q).max() < CLOSE[precision] * np.abs(q).max()
