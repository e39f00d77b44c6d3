"""Kernels, each a function of an argument block and a task, in all its variants: found, built and kept by one class.

A kernel is written as a plain function, ``kernel(args, task, number, …)``. `args` is a view of its block and `number` a
zero of the type that it computes in, which says that type; a kernel that knows its numbers by their addresses alone has
neither. What follows are constants, which are folded into the code: each set of them is compiled by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from fastconv.backends.fast.machine.blocks import Block, view
from fastconv.backends.fast.machine.jit import INTERPRETED, ZERO, address_of, inlined

Values = tuple[Any, ...] | dict[str, Any]
KERNELS: list[Kernel] = []  # all of them, once the modules of the engine are imported
AT: dict[int, Kernel] = {}  # those that are built, by address


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
    results : str
        Entries of the block that are addresses of what it writes; by default those that the block says.
    constants : dict
        The constants of the function, and of each the values that warming up compiles, or {name: value}. A value may
        be a function that kernels call.
    """

    def __init__(
        self, function: Callable[..., None], block: Block, typed: bool, results: str, constants: dict[str, Values]
    ) -> None:
        self.name, self.block, self.typed, self.constants = function.__name__, block, typed, constants
        self.results = tuple(block.index[name] for name in results.split()) or block.results
        in_rows = () if block.rows is None else block.rows.results
        if not self.results and not in_rows:  # a program would take what it writes for a constant
            raise ValueError(f"kernel {self.name}: results must name what it writes, but they are empty.")
        self._body = inlined(function)
        self._addresses: dict[tuple[Any, ...], int] = {}

    def address(self, *variant: Any) -> int:
        """Address of the kernel, (bytes of a number, constants in order); built on first use."""
        try:
            return self._addresses[variant]
        except KeyError:
            found = self._addresses[variant] = address_of(self._full_name(*variant), lambda: self._function(*variant))
            AT[found] = self
            return found

    def written(self, arguments: np.ndarray) -> Iterator[int]:
        """Entries of an argument block, its rows among them, that are addresses of what the kernel writes."""
        yield from self.results
        if self.block.rows is not None:
            for first in range(len(self.block.names), len(arguments), len(self.block.rows.names)):
                yield from (first + i for i in self.block.rows.results)

    def variants(self) -> Iterator[tuple[Any, ...]]:
        """All that warming up compiles."""
        yield from product(*([(4, 8)] if self.typed else []), *self.constants.values())

    def _full_name(self, *variant: Any) -> str:
        constants = zip(self.constants, variant[self.typed :])
        labels = [name if value is True else str(value) for name, value in constants if value is not False]
        return "_".join([self.name, *labels, *([f"f{8 * variant[0]}"] if self.typed else [])])

    def _function(self, *variant: Any) -> Callable[..., None]:
        """Python function of an address and a task that calls the kernel."""
        found = zip(self.constants.values(), variant[self.typed :])
        values = [values[name] if isinstance(values, dict) else name for values, name in found]
        if self.typed:
            values.insert(0, ZERO[variant[0]])
        body, block = self._body, self.block
        if INTERPRETED:
            return lambda address, task: body(view(block, address), task, *values)
        constants = {f"constant{i}": value for i, value in enumerate(values)}
        names = ", ".join(["task", *constants])
        source = f"def call(address, task): body(view(block, address), {names})"
        return _written(source, body=body, block=block, **constants)


def _written(source: str, **names: Any) -> Callable[..., None]:
    """Return the function `call` that `source` defines, with these names for globals.

    Numba knows the value of a global, which it does not of a number in a tuple.
    """
    scope: dict[str, Any] = {"__name__": __name__, "view": view, **names}
    exec(compile(source, __file__, "exec"), scope)
    call: Callable[..., None] = scope["call"]
    return call


def micro_kernel_address(
    name: str,
    intrinsic: Any,
    twin: Callable[..., Any],
    shape: tuple[int, ...],
    arguments: int,
    returns: str = "void",
) -> int:
    """Address of a micro-kernel of so many arguments: an intrinsic that takes the numbers of a shape before them."""

    def make() -> Callable[..., Any]:
        if INTERPRETED:
            return partial(twin, shape)
        numbers = {f"number{i}": number for i, number in enumerate(shape)}
        given = ", ".join(f"argument{i}" for i in range(arguments))
        result = "" if returns == "void" else "return "
        source = f"def call({given}): {result}intrinsic({', '.join(numbers)}, {given})"
        return _written(source, intrinsic=intrinsic, **numbers)

    return address_of(name, make, arguments, returns)


def kernel(
    block: Block, *, typed: bool = True, results: str = "", **constants: Values
) -> Callable[[Callable[..., None]], Kernel]:
    """Make a kernel of a function; see `Kernel`."""

    def register(function: Callable[..., None]) -> Kernel:
        made = Kernel(function, block, typed, results, constants)
        KERNELS.append(made)
        return made

    return register
