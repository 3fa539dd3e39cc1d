"""Nets that a file can name under `model:`; one of your own is any dataclass with the methods of `Model`."""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import annotated_types as at
import numpy as np

from topopt.errors import InputError
from topopt.evaluation import Bounds, Evaluation
from topopt.nets.control import LinearQuadratic, Steered
from topopt.nets.digits import digits
from topopt.nets.extremal import explained_digit
from topopt.nets.flossing import Flossing
from topopt.nets.layers import StraightThrough
from topopt.nets.net import sign_net
from topopt.nets.recurrent import RNN
from topopt.parameters import Array, UnitOpen, checked

__all__ = [
    "ChosenPixels",
    "DigitDuel",
    "EnhancerDistance",
    "ExplainedDigit",
    "FlossedRnn",
    "MollifiedDigits",
    "ProteinContacts",
    "SignDigits",
    "SteeredChain",
]

Count = Annotated[int, at.Ge(1)]
Seed = Annotated[int, at.Ge(0)]


class Made(ABC):
    """A model of a few numbers, which is built when it is first asked for anything."""

    def __post_init__(self) -> None:
        """Check that numbers lie in their bounds."""
        checked(self)

    @functools.cached_property
    @abstractmethod
    def model(self) -> Any:
        """The model itself."""

    def initial(self) -> Array:
        """Return the weights to begin with."""
        return self.model.initial()  # type: ignore[no-any-return]

    def bounds(self) -> Bounds:
        """Return the box of the weights."""
        return self.model.bounds()  # type: ignore[no-any-return]

    def parameters(self) -> dict[str, float]:
        """Return every parameter that may be scheduled."""
        return self.model.parameters()  # type: ignore[no-any-return]

    def evaluate(self, x: Array, parameters: Mapping[str, float] | None = None) -> Evaluation:
        """Evaluate weights at parameters that override the model's own."""
        return self.model.evaluate(x, parameters)  # type: ignore[no-any-return]


class Judged(Made):
    """One whose weights can be judged as they were meant: with signs, hard choices, at the full distance."""

    def sharp_accuracy(self, x: Array) -> float:
        """Return the share of right answers on samples held out."""
        return self.model.sharp_accuracy(x)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class SignDigits(Judged):
    """Layers of signs on handwritten digits; see `sign_net`.

    Its gates are called ``code1``, ``code2``, ...; a gate whose ``backward_beta`` is set below its ``beta``
    is straight-through.

    Parameters
    ----------
    bits : tuple of int
        Width of the hidden layers.
    train : int
        How many of the 1,797 digits are learnt from; the others judge.
    seed : int
        Of the first weights.
    """

    bits: tuple[int, ...] = (16, 16, 16, 16)
    train: Annotated[int, at.Ge(1), at.Lt(1797)] = 1200
    seed: Seed = 0

    def __post_init__(self) -> None:
        """Check that numbers lie in their bounds."""
        super().__post_init__()
        object.__setattr__(self, "bits", tuple(self.bits))
        if not self.bits or min(self.bits) < 1:
            raise InputError(f"SignDigits.bits: expected one width >= 1 a layer, got {list(self.bits)}")

    @functools.cached_property
    def model(self) -> Any:
        """The net."""
        train, held_out = digits(self.train)
        gate = StraightThrough(beta=1.0, backward_beta=math.inf)
        return sign_net(train, held_out, self.bits, gate, self.seed)


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


@dataclass(frozen=True)
class EnhancerDistance(Judged):
    """Which of two enhancers begins a window of *E. coli*, asked 50,000 bases further on. Needs torch.

    ``distance`` is a parameter, ``batch`` the number of the batch.

    Parameters
    ----------
    cell : {"rnn", "lstm"}
        An RNN whose states' matrix is a rotation, or an LSTM with chrono biases.
    words : bool
        Whether a convolution makes a word of every thousand bases first.
    seed : int
        Of the weights.
    """

    cell: Literal["rnn", "lstm"] = "lstm"
    words: bool = True
    seed: Seed = 0

    @functools.cached_property
    def model(self) -> Any:
        """The reader."""
        from topopt.nets.torch.distance import Reader, enhancer_model

        return enhancer_model(Reader(self.cell, self.words, seed=self.seed))


@dataclass(frozen=True)
class ProteinContacts(Judged):
    """What kind of residue touches this one in the folded protein, up to 383 residues back. Needs torch.

    Parameters
    ----------
    cell : {"rnn", "lstm", "lstm_forget", "lstm_chrono"}
        As torch draws it; forget gates that add 0 or 1; chrono biases.
    units : int
        Of the cell.
    seed : int
        Of the weights.
    """

    cell: Literal["rnn", "lstm", "lstm_forget", "lstm_chrono"] = "lstm_chrono"
    units: Count = 64
    seed: Seed = 0

    @functools.cached_property
    def model(self) -> Any:
        """The reader."""
        from topopt.nets.torch.recall import ContactReader, contact_model

        return contact_model(ContactReader(self.cell, self.units, self.seed))


@dataclass(frozen=True)
class DigitDuel(Judged):
    """A generator of digits against a critic; ``sigma``, ``pace``, ``penalty`` are parameters. Needs torch.

    Parameters
    ----------
    loss : {"saturating", "non_saturating", "wasserstein"}
        Of the generator.
    seed : int
        Of the weights.
    """

    loss: Literal["saturating", "non_saturating", "wasserstein"] = "saturating"
    seed: Seed = 0

    @functools.cached_property
    def model(self) -> Any:
        """The game."""
        from topopt.nets.torch.duel import Duel, digit_duel

        return digit_duel(Duel(self.loss, self.seed))


@dataclass(frozen=True)
class ChosenPixels(Judged):
    """Digits of which a few pixels are seen, and which ones is learnt; needs torch.

    ``temperature`` is a parameter.

    Parameters
    ----------
    count : int
        Pixels, of 64.
    seed : int
        Of the weights.
    """

    count: Annotated[int, at.Ge(1), at.Le(64)] = 10
    seed: Seed = 0

    @functools.cached_property
    def model(self) -> Any:
        """The eyes."""
        from topopt.nets.torch.selector import Eyes, selection_model

        return selection_model(Eyes(self.count, seed=self.seed))


@dataclass(frozen=True)
class MollifiedDigits(Judged):
    """A deep net of sigmoids on digits, which as drawn lets no gradient through; see `Deep`. Needs torch.

    ``softness`` is a parameter: above 0 units copy and gates are noisy, at 0 the net is what it is.

    Parameters
    ----------
    depth, width : int
        Hidden layers, and units of each.
    seed : int
        Of the weights.
    """

    depth: Count = 8
    width: Count = 32
    seed: Seed = 0

    @functools.cached_property
    def model(self) -> Any:
        """The net."""
        from topopt.nets.torch.mollified import Deep, mollified_model

        return mollified_model(Deep(self.depth, self.width, self.seed))
