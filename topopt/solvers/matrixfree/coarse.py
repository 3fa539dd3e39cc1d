"""The product of a brick made of eight bricks, written out term by term for the compiler.

Of the 576 numbers that couple the modes of such a brick (see `table`), 279 are not zero, and 72 differ.
Which ones depends on mirror symmetry and on isotropy alone, so that they are found once, on two bricks of
unlike shape, and the code that multiplies with them is made from the list.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from topopt.fem.element import stiffness
from topopt.fem.material import Material, elasticity
from topopt.parameters import Array
from topopt.remembered import remembered
from topopt.solvers.matrixfree.memory import promise
from topopt.solvers.matrixfree.walsh import child_matrices, transformed, walsh

__all__ = ["WIDTH", "coarse_coefficients", "coarse_product"]

WIDTH = np.uintp(144)
"""Room for a run of cells and the node behind it."""


def table(element_matrix: Array) -> Array:
    """Return how the modes of a brick made of eight bricks couple, shape (8 classes, 3, 8, 3).

    With E_c = sum_w e_w phi_w(c) the Galerkin matrix sum_c E_c P_c^T K P_c is sum_w e_w M_w,
    M_w = sum_c phi_w(c) P_c^T K P_c, and by reflection M_w couples class g with class g ^ w only: entry
    [g, c, w, d] is that of component c in class g with component d in class g ^ w.
    """
    children = child_matrices(element_matrix, 3, 1)
    found = np.empty((8, 3, 8, 3))
    for w, signs in enumerate(walsh(3).T):
        full = transformed(np.tensordot(signs, children, 1), 3).reshape(8, 3, 8, 3)
        for g in range(8):
            found[g, :, w, :] = full[g, :, g ^ w, :]
    return found


@functools.cache
def _pattern() -> tuple[tuple[tuple[int, int, int, int, int], ...], tuple[int, ...], tuple[float, ...]]:
    """Return the terms (class, component, w, component, number), each number's place, and its sign."""
    shapes = ((1.0, 1.3, 0.7), (0.6, 1.0, 1.7))
    laws = [elasticity(Material(poisson=nu), 3) for nu in (0.31, 0.17)]
    both = [table(stiffness(np.array(h), law)) for h, law in zip(shapes, laws, strict=True)]
    sizes = [np.abs(one).max() for one in both]
    terms: list[tuple[int, int, int, int, int]] = []
    places: list[int] = []
    signs: list[float] = []
    known: dict[tuple[float, ...], int] = {}
    for place in np.ndindex(8, 3, 8, 3):
        values = [float(one[place] / size) for one, size in zip(both, sizes, strict=True)]
        if max(map(abs, values)) < 1e-12:
            continue
        sign = 1.0 if values[0] > 0 else -1.0
        key = tuple(round(sign * value, 9) for value in values)
        if key not in known:
            known[key] = len(places)
            places.append(int(np.ravel_multi_index(place, (8, 3, 8, 3))))
            signs.append(sign)
        terms.append((place[0], place[1], place[2], place[3], known[key] if sign > 0 else ~known[key]))
    return tuple(terms), tuple(places), tuple(signs)


@remembered(maxsize=8)
def coarse_coefficients(element_matrix: Array) -> Array:
    """Return the numbers that `coarse_product` reads, in its order, read-only."""
    _, places, signs = _pattern()
    found = np.asarray(table(element_matrix).ravel()[list(places)] * np.array(signs))
    found.flags.writeable = False
    return found


def _coarse_product(typing: Any, v: Any, e: Any, moduli: Any, n: Any, at: Any, k: Any, t: Any) -> Any:
    """Multiply the modes of cell e.

    Parameters
    ----------
    v : sum
        Modes of the displacements, [class, component][cell of the run].
    e : uintp
        The cell, in its run.
    moduli : given
        Walsh coefficients of the children's moduli, field after field, each `n` long, from `at` on.
    k : given
        See `coarse_coefficients`.
    t : scratch
        Receives what the modes give to the nodes, as `cells_h8` stores it.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = dict(zip(("v", "moduli", "k", "t"), (signature.args[i] for i in (0, 2, 5, 6)), strict=True))
        arrays = dict(zip(("v", "moduli", "k", "t"), (arguments[i] for i in (0, 2, 5, 6)), strict=True))
        cell, length, start = arguments[1], arguments[3], arguments[4]
        data = {name: context.make_array(kinds[name])(context, builder, arrays[name]).data for name in kinds}
        index = cell.type

        def load(name: str, place: Any, role: str) -> Any:
            value = builder.load(builder.gep(data[name], [place]))
            promise(builder.module, value, role)
            return value

        def row(number: int) -> Any:
            return builder.add(cell, ir.Constant(index, number * int(WIDTH)))

        def store(value: Any, place: Any) -> None:
            promise(builder.module, builder.store(value, builder.gep(data["t"], [place])), "scratch")

        first = builder.add(start, cell)
        fields = [load("moduli", builder.add(first, builder.mul(length, ir.Constant(index, w))), "given")
                  for w in range(8)]  # fmt: skip
        modes = [load("v", row(q), "sum") for q in range(24)]
        terms, places, _ = _pattern()
        numbers = [load("k", ir.Constant(index, q), "given") for q in range(len(places))]
        rows: dict[tuple[int, int], dict[int, Any]] = {}
        fast = ("fast",)
        for g, c, w, d, which in terms:
            group = rows.setdefault((g, c), {})
            number = numbers[which if which >= 0 else ~which]
            product = builder.fmul(number, modes[3 * (g ^ w) + d], flags=fast)
            if which >= 0 and w not in group:
                group[w] = product
            elif w not in group:
                group[w] = builder.fneg(product, flags=fast)
            elif which >= 0:
                group[w] = builder.fadd(group[w], product, flags=fast)
            else:
                group[w] = builder.fsub(group[w], product, flags=fast)
        zero = ir.Constant(modes[0].type, 0.0)
        totals = {}
        for key, group in rows.items():
            total = zero
            for w, part in group.items():
                total = builder.fadd(total, builder.fmul(fields[w], part, flags=fast), flags=fast)
            totals[key] = total
        for component in range(3):
            flip = 4 >> component
            for pair in range(4):
                even, odd = (totals.get((mode ^ flip, component), zero) for mode in (2 * pair, 2 * pair + 1))
                q = 2 * (4 * component + pair)
                store(builder.fsub(even, odd, flags=fast), row(q))
                behind = builder.add(row(q + 1), ir.Constant(index, 1))
                store(builder.fadd(even, odd, flags=fast), behind)
        return context.get_dummy_value()

    return types.void(v, e, moduli, n, at, k, t), code


coarse_product: Any = intrinsic(_coarse_product)
