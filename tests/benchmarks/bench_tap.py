"""What a tap costs a step of a net of 20 layers: nothing while it is closed, at most as much again open."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from topopt.nets.torch import Tap

DEPTH, WIDTH, BATCH, ROUNDS = 20, 64, 32, 300
IDLE, RECORDING = 1.05, 2.0
"""What a step with a closed, and one with an open tap may take, of one without."""


def step(net: nn.Module, x: torch.Tensor) -> None:
    """Run forward and back once."""
    net.zero_grad()
    net(x).square().mean().backward()


def main() -> None:
    """Take turns, so that a busy machine slows all three alike, and compare medians of processor time."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    layers = [part for _ in range(DEPTH) for part in (nn.Linear(WIDTH, WIDTH), nn.Tanh())]
    net, x = nn.Sequential(*layers, nn.Linear(WIDTH, 1)), torch.randn(BATCH, WIDTH)
    tap = Tap(net)
    times: dict[str, list[float]] = {"bare": [], "idle": [], "recording": []}

    def timed(name: str, run: Callable[[], None]) -> None:
        start = time.process_time()
        run()
        times[name].append(time.process_time() - start)

    def recording() -> None:
        with tap:
            step(net, x)
        assert len(tap.costates) == 2 * DEPTH + 1

    for _ in range(ROUNDS):
        timed("bare", lambda: step(net, x))
        with tap:
            pass  # opened and closed again: no hook is left
        timed("idle", lambda: step(net, x))
        timed("recording", recording)
    found = {name: statistics.median(values[20:]) for name, values in times.items()}
    ratios = {name: found[name] / found["bare"] for name in ("idle", "recording")}
    print(
        json.dumps(
            {
                "step_ms": round(1e3 * found["bare"], 3),
                "idle_ratio": round(ratios["idle"], 3),
                "recording_ratio": round(ratios["recording"], 2),
                "targets": {"idle": IDLE, "recording": RECORDING},
                "met": ratios["idle"] <= IDLE and ratios["recording"] <= RECORDING,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
