"""What would stop a run, or make it senseless, found before the first iteration without solving anything."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from topopt.chain import Chain
from topopt.errors import InputError, MissingDependencyError, TooLargeError, TopoptError
from topopt.fem import Structure
from topopt.fem.picking import place
from topopt.fem.sanity import mechanisms
from topopt.files.build import Parts
from topopt.files.limits import shares
from topopt.files.located import Mistake, Path
from topopt.files.mistakes import blamed
from topopt.files.spec import Item, Spec
from topopt.grid import Domain
from topopt.history import History
from topopt.parameters import Array
from topopt.problem import Problem
from topopt.solvers import Choice, choose
from topopt.stages import Cone, Equilibrium

__all__ = ["Findings", "examined"]

FEW_CELLS = 1.5
"""A cone radius below this many cell edges hardly filters."""
FAINT = 1e-6
"""A projection whose steepest slope at the start is below this passes on no sensitivity to speak of."""
MUCH_MEMORY = 4e9
LONG = 10.0
"""Seconds an iteration from which on a user wants to be told."""


@dataclass(frozen=True)
class Findings:
    """What is wrong, what is only strange, the solver, and what would not fit into memory."""

    mistakes: tuple[Mistake, ...]
    warnings: tuple[Mistake, ...]
    choice: Choice | None = None
    too_large: TooLargeError | None = None


def examined(spec: Spec, parts: Parts) -> Findings:
    """Examine what could be built.

    Parameters
    ----------
    spec : Spec
        What the file says.
    parts : Parts
        What was built from it.
    """
    mistakes: list[Mistake] = []
    warnings: list[Mistake] = []
    if parts.structure is not None and parts.domain is not None:
        mistakes += _loose(parts.structure, parts.domain)
        for mistake, whole in _on_void(spec, parts.structure, parts.domain):
            (mistakes if whole else warnings).append(mistake)
    if parts.domain is not None:
        mistakes += _volumes(spec, parts.domain)
    choice, too_large = None, None
    try:
        choice, refused = _solver(spec, parts)
        mistakes += refused
    except TooLargeError as error:
        too_large = error
    if parts.problem is not None:
        mistakes += _scheduled(parts, parts.problem)
        if not mistakes:
            for mistake, fatal in _dry(spec, parts, parts.problem):
                (mistakes if fatal else warnings).append(mistake)
    warnings += _fine(spec, parts)
    if choice is not None and (choice.bytes_estimated > MUCH_MEMORY or choice.seconds_estimated > LONG):
        text = (
            f"about {choice.bytes_estimated / 1e9:.1f} GB and {choice.seconds_estimated:.0f} s "
            "an iteration are estimated for the solver"
        )
        warnings.append(Mistake(("grid", "cells"), text))
    return Findings(tuple(mistakes), tuple(warnings), choice, too_large)


def _loose(structure: Structure, domain: Domain) -> list[Mistake]:
    """Look for bodies that nothing holds: of all cells, or of those that are not passive void."""
    found = list(mechanisms(structure, np.ones(structure.grid.n_cells)))
    if not found and domain.void_cells.any():
        moduli = np.where(domain.void_cells, 0.0, 1.0)
        found = [text for text in mechanisms(structure, moduli) if text.startswith("nothing stops")]
    return [Mistake(("supports",), text) for text in found]


def _on_void(spec: Spec, structure: Structure, domain: Domain) -> Iterator[tuple[Mistake, bool]]:
    """Look for loads on nodes that touch only passive void: all of the load, or a part."""
    grid = structure.grid
    if not domain.void_cells.any():
        return
    touching = np.zeros(grid.n_nodes, dtype=bool)
    touching[grid.cell_nodes[~domain.void_cells]] = True
    for (_, _, _, items), case in zip(spec.cases, structure.cases, strict=True):
        for item, load in zip(items, case.loads, strict=True):
            loaded = np.any(load.nodal_forces(grid, 1.0), axis=1)
            lost = np.flatnonzero(loaded & ~touching)
            if len(lost):
                text = (
                    f"{len(lost)} of {np.count_nonzero(loaded)} loaded nodes touch only passive void cells, "
                    f"the first at {place(grid.nodes[lost[0]])}; move the load or the void"
                )
                yield Mistake((*item.path, "on"), text), len(lost) == np.count_nonzero(loaded)


def _volumes(spec: Spec, domain: Domain) -> Iterator[Mistake]:
    """Look for limits on volume that the passive solid breaks by itself."""
    counted = domain.grid.n_cells - int(np.count_nonzero(domain.void_cells))
    solid = int(np.count_nonzero(domain.solid_cells)) / counted
    for name, bounds in shares(spec):
        if bounds.get("upper", 1.0) <= solid:
            text = f"the passive solid alone takes {solid:.3g} of the volume; allow more than that"
            yield Mistake(("limits", name), text)


def _solver(spec: Spec, parts: Parts) -> tuple[Choice | None, list[Mistake]]:
    """Choose the solver of the first link that solves."""
    for item in spec.chain:
        if not issubclass(item.cls, Equilibrium) or parts.structure is None:
            continue
        try:
            return choose(parts.structure, item.values["solver"]), []
        except (InputError, MissingDependencyError) as error:
            return None, [Mistake((*item.path, "solver"), str(error))]
    return None, []


def _scheduled(parts: Parts, problem: Problem) -> Iterator[Mistake]:
    """Look whether schedules begin and end within the bounds of their parameters."""
    for name, schedule in parts.schedules.items():
        owner, _, field = name.partition(".")
        for value in dict.fromkeys((float(schedule([], History())), float(schedule.final))):
            try:
                part: Any = parts.optimizer if owner == "optimizer" else problem.chain[owner].stage
                dataclasses.replace(part, **{field: value})
            except InputError as error:
                text = blamed(error, (), [field]).text
                yield Mistake(("continuation", name), f"reaches {value:g}: {text}")


def _dry(spec: Spec, parts: Parts, problem: Problem) -> Iterator[tuple[Mistake, bool]]:
    """Run the chain at the start with zeros for the state, to see whether shapes fit and anything moves.

    Yields
    ------
    tuple
        A mistake, and whether it stops the run.
    """
    first = {name: float(rule([], History())) for name, rule in parts.schedules.items()}
    chain = problem.chain.at({name: v for name, v in first.items() if not name.startswith("optimizer.")})
    items = {item.name: item for item in spec.chain}
    values: dict[str, Array] = {chain.source: problem.field(problem.initial())}
    for link in chain:
        if not all(name in values for name in link.reads):
            continue
        path = items[link.name].path
        inputs = [values[name] for name in link.reads]
        try:
            output = _output(parts, link.stage, inputs)
        except TopoptError as error:
            yield Mistake(path, str(error)), True
            continue
        except (ValueError, TypeError, IndexError) as error:
            yield Mistake(path, f"{items[link.name].type} cannot read {', '.join(link.reads)}: {error}"), True
            continue
        if output is None:
            continue
        values[link.name] = output
        if link.stage.sharp:
            yield from _frozen(parts, items[link.name], link.stage, inputs)
    yield from _scalars(problem, values)
    yield from _unread(chain, problem, items)


def _output(parts: Parts, stage: Any, inputs: list[Array]) -> Array | None:
    """Return a stage's output; zeros of the right shape for a state; None where nothing is known."""
    if isinstance(stage, Equilibrium):
        assert parts.grid is not None
        assert parts.structure is not None
        if inputs[0].shape != (parts.grid.n_cells,):
            raise InputError(f"equilibrium reads one modulus per cell, got shape {inputs[0].shape}")
        return np.zeros_like(parts.structure.forces)
    return None if stage.costly else np.asarray(stage(*inputs))


def _frozen(parts: Parts, item: Item, stage: Any, inputs: list[Array]) -> Iterator[tuple[Mistake, bool]]:
    """Look whether a projection passes any sensitivity on at the start."""
    assert parts.domain is not None
    output, pullback = stage.vjp(*inputs)
    slope = np.abs(np.asarray(pullback(np.ones_like(output))[0]))
    if slope.shape == parts.domain.active.shape:
        slope = slope[parts.domain.active]
    steepest = float(slope.max(initial=0.0))
    if steepest < FAINT:
        text = (
            f"frozen at the start: the steepest slope of the projection is {steepest:.1e}, so no sensitivity "
            "reaches the design; begin less sharp, or nearer to the threshold"
        )
        yield Mistake(item.path, text), steepest == 0.0


def _scalars(problem: Problem, values: Mapping[str, Array]) -> Iterator[tuple[Mistake, bool]]:
    """Look whether what is lowered and limited is one number, and what is shown is a field."""
    asked: list[tuple[Path, str]] = [(("minimise",), problem.minimise)]
    asked += [(("limits", name), name) for name in problem.limits]
    for path, name in asked:
        if name in values and values[name].size != 1:
            text = f"'{name}' is a field of {values[name].size} values, not a number; name a response"
            yield Mistake(path, text), True
    shown = values.get(problem.density)
    if shown is not None and shown.shape != (problem.grid.n_cells,):
        text = f"'{problem.density}' has shape {shown.shape}; the design has one density per cell"
        yield Mistake(("density",), text), True


def _unread(chain: Chain, problem: Problem, items: Mapping[str, Item]) -> Iterator[tuple[Mistake, bool]]:
    """Look for states that are solved for nothing."""
    needed = chain.ancestors(problem.density).union(
        *map(chain.ancestors, (problem.minimise, *problem.limits))
    )
    for link in chain:
        if link.stage.costly and link.name not in needed:
            yield (
                Mistake(items[link.name].path, "solved in every iteration, but nothing depends on it"),
                False,
            )


def _fine(spec: Spec, parts: Parts) -> Iterator[Mistake]:
    """Look at filters that hardly filter."""
    for item in spec.chain:
        stage = parts.stages.get(item.name)
        if isinstance(stage, Cone):
            edges = stage.radius / float(stage.domain.grid.spacing.max())
            if edges < FEW_CELLS:
                text = f"{edges:.2g} cell edges hardly filter; {FEW_CELLS:g} or more remove checkerboards"
                yield Mistake((*item.path, "radius"), text)
