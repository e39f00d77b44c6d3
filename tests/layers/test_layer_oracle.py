"""Convolution and pooling layers of every rank against those of PyTorch: outputs and all gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from strategies import BACKENDS, Array, normal

import fastconv as fc
from fastconv import layers
from fastconv.testing import assert_close

SPATIAL = {1: (13,), 2: (9, 12), 3: (6, 9, 7)}

# name without the rank: keyword arguments that mean the same here and in PyTorch
GRID: dict[str, list[dict[str, Any]]] = {
    "Conv": [
        {"kernel_size": 3},
        {"kernel_size": 2, "stride": 3, "padding": 1, "bias": False},
        {"kernel_size": 3, "dilation": 2, "padding": 2, "groups": 2},
        {"kernel_size": 3, "padding": "same", "dilation": 2},
        {"kernel_size": 1, "stride": 2, "groups": 4},
    ],
    "ConvTranspose": [
        {"kernel_size": 3},
        {"kernel_size": 2, "stride": 3, "padding": 1, "bias": False},
        {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1, "groups": 2},
        {"kernel_size": 3, "dilation": 2, "output_padding": 1, "groups": 4},
    ],
    "MaxPool": [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 1, "padding": 1},
        {"kernel_size": 3, "stride": 2, "dilation": 2, "padding": 1},
        {"kernel_size": 2, "stride": 3, "ceil_mode": True},
    ],
    "AvgPool": [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False},
    ],
    "LPPool": [
        {"norm_type": 2, "kernel_size": 2},
        {"norm_type": 3.0, "kernel_size": 3, "stride": 2},
        {"norm_type": 1.5, "kernel_size": 2, "stride": 3},
    ],
    "AdaptiveAvgPool": [{"output_size": 1}, {"output_size": 4}, {"output_size": 14}],
    "AdaptiveMaxPool": [{"output_size": 1}, {"output_size": 4}],
}
CASES = [
    pytest.param(kind, rank, options, id=f"{kind}{rank}d-{'-'.join(f'{k}{v}' for k, v in options.items())}")
    for kind, table in GRID.items()
    for rank in SPATIAL
    for options in table
]


def pair(kind: str, rank: int, options: dict[str, Any], dtype: str) -> tuple[layers.Layer, Any]:
    """Our layer and PyTorch's, with the same weights."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    name, channels = f"{kind}{rank}d", (4, 8) if kind.startswith("Conv") else ()
    extra = {"dtype": dtype, "rng": 0} if channels else {}
    ours = getattr(layers, name)(*channels, **options, **extra)
    theirs = getattr(torch.nn, name)(*channels, **options).double()
    if ours.parameters():
        ours.bias = None if ours.bias is None else normal(ours.bias.shape, 4)
        theirs.load_state_dict({key: torch.tensor(value) for key, value in ours.state_dict().items()})
    return ours, theirs


def check(ours: layers.Layer, theirs: Any, x: Array, dtype: str) -> None:
    import torch

    tensor = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    expected = theirs(tensor)
    y = ours(x)
    assert_close(y, expected.detach().numpy(), dtype=dtype, name="y")
    assert ours.output_shape(x.shape) == y.shape
    dy = normal(y.shape, 7, x.dtype)
    expected.backward(torch.tensor(dy, dtype=torch.float64))
    assert_close(ours.backward(dy), tensor.grad.numpy(), dtype=dtype, name="dx")
    wanted = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        assert_close(parameter.grad, wanted[name].grad.numpy(), dtype=dtype, name=name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("kind", "rank", "options"), CASES)
def test_layers_mean_what_pytorchs_mean(
    kind: str, rank: int, options: dict[str, Any], backend: str, dtype: str
) -> None:
    ours, theirs = pair(kind, rank, options, dtype)
    x = normal((2, 4, *SPATIAL[rank]), rank, np.dtype(dtype))
    if kind == "LPPool":
        x = np.abs(x)  # PyTorch raises negative numbers to the power as they are
    with fc.use_backend(backend):
        check(ours, theirs, x, dtype)


@pytest.mark.parametrize("rank", SPATIAL)
@pytest.mark.parametrize("backend", BACKENDS)
def test_global_pools_are_adaptive_ones(rank: int, backend: str) -> None:
    x = normal((2, 3, *SPATIAL[rank]), 0)
    with fc.use_backend(backend):
        for kind in ("Avg", "Max"):
            whole = getattr(layers, f"Global{kind}Pool{rank}d")()
            adaptive = getattr(layers, f"Adaptive{kind}Pool{rank}d")(1)
            y = whole(x)
            assert_close(y, adaptive(x))
            assert whole.output_shape(x.shape) == y.shape == (2, 3, *(1,) * rank)
            dy = normal(y.shape, 1)
            assert_close(whole.backward(dy), adaptive.backward(dy))


@pytest.mark.parametrize("rank", SPATIAL)
@pytest.mark.parametrize("backend", BACKENDS)
def test_unpooling_puts_maxima_back(rank: int, backend: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = normal((2, 3, *SPATIAL[rank]), 0)
    pool = getattr(layers, f"MaxPool{rank}d")(2)
    model = layers.Sequential(pool, getattr(layers, f"MaxUnpool{rank}d")(pool))
    with fc.use_backend(backend):
        y = model(x)
        dy = normal(y.shape, 1)
        dx = model.backward(dy)
    tensor = torch.tensor(x, requires_grad=True)
    their_pool = getattr(torch.nn, f"MaxPool{rank}d")(2, return_indices=True)
    pooled, indices = their_pool(tensor)
    expected = getattr(torch.nn, f"MaxUnpool{rank}d")(2)(pooled, indices, output_size=tensor.shape)
    expected.backward(torch.tensor(dy))
    assert_close(y, expected.detach().numpy())
    assert_close(dx, tensor.grad.numpy())
    assert model.output_shape(x.shape) == y.shape


def test_unpooling_wants_the_pooling_that_it_undoes() -> None:
    with pytest.raises(TypeError, match=r"pool must be a max-pooling layer over 2 spatial axes, but got AvgPool2d"):
        layers.MaxUnpool2d(layers.AvgPool2d(2))
    with pytest.raises(TypeError, match="over 1 spatial axes"):
        layers.MaxUnpool1d(layers.MaxPool2d(2))
    pool = layers.MaxPool2d(2)
    pool(np.ones((1, 1, 4, 6)))
    with pytest.raises(ValueError, match=r"x must have the shape that the pooling gave, \(1, 1, 2, 3\), but got"):
        layers.MaxUnpool2d(pool)(np.ones((1, 1, 2, 2)))


@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose", "MaxPool", "AvgPool", "AdaptiveAvgPool", "GlobalMaxPool"])
@pytest.mark.parametrize("rank", SPATIAL)
def test_channels_last_layouts_of_every_rank(kind: str, rank: int) -> None:
    first, last = {1: ("NCW", "NWC"), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}[rank]
    arguments: dict[str, tuple[Any, ...]] = {"Conv": (4, 6, 3, 2), "ConvTranspose": (4, 6, 3, 2), "GlobalMaxPool": ()}
    make, extra = getattr(layers, f"{kind}{rank}d"), {"rng": 1} if kind.startswith("Conv") else {}
    a = make(*arguments.get(kind, (2,)), **extra, layout=first)
    b = make(*arguments.get(kind, (2,)), **extra, layout=last)
    x = normal((2, 4, *SPATIAL[rank]), 0, np.dtype(np.float32))
    y, moved = a(x), b(np.moveaxis(x, 1, -1))
    np.testing.assert_array_equal(np.moveaxis(moved, -1, 1), y)
    assert b.output_shape((2, *SPATIAL[rank], 4)) == moved.shape
    dy = normal(y.shape, 1, y.dtype)
    np.testing.assert_array_equal(np.moveaxis(b.backward(np.moveaxis(dy, 1, -1)), -1, 1), a.backward(dy))


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (lambda: layers.ConvTranspose2d(4, 6, 3, 2, output_padding=1), ("ConvTranspose2d(4, 6, kernel_size=(3, 3), "
         "stride=(2, 2), output_padding=(1, 1))")),
        (lambda: layers.Conv1d(4, 6, 3, layout="NWC"), "Conv1d(4, 6, kernel_size=(3,), layout='NWC')"),
        (lambda: layers.LPPool2d(2, 3), "LPPool2d(norm_type=2, kernel_size=(3, 3), stride=(3, 3))"),
        (lambda: layers.AdaptiveAvgPool2d((2, None)), "AdaptiveAvgPool2d((2, None))"),
        (lambda: layers.GlobalAvgPool2d(layout="NHWC"), "GlobalAvgPool2d(layout='NHWC')"),
        (lambda: layers.MaxUnpool2d(layers.MaxPool2d(2)), "MaxUnpool2d(MaxPool2d(kernel_size=(2, 2), stride=(2, 2)))"),
    ],
)  # fmt: skip
def test_layers_are_readable(layer: Any, text: str) -> None:
    assert repr(layer()) == text


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.Conv1d(4, 6, (3, 3)), ValueError, "Conv1d: kernel_size must be one integer or a sequence of 1"),
        (lambda: layers.ConvTranspose2d(4, 6, 3, groups=4), ValueError, "ConvTranspose2d: groups must divide"),
        (lambda: layers.ConvTranspose2d(4, 6, 3, output_padding=-1), ValueError, "output_padding must be at least 0"),
        (lambda: layers.ConvTranspose2d(4, 6, 3, output_padding=2)(np.ones((1, 4, 5, 5))), ValueError,
         "output_padding must be smaller than the stride or the dilation"),
        (lambda: layers.LPPool2d(0, 2), ValueError, "LPPool2d: norm_type must be a positive finite number"),
        (lambda: layers.LPPool2d("2", 2), TypeError, "LPPool2d: norm_type must be a positive number"),
        (lambda: layers.AdaptiveAvgPool2d(0), ValueError, "AdaptiveAvgPool2d: output_size must be at least 1"),
        (lambda: layers.AdaptiveAvgPool2d(2.0), TypeError, "AdaptiveAvgPool2d: output_size must be an integer"),
        (lambda: layers.GlobalAvgPool3d(layout="NCHW"), ValueError, "GlobalAvgPool3d: layout must be 'NCDHW'"),
        (lambda: layers.GlobalAvgPool2d().output_shape((2, 3, 0, 4)), ValueError, "axis H of input_shape must not be"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("rank", SPATIAL)
@pytest.mark.parametrize("padding", [2, "same"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_padding_modes_are_pytorchs(mode: str, rank: int, padding: Any, backend: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    if mode == "reflect" and rank == 3 and not hasattr(torch.nn, "ReflectionPad3d"):
        pytest.skip("this PyTorch cannot reflect volumes")
    options = {"kernel_size": 3, "padding": padding, "dilation": 2, "padding_mode": mode}
    ours, theirs = pair("Conv", rank, options, "float64")
    with fc.use_backend(backend):
        check(ours, theirs, normal((2, 4, *SPATIAL[rank]), rank), "float64")


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_padding_modes_work_channels_last_and_with_strides(mode: str) -> None:
    options = {"stride": (2, 3), "padding": "same", "padding_mode": mode, "rng": 0}
    a, b = layers.Conv2d(4, 6, (5, 3), **options), layers.Conv2d(4, 6, (5, 3), **options, layout="NHWC")
    x = normal((2, 4, 9, 11), 0, np.dtype(np.float32))
    y = a(x)
    assert a.output_shape(x.shape) == y.shape == (2, 6, 5, 4)
    np.testing.assert_array_equal(np.moveaxis(b(np.moveaxis(x, 1, -1)), -1, 1), y)
    dy = normal(y.shape, 1, y.dtype)
    np.testing.assert_array_equal(np.moveaxis(b.backward(np.moveaxis(dy, 1, -1)), -1, 1), a.backward(dy))
    assert fc.gradient_check(a, normal((1, 4, 6, 5), 3))


def test_padding_modes_say_what_they_cannot_fill() -> None:
    with pytest.raises(ValueError, match="Conv2d: padding_mode must be one of 'zeros', 'reflect', 'replicate', 'circ"):
        layers.Conv2d(4, 6, 3, padding_mode="mirror")
    with pytest.raises(ValueError, match="smaller than"):
        layers.Conv2d(4, 6, 3, padding=5, padding_mode="reflect")(np.ones((1, 4, 5, 9)))
