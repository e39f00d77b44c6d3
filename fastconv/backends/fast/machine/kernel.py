"""Kernels, each a function of an argument block and a task, in all its variants: found, built and kept by one class.

A kernel is written as a plain function, ``kernel(args, task, number, …)``. `args` is a view of its block and `number` a
zero of the type that it computes in, which says that type; a kernel that knows its numbers by their addresses alone has
neither. What follows are constants, which are folded into the code: each set of them is compiled by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

from fastconv.backends.fast.machine.blocks import Block, view
from fastconv.backends.fast.machine.jit import INTERPRETED, ZERO, address_of, inlined

__all__ = ["KERNELS", "Kernel", "kernel"]

Values = tuple[Any, ...] | dict[str, int]
KERNELS: list[Kernel] = []  # all of them, once the modules of the engine are imported


class Kernel:
    """A kernel in all its variants.

    Parameters
    ----------
    function : callable
        What it does, in Python.
    block : Block
        What `args` is.
    typed : bool
        Whether it is compiled for each floating-point type.
    constants : dict
        The constants of the function, and of each the values that warming up compiles, or {name: value}.
    """

    def __init__(self, function: Callable[..., None], block: Block, typed: bool, constants: dict[str, Values]) -> None:
        self.name, self.block, self.typed, self.constants = function.__name__, block, typed, constants
        self._body = inlined(function)
        self._addresses: dict[tuple[Any, ...], int] = {}

    def address(self, *variant: Any) -> int:
        """Address of the kernel, (bytes of a number, constants in order); built on first use."""
        try:
            return self._addresses[variant]
        except KeyError:
            found = self._addresses[variant] = address_of(self._full_name(*variant), lambda: self._function(*variant))
            return found

    def variants(self) -> Iterator[tuple[Any, ...]]:
        """All that warming up compiles."""
        yield from product(*([(4, 8)] if self.typed else []), *self.constants.values())

    def _full_name(self, *variant: Any) -> str:
        constants = zip(self.constants, variant[self.typed :])
        labels = [name if value is True else str(value) for name, value in constants if value is not False]
        return "_".join([self.name, *labels, *([f"f{8 * variant[0]}"] if self.typed else [])])

    def _function(self, *variant: Any) -> Callable[..., None]:
        """Python function of two addresses that calls the kernel.

        Constants are globals of it, because Numba knows the value of a global, and not of a number in a tuple.
        """
        found = zip(self.constants.values(), variant[self.typed :])
        values = [values[name] if isinstance(values, dict) else name for values, name in found]
        if self.typed:
            values.insert(0, ZERO[variant[0]])
        body, block = self._body, self.block
        if INTERPRETED:
            return lambda address, task: body(view(block, address), task, *values)
        constants = {f"constant{i}": value for i, value in enumerate(values)}
        scope: dict[str, Any] = {"__name__": __name__, "body": body, "block": block, "view": view, **constants}
        source = f"def call(address, task):\n    body(view(block, address), {', '.join(['task', *constants])})"
        exec(compile(source, __file__, "exec"), scope)
        call: Callable[..., None] = scope["call"]
        return call


def kernel(block: Block, *, typed: bool = True, **constants: Values) -> Callable[[Callable[..., None]], Kernel]:
    """Make a kernel of a function; see `Kernel`."""

    def register(function: Callable[..., None]) -> Kernel:
        made = Kernel(function, block, typed, constants)
        KERNELS.append(made)
        return made

    return register
