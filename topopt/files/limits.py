"""Limits that cannot hold, and limits that the optimizer cannot keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from topopt.files.located import Mistake, Path
from topopt.files.spec import Item, Spec
from topopt.optimizers import OC
from topopt.stages import Compliance, Displacement, DynamicCompliance, Mean, PowerNorm

__all__ = ["shares", "unkept", "unlimited"]

_POSITIVE = (Compliance, DynamicCompliance, PowerNorm)
"""Responses that are positive for every design."""


def shares(spec: Spec) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Walk the limits on the mean of a density: name and bounds.

    Parameters
    ----------
    spec : Spec
        What the file says.
    """
    links = {item.name: item for item in spec.chain}
    for name, bound in spec.limits.items():
        if name in links and issubclass(links[name].cls, Mean):
            yield name, bound if isinstance(bound, dict) else {"upper": bound}


def unkept(spec: Spec) -> Iterator[Mistake]:
    """Yield a mistake for every limit that nothing or everything meets, or that the optimizer cannot keep.

    Parameters
    ----------
    spec : Spec
        What the file says.
    """
    for name, bounds in shares(spec):
        for value in bounds.values():
            if not 0 < value < 1:
                text = f"expected a share between 0 and 1, both excluded, got {value:g}"
                yield Mistake(("limits", name), text)
    links = {item.name: item for item in spec.chain}
    for name, bound in spec.limits.items():
        upper = bound.get("upper") if isinstance(bound, dict) else bound
        if name in links and issubclass(links[name].cls, _POSITIVE) and upper is not None and upper <= 0:
            text = (
                f"'{name}' ({links[name].type}) is never below 0: nothing keeps an upper limit of {upper:g}"
            )
            yield Mistake(("limits", name), text)
    if spec.optimizer is not None and spec.optimizer.cls is OC and not spec.refuses("limits", "chain"):
        yield from _beyond_oc(spec)


def unlimited(spec: Spec) -> Iterator[Mistake]:
    """Yield a warning if nothing is limited, so that the best design is no design.

    Parameters
    ----------
    spec : Spec
        What the file says.
    """
    if spec.limits:
        return
    names = [name for _, name in spec.objectives()]
    kinds = [item.cls for item in spec.chain if item.name in names]
    if kinds and all(issubclass(cls, Mean) for cls in kinds):
        yield Mistake(("limits",), "nothing is limited: the best design is empty; limit a response")
    elif kinds and all(issubclass(cls, Compliance | Displacement) for cls in kinds):
        yield Mistake(
            ("limits",), "nothing is limited: the best design fills the whole domain; limit a volume"
        )


def _beyond_oc(spec: Spec) -> Iterator[Mistake]:
    """Say what the optimality criteria cannot do."""
    path: Path = ("optimizer", "type")
    if len(spec.objectives()) > 1:
        yield Mistake(path, f"oc lowers one objective, got {len(spec.objectives())}; use mma")
    sides = [
        (name, side)
        for name, bound in spec.limits.items()
        for side in (bound if isinstance(bound, dict) else {"upper": bound})
    ]
    if len(sides) != 1:
        yield Mistake(path, f"oc needs exactly one limit, got {len(sides)}; use mma")
        return
    name, side = sides[0]
    if side == "lower":
        yield Mistake(path, f"oc needs an upper limit, got a lower one on {name}; use mma")
    state = _state(spec.chain, name)
    if state is not None:
        yield Mistake(
            path, f"oc cannot keep a limit on {name}, which needs a state solve ({state.name}); use mma"
        )


def _state(chain: list[Item], response: str) -> Item | None:
    """Return the link with a state that a response depends on."""
    waiting = {response}
    for before, item in reversed([*zip([None, *chain], chain, strict=False)]):
        if item.name in waiting:
            if getattr(item.cls, "costly", False):
                return item
            waiting.update(item.reads or ([before.name] if before else []))
    return None
