"""From the tape of a chain to the signals that the vanishing log reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from topopt.chain import Link, Tape
from topopt.evaluation import Gate, Signals
from topopt.parameters import Array, replaced, scalars

__all__ = ["signals"]

SHARPNESS = "beta"
"""The field of a sharp stage that makes it sharper."""
AHEAD = (1.25, 1.6, 2.0)
"""Factors on the sharpness at which the log looks ahead."""

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
        reference_constraints=_stacked(
            [cut(_bypassed(tape, sharp, rows)[source]) for rows in constraints], cotangents[source].size
        ),
        reference_rivals=_stacked(
            [cut(_bypassed(tape, sharp, rows)[source]) for rows in rivals], cotangents[source].size
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
        output=shown,
        slope=cut(link.stage.slope(*inputs)),
        objective=arrived(objective),
        constraints=_stacked([arrived(rows) for rows in constraints], shown.size),
        tilts=tilts,
        ahead=ahead,
        rivals=_stacked([arrived(rows) for rows in rivals], shown.size),
    )


def _survivors(
    tape: Tape, link: Link, inputs: Sequence[Array], cotangent: Array, cut: Cut
) -> dict[float, float]:
    """Return how much of what the gate lets through now it would let through if it were sharper."""
    now = np.linalg.norm(cut(tape.pullbacks[link.name](cotangent)[0]))
    sharpness = scalars(link.stage)[SHARPNESS]
    if not (0 < sharpness < np.inf and now > 0):
        return {}
    shares = {}
    for factor in AHEAD:
        sharper = replaced(link.stage, {SHARPNESS: factor * sharpness}, link.name)
        passed = cut(sharper.vjp(*inputs)[1](cotangent)[0])
        shares[factor] = float(np.linalg.norm(passed) / now)
    return shares


def _stacked(rows: Sequence[Array], width: int) -> Array:
    """Return rows as a matrix, also when there are none."""
    return np.array(rows).reshape(len(rows), width)
