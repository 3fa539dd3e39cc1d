"""Thinner and thicker twins of a design: a length goes in, the threshold that moves its edges comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from topopt.chain import Pullback, Stage
from topopt.errors import ParameterError
from topopt.parameters import Array, NonNegative, Positive
from topopt.stages.projections import Tanh

__all__ = ["Offset", "erosion_threshold"]


def erosion_threshold(length: float, radius: float) -> float:
    """Return the threshold at which members and gaps of a length scale just survive the projection.

    Parameters
    ----------
    length : float
        Smallest width b, in the unit of `radius`, from 0 to less than twice the radius.
    radius : float
        Radius R of the cone filter in front of the projection.

    Returns
    -------
    float
        The eroding threshold eta_e, from 0.5 to less than 1: ``1/2 + (b/R)**2 / 4`` for b below R, above it
        ``b/R - (b/R)**2 / 4``. A design that keeps its shape when it is projected at eta_e as well as at
        ``1 - eta_e`` has members and gaps of at least this width.

    Raises
    ------
    ParameterError
        If the length is not below twice the radius: no threshold keeps it.

    References
    ----------
    Qian, Sigmund, Comput. Methods Appl. Mech. Engrg. 253 (2013), doi:10.1016/j.cma.2012.08.020

    Examples
    --------
    >>> erosion_threshold(1.0, 2.0), erosion_threshold(2.0, 2.0)
    (0.5625, 0.75)
    """
    if not (radius > 0 and 0 <= length < 2.0 * radius):
        raise ParameterError(
            f"length {length:g} cannot be kept by a filter of radius {radius:g}: "
            f"give 0 <= length < {2.0 * radius:g}, twice the radius"
        )
    ratio = length / radius
    return 0.5 + 0.25 * ratio**2 if ratio < 1 else ratio - 0.25 * ratio**2


@dataclass(frozen=True)
class Offset(Stage):
    """Tanh projection at the threshold of a length scale: one member of the robust trio.

    `Tanh` at eta = ``erosion_threshold(length, radius)`` for a positive length (the eroded design), at 1
    minus that of ``-length`` for a negative one (the dilated design), at 0.5 for 0 (the nominal one). Three
    of them read one filtered field: the worst response of the three is lowered, and the volume of the
    dilated one is limited.

    Parameters
    ----------
    beta : float
        Sharpness, >= 0.
    length : float
        Smallest width of members (and, negative, of gaps), less than twice the radius in size.
    radius : float
        Of the cone filter in front, in the grid's unit of length.

    References
    ----------
    Wang, Lazarov, Sigmund, Struct. Multidisc. Optim. 43 (2011), doi:10.1007/s00158-010-0602-y;
    Qian, Sigmund, Comput. Methods Appl. Mech. Engrg. 253 (2013), doi:10.1016/j.cma.2012.08.020

    Examples
    --------
    >>> Offset(beta=8.0, length=-2.0, radius=2.0).eta
    0.25
    """

    sharp: ClassVar[bool] = True

    beta: NonNegative
    length: float
    radius: Positive

    def __post_init__(self) -> None:
        """Refuse a length that no threshold keeps."""
        super().__post_init__()
        if not abs(self.length) < 2.0 * self.radius:
            raise ParameterError(
                f"Offset.length: {self.length:g} cannot be kept by a filter of radius {self.radius:g}; give "
                f"more than {-2.0 * self.radius:g} and less than {2.0 * self.radius:g}, twice the radius"
            )

    @property
    def eta(self) -> float:
        """The threshold: above 0.5 it erodes, below it dilates."""
        eta = erosion_threshold(abs(self.length), self.radius)
        return eta if self.length >= 0 else 1.0 - eta

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the projected field."""
        return self._tanh.vjp(*inputs)

    def edge_slope(self, *inputs: Array) -> float:
        """Return the slope where the output is one half."""
        return self._tanh.edge_slope(*inputs)

    def derivative(self, parameter: str, *inputs: Array) -> Array | None:
        """Return the derivative with respect to ``beta``, ``length`` or ``radius``."""
        if parameter == "beta":
            return self._tanh.derivative("beta", *inputs)
        if parameter not in ("length", "radius"):
            return None
        ratio = self.length / self.radius
        rate = min(0.5 * abs(ratio), 1.0 - 0.5 * abs(ratio)) / self.radius
        rate *= 1.0 if parameter == "length" else -ratio
        return rate * np.asarray(self._tanh.derivative("eta", *inputs))

    @property
    def _tanh(self) -> Tanh:
        """The projection."""
        return Tanh(self.beta, self.eta)
