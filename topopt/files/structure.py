"""What holds a structure and what pulls at it, from a file."""

from __future__ import annotations

from pathlib import Path as FilePath

import numpy as np

from topopt.errors import InputError
from topopt.fem import LoadCase, Structure, Support
from topopt.fem.material import elasticity
from topopt.fem.supports import fixed_flags
from topopt.files.parts import Parts, booked, placed
from topopt.files.spec import Spec

__all__ = ["build_structure"]


def build_structure(spec: Spec, parts: Parts, folder: FilePath) -> None:
    """Build supports and loads, each by itself, and then the structure if all of it is right."""
    mesh, material = parts.mesh, parts.material
    if mesh is not None and material is not None:
        with booked(spec, ("material",)):
            elasticity(material, mesh.ndim)
    supports = _supports(spec, parts, folder)
    cases = _cases(spec, parts, folder)
    if mesh is None or material is None or not supports or not cases:
        return
    if len(supports) < len(spec.supports) or len(cases) < len(spec.cases):
        return
    if spec.refuses("material", "supports", "loads", "cases"):
        return
    with booked(spec, ("cases",) if "cases" in spec.located.data else ("loads",)):
        parts.structure = Structure(mesh, supports, cases, material)


def _supports(spec: Spec, parts: Parts, folder: FilePath) -> tuple[Support, ...]:
    """Build the supports that can be built, and refuse those that fix nothing."""
    supports = []
    for item in spec.supports:
        support = placed(spec, parts, item, folder)
        if support is None:
            continue
        supports.append(support)
        if parts.mesh is not None:
            with booked(spec, item.path, item.values):
                fixed_flags(parts.mesh, (support,))
    return tuple(supports)


def _cases(spec: Spec, parts: Parts, folder: FilePath) -> tuple[LoadCase, ...]:
    """Build the load cases all of whose loads can be built, and refuse loads that deform nothing."""
    cases = []
    for path, name, weight, items in spec.cases:
        loads = [placed(spec, parts, item, folder) for item in items]
        for item, load in zip(items, loads, strict=True):
            if load is not None and parts.mesh is not None:
                with booked(spec, item.path, item.values):
                    if not np.any(load.nodal_forces(parts.mesh, 1.0)):
                        raise InputError("the load is zero; nothing would be deformed")
        if loads and None not in loads:
            with booked(spec, path):
                cases.append(LoadCase(name, tuple(loads), weight))
    return tuple(cases)
