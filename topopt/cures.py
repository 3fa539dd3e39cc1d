"""From a failure to what the problem file should say instead, as data and as YAML."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from topopt.continuation import Follow, Guard, Rollback
from topopt.failures import DEATHS, Failure, Jump, jump
from topopt.history import History, jumps
from topopt.measures import RESOLVED

__all__ = ["Cure", "culprit", "cure", "gates", "resolved", "sharpness"]

SHARPNESS = ".beta"
"""What the names of sharpnesses end with."""
SOFT = 2.0
"""A projection up to this sharpness hardly changes a sensitivity."""
BLACK = 0.005
"""Non-discreteness at which a guard holds: the design is black and white."""
GROWTH = 0.03
"""Relative growth in an iteration that shattered nothing.

Measured after "50 soft iterations, then 64 or 512" (MBB beam 60 x 20 at volume .5 and .3, cantilever 60 x
30): with this bound the end was within .6 % of the best every time. With 10 % the beam at .3 was shattered,
unless there was a roll-back as well; the roll-back alone left it shattered; `memory: damp` alone ended up to
2 % off, `reset` alone left the beam at .3 shattered.
"""
MATURE = 16.0
"""The sharpness by which a parameter that follows it has arrived."""
RISE = 0.05
"""Relative rise of the objective after which a change is taken back."""
LEAST = 64.0
"""The least sharpness a gate may go for, since that makes most designs black and white."""
TOP = 512.0
"""The sharpness a gate may go for where nothing finite was asked for; its guard stops it long before."""
ENOUGH = 300
"""Iterations in which a continuation gets to its end."""


@dataclass(frozen=True)
class Cure:
    """What a problem file should say instead.

    Attributes
    ----------
    changes : mapping
        Plain values by path of keys, such as ``("continuation", "physical.beta", "guard")``.
    why : str
        What it does, in a sentence.
    """

    changes: Mapping[tuple[str, ...], Any]
    why: str

    def applied(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return a problem file's plain values with the cure in them; what was given stays as it was."""
        result = dict(data)
        for path, value in self.changes.items():
            _put(result, path, value)
        return result

    def yaml(self) -> str:
        """Return the changes as YAML, ready to be merged into a problem file."""
        lines: list[str] = []
        for section, content in self.applied({}).items():
            lines.append(f"{section}:")
            lines += [f"  {key}: {_flow(value)}" for key, value in content.items()]
        return "\n".join(lines)


def cure(history: History, found: Sequence[Failure], reason: str | None = None) -> Cure | None:
    """Return what would have kept a run from failing; None if nothing failed or sharpening is not the cause.

    What would not have changed the run in front of the failure, such as a guard on a gate that has one, is no
    part of it; if nothing is left, there is no cure.

    Parameters
    ----------
    history : History
        The log.
    found : sequence of Failure
        What went wrong, the gravest first (`failures`).
    reason : str, optional
        Why the run stopped; one that a small budget ended gets a larger one.
    """
    if not found:
        return None
    first = found[0]
    name = culprit(first, history)
    if name is None:
        return None
    before = history[: first.iteration - history[0].number + 1]
    leader = sharpness(history)
    if leader is not None and _follows(history, jump(first, history), leader):
        name = leader
    if name != leader and not name.endswith(SHARPNESS):
        chosen = _led(history, jump(first, history), leader)
    elif len(set(history.values(name))) < 2:
        chosen = _gate(history, name, first)
    else:
        chosen = _bounds(history, name)
    if first.name == "blow-up" and not _leaps(history, name):
        chosen |= {("continuation", "rollback"): {"rise": RISE}}
    chosen = {path: value for path, value in chosen.items() if _acts(path, value, before)}
    if not chosen:
        return None
    if reason and reason.startswith("budget") and len(history) < ENOUGH:
        chosen |= {("stop", "iterations"): ENOUGH}
    return Cure(chosen, _why(chosen, name))


def culprit(failure: Failure, history: History) -> str | None:
    """Return the parameter to blame: the one that jumped most not long before, else the sharpness.

    Parameters
    ----------
    failure : Failure
        What went wrong.
    history : History
        The log.

    Returns
    -------
    str or None
        None if there is nothing sharp, or if it was so soft that it cannot be the cause.
    """
    leap = jump(failure, history)
    name = leap.name if leap is not None else sharpness(history)
    return None if name is None or (failure.name in DEATHS and _is_soft(failure, name)) else name


def sharpness(history: History) -> str | None:
    """Return the name of the parameter that sharpens the projection: a scheduled one if there is one."""
    driven = [name for name in history[-1].parameters if name.endswith(SHARPNESS)]
    fixed = [f"{gate}.beta" for gate in gates(history)]
    return next(iter([*driven, *fixed]), None)


def gates(history: History) -> list[str]:
    """Return the names of the sharp stages."""
    return [stage for stage, metrics in history[-1].stages.items() if "slope_mean" in metrics]


def resolved(history: History, parameter: str, standing: Mapping[str, float] | None = None) -> float | None:
    """Return how far a sharpness may grow until the interface is too thin; None if the log cannot tell."""
    caps = [
        value * it.measures["interface"] / RESOLVED
        for it in history
        if math.isfinite(value := {**(standing or {}), **it.parameters}.get(parameter, math.inf))
        and 0 < it.measures.get("interface", math.inf) < math.inf
    ]
    return caps[-1] if caps else None


def _is_soft(failure: Failure, name: str) -> bool:
    """Return whether a sharpness was so low that it cannot be the cause."""
    return name.endswith(SHARPNESS) and failure.parameters.get(name, math.inf) <= SOFT


def _led(history: History, leap: Jump | None, leader: str | None) -> dict[tuple[str, ...], Any]:
    """Return what takes a parameter to where it jumped while the projection sharpens, or else slowly."""
    assert leap is not None
    if leader is None or len(set(history.values(leader))) < 2:
        bound = {"hold": 0.0, "interface": 0.0, "growth": GROWTH}
        return {("continuation", leap.name, "guard"): bound}
    ends = {"start": leap.before, "final": leap.after, "between": [1.0, MATURE]}
    return {("continuation", leap.name): {"type": "follow", "leader": leader} | ends}


def _gate(history: History, name: str, failure: Failure) -> dict[tuple[str, ...], Any]:
    """Return the survival gate, up to the sharpness that was asked for or more; other projections follow."""
    asked = failure.parameters.get(name, TOP)
    top = max(asked, LEAST) if math.isfinite(asked) else TOP
    rules: dict[tuple[str, ...], Any] = {
        ("continuation", name): {
            "type": "survival", "start": 1.0, "final": top, "hold": BLACK, "interface": RESOLVED,
        }
    }  # fmt: skip
    others = [f"{gate}.beta" for gate in gates(history) if f"{gate}.beta" != name]
    led = [other for other in others if other in failure.parameters]
    return rules | {("continuation", other): {"type": "follow", "leader": name} for other in led}


def _bounds(history: History, name: str) -> dict[tuple[str, ...], Any]:
    """Return a guard on the schedule that there is; one without jumps may keep its pace.

    A cap alone, on a schedule that jumps to it, made it worse: the beam at volume .3, 50 soft iterations and
    then 512, was 2.5 % off, and shattered when it stopped at 79 (60 x 20 cells).
    """
    growth = {"growth": GROWTH} if _leaps(history, name) else {}
    return {("continuation", name, "guard"): {"hold": BLACK, "interface": RESOLVED} | growth}


def _leaps(history: History, name: str) -> bool:
    """Return whether a parameter ever grew by more than a tenth from one iteration to the next."""
    pairs = itertools.pairwise(history.values(name))
    return any(then > value for a, b in pairs for value, then in jumps({name: a}, {name: b}).values())


def _acts(path: tuple[str, ...], value: Mapping[str, Any], history: History) -> bool:
    """Return whether a change would have made a difference to the log in front of a failure."""
    if path == ("continuation", "rollback"):
        rule = Rollback(**value)
        undone = any(it.restored for it in history)
        return not undone and any(rule.target(history[:k]) for k in range(1, len(history) + 1))
    past = history.values(path[1])
    if path[-1] == "guard":
        guard = Guard(**value)
        return any(guard(past[k], past[:k], history[:k]) < past[k] for k in range(1, len(past)))
    return True


def _follows(history: History, leap: Jump | None, leader: str) -> bool:
    """Return whether what leapt was led by the sharpness already."""
    if leap is None or leap.name == leader or len(history.values(leader)) < len(history):
        return False
    led = Follow(leader, leap.before, leap.after, (1.0, MATURE))
    return [led.at(lead) for lead in history.values(leader)] == history.values(leap.name)


def _why(changes: Mapping[tuple[str, ...], Any], name: str) -> str:
    """Say what a cure does."""
    guard = changes.get(("continuation", name, "guard"))
    rule = changes.get(("continuation", name), {})
    if rule.get("type") == "follow":
        return f"Take {name} to {rule['final']:g} while {rule['leader']} sharpens, not in a jump."
    if rule.get("type") == "survival":
        return (
            f"Start soft, and let {name} grow as fast as the sensitivities survive it, until the design is "
            "black and white or the grid resolves no more."
        )
    parts = []
    if guard and "growth" in guard:
        parts.append(f"let {name} grow by at most {100 * guard['growth']:g} % an iteration")
    if guard and guard["interface"]:
        parts.append("stop it where the design is black and white or the grid resolves no more")
    if ("continuation", "rollback") in changes:
        parts.append("take back what raises the objective")
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _put(data: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set a value at a path, in copies of the mappings on the way."""
    key, rest = path[0], path[1:]
    if not rest:
        data[key] = value
        return
    inside = data.get(key)
    data[key] = dict(inside) if isinstance(inside, Mapping) else {}
    _put(data[key], rest, value)


def _flow(value: Any) -> str:
    """Write a plain value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)
