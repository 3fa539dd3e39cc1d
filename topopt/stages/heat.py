"""Steady heat conduction: from conductivities to temperatures, and the mean that a design is judged by."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from topopt.cells import Cells, Indices
from topopt.chain import Pullback
from topopt.errors import InputError, SingularSystemError
from topopt.fem.element import diffusion, diffusions
from topopt.fem.energies import energies
from topopt.fem.operator import StiffnessOperator
from topopt.fem.picking import nodes_of
from topopt.grid import Domain
from topopt.meshes import Mesh
from topopt.parameters import Amount, Array, PositiveAmount
from topopt.regions import Everywhere, Region
from topopt.solvers import Solver
from topopt.stages.on_cells import OnCells
from topopt.stages.states import chosen, multiple, require_shapes, solved

__all__ = ["Conduction", "MeanTemperature"]


@dataclass(frozen=True)
class Conduction(OnCells):
    """Steady heat conduction K(k) T = q on the cells' nodes, temperatures counted from that of the sink.

    Input: conductivities relative to the full material, shape (n_cells,), positive. Output: temperatures,
    shape (n_nodes, 1), zero in the sink. The pullback of a cotangent v solves K lambda = v with the same
    factor, and dk_e = -lambda_e^T k0 T_e; where v is a multiple of the heat, as for the mean temperature of
    what is heated, lambda is that multiple of T and nothing is solved.

    Parameters
    ----------
    domain : Domain
        The cells; heat is made in none that are passive void.
    sink : Region, optional
        Whose nodes are kept at zero.
    cooled : Region, optional
        Whose nodes are cooled by a fluid of temperature zero, `film` in all.
    film : float
        Heat that the fluid takes in all per degree, shared equally by the nodes.
    source : Region, optional
        Where heat is made: evenly in its cells (of a plane the nearest layer, of a point the nearest), or
        at its nodes, if it holds no cell; everywhere if left out.
    power : float
        Heat that is made in all, per time.
    conductivity : float
        Of the full material, in 2-D times the thickness.
    solver : str or Solver
        As in `Equilibrium`.

    Raises
    ------
    InputError
        If regions pick nothing, or nothing takes the heat away.

    References
    ----------
    Gersborg-Hansen, Bendsoe and Sigmund 2006, doi:10.1007/s00158-005-0584-3
    """

    costly: ClassVar[bool] = True
    gives: ClassVar[str] = "temperatures"

    domain: Domain
    sink: Region | None = None
    cooled: Region | None = None
    film: Amount = 0.0
    source: Region | None = None
    power: PositiveAmount = 1.0
    conductivity: PositiveAmount = 1.0
    solver: str | Solver = "auto"

    def __post_init__(self) -> None:
        """Refuse regions that pick nothing."""
        super().__post_init__()
        if self.sink is None and (self.cooled is None or self.film == 0.0):
            raise InputError("Conduction: nothing takes the heat away; give a sink, or cooled and film")
        if (self.cooled is None) != (self.film == 0.0):
            raise InputError("Conduction: a fluid needs both: the region that is cooled, and a film above 0")
        body = self.body
        if not body.n_free:
            raise InputError("Conduction.sink: every node is kept at zero; nothing can become warm")
        if not body.forces.any():
            raise InputError("Conduction.source: all heat is made in the sink, or in passive void")

    @functools.cached_property
    def body(self) -> _Body:
        """What the temperature depends on but for the conductivities."""
        return _Body(
            self.domain, self.sink, self.cooled, self.film, self.source, self.power, self.conductivity
        )

    def rehearsed(self, *inputs: Array) -> Array:
        """Return the temperatures of nodes that are cooled one by one: the heat."""
        (conductivities,) = inputs
        require_shapes(self, ("conductivities", conductivities, (self.domain.mesh.n_cells,)))
        return np.array(self.body.forces)

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the temperatures and the adjoint pullback.

        Raises
        ------
        InputError
            If the conductivities have the wrong shape or one is not positive.
        """
        (conductivities,) = inputs
        body = self.body
        operator = StiffnessOperator(body, conductivities)
        lowest = float(conductivities.min())
        if not lowest > 0:
            raise InputError(
                f"conductivities: expected positive ones, the lowest is {lowest:g}; raise e_min, so that "
                "what is made in void flows somewhere"
            )
        try:
            factor = chosen(body, self.solver).factor(operator)
        except SingularSystemError as error:
            raise SingularSystemError(f"{error}; a part of the grid may not reach the sink") from error
        temperatures = solved(factor, body.forces)

        def pullback(cotangent: Array) -> tuple[Array]:
            wanted = np.array(cotangent)
            wanted[body.held] = 0.0
            share = multiple(wanted[:, 0], body.forces[:, 0], body.warmest)
            left = temperatures if share is not None else solved(factor, wanted)
            passed = energies(body, left[:, 0], temperatures[:, 0])
            return (passed * -(1.0 if share is None else share),)

        return temperatures, pullback


@dataclass(frozen=True)
class MeanTemperature(OnCells):
    """Mean temperature of a region: over its cells' volume, or over its nodes if it holds no cell.

    Input: temperatures, shape (n_nodes, 1). Output: shape (). Over the source it is the thermal compliance
    divided by the power.

    Parameters
    ----------
    domain : Domain
        The cells; those that are passive void do not count.
    on : Region, optional
        Where; everywhere if left out.
    """

    linear: ClassVar[bool] = True

    domain: Domain
    on: Region | None = None

    def __post_init__(self) -> None:
        """Refuse a region that picks nothing."""
        super().__post_init__()
        if not self._weights.any():
            raise InputError("MeanTemperature.on: the region lies in passive void")

    @functools.cached_property
    def _weights(self) -> Array:
        """Return the share of every node."""
        return _shares(self.domain, self.on, "MeanTemperature")

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the mean and its pullback."""
        (temperatures,) = inputs
        weights = self._weights[:, None]
        if temperatures.shape != weights.shape:
            raise InputError(
                f"MeanTemperature: expected temperatures of shape {weights.shape}, got {temperatures.shape}"
            )
        return np.asarray((weights * temperatures).sum()), lambda v: (weights * float(v),)


@dataclass(frozen=True)
class _Body:
    """Cells with heat, sink and fluid: a `System` of one unknown a node."""

    domain: Domain
    sink: Region | None
    cooled: Region | None
    film: float
    source: Region | None
    power: float
    conductivity: float

    @property
    def mesh(self) -> Cells:
        """The cells."""
        return self.domain.mesh

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
        """One a node."""
        return self.mesh.n_nodes

    @property
    def cell_dofs(self) -> Indices:
        """The nodes of each cell."""
        return self.mesh.cell_nodes

    @functools.cached_property
    def element_matrix(self) -> Array:
        """Conduction matrix of a cell of the full material, or of every cell of a mesh."""
        mesh = self.mesh
        if isinstance(mesh, Mesh):
            return self.conductivity * diffusions(mesh.mapped(1 if mesh.kind.constant else 2))
        return self.conductivity * diffusion(mesh.spacing)

    @functools.cached_property
    def free(self) -> NDArray[np.intp]:
        """The nodes outside the sink."""
        free = np.ones(self.n_dofs, dtype=bool)
        free[self.held] = False
        return np.flatnonzero(free)

    @property
    def n_free(self) -> int:
        """Number of free unknowns."""
        return len(self.free)

    @functools.cached_property
    def held(self) -> NDArray[np.intp]:
        """The nodes of the sink."""
        if self.sink is None:
            return np.zeros(0, dtype=np.intp)
        return nodes_of(self.sink, self.mesh, "Conduction.sink")

    @functools.cached_property
    def springs(self) -> Array:
        """What the fluid takes from every node."""
        film = np.zeros(self.n_dofs)
        if self.cooled is not None:
            nodes = nodes_of(self.cooled, self.mesh, "Conduction.cooled")
            film[nodes] = self.film / len(nodes)
            film[np.setdiff1d(nodes, self.free)] = 0.0
        return film

    @functools.cached_property
    def forces(self) -> Array:
        """Heat by node, shape (n_nodes, 1), none in the sink."""
        heat = np.zeros((self.n_dofs, 1))
        shares = self.power * _shares(self.domain, self.source, "Conduction.source")
        heat[self.free, 0] = shares[self.free]
        return heat

    @functools.cached_property
    def warmest(self) -> int:
        """The node where most heat is made."""
        return int(np.argmax(self.forces))


def _shares(domain: Domain, on: Region | None, what: str) -> Array:
    """Return the share of every node in a region's volume, or in its nodes where it holds no cell."""
    mesh, region = domain.mesh, on or Everywhere()
    shares = np.zeros(mesh.n_nodes)
    cells = np.flatnonzero(mesh.cells_in(region) & ~domain.void_cells)
    if len(cells):
        table = mesh.cell_nodes[cells]
        parts = mesh.shares[cells] if isinstance(mesh, Mesh) else np.ones(table.shape)
        return np.asarray(np.bincount(table.ravel(), parts.ravel(), mesh.n_nodes) / parts.sum())
    if not mesh.cells_in(region).any():
        nodes = nodes_of(region, mesh, what)
        shares[nodes] = 1.0 / len(nodes)
    return shares
