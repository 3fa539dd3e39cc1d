"""Names that must exist: regions, links, responses, parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from topopt.chain import Chain
from topopt.continuation import Follow
from topopt.errors import suggestion
from topopt.fem import Structure
from topopt.files.fields import form
from topopt.files.limits import unkept
from topopt.files.located import Mistake, Path
from topopt.files.registry import known
from topopt.files.selectors import EVERYWHERE, mistakes_in, names_in
from topopt.files.spec import Item, Spec, mapping
from topopt.limits import parameter_names
from topopt.order import reordered
from topopt.problem import RESERVED, Problem
from topopt.refinement import COARSENING

__all__ = ["asking", "dangling"]

SOURCE, DENSITY = Chain.source, Problem.density


def dangling(spec: Spec) -> list[Mistake]:
    """Return a mistake for every name that does not exist, and for what is missing though asked for.

    Parameters
    ----------
    spec : Spec
        A file whose form is known; pieces that were refused are taken as existing.
    """
    return [
        *_regions(spec),
        *_links(spec),
        *_responses(spec),
        *_parameters(spec),
        *_numbers(spec),
        *_needs(spec),
        *unkept(spec),
    ]


def link_names(spec: Spec) -> list[str]:
    """Return the names of all links, of refused ones too."""
    return [e["name"] for e in _chain(spec) if isinstance(e, dict) and isinstance(e.get("name"), str)]


def _chain(spec: Spec) -> list[Any]:
    """Return the entries of the chain, or none if it is no list."""
    chain = spec.top.get("chain")
    return chain if isinstance(chain, list) else []


def _regions(spec: Spec) -> Iterator[Mistake]:
    """Look at every region, named or not."""
    named = mapping(spec.top.get("regions"))
    for name, value in named.items():
        path: Path = ("regions", name)
        if name == EVERYWHERE:
            yield Mistake(path, f"'{EVERYWHERE}' is always there and cannot be given another meaning")
        yield from mistakes_in(value, path, named)
    yield from (Mistake(("regions", name), text) for name, text in _circles(named))
    for section, role in (("passive", "solid"), ("passive", "void"), ("output", "hidden")):
        value = mapping(spec.located.data.get(section)).get(role)
        if value is not None:
            yield from mistakes_in(value, (section, role), named)
    for item in _all_items(spec):
        for field in form(item.cls).regions:
            if item.values.get(field) is not None:
                yield from mistakes_in(item.values[field], (*item.path, field), named)


def _circles(named: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name regions that are defined by themselves."""
    for name in named:
        trail, waiting = set[str](), list(names_in(named[name]))
        while waiting:
            other = waiting.pop()
            if other == name:
                yield name, "is defined by itself"
                break
            if other in named and other not in trail:
                trail.add(other)
                waiting += names_in(named[other])


def _all_items(spec: Spec) -> Iterator[Item]:
    """Walk everything that may name a region."""
    yield from spec.supports
    for *_, loads in spec.cases:
        yield from loads
    yield from spec.chain


def _links(spec: Spec) -> Iterator[Mistake]:
    """Look at the names of links and at what they read."""
    earlier = [SOURCE]
    given: dict[str, str] = {}
    items = {item.path: item for item in spec.chain}
    for index, entry in enumerate(_chain(spec)):
        item = items.get(("chain", index))
        if item is not None:
            for position, read in enumerate(item.reads):
                if read not in earlier:
                    later = " (it comes later)" if read in link_names(spec) else ""
                    where = (*item.path, "reads", position)
                    yield Mistake(
                        where, f"no earlier link gives '{read}'{later}: {suggestion(read, earlier)}"
                    )
            yield from _order(item, given)
            given[item.name] = getattr(item.cls, "gives", "")
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            continue
        path: Path = ("chain", index, "name")
        if name in earlier:
            taken = "the chain's input is called so" if name == SOURCE else "an earlier link has it"
            yield Mistake(path, f"the name '{name}' is taken: {taken}")
        if not name or "." in name or name in RESERVED:
            others = " or ".join(f"'{other}'" for other in RESERVED)
            text = f"'{name}' cannot name a link: a name is not empty, has no dot and is not {others}"
            yield Mistake(path, text)
        earlier.append(name)


def _order(item: Item, given: Mapping[str, str]) -> Iterator[Mistake]:
    """Look whether a link reads what another place is for."""
    takes = getattr(item.cls, "takes", ())
    order = reordered(takes, item.reads, [given.get(name, "") for name in item.reads])
    if order is not None:
        text = f"{item.type} takes {', then '.join(takes)}: the order is wrong; write reads: "
        yield Mistake(item.path, f"{text}[{', '.join(order)}]")


def _responses(spec: Spec) -> Iterator[Mistake]:
    """Look at minimise, limits and density."""
    names = link_names(spec)
    if not names:
        return
    density, seen = spec.top.get("density"), set[str]()
    for path, name in spec.objectives():
        if name not in names:
            yield Mistake(path, f"no '{name}' in the chain: {suggestion(name, names)}")
        if name in seen:
            yield Mistake(path, f"'{name}' is named twice")
        seen.add(name)
    for name in mapping(spec.top.get("limits")):
        if name not in names:
            yield Mistake(("limits", name), f"no '{name}' in the chain: {suggestion(name, names)}")
    if isinstance(density, str) and density not in names:
        said = f"no '{density}' in the chain: {suggestion(density, names)}"
        if "density" not in spec.located.data:
            said = f"no link is called '{DENSITY}'; say which one is the design: {', '.join(names)}"
        yield Mistake(("density",), said)


def parameters(spec: Spec) -> list[str]:
    """Return the names of everything that may be scheduled."""
    links = [f"{item.name}.{field}" for item in spec.chain for field in form(item.cls).floats]
    optimizer = form(spec.optimizer.cls).floats if spec.optimizer else ()
    limits = [
        parameter_names(response)[side]
        for response, bound in spec.limits.items()
        for side in (bound if isinstance(bound, dict) else ("upper",))
    ]
    return [*links, *limits, *(f"optimizer.{field}" for field in optimizer), COARSENING]


def _parameters(spec: Spec) -> Iterator[Mistake]:
    """Look at the names of scheduled parameters."""
    valid = parameters(spec)
    refused = set(link_names(spec)) - {item.name for item in spec.chain}
    refused |= {"optimizer"} if spec.optimizer is None else set()
    refused |= {"limits"} if spec.refuses("limits") else set()
    for name in mapping(spec.top.get("continuation")):
        if "." in name and name not in valid and name.partition(".")[0] not in refused:
            text = f"is not a parameter that can be scheduled: {suggestion(name, valid)}"
            yield Mistake(("continuation", name), text)
    leaders = [name for name, item in spec.continuation.items() if item.cls is not Follow]
    for item in spec.continuation.values():
        if item.cls is Follow and item.values["leader"] not in leaders:
            hint = suggestion(item.values["leader"], leaders)
            yield Mistake((*item.path, "leader"), f"no schedule drives '{item.values['leader']}': {hint}")
    given = {item.name: getattr(item.cls, "gives", "") for item in spec.chain}
    for item in spec.continuation.values():
        fields = getattr(item.cls, "reads", ())
        names = [str(item.values[field]) for field in fields]
        order = reordered(fields, names, [given.get(name, "") for name in names])
        if order is not None:
            meant = ", ".join(f"{field}: {name}" for field, name in zip(fields, order, strict=True))
            yield Mistake(item.path, f"each stands where the other should; write {meant}")
    names = link_names(spec)
    for path, name in spec.looked_up():
        if names and name not in names:
            yield Mistake(path, f"no '{name}' in the chain: {suggestion(name, names)}")


def _numbers(spec: Spec) -> Iterator[Mistake]:
    """Look for numbers that neither the link nor a schedule gives."""
    scheduled = {*mapping(spec.top.get("continuation")), *spec.continuation}
    for item in spec.chain:
        for field, (_, default) in form(item.cls).fields.items():
            parameter = f"{item.name}.{field}"
            if default is ... and item.values[field] is None and parameter not in scheduled:
                text = f'missing: give a number here, or a schedule as continuation."{parameter}"'
                yield Mistake((*item.path, field), text)


def _needs(spec: Spec) -> Iterator[Mistake]:
    """Look for supports and loads that a stage needs; without a chain, one is expected to."""
    data = spec.located.data
    held, loaded = "needs a structure that is held", "needs loads, or cases of loads"
    first = asking(spec)
    if first is None and data.get("chain"):
        return
    who = f"link '{first[0]}' ({first[1]})" if first else "a structure"
    if data.get("supports", []) == []:
        yield Mistake(("supports",), f"missing: {who} {held if first else 'must be held'}")
    if data.get("loads", []) == [] and data.get("cases", []) == []:
        yield Mistake(("loads",), f"missing: {who} {loaded}")


def asking(spec: Spec) -> tuple[str, str] | None:
    """Return name and type of the first link that needs a structure, of refused ones too.

    Parameters
    ----------
    spec : Spec
        What the file says.
    """
    types = {item.path: item.cls for item in spec.chain}
    for index, entry in enumerate(_chain(spec)):
        said = mapping(entry)
        kind = said.get("type")
        cls = types.get(("chain", index)) or (known("stage").get(kind) if isinstance(kind, str) else None)
        if cls is not None and Structure in form(cls).context.values():
            return str(said.get("name", index)), str(kind)
    return None
