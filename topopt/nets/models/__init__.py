"""Nets that a file can name under `model:`; one of your own is any dataclass with the methods of `Model`."""

from __future__ import annotations

from topopt.nets.models.in_numpy import ExplainedDigit, FlossedRnn, HashedDigits, SignDigits, SteeredChain
from topopt.nets.models.in_torch import (
    ChosenPixels,
    DigitDuel,
    EnhancerDistance,
    MollifiedDigits,
    ProteinContacts,
)

__all__ = [
    "ChosenPixels",
    "DigitDuel",
    "EnhancerDistance",
    "ExplainedDigit",
    "FlossedRnn",
    "HashedDigits",
    "MollifiedDigits",
    "ProteinContacts",
    "SignDigits",
    "SteeredChain",
]
