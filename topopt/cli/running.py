"""`topopt run` and `topopt resume`: from a problem file to a finished run folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from topopt.cli.interruption import Request, at_once, handled
from topopt.cli.plotting import draw
from topopt.cli.reporting import Reporter, reporter
from topopt.cli.terminal import (
    INTERRUPTED,
    VIOLATED,
    console,
    errors,
    guarded,
    require_file,
    require_folder,
    silence,
)
from topopt.diagnosis import TOLERANCE, diagnose
from topopt.errors import InputError, RunFolderError
from topopt.files import Job, Plan, Recording, RunFolder, parse, read, read_about, read_history, read_problem
from topopt.kernels.announcing import announced
from topopt.problem import Problem
from topopt.run import Step, model_parameters
from topopt.stages import Equilibrium, VonMises
from topopt.workspaces import vacate

__all__ = ["resume_folder", "run_file"]


@guarded
def run_file(
    file: Path,
    overrides: Sequence[str],
    results: Path,
    name: str | None,
    overwrite: bool,
    mode: str,
    figures: bool,
) -> int:
    """Optimise the design of a problem file."""
    require_file(file)
    job = read(file, overrides)
    folder = RunFolder.create(
        results,
        name or job.name,
        job.resolved,
        solver=_solver(job),
        seed=job.seed,
        recording=Recording(frames_every=job.frames_every),
        overwrite=overwrite,
    )
    return _carried_out(job, folder, mode, figures, f"topopt resume {folder.path}")


@guarded
def resume_folder(path: Path, iterations: int | None, mode: str, figures: bool) -> int:
    """Go on with a run from its folder."""
    require_folder(path)
    resolved = read_problem(path, read_about(path))
    if resolved is None:
        raise RunFolderError(f"{path} was made in Python and holds no problem file: resume it there")
    overrides = [] if iterations is None else [f"stop.iterations={iterations}"]
    done = len(read_history(path))
    if iterations is not None and iterations < done:
        raise InputError(f"--iterations {iterations}: {path} has {done} iterations already; ask for more")
    # The folder is opened last: a mistake up to here leaves it as it was.
    job = parse(resolved, source=str(path / "problem.yaml"), overrides=overrides, folder=path)
    again = f"topopt resume {path}" + (f" --iterations {iterations}" if iterations is not None else "")
    folder = RunFolder.open(path, solver=_solver(job))
    return _carried_out(job, folder, mode, figures, again)


def _carried_out(job: Job, folder: RunFolder, mode: str, figures: bool, again: str) -> int:
    """Run to the end, or to the interruption, and write everything down."""
    with folder:
        try:
            with handled(at_once), reporter(mode, job.stop.iterations) as shown:
                last = _last(job, folder, shown)
                _finished(job, folder, last, shown, figures)
            if mode == "quiet":
                console.print(str(folder.path))
        except KeyboardInterrupt:
            return _interrupted(folder, again)
        except BrokenPipeError:
            silence()
            return _interrupted(folder, again)
    return VIOLATED if last.iteration.violation > TOLERANCE else 0


def _last(job: Job, folder: RunFolder, shown: Reporter) -> Step:
    """Run the loop and return its last step."""
    for sentence in (*folder.notes, *job.warnings, _solver(job)):
        shown.say(sentence)
    before = len(folder.history)
    if before:
        shown.say(f"{folder.path}: {before} iterations are on record")
    if job.design is not None:
        shown.wait("preparing: neighbours, sparsity pattern, ordering of the unknowns ...")
    request = Request()
    with handled(request), announced(_once(shown)):
        for step in folder.steps(job.problem, job.optimizer, job.continuation, job.stop):
            shown.step(step)
            if request.made:
                raise KeyboardInterrupt
            last = step
    if last.iteration.number == before:
        shown.say("the run had ended already; its results are written again")
    return last


def _once(shown: Reporter) -> Callable[[str], None]:
    """Return what says, the first time it is called, that kernels are being compiled."""
    said: list[str] = []

    def say(name: str) -> None:
        if not said:
            shown.wait(
                f"compiling kernels, {name} the first; they are kept, so that the next run starts at once ..."
            )
        said.append(name)

    return say


def _finished(job: Job, folder: RunFolder, last: Step, shown: Reporter, figures: bool) -> None:
    """Write design, diagnosis and figures."""
    shown.wait("writing the design ...")
    text = diagnose(last.history, last.reason, job.problem.parameters())
    folder.write_text("diagnosis.txt", text + "\n")
    plan = _plan(job, job.design, _last_values(job.design, last)) if job.design else None
    for sentence in folder.finish(last, plan):
        shown.say(sentence)
    shown.say(f"\n{text}\n")
    if figures:
        shown.wait("drawing the figures ...")
        draw(job, folder.path, last.history, last.evaluation.picture, folder.file, shown.say)
    shown.say(f"The results are in {folder.path}/")


def _interrupted(folder: RunFolder, again: str) -> int:
    """Say how to go on; a run whose figures alone are missing stays a finished one."""
    if folder.status().state == "finished":
        errors.print(f"interrupted; the run is finished, draw its figures with:\n  topopt plot {folder.path}")
    else:
        folder.interrupt()
        errors.print(f"interrupted after iteration {len(folder.history)}; go on with:\n  {again}")
    return INTERRUPTED


def _solver(job: Job) -> str:
    """Return which solver was chosen and why."""
    return job.choice.reason if job.choice else "nothing is solved"


def _last_values(problem: Problem, last: Step) -> Mapping[str, np.ndarray]:
    """Solve for the last time, and give back the room that it took."""
    values = problem.tape(last.x, model_parameters(last.iteration.parameters)).values
    vacate()
    return values


def _plan(job: Job, problem: Problem, values: Mapping[str, np.ndarray]) -> Plan:
    """Return what is exported beside the density: fields, states and stresses among the values of a tape."""
    structure, n_nodes = job.structure, problem.mesh.n_nodes
    fields = {k: v for k, v in values.items() if v.shape == (problem.mesh.n_cells,)}
    temperatures = {k: v.ravel() for k, v in values.items() if v.shape == (n_nodes, 1)}
    if structure is None:
        return Plan(fields, {}, temperatures, unit=job.unit, smoothing=job.smoothing)
    state = _state(problem)
    displacements: dict[str, np.ndarray] = {}
    if state is not None:
        displacements = dict(zip(structure.case_names, values[state].T, strict=True))
        stresses = VonMises(structure)(values[state], values[problem.density])
        fields |= {f"von Mises {k}": v for k, v in zip(structure.case_names, stresses.T, strict=True)}
    thickness = structure.material.thickness
    return Plan(fields, displacements, temperatures, thickness, job.unit, job.smoothing)


def _state(problem: Problem) -> str | None:
    """Return the name of the displacements of the design that is built, if it has some."""
    return next(
        (
            link.name
            for link in problem.chain
            if isinstance(link.stage, Equilibrium) and problem.density in problem.chain.ancestors(link.name)
        ),
        None,
    )
