"""Coarse to fine: a fine design whose physics is computed on a coarser grid as long as a schedule says so."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from topopt.chain import Tape
from topopt.design import Design
from topopt.errors import InputError
from topopt.evaluation import Evaluation, Signals
from topopt.grid import Grid
from topopt.parameters import Array
from topopt.problem import Problem

__all__ = ["COARSENING", "Refinable", "coarsened", "refinable"]

COARSENING = "grid.coarsening"
"""The parameter that says how many cells of the fine grid, along each axis, make one of the grid in use."""


@dataclass(frozen=True, eq=False)
class Refinable(Problem):
    """A problem that can be evaluated on coarser grids as well, by the parameter ``grid.coarsening``.

    The design variables stay those of the fine grid at every coarsening, so that nothing has to be carried
    over when a schedule lowers it: design, optimiser, log and roll-back go on. A coarse cell's density is the
    mean of its fine cells', and its sensitivity is shared out among them, which is the exact derivative. The
    coarse problems describe the same body in the same lengths. An evaluation counts as a state solve on
    whichever grid, though a coarse one costs less.

    Parameters
    ----------
    coarser : mapping
        The same problem on grids of a 2nd, a 4th, ... of the cells along each axis, by that number.

    Raises
    ------
    InputError
        If a grid is not the fine one coarsened by its number, or its chain has other parameters.
    """

    coarser: Mapping[int, Problem] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse grids that do not nest, and problems that differ in their parameters."""
        super().__post_init__()
        for factor, problem in self.coarser.items():
            expected = coarsened(self.grid, factor)
            if problem.grid != expected:
                raise InputError(f"coarser: expected {expected} for {factor}, got {problem.grid}")
            if problem.parameters().keys() != super().parameters().keys():
                raise InputError(f"coarser: the problem for {factor} has other parameters than the fine one")

    def parameters(self) -> dict[str, float]:
        """Return every parameter of the fine problem, and the coarsening: 1."""
        return super().parameters() | {COARSENING: 1.0}

    def tape(self, x: Array, parameters: Mapping[str, float] | None = None) -> Tape:
        """Run the chain on the fine grid, whatever the coarsening."""
        own = {name: value for name, value in (parameters or {}).items() if name != COARSENING}
        return super().tape(x, own)

    def evaluate(self, x: Array, parameters: Mapping[str, float] | None = None) -> Evaluation:
        """Evaluate the design variables, shape (n,), on the grid that ``grid.coarsening`` asks for.

        Raises
        ------
        InputError
            If there is no such grid.
        """
        own = dict(parameters or {})
        factor = own.pop(COARSENING, 1.0)
        if factor == 1:
            return super().evaluate(x, own)
        if factor not in self.coarser:
            known = ", ".join(map(str, sorted([1, *self.coarser])))
            raise InputError(f"{COARSENING}: there is no grid for {factor:g}; choose one of {known}")
        return _Carried(self, self.coarser[int(factor)], int(factor)).evaluation(x, own)


def refinable(problem: Problem, coarser: Mapping[int, Problem]) -> Refinable:
    """Return a problem that can be evaluated on coarser grids as well.

    Parameters
    ----------
    problem : Problem
        On the fine grid.
    coarser : mapping
        As for `Refinable`.
    """
    fine = {part.name: getattr(problem, part.name) for part in dataclasses.fields(Problem)}
    return Refinable(**fine, coarser=coarser)


def coarsened(grid: Grid, factor: int) -> Grid:
    """Return the grid whose cells are blocks of `factor` cells along each axis.

    Raises
    ------
    InputError
        If the numbers of cells are no multiples of the factor.
    """
    if factor < 1 or any(n % factor for n in grid.cells):
        raise InputError(
            f"{COARSENING}: {list(grid.cells)} cells cannot be taken in blocks of {factor} along each axis; "
            "choose numbers of cells that are multiples of it"
        )
    return Grid(tuple(n // factor for n in grid.cells), grid.size)


@dataclass(frozen=True, eq=False)
class _Carried:
    """Designs and sensitivities on their way between the fine grid and a coarse one."""

    fine: Problem
    coarse: Problem
    factor: int

    def evaluation(self, x: Array, parameters: Mapping[str, float]) -> Evaluation:
        """Evaluate on the coarse grid, in terms of the fine design."""
        found = self.coarse.evaluate(self.down(x), parameters)
        recheck = found.recheck
        density = self.spread(found.picture.density) if isinstance(found.picture, Design) else None
        return dataclasses.replace(
            found,
            gradient=self.up(found.gradient),
            jacobian=self.rows(found.jacobian),
            rival_jacobian=self.rows(found.rival_jacobian),
            recheck=None if recheck is None else lambda other: recheck(self.down(other)),
            signals=None if found.signals is None else self.signals(found.signals),
            output=None if density is None else density[self.fine.domain.active],
            picture=None if density is None else Design(self.fine.grid, density),
        )

    def down(self, x: Array) -> Array:
        """Return the coarse variables: the means of blocks, shape (n_coarse,)."""
        cells = self.coarse.grid.cells
        blocks = self.fine.field(x).reshape([n for count in cells for n in (count, self.factor)])
        means: Array = blocks.mean(axis=tuple(range(1, 2 * len(cells), 2))).ravel()
        return means[self.coarse.domain.active]

    def up(self, sensitivity: Array) -> Array:
        """Return what a sensitivity of the coarse variables is to the fine ones; the transpose of `down`."""
        field = np.zeros(self.coarse.grid.n_cells)
        field[self.coarse.domain.active] = sensitivity
        shared = self.spread(field) / self.factor**self.fine.grid.ndim
        return np.asarray(shared[self.fine.domain.active])

    def spread(self, field: Array) -> Array:
        """Return a field of the coarse grid on the fine one, block by block the same."""
        shaped = field.reshape(self.coarse.grid.cells)
        for axis in range(self.coarse.grid.ndim):
            shaped = np.repeat(shaped, self.factor, axis)
        return shaped.ravel()

    def rows(self, matrix: Array) -> Array:
        """Return the rows of a Jacobian, each carried up."""
        if matrix.shape[1] == 0:  # a model without rivals gives a matrix without columns
            return matrix
        return np.array([self.up(row) for row in matrix]).reshape(-1, self.fine.domain.n_active)

    def signals(self, found: Signals) -> Signals:
        """Return the record with what belongs to the design carried up; the rest stays on the coarse grid."""
        source = next(iter(found.cotangents))
        return dataclasses.replace(
            found,
            cotangents={**found.cotangents, source: self.up(found.cotangents[source])},
            references={**found.references, source: self.up(found.references[source])},
            reference_constraints=self.rows(found.reference_constraints),
            reference_rivals=self.rows(found.reference_rivals),
        )
