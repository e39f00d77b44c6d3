"""Steps of a program as they are recorded, layer by layer: runs of kernels, and breaks where NumPy computes.

What a layer launched stands for the layer if it is all that the layer does: on other numbers the runs, done again, must
give the bits that the layer gives. A layer of which that is not true is a break: the program calls it at its place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from fastconv.backends.fast.grouped import GroupedProgram
from fastconv.backends.fast.machine.kernel import AT
from fastconv.backends.fast.machine.record import Recording, Run
from fastconv.backends.fast.program import Break, FastProgram, Memory, Step, again
from fastconv.layers import Identity, Layer, Sequential
from fastconv.layers.containers import is_plain
from fastconv.programs.folding import is_ours
from fastconv.validation.arrays import Array

Named = tuple[str, Layer]


P = TypeVar("P", bound="FastProgram | GroupedProgram", covariant=True)


@dataclass(frozen=True)
class Recorded(Generic[P]):
    """A program for inputs of one shape, and the names of the layers that its steps belong to."""

    program: P
    names: list[str]

    def rows(self) -> tuple[tuple[str, str], ...]:
        """Layers in order, with the kernels that each launches, or that it is a break."""
        by_layer: dict[str, Counter[str]] = {}
        for name, step in zip(self.names, self.program.steps):
            what = "computed by NumPy (break)" if isinstance(step, Break) else AT[step.kernel].name
            by_layer.setdefault(name, Counter())[what] += 1
        return tuple(
            (name, ", ".join(what + f" ×{count}" * (count > 1) for what, count in steps.items()))
            for name, steps in by_layer.items()
        )


@dataclass
class Group:
    """Steps that were recorded for one layer, and the arrays in which their addresses lie."""

    name: str
    steps: list[Step]
    arrays: list[Array]

    @property
    def runs(self) -> list[Run]:
        """The steps that are runs."""
        return [step for step in self.steps if isinstance(step, Run)]


class Recorder:
    """Everything that was recorded so far.

    Parameters
    ----------
    heard : Recording
        What the engine launches.
    fuse : bool
        Whether several layers may be done in one pass.
    dry : bool
        Run no kernel, in no memory, and try nothing: what is recorded may be tried as a whole.
    """

    def __init__(self, heard: Recording, fuse: bool, dry: bool = False) -> None:
        self.heard, self.fuse = heard, fuse
        self.dry = heard.dry = dry
        self.groups: list[Group] = []

    def hear(self, name: str, function: Callable[..., Any], *inputs: Array) -> tuple[Any, Group]:
        """Call a function of arrays; return its result, and what it ran."""
        first, arrays = len(self.heard.runs), len(self.heard.arrays)
        result = function(*inputs)
        group = Group(name, [*self.heard.runs[first:]], [*inputs, *self.heard.arrays[arrays:]])
        self.groups.append(group)
        return result, group

    def step(self, name: str, function: Callable[..., Array], *inputs: Array) -> Array:
        """Record a function of arrays: what it ran, or a break where that is not all that it did."""
        arrays, bounds = len(self.heard.arrays), {*self.heard.bounds}
        y: Array
        y, group = self.hear(name, function, *inputs)
        with self.heard.paused():
            if not self.dry and not self._is_all(group, function, inputs, y):
                y = np.array(y)  # memory of its own, whatever it is a view of
                group.steps = [Break(lambda *inputs: (function(*inputs),), inputs, (y,))]
                del self.heard.arrays[arrays:]
                self.heard.bounds = bounds
        return y

    def memory(self, *arrays: Array) -> Memory:
        """Pieces of the memory of some arrays, and of all plans."""
        return Memory([*arrays, *self.heard.plans], self.heard.bounds)

    def _is_all(self, group: Group, function: Callable[..., Array], inputs: tuple[Array, ...], y: Any) -> bool:
        """Whether these runs are all that a function does: with other numbers they give what it gives."""
        if not isinstance(y, np.ndarray) or not all(array.flags.writeable for array in inputs):
            return False
        if not group.runs and not any(np.may_share_memory(y, array) for array in inputs):
            return False  # not even where all numbers give the same, as of x - x: nobody would write it
        memory = self.memory(*group.arrays, y)
        whole = y.base if isinstance(y.base, np.ndarray) and y.base.flags.writeable else y
        before, result, told = [array.copy() for array in inputs], y.copy(), False
        around = whole.copy()  # what other branches wrote into the array of which y is a part
        tried = [*trials(getattr(function, "__self__", None), inputs)]
        try:
            for place, numbers in enumerate([*tried, [_turned(one) for one in tried[0]]]):
                if told and place == len(tried):
                    break  # these are for what gave what the example gives, as the norm of two numbers may by chance
                overwrite(inputs, numbers)
                with np.errstate(all="ignore"):
                    again(group.runs, memory)
                    given, replayed = [array.copy() for array in inputs], y.copy()
                    if not same(replayed, function(*inputs)) or not all(map(same, inputs, given)):
                        return False
                told = told or not same(replayed, result)
        except Exception:  # noqa: BLE001 - somebody's own layer, which does not take such numbers
            return False
        finally:
            overwrite(inputs, before)
            again(group.runs, memory)
            right = same(y, result)
            whole[...] = around
        return right

    def recorded(self, inputs: Sequence[Array], y: Array, state: Sequence[Array] = ()) -> Recorded[FastProgram]:
        """Program of all groups."""
        steps = [(group.name, step) for group in self.groups for step in group.steps]
        program = FastProgram(self.heard, [step for _, step in steps], inputs, y, state)
        return Recorded(program, [steps[i][0] for i in program.kept])


def trials(layer: object, arrays: Sequence[Array]) -> Iterator[list[Array]]:
    """Numbers that no example has, in place of arrays: more for somebody's own layer, which may decide by its input."""
    normal = np.random.default_rng(0x5EED)
    numbers = [_normal(normal, array) for array in arrays]
    changes: list[Callable[[Array], Array]] = [np.asarray]
    if layer is not None and not (isinstance(layer, Layer) and all_ours(layer)):
        changes += [
            lambda x: np.abs(x) * 10_000,
            lambda x: np.abs(x) * -10_000,
            lambda x: np.where(x < 0, np.nan, x),
            np.zeros_like,
        ]
    for change in changes:
        with np.errstate(all="ignore"):
            yield [change(values).astype(array.dtype, copy=False) for values, array in zip(numbers, arrays)]


def _turned(array: Array) -> Array:
    return -array if array.dtype.kind == "f" else array


def _normal(rng: np.random.Generator, like: Array) -> Array:
    if like.dtype == np.float32:
        return rng.standard_normal(like.shape, np.float32)
    return rng.standard_normal(like.shape).astype(like.dtype)


def overwrite(arrays: Iterable[Array], numbers: Iterable[Array]) -> None:
    """Put numbers into arrays."""
    for array, values in zip(arrays, numbers):
        array[...] = values


def same(a: Any, b: Any) -> bool:
    """Whether arrays have the same bits, but for those of NaN."""
    return a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True)


def all_ours(layer: Layer) -> bool:
    """Whether all layers are of this package: those give the float dtype that they get."""
    return all(is_ours(one) for _, one in layer.named_layers())


def inside(name: str, child: str) -> str:
    """Name of a layer in a layer."""
    return f"{name}.{child}" if name else child


def label(name: str, layer: Layer) -> str:
    """What a layer is called where a program is printed."""
    return f"{name} ({type(layer).__name__})" if name else type(layer).__name__


def flat(name: str, layer: Layer) -> Iterator[Named]:
    """A layer, or those that a plain Sequential runs one after the other, but for those that do nothing."""
    if isinstance(layer, Sequential) and is_plain(layer):
        for child, one in layer._layers.items():
            yield from flat(inside(name, child), one)
    elif type(layer) is not Identity:
        yield name, layer
