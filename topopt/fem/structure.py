"""A structure is cells of material with supports and loads: everything about the state but the moduli."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from topopt.cells import Cells, Flags, Indices
from topopt.errors import InputError
from topopt.fem.element import stiffness, stiffnesses
from topopt.fem.loads import Load, LoadCase
from topopt.fem.material import Material, elasticity
from topopt.fem.supports import Support, fixed_flags, spring_stiffness
from topopt.grid import KEPT, Grid, structured
from topopt.meshes import Mesh
from topopt.parameters import Array

__all__ = ["Structure"]


@dataclass(frozen=True)
class Structure:
    """A grid or mesh of linear elastic material that is held and loaded.

    Displacement component c of node n is unknown ``n * ndim + c``.

    Parameters
    ----------
    mesh : Grid or Mesh
        The cells.
    supports : tuple of Support
        Where it is held.
    loads : tuple of Load or tuple of LoadCase
        Plain loads act together, as one case named ``"load"``; the field then holds that case.
    material : Material
        What a cell of relative modulus 1 is made of.

    Raises
    ------
    InputError
        For regions that pick nothing, vectors or components that do not fit, no support, a case without a
        force or with forces on fixed components only, and cases of equal name.

    Examples
    --------
    >>> from topopt.regions import Plane, Point
    >>> from topopt.fem import PointLoad
    >>> beam = Structure(
    ...     Grid((60, 20)), (Support(Plane(x=0.0)),), (PointLoad(Point((60.0, 10.0)), (0.0, -1.0)),)
    ... )
    >>> beam.n_dofs, beam.forces.shape, beam.case_names
    (2562, (2562, 1), ('load',))
    """

    mesh: Cells
    supports: tuple[Support, ...]
    loads: tuple[Load, ...] | tuple[LoadCase, ...]
    material: Material = Material()

    def __post_init__(self) -> None:
        """Normalise to tuples of supports and cases, and refuse what cannot be computed."""
        supports = (self.supports,) if isinstance(self.supports, Support) else tuple(self.supports)
        object.__setattr__(self, "supports", supports)
        if not supports:
            raise InputError("structure: no supports; add a Support, or it floats")
        if not all(isinstance(support, Support) for support in supports):
            raise InputError(f"structure.supports: expected Support objects, got {supports!r}")
        object.__setattr__(self, "loads", _cases(self.loads))
        names = self.case_names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(f"structure.loads: {len(names)} cases, but the name '{twice[0]}' is given twice")
        if not any(case.weight > 0 for case in self.cases):
            raise InputError("structure.loads: every case has weight 0; give one a positive weight")
        elasticity(self.material, self.mesh.ndim)
        _constraints(self)
        _forces(self)

    @property
    def grid(self) -> Grid:
        """The grid; what asks for it cannot do with a mesh, which is refused."""
        return structured(self.mesh)

    @property
    def cases(self) -> tuple[LoadCase, ...]:
        """The load cases."""
        return cast("tuple[LoadCase, ...]", self.loads)

    @property
    def case_names(self) -> tuple[str, ...]:
        """Names of the load cases."""
        return tuple(case.name for case in self.cases)

    @property
    def weights(self) -> Array:
        """Weights of the load cases, shape (n_cases,)."""
        return np.array([case.weight for case in self.cases], dtype=np.float64)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return self.mesh.n_cells

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return self.mesh.ndim

    @property
    def n_dofs(self) -> int:
        """Number of displacement components, fixed ones included."""
        return self.mesh.n_nodes * self.mesh.ndim

    @property
    def cell_dofs(self) -> Indices:
        """Unknowns of each cell, shape (n_cells, k), int32, read-only; k = ndim 2**ndim on a grid."""
        return _cell_dofs(self.mesh)

    def dofs_in(self, piece: slice) -> Indices:
        """Return the rows of `cell_dofs` of a range of cells; a large grid computes these alone."""
        if self.n_cells <= KEPT:
            return self.cell_dofs[piece]
        return _unknowns(self.mesh.nodes_of(np.arange(piece.start, piece.stop)), self.ndim)

    @property
    def element_matrix(self) -> Array:
        """Stiffness matrix of a cell of the full material, force per length, read-only.

        Shape (k, k) on a grid, whose cells are equal, and (n_cells, k, k) on a mesh.
        """
        return _element_matrix(self.mesh, self.material)

    @property
    def thickness(self) -> float:
        """What makes a volume of a plane area: the material's thickness in 2-D, 1 in 3-D."""
        return _thickness(self.material, self.ndim)

    @property
    def fixed(self) -> Flags:
        """Which components are fixed, shape (n_dofs,), read-only."""
        return _constraints(self).fixed

    @property
    def free(self) -> NDArray[np.intp]:
        """Numbers of the components that are not fixed, ascending, read-only; of large grids not kept."""
        return _free(self) if self.n_cells <= KEPT else _free.__wrapped__(self)

    @property
    def n_free(self) -> int:
        """Number of free unknowns."""
        return _constraints(self).n_free

    @property
    def springs(self) -> Array:
        """Stiffness of the springs to the ground, shape (n_dofs,), force per length, read-only."""
        return _constraints(self).springs

    @property
    def forces(self) -> Array:
        """Nodal forces, shape (n_dofs, n_cases), read-only.

        Zero on fixed components: what pushes there goes straight into the support.
        """
        return _forces(self)


def _cases(loads: object) -> tuple[LoadCase, ...]:
    """Return load cases, putting plain loads into one."""
    given = (loads,) if isinstance(loads, Load | LoadCase) else tuple(cast("tuple[object, ...]", loads))
    if not given:
        raise InputError("structure.loads: no loads; add a PointLoad, LineLoad, SurfaceLoad or BodyLoad")
    cases = tuple(entry for entry in given if isinstance(entry, LoadCase))
    if len(cases) == len(given):
        return cases
    plain = tuple(entry for entry in given if isinstance(entry, Load))
    if len(plain) == len(given):
        return (LoadCase("load", plain),)
    raise InputError(f"structure.loads: expected loads or load cases, not a mixture, got {given!r}")


def _thickness(material: Material, ndim: int) -> float:
    """Return the material's thickness in 2-D, 1 in 3-D."""
    return material.thickness if ndim == 2 else 1.0


@functools.lru_cache(maxsize=4)
def _cell_dofs(mesh: Cells) -> Indices:
    """Return the unknowns of each cell."""
    table = _unknowns(mesh.cell_nodes.astype(np.int32), mesh.ndim)
    table.flags.writeable = False
    return table


def _unknowns(nodes: Indices, ndim: int) -> Indices:
    """Return the unknowns at the nodes of cells, node by node."""
    table = nodes[:, :, None] * np.int32(ndim) + np.arange(ndim, dtype=np.int32)
    return cast(Indices, table.reshape(len(nodes), -1))


@functools.lru_cache(maxsize=16)
def _element_matrix(mesh: Cells, material: Material) -> Array:
    """Return the stiffness matrix of a cell, or of every cell of a mesh."""
    thickness, law = _thickness(material, mesh.ndim), elasticity(material, mesh.ndim)
    if isinstance(mesh, Mesh):
        matrix = stiffnesses(mesh.mapped(1 if mesh.kind.constant else 2), law, thickness)
    else:
        matrix = stiffness(mesh.spacing, law, thickness)
    matrix.flags.writeable = False
    return matrix


@dataclass(frozen=True, eq=False)
class _Constraints:
    """What the supports make of the displacement components, read-only."""

    fixed: Flags
    n_free: int
    springs: Array


@functools.lru_cache(maxsize=16)
def _constraints(structure: Structure) -> _Constraints:
    """Return which components are fixed, how many are not, and what springs hold them."""
    fixed = fixed_flags(structure.mesh, structure.supports)
    springs = spring_stiffness(structure.mesh, structure.supports)
    if springs.any():
        springs[fixed] = 0.0
    n_free = fixed.size - int(np.count_nonzero(fixed))
    if not n_free:
        raise InputError("structure.supports: every component of every node is fixed; nothing can move")
    for array in (fixed, springs):
        array.flags.writeable = False
    return _Constraints(fixed, n_free, springs)


@functools.lru_cache(maxsize=16)
def _free(structure: Structure) -> NDArray[np.intp]:
    """Return the numbers of the components that are not fixed."""
    free = np.flatnonzero(~structure.fixed)
    free.flags.writeable = False
    return free


@functools.lru_cache(maxsize=16)
def _forces(structure: Structure) -> Array:
    """Return the nodal forces of every case."""
    columns = np.zeros((structure.n_dofs, len(structure.cases)))
    for column, case in zip(columns.T, structure.cases, strict=True):
        for load in case.loads:
            column += load.nodal_forces(structure.mesh, structure.thickness).ravel()
        if not np.any(column):
            raise InputError(f"load case '{case.name}': the forces are zero; nothing would be deformed")
        column[structure.fixed] = 0.0
        if not np.any(column):
            raise InputError(
                f"load case '{case.name}': all forces act on fixed components and go straight into the "
                f"supports; move the load or free these components"
            )
    columns.flags.writeable = False
    return columns
