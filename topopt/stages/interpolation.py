"""How stiff a cell of a given density is, relative to the full material."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import annotated_types as at
import numpy as np
from scipy.special import xlogy

from topopt.chain import Pullback, Stage
from topopt.errors import InputError, NumericalError
from topopt.parameters import Array, NonNegative, UnitOpen
from topopt.threads import CHAIN, each

__all__ = ["OrderedSimp", "Ramp", "Simp"]


@dataclass(frozen=True)
class Simp(Stage):
    """Modified SIMP: ``e_min + rho**penal (1 - e_min)``.

    Parameters
    ----------
    penal : float
        Penalty exponent, >= 1; 1 is linear.
    e_min : float
        Factor of a void cell, between 0 and 1.

    References
    ----------
    Sigmund, Struct. Multidisc. Optim. 33 (2007), doi:10.1007/s00158-006-0087-x

    Examples
    --------
    >>> import numpy as np
    >>> Simp(penal=3.0)(np.array([0.0, 0.5, 1.0])).round(6).tolist()
    [0.0, 0.125, 1.0]
    """

    gives: ClassVar[str] = "moduli"

    penal: Annotated[float, at.Ge(1), at.Lt(float("inf"))] = 3.0
    e_min: UnitOpen = 1e-9

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the factors, one per cell.

        Raises
        ------
        NumericalError
            If a density is negative while `penal` is no integer.
        """
        (rho,) = inputs
        self._refuse_roots(rho)
        output, span = np.empty_like(rho), 1.0 - self.e_min

        def stiffen(at: slice) -> None:
            part = np.power(rho[at], self.penal, out=output[at])
            part *= span
            part += self.e_min

        def pullback(v: Array) -> tuple[Array]:
            slope = np.empty_like(rho)

            def pull(at: slice) -> None:
                part = np.power(rho[at], self.penal - 1.0, out=slope[at])
                part *= self.penal * span
                part *= v[at]

            each(pull, len(rho), CHAIN)
            return (slope,)

        each(stiffen, len(rho), CHAIN)
        return output, pullback

    def _refuse_roots(self, rho: Array) -> None:
        """Refuse a power that would be nan."""
        if not float(self.penal).is_integer() and rho.size and (smallest := rho.min()) < 0:
            raise NumericalError(
                f"Simp: a density of {smallest:.3g} has no power {self.penal:g}; "
                "densities must not be negative, so look at the stage before"
            )

    def derivative(self, parameter: str, *inputs: Array) -> Array | None:
        """Return the derivative with respect to ``penal`` or ``e_min``."""
        (rho,) = inputs
        if parameter == "penal":
            self._refuse_roots(rho)
            return np.asarray((1.0 - self.e_min) * xlogy(np.power(rho, self.penal), rho))
        if parameter == "e_min":
            self._refuse_roots(rho)
            return np.asarray(1.0 - np.power(rho, self.penal))
        return None


@dataclass(frozen=True)
class Ramp(Stage):
    """RAMP: ``e_min + rho / (1 + q (1 - rho)) (1 - e_min)``, whose slope at 0 does not vanish.

    Parameters
    ----------
    q : float
        Penalty, >= 0; 0 is linear.
    e_min : float
        Factor of a void cell, between 0 and 1.

    References
    ----------
    Stolpe, Svanberg, Struct. Multidisc. Optim. 22 (2001), doi:10.1007/s001580100129

    Examples
    --------
    >>> import numpy as np
    >>> Ramp(q=8.0)(np.array([0.0, 0.5, 1.0])).round(6).tolist()
    [0.0, 0.1, 1.0]
    """

    gives: ClassVar[str] = "moduli"

    q: Annotated[NonNegative, at.Lt(float("inf"))] = 8.0
    e_min: UnitOpen = 1e-9

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the factors, one per cell."""
        (rho,) = inputs
        below = 1.0 + self.q * (1.0 - rho)
        output = rho / below
        output *= 1.0 - self.e_min
        output += self.e_min

        def pullback(v: Array) -> tuple[Array]:
            slope = v / below
            slope /= below
            slope *= (1.0 - self.e_min) * (1.0 + self.q)
            return (slope,)

        return output, pullback

    def derivative(self, parameter: str, *inputs: Array) -> Array | None:
        """Return the derivative with respect to ``q`` or ``e_min``."""
        (rho,) = inputs
        below = 1.0 + self.q * (1.0 - rho)
        if parameter == "q":
            return np.asarray(-(1.0 - self.e_min) * rho * (1.0 - rho) / np.square(below))
        if parameter == "e_min":
            return np.asarray(1.0 - rho / below)
        return None


@dataclass(frozen=True)
class OrderedSimp(Stage):
    """Several materials along one density: a power between every two neighbours, ``a rho**penal + b``.

    Materials are ordered by density, void first; at the density of one the output is its modulus, and between
    two of them it lies below the straight line, so that a mixture is never worth its weight. Input and output
    have shape (n_cells,); limit the mean of the density itself, which is the mass.

    Parameters
    ----------
    densities : tuple of float
        Of the materials but void, ascending, the last 1.
    moduli : tuple of float
        Theirs, ascending, the last 1.
    penal : float
        Penalty exponent; a continuation raises it from 1, where materials mix freely.
    e_min : float
        Factor of a void cell.

    Raises
    ------
    InputError
        If lists do not ascend to 1 together.

    References
    ----------
    Zuo and Saitou 2017, doi:10.1007/s00158-016-1513-3

    Examples
    --------
    >>> import numpy as np
    >>> law = OrderedSimp(densities=(0.4, 1.0), moduli=(0.2, 1.0), penal=3.0)
    >>> law(np.array([0.0, 0.2, 0.4, 0.7, 1.0])).round(4).tolist()
    [0.0, 0.025, 0.2, 0.4385, 1.0]
    """

    gives: ClassVar[str] = "moduli"

    densities: tuple[float, ...] = (0.4, 1.0)
    moduli: tuple[float, ...] = (0.2, 1.0)
    penal: Annotated[float, at.Ge(1), at.Lt(float("inf"))] = 3.0
    e_min: UnitOpen = 1e-9

    def __post_init__(self) -> None:
        """Refuse lists that do not ascend to 1 together."""
        super().__post_init__()
        for name in ("densities", "moduli"):
            values = tuple(float(value) for value in getattr(self, name))
            object.__setattr__(self, name, values)
            steps = np.diff((0.0, *values))
            if not values or (steps <= 0).any() or values[-1] != 1.0:
                raise InputError(
                    f"OrderedSimp.{name}: expected numbers that ascend from above 0 to 1, got {values}"
                )
        if len(self.densities) != len(self.moduli):
            raise InputError(
                f"OrderedSimp: {len(self.densities)} densities and {len(self.moduli)} moduli do not fit"
            )

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the factors, one per cell."""
        (rho,) = inputs
        inside = np.clip(rho, 0.0, 1.0)
        places = np.minimum(np.searchsorted(self.densities, inside), len(self.densities) - 1)
        low, high = (np.array(values)[places] for values in ((0.0, *self.densities), (*self.densities, 1.0)))
        soft, stiff = (
            np.array(values)[places] for values in ((self.e_min, *self.moduli), (*self.moduli, 1.0))
        )
        factor = (stiff - soft) / (high**self.penal - low**self.penal)

        def pullback(v: Array) -> tuple[Array]:
            return (v * factor * self.penal * inside ** (self.penal - 1.0),)

        return soft + factor * (inside**self.penal - low**self.penal), pullback
