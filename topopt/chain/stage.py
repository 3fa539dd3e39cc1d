"""A stage is a frozen differentiable map: inputs to output, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from topopt.parameters import Array, Checked

__all__ = ["Pullback", "Stage"]

Pullback = Callable[[Array], tuple[Array, ...]]
"""Maps the cotangent of a stage's output to the cotangents of its inputs, in order."""


class Stage(Checked, ABC):
    """A frozen differentiable map: inputs to output, and back.

    Write one as a frozen dataclass with a single method, `vjp`. Its float fields can be scheduled by
    name, its bounds stand in the annotations (`topopt.parameters`).
    """

    sharp: ClassVar[bool] = False
    """True for a projection: its slope may die, entry by entry; the reference cotangent bypasses it."""
    costly: ClassVar[bool] = False
    """True if running the stage solves a state equation."""
    linear: ClassVar[bool] = False
    """True if the output is linear in the inputs, so that the dot test applies."""
    heuristic: ClassVar[bool] = False
    """True if the pullback is, on purpose, not the derivative of the map."""
    takes: ClassVar[tuple[str, ...]] = ()
    """What the inputs are, in order, if there are several; a wrong order is refused by it."""
    gives: ClassVar[str] = ""
    """What the output is, in the same words; empty if any word may fit."""

    @abstractmethod
    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the output and its pullback.

        The inputs are read-only; the output must be a fresh array (or an input passed on), and so must
        everything the pullback returns.
        """

    def rehearsed(self, *inputs: Array) -> Array | None:
        """Return an output of the right shape at next to no cost, to see whether a chain fits together.

        What solves a state equation says here what it takes, and solves nothing; None if it cannot say.
        """
        return None if self.costly else np.asarray(self(*inputs))

    def derivative(self, parameter: str, *inputs: Array) -> Array | None:
        """Return the derivative of the output with respect to a float field, or None where it is not known.

        Needed only for the slope of a homotopy in the vanishing log; it must not solve a state equation.
        """
        return None

    def slope(self, *inputs: Array) -> Array:
        """Return the slope of a sharp stage entry by entry; where it is elementwise, its pullback of ones.

        A sharp stage whose output also depends on neighbours or on a mean has to say more: the derivative of
        each entry of the output with respect to the same entry of the input, all that they share being held.
        """
        output, pullback = self.vjp(*inputs)
        return pullback(np.ones(np.shape(output)))[0]

    def openness(self, output: Array) -> Array:
        """Return how open a sharp stage is entry by entry, 0 (closed) to 1 (open), from its output."""
        return output

    def edge_slope(self, *inputs: Array) -> float | None:
        """Return the slope of a sharp stage where its output crosses one half, None if unknown.

        Needed only for the width of the interface in the vanishing log. The inputs are given, for stages
        whose slope there depends on them.
        """
        return None

    def __call__(self, *inputs: Array) -> Array:
        """Return the output alone, digit for digit that of `vjp`.

        A stage that keeps something for its pullback may do without it here.
        """
        return self.vjp(*inputs)[0]
