"""The coarser grids that a schedule of ``grid.coarsening`` visits, and the problem on each of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from topopt.cells import Cells
from topopt.continuation import Constant, Schedule, Steps
from topopt.errors import InputError
from topopt.files.located import Mistake
from topopt.files.spec import Item, Spec
from topopt.grid import Grid, structured
from topopt.problem import Problem
from topopt.refinement import COARSENING, coarsened

__all__ = ["coarser_problems"]

PATH = ("continuation", COARSENING)


def coarser_problems(
    spec: Spec, mesh: Cells, schedule: Schedule | None, build: Callable[[Spec], Problem | None]
) -> dict[int, Problem]:
    """Build the problem of a file on every coarser grid that is asked for; mistakes are added to the spec.

    Parameters
    ----------
    spec : Spec
        What the file says.
    mesh : Grid or Mesh
        The fine grid; a mesh has none that is coarser.
    schedule : Schedule or None
        Of the coarsening.
    build : callable
        Builds the problem that a spec describes; what is wrong with it is added to that spec.

    Returns
    -------
    dict
        Problems by coarsening, without the fine one.
    """
    if schedule is None:
        return {}
    try:
        grid = structured(mesh, "coarsening", "leave it out")
        factors = _factors(schedule)
        grids = {factor: coarsened(grid, factor) for factor in factors}
    except InputError as error:
        spec.mistakes.append(Mistake(PATH, str(error).removeprefix(f"{COARSENING}: ")))
        return {}
    found = {factor: _on(spec, coarse, factor, build) for factor, coarse in grids.items()}
    return {factor: problem for factor, problem in found.items() if problem is not None}


def _factors(schedule: Schedule) -> list[int]:
    """Return the coarsenings above 1 that a schedule visits."""
    if isinstance(schedule, Steps):
        values: tuple[float, ...] = schedule.values
    elif isinstance(schedule, Constant):
        values = (schedule.value,)
    else:
        raise InputError("expected steps, such as {type: steps, values: [4, 2, 1], every: 30}")
    wrong = [value for value in values if value < 1 or value != int(value)]
    if wrong:
        raise InputError(f"expected whole numbers of cells that make one, got {wrong[0]:g}")
    return sorted({int(value) for value in values if value > 1})


def _on(spec: Spec, grid: Grid, factor: int, build: Callable[[Spec], Problem | None]) -> Problem | None:
    """Build the problem on one coarser grid; what is wrong there is booked at the schedule."""
    assert spec.grid is not None
    values: dict[str, Any] = {"cells": list(grid.cells), "size": list(grid.size)}
    # The start is the fine design's; a coarse problem has none of its own.
    there = dataclasses.replace(spec, grid=Item(spec.grid.path, Grid, values), start=None, mistakes=[])
    problem = build(there)
    spec.add(
        Mistake(PATH, f"with cells {factor} times as large, {list(grid.cells)}: {mistake.text}")
        for mistake in there.mistakes[:1]
    )
    return problem
