"""Which pixels made a net say "three"? The gradient loses sight as gates saturate; other ways keep it.

``python docs/examples/saliency.py`` takes about a minute on two cores; ``--seeds 5`` repeats it with five
nets; ``--quick`` takes a few seconds. Deletion scores: the mean share of the logit that is left as pixels go,
the most responsible first; the lower, the better. Masks: the share of the logit that the ten best of 64
pixels keep alone; the higher, the better.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Mapping, Sequence

import numpy as np

import topopt as to
from topopt.files.markdown import markdown_table
from topopt.nets import Net, SignGate, digits, sign_net
from topopt.nets.extremal import explained_digit
from topopt.nets.replicates import Replicates
from topopt.nets.saliency import (
    Attribution,
    deletion,
    gradient,
    integrated,
    rescaled,
    saliency_chain,
    softened,
)
from topopt.parameters import Array

QUICK = "--quick" in sys.argv
SHOWN, STEPS, MASKED, MOVES = (4, 60, 1, 40) if QUICK else (60, 250, 20, 80)
"""Digits that are explained, steps of learning, digits that get a mask, and iterations of its."""
BLANK = -np.ones(64)
TRAIN, HELD_OUT = digits()
METHODS = ("gradient", "integrated gradients", "DeepLIFT", "softened gates", "random")
RIVALS = dict(zip(("gradient", "integrated", "rescaled", "softened"), METHODS, strict=False))
"""Methods that choose pixels without a design, as `Extremal` calls them and as the tables do."""
STEEP = 256.0
MASKS: dict[str, to.Schedule] = {
    "mask, gates 1 to 256": to.Geometric(1.0, STEEP, over=MOVES * 3 // 4),
    "mask, gates soft to the end": to.Constant(1.0),
    "mask, gates steep": to.Constant(STEEP),
}


def net_of(slope: float, seed: int) -> Net:
    """Return a net of 48 gates."""
    return sign_net(TRAIN, HELD_OUT, (48,), SignGate(slope), seed)


def sharpened(x: Array, slope: float) -> Array:
    """Return weights after some steps in which the gates become sixteen times as steep, if they are to be."""
    net = dataclasses.replace(net_of(1.0, 0), start=x)
    steeper = to.Geometric(slope / 16.0, slope, over=STEPS * 4 // 5) if slope > 1.0 else to.Constant(slope)
    rate = to.Follow("code1.beta", factor=0.01, power=-1.0)
    continuation = to.Continuation({"code1.beta": steeper, "optimizer.rate": rate})
    return to.solve(net, to.Adam(clip=1.0), continuation, to.Stop(change=0, iterations=STEPS)).x


def explained(x: Array, slope: float) -> dict[str, float]:
    """Explain held-out digits by every method; return how large gradients are, and the deletion scores."""
    net, random = net_of(slope, 0), np.random.default_rng(0)
    scores: dict[str, list[float]] = {name: [] for name in METHODS}
    gaps, steep = [], []
    for image, label in zip(HELD_OUT.inputs[:SHOWN], HELD_OUT.labels, strict=False):
        chain = saliency_chain(net, x, int(label))
        found = (
            gradient(chain, image, BLANK),
            integrated(chain, image, BLANK, points=100),
            rescaled(chain, image, BLANK),
            softened(chain, image, BLANK),
            Attribution(random.random(64), 0.0),
        )
        steep.append(np.linalg.norm(chain.run(image).sensitivities("logit")["input"]))
        gaps.append(found[1].gap)
        for name, attribution in zip(METHODS, found, strict=True):
            scores[name].append(deletion(chain, image, BLANK, attribution))
    said = {"accuracy": net.accuracy(x), "size": np.median(steep), "gap": np.median(gaps)}
    return said | {name: float(np.mean(values)) for name, values in scores.items()}


def masked(seed: int) -> dict[str, float]:
    """Return what masks, and the pixels that other methods choose, keep of the logit, a mean over digits."""
    kept: dict[str, list[float]] = {}
    for digit in range(MASKED):
        model, random = explained_digit(digit, STEEP, 0.15, seed), np.random.default_rng(digit)
        for name, slope in MASKS.items():
            driven = to.Continuation({"code1.beta": slope})
            last = to.solve(model, to.MMA(), driven, to.Stop(change=0.0, iterations=MOVES))
            kept.setdefault(name, []).append(model.kept(last.x))
        for name, share in model.rivals().items():
            kept.setdefault(RIVALS[name], []).append(share)
        kept.setdefault("random", []).append(model.kept(random.random(64)))
    return {name: float(np.mean(shares)) for name, shares in kept.items()}


def sentence(found: Mapping[str, float]) -> str:
    """Return what was found of one net at one slope."""
    return (
        f"accuracy {found['accuracy']:.3f}, median gradient {found['size']:.2g}, gap of "
        f"completeness {found['gap']:.1e}; deletion: "
        + ", ".join(f"{name} {found[name]:.2f}" for name in METHODS)
    )


def between(values: Sequence[float]) -> str:
    """Return the least and the largest, as text."""
    return f"{min(values):.2g} to {max(values):.2g}"


def scored(found: Mapping[float, Sequence[Mapping[str, float]]]) -> str:
    """Return as Markdown the scores of all nets at each slope: the mean, and in brackets the worst net."""
    rows = []
    for slope, nets in found.items():
        size, gap = ([net[name] for net in nets] for name in ("size", "gap"))
        right = Replicates([net["accuracy"] for net in nets]).cells(3)
        scores = Replicates([[net[name] for name in METHODS] for net in nets], "low").cells()
        rows.append([f"{slope:g}", *right, between(size), between(gap), *scores])
    return markdown_table(["slope", "right", "median gradient", "median gap", *METHODS], rows)


def kept(found: Sequence[Mapping[str, float]]) -> str:
    """Return as Markdown what every way keeps: the mean of all nets, and in brackets the worst."""
    shares = Replicates([list(net.values()) for net in found])
    return markdown_table(["ten pixels chosen by", "share kept"], zip(found[0], shares.cells(), strict=True))


def main() -> None:
    """Sharpen nets in two steps, explain the same digits after each, and mask some of them."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seeds", type=int, default=1)
    asked.add_argument("--quick", action="store_true")
    options = asked.parse_args()
    found: dict[float, list[dict[str, float]]] = {}
    masks = []
    for seed in range(options.seeds):
        x = net_of(1.0, seed).start
        for slope in (1.0, 16.0) if QUICK else (1.0, 16.0, STEEP):
            x = sharpened(x, slope)
            found.setdefault(slope, []).append(explained(x, slope))
            print(f"seed {seed}, slope {slope:g}: {sentence(found[slope][-1])}")
        masks.append(masked(seed))
    print(scored(found), kept(masks), sep="\n\n")


if __name__ == "__main__":
    main()
