"""Which alarms ring: thresholds that told good runs from failed ones."""

from __future__ import annotations

import math
from collections.abc import Mapping

from topopt.history import History, jumps
from topopt.vanishing.reading import Reading

__all__ = ["ALARMS", "OPEN", "WINDOW", "alarms"]

UNRESOLVED = 0.063
"""Cells across an interface below which the alarm rings.

A fifth below what the grid resolves, `RESOLVED`: where a guard holds the width there, the design trembles on.
"""
OPEN = 0.6
"""A latent residual above this says that the design is far from done.

It tells a death that matters from one that does not: where a design has become black and white on a good
path, its sensitivities die as well. Measured on the MBB beam (60 x 20 and 120 x 40 cells, volume .5 and .3)
and the cantilever (60 x 30) at the end: at most .54 where the black-and-white design came within 1 % of the
best known, however sharp the projection (64 or 512); .62 to .88 where it was 30 % off or more after a freeze
or a concentration; and in such a run .7 to 1 within ten iterations of the start.
"""
FEW = 0.8
"""Share of dead sensitivities above which the few that are left are too few."""
FAR = 0.9
"""A latent residual above which a smaller share will do, `FEW_FAR`: nearly all is still to be done.

Measured on the studies beta_full and beta_large: so it rings within ten iterations also for "abrupt 64" on
the wing's rib, which ends at twice the best, and for no other run that it had not rung for but a fixed
sharpness of 8 on the stressed bracket, 5 % off.
"""
FEW_FAR = 0.6
SHATTERED = 0.3
"""A relative rise of the objective above that of a formed design that counts as a blow-up.

Measured on the same runs and the L-bracket: at most .26 where it ended within 1 % of the best, at least .9
where "50 soft iterations, then 64 or 512" left it 18 % off or more. In the first iteration after a sharpening
the objective even falls; the steps that follow are what shatters, up to eight of them.
"""
FORMED = 0.02
"""Non-discreteness below which a design has formed, and a rise of its objective means something."""
FEASIBLE = 0.02
"""The same for its violation."""
WINDOW = 10
"""Iterations for which a formed design is remembered, and a change of parameters held responsible."""

ALARMS: Mapping[str, str] = {
    "freeze": "more than 99 % of the sensitivities are dead: nothing can move, and the design is not done",
    "concentration": "a few variables carry the whole sensitivity, the others are dead",
    "blow-up": "a black-and-white design was shattered: its objective rose far above what it had been",
    "masked": "the residual looks converged only because the projection hides the true one",
    "unresolved": "the projection's interface is thinner than the grid can sample",
}
"""What each alarm means, by name."""


def alarms(
    reading: Reading,
    measures: Mapping[str, float],
    objective: float | None,
    history: History,
    parameters: Mapping[str, float],
) -> tuple[str, ...]:
    """Return the names of the alarms that ring (the thresholds were calibrated on good and failed runs).

    Parameters
    ----------
    reading : Reading
        Of this iteration.
    measures : mapping
        Of this iteration; `interface` (cells across the projection's interface) is looked at if given.
    objective : float or None
        Of this iteration; None if the optimiser refused the design.
    history : History
        The log before this iteration.
    parameters : mapping
        Of this iteration, by name.
    """
    total, ringing = reading.total, []
    if total and total["latent_residual"] > OPEN:
        if total["dead3"] > 0.99:
            ringing.append("freeze")
        few = FEW_FAR if total["latent_residual"] > FAR else FEW
        if 0.0 < total["participation"] < 0.05 and total["dead3"] > few:
            ringing.append("concentration")
        if total["residual"] < 0.05:
            ringing.append("masked")
    if objective is not None and _shattered(objective, history, parameters):
        ringing.append("blow-up")
    if measures.get("interface", math.inf) < UNRESOLVED:
        ringing.append("unresolved")
    return tuple(ringing)


def _shattered(objective: float, history: History, parameters: Mapping[str, float]) -> bool:
    """Return whether the objective rose far above that of a formed design not long ago.

    Where a continuation begins a new round, the objective rises by design.
    """
    best, after = math.inf, parameters
    for it in reversed(history[-WINDOW:]):
        leaps = jumps(it.parameters, after)
        if leaps and all(history[0].parameters.get(name) == then for name, (_, then) in leaps.items()):
            break
        after = it.parameters
        if it.measures.get("discreteness", 1.0) < FORMED and it.violation <= FEASIBLE and not it.refused:
            best = min(best, it.objective)
    return objective > best + SHATTERED * abs(best)
