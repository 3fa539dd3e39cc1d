"""A deep net of sigmoids that learns only if it begins soft; mollified, beside a short ramp and fixed values.

``python docs/examples/mollified.py`` takes a minute on two cores; ``--quick`` a few seconds. Needs torch.
"""

from __future__ import annotations

import sys

import topopt as to
from topopt.nets.models import MollifiedDigits


def ways(batches: int) -> dict[str, to.Schedule]:
    """Return what the softness may do in so many batches."""
    return {
        "annealed": to.Linear(5.0, 0.0, over=batches * 8 // 10),
        "a short ramp": to.Linear(5.0, 0.0, over=batches // 20),
        "never soft": to.Constant(0.0),
        "always soft": to.Constant(1.0),
    }


def accuracy(net: MollifiedDigits, softness: to.Schedule, batches: int) -> tuple[float, float]:
    """Learn; return the decades that the gradient lost at first, and the accuracy of the net as it is."""
    continuation = to.Continuation({"softness": softness, "batch": to.Counter()})
    stop = to.Stop(change=0.0, iterations=batches)
    last = to.solve(net, to.Adam(rate=0.003, clip=1.0), continuation, stop)
    first = last.history[0].stages
    return first["outward"]["norm"] - first["inward"]["norm"], net.sharp_accuracy(last.x)


def main() -> None:
    """Learn by every way, and judge without noise and copies."""
    quick = "--quick" in sys.argv
    batches, depth, seeds = (200, 5, 1) if quick else (600, 8, 3)
    for name, softness in ways(batches).items():
        found = [accuracy(MollifiedDigits(depth, seed=seed), softness, batches) for seed in range(seeds)]
        lost = ", ".join(f"{decades:.1f}" for decades, _ in found)
        print(f"{name}: {lost} decades lost at first; right: " + ", ".join(f"{hit:.3f}" for _, hit in found))


if __name__ == "__main__":
    main()
