"""Which pixels made a net say "three"? The gradient loses sight as gates saturate; two other ways keep it.

``python docs/examples/saliency.py`` takes about a minute on two cores, ``--quick`` a few seconds. Deletion
scores: the mean share of the logit that is left as pixels go, the most responsible first; the lower, the
better.
"""

from __future__ import annotations

import dataclasses
import sys

import numpy as np

import topopt as to
from topopt.nets import SignGate, digits, sign_net
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
SHOWN, STEPS = (4, 60) if QUICK else (60, 250)
BLANK = -np.ones(64)
TRAIN, HELD_OUT = digits()


def sharpened(x: Array, slope: float) -> Array:
    """Return weights after some steps in which the gates become sixteen times as steep, if they are to be."""
    net = dataclasses.replace(sign_net(TRAIN, HELD_OUT, (48,), SignGate()), start=x)
    steeper = to.Geometric(slope / 16.0, slope, over=STEPS * 4 // 5) if slope > 1.0 else to.Constant(slope)
    rate = to.Follow("code1.beta", factor=0.01, power=-1.0)
    continuation = to.Continuation({"code1.beta": steeper, "optimizer.rate": rate})
    return to.solve(net, to.Adam(clip=1.0), continuation, to.Stop(change=0, iterations=STEPS)).x


def explained(x: Array, slope: float) -> str:
    """Explain held-out digits by every method; return how large gradients are, and the deletion scores."""
    net, random = sign_net(TRAIN, HELD_OUT, (48,), SignGate(slope)), np.random.default_rng(0)
    scores: dict[str, list[float]] = {}
    gaps, steep = [], []
    for image, label in zip(HELD_OUT.inputs[:SHOWN], HELD_OUT.labels, strict=False):
        chain = saliency_chain(net, x, int(label))
        found = {
            "gradient": gradient(chain, image, BLANK),
            "integrated gradients": integrated(chain, image, BLANK, points=100),
            "DeepLIFT": rescaled(chain, image, BLANK),
            "softened gates": softened(chain, image, BLANK),
            "random": Attribution(random.random(64), 0.0),
        }
        steep.append(np.linalg.norm(chain.run(image).sensitivities("logit")["input"]))
        gaps.append(found["integrated gradients"].gap)
        for name, attribution in found.items():
            scores.setdefault(name, []).append(deletion(chain, image, BLANK, attribution))
    return (
        f"accuracy {net.accuracy(x):.3f}, median gradient {np.median(steep):.2g}, gap of completeness "
        f"{np.median(gaps):.1e}; deletion: "
        + ", ".join(f"{name} {np.mean(values):.2f}" for name, values in scores.items())
    )


def main() -> None:
    """Sharpen a net in two steps, and explain the same digits after each."""
    x = sign_net(TRAIN, HELD_OUT, (48,), SignGate()).start
    for slope in (1.0, 16.0) if QUICK else (1.0, 16.0, 256.0):
        x = sharpened(x, slope)
        print(f"slope {slope:g}: {explained(x, slope)}")


if __name__ == "__main__":
    main()
