"""Where a design has room: its cells, its named regions, and the cells that are not up for design."""

from __future__ import annotations

from pathlib import Path as FilePath

from topopt.fem.picking import cells_of, nodes_of
from topopt.files.drawn import meshed
from topopt.files.located import Mistake
from topopt.files.parts import Parts, booked, made, region
from topopt.files.selectors import names_in
from topopt.files.spec import Spec, mapping
from topopt.grid import Domain, Grid
from topopt.meshes import Mesh
from topopt.regions import Nowhere, Region

__all__ = ["build_geometry"]

MOST_CELLS = 40_000_000
"""More cells than this, at 600 bytes each, fit no machine that this is made for: building would fail."""


def build_geometry(spec: Spec, parts: Parts, folder: FilePath) -> None:
    """Build the cells, the named regions, the passive parts, and what pictures leave out."""
    parts.mesh = _mesh(spec, folder) if spec.mesh else _grid(spec)
    _regions(spec, parts, folder)
    parts.domain = _domain(spec, parts, folder)
    parts.hidden = _hidden(spec, parts, folder)


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
