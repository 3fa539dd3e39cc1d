"""Reads and writes of flat arrays that promise the compiler not to overlap, so that loops become vector code.

LLVM turns a loop into vector instructions only if no write can change what a later turn reads. It could find
out at run time, but gives up beyond a handful of arrays and offsets, and a loop over a brick's nodes has dozens.
`read` and `write` carry the promise with them, as `restrict` does in C. **The promise is the caller's**: what is
read with `read` in a function must not be written with `write` in the same function. Indices are not checked.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = ["read", "write"]


def _scopes(module: Any) -> tuple[Any, Any]:
    """Return the scope of what is read and the scope of what is written."""
    domain = module.add_metadata([ir.MetaDataString(module, "topopt")])
    sides = [module.add_metadata([ir.MetaDataString(module, name), domain]) for name in ("read", "written")]
    return module.add_metadata([sides[0]]), module.add_metadata([sides[1]])


def _pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    """Return the address of an entry of a flat contiguous array."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [index])


@intrinsic  # type: ignore[untyped-decorator]
def read(typing: Any, array: Any, index: Any) -> Any:
    """Return ``array[index]``, unchecked, of an array that nothing in this function writes to."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = builder.load(_pointer(context, builder, signature.args[0], *arguments))
        reads, writes = _scopes(builder.module)
        value.set_metadata("alias.scope", reads)
        value.set_metadata("noalias", writes)
        return value

    return array.dtype(array, index), code


@intrinsic  # type: ignore[untyped-decorator]
def write(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Do ``array[index] = value``, unchecked, in an array that nothing in this function reads."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], arguments[0], arguments[1])
        stored = context.cast(builder, arguments[2], signature.args[2], signature.args[0].dtype)
        store = builder.store(stored, pointer)
        reads, writes = _scopes(builder.module)
        store.set_metadata("alias.scope", writes)
        store.set_metadata("noalias", reads)
        return context.get_dummy_value()

    return types.void(array, index, value), code
