"""Many numbers as one that has a derivative: the largest, the smallest, and smooth versions of both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import annotated_types as at
import numpy as np

from topopt.chain import Pullback, Stage
from topopt.errors import InputError
from topopt.parameters import Array

__all__ = ["Extreme", "PowerNorm", "Scaled", "SoftMaximum"]


@dataclass(frozen=True)
class PowerNorm(Stage):
    """``(sum |v|**p)**(1 / p)``: near the largest for a large p, near the smallest for a p far below 0.

    Input: any shape; none 0 if p is negative. Output: shape (). It lies above the largest entry, and below
    the smallest; `Normalised` keeps a limit on it at what a limit on the extreme itself would be. A symmetric
    function of eigenvalues, it has a derivative where they are equal.

    Parameters
    ----------
    power : float
        p, from 1 up or from -1 down; a continuation may raise it.

    References
    ----------
    Duysinx and Sigmund 1998, doi:10.2514/6.1998-4906; Le et al. 2010, doi:10.1007/s00158-009-0440-y

    Examples
    --------
    >>> print(PowerNorm(8.0)(np.array([1.0, 2.0, 2.0])).round(4))
    2.1815
    """

    gives: ClassVar[str] = "smooth"

    power: float = 8.0

    def __post_init__(self) -> None:
        """Refuse powers between -1 and 1."""
        super().__post_init__()
        if not (math.isfinite(self.power) and abs(self.power) >= 1):
            raise InputError(f"PowerNorm.power: expected >= 1 or <= -1, got {self.power}")

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the norm and its pullback."""
        (given,) = inputs
        size = np.abs(given)
        scale = float(size.max() if self.power > 0 else size.min())
        if scale == 0.0:
            return np.asarray(0.0), lambda v: (np.zeros_like(given),)
        ratio = size / scale
        total = float((ratio**self.power).sum())
        value = scale * total ** (1.0 / self.power)

        def pullback(v: Array) -> tuple[Array]:
            slope = ratio ** (self.power - 1.0) * total ** (1.0 / self.power - 1.0)
            return (float(v) * np.sign(given) * slope,)

        return np.asarray(value), pullback


@dataclass(frozen=True)
class SoftMaximum(Stage):
    """``s / p log(mean exp(p v / s))``: Kreisselmeier and Steinhauser's maximum, below the largest entry.

    Input: any shape. Output: shape (). Against `PowerNorm` it takes entries of either sign.

    Parameters
    ----------
    sharpness : float
        p; a continuation may raise it.
    scale : float
        What `sharpness` is counted in, the size that entries have.

    References
    ----------
    Kreisselmeier and Steinhauser 1979, doi:10.1016/S1474-6670(17)65584-8
    """

    gives: ClassVar[str] = "smooth"

    sharpness: Annotated[float, at.Gt(0)] = 20.0
    scale: Annotated[float, at.Gt(0)] = 1.0

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the soft maximum and its pullback."""
        (given,) = inputs
        rate = self.sharpness / self.scale
        largest = float(given.max())
        parts = np.exp(rate * (given - largest))
        total = float(parts.sum())
        value = largest + math.log(total / given.size) / rate
        return np.asarray(value), lambda v: (float(v) * parts / total,)


@dataclass(frozen=True)
class Extreme(Stage):
    """The largest or the smallest entry, for the log or to keep a smooth one honest.

    Input: any shape. Output: shape (). Its derivative is that of the entry, the first of several equal ones.

    Parameters
    ----------
    of : {"largest", "smallest"}
        Which.
    """

    gives: ClassVar[str] = "extreme"

    of: str = "largest"

    def __post_init__(self) -> None:
        """Refuse other words."""
        super().__post_init__()
        if self.of not in ("largest", "smallest"):
            raise InputError(f"Extreme.of: expected 'largest' or 'smallest', got '{self.of}'")

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the entry and its pullback."""
        (given,) = inputs
        place = int(given.argmax() if self.of == "largest" else given.argmin())

        def pullback(v: Array) -> tuple[Array]:
            passed = np.zeros(given.size)
            passed[place] = float(v)
            return (passed.reshape(given.shape),)

        return np.asarray(given.reshape(-1)[place]), pullback


@dataclass(frozen=True)
class Scaled(Stage):
    """A constant times its input: in other units, or with a factor of -1 to raise what `minimise` lowers.

    Input and output: any shape.

    Parameters
    ----------
    factor : float
        The constant.
    """

    linear: ClassVar[bool] = True

    factor: float = -1.0

    def __post_init__(self) -> None:
        """Refuse a factor that leaves nothing."""
        super().__post_init__()
        if not math.isfinite(self.factor) or self.factor == 0.0:
            raise InputError(f"Scaled.factor: expected a finite number other than 0, got {self.factor}")

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the multiple and its pullback."""
        return self.factor * inputs[0], lambda v: (self.factor * v,)
