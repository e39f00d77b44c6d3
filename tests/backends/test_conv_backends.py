"""Convolution: every engine against naive, over geometry, dtype, memory order and layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks import GRADIENTS, check_conv
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    CONV_CASES,
    ENGINES,
    FLOATS,
    MEMORY,
    Array,
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
from fastconv.testing import assert_close, magnitude

pytestmark = pytest.mark.parametrize("engine", ENGINES)


@pytest.mark.parametrize("case", CONV_CASES.values(), ids=CONV_CASES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_named_geometries(engine: str, case: ConvCase, dtype: str) -> None:
    check_conv(engine, case, *conv_arrays(case, 0, dtype))


@given(case=conv_cases(), dtype=st.sampled_from(FLOATS), order=memory_orders, seed=seeds)
def test_random_geometries(engine: str, case: ConvCase, dtype: str, order: str, seed: int) -> None:
    x, weight, bias, dy = conv_arrays(case, seed, dtype)
    check_conv(engine, case, stored(x, order), stored(weight, order), bias, stored(dy, order))


@pytest.mark.parametrize("order", MEMORY)
@pytest.mark.parametrize("name", ["plain", "asymmetric", "one-by-one", "depthwise", "groups", "more-than-a-vector"])
def test_memory_order_changes_no_bit_and_no_input(engine: str, name: str, order: str) -> None:
    case = CONV_CASES[name]
    arrays = conv_arrays(case, 1, "float32")
    moved = [None if array is None else stored(array, order) for array in arrays]
    expected, actual = results(engine, case, *arrays), results(engine, case, *moved)
    for before, after in zip(arrays, moved):
        assert before is after is None or np.array_equal(before, after)  # never modified
    if engine == "fast":
        assert [array.tobytes() for array in actual] == [array.tobytes() for array in expected]
    x, weight, bias, dy = arrays
    sizes = [magnitude(fc.conv2d, x, weight, bias, **case.options)]
    sizes += magnitude(fc.conv2d_backward, dy, x, weight, **case.options)
    for one, other, size in zip(actual, expected, sizes):
        assert_close(one, other, magnitude=size)


def results(engine: str, case: ConvCase, x: Array, weight: Array, bias: Array | None, dy: Array) -> list[Any]:
    y = fc.conv2d(x, weight, bias, **case.options, backend=engine)
    return [y, *fc.conv2d_backward(dy, x, weight, **case.options, backend=engine)]


@pytest.mark.parametrize("name", ["asymmetric", "same-strided", "groups", "empty-batch"])
def test_channels_last_is_the_same_convolution(engine: str, name: str) -> None:
    case = CONV_CASES[name]
    x, weight, bias, dy = conv_arrays(case, 2)
    options: dict[str, Any] = {**case.options, "backend": engine}
    y = fc.conv2d(channels_last(x), weight, bias, layout="NHWC", **options)
    assert_close(
        np.moveaxis(y, -1, 1),
        fc.conv2d(x, weight, bias, **options),
        magnitude=magnitude(fc.conv2d, x, weight, bias, **case.options),
    )
    gradients = fc.conv2d_backward(channels_last(dy), channels_last(x), weight, layout="NHWC", **options)
    expected = fc.conv2d_backward(dy, x, weight, **options)
    sizes = magnitude(fc.conv2d_backward, dy, x, weight, **case.options)
    assert_close(np.moveaxis(gradients.dx, -1, 1), expected.dx, magnitude=sizes.dx)
    assert_close(gradients.dweight, expected.dweight, magnitude=sizes.dweight)
    assert_close(gradients.dbias, expected.dbias, magnitude=sizes.dbias)


DTYPES = [
    (("float16", "float16", "float16"), "float16"),
    (("float32", "float32", "float32"), "float32"),
    (("float64", "float64", "float64"), "float64"),
    (("float16", "float32", "float16"), "float32"),
    (("float32", "float32", "float64"), "float64"),
    (("int8", "float16", "float16"), "float16"),
    (("uint8", "float32", "float32"), "float32"),
    (("int32", "float32", "float32"), "float64"),
    (("bool", "float32", "bool"), "float32"),
    (("int64", "int8", "uint8"), "float64"),
    (("bool", "bool", "bool"), "float64"),
    (("uint64", "int64", "int64"), "float64"),
]


@pytest.mark.parametrize(("dtypes", "expected"), DTYPES, ids=lambda value: "-".join(value) if len(value) == 3 else "")
def test_result_dtypes(engine: str, dtypes: tuple[str, str, str], expected: str) -> None:
    case = CONV_CASES["asymmetric"]
    x, weight = normal(case.x_shape, 3, dtypes[0]), normal(case.weight_shape, 4, dtypes[1])
    bias = normal(case.weight_shape[:1], 5, dtypes[2])
    y = fc.conv2d(x, weight, bias, **case.options, backend=engine)
    wide = [array.astype(np.float64) for array in (x, weight, bias)]
    desired = fc.conv2d(*wide, **case.options, backend="naive")
    assert_close(y, desired, dtype=expected, magnitude=magnitude(fc.conv2d, *wide, **case.options))
    gradients = fc.conv2d_backward(y, x, weight, **case.options, backend=engine)
    assert {gradient.dtype for gradient in gradients} == {np.dtype(np.result_type(y, x, weight))}


@pytest.mark.parametrize("needs", [(), ("x",), ("weight",), ("bias",), ("x", "bias"), ["weight", "x"], {"bias"}, "x"])
def test_only_what_is_needed(engine: str, needs: Any) -> None:
    case = CONV_CASES["asymmetric"]
    x, weight, _, dy = conv_arrays(case, 6)
    full = fc.conv2d_backward(dy, x, weight, **case.options, backend=engine)
    part = fc.conv2d_backward(dy, x, weight, **case.options, needs=needs, backend=engine)
    for name, wanted, got in zip(("x", "weight", "bias"), full, part):
        if name in needs:
            assert_close(got, wanted)
        else:
            assert got is None


def test_float16_is_accumulated_in_float32(engine: str) -> None:
    x, weight = np.full((1, 4096, 1, 1), 1.0, np.float16), np.ones((1, 4096, 1, 1), np.float16)
    assert fc.conv2d(x, weight, backend=engine).item() == 4096  # a float16 sum of ones stops at 2048
    dy = np.ones((4096, 1, 1, 1), np.float16)
    gradients = fc.conv2d_backward(dy, np.ones((4096, 1, 1, 1), np.float16), weight[:, :1], backend=engine)
    assert gradients.dweight.item() == 4096
    assert gradients.dbias.item() == 4096


def test_too_large_for_float16_is_infinity(engine: str) -> None:
    x = np.full((1, 1, 1, 2), 60000, np.float16)
    assert fc.conv2d(x, np.ones((1, 1, 1, 2), np.float16), backend=engine).item() == np.inf


def test_nan_reaches_only_the_windows_that_see_it(engine: str) -> None:
    x = normal((1, 2, 6, 7), 0)
    x[0, 1, 2, 3] = np.nan
    y = fc.conv2d(x, normal((3, 2, 3, 2), 1), backend=engine)
    expected = np.zeros((1, 3, 4, 6), bool)
    expected[:, :, 0:3, 2:4] = True
    assert np.array_equal(np.isnan(y), expected)


def test_arrays_without_strides(engine: str) -> None:
    """The gradient of a sum is a broadcast one."""
    case = CONV_CASES["padding-alone-in-a-window"]
    x, weight, _, dy = conv_arrays(case, 7)
    ones = np.broadcast_to(1.0, dy.shape)
    broadcast = fc.conv2d_backward(ones, x, weight, **case.options, backend=engine)
    for one, other in zip(broadcast, fc.conv2d_backward(ones.copy(), x, weight, **case.options, backend=engine)):
        assert_close(one, other)


def test_results_are_fresh(engine: str) -> None:
    x, weight = np.ones((1, 1, 2, 3)), np.ones((1, 1, 1, 1))
    first = fc.conv2d(x, weight, backend=engine)
    first[...] = 7
    assert np.all(fc.conv2d(x, weight, backend=engine) == 1)
    assert np.all(x == 1)
    assert first.flags.writeable


@pytest.mark.parametrize("max_workspace", [1, 5000, 2**26])
@pytest.mark.parametrize("name", ["plain", "dilated", "groups", "leftover", "more-than-a-vector"])
def test_a_small_workspace_changes_nothing_but_memory(engine: str, name: str, max_workspace: int) -> None:
    case = CONV_CASES[name]
    with fc.options(max_workspace=max_workspace):
        check_conv(engine, case, *conv_arrays(case, 8, "float32"))


def test_a_real_layer_against_the_numpy_backend(engine: str) -> None:
    """Sizes at which blocks, threads and remainders all occur; naive would take minutes."""
    if engine == "numpy":
        pytest.skip("numpy is the oracle here")
    case = ConvCase((3, 67, 29, 31), (66, 67, 3, 3), 1, 1)
    x, weight, bias, dy = conv_arrays(case, 9, "float32")
    wide = [None if array is None else array.astype(np.float64) for array in (x, weight, bias)]
    desired = fc.conv2d(*wide, **case.options, backend="numpy")
    y = fc.conv2d(x, weight, bias, **case.options, backend=engine)
    assert_close(y, desired, dtype="float32", magnitude=magnitude(fc.conv2d, x, weight, bias, **case.options))
    gradients = fc.conv2d_backward(dy, x, weight, **case.options, backend=engine)
    wanted = fc.conv2d_backward(dy.astype(np.float64), *wide[:2], **case.options, backend="numpy")
    sizes = magnitude(fc.conv2d_backward, dy, x, weight, **case.options)
    for name, actual, exact, size in zip(GRADIENTS, gradients, wanted, sizes):
        assert_close(actual, exact, dtype="float32", magnitude=size, name=name)
