"""What a chain costs beyond its stages: the same calls by hand, without names and tape, at 300 x 100."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

import numpy as np
from bench_log import beam, seconds

import topopt as to
from topopt.chain import Chain, Pullback
from topopt.parameters import Array

TARGET = 0.02


def by_chain(chain: Chain, x: Array) -> tuple[Any, Any]:
    """Run the chain and ask it for both gradients."""
    tape = chain.run(x)
    return tape.sensitivities("compliance")["design"], tape.sensitivities("volume")["design"]


def by_hand(chain: Chain, x: Array) -> tuple[Any, Any]:
    """Call the same stages in the same order, with no names."""
    cone, tanh, simp, equilibrium, compliance, mean = (link.stage for link in chain)
    filtered, back_filter = cone.vjp(x)
    physical, back_tanh = tanh.vjp(filtered)
    stiffness, back_simp = simp.vjp(physical)
    displacement, back_state = equilibrium.vjp(stiffness)
    _, back_compliance = compliance.vjp(displacement)
    _, back_mean = mean.vjp(physical)
    one = np.ones(())
    (v,) = back_compliance(one)
    for back in (back_state, back_simp, back_tanh, back_filter):
        (v,) = back(v)
    (w,) = back_mean(one)
    for back in (back_tanh, back_filter):
        (w,) = back(w)
    return v, w


@dataclass(frozen=True, eq=False)
class Replay(to.Stage):
    """Answers as the equilibrium did once: its solves vary by more than what the chain costs."""

    output: Array
    pulled: Array

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return copies of the recorded arrays, fresh as those of every stage."""
        return self.output.copy(), lambda v: (self.pulled.copy(),)


def replayed(chain: Chain, x: Array) -> Chain:
    """Return the chain with its state on record."""
    tape = chain.run(x)
    pulled = tape.sensitivities("compliance")["stiffness"]
    return Chain(
        [
            (link.name, Replay(tape[link.name], pulled) if link.stage.costly else link.stage, link.reads)
            for link in chain
        ]
    )


def main() -> None:
    """Print the bookkeeping as a share of the whole: run, two pullbacks, all solves."""
    chain = beam(300, 100).chain
    x = np.random.default_rng(1).uniform(0.2, 0.8, 30_000)
    x.flags.writeable = False
    cheap = replayed(chain, x)
    for first, second in zip(by_chain(cheap, x), by_hand(chain, x), strict=True):
        np.testing.assert_array_equal(first, second)
    whole = seconds(lambda: by_hand(chain, x), 15)
    extra = [  # pairs: neighbours in time suffer alike
        seconds(lambda: by_chain(cheap, x), 1) - seconds(lambda: by_hand(cheap, x), 1) for _ in range(200)
    ]
    more = statistics.median(extra)
    print(f"stages by hand, 300 x 100   {1e3 * whole:8.2f} ms (median of 15)")
    print(
        f"  what the chain adds       {1e3 * more:8.3f} ms  {more / whole:6.2%}  (target: under {TARGET:.0%})"
    )


if __name__ == "__main__":
    main()
