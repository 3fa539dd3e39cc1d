"""Which schedule drives which parameter: as the file says, and where it says nothing of a sharpness."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from topopt.continuation import USUAL, Constant, Follow, Guard, Rollback, Survival
from topopt.continuation.continuation import Memory
from topopt.errors import suggestion
from topopt.files.fields import form
from topopt.files.items import classed, typed
from topopt.files.located import Mistake, Path, shown
from topopt.files.registry import type_name
from topopt.files.spec import Item, Spec, mapping
from topopt.parameters import is_count

__all__ = ["MEMORIES", "driven", "led"]

MEMORIES = get_args(Memory)
SETTINGS = ("memory", "rollback", "rounds")
"""What a continuation says besides its schedules."""
NONE = "none"
"""The roll-back of a continuation that takes nothing back."""
SHARPNESS = "beta"
"""The field that makes a sharp stage sharper."""
PENALTY = "penal"
"""The field that makes grey dear, from 1, where it costs nothing."""
RISE = (1.0, 2.0)
"""The sharpness between which a penalty rises that goes with it; see `docs/study.md` for what was tried."""


def driven(spec: Spec) -> None:
    """Fit the schedules and the settings.

    A sharpness that nobody sets follows one that has a way of its own; if none has, it is driven by the
    survival gate. Of several that of the design's density leads, or else the first in the chain. Where nobody
    sets any sharpness, a penalty that nobody sets rises with it, and settings that nobody sets are the usual
    ones.
    """
    data = mapping(spec.located.data.get("continuation"))
    for name, entry in data.items():
        path: Path = ("continuation", name)
        if name == "memory":
            spec.memory = entry
            if entry not in MEMORIES:
                text = f"expected one of {', '.join(MEMORIES)}, got {shown(entry)}"
                spec.mistakes.append(Mistake(path, text))
        elif name == "rollback":
            spec.rollback = None if entry == NONE else classed(spec, Rollback, entry, path)
        elif name == "rounds":
            spec.rounds = entry
            if not is_count(entry):
                spec.mistakes.append(Mistake(path, f"expected an integer >= 1, got {shown(entry)}"))
        elif "." not in name and "model" not in spec.located.data:
            text = f"is neither a parameter, link.field, nor a setting: {suggestion(name, SETTINGS)}"
            spec.mistakes.append(Mistake(path, text))
        elif item := _schedule(spec, entry, path):
            spec.continuation[name] = item
    sharp = [item for item in spec.chain if getattr(item.cls, "sharp", False)]
    sharp.sort(key=lambda item: item.name != spec.top["density"])
    gates = {f"{item.name}.{SHARPNESS}": item for item in sharp}
    free = [name for name, item in gates.items() if item.values.get(SHARPNESS, 0.0) is None]
    led(spec, list(gates), free)
    if free and len(free) == len(gates) and not any(name in data for name in gates):
        _raised(spec, free[0], data)
        _usual_settings(spec, data)


def led(spec: Spec, gates: Sequence[str], free: Sequence[str]) -> None:
    """Give every sharpness that nobody sets a leader to follow, or else the survival gate.

    Parameters
    ----------
    spec : Spec
        What the file says, with the schedules that it names.
    gates : sequence of str
        Every sharpness, that which would lead first.
    free : sequence of str
        Those of them that have no value of their own.
    """
    data = mapping(spec.located.data.get("continuation"))
    unset = [name for name in free if name not in data]
    followers = {name for name, item in spec.continuation.items() if item.cls is Follow}
    leading = [name for name in gates if name in data and name not in followers]
    leader = (leading or unset or [""])[0]
    for name in unset:
        cls: type = Survival if name == leader else Follow
        fields = {key: default for key, (_, default) in form(cls).fields.items()}
        if name != leader:
            fields["leader"] = leader
        spec.continuation[name] = Item(("continuation", name), cls, fields, type_name(cls))


def _raised(spec: Spec, leader: str, data: Mapping[str, Any]) -> None:
    """Let every penalty that nobody sets rise from 1 to its usual value while the sharpness begins to."""
    for item in spec.chain:
        name, final = f"{item.name}.{PENALTY}", item.values.get(PENALTY)
        said = spec.located.data["chain"][item.path[1]]
        if final is None or PENALTY in said or name in data:
            continue
        fields = {key: default for key, (_, default) in form(Follow).fields.items()}
        fields |= {"leader": leader, "start": 1.0, "final": final, "between": RISE}
        spec.continuation[name] = Item(("continuation", name), Follow, fields, type_name(Follow))


def _usual_settings(spec: Spec, data: Mapping[str, Any]) -> None:
    """Give the roll-back and the rounds that nobody sets their usual values."""
    if "rollback" not in data and USUAL.rollback is not None:
        values = dataclasses.asdict(USUAL.rollback)
        spec.rollback = Item(("continuation", "rollback"), Rollback, values)
    if "rounds" not in data:
        spec.rounds = USUAL.rounds


def _schedule(spec: Spec, data: Any, path: Path) -> Item | None:
    """Fit a schedule and its guard; a bare number is constant."""
    if isinstance(data, int | float) and not isinstance(data, bool):
        return Item(path, Constant, {"value": float(data)}, "constant")
    if isinstance(data, dict):
        item = typed(spec, "schedule", {key: value for key, value in data.items() if key != "guard"}, path)
        if "guard" in data:
            place = (*path, "guard")
            guard = classed(spec, Guard, data["guard"], place)
            if item and item.cls is Follow:
                spec.mistakes.append(
                    Mistake(place, "a parameter that follows goes its leader's way: guard that")
                )
            elif guard:
                spec.guards[str(path[-1])] = guard
        return item
    text = f"expected a number, or a mapping with the type of a schedule, got {shown(data)}"
    spec.mistakes.append(Mistake(path, text))
    return None
