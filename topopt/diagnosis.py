"""The diagnosis in words: what died, at which iteration and parameter, and which schedule would have kept it alive."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from topopt.history import History, Iteration
from topopt.vanishing import ALARMS, UNRESOLVED

__all__ = ["Finding", "diagnose", "findings"]


@dataclass(frozen=True)
class Finding:
    """One alarm over a run.

    Attributes
    ----------
    alarm : str
        Its name.
    first, last : int
        Iterations in which it rang first and last.
    count : int
        In how many iterations it rang.
    """

    alarm: str
    first: int
    last: int
    count: int


def findings(history: History) -> list[Finding]:
    """Return the alarms that rang, in the order of their first ring."""
    rings: dict[str, list[int]] = {}
    for iteration in history:
        for alarm in iteration.alarms:
            rings.setdefault(alarm, []).append(iteration.number)
    found = [Finding(alarm, numbers[0], numbers[-1], len(numbers)) for alarm, numbers in rings.items()]
    return sorted(found, key=lambda finding: finding.first)


def diagnose(history: History, reason: str | None = None) -> str:
    """Say in plain words how the run ended and how its sensitivities fared.

    Parameters
    ----------
    history : History
        The log.
    reason : str, optional
        Why the run stopped.

    Returns
    -------
    str
        A few lines of text.
    """
    if not history:
        return "Nothing has been run yet."
    lines = [_ending(history, reason), _feasibility(history[-1]), _signal(history)]
    found = findings(history)
    for finding in found:
        lines.append(_sentence(finding, history))
    if not found:
        lines.append("No alarm rang: the sensitivities stayed alive.")
    lines += _advice(found, history)
    return "\n".join(line for line in lines if line)


def _ending(history: History, reason: str | None) -> str:
    """Say where the run ended."""
    last = history[-1]
    discreteness = last.measures.get("discreteness")
    shade = "" if discreteness is None else f", {100 * discreteness:.2g} % grey (M_nd)"
    why = f" ({reason})" if reason else ""
    return f"After {last.number} iterations{why}: objective {last.objective:.6g}{shade}."


def _feasibility(last: Iteration) -> str:
    """Say whether the limits hold."""
    if math.isinf(last.violation):
        return ""
    if last.violation > 1e-3:
        return f"A limit is VIOLATED by {100 * last.violation:.2g} %: this design does not meet the problem."
    return f"All limits hold (largest normalised value {last.violation:.1e})."


def _signal(history: History) -> str:
    """Say how much of the sensitivity arrived, and where most of it was lost."""
    if "attenuation" not in history[-1].vanishing:
        return "The model gave no signals, so nothing is known of its sensitivities."
    attenuation = history.column("vanishing:attenuation")
    worst = int(np.argmin(attenuation))
    gates = [stage for stage, metrics in history[worst].stages.items() if "slope_mean" in metrics]
    if not gates:
        return "There is no projection in this chain, so nothing can close."
    tightest = min(gates, key=lambda stage: history[worst].stages[stage]["slope_mean"])
    dead = history[worst].vanishing["dead3"]
    return (
        f"The sensitivity was weakest at iteration {history[worst].number}{_where(history[worst])}: "
        f"{_share(attenuation[worst])} of its reference norm reached the design, {100 * dead:.0f} % of the variables "
        f"were dead; the stage '{tightest}' takes it (mean slope "
        f"{history[worst].stages[tightest]['slope_mean']:.2g})."
    )


def _sentence(finding: Finding, history: History) -> str:
    """Say what an alarm means and when it rang."""
    first = history[finding.first - history[0].number]
    ended = finding.last == history[-1].number
    until = "to the end" if ended else f"last in iteration {finding.last}"
    return (
        f"Alarm '{finding.alarm}' from iteration {finding.first}{_where(first)}, {until} "
        f"({finding.count} times): {ALARMS.get(finding.alarm, 'an alarm of the user')}."
    )


def _advice(found: list[Finding], history: History) -> list[str]:
    """Say which schedule would have kept the sensitivities alive."""
    names = {finding.alarm for finding in found}
    driven = [name for name in history[-1].parameters if name.endswith(".beta")]
    parameter = driven[0] if driven else "<projection>.beta"
    top = max((v for v in history.values(parameter) if math.isfinite(v)), default=64.0) if driven else 64.0
    advice = []
    if names & {"freeze", "concentration", "masked"}:
        length = max(100, int(25 * math.log2(max(top, 2.0))))
        advice.append(
            "Start soft and sharpen as the design settles, for example:\n"
            "  continuation:\n"
            f"    {parameter}: {{type: geometric, start: 1, final: {top:g}, over: {length}}}"
        )
    if "blow-up" in names:
        advice.append("Grow in smaller steps (at most 3 % an iteration), and lower the optimiser's move limit.")
    if "unresolved" in names:
        width = min(it.measures.get("interface", math.inf) for it in history)
        cap = top * width / UNRESOLVED
        advice.append(
            f"The grid resolves {parameter} up to about {cap:.2g} with this filter radius: stop there, refine the "
            "grid, or take a larger radius."
        )
    return advice


def _where(iteration: Iteration) -> str:
    """Name the scheduled parameters of an iteration."""
    if not iteration.parameters:
        return ""
    return " (" + ", ".join(f"{name} = {value:.4g}" for name, value in iteration.parameters.items()) + ")"


def _share(log10: float) -> str:
    """Write a power of ten for people."""
    return f"{100 * 10**log10:.3g} %" if log10 > -4 else f"10^{log10:.1f}"
