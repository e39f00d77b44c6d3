"""The promise: every number is within 64 eps of the sum of the magnitudes, however long the sum is.

Random numbers never show a broken promise, because what they round up and down cancels; nor does one number that is
added again and again. What does: one 1, and numbers a little below half an eps, each of which is lost where it is added
to the 1. So a sum of n of them, one after the other, is (n - 1) / 2 eps off; added in parts, only those that meet the
1, and these inputs are made for every level of parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from programs import FULL
from strategies import BACKENDS, Array

import fastconv as fc
from fastconv.backends.geometry import ConvGeometry, conv_axis
from fastconv.layers import Linear

PROMISED = 64
DTYPES = ("float32", "float64")
# About every boundary that a plan has; in the normal run the ones that broke the promise
SHORT = (63, 64, 65, 129, 256, 257, 384, 385, 480) if FULL else (129, 384, 480)
LONG = (449, 513, 769, 1025, 4608, 2**16) if FULL else (4608,)
VERY_LONG = (21_889, 40_000, 2**18, 2**20) if FULL else (2**16,)
Sum = Callable[[Array, str], Any]


def half(dtype: str) -> float:
    """A number just below half an eps."""
    return float(np.asarray(np.finfo(dtype).eps / 2 * 0.999, dtype))


def inputs(n: int, dtype: str) -> Iterator[Array]:
    """A 1 among small numbers: everywhere; where parts of 64 begin, and chunks of 256 or 384."""
    places = np.arange(n)
    for one in (0, n // 2, n - 1):
        x = np.full(n, half(dtype), dtype)
        x[one] = 1
        yield x
    for chunk in (256, 384):
        x = np.where((places < 64) | ((places < chunk) & (places % 64 == 0)) | (places % chunk == 0), half(dtype), 0)
        x[0] = 1
        yield x.astype(dtype)


def ones(*shape: int, like: Array) -> Array:
    return np.ones(shape, like.dtype)


def pointwise(x: Array, backend: str) -> Any:
    return fc.conv2d(x.reshape(1, -1, 1, 1), ones(9, x.size, 1, 1, like=x), backend=backend)


def one_filter(x: Array, backend: str) -> Any:
    return fc.conv2d(x.reshape(1, -1, 1, 1), ones(1, x.size, 1, 1, like=x), backend=backend)


def one_window(x: Array, backend: str) -> Any:
    """A kernel as large as x, channels last or first in memory."""
    padded = np.concatenate([x, np.zeros(-x.size % 9, x.dtype)])
    last = padded.reshape(1, 3, 3, -1).transpose(0, 3, 1, 2)
    first = padded.reshape(1, -1, 3, 3)
    return [fc.conv2d(each, np.ones_like(each), backend=backend) for each in (last, first)]


def conv_dx(x: Array, backend: str) -> Any:
    one, weight = ones(1, 1, 1, 1, like=x), ones(x.size, 1, 1, 1, like=x)
    return fc.conv2d_backward(x.reshape(1, -1, 1, 1), one, weight, needs=("x",), backend=backend).dx


def conv_dx_by_columns(x: Array, backend: str) -> Any:
    image, weight = ones(1, 1, 3, 3, like=x), ones(x.size, 1, 3, 3, like=x)
    return fc.conv2d_backward(x.reshape(1, -1, 1, 1), image, weight, needs=("x",), backend=backend).dx


def conv_dx_where_many_windows_meet(x: Array, backend: str) -> Any:
    padded = np.concatenate([x, np.zeros(-x.size % 81, x.dtype)]).reshape(1, 9, 9, -1).transpose(0, 3, 1, 2)
    image, weight = ones(1, 1, 9, 9, like=x), ones(padded.shape[1], 1, 9, 9, like=x)
    dx = fc.conv2d_backward(padded, image, weight, padding=4, needs=("x",), backend=backend).dx
    assert dx is not None
    return dx[0, 0, 4, 4]


def conv_transpose(x: Array, backend: str) -> Any:
    return fc.conv_transpose2d(x.reshape(1, -1, 1, 1), ones(x.size, 1, 1, 1, like=x), backend=backend)


def _pixels(x: Array) -> Array:
    width = next(width for width in (28, 16, 9, 7, x.size) if x.size % width == 0)
    return x.reshape(1, 1, -1, width)


def dweight_and_dbias(x: Array, backend: str) -> Any:
    dy = _pixels(x)
    found = fc.conv2d_backward(
        dy, np.ones_like(dy), ones(1, 1, 1, 1, like=x), needs=("weight", "bias"), backend=backend
    )
    return [found.dweight, found.dbias]


def dweight_of_images(x: Array, backend: str) -> Any:
    """A pixel of each image: what a row or a band of a split has is next to nothing."""
    dy = x.reshape(-1, 1, 1, 1)
    found = fc.conv2d_backward(
        dy, np.ones_like(dy), ones(1, 1, 1, 1, like=x), needs=("weight", "bias"), backend=backend
    )
    return [found.dweight, found.dbias]


def dweight_in_small_bands(x: Array, backend: str) -> Any:
    with fc.options(max_workspace=2**12):
        dy = _pixels(x)
        weight = ones(1, 1, 3, 3, like=x)
        found = fc.conv2d_backward(dy, np.ones_like(dy), weight, padding=1, needs=("weight",), backend=backend)
    assert found.dweight is not None
    return found.dweight[0, 0, 1, 1]


def depthwise(x: Array, backend: str) -> Any:
    """A window of all taps, and the gradient of the tap that meets every pixel."""
    planes = np.repeat(_pixels(x), 20, axis=1)
    weight = ones(20, 1, 3, 3, like=x)
    found = fc.conv2d_backward(
        planes, np.ones_like(planes), weight, padding=1, groups=20, needs=("weight",), backend=backend
    )
    assert found.dweight is not None
    if x.size > 2**10:  # a kernel of as many taps is not worth the time
        return found.dweight[:, 0, 1, 1]
    whole = fc.conv2d(planes, ones(20, 1, *planes.shape[2:], like=x), groups=20, backend=backend)
    return [found.dweight[:, 0, 1, 1], whole]


def small_groups(x: Array, backend: str) -> Any:
    """A window of all numbers, and the gradients of the tap that meets every pixel."""
    pixels = np.repeat(_pixels(x), 12, axis=1)
    weight = ones(12, 4, 3, 3, like=x)
    found = fc.conv2d_backward(
        pixels, np.ones_like(pixels), weight, padding=1, groups=3, needs=("weight",), backend=backend
    )
    assert found.dweight is not None
    if x.size > 2**13:  # a kernel of as many taps is not worth the time
        return found.dweight[:, :, 1, 1]
    signal = np.concatenate([x, np.zeros(-x.size % 4, x.dtype)]).reshape(-1, 4).T
    whole = fc.conv1d(np.tile(signal, (1, 3, 1)), ones(12, *signal.shape, like=x), groups=3, backend=backend)
    return [found.dweight[:, :, 1, 1], whole]


def linear(x: Array, backend: str) -> Any:
    """One row, a few, and some more: three ways."""
    layer = Linear(x.size, 9, dtype=x.dtype, rng=0)
    layer.weight, layer.bias = ones(9, x.size, like=x), np.zeros(9, x.dtype)
    with fc.use_backend(backend):
        return [layer(np.repeat(x[None], rows, axis=0)) for rows in (1, 7, 9)]


def linear_dx(x: Array, backend: str) -> Any:
    found = []
    sizes = ((1, 8), (40, 8)) if x.size > 5000 else ((1, 260), (40, 8), (40, 260))
    for rows, features in ((2, 3),) if backend == "naive" else sizes:
        layer = Linear(features, x.size, dtype=x.dtype, rng=0)
        layer.weight = ones(x.size, features, like=x)
        with fc.use_backend(backend):
            layer(ones(rows, features, like=x))
            found.append(layer.backward(np.repeat(x[None], rows, axis=0)))
    return found


def linear_dweight(x: Array, backend: str) -> Any:
    layer = Linear(3, 5, dtype=x.dtype, rng=0)
    with fc.use_backend(backend):
        layer(ones(x.size, 3, like=x))
        layer.backward(np.repeat(x[:, None], 5, axis=1))
    return [layer.weight.grad, layer.bias.grad]


SUMS = (
    pointwise, one_filter, one_window, conv_dx, conv_dx_by_columns, conv_dx_where_many_windows_meet, conv_transpose,
    dweight_and_dbias, dweight_of_images, dweight_in_small_bands, depthwise, small_groups, linear, linear_dx,
    linear_dweight,
)  # fmt: skip
every_sum = pytest.mark.parametrize("total", SUMS, ids=lambda total: total.__name__)


def error(found: Any, x: Array) -> float:
    """Distance of the worst of some numbers from the sum of x, in eps of it."""
    exact = sum(map(Fraction, x[x != x.min()].tolist())) + int((x == x.min()).sum()) * Fraction(float(x.min()))
    values = np.concatenate([np.ravel(each) for each in found]) if isinstance(found, list) else np.ravel(found)
    assert values.dtype == x.dtype
    return max(float(abs(Fraction(float(value)) - exact) / exact) for value in np.unique(values)) / float(
        np.finfo(x.dtype).eps
    )


def check(total: Sum, backend: str, sizes: tuple[int, ...], dtype: str) -> None:
    for n in sizes:
        for number, x in enumerate(inputs(n, dtype)):
            off = error(total(x, backend), x)
            assert off <= PROMISED, f"{total.__name__} {backend} {dtype}, {n} numbers, input {number}: {off:.1f} eps"


@every_sum
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_of_every_length_keep_the_promise(total: Sum, backend: str, dtype: str) -> None:
    check(total, backend, SHORT[-1:] if backend == "naive" else SHORT, dtype)


@every_sum
@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "naive"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_long_sums_keep_the_promise(total: Sum, backend: str, dtype: str) -> None:
    check(total, backend, LONG, dtype)


VERY_LONG_SUMS = (pointwise, one_filter, one_window, dweight_and_dbias, dweight_of_images, linear, linear_dweight)


@pytest.mark.parametrize("total", VERY_LONG_SUMS, ids=lambda total: total.__name__)
@pytest.mark.parametrize("dtype", DTYPES)
def test_very_long_sums_keep_the_promise(total: Sum, dtype: str) -> None:
    """Chunks are so many that what is rounded off is kept beside the result."""
    for backend in BACKENDS:
        if backend != "naive":
            check(total, backend, VERY_LONG, dtype)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("one", "other"), [(np.inf, 1.0), (-np.inf, 1.0), (np.inf, -np.inf), (np.nan, 1.0)])
def test_what_is_not_finite_stays_so_in_a_very_long_sum(backend: str, dtype: str, one: float, other: float) -> None:
    """Infinity minus itself is NaN: what an addition to infinity rounds off is not a number, and nobody's result."""
    x = np.ones(2**16, dtype)
    x[77], x[50_000] = one, other
    with np.errstate(invalid="ignore"):
        expected = x.sum()
    totals = [pointwise, linear] if backend == "naive" else [pointwise, linear, dweight_and_dbias]
    for total in totals:
        found = total(x, backend)
        for value in found if isinstance(found, list) else [found]:
            np.testing.assert_array_equal(np.unique(value), expected)


# The depth of every plan of the fast backend


def only_fast() -> None:
    if "fast" not in BACKENDS:
        pytest.skip("the fast backend needs Numba")


@pytest.fixture
def no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans that are made for no call: nothing is compiled."""
    only_fast()
    from fastconv.backends.fast.conv import bias, plan
    from fastconv.backends.fast.depthwise import tiles as pieces
    from fastconv.backends.fast.linear import linear

    for module, name in (
        (plan, "tile_address"), (linear, "tile_address"), (bias, "tile_address"), (pieces, "depthwise_tile_address"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, lambda shape: 1)


def geometries() -> Iterator[ConvGeometry]:
    sizes = (1, 7, 28, 224)
    for size, kernel, stride in product(sizes, (1, 2, 3, 7, 11), (1, 2)):
        axis = conv_axis(size, kernel, stride, 1, kernel // 2, kernel // 2)
        for batch, channels, filters in product((1, 8, 1024), (1, 64, 400, 5000, 70_000), (1, 64, 400, 5000, 70_000)):
            if batch * size * size <= 10**6 and channels * filters <= 10**7:
                yield ConvGeometry((axis, axis), batch, channels, filters, 1)
        for batch, channels in product((1, 8, 1024), (8, 128, 1000)):
            yield ConvGeometry((axis, axis), batch, channels, channels, channels)


def test_no_plan_of_a_convolution_is_too_deep(no_kernels: None) -> None:
    from fastconv.backends.fast.conv import chunks as depth
    from fastconv.backends.fast.conv import conv as choice
    from fastconv.backends.fast.conv import through_columns as scatter
    from fastconv.backends.fast.conv.passes import forward_pass, input_gradient_passes
    from fastconv.backends.fast.depthwise import plan as sliding

    deepest: dict[str, int] = {}
    for geometry in list(geometries())[:: 1 if FULL else 37]:
        for limit in (2**12, 2**26):
            task = forward_pass(geometry)
            made = {name: [_uncached(choice, name, task, limit)] for name in ("forward", "weight")}
            if scatter.prefers_columns(geometry, 4):
                assert scatter.columns_chunk(geometry)[1] <= depth.LIMIT
            else:
                made["dx"] = [_uncached(choice, "dx", each, limit) for each in input_gradient_passes(geometry)[0]]
            for name, plans in made.items():
                for plan in plans:
                    assert plan.depth <= depth.LIMIT, (name, geometry, plan)
                    deepest[name] = max(deepest.get(name, 0), plan.depth)
    assert all(found > 90 for found in deepest.values()), deepest  # the range is wide enough to come near the limit
    assert sliding.LIMIT == depth.LIMIT <= 2 * PROMISED - 2


def _uncached(choice: Any, what: str, task: Any, limit: int) -> Any:
    """A plan with no addresses in it, which must not stay in a cache."""
    if what == "weight":
        if choice.takes_depthwise_tiles(task) and choice.sums_fit(task, 4):
            return choice.plan_depthwise_gradient.__wrapped__(task, 4, 2)
        return choice.plan_weight.__wrapped__(task, 4, 2, limit)
    if choice.takes_depthwise_tiles(task):
        return choice.plan_depthwise.__wrapped__(task, 4, 2)
    return choice.plan_conv.__wrapped__(task, 4, 2, limit)


def test_no_plan_of_a_linear_layer_or_a_bias_is_too_deep(no_kernels: None) -> None:
    from fastconv.backends.fast.conv import bias
    from fastconv.backends.fast.conv import chunks as depth
    from fastconv.backends.fast.linear import linear

    sizes = (1, 9, 100, 1000, 1800, 4096, 25_088, 60_000, 10**6)[:: 1 if FULL else 2]
    for form, rows, inputs, outputs, item in product(("forward", "dx", "dweight"), sizes, sizes, sizes, (4, 8)):
        if rows * inputs * outputs <= 10**9:
            assert linear.plan_linear.__wrapped__(form, rows, inputs, outputs, item, 2).depth <= depth.LIMIT
    for channels, pixels in product((1, 1000), (1, 1000, 8193, 10**6, 10**8)):
        assert bias.plan_sums.__wrapped__(channels, pixels, np.dtype("f4"), 2).depth <= depth.LIMIT


@pytest.mark.parametrize("n", [64, 384, 4608, 15_000])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_depth_of_a_plan_is_the_error_of_the_worst_input(n: int, dtype: str) -> None:
    """A small number where every part and every chunk begins: all of them are lost, and no plan says less."""
    only_fast()
    from fastconv.backends.fast.conv.chunks import chunk_size
    from fastconv.backends.fast.machine.partial_sums import MOST

    chunk, depth, compensated = chunk_size(1, n)
    pieces = -(-n // chunk)
    assert not compensated
    starts = [n * piece // pieces for piece in range(pieces)]
    first = n if pieces == 1 else starts[1]
    x = np.zeros(n, dtype)
    x[[*range(min(MOST, first)), *range(0, first, MOST), *starts]] = half(dtype)
    x[0] = 1
    off = error(pointwise(x, "fast"), x)
    assert (depth - 3) / 2 <= off <= depth / 2


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "naive"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", [10, 11, 22, 23, 40])
def test_means_and_their_gradients_keep_the_promise(kernel: int, dtype: str, backend: str) -> None:
    n, eps = kernel * kernel, float(np.finfo(dtype).eps)
    exact = (1 + half(dtype) * (n - 1)) / n
    x = np.full((1, 1, 2 * kernel, 2 * kernel), half(dtype), dtype)
    dy = np.full((1, 1, kernel, kernel), half(dtype), dtype)
    x[0, 0, 0, 0] = dy[0, 0, 0, 0] = 1
    y = fc.avg_pool2d(x, kernel, stride=kernel, backend=backend)[0, 0, 0, 0]
    dx = fc.avg_pool2d_backward(dy, (1, 1, 2 * kernel - 1, 2 * kernel - 1), kernel, stride=1, backend=backend)
    for found in (y, dx[0, 0, kernel - 1, kernel - 1]):
        assert abs(float(found) - exact) <= PROMISED * eps * exact


@pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")
@pytest.mark.parametrize("padding", [(0, 0), (2, 20)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
@pytest.mark.parametrize("kernel", [(11, 12), (5, 400), (150, 3)])
def test_gradients_of_many_windows_go_where_they_went(
    kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]
) -> None:
    padding = (min(padding[0], kernel[0] - 1), min(padding[1], kernel[1] - 1))
    for dilation, count_include_pad, channels in product(((1, 1), (2, 1)), (False, True), (2, 9)):
        options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": True}
        options["count_include_pad"] = count_include_pad
        shape = (2, channels, (kernel[0] - 1) * dilation[0] + 10, kernel[1] + 31)
        dy = np.random.default_rng(0).standard_normal(fc.avg_pool2d(np.zeros(shape), kernel, **options).shape)
        found, expected = (
            fc.avg_pool2d_backward(dy, shape, kernel, backend=backend, **options) for backend in ("fast", "numpy")
        )
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-14)
