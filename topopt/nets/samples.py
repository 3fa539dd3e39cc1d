"""What a net learns from, and what it is judged by."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topopt.errors import InputError
from topopt.parameters import Array

__all__ = ["Samples", "batch_number"]


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs and the classes that they belong to; two are equal if all of their numbers are.

    Attributes
    ----------
    inputs : array, shape (samples, features)
        One row a sample.
    labels : array of int, shape (samples,)
        Classes, from 0.
    """

    inputs: Array
    labels: NDArray[np.intp]

    def __post_init__(self) -> None:
        """Refuse rows without a class."""
        if self.inputs.ndim != 2 or self.labels.shape != self.inputs.shape[:1]:
            raise InputError(
                f"samples: {self.labels.shape} labels do not fit inputs of shape {self.inputs.shape}"
            )

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return int(self.labels.max()) + 1

    def noisy(self, sigma: float, number: int) -> Samples:
        """Return the same with Gaussian noise on the inputs.

        Parameters
        ----------
        sigma : float
            Its standard deviation.
        number : int
            Of the batch; each has noise of its own, the same every time.
        """
        noise = np.random.default_rng(number).normal(scale=sigma, size=self.inputs.shape)
        return Samples(self.inputs + noise, self.labels)

    @functools.cached_property
    def _digest(self) -> str:
        """What tells these samples from others."""
        digest = hashlib.sha256(repr(self.inputs.shape).encode())
        for part in (self.inputs, self.labels):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        """Compare all numbers."""
        return isinstance(other, Samples) and self._digest == other._digest

    def __hash__(self) -> int:
        """Hash all numbers."""
        return hash(self._digest)

    def __repr__(self) -> str:
        """Show how many there are."""
        return f"Samples({len(self.labels)} of {self.inputs.shape[1]} features)"


def batch_number(value: float, owner: str) -> int:
    """Return the number of a batch, which schedules give as a float.

    Parameters
    ----------
    value : float
        The number.
    owner : str
        Whose it is, for the message.

    Raises
    ------
    InputError
        If it is not 0, 1, 2, ...
    """
    if not (value >= 0 and float(value).is_integer()):
        raise InputError(f"{owner}.batch: expected the number of a batch, 0, 1, 2, ..., got {value:g}")
    return int(value)
