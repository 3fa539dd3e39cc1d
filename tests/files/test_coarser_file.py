"""`grid.coarsening` in a problem file: nested grids, and clear words where they do not nest."""

from __future__ import annotations

from pathlib import Path

import pytest

import topopt as to
from topopt.errors import ProblemFileError
from topopt.files import read

BEAM = Path(__file__).parents[2] / "problems" / "benchmarks" / "mbb_50.yaml"


def job(schedule: str, *more: str):
    return read(BEAM, [f'continuation."grid.coarsening"={schedule}', "grid.cells=[24,8]", *more])


def test_a_schedule_of_the_coarsening_brings_the_coarser_grids_along():
    made = job("{type: steps, values: [4, 2, 1], every: 3}", "chain.filtered.radius=40")
    assert isinstance(made.problem, to.Refinable)
    assert {k: p.grid.cells for k, p in made.problem.coarser.items()} == {2: (12, 4), 4: (6, 2)}
    assert {p.grid.size for p in made.problem.coarser.values()} == {made.problem.grid.size}
    for coarse in made.problem.coarser.values():
        assert coarse.chain["displacement"].stage.structure.mesh == coarse.grid
    last = to.solve(made.problem, made.optimizer, made.continuation, to.Stop(iterations=8, change=0.0))
    assert [it.parameters["grid.coarsening"] for it in last.history] == [4.0] * 3 + [2.0] * 3 + [1.0] * 2


@pytest.mark.parametrize(
    ("schedule", "more", "text"),
    [
        (
            "{type: geometric, start: 4, final: 1, over: 9}",
            ("chain.filtered.radius=12",),
            "expected steps, such as {type: steps",
        ),
        (
            "{type: steps, values: [2.5, 1]}",
            ("chain.filtered.radius=12",),
            "expected whole numbers of cells that make one, got 2.5",
        ),
        (
            "{type: steps, values: [3, 1]}",
            ("chain.filtered.radius=12",),
            r"\[24, 8\] cells cannot be taken in blocks of 3",
        ),
        (
            "{type: steps, values: [4, 1]}",
            ("chain.filtered.radius=12",),
            r"with cells 4 times as large, \[6, 2\]: 12 is too small for cells of 20 x 20",
        ),
    ],
)
def test_grids_that_do_not_nest_are_mistakes_of_the_schedule(schedule, more, text):
    with pytest.raises(ProblemFileError, match=f"grid.coarsening.*{text}"):
        job(schedule, *more)


def test_no_link_may_be_called_grid():
    with pytest.raises(ProblemFileError, match="'grid' cannot name a link"):
        read(BEAM, ["chain.filtered.name=grid"])
