"""What each part takes of an iteration with OC, a projection and a state that is solved by multigrid.

    python tests/benchmarks/bench_shares.py 128x128x64@3.1 1600x640@8 1600x640@35

(behind @ the radius of the filter in cells)

Half an MBB beam, tolerance 1e-5; some iterations each at beta = 1, 8 and 32, from the design that the one
before left. `optimizer` and `log` are the log's own times, `state` is the equilibrium, `filter` all that the
cone takes, forth and back, in the rechecks too: so `filter` and `optimizer` overlap. Shares are medians.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import mean, median
from typing import Any
from unittest.mock import patch

from bench_direct import half_mbb

import topopt as to
from topopt.solvers import Multigrid
from topopt.stages.equilibrium import Equilibrium
from topopt.stages.filters import Cone

DEFAULT = ("128x128x64@3.1", "1600x640@8")
BETAS = (1.0, 8.0, 32.0)
WARMUP, COUNTED = 2, 7


def beam(cells: tuple[int, ...], radius: float) -> to.Problem:
    """The half MBB beam with filter and projection."""
    structure = half_mbb(cells)
    domain = to.Domain(structure.grid)
    chain = to.Chain(
        [
            ("filtered", to.Cone(domain, radius)),
            ("physical", to.Tanh(1.0)),
            ("stiffness", to.Simp()),
            ("displacement", to.Equilibrium(structure, Multigrid(tolerance=1e-5))),
            ("compliance", to.Compliance(structure)),
            ("volume", to.Mean(domain), "physical"),
        ]
    )
    return to.Problem(chain, domain, "compliance", {"volume": 0.3})


@contextmanager
def booked(spent: dict[str, float]) -> Iterator[None]:
    """Book the seconds of the filter and of the state while the body runs."""

    def booking(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any) -> Any:
            start = time.perf_counter()
            result = function(*args)
            spent[name] += time.perf_counter() - start
            return result

        return wrapped

    def whole(name: str, vjp: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any) -> Any:
            output, pullback = booking(name, vjp)(*args)
            return output, booking(name, pullback)

        return wrapped

    with (
        patch.object(Cone, "vjp", whole("filter", Cone.vjp)),
        patch.object(Equilibrium, "vjp", whole("state", Equilibrium.vjp)),
    ):
        yield


def measure(cells: tuple[int, ...], radius: float) -> Iterator[dict[str, Any]]:
    """Yield the shares at each sharpness."""
    each = WARMUP + COUNTED
    stairs = to.Continuation({"physical.beta": to.Steps(BETAS, every=each)})
    stop = to.Stop(change=0, iterations=each * len(BETAS))
    steps = to.optimize(beam(cells, radius), to.OC(), stairs, stop)
    for beta in BETAS:
        rows, rechecks = defaultdict(list), []
        for number in range(each):
            spent: dict[str, float] = defaultdict(float)
            with booked(spent):
                start = time.perf_counter()
                step = next(steps)
                whole = time.perf_counter() - start
            spent |= {name: step.iteration.seconds[name] for name in ("optimizer", "log")}
            if number >= WARMUP:
                rechecks.append(step.snapshot.state.rechecks)
                rows["iteration_s"].append(whole)
                for name, seconds in spent.items():
                    rows[name].append(seconds / whole)
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
