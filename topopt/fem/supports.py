"""Where a structure is held: displacement components that are fixed, or that rest on springs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np

from topopt.cells import AXES, Cells, Flags
from topopt.errors import InputError
from topopt.fem.picking import nodes_of
from topopt.parameters import Array
from topopt.regions import Region

__all__ = ["Support", "fixed_flags", "spring_stiffness"]


@dataclass(frozen=True)
class Support:
    """Holds displacement components of the nodes in a region.

    Parameters
    ----------
    on : Region
        Picks nodes.
    fix : tuple of str, or str
        Names of components, ``("x", "y")`` or in short ``"xy"``; ``"all"`` for all of them.
    spring : float, optional
        If given, the components are not fixed: the region rests on springs to the ground of this **total**
        stiffness in each component, force per length, shared equally by its nodes as a `PointLoad` shares its
        force, so that a finer grid does not make it stiffer. Springs of several supports add up; where a
        component is both fixed and sprung, it is fixed.

    Examples
    --------
    >>> from topopt.regions import Plane
    >>> Support(Plane(x=0.0), "x").fix
    ('x',)
    """

    on: Region
    fix: tuple[str, ...] | str = "all"
    spring: float | None = None

    def __post_init__(self) -> None:
        """Normalise the names of the components and refuse what is no spring."""
        fix = AXES if self.fix == "all" else tuple(self.fix)
        wrong = [name for name in fix if name not in AXES]
        if wrong or not fix or len(set(fix)) != len(fix):
            raise InputError(
                f"support on {self.on}: fix = {self.fix!r} is not a choice of components; "
                f"name some of 'x', 'y' (and 'z' in 3-D), each once, or 'all'"
            )
        if self.fix != "all":
            object.__setattr__(self, "fix", fix)
        if self.spring is not None and not (math.isfinite(self.spring) and self.spring > 0):
            raise InputError(
                f"support on {self.on}: expected a positive spring stiffness, got {self.spring}; "
                f"leave spring out to fix the components"
            )


def fixed_flags(mesh: Cells, supports: tuple[Support, ...]) -> Flags:
    """Return which displacement components are fixed, shape (n_nodes * ndim,)."""
    fixed = np.zeros((mesh.n_nodes, mesh.ndim), dtype=bool)
    for support in supports:
        if support.spring is None:
            nodes = nodes_of(support.on, mesh, "support")
            fixed[nodes[:, None], _components(support, mesh)] = True
    return fixed.ravel()


def spring_stiffness(mesh: Cells, supports: tuple[Support, ...]) -> Array:
    """Return the springs' stiffness by displacement component, shape (n_nodes * ndim,), force per length.

    Where there is none, a single zero stands for all.
    """
    sprung = [support for support in supports if support.spring is not None]
    if not sprung:
        return np.broadcast_to(0.0, (mesh.n_nodes * mesh.ndim,))
    springs = np.zeros((mesh.n_nodes, mesh.ndim))
    for support in sprung:
        nodes = nodes_of(support.on, mesh, "support")
        springs[nodes[:, None], _components(support, mesh)] += cast(float, support.spring) / len(nodes)
    return springs.ravel()


def _components(support: Support, mesh: Cells) -> list[int]:
    """Return the numbers of the components that a support holds."""
    if support.fix == "all":
        return list(range(mesh.ndim))
    wrong = [name for name in support.fix if name not in mesh.axes]
    if wrong:
        raise InputError(
            f"support on {support.on}: fix names '{wrong[0]}', but a {mesh.ndim}-D grid has the components "
            f"{', '.join(mesh.axes)}"
        )
    return [AXES.index(name) for name in support.fix]
