"""What a file says and what does nothing, or does it twice."""

from __future__ import annotations

from collections.abc import Iterator

from topopt.files.fields import form
from topopt.files.located import Mistake
from topopt.files.selectors import names_in
from topopt.files.spec import Item, Spec, mapping
from topopt.stages import Centrifugal, Conduction, ThermalLoad

__all__ = ["idle", "powerless", "repeated", "unread"]

_POWERS: dict[type, tuple[str, str]] = {
    Centrifugal: ("speed", "nothing turns"),
    ThermalLoad: ("expansion", "nothing expands"),
}
"""The field without which a stage gives nothing, and what is to be said then."""


def idle(spec: Spec) -> Iterator[Mistake]:
    """Yield a warning for every region that nothing uses.

    Parameters
    ----------
    spec : Spec
        What the file says.
    """
    named = mapping(spec.top["regions"])
    items = [*spec.supports, *spec.chain, *(item for *_, loads in spec.cases for item in loads)]
    values = [item.values.get(field) for item in items for field in form(item.cls).regions]
    values += [*mapping(spec.located.data.get("passive")).values(), *named.values()]
    values.append(mapping(spec.located.data.get("output")).get("hidden"))
    used = {name for value in values for name in names_in(value)}
    for name in named:
        if name not in used:
            yield Mistake(("regions", name), "nothing uses this region")


def unread(spec: Spec) -> Iterator[Mistake]:
    """Yield a warning for every part of a structure that no link reads, as where warmth alone is conducted.

    Parameters
    ----------
    spec : Spec
        What the file says.
    """
    heat = next((item.name for item in spec.chain if item.cls is Conduction), None)
    advice = f"; what holds and feeds the heat are sink, cooled and source of '{heat}'" if heat else ""
    for section in ("material", "supports", "loads", "cases"):
        if spec.located.data.get(section):
            yield Mistake((section,), f"no link of the chain reads a structure, so this does nothing{advice}")


def repeated(spec: Spec) -> Iterator[Mistake]:
    """Yield a warning for every load and support that stands there twice: loads and springs add up.

    Parameters
    ----------
    spec : Spec
        What the file says.
    """
    for items in (spec.supports, *(loads for *_, loads in spec.cases)):
        for index, item in enumerate(items):
            first = next((other for other in items[:index] if _alike(item, other)), None)
            if first is not None:
                place = ".".join(str(step) for step in first.path)
                added = "load" in str(item.path) or item.values.get("spring") is not None
                text = f"the same as {place}" + ("; both act" if added else "; leave one out")
                yield Mistake(item.path, text)


def powerless(spec: Spec) -> Iterator[Mistake]:
    """Yield a mistake for every stage that gives nothing, since its strength is zero and stays so.

    Parameters
    ----------
    spec : Spec
        What the file says.
    """
    for item in spec.chain:
        field, text = _POWERS.get(item.cls, ("", ""))
        if field and item.values[field] == 0 and f"{item.name}.{field}" not in spec.continuation:
            yield Mistake((*item.path, field), f"{text} at 0; leave the link out, or give a schedule")


def _alike(one: Item, other: Item) -> bool:
    """Return whether two items say the same."""
    return one.cls is other.cls and one.values == other.values
