"""Projections that smooth within a cell: where an interface crosses it, its sensitivity never dies."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from topopt.chain import Pullback
from topopt.grid import Domain, Grid
from topopt.parameters import Array, NonNegative, Unit
from topopt.stages.differences import Difference, gradient, hessian
from topopt.stages.on_cells import OnCells
from topopt.stages.projections import STRAIGHT, Tanh

__all__ = ["Ssp", "Ssp2"]

REACH = 0.55
"""Radius of the smoothing in cells: just enough that an interface anywhere is near some cell's centre."""
_FLAT = 1e-9
"""A field that changes by less from cell to cell is flat: what is left of its gradient is rounding."""


@dataclass(frozen=True)
class Ssp(OnCells):
    """Subpixel-smoothed projection: the tanh projection, averaged over a cell where an interface crosses it.

    With G the norm of the gradient (central differences, one-sided at the boundary), R = 0.55 h and
    ``d = (eta - t) / (G R)``, the tanh projection H where ``|d| >= 1`` or G = 0; elsewhere
    ``(1 - F) H(t - R G F) + F H(t + R G (1 - F))``, with the share of the cell that lies above the threshold
    ``F(d) = 1/2 - 15/16 d + 5/8 d**3 - 3/16 d**5``. At ``beta = inf`` that is F itself: the design is black
    and white but for one cell along its edges, and the slope there is alive: least, below 3 % of the most,
    where a straight edge lies on the faces between cells. The pullback contains the transposed differences.

    Differences are taken from cell to cell, so that h is the edge of the cell along each axis: where cells
    are no cubes, an interface is smoothed over the same part of a cell in every direction. An axis of one
    cell has no gradient.

    Passive cells come out as exactly 1 and 0 and get no sensitivity from their own value; their neighbours
    see them. Where the field is uniform nothing is smoothed: at ``beta = inf`` such a start is dead.

    Parameters
    ----------
    domain : Domain
        The grid and its passive parts.
    beta : float
        Sharpness, >= 0, inf included.
    eta : float
        Threshold, 0 to 1.

    References
    ----------
    Hammond, Oskooi, Hammond, Chen, Ralph, Johnson, arXiv:2503.20189 (2025)

    Examples
    --------
    >>> import numpy as np
    >>> from topopt.grid import Grid
    >>> t = np.repeat([0.1, 0.3, 0.55, 0.8], 2)
    >>> Ssp(Grid((4, 2)), beta=np.inf)(t)[::2].round(3).tolist()
    [0.0, 0.0, 0.812, 1.0]
    """

    sharp: ClassVar[bool] = True
    instead: ClassVar[str] = "take Tanh"

    domain: Domain
    beta: NonNegative
    eta: Unit = 0.5

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the projected field, shape (n_cells,)."""
        (t,) = inputs
        output, plain = Tanh(self.beta, self.eta).vjp(t)
        edge = self._edge(t)
        if edge.cells.size:
            output[edge.cells] = edge.output
        if not self._whole:
            output = self.domain.impose(output)

        @functools.cache
        def slopes() -> tuple[Array, Array]:
            direct = plain(np.ones_like(t))[0]
            direct[edge.cells] = edge.slope
            return (direct if self._whole else np.where(self.domain.active, direct, 0.0)), edge.reach_slope

        def pullback(v: Array) -> tuple[Array]:
            direct, by_reach = slopes()
            cotangent = v * direct
            if edge.cells.size:
                self._add_reached(cotangent, edge, v[edge.cells] * by_reach)
            return (cotangent,)

        return output, pullback

    def slope(self, *inputs: Array) -> Array:
        """Return the slope of each entry with the gradient held; 0 in passive cells."""
        (t,) = inputs
        edge = self._edge(t)
        slope = Tanh(self.beta, self.eta).vjp(t)[1](np.ones_like(t))[0]
        slope[edge.cells] = edge.slope
        return slope if self._whole else np.where(self.domain.active, slope, 0.0)

    def edge_slope(self, *inputs: Array) -> float | None:
        """Return the slope at the threshold for the typical gradient along the edges; None without a field.

        At ``beta = inf`` that makes an interface of 0.29 cells, however sharp the projection. Where the field
        jumps over the smoothing altogether the slope is that of the tanh projection.
        """
        if not inputs:
            return None
        edge = self._edge(inputs[0])
        if not edge.cells.size:
            return Tanh(self.beta, self.eta).edge_slope()
        reach = np.median(edge.reach, keepdims=True)
        middle = _Edge(np.zeros(1, np.intp), reach, np.array([self.eta]), (), self.beta, self.eta)
        return float(middle.slope[0])

    def derivative(self, parameter: str, *inputs: Array) -> Array | None:
        """Return the derivative with respect to ``beta`` or ``eta``."""
        (t,) = inputs
        outside = Tanh(self.beta, self.eta).derivative(parameter, t)
        if outside is None:
            return None
        edge = self._edge(t)
        outside[edge.cells] = edge.derivative(parameter)
        return outside if self._whole else np.where(self.domain.active, outside, 0.0)

    @property
    def _whole(self) -> bool:
        """Whether no cell is passive."""
        return self.domain.n_active == self.domain.grid.n_cells

    def _edge(self, t: Array) -> _Edge:
        """Return what is to be known of the cells that an interface crosses."""
        grid = self.domain.grid
        field = grid.shaped(t)
        changes = [(take(field).reshape(-1), take) for take in self._differences(grid)]
        reach = np.zeros_like(t)
        for change, take in changes:
            reach += take.weight * np.square(change)
        np.sqrt(reach, out=reach)
        reach *= REACH
        near = np.abs(t - self.eta) < reach
        near &= (reach > _FLAT) & (self.beta >= STRAIGHT)  # averages do not change what is straight
        if not self._whole:
            near &= self.domain.active
        cells = np.flatnonzero(near)
        kept = tuple((change[cells], take) for change, take in changes)
        return _Edge(cells, reach[cells], t[cells], kept, self.beta, self.eta)

    def _add_reached(self, cotangent: Array, edge: _Edge, by_reach: Array) -> None:
        """Add, in place, what the cotangent of the reach gives to the field: the transposed differences."""
        grid = self.domain.grid
        scaled = by_reach * (REACH**2 / edge.reach)
        field = grid.shaped(cotangent)
        for change, take in edge.changes:
            spread = np.zeros(grid.n_cells)
            spread[edge.cells] = take.weight * scaled * change
            field += take.transposed(grid.shaped(spread))

    def _differences(self, grid: Grid) -> Sequence[Difference]:
        """Return the differences whose squares make the reach, in units of REACH."""
        return gradient(grid)


@dataclass(frozen=True)
class Ssp2(Ssp):
    """Second-order subpixel-smoothed projection: smooth also where two interfaces meet.

    `Ssp` with G replaced by ``sqrt(|grad t|**2 + R**2 |grad grad t|**2)`` (Frobenius norm of the second
    differences): where two edges merge the gradient vanishes, but the curvature does not.

    Parameters
    ----------
    domain : Domain
        The grid and its passive parts.
    beta : float
        Sharpness, >= 0, inf included.
    eta : float
        Threshold, 0 to 1.

    References
    ----------
    Romano, Arrieta, Johnson, arXiv:2601.10737 (2026)
    """

    def _differences(self, grid: Grid) -> Sequence[Difference]:
        """Return first and second differences."""
        return (*gradient(grid), *hessian(grid, REACH**2))


class _Edge:
    """The cells that an interface crosses: their projection and its derivatives."""

    def __init__(
        self,
        cells: NDArray[np.intp],
        reach: Array,
        t: Array,
        changes: tuple[tuple[Array, Difference], ...],
        beta: float,
        eta: float,
    ) -> None:
        self.cells, self.reach, self.changes = cells, reach, changes
        self._tanh = Tanh(beta, eta)
        d = (eta - t) / reach
        self._d, square = d, np.square(d)
        self._share = 0.5 - d * (15.0 / 16.0 - square * (0.625 - 0.1875 * square))
        self._fall = -0.9375 * np.square(1.0 - square)
        self._below = t - reach * self._share
        self._sharpest = math.isinf(beta)

    @functools.cached_property
    def _ends(self) -> tuple[Array, Array, Array, Array]:
        """Return the tanh projection and its slope at the two points that are averaged."""
        if self._sharpest:
            none = np.zeros_like(self.reach)
            return none, np.ones_like(self.reach), none, none
        ones = np.ones_like(self.reach)
        low, low_back = self._tanh.vjp(self._below)
        high, high_back = self._tanh.vjp(self._below + self.reach)
        return low, high, low_back(ones)[0], high_back(ones)[0]

    def _mean(self, low: Array, high: Array) -> Array:
        """Return the average of values at the two points."""
        return np.asarray(low + self._share * (high - low))

    @property
    def output(self) -> Array:
        """The smoothed projection."""
        return self._mean(*self._ends[:2])

    @property
    def slope(self) -> Array:
        """Its derivative with respect to the field, the reach held."""
        low, high, low_slope, high_slope = self._ends
        return (low - high) * self._fall / self.reach + (1.0 + self._fall) * self._mean(low_slope, high_slope)

    @property
    def reach_slope(self) -> Array:
        """Its derivative with respect to the reach, the field held."""
        low, high, low_slope, high_slope = self._ends
        moved = self._d * self._fall - self._share
        slope = (low - high) * self._fall * self._d / self.reach
        return np.asarray(slope + self._mean(low_slope * moved, high_slope * (1.0 + moved)))

    def derivative(self, parameter: str) -> Array:
        """Return its derivative with respect to ``beta`` or ``eta``."""
        if self._sharpest:
            return np.asarray(self._fall / self.reach if parameter == "eta" else np.zeros_like(self.reach))
        low, high, low_slope, high_slope = self._ends
        ends = (self._tanh.derivative(parameter, end) for end in (self._below, self._below + self.reach))
        change = self._mean(*(np.asarray(end) for end in ends))
        if parameter == "eta":
            change += (high - low) * self._fall / self.reach
            change -= self._fall * self._mean(low_slope, high_slope)
        return change
