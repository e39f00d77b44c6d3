"""From a network and an input to the steps of a program: runs of kernels, and breaks where NumPy computes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import numpy as np

from fastconv.backends.fast.machine.kernel import AT
from fastconv.backends.fast.machine.record import Recording, Run, recording
from fastconv.backends.fast.memory.copying import concatenated, copy_into, empty_in_order_of, in_order
from fastconv.backends.fast.memory.layout import empty_channels_last
from fastconv.backends.fast.memory.plan_cache import forget_plans
from fastconv.backends.fast.program import Break, FastProgram, Memory, Step, again
from fastconv.backends.geometry import CHANNELS_LAST
from fastconv.functional.relu import add
from fastconv.layers import Concat, Flatten, Identity, Layer, Residual, Sequential, SubsampleShortcut
from fastconv.layers.containers import is_plain
from fastconv.layers.inference import inference_mode
from fastconv.programs.endings import RELUS, Ended, conv_with_ending, ends, is_conv
from fastconv.programs.folding import is_ours
from fastconv.validation.arrays import Array, common_dtype


@dataclass(frozen=True)
class Recorded:
    """A program for inputs of one shape, and the names of the layers that its steps belong to."""

    program: FastProgram
    names: list[str]

    def lines(self) -> list[str]:
        """Layers in order, with the kernels that each launches, or that it is a break."""
        by_layer: dict[str, Counter[str]] = {}
        for name, step in zip(self.names, self.program.steps):
            what = "computed by NumPy (break)" if isinstance(step, Break) else AT[step.kernel].name
            by_layer.setdefault(name, Counter())[what] += 1
        width = max(map(len, by_layer), default=0)
        return [
            f"{name:{width}}  " + ", ".join(what + f" ×{count}" * (count > 1) for what, count in steps.items())
            for name, steps in by_layer.items()
        ]


def record(network: Layer, x: Array, fuse: bool) -> Recorded:
    """Program of a network over inputs like `x`, which is overwritten."""
    with inference_mode(), recording() as heard:
        forget_plans()  # so that every plan is made while somebody listens, and its tables are known
        recorder = _Recorder(heard, fuse)
        y = recorder.layer("", network, x)
    with inference_mode():
        program = FastProgram(heard, recorder.steps, x, y)
        names = [recorder.names[i] for i in program.kept]
        inputs = [x]
        if _is_ours(network):  # numbers that were not recorded show what is taken for a constant and is none
            inputs.append(np.empty_like(x))
            inputs[1][...] = np.random.default_rng(0xC0FFEE).standard_normal(x.shape).astype(x.dtype)
        if not all(_same(program(x.copy(order="K")), network.forward(x.copy(order="K"))) for x in inputs):
            if _is_ours(network):
                raise AssertionError("fastconv: a program is not what was recorded; please report this.")
            whole = np.array(y)
            # a layer that is another one every time, or writes into what others read: all of it is left to the layers
            program = FastProgram(Recording(), [Break(network.forward, (x,), whole)], x, whole)
            names = [_label("", network)]
    return Recorded(program, names)


class _Recorder:
    """Steps of everything that was recorded so far."""

    def __init__(self, heard: Recording, fuse: bool) -> None:
        self.heard, self.fuse = heard, fuse
        self.steps: list[Step] = []
        self.names: list[str] = []  # of the layers that they belong to

    def layer(self, name: str, layer: Layer, x: Array) -> Array:
        """Record one layer; of a container of this package, the layers inside one by one."""
        if isinstance(layer, Sequential) and is_plain(layer):
            return self.chain(list(_flat(name, layer)), x)
        if type(layer) is Residual:
            return self.residual(name, layer, x, None)[0]
        label = _label(name, layer)
        if type(layer) is Concat:
            return self.concat(name, layer, x)
        if type(layer) is Flatten:
            return self.step(label, lambda x: layer.forward(in_order(x)), x)
        if type(layer) is SubsampleShortcut:
            return self.step(label, partial(_subsampled, layer), x)
        return self.step(label, layer.forward, x)

    def chain(self, layers: list[Named], x: Array, out: Array | None = None) -> Array:
        """Record layers that run one after the other, a ReLU in the tiles of the convolution before it.

        The last convolution, with its ReLU, may write its result into `out`, a range of the channels of an array.
        """
        while layers:
            (name, layer), *layers = layers
            relu = layers[0] if layers and type(layers[0][1]) in RELUS else None
            ended = False
            place = out if len(layers) == (relu is not None) else None
            if type(layer) is Residual:
                x, ended = self.residual(name, layer, x, relu)
            elif (relu is not None or place is not None) and self.fuse and ends(layer, x, out=place):
                x, ended = self.ending(name, layer, relu, x, out=place), relu is not None
            else:
                x = self.layer(name, layer, x)
            if ended:
                layers = layers[1:]
        return x

    def residual(self, name: str, layer: Residual, x: Array, relu: Named | None) -> tuple[Array, bool]:
        """Record a sum of branches, in the tiles of a convolution at the end of one; and whether the ReLU is done."""
        branches = [list(_flat(_inside(name, child), branch)) for child, branch in layer.named_children()]
        if len(branches) == 1:
            branches.insert(0, [])
        last = next((i for i in reversed(range(2)) if branches[i] and is_conv(branches[i][-1][1])), None)
        if self.fuse and len(branches) == 2 and last is not None:
            *before, (conv_name, conv) = branches[last]
            other, y = self.chain(branches[1 - last], x), self.chain(before, x)
            if ends(conv, y, other):
                return self.ending(conv_name, conv, relu, y, other), relu is not None
            outputs = [other, self.layer(conv_name, conv, y)]
        else:
            outputs = [self.chain(branch, x) for branch in branches]
        return reduce(partial(self.step, _label(name, layer), add), outputs), False

    def concat(self, name: str, layer: Concat, x: Array) -> Array:
        """Record branches, whose last convolutions write their results side by side, where that can be."""
        branches = [(_inside(name, child), branch) for child, branch in layer.named_children()]
        dtypes = {x.dtype, *(parameter.dtype for parameter in layer.parameters())}
        copied = x.dtype in (np.float32, np.float64) and x.ndim <= 5  # what `copy_into` has a kernel for
        if not self.fuse or len(dtypes) > 1 or not copied or not all(_is_ours(branch) for _, branch in branches):
            outputs = [self.layer(child, branch, x) for child, branch in branches]
            return self.step(_label(name, layer), partial(_side_by_side, layer.axis), *outputs)
        shape = layer.output_shape(x.shape)
        last = layer.axis == 1 and len(shape) in CHANNELS_LAST
        y: Array = (empty_channels_last if last else np.empty)(shape, x.dtype)
        sizes = [branch.output_shape(x.shape)[layer.axis] for _, branch in branches]
        for (child, branch), part in zip(branches, np.split(y, np.cumsum(sizes)[:-1], layer.axis)):
            result = self.chain(list(_flat(child, branch)), x, part)
            if result is not part:
                self.step(f"{child} into {name or type(layer).__name__}", partial(_copied, part), result)
        return y

    def ending(
        self, name: str, conv: Ended, relu: Named | None, x: Array, other: Array | None = None, out: Array | None = None
    ) -> Array:
        """Record a convolution that adds another array to its result, takes the ReLU of it, or both."""
        label = _label(name, conv) + " + sum" * (other is not None) + (f" + {type(relu[1]).__name__}" if relu else "")
        function = partial(conv_with_ending, conv, relu[1] if relu else None, out)
        return self.step(label, function, x) if other is None else self.step(label, function, x, other)

    def step(self, name: str, function: Callable[..., Array], *inputs: Array) -> Array:
        """Record a function of arrays: what it ran, or a break where that is not all that it did."""
        first, arrays, bounds = len(self.heard.runs), len(self.heard.arrays), {*self.heard.bounds}
        y = function(*inputs)
        steps: list[Step] = [*self.heard.runs[first:]]
        with self.heard.paused():
            if not self._is_all(self.heard.runs[first:], function, inputs, y):
                y = np.array(y)  # memory of its own, whatever it is a view of
                steps = [Break(function, inputs, y)]
                del self.heard.arrays[arrays:]
                self.heard.bounds = bounds
        self.steps += steps
        self.names += [name] * len(steps)
        return y

    def _is_all(self, runs: list[Run], function: Callable[..., Array], inputs: tuple[Array, ...], y: Any) -> bool:
        """Whether these runs are all that a function does: with other numbers they give what it gives."""
        if not isinstance(y, np.ndarray) or not all(array.flags.writeable for array in inputs):
            return False
        memory = Memory([*self.heard.arrays, *self.heard.plans, *inputs, y], self.heard.bounds)
        before, result = [array.copy() for array in inputs], y.copy()
        try:
            for change in _trials(function):
                rng = np.random.default_rng(0x5EED)  # no example has these numbers
                with np.errstate(all="ignore"):
                    for array in inputs:
                        array[...] = change(rng.standard_normal(array.shape)).astype(array.dtype)
                    again(runs, memory)
                    given, replayed = [array.copy() for array in inputs], y.copy()
                    if not _same(replayed, function(*inputs)) or not all(map(_same, inputs, given)):
                        return False
        except Exception:  # noqa: BLE001 - somebody's own layer, which does not take such numbers
            return False
        finally:
            for array, values in zip(inputs, before):
                array[...] = values
        again(runs, memory)
        return _same(y, result)


def _trials(function: Callable[..., Array]) -> list[Callable[[Array], Array]]:
    """What is made of normal numbers before a function gets them: more for a layer that may decide by its input."""
    if type(getattr(function, "__self__", None)).__module__.startswith(("fastconv.", "builtins")):
        return [np.asarray]
    return [
        np.asarray,
        lambda x: 1e4 * np.abs(x),
        lambda x: -1e4 * np.abs(x),
        lambda x: np.where(x < 0, np.nan, x),
        np.zeros_like,
    ]


Named = tuple[str, Layer]


def _inside(name: str, child: str) -> str:
    return f"{name}.{child}" if name else child


def _label(name: str, layer: Layer) -> str:
    return f"{name} ({type(layer).__name__})" if name else type(layer).__name__


def _flat(name: str, layer: Layer) -> Iterator[Named]:
    """A layer, or those that a plain Sequential runs one after the other, but for those that do nothing."""
    if isinstance(layer, Sequential) and is_plain(layer):
        for child, one in layer._layers.items():
            yield from _flat(_inside(name, child), one)
    elif type(layer) is not Identity:
        yield name, layer


def _subsampled(layer: SubsampleShortcut, x: Array) -> Array:
    if x.dtype.kind != "f":
        return layer.forward(x)
    y = empty_in_order_of(x, layer.output_shape(x.shape))
    copy_into(y, np.broadcast_to(np.zeros((), x.dtype), y.shape))
    copy_into(y[layer._given()], x[layer._taken()])
    return y


def _is_ours(layer: Layer) -> bool:
    """Whether all layers are of this package: those give the float dtype that they get."""
    return all(is_ours(one) for _, one in layer.named_layers())


def _copied(target: Array, source: Array) -> Array:
    copy_into(target, source)
    return target


def _side_by_side(axis: int, *parts: Array) -> Array:
    kind = common_dtype("Concat", *parts)
    return concatenated([part.astype(kind, copy=False) for part in parts], axis)


def _same(a: Any, b: Any) -> bool:
    """Whether arrays have the same bits, but for those of NaN."""
    return a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True)
