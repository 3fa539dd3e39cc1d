"""Projection towards the densities of several materials: a smooth step between every two neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from topopt.chain import Pullback, Stage
from topopt.errors import InputError
from topopt.parameters import Array, NonNegative
from topopt.stages.projections import Tanh

__all__ = ["OrderedTanh"]


@dataclass(frozen=True)
class OrderedTanh(Stage):
    """`Tanh` at a threshold of one half between every two neighbours of ``0, densities``, scaled to fit.

    Input and output: shape (n_cells,). Every step is odd about its middle and as steep at one end as at the
    other, and the slope does not depend on how far apart the densities are: pieces join with one slope. At
    ``beta = 0`` it is the identity, at ``beta = inf`` each cell is of one material or void. Put `OrderedSimp`
    behind it, with the same densities.

    Parameters
    ----------
    densities : tuple of float
        Of the materials but void, ascending, the last 1.
    beta : float
        Sharpness, of each step over its own width.

    Raises
    ------
    InputError
        If the densities do not ascend to 1.

    References
    ----------
    Wang, Lazarov and Sigmund 2011, doi:10.1007/s00158-010-0602-y (one step); Zuo and Saitou 2017,
    doi:10.1007/s00158-016-1513-3 (ordered materials)

    Examples
    --------
    >>> OrderedTanh((0.4, 1.0), 8.0)(np.array([0.0, 0.1, 0.2, 0.4, 0.55, 0.7, 1.0])).round(3).tolist()
    [0.0, 0.007, 0.2, 0.4, 0.411, 0.7, 1.0]
    """

    densities: tuple[float, ...]
    beta: NonNegative

    def __post_init__(self) -> None:
        """Refuse densities that do not ascend to 1."""
        super().__post_init__()
        values = tuple(float(value) for value in self.densities)
        object.__setattr__(self, "densities", values)
        if not values or (np.diff((0.0, *values)) <= 0).any() or values[-1] != 1.0:
            raise InputError(
                f"OrderedTanh.densities: expected numbers that ascend from above 0 to 1, got {values}"
            )

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the projected densities; the widths cancel in the slope."""
        (rho,) = inputs
        place = np.minimum(np.searchsorted(self.densities, rho), len(self.densities) - 1)
        low = np.array((0.0, *self.densities))[place]
        width = np.array(self.densities)[place] - low
        projected, pullback = Tanh(self.beta).vjp((rho - low) / width)
        return low + width * projected, pullback
