"""Reads and writes of flat arrays that promise the compiler not to overlap, so that loops become vector code.

LLVM turns a loop into vector instructions only if no write can change what a later turn reads. It could find
out at run time, but gives up beyond a handful of arrays and offsets, and a loop over a brick's nodes has
dozens. Here every access names the *role* of its array, and promises that arrays of different roles do not
overlap, much as `restrict` does in C. **The promise is the caller's**, and because the compiler puts
functions into one another, it holds for a whole kernel: an array keeps its role in everything that is called
from one parallel loop.

* given: `read` only. An array that is written as a result, too, must be read and written at the same places.
* result: `write` only.
* scratch: `read_scratch`, `write_scratch`.
* sum: `read_sum`, `write_sum`.

Indices are not checked.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = ["promise", "read", "read_scratch", "read_sum", "write", "write_scratch", "write_sum"]

ROLES = ("given", "result", "scratch", "sum")


def promise(module: Any, instruction: Any, role: str) -> None:
    """Mark an access: it belongs to one role and stays out of the others."""
    domain = module.add_metadata([ir.MetaDataString(module, "topopt")])
    scope = {name: module.add_metadata([ir.MetaDataString(module, name), domain]) for name in ROLES}
    instruction.set_metadata("alias.scope", module.add_metadata([scope[role]]))
    others = module.add_metadata([scope[name] for name in ROLES if name != role])
    instruction.set_metadata("noalias", others)


def _pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    """Return the address of an entry of a flat contiguous array."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [index])


def _reader(role: str) -> Any:
    """Return an intrinsic that reads."""

    def reading(typing: Any, array: Any, index: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            value = builder.load(_pointer(context, builder, signature.args[0], *arguments))
            promise(builder.module, value, role)
            return value

        return array.dtype(array, index), code

    return intrinsic(reading)


def _writer(role: str) -> Any:
    """Return an intrinsic that writes, converting to the array's precision."""

    def writing(typing: Any, array: Any, index: Any, value: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = _pointer(context, builder, signature.args[0], arguments[0], arguments[1])
            value = context.cast(builder, arguments[2], signature.args[2], signature.args[0].dtype)
            promise(builder.module, builder.store(value, pointer), role)
            return context.get_dummy_value()

        return types.void(array, index, value), code

    return intrinsic(writing)


read = _reader("given")
write = _writer("result")
read_scratch = _reader("scratch")
write_scratch = _writer("scratch")
read_sum = _reader("sum")
write_sum = _writer("sum")
