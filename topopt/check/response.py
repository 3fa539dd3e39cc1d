"""The Taylor test of a whole chain, from its source to a number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from topopt.chain import Chain
from topopt.check.remainder import taylor
from topopt.check.report import Outcome, Report, judged
from topopt.parameters import Array

__all__ = ["chain"]


def chain(
    chain: Chain,
    of: str,
    x: Array,
    rng: np.random.Generator,
    *,
    settings: Iterable[Mapping[str, float]] = ({},),
    directions: int = 1,
    step: float = 0.1,
) -> Report:
    """Run the Taylor test of a whole chain's response, at one or several settings of its parameters.

    Parameters
    ----------
    chain : Chain
        The chain.
    of : str
        The name of a scalar on its tape.
    x : array
        The value of the source, inside its bounds by `step` times its size.
    rng : numpy.random.Generator
        Draws the directions.
    settings : iterable of mapping
        Parameters by dotted name, one test each: say, several values of ``physical.beta``.
    directions : int
        Random directions per setting.
    step : float
        The largest step, relative to the size of `x`.

    Examples
    --------
    >>> import numpy as np
    >>> from topopt.stages import Simp, Tanh
    >>> links = Chain([("physical", Tanh(beta=1.0)), ("stiffness", Simp())])
    >>> report = chain(links, "stiffness", np.array([0.4]), np.random.default_rng(1),
    ...                settings=[{"physical.beta": 1.0}, {"physical.beta": 64.0}])
    >>> report.ok
    True
    """
    x = np.array(x, dtype=np.float64)
    part = chain.upto(of)
    subject = f"chain {' -> '.join(part.names)}"
    heuristic = [link.name for link in part if link.stage.heuristic]
    if heuristic:
        detail = f"heuristic: not tested ({', '.join(heuristic)})"
        return Report(subject, (Outcome(f"taylor {of}", None, detail),))
    outcomes = []
    for setting in settings:
        chain.at(setting)  # refuses unknown names; those of other branches do not matter below
        links = part.at({name: value for name, value in setting.items() if name in part.parameters()})
        label = " ".join([f"taylor {of}", *(f"{name}={value:g}" for name, value in setting.items())])
        gradient = links.run(x).sensitivities(of).get(links.source, np.zeros_like(x))
        for _ in range(directions):
            direction = float(np.abs(x).max() or 1.0) * rng.uniform(-1.0, 1.0, x.shape)
            test = taylor(lambda y, links=links: links.run(y)[of].item(), x, gradient, direction, step=step)  # type: ignore[misc]
            outcomes.append(judged(label, test))
    return Report(subject, tuple(outcomes))
