"""Synthetic runs to draw: histories that fade, ring and end as one asks."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from topopt.history import History, Iteration

Builder = Callable[..., History]


def synthetic(
    n: int = 40,
    stages: tuple[str, ...] = ("design", "filtered", "physical", "stiffness", "displacement", "compliance"),
    gates: tuple[str, ...] = ("physical",),
    betas: Callable[[int], float] = lambda k: float(2.0 ** (k // 10)),
    alarms: Callable[[int], tuple[str, ...]] = lambda k: (),
    seed: int = 0,
) -> History:
    """Return a history of n iterations whose sensitivities fade at the gates as beta grows."""
    noise = np.random.default_rng(seed).normal(size=(n, 8))
    history = History()
    for k in range(n):
        beta = betas(k)
        sharp = min(beta, 512.0)
        fade = {}
        lost = 0.0
        for stage in reversed(stages):
            fade[stage] = lost
            lost += 0.9 * math.log10(1.0 / (1.0 + sharp / 16.0)) if stage in gates else 0.0
        dead = min(0.995, sharp / (sharp + 12.0)) * (k > 0)
        measured = {
            stage: {
                "attenuation": fade[stage],
                "norm": 1.0 + fade[stage],
                "dead3": dead if fade[stage] < 0 else 0.02,
                "participation": 0.7,
            }
            for stage in stages
        }
        history.append(
            Iteration(
                number=k + 1,
                objective=200.0 + 800.0 * math.exp(-k / 4) + 2.0 * noise[k, 0],
                violation=2e-3 * noise[k, 1] * math.exp(-k / 30),
                change=min(0.2, math.exp(-(k % 10) / 3 - 1 + 0.2 * noise[k, 2])),
                progress=math.nan if k == 0 else 0.1 * math.exp(-(k % 10) / 3 + 0.2 * noise[k, 3]),
                parameters={"physical.beta": beta, "optimizer.move": 0.2},
                responses={"compliance": 200.0, "volume": 0.5},
                multipliers={"volume": 1.0},
                measures={"discreteness": 0.6 / (1 + sharp / 4)},
                vanishing={
                    "attenuation": fade[stages[0]],
                    "participation": max(0.6 / (1 + sharp / 8), 0.01),
                    "dead3": dead,
                    "dead6": dead / 3,
                    "residual": 0.3 * math.exp(-k / 20 + 0.2 * noise[k, 4]),
                    "latent_residual": 0.4 * math.exp(-k / 90 + 0.2 * noise[k, 5]),
                    "blocked": 0.0,
                },
                stages=measured,
                alarms=alarms(k),
            )
        )
    return history


@pytest.fixture
def run() -> Builder:
    """Return the builder of synthetic histories."""
    return synthetic
