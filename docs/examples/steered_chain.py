"""Masses on springs, steered to rest: back-propagation is the costate recursion, Riccati has the answer.

``python docs/examples/steered_chain.py`` takes a quarter of a minute, ``--quick`` a second.
"""

from __future__ import annotations

import sys

import numpy as np

import topopt as to
from topopt.nets.models import SteeredChain


def main() -> None:
    """Steer by gradients, hold it against Riccati, and say how far back a costate is heard of."""
    iterations = 100 if "--quick" in sys.argv else 600
    chain = SteeredChain(masses=4, steps=60, effort=0.1)
    lighter = to.Continuation({"effort.weight": to.Geometric(10.0, 1.0, over=iterations // 2)})
    stop = to.Stop(change=0.0, iterations=iterations)
    last = to.solve(chain, to.Adam(rate=0.05), lighter, stop)
    print(f"cost above Riccati's after {iterations} iterations: {last.iteration.measures['excess']:.1e}")

    steered = chain.model
    best = steered.plant.optimum(steered.start, steered.steps)
    free = steered.plant.evaluate(steered.start, np.zeros_like(best.controls))
    flat = np.abs(best.gradient).max() / np.abs(free.gradient).max()
    print(f"at the optimum dH/du is {flat:.1e} of what it is without control")
    seed, gains = np.ones(len(steered.start)), steered.plant.riccati(400)
    for name, feedback in {"free": (), "steered": gains}.items():
        lost = steered.plant.sensitivity(seed, 400, feedback).lost
        print(f"{name}: a costate loses {lost:.1f} decades over 400 steps")


if __name__ == "__main__":
    main()
