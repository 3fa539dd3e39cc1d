"""From the tape of a chain to the signals that the vanishing log reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from topopt.chain import Link, Tape
from topopt.evaluation import Gate, Signals
from topopt.parameters import Array

__all__ = ["signals"]

Cut = Callable[[Array], Array]
"""Restricts a field to the part that is designed."""


def signals(
    tape: Tape,
    objective: Mapping[str, Array],
    constraints: Sequence[Mapping[str, Array]],
    scheduled: Iterable[str],
    cut: Cut,
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
    """
    source, scheduled = tape.chain.source, list(scheduled)
    reached = set(objective).union(*constraints)
    sharp = [link for link in tape.chain if link.stage.sharp and link.name in reached]
    references = _bypassed(tape, sharp, objective)
    cotangents = {name: cut(value) for name, value in objective.items()}
    return Signals(
        cotangents=cotangents,
        gates={link.name: _gate(tape, link, objective, constraints, scheduled, cut) for link in sharp},
        references={
            name: cotangents[name] if references[name] is objective[name] else cut(references[name])
            for name in objective
        },
        reference_constraints=_stacked(
            [cut(_bypassed(tape, sharp, rows)[source]) for rows in constraints], cotangents[source].size
        ),
    )


def _bypassed(tape: Tape, sharp: Sequence[Link], sensitivities: Mapping[str, Array]) -> Mapping[str, Array]:
    """Return the sensitivities with the gates on their way replaced by the identity."""
    names = [link.name for link in sharp if link.name in sensitivities]
    return tape.bypassing(names, sensitivities) if names else sensitivities


def _gate(
    tape: Tape,
    link: Link,
    objective: Mapping[str, Array],
    constraints: Sequence[Mapping[str, Array]],
    scheduled: Sequence[str],
    cut: Cut,
) -> Gate:
    """Return one sharp stage as the log sees it."""
    output = tape[link.name]
    inputs = [tape[name] for name in link.reads]
    tilts = {}
    for parameter in scheduled:
        owner, _, field = parameter.partition(".")
        tilt = link.stage.derivative(field, *inputs) if owner == link.name else None
        if tilt is not None:
            tilts[parameter] = cut(tilt)
    shown = cut(output)

    def arrived(sensitivities: Mapping[str, Array]) -> Array:
        return cut(sensitivities[link.name]) if link.name in sensitivities else np.zeros(shown.shape)

    return Gate(
        output=shown,
        slope=cut(tape.pullbacks[link.name](np.ones(output.shape))[0]),
        objective=arrived(objective),
        constraints=_stacked([arrived(rows) for rows in constraints], shown.size),
        tilts=tilts,
    )


def _stacked(rows: Sequence[Array], width: int) -> Array:
    """Return rows as a matrix, also when there are none."""
    return np.array(rows).reshape(len(rows), width)
