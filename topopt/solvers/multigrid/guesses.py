"""A first guess from states that are known: those of the last designs, and of the loads solved before."""

from __future__ import annotations

import numpy as np

from topopt.parameters import Array
from topopt.threads import each

__all__ = ["Guesses"]


class Guesses:
    """Known states and the forces that they take, of which the best mixture is a guess.

    Loads on one body deform it in similar ways, and what the last design's state lacks for one load another's
    has. What they all lack may show in the first load that is solved on the new design: on
    problems/bridge_3d_traffic.yaml that saves an eighth of the cycles. A load that is a sum of others is
    solved by them. Iterating with all loads as one block saves none beside this: there, with the two
    independent loads, it took the same cycles as each alone (25, 27, 30 and, late, 37 instead of 40), for the
    cycle leaves few slow modes that several loads could share, and a block needs all products among them.
    """

    def __init__(self) -> None:
        self._states: list[Array] = []
        self._work = np.zeros((0, 0))

    def add(self, state: Array, force: Array) -> None:
        """Take a state and K state, both of shape (n,); the state is not copied."""
        n = len(self._states)
        work = np.zeros((n + 1, n + 1))
        work[:n, :n] = self._work
        work[n, :n] = work[:n, n] = [known @ force for known in self._states]
        work[n, n] = state @ force
        self._states.append(state)
        self._work = work

    def best(self, force: Array) -> list[Array]:
        """Return the mixture that has the least error in energy for a force; nothing if nothing is known."""
        sizes = np.sqrt(np.abs(np.diag(self._work)))
        if not sizes.any():
            return []
        sizes[sizes == 0.0] = 1.0
        given = np.array([state @ force for state in self._states]) / sizes
        shares = np.linalg.lstsq(self._work / np.outer(sizes, sizes), given, rcond=1e-10)[0] / sizes
        mixture = np.zeros(len(force))

        def mix(at: slice) -> None:
            for share, state in zip(shares, self._states, strict=True):
                mixture[at] += share * state[at]

        each(mix, len(mixture))
        return [mixture]
