"""A finished design made black and white and computed again, on its own grid and on one twice as fine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from topopt.design import Design
from topopt.errors import InputError, RunFolderError
from topopt.files import parse, read_about, read_history, read_problem
from topopt.parameters import Array
from topopt.problem import Problem
from topopt.run import model_parameters
from topopt.study.yardstick import Threshold, blackened, floored

__all__ = ["Verification", "verified"]


@dataclass(frozen=True)
class Verification:
    """What the objective is worth once the design is black and white.

    Attributes
    ----------
    grey : float
        What the run ended with.
    black : float
        The black-and-white design on the run's grid, at the volume limit.
    fine : float
        The same design on cells of half the edge.
    cells : tuple of int
        Of the finer grid.
    """

    grey: float
    black: float
    fine: float
    cells: tuple[int, ...]

    def __str__(self) -> str:
        """Say it in three sentences."""
        grid = " x ".join(str(n) for n in self.cells)
        return (
            f"The run ended with {self.grey:.6g}. Black and white at the same volume the design has "
            f"{self.black:.6g} ({_share(self.black, self.grey)}). On {grid} cells that design has "
            f"{self.fine:.6g} ({_share(self.fine, self.black)}): so much is owed to the grid."
        )


def verified(path: Path | str) -> Verification:
    """Verify a run that has ended.

    Parameters
    ----------
    path : path
        Its folder.

    Raises
    ------
    RunFolderError
        If it was made in Python, or holds no design.
    InputError
        If it designs nothing on a grid, lowers several responses, or its black-and-white design is broken.
    """
    path = Path(path)
    text = read_problem(path, read_about(path))
    if text is None:
        raise RunFolderError(f"{path} was made in Python and holds no problem file: verify it there")
    if not (path / "design.npz").is_file():
        raise RunFolderError(f"{path} holds no design.npz: only a run that has ended can be verified")
    problem = parse(text, source=str(path / "problem.yaml"), folder=path).design
    if problem is None:
        raise InputError(f"{path}: the model is no design on a grid; there is nothing to refine")
    if not isinstance(problem.minimise, str):
        raise InputError(f"{path}: several responses are lowered; verify them one by one in Python")
    cells = tuple(2 * n for n in problem.grid.cells)
    overrides = [f"grid.cells={list(cells)}", f"grid.size={list(problem.grid.size)}"]
    overrides.append("start=0.5")  # one from a file fits its own grid alone, and none matters here
    finer = parse(text, source=str(path / "problem.yaml"), overrides=overrides, folder=path).design
    assert finer is not None
    return _compared(path, problem, finer)


def _compared(path: Path, problem: Problem, finer: Problem) -> Verification:
    """Compare a design with itself in black and white, and on a finer grid."""
    last = read_history(path)[-1]
    with np.load(path / "design.npz", allow_pickle=False) as arrays:
        x = arrays["x"]
    parameters = model_parameters(last.parameters)
    evaluation = problem.evaluate(x, parameters)
    assert isinstance(evaluation.picture, Design)
    density = evaluation.picture.density
    counted = int(np.count_nonzero(~problem.domain.void_cells))
    count = _count(problem, density)
    threshold = Threshold(count / counted)
    score = threshold.judge(problem, x, evaluation, parameters)
    if score.fault:
        raise InputError(f"{path}: the black-and-white design is broken: {score.fault}")
    solid = blackened(problem.domain, density, count)
    shaped = problem.grid.shaped(solid.astype(np.float64))
    for axis in range(problem.grid.ndim):
        shaped = np.repeat(shaped, 2, axis)
    chain = finer.chain.upto(str(finer.minimise)).after(finer.density)
    tape = floored(chain, threshold.e_min).run(finer.domain.impose(shaped.ravel()))
    value = float(tape[str(finer.minimise)].item())
    return Verification(last.objective, score.value, value, finer.grid.cells)


def _count(problem: Problem, density: Array) -> int:
    """Return how many cells become solid: those of the volume limit, or of a design that does not need it."""
    own = round(float(density[~problem.domain.void_cells].sum()))
    return min(Threshold().count(problem, density), own)


def _share(one: float, other: float) -> str:
    """Return a difference in per cent."""
    return f"{100 * (one - other) / abs(other):+.2g} %" if other else "no share of nothing"
