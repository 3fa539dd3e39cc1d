"""The chain tried out at the start, with nothing solved: whether the shapes fit and anything moves."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from topopt.cells import Cells
from topopt.chain import Chain, Stage
from topopt.continuation import Follow, Schedule
from topopt.errors import InputError, TopoptError
from topopt.files.located import Mistake, Path
from topopt.files.mistakes import blamed
from topopt.files.parts import Parts
from topopt.files.spec import Item, Spec, mapping
from topopt.limits import bounded, limit_from, parameter_names
from topopt.parameters import Array, replaced, scalars
from topopt.problem import Problem
from topopt.stages import Mean

__all__ = ["scheduled", "tried"]

FAINT = 1e-6
"""A projection whose steepest slope at the start is below this passes on no sensitivity to speak of."""

UNPACKED = re.compile(r"values to unpack \(expected (?:at least )?(\d+)")


def scheduled(parts: Parts) -> Iterator[Mistake]:
    """Look whether schedules begin and end within the bounds of their parameters.

    Parameters
    ----------
    parts : Parts
        What could be built.
    """
    for name, schedule in parts.schedules.items():
        owner, _, field = name.partition(".")
        part: Any = parts.optimizer if owner == "optimizer" else parts.stages.get(owner)
        if part is None or field not in scalars(part):
            continue
        for value in _ends(parts, name, schedule):
            try:
                dataclasses.replace(part, **{field: value})
            except InputError as error:
                text = blamed(error, (), [field]).text
                yield Mistake(("continuation", name), f"reaches {value:g}: {text}")
    yield from _scheduled_limits(parts)


def _scheduled_limits(parts: Parts) -> Iterator[Mistake]:
    """Look whether scheduled bounds can be met where they begin and where they end, both sides together."""
    ends = {name: _ends(parts, name, schedule) for name, schedule in parts.schedules.items()}
    for response, limit in parts.limits.items():
        names = [name for name in parameter_names(response).values() if ends.get(name)]
        share = isinstance(parts.stages.get(response), Mean)
        for moment in ({name: ends[name][at] for name in names} for at in (0, -1)):
            try:
                bounded(response, limit_from(response, limit), moment, share)
            except InputError as error:
                text = str(error).partition(": ")[2]
                yield Mistake(("continuation", names[0]), f"reaches {moment[names[0]]:g}: {text}")
                break


def _ends(parts: Parts, name: str, schedule: Schedule) -> list[float]:
    """Return where a schedule begins and ends, as far as it is known before the run."""
    if isinstance(schedule, Follow):
        return [] if schedule.start is None else [schedule.at(value) for value in schedule.between]
    begins = [parts.beginning[name]] if name in parts.beginning else []
    return list(dict.fromkeys([*begins, float(schedule.final)]))


def tried(spec: Spec, parts: Parts) -> Iterator[tuple[Mistake, bool]]:
    """Run the chain at the start with zeros for the state, to see whether shapes fit and anything moves.

    What was refused, and what reads it, is left out.

    Parameters
    ----------
    spec : Spec
        What the file says.
    parts : Parts
        What was built from it.

    Yields
    ------
    tuple
        A mistake, and whether it stops the run.
    """
    if parts.mesh is None or parts.domain is None:
        return
    problem = parts.problem
    begin = problem.field(problem.initial()) if problem else np.full(parts.mesh.n_cells, 0.5)
    values: dict[str, Array] = {Chain.source: begin}
    for item, reads in _links(spec):
        stage = parts.stages.get(item.name)
        if stage is None or not all(name in values for name in reads):
            continue
        inputs = [values[name] for name in reads]
        try:
            stage = _begun(parts, item.name, stage)
        except InputError:
            continue  # `scheduled` says so
        try:
            output = stage.rehearsed(*inputs)
        except TopoptError as error:
            advice = _other_order(stage, reads, inputs) if " shape " in str(error) else ""
            yield Mistake(item.path, f"{error}{advice}"), True
            continue
        except (ValueError, TypeError, IndexError) as error:
            yield Mistake(item.path, _misread(item.type, reads, error)), True
            continue
        if output is not None:
            values[item.name] = output
            if stage.sharp and problem is not None:
                yield from _faint(parts, item, stage, inputs)
    yield from _scalars(spec, parts.mesh, values)
    if problem is not None:
        yield from _unread(problem, {item.name: item for item in spec.chain})


def _links(spec: Spec) -> Iterator[tuple[Item, tuple[str, ...]]]:
    """Walk the links with what they read; those without a name of their own are left out."""
    items = {item.path: item for item in spec.chain}
    before = Chain.source
    names: set[str] = {before}
    for index, entry in enumerate(spec.top["chain"] if isinstance(spec.top.get("chain"), list) else []):
        item = items.get(("chain", index))
        name = mapping(entry).get("name")
        if item is not None and name not in names:
            yield item, item.reads or (before,)
        before = name if isinstance(name, str) and name not in names else ""
        names.add(before)


def _begun(parts: Parts, link: str, stage: Stage) -> Stage:
    """Return a stage with the parameters at which its schedules begin."""
    first = {
        name.partition(".")[2]: value
        for name, value in parts.beginning.items()
        if name.startswith(f"{link}.")
    }
    known = scalars(stage)
    return replaced(stage, {name: value for name, value in first.items() if name in known}, link)


def _misread(stage: str, reads: tuple[str, ...], error: Exception) -> str:
    """Say that a stage cannot take what its link reads, and how many names it takes where that is wrong."""
    given = ", ".join(reads)
    wanted = UNPACKED.search(str(error))
    if wanted is None:
        return f"{stage} cannot read {given}: {error}"
    number = int(wanted[1])
    names = "one name" if number == 1 else f"{number} names"
    return f"{stage} reads {names}, got {len(reads)}: {given}; see its fields in the guide"


def _other_order(stage: Stage, reads: tuple[str, ...], inputs: list[Array]) -> str:
    """Say in which order a stage can take what its link reads, if there is one alone, or what each name is.

    Where shapes fit in several orders, only the user knows which is meant.
    """
    fitting = []
    for order in itertools.permutations(range(len(reads))):
        with contextlib.suppress(TopoptError, ValueError, TypeError, IndexError):
            stage.rehearsed(*(inputs[place] for place in order))
            fitting.append(", ".join(reads[place] for place in order))
    if len(fitting) == 1:
        return f"; the order is wrong: write reads: [{fitting[0]}]"
    if fitting:
        return f"; the order is wrong: by their shapes it may be [{'] or ['.join(fitting)}]; see the guide"
    if len(reads) == 1:
        return ""
    shapes = (f"'{name}' has {value.shape}" for name, value in zip(reads, inputs, strict=True))
    return f"; {', '.join(shapes)}"


def _faint(parts: Parts, item: Item, stage: Any, inputs: list[Array]) -> Iterator[tuple[Mistake, bool]]:
    """Look whether a projection passes any sensitivity on at the start."""
    assert parts.domain is not None
    slope = np.abs(np.asarray(stage.slope(*inputs)))
    if slope.shape == parts.domain.active.shape:
        slope = slope[parts.domain.active]
    steepest = float(slope.max(initial=0.0))
    if steepest < FAINT:
        text = (
            f"frozen at the start: the steepest slope of the projection is {steepest:.1e}, so no sensitivity "
            "reaches the design; begin less sharp, or nearer to the threshold"
        )
        yield Mistake(item.path, text), steepest == 0.0


def _scalars(spec: Spec, mesh: Cells, values: Mapping[str, Array]) -> Iterator[tuple[Mistake, bool]]:
    """Look whether what is lowered and limited is one number, and what is shown is a field."""
    limited: list[tuple[Path, str]] = [(("limits", name), name) for name in spec.limits]
    asked = [*spec.objectives(), *limited, *spec.looked_up()]
    for path, name in asked:
        if name in values and values[name].size != 1:
            text = f"'{name}' is a field of {values[name].size} values, not a number; name a response"
            yield Mistake(path, text), True
    density = spec.top["density"]
    shown = values.get(density) if isinstance(density, str) else None
    if shown is not None and shown.shape != (mesh.n_cells,):
        text = f"'{density}' has shape {shown.shape}; the design has one density per cell"
        yield Mistake(("density",), text), True


def _unread(problem: Problem, items: Mapping[str, Item]) -> Iterator[tuple[Mistake, bool]]:
    """Look for states that are solved for nothing."""
    chain = problem.chain
    needed = chain.ancestors(problem.density).union(
        *map(chain.ancestors, (*problem.objectives, *problem.limits))
    )
    for link in chain:
        if link.stage.costly and link.name not in needed:
            yield (
                Mistake(items[link.name].path, "solved in every iteration, but nothing depends on it"),
                False,
            )
