"""A finished design made black and white and computed again, and the body that was exported of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from topopt.cells import Cells, Flags
from topopt.design import Design
from topopt.errors import InputError, RunFolderError
from topopt.evaluation import Evaluation
from topopt.files import parse, read_about, read_design, read_history, read_problem, voxels
from topopt.files.located import located
from topopt.grid import Domain, Grid, structured
from topopt.meshes import Mesh, refined
from topopt.parameters import Array
from topopt.problem import Problem
from topopt.run import model_parameters
from topopt.stages import OrderedSimp
from topopt.study.connectivity import bodies
from topopt.study.kept import Kept, Stated, kept, stated
from topopt.study.yardstick import Threshold, blackened

__all__ = ["BodyVerification", "Verification", "verified", "verified_body"]


@dataclass(frozen=True)
class Verification:
    """What the objective is worth once the design is black and white.

    Attributes
    ----------
    response : str
        What is compared; of several rivals all that the design determines, of which the largest counts.
    grey : float
        What the run ended with.
    black : float
        The black-and-white design on the run's grid or mesh, at the volume limit.
    fine : float
        The same design on cells of half the edge.
    cells : tuple of int
        Of the finer grid, along each axis, or the number of those of the finer mesh.
    limits : tuple of Kept
        What every limit comes to: of the run, in black and white, on the finer cells.
    """

    response: str
    grey: float
    black: float
    fine: float
    cells: tuple[int, ...]
    limits: tuple[Kept, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Return all of it as plain data, for JSON."""
        return dataclasses.asdict(self) | {"limits": [limit.facts() for limit in self.limits]}

    def __str__(self) -> str:
        """Say it in three sentences, and in a table what the limits come to."""
        sentences = (
            f"The run ended with {self.response} {self.grey:.6g}. Black and white at the same volume the "
            f"design has {self.black:.6g} ({_share(self.black, self.grey)}). On {_by(self.cells)} cells that "
            f"design has {self.fine:.6g} ({_share(self.fine, self.black)}): so much is owed to the cells."
        )
        return "\n".join(
            [sentences, *_table(("run", "black and white", f"{_by(self.cells)} cells"), self.limits)]
        )


@dataclass(frozen=True)
class BodyVerification:
    """What the objective is worth on the body that was exported.

    Attributes
    ----------
    response : str
        What is compared.
    grey : float
        What the run ended with.
    value : float
        The body on cells of half the edge.
    volume, own : float
        Share of the cells that the body fills, and that of the design; passive void does not count.
    parts : int
        Bodies that hang together by faces of cells.
    cells : tuple of int
        Of the finer grid.
    limits : tuple of Kept
        What every limit comes to: of the run, and of the body.
    """

    response: str
    grey: float
    value: float
    volume: float
    own: float
    parts: int
    cells: tuple[int, ...]
    limits: tuple[Kept, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Return all of it as plain data, for JSON."""
        return dataclasses.asdict(self) | {"limits": [limit.facts() for limit in self.limits]}

    def __str__(self) -> str:
        """Say it in two sentences, or in three if the body has fallen apart, and in a table of the limits."""
        apart = f" It has fallen into {self.parts} parts." if self.parts > 1 else ""
        sentences = (
            f"The run ended with {self.response} {self.grey:.6g} at volume {self.own:.4g}. Read back from "
            f"design.stl onto {_by(self.cells)} cells, the body has {self.value:.6g} "
            f"({_share(self.value, self.grey)}) at volume {self.volume:.4g} "
            f"({_share(self.volume, self.own)}).{apart}"
        )
        return "\n".join([sentences, *_table(("run", "body"), self.limits)])


@dataclass(frozen=True, eq=False)
class _Finished:
    """A run that has ended: its problem at its last parameters, on its own cells and on those cut up."""

    path: Path
    problem: Problem
    finer: Problem
    x: Array
    evaluation: Evaluation
    names: tuple[str, ...]
    limits: tuple[Stated, ...]

    @property
    def response(self) -> str:
        """What is compared, in words."""
        return self.names[0] if len(self.names) == 1 else f"the largest of {', '.join(self.names)}"

    @property
    def grey(self) -> float:
        """What the run ended with."""
        return max(self.evaluation.responses[name] for name in self.names)

    @property
    def density(self) -> Array:
        """The design, shape (n_cells,)."""
        assert isinstance(self.evaluation.picture, Design)
        return self.evaluation.picture.density

    def kept(self, *designs: tuple[Problem, Flags]) -> tuple[Kept, ...]:
        """Return what every limit comes to for the run's own design and for black-and-white ones."""
        return kept(self.limits, self.evaluation, *designs)

    def judged(self, problem: Problem, solid: Flags, what: str = "black-and-white design") -> float:
        """Return what a design of solid cells is worth, on either grid."""
        score = Threshold().valued(problem, solid)
        if score.fault:
            raise InputError(
                f"{self.path}: the {what} is broken: {score.fault}; passive solid cells stay: make those "
                "at loads and supports passive"
            )
        return score.value


def verified(path: Path | str) -> Verification:
    """Verify a run that has ended: in black and white, on its own cells and on those cut in halves.

    On a mesh every cell is cut at the middles of its edges (`topopt.meshes.refined`). Loads, supports and
    passive parts are what the problem file says of the finer cells.

    Parameters
    ----------
    path : path
        Its folder.

    Raises
    ------
    RunFolderError
        If it was made in Python, or holds no design.
    InputError
        If it designs nothing on cells, if black and white means nothing for its materials, if nothing that
        it lowers follows from the density alone, or if its black-and-white design is broken.
    """
    run = _finished(Path(path))
    solid = blackened(run.problem.domain, run.density, _amount(run.problem, run.density))
    fine = _imposed(run.finer, _cut(run.problem.mesh, solid))
    return Verification(
        run.response,
        run.grey,
        run.judged(run.problem, solid),
        run.judged(run.finer, fine),
        run.finer.mesh.shape,
        run.kept((run.problem, solid), (run.finer, fine)),
    )


def verified_body(path: Path | str) -> BodyVerification:
    """Verify the body that a run has exported: its STL file, read back onto a grid twice as fine.

    Parameters
    ----------
    path : path
        The run's folder.

    Raises
    ------
    RunFolderError, InputError
        As for `verified`, and if there is no body.
    MissingDependencyError
        If trimesh is absent.
    """
    run = _finished(Path(path))
    file = run.path / "design.stl"
    if not file.is_file():
        raise RunFolderError(
            f"{run.path} holds no design.stl: VTK was absent, or no density exceeded one half; "
            f"`topopt resume {run.path}` writes the results again"
        )
    solid = _imposed(run.finer, voxels(file, run.finer.mesh))
    return BodyVerification(
        run.response,
        run.grey,
        run.judged(run.finer, solid, "exported body"),
        _shared(run.finer.domain, solid.astype(np.float64)),
        _shared(run.problem.domain, run.density),
        bodies(run.finer.mesh, solid)[1],
        run.finer.mesh.shape,
        run.kept((run.finer, solid)),
    )


def _finished(path: Path) -> _Finished:
    """Read a run that has ended."""
    text = read_problem(path, read_about(path))
    if text is None:
        raise RunFolderError(f"{path} was made in Python and holds no problem file: verify it there")
    x = read_design(path, "x")["x"]
    job = parse(text, source=str(path / "problem.yaml"), folder=path)
    problem = job.design
    if problem is None:
        raise InputError(f"{path}: the model is no design on a grid; there is nothing to refine")
    for link in problem.chain:
        if isinstance(link.stage, OrderedSimp):
            raise InputError(
                f"{path}: '{link.name}' has several materials along one density, so that black and white "
                "would be another design; compute it on finer cells with --set grid.cells instead"
            )
    # A start from a file fits its own cells alone, and none matters here.
    overrides = [*_halves(problem.mesh, located(text, "problem.yaml").data), "start=0.5"]
    finer = parse(text, source=str(path / "problem.yaml"), overrides=overrides, folder=path).design
    assert finer is not None
    parameters = model_parameters(read_history(path)[-1].parameters)
    evaluation = problem.evaluate(x, parameters)
    names = tuple(Threshold().chains(problem))
    limits = stated(problem, job.continuation, parameters)
    return _Finished(path, _at(problem, parameters), _at(finer, parameters), x, evaluation, names, limits)


def _halves(cells: Cells, said: Mapping[str, Any]) -> list[str]:
    """Return what a problem file says otherwise for cells of half the edge."""
    if isinstance(cells, Grid):
        return [f"grid.cells={[2 * n for n in cells.cells]}", f"grid.size={list(cells.size)}"]
    return [f"mesh.refine={said['mesh'].get('refine', 0) + 1}"]


def _cut(cells: Cells, solid: Flags) -> Flags:
    """Return which cells of half the edge are cut from solid ones."""
    if isinstance(cells, Mesh):
        return np.asarray(solid[refined(cells)[1]])
    shaped = solid.reshape(structured(cells).cells)
    for axis in range(cells.ndim):
        shaped = np.repeat(shaped, 2, axis)
    return shaped.ravel()


def _at(problem: Problem, parameters: dict[str, float]) -> Problem:
    """Return a problem whose chain stands at the run's last parameters."""
    own = problem.chain.parameters().keys() & parameters.keys()
    chain = problem.chain.at({name: parameters[name] for name in own})
    return dataclasses.replace(problem, chain=chain)


def _imposed(problem: Problem, solid: Flags) -> Flags:
    """Return which cells are solid once the passive ones are what the problem says."""
    return problem.domain.impose(solid.astype(np.float64)) > 0.5


def _shared(domain: Domain, density: Array) -> float:
    """Return the share of the cells that are not passive void that a density fills."""
    sizes = domain.sizes * ~domain.void_cells
    return float(density @ sizes / sizes.sum())


def _amount(problem: Problem, density: Array) -> float:
    """Return how much becomes solid: the volume limit, or that of a design that does not need it."""
    domain = problem.domain
    own = float((density * domain.sizes)[~domain.void_cells].sum())
    return min(Threshold().amount(problem, density), own)


def _by(cells: tuple[int, ...]) -> str:
    """Return numbers of cells as text."""
    return " x ".join(str(n) for n in cells)


def _share(one: float, other: float) -> str:
    """Return a difference in per cent of the other's size."""
    return f"{100 * (one - other) / abs(other):+.3g} %" if other and math.isfinite(one) else "no share"


def _table(designs: tuple[str, ...], limits: tuple[Kept, ...]) -> list[str]:
    """Return the lines of a table: a limit a row, a design a column, and whether the last one keeps it."""
    if not limits:
        return []
    rows = [["limit", *designs, ""]]
    for row in limits:
        values = ["unknown" if value is None else f"{value:.6g}" for value in row.values]
        rows.append([str(row.limit), *values, row.verdict])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["", *("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)]
