"""Matrices of one rectangular or brick cell with multilinear shape functions, or of every cell of a mesh."""

from __future__ import annotations

import itertools

import numpy as np

from topopt.meshes import Mapped
from topopt.parameters import Array

__all__ = [
    "diffusion", "diffusions", "gauss", "mass", "masses", "shapes", "stiffness", "stiffnesses",
    "strain_displacement",
]  # fmt: skip


def shapes(point: Array, spacing: Array) -> tuple[Array, Array]:
    """Return the shape functions and their gradients at a point of the unit cell.

    Node k with corner offsets c (the binary digits of k, x first) has N_k = prod_a (c_a ? s_a : 1 - s_a).

    Parameters
    ----------
    point : array, shape (ndim,)
        Coordinates s in [0, 1], along each edge of the cell.
    spacing : array, shape (ndim,)
        Edge lengths h of the cell.

    Returns
    -------
    values : array, shape (2**ndim,)
    gradients : array, shape (2**ndim, ndim)
        With respect to the physical coordinates, 1 / length.
    """
    ndim = len(spacing)
    corners = np.array(list(itertools.product((0, 1), repeat=ndim)))
    factors = np.where(corners == 1, point, 1.0 - np.asarray(point))
    slopes = np.where(corners == 1, 1.0, -1.0) / spacing
    gradients = np.empty((2**ndim, ndim))
    for axis in range(ndim):
        others = [a for a in range(ndim) if a != axis]
        gradients[:, axis] = slopes[:, axis] * factors[:, others].prod(axis=1)
    return factors.prod(axis=1), gradients


def strain_displacement(gradients: Array) -> Array:
    """Return B, strain = B @ u, for unknowns ordered node by node.

    Parameters
    ----------
    gradients : array, shape (n_nodes, ndim)
        Gradients of the shape functions; with axes in front, B has them too.

    Returns
    -------
    array, shape (ndim (ndim + 1) / 2, n_nodes * ndim)
        Rows xx, yy, (zz), then the engineering shears xy, (xz, yz).
    """
    *cells, n_nodes, ndim = gradients.shape
    pairs = list(itertools.combinations(range(ndim), 2))
    b = np.zeros((*cells, ndim + len(pairs), n_nodes, ndim))
    for axis in range(ndim):
        b[..., axis, :, axis] = gradients[..., axis]
    for row, (i, j) in enumerate(pairs, start=ndim):
        b[..., row, :, i] = gradients[..., j]
        b[..., row, :, j] = gradients[..., i]
    return b.reshape(*cells, ndim + len(pairs), n_nodes * ndim)


def stiffness(spacing: Array, law: Array, thickness: float = 1.0) -> Array:
    """Return the stiffness matrix of a cell, the integral of B^T D B over its volume.

    Two Gauss points an axis integrate the products of multilinear gradients on a box exactly.
    Source: Zienkiewicz, Taylor & Zhu, The Finite Element Method, doi:10.1016/C2009-0-24909-9.

    Parameters
    ----------
    spacing : array, shape (ndim,)
        Edge lengths.
    law : array
        Hooke's matrix D, see `topopt.fem.material.elasticity`.
    thickness : float
        Out of plane, 2-D only.

    Returns
    -------
    array, shape (ndim 2**ndim, ndim 2**ndim)
        Symmetric to the last digit; unknown = local node * ndim + component.
    """
    total = np.zeros((len(spacing) * 2 ** len(spacing),) * 2)
    for point, weight in gauss(spacing):
        b = strain_displacement(shapes(point, spacing)[1])
        total += (weight * thickness) * (b.T @ law @ b)
    return np.asarray(0.5 * (total + total.T))


def diffusion(spacing: Array) -> Array:
    """Return the integral of grad N_i . grad N_j over a cell, shape (2**ndim, 2**ndim)."""
    total = np.zeros((2 ** len(spacing),) * 2)
    for point, weight in gauss(spacing):
        gradients = shapes(point, spacing)[1]
        total += weight * (gradients @ gradients.T)
    return np.asarray(0.5 * (total + total.T))


def mass(spacing: Array) -> Array:
    """Return the integral of N_i N_j over a cell, shape (2**ndim, 2**ndim)."""
    total = np.zeros((2 ** len(spacing),) * 2)
    for point, weight in gauss(spacing):
        values = shapes(point, spacing)[0]
        total += weight * np.outer(values, values)
    return total


def boxed(spacing: Array) -> Mapped:
    """Return the Gauss points of a box as those of a mesh of one cell."""
    points = [(*shapes(point, spacing), weight) for point, weight in gauss(spacing)]
    values, gradients, weights = (np.stack(each) for each in zip(*points, strict=True))
    return Mapped(values, gradients[None], weights[None])


def stiffnesses(cells: Mapped, law: Array, thickness: float = 1.0) -> Array:
    """Return the stiffness matrix of every cell of a mesh, see `stiffness`.

    Parameters
    ----------
    cells : Mapped
        Gradients and weights at quadrature points.
    law : array
        Hooke's matrix D.
    thickness : float
        Out of plane, 2-D only.

    Returns
    -------
    array, shape (n_cells, k ndim, k ndim)
        Symmetric to the last digit.
    """
    total: Array = np.zeros(())
    for gradients, weights in zip(np.moveaxis(cells.gradients, 1, 0), cells.weights.T, strict=True):
        b = strain_displacement(gradients)
        total = total + (weights[:, None, None] * thickness) * (np.swapaxes(b, 1, 2) @ (law @ b))
    return np.asarray(0.5 * (total + np.swapaxes(total, 1, 2)))


def diffusions(cells: Mapped) -> Array:
    """Return the integral of grad N_i . grad N_j over every cell of a mesh, shape (n_cells, k, k)."""
    weighted = cells.gradients * cells.weights[:, :, None, None]
    return np.asarray(np.einsum("nqia,nqja->nij", weighted, cells.gradients))


def masses(cells: Mapped) -> Array:
    """Return the integral of N_i N_j over every cell of a mesh, shape (n_cells, k, k)."""
    return np.asarray(np.einsum("nq,qi,qj->nij", cells.weights, cells.values, cells.values))


def gauss(spacing: Array) -> list[tuple[Array, float]]:
    """Return the 2**ndim Gauss points of the unit cell, with weights that add up to the volume."""
    offset = 0.5 / np.sqrt(3.0)
    points = itertools.product((0.5 - offset, 0.5 + offset), repeat=len(spacing))
    weight = float(np.prod(spacing)) / 2 ** len(spacing)
    return [(np.array(point), weight) for point in points]
