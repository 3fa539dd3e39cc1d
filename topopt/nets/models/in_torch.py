"""Models whose nets are torch's; it is imported when one is asked for anything, and not before."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import annotated_types as at

from topopt.nets.models.made import Count, Judged, Seed

__all__ = ["ChosenPixels", "DigitDuel", "EnhancerDistance", "MollifiedDigits", "ProteinContacts"]


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
