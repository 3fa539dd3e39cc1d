"""Models that need numpy alone, or scikit-learn's digits: signs, exponents, controls, a mask."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import annotated_types as at
import numpy as np

from topopt.errors import InputError
from topopt.nets.control import LinearQuadratic, Steered
from topopt.nets.digits import digits
from topopt.nets.extremal import explained_digit
from topopt.nets.flossing import Flossing
from topopt.nets.layers import StraightThrough
from topopt.nets.models.made import Count, Judged, Made, Seed
from topopt.nets.net import Net, hash_net, sign_net
from topopt.nets.recurrent import RNN
from topopt.parameters import NonNegative, UnitOpen

__all__ = ["ExplainedDigit", "FlossedRnn", "HashedDigits", "SignDigits", "SteeredChain"]


WayBack = Literal["soft", "own"]
"""Whose slope the way back through a gate has."""


class Signed(Judged):
    """A net with layers of signs on handwritten digits; see `SignDigits` and `HashedDigits`."""

    bits: tuple[int, ...]
    train: int
    noise: float
    way_back: WayBack

    def __post_init__(self) -> None:
        """Check that numbers lie in their bounds."""
        super().__post_init__()
        object.__setattr__(self, "bits", tuple(self.bits))
        if not self.bits or min(self.bits) < 1:
            raise InputError(
                f"{type(self).__name__}.bits: expected one width >= 1 a layer, got {list(self.bits)}"
            )

    def sharpnesses(self) -> tuple[str, ...]:
        """Return the names of the gates' sharpness."""
        return tuple(f"code{layer}.beta" for layer in range(1, len(self.bits) + 1))

    def _built(self, kind: Callable[..., Net]) -> Net:
        """Return the net."""
        train, held_out = digits(self.train)
        gate = StraightThrough(beta=1.0, backward_beta=1.0 if self.way_back == "soft" else math.inf)
        return kind(train, held_out, self.bits, gate, self.seed, self.noise)


@dataclass(frozen=True)
class SignDigits(Signed):
    """Layers of signs that tell handwritten digits apart; see `sign_net`.

    Its gates are called ``code1``, ``code2``, ... and are sharpened by the survival gate where nobody says
    how. However sharp they are, their way back has the slope of a soft one, unless `way_back` says
    otherwise. With noise, ``batch`` wants a `Counter`: every batch then has noise of its own.

    Parameters
    ----------
    bits : tuple of int
        Width of the hidden layers.
    train : int
        How many of the 1,797 digits are learnt from; the others judge.
    noise : float
        Standard deviation of noise on the pixels that are learnt from, which run from -1 to 1.
    way_back : {"soft", "own"}
        Whether the slope on the way back is at most that of a gate with beta = 1, or the gate's own.
    seed : int
        Of the first weights.
    """

    bits: tuple[int, ...] = (16, 16, 16, 16)
    train: Annotated[int, at.Ge(1), at.Lt(1797)] = 1200
    noise: NonNegative = 0.0
    way_back: WayBack = "soft"
    seed: Seed = 0

    @functools.cached_property
    def model(self) -> Any:
        """The net."""
        return self._built(sign_net)


@dataclass(frozen=True)
class HashedDigits(Signed):
    """Codes of signs by which handwritten digits are found that are alike; see `hash_net`.

    It is judged by the mean average precision with which the digits held out find each other.

    Parameters
    ----------
    bits : tuple of int
        Width of the layers, that of the code last.
    train : int
        How many of the 1,797 digits are learnt from, all pairs of them; the others judge.
    noise, way_back, seed
        As for `SignDigits`.
    """

    bits: tuple[int, ...] = (16,)
    train: Annotated[int, at.Ge(100), at.Lt(1797)] = 600
    noise: NonNegative = 0.0
    way_back: WayBack = "soft"
    seed: Seed = 0

    @functools.cached_property
    def model(self) -> Any:
        """The net."""
        return self._built(hash_net)


@dataclass(frozen=True)
class FlossedRnn(Made):
    """An RNN, driven by noise, whose first Lyapunov exponents are pushed to a target; see `Flossing`.

    Parameters
    ----------
    units : int
        Of the net.
    count : int
        How many exponents.
    steps : int
        Length of the path.
    seed : int
        Of weights and noise.
    """

    units: Count = 64
    count: Count = 16
    steps: Annotated[int, at.Ge(10)] = 55
    seed: Seed = 0

    def __post_init__(self) -> None:
        """Check that numbers lie in their bounds, and that there are so many exponents."""
        super().__post_init__()
        self.model.bounds()

    @functools.cached_property
    def model(self) -> Any:
        """The exponents as an objective."""
        drives = np.random.default_rng(self.seed).normal(size=(self.steps, 1))
        return Flossing(RNN.drawn(1, self.units, self.seed), drives, self.count)


@dataclass(frozen=True)
class SteeredChain(Made):
    """A chain of masses and springs, steered to rest from one end; see `Steered`.

    Parameters
    ----------
    masses : int
        Of the chain; twice as many states.
    steps : int
        Over which it is steered.
    effort : float
        Cost of a unit of force, squared.
    seed : int
        Of the masses' first places and speeds.
    """

    masses: Count = 4
    steps: Count = 60
    effort: Annotated[float, at.Gt(0)] = 0.1
    seed: Seed = 0

    @functools.cached_property
    def model(self) -> Any:
        """The plant, its controls the design."""
        n = self.masses
        springs = 2.0 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
        step = 0.2
        a = np.eye(2 * n)
        a[:n, n:] += step * np.eye(n)
        a[n:, :n] -= step * springs
        a[n:] = a[n:] - 0.05 * step * np.eye(2 * n)[n:]
        a[:n] += step * (a[n:] - np.eye(2 * n)[n:])  # speeds first, then places: the chain stays bounded
        b = np.zeros((2 * n, 1))
        b[n, 0], b[0, 0] = step, step**2
        plant = LinearQuadratic(a, b, step * np.eye(2 * n), np.array([[self.effort]]), np.eye(2 * n))
        return Steered(plant, np.random.default_rng(self.seed).normal(size=2 * n), self.steps)


@dataclass(frozen=True)
class ExplainedDigit(Made):
    """The few pixels of a handwritten digit that keep a net's answer; see `Extremal`.

    ``code1.beta``, the slope of the net's gates, is a parameter: softened, they let the mask hear.

    Parameters
    ----------
    digit : int
        Its place among the 597 that the net did not learn from.
    slope : float
        Of the 48 gates when the net had learnt.
    area : float
        Share of the pixels that may be seen.
    seed : int
        Of the net's first weights.
    """

    digit: Annotated[int, at.Ge(0), at.Lt(597)] = 0
    slope: Annotated[float, at.Ge(1)] = 256.0
    area: UnitOpen = 0.15
    seed: Seed = 0

    @functools.cached_property
    def model(self) -> Any:
        """The mask."""
        return explained_digit(self.digit, self.slope, self.area, self.seed)
