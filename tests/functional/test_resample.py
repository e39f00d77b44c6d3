"""Upsampling and padding: functions, adjoints, layers."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from strategies import FLOATS, MEMORY, Array, channels_last, normal, stored

import fastconv as fc
from fastconv.errors import InvalidTypeError, InvalidValueError, MemoryLimitError, NotRunError
from fastconv.functional import pad, pad_backward, upsample, upsample_backward
from fastconv.layers import (
    Conv2d,
    Flatten,
    Layer,
    Sequential,
    Upsample,
    ZeroPad1d,
    ZeroPad2d,
    ZeroPad3d,
    inference_mode,
)
from fastconv.losses import softmax_cross_entropy
from fastconv.optim import SGD
from fastconv.testing import assert_close

PLANES = {1: (2, 3, 7), 2: (2, 3, 5, 7), 3: (2, 3, 4, 5, 3)}
MODES = ("zeros", "reflect", "replicate", "circular")
PADDINGS: dict[int, list[Any]] = {
    1: [0, 2, ((0, 3),), ((6, 1),)],
    2: [0, 1, (2, 3), ((0, 3), (4, 0)), ((4, 1), (2, 6))],
    3: [1, ((0, 1), (2, 0), (2, 1))],
}
PADS = [(rank, padding, mode) for rank, all_of_them in PADDINGS.items() for padding in all_of_them for mode in MODES]
TORCH_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}

# size or scale_factor, for two axes; the first number does for the other ranks
RESIZES: list[dict[str, Any]] = [
    {"size": (11, 3)},
    {"size": 1},
    {"size": (5, 20)},
    {"scale_factor": 2},
    {"scale_factor": 3.0},
    {"scale_factor": (1.7, 2.3)},
    {"scale_factor": (0.5, 0.4)},
    {"scale_factor": 1},
    {"scale_factor": (1.1, 2.1)},  # as many cells, and twice as many
]
UPSAMPLES: list[dict[str, Any]] = [
    {**resize, "mode": mode, "align_corners": aligned}
    for resize, (mode, aligned) in product(RESIZES, [("nearest", False), ("bilinear", False), ("bilinear", True)])
]


def adjoint(forward: Callable[[Array], Array], backward: Callable[[Array], Array], x: Array) -> None:
    """<forward(x), dy> == <x, backward(dy)>."""
    y = forward(x)
    dy = normal(y.shape, 9)
    dx = backward(dy)
    assert dx.shape == x.shape
    left, right = float((y * dy).sum()), float((x * dx).sum())
    assert_close(left, np.float64(right), magnitude=float(np.abs(y * dy).sum()))


# padding


def test_padding_by_hand() -> None:
    x = np.array([[[1.0, 2.0, 3.0]]])
    expected = {
        "zeros": [0.0, 0, 1, 2, 3, 0],
        "reflect": [3.0, 2, 1, 2, 3, 2],
        "replicate": [1.0, 1, 1, 2, 3, 3],
        "circular": [2.0, 3, 1, 2, 3, 1],
    }
    gradients = {"zeros": [3.0, 4, 5], "reflect": [3.0, 4 + 2 + 6, 5 + 1], "replicate": [6.0, 4, 11]}
    gradients["circular"] = [3.0 + 6, 4 + 1, 5 + 2]
    for mode in MODES:
        assert pad(x, ((2, 1),), mode)[0, 0].tolist() == expected[mode]
        dy = np.arange(1.0, 7).reshape(1, 1, 6)
        assert pad_backward(dy, x.shape, ((2, 1),), mode)[0, 0].tolist() == gradients[mode]


@pytest.mark.parametrize(("rank", "padding", "mode"), PADS, ids=str)
def test_padding_against_pytorch(rank: int, padding: Any, mode: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    x = normal(PLANES[rank], 0)
    pairs = np.broadcast_to(np.reshape(padding, (-1, 1)) if np.ndim(padding) < 2 else padding, (rank, 2))
    flat = [int(number) for pair in pairs[::-1] for number in pair]
    tensor = torch.tensor(x, requires_grad=True)
    expected = torch.nn.functional.pad(tensor, flat, TORCH_MODES[mode])
    y = pad(x, padding, mode)
    assert np.array_equal(y, expected.detach().numpy())
    dy = normal(y.shape, 1)
    expected.backward(torch.tensor(dy))
    assert_close(pad_backward(dy, x.shape, padding, mode), tensor.grad.numpy())


@pytest.mark.parametrize(("rank", "padding", "mode"), PADS, ids=str)
def test_padding_and_its_adjoint(rank: int, padding: Any, mode: str) -> None:
    x = normal(PLANES[rank], 0)
    adjoint(lambda x: pad(x, padding, mode), lambda dy: pad_backward(dy, x.shape, padding, mode), x)
    layout = {1: "NWC", 2: "NHWC", 3: "NDHWC"}[rank]
    y = pad(x, padding, mode)
    assert np.array_equal(pad(channels_last(x), padding, mode, layout=layout), channels_last(y))
    dx = pad_backward(channels_last(y), channels_last(x).shape, padding, mode, layout=layout)
    assert_close(dx, channels_last(pad_backward(y, x.shape, padding, mode)), magnitude=0)


@pytest.mark.parametrize("order", sorted(MEMORY))
@pytest.mark.parametrize("mode", MODES)
def test_padding_of_any_memory_order(mode: str, order: str) -> None:
    x = normal(PLANES[2], 0, np.float32)
    moved = stored(x, order)
    assert np.array_equal(pad(moved, 2, mode), pad(x, 2, mode))
    y = normal((2, 3, 9, 11), 1, np.float32)
    dy = stored(y, order)
    dx = pad_backward(dy, x.shape, 2, mode)
    assert_close(dx, pad_backward(y, x.shape, 2, mode), magnitude=0)
    assert np.array_equal(dy, y)
    assert not np.shares_memory(dx, dy)
    assert dx.flags.writeable
    if order == "channels-last":
        assert np.moveaxis(pad(moved, 2, mode), 1, -1).flags.c_contiguous
        assert np.moveaxis(dx, 1, -1).flags.c_contiguous


def bits(x: Array) -> bytes:
    return np.ascontiguousarray(x).tobytes()


@pytest.mark.parametrize("channels", [1, 3, 9])
@pytest.mark.parametrize(("rank", "padding", "mode"), PADS, ids=str)
def test_every_backend_pads_to_the_same_bits(rank: int, padding: Any, mode: str, channels: int) -> None:
    for dtype in FLOATS:
        x = normal((2, channels, *PLANES[rank][2:]), 0, dtype)
        x.reshape(-1)[[3, -1, 7]] = np.nan, np.inf, -0.0
        with fc.use_backend("numpy"):
            y = pad(x, padding, mode)
            dy = normal(y.shape, 1, dtype)
            dx = pad_backward(dy, x.shape, padding, mode)
        for stored_x, stored_dy in ((x, dy), (in_channels_last(x), in_channels_last(dy)), (x[::-1].copy()[::-1], dy)):
            assert bits(pad(stored_x, padding, mode)) == bits(y)
            assert bits(pad_backward(stored_dy, x.shape, padding, mode)) == bits(dx)


def in_channels_last(x: Array) -> Array:
    """The same planes, channels-last in memory."""
    return np.moveaxis(channels_last(x).copy(), -1, 1)


@pytest.mark.parametrize("mode", MODES)
def test_threads_change_no_bit_of_padding(mode: str) -> None:
    for x in (normal((6, 20, 31, 37), 0, np.float32), in_channels_last(normal((6, 20, 31, 37), 0, np.float32))):
        with fc.use_backend("numpy"):
            y, dx = pad(x, ((1, 2), (5, 0)), mode), pad_backward(x, (6, 20, 28, 32), ((1, 2), (5, 0)), mode)
        for threads in range(1, fc.get_num_threads() + 1):
            with fc.use_num_threads(threads):
                assert bits(pad(x, ((1, 2), (5, 0)), mode)) == bits(y)
                assert bits(pad_backward(x, (6, 20, 28, 32), ((1, 2), (5, 0)), mode)) == bits(dx)


def test_no_padding_is_a_copy() -> None:
    x = normal(PLANES[2], 0)
    for result in (pad(x, 0), pad_backward(x, x.shape, 0), pad_backward(x, x.shape, 0, "circular")):
        assert np.array_equal(result, x)
        assert not np.shares_memory(result, x)


# upsampling


def test_nearest_by_hand() -> None:
    x = np.array([[[1.0, 2.0, 3.0]]])
    assert upsample(x, 5)[0, 0].tolist() == [1, 1, 2, 2, 3]  # floor(o * 3 / 5)
    assert upsample(x, scale_factor=0.7)[0, 0].tolist() == [1, 2]  # floor(o / 0.7), not floor(o * 3 / 2)
    assert upsample_backward(np.arange(1.0, 6).reshape(1, 1, 5), x.shape, 5)[0, 0].tolist() == [3, 7, 5]


def test_bilinear_by_hand() -> None:
    x = np.array([[[[0.0, 4.0], [8.0, 16.0]]]])
    y = upsample(x, 3, mode="bilinear", align_corners=True)
    assert_close(y[0, 0], np.array([[0.0, 2, 4], [4, 7, 10], [8, 12, 16]]))
    y = upsample(x, scale_factor=2, mode="bilinear")
    assert_close(y[0, 0, 0], np.array([0.0, 1, 3, 4]))
    assert_close(y[0, 0, :, 0], np.array([0.0, 2, 6, 8]))


@pytest.mark.parametrize("options", UPSAMPLES, ids=str)
def test_upsampling_against_pytorch(options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    x = normal(PLANES[2], 0)
    aligned = None if options["mode"] == "nearest" else options["align_corners"]
    tensor = torch.tensor(x, requires_grad=True)
    expected = torch.nn.functional.interpolate(tensor, **{**options, "align_corners": aligned})
    y = upsample(x, **options)
    assert_close(y, expected.detach().numpy())
    dy = normal(y.shape, 1)
    expected.backward(torch.tensor(dy))
    assert_close(upsample_backward(dy, x.shape, **options), tensor.grad.numpy())


@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize("resize", [{"size": 9}, {"scale_factor": 2}, {"scale_factor": 1.5}, {"size": 2}], ids=str)
def test_nearest_of_other_ranks_against_pytorch(rank: int, resize: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    x = normal(PLANES[rank], 0)
    tensor = torch.tensor(x, requires_grad=True)
    expected = torch.nn.functional.interpolate(tensor, **resize)
    assert np.array_equal(upsample(x, **resize), expected.detach().numpy())
    dy = normal(expected.shape, 1)
    expected.backward(torch.tensor(dy))
    assert_close(upsample_backward(dy, x.shape, **resize), tensor.grad.numpy())


def test_nearest_rounds_as_pytorch_does_for_every_size() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    for cells, out in product((3, 7, 10, 49), range(1, 120)):
        x = np.arange(cells, dtype=np.float64).reshape(1, 1, cells)
        expected = torch.nn.functional.interpolate(torch.tensor(x), size=out).numpy()
        assert np.array_equal(upsample(x, out), expected), (cells, out)


@pytest.mark.parametrize("options", UPSAMPLES, ids=str)
def test_upsampling_and_its_adjoint(options: dict[str, Any]) -> None:
    x = normal(PLANES[2], 0)
    adjoint(lambda x: upsample(x, **options), lambda dy: upsample_backward(dy, x.shape, **options), x)
    y = upsample(x, **options)
    moved = channels_last(x)
    assert_close(upsample(moved, **options, layout="NHWC"), channels_last(y), magnitude=0)
    dx = upsample_backward(channels_last(y), moved.shape, **options, layout="NHWC")
    assert_close(dx, channels_last(upsample_backward(y, x.shape, **options)))


@pytest.mark.parametrize("order", sorted(MEMORY))
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_upsampling_of_any_memory_order(mode: str, order: str) -> None:
    x, dy = normal(PLANES[2], 0, np.float32), normal((2, 3, 10, 14), 1, np.float32)
    moved, gradient = stored(x, order), stored(dy, order)
    y = upsample(moved, scale_factor=2, mode=mode)
    dx = upsample_backward(gradient, x.shape, scale_factor=2, mode=mode)
    assert_close(y, upsample(x, scale_factor=2, mode=mode))
    assert_close(dx, upsample_backward(dy, x.shape, scale_factor=2, mode=mode))
    assert np.array_equal(moved, x)
    assert np.array_equal(gradient, dy)
    assert not np.shares_memory(y, moved)
    assert not np.shares_memory(dx, gradient)
    if order == "channels-last":
        assert np.moveaxis(y, 1, -1).flags.c_contiguous
        assert np.moveaxis(dx, 1, -1).flags.c_contiguous


@pytest.mark.parametrize("channels", [1, 3, 8, 19])  # up to 7 numbers inside of an axis are looked up one by one
@pytest.mark.parametrize("options", [*UPSAMPLES, {"size": (5, 14)}, {"size": (9, 33), "mode": "bilinear"}], ids=str)
def test_every_backend_gives_the_same_bits(options: dict[str, Any], channels: int) -> None:
    shape = (3, channels, 5, 7)
    for dtype in FLOATS:
        x = normal(shape, 2, np.dtype(dtype))
        x[0, 0, 2, 3], x[1, -1, 0, 0], x[2, 0, -1, -1], x[1, 0, 1, 1] = np.nan, np.inf, -np.inf, -0.0
        with fc.use_backend("numpy"):
            expected = upsample(x, **options)
        last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
        for stored_x in (x, last, np.asfortranarray(x), x[..., ::-1].copy()[..., ::-1]):
            np.testing.assert_array_equal(upsample(stored_x, **options), expected)
            np.testing.assert_array_equal(np.signbit(upsample(stored_x, **options)), np.signbit(expected))
        assert np.array_equal(upsample(x[1:2], **options), expected[1:2], equal_nan=True)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("shape", [(3, 9, 2000), (2, 40, 33, 47), (2, 9, 12, 13, 14)], ids=str)
def test_threads_change_no_bit(shape: tuple[int, ...], last: bool) -> None:
    x = normal(shape, 0, np.float32)
    x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1) if last else x
    resizes: list[dict[str, Any]] = [{"scale_factor": 2}, {"scale_factor": 1.7}]
    resizes += [{"scale_factor": factor, "mode": "bilinear"} for factor in (2, 1.7, 0.9)] if len(shape) == 4 else []
    for options in resizes:
        with fc.use_backend("numpy"):
            expected = bits(upsample(x, **options))
        for threads in range(1, fc.get_num_threads() + 1):
            with fc.use_num_threads(threads):
                assert bits(upsample(x, **options)) == expected


def test_a_program_has_no_break() -> None:
    around = Conv2d(16, 4, 3, padding=1, padding_mode="reflect", rng=0)
    network = Sequential(Upsample(scale_factor=2), Upsample((11, 9), mode="bilinear"), ZeroPad2d((1, 2, 0, 3)), around)
    x = normal((2, 16, 5, 6), 0, np.float32)
    program = fc.compile(network.eval(), x)
    assert "(break)" not in str(program)
    assert np.array_equal(program(x), network(x))
    network = Sequential(network, Flatten())
    step = fc.compile(
        network, x, np.zeros(2, int), loss=softmax_cross_entropy, optimizer=SGD(network.parameters(), 0.1)
    )
    assert "(break)" not in str(step)


@pytest.mark.parametrize("options", [*UPSAMPLES, {"size": (300, 9)}, {"size": (80, 90), "mode": "bilinear"}], ids=str)
def test_the_gradient_of_every_backend(options: dict[str, Any]) -> None:
    shape = (3, 9, 5, 7)
    for dtype in FLOATS[-2:]:
        dy = normal(upsample(np.zeros(shape, dtype), **options).shape, 2, np.dtype(dtype))
        dx = upsample_backward(dy, shape, **options)
        with fc.use_backend("naive"):
            assert_close(
                dx, upsample_backward(dy, shape, **options), magnitude=upsample_backward(abs(dy), shape, **options)
            )
        last = np.moveaxis(np.ascontiguousarray(np.moveaxis(dy, 1, -1)), -1, 1)
        for stored_dy in (last, np.asfortranarray(dy), dy[..., ::-1].copy()[..., ::-1]):
            np.testing.assert_array_equal(upsample_backward(stored_dy, shape, **options), dx)
        with fc.use_num_threads(1):
            np.testing.assert_array_equal(upsample_backward(dy, shape, **options), dx)


@pytest.mark.parametrize("dtype", FLOATS)
def test_dtypes_are_kept(dtype: str) -> None:
    x = normal(PLANES[2], 0, dtype)
    for mode in ("nearest", "bilinear"):
        assert upsample(x, 4, mode=mode).dtype == dtype
        assert upsample_backward(x, (2, 3, 4, 4), (5, 7), mode=mode).dtype == dtype
    for mode in MODES:
        assert pad(x, 1, mode).dtype == dtype
        assert pad_backward(x, (2, 3, 3, 5), 1, mode).dtype == dtype
    assert upsample(x.astype(int), 4).dtype == pad(x.astype(int), 1).dtype == np.float64


# layers

LAYERS: dict[str, tuple[Callable[[], Layer], tuple[int, ...], tuple[int, ...]]] = {
    "nearest": (lambda: Upsample(scale_factor=2), (2, 3, 5, 7), (2, 3, 10, 14)),
    "nearest, size": (lambda: Upsample((4, 9)), (2, 3, 5, 7), (2, 3, 4, 9)),
    "nearest of lines": (lambda: Upsample(scale_factor=[1.5]), (2, 3, 5), (2, 3, 7)),
    "nearest of volumes": (lambda: Upsample((3, 4, 5)), (2, 3, 2, 2, 3), (2, 3, 3, 4, 5)),
    "bilinear": (lambda: Upsample(scale_factor=(2, 1.5), mode="bilinear"), (2, 3, 5, 7), (2, 3, 10, 10)),
    "bilinear, aligned": (lambda: Upsample(8, None, "bilinear", True), (2, 3, 5, 7), (2, 3, 8, 8)),
    "bilinear, NHWC": (
        lambda: Upsample(scale_factor=2, mode="bilinear", layout="NHWC"),
        (2, 5, 7, 3),
        (2, 10, 14, 3),
    ),
    "ZeroPad1d": (lambda: ZeroPad1d((2, 0)), (2, 3, 5), (2, 3, 7)),
    "ZeroPad2d": (lambda: ZeroPad2d((1, 2, 3, 4)), (2, 3, 5, 7), (2, 3, 12, 10)),
    "ZeroPad2d, pairs": (lambda: ZeroPad2d(((3, 4), (1, 2)), layout="NHWC"), (2, 5, 7, 3), (2, 12, 10, 3)),
    "ZeroPad3d": (lambda: ZeroPad3d((1, 0, 2, 0, 3, 1)), (2, 3, 4, 5, 3), (2, 3, 8, 7, 4)),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


@every_layer
def test_layers(name: str) -> None:
    make, shape, out = LAYERS[name]
    layer = make()
    x = normal(shape, 0)
    assert layer.output_shape(shape) == layer(x).shape == out
    assert fc.gradient_check(layer, x)
    expected = layer(x)
    assert layer.backward(expected, input_gradient=False) is None
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert repr(twin) == repr(layer)
        assert np.array_equal(twin(x), expected)
    layer(x)
    with pytest.raises(InvalidValueError, match="dy must have the shape of the output"):
        layer.backward(expected[:1])
    with inference_mode():
        layer(x)
    with pytest.raises(NotRunError, match="inference_mode"):
        layer.backward(expected)
    assert layer(x[:0]).shape == (0, *out[1:])
    assert np.asarray(layer.backward(expected[:0])).shape == (0, *shape[1:])


@pytest.mark.parametrize("name", [name for name in LAYERS if "NHWC" not in name and "pairs" not in name])
def test_layers_against_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    make, shape, _ = LAYERS[name]
    layer, x = make(), normal(shape, 0)
    twin = {
        "nearest": lambda: torch.nn.Upsample(scale_factor=2),
        "nearest, size": lambda: torch.nn.Upsample((4, 9)),
        "nearest of lines": lambda: torch.nn.Upsample(scale_factor=1.5),
        "nearest of volumes": lambda: torch.nn.Upsample((3, 4, 5)),
        "bilinear": lambda: torch.nn.Upsample(scale_factor=(2, 1.5), mode="bilinear"),
        "bilinear, aligned": lambda: torch.nn.Upsample(8, None, "bilinear", True),
        "ZeroPad1d": lambda: torch.nn.ZeroPad1d((2, 0)),
        "ZeroPad2d": lambda: torch.nn.ZeroPad2d((1, 2, 3, 4)),
        "ZeroPad3d": lambda: torch.nn.ZeroPad3d((1, 0, 2, 0, 3, 1)),
    }[name]()
    assert_close(layer(x), twin(torch.tensor(x)).numpy())


def test_repr() -> None:
    assert repr(Upsample(scale_factor=2)) == "Upsample(scale_factor=2, mode='nearest')"
    assert repr(ZeroPad2d((1, 2, 3, 4))) == "ZeroPad2d(((3, 4), (1, 2)))"
    assert repr(ZeroPad1d(1, layout="NWC")) == "ZeroPad1d(((1, 1),), layout='NWC')"


# refusals

X = np.ones((2, 3, 5, 7))
WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: pad(X, -1), InvalidValueError, "pad: padding must be at least 0, but got -1"),
    (lambda: pad(X, 1.0), InvalidTypeError, "pad: padding must be"),
    (lambda: pad(X, "same"), InvalidValueError, "pad: padding must be"),
    (lambda: pad(X, (1, 2, 3)), InvalidValueError, "pad: padding must be one integer, 2 integers or 2"),
    (lambda: pad(X, 1, "mirror"), InvalidValueError, "pad: mode must be one of 'zeros', 'reflect'"),
    (
        lambda: pad(X, 5, "reflect"),
        InvalidValueError,
        r"must be smaller than the plane .*, but got \(5, 5\) for 5 cells",
    ),
    (lambda: pad(X, 6, "circular"), InvalidValueError, r"must be at most the plane .*, but got \(6, 6\) for 5 cells"),
    (lambda: pad(X, 1, layout="HWC"), InvalidValueError, "pad: layout must be 'NCHW' or 'NHWC'"),
    (lambda: pad(X[0, 0], 1), InvalidValueError, r"pad: x must have 3, 4 or 5 axes .*, but got 2"),
    (lambda: pad(X[:, :0], 1), InvalidValueError, "pad: axis C of x must not be empty"),
    (lambda: pad(X, 2**22), MemoryLimitError, "pad: the result must fit into memory"),
    (lambda: pad(X + 0j, 1), InvalidTypeError, "pad: x must have a float16"),
    (lambda: pad_backward(X, X.shape, 1), InvalidValueError, r"pad_backward: dy must have shape \(2, 3, 7, 9\)"),
    (lambda: pad_backward(X, (2, 3, 5), 1), InvalidValueError, "pad_backward: input_shape must be a sequence of 4"),
    (lambda: upsample(X), InvalidValueError, "one of size and scale_factor must be given, but got size=None"),
    (lambda: upsample(X, 2, 2), InvalidValueError, "one of size and scale_factor must be given, but got size=2"),
    (lambda: upsample(X, 0), InvalidValueError, "upsample: size must be at least 1, but got 0"),
    (lambda: upsample(X, 2.0), InvalidTypeError, "upsample: size must be an integer"),
    (lambda: upsample(X, (1, 2, 3)), InvalidValueError, "upsample: size must be one integer or a sequence of 2"),
    (lambda: upsample(X, scale_factor=0.1), InvalidValueError, r"at least one cell per axis, but got \(0, 0\)"),
    (lambda: upsample(X, scale_factor=-1), InvalidValueError, "scale_factor must be at least 0"),
    (lambda: upsample(X, scale_factor="2"), InvalidTypeError, "scale_factor must be a number"),
    (lambda: upsample(X, scale_factor=(1, 2, 3)), InvalidValueError, "scale_factor must be one number or 2"),
    (lambda: upsample(X, scale_factor=(2,)), InvalidValueError, "scale_factor must be one number or 2"),
    (lambda: upsample(X, 9, mode="bicubic"), InvalidValueError, "mode must be one of 'nearest', 'bilinear'"),
    (lambda: upsample(X, 9, align_corners=True), InvalidValueError, "align_corners must be False with mode='nearest'"),
    (lambda: upsample(X[0], 9, mode="bilinear"), InvalidValueError, r"mode='bilinear' must have planes \(H, W\)"),
    (lambda: upsample(X, 2**22), MemoryLimitError, "upsample: the result must fit into memory"),
    (lambda: upsample_backward(X, X.shape, 9), InvalidValueError, r"dy must have shape \(2, 3, 9, 9\)"),
    (lambda: Upsample(), InvalidValueError, "Upsample: one of size and scale_factor must be given"),
    (lambda: Upsample(0), InvalidValueError, "Upsample: size must be at least 1"),
    (lambda: Upsample(scale_factor="2"), InvalidTypeError, "Upsample: scale_factor must be a number"),
    (lambda: Upsample(2, align_corners=True), InvalidValueError, "align_corners must be False with mode='nearest'"),
    (lambda: Upsample(2, mode="cubic"), InvalidValueError, "Upsample: mode must be one of"),
    (lambda: Upsample(2, layout="HW"), InvalidValueError, "Upsample: layout must be one of"),
    (lambda: Upsample(2, mode="bilinear")(X[0]), InvalidValueError, r"Upsample: mode='bilinear' must have planes"),
    (lambda: Upsample((2, 3))(X[0]), InvalidValueError, "Upsample: size must be one integer or a sequence of 1"),
    (lambda: Upsample(2)(X[0, 0]), InvalidValueError, "Upsample.output_shape: input_shape must be a sequence of 4"),
    (lambda: ZeroPad2d(-1), InvalidValueError, "ZeroPad2d: padding must be at least 0, but got -1. To crop, slice"),
    (
        lambda: ZeroPad2d((1, 2)),
        InvalidValueError,
        "ZeroPad2d: padding must be an integer, 4 integers .last axis first",
    ),
    (lambda: ZeroPad2d((1, (2, 3))), InvalidValueError, "ZeroPad2d: padding must be an integer, 4 integers"),
    (lambda: ZeroPad2d(1.5), InvalidTypeError, "ZeroPad2d: padding must be an integer, 4 integers"),
    (lambda: ZeroPad2d(1, layout="NCW"), InvalidValueError, "ZeroPad2d: layout must be 'NCHW' or 'NHWC'"),
    (lambda: ZeroPad1d(1)(X), InvalidValueError, "ZeroPad1d.output_shape: input_shape must be a sequence of 3"),
]


@pytest.mark.parametrize(("call", "kind", "message"), WRONG, ids=[message[:55] for _, _, message in WRONG])
def test_wrong_calls(call: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()
