"""The objects that a file means, built one by one; a refusal is booked where the file says it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from topopt.cells import Cells
from topopt.chain import Stage
from topopt.continuation import Continuation, Schedule
from topopt.fem import Material, Structure
from topopt.files.fields import form
from topopt.files.located import Path, tupled
from topopt.files.mistakes import blamed
from topopt.files.selectors import built, mistakes_in
from topopt.files.spec import Item, Spec
from topopt.grid import Domain
from topopt.limits import Limit
from topopt.parameters import Array
from topopt.problem import Problem
from topopt.regions import Nowhere, Region
from topopt.run import Stop
from topopt.solvers import SOLVERS

__all__ = ["Parts", "booked", "made", "placed", "region", "solver_from"]


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
    values = {name: tupled(value) for name, value in item.values.items()}
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


def placed(spec: Spec, parts: Parts, item: Item, folder: FilePath, **context: Any) -> Any:
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


def region(parts: Parts, value: Any, folder: FilePath) -> Region | None:
    """Build a region, or return None if its form is wrong or a part of it was refused."""
    return None if mistakes_in(value, (), parts.regions) else built(value, parts.regions, folder, parts.mesh)


def solver_from(value: Any) -> Any:
    """Return the solver with the settings that a file gives it; a name stays a name."""
    if not isinstance(value, dict):
        return value
    settings = {key: tupled(entry) for key, entry in value.items() if key != "name"}
    return SOLVERS[value["name"]](**settings)
