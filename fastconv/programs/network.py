"""A network in evaluation, recorded layer by layer."""

from __future__ import annotations

from functools import partial, reduce
from typing import Any

import numpy as np

from fastconv.backends.fast.grouped import GroupedProgram, can_group
from fastconv.backends.fast.machine.record import Recording, recording
from fastconv.backends.fast.memory.layout import empty_channels_last
from fastconv.backends.fast.memory.plan_cache import forget_plans
from fastconv.backends.fast.memory.strided import copy_into
from fastconv.backends.fast.program import Break, FastProgram
from fastconv.backends.geometry import CHANNELS_LAST
from fastconv.backends.settings import get_num_threads, use_num_threads
from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.functional.copies import concatenated
from fastconv.functional.relu import add
from fastconv.layers import Concat, Flatten, Layer, Linear, Residual, Sequential
from fastconv.layers.containers import is_plain
from fastconv.layers.inference import inference_mode
from fastconv.layers.merge import Join
from fastconv.layers.stepped import SteppedLayer
from fastconv.programs.endings import RELUS, Ended, Framed, conv_with_ending, ends, framed, is_conv
from fastconv.programs.folding import is_ours
from fastconv.programs.recording import Named, Recorded, Recorder, all_ours, flat, inside, label, same
from fastconv.report.words import plural
from fastconv.validation.arrays import Array


def record(network: Layer, x: Array, fuse: bool) -> Recorded[FastProgram | GroupedProgram]:
    """Program of a network over inputs like `x`, which is overwritten."""
    with inference_mode(), recording() as heard:
        forget_plans()  # so that every plan is made while somebody listens, and its tables are known
        recorder = NetworkRecorder(heard, fuse)
        y = recorder.layer("", network, x)
    with inference_mode():
        recorded = recorder.recorded([x], y)
        inputs = [x]
        if all_ours(network):  # numbers that were not recorded show what is taken for a constant and is none
            inputs.append(np.empty_like(x))
            inputs[1][...] = np.random.default_rng(0xC0FFEE).standard_normal(x.shape).astype(x.dtype)
        if not all(same(recorded.program(x.copy(order="K")), network.forward(x.copy(order="K"))) for x in inputs):
            if all_ours(network):
                raise AssertionError("fastconv: a program is not what was recorded; please report this.")
            whole = np.array(y)
            # a layer that is another one every time, or writes into what others read: all of it is left to the layers
            left = Break(lambda x: (network.forward(x),), (x,), (whole,))
            return Recorded(FastProgram(Recording(), [left], [x], whole), [label("", network)])
        return (_in_groups(network, x) if fuse and not recorded.program.breaks else None) or recorded


_GROUP_BYTES = 2**20  # of the arena of a group: about half of an L2 cache
_LARGEST = 2**22  # of that of one image


def _in_groups(network: Layer, x: Array) -> Recorded[GroupedProgram] | None:
    """The same as a program that goes a few images at a time, if it has the same bits."""
    try:
        recorded = in_groups(network, x)
    except (InvalidTypeError, InvalidValueError):  # of a layer that takes the whole batch alone
        return None
    if recorded is None or recorded.program.breaks:
        return None
    x[...] = np.random.default_rng(0xFEED).standard_normal(x.shape).astype(x.dtype)
    return recorded if same(recorded.program(x), network.forward(x)) else None


def in_groups(network: Layer, x: Array, *, dry: bool = False) -> Recorded[GroupedProgram] | None:
    """Program that goes a few images at a time down to the first linear layer; None where no group fits a cache."""
    threads, layers = get_num_threads(), list(flat("", network))
    stop = next((i for i, (_, layer) in enumerate(layers) if isinstance(layer, (Flatten, Linear))), len(layers))
    images = _images_of_a_group(layers[:stop], x, threads) if stop > 1 else 0
    if not images:
        return None
    with use_num_threads(1):
        first = _recorded(layers[:stop], x[:images].copy(order="K"), dry, len(x) // images)
    if not can_group(first.program):
        return None
    middle = GroupedProgram(first.program, None, images, len(x), threads).results()
    rest = _recorded(layers[stop:], middle, dry) if stop < len(layers) else None
    last = None if rest is None else rest.program
    program = GroupedProgram(first.program, last, images, len(x), threads)
    title = f"{program.groups} groups of {plural(images, 'image')}: "
    return Recorded(program, [*(title + name for name in first.names), *(rest.names if rest else [])])


def _images_of_a_group(layers: list[Named], x: Array, threads: int) -> int:
    """Images whose arena fits into a cache, in groups that all threads have as many of; 0 where groups do not pay."""
    fitting = [n for n in range(1, len(x)) if len(x) % n == 0 and len(x) // n % threads == 0]
    for images in reversed(fitting):
        with use_num_threads(1):
            needed = _recorded(layers, np.empty_like(x[:images]), True, len(x) // images).program.arena_bytes
        if needed <= _GROUP_BYTES:
            return images
    return 1 if fitting and needed <= _LARGEST else 0


def _recorded(layers: list[Named], x: Array, dry: bool, groups: int = 1) -> Recorded[FastProgram]:
    """Program of layers one after the other; of one of some groups of images it has the bits of all."""
    with recording() as heard, np.errstate(all="ignore"):
        heard.groups = groups
        forget_plans()
        recorder = NetworkRecorder(heard, fuse=True, dry=dry)
        y = recorder.chain(layers, x)
    return recorder.recorded([x], y)


class NetworkRecorder(Recorder):
    """What the layers of a network launch."""

    def __init__(self, heard: Recording, fuse: bool, dry: bool = False) -> None:
        super().__init__(heard, fuse, dry)
        self._framed: dict[int, Framed] = {}  # results in a frame, by their `id`, for the next convolution

    def layer(self, name: str, layer: Layer, x: Array) -> Array:
        """Record one layer; of a container of this package, the layers inside one by one."""
        if isinstance(layer, Sequential) and is_plain(layer):
            return self.chain(list(flat(name, layer)), x)
        if type(layer) is Residual:
            return self.residual(name, layer, x, None)[0]
        title = label(name, layer)
        if type(layer) is Concat:
            return self.concat(name, layer, x)
        if isinstance(layer, Join) and is_ours(layer):
            branches = [self.layer(inside(name, child), branch, x) for child, branch in layer.named_children()]
            return self.step(title, layer.join, *branches)
        if isinstance(layer, SteppedLayer) and is_ours(layer):
            return layer.steps(lambda step, *what: self.step(inside(name, step), *what), x)
        return self.step(title, layer.forward, x)

    def chain(self, layers: list[Named], x: Array, out: Array | None = None, following: Layer | None = None) -> Array:
        """Record layers that run one after the other, a ReLU in the tiles of the convolution before it.

        The last convolution, with its ReLU, may write its result into `out`, a range of the channels of an array, or
        where the layer `following` reads it in place.
        """
        while layers:
            (name, layer), *layers = layers
            relu = layers[0] if layers and type(layers[0][1]) in RELUS else None
            ended = False
            after = [one for _, one in layers[relu is not None :]]
            place = out if not after else None
            if type(layer) is Residual:
                x, ended = self.residual(name, layer, x, relu)
            elif self.fuse and ends(layer, x, out=place):
                x = self.ending(name, layer, relu, x, out=place, following=after[0] if after else following)
                ended = relu is not None
            else:
                x = self.layer(name, layer, x)
            if ended:
                layers = layers[1:]
        return x

    def residual(self, name: str, layer: Residual, x: Array, relu: Named | None) -> tuple[Array, bool]:
        """Record a sum of branches, in the tiles of a convolution at the end of one; and whether the ReLU is done."""
        branches = [list(flat(inside(name, child), branch)) for child, branch in layer.named_children()]
        if len(branches) == 1:
            branches.insert(0, [])
        last = next((i for i in reversed(range(2)) if branches[i] and is_conv(branches[i][-1][1])), None)
        if self.fuse and len(branches) == 2 and last is not None:
            *before, (conv_name, conv) = branches[last]
            other, y = self.chain(branches[1 - last], x), self.chain(before, x, following=conv)
            if ends(conv, y, other):
                return self.ending(conv_name, conv, relu, y, other), relu is not None
            outputs = [other, self.layer(conv_name, conv, y)]
        else:
            outputs = [self.chain(branch, x) for branch in branches]
        return reduce(partial(self.step, label(name, layer), add), outputs), False

    def concat(self, name: str, layer: Concat, x: Array) -> Array:
        """Record branches, whose last convolutions write their results side by side, where that can be."""
        branches = [(inside(name, child), branch) for child, branch in layer.named_children()]
        dtypes = {x.dtype, *(parameter.dtype for parameter in layer.parameters())}
        copied = x.dtype in (np.float32, np.float64) and x.ndim <= 5  # what `copy_into` has a kernel for
        if not self.fuse or len(dtypes) > 1 or not copied or not all(all_ours(branch) for _, branch in branches):
            outputs = [self.layer(child, branch, x) for child, branch in branches]
            return self.step(label(name, layer), lambda *parts: concatenated("Concat", parts, layer.axis), *outputs)
        shape = layer.output_shape(x.shape)
        last = layer.axis == 1 and len(shape) in CHANNELS_LAST
        y: Array = (empty_channels_last if last else np.empty)(shape, x.dtype)
        sizes = [branch.output_shape(x.shape)[layer.axis] for _, branch in branches]
        for (child, branch), part in zip(branches, np.split(y, np.cumsum(sizes)[:-1], layer.axis)):
            result = self.chain(list(flat(child, branch)), x, part)
            if result is not part:
                self.step(f"{child} into {name or type(layer).__name__}", partial(_copied, part), result)
        return y

    def ending(
        self,
        name: str,
        conv: Ended,
        relu: Named | None,
        x: Array,
        other: Array | None = None,
        out: Array | None = None,
        following: Layer | None = None,
    ) -> Array:
        """Record a convolution that adds another array to its result, takes the ReLU of it, or both."""
        title = label(name, conv) + " + sum" * (other is not None) + (f" + {type(relu[1]).__name__}" if relu else "")
        options: dict[str, Any] = {}
        before = self._framed.pop(id(x), None)
        target = framed(conv, following, x) if following is not None and out is None and other is None else None
        if before is not None:
            x, options["geometry"] = before.whole, before.following
        if target is not None:
            out, options["frame"], title = target.result, target.frame, f"{title} + border"
            self._framed[id(out)] = target
        function = partial(conv_with_ending, conv, relu[1] if relu else None, out, **options)
        return self.step(title, function, x) if other is None else self.step(title, function, x, other)


def _copied(target: Array, source: Array) -> Array:
    copy_into(target, source)
    return target
