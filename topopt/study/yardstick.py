"""What every trial is measured with: its design made black and white at equal volume, and computed again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from scipy import ndimage

from topopt.cells import Cells, Flags
from topopt.chain import Chain
from topopt.design import Design
from topopt.errors import ChainError, InputError, NumericalError
from topopt.evaluation import Evaluation, Model
from topopt.fem import Structure
from topopt.fem.picking import nodes_of
from topopt.grid import Domain, Grid
from topopt.limits import Limit
from topopt.parameters import Array, UnitOpen, checked
from topopt.problem import Problem
from topopt.stages import Conduction, Displacement, Mean
from topopt.study.connectivity import connectivity

__all__ = ["Score", "Threshold", "Yardstick", "blackened", "determined", "floored"]

ROUNDING = 1e-12
"""Share of all cells' volume that sums of volumes may be off by."""


class Score(NamedTuple):
    """What a yardstick says of a design.

    Attributes
    ----------
    value : float
        The objective of the black-and-white design; inf if that is broken.
    fault : str
        What is wrong with the black-and-white design; empty if it is sound.
    """

    value: float
    fault: str = ""


class Yardstick(Protocol):
    """Judges designs of a model, whatever schedule they come from."""

    def judge(self, model: Model, x: Array, evaluation: Evaluation, parameters: Mapping[str, float]) -> Score:
        """Return the score of a design.

        Parameters
        ----------
        model : Model
            What the trial works on.
        x : array, shape (n,)
            The design.
        evaluation : Evaluation
            What the model said of it.
        parameters : mapping
            At which; they may tell what was built, never how it is judged.
        """


@dataclass(frozen=True)
class Threshold:
    """The yardstick of a `topopt.Problem`: threshold at equal volume, check the load paths, solve again.

    The wanted volume becomes solid, the densest cells first, and passive cells stay what they are: on a grid
    exactly so many cells, on a mesh cells of a volume as near as it gets.
    What follows in the chain is run on that design with the problem's own parameters, not those of the trial:
    between 0 and 1 no schedule has a say. The value is that of the response that is minimised. Limits other
    than that on the volume have no part in it; what they come to on the same design stands beside it
    (`topopt.study.kept.beside`).

    Parameters
    ----------
    volume : float, optional
        Share that becomes solid, of the cells that are not passive void. If left out, the upper limit
        on the mean of the density; where there is none, the design's own volume.
    response : str, optional
        Name of the response to value. If left out, the one that is minimised; of several, the largest of
        those that depend on the density alone.
    e_min : float
        Factor of a void cell in every stage that has one; where heat is conducted the problem's own stays.

    Raises
    ------
    InputError
        When judging: if the model is no `topopt.Problem`, the response cannot be computed from the density
        alone, or the passive cells leave no room for the volume.
    """

    volume: float | None = None
    response: str | None = None
    e_min: UnitOpen = 1e-9

    def __post_init__(self) -> None:
        """Refuse a volume that is no share."""
        checked(self)
        if self.volume is not None and not 0 < self.volume <= 1:
            raise InputError(f"Threshold.volume: expected a share, 0 < volume <= 1, got {self.volume}")

    def judge(self, model: Model, x: Array, evaluation: Evaluation, parameters: Mapping[str, float]) -> Score:
        """Return the value of the black-and-white design, inf with a fault if that is broken."""
        if not isinstance(model, Problem):
            raise InputError(f"Threshold judges a topopt.Problem, got {type(model).__name__}")
        if not isinstance(evaluation.picture, Design):
            raise InputError(
                "Threshold: the evaluation shows no design; judge what Problem.evaluate returned"
            )
        return self.valued(model, self.solid(model, evaluation.picture.density))

    def solid(self, problem: Problem, density: Array) -> Flags:
        """Return which cells become solid of a density, shape (n_cells,) both."""
        return blackened(problem.domain, density, self.amount(problem, density))

    def valued(self, problem: Problem, solid: Flags) -> Score:
        """Return the value of a design that is black and white already, inf with a fault if it is broken.

        Parameters
        ----------
        problem : Problem
            What it is a design for.
        solid : array of bool, shape (n_cells,)
            The design.
        """
        chains = self.chains(problem)
        for chain in chains.values():
            faults = _faults(chain, solid)
            if faults:
                return Score(math.inf, "; ".join(faults))
        try:
            return Score(max(self._value(name, chain, solid) for name, chain in chains.items()))
        except NumericalError as error:
            return Score(math.inf, str(error))

    def chains(self, problem: Problem) -> dict[str, Chain]:
        """Return, by response, the part of the chain that leads from the density to it."""
        wanted = problem.objectives if self.response is None else (self.response,)
        chains, refusals = {}, []
        for name in wanted:
            try:
                chains[name] = determined(problem, name)
            except ChainError as error:
                refusals.append(str(error))
        if not chains:
            raise InputError(
                f"Threshold: nothing to value in what '{problem.density}' alone determines: "
                f"{'; '.join(refusals)}; name a response of the chain as Threshold(response=...)"
            )
        return chains

    def amount(self, problem: Problem, density: Array) -> float:
        """Return how much of a density, shape (n_cells,), becomes solid, as `Domain.volume_of` counts it."""
        domain = problem.domain
        if self.volume is not None:
            return self.volume * domain.volume_of(~domain.void_cells)
        found = self.volume_limit(problem)
        if found is not None:
            counted, upper = found[1]
            return upper * counted.volume_of(~counted.void_cells)
        return float((density * domain.sizes)[~domain.void_cells].sum())

    def volume_limit(self, problem: Problem) -> tuple[str, tuple[Domain, float]] | None:
        """Return the response whose upper limit says how much becomes solid, its cells and the limit."""
        for name, limit in problem.limits.items():
            link = problem.chain[name]
            if link.reads != (problem.density,) or not isinstance(link.stage, Mean):
                continue
            if isinstance(limit, Limit) and limit.upper is not None:
                return name, (link.stage.domain, limit.upper)
        return None

    def _value(self, name: str, chain: Chain, solid: Flags) -> float:
        """Return a response of the black-and-white design."""
        tape = floored(chain, self.e_min).run(solid.astype(np.float64))
        if tape[name].size != 1:
            raise InputError(f"Threshold: '{name}' has shape {tape[name].shape}; only a number has a value")
        return float(tape[name].item())


def determined(problem: Problem, name: str) -> Chain:
    """Return the part of the chain that leads from the density to a response.

    Parameters
    ----------
    problem : Problem
        Whose chain.
    name : str
        The response.

    Raises
    ------
    ChainError
        If the density alone does not determine it; the message names the response.
    """
    try:
        whole = problem.chain.upto(name)
        if problem.density in whole.names:
            return whole.after(problem.density)
    except ChainError as error:
        raise ChainError(f"'{name}': {error}") from error
    raise ChainError(f"'{name}' does not depend on it")


def floored(chain: Chain, e_min: float) -> Chain:
    """Return a chain at another factor of void cells; where heat is conducted void is a material, and stays.

    Parameters
    ----------
    chain : Chain
        From the density on.
    e_min : float
        The factor.
    """
    if any(isinstance(link.stage, Conduction) for link in chain):
        return chain
    floors = [parameter for parameter in chain.parameters() if parameter.endswith(".e_min")]
    return chain.at(dict.fromkeys(floors, e_min))


def blackened(domain: Domain, density: Array, amount: float) -> Flags:
    """Return which cells are solid if so much of them is.

    Passive solid cells always are and passive void cells never; the rest goes to the densest. Of equally
    dense cells those go first whose neighbourhood is denser, so that a sharp design loses or gains a layer at
    its edges and not all cells on one side, and then those with the lower number.

    Parameters
    ----------
    domain : Domain
        The cells.
    density : array, shape (n_cells,)
        Of the design.
    amount : float
        As `Domain.volume_of` counts it, passive solid included: cells of a grid, rounded to a whole number,
        or a volume, which is met as nearly as whole cells can.

    Raises
    ------
    InputError
        If there is more passive solid than that, or less that may be solid.
    """
    passive, active = domain.volume_of(domain.solid_cells), domain.volume_of(domain.active)
    if isinstance(domain.mesh, Grid):
        amount = round(amount)
    slack = ROUNDING * (passive + active)
    if not passive - slack <= amount <= passive + active + slack:
        raise InputError(
            f"{amount} solid cells: {passive} of the {domain.mesh.n_cells} cells are passive solid and "
            f"{active} may become solid; choose another volume"
            if isinstance(domain.mesh, Grid)
            else f"a solid volume of {amount:g}: {passive:g} is passive solid and {active:g} may become "
            "solid; choose another volume"
        )
    nearby = _nearby(domain.mesh, domain.impose(density))
    cells = np.flatnonzero(domain.active)
    ranked = cells[np.lexsort((-nearby[cells], -density[cells]))]
    reached = passive + np.cumsum(np.append(0.0, domain.sizes[ranked]))
    solid = domain.solid_cells.copy()
    solid[ranked[: np.argmin(np.abs(reached - amount))]] = True
    return solid


def _nearby(cells: Cells, field: Array) -> Array:
    """Return the mean of a field around every cell."""
    if isinstance(cells, Grid):
        return np.asarray(ndimage.gaussian_filter(cells.shaped(field), sigma=1.0, mode="nearest").ravel())
    table = cells.cell_nodes
    weights = np.repeat(cells.volumes, table.shape[1])
    around = np.bincount(table.ravel(), weights, cells.n_nodes)
    sums = np.bincount(table.ravel(), weights * np.repeat(field, table.shape[1]), cells.n_nodes)
    return np.asarray((sums / around)[table].mean(axis=1))


def _faults(chain: Chain, solid: Flags) -> tuple[str, ...]:
    """Say where the design leaves a load, or a displacement that is looked at, without a way to a support."""
    structures = (getattr(link.stage, "structure", None) for link in chain)
    ports: dict[Structure, dict[str, np.ndarray]] = {
        structure: {} for structure in structures if isinstance(structure, Structure)
    }
    for link in chain:
        if isinstance(link.stage, Displacement):
            structure = link.stage.structure
            nodes = nodes_of(link.stage.on, structure.mesh, "Displacement")
            ports.setdefault(structure, {})[f"response '{link.name}'"] = nodes
    return tuple(
        fault for structure, named in ports.items() for fault in connectivity(structure, solid, named).faults
    )
