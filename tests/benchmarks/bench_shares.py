"""What each part takes of an iteration with OC, a projection and a state that is solved by multigrid.

    python tests/benchmarks/bench_shares.py 128x128x64@3.1 1600x640@8 1600x640@35

(behind @ the radius of the filter in cells)

Half an MBB beam, tolerance 1e-5; some iterations each at beta = 1, 8 and 32, from the design that the one
before left. `optimizer` and `log` are the log's own times, `state` is the equilibrium, `filter` all that the
cone takes, forth and back, in the rechecks too: so `filter` and `optimizer` overlap. Shares are medians.

What `bench_rest.py` does not show: shares beside a real solve, and what they and the rechecks become as the
projection gets sharp.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from statistics import mean, median
from typing import Any

from bench_rest import Ledger, beam, booked

import topopt as to
from topopt.solvers import Multigrid

DEFAULT = ("128x128x64@3.1", "1600x640@8")
BETAS = (1.0, 8.0, 32.0)
WARMUP, COUNTED = 2, 7
PARTS = {"filter": ("filter", "filter back"), "state": ("state", "state back", "energies")}
"""What `bench_rest.booked` calls them."""


def inside(ledger: Ledger) -> dict[str, float]:
    """Return the seconds of the filter and of the state, those within the optimiser included."""
    return {
        part: sum(seconds for name, seconds in ledger.spent.items() if name.split(" > ")[-1] in names)
        for part, names in PARTS.items()
    }


def measure(cells: tuple[int, ...], radius: float) -> Iterator[dict[str, Any]]:
    """Yield the shares at each sharpness."""
    each = WARMUP + COUNTED
    stairs = to.Continuation({"physical.beta": to.Steps(BETAS, every=each)})
    stop = to.Stop(change=0, iterations=each * len(BETAS))
    problem, optimizer = beam(cells, radius, Multigrid(tolerance=1e-5)), to.OC()
    steps = to.optimize(problem, optimizer, stairs, stop)
    for beta in BETAS:
        rows, rechecks = defaultdict(list), []
        for number in range(each):
            ledger = Ledger()
            with booked(ledger, optimizer):
                start = time.perf_counter()
                step = next(steps)
                wall = time.perf_counter() - start
            logged = {name: step.iteration.seconds[name] for name in ("optimizer", "log")}
            if number >= WARMUP:
                rechecks.append(step.snapshot.state.rechecks)
                rows["iteration_s"].append(wall)
                for name, seconds in (inside(ledger) | logged).items():
                    rows[name].append(seconds / wall)
        shown = {name: round(median(values), 3) for name, values in rows.items()}
        yield (
            {"cells": "x".join(map(str, cells)), "radius": radius, "beta": beta}
            | shown
            | {"rechecks": round(mean(rechecks), 1)}
        )


def main() -> None:
    """Print one JSON object per grid and sharpness."""
    for text in sys.argv[1:] or DEFAULT:
        size, _, radius = text.partition("@")
        for row in measure(tuple(map(int, size.split("x"))), float(radius)):
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
