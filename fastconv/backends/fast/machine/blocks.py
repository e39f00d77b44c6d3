"""Argument blocks: int64 numbers in a row, each with a name.

A plan fills a block by name (`Block.fill`), and changes an entry of it as ``arguments[CONV.index["X"]]``. A kernel gets
the address of one, and `view` makes of it what has the entries as attributes: ``args.X`` is a load from memory, at a
place that is known when the kernel is compiled. Where a number is wanted, a view is the address.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from zlib import crc32

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.datamodel import models
from numba.core.imputils import lower_constant
from numba.core.typeconv import Conversion
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, lower_cast, lower_getattr_generic, register_model, typeof_impl

from fastconv.backends.fast.machine.jit import code, emitted


class Block:
    """Names of the entries of an argument block, in their order in memory; a block may begin like another.

    `results` are the entries that are addresses of what a kernel writes. After the entries there may be any number of
    `rows`, blocks of one kind.
    """

    def __init__(self, *names: str | Block, results: str = "", rows: Block | None = None) -> None:
        parts = (part.names if isinstance(part, Block) else part.split() for part in names)
        self.names: tuple[str, ...] = tuple(name for part in parts for name in part)
        self.index = {name: i for i, name in enumerate(self.names)}
        self.nbytes = 8 * len(self.names)
        self.results, self.rows = tuple(self.index[name] for name in results.split()), rows
        self.view = type("View", (int,), {name: property(_entry(i)) for i, name in enumerate(self.names)})

    def fill(self, **values: int) -> np.ndarray:
        """Return a block with every entry given; a missing or unknown name is an error of the caller."""
        if values.keys() != self.index.keys():
            raise KeyError(sorted(values.keys() ^ self.index.keys()))
        return np.array([values[name] for name in self.names], dtype=np.int64)

    def with_rows(self, rows: Sequence[tuple[int, ...]], **values: int) -> np.ndarray:
        """Return a block with every entry given, and then rows of numbers in the order of their names."""
        return np.concatenate([self.fill(**values), np.array(rows, np.int64).reshape(-1)])


def bits_of(number: float) -> int:
    """Entry of a block that holds a float64 number; a kernel gets it back by `intrinsics.double_of`."""
    return int(np.float64(number).view(np.int64))


def _entry(i: int) -> Callable[[int], int]:
    """Load of entry number i from the block at an address."""
    return lambda address: int(ctypes.c_int64.from_address(address + 8 * i).value)


class BlockType(types.Opaque):
    """Numba type of a `Block`, which is known when a kernel is compiled, and is nothing when it runs."""

    def __init__(self, block: Block) -> None:
        self.block = block
        super().__init__(f"Block_{crc32(' '.join(block.names).encode()):08x}")


class ViewType(types.Type):
    """Numba type of an address with the names of what is there."""

    def __init__(self, block: Block) -> None:
        self.block = block
        super().__init__(f"View_{crc32(' '.join(block.names).encode()):08x}")

    def can_convert_to(self, typing_context, other):
        """Where an integer is wanted, a view is the address."""
        return Conversion.safe if other == types.intp else None


register_model(BlockType)(models.OpaqueModel)


@register_model(ViewType)
class _ViewModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager, kind):
        super().__init__(manager, kind, ir.IntType(64))


@typeof_impl.register(Block)
def _type_of(block, context):
    return BlockType(block)


@lower_constant(BlockType)
def _constant(context, builder, kind, value):
    return context.get_dummy_value()


@lower_cast(ViewType, types.intp)
def _address(context, builder, before, after, value):
    return value


@infer_getattr
class _Entries(AttributeTemplate):  # type: ignore[misc]
    key = ViewType

    def generic_resolve(self, kind, name):
        return types.int64 if name in kind.block.index else None


@lower_getattr_generic(ViewType)
def _load(context, builder, kind, address, name):
    pointer = builder.inttoptr(address, ir.IntType(64).as_pointer())
    return builder.load(builder.gep(pointer, [ir.Constant(ir.IntType(64), kind.block.index[name])]))


@emitted(lambda block, address: block.view(address))
def view(typing_context, block, address):
    """View of the `block` at an address."""
    return code(ViewType(block.block)(block, types.intp), lambda builder, block, address: address)


@emitted(lambda block, table, number: block.view(table + number * block.nbytes))
def entry_of(typing_context, block, table, number):
    """View of block number `number` of the table at an address."""
    nbytes = ir.Constant(ir.IntType(64), block.block.nbytes)
    return code(
        ViewType(block.block)(block, types.intp, types.intp),
        lambda builder, block, table, number: builder.add(table, builder.mul(number, nbytes)),
    )
