"""`topopt check` says whether a file is right, what it costs, whether its gradients are true."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from topopt.cli.progress import duration
from topopt.cli.terminal import FAILED, guarded, require_file, say
from topopt.continuation import Continuation, Follow
from topopt.errors import MissingDependencyError
from topopt.files import Job, read
from topopt.grid import Grid
from topopt.history import History
from topopt.parameters import Array
from topopt.problem import Problem
from topopt.run import model_parameters

__all__ = ["announced", "check_file"]

EVALUATIONS = 17
"""What one Taylor test takes at most: the gradient, the start, three for the rounding, a dozen steps."""
LONG = 60.0
"""Seconds of gradient tests from which a coarser grid is proposed."""
STEEP = 64.0
"""Above this sharpness most cells of a random design are black or white already, and pass nothing on."""
STEEPEST = 1024.0
"""What stands for an end that is steeper still, such as an infinite one."""
SPREAD = 0.2
"""Largest deviation of a density of the random design: at 0 and 1 a step would leave the bounds."""


@guarded
def check_file(file: Path, overrides: Sequence[str], results: Path, taylor: bool) -> int:
    """Check a problem file; return 0 if it can be run and its gradients are true."""
    require_file(file)
    job = read(file, overrides)
    say(f"{file}: no mistakes")
    for warning in job.warnings:
        say(f"warning: {warning}")
    problem = job.design
    if problem is None:
        say(f"{job.name}: {len(job.problem.initial())} variables, at most {job.stop.iterations} iterations")
        say(f"parameters: {', '.join(job.problem.parameters()) or 'none'}")
        return _model_tested(job) if taylor else 0
    for line in _described(job, problem):
        say(line)
    _sketched(job, problem, results)
    return _tested(job, problem) if taylor else 0


def _model_tested(job: Job) -> int:
    """Run the Taylor test of a model's objective where it begins, at the parameters that come first."""
    from topopt import check

    setting = model_parameters(job.continuation.at(History()))
    precision = ", in double precision" if isinstance(job.problem, check.InDouble) else ""
    say(f"testing the gradient of the objective{precision} ...")
    report = check.model(job.problem, np.random.default_rng(0), parameters=setting)
    say(str(report))
    if not report.ok:
        say(
            "The gradient is wrong: the optimiser would be led astray. Look at the model's slopes; one that "
            "replaces them on purpose says so in a method, surrogates(parameters)."
        )
    return 0 if report.ok else FAILED


def _described(job: Job, problem: Problem) -> list[str]:
    """Return what will be run, in a few lines."""
    mesh = problem.mesh
    if isinstance(mesh, Grid):
        counts, edges = (" x ".join(f"{n:.4g}" for n in ns) for ns in (mesh.cells, mesh.spacing))
        cells = f"{counts} cells of {edges}"
    else:
        cells = f"{mesh} with edges up to {mesh.spacing.max():.4g}"
    lines = [
        f"{job.name}: {cells}, {len(problem.initial())} of them designed",
        f"chain: {' -> '.join(problem.chain.names)}",
    ]
    if job.structure is not None:
        lines.append(f"{job.structure.n_free} unknowns, load cases: {', '.join(job.structure.case_names)}")
    if job.choice is not None:
        lines.append(
            f"solver {job.choice.reason}; about {job.choice.bytes_estimated / 1e9:.2g} GB and "
            f"{job.choice.seconds_estimated:.2g} s an iteration, at most {job.stop.iterations} iterations"
        )
    return lines


def _sketched(job: Job, problem: Problem, results: Path) -> None:
    """Draw supports, loads and regions."""
    if job.structure is None:
        return
    from topopt import figures

    path = results / "checks" / f"{job.name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        figures.save(figures.sketch(job.structure, problem.domain), path)
    except MissingDependencyError as error:
        say(f"sketch not drawn: {error}")
        return
    say(f"sketch of supports, loads and regions: {path}")


def _tested(job: Job, problem: Problem) -> int:
    """Run the Taylor test of the objective and of every limited response, soft and sharp."""
    from topopt import check

    rng = np.random.default_rng(0)
    settings = _settings(job, problem)
    code = 0
    for response in dict.fromkeys([*problem.objectives, *problem.limits]):
        say(announced(job, problem, response, len(settings)))
        reports = [
            check.chain(
                problem.chain, response, _design(problem, response, setting, rng), rng, settings=[setting]
            )
            for setting in settings
        ]
        outcomes = dict.fromkeys(outcome for report in reports for outcome in report.outcomes)
        report = dataclasses.replace(reports[0], outcomes=tuple(outcomes))
        say(str(report))
        code = code if report.ok else FAILED
    if code:
        say("A gradient is wrong: the optimiser would be led astray. Look at the stages you added.")
    return code


def _design(problem: Problem, response: str, setting: Mapping[str, float], rng: np.random.Generator) -> Array:
    """Return a random design, shape (n_cells,), that leaves the projections of a response half grey."""
    sharp = [link for link in problem.chain.upto(response) if link.stage.sharp]
    beta = max((setting.get(f"{link.name}.beta", 0.0) for link in sharp), default=0.0)
    centre = 0.5
    if beta > STEEP:
        centre = setting.get(f"{sharp[0].name}.eta", getattr(sharp[0].stage, "eta", 0.5))
    # The steeper the projection is, the nearer to its threshold a density has to be.
    spread = SPREAD * min(1.0, STEEP / beta) if beta > 0 else SPREAD
    # Passive cells, too.
    return np.asarray(centre + spread * rng.uniform(-1.0, 1.0, problem.mesh.n_cells))


def announced(job: Job, problem: Problem, response: str, settings: int) -> str:
    """Say which gradient is tested, and how long that may take if states are solved for it."""
    text = f"testing the gradient of {response} ..."
    solved = any(link.stage.costly for link in problem.chain.upto(response))
    if not solved or job.choice is None:
        return text
    count = EVALUATIONS * settings
    seconds = count * job.choice.seconds_estimated
    text += f" {count} evaluations, roughly {duration(seconds)}"
    if seconds > LONG:
        sooner = ""
        if isinstance(problem.mesh, Grid):
            coarse = ",".join(str(max(8, n // 4)) for n in problem.mesh.cells)
            sooner = f"sooner on a coarser grid (--set grid.cells=[{coarse}]), "
        text += f"; {sooner}skipped by --no-taylor"
    return text


def _settings(job: Job, problem: Problem) -> list[dict[str, float]]:
    """Return the scheduled parameters of the chain at their start, half way (by ratio) and at their end."""
    scheduled, known = job.continuation.at(History()), problem.chain.parameters()
    starts = {name: value for name, value in scheduled.items() if name in known}
    finals = {name: _final(job.continuation, name) for name in starts}
    ends = {name: min(v, max(STEEPEST, starts[name])) for name, v in finals.items()}
    middle = {k: math.sqrt(v * ends[k]) if v * ends[k] > 0 else (v + ends[k]) / 2 for k, v in starts.items()}
    return [starts, middle, ends] if starts else [{}]


def _final(continuation: Continuation, name: str) -> float:
    """Return where a schedule ends; one that follows, where its leader does."""
    rule = continuation.schedules[name]
    return rule.at(_final(continuation, rule.leader)) if isinstance(rule, Follow) else rule.final
