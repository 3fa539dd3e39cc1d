"""Four layers of signs on handwritten digits: every way to sharpen them, in one study.

``python docs/examples/sign_digits.py`` takes about five minutes on two cores and leaves a report like
that of a bridge in results/sign_digits/; ``--quick`` takes a few seconds and learns less.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import topopt as to
from topopt.nets import StraightThrough, digits, sign_net
from topopt.study import Comparison, SharpAccuracy, Study, write_report

LAYERS = range(1, 5)
RATE = 0.02


def gates(schedule: to.Schedule, slower: bool = True) -> to.Continuation:
    """Return one schedule for all gates, and a rate that falls as they sharpen."""
    schedules: dict[str, to.Schedule] = {"code1.beta": schedule}
    schedules |= {f"code{layer}.beta": to.Follow("code1.beta") for layer in LAYERS if layer > 1}
    if slower:
        schedules["optimizer.rate"] = to.Follow("code1.beta", factor=RATE, power=-1.0)
    return to.Continuation(schedules)


def surrogate(schedule: to.Schedule) -> to.Continuation:
    """Return one schedule for all gates, whose slope on the way back stays that of a soft gate."""
    soft = {f"code{layer}.backward_beta": to.Constant(1.0) for layer in LAYERS}
    return to.Continuation(dict(gates(schedule, slower=False).schedules) | soft)


def straight_through() -> to.Continuation:
    """Return signs from the start, with the slope of a soft gate on the way back."""
    sharp = {f"code{layer}.beta": to.Constant(math.inf) for layer in LAYERS}
    soft = {f"code{layer}.backward_beta": to.Constant(1.0) for layer in LAYERS}
    return to.Continuation(sharp | soft)


def study(starts: int, budget: int) -> Study:
    """Return the study: every way from so many starts, one budget of evaluations for all."""
    train, held_out = digits()
    plain = StraightThrough(beta=1.0, backward_beta=math.inf)
    nets = {f"start {seed}": sign_net(train, held_out, (16,) * 4, plain, seed) for seed in range(starts)}
    ramp = (budget * 7) // 10
    return Study(
        nets,
        {
            "abrupt 50": gates(to.Constant(50.0)),
            "doubling": gates(to.Staircase(1.0, 64.0, factor=2.0, every=ramp // 6)),
            "doubling, same rate": gates(to.Staircase(1.0, 64.0, factor=2.0, every=ramp // 6), slower=False),
            "geometric": gates(to.Geometric(1.0, 64.0, over=ramp)),
            "linear": gates(to.Linear(1.0, 64.0, over=ramp)),
            "soft, then signs": gates(to.Constant(1.0)),
            "straight through": straight_through(),
            "survival gate": gates(to.Survival(final=64.0)),
            "survival gate, surrogate slope": surrogate(to.Survival(final=64.0)),
        },
        optimizer=to.Adam(rate=RATE, clip=1.0),
        budget=budget,
        every=20,
        yardstick=SharpAccuracy(),
    )


def main() -> None:
    """Carry the study out, write the report and say how it ended."""
    whole = study(1, 40) if "--quick" in sys.argv else study(3, 1000)
    folder = Path("results") / "sign_digits"
    outcomes = whole.run(folder)
    report = write_report(Comparison(tuple(outcomes)), folder, "sign_digits")
    for name in whole.continuations:
        ends = [1.0 / outcome.value for outcome in outcomes if outcome.continuation == name]
        print(f"{name:30s} " + "  ".join(f"{accuracy:.3f}" for accuracy in ends))
    print("\n".join(report.verdict))
    print(f"The report is {report.html}")


if __name__ == "__main__":
    main()
