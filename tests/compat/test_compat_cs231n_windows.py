"""Convolution and pooling of the assignments: numbers, caches in every combination, and where the originals fail."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import cs231n_layer_loops as loops
import numpy as np
import pytest
from cs231n_layer_loops import Array
from strategies import MEMORY, normal, stored

import fastconv as fc
from fastconv.compat.cs231n import fast_layers, layers
from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.testing import assert_close, gradient_check, magnitude

Param = dict[str, Any]

CONV_FORWARD: dict[str, Callable[..., Any]] = {
    "naive": layers.conv_forward_naive,
    "fast": fast_layers.conv_forward_fast,
    "im2col": fast_layers.conv_forward_im2col,
    "strides": fast_layers.conv_forward_strides,
}
CONV_BACKWARD: dict[str, Callable[..., Any]] = {
    "naive": layers.conv_backward_naive,
    "fast": fast_layers.conv_backward_fast,
    "im2col": fast_layers.conv_backward_im2col,
    "strides": fast_layers.conv_backward_strides,
}
MAX_FORWARD: dict[str, Callable[..., Any]] = {
    "naive": layers.max_pool_forward_naive,
    "fast": fast_layers.max_pool_forward_fast,
    "im2col": fast_layers.max_pool_forward_im2col,
    "reshape": fast_layers.max_pool_forward_reshape,
}
MAX_BACKWARD: dict[str, Callable[..., Any]] = {
    "naive": layers.max_pool_backward_naive,
    "fast": fast_layers.max_pool_backward_fast,
    "im2col": fast_layers.max_pool_backward_im2col,
    "reshape": fast_layers.max_pool_backward_reshape,
}
AVG = {
    "naive": (layers.avg_pool_forward_naive, layers.avg_pool_backward_naive),
    "fast": (fast_layers.avg_pool_forward_fast, fast_layers.avg_pool_backward_fast),
}

# x, w, stride, pad: H != W, HH != WW, C != F throughout
CONVS: dict[str, tuple[tuple[int, ...], tuple[int, ...], Any, Any]] = {
    "course": ((2, 3, 5, 6), (4, 3, 3, 3), 1, 1),
    "wide": ((2, 3, 5, 8), (2, 3, 2, 4), 2, 1),
    "tall": ((1, 2, 9, 4), (3, 2, 5, 2), 1, 0),
    "leftover": ((2, 3, 8, 6), (4, 3, 3, 2), 3, 1),
    "beyond the kernel": ((2, 2, 9, 8), (3, 2, 2, 1), 4, 0),
    "per axis": ((2, 3, 6, 7), (2, 3, 3, 2), (2, 1), (0, 2)),
}
POOLS: dict[str, tuple[tuple[int, ...], int, int, Any]] = {
    "tiling": ((2, 3, 4, 6), 2, 2, 2),
    "overlapping": ((2, 3, 6, 5), 3, 3, 1),
    "rectangular": ((2, 3, 7, 6), 2, 3, 2),
    "leftover": ((2, 2, 7, 5), 2, 2, 2),
    "gaps": ((1, 4, 9, 8), 2, 1, 3),
    "per axis": ((2, 3, 6, 7), 3, 2, (2, 1)),
}


def conv_problem(name: str, dtype: str = "float64") -> tuple[Array, Array, Array, Param]:
    x_shape, w_shape, stride, pad = CONVS[name]
    x, w, b = (normal(shape, seed, dtype) for seed, shape in enumerate((x_shape, w_shape, w_shape[:1])))
    return x, w, b, {"stride": stride, "pad": pad}


def pool_problem(name: str, dtype: str = "float64") -> tuple[Array, Param]:
    shape, height, width, stride = POOLS[name]
    return normal(shape, 0, dtype), {"pool_height": height, "pool_width": width, "stride": stride}


def conv_sizes(x: Array, w: Array, b: Array, conv_param: Param) -> Any:
    return magnitude(fc.conv2d, x, w, b, stride=conv_param["stride"], padding=conv_param["pad"])


def check_gradients(gradients: Any, dout: Array, x: Array, w: Array, conv_param: Param) -> None:
    """Three gradients, in a plain tuple, against the loops."""
    assert type(gradients) is tuple
    expected = loops.conv_backward(dout, x, w, conv_param)
    sizes = magnitude(fc.conv2d_backward, dout, x, w, stride=conv_param["stride"], padding=conv_param["pad"])
    dtype = np.result_type(dout, x, w)
    for name, actual, wanted, size in zip(("dx", "dw", "db"), gradients, expected, sizes):
        assert_close(actual, wanted, magnitude=size, dtype=dtype, name=name)


# Convolution.


@pytest.mark.parametrize("case", CONVS)
@pytest.mark.parametrize("name", CONV_FORWARD)
def test_convolution_is_that_of_the_loops(name: str, case: str) -> None:
    x, w, b, conv_param = conv_problem(case)
    out, cache = CONV_FORWARD[name](x, w, b, conv_param)
    assert_close(out, loops.conv_forward(x, w, b, conv_param), magnitude=conv_sizes(x, w, b, conv_param))
    assert type(cache) is tuple
    assert all(kept is given for kept, given in zip(cache, (x, w, b, conv_param), strict=True))


@pytest.mark.parametrize("name", CONV_FORWARD)
def test_the_convolution_that_the_notebook_publishes(name: str) -> None:
    x = np.linspace(-0.1, 0.5, num=96).reshape(2, 3, 4, 4)
    w = np.linspace(-0.2, 0.3, num=144).reshape(3, 3, 4, 4)
    b = np.linspace(-0.1, 0.2, num=3)
    out, _ = CONV_FORWARD[name](x, w, b, {"stride": 2, "pad": 1})
    published = [
        [
            [[-0.08759809, -0.10987781], [-0.18387192, -0.2109216]],
            [[0.21027089, 0.21661097], [0.22847626, 0.23004637]],
            [[0.50813986, 0.54309974], [0.64082444, 0.67101435]],
        ],
        [
            [[-0.98053589, -1.03143541], [-1.19128892, -1.24695841]],
            [[0.69108355, 0.66880383], [0.59480972, 0.56776003]],
            [[2.36270298, 2.36904306], [2.38090835, 2.38247847]],
        ],
    ]
    assert out.round(8).tolist() == published


@pytest.mark.parametrize("case", ["wide", "leftover"])
@pytest.mark.parametrize("forward", CONV_FORWARD)
@pytest.mark.parametrize("backward", CONV_BACKWARD)
def test_the_cache_of_any_convolution_serves_any_backward(forward: str, backward: str, case: str) -> None:
    x, w, b, conv_param = conv_problem(case)
    out, cache = CONV_FORWARD[forward](x, w, b, conv_param)
    dout = normal(out.shape, 5)
    check_gradients(CONV_BACKWARD[backward](dout, cache), dout, x, w, conv_param)


@pytest.mark.parametrize("case", CONVS)
@pytest.mark.parametrize("kind", ["naive", "list", "strides", "im2col", "padded", "without b", "and more"])
@pytest.mark.parametrize("backward", CONV_BACKWARD)
def test_convolution_caches_of_other_makers(backward: str, kind: str, case: str) -> None:
    x, w, b, conv_param = conv_problem(case)
    dout = normal(loops.conv_forward(x, w, b, conv_param).shape, 5)
    cache = loops.conv_caches(x, w, b, conv_param)[kind]
    check_gradients(CONV_BACKWARD[backward](dout, cache), dout, x, w, conv_param)


def test_an_input_that_only_looks_too_large_is_no_padded_one() -> None:
    x, w, b, conv_param = conv_problem("course")  # nothing but numbers at its edges
    dout = normal((2, 4, 3, 4), 5)  # as if the padding were in x
    with pytest.raises(InvalidValueError, match=r"^conv_backward_fast: dout must have shape \(2, 4, 5, 6\)"):
        fast_layers.conv_backward_fast(dout, (x, w, b, conv_param))


def test_a_padded_input_whose_gradient_fits_nothing() -> None:
    x, w, b, conv_param = conv_problem("course")
    cache = (loops.padded(x, 1), w, b, conv_param)
    with pytest.raises(InvalidValueError, match=r"^conv_backward_naive: dout must have shape"):
        layers.conv_backward_naive(normal((2, 4, 3, 3), 5), cache)


def test_an_input_that_would_be_nothing_but_padding() -> None:
    x, w, conv_param = np.zeros((1, 1, 2, 2)), np.ones((1, 1, 1, 1)), {"stride": 1, "pad": 1}
    with pytest.raises(InvalidValueError, match=r"dout must have shape \(1, 1, 4, 4\)"):
        fast_layers.conv_backward_fast(np.ones((1, 1, 2, 2)), (x, w, np.zeros(1), conv_param))


def test_where_both_readings_of_a_cache_fit_x_is_not_padded() -> None:
    x, w = np.zeros((1, 1, 6, 6)), normal((1, 1, 3, 3), 1)  # two windows each way, with or without another padding
    dx, _, _ = fast_layers.conv_backward_fast(np.ones((1, 1, 2, 2)), (x, w, np.zeros(1), {"stride": 3, "pad": 1}))
    assert dx.shape == x.shape


@pytest.mark.parametrize("name", CONV_FORWARD)
@pytest.mark.parametrize("case", CONVS)
def test_gradients_of_convolution_are_numerical_ones(name: str, case: str) -> None:
    x, w, b, conv_param = conv_problem(case)

    def forward(*arrays: Array) -> Array:
        out: Array = CONV_FORWARD[name](*arrays, conv_param)[0]
        return out

    def backward(dout: Array, *arrays: Array) -> Any:
        return CONV_BACKWARD[name](dout, (*arrays, conv_param))

    gradient_check((forward, backward), (x, w, b))


@pytest.mark.parametrize("order", MEMORY)
@pytest.mark.parametrize("name", CONV_FORWARD)
def test_convolution_in_any_memory_order(name: str, order: str) -> None:
    x, w, b, conv_param = conv_problem("wide")
    out, cache = CONV_FORWARD[name](*(stored(array, order) for array in (x, w, b)), conv_param)
    assert_close(out, loops.conv_forward(x, w, b, conv_param), magnitude=conv_sizes(x, w, b, conv_param))
    dout = normal(out.shape, 5)
    check_gradients(CONV_BACKWARD[name](stored(dout, order), cache), dout, x, w, conv_param)


@pytest.mark.parametrize(
    "dtypes",
    [
        ("float32", "float32", "float32"),
        ("float64", "float32", "float32"),
        ("float32", "float32", "float64"),
        ("float16", "float16", "float16"),
        ("int64", "int64", "int64"),
        ("uint8", "float32", "float32"),
    ],
    ids="-".join,
)
@pytest.mark.parametrize("name", CONV_FORWARD)
def test_dtypes_of_convolution_follow_numpy(name: str, dtypes: tuple[str, str, str]) -> None:
    x, w, b, conv_param = conv_problem("leftover")
    x, w, b = (normal(array.shape, 3, dtype) for array, dtype in zip((x, w, b), dtypes))
    dtype = np.result_type(x, w, b)
    dtype = dtype if dtype.kind == "f" else np.dtype(np.float64)
    out, cache = CONV_FORWARD[name](x, w, b, conv_param)
    wide = [array.astype(np.float64) for array in (x, w, b)]
    expected = loops.conv_forward(*wide, conv_param)
    assert_close(out, expected, magnitude=conv_sizes(*wide, conv_param), dtype=dtype)
    gradients = CONV_BACKWARD[name](out, cache)
    assert [gradient.dtype for gradient in gradients] == [np.result_type(out, x, w)] * 3


# As (7 - 1) / 2 comes out of code for Python 2, and as sizes come out of arrays.
@pytest.mark.parametrize("size", [float, np.float64, np.float32, np.int64, np.array], ids=lambda size: size.__name__)
def test_sizes_that_are_whole_numbers_of_another_type(size: Callable[[int], Any]) -> None:
    x, w, b, conv_param = conv_problem("leftover")
    pool_param = {"pool_height": 2, "pool_width": 3, "stride": 1}
    for name, forward in CONV_FORWARD.items():
        given = {key: size(value) for key, value in conv_param.items()}
        out, cache = forward(x, w, b, given)
        assert_close(out, forward(x, w, b, conv_param)[0], magnitude=0)
        assert cache[3] is given
        check_gradients(CONV_BACKWARD[name](out, cache), out, x, w, conv_param)
    for forward, backward in (*((MAX_FORWARD[name], MAX_BACKWARD[name]) for name in MAX_FORWARD), *AVG.values()):
        given = {key: size(value) for key, value in pool_param.items()}
        (out, cache), (expected, plain) = forward(x, given), forward(x, pool_param)
        assert_close(out, expected, magnitude=0)
        assert_close(backward(out, cache), backward(out, plain), magnitude=0)


def test_whole_numbers_one_for_each_axis() -> None:
    x, w, b, conv_param = conv_problem("per axis")
    out, _ = fast_layers.conv_forward_fast(x, w, b, {"stride": (2.0, 1), "pad": np.array([0.0, 2.0])})
    assert_close(out, fast_layers.conv_forward_fast(x, w, b, conv_param)[0], magnitude=0)


def test_dilation_and_groups_are_extensions() -> None:
    x, w, b = normal((2, 4, 7, 6), 0), normal((6, 2, 3, 2), 1), normal((6,), 2)
    options = {"stride": 1, "dilation": (2, 1), "groups": 2}
    out, cache = fast_layers.conv_forward_fast(x, w, b, {**options, "pad": 1, "name": "unknown keys do not matter"})
    assert_close(out, fc.conv2d(x, w, b, **options, padding=1), magnitude=0)
    for actual, wanted in zip(
        fast_layers.conv_backward_fast(out, cache), fc.conv2d_backward(out, x, w, **options, padding=1), strict=True
    ):
        assert_close(actual, wanted, magnitude=0)


@pytest.mark.parametrize("name", CONV_FORWARD)
def test_numbers_that_are_changed_in_place_count(name: str) -> None:
    x, w, b, conv_param = conv_problem("course")
    for array in (x, w, b):  # as numerical gradients do, one after another
        CONV_FORWARD[name](x, w, b, conv_param)
        array[(0,) * array.ndim] += 1
        out, _ = CONV_FORWARD[name](x, w, b, conv_param)
        assert_close(out, loops.conv_forward(x, w, b, conv_param), magnitude=conv_sizes(x, w, b, conv_param))


def test_an_empty_batch() -> None:
    x, w, b, conv_param = conv_problem("course")
    out, cache = fast_layers.conv_forward_fast(x[:0], w, b, conv_param)
    dx, dw, db = fast_layers.conv_backward_fast(out, cache)
    assert (out.shape, dx.shape) == ((0, 4, 5, 6), (0, 3, 5, 6))
    assert not dw.any()
    assert not db.any()


# Max pooling.


@pytest.mark.parametrize("case", POOLS)
@pytest.mark.parametrize("name", MAX_FORWARD)
def test_max_pooling_is_that_of_the_loops(name: str, case: str) -> None:
    x, pool_param = pool_problem(case)
    out, cache = MAX_FORWARD[name](x, pool_param)
    assert_close(out, loops.max_pool_forward(x, pool_param), magnitude=0)
    kept, parameters = cache
    assert kept is x
    assert parameters is pool_param


@pytest.mark.parametrize("name", MAX_FORWARD)
def test_the_max_pooling_that_the_notebook_publishes(name: str) -> None:
    x = np.linspace(-0.3, 0.4, num=96).reshape(2, 3, 4, 4)
    out, _ = MAX_FORWARD[name](x, {"pool_height": 2, "pool_width": 2, "stride": 2})
    assert_close(out, x[:, :, 1::2, 1::2], magnitude=0)
    assert out[0, 0].round(8).tolist() == [[-0.26315789, -0.24842105], [-0.20421053, -0.18947368]]


@pytest.mark.parametrize("case", ["tiling", "overlapping"])
@pytest.mark.parametrize("forward", MAX_FORWARD)
@pytest.mark.parametrize("backward", MAX_BACKWARD)
def test_the_cache_of_any_max_pooling_serves_any_backward(forward: str, backward: str, case: str) -> None:
    x, pool_param = pool_problem(case)
    out, cache = MAX_FORWARD[forward](x, pool_param)
    dout = normal(out.shape, 5)
    expected = loops.max_pool_backward(dout, x, pool_param)
    assert_close(MAX_BACKWARD[backward](dout, cache), expected, name="ours")
    assert_close(MAX_BACKWARD[backward](dout, tuple(cache)), expected, name="without the positions")


@pytest.mark.parametrize(
    ("case", "kind"),
    [(case, kind) for case in POOLS for kind in ("naive", "list", "im2col", "inside of im2col")]
    + [("tiling", "reshape"), ("tiling", "inside of reshape")],
)
@pytest.mark.parametrize("backward", MAX_BACKWARD)
def test_max_pooling_caches_of_other_makers(backward: str, case: str, kind: str) -> None:
    x, pool_param = pool_problem(case)
    dout = normal(loops.max_pool_forward(x, pool_param).shape, 5)
    dx = MAX_BACKWARD[backward](dout, loops.pool_caches(x, pool_param)[kind])
    assert_close(dx, loops.max_pool_backward(dout, x, pool_param))


def test_the_backward_pass_does_not_search_again() -> None:
    x, pool_param = pool_problem("overlapping")
    out, cache = fast_layers.max_pool_forward_fast(x, pool_param)
    expected = fast_layers.max_pool_backward_fast(out, cache)
    x[...] = 0  # a search would find the first cells
    assert_close(fast_layers.max_pool_backward_fast(out, cache), expected, magnitude=0)


@pytest.mark.parametrize("name", MAX_FORWARD)
def test_a_tie_goes_to_the_first_maximum(name: str) -> None:
    x = np.array([[[[2.0, 2.0, 1.0], [2.0, 0.0, 1.0]]]])
    out, cache = MAX_FORWARD[name](x, {"pool_height": 2, "pool_width": 2, "stride": 1})
    assert out.tolist() == [[[[2.0, 2.0]]]]
    assert MAX_BACKWARD[name](np.array([[[[5.0, 7.0]]]]), cache).tolist() == [[[[5.0, 7.0, 0.0], [0.0, 0.0, 0.0]]]]


@pytest.mark.parametrize("case", POOLS)
@pytest.mark.parametrize("name", MAX_FORWARD)
def test_gradients_of_max_pooling_are_numerical_ones(name: str, case: str) -> None:
    x, pool_param = pool_problem(case)

    def forward(x: Array) -> Array:
        out: Array = MAX_FORWARD[name](x, pool_param)[0]
        return out

    def backward(dout: Array, x: Array) -> Any:
        return MAX_BACKWARD[name](dout, (x, pool_param))

    gradient_check((forward, backward), x)


@pytest.mark.parametrize("order", MEMORY)
@pytest.mark.parametrize("name", MAX_FORWARD)
def test_max_pooling_in_any_memory_order(name: str, order: str) -> None:
    x, pool_param = pool_problem("rectangular")
    out, cache = MAX_FORWARD[name](stored(x, order), pool_param)
    dout = normal(out.shape, 5)
    assert_close(out, loops.max_pool_forward(x, pool_param), magnitude=0)
    dx = MAX_BACKWARD[name](stored(dout, order), cache)
    assert_close(dx, loops.max_pool_backward(dout, x, pool_param))


@pytest.mark.parametrize(
    ("x_dtype", "dout_dtype", "dtype"),
    [
        ("float32", "float32", "float32"),
        ("float32", "float64", "float32"),
        ("float64", "float32", "float64"),
        ("int64", "float32", "float32"),
        ("int32", "int32", "float64"),
    ],
)
@pytest.mark.parametrize("name", MAX_FORWARD)
def test_the_gradient_of_max_pooling_has_the_dtype_of_x(name: str, x_dtype: str, dout_dtype: str, dtype: str) -> None:
    x, pool_param = pool_problem("overlapping", x_dtype)
    out, cache = MAX_FORWARD[name](x, pool_param)
    dout = normal(out.shape, 5, dout_dtype)
    expected = loops.max_pool_backward(dout, x, pool_param)
    assert_close(MAX_BACKWARD[name](dout, cache), expected, dtype=dtype)
    assert out.dtype == (x_dtype if x.dtype.kind == "f" else "float64")


def test_the_gradient_of_max_pooling_lies_in_memory_as_its_input_does() -> None:
    """What an affine layer returns is not channels-last, but what a convolution made is."""
    x, w, b, conv_param = conv_problem("course")
    out, _ = fast_layers.conv_forward_fast(x, w, b, conv_param)
    pooled, cache = fast_layers.max_pool_forward_fast(out, {"pool_height": 2, "pool_width": 3, "stride": 1})
    dout = normal(pooled.shape, 5)
    dx = fast_layers.max_pool_backward_fast(dout, cache)
    assert dx.strides == out.strides
    assert_close(dx, loops.max_pool_backward(dout, out, cache[1]))


# Average pooling.


@pytest.mark.parametrize("case", POOLS)
@pytest.mark.parametrize("name", AVG)
def test_average_pooling_is_that_of_the_loops(name: str, case: str) -> None:
    x, pool_param = pool_problem(case)
    forward, backward = AVG[name]
    out, cache = forward(x, pool_param)
    assert_close(out, loops.avg_pool_forward(x, pool_param), magnitude=np.abs(x).max())
    assert cache[0] is x
    assert cache[1] is pool_param
    dout = normal(out.shape, 5)
    assert_close(backward(dout, cache), loops.avg_pool_backward(dout, x, pool_param), magnitude=np.abs(dout).max())
    gradient_check((lambda x: forward(x, pool_param)[0], lambda dout, x: backward(dout, (x, pool_param))), x)


def test_the_caches_of_both_poolings_serve_the_other() -> None:
    x, pool_param = pool_problem("rectangular")
    out, max_cache = fast_layers.max_pool_forward_fast(x, pool_param)
    _, avg_cache = fast_layers.avg_pool_forward_fast(x, pool_param)
    for backward, ours, other in (
        (fast_layers.avg_pool_backward_fast, avg_cache, max_cache),
        (fast_layers.max_pool_backward_fast, max_cache, avg_cache),
    ):
        assert_close(backward(out, other), backward(out, ours), magnitude=0)


# What holds for all of them.


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda cache: pickle.loads(pickle.dumps(cache))])
def test_caches_can_be_copied_and_pickled(copied: Callable[[Any], Any]) -> None:
    x, w, b, conv_param = conv_problem("wide")
    out, cache = fast_layers.conv_forward_fast(x, w, b, conv_param)
    for actual, wanted in zip(
        fast_layers.conv_backward_fast(out, copied(cache)), fast_layers.conv_backward_fast(out, cache), strict=True
    ):
        assert_close(actual, wanted, magnitude=0)
    out, pool_cache = fast_layers.max_pool_forward_fast(x, {"pool_height": 2, "pool_width": 3, "stride": 1})
    twin = copied(pool_cache)
    assert type(twin) is type(pool_cache)
    assert_close(twin.indices, pool_cache.indices)
    dx = fast_layers.max_pool_backward_fast(out, pool_cache)
    assert_close(fast_layers.max_pool_backward_fast(out, twin), dx, magnitude=0)


def test_a_cache_serves_a_backward_pass_of_the_user() -> None:
    x, w, b, conv_param = conv_problem("wide")
    out, cache = fast_layers.conv_forward_strides(x, w, b, conv_param)
    kept_x, kept_w, _, kept_param = cache
    check_gradients(loops.conv_backward(out, kept_x, kept_w, kept_param), out, x, w, conv_param)


@pytest.mark.parametrize("name", CONV_FORWARD)
def test_inputs_of_convolution_stay_as_they_are(name: str) -> None:
    x, w, b, conv_param = conv_problem("course")
    before = [array.copy() for array in (x, w, b)]
    out, cache = CONV_FORWARD[name](x, w, b, conv_param)
    dout = out.copy()
    CONV_BACKWARD[name](out, cache)
    for actual, wanted in zip((x, w, b, out), (*before, dout), strict=True):
        assert_close(actual, wanted, magnitude=0)
    assert conv_param == {"stride": 1, "pad": 1}


@pytest.mark.parametrize("name", MAX_FORWARD)
def test_inputs_of_max_pooling_stay_as_they_are(name: str) -> None:
    x, pool_param = pool_problem("overlapping")
    before, keys = x.copy(), dict(pool_param)
    out, cache = MAX_FORWARD[name](x, pool_param)
    dout = out.copy()
    MAX_BACKWARD[name](out, cache)
    assert_close(x, before, magnitude=0)
    assert_close(out, dout, magnitude=0)
    assert pool_param == keys


def test_naive_names_run_the_naive_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    used = []
    resolve = fc.functional.call.resolve_backend

    def recorded(name: str | None, operation: str) -> Any:
        used.append(name)
        return resolve(name, operation)

    monkeypatch.setattr("fastconv.functional.call.resolve_backend", recorded)
    monkeypatch.setattr("fastconv.functional.conv.resolve_backend", recorded)
    x, w, b, conv_param = conv_problem("course")
    pool_param = {"pool_height": 2, "pool_width": 2, "stride": 2}
    with fc.use_backend("numpy"):  # which none of them asks for
        for name in CONV_FORWARD:
            CONV_BACKWARD[name](*CONV_FORWARD[name](x, w, b, conv_param))
        for name in MAX_FORWARD:
            MAX_BACKWARD[name](*MAX_FORWARD[name](x, pool_param))
        for forward, backward in AVG.values():
            backward(*forward(x, pool_param))
    assert used == [*["naive"] * 2, *["fast"] * 6] * 2 + [*["naive"] * 2, *["fast"] * 2]


# Errors, in the words of the old API.

X, W, B = np.ones((2, 3, 5, 6)), np.ones((4, 3, 3, 3)), np.ones(4)
CONV = {"stride": 1, "pad": 1}
POOL = {"pool_height": 2, "pool_width": 2, "stride": 2}
CONV_ERRORS = {
    "no pad": (X, W, B, {"stride": 1}, InvalidValueError, r"conv_param must have the key 'pad', but got the keys 'str"),
    "no key": (X, W, B, {}, InvalidValueError, "conv_param must have the key 'stride', but got no key"),
    "no dict": (X, W, B, None, InvalidTypeError, r"conv_param must be a dictionary with 'stride', 'pad', but got None"),
    "a list": (X, W, B, [1, 1], InvalidTypeError, r"conv_param must be .* but got a list of 2 \(int, int\)"),
    "pad 2.5": (X, W, B, {"stride": 1, "pad": 2.5}, InvalidTypeError, r"pad must be an integer .* but got 2.5 \(float"),
    "pad nan": (X, W, B, {"stride": 1, "pad": np.nan}, InvalidTypeError, r"pad must be an integer .* but got nan"),
    "stride 1.5": (X, W, B, {"stride": (1, 1.5), "pad": 1}, InvalidTypeError, "stride must be an integer .* got 1.5"),
    "stride 0": (X, W, B, {"stride": 0, "pad": 1}, InvalidValueError, "stride must be at least 1"),
    "channels": (X, W[:, :2], B, CONV, InvalidValueError, "w must have 3 input channels"),
    "axes": (X[0], W, B, CONV, InvalidValueError, "x must have 4 axes"),
    "biases": (X, W, B[:3], CONV, InvalidValueError, r"b must have shape \(4,\)"),
    "complex": (X, W * 1j, B, CONV, InvalidTypeError, "w must have a float16"),
}
POOL_ERRORS = {
    "no width": (X, {"pool_height": 2, "stride": 2}, InvalidValueError, "pool_param must have the key 'pool_width'"),
    "no dict": (X, 2, InvalidTypeError, r"pool_param must be a dictionary with .* but got 2 \(int\)"),
    "height 2.5": (X, {**POOL, "pool_height": 2.5}, InvalidTypeError, r"\(pool_height, pool_width\) must be an int"),
    "height 0": (X, {**POOL, "pool_height": 0}, InvalidValueError, r"\(pool_height, pool_width\) must be at least 1"),
    "too high": (X, {**POOL, "pool_height": 7}, InvalidValueError, "the window must fit"),
    "axes": (X[0], POOL, InvalidValueError, "x must have 4 axes"),
}
NO_CONV_CACHE = {"None": None, "two": (X, W), "array": X}
NO_POOL_CACHE = {
    "None": (None, "but got None"),
    "one": ((X,), r"but got a tuple of 1 \(ndarray\)"),
    "name": (("unknown", (X, POOL)), r"but got a tuple of 2 \(str, tuple\)"),
    "reshape": (("reshape", (X, X, X)), "but got a tuple of 3"),
    "im2col": (("im2col", (X, POOL)), r"but got a tuple of 2 \(ndarray, dict\)"),
    "array": (X, "but got a ndarray"),
}


@pytest.mark.parametrize("case", CONV_ERRORS)
@pytest.mark.parametrize("name", CONV_FORWARD)
def test_errors_of_convolution(name: str, case: str) -> None:
    x, w, b, conv_param, kind, match = CONV_ERRORS[case]
    with pytest.raises(kind, match=f"^conv_forward_{name}: {match}"):
        CONV_FORWARD[name](x, w, b, conv_param)


@pytest.mark.parametrize("case", NO_CONV_CACHE)
@pytest.mark.parametrize("name", CONV_BACKWARD)
def test_what_is_no_cache_of_a_convolution(name: str, case: str) -> None:
    with pytest.raises(InvalidTypeError, match=rf"^conv_backward_{name}: cache must be \(x, w, b, conv_param\)"):
        CONV_BACKWARD[name](X, NO_CONV_CACHE[case])


@pytest.mark.parametrize("case", POOL_ERRORS)
@pytest.mark.parametrize("name", MAX_FORWARD)
def test_errors_of_max_pooling(name: str, case: str) -> None:
    x, pool_param, kind, match = POOL_ERRORS[case]
    with pytest.raises(kind, match=f"^max_pool_forward_{name}: {match}"):
        MAX_FORWARD[name](x, pool_param)


@pytest.mark.parametrize("case", NO_POOL_CACHE)
@pytest.mark.parametrize("name", MAX_BACKWARD)
def test_what_is_no_cache_of_a_max_pooling(name: str, case: str) -> None:
    cache, match = NO_POOL_CACHE[case]
    with pytest.raises(InvalidTypeError, match=rf"^max_pool_backward_{name}: cache must be .*{match}"):
        MAX_BACKWARD[name](X, cache)


@pytest.mark.parametrize("name", MAX_BACKWARD)
def test_a_gradient_of_another_shape(name: str) -> None:
    _, cache = MAX_FORWARD[name](X, POOL)
    with pytest.raises(InvalidValueError, match=rf"^max_pool_backward_{name}: dout must have shape \(2, 3, 2, 3\)"):
        MAX_BACKWARD[name](X, cache)
    with pytest.raises(InvalidValueError, match=r"^avg_pool_backward_fast: dout must have shape \(2, 3, 2, 3\)"):
        fast_layers.avg_pool_backward_fast(X, cache)
