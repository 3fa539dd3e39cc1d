"""Element matrices in the Walsh-Hadamard basis of a cell's corners, where symmetry cuts them into blocks.

A field on the corners of a brick, signs s in {-1, 1}^d, is a sum of the products phi_m(s) = prod_a s_a^(m_a),
one for every m in {0, 1}^d. Reflecting the brick along axis a changes the sign of every phi_m with m_a = 1
and of displacement component a. An element matrix that does not change when the brick is reflected can
therefore only couple mode m of component c with mode m' of component c' if flipping bit c of m and bit c' of
m' gives the same number, the *class*: in 3-D eight blocks of 3 x 3 instead of 24 x 24. It holds for every
brick of a material that is isotropic, or orthotropic along the axes.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from topopt.errors import InputError
from topopt.parameters import Array
from topopt.remembered import remembered

__all__ = ["blocks", "by_class", "child_matrices", "matrices_at", "walsh"]


@functools.cache
def walsh(ndim: int) -> Array:
    """Return phi, shape (2**ndim corners, 2**ndim modes), both numbered in binary, first axis first."""
    one = np.array([[1.0, -1.0], [1.0, 1.0]])
    return np.asarray(functools.reduce(np.kron, [one] * ndim))


@functools.cache
def by_class(ndim: int, components: int) -> NDArray[np.intp]:
    """Return the positions ``mode * components + component`` class by class; a scalar's classes are modes."""
    if components == 1:
        return np.arange(2**ndim)
    flips = [1 << (ndim - 1 - axis) for axis in range(components)]
    return np.array([(g ^ flip) * components + c for g in range(2**ndim) for c, flip in enumerate(flips)])


def blocks(element_matrix: Array, ndim: int) -> Array:
    """Return the blocks of an element matrix, shape (2**ndim classes, components, components).

    Parameters
    ----------
    element_matrix : array, shape (components 2**ndim, components 2**ndim)
        Unknown = corner * components + component.
    ndim : int
        2 or 3.

    Returns
    -------
    array
        With u = sum_m phi_m u_m, the forces are sum_m phi_m (block u)_m.

    Raises
    ------
    InputError
        If the matrix changes when the cell is reflected, and is more than its blocks.
    """
    full = transformed(element_matrix, ndim)
    components = len(full) // 2**ndim
    shaped = full.reshape(2**ndim, components, 2**ndim, components)
    found: Array = np.einsum("icid->icd", shaped).copy()
    shaped = shaped.copy()
    shaped[np.arange(2**ndim), :, np.arange(2**ndim), :] = 0.0
    if np.abs(shaped).max() > 1e-12 * np.abs(found).max():
        raise InputError(
            "the element matrix does not keep to the mirror symmetry of its cell, so the matrix-free "
            "operator does not apply; take the solver 'cholmod'"
        )
    return found


def transformed(element_matrix: Array, ndim: int) -> Array:
    """Return phi^-1 K phi^-T with rows and columns in the order of `by_class`."""
    components = len(element_matrix) // 2**ndim
    basis = np.kron(walsh(ndim), np.eye(components)) / 2**ndim
    order = by_class(ndim, components)
    return np.asarray((basis.T @ element_matrix @ basis)[np.ix_(order, order)])


def matrices_at(element_matrix: Array, ndim: int, level: int, places: Iterable[tuple[float, ...]]) -> Array:
    """Return P^T K P of fine cells in a coarse one, P the interpolation from its corners to theirs.

    Parameters
    ----------
    level : int
        How often the coarse cell is halved.
    places : iterable of tuple
        By axis, how many fine cells lie in front; numbers in between are the interpolation's own.

    Returns
    -------
    array, shape (places, k, k)
    """
    components = len(element_matrix) // 2**ndim
    weights = np.array([_weights(place, level, components) for place in places])
    return np.asarray(np.matmul(weights.transpose(0, 2, 1), element_matrix @ weights))


def _weights(place: tuple[float, ...], level: int, components: int) -> Array:
    """Return how the corners of one fine cell follow from those of the coarse one."""
    n = 2**level
    ends = [np.array([[1 - s, s] for s in (along / n, (along + 1) / n)]) for along in place]
    return np.kron(functools.reduce(np.kron, ends), np.eye(components))


@remembered(maxsize=8)
def child_matrices(element_matrix: Array, ndim: int, level: int) -> Array:
    """Return P_c^T K P_c of every fine cell c: the Galerkin matrix of a coarse cell is sum_c E_c P_c^T K P_c.

    Returns
    -------
    array, shape (2**(level ndim), k, k)
        Read-only.
    """
    found = matrices_at(element_matrix, ndim, level, itertools.product(range(2**level), repeat=ndim))
    found.flags.writeable = False
    return found
