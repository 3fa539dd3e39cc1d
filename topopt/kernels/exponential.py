"""The exponential function as arithmetic that a compiler can vectorise, to two units in the last place.

``exp(x) = 2**k exp(r)`` with k the integer nearest to ``x / log 2`` and ``|r| <= log(2) / 2``; ``exp(r) - 1``
is its Taylor polynomial, and 2**k is written down by its bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit, types
from numba.extending import intrinsic

__all__ = ["exp", "expm1"]

LOWEST = -745.2
"""Where the exponential rounds to 0."""
LOG2E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
MAGIC = 6755399441055744.0
"""1.5 * 2**52: a double that has been added to it ends in an integer, in its value and in its bits."""

MANTISSA, HALF = (1 << 52) - 1, 1 << 51


def _reading(source: Any, target: Any) -> Any:
    """Return a function that reads the bits of a number as those of another type."""

    def read(typing: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            return builder.bitcast(given[0], context.get_value_type(target))

        return target(source), generate

    return intrinsic(read)


_bits, _double = _reading(types.float64, types.int64), _reading(types.int64, types.float64)


F = TypeVar("F", bound=Callable[..., Any])


def _inlined(function: F) -> F:
    """Compile a function that is always put into its caller; no reassociation, which would cancel MAGIC."""
    inlined = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"}, forceinline=True)
    return cast(F, inlined(function))


@_inlined
def _split(x: float) -> Any:
    """Return k and exp(r) - 1 for x from `LOWEST` to 700."""
    shifted = x * LOG2E + MAGIC
    k = shifted - MAGIC
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    # Horner's rule on 1/13!, 1/12!, ..., 1/2!: the first term left out is below 2e-17 of the result.
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    return (_bits(shifted) & MANTISSA) - HALF, p * (r * r) + r


@_inlined
def exp(x: float) -> Any:
    """Return exp(x) for x <= 0, with gradual underflow."""
    k, p = _split(LOWEST if x < LOWEST else x)
    half = k >> 1
    return (1.0 + p) * _double((half + 1023) << 52) * _double((k - half + 1023) << 52)


@_inlined
def expm1(x: float) -> Any:
    """Return exp(x) - 1 for x <= 0."""
    k, p = _split(-700.0 if x < -700.0 else x)
    power = _double((k + 1023) << 52)
    return power * p + (power - 1.0)
