"""From the tape of a chain to the signals that the vanishing log reads."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from topopt.chain import Chain, Link, Pullback, Stage, Tape
from topopt.evaluation import AHEAD, Gate, Signals
from topopt.parameters import Array, replaced, scalars
from topopt.threads import norm

__all__ = ["signals", "stacked"]

SHARPNESS = "beta"
"""The field of a sharp stage that makes it sharper."""

Cut = Callable[[Array], Array]
"""Restricts a field to the part that is designed."""


def signals(
    tape: Tape,
    objective: Mapping[str, Array],
    constraints: Sequence[Mapping[str, Array]],
    scheduled: Iterable[str],
    cut: Cut,
    rivals: Sequence[Mapping[str, Array]] = (),
) -> Signals:
    """Return cotangents, references and gates of one run of a chain; no state is solved.

    A gate that only a constraint reads is a gate like the others, with no slope of the objective.

    Parameters
    ----------
    tape : Tape
        Of the run.
    objective : mapping
        Sensitivities of the objective by name.
    constraints : sequence of mapping
        Sensitivities of each constraint by name.
    scheduled : iterable of str
        Parameters whose homotopy slope is wanted.
    cut : callable
        Restricts a field to the cells that are designed.
    rivals : sequence of mapping
        Sensitivities of each rival by name, if there are several objectives; the worst is the objective.
    """
    source, scheduled = tape.chain.source, list(scheduled)
    reached = set(objective).union(*constraints, *rivals)
    sharp = [link for link in tape.chain if link.stage.sharp and link.name in reached]
    references = _bypassed(tape, sharp, objective)
    cotangents = {name: cut(value) for name, value in objective.items()}
    return Signals(
        cotangents=cotangents,
        gates={
            link.name: _gate(tape, link, objective, constraints, scheduled, cut, rivals) for link in sharp
        },
        references={
            name: cotangents[name] if references[name] is objective[name] else cut(references[name])
            for name in objective
        },
        reference_constraints=stacked(
            [cut(_reference(tape, sharp, rows)) for rows in constraints], cotangents[source].size
        ),
        reference_rivals=stacked(
            [cut(_reference(tape, sharp, rows)) for rows in rivals], cotangents[source].size
        ),
    )


def _bypassed(tape: Tape, sharp: Sequence[Link], sensitivities: Mapping[str, Array]) -> Mapping[str, Array]:
    """Return the sensitivities with the gates on their way replaced by the identity."""
    names = [link.name for link in sharp if link.name in sensitivities]
    return tape.bypassing(names, sensitivities) if names else sensitivities


@dataclass(frozen=True)
class _Identity(Stage):
    """What a gate is replaced by."""

    linear: ClassVar[bool] = True

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the input."""
        return inputs[0], lambda v: (v,)


def _reference(tape: Tape, sharp: Sequence[Link], rows: Mapping[str, Array]) -> Array:
    """Return the design's sensitivity with the gates replaced by the identity.

    Where all other links on the way are linear, as for a volume, it is the same whatever the design is.
    """
    links = [link for link in tape.chain if link.name in rows]
    straight = tuple(
        Link(link.name, _Identity(), link.reads) if link in sharp else link
        for link in links
        if link.stage.linear or (link in sharp and len(link.reads) == 1)
    )
    if len(straight) == len(links) and any(link in sharp for link in links) and _hashable(straight):
        unit = _straight(straight, tape.chain.source, tape[tape.chain.source].size)
        return np.asarray(rows[links[-1].name].item() * unit)
    return _bypassed(tape, sharp, rows)[tape.chain.source]


def _hashable(links: tuple[Link, ...]) -> bool:
    """Tell whether stages can be remembered; one of a user's need not."""
    try:
        hash(links)
    except TypeError:
        return False
    return True


@functools.lru_cache(maxsize=4)
def _straight(links: tuple[Link, ...], source: str, n: int) -> Array:
    """Return the derivative of the last of some linear links with respect to the source."""
    tape = Chain(links, source).run(np.zeros(n))
    derivative = tape.sensitivities(links[-1].name)[source]
    derivative.flags.writeable = False
    return derivative


def _gate(
    tape: Tape,
    link: Link,
    objective: Mapping[str, Array],
    constraints: Sequence[Mapping[str, Array]],
    scheduled: Sequence[str],
    cut: Cut,
    rivals: Sequence[Mapping[str, Array]],
) -> Gate:
    """Return one sharp stage as the log sees it."""
    inputs = [tape[name] for name in link.reads]
    shown = cut(tape[link.name])
    tilts, ahead = {}, {}
    for parameter in scheduled:
        owner, _, field = parameter.partition(".")
        tilt = link.stage.derivative(field, *inputs) if owner == link.name else None
        if tilt is not None:
            tilts[parameter] = cut(tilt)
        if tilt is not None and field == SHARPNESS and link.name in objective:
            ahead[parameter] = _survivors(tape, link, inputs, objective[link.name], cut)

    def arrived(sensitivities: Mapping[str, Array]) -> Array:
        return cut(sensitivities[link.name]) if link.name in sensitivities else np.zeros(shown.shape)

    return Gate(
        output=link.stage.openness(shown),
        slope=cut(link.stage.slope(*inputs)),
        objective=arrived(objective),
        constraints=stacked([arrived(rows) for rows in constraints], shown.size),
        tilts=tilts,
        ahead=ahead,
        rivals=stacked([arrived(rows) for rows in rivals], shown.size),
    )


def _survivors(
    tape: Tape, link: Link, inputs: Sequence[Array], cotangent: Array, cut: Cut
) -> dict[float, float]:
    """Return how much of what the gate lets through now it would let through if it were sharper."""
    now = norm(cut(tape.pullbacks[link.name](cotangent)[0]))
    sharpness = scalars(link.stage)[SHARPNESS]
    if not (0 < sharpness < np.inf and now > 0):
        return {}
    shares = {}
    for factor in AHEAD:
        sharper = replaced(link.stage, {SHARPNESS: factor * sharpness}, link.name)
        passed = cut(sharper.vjp(*inputs)[1](cotangent)[0])
        shares[factor] = norm(passed) / now
    return shares


def stacked(rows: Sequence[Array], width: int) -> Array:
    """Return rows as a matrix, also when there are none; a single one is not copied."""
    return rows[0].reshape(1, width) if len(rows) == 1 else np.array(rows).reshape(len(rows), width)
