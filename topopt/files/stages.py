"""The stages of a chain, each with the surroundings that it asks for."""

from __future__ import annotations

from pathlib import Path as FilePath

from topopt.cells import Cells
from topopt.fem import Structure
from topopt.files.fields import form
from topopt.files.located import Mistake
from topopt.files.parts import Parts, booked, placed
from topopt.files.spec import Item, Spec
from topopt.grid import Domain, Grid, structured
from topopt.meshes import Mesh

__all__ = ["build_stages"]


def build_stages(spec: Spec, parts: Parts, folder: FilePath) -> None:
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
        stage = placed(spec, parts, Item(item.path, item.cls, values), folder, **context)
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
