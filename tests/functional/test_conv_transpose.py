"""Transposed convolution in one, two and three dimensions: by hand, against naive, adjoints, PyTorch, output sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks import GRADIENTS, check_conv
from grids import grid, in_turn
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    BACKENDS,
    CONV,
    CONV_BACKWARD,
    CONV_TRANSPOSE,
    CONV_TRANSPOSE_BACKWARD,
    ENGINES,
    FLOATS,
    MEMORY,
    ConvCase,
    TransposedCase,
    channels_last,
    conv_arrays,
    conv_cases,
    memory_orders,
    normal,
    seeds,
    stored,
    transposed_cases,
)

import fastconv as fc
from fastconv.errors import InvalidValueError
from fastconv.testing import adjoint_check, assert_close, gradient_check, magnitude

Case = TransposedCase

# C_in != C_out, H != W, KH != KW, sh != sw, and what each name says
CASES = {
    "plain": Case((2, 3, 4, 5), (3, 4, 3, 2)),
    "strided": Case((2, 3, 4, 5), (3, 2, 3, 4), (2, 3)),
    "stride-beyond-kernel": Case((1, 2, 3, 4), (2, 3, 2, 1), (4, 3)),
    "one-pixel": Case((2, 3, 1, 1), (3, 5, 4, 3), (2, 1)),
    "one-by-one": Case((2, 5, 3, 4), (5, 7, 1, 1)),
    "one-by-one-strided": Case((2, 5, 3, 4), (5, 6, 1, 1), (2, 3), 0, 1, 1, True, (1, 2)),
    "padded": Case((2, 3, 4, 5), (3, 9, 3, 4), (2, 1), (1, 2)),
    "asymmetric": Case((2, 2, 4, 3), (2, 3, 3, 2), (2, 3), ((0, 2), (3, 1))),
    "padding-beyond-the-window": Case((1, 2, 6, 5), (2, 3, 2, 1), (2, 3), (3, 4)),
    "dilated": Case((2, 2, 4, 3), (2, 3, 3, 2), (1, 2), (2, 1), (2, 3)),
    "output-padding": Case((2, 3, 4, 5), (3, 4, 3, 2), (3, 2), 1, 1, 1, True, (2, 1)),
    "output-padding-beyond-stride": Case((2, 3, 3, 4), (3, 2, 2, 3), (1, 2), 1, (4, 3), 1, True, (3, 2)),
    "same-strided": Case((2, 3, 4, 5), (3, 2, 4, 3), (3, 2), "same"),
    "same-gaps": Case((2, 3, 4, 5), (3, 2, 2, 1), (3, 4), "same"),
    "same-lower": Case((1, 2, 4, 3), (2, 3, 2, 4), 1, "same_lower", (2, 1)),
    "groups": Case((2, 6, 4, 3), (6, 2, 3, 2), (2, 1), 1, 1, 2),
    "depthwise": Case((2, 5, 3, 4), (5, 1, 3, 4), 2, 1, 1, 5),
    "depthwise-multiplied": Case((2, 3, 4, 3), (3, 3, 2, 3), (1, 2), (0, 1), 1, 3),
    "depthwise-summed": Case((2, 6, 4, 3), (6, 1, 2, 3), (1, 2), (0, 1), 1, 3),
    "depthwise-gaps": Case((2, 5, 3, 4), (5, 1, 1, 2), 3, 0, 1, 5),
    "depthwise-summed-gaps": Case((2, 6, 3, 4), (6, 1, 1, 2), 3, 0, 1, 3),
    "one-output-channel": Case((3, 7, 4, 5), (7, 1, 4, 4), 2, 1),
    "one-input-channel": Case((2, 1, 4, 5), (1, 17, 3, 3), (2, 1), 1),
    "more-than-a-vector": Case((1, 19, 5, 18), (19, 35, 3, 3), 2, 1, 1, 1, True, 1),
    "kernel-is-stride": Case((2, 20, 4, 3), (20, 18, 4, 5), (4, 5)),
    "many-phases": Case((1, 3, 2, 3), (3, 17, 12, 13), (11, 12), (0, 2)),
    "empty-batch": Case((0, 3, 4, 5), (3, 4, 3, 2), 2),
    "1d": Case((2, 3, 7), (3, 4, 4), 2, 1),
    "1d-asymmetric": Case((2, 3, 7), (3, 17, 4), 3, ((1, 3),), 2, 1, True, 2),
    "1d-depthwise": Case((2, 5, 7), (5, 1, 4), 2, 1, 1, 5),
    "1d-same": Case((2, 3, 7), (3, 4, 2), 3, "same"),
    "1d-long": Case((1, 2, 1501), (2, 3, 4), 2, 1),
    "3d": Case((2, 3, 2, 4, 3), (3, 4, 3, 2, 2), (1, 2, 3)),
    "3d-asymmetric": Case(
        (1, 2, 3, 2, 4), (2, 17, 2, 3, 2), (2, 1, 3), ((0, 1), (2, 0), (1, 1)), 1, 1, True, (1, 0, 2)
    ),
    "3d-dilated": Case((1, 2, 3, 2, 4), (2, 18, 2, 3, 2), (2, 1, 1), 0, (3, 2, 1)),
    "3d-groups": Case((1, 6, 2, 3, 2), (6, 2, 2, 1, 3), 2, 0, 1, 3),
    "3d-same-lower": Case((1, 2, 3, 2, 4), (2, 3, 4, 2, 3), (2, 3, 1), "same_lower"),
}  # fmt: skip
LIVELY = {name: case for name, case in CASES.items() if case.x_shape[0]}
LAST = {1: "NWC", 2: "NHWC", 3: "NDHWC"}

engines = pytest.mark.parametrize("engine", ENGINES)
backends = pytest.mark.parametrize("backend", BACKENDS)
ranks = pytest.mark.parametrize("rank", [1, 2, 3])


def row(*values: float) -> Any:
    """(1, 1, W)."""
    return np.array([[values]], dtype=np.float64)


# By hand.


@backends
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (1, 12, 123, 230, 300)),
        ({"stride": 2}, (1, 10, 102, 20, 203, 30, 300)),
        ({"stride": 4}, (1, 10, 100, 0, 2, 20, 200, 0, 3, 30, 300)),
        ({"stride": 4, "output_padding": 3}, (1, 10, 100, 0, 2, 20, 200, 0, 3, 30, 300, 0, 0, 0)),
        ({"stride": 4, "output_size": 12}, (1, 10, 100, 0, 2, 20, 200, 0, 3, 30, 300, 0)),
        ({"stride": 2, "output_padding": 1}, (1, 10, 102, 20, 203, 30, 300, 0)),
        ({"dilation": 2}, (1, 2, 13, 20, 130, 200, 300)),
        ({"dilation": 2, "output_padding": 1}, (1, 2, 13, 20, 130, 200, 300, 0)),
        ({"padding": 1}, (12, 123, 230)),
        ({"padding": ((0, 2),)}, (1, 12, 123)),
        ({"padding": ((3, 1),)}, (230,)),
        ({"padding": 2}, (123,)),
        ({"padding": ((0, 2),), "stride": 2, "output_padding": 1}, (1, 10, 102, 20, 203, 30)),
        ({"padding": "valid"}, (1, 12, 123, 230, 300)),
        ({"padding": "same"}, (12, 123, 230)),
        ({"padding": "same", "stride": 2}, (1, 10, 102, 20, 203, 30)),
        ({"padding": "same_lower", "stride": 2}, (10, 102, 20, 203, 30, 300)),
        ({"padding": "same", "stride": 2, "output_size": 5}, (10, 102, 20, 203, 30)),
        ({"padding": "same", "stride": 4}, (1, 10, 100, 0, 2, 20, 200, 0, 3, 30, 300, 0)),
        ({"padding": "same_lower", "stride": 4, "output_size": 9}, (10, 100, 0, 2, 20, 200, 0, 3, 30)),
    ],
    ids=str,
)
def test_a_row_by_hand(backend: str, options: dict[str, Any], expected: tuple[float, ...]) -> None:
    x, weight = row(1, 2, 3), row(1, 10, 100)
    assert_close(fc.conv_transpose1d(x, weight, **options, backend=backend), row(*expected), magnitude=0)
    with_bias = fc.conv_transpose1d(x, weight, [0.5], **options, backend=backend)
    assert_close(with_bias, row(*expected) + 0.5, magnitude=0)


@backends
def test_a_plane_by_hand(backend: str) -> None:
    x, weight = np.array([[[[1.0, 2], [3, 4]]]]), np.array([[[[1.0, 10, 100]]]])
    y = fc.conv_transpose2d(x, weight, stride=(2, 1), backend=backend)
    assert_close(y, [[[[1.0, 12, 120, 200], [0, 0, 0, 0], [3, 34, 340, 400]]]], magnitude=0)


@backends
def test_a_volume_by_hand(backend: str) -> None:
    x, weight = np.arange(1.0, 5).reshape(1, 1, 2, 1, 2), np.array([1.0, 10]).reshape(1, 1, 1, 2, 1)
    y = fc.conv_transpose3d(x, weight, stride=(2, 1, 1), backend=backend)
    assert_close(y, [[[[[1.0, 2], [10, 20]], [[0, 0], [0, 0]], [[3, 4], [30, 40]]]]], magnitude=0)


@backends
def test_channels_and_groups_by_hand(backend: str) -> None:
    x = np.array([[[1.0], [2], [3], [4]]])
    weight = np.array([[[1.0], [10]], [[100], [1000]], [[1], [10]], [[100], [1000]]])  # (C_in, C_out//groups, 1)
    y = fc.conv_transpose1d(x, weight, [0.5, 0, 0, 0], groups=2, backend=backend)
    assert_close(y, [[[201.5], [2010], [403], [4030]]], magnitude=0)


@backends
def test_gradients_by_hand(backend: str) -> None:
    x, weight, dy = row(1, 2), row(1, 10), row(1, 2, 3, 4)
    gradients = fc.conv_transpose1d_backward(dy, x, weight, stride=2, backend=backend)
    assert_close(gradients.dx, row(21, 43), magnitude=0)
    assert_close(gradients.dweight, row(1 * 1 + 2 * 3, 1 * 2 + 2 * 4), magnitude=0)
    assert_close(gradients.dbias, [10.0], magnitude=0)


# Against naive.


@engines
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_named_geometries(engine: str, case: Case, dtype: str) -> None:
    check_conv(engine, case, *conv_arrays(case, 0, dtype))


@engines
@ranks
@given(data=st.data(), dtype=st.sampled_from(FLOATS), order=memory_orders, seed=seeds)
def test_random_geometries(engine: str, rank: int, data: st.DataObject, dtype: str, order: str, seed: int) -> None:
    case = data.draw(transposed_cases(rank=rank))
    x, weight, bias, dy = conv_arrays(case, seed, dtype)
    check_conv(engine, case, stored(x, order), stored(weight, order), bias, stored(dy, order))


@engines
@pytest.mark.parametrize("case", LIVELY.values(), ids=LIVELY)
def test_a_small_workspace_changes_nothing_but_memory(engine: str, case: Case) -> None:
    with fc.options(max_workspace=5000):
        check_conv(engine, case, *conv_arrays(case, 1, "float32"))


# The transpose of convolution.


@backends
@ranks
@given(data=st.data(), seed=seeds)
def test_it_is_the_transpose_of_convolution(backend: str, rank: int, data: st.DataObject, seed: int) -> None:
    """<conv(u), v> == <u, conv_transpose(v)> with the same weights and options, and the input size as output size."""
    case: ConvCase = data.draw(conv_cases(rank=rank))
    weight, options = normal(case.weight_shape, seed), case.options
    y = CONV[rank](np.zeros(case.x_shape), weight, **options, backend=backend)
    leftovers = {"output_size": case.x_shape[2:]}  # stride - 1 cells at most, behind the last window
    adjoint_check(
        lambda u: CONV[rank](u, weight, **options, backend=backend),
        lambda v: CONV_TRANSPOSE[rank](v, weight, **options, **leftovers, backend=backend),
        case.x_shape,
        y.shape,
        rng=seed,
    )


@backends
@pytest.mark.parametrize("stride", [1, 2, 3, 5])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize("padding", ["same", "same_lower"])
def test_same_is_the_transpose_of_same(backend: str, padding: str, kernel: int, stride: int) -> None:
    weight = normal((2, 3, kernel), 0)
    options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": 2, "backend": backend}
    for size in range(1, 12):
        out = -(-size // stride)
        adjoint_check(
            lambda u: fc.conv1d(u, weight, **options),
            lambda v, size=size: fc.conv_transpose1d(v, weight, output_size=size, **options),  # type: ignore[misc]
            (2, 3, size),
            (2, 2, out),
        )
    assert fc.conv_transpose1d(np.ones((1, 2, 4)), weight, **options).shape == (1, 3, 4 * stride)


@backends
@pytest.mark.parametrize("case", LIVELY.values(), ids=LIVELY)
def test_adjoints(backend: str, case: Case) -> None:
    """<conv_transpose(x, w), g> == <x, dx> == <w, dw> == <b, db>."""
    x, weight, _, dy = conv_arrays(case, 2)
    options: dict[str, Any] = {**case.options, "backend": backend}
    zero = np.zeros_like(x)
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
    adjoint_check(
        lambda bias: case.forward(zero, weight, bias, **options),
        lambda dy: case.backward(dy, x, weight, needs="bias", **options).dbias,
        (case.outputs,),
        dy.shape,
    )


@backends
@pytest.mark.parametrize("name", ["asymmetric", "output-padding-beyond-stride", "groups", "same-gaps", "1d", "3d"])
def test_by_differences(backend: str, name: str) -> None:
    case = CASES[name]
    x, weight, bias, _ = conv_arrays(case, 3)
    gradient_check(case.forward, (x, weight, bias), **case.options, backend=backend)


# What every operation promises.


def results(backend: str, case: Case, x: Any, weight: Any, bias: Any, dy: Any, **options: Any) -> list[Any]:
    options = {**case.options, **options, "backend": backend}
    return [case.forward(x, weight, bias, **options), *case.backward(dy, x, weight, **options)]


@engines
@pytest.mark.parametrize("order", MEMORY)
@pytest.mark.parametrize("name", ["asymmetric", "one-by-one", "depthwise", "one-output-channel", "1d", "3d-groups"])
def test_memory_order_changes_no_bit_and_no_input(engine: str, name: str, order: str) -> None:
    case = CASES[name]
    arrays = conv_arrays(case, 4, "float32")
    moved = [None if array is None else stored(array, order) for array in arrays]
    expected, actual = results(engine, case, *arrays), results(engine, case, *moved)
    for before, after in zip(arrays, moved):
        assert before is after is None or np.array_equal(before, after)  # never modified
    if engine == "fast":
        assert [array.tobytes() for array in actual] == [array.tobytes() for array in expected]


# Large enough for two threads.
SHARED_CASES = {
    "1d": Case((3, 40, 350), (40, 33, 4), 2, 1),
    "2d": Case((2, 48, 17, 19), (48, 33, 4, 4), 2, 1),
    "few-channels": Case((3, 32, 30, 31), (32, 3, 5, 4), 2, 1),
    "depthwise": Case((2, 32, 30, 31), (32, 1, 5, 4), 3, 1, 1, 32),
    "3d": Case((2, 24, 5, 9, 8), (24, 20, 3, 3, 3), 2, 1, 1, 1, True, 1),
}


@pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")
@pytest.mark.parametrize(("name", "dtype"), in_turn(SHARED_CASES, ("float32", "float64")))
def test_results_do_not_depend_on_threads(name: str, dtype: str) -> None:
    case = SHARED_CASES[name]
    arrays = conv_arrays(case, 5, dtype)
    found = []
    for threads in (1, 2):
        with fc.use_num_threads(threads):
            found.append([array.tobytes() for array in results("fast", case, *arrays)])
    assert found[0] == found[1]


@backends
@pytest.mark.parametrize("name", ["asymmetric", "same-strided", "groups", "empty-batch", "1d", "3d-asymmetric"])
def test_channels_last_is_the_same_operation(backend: str, name: str) -> None:
    case = CASES[name]
    x, weight, bias, dy = conv_arrays(case, 6)
    layout = LAST[x.ndim - 2]
    y, dx, dweight, dbias = results(backend, case, channels_last(x), weight, bias, channels_last(dy), layout=layout)
    sizes = [magnitude(case.forward, x, weight, bias, **case.options)]
    sizes += magnitude(case.backward, dy, x, weight, **case.options)
    actual = [np.moveaxis(y, -1, 1), np.moveaxis(dx, -1, 1), dweight, dbias]
    for one, other, size in zip(actual, results(backend, case, x, weight, bias, dy), sizes, strict=True):
        assert_close(one, other, magnitude=size)


DTYPES = [
    (("float16", "float16", "float16"), "float16"),
    (("float16", "float32", "float16"), "float32"),
    (("float32", "float32", "float64"), "float64"),
    (("int8", "float16", "float16"), "float16"),
    (("int32", "float32", "float32"), "float64"),
    (("int64", "int8", "uint8"), "float64"),
    (("bool", "bool", "bool"), "float64"),
]


@backends
@pytest.mark.parametrize("name", ["asymmetric", "1d-asymmetric", "3d-groups"])
@pytest.mark.parametrize(("dtypes", "expected"), DTYPES, ids=lambda value: "-".join(value) if len(value) == 3 else "")
def test_result_dtypes(backend: str, name: str, dtypes: tuple[str, str, str], expected: str) -> None:
    case = CASES[name]
    shapes = (case.x_shape, case.weight_shape, (case.outputs,))
    x, weight, bias = (normal(shape, 7, dtype) for shape, dtype in zip(shapes, dtypes))
    wide = [array.astype(np.float64) for array in (x, weight, bias)]
    y = case.forward(x, weight, bias, **case.options, backend=backend)
    size = magnitude(case.forward, *wide, **case.options)
    assert_close(y, case.forward(*wide, **case.options, backend="naive"), dtype=expected, magnitude=size)
    gradients = case.backward(y, x, weight, **case.options, backend=backend)
    assert {gradient.dtype for gradient in gradients} == {np.dtype(np.result_type(y, x, weight))}


@backends
def test_float16_is_accumulated_in_float32(backend: str) -> None:
    x, weight = np.ones((1, 4096, 1), np.float16), np.ones((4096, 1, 1), np.float16)
    assert fc.conv_transpose1d(x, weight, backend=backend).item() == 4096  # a float16 sum of ones stops at 2048
    dy = np.ones((4096, 1, 1), np.float16)
    gradients = fc.conv_transpose1d_backward(dy, np.ones((4096, 1, 1), np.float16), weight[:1], backend=backend)
    assert gradients.dweight.item() == 4096
    assert gradients.dbias.item() == 4096


@backends
@pytest.mark.parametrize("needs", [(), ("x",), ("weight",), ("bias",), ["weight", "x"], "x"])
def test_only_what_is_needed(backend: str, needs: Any) -> None:
    case = CASES["asymmetric"]
    x, weight, _, dy = conv_arrays(case, 8)
    full = case.backward(dy, x, weight, **case.options, backend=backend)
    part = case.backward(dy, x, weight, **case.options, needs=needs, backend=backend)
    for name, wanted, got in zip(("x", "weight", "bias"), full, part):
        if name in needs:
            assert_close(got, wanted)
        else:
            assert got is None


@backends
def test_gradients_of_an_empty_batch_are_zero(backend: str) -> None:
    case = CASES["empty-batch"]
    x, weight, bias, dy = conv_arrays(case, 9, "float32")
    y, dx, dweight, dbias = results(backend, case, x, weight, bias, dy)
    assert (y.shape, dx.shape) == ((0, 4, 9, 10), x.shape)
    assert np.array_equal(dweight, np.zeros_like(weight))
    assert np.array_equal(dbias, np.zeros(4))
    assert {array.dtype for array in (y, dx, dweight, dbias)} == {np.dtype(np.float32)}


@backends
def test_results_are_fresh(backend: str) -> None:
    x, weight, bias = np.ones((1, 1, 2, 3)), np.ones((1, 1, 1, 1)), np.zeros(1)
    first = fc.conv_transpose2d(x, weight, bias, backend=backend)
    first[...] = 7
    assert np.all(fc.conv_transpose2d(x, weight, bias, backend=backend) == 1)
    assert np.all(x == 1)
    assert first.flags.writeable


@backends
def test_a_stride_beyond_everything(backend: str) -> None:
    """One pixel has no neighbour to be far from: the result is its window, at once."""
    x, weight = np.full((1, 1, 1, 1), 2.0), np.arange(1.0, 7).reshape(1, 1, 2, 3)
    assert_close(fc.conv_transpose2d(x, weight, stride=2**40, backend=backend), 2 * weight, magnitude=0)
    gradients = fc.conv_transpose2d_backward(weight, x, weight, stride=2**40, backend=backend)
    assert_close(gradients.dx, np.full((1, 1, 1, 1), 91.0), magnitude=0)
    assert_close(gradients.dweight, 2 * weight, magnitude=0)
    dx = fc.conv2d_backward(x, weight, weight, stride=2**40, needs="x", backend=backend).dx
    assert_close(dx, 2 * weight, magnitude=0)


# Output sizes.


@backends
@ranks
@given(data=st.data())
def test_output_size_is_output_padding_by_another_name(backend: str, rank: int, data: st.DataObject) -> None:
    case = data.draw(transposed_cases(rank=rank))
    x, weight, bias, dy = conv_arrays(case, 10)
    options = {**case.options, "backend": backend}
    named = {**options, "output_padding": 0, "output_size": dy.shape[2:]}
    assert_close(case.forward(x, weight, bias, **named), case.forward(x, weight, bias, **options), magnitude=0)
    for one, other in zip(case.backward(dy, x, weight, **named), case.backward(dy, x, weight, **options)):
        assert_close(one, other, magnitude=0)


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (3, 1), (1, 4), (2, 3)])
@pytest.mark.parametrize("padding", [0, 2, ((1, 0),)])
def test_output_sizes_that_are_possible(stride: int, dilation: int, padding: Any) -> None:
    x, weight = np.ones((1, 1, 3)), np.ones((1, 1, 3))
    options: dict[str, Any] = {"stride": stride, "dilation": dilation, "padding": padding, "backend": "numpy"}
    cut = padding * 2 if isinstance(padding, int) else 1
    least = 2 * stride + 2 * dilation + 1 - cut
    most = least + max(stride, dilation) - 1
    for size in range(1, most + 3):
        if least <= size <= most:
            assert fc.conv_transpose1d(x, weight, output_size=size, **options).shape == (1, 1, size)
        else:
            message = f"output_size must be {max(least, 1)} to {most} along W .*, but got {size}"
            with pytest.raises(InvalidValueError, match=message):
                fc.conv_transpose1d(x, weight, output_size=size, **options)


# Against PyTorch.


def has_outputs(*, kernel: int, stride: int, padding: int, dilation: int, extra: int, **_: Any) -> bool:
    return extra < max(stride, dilation) and 2 * (stride - padding) + dilation * (kernel - 1) + extra >= 0


@grid(
    backend=BACKENDS,
    rank=(1, 2, 3),
    kernel=(1, 2, 3, 4),
    stride=(1, 2, 3),
    padding=(0, 1, 2),
    dilation=(1, 2),
    groups=(1, 2),
    extra=(0, 1, 2),
    where=has_outputs,
)
def test_torch(
    backend: str, rank: int, kernel: int, stride: int, padding: int, dilation: int, groups: int, extra: int
) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    dtype = ("float32", "float64")[(kernel + stride + padding + extra) % 2]
    forward, backward = CONV_TRANSPOSE[rank], CONV_TRANSPOSE_BACKWARD[rank]
    size, taps = {1: ((5,), (kernel,)), 2: ((3, 5), (kernel, 3)), 3: ((4, 3, 5), (2, kernel, 3))}[rank]
    x, weight = normal((2, 4, *size), 0, dtype), normal((4, 6 // groups, *taps), 1, dtype)
    bias = normal((6,), 2, dtype)
    options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    options["output_padding"] = extra
    tensors = [torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in (x, weight, bias)]
    expected = getattr(torch.nn.functional, f"conv_transpose{rank}d")(*tensors, **options)
    y = forward(x, weight, bias, **options, backend=backend)
    assert_close(y, expected.detach().numpy(), dtype=dtype, magnitude=magnitude(forward, x, weight, bias, **options))
    dy = normal(y.shape, 3, dtype)
    wanted = torch.autograd.grad(expected, tensors, torch.tensor(dy, dtype=torch.float64))
    sizes = magnitude(backward, dy, x, weight, **options)
    for name, ours, theirs, size in zip(GRADIENTS, backward(dy, x, weight, **options, backend=backend), wanted, sizes):
        assert_close(ours, theirs.numpy(), dtype=dtype, magnitude=size, name=name)


@backends
@pytest.mark.parametrize("output_size", [(7, 9), (8, 10), (8, 11)])
def test_torchs_layer_agrees_on_output_size(backend: str, output_size: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    layer = torch.nn.ConvTranspose2d(3, 4, (3, 2), (2, 3), (1, 1), dtype=torch.float64)
    x = normal((2, 3, 4, 4), 0)
    expected = layer(torch.tensor(x), output_size=output_size).detach().numpy()
    weight, bias = (tensor.detach().numpy() for tensor in (layer.weight, layer.bias))
    options: dict[str, Any] = {"stride": (2, 3), "padding": 1, "output_size": output_size}
    y = fc.conv_transpose2d(x, weight, bias, **options, backend=backend)
    assert_close(y, expected, magnitude=magnitude(fc.conv_transpose2d, x, weight, bias, **options))


def test_no_gradient_is_for_granted() -> None:
    """The two families are each other's transposes and not the same function."""
    assert CONV_BACKWARD.keys() == CONV_TRANSPOSE_BACKWARD.keys() == {1, 2, 3}
    x, weight = normal((1, 2, 5), 0), normal((2, 2, 3), 1)
    assert not np.array_equal(
        fc.conv_transpose1d(x, weight, padding=1, backend="naive"), fc.conv1d(x, weight, padding=1, backend="naive")
    )
