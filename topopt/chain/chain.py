"""A chain is named stages in order, each reading the one before unless it is told otherwise."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from topopt.chain.stage import Pullback, Stage
from topopt.chain.tape import Tape
from topopt.errors import ChainError, NumericalError, ParameterError, suggestion
from topopt.order import reordered
from topopt.parameters import Array, frozen, is_frozen, replaced, scalars
from topopt.threads import each

__all__ = ["Chain", "Link"]

Linked = tuple[str, Stage] | tuple[str, Stage, str | tuple[str, ...]]
"""A link as a tuple: name, stage, and what it reads if that is not the link before."""


@dataclass(frozen=True)
class Link:
    """A stage with its place in a chain: the name of its output and the names it reads."""

    name: str
    stage: Stage
    reads: tuple[str, ...] | str = ()


@dataclass(frozen=True)
class Chain:
    """Named stages in order; a link reads the previous name unless told otherwise.

    Parameters
    ----------
    links : iterable of Link or tuple
        ``(name, stage)`` or ``(name, stage, reads)``; `reads` is a name or a tuple of names.
    source : str
        The name of the chain's input.

    Examples
    --------
    >>> from topopt.stages import Tanh, Simp
    >>> chain = Chain([("physical", Tanh(beta=2.0)), ("stiffness", Simp())], source="filtered")
    >>> chain.at({"physical.beta": 8.0}).parameters()["physical.beta"]
    8.0
    """

    links: tuple[Link, ...]
    source: str = "design"

    if TYPE_CHECKING:  # what may be given is more than what is kept

        def __init__(self, links: Iterable[Link | Linked], source: str = "design") -> None:
            """Take links, or tuples that say the same."""

    def __post_init__(self) -> None:
        """Fill in what each link reads and refuse links that do not fit."""
        links: list[Link] = []
        known = [self.source]
        given: dict[str, str] = {}
        for entry in self.links:
            link = entry if isinstance(entry, Link) else _linked(entry)
            if not isinstance(link.name, str):
                raise ChainError(f"chain: a link's name is text, got {link.name!r}")
            if not isinstance(link.stage, Stage):
                raise ChainError(
                    f"link '{link.name}': expected a Stage, got {link.stage!r}; subclass topopt.Stage"
                )
            if link.name in known:
                raise ChainError(f"link '{link.name}': the name is taken; every link needs its own")
            if not link.name or "." in link.name:
                raise ChainError(f"link '{link.name}': a name is non-empty and has no dot")
            reads = (link.reads,) if isinstance(link.reads, str) else tuple(link.reads)
            for name in reads:
                if name not in known:
                    raise ChainError(
                        f"link '{link.name}' reads '{name}', which no earlier link gives: "
                        f"{suggestion(name, known)}"
                    )
            order = reordered(link.stage.takes, reads, [given.get(name, "") for name in reads])
            if order is not None:
                takes = f"{type(link.stage).__name__} takes {', then '.join(link.stage.takes)}"
                raise ChainError(f"link '{link.name}': {takes}: the order is wrong; read {', '.join(order)}")
            given[link.name] = link.stage.gives
            links.append(Link(link.name, link.stage, reads or (known[-1],)))
            known.append(link.name)
        if not links:
            raise ChainError("chain: no links; give at least one (name, stage)")
        object.__setattr__(self, "links", tuple(links))

    def __iter__(self) -> Iterator[Link]:
        """Walk the links in order."""
        return iter(self.links)

    def __getitem__(self, name: str) -> Link:
        """Return the link of that name."""
        for link in self.links:
            if link.name == name:
                return link
        raise ChainError(f"no link '{name}': {suggestion(name, [link.name for link in self.links])}")

    @property
    def names(self) -> tuple[str, ...]:
        """The names on a tape of this chain, source first."""
        return (self.source, *(link.name for link in self.links))

    def parameters(self) -> dict[str, float]:
        """Return every schedulable parameter, ``link.field``, with its value."""
        return {
            f"{link.name}.{field}": value
            for link in self.links
            for field, value in scalars(link.stage).items()
        }

    def at(self, parameters: Mapping[str, float]) -> Chain:
        """Return the chain at other parameters.

        Parameters
        ----------
        parameters : mapping
            Values by ``link.field``.

        Raises
        ------
        ParameterError
            For an unknown name (with a suggestion) or a value out of bounds.
        """
        changes: dict[str, dict[str, float]] = {}
        for name, value in parameters.items():
            owner, _, field = name.partition(".")
            if owner not in self.names[1:] or not field:
                raise ParameterError(
                    f"'{name}' is not a parameter of the chain: {suggestion(name, self.parameters())}"
                )
            changes.setdefault(owner, {})[field] = value
        if not changes:
            return self
        links = tuple(
            dataclasses.replace(link, stage=replaced(link.stage, changes[link.name], link.name))
            if link.name in changes
            else link
            for link in self.links
        )
        return dataclasses.replace(self, links=links)

    def ancestors(self, name: str) -> frozenset[str]:
        """Return the names that `name` depends on, itself included."""
        found = {name}
        for link in reversed(self.links):
            if link.name in found:
                found.update(link.reads)
        return frozenset(found)

    def upto(self, *names: str) -> Chain:
        """Return the smallest chain that still gives `names`."""
        needed: set[str] = set()
        for name in names:
            self[name]
            needed |= self.ancestors(name)
        return dataclasses.replace(self, links=tuple(link for link in self.links if link.name in needed))

    def after(self, name: str) -> Chain:
        """Return the part of the chain that `name` feeds, as a chain whose source is `name`.

        Raises
        ------
        ChainError
            If nothing reads `name`, or if a link of that part also reads what `name` does not determine.
        """
        if name not in self.names:
            raise ChainError(f"no '{name}' in the chain: {suggestion(name, self.names)}")
        fed, links = {name}, []
        for link in self.links:
            if fed.isdisjoint(link.reads):
                continue
            strangers = sorted(set(link.reads) - fed)
            if strangers:
                raise ChainError(
                    f"link '{link.name}' also reads '{strangers[0]}', which does not come from '{name}': "
                    f"this part of the chain cannot be run from '{name}' alone"
                )
            fed.add(link.name)
            links.append(link)
        if not links:
            raise ChainError(f"no link reads '{name}': nothing of the chain comes after it")
        return dataclasses.replace(self, links=tuple(links), source=name)

    def run(self, source: Array) -> Tape:
        """Run every stage and keep what is needed to pull sensitivities back.

        Parameters
        ----------
        source : array
            The value of the chain's input; copied if somebody may still change it.

        Raises
        ------
        NumericalError
            If the input or a stage's output is not finite; the message names the stage.
        """
        values = {self.source: _kept(source)}
        _refuse_nonfinite(values[self.source], self.source, None)
        pullbacks: dict[str, Pullback] = {}
        for link in self.links:
            with _noting(link):
                output, pullback = link.stage.vjp(*(values[name] for name in link.reads))
            value = np.asarray(output, dtype=np.float64)
            _refuse_nonfinite(value, link.name, link.stage)
            values[link.name] = frozen(value)
            pullbacks[link.name] = pullback
        return Tape(self, values, pullbacks)

    def outputs(self, source: Array, *names: str) -> dict[str, Array]:
        """Return the values of some names, without what pullbacks need.

        Parameters
        ----------
        source : array
            The value of the chain's input; copied if somebody may still change it.
        *names : str
            What is asked for.

        Returns
        -------
        dict
            Read-only arrays by name, the digits of which are those of `run`.

        Raises
        ------
        NumericalError
            If one of these is not finite; the message names what it comes from, the input or a stage.
        """
        values = {self.source: _kept(source)}
        for link in self.links:
            with _noting(link):
                output = link.stage(*(values[name] for name in link.reads))
            values[link.name] = frozen(np.asarray(output, dtype=np.float64))
        if not all(np.isfinite(values[name]).all() for name in names):
            self.run(source)  # says where it comes from
        return {name: values[name] for name in names}


@contextlib.contextmanager
def _noting(link: Link) -> Iterator[None]:
    """Say of an error in the body which link it comes from."""
    try:
        yield
    except Exception as error:
        error.add_note(f"while running link '{link.name}' ({type(link.stage).__name__})")
        raise


def _kept(source: Array) -> Array:
    """Return an input read-only: itself if nobody can change it any more, else a copy."""
    kept = is_frozen(source) and source.dtype == np.float64
    return source if kept else frozen(np.array(source, dtype=np.float64))


def _linked(entry: Any) -> Link:
    """Return a tuple as a link."""
    if not isinstance(entry, tuple | list) or len(entry) not in (2, 3):
        raise ChainError(f"chain: expected links as (name, stage) or (name, stage, reads), got {entry!r}")
    return Link(*entry)


def _refuse_nonfinite(value: Array, name: str, stage: Any) -> None:
    """Raise if a value holds nan or inf; one pass over the data."""
    with np.errstate(invalid="ignore", over="ignore"):  # inf - inf, and finite entries with an infinite sum
        flat = value.reshape(-1)
        if math.isfinite(sum(each(lambda at: float(flat[at].sum()), flat.size))):
            return
    bad = int(np.count_nonzero(~np.isfinite(value)))
    if bad:
        giver = "was handed in with" if stage is None else f"({type(stage).__name__}) gave"
        raise NumericalError(f"'{name}' {giver} {bad} of {value.size} entries that are nan or infinite")
