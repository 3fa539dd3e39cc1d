"""The diagnosis in words: what died, when and at which parameters, and what would have kept it alive."""

from __future__ import annotations

import math
from dataclasses import dataclass

from topopt.history import History, Iteration
from topopt.vanishing import ALARMS, UNRESOLVED

__all__ = ["TOLERANCE", "Finding", "diagnose", "findings", "weakest"]

TOLERANCE = 1e-3
"""A normalised constraint that is violated by no more than this counts as met."""
SOFT = 2.0
"""A projection up to this sharpness hardly changes a sensitivity."""


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
    lines += [_sentence(finding, history) for finding in found]
    if not found:
        lines.append("No alarm rang: the sensitivities stayed alive.")
    lines += _advice(found, history)
    return "\n".join(line for line in lines if line)


def _ending(history: History, reason: str | None) -> str:
    """Say where the run ended."""
    last = history[-1]
    discreteness = last.measures.get("discreteness")
    shade = "" if discreteness is None else f", {100 * discreteness:.3g} % grey (M_nd)"
    why = f" ({reason})" if reason else ""
    return f"After {last.number} iterations{why}: objective {last.objective:.6g}{shade}."


def _feasibility(last: Iteration) -> str:
    """Say whether the limits hold."""
    if math.isinf(last.violation):
        return ""
    if last.violation > TOLERANCE:
        return f"A limit is VIOLATED by {100 * last.violation:.3g} %: this design does not meet the problem."
    return f"All limits hold (largest normalised value {last.violation:.1e})."


def weakest(history: History) -> Iteration | None:
    """Return the iteration in which the smallest share of the sensitivity reached the design.

    None if the model gave no signals.
    """
    logged = [it for it in history if not math.isnan(it.vanishing.get("attenuation", math.nan))]
    return min(logged, key=lambda it: it.vanishing["attenuation"], default=None)


def _signal(history: History) -> str:
    """Say how much of the sensitivity arrived, and where most of it was lost."""
    worst = weakest(history)
    if worst is None:
        return "The model gave no signals, so nothing is known of its sensitivities."
    gates = _gates(worst)
    if not gates:
        return "There is no projection in this chain, so nothing can close."
    tightest = min(gates, key=lambda stage: worst.stages[stage]["slope_mean"])
    return (
        f"The sensitivity was weakest at iteration {worst.number}{_where(worst)}: "
        f"{_share(worst.vanishing['attenuation'])} of its reference norm reached the design, "
        f"{100 * worst.vanishing['dead3']:.0f} % of the variables were dead; the stage '{tightest}' takes it "
        f"(mean slope {worst.stages[tightest]['slope_mean']:.2g})."
    )


def _sentence(finding: Finding, history: History) -> str:
    """Say what an alarm means and when it rang."""
    first = history[finding.first - history[0].number]
    ended = finding.last == history[-1].number
    until = "to the end" if ended else f"last in iteration {finding.last}"
    times = "once" if finding.count == 1 else f"{finding.count} times"
    return (
        f"Alarm '{finding.alarm}' from iteration {finding.first}{_where(first)}, {until} "
        f"({times}): {ALARMS.get(finding.alarm, 'an alarm of the user')}."
    )


def _advice(found: list[Finding], history: History) -> list[str]:
    """Say which schedule would have kept the sensitivities alive."""
    names = {finding.alarm for finding in found}
    parameter = _sharpness(history)
    advice = []
    deaths = [finding for finding in found if finding.alarm in ("freeze", "concentration", "masked")]
    if deaths:
        first = history[deaths[0].first - history[0].number]
        if first.parameters.get(parameter, math.inf) <= SOFT:
            advice.append(
                f"It rang while the projection was soft{_where(first)}, so sharpening is not the cause: "
                "look for a missing limit, or for a load or support that carries the whole sensitivity."
            )
        else:
            advice.append(_softer(history, parameter))
    if "blow-up" in names:
        advice.append(
            "Grow in smaller steps (at most 3 % an iteration), and lower the optimiser's move limit."
        )
    if "unresolved" in names:
        cap = _resolved(history, parameter)
        upto = f" up to about {cap:.3g}" if cap else " only so far"
        advice.append(
            f"The grid resolves {parameter}{upto} with this filter radius: stop there, refine the grid, "
            "or take a larger radius."
        )
    return advice


def _sharpness(history: History) -> str:
    """Return the name of the parameter that sharpens the projection: a scheduled one if there is one."""
    driven = [name for name in history[-1].parameters if name.endswith(".beta")]
    fixed = [f"{gate}.beta" for gate in _gates(history[-1])]
    return next(iter([*driven, *fixed]), "<projection>.beta")


def _softer(history: History, parameter: str) -> str:
    """Return a schedule that starts soft and ends no sharper than the grid resolves."""
    top = max((v for v in history.values(parameter) if math.isfinite(v)), default=64.0)
    top = float(f"{min(top, _resolved(history, parameter) or math.inf):.3g}")
    length = max(100, int(25 * math.log2(max(top, 2.0))))
    return (
        "Start soft and sharpen as the design settles, for example:\n"
        "  continuation:\n"
        f"    {parameter}: {{type: geometric, start: 1, final: {top:g}, over: {length}}}"
    )


def _resolved(history: History, parameter: str) -> float | None:
    """Return how far a sharpness may grow until the interface is too thin; None if the log cannot tell."""
    caps = [
        it.parameters[parameter] * it.measures["interface"] / UNRESOLVED
        for it in history
        if math.isfinite(it.parameters.get(parameter, math.inf))
        and 0 < it.measures.get("interface", math.inf) < math.inf
    ]
    return caps[-1] if caps else None


def _gates(iteration: Iteration) -> list[str]:
    """Return the names of the sharp stages of an iteration."""
    return [stage for stage, metrics in iteration.stages.items() if "slope_mean" in metrics]


def _where(iteration: Iteration) -> str:
    """Name the scheduled parameters of an iteration."""
    if not iteration.parameters:
        return ""
    return " (" + ", ".join(f"{name} = {value:.4g}" for name, value in iteration.parameters.items()) + ")"


def _share(log10: float) -> str:
    """Write a power of ten for people."""
    if log10 == -math.inf:
        return "nothing"
    return f"{100 * 10**log10:.3g} %" if log10 > -4 else f"10^{log10:.1f}"
