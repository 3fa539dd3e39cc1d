"""Designs whose projection is sharp from the start, and what a continuation leaves of their sensitivities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from topopt.chain import Chain
from topopt.continuation import Constant, Continuation, Survival
from topopt.errors import InputError
from topopt.fem import PointLoad, Structure, Support
from topopt.figures.strength import Strength
from topopt.files import Job, read
from topopt.grid import Domain, Grid
from topopt.optimizers import MMA, Optimizer
from topopt.parameters import Array
from topopt.problem import Problem
from topopt.regions import Box, Plane, Point
from topopt.run import Step, Stop, solve
from topopt.stages import Compliance, Cone, Displacement, Equilibrium, Mean, Simp, Tanh

__all__ = ["beam", "inverter", "of_file"]

FIELDS = ("stiffness", "physical", "filtered", "design")
BETA = "physical.beta"
SHARP = 64.0


def _attenuated(step: Step, names: Sequence[str]) -> Array:
    """Return how far each name's sensitivity lies below its reference, powers of ten."""
    log = step.iteration.stages
    return np.array([max(log[name]["attenuation"], -300.0) for name in names])


def _run(problem: Problem, schedules: Continuation, iterations: int, optimizer: Optimizer) -> Step:
    """Run so many iterations and return the last."""
    return solve(problem, optimizer, schedules, Stop(change=0, iterations=iterations))


def _design(problem: Problem, unit: str, optimizer: Optimizer) -> tuple[Array, Array, str]:
    """Return a design's strengths if it starts sharp, and under the survival gate, and both ends."""
    gate = Continuation({BETA: Survival(final=0.25 * SHARP)})
    sharp, cured = _ends(problem, optimizer, gate)
    first = _run(problem, _abrupt(gate), 1, optimizer)
    return _attenuated(first, FIELDS), _attenuated(cured, FIELDS), _gained(unit, sharp, cured)


def _ends(problem: Problem, optimizer: Optimizer, cure: Continuation) -> tuple[Step, Step]:
    """Return the last steps of a run that is sharp from the start, and of one under the cure."""
    return _run(problem, _abrupt(cure), 60, optimizer), _run(problem, cure, 150, optimizer)


def _abrupt(cure: Continuation) -> Continuation:
    """Return the same schedules, but for the projection, which is sharp from the start."""
    return Continuation({**cure.schedules, BETA: Constant(SHARP)})


def _gained(unit: str, sharp: Step, cured: Step) -> str:
    """Say what the cure is worth."""
    return f"{unit} {cured.iteration.objective:.4g} instead of {sharp.iteration.objective:.4g}"


def beam() -> Strength:
    """Measure the MBB beam, sharp from the start."""
    grid = Grid((60, 20))
    domain = Domain(grid)
    supports = Support(Plane(x=0.0), "x"), Support(Point((60.0, 0.0)), "y")
    structure = Structure(grid, supports, (PointLoad(Point((0.0, 20.0)), (0.0, -1.0)),))
    chain = Chain(
        [
            ("filtered", Cone(domain, 2.4)),
            ("physical", Tanh(1.0)),
            ("stiffness", Simp()),
            ("displacement", Equilibrium(structure)),
            ("compliance", Compliance(structure)),
            ("volume", Mean(domain), "physical"),
        ]
    )
    problem = Problem(chain, domain, "compliance", {"volume": 0.3})
    before, after, ends = _design(problem, "compliance", MMA())
    return Strength(
        "beam", "survival gate", "Heaviside projection", "sensitivity over its reference", ends, before, after
    )


def inverter() -> Strength:
    """Measure the force inverter, sharp from the start."""
    grid = Grid((40, 20), (2.0, 1.0))
    domain = Domain(grid)
    into, out = Point((0.0, 1.0)), Point((2.0, 1.0))
    supports = (
        Support(Box((0.0, 0.0), (0.0, 0.05))),
        Support(Plane(y=1.0), "y"),
        Support(into, "x", spring=0.1),
        Support(out, "x", spring=0.1),
    )
    structure = Structure(grid, supports, (PointLoad(into, (1.0, 0.0)),))
    chain = Chain(
        [
            ("filtered", Cone(domain, 0.1)),
            ("physical", Tanh(1.0)),
            ("stiffness", Simp()),
            ("displacement", Equilibrium(structure)),
            ("output", Displacement(structure, out, (1.0, 0.0))),
            ("volume", Mean(domain), "physical"),
        ]
    )
    problem = Problem(chain, domain, "output", {"volume": 0.3})
    before, after, ends = _design(problem, "output", MMA(move=0.1))
    return Strength(
        "mechanism", "survival gate", "Heaviside projection", "sensitivity over its reference", ends, before,
        after,
    )  # fmt: skip


def of_file(path: Path, system: str) -> Strength:
    """Measure the design of a problem file on half its cells along each axis, under its own continuation.

    Both are looked at in the end: at a volume of a half a sharp projection is wide open at first.

    Parameters
    ----------
    path : Path
        Its chain has the stages ``filtered``, ``physical`` (a projection) and ``stiffness``.
    system : str
        What the picture calls it.
    """
    whole = _problem(read(path))
    halves = [max(1, n // 2) for n in whole.grid.cells]
    job = read(path, [f"grid.cells={halves}"])
    problem = _problem(job)
    sharp, cured = _ends(problem, job.optimizer, job.continuation)
    rule = type(job.continuation.schedules[BETA]).__name__.lower()
    return Strength(
        system, f"a {rule} schedule", "Heaviside projection", "sensitivity over its reference, at the end",
        _gained(problem.objectives[0], sharp, cured), _attenuated(sharp, FIELDS), _attenuated(cured, FIELDS),
    )  # fmt: skip


def _problem(job: Job) -> Problem:
    """Return the problem of a file, which must be one of designs."""
    if not isinstance(job.problem, Problem):
        raise InputError(f"gallery: '{job.name}' has no design; expected a problem file with a grid")
    return job.problem
