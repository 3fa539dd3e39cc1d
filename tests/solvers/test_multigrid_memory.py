"""Bytes a cell that the multigrid solver takes, and a whole run with it: what the guide states."""

import gc
import tracemalloc
import weakref

import numpy as np
import pytest

import topopt as to
from topopt.fem import StiffnessOperator
from topopt.signals import signals
from topopt.solvers import Multigrid, choose
from topopt.workspaces import vacate


def cantilever(cells):
    grid = to.Grid(cells)
    force = (0.0, -1.0, 0.0)[: grid.ndim]
    return to.Structure(grid, (to.Support(to.Plane(x=0.0)),), (to.PointLoad(to.Point(grid.size), force),))


@pytest.mark.parametrize(
    ("cells", "held", "peak"), [((64, 32, 32), 260, 430), ((80, 48, 48), 165, 330), ((600, 200), 150, 270)]
)
def test_the_solver_takes_few_bytes_a_cell(cells, held, peak):
    """Held by the factor, and at most within a solve; the coarsest grid weighs on the smallest."""
    structure = cantilever(cells)
    operator = StiffnessOperator(structure, np.ones(structure.grid.n_cells))
    guesses = [structure.forces, structure.forces]
    Multigrid().factor(operator).solve(structure.forces, guesses)  # compiles
    vacate()  # so that the vectors that are kept for the next solve count again
    tracemalloc.start()
    try:
        factor = Multigrid().factor(operator)
        now = tracemalloc.get_traced_memory()[0]
        factor.solve(structure.forces, guesses)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert now / structure.grid.n_cells < held
    assert most / structure.grid.n_cells < peak
    assert most < choose(structure, "multigrid").bytes_estimated


def test_a_factor_is_gone_as_soon_as_nobody_holds_it():
    """Without waiting for the collector of cycles: two would not fit."""
    structure = cantilever((32, 16, 16))
    operator = StiffnessOperator(structure, np.ones(structure.grid.n_cells))
    Multigrid().factor(operator).solve(structure.forces)
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        Multigrid().factor(operator).solve(structure.forces)
        assert tracemalloc.get_traced_memory()[0] < 10 * structure.grid.n_cells
    finally:
        tracemalloc.stop()
        gc.enable()


def test_a_factor_is_gone_once_everything_is_pulled_back(monkeypatch):
    """What the log is told of the gates needs no operators."""
    factors, alive = [], []
    factor = Multigrid.factor

    def factored(*given):
        made = factor(*given)
        factors.append(weakref.ref(made))
        return made

    def told(*given):
        alive.append(factors[-1]())
        return signals(*given)

    monkeypatch.setattr(Multigrid, "factor", factored)
    monkeypatch.setattr("topopt.problem.signals", told)
    structure = cantilever((16, 12, 12))
    domain = to.Domain(structure.grid)
    chain = to.Chain(
        [
            ("filtered", to.Cone(domain, 3.0)),
            ("physical", to.Tanh(4.0)),
            ("stiffness", to.Simp()),
            ("displacement", to.Equilibrium(structure, Multigrid())),
            ("compliance", to.Compliance(structure)),
            ("volume", to.Mean(domain), "physical"),
        ]
    )
    problem = to.Problem(chain, domain, "compliance", {"volume": 0.3})
    problem.evaluate(problem.initial())
    assert alive == [None]


def test_a_run_never_tabulates_the_cells(monkeypatch):
    """Neither the unknowns nor the nodes of every cell: 128 bytes each."""

    def refuse(*_):
        raise AssertionError("tabulated")

    structure = cantilever((40, 40, 32))  # long enough for the compiled passes
    domain = to.Domain(structure.grid)
    chain = to.Chain(
        [
            ("filtered", to.Cone(domain, 3.0)),
            ("stiffness", to.Simp()),
            ("displacement", to.Equilibrium(structure)),
            ("compliance", to.Compliance(structure)),
            ("volume", to.Mean(domain), "filtered"),
        ]
    )
    problem = to.Problem(chain, domain, "compliance", {"volume": 0.3}, density="filtered")
    structure.forces  # noqa: B018
    monkeypatch.setattr("topopt.grid._cell_nodes", refuse)
    monkeypatch.setattr("topopt.fem.structure._cell_dofs", refuse)
    step = to.solve(problem, to.OC(), stop=to.Stop(iterations=2, change=0.0))
    assert step.iteration.solver["iterations"] > 0
