"""Random small networks: every way of running one agrees with the plain loops, or with the layers to the bit.

As a program: ``python tests/support/fuzzed_networks.py SEED NETWORKS`` prints the networks of which that is not so.
"""

from __future__ import annotations

import faulthandler
import pickle
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from programs import patience

import fastconv as fc
from fastconv import layers as L
from fastconv.errors import FastconvError, InvalidValueError
from fastconv.optim import SGD, Adam, RMSprop
from fastconv.programs.rule import Rule

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
Draw = Callable[[np.random.Generator, Shape, "Options"], L.Layer]

LAYOUTS = {1: ("NCW", "NWC"), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}
CELLS = 1000  # of an array between layers, above which no layer makes it larger
_LINE = 1200  # characters of what is printed about a network
_ACTIVATIONS: list[Callable[[], L.Layer]] = [
    L.ReLU, L.ReLU, L.ReLU6, L.LeakyReLU, L.Tanh, L.Sigmoid, L.SiLU, L.GELU, L.ELU, L.SELU, L.Softplus, L.Softsign,
    L.HardSigmoid, L.HardSwish, L.Identity, partial(L.GELU, "tanh"),
]  # fmt: skip
_EACH = {  # what has a class for each rank
    name: {rank: getattr(L, f"{name}{rank}d") for rank in LAYOUTS}
    for name in ("Conv", "ConvTranspose", "MaxPool", "AvgPool", "LPPool", "AdaptiveAvgPool", "AdaptiveMaxPool",
                 "GlobalAvgPool", "GlobalMaxPool", "BatchNorm", "InstanceNorm", "Dropout", "ZeroPad")
}  # fmt: skip


class Options:
    """What all layers of a network have in common.

    Attributes
    ----------
    last : bool
        Whether channels come last.
    dtype : dtype
        Of the parameters.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.last = bool(rng.random() < 0.3)
        self.dtype = np.dtype(str(rng.choice(["float32", "float32", "float64", "float16"])))

    def layout(self, shape: Shape) -> dict[str, Any]:
        """Keywords of a layer over planes."""
        return {"layout": LAYOUTS[len(shape) - 2][self.last]}

    def channels(self, shape: Shape) -> int:
        """Channels of an array."""
        return shape[-1] if self.last else shape[1]

    def sizes(self, shape: Shape) -> Shape:
        """Sizes of its planes."""
        return shape[1:-1] if self.last else shape[2:]


def _sizes(rng: np.random.Generator, most: Any) -> tuple[int, ...]:
    return tuple(int(rng.integers(1, max(2, one + 1))) for one in most)


def _drawn(rng: np.random.Generator, options: Options) -> dict[str, Any]:
    return {"dtype": options.dtype, "rng": int(rng.integers(1000))}


def _divisor(rng: np.random.Generator, number: int) -> int:
    return int(rng.choice([one for one in range(1, number + 1) if number % one == 0]))


def _conv(rng: np.random.Generator, shape: Shape, options: Options) -> L.Layer:
    sizes, channels = options.sizes(shape), options.channels(shape)
    padding: Any = tuple(int(rng.integers(0, 3)) for _ in sizes)
    steps = {"stride": _sizes(rng, [3] * len(sizes)), "dilation": _sizes(rng, [2] * len(sizes))}
    groups = _divisor(rng, channels) if rng.random() < 0.3 else 1
    if rng.random() < 0.2:
        padding = "same"
    filters = groups * int(rng.integers(1, 5))
    rest = {**steps, "groups": groups, "bias": bool(rng.integers(2)), **options.layout(shape), **_drawn(rng, options)}
    if rng.random() < 0.15 and padding != "same":
        mode = str(rng.choice(["reflect", "replicate", "circular"]))
        return _EACH["Conv"][len(sizes)](
            channels, filters, _sizes(rng, sizes), padding=padding, padding_mode=mode, **rest
        )
    if rng.random() < 0.3:
        return _EACH["ConvTranspose"][len(sizes)](channels, filters, _sizes(rng, [3] * len(sizes)), padding=0, **rest)
    return _EACH["Conv"][len(sizes)](
        channels, filters, _sizes(rng, [min(one, 4) for one in sizes]), padding=padding, **rest
    )


def _pool(rng: np.random.Generator, shape: Shape, options: Options) -> L.Layer:
    sizes = options.sizes(shape)
    kernel = _sizes(rng, [min(one, 3) for one in sizes])
    rest = {"stride": _sizes(rng, [3] * len(sizes)), "ceil_mode": bool(rng.integers(2)), **options.layout(shape)}
    padding = tuple(int(rng.integers(0, one // 2 + 1)) for one in kernel)
    kind = rng.integers(4)
    if kind == 0:
        power = float(rng.choice([1, 2, 3, 1.5]))
        return _EACH["LPPool"][len(sizes)](power, kernel, **rest)
    if kind == 1:
        counted = bool(rng.integers(2))
        return _EACH["AvgPool"][len(sizes)](kernel, padding=padding, count_include_pad=counted, **rest)
    return _EACH["MaxPool"][len(sizes)](kernel, padding=padding, **rest)


def _small_pool(rng: np.random.Generator, shape: Shape, options: Options) -> L.Layer:
    sizes, name = (
        options.sizes(shape),
        str(rng.choice(["AdaptiveAvgPool", "AdaptiveMaxPool", "GlobalAvgPool", "GlobalMaxPool"])),
    )
    output = () if name.startswith("Global") else (_sizes(rng, sizes),)
    return _EACH[name][len(sizes)](*output, **options.layout(shape))


def _norm(rng: np.random.Generator, shape: Shape, options: Options) -> L.Layer:
    channels, kind, dtype = options.channels(shape), rng.integers(4), {"dtype": options.dtype}
    if kind == 0 or len(shape) < 3:
        ends = shape[int(rng.integers(1, len(shape))) :]
        if np.prod(ends) < 2:
            return L.Identity()  # the gradient of the norm of one number is rounding, times its root of eps
        return L.LayerNorm(ends, elementwise_affine=bool(rng.integers(2)), bias=bool(rng.integers(2)), **dtype)
    if kind == 1:
        return L.GroupNorm(
            _divisor(rng, channels), channels, affine=bool(rng.integers(2)), **options.layout(shape), **dtype
        )
    name, affine = ("BatchNorm", True) if kind == 2 else ("InstanceNorm", bool(rng.integers(2)))
    tracked = bool(rng.random() < 0.8) if kind == 2 else bool(rng.integers(2))
    common = {"affine": affine, "track_running_stats": tracked, **options.layout(shape), **dtype}
    return _EACH[name][len(shape) - 2](channels, **common)


def _planes(rng: np.random.Generator, shape: Shape, options: Options) -> L.Layer:
    sizes, rank, kind = options.sizes(shape), len(shape) - 2, rng.integers(4)
    if kind == 0:
        return _EACH["ZeroPad"][rank](
            tuple((int(rng.integers(2)), int(rng.integers(2))) for _ in sizes), **options.layout(shape)
        )
    if kind == 1:
        mode = str(rng.choice(["nearest", {1: "linear", 2: "bilinear", 3: "trilinear"}[rank]]))
        return L.Upsample(scale_factor=int(rng.integers(1, 3)), mode=mode, **options.layout(shape))
    if kind == 2:
        return L.LocalResponseNorm(int(rng.integers(1, 5)), alpha=0.1, **options.layout(shape))
    if rank == 2:
        channels = options.channels(shape)
        return L.SubsampleShortcut(
            channels, channels + int(rng.integers(3)), _sizes(rng, (2, 2)), **options.layout(shape)
        )
    return L.Dropout(0.3, rng=int(rng.integers(1000)))


def _flat(rng: np.random.Generator, shape: Shape, options: Options) -> L.Layer:
    if len(shape) > 2:
        return L.Flatten(int(rng.integers(1, 3)), -1) if rng.random() < 0.3 else L.Flatten()
    return L.Linear(shape[1], int(rng.integers(1, 7)), bool(rng.integers(2)), **_drawn(rng, options))


def _element(rng: np.random.Generator, shape: Shape, options: Options) -> L.Layer:
    kind = rng.random()
    if kind < 0.1:
        return L.PReLU(options.channels(shape), axis=-1 if options.last else 1, dtype=options.dtype)
    if kind < 0.2:
        axis = int(rng.integers(1, len(shape)))
        return L.Softmax(axis) if rng.random() < 0.5 else L.LogSoftmax(axis)
    if kind < 0.3:
        return L.Dropout(0.4, rng=int(rng.integers(1000)))
    return _ACTIVATIONS[rng.integers(len(_ACTIVATIONS))]()


def _branches(rng: np.random.Generator, shape: Shape, options: Options) -> L.Layer:
    """A sum or a concatenation; branches of a sum keep the shape."""
    inner = [_same(rng, shape, options) for _ in range(int(rng.integers(1, 3)))]
    if rng.random() < 0.5:
        return L.Skip(inner[0]) if len(inner) == 1 else L.Residual(*inner, L.Identity())
    return L.Concat(L.Identity(), *inner, axis=-1 if options.last else 1)


def _same(rng: np.random.Generator, shape: Shape, options: Options) -> L.Layer:
    """A few layers that keep the shape."""
    parts: list[L.Layer] = []
    for _ in range(int(rng.integers(1, 3))):
        if len(shape) > 2 and rng.random() < 0.5:
            channels, rank = options.channels(shape), len(shape) - 2
            kernel = _sizes(rng, [3] * rank)
            parts.append(
                _EACH["Conv"][rank](
                    channels, channels, kernel, padding="same", **options.layout(shape), **_drawn(rng, options)
                )
            )
        else:
            parts.append((_element if rng.random() < 0.6 else _norm)(rng, shape, options))
    return L.Sequential(*parts)


_OF_PLANES: list[Draw] = [
    _conv,
    _conv,
    _conv,
    _pool,
    _pool,
    _small_pool,
    _norm,
    _norm,
    _planes,
    _element,
    _branches,
    _flat,
]
_OF_ROWS: list[Draw] = [_flat, _flat, _element, _norm, _branches]


class Network:
    """A random network.

    Attributes
    ----------
    model : Sequential
        The network.
    x : ndarray
        A batch of 0 to 3 inputs, in some dtype and memory order.
    """

    def __init__(self, seed: int) -> None:
        self.seed, rng = seed, np.random.default_rng([seed, 1])
        options = Options(rng)
        rank = int(rng.choice([0, 1, 2, 2, 2, 3]))
        sizes = _sizes(rng, ((), (12,), (6, 7), (3, 4, 3))[rank])
        channels = int(rng.integers(1, 6))
        self.batch = int(rng.choice([0, 1, 1, 2, 3]))
        shape: Shape = (self.batch, *sizes, channels) if options.last else (self.batch, channels, *sizes)
        dtype = str(rng.choice([str(options.dtype)] * 4 + ["float32", "float64", "uint8"]))
        x = (rng.standard_normal(shape) * 3).astype(dtype)
        self.x = np.asfortranarray(x) if rng.random() < 0.2 else x
        parts: list[L.Layer] = []
        for _ in range(int(rng.integers(1, 8))):
            layer, found = self._next(rng, shape, options)
            if layer is not None:
                parts.append(layer)
                shape = found
        self.model = L.Sequential(*parts) if parts else L.Sequential(L.ReLU())
        self.shape = shape
        self.rng = rng

    def _next(self, rng: np.random.Generator, shape: Shape, options: Options) -> tuple[L.Layer | None, Shape]:
        """A layer for an input of a shape, unless it does not take one, and the shape that it gives."""
        table = _OF_PLANES if 2 < len(shape) < 6 else _OF_ROWS
        found: Any = None
        try:
            layer = table[rng.integers(len(table))](rng, shape, options)
            found = layer.output_shape(shape)
            deepcopy(layer).forward(np.zeros(shape, options.dtype))
        except FastconvError as error:
            if found is None or "more than 1 value" in str(error):  # which training alone asks for
                return None, shape
        return (layer, found) if np.prod(found) <= max(CELLS, np.prod(shape)) else (None, shape)

    def __str__(self) -> str:
        words = " ".join(repr(self.model).split())
        return f"seed {self.seed}: x {self.x.shape} {self.x.dtype}, {words}"


def passes(model: L.Layer, x: Array, backend: str, *, training: bool = True) -> dict[str, Array]:
    """Everything that comes out of a pass there and back on a backend, of a copy of the network."""
    model = deepcopy(model).train(training)
    with fc.use_backend(backend):
        y = model.forward(x)
        dx = model.backward(np.cos(np.arange(y.size)).reshape(y.shape).astype(y.dtype))
    gradients = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    buffers = {name: np.asarray(buffer) for name, buffer in model.named_buffers()}
    return {"y": y, "dx": dx, **{f"d{name}": grad for name, grad in gradients.items()}, **buffers}


def _distance(one: Array, other: Array) -> float:
    """Largest difference, as a part of the largest number; infinite where special numbers are not the same."""
    one, other = one.astype(np.float64), other.astype(np.float64)
    if not np.array_equal(np.isfinite(one), np.isfinite(other)):
        return np.inf
    kept = np.isfinite(other)
    scale = max(np.abs(other[kept]).max(initial=0), 0.1)  # zeros, which the rest cancels to
    return float(np.abs(one[kept] - other[kept]).max(initial=0) / scale)


def _differing(found: dict[str, Array], expected: dict[str, Array]) -> str | None:
    if found.keys() != expected.keys():
        return f"has {sorted(found.keys() ^ expected.keys())} more or less"
    for name, one in found.items():
        other = expected[name]
        if (one.shape, one.dtype) != (other.shape, other.dtype):
            return f"{name} is {one.shape} {one.dtype} and not {other.shape} {other.dtype}"
        if not np.array_equal(one, other, equal_nan=one.dtype.kind == "f"):
            return f"{name} has other bits ({_distance(one, other):.2g} of the largest number)"
    return None


def backends(network: Network) -> str | None:
    """Whether the engine computes what the loops do: in float64 nearly to the end, else not much worse than NumPy."""
    for training in (True, False)[: 1 + network.rng.integers(2)]:
        wide, x = deepcopy(network.model).cast(np.float64), network.x.astype(np.float64)
        right = passes(wide, x, "naive", training=training)
        for backend in ("fast", "numpy"):
            found = passes(wide, x, backend, training=training)
            for name, array in found.items():
                if array.shape != right[name].shape or array.dtype != right[name].dtype:
                    return f"{backend}: {name} is {array.shape} {array.dtype}, not {right[name].shape}"
                if not (far := _distance(array, right[name])) < 1e-6:
                    return f"{backend}: {name} in float64 is {far:.2g} of the largest number away (training={training})"
        results = {one: passes(network.model, network.x, one, training=training) for one in ("fast", "numpy")}
        for name, array in results["fast"].items():
            other = results["numpy"][name]
            if (array.shape, array.dtype) != (other.shape, other.dtype):
                return f"{name} is {array.shape} {array.dtype}, not {other.shape} {other.dtype} (training={training})"
            if name in right and np.isfinite(right[name]).all() and array.dtype != np.float16:
                limit = 1e-3 + 100 * _distance(other, right[name])
                if not (far := _distance(array, right[name])) < limit:
                    return f"{name} is {far:.2g} of the largest number away (training={training})"
    return None


def shapes(network: Network) -> str | None:
    """Whether `output_shape` and `summary` say what comes out."""
    y = deepcopy(network.model).eval()(network.x)
    if y.shape != network.model.output_shape(network.x.shape):
        return f"the result has shape {y.shape} and not {network.model.output_shape(network.x.shape)}"
    told = fc.summary(network.model, network.x.shape)
    if told.layers[-1].output_shape != y.shape:
        return f"summary tells {told.layers[-1].output_shape} and not {y.shape}"
    count = sum(parameter.size for parameter in {id(one): one for one in network.model.parameters()}.values())
    rows = sum(row.parameters for row in told.layers)
    if told.parameters != count or rows != count:
        return f"summary tells {told.parameters} parameters, {rows} in its rows, of {count}"
    str(told)
    return None


def copies(network: Network) -> str | None:
    """Whether a network that was copied, pickled or saved has the same bits."""
    x = network.x
    model = deepcopy(network.model)
    model.train()(x)  # running statistics that are not those of the start
    right = passes(model, x, "fast")
    for name, copy in (("deepcopy", deepcopy), ("pickle", lambda one: pickle.loads(pickle.dumps(one)))):
        if wrong := _differing(passes(copy(model), x, "fast"), right):
            return f"{name}: {wrong}"
    with tempfile.TemporaryDirectory() as folder:
        for ending in ("npz", "safetensors"):
            file = Path(folder, f"weights.{ending}")
            L.save_state(model.state_dict(), file)
            other = deepcopy(model)
            for parameter in other.parameters():
                parameter.data[...] = 3
            other.load_state_dict(L.load_state(file))
            if wrong := _differing(passes(other, x, "fast"), right):
                return f"{ending}: {wrong}"
    return None


def programs(network: Network) -> str | None:
    """Whether a program has the bits of the layers, and fused their numbers."""
    x, model = network.x, deepcopy(network.model)
    model.train()(x)
    model.eval()
    with L.inference_mode():
        right = model(x)
    for batch in (x, x[:1]):
        try:
            with L.inference_mode():
                right = model(batch)
        except InvalidValueError:  # of a norm that has the statistics of the batch also here, of which one is too few
            continue
        plain = fc.compile(model, batch, fuse=False)
        for _ in range(2):
            if wrong := _differing({"y": np.array(plain(batch))}, {"y": right}):
                return f"a program: {wrong}"
        fused = np.array(fc.compile(model)(batch))
        if (fused.shape, fused.dtype) != (right.shape, right.dtype):
            return f"a fused program: {fused.shape} {fused.dtype}, not {right.shape} {right.dtype}"
        wide = deepcopy(model).cast(np.float64).eval()
        with L.inference_mode():
            exact = wide(batch.astype(np.float64))
        if right.dtype != np.float16 and np.isfinite(exact).all():
            far, limit = _distance(fused, exact), 1e-3 + 100 * _distance(right, exact)
            if not far < limit:
                return (
                    f"a fused program is {far:.2g} of the largest number away, the layers {_distance(right, exact):.2g}"
                )
    return None


def training(network: Network) -> str | None:
    """Whether recorded steps of training change everything as the layers do."""
    model, x, rng = deepcopy(network.model), network.x, network.rng
    if not model.parameters() or not x.size:
        return None
    kind = [partial(SGD, lr=0.01, momentum=0.9), partial(Adam, lr=0.01), partial(RMSprop, lr=0.01)][rng.integers(3)]
    options = {"l2": float(rng.choice([0, 0.1])), "clip_norm": [None, 1.0][rng.integers(2)]}
    target, loss = np.cos(np.arange(np.prod(network.shape))).reshape(network.shape).astype(x.dtype), "squared_error"
    if len(network.shape) == 2 and rng.random() < 0.5:
        target, loss = rng.integers(0, network.shape[1], network.shape[0]), None
    if target.dtype.kind == "u":
        target = target.astype(np.float32)
    optimizer = kind(model.parameters())
    twin, other = deepcopy((model, optimizer))
    step = fc.compile(model, optimizer=optimizer, loss=loss, fuse=bool(rng.integers(2)), **options)
    rule = Rule(twin.train(), loss, other, options["clip_norm"], options["l2"])
    for number in range(3):
        one, outcome = step(x, target), rule.step(x, target)
        if not np.array_equal(one, outcome.loss, equal_nan=True):
            return f"step {number} has the loss {one} and not {outcome.loss}"
        if wrong := _differing(model.state_dict(), twin.state_dict()):
            return f"step {number}: {wrong}"
    return None


CHECKS = (backends, shapes, copies, programs, training)


def verdict(seed: int) -> str | None:
    """What is wrong with a network, or None."""
    network = Network(seed)
    before = network.x.copy()
    for check in CHECKS:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                found = check(network)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told
                where = traceback.extract_tb(error.__traceback__)[-1]
                found = f"{type(error).__name__}: {str(error)[:300]} ({Path(where.filename).name}:{where.lineno})"
        if found is None and not np.array_equal(network.x, before):
            found = "changed x"
        if found is not None:
            return f"{check.__name__}: {found}; {network}"
    return None


def main(seed: int, count: int) -> None:
    """Try so many networks, and print what is wrong with them; a crash or a hang shows where it was."""
    faulthandler.enable()
    wrong = 0
    for number in range(seed, seed + count):
        faulthandler.dump_traceback_later(patience(), exit=True)
        found = verdict(number)
        if found is not None:
            print(found[:_LINE], flush=True)
        wrong += found is not None
    faulthandler.cancel_dump_traceback_later()
    print(f"{count} networks from seed {seed}, {wrong} wrong")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
