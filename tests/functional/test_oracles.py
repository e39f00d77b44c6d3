"""Against outside libraries, over a grid: SciPy's correlation, and PyTorch with its gradients."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from strategies import BACKENDS, Array, normal

import fastconv as fc
from fastconv.testing import assert_close, magnitude

pytestmark = pytest.mark.parametrize("backend", BACKENDS)

BATCH, CHANNELS, FILTERS, SIZE, KERNEL = 2, 4, 6, (8, 7), (3, 2)

CONV_GRID = [
    pytest.param(stride, padding, dilation, groups, id=f"s{stride}-p{padding}-d{dilation}-g{groups}")
    for stride, padding, dilation, groups in product(
        [(1, 1), (2, 3)], [(0, 0), (1, 2), ((0, 2), (3, 1))], [(1, 1), (2, 3)], [1, 2]
    )
]


def arrays(groups: int) -> tuple[Array, Array, Array]:
    weight = normal((FILTERS, CHANNELS // groups, *KERNEL), 1)
    return normal((BATCH, CHANNELS, *SIZE), 0), weight, normal((FILTERS,), 2)


def pairs(padding: Any) -> list[tuple[int, int]]:
    return [(p, p) if isinstance(p, int) else p for p in padding]


def with_holes(weight: Array, dilation: tuple[int, int]) -> Array:
    """The dense filter that a dilated one stands for."""
    (kh, kw), (dh, dw) = weight.shape[2:], dilation
    dense = np.zeros((*weight.shape[:2], dh * (kh - 1) + 1, dw * (kw - 1) + 1))
    dense[:, :, ::dh, ::dw] = weight
    return dense


@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), CONV_GRID)
def test_convolution_is_scipys_correlation(
    backend: str, stride: tuple[int, int], padding: Any, dilation: tuple[int, int], groups: int
) -> None:
    signal = pytest.importorskip("scipy.signal", reason="SciPy is not installed")
    x, weight, bias = arrays(groups)
    options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    y = fc.conv2d(x, weight, bias, **options, backend=backend)
    padded, dense = np.pad(x, [(0, 0), (0, 0), *pairs(padding)]), with_holes(weight, dilation)
    per_group = CHANNELS // groups
    expected = np.empty_like(y)
    for n, f in product(range(BATCH), range(FILTERS)):
        first = f // (FILTERS // groups) * per_group
        planes = padded[n, first : first + per_group]
        expected[n, f] = signal.correlate(planes, dense[f], mode="valid")[0, :: stride[0], :: stride[1]] + bias[f]
    assert_close(y, expected, magnitude=magnitude(fc.conv2d, x, weight, bias, **options))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), CONV_GRID)
def test_convolution_and_gradients_are_torchs(
    backend: str, stride: tuple[int, int], padding: Any, dilation: tuple[int, int], groups: int, dtype: str
) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x, weight, bias = (array.astype(dtype) for array in arrays(groups))
    tensors = [torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in (x, weight, bias)]
    (top, bottom), (left, right) = pairs(padding)
    padded = torch.nn.functional.pad(tensors[0], (left, right, top, bottom))
    expected = torch.nn.functional.conv2d(padded, *tensors[1:], stride=stride, dilation=dilation, groups=groups)
    options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    y = fc.conv2d(x, weight, bias, **options, backend=backend)
    size = magnitude(fc.conv2d, x, weight, bias, **options)
    assert_close(y, expected.detach().numpy(), dtype=dtype, magnitude=size)
    dy = normal(y.shape, 3, dtype)
    gradients = fc.conv2d_backward(dy, x, weight, **options, backend=backend)
    wanted = torch.autograd.grad(expected, tensors, torch.tensor(dy, dtype=torch.float64))
    sizes = magnitude(fc.conv2d_backward, dy, x, weight, **options)
    for ours, theirs, size in zip(gradients, wanted, sizes, strict=True):
        assert_close(ours, theirs.numpy(), dtype=dtype, magnitude=size)


POOL_GRID = [
    pytest.param(kernel, stride, padding, ceil_mode, id=f"k{kernel}-s{stride}-p{padding}-{ceil_mode}")
    for kernel, stride, padding, ceil_mode in product(
        [(2, 3), (4, 2)], [(2, 3), (1, 2), (3, 4)], [(0, 0), (1, 1)], [False, True]
    )
]


@pytest.mark.parametrize("dilation", [(1, 1), (2, 1)])
@pytest.mark.parametrize(("kernel", "stride", "padding", "ceil_mode"), POOL_GRID)
def test_max_pooling_is_torchs(
    backend: str, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, dilation: Any
) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = np.round(normal((BATCH, CHANNELS, *SIZE), 4))  # with ties
    tensor = torch.tensor(x, requires_grad=True)
    expected, where = torch.nn.functional.max_pool2d(
        tensor, kernel, stride, padding, dilation, ceil_mode, return_indices=True
    )
    options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
    y, indices = fc.max_pool2d(x, kernel, **options, return_indices=True, backend=backend)
    assert_close(y, expected.detach().numpy(), magnitude=0)
    assert_close(indices, where.numpy())
    dy = normal(y.shape, 5)
    (wanted,) = torch.autograd.grad(expected, tensor, torch.tensor(dy))
    size = magnitude(fc.max_pool2d_backward, dy, indices, x.shape)
    assert_close(fc.max_pool2d_backward(dy, indices, x.shape, backend=backend), wanted.numpy(), magnitude=size)


@pytest.mark.parametrize("count_include_pad", [True, False])
@pytest.mark.parametrize(("kernel", "stride", "padding", "ceil_mode"), POOL_GRID)
def test_average_pooling_is_torchs(
    backend: str, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, count_include_pad: bool
) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = normal((BATCH, CHANNELS, *SIZE), 6)
    tensor = torch.tensor(x, requires_grad=True)
    expected = torch.nn.functional.avg_pool2d(tensor, kernel, stride, padding, ceil_mode, count_include_pad)
    options: dict[str, Any] = {
        "stride": stride,
        "padding": padding,
        "ceil_mode": ceil_mode,
        "count_include_pad": count_include_pad,
    }
    y = fc.avg_pool2d(x, kernel, **options, backend=backend)
    assert_close(y, expected.detach().numpy(), magnitude=magnitude(fc.avg_pool2d, x, kernel, **options))
    dy = normal(y.shape, 7)
    (wanted,) = torch.autograd.grad(expected, tensor, torch.tensor(dy))
    size = magnitude(fc.avg_pool2d_backward, dy, x.shape, kernel, **options)
    dx = fc.avg_pool2d_backward(dy, x.shape, kernel, **options, backend=backend)
    assert_close(dx, wanted.numpy(), magnitude=size)


@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
@pytest.mark.parametrize("padding", [(0, 0), (1, 2)])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 3)])
def test_columns_are_torchs_unfold_and_fold(backend: str, stride: Any, padding: Any, dilation: Any) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = normal((BATCH, CHANNELS, *SIZE), 8)
    options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    cols = fc.im2col(x, KERNEL, **options, backend=backend)
    assert_close(cols, torch.nn.functional.unfold(torch.tensor(x), KERNEL, **options).numpy(), magnitude=0)
    dcols = normal(cols.shape, 9)
    expected = torch.nn.functional.fold(torch.tensor(dcols), SIZE, KERNEL, **options)
    size = magnitude(fc.col2im, dcols, SIZE, KERNEL, **options)
    assert_close(fc.col2im(dcols, SIZE, KERNEL, **options, backend=backend), expected.numpy(), magnitude=size)


@pytest.mark.parametrize(("size", "kernel", "dilation"), [((8, 7), (3, 2), (1, 1)), ((9, 6), (2, 4), (3, 1))])
def test_same_is_torchs(backend: str, size: Any, kernel: Any, dilation: Any) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x, weight = normal((1, 3, *size), 10), normal((2, 3, *kernel), 11)
    extents = [d * (k - 1) for d, k in zip(dilation, kernel)]
    before_after = [n for extent in reversed(extents) for n in (extent // 2, extent - extent // 2)]
    padded = torch.nn.functional.pad(torch.tensor(x), before_after)
    expected = torch.nn.functional.conv2d(padded, torch.tensor(weight), dilation=dilation)
    options: dict[str, Any] = {"padding": "same", "dilation": dilation}
    y = fc.conv2d(x, weight, **options, backend=backend)
    assert_close(y, expected.numpy(), magnitude=magnitude(fc.conv2d, x, weight, **options))
