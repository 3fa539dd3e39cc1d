"""Filters give a design a length: each cell becomes a weighted mean of its neighbours."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from topopt.cells import Cells, Flags
from topopt.chain import Pullback, Stage
from topopt.errors import InputError
from topopt.grid import Domain, Grid, designed, structured
from topopt.kernels import LONG
from topopt.parameters import Array, Positive
from topopt.threads import BLOCK, SHORT, each, norm

if TYPE_CHECKING:
    from topopt.kernels.stencil import Stencil

__all__ = ["Cone", "SensitivityFilter"]

_SLACK = 1e-9
"""Relative slack for what is rounding: in comparing lengths, and in a mean that left its range."""

_NOISE = 8.0
"""What a transform leaves where a sum vanishes, at most, in units of eps ||weights||_2 ||field||_2.

Measured against the sum by a sparse matrix, in cells where it is below 1e-9 of its maximum: at most 0.7 over
cones of 1.5 to 30 cells on nine grids from 60x20 to 400x400 and 47x31x29, with constants, blocks, single
cells, waves, noise and fields over 200 decades; at most 0.9 for the cosines of `Helmholtz`. About ten times
that leaves one correct digit in the smallest entries kept.
"""


_LOADS = 300
"""Numbers that a stencil may load for a cell; transforms are quicker than more, see `Stencil.loads`.

Measured on 2400x800 and 128x64x64 cells: 332 loads took 0.6 of the transforms' time, 486 took 1.2 of it.
"""
_COLUMNS = 4 * BLOCK
"""Entries of the columns that are transformed together: a megabyte, which fits into a core's cache."""


@dataclass(frozen=True)
class Cone(Stage):
    """Density filter with cone weights ``max(0, radius - distance)``.

    Each designed cell becomes the weighted mean of the cells around it. Void cells are outside the domain,
    like everything beyond its boundary: the weights that are left are normalised. Solid cells contribute a
    density of 1. In solid and void cells the output is exactly 1 and 0, whatever the input there.

    On large grids a cone of a few cells is a stencil, exact to the rounding of each sum. Otherwise the sums
    run by fast Fourier transform on a zero-padded grid, exact to the rounding of the largest entry: what is
    smaller than that, in the output or in the sensitivity (about 2e-15 of the largest times the root of the
    number of cells that are as large), cannot be told from noise and comes out as exactly 0.

    A mean lies between the smallest and the largest value that enters it; what rounding pushes past these two
    (about 1e-16) is put back onto them, so constants are kept to the last digit and densities never fall
    below 0.

    Parameters
    ----------
    domain : Domain
        The grid and its passive parts.
    radius : float
        Where the weights reach zero, in the grid's unit of length; larger than a cell's shortest edge,
        at most the longest edge of the grid.

    Raises
    ------
    InputError
        If the radius reaches no neighbour or beyond the whole grid.

    References
    ----------
    Bruns, Tortorelli, Comput. Methods Appl. Mech. Engrg. 190 (2001), doi:10.1016/S0045-7825(00)00278-4;
    Bourdin, Int. J. Numer. Meth. Engng 50 (2001), doi:10.1002/nme.116
    """

    linear: ClassVar[bool] = True

    domain: Domain
    radius: Positive

    def __post_init__(self) -> None:
        """Refuse a radius that does nothing or everything."""
        super().__post_init__()
        object.__setattr__(self, "domain", designed(self.domain))
        grid = structured(self.domain, "Cone", "take Helmholtz, which does with any cells")
        refuse_radius("Cone", grid, self.radius, float(grid.spacing.min()))

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the filtered field, shape (n_cells,)."""
        (design,) = inputs
        gain, offset = _weights(self.domain, self.radius)
        smooth = functools.partial(_cone_sum, self.domain.grid, self.radius)
        return averaged(self.domain, design, smooth, (gain, offset), lambda: _back(self.domain, self.radius))


@dataclass(frozen=True)
class SensitivityFilter(Stage):
    """The classic heuristic: the design passes unchanged, its sensitivity comes back as a weighted mean.

    ``v_i -> sum_j H_ij x_j v_j / (max(1e-3, x_i) sum_j H_ij)`` with the cone weights H of `Cone`. This is
    not the derivative of anything: a Taylor test through this stage fails, on purpose. It is here because
    much of the literature was computed with it.

    Solid and void cells come out as exactly 1 and 0. Void cells are outside the domain; solid ones enter the
    mean with density 1, and neither receives a sensitivity. The sums are those of `Cone`.

    Parameters
    ----------
    domain : Domain
        The grid and its passive parts.
    radius : float
        Where the weights reach zero, in the grid's unit of length.

    References
    ----------
    Sigmund, Mech. Struct. Mach. 25 (1997), doi:10.1080/08905459708945415;
    Sigmund, Struct. Multidisc. Optim. 21 (2001), doi:10.1007/s001580050176
    """

    heuristic: ClassVar[bool] = True

    domain: Domain
    radius: Positive

    def __post_init__(self) -> None:
        """Refuse a radius that does nothing or everything."""
        super().__post_init__()
        object.__setattr__(self, "domain", designed(self.domain))
        grid = structured(self.domain, "SensitivityFilter", "take Helmholtz, which filters densities")
        refuse_radius("SensitivityFilter", grid, self.radius, float(grid.spacing.min()))

    def vjp(self, *inputs: Array) -> tuple[Array, Pullback]:
        """Return the design with its passive cells imposed."""
        (design,) = inputs
        gain, _ = _weights(self.domain, self.radius)
        output = design if self.domain.n_active == design.size else self.domain.impose(design)

        def pullback(v: Array) -> tuple[Array]:
            mean = _cone_sum(self.domain.grid, self.radius, output * v)
            mean *= gain
            mean /= np.maximum(1e-3, output)
            return (mean,)

        return output, pullback


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
        A symmetric linear map of fields, which gives a fresh array.
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
        output = smooth(design)
        limits = float(design.min()), float(design.max())
        each(lambda at: _mean(output[at], gain[at], limits), output.size)

        def spread(v: Array) -> tuple[Array]:
            # short fields are summed as quickly
            uniform = v.size >= LONG and _uniform(v)
            return (v[0] * back() if uniform else smooth(_product(gain, v)),)

        return output, spread
    active = domain.active
    entering = design[active]
    smallest, largest = float(entering.min()), float(entering.max())
    if domain.solid_cells.any():
        smallest, largest = min(1.0, smallest), max(1.0, largest)
    output = smooth(np.where(active, design, 0.0))

    def finish(at: slice) -> None:
        means = output[at]
        means *= gain[at]
        means += offset[at]
        _put_back(means, smallest, largest, active[at])

    each(finish, output.size)

    def pullback(v: Array) -> tuple[Array]:
        # the gain is 0 in passive cells: nothing leaves them, and here nothing reaches them
        reached = smooth(_product(gain, v))
        reached[~active] = 0.0
        return (reached,)

    return output, pullback


def _uniform(v: Array) -> bool:
    """Return whether all entries of a field are one number."""
    return all(each(lambda at: bool((v[at] == v[0]).all()), v.size))


def _mean(sums: Array, gain: Array, limits: tuple[float, float]) -> None:
    """Make means of sums, in place, that stay between the limits."""
    sums *= gain
    _put_back(sums, *limits)


def _product(one: Array, other: Array) -> Array:
    """Return the product of two fields."""
    product = np.empty(one.size)
    each(lambda at: np.multiply(one[at], other[at], out=product[at]), one.size)
    return product


def _put_back(means: Array, smallest: float, largest: float, where: Flags | bool = True) -> None:
    """Undo the rounding that pushed a mean out of the range of what it is the mean of, and nothing more."""
    slack = _SLACK * max(abs(smallest), abs(largest))
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
    work = _silencer(field, weights)
    each(lambda at: work(sums[at]), sums.size)


def _silencer(field: Array, weights: float) -> Callable[[Array], None]:
    """Return what `silence` does to a flat piece of the sums; the whole field's length decides how."""
    floor = _NOISE * float(np.finfo(np.float64).eps) * weights * norm(field)
    if field.size < LONG:
        return functools.partial(_silence, floor=floor)
    from topopt.kernels import sizes

    return functools.partial(sizes.silence, floor=floor)


def _silence(piece: Array, floor: float) -> None:
    """Set to 0, in place, what is smaller than the floor."""
    small = np.abs(piece) < floor
    if small.any():
        np.copyto(piece, 0.0, where=small)


def _cone_sum(grid: Grid, radius: float, field: Array) -> Array:
    """Return the sum over neighbours, weighted by the cone, for every cell; noise of the transform is 0.

    Of a long field the last sum is kept: OC rechecks the volume of the design that is evaluated next.
    """
    if field.size < LONG:
        return _summed(grid, radius, field)
    kept = _last(grid, radius)
    for known, sums in kept:
        if _same(known, field):
            return sums.copy()
    sums = _summed(grid, radius, field)
    kept[:] = [(field.copy(), sums)]
    return sums.copy()


@functools.lru_cache(maxsize=2)
def _last(grid: Grid, radius: float) -> list[tuple[Array, Array]]:
    """Return the last field that was summed and its sums, in a list that is empty at first."""
    return []


def _same(one: Array, other: Array) -> bool:
    """Return whether two fields are equal."""
    return all(each(lambda at: bool((one[at] == other[at]).all()), one.size))


def _summed(grid: Grid, radius: float, field: Array) -> Array:
    """Sum over neighbours.

    Rows are transformed along the last axis without the padding of the others, which only ever exists for the
    few columns that are transformed, weighted and transformed back while they are in the cache.
    """
    if field.size >= LONG and (stencil := _stencil(grid, radius)) is not None:
        return stencil.summed(field)
    lengths, spectrum, weights = _spectrum(grid, radius)
    width = grid.cells[-1]
    rows, sums = field.reshape(-1, width), np.empty(field.size)
    silenced = _silencer(field, weights)
    if field.size <= SHORT:  # fits into the cache as it is; in pieces it takes up to twice the time
        part = _weighed(fft.rfft(rows, lengths[-1]).reshape(*grid.cells[:-1], -1), lengths, spectrum)
        sums.reshape(grid.cells)[...] = fft.irfft(part, lengths[-1], overwrite_x=True)[..., :width]
        silenced(sums)
        return sums
    columns = np.empty((*grid.cells[:-1], spectrum.shape[-1]), dtype=np.complex128)
    transformed = columns.reshape(len(rows), -1)

    def forth(at: slice) -> None:
        transformed[at] = fft.rfft(rows[at], lengths[-1])

    def weigh(at: slice) -> None:
        columns[..., at] = _weighed(columns[..., at], lengths, spectrum[..., at])

    def back(at: slice) -> None:
        part = sums[at.start * width : at.stop * width]
        part.reshape(-1, width)[...] = fft.irfft(transformed[at], lengths[-1], overwrite_x=True)[:, :width]
        silenced(part)

    some = max(1, BLOCK // lengths[-1])
    each(forth, len(rows), some, short=0)
    few = max(1, min(_COLUMNS // math.prod(lengths[:-1]), -(-spectrum.shape[-1] // 4)))
    each(weigh, spectrum.shape[-1], few, short=0)
    each(back, len(rows), some, short=0)
    return sums


def _weighed(part: NDArray[np.complex128], lengths: tuple[int, ...], spectrum: Array) -> Any:
    """Return columns transformed along all axes but the last, padded, weighted, and transformed back."""
    window = tuple(slice(0, n) for n in part.shape[:-1])
    for axis in reversed(range(part.ndim - 1)):
        part = fft.fft(part, lengths[axis], axis=axis)
    part *= spectrum
    for axis in range(part.ndim - 1):
        part = fft.ifft(part, axis=axis, overwrite_x=True)[window[: axis + 1]]
    return part


@functools.lru_cache(maxsize=8)
def _stencil(grid: Grid, radius: float) -> Stencil | None:
    """Return the cone as a stencil if its sums are quicker than transforms, which do not mind the radius."""
    from topopt.kernels.stencil import Stencil

    reaches = [min(int(radius / edge), n - 1) for edge, n in zip(grid.spacing, grid.cells, strict=True)]
    steps = [np.arange(reach + 1.0) for reach in reaches]
    stencil = Stencil.of(grid.cells, _cone(grid, radius, steps))
    return stencil if stencil.loads <= _LOADS else None


@functools.lru_cache(maxsize=8)
def _spectrum(grid: Grid, radius: float) -> tuple[tuple[int, ...], Array, float]:
    """Return the padded lengths, the transform of the cone (real, because it is even) and the cone's norm."""
    lengths, distances = [], []
    for axis, (n, edge) in enumerate(zip(grid.cells, grid.spacing, strict=True)):
        reach = min(int(radius / edge), n - 1)
        # a cone that wraps around by `reach` cells must fall into padding
        length = fft.next_fast_len(n + reach, real=axis == grid.ndim - 1)
        steps = np.arange(length)
        steps = np.minimum(steps, length - steps)
        distances.append(np.where(steps <= reach, steps, np.inf))
        lengths.append(length)
    cone = _cone(grid, radius, distances)
    spectrum = fft.rfftn(cone).real.copy()
    spectrum.flags.writeable = False
    return tuple(lengths), spectrum, float(np.linalg.norm(cone))


def _cone(grid: Grid, radius: float, steps: Sequence[Array]) -> Array:
    """Return the weights at distances that are given in cells, axis by axis."""
    squares = [(step * edge) ** 2 for step, edge in zip(steps, grid.spacing, strict=True)]
    return np.asarray(np.maximum(0.0, radius - np.sqrt(functools.reduce(np.add.outer, squares))))


@functools.lru_cache(maxsize=4)
def _back(domain: Domain, radius: float) -> Array:
    """Return what the pullback of a filter makes of ones."""
    made = _summed(domain.grid, radius, _weights(domain, radius)[0])
    made.flags.writeable = False
    return made


@functools.lru_cache(maxsize=8)
def _weights(domain: Domain, radius: float) -> tuple[Array, Array]:
    """Return 1 / (sum of the weights present), 0 in passive cells, and what the solid cells contribute."""
    total = _cone_sum(domain.grid, radius, np.where(domain.void_cells, 0.0, 1.0))
    gain = np.zeros_like(total)
    np.divide(1.0, total, out=gain, where=domain.active)
    offset = gain * _cone_sum(domain.grid, radius, domain.solid_cells.astype(np.float64))
    offset = domain.impose(offset)
    gain.flags.writeable = offset.flags.writeable = False
    return gain, offset
