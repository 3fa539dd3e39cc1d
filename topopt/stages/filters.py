"""Filters give a design a length: each cell becomes a weighted mean of its neighbours."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from topopt.chain import Pullback
from topopt.grid import Domain
from topopt.parameters import Array, Positive
from topopt.stages.averaged import averaged, refuse_radius
from topopt.stages.cone_sums import cone_sum
from topopt.stages.on_cells import OnCells

__all__ = ["Cone", "SensitivityFilter"]


@dataclass(frozen=True)
class Cone(OnCells):
    """Density filter with cone weights ``max(0, radius - distance)``.

    Each designed cell becomes the weighted mean of the cells around it. Void cells are outside the domain,
    like everything beyond its boundary: the weights that are left are normalised. Solid cells contribute a
    density of 1. In solid and void cells the output is exactly 1 and 0, whatever the input there.

    On large grids a cone of some cells is a stencil, exact to the rounding of each sum. Otherwise the sums
    run by fast Fourier transform on a zero-padded grid, exact to the rounding of the largest entry: what is
    smaller than that, in the output or in the sensitivity (about 2e-15 of the largest times the root of the
    number of cells that are as large), cannot be told from noise and comes out as exactly 0.

    A mean lies between the smallest and the largest value that enters it; what rounding pushes past these two
    (about 1e-16) is put back onto them, so constants are kept to the last digit and densities never fall
    below 0.

    Parameters
    ----------
    domain : Domain
        The grid and its passive parts.
    radius : float
        Where the weights reach zero, in the grid's unit of length; larger than a cell's shortest edge,
        at most the longest edge of the grid.

    Raises
    ------
    InputError
        If the radius reaches no neighbour or beyond the whole grid.

    References
    ----------
    Bruns, Tortorelli, Comput. Methods Appl. Mech. Engrg. 190 (2001), doi:10.1016/S0045-7825(00)00278-4;
    Bourdin, Int. J. Numer. Meth. Engng 50 (2001), doi:10.1002/nme.116
    """

    linear: ClassVar[bool] = True
    instead: ClassVar[str] = "take Helmholtz, which does with any cells"

    domain: Domain
    radius: Positive

    def __post_init__(self) -> None:
        """Refuse a radius that does nothing or everything."""
        super().__post_init__()
        grid = self.domain.grid
        refuse_radius("Cone", grid, self.radius, float(grid.spacing.min()))

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the filtered field, shape (n_cells,)."""
        (design,) = inputs
        gain, offset = _weights(self.domain, self.radius)
        smooth = functools.partial(cone_sum, self.domain.grid, self.radius)
        return averaged(self.domain, design, smooth, (gain, offset), lambda: _back(self.domain, self.radius))


@dataclass(frozen=True)
class SensitivityFilter(OnCells):
    """The classic heuristic: the design passes unchanged, its sensitivity comes back as a weighted mean.

    ``v_i -> sum_j H_ij x_j v_j / (max(1e-3, x_i) sum_j H_ij)`` with the cone weights H of `Cone`. This is
    not the derivative of anything: a Taylor test through this stage fails, on purpose. It is here because
    much of the literature was computed with it.

    Solid and void cells come out as exactly 1 and 0. Void cells are outside the domain; solid ones enter the
    mean with density 1, and neither receives a sensitivity. The sums are those of `Cone`.

    Parameters
    ----------
    domain : Domain
        The grid and its passive parts.
    radius : float
        Where the weights reach zero, in the grid's unit of length.

    References
    ----------
    Sigmund, Mech. Struct. Mach. 25 (1997), doi:10.1080/08905459708945415;
    Sigmund, Struct. Multidisc. Optim. 21 (2001), doi:10.1007/s001580050176
    """

    heuristic: ClassVar[bool] = True
    instead: ClassVar[str] = "take Helmholtz, which filters densities"

    domain: Domain
    radius: Positive

    def __post_init__(self) -> None:
        """Refuse a radius that does nothing or everything."""
        super().__post_init__()
        grid = self.domain.grid
        refuse_radius("SensitivityFilter", grid, self.radius, float(grid.spacing.min()))

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the design with its passive cells imposed."""
        (design,) = inputs
        gain, _ = _weights(self.domain, self.radius)
        output = design if self.domain.n_active == design.size else self.domain.impose(design)

        def pullback(v: Array) -> tuple[Array]:
            mean = cone_sum(self.domain.grid, self.radius, output * v)
            mean *= gain
            mean /= np.maximum(1e-3, output)
            return (mean,)

        return output, pullback


@functools.lru_cache(maxsize=4)
def _back(domain: Domain, radius: float) -> Array:
    """Return what the pullback of a filter makes of ones."""
    made = cone_sum(domain.grid, radius, _weights(domain, radius)[0])
    made.flags.writeable = False
    return made


@functools.lru_cache(maxsize=8)
def _weights(domain: Domain, radius: float) -> tuple[Array, Array]:
    """Return 1 / (sum of the weights present), 0 in passive cells, and what the solid cells contribute."""
    total = cone_sum(domain.grid, radius, np.where(domain.void_cells, 0.0, 1.0))
    gain = np.zeros_like(total)
    np.divide(1.0, total, out=gain, where=domain.active)
    solid = domain.solid_cells
    if solid.any():
        offset = domain.impose(gain * cone_sum(domain.grid, radius, solid.astype(np.float64)))
    else:
        offset = np.broadcast_to(0.0, solid.shape)
    gain.flags.writeable = False
    offset.flags.writeable = False
    return gain, offset
