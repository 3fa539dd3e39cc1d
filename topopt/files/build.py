"""From what a file says to the problem that it means."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import cast

from topopt.chain import Chain, Link
from topopt.continuation import Continuation, Follow, Guarded
from topopt.continuation.continuation import Memory
from topopt.files.coarser import coarser_problems
from topopt.files.geometry import build_geometry
from topopt.files.parts import Parts, booked, made
from topopt.files.spec import Spec
from topopt.files.stages import build_stages
from topopt.files.start import begun
from topopt.files.structure import build_structure
from topopt.history import History
from topopt.limits import Limit
from topopt.optimizers.honest import require_honest
from topopt.problem import Problem
from topopt.refinement import COARSENING, refinable

__all__ = ["assembled", "continued"]


def assembled(spec: Spec, folder: FilePath) -> Parts:
    """Build everything that a file describes; mistakes are added to the spec.

    Parameters
    ----------
    spec : Spec
        What the file says; what lacks something that was refused is left out.
    folder : Path
        What files are relative to.
    """
    parts = Parts()
    parts.stop = made(spec, spec.stop)
    parts.optimizer = made(spec, spec.optimizer)
    parts.material = made(spec, spec.material)
    continued(spec, parts)
    _model(spec, parts, folder)
    if parts.problem is not None and parts.mesh is not None:

        def build(there: Spec) -> Problem | None:
            again = Parts(
                material=parts.material,
                schedules=parts.schedules,
                beginning=parts.beginning,
                continuation=parts.continuation,
                optimizer=parts.optimizer,
                stop=parts.stop,
            )
            _model(there, again, folder)
            return again.problem

        coarser = coarser_problems(spec, parts.mesh, parts.schedules.get(COARSENING), build)
        if coarser and not spec.mistakes:
            parts.problem = refinable(parts.problem, coarser)
    return parts


def _model(spec: Spec, parts: Parts, folder: FilePath) -> None:
    """Build what depends on the cells, and the problem if all of it is right."""
    build_geometry(spec, parts, folder)
    build_structure(spec, parts, folder)
    build_stages(spec, parts, folder)
    _goals(spec, parts, folder)
    if not spec.mistakes:
        _problem(spec, parts)


def continued(spec: Spec, parts: Parts) -> None:
    """Build the schedules with their guards, the settings, and the continuation if all of it is right."""
    for name, item in spec.continuation.items():
        schedule = made(spec, item)
        guard = made(spec, spec.guards.get(name))
        if schedule is not None:
            parts.schedules[name] = Guarded(schedule, guard) if guard else schedule
    rollback = made(spec, spec.rollback)
    if not spec.refuses("continuation"):
        with booked(spec, ("continuation",)):
            memory = cast(Memory, spec.memory)
            parts.continuation = Continuation(parts.schedules, memory, rollback, spec.rounds)
    rules = parts.continuation or Continuation(
        {name: rule for name, rule in parts.schedules.items() if not isinstance(rule, Follow)}
    )
    parts.beginning = rules.at(History())


def _goals(spec: Spec, parts: Parts, folder: FilePath) -> None:
    """Build the limits, each by itself, and the start."""
    for name, bound in spec.limits.items():
        with booked(spec, ("limits", name)):
            parts.limits[name] = Limit(**bound) if isinstance(bound, dict) else Limit(upper=bound)
    if parts.domain is not None and not spec.refuses("start"):
        with booked(spec, ("start",)):
            parts.start = begun(spec.start, parts.domain, parts.stages, parts.limits, folder)


def _problem(spec: Spec, parts: Parts) -> None:
    """Put everything together."""
    assert parts.domain is not None
    with booked(spec, ("chain",)):
        chain = Chain(tuple(Link(item.name, parts.stages[item.name], item.reads) for item in spec.chain))
        with booked(spec, ("start",)):
            parts.problem = Problem(
                chain, parts.domain, spec.top["minimise"], parts.limits, parts.start, spec.top["density"]
            )
    if parts.problem is not None:
        with booked(spec, ("optimizer", "type")):
            require_honest(parts.problem, parts.optimizer)
