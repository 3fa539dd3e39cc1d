"""`topopt check` says whether a file is right, what it costs, whether its gradients are true."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from topopt.cli.reporting import console, guarded
from topopt.errors import MissingDependencyError
from topopt.files import Job, read
from topopt.history import History

__all__ = ["check_file"]

FAILED = 4


@guarded
def check_file(file: Path, overrides: Sequence[str], results: Path, taylor: bool) -> int:
    """Check a problem file; return 0 if it can be run and its gradients are true."""
    job = read(file, overrides)
    say = console.print
    say(f"{file}: no mistakes", markup=False)
    for warning in job.warnings:
        say(f"warning: {warning}", markup=False)
    for line in _described(job):
        say(line, markup=False)
    _sketched(job, results)
    return _tested(job) if taylor else 0


def _described(job: Job) -> list[str]:
    """Return what will be run, in a few lines."""
    problem, grid = job.problem, job.problem.grid
    cells, edges = (" x ".join(f"{n:.4g}" for n in numbers) for numbers in (grid.cells, grid.spacing))
    lines = [
        f"{job.name}: {cells} cells of {edges}, {len(problem.initial())} of them designed",
        f"chain: {' -> '.join(problem.chain.names)}",
    ]
    if job.structure is not None:
        lines.append(f"{len(job.structure.free)} unknowns, load cases: {', '.join(job.structure.case_names)}")
    if job.choice is not None:
        lines.append(
            f"solver {job.choice.reason}; about {job.choice.bytes_estimated / 1e9:.2g} GB and "
            f"{job.choice.seconds_estimated:.2g} s an iteration, at most {job.stop.iterations} iterations"
        )
    return lines


def _sketched(job: Job, results: Path) -> None:
    """Draw supports, loads and regions."""
    if job.structure is None:
        return
    from topopt import figures

    path = results / "checks" / f"{job.name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        figures.save(figures.sketch(job.structure, job.problem.domain), path)
    except MissingDependencyError as error:
        console.print(f"sketch not drawn: {error}", markup=False)
        return
    console.print(f"sketch of supports, loads and regions: {path}", markup=False)


def _tested(job: Job) -> int:
    """Run the Taylor test of the objective and of every limited response, soft and sharp."""
    from topopt import check

    problem, rng = job.problem, np.random.default_rng(0)
    x = problem.field(rng.uniform(0.3, 0.7, len(problem.initial())))
    settings = _settings(job)
    code = 0
    for response in dict.fromkeys([problem.minimise, *problem.limits]):
        report = check.chain(problem.chain, response, x, rng, settings=settings)
        console.print(str(report), markup=False)
        code = code if report.ok else FAILED
    return code


def _settings(job: Job) -> list[dict[str, float]]:
    """Return the scheduled parameters of the chain at their start, half way (by ratio) and at their end."""
    starts = {k: v for k, v in job.continuation.at(History()).items() if not k.startswith("optimizer.")}
    finals = {name: job.continuation.schedules[name].final for name in starts}
    ends = {name: v if math.isfinite(v) else 64.0 for name, v in finals.items()}
    middle = {k: math.sqrt(v * ends[k]) if v * ends[k] > 0 else (v + ends[k]) / 2 for k, v in starts.items()}
    return [starts, middle, ends] if starts else [{}]
