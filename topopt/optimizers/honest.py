"""Who may be told a biased sensitivity: not an optimiser that checks its model against the objective."""

from __future__ import annotations

from topopt.chain import Chain
from topopt.errors import InputError

__all__ = ["require_honest", "verifies"]


def verifies(optimizer: object) -> bool:
    """Return whether an optimiser compares what its model promised with what the objective does.

    Parameters
    ----------
    optimizer : Optimizer
        Its class says so by ``verifies``; left out, it does not.
    """
    return bool(getattr(optimizer, "verifies", False))


def require_honest(model: object, optimizer: object) -> None:
    """Refuse a model with heuristic sensitivities where the optimiser verifies its steps.

    Parameters
    ----------
    model : Model
        One with a ``chain`` is looked at; of any other nothing is known, and it passes.
    optimizer : Optimizer
        See `verifies`.

    Raises
    ------
    InputError
        Naming the links that are heuristic.
    """
    chain = getattr(model, "chain", None)
    if not isinstance(chain, Chain) or not verifies(optimizer):
        return
    biased = [f"'{link.name}' ({type(link.stage).__name__})" for link in chain if link.stage.heuristic]
    if biased:
        kind = type(optimizer).__name__
        raise InputError(
            f"optimizer: {kind} checks every step against the objective, but the sensitivities of "
            f"{', '.join(biased)} are not its derivative: no step would pass; use MMA, OC or an exact stage"
        )
