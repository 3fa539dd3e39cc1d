"""What all filters share: means that stay between their extremes, the least radius, the noise of sums."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from topopt.cells import Cells, Flags
from topopt.chain import Pullback
from topopt.errors import InputError
from topopt.grid import Domain, Grid
from topopt.kernels import is_long, twin
from topopt.parameters import Array, frozen
from topopt.threads import LIGHT, each, extremes, norm, pieces

__all__ = ["averaged", "refuse_radius", "silence", "silencer"]

_SLACK = 1e-9
"""Relative slack for what is rounding: in comparing lengths, and in a mean that left its range."""

_NOISE = 8.0
"""What a transform leaves where a sum vanishes, at most, in units of eps ||weights||_2 ||field||_2.

Measured against the sum by a sparse matrix, in cells where it is below 1e-9 of its maximum: at most 0.7 over
cones of 1.5 to 30 cells on nine grids from 60x20 to 400x400 and 47x31x29, with constants, blocks, single
cells, waves, noise and fields over 200 decades; at most 0.9 for the cosines of `Helmholtz`. About ten times
that leaves one correct digit in the smallest entries kept.
"""


def averaged(
    domain: Domain,
    design: Array,
    smooth: Callable[[Array], Array],
    weights: tuple[Array, Array],
    back: Callable[[], Array],
) -> tuple[Array, Pullback]:
    """Filter a design by weighted means, leaving the passive cells alone.

    Parameters
    ----------
    domain : Domain
        The grid and its passive parts.
    design : array, shape (n_cells,)
        The input; its entries in passive cells are ignored.
    smooth : callable
        A symmetric linear map of fields: of a read-only field it may give a read-only array; of another, a
        fresh one.
    weights : tuple of array, each of shape (n_cells,)
        What makes a mean of what `smooth` gives, 0 in passive cells; and what the solid cells contribute, 1
        in solid and 0 in void cells.
    back : callable
        Gives what the pullback makes of ones, which is a volume's cotangent but for a factor.

    Returns
    -------
    tuple
        The filtered field and its pullback.
    """
    gain, offset = weights
    if domain.n_active == design.size:
        sums = smooth(design)
        output, write = np.empty_like(sums), _mean.of(sums.size)
        limits = _limits(*extremes(design))
        each(lambda at: write(sums[at], gain[at], *limits, output[at]), output.size)

        def spread(v: Array) -> tuple[Array]:
            # short fields are summed as quickly
            uniform = is_long(v.size) and _uniform(v)
            return (v[0] * back() if uniform else smooth(_product(gain, v)),)

        return output, spread
    active = domain.active
    smallest, largest = extremes(design[active])
    if domain.solid_cells.any():
        smallest, largest = min(1.0, smallest), max(1.0, largest)
    smallest, largest, slack = _limits(smallest, largest)
    entering, output = np.empty_like(design), np.empty_like(design)

    def enter(at: slice) -> None:
        entering[at] = np.where(active[at], design[at], 0.0)

    each(enter, design.size, LIGHT)
    sums = smooth(frozen(entering))  # the cone keeps its last field

    def finish(at: slice) -> None:
        means = np.multiply(sums[at], gain[at], out=output[at])
        means += offset[at]
        _put_back(means, smallest, largest, slack, active[at])

    each(finish, output.size, LIGHT)

    def pullback(v: Array) -> tuple[Array]:
        # the gain is 0 in passive cells: nothing leaves them, and here nothing reaches them
        reached = smooth(_product(gain, v))  # fresh, since the product is not read-only
        reached[~active] = 0.0
        return (reached,)

    return output, pullback


def _uniform(v: Array) -> bool:
    """Return whether all entries of a field are one number."""
    return all(bool((v[at] == v[0]).all()) for at in pieces(v.size))


@twin("means.mean")
def _mean(sums: Array, gain: Array, smallest: float, largest: float, slack: float, out: Array) -> None:
    """Write the means of a piece, which stay between the limits."""
    _put_back(np.multiply(sums, gain, out=out), smallest, largest, slack)


def _limits(smallest: float, largest: float) -> tuple[float, float, float]:
    """Return the limits of a mean, and how far rounding may push it past them."""
    return smallest, largest, _SLACK * max(abs(smallest), abs(largest))


def _product(one: Array, other: Array) -> Array:
    """Return the product of two fields."""
    product = np.empty(one.size)
    each(lambda at: np.multiply(one[at], other[at], out=product[at]), one.size)
    return product


def _put_back(
    means: Array, smallest: float, largest: float, slack: float, where: Flags | bool = True
) -> None:
    """Undo the rounding that pushed a mean out of the range of what it is the mean of, and nothing more."""
    low, high = means < smallest, means > largest
    if low.any():
        np.copyto(means, smallest, where=low & (means >= smallest - slack) & where)
    if high.any():
        np.copyto(means, largest, where=high & (means <= largest + slack) & where)


def refuse_radius(what: str, mesh: Cells, radius: float, least: float) -> None:
    """Raise unless a filter radius lies between a length of the cells and the size of the grid.

    Parameters
    ----------
    what : str
        The stage, for the message.
    mesh : Grid or Mesh
        The cells.
    radius : float
        The radius to judge.
    least : float
        The radius must be larger than this.

    Raises
    ------
    InputError
        With the size of a cell.
    """
    cell = " x ".join(f"{edge:g}" for edge in mesh.spacing)
    if radius <= least * (1 + _SLACK):
        raise InputError(
            f"{what}.radius: {radius:g} is too small for cells of {cell}; give more than {least:g}, "
            "or leave the filter out"
        )
    if radius > max(mesh.size) * (1 + _SLACK):
        size = " x ".join(f"{edge:g}" for edge in mesh.size)
        whole = "grid" if isinstance(mesh, Grid) else "mesh"
        raise InputError(
            f"{what}.radius: {radius:g} is larger than the whole {whole} of {size} (cells of {cell}); "
            f"the radius is a length in the {whole}'s unit, not a number of cells"
        )


def silence(sums: Array, field: Array, weights: float) -> None:
    """Set to 0, in place, what cannot be told from the rounding of the transform that summed it.

    A transform errs by about the rounding of its largest entry everywhere. Where the true sum is smaller,
    what it leaves has no correct digit, nor a correct sign, and whatever takes ratios or logarithms of
    sensitivities would act on it.

    Parameters
    ----------
    sums : array, shape (n_cells,)
        Weighted sums of a field; changed.
    field : array, shape (n_cells,)
        The field.
    weights : float
        Euclidean norm of the weights of one sum.
    """
    work = silencer(field, weights)
    each(lambda at: work(sums[at]), sums.size)


def silencer(field: Array, weights: float) -> Callable[[Array], None]:
    """Return what `silence` does to a flat piece of the sums; the whole field's length decides how."""
    floor = _NOISE * float(np.finfo(np.float64).eps) * weights * norm(field)
    return functools.partial(_silence.of(field.size), floor=floor)


@twin("sizes.silence")
def _silence(vector: Array, floor: float) -> None:
    """Set to 0, in place, what is smaller than the floor."""
    small = np.abs(vector) < floor
    if small.any():
        np.copyto(vector, 0.0, where=small)
