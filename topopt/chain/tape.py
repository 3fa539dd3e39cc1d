"""A tape is what one run of a chain left: values by name, and sensitivities by name on request."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from topopt.chain.stage import Pullback
from topopt.errors import ChainError, suggestion
from topopt.parameters import Array
from topopt.threads import each

if TYPE_CHECKING:
    from topopt.chain.chain import Chain, Link

__all__ = ["Tape"]


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
        before = self._before(skipped)
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

    def narrowed(self, names: Iterable[str]) -> Tape:
        """Return a tape on which no more can be done than to bypass some links, and to pull them back alone.

        What only the other pullbacks hold, as the operators of a state that was solved for, is let go.

        Parameters
        ----------
        names : iterable of str
            The links.
        """
        kept = frozenset(names)
        before = self._before(kept)
        kept |= {link.name for link in self.chain if not before.isdisjoint(link.reads)}
        return dataclasses.replace(self, pullbacks={name: self.pullbacks[name] for name in kept})

    def _before(self, names: frozenset[str]) -> frozenset[str]:
        """Return what the first inputs of some links depend on, themselves included."""
        return frozenset().union(*(self.chain.ancestors(self.chain[name].reads[0]) for name in names))

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


def _added(known: Array | None, part: Array) -> Array:
    """Add a cotangent to what has already arrived, without changing either."""
    if known is None:
        return part
    total = np.empty(part.shape)
    one, other, out = known.reshape(-1), part.reshape(-1), total.reshape(-1)
    each(lambda at: np.add(one[at], other[at], out=out[at]), out.size)
    return total
