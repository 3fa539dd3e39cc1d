"""From what a file says to the objects that it means; a refusal is booked where the file says it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from topopt.cells import Cells
from topopt.chain import Chain, Link, Stage
from topopt.continuation import Continuation, Follow, Guarded, Schedule
from topopt.errors import InputError
from topopt.fem import LoadCase, Material, Structure
from topopt.fem.material import elasticity
from topopt.fem.picking import cells_of, nodes_of
from topopt.fem.supports import fixed_flags
from topopt.files.coarser import coarser_problems
from topopt.files.drawn import meshed
from topopt.files.fields import form
from topopt.files.located import Mistake, Path
from topopt.files.mistakes import blamed
from topopt.files.selectors import built, mistakes_in, names_in
from topopt.files.spec import Item, Spec, mapping
from topopt.files.start import begun
from topopt.grid import Domain, Grid, structured
from topopt.history import History
from topopt.limits import Limit
from topopt.meshes import Mesh
from topopt.optimizers.honest import require_honest
from topopt.parameters import Array
from topopt.problem import Problem
from topopt.refinement import COARSENING, refinable
from topopt.regions import Nowhere, Region
from topopt.run import Stop
from topopt.solvers import SOLVERS

__all__ = ["Parts", "assembled", "booked", "continued", "made", "solver_from"]

MOST_CELLS = 40_000_000
"""More cells than this, at 600 bytes each, fit no machine that this is made for: building would fail."""


@dataclass
class Parts:
    """The objects as far as they could be built; None stands for what was refused, or waits for it."""

    mesh: Cells | None = None
    regions: dict[str, Region] = field(default_factory=dict)
    domain: Domain | None = None
    hidden: Region = Nowhere()
    """Left out of pictures."""
    material: Material | None = None
    structure: Structure | None = None
    schedules: dict[str, Schedule] = field(default_factory=dict)
    beginning: dict[str, float] = field(default_factory=dict)
    """Of every scheduled parameter that has one."""
    stages: dict[str, Stage] = field(default_factory=dict)
    optimizer: Any = None
    stop: Stop | None = None
    limits: dict[str, float | Limit] = field(default_factory=dict)
    start: float | Array | None = None
    continuation: Continuation | None = None
    problem: Problem | None = None


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
            again = dataclasses.replace(parts, regions={}, stages={}, limits={}, start=None, problem=None)
            _model(there, again, folder)
            return again.problem

        coarser = coarser_problems(spec, parts.mesh, parts.schedules.get(COARSENING), build)
        if coarser and not spec.mistakes:
            parts.problem = refinable(parts.problem, coarser)
    return parts


def _model(spec: Spec, parts: Parts, folder: FilePath) -> None:
    """Build what depends on the cells, and the problem if all of it is right."""
    parts.mesh = _mesh(spec, folder) if spec.mesh else _grid(spec)
    _regions(spec, parts, folder)
    parts.domain = _domain(spec, parts, folder)
    parts.hidden = _hidden(spec, parts, folder)
    parts.structure = _structure(spec, parts, folder)
    _stages(spec, parts, folder)
    _goals(spec, parts, folder)
    if not spec.mistakes:
        _problem(spec, parts)


@contextmanager
def booked(spec: Spec, path: Path, fields: Iterable[str] = ()) -> Iterator[None]:
    """Book what is refused inside as a mistake at a path."""
    try:
        yield
    except ValueError as error:
        spec.add([blamed(error, path, fields)])


def made(spec: Spec, item: Item | None, **context: Any) -> Any:
    """Construct what an item describes, or book why not."""
    if item is None:
        return None
    values = {name: _tupled(value) for name, value in item.values.items()}
    for name in form(item.cls).solvers:
        chosen = None
        with booked(spec, (*item.path, name), values[name]):
            chosen = solver_from(values[name])
        if chosen is None:
            return None
        values[name] = chosen
    with booked(spec, item.path, item.values):
        return item.cls(**context, **values)
    return None


def solver_from(value: Any) -> Any:
    """Return the solver with the settings that a file gives it; a name stays a name."""
    if not isinstance(value, dict):
        return value
    settings = {key: _tupled(entry) for key, entry in value.items() if key != "name"}
    return SOLVERS[value["name"]](**settings)


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
            parts.continuation = Continuation(parts.schedules, spec.memory, rollback)  # type: ignore[arg-type]
    begun = parts.continuation or Continuation(
        {name: rule for name, rule in parts.schedules.items() if not isinstance(rule, Follow)}
    )
    parts.beginning = begun.at(History())


def _grid(spec: Spec) -> Grid | None:
    """Build the grid; a design needs room."""
    grid = made(spec, spec.grid)
    if grid is None:
        return None
    if min(grid.cells) < 2:
        text = f"a design needs at least 2 cells along each axis, got {list(grid.cells)}"
        spec.mistakes.append(Mistake(("grid", "cells"), text))
        return None
    if grid.n_cells > MOST_CELLS:
        text = f"{grid.n_cells:.3g} cells are too many; choose at most {MOST_CELLS:.3g}"
        spec.mistakes.append(Mistake(("grid", "cells"), text))
        return None
    return grid  # type: ignore[no-any-return]


def _mesh(spec: Spec, folder: FilePath) -> Mesh | None:
    """Read the mesh that stands in place of a grid."""
    assert spec.mesh is not None
    if not spec.refuses("mesh"):
        with booked(spec, ("mesh", "file")):
            return meshed(spec.mesh, folder)
    return None


def _regions(spec: Spec, parts: Parts, folder: FilePath) -> None:
    """Build the named regions, those first that others are made of, and refuse empty ones."""
    raw = mapping(spec.top["regions"])
    seen: set[str] = set()

    def build(name: str) -> None:
        if name in seen or name not in raw:
            return
        seen.add(name)
        for other in names_in(raw[name]):
            build(other)
        with booked(spec, ("regions", name)):
            found = region(parts, raw[name], folder)
            if found is None:
                return
            if parts.mesh is not None and not parts.mesh.cells_in(found).any():
                nodes_of(found, parts.mesh, "region")
            parts.regions[name] = found

    for name in raw:
        build(name)


def region(parts: Parts, value: Any, folder: FilePath) -> Region | None:
    """Build a region, or return None if its form is wrong or a part of it was refused."""
    return None if mistakes_in(value, (), parts.regions) else built(value, parts.regions, folder, parts.mesh)


def _domain(spec: Spec, parts: Parts, folder: FilePath) -> Domain | None:
    """Build the cells with their passive parts."""
    if parts.mesh is None or spec.refuses("passive"):
        return None
    passive = dict(spec.top["passive"])
    chosen: dict[str, Region] = {}
    for role in ("solid", "void"):
        if passive.get(role) is None:
            chosen[role] = Nowhere()
            continue
        with booked(spec, ("passive", role)):
            found = region(parts, passive[role], folder)
            if found is not None:
                cells_of(found, parts.mesh, "passive")
                chosen[role] = found
    if len(chosen) == 2:
        with booked(spec, ("passive",)):
            return Domain(parts.mesh, **chosen)
    return None


def _hidden(spec: Spec, parts: Parts, folder: FilePath) -> Region:
    """Build the region that pictures leave out."""
    if parts.mesh is None or spec.refuses("output"):
        return Nowhere()
    value = dict(spec.top["output"]).get("hidden")
    if value is not None:
        with booked(spec, ("output", "hidden")):
            found = region(parts, value, folder)
            if found is not None:
                cells_of(found, parts.mesh, "output")
                return found
    return Nowhere()


def _structure(spec: Spec, parts: Parts, folder: FilePath) -> Structure | None:
    """Build supports and loads, each by itself, and then the structure if all of it is right."""
    mesh, material = parts.mesh, parts.material
    if mesh is not None and material is not None:
        with booked(spec, ("material",)):
            elasticity(material, mesh.ndim)
    supports = [_placed(spec, parts, item, folder) for item in spec.supports]
    for item, support in zip(spec.supports, supports, strict=True):
        if support is not None and mesh is not None:
            with booked(spec, item.path, item.values):
                fixed_flags(mesh, (support,))
    cases = []
    for path, name, weight, items in spec.cases:
        loads = [_placed(spec, parts, item, folder) for item in items]
        for item, load in zip(items, loads, strict=True):
            if load is not None and mesh is not None:
                with booked(spec, item.path, item.values):
                    if not np.any(load.nodal_forces(mesh, 1.0)):
                        raise InputError("the load is zero; nothing would be deformed")
        if None not in loads and loads:
            with booked(spec, path):
                cases.append(LoadCase(name, tuple(loads), weight))
    whole = None not in supports and len(cases) == len(spec.cases) and bool(supports and cases)
    if (
        mesh is None
        or material is None
        or not whole
        or spec.refuses("material", "supports", "loads", "cases")
    ):
        return None
    with booked(spec, ("cases",) if "cases" in spec.located.data else ("loads",)):
        return Structure(mesh, tuple(supports), tuple(cases), material)
    return None


def _placed(spec: Spec, parts: Parts, item: Item, folder: FilePath, **context: Any) -> Any:
    """Construct something that lies in regions; None if it or its region was refused."""
    values = dict(item.values)
    for name in form(item.cls).regions:
        if values.get(name) is None:
            continue
        chosen = None
        with booked(spec, (*item.path, name)):
            chosen = region(parts, values[name], folder)
        if chosen is None:
            return None
        values[name] = chosen
    return made(spec, Item(item.path, item.cls, values), **context)


def _stages(spec: Spec, parts: Parts, folder: FilePath) -> None:
    """Build the stages of the chain whose surroundings are there."""
    # A link is examined even if the passive parts are refused; then none of it enters a problem.
    domain = parts.domain or (Domain(parts.mesh) if parts.mesh is not None else None)
    grid = parts.mesh if isinstance(parts.mesh, Grid) else None
    surroundings = {Grid: grid, Cells: parts.mesh, Domain: domain, Structure: parts.structure}
    for item in spec.chain:
        context = {name: surroundings[kind] for name, kind in form(item.cls).context.items()}
        if Grid in form(item.cls).context.values() and isinstance(parts.mesh, Mesh):
            with booked(spec, item.path):
                structured(parts.mesh, item.type)
        values = dict(item.values)
        scheduled = {
            name: parts.beginning[f"{item.name}.{name}"]
            for name in form(item.cls).floats
            if values[name] is None and f"{item.name}.{name}" in parts.beginning
        }
        values |= scheduled
        open_fields = [
            name
            for name, (_, default) in form(item.cls).fields.items()
            if default is ... and values[name] is None
        ]
        if open_fields or any(value is None for value in context.values()):
            continue
        stage = _placed(spec, parts, Item(item.path, item.cls, values), folder, **context)
        if stage is not None:
            parts.stages[item.name] = stage
        _moved(spec, item, scheduled)


def _moved(spec: Spec, item: Item, scheduled: dict[str, float]) -> None:
    """Locate mistakes in a number that a schedule gave at the schedule."""
    for index, mistake in enumerate(spec.mistakes):
        for name, value in scheduled.items():
            if mistake.path == (*item.path, name):
                path = ("continuation", f"{item.name}.{name}")
                spec.mistakes[index] = Mistake(path, f"begins at {value:g}: {mistake.text}")


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


def _tupled(value: Any) -> Any:
    """Return lists as tuples."""
    return tuple(_tupled(entry) for entry in value) if isinstance(value, list) else value
