"""Convolution over one and three spatial axes: by hand, against naive, as planes, and what all ranks promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks import GRADIENTS, check_conv
from grids import grid
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    BACKENDS,
    CONV,
    CONV_BACKWARD,
    CONV_CASES,
    ENGINES,
    FLOATS,
    MEMORY,
    ConvCase,
    channels_last,
    conv_arrays,
    conv_cases,
    memory_orders,
    normal,
    seeds,
    stored,
)

import fastconv as fc
from fastconv.testing import adjoint_check, assert_close, gradient_check, magnitude

SEQUENCES = {
    "plain": ConvCase((2, 3, 9), (4, 3, 3)),
    "strided": ConvCase((2, 3, 11), (5, 3, 2), 3),
    "stride-beyond-kernel": ConvCase((3, 2, 14), (3, 2, 2), 5),
    "kernel-is-input": ConvCase((2, 3, 7), (6, 3, 7)),
    "one-cell": ConvCase((2, 3, 1), (4, 3, 1)),
    "one-by-one": ConvCase((2, 19, 37), (17, 19, 1)),
    "asymmetric": ConvCase((2, 2, 5), (3, 2, 4), 2, ((0, 3),), 1),
    "padding-alone-in-a-window": ConvCase((1, 2, 2), (3, 2, 2), 1, 4),
    "dilated": ConvCase((2, 3, 17), (4, 3, 3), 2, 3, 4),
    "causal": ConvCase((2, 4, 12), (5, 4, 3), 1, ((4, 0),), 2),
    "same-strided": ConvCase((2, 3, 10), (4, 3, 5), 3, "same"),
    "same-lower": ConvCase((1, 2, 7), (3, 2, 4), 1, "same_lower"),
    "groups": ConvCase((2, 6, 8), (4, 3, 3), 1, 1, 1, 2),
    "depthwise": ConvCase((2, 5, 9), (5, 1, 4), 2, 1, 1, 5),
    "depthwise-multiplied": ConvCase((2, 3, 9), (6, 1, 4), 1, 2, 1, 3),
    "one-channel": ConvCase((2, 1, 400), (8, 1, 25), 5, 12),
    "long": ConvCase((1, 2, 3001), (3, 2, 4), 2, 1),
    "empty-batch": ConvCase((0, 3, 9), (4, 3, 3)),
}
VOLUMES = {
    "plain": ConvCase((2, 3, 4, 6, 5), (4, 3, 2, 3, 2)),
    "strided": ConvCase((1, 2, 5, 7, 6), (3, 2, 2, 1, 3), (2, 3, 1)),
    "kernel-is-input": ConvCase((2, 3, 2, 4, 3), (5, 3, 2, 4, 3)),
    "one-by-one": ConvCase((2, 5, 3, 2, 4), (7, 5, 1, 1, 1)),
    "depth-alone": ConvCase((2, 2, 7, 2, 3), (3, 2, 3, 1, 1), (2, 1, 1), (1, 0, 0)),
    "asymmetric": ConvCase((1, 2, 3, 4, 2), (3, 2, 3, 2, 2), (1, 2, 1), ((2, 0), (0, 1), (1, 3))),
    "padding-alone-in-a-window": ConvCase((1, 2, 1, 2, 1), (2, 2, 2, 1, 2), 1, (3, 2, 2)),
    "dilated": ConvCase((1, 2, 6, 5, 7), (2, 2, 2, 2, 3), (1, 2, 1), (1, 0, 2), (3, 2, 2)),
    "dilated-unpadded": ConvCase((2, 3, 7, 5, 6), (4, 3, 3, 2, 2), (2, 1, 1), 0, (2, 3, 1)),
    "same-strided": ConvCase((1, 3, 5, 4, 6), (2, 3, 3, 2, 4), (2, 1, 3), "same"),
    "same-lower": ConvCase((1, 2, 4, 5, 3), (3, 2, 2, 4, 2), 1, "same_lower"),
    "groups": ConvCase((2, 6, 3, 4, 3), (4, 3, 2, 3, 1), 1, 1, 1, 2),
    "depthwise": ConvCase((2, 5, 3, 4, 5), (5, 1, 2, 3, 2), (1, 2, 1), 1, 1, 5),
    "depthwise-multiplied": ConvCase((1, 3, 4, 3, 5), (6, 1, 2, 2, 3), 1, (0, 1, 1), 1, 3),
    "more-than-a-vector": ConvCase((1, 19, 3, 3, 5), (18, 19, 2, 2, 2), 1, (1, 0, 1)),
    "empty-batch": ConvCase((0, 3, 4, 6, 5), (4, 3, 2, 3, 2)),
}
CASES = {**{f"1d-{name}": case for name, case in SEQUENCES.items()}, **{f"3d-{n}": case for n, case in VOLUMES.items()}}
LIVELY = {name: case for name, case in CASES.items() if case.x_shape[0]}
LAST = {1: "NWC", 2: "NHWC", 3: "NDHWC"}

engines = pytest.mark.parametrize("engine", ENGINES)
backends = pytest.mark.parametrize("backend", BACKENDS)
ranks = pytest.mark.parametrize("rank", [1, 3])


# By hand.


@backends
def test_a_sequence_by_hand(backend: str) -> None:
    x, weight = np.array([[[1.0, 2, 3, 4, 5]]]), np.array([[[1.0, 10]]])
    assert_close(fc.conv1d(x, weight, backend=backend), [[[21.0, 32, 43, 54]]], magnitude=0)
    assert_close(fc.conv1d(x, weight, [0.5], stride=3, backend=backend), [[[21.5, 54.5]]], magnitude=0)
    assert_close(fc.conv1d(x, weight, dilation=3, backend=backend), [[[41.0, 52]]], magnitude=0)
    assert_close(fc.conv1d(x, weight, stride=2, padding=((1, 2),), backend=backend), [[[10.0, 32, 54, 0]]], magnitude=0)
    assert_close(fc.conv1d(x, weight, stride=2, padding="same", backend=backend), [[[21.0, 43, 5]]], magnitude=0)
    assert_close(fc.conv1d(x, weight, stride=2, padding="same_lower", backend=backend), [[[10.0, 32, 54]]], magnitude=0)
    gradients = fc.conv1d_backward(np.array([[[1.0, 2]]]), x, weight, stride=3, backend=backend)
    assert_close(gradients.dx, [[[1.0, 10, 0, 2, 20]]], magnitude=0)
    assert_close(gradients.dweight, [[[1.0 + 2 * 4, 2 + 2 * 5]]], magnitude=0)
    assert_close(gradients.dbias, [3.0], magnitude=0)


@backends
def test_a_volume_by_hand(backend: str) -> None:
    """Depth first: each tap of a filter of two in each direction names its axis."""
    x = np.arange(12.0).reshape(1, 1, 2, 2, 3)  # cell (d, h, w) is 6*d + 3*h + w
    for axis, step in ((2, 6), (3, 3), (4, 1)):
        shape = [1, 1, 1, 1, 1]
        shape[axis] = 2
        weight = np.array([-1.0, 1]).reshape(shape)
        y = fc.conv3d(x, weight, backend=backend)
        wanted = list(x.shape)
        wanted[axis] -= 1
        assert_close(y, np.full(wanted, float(step)), magnitude=0)
        gradients = fc.conv3d_backward(np.ones_like(y), x, weight, backend=backend)
        assert_close(gradients.dx, x.take([0], axis) * 0 + np.diff(np.eye(x.shape[axis])[[0, -1]], axis=0).reshape(
            [-1 if i == axis else 1 for i in range(5)]), magnitude=0)  # fmt: skip
    y = fc.conv3d(x, np.ones((1, 1, 2, 1, 1)), [100], stride=(1, 1, 2), padding=(1, 0, 0), backend=backend)
    assert_close(y[0, 0], [[[100.0, 102], [103, 105]], [[106, 110], [112, 116]], [[106, 108], [109, 111]]], magnitude=0)


# Against naive.


@engines
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_named_geometries(engine: str, case: ConvCase, dtype: str) -> None:
    check_conv(engine, case, *conv_arrays(case, 0, dtype))


@engines
@ranks
@given(data=st.data(), dtype=st.sampled_from(FLOATS), order=memory_orders, seed=seeds)
def test_random_geometries(engine: str, rank: int, data: st.DataObject, dtype: str, order: str, seed: int) -> None:
    case = data.draw(conv_cases(rank=rank))
    x, weight, bias, dy = conv_arrays(case, seed, dtype)
    check_conv(engine, case, stored(x, order), stored(weight, order), bias, stored(dy, order))


@engines
@pytest.mark.parametrize("case", LIVELY.values(), ids=LIVELY)
def test_a_small_workspace_changes_nothing_but_memory(engine: str, case: ConvCase) -> None:
    with fc.options(max_workspace=5000):
        check_conv(engine, case, *conv_arrays(case, 1, "float32"))


@backends
@ranks
@pytest.mark.parametrize("name", ["plain", "asymmetric", "dilated", "same-strided", "depthwise"])
def test_a_plane_is_a_flat_volume_and_a_row_of_it_a_sequence(backend: str, rank: int, name: str) -> None:
    """Trivial axes before the real ones, or planes of one row."""
    case = CONV_CASES[name]
    stride, padding, dilation = case.stride, case.padding, case.dilation
    if rank == 3:
        x, weight, bias, dy = conv_arrays(case, 2)
        options = {"stride": lengthened(stride), "padding": lengthened(padding, 0), "dilation": lengthened(dilation)}
        y = fc.conv3d(x[:, :, None], weight[:, :, None], bias, **options, groups=case.groups, backend=backend)[:, :, 0]
        assert_close(
            y, fc.conv2d(x, weight, bias, **case.options, backend=backend),
            magnitude=magnitude(fc.conv2d, x, weight, bias, **case.options),
        )  # fmt: skip
        return
    case = SEQUENCES[name]
    x, weight, bias, dy = conv_arrays(case, 2)
    options = {"stride": (1, case.stride), "dilation": (1, case.dilation), "groups": case.groups}
    options["padding"] = case.padding if isinstance(case.padding, str) else (0, *np.broadcast_to(case.padding, (1, 2)))
    y = fc.conv2d(x[:, :, None], weight[:, :, None], bias, **options, backend=backend)[:, :, 0]
    assert_close(
        y, fc.conv1d(x, weight, bias, **case.options, backend=backend),
        magnitude=magnitude(fc.conv1d, x, weight, bias, **case.options),
    )  # fmt: skip


def lengthened(value: Any, first: int = 1) -> Any:
    """The sizes of a plane for a volume of depth one."""
    return value if isinstance(value, str) else (first, *((value, value) if isinstance(value, int) else value))


# What every rank promises.


@engines
@pytest.mark.parametrize("order", MEMORY)
@pytest.mark.parametrize("name", ["1d-asymmetric", "1d-one-by-one", "1d-depthwise", "3d-asymmetric", "3d-groups"])
def test_memory_order_changes_no_bit_and_no_input(engine: str, name: str, order: str) -> None:
    case = CASES[name]
    arrays = conv_arrays(case, 3, "float32")
    moved = [None if array is None else stored(array, order) for array in arrays]
    expected, actual = results(engine, case, *arrays), results(engine, case, *moved)
    for before, after in zip(arrays, moved):
        assert before is after is None or np.array_equal(before, after)  # never modified
    if engine == "fast":
        assert [array.tobytes() for array in actual] == [array.tobytes() for array in expected]


def results(engine: str, case: ConvCase, x: Any, weight: Any, bias: Any, dy: Any, **options: Any) -> list[Any]:
    options = {**case.options, **options, "backend": engine}
    return [case.forward(x, weight, bias, **options), *case.backward(dy, x, weight, **options)]


@pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "case",
    [
        ConvCase((3, 33, 700), (40, 33, 5), 2, 2),
        ConvCase((2, 20, 9, 15, 14), (24, 20, 3, 3, 3), 1, 1),
        ConvCase((2, 3, 12, 25, 24), (20, 3, 3, 5, 4), 2, 1),
    ],
    ids=["sequence", "volume", "few-channels"],
)
def test_results_do_not_depend_on_threads(case: ConvCase, dtype: str) -> None:
    arrays = conv_arrays(case, 4, dtype)
    found = []
    for threads in (1, 2):
        with fc.use_num_threads(threads):
            found.append([array.tobytes() for array in results("fast", case, *arrays)])
    assert found[0] == found[1]


@backends
@pytest.mark.parametrize("name", ["1d-asymmetric", "1d-empty-batch", "3d-same-strided", "3d-groups", "3d-empty-batch"])
def test_channels_last_is_the_same_convolution(backend: str, name: str) -> None:
    case = CASES[name]
    x, weight, bias, dy = conv_arrays(case, 5)
    layout = LAST[x.ndim - 2]
    y, dx, dweight, dbias = results(
        backend, case, channels_last(x), weight, bias, channels_last(dy), layout=layout
    )  # fmt: skip
    sizes = [magnitude(case.forward, x, weight, bias, **case.options)]
    sizes += magnitude(case.backward, dy, x, weight, **case.options)
    actual = [np.moveaxis(y, -1, 1), np.moveaxis(dx, -1, 1), dweight, dbias]
    for one, other, size in zip(actual, results(backend, case, x, weight, bias, dy), sizes, strict=True):
        assert_close(one, other, magnitude=size)


DTYPES = [
    (("float16", "float16", "float16"), "float16"),
    (("float16", "float32", "float16"), "float32"),
    (("float32", "float32", "float64"), "float64"),
    (("int32", "float32", "float32"), "float64"),
    (("int64", "int8", "uint8"), "float64"),
    (("bool", "bool", "bool"), "float64"),
]


@backends
@ranks
@pytest.mark.parametrize(("dtypes", "expected"), DTYPES, ids=lambda value: "-".join(value) if len(value) == 3 else "")
def test_result_dtypes(backend: str, rank: int, dtypes: tuple[str, str, str], expected: str) -> None:
    case = (SEQUENCES if rank == 1 else VOLUMES)["asymmetric"]
    shapes = (case.x_shape, case.weight_shape, case.weight_shape[:1])
    x, weight, bias = (normal(shape, 6, dtype) for shape, dtype in zip(shapes, dtypes))
    wide = [array.astype(np.float64) for array in (x, weight, bias)]
    y = case.forward(x, weight, bias, **case.options, backend=backend)
    size = magnitude(case.forward, *wide, **case.options)
    assert_close(y, case.forward(*wide, **case.options, backend="naive"), dtype=expected, magnitude=size)
    gradients = case.backward(y, x, weight, **case.options, backend=backend)
    assert {gradient.dtype for gradient in gradients} == {np.dtype(np.result_type(y, x, weight))}


@backends
@ranks
@pytest.mark.parametrize("needs", [(), ("x",), ("weight", "bias"), "bias"])
def test_only_what_is_needed(backend: str, rank: int, needs: Any) -> None:
    case = (SEQUENCES if rank == 1 else VOLUMES)["strided"]
    x, weight, _, dy = conv_arrays(case, 7)
    full = case.backward(dy, x, weight, **case.options, backend=backend)
    part = case.backward(dy, x, weight, **case.options, needs=needs, backend=backend)
    for name, wanted, got in zip(("x", "weight", "bias"), full, part):
        if name in needs:
            assert_close(got, wanted)
        else:
            assert got is None


@backends
@ranks
def test_gradients_of_an_empty_batch_are_zero(backend: str, rank: int) -> None:
    case = (SEQUENCES if rank == 1 else VOLUMES)["empty-batch"]
    x, weight, _, dy = conv_arrays(case, 8)
    gradients = case.backward(dy, x, weight, **case.options, backend=backend)
    assert gradients.dx.shape == x.shape
    assert np.array_equal(gradients.dweight, np.zeros_like(weight))
    assert np.array_equal(gradients.dbias, np.zeros(weight.shape[0]))


# Gradients without a second implementation.


@backends
@pytest.mark.parametrize("case", LIVELY.values(), ids=LIVELY)
def test_adjoints(backend: str, case: ConvCase) -> None:
    """<conv(x, w), g> == <x, dx> == <w, dw>."""
    x, weight, _, dy = conv_arrays(case, 9)
    options: dict[str, Any] = {**case.options, "backend": backend}
    adjoint_check(
        lambda x: case.forward(x, weight, **options),
        lambda dy: case.backward(dy, x, weight, needs="x", **options).dx,
        x.shape,
        dy.shape,
    )
    adjoint_check(
        lambda weight: case.forward(x, weight, **options),
        lambda dy: case.backward(dy, x, weight, needs="weight", **options).dweight,
        weight.shape,
        dy.shape,
    )


@backends
@ranks
@pytest.mark.parametrize("name", ["asymmetric", "dilated", "groups", "same-strided"])
def test_by_differences(backend: str, rank: int, name: str) -> None:
    case = (SEQUENCES if rank == 1 else VOLUMES)[name]
    x, weight, bias, _ = conv_arrays(case, 10)
    gradient_check(CONV[rank], (x, weight, bias), **case.options, backend=backend)


# Against PyTorch.


@grid(
    backend=BACKENDS,
    rank=(1, 3),
    kernel=(1, 2, 3),
    stride=(1, 2, 3),
    padding=(0, 1, 2),
    dilation=(1, 2),
    groups=(1, 2),
    dtype=("float32", "float64"),
)
def test_torch(
    backend: str, rank: int, kernel: int, stride: int, padding: int, dilation: int, groups: int, dtype: str
) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    forward, backward = CONV[rank], CONV_BACKWARD[rank]
    size, taps = ((12,), (kernel,)) if rank == 1 else ((5, 6, 7), (kernel, 2, 3))
    x, weight = normal((2, 4, *size), 0, dtype), normal((6, 4 // groups, *taps), 1, dtype)
    bias = normal((6,), 2, dtype)
    options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    tensors = [torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in (x, weight, bias)]
    expected = getattr(torch.nn.functional, f"conv{rank}d")(*tensors, **options)
    y = forward(x, weight, bias, **options, backend=backend)
    assert_close(y, expected.detach().numpy(), dtype=dtype, magnitude=magnitude(forward, x, weight, bias, **options))
    dy = normal(y.shape, 3, dtype)
    wanted = torch.autograd.grad(expected, tensors, torch.tensor(dy, dtype=torch.float64))
    sizes = magnitude(backward, dy, x, weight, **options)
    for name, ours, theirs, size in zip(GRADIENTS, backward(dy, x, weight, **options, backend=backend), wanted, sizes):
        assert_close(ours, theirs.numpy(), dtype=dtype, magnitude=size, name=name)
