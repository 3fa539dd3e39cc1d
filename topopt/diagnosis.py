"""The diagnosis in words: what died, when and at which parameters, and what would have kept it alive."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from topopt.cures import Cure, culprit, cure, resolved, sharpness
from topopt.failures import BROKEN, Failure, Finding, failures, findings, jump, weakest
from topopt.history import History, Iteration
from topopt.measures import RESOLVED
from topopt.vanishing import ALARMS, OPEN

__all__ = ["TOLERANCE", "Finding", "account", "diagnose", "findings", "weakest"]

TOLERANCE = 1e-3
"""A normalised constraint that is violated by no more than this counts as met."""
DEAD = -3.0
"""An attenuation below which a sensitivity is as good as dead."""
NAMES: Mapping[str, str] = {
    "freeze": "Freeze",
    "concentration": "Concentration",
    "masked": "Masked stall",
    "stall": "Stall",
    "blow-up": "Blow-up",
    "unresolved": "Unresolved interface",
}
"""What each failure is called."""


def diagnose(history: History, reason: str | None = None, standing: Mapping[str, float] | None = None) -> str:
    """Say in plain words how a run went (`account`), and write out what would cure it.

    Parameters
    ----------
    history : History
        The log.
    reason : str, optional
        Why the run stopped.
    standing : mapping, optional
        Parameters that no schedule drives, by name, so that they can be named as well.

    Returns
    -------
    str
        A few lines of text; the cure, if there is one, is YAML at their end.
    """
    text = account(history, reason, standing)
    chosen = cure(history, failures(history, reason, standing), reason) if history else None
    return "\n".join([text, *_cured(chosen)]) if chosen else text


def account(history: History, reason: str | None = None, standing: Mapping[str, float] | None = None) -> str:
    """Say in plain words how the run ended, how its sensitivities fared, and what failed.

    Parameters
    ----------
    history, reason, standing
        As for `diagnose`.

    Returns
    -------
    str
        A few lines of text.
    """
    if not history:
        return "Nothing has been run yet."
    found = failures(history, reason, standing)
    lines = [_ending(history, reason), _feasibility(history[-1]), _signal(history)]
    lines += [_sentence(finding, history) for finding in findings(history)]
    lines += _failed(found, history, standing)
    if not found:
        lines.append(_sound(history))
    elif cure(history, found, reason) is None:
        lines.append(_no_cure(found, history))
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


def _signal(history: History) -> str:
    """Say how much of the sensitivity arrived, and where most of it was lost."""
    worst = weakest(history)
    if worst is None:
        return "The model gave no signals, so nothing is known of its sensitivities."
    gates = [stage for stage, metrics in worst.stages.items() if "slope_mean" in metrics]
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


def _failed(found: Sequence[Failure], history: History, standing: Mapping[str, float] | None) -> list[str]:
    """Name the first failure, and say what is known of its consequences."""
    if not found:
        return []
    first = found[0]
    name = sharpness(history)
    at = f", at {name} = {first.parameters[name]:.4g}" if name and name in first.parameters else ""
    what = "Failure" if first.name in BROKEN else "Warning"
    leap = jump(first, history)
    after = f", after {leap.name} jumped from {leap.before:.4g} in iteration {leap.iteration}" if leap else ""
    lines = [f"{what}: {NAMES.get(first.name, first.name)}, from iteration {first.iteration}{at}{after}."]
    if any(failure.name == "stall" for failure in found):
        residual = history[-1].vanishing["latent_residual"]
        lines.append(
            f"The run stopped as settled, but {100 * min(residual, 1.0):.0f} % of the reference sensitivity "
            "asks for more: this is not convergence."
        )
    if first.name == "unresolved" and name is not None:
        lines.append(_thin(name, history, standing))
    return lines


def _thin(name: str, history: History, standing: Mapping[str, float] | None) -> str:
    """Say how far the grid resolves a sharpness."""
    cap = resolved(history, name, standing)
    width = history[-1].measures.get("interface", math.nan)
    upto = f" up to about {cap:.3g}" if cap else " only so far"
    larger = f" {RESOLVED / width:.2g} times as large" if 0 < width < RESOLVED else " that is larger"
    return (
        f"The design may be sound, but the grid resolves {name}{upto} with this filter radius; what is "
        f"sharper moves by chance. Stop there, refine the grid, or take a radius{larger}."
    )


def _sound(history: History) -> str:
    """Say that nothing went wrong; at the end of a good path sensitivities may die, for the work is done."""
    worst = weakest(history)
    if worst is not None and worst.vanishing["attenuation"] < DEAD:
        residual = history[-1].vanishing.get("latent_residual", math.nan)
        return (
            "No alarm rang: the sensitivities died only where the design was done (latent residual "
            f"{residual:.2f}; failed runs have more than {OPEN:g})."
        )
    return "No alarm rang: the sensitivities stayed alive."


def _cured(chosen: Cure) -> list[str]:
    """Write the cure, and what it does."""
    return [f"Cure: {chosen.why} In the problem file:", *(f"  {line}" for line in chosen.yaml().split("\n"))]


def _no_cure(found: Sequence[Failure], history: History) -> str:
    """Say why a failure has no cure here."""
    if sharpness(history) is None:
        return "There is no projection to soften: look at the parameters that changed."
    name = culprit(found[0], history)
    if name is not None:
        return (
            f"There is no cure in how {name} grows: a guard or a roll-back with the usual bounds would have "
            "changed nothing before it, or acts already. Take a larger filter radius or a finer grid, or "
            "GCMMA, which takes back steps that raise the objective."
        )
    where = _where(history[found[0].iteration - history[0].number])
    return (
        f"It rang while the projection was soft{where}, so sharpening is not the cause: "
        "look for a missing limit, or for a load or support that carries the whole sensitivity."
    )


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
