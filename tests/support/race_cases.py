"""Everything that the fast engine computes, on geometries in which two tasks share an image, and what each task writes.

A program of `test_kernel_races`: ``python race_cases.py float32 [full]``. It prints JSON: the races, the results that
depend on memory that nobody wrote or on the number of tasks, the kernels that ran in several tasks, and all there are.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
from kernel_writes import Recorder

if __name__ == "__main__":
    RECORDER = Recorder()  # before the engine is imported, in a process of its own

import fastconv as fc
from fastconv import functional as F
from fastconv import layers
from fastconv.backends import resolve_backend
from fastconv.backends.fast.machine.intrinsics import integer, store_integer
from fastconv.backends.fast.machine.target import AVX512, host
from fastconv.backends.fast.pool.every_second_kernel import spread_to_every_second
from fastconv.backends.fast.warmup import _jobs
from fastconv.functional.linear import linear, linear_backward

Case = tuple[str, Callable[[], Any]]
SPATIAL = {1: (37,), 2: (9, 14), 3: (4, 5, 6)}
PATTERNS = (0xFF, 0x5A)  # NaN, and numbers around 1e16


def tasks_for_everything() -> int:
    """Set every amount of work below which one thread does it all to nothing; return how many there were."""
    found = 0
    for name, module in list(sys.modules.items()):
        if name.startswith("fastconv.backends.fast."):
            for constant in [key for key in vars(module) if "SERIAL" in key or key == "_TINY_NUMBERS"]:
                setattr(module, constant, 0)
                found += 1
    return found


class Memory:
    """np.empty that returns memory full of one byte."""

    def __init__(self) -> None:
        self.pattern, self._empty = 0, np.empty
        np.empty = self.empty  # type: ignore[assignment]

    def empty(self, shape: Any, dtype: Any = float, *args: Any, **options: Any) -> Any:
        array = self._empty(shape, dtype, *args, **options)
        if not array.dtype.hasobject:
            array.reshape(-1, order="A").view(np.uint8)[...] = self.pattern
        return array


def draw(shape: tuple[int, ...], dtype: str, *, last: bool = False) -> Any:
    """Numbers in planes, or channels-last in memory."""
    numbers = np.random.default_rng(list(shape)).standard_normal(shape).astype(dtype)
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(numbers, 1, -1)), -1, 1) if last else numbers


def window_cases(dtype: str, full: bool) -> Iterator[Case]:
    """Pools of every kind, and columns."""
    options: dict[str, dict[str, Any]] = {
        "k3s1p1": {"kernel_size": 3, "stride": 1, "padding": 1},
        "k2s2": {"kernel_size": 2, "stride": 2},
        "k3s2d2": {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 2},
    }
    batches, channels = ((1, 2, 3), (1, 2, 3, 4, 9, 17)) if full else ((1, 3), (1, 2, 3, 9))
    for rank, (window, o), n, c, last in product((1, 2, 3), options.items(), batches, channels, (False, True)):
        if not full and rank != 2 and (window, c) != ("k3s1p1", 2):
            continue
        if any(size < 5 for size in SPATIAL[rank]) and "d2" in window:
            continue
        x = draw((n, c, *SPATIAL[rank]), dtype, last=last)
        where = f"{rank}d {window} {x.shape}{' channels last' if last else ''}"
        yield f"pool {where}", lambda x=x, o=o, rank=rank, last=last: list(pools(x, rank, o, last))
    for c, last in product((2, 9), (False, True)):  # windows of many taps, and windows of unequal sizes
        x = draw((2, c, 24, 24), dtype, last=last)
        yield (
            f"long windows {c} {last}",
            lambda x=x, last=last: list(pools(x, 2, {"kernel_size": 23, "stride": 1}, last)),
        )
        x40 = draw((2, c, 40, 40), dtype, last=last)  # enough to be worth several passes
        yield f"passes {c} {last}", lambda x=x40: list(fc.max_pool2d(x, 17, stride=1, return_indices=True))
        yield f"resampling {c} {last}", lambda x=x: list(resampled(x))
        yield f"adaptive {c} {last}", lambda x=x, last=last: list(adaptive(x, last))
    x = draw((3, 2, *SPATIAL[2]), dtype)
    yield "columns", lambda: [cols := fc.im2col(x, (3, 2), padding=1), fc.col2im(cols, x.shape[2:], (3, 2), padding=1)]


def like(x: Any, shape: tuple[int, ...], last: bool) -> Any:
    """A gradient of another shape in the same memory order."""
    return draw(shape, str(x.dtype), last=last)


def pools(x: Any, rank: int, options: dict[str, Any], last: bool) -> Iterator[Any]:
    """All pools of one window, forward and backward, and unpooling."""
    call = lambda name, *arguments, **more: getattr(fc, f"{name}{rank}d{more.pop('way', '')}")(*arguments, **more)  # noqa: E731
    kernel, rest = options["kernel_size"], {key: value for key, value in options.items() if key != "kernel_size"}
    yield call("max_pool", x, kernel, **rest)
    y, indices = call("max_pool", x, kernel, return_indices=True, **rest)
    dy = like(x, y.shape, last)
    yield from (y, indices, call("max_pool", dy, indices, x.shape, way="_backward"))
    for ties in ("all", "split"):
        yield call("max_pool", dy, x, kernel, way="_ties_backward", ties=ties, **rest)
    layer = getattr(layers, f"MaxPool{rank}d")(kernel, **rest)
    yield from (layer.forward(x), layer.backward(dy), layer._kept()[0].indices())
    if "dilation" not in rest and rest["stride"] >= 2:
        yield call("max_unpool", y, indices, x.shape[2:])
        yield call("max_unpool", x, indices, way="_backward")
    for count_include_pad in (False, True):
        more = {**rest, "count_include_pad": count_include_pad}
        yield from (call("avg_pool", x, kernel, **more), call("avg_pool", dy, x.shape, kernel, way="_backward", **more))
    for p in (2, 3):
        yield from (call("lp_pool", x, p, kernel, **rest), call("lp_pool", dy, x, p, kernel, way="_backward", **rest))


def resampled(x: Any) -> Iterator[Any]:
    """Planes in another size and with cells around them, and gradients."""
    for shape, mode in product(((9, 11), (24, 12), (40, 30)), ("nearest", "bilinear")):
        yield F.upsample(x, shape, mode=mode)
        yield F.upsample_backward(x, (*x.shape[:2], *shape), x.shape[2:], mode=mode)
    for around in ("zeros", "reflect"):
        yield (y := F.pad(x, ((2, 0), (3, 1)), around))
        yield F.pad_backward(y, x.shape, ((2, 0), (3, 1)), around)


def adaptive(x: Any, last: bool) -> Iterator[Any]:
    """Adaptive and global pools."""
    for size in ((5, 4), (2, 2), (1, 1), (7, 24)):
        y, indices = fc.adaptive_max_pool2d(x, size, return_indices=True)
        dy = like(x, y.shape, last)
        yield from (y, fc.adaptive_max_pool2d(x, size), fc.max_pool2d_backward(dy, indices, x.shape))
        layer = layers.AdaptiveMaxPool2d(size)
        yield from (layer.forward(x), layer.backward(dy))
        yield from (fc.adaptive_avg_pool2d(x, size), fc.adaptive_avg_pool2d_backward(dy, x.shape))


CONVOLUTIONS: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    # (N, C, *spatial), (F, C // groups, *kernel), options
    ((1, 3, 9, 14), (2, 3, 3, 3), {"padding": 1}),
    ((3, 2, 9, 14), (3, 2, 3, 2), {"stride": 2, "padding": 1}),
    ((1, 1, 11, 8), (1, 1, 5, 3), {}),
    ((2, 4, 9, 11), (4, 4, 1, 1), {}),
    ((3, 17, 7, 5), (33, 17, 1, 1), {}),
    ((2, 16, 9, 11), (16, 16, 3, 3), {"padding": 1}),
    ((1, 8, 10, 13), (35, 8, 3, 3), {"stride": (2, 1), "padding": 1}),
    ((2, 6, 9, 10), (4, 3, 3, 3), {"groups": 2, "dilation": (2, 1)}),
    ((2, 4, 9, 10), (4, 1, 3, 3), {"groups": 4, "padding": 1}),
    ((2, 32, 9, 10), (32, 1, 3, 3), {"groups": 32, "padding": 1}),
    ((1, 35, 12, 11), (35, 1, 3, 3), {"groups": 35, "padding": 1}),
    ((1, 18, 47, 46), (18, 1, 3, 3), {"groups": 18, "padding": 1}),
    ((2, 3, 9, 10), (6, 1, 3, 3), {"groups": 3, "padding": 1, "stride": 2}),
    ((1, 32, 9, 10), (32, 1, 5, 5), {"groups": 32, "padding": 2, "stride": 2}),
    ((2, 20, 9, 10), (20, 4, 3, 3), {"groups": 5, "padding": 1}),  # small groups side by side, as is what follows
    ((1, 34, 12, 11), (34, 2, 3, 2), {"groups": 17, "padding": 1, "stride": 2}),
    ((2, 24, 9, 10), (24, 8, 1, 1), {"groups": 3}),
    ((3, 2, 6, 5), (40, 2, 6, 5), {}),
    ((1, 2, 40, 61), (3, 2, 3, 3), {"padding": 1}),
    ((2, 33, 9, 10), (3, 33, 3, 3), {"padding": 1}),  # by dots
    ((2, 3, 61), (5, 3, 5), {"stride": 2, "padding": 2}),
    ((1, 2, 700), (2, 2, 9), {}),
    ((2, 2, 4, 6, 5), (3, 2, 2, 3, 2), {"padding": 1}),
    ((1, 16, 4, 6, 5), (18, 16, 3, 3, 3), {"stride": 2, "padding": 1}),
    ((1, 1, 64, 66), (130, 1, 1, 1), {}),  # as many pixels as sums of the bias are split at
]


def conv_cases(dtype: str, full: bool) -> Iterator[Case]:
    """Convolutions and transposed convolutions, every pass, in both memory orders."""
    for (x_shape, weight_shape, options), last in product(CONVOLUTIONS, (False, True)):
        x, weight, bias = draw(x_shape, dtype, last=last), draw(weight_shape, dtype), draw(weight_shape[:1], dtype)
        where = f"{x_shape} {weight_shape} {options}{' channels last' if last else ''}"
        yield f"conv {where}", lambda a=(x, weight, bias), o=options, last=last: list(conv("conv", *a, o, last))
        if last and not full:
            continue
        y_channels = weight_shape[1] * options.get("groups", 1)
        source = draw((x_shape[0], weight_shape[0], *(max(1, size // 2) for size in x_shape[2:])), dtype, last=last)
        more = {**options, "padding": 0}
        a = (source, weight, draw((y_channels,), dtype))
        yield f"transposed {where}", lambda a=a, o=more, last=last: list(conv("conv_transpose", *a, o, last))
    a = draw((2, 3, 9, 12), dtype), draw((5, 3, 3, 2), dtype), draw((5,), dtype)
    for frame in ((1, 1, 1, 1), (2, 0, 0, 3)):
        yield f"conv in a frame {frame}", lambda frame=frame: [framed(*a, frame)]


def framed(x: Any, weight: Any, bias: Any, frame: tuple[int, int, int, int]) -> Any:
    """What a forward pass writes in a frame, and the frame."""
    from fastconv.backends.fast.conv.conv import conv_ending
    from fastconv.backends.fast.conv.plan import Frame
    from fastconv.layers import Conv2d

    geometry = Conv2d(x.shape[1], len(weight), weight.shape[2:])._geometry(x.shape)
    top, bottom, left, right = frame
    height, width = geometry.out
    whole = np.empty((len(x), top + height + bottom, left + width + right, len(weight)), x.dtype)
    y = whole[:, top : top + height, left : left + width].transpose(0, 3, 1, 2)
    conv_ending(x, weight, bias, geometry, 0, out=y, frame=Frame(*frame))
    return whole


def conv(name: str, x: Any, weight: Any, bias: Any, options: dict[str, Any], last: bool) -> Iterator[Any]:
    """Forward and all gradients."""
    forward = getattr(fc, f"{name}{x.ndim - 2}d")
    y = forward(x, weight, bias, **options)
    yield from (y, *getattr(fc, f"{name}{x.ndim - 2}d_backward")(like(x, y.shape, last), x, weight, **options))


WINOGRAD: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((1, 17, 15, 13), (35, 17, 3, 3), {"padding": 1}),
    ((2, 64, 6, 9), (70, 64, 3, 3), {"padding": 1}),
    ((1, 24, 9, 30), (36, 12, 1, 3), {"groups": 2}),
    ((1, 32, 13, 12), (34, 32, 5, 5), {"padding": 2}),
    ((1, 32, 13, 12), (34, 32, 3, 3), {"padding": 2, "dilation": 2}),
    ((1, 20, 17, 15), (37, 20, 5, 5), {"padding": 2, "stride": 2}),  # four phases
    ((1, 20, 4, 9, 10), (37, 20, 3, 3, 3), {"padding": 1}),  # slices
    ((1, 150, 9, 10), (230, 150, 3, 3), {"padding": 1, "stride": 2}),
    ((1, 16, 7000), (32, 16, 3), {"padding": 1}),  # segments of a row
    ((1, 256, 5, 6), (260, 256, 3, 3), {"padding": 1}),  # each task transforms its weights
]


def winograd_cases(dtype: str, full: bool) -> Iterator[Case]:
    """Convolutions by Winograd's algorithm, whether that is faster or not, and with tiles that are done again."""
    for x_shape, weight_shape, options in WINOGRAD if dtype == "float32" else []:
        x, weight = draw(x_shape, dtype, last=True), draw(weight_shape, dtype)
        for name in ("finite", "infinity"):
            a = (x.copy(order="K"), weight, draw(weight_shape[:1], dtype))
            if name == "infinity":
                a[0][(0, 3, *(size // 2 for size in x_shape[2:]))] = np.inf
            yield f"winograd {x_shape} {weight_shape} {name}", lambda a=a, o=options: by_winograd(*a, o)


def by_winograd(*arguments: Any) -> list[Any]:
    """Convolution and gradients of what can be transformed, as such."""
    from fastconv.backends.fast.conv import conv as module
    from fastconv.backends.fast.winograd.tiles import can_transform

    kept = module.takes_winograd, module.takes_winograd_gradient
    changed: Any = module
    changed.takes_winograd = lambda task, itemsize: can_transform(task)
    changed.takes_winograd_gradient = lambda task, itemsize, limit: (
        can_transform(task) and all(line.stride == 1 for line in task.lines[1:])
    )
    try:
        return list(conv("conv", *arguments, True))
    finally:
        changed.takes_winograd, changed.takes_winograd_gradient = kept


def dense_cases(dtype: str, full: bool) -> Iterator[Case]:
    """Linear layers, normalisations, ReLU and sums."""
    for rows, inputs, outputs in ((1, 70, 45), (2, 300, 33), (7, 33, 130), (40, 90, 77), (3, 5, 2)):
        x, weight = draw((rows, inputs), dtype), draw((outputs, inputs), dtype)
        dy = draw((rows, outputs), dtype)
        yield (
            f"linear {rows} {inputs} {outputs}",
            lambda x=x, w=weight, dy=dy: [linear(x, w, w[:, 0]), *linear_backward(dy, x, w)],
        )
    shapes = [(1, 2, 9, 14), (3, 3, 9, 14), (2, 17, 5, 6), (1, 4, 300), (2, 4, 3, 4, 5), (1, 1, 40, 50), (64, 2, 3, 3)]
    for shape, last in product(shapes, (False, True)):
        x, dy = draw(shape, dtype, last=last), draw((*shape[:2], *shape[2:]), dtype, last=last)
        yield f"normalisation {shape} {last}", lambda x=x, dy=dy: list(normalisations(x, dy))
        yield (
            f"pointwise {shape} {last}",
            lambda x=x, dy=dy: [F.relu(x), F.relu_backward(dy, x), F.add(x, dy), F.add(x, dy, relu=True)],
        )
        yield f"product {shape} {last}", lambda x=x, dy=dy: [resolve_backend("fast").multiply(x, dy)]
        other = draw(shape, dtype, last=not last)
        concat = layers.Concat(layers.Identity(), layers.Identity())
        yield f"copies {shape} {last}", lambda x=x, concat=concat: [concat.forward(x)]
        yield f"pointwise, two orders {shape} {last}", lambda x=x, b=other: [F.add(x, b), F.relu_backward(b, x)]
        slopes = draw((shape[1],), dtype)
        yield f"activations {shape} {last}", lambda x=x, dy=dy: list(activations(x, dy))
        yield f"softmax {shape} {last}", lambda x=x, dy=dy: list(softmaxes(x, dy))
        yield (
            f"prelu {shape} {last}",
            lambda x=x, dy=dy, slopes=slopes: [
                F.prelu(x, slopes), *F.prelu_backward(dy, x, slopes), *F.prelu_backward(dy, x, slopes[:1]),
            ],
        )  # fmt: skip


def activations(x: Any, dy: Any) -> Iterator[Any]:
    """Every function that has kernels, and its gradient."""
    from fastconv.backends.activations import BACKWARD, FORWARD

    backend = resolve_backend("fast", "activations")
    numbers = {"leaky_relu": (0.1,), "elu": (0.5, 1.1), "softplus": (2.0, 1.0)}
    for name in FORWARD:
        yield backend.activation(name, x, *numbers.get(name, ()))
    for name in BACKWARD:
        yield backend.activation_backward(name, dy, x, *numbers.get(name, ()))


def softmaxes(x: Any, dy: Any) -> Iterator[Any]:
    """Softmax and its logarithm along two axes, and their gradients."""
    for axis in (1, -1):
        yield from (F.softmax(x, axis), F.softmax_backward(dy, x, axis))
        yield from (F.log_softmax(x, axis), F.log_softmax_backward(dy, x, axis))


def normalisations(x: Any, dy: Any) -> Iterator[Any]:
    """All normalisations, through their layers, forward and backward, and batch normalisation with a ReLU and a sum."""
    from fastconv.programs.normalizing import normalized, normalized_backward

    kind = f"{x.ndim - 2}d"
    for layer in (
        getattr(layers, f"BatchNorm{kind}")(x.shape[1], dtype=x.dtype),
        getattr(layers, f"InstanceNorm{kind}")(x.shape[1], affine=True, dtype=x.dtype),
        layers.GroupNorm(1, x.shape[1], dtype=x.dtype),
        layers.LayerNorm(x.shape[1:], dtype=x.dtype),
    ):
        yield from (layer(x), layer.backward(dy), *(parameter.grad for parameter in layer.parameters()))
    for relu, other in product((layers.ReLU(), layers.ReLU6()), (None, dy)):
        layer = getattr(layers, f"BatchNorm{kind}")(x.shape[1], dtype=x.dtype)
        yield normalized(layer, relu, x, other)
        yield from normalized_backward(layer, relu, dy, shared=other is not None)
        yield from (parameter.grad for parameter in layer.parameters())


def optimiser_cases(dtype: str, full: bool) -> Iterator[Case]:
    """Steps of the optimisers with and without their options, and norms, limits and penalties."""
    for name, options in (
        ("SGD", {"weight_decay": 0.1}),
        ("SGD", {"momentum": 0.9}),
        ("RMSprop", {}),
        ("RMSprop", {"momentum": 0.9}),
        ("Adam", {"weight_decay": 0.1}),
        ("AdamW", {"amsgrad": True}),
    ):
        yield f"{name} {options}", lambda name=name, options=options: list(updates(dtype, name, options))
    yield "norms and penalties", lambda: list(norms(dtype))


def trained(dtype: str) -> list[Any]:
    """Parameters with gradients; the tasks meet inside of the larger ones."""
    from fastconv.layers import Parameter

    parameters = [Parameter(draw(shape, dtype)) for shape in ((3, 5), (1,), (4097, 5), (17,))]
    for parameter in parameters:
        parameter.grad = draw((*parameter.shape, 1), dtype)[..., 0]
    return parameters


def updates(dtype: str, name: str, options: dict[str, Any]) -> Iterator[Any]:
    """Parameters and slots after two steps."""
    from fastconv import optim

    parameters = trained(dtype)
    optimizer = getattr(optim, name)(parameters, lr=0.1, **options)
    optimizer.step()
    optimizer.step()
    yield from (*(parameter.data for parameter in parameters), *optimizer.state_dict()["slots"].values())


def norms(dtype: str) -> Iterator[Any]:
    """What `clip_grad_norm` and the penalty compute."""
    from fastconv import optim
    from fastconv.optim.penalty import add_penalty_gradient, sum_of_squares

    parameters = trained(dtype)
    yield optim.clip_grad_norm(parameters, 1.0)
    add_penalty_gradient(parameters, np.array([0.5]))
    yield from (sum_of_squares(parameters), *(parameter.grad for parameter in parameters))


def training_cases(dtype: str, full: bool) -> Iterator[Case]:
    """Losses and dropout: several chunks of rows, and images that tasks share."""
    for shape, last in product([(700, 10), (3, 5, 40, 33), (2, 3, 9, 14)], (False, True)[: 1 + full]):
        x, other = draw(shape, dtype, last=last), draw(shape, dtype, last=last)
        yield f"losses {shape} {last}", lambda x=x, other=other: list(losses(x, other))
        yield f"dropout {shape} {last}", lambda x=x, other=other: list(dropouts(x, other))
    for shape, last in product([(3, 5, 9, 14), (2, 3, 40, 61)], (False, True)):
        x, other = draw(shape, dtype, last=last), draw(shape, dtype, last=not last)
        yield f"dropout, two orders {shape} {last}", lambda x=x, other=other: list(dropouts(x, other))


def losses(x: Any, target: Any) -> Iterator[Any]:
    """Every loss with its gradient."""
    from fastconv import losses as L

    labels = np.arange(x.size // x.shape[1]).reshape(x.shape[0], *x.shape[2:]) % x.shape[1]
    weight = np.linspace(0.5, 2, x.shape[1]).astype(x.dtype)
    yield from L.softmax_cross_entropy(x, labels, weight=weight, label_smoothing=0.1)
    yield from L.softmax_cross_entropy(x, target)
    yield from L.multiclass_svm(x, labels)
    yield from L.squared_error(x, target)
    yield from L.binary_cross_entropy(np.abs(np.tanh(x)), target)
    yield from L.binary_cross_entropy_with_logits(x, target)
    yield resolve_backend("fast").one_hot(labels.reshape(-1), x.shape[1], x.dtype)


def dropouts(x: Any, dy: Any) -> Iterator[Any]:
    """Dropout of numbers, and of channels, forward and backward."""
    for kind in ("", f"{x.ndim - 2}d") if x.ndim > 2 else ("",):
        layer = getattr(layers, f"Dropout{kind}")(0.4, rng=0)
        yield from (layer(x), layer.backward(dy))


def seeded() -> dict[str, bool]:
    """Whether mistakes made on purpose are found: what the recorder is for, and what it is not allowed to report."""

    def writes_back(args: int, task: int) -> None:  # adds to every second number, and rewrites those of its neighbour
        spread_to_every_second(integer(args, 0) + 4 * task, integer(args, 1), 1, np.float32(0))

    def reads(args: int, task: int) -> None:  # the number that the next task writes
        store_integer(integer(args, 0), task, integer(integer(args, 0), task + 1))

    def apart(args: int, task: int) -> None:
        store_integer(integer(args, 0), task, task)

    numbers, shares, found = np.zeros(64, np.int64), np.zeros(64), {}
    block = np.array([numbers.ctypes.data, shares.ctypes.data])
    for function in (writes_back, reads, apart):
        kernel = RECORDER.c_function(f"seeded_{function.__name__}", "void(intp, intp)", function)
        RECORDER.launch(kernel.address, block, 2, 2)
        found[function.__name__] = bool(list(RECORDER.launches.pop().races()))
    return found


def unsettled(case: Callable[[], Any], memory: Memory, counts: tuple[int, ...]) -> bool:
    """Whether the results depend on memory that nobody wrote, or on the number of tasks."""
    found = []
    for i, threads in enumerate(counts):
        memory.pattern = PATTERNS[i % 2]
        resolve_backend("fast").release()
        with fc.use_num_threads(threads):
            found.append([np.asarray(array).tobytes() for array in case() if array is not None])
    return any(results != found[0] for results in found)


def main(dtype: str, full: bool) -> None:
    """Run every case with two patterns in fresh memory, on two and on three tasks."""
    fc.set_backend("fast")
    resolve_backend("fast")
    memory, races, unstable, several = Memory(), [], [], set()
    assert tasks_for_everything() > 10
    counts = (2, 3, 5) if full else (2, 3)
    assert unsettled(lambda: [np.empty(1)], memory, counts)
    families = (window_cases, conv_cases, winograd_cases, dense_cases, optimiser_cases, training_cases)
    for name, case in (case for family in families for case in family(dtype, full)):
        RECORDER.launches.clear()
        if unsettled(case, memory, counts):
            unstable.append(name)
        for launch in RECORDER.launches:
            if len(launch.tasks) > 1:
                several.add(launch.kernel)
                races += [f"{name}: {race}" for race in launch.races()]
    found = seeded()
    RECORDER.compiles = False
    for job in _jobs():
        job()
    # run inside the task of another kernel, or in one task always
    inner = ("tile_", "depthwise_tile_", "maxima_", "seeded_", "total_squares")
    idle = () if host() == AVX512 else ("depthwise_",)  # depthwise convolution goes through bands there
    idle += ("winograd",) if dtype == "float64" else ()
    alone = ("track_", "totals_sum", "loss_total", "label_weights")  # run in one task always
    kernels = {name for name in RECORDER.names.values() if not name.startswith((*inner, *idle, *alone))}
    kernels -= {name for name in kernels if name.startswith("winograd_") and "x" in name}  # transforms of tiles
    result = {
        "races": races,
        "unsettled": unstable,
        "seeded": found,
        "never in several tasks": sorted(kernels - several),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1], "full" in sys.argv[2:])
