"""What would stop a run, or make it senseless, found before the first iteration without solving anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topopt.errors import InputError, MissingDependencyError, TooLargeError
from topopt.fem import Structure
from topopt.fem.assembly import System
from topopt.fem.picking import nodes_of, place
from topopt.fem.sanity import mechanisms
from topopt.files.idle import idle, powerless, repeated, unread
from topopt.files.limits import shares, unlimited
from topopt.files.located import Mistake
from topopt.files.parts import Parts, solver_from
from topopt.files.references import asking
from topopt.files.rehearsal import scheduled, tried
from topopt.files.spec import Spec
from topopt.grid import Domain
from topopt.regions import Region
from topopt.solvers import Choice, choose, direct
from topopt.stages import Conduction, Cone, Displacement, DynamicCompliance, Equilibrium, Frequencies

__all__ = ["Findings", "examined"]

FEW_CELLS = 1.5
"""A cone radius below this many cell edges hardly filters."""
MUCH_MEMORY = 4e9
LONG = 10.0
"""Seconds an iteration from which on a user wants to be told."""
_SOLVING = (Equilibrium, Conduction, Frequencies, DynamicCompliance)


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
    unasked = bool(spec.chain) and asking(spec) is None
    if parts.structure is not None and parts.domain is not None and not unasked:
        mistakes += _loose(parts.structure, parts.domain)
        for mistake, whole in _on_void(spec, parts.structure, parts.domain):
            (mistakes if whole else warnings).append(mistake)
        warnings += _held_in_void(spec, parts.structure, parts.domain)
    if parts.domain is not None:
        for mistake, whole in _looked_at_in_void(spec, parts, parts.domain):
            (mistakes if whole else warnings).append(mistake)
    if parts.domain is not None:
        mistakes += _volumes(spec, parts.domain)
    mistakes += powerless(spec)
    choice, too_large = None, None
    try:
        choice, refused = _solver(spec, parts)
        mistakes += refused
    except TooLargeError as error:
        too_large = error
    mistakes += scheduled(parts)
    for mistake, fatal in tried(spec, parts):
        (mistakes if fatal else warnings).append(mistake)
    warnings += [
        *unlimited(spec),
        *idle(spec),
        *repeated(spec),
        *(unread(spec) if unasked else ()),
        *_fine(spec, parts),
    ]
    if choice is not None and (choice.bytes_estimated > MUCH_MEMORY or choice.seconds_estimated > LONG):
        text = (
            f"about {choice.bytes_estimated / 1e9:.1f} GB and {choice.seconds_estimated:.0f} s "
            "an iteration are estimated for the solver"
        )
        warnings.append(Mistake(("mesh",) if spec.mesh else ("grid", "cells"), text))
    return Findings(tuple(mistakes), tuple(warnings), choice, too_large)


def _loose(structure: Structure, domain: Domain) -> list[Mistake]:
    """Look for bodies that nothing holds: of all cells, or of those that are not passive void."""
    found = list(mechanisms(structure, np.ones(structure.mesh.n_cells)))
    if not found and domain.void_cells.any():
        moduli = np.where(domain.void_cells, 0.0, 1.0)
        found = [text for text in mechanisms(structure, moduli) if text.startswith("nothing stops")]
    return [Mistake(("supports",), text) for text in found]


def _on_void(spec: Spec, structure: Structure, domain: Domain) -> Iterator[tuple[Mistake, bool]]:
    """Look for loads on nodes that touch only passive void: all of the load, or a part."""
    if not domain.void_cells.any():
        return
    for (_, _, _, items), case in zip(spec.cases, structure.cases, strict=True):
        for item, load in zip(items, case.loads, strict=True):
            loaded = np.any(load.nodal_forces(structure.mesh, 1.0), axis=1)
            text, whole = _astray(domain, loaded, "loaded", "load")
            if text:
                yield Mistake((*item.path, "on"), text), whole


def _held_in_void(spec: Spec, structure: Structure, domain: Domain) -> Iterator[Mistake]:
    """Look for supports on nodes that touch only passive void."""
    if domain.void_cells.any():
        for item, support in zip(spec.supports, structure.supports, strict=True):
            held = np.zeros(structure.mesh.n_nodes, dtype=bool)
            held[nodes_of(support.on, structure.mesh, "support")] = True
            text, _ = _astray(domain, held, "held", "support")
            if text:
                yield Mistake((*item.path, "on"), text)


def _looked_at_in_void(spec: Spec, parts: Parts, domain: Domain) -> Iterator[tuple[Mistake, bool]]:
    """Look for displacements and sinks on nodes that touch only passive void: all of them, or a part."""
    if not domain.void_cells.any():
        return
    for item in spec.chain:
        stage = parts.stages.get(item.name)
        found: list[tuple[str, Region | None, str, str]] = []
        if isinstance(stage, Displacement):
            found = [("on", stage.on, "looked-at", "region")]
        elif isinstance(stage, Conduction):
            found = [("sink", stage.sink, "cold", "sink"), ("cooled", stage.cooled, "cooled", "region")]
        for field, region, verb, noun in found:
            if region is not None:
                chosen = np.zeros(domain.mesh.n_nodes, dtype=bool)
                chosen[nodes_of(region, domain.mesh, item.type)] = True
                text, whole = _astray(domain, chosen, verb, noun)
                if text:
                    yield Mistake((*item.path, field), text), whole


def _astray(domain: Domain, chosen: NDArray[np.bool_], verb: str, noun: str) -> tuple[str, bool]:
    """Say how many of some nodes touch only passive void, and whether all of them do."""
    mesh = domain.mesh
    touching = np.zeros(mesh.n_nodes, dtype=bool)
    touching[mesh.cell_nodes[~domain.void_cells]] = True
    lost, count = np.flatnonzero(chosen & ~touching), np.count_nonzero(chosen)
    if not len(lost):
        return "", False
    return (
        f"{len(lost)} of {count} {verb} nodes touch only passive void cells, "
        f"the first at {place(mesh.nodes[lost[0]])}; move the {noun} or the void"
    ), len(lost) == count


def _volumes(spec: Spec, domain: Domain) -> Iterator[Mistake]:
    """Look for limits on volume that the passive solid breaks by itself."""
    solid = domain.volume_of(domain.solid_cells) / domain.volume_of(~domain.void_cells)
    for name, bounds in shares(spec):
        if bounds.get("upper", 1.0) <= solid:
            text = f"the passive solid alone takes {solid:.3g} of the volume; allow more than that"
            yield Mistake(("limits", name), text)


def _solver(spec: Spec, parts: Parts) -> tuple[Choice | None, list[Mistake]]:
    """Choose the solver of the first link that solves."""
    for item in spec.chain:
        stage = parts.stages.get(item.name)
        body = stage.body if isinstance(stage, Conduction) else parts.structure
        if not issubclass(item.cls, _SOLVING) or body is None:
            continue
        if issubclass(item.cls, DynamicCompliance):
            return _complex(body), []
        request = item.values["solver"]
        if issubclass(item.cls, Frequencies) and isinstance(request, str):
            request = direct(request)
        if stage is None and (isinstance(request, dict) or item.cls is Conduction):
            continue
        try:
            return choose(body, solver_from(request)), []
        except (InputError, MissingDependencyError) as error:
            return None, [Mistake((*item.path, "solver"), str(error))]
    return None, []


def _complex(body: System) -> Choice:
    """Return what is known of SuperLU on a complex system: twice the memory, four times the work."""
    real = choose(body, "superlu")
    return Choice(
        real.solver,
        "superlu: the system is complex",
        2 * real.bytes_estimated,
        4.0 * real.seconds_estimated,
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
