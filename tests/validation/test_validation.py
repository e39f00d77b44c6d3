"""Wrong calls, and what each is told: the operation, the rule, the values, and where there is one the way out."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from strategies import BACKENDS

import fastconv as fc
from fastconv.errors import FastconvError, InvalidTypeError, InvalidValueError, MemoryLimitError
from fastconv.validation import memory

X = np.ones((2, 4, 5, 6))
W = np.ones((3, 4, 2, 3))
DY = np.ones((2, 3, 4, 4))
POOLED = np.ones((2, 4, 2, 3))
INDICES = np.zeros((2, 4, 2, 3), np.int64)
COLS = np.ones((2, 24, 16))

# Every operation, called rightly: a wrong call changes one thing.
RIGHT: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "conv2d": (fc.conv2d, {"x": X, "weight": W}),
    "conv2d_backward": (fc.conv2d_backward, {"dy": DY, "x": X, "weight": W}),
    "max_pool2d": (fc.max_pool2d, {"x": X, "kernel_size": 2}),
    "max_pool2d_backward": (fc.max_pool2d_backward, {"dy": POOLED, "indices": INDICES, "input_shape": X.shape}),
    "avg_pool2d": (fc.avg_pool2d, {"x": X, "kernel_size": 2}),
    "avg_pool2d_backward": (fc.avg_pool2d_backward, {"dy": POOLED, "input_shape": X.shape, "kernel_size": 2}),
    "im2col": (fc.im2col, {"x": X, "kernel_size": (2, 3)}),
    "col2im": (fc.col2im, {"cols": COLS, "output_size": (5, 6), "kernel_size": (2, 3)}),
}
CONVS = ("conv2d", "conv2d_backward")
POOLS = ("max_pool2d", "avg_pool2d", "avg_pool2d_backward")
COLUMNS = ("im2col", "col2im")
WINDOWED = CONVS + POOLS + COLUMNS
NO_WEIGHT = POOLS + COLUMNS
SPATIAL = ("conv2d", "conv2d_backward", "max_pool2d", "avg_pool2d", "im2col")  # take x as (N, C, H, W)

V, T = InvalidValueError, InvalidTypeError
SIZES = "must be an integer or a sequence of integers"


def cases(operations: tuple[str, ...], *rows: tuple[dict[str, Any], type[Exception], str]) -> list[Any]:
    """Wrong calls of several operations."""
    return [
        pytest.param(operation, changes, error, message, id=f"{operation}-{'-'.join(changes)}-{i}")
        for operation in operations
        for i, (changes, error, message) in enumerate(rows)
    ]


def axes_of(subject: str) -> list[tuple[dict[str, Any], type[Exception], str]]:
    """What no size per axis may be."""
    return [
        ({subject: 0}, V, f"{subject} must be at least 1, but got 0"),
        ({subject: (2, -1)}, V, f"{subject} must be at least 1, but got -1"),
        ({subject: 1.0}, T, rf"{subject} {SIZES}, but got 1\.0 \(float\)"),
        ({subject: (1.0, 1.0)}, T, rf"{subject} {SIZES}, but got 1\.0 \(float\)"),
        ({subject: np.array([1.0, 1.0])}, T, rf"{subject} {SIZES}, but got .*1\.0"),
        ({subject: np.float32(1)}, T, rf"{subject} {SIZES}, but got .*1\.0"),
        ({subject: True}, T, rf"{subject} {SIZES}, but got True \(bool\)"),
        ({subject: (1, np.True_)}, T, rf"{subject} {SIZES}, but got .*True"),
        ({subject: "2"}, T, rf"{subject} {SIZES}, but got '2' \(str\)"),
        ({subject: b"22"}, T, rf"{subject} {SIZES}, but got b'22'"),
        ({subject: (1, None)}, T, rf"{subject} {SIZES}, but got None"),
        ({subject: 2**63}, V, rf"{subject} must be at most 2\*\*63 - 1, but got {2**63}"),
        ({subject: (1, 2**70)}, V, rf"{subject} must be at most 2\*\*63 - 1, but got {2**70}"),
    ]


PADDINGS = [
    ({"padding": -1}, V, "padding must be at least 0, but got -1"),
    ({"padding": (0, -2)}, V, "padding must be at least 0, but got -2"),
    ({"padding": ((0, -3), 0)}, V, "padding must be at least 0, but got -3"),
    ({"padding": 1.0}, T, r"padding must be an integer .*'same_lower', but got 1\.0"),
    ({"padding": (1.0, 1.0)}, T, r"padding must be integers or \(before, after\) pairs, but got 1\.0"),
    ({"padding": ((1, 1.0), 0)}, T, r"padding must be a pair of integers, but got 1\.0"),
    ({"padding": True}, T, "padding must be an integer .*, but got True"),
    ({"padding": None}, T, "padding must be an integer .*, but got None"),
    ({"padding": b"ab"}, T, "padding must be an integer .*, but got b'ab'"),
    ({"padding": "SAME"}, V, "padding must be one of 'valid', 'same', 'same_lower' or integers, but got 'SAME'"),
    ({"padding": "full"}, V, "padding must be one of 'valid'.* but got 'full'"),
    ({"padding": (1, 1, 1)}, V, r"padding must be one integer, 2 integers or 2 \(before, after\) pairs .* got 3"),
    ({"padding": ((0, 0),)}, V, r"2 \(before, after\) pairs \(one per spatial axis\), but got 1"),
    ({"padding": ((0, 0, 0), 1)}, V, "padding must be integers or .* pairs, but got 3 values for one axis"),
    ({"padding": 2**63}, V, r"padding must be at most 2\*\*63 - 1"),
    ({"padding": 2**62, "stride": 2**62, "kernel_size": 2**62 + 1}, V, r"at most 2\*\*63 - 1 elements"),
]
CONV_PADDINGS = [({key: v for key, v in row[0].items() if key != "kernel_size"}, *row[1:]) for row in PADDINGS]


def wrong_array(name: str) -> list[tuple[dict[str, Any], type[Exception], str]]:
    """What no array may be."""
    shape = RIGHT_SHAPES[name]
    dtypes = "must have a float16, float32, float64, integer or boolean dtype, but got"
    return [
        ({name: np.ones(shape, complex)}, T, f"{name} {dtypes} complex128 .*real and the imaginary part"),
        ({name: np.ones(shape, object)}, T, rf"{name} {dtypes} object .*\.astype\(np\.float64\)"),
        ({name: np.full(shape, "1")}, T, rf"{name} {dtypes} <U1 .*\.astype\(np\.float64\)"),
        ({name: np.ones(shape, "datetime64[s]")}, T, f"{name} {dtypes} datetime64"),
        ({name: np.ma.ones(shape)}, T, rf"{name} must be a plain array, but got a masked array.*\.filled\(0\)"),
        ({name: [[1.0], [2.0, 3.0]]}, T, f"{name} must be an array of numbers, but got"),
        ({name: None}, T, f"{name} {dtypes} object"),
    ]


RIGHT_SHAPES = {"x": X.shape, "weight": W.shape, "dy": POOLED.shape, "cols": COLS.shape, "bias": (3,)}
if np.dtype(np.longdouble).itemsize > 8:
    LONG = [({"x": X.astype(np.longdouble)}, T, f"x must have a float16.*but got {np.dtype(np.longdouble)}")]
else:
    LONG = []

WRONG = [
    *cases(WINDOWED, *axes_of("stride"), *axes_of("dilation")),
    *cases(WINDOWED, ({"stride": (1, 1, 1)}, V, r"stride must be one integer or a sequence of 2 \(one per spatial")),
    *cases(NO_WEIGHT, *axes_of("kernel_size")),
    *cases(POOLS, ({"kernel_size": (2, 2, 2)}, V, "kernel_size must be one integer or a sequence of 2")),
    *cases(CONVS, *CONV_PADDINGS),
    *cases((*POOLS, "im2col"), *PADDINGS),
    *cases(("col2im",), *CONV_PADDINGS[:-1]),
    # padding of a pool
    *cases(
        POOLS,
        ({"padding": 2}, V, r"padding must be smaller than the \(dilated\) kernel .* padding \(2, 2\).* 2 cells"),
        ({"padding": ((0, 0), (0, 2))}, V, r"padding must be smaller than .* padding \(0, 2\) for a window of 2"),
        ({"dilation": 2, "padding": 3}, V, r"padding must be smaller than .* padding \(3, 3\) for a window of 3"),
    ),
    # window and input
    *cases(CONVS, ({"dilation": (5, 1)}, V, "window of 6 cells .*kernel 2, dilation 5.* over 5 cells along H")),
    *cases(CONVS, ({"dilation": (1, 3)}, V, "window of 7 cells .*kernel 3, dilation 3.* over 6 cells along W")),
    *cases(
        (*POOLS, "im2col"), ({"kernel_size": (6, 1)}, V, "a window of 6 cells .* over 5 cells along H .*smaller kernel")
    ),
    *cases(
        (*POOLS, "im2col"), ({"kernel_size": (1, 7)}, V, r"a window of 7 cells .* along W \(size 6, padding 0 \+ 0\)")
    ),
    # channels and groups
    *cases(
        CONVS,
        ({"weight": np.ones((3, 5, 2, 3))}, V, "weight must have 4 input channels .*4 channels.*groups=1.* got 5"),
        ({"groups": 2}, V, "groups must divide .* but got groups=2 with 4 channels and 3 filters"),
        ({"groups": 3}, V, "groups must divide .* but got groups=3 with 4 channels and 3 filters"),
        ({"groups": 4, "weight": np.ones((4, 4, 2, 3))}, V, "weight must have 1 input channels.* groups=4.* got 4"),
        ({"groups": 0}, V, "groups must be at least 1, but got 0"),
        ({"groups": 1.0}, T, r"groups must be an integer, but got 1\.0"),
        ({"groups": True}, T, "groups must be an integer, but got True"),
        ({"weight": np.ones((2, 3))}, V, r"weight must have 4 axes, \(F, C//groups, \*kernel\), but got 2"),
        ({"weight": np.ones((0, 4, 2, 3))}, V, "axis F of weight must not be empty"),
        ({"weight": np.ones((3, 0, 2, 3))}, V, "axis C//groups of weight must not be empty"),
        ({"weight": np.ones((3, 4, 0, 3))}, V, "axis H of weight must not be empty"),
        ({"weight": np.ones((3, 4, 2, 0))}, V, "axis W of weight must not be empty"),
    ),
    *cases(
        ("conv2d",),
        ({"bias": np.ones(4)}, V, r"bias must have shape \(3,\) \(one value per filter\), but got \(4,\)"),
        ({"bias": 1.0}, V, r"bias must have shape \(3,\) .* but got \(\)"),
        ({"bias": np.ones(3, complex)}, T, "bias must have a float16.*complex128"),
        ({"bias": np.ma.ones(3)}, T, "bias must be a plain array"),
    ),
    # ranks and empty axes
    *cases(
        SPATIAL[:-1],
        ({"x": X[0]}, V, r"x must have 4 axes \(N, C, H, W\), but got 3 .*Add a batch axis of one with x\[None\]"),
        ({"x": X[0, 0]}, V, r"x must have 4 axes \(N, C, H, W\), but got 2 \(shape \(5, 6\)\)"),
        ({"x": X[None]}, V, r"x must have 4 axes .* but got 5"),
        ({"x": 1.0}, V, r"x must have 4 axes .* but got 0"),
        ({"x": X[0], "layout": "NHWC"}, V, r"x must have 4 axes \(N, H, W, C\), but got 3 .* x\[None\]"),
    ),
    *cases(
        ("im2col",),
        ({"x": X[0]}, V, r"x must have 4 axes \(N, C, H, W\), but got 3 .* x\[None\]"),
        ({"x": X[0, 0], "kernel_size": 2}, V, "x must have 3, 4 or 5 axes"),
        ({"kernel_size": (1, 1, 1, 1)}, V, "kernel_size must have 1, 2 or 3 entries"),
    ),
    *cases(
        SPATIAL,
        ({"x": X[:, :0]}, V, "axis C of x must not be empty, .*only the batch may be empty"),
        ({"x": X[:, :, :0]}, V, "axis H of x must not be empty"),
        ({"x": X[..., :0]}, V, "axis W of x must not be empty"),
        ({"x": X[..., :0], "layout": "NHWC"}, V, "axis C of x must not be empty"),
        *LONG,
    ),
    *cases(SPATIAL, *wrong_array("x")),
    *cases(CONVS, *wrong_array("weight")),
    *cases(("conv2d_backward", "max_pool2d_backward", "avg_pool2d_backward"), *wrong_array("dy")),
    *cases(("col2im",), *wrong_array("cols")),
    # dy
    *cases(
        ("conv2d_backward",),
        (
            {"dy": DY[..., 1:]},
            V,
            r"dy must have shape \(2, 3, 4, 4\) \(the shape of the output\), but got \(2, 3, 4, 3",
        ),
        ({"dy": DY[:1]}, V, r"dy must have shape \(2, 3, 4, 4\).* but got \(1, "),
        ({"dy": DY[0]}, V, r"dy must have 4 axes.*dy\[None\]"),
        ({"needs": ("x", "y")}, V, "needs must name some of 'x', 'weight', 'bias', but got .*'y'"),
        ({"needs": "dx"}, V, "needs must name some of .*'dx'"),
        ({"needs": [["x"]]}, V, "needs must name some of"),
        ({"needs": None}, T, "needs must be an iterable of names, but got None"),
    ),
    *cases(
        ("avg_pool2d_backward",),
        ({"dy": POOLED[..., 1:]}, V, r"dy must have shape \(2, 4, 2, 3\) .* but got \(2, 4, 2, 2\)"),
        ({"ceil_mode": True}, V, r"dy must have shape \(2, 4, 3, 3\)"),
    ),
    *cases(
        ("max_pool2d_backward", "avg_pool2d_backward"),
        ({"dy": POOLED[0]}, V, r"dy must have 4 axes .* dy\[None\]|indices must have shape"),
        ({"input_shape": (2, 3, 5, 6)}, V, "input_shape must have the batch and channels of dy, N=2 and C=4, .* C=3"),
        ({"input_shape": (1, 4, 5, 6)}, V, "input_shape must have the batch and channels of dy, .* got N=1"),
        ({"input_shape": (2, 4, 5)}, V, r"input_shape must be a sequence of 4 integers \(N, C, H, W\), but got 3"),
        ({"input_shape": 5}, T, r"input_shape must be a sequence of 4 integers \(N, C, H, W\), but got 5 \(int\)"),
        ({"input_shape": (2, 4, 5.0, 6)}, T, r"input_shape must be a sequence of 4 integers .* 5\.0"),
        ({"input_shape": (2, 4, -5, 6)}, V, "input_shape must be at least 0, but got -5"),
        ({"input_shape": (2, 4, 0, 6)}, V, "axis H of the input must not be empty"),
        ({"input_shape": (2, 4, 2**63, 6)}, V, r"input_shape must be at most 2\*\*63 - 1"),
        ({"input_shape": (2, 4, 2**40, 2**40)}, V, r"the input must have at most 2\*\*63 - 1 elements"),
        ({"input_shape": (2, 4, 2**25, 2**25)}, MemoryLimitError, f"the input must fit.* {2**56} bytes"),
    ),
    *cases(
        ("max_pool2d_backward",),
        ({"indices": INDICES + 30}, V, "indices must lie inside the input plane, 0 to 29 .* but got 30 to 30"),
        ({"indices": INDICES - 2}, V, "indices must lie inside the input plane, .* but got -2 to -2"),
        ({"indices": INDICES.astype(np.uint64) - 1}, V, r"indices must be at most 2\*\*63 - 1"),
        ({"indices": INDICES.astype(float)}, T, "indices must have an integer dtype, but got float64"),
        ({"indices": INDICES.astype(bool)}, T, "indices must have an integer dtype, but got bool"),
        ({"indices": np.ma.array(INDICES)}, T, "indices must be a plain array"),
        ({"indices": None}, T, "indices must have .* dtype, but got object"),
        ({"indices": INDICES[..., 1:]}, V, r"indices must have shape \(2, 4, 2, 3\) \(the shape of dy\)"),
    ),
    *cases(
        ("col2im",),
        ({"cols": COLS[0]}, V, r"cols must have 3 axes \(N, C\*taps, windows\)"),
        ({"cols": COLS[:, :5]}, V, "the rows of cols must be a positive multiple of the 6 taps .* but got 5"),
        ({"cols": COLS[:, :0]}, V, "the rows of cols must be a positive multiple of the 6 taps .* but got 0"),
        ({"cols": COLS[..., 1:]}, V, r"cols must have shape \(2, 24, 16\) .* but got \(2, 24, 15\)"),
        ({"output_size": (1, 6)}, V, "a window of 2 cells .* over 1 cells along H"),
        ({"output_size": (5, 6, 7)}, V, "kernel_size must be one integer or a sequence of 3"),
        ({"output_size": (1,) * 4}, V, "output_size must have 1, 2 or 3 entries"),
        ({"output_size": (5, 0)}, V, "output_size must be at least 1, but got 0"),
        ({"output_size": (5, 6.0)}, T, rf"output_size {SIZES}, but got 6\.0"),
    ),
    # flags, layouts, backends
    *cases(POOLS, ({"ceil_mode": 1}, T, "ceil_mode must be True or False, but got 1")),
    *cases(("max_pool2d",), ({"return_indices": "yes"}, T, "return_indices must be True or False, but got 'yes'")),
    *cases(POOLS[1:], ({"count_include_pad": None}, T, "count_include_pad must be True or False, but got None")),
    *cases(
        tuple(RIGHT),
        ({"layout": "nchw"}, V, "layout must be 'NCHW' or 'NHWC', but got 'nchw'"),
        ({"layout": "NCW"}, V, "layout must be 'NCHW' or 'NHWC', but got 'NCW'"),
        ({"layout": 1}, T, "layout must be 'NCHW' or 'NHWC', but got 1"),
    ),
]


def call(operation: str, backend: str | None = None, /, **changes: Any) -> Any:
    function, arguments = RIGHT[operation]
    return function(**{"backend": backend, **arguments, **changes})


@pytest.mark.parametrize("operation", RIGHT)
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_right_calls_are_right(operation: str, backend: str) -> None:
    call(operation, backend)


@pytest.mark.parametrize(("operation", "changes", "error", "message"), WRONG)
def test_wrong_calls(operation: str, changes: dict[str, Any], error: type[Exception], message: str) -> None:
    told = set()
    for backend in BACKENDS:
        with pytest.raises(error, match=rf"^{operation}: .*{message}") as caught:
            call(operation, backend, **changes)
        told.add((caught.type, str(caught.value)))
    assert len(told) == 1, "the error depends on the backend"


def test_every_error_is_ours_and_a_builtin_one() -> None:
    for error, builtin in ((V, ValueError), (T, TypeError), (MemoryLimitError, MemoryError)):
        assert issubclass(error, FastconvError)
        assert issubclass(error, builtin)


@pytest.mark.parametrize("operation", RIGHT)
@pytest.mark.parametrize(("backend", "error"), [("Fast", ValueError), ("", ValueError), (3, TypeError)])
def test_an_unknown_backend_lists_the_choices(operation: str, backend: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"backend must be one of 'fast', 'numpy', 'naive', but got {backend!r}"):
        call(operation, backend)


@pytest.mark.parametrize("operation", RIGHT)
def test_an_unknown_argument_is_refused(operation: str) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'strides'"):
        call(operation, strides=1)


@pytest.mark.parametrize(
    ("function", "positional"),
    [(fc.conv2d, 4), (fc.conv2d_backward, 4), (fc.max_pool2d, 3), (fc.avg_pool2d, 3), (fc.im2col, 3), (fc.col2im, 4)],
)
def test_options_are_keyword_only(function: Callable[..., Any], positional: int) -> None:
    with pytest.raises(TypeError, match="positional argument"):
        function(*[1] * positional)


# Memory: found out before anything is allocated.

HUGE = np.broadcast_to(np.float32(1), (2**10, 2**10, 2**10, 2**10))  # 4 TiB that take four bytes
TOO_LARGE: dict[str, tuple[Callable[[str], Any], int]] = {
    "conv2d": (lambda b: fc.conv2d(HUGE, HUGE[:1, :, :1, :1], backend=b), 2**42),
    "conv2d-padding": (lambda b: fc.conv2d(X, W, padding=2**25, backend=b), 2 * 4 * 2**52 * 8),
    "conv2d-strided": (lambda b: fc.conv2d(HUGE, HUGE[:1, :, :1, :1], stride=1023, backend=b), 2**42),
    "max_pool2d": (lambda b: fc.max_pool2d(HUGE, 2, backend=b), 2**42),
    "avg_pool2d": (lambda b: fc.avg_pool2d(HUGE, 2, backend=b), 2**42),
    "im2col": (lambda b: fc.im2col(HUGE[:1, :1], (400, 500), backend=b), 400 * 500 * 625 * 525 * 4),
    "col2im": (lambda b: fc.col2im(np.ones((1, 1, 4)), (2**30, 2**30), 1, stride=2**29, backend=b), 2**63),
}


@pytest.mark.parametrize("name", TOO_LARGE)
@pytest.mark.parametrize("backend", BACKENDS)
def test_too_large_for_memory(name: str, backend: str) -> None:
    function, needed = TOO_LARGE[name]
    tracemalloc.start()
    try:
        with pytest.raises(MemoryError, match=r"must fit into memory \(\d+ bytes\), but got \d+ bytes") as caught:
            function(backend)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    told = re.search(r"but got (\d+) bytes", str(caught.value))
    assert told is not None
    assert needed <= int(told[1]) <= 1.01 * needed
    assert peak < 2**20


def test_the_limit_is_that_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 2**24 < memory.memory_limit() < 2**50
    monkeypatch.setattr(memory, "memory_limit", lambda: 100)
    memory.check_fits("op", "y", (5, 5), 4)
    with pytest.raises(MemoryLimitError, match=r"^op: y must fit into memory \(100 bytes\), but got 104 bytes"):
        memory.check_fits("op", "y", (26,), 4)


def test_a_cgroup_limit_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "limit").write_text("123456\n")
    (tmp_path / "none").write_text("max\n")
    monkeypatch.setattr(memory, "_CGROUP_LIMITS", (str(tmp_path / "none"), str(tmp_path / "limit"), "/no/such/file"))
    memory.memory_limit.cache_clear()
    try:
        assert memory.memory_limit() == 123456
    finally:
        memory.memory_limit.cache_clear()


# What is legal, and easily refused by mistake.


@pytest.mark.parametrize("integer", [np.int8, np.uint16, np.int64, np.uint64, partial(np.array, dtype=np.int32)])
def test_numpy_integers_are_sizes(integer: Callable[[int], Any]) -> None:
    two = integer(2)
    assert fc.conv2d(X, W, stride=two, padding=(two, two), dilation=two, backend="numpy").shape == (2, 3, 4, 3)
    assert fc.max_pool2d(X, two, stride=(two, 1), backend="numpy").shape == (2, 4, 2, 5)
    assert fc.im2col(X, [two, two], backend="numpy").shape == (2, 16, 20)


@pytest.mark.parametrize("make", [list, tuple, np.array, iter])
def test_sizes_come_in_any_sequence(make: Callable[[Any], Any]) -> None:
    y = fc.conv2d(X, W, stride=make([2, 1]), padding=make([1, 2]), dilation=make([1, 2]), backend="numpy")
    assert y.shape == (2, 3, 3, 6)
    assert fc.max_pool2d_backward(POOLED, INDICES, make(X.shape), backend="numpy").shape == X.shape


def test_padding_pairs_come_in_any_sequence() -> None:
    for padding in (((0, 1), (2, 3)), [[0, 1], [2, 3]], np.array([[0, 1], [2, 3]])):
        assert fc.conv2d(X, W, padding=padding, backend="numpy").shape == (2, 3, 5, 9)


def test_lists_are_arrays_and_integers_give_float64() -> None:
    y = fc.conv2d([[[[1, 2], [3, 4]]]], [[[[1, 1]]]], [1], backend="numpy")
    assert y.dtype == np.float64
    assert y.tolist() == [[[[4.0], [8.0]]]]


EMPTY: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "conv2d": (lambda x, **o: fc.conv2d(x, W.astype(x.dtype), **o), (0, 3, 4, 4)),
    "dx": (lambda x, **o: fc.conv2d_backward(DY[:0].astype(x.dtype), x, W.astype(x.dtype), **o).dx, (0, 4, 5, 6)),
    "max_pool2d": (lambda x, **o: fc.max_pool2d(x, 2, **o), (0, 4, 2, 3)),
    "max_pool2d_backward": (lambda x, **o: fc.max_pool2d_backward(x, x.astype(int), (0, 4, 9, 8), **o), (0, 4, 9, 8)),
    "avg_pool2d": (lambda x, **o: fc.avg_pool2d(x, 2, **o), (0, 4, 2, 3)),
    "avg_pool2d_backward": (
        lambda x, **o: fc.avg_pool2d_backward(x, (0, 4, 5, 7), (1, 2), stride=1, **o),
        (0, 4, 5, 7),
    ),
    "im2col": (lambda x, **o: fc.im2col(x, (2, 3), **o), (0, 24, 16)),
    "col2im": (lambda x, **o: fc.col2im(np.ones((0, 24, 16), x.dtype), (5, 6), (2, 3), **o), (0, 4, 5, 6)),
}


@pytest.mark.parametrize("operation", EMPTY)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_empty_batch_works(operation: str, dtype: str, backend: str) -> None:
    function, shape = EMPTY[operation]
    y = function(X[:0].astype(dtype), backend=backend)
    assert y.shape == shape
    assert y.dtype == (dtype if dtype.startswith("float") else "float64")


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_of_an_empty_batch_are_zero(backend: str) -> None:
    gradients = fc.conv2d_backward(DY[:0], X[:0], W, backend=backend)
    assert np.array_equal(gradients.dweight, np.zeros_like(W))
    assert np.array_equal(gradients.dbias, np.zeros(3))


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_empty_batch_has_indices(backend: str) -> None:
    _, indices = fc.max_pool2d(X[:0], 2, return_indices=True, backend=backend)
    assert (indices.shape, indices.dtype) == ((0, 4, 2, 3), np.int64)
