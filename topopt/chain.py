"""A chain of named, frozen, differentiable stages; running it leaves a tape that knows every sensitivity."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from topopt.errors import ChainError, NumericalError, ParameterError, suggestion
from topopt.order import reordered
from topopt.parameters import Array, checked, replaced, scalars
from topopt.threads import each

__all__ = ["Chain", "Link", "Pullback", "Stage", "Tape"]

Pullback = Callable[[Array], tuple[Array, ...]]
"""Maps the cotangent of a stage's output to the cotangents of its inputs, in order."""


Linked = tuple[str, "Stage"] | tuple[str, "Stage", str | tuple[str, ...]]
"""A link as a tuple: name, stage, and what it reads if that is not the link before."""


class Stage(ABC):
    """A frozen differentiable map: inputs to output, and back.

    Write one as a frozen dataclass with a single method, `vjp`. Its float fields can be scheduled by
    name, its bounds stand in the annotations (`topopt.parameters`).
    """

    sharp: ClassVar[bool] = False
    """True for a projection: its slope may die, entry by entry; the reference cotangent bypasses it."""
    costly: ClassVar[bool] = False
    """True if running the stage solves a state equation."""
    linear: ClassVar[bool] = False
    """True if the output is linear in the inputs, so that the dot test applies."""
    heuristic: ClassVar[bool] = False
    """True if the pullback is, on purpose, not the derivative of the map."""
    takes: ClassVar[tuple[str, ...]] = ()
    """What the inputs are, in order, if there are several; a wrong order is refused by it."""
    gives: ClassVar[str] = ""
    """What the output is, in the same words; empty if any word may fit."""

    def __post_init__(self) -> None:
        """Check that numbers lie in their bounds."""
        checked(self)

    @abstractmethod
    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the output and its pullback.

        The inputs are read-only; the output must be a fresh array (or an input passed on), and so must
        everything the pullback returns.
        """

    def rehearsed(self, *inputs: Array) -> Array | None:
        """Return an output of the right shape at next to no cost, to see whether a chain fits together.

        What solves a state equation says here what it takes, and solves nothing; None if it cannot say.
        """
        return None if self.costly else np.asarray(self(*inputs))

    def derivative(self, parameter: str, *inputs: Array) -> Array | None:
        """Return the derivative of the output with respect to a float field, or None where it is not known.

        Needed only for the slope of a homotopy in the vanishing log; it must not solve a state equation.
        """
        return None

    def slope(self, *inputs: Array) -> Array:
        """Return the slope of a sharp stage entry by entry; where it is elementwise, its pullback of ones.

        A sharp stage whose output also depends on neighbours or on a mean has to say more: the derivative of
        each entry of the output with respect to the same entry of the input, all that they share being held.
        """
        output, pullback = self.vjp(*inputs)
        return pullback(np.ones(np.shape(output)))[0]

    def openness(self, output: Array) -> Array:
        """Return how open a sharp stage is entry by entry, 0 (closed) to 1 (open), from its output."""
        return output

    def edge_slope(self, *inputs: Array) -> float | None:
        """Return the slope of a sharp stage where its output crosses one half, None if unknown.

        Needed only for the width of the interface in the vanishing log. The inputs are given, for stages
        whose slope there depends on them.
        """
        return None

    def __call__(self, *inputs: Array) -> Array:
        """Return the output alone."""
        return self.vjp(*inputs)[0]


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
            The value of the chain's input.

        Raises
        ------
        NumericalError
            If the input or a stage's output is not finite; the message names the stage.
        """
        start = np.array(source, dtype=np.float64)
        _refuse_nonfinite(start, self.source, None)
        start.flags.writeable = False
        values = {self.source: start}
        pullbacks: dict[str, Pullback] = {}
        for link in self.links:
            try:
                output, pullback = link.stage.vjp(*(values[name] for name in link.reads))
            except Exception as error:
                error.add_note(f"while running link '{link.name}' ({type(link.stage).__name__})")
                raise
            value = np.asarray(output, dtype=np.float64)
            _refuse_nonfinite(value, link.name, link.stage)
            value.flags.writeable = False
            values[link.name] = value
            pullbacks[link.name] = pullback
        return Tape(self, values, pullbacks)


@dataclass(frozen=True, eq=False)
class Tape:
    """What one run of a chain left: values by name, and sensitivities by name on request."""

    chain: Chain
    values: Mapping[str, Array]
    pullbacks: Mapping[str, Pullback]

    def __getitem__(self, name: str) -> Array:
        """Return the read-only value of that name."""
        if name not in self.values:
            raise ChainError(f"no '{name}' on the tape: {suggestion(name, self.values)}")
        return self.values[name]

    def sensitivities(self, of: str, factor: float = 1.0) -> dict[str, Array]:
        """Return the derivative of a multiple of the scalar `of` with respect to every value it depends on.

        Returns
        -------
        dict
            Arrays by name, in chain order, shaped like the values.
        """
        value = self[of]
        if value.size != 1:
            raise ChainError(f"'{of}' has shape {value.shape}; only a scalar has sensitivities")
        return self.pull({of: np.full(value.shape, factor)})

    def pull(self, cotangents: Mapping[str, Array]) -> dict[str, Array]:
        """Pull cotangents back to the source.

        Parameters
        ----------
        cotangents : mapping
            The seeds: cotangents by name.

        Returns
        -------
        dict
            The summed cotangent at every name reached, in chain order.
        """
        total: dict[str, Array] = {}
        for name, seed in cotangents.items():
            self[name]
            total[name] = np.asarray(seed, dtype=np.float64)
        for link in reversed(self.chain.links):
            if link.name in total:
                for name, part in self._parts(link, total[link.name]):
                    total[name] = _added(total.get(name), part)
        return {name: total[name] for name in self.chain.names if name in total}

    def bypassing(self, names: Iterable[str], sensitivities: Mapping[str, Array]) -> dict[str, Array]:
        """Return the sensitivities that would arrive if some links were the identity.

        Only what lies before the bypassed links is pulled back again: no state is solved for a second time.

        Parameters
        ----------
        names : iterable of str
            The links to bypass; the first input of each gets its cotangent unchanged.
        sensitivities : mapping
            What `sensitivities` returned.
        """
        skipped = frozenset(names)
        before = frozenset().union(*(self.chain.ancestors(self.chain[name].reads[0]) for name in skipped))
        total = {name: value for name, value in sensitivities.items() if name not in before}
        for link in reversed(self.chain.links):
            if link.name not in total or before.isdisjoint(link.reads):
                continue
            if link.name in skipped:
                total[link.reads[0]] = _added(total.get(link.reads[0]), total[link.name])
                continue
            for name, part in self._parts(link, total[link.name]):
                if name in before:
                    total[name] = _added(total.get(name), part)
        return {name: total[name] for name in self.chain.names if name in total}

    def _parts(self, link: Link, cotangent: Array) -> list[tuple[str, Array]]:
        """Return the cotangents that a link's pullback gives to the names it reads."""
        parts = self.pullbacks[link.name](cotangent)
        shapes = [np.shape(part) for part in parts] if isinstance(parts, tuple) else type(parts).__name__
        wanted = [self.values[name].shape for name in link.reads]
        if shapes != wanted:
            raise ChainError(
                f"link '{link.name}': the pullback of {type(link.stage).__name__} must return a tuple of one "
                f"cotangent per input, of shapes {wanted}; it returned {shapes}"
            )
        return list(zip(link.reads, parts, strict=True))


def _linked(entry: Any) -> Link:
    """Return a tuple as a link."""
    if not isinstance(entry, tuple | list) or len(entry) not in (2, 3):
        raise ChainError(f"chain: expected links as (name, stage) or (name, stage, reads), got {entry!r}")
    return Link(*entry)


def _added(known: Array | None, part: Array) -> Array:
    """Add a cotangent to what has already arrived, without changing either."""
    if known is None:
        return part
    total = np.empty(part.shape)
    one, other, out = known.reshape(-1), part.reshape(-1), total.reshape(-1)
    each(lambda at: np.add(one[at], other[at], out=out[at]), out.size)
    return total


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
