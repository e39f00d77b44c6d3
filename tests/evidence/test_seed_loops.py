"""The frozen yardstick: right where it claims to be, wrong where it says so, and unchanged."""

from __future__ import annotations

import hashlib
import inspect
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from benchmarks import seed_loops

Array = NDArray[Any]

FROZEN = (
    seed_loops._pair,
    seed_loops.conv_forward,
    seed_loops.conv_backward,
    seed_loops.conv_forward_grouped,
    seed_loops.conv_backward_grouped,
    seed_loops.max_pool_forward,
    seed_loops.max_pool_backward,
    seed_loops.avg_pool_forward,
    seed_loops.avg_pool_backward,
)
FROZEN_SHA256 = "9235cabe7774bf06b29d76c9ca34b84c5f001b9eb3c16478af4da99dd8368a50"

# Sums of fewer than 200 products of standard normal numbers in float64.
TOLERANCE: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-12}


def draw(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def test_the_loops_are_unchanged() -> None:
    source = "".join(inspect.getsource(function) for function in FROZEN)
    assert hashlib.sha256(source.encode()).hexdigest() == FROZEN_SHA256, (
        "The yardstick has changed, and with it every published speed-up. Restore benchmarks/seed_loops.py."
    )


# By hand.


def test_convolution_by_hand() -> None:
    x = np.array([[[[1, 2, 3], [4, 5, 6]]]], dtype=np.float64)
    w = np.array([[[[1, -1]]], [[[2, 0]]]], dtype=np.float64)
    y = seed_loops.conv_forward(x, w, np.array([0.5, -1.0]), stride=1, pad=0)
    assert_array_equal(y, [[[[-0.5, -0.5], [-0.5, -0.5]], [[1, 3], [7, 9]]]])


def test_convolution_gradients_by_hand() -> None:
    x = np.array([[[[1, 2, 3], [4, 5, 6]]]], dtype=np.float64)
    w = np.array([[[[1, -1]]]], dtype=np.float64)
    dy = np.array([[[[1, 2], [0, 3]]]], dtype=np.float64)
    dx, dw, db = seed_loops.conv_backward(dy, x, w, np.zeros(1), stride=1, pad=0)
    assert_array_equal(dx, [[[[1, 1, -2], [0, 3, -3]]]])
    assert_array_equal(dw, [[[[1 * 1 + 2 * 2 + 3 * 5, 1 * 2 + 2 * 3 + 3 * 6]]]])
    assert_array_equal(db, [6])


def test_stride_and_padding_per_axis_by_hand() -> None:
    x = np.array([[[[1, 2, 3], [4, 5, 6]]]], dtype=np.float64)
    y = seed_loops.conv_forward(x, np.ones((1, 1, 2, 2)), np.zeros(1), stride=(2, 1), pad=(1, 0))
    assert_array_equal(y, [[[[3, 5], [9, 11]]]])


def test_pooling_by_hand() -> None:
    x = np.array([[[[1, 8, 3, 0], [4, 5, 6, 7]]]], dtype=np.float64)
    dy = np.array([[[[10, 20]]]], dtype=np.float64)
    assert_array_equal(seed_loops.max_pool_forward(x, 2, 2, stride=2), [[[[8, 7]]]])
    assert_array_equal(seed_loops.avg_pool_forward(x, 2, 2, stride=2), [[[[4.5, 4]]]])
    assert_array_equal(seed_loops.max_pool_backward(dy, x, 2, 2, stride=2), [[[[0, 10, 0, 0], [0, 0, 0, 20]]]])
    assert_array_equal(seed_loops.avg_pool_backward(dy, x, 2, 2, stride=2), [[[[2.5, 2.5, 5, 5], [2.5, 2.5, 5, 5]]]])


def test_average_pooling_adds_where_windows_overlap() -> None:
    dy = np.array([[[[2, 4]]]], dtype=np.float64)
    assert_array_equal(seed_loops.avg_pool_backward(dy, np.zeros((1, 1, 1, 3)), 1, 2, stride=1), [[[[1, 3, 2]]]])


def test_max_pooling_keeps_the_two_faults_of_the_original() -> None:
    dy = np.array([[[[2, 4]]]], dtype=np.float64)
    overlapping = np.array([[[[0, 9, 0]]]], dtype=np.float64)
    assert_array_equal(seed_loops.max_pool_backward(dy, overlapping, 1, 2, stride=1), [[[[0, 4, 0]]]])  # 6 is due
    tied = np.array([[[[5, 5, 1, 0]]]], dtype=np.float64)
    assert_array_equal(seed_loops.max_pool_backward(dy, tied, 1, 2, stride=2), [[[[2, 2, 4, 0]]]])  # 2, 0 are due


# Against outside libraries, on awkward sizes: H != W, KH != KW, sh != sw, C != F.

GEOMETRIES = [
    pytest.param((2, 3, 7, 5), (4, 3, 3, 2), (1, 1), (0, 0), id="plain"),
    pytest.param((2, 3, 7, 5), (4, 3, 3, 2), (2, 1), (1, 2), id="per-axis"),
    pytest.param((1, 2, 6, 9), (3, 2, 2, 3), (3, 2), (0, 1), id="leftover"),
    pytest.param((1, 1, 4, 3), (2, 1, 4, 3), (1, 1), (0, 0), id="one-window"),
]


@pytest.mark.parametrize(("x_shape", "w_shape", "stride", "pad"), GEOMETRIES)
def test_convolution_is_scipys_correlation(
    x_shape: tuple[int, ...], w_shape: tuple[int, ...], stride: tuple[int, int], pad: tuple[int, int]
) -> None:
    signal = pytest.importorskip("scipy.signal")
    x, w, b = draw(*x_shape), draw(*w_shape, seed=1), draw(w_shape[0], seed=2)
    (sh, sw), (ph, pw) = stride, pad
    padded = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    y = seed_loops.conv_forward(x, w, b, stride, pad)
    for n, f in np.ndindex(*y.shape[:2]):
        expected = signal.correlate(padded[n], w[f], mode="valid")[0, ::sh, ::sw] + b[f]
        assert_allclose(y[n, f], expected, **TOLERANCE)


@pytest.mark.parametrize(("x_shape", "w_shape", "stride", "pad"), GEOMETRIES)
def test_convolution_gradients_are_adjoint(
    x_shape: tuple[int, ...], w_shape: tuple[int, ...], stride: tuple[int, int], pad: tuple[int, int]
) -> None:
    x, w, b = draw(*x_shape), draw(*w_shape, seed=1), draw(w_shape[0], seed=2)
    y = seed_loops.conv_forward(x, w, np.zeros_like(b), stride, pad)
    dy = draw(*y.shape, seed=3)
    dx, dw, db = seed_loops.conv_backward(dy, x, w, b, stride, pad)
    assert dx.shape == x.shape
    assert_allclose(np.vdot(dx, x), np.vdot(dy, y), **TOLERANCE)
    assert_allclose(np.vdot(dw, w), np.vdot(dy, y), **TOLERANCE)
    assert_allclose(db, dy.sum((0, 2, 3)), **TOLERANCE)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_grouped_convolution_is_torchs(groups: int) -> None:
    torch = pytest.importorskip("torch")
    x, w, b = draw(2, 4, 5, 6), draw(8, 4 // groups, 3, 2, seed=1), draw(8, seed=2)
    tensors = [torch.from_numpy(array).requires_grad_() for array in (x, w, b)]
    expected = torch.nn.functional.conv2d(*tensors, stride=(2, 1), padding=(1, 2), groups=groups)
    y = seed_loops.conv_forward_grouped(x, w, b, (2, 1), (1, 2), groups)
    assert_allclose(y, expected.detach().numpy(), **TOLERANCE)
    dy = draw(*y.shape, seed=3)
    gradients = seed_loops.conv_backward_grouped(dy, x, w, b, (2, 1), (1, 2), groups)
    for ours, theirs in zip(gradients, torch.autograd.grad(expected, tensors, torch.from_numpy(dy)), strict=True):
        assert_allclose(ours, theirs.numpy(), **TOLERANCE)


# Random numbers have no ties; where windows lie apart, the gradient of max pooling is right too.
@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize(
    ("kernel", "stride"), [((2, 3), (2, 3)), ((2, 2), (3, 2)), ((3, 2), (1, 2))], ids=["tiling", "gaps", "overlap"]
)
def test_pooling_is_torchs(kind: str, kernel: tuple[int, int], stride: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    forward, backward = getattr(seed_loops, f"{kind}_pool_forward"), getattr(seed_loops, f"{kind}_pool_backward")
    x = draw(2, 3, 7, 6)
    tensor = torch.from_numpy(x).requires_grad_()
    expected = getattr(torch.nn.functional, f"{kind}_pool2d")(tensor, kernel, stride)
    y = forward(x, *kernel, stride)
    assert_allclose(y, expected.detach().numpy(), **TOLERANCE)
    if kind == "max" and stride[0] < kernel[0]:
        return  # known to be wrong, see above
    dy = draw(*y.shape, seed=3)
    (dx,) = torch.autograd.grad(expected, tensor, torch.from_numpy(dy))
    assert_allclose(backward(dy, x, *kernel, stride), dx.numpy(), **TOLERANCE)


# The clock. Nothing here says how fast the loops are.

CONV: dict[str, Any] = {
    "input_shape": (3, 4, 9, 7),
    "weight_shape": (5, 4, 3, 2),
    "stride": (2, 1),
    "pad": (1, 0),
}  # 3 images of 5 x 5 x 6 outputs
POOL: dict[str, Any] = {"input_shape": (3, 4, 9, 7), "kernel_size": (3, 2), "stride": 2, "pad": ((1, 0), (0, 1))}
# 3 images of 4 x 4 x 4 outputs


def layer_of(operation: str) -> dict[str, Any]:
    return CONV if operation.startswith("conv2d") else POOL


@pytest.mark.parametrize("operation", seed_loops.OPERATIONS)
@pytest.mark.parametrize("max_outputs", [1, 7, 100, 10_000])
def test_a_crop_is_timed_and_the_layer_estimated(operation: str, max_outputs: int) -> None:
    timing = seed_loops.time_per_output(operation, **layer_of(operation), max_outputs=max_outputs)
    assert timing.outputs_total == (450 if operation.startswith("conv2d") else 192)
    assert 1 <= timing.outputs_timed <= min(max_outputs, timing.outputs_total)
    assert timing.seconds_per_output > 0
    assert timing.estimated_seconds == timing.seconds_per_output * timing.outputs_total


def test_a_layer_small_enough_is_timed_whole() -> None:
    assert seed_loops.time_per_output("conv2d", **CONV, max_outputs=450).outputs_timed == 450


@pytest.mark.parametrize(
    ("max_outputs", "outputs"),
    [
        pytest.param(449, 300, id="two-images"),
        pytest.param(149, 120, id="four-rows"),
        pytest.param(29, 24, id="four-filters"),
        pytest.param(5, 5, id="five-columns"),
    ],
)
def test_images_go_first_then_rows_then_filters_then_columns(max_outputs: int, outputs: int) -> None:
    assert seed_loops.time_per_output("conv2d", **CONV, max_outputs=max_outputs).outputs_timed == outputs


@pytest.mark.parametrize(("max_outputs", "groups"), [(10_000, 6), (100, 2), (20, 1)])
def test_groups_go_before_rows_and_keep_their_channels(
    monkeypatch: pytest.MonkeyPatch, max_outputs: int, groups: int
) -> None:
    seen = spy(monkeypatch, "conv_forward")
    layer: dict[str, Any] = {
        "input_shape": (1, 12, 8, 5),
        "weight_shape": (6, 2, 3, 3),
        "stride": 1,
        "pad": 1,
        "groups": 6,
    }
    timing = seed_loops.time_per_output("conv2d", **layer, max_outputs=max_outputs)
    calls = seen[1:]  # the first call warms up
    assert len(calls) == groups
    assert {(x.shape[1], w.shape) for x, w, *_ in calls} == {(2, (1, 2, 3, 3))}
    assert timing.outputs_timed == groups * min(40, max_outputs // groups // 5 * 5)


@pytest.mark.parametrize("max_outputs", [1, 29, 449, 450])
def test_kernel_channels_and_stride_stay_whole(monkeypatch: pytest.MonkeyPatch, max_outputs: int) -> None:
    seen = spy(monkeypatch, "conv_forward")
    timing = seed_loops.time_per_output("conv2d", **CONV, dtype=np.float32, max_outputs=max_outputs, repeats=2)
    warm_up, *calls = seen
    assert warm_up[0].shape == (1, 4, 3, 2)
    assert len(calls) == 2
    for x, w, b, stride, pad in calls:
        assert (x.shape[1], w.shape[1:], stride, pad) == (4, (4, 3, 2), (2, 1), 0)
        assert {x.dtype, w.dtype, b.dtype} == {np.dtype(np.float32)}
        rows, columns = (x.shape[2] - 3) // 2 + 1, x.shape[3] - 1
        assert x.shape[0] * w.shape[0] * rows * columns == timing.outputs_timed


def spy(monkeypatch: pytest.MonkeyPatch, name: str) -> list[tuple[Any, ...]]:
    """Record the arguments of every call of one of the loops."""
    seen: list[tuple[Any, ...]] = []
    original = getattr(seed_loops, name)

    def recording(*arguments: Any) -> Any:
        seen.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(seed_loops, name, recording)
    return seen


@pytest.mark.parametrize("operation", seed_loops.OPERATIONS)
def test_each_operation_times_its_own_loops(monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    kind, backward = operation.removesuffix("_backward"), operation.endswith("_backward")
    prefix = {"conv2d": "conv", "max_pool2d": "max_pool", "avg_pool2d": "avg_pool"}[kind]
    names = ["conv_forward", "conv_backward", "max_pool_forward", "max_pool_backward"]
    names += ["avg_pool_forward", "avg_pool_backward"]
    seen = {name: spy(monkeypatch, name) for name in names}
    seed_loops.time_per_output(operation, **layer_of(operation), max_outputs=1)
    assert [name for name in names if seen[name]] == [f"{prefix}_{'backward' if backward else 'forward'}"]


def test_an_empty_batch_takes_no_time() -> None:
    timing = seed_loops.time_per_output("max_pool2d", input_shape=(0, 2, 4, 4), kernel_size=2, stride=2, pad=0)
    assert timing.seconds_per_output > 0
    assert (timing.outputs_total, timing.estimated_seconds) == (0, 0.0)


@pytest.mark.parametrize(
    ("operation", "changes", "message"),
    [
        ("conv3d", {}, "operation must be one of conv2d, .*, but got 'conv3d'"),
        ("conv2d", {"weight_shape": None}, "conv2d must have a weight_shape"),
        ("max_pool2d", {}, "max_pool2d must have a kernel_size"),
        ("conv2d", {"max_outputs": 0}, "must be at least 1, but got 0 and 1"),
        ("conv2d", {"repeats": 0}, "must be at least 1, but got 4096 and 0"),
        ("conv2d", {"pad": 0, "weight_shape": (5, 4, 10, 2)}, "must not be empty, but it is 0x6"),
    ],
)
def test_what_cannot_be_timed_is_refused(operation: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        seed_loops.time_per_output(operation, **(CONV | changes))
