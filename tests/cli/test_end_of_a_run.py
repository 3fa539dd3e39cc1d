"""Bytes a cell that the end of a run takes: less than an iteration, as the guide states for a large one."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import topopt as to
from topopt.cli import running
from topopt.design import Design
from topopt.figures import body
from topopt.files.export import Plan, export_design
from topopt.stages import VonMises

PROBLEM = Path(__file__).parents[2] / "problems" / "cantilever_3d_fine.yaml"
CELLS = (64, 48, 40)


@pytest.fixture(autouse=True)
def _large(monkeypatch):
    """Take every grid for a large one, of which no unknowns are tabulated."""
    monkeypatch.setattr("topopt.fem.structure.KEPT", 0)


def peak(call):
    """Return the most bytes a cell that a second call takes beyond what there was."""
    call()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] / np.prod(CELLS)
    finally:
        tracemalloc.stop()


@pytest.fixture
def plate():
    """Return a grid, and a wavy plate in it that fills two fifths of the box."""
    grid = to.Grid(CELLS)
    x, y, z = (grid.centres / grid.size).T
    off = 2 * np.abs(z - 0.5 - 0.2 * np.sin(6 * x)) - 0.2 * np.cos(9 * y)
    return grid, np.clip(0.5 + 3 * (0.4 - off), 0, 1)


@pytest.mark.parametrize(("pulled", "most"), [(False, 50), (True, 110)])
def test_stresses_take_few_bytes_a_cell(pulled, most, plate, rng):
    grid, density = plate
    structure = to.Structure(
        grid, to.Support(to.Plane(x=0.0)), to.PointLoad(to.Point(grid.size), (0.0, 0.0, -1.0))
    )
    u, stage, v = rng.normal(size=(structure.n_dofs, 1)), VonMises(structure), np.ones((grid.n_cells, 1))
    assert peak(lambda: stage.vjp(u, density)[1](v) if pulled else stage.vjp(u, density)) < most


def test_exports_take_few_bytes_a_cell(plate, rng, tmp_path):
    """Five fields and the displacements for ParaView are 73 of them."""
    grid, density = plate
    fields = dict.fromkeys(["a", "b", "c", "d", "e"], density)
    plan = Plan(fields, {"load": rng.normal(size=grid.n_nodes * 3)})
    design = Design(grid, density)
    assert peak(lambda: export_design(tmp_path.joinpath, "plate", density, design, plan)) < 110


def test_a_lit_surface_takes_few_bytes_a_cell(plate):
    grid, density = plate
    assert peak(lambda: body.lit(grid, density, body.surface(grid, density))) < 150


def test_the_end_of_a_run_takes_less_than_the_two_iterations_before_it(tmp_path, monkeypatch):
    most: dict[str, int] = {}

    def measured(module, name):
        function = getattr(module, name)

        def run(*given):
            tracemalloc.reset_peak()
            result = function(*given)
            most[name] = tracemalloc.get_traced_memory()[1]
            return result

        monkeypatch.setattr(module, name, run)

    for module, name in (
        (running, "_last"),
        (running, "_last_values"),
        (running, "_plan"),
        (running.RunFolder, "finish"),
    ):
        measured(module, name)
    overrides = [f"grid.cells={list(CELLS)}", "stop.iterations=2"]

    def carried_out():
        return running.run_file(PROBLEM, overrides, tmp_path, "run", True, "quiet", False)

    assert carried_out() == 0
    tracemalloc.start()
    try:
        assert carried_out() == 0
    finally:
        tracemalloc.stop()
    assert most["finish"] < most["_last_values"] < most["_last"]
    assert most["_plan"] < most["_last"]
