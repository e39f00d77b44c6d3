"""Wrong calls of pooling of every kind and rank, and what each is told, alike on every backend."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from checks import operation
from strategies import BACKENDS
from test_validation import PADDINGS, axes_of, cases

import fastconv as fc
from fastconv.errors import InvalidTypeError, InvalidValueError

V, T = InvalidValueError, InvalidTypeError
Row = tuple[dict[str, Any], type[Exception], str]

SPACE = {1: (6,), 2: (5, 6), 3: (4, 5, 6)}
HALF = {1: (3,), 2: (2, 3), 3: (2, 2, 3)}
LAYOUTS = {1: ("NCW", "NWC"), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}
SIZES = "must be an integer or a sequence of integers"


def right_calls(rank: int) -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    """Every operation, called rightly: a wrong call changes one thing."""
    x, dy = np.ones((2, 4, *SPACE[rank])), np.ones((2, 4, *HALF[rank]))
    one, indices = np.ones((2, 4, *(1,) * rank)), np.zeros(dy.shape, np.int64)
    kernel = {"kernel_size": 2}
    calls: dict[tuple[str, bool], dict[str, Any]] = {
        ("max_pool", False): {"x": x, **kernel},
        ("max_pool", True): {"dy": dy, "indices": indices, "input_shape": x.shape},
        ("avg_pool", False): {"x": x, **kernel},
        ("avg_pool", True): {"dy": dy, "input_shape": x.shape, **kernel},
        ("lp_pool", False): {"x": x, "norm_type": 2, **kernel},
        ("lp_pool", True): {"dy": dy, "x": x, "norm_type": 2, **kernel},
        ("adaptive_avg_pool", False): {"x": x, "output_size": 2},
        ("adaptive_avg_pool", True): {"dy": dy, "input_shape": x.shape},
        ("adaptive_max_pool", False): {"x": x, "output_size": 2},
        ("global_avg_pool", False): {"x": x},
        ("global_avg_pool", True): {"dy": one, "input_shape": x.shape},
        ("global_max_pool", False): {"x": x},
        ("max_unpool", False): {"y": dy, "indices": indices, "output_size": SPACE[rank]},
        ("max_unpool", True): {"dy": x, "indices": indices},
    }
    return {
        f"{stem}{rank}d{'_backward' if backward else ''}": (operation(stem, rank, backward=backward), arguments)
        for (stem, backward), arguments in calls.items()
    }


RIGHT = {name: entry for rank in (1, 2, 3) for name, entry in right_calls(rank).items()}


def taking(argument: str, rank: int | None = None) -> tuple[str, ...]:
    """Operations that take an argument, of any rank or of one."""
    return tuple(
        name for name, (_, arguments) in RIGHT.items() if argument in arguments and (rank is None or f"{rank}d" in name)
    )


def wrong_array(name: str) -> list[Row]:
    """What no array of planes may be; the shape does not matter, the dtype is looked at first."""
    dtypes = "must have a float16, float32, float64, integer or boolean dtype, but got"
    return [
        ({name: np.ones((1, 1), complex)}, T, f"{name} {dtypes} complex128 .*real and the imaginary part"),
        ({name: np.ones((1, 1), object)}, T, rf"{name} {dtypes} object .*\.astype\(np\.float64\)"),
        ({name: np.full((1, 1), "1")}, T, rf"{name} {dtypes} <U1"),
        ({name: np.ma.ones((1, 1))}, T, rf"{name} must be a plain array, but got a masked array.*\.filled\(0\)"),
        ({name: [[1.0], [2.0, 3.0]]}, T, f"{name} must be an array of numbers, but got"),
        ({name: None}, T, f"{name} {dtypes} object"),
    ]


def wrong_planes(name: str, rank: int) -> list[Row]:
    """Wrong rank, no batch, empty axes."""
    first, last = LAYOUTS[rank]
    shape = (2, 4, *SPACE[rank])
    axes, moved = ", ".join(first), ", ".join(last)
    rows: list[Row] = [
        (
            {name: np.ones(shape[1:])},
            V,
            rf"{name} must have {rank + 2} axes \({axes}\), but got {rank + 1} .*{name}\[No",
        ),
        ({name: np.ones((1, *shape))}, V, rf"{name} must have {rank + 2} axes \({axes}\), but got {rank + 3}"),
        ({name: 1.0}, V, rf"{name} must have {rank + 2} axes .* but got 0"),
        ({name: np.ones(shape[1:]), "layout": last}, V, rf"{name} must have {rank + 2} axes \({moved}\)"),
    ]
    for axis, letter in enumerate(first[1:], start=1):
        empty = tuple(0 if i == axis else n for i, n in enumerate(shape))
        rows.append(({name: np.ones(empty)}, V, f"axis {letter} of {name} must not be empty, .*only the batch may be"))
    return rows


def wrong_input_shapes(rank: int) -> list[Row]:
    axes, size = ", ".join(LAYOUTS[rank][0]), SPACE[rank]
    sequence = rf"input_shape must be a sequence of {rank + 2} integers \({axes}\)"
    return [
        ({"input_shape": (2, 3, *size)}, V, "input_shape must have the batch and channels of dy, N=2 and C=4, .* C=3"),
        ({"input_shape": (1, 4, *size)}, V, "input_shape must have the batch and channels of dy, .* got N=1"),
        ({"input_shape": (2, 4)}, V, f"{sequence}, but got 2"),
        ({"input_shape": size[0]}, T, f"{sequence}, but got {size[0]}"),
        ({"input_shape": (2, 4.0, *size)}, T, rf"{sequence}, but got 4\.0"),
        ({"input_shape": (2, 4, *size[1:], -5)}, V, "input_shape must be at least 0, but got -5"),
        ({"input_shape": (2, 4, *size[1:], 0)}, V, "axis W of the input must not be empty"),
    ]


def wrong_output_sizes(rank: int) -> list[Row]:
    """For unpooling, and but for None for adaptive pooling."""
    longer = (2,) * (rank + 1)
    return [
        ({"output_size": 0}, V, "output_size must be at least 1, but got 0"),
        ({"output_size": (2,) * (rank - 1) + (-1,)}, V, "output_size must be at least 1, but got -1"),
        ({"output_size": 2.0}, T, rf"output_size {SIZES}, but got 2\.0 \(float\)"),
        ({"output_size": (2,) * (rank - 1) + (1.0,)}, T, rf"output_size {SIZES}, but got 1\.0"),
        ({"output_size": True}, T, rf"output_size {SIZES}, but got True"),
        ({"output_size": "2"}, T, rf"output_size {SIZES}, but got '2'"),
        ({"output_size": longer}, V, rf"output_size must be one integer or a sequence of {rank} .* got {rank + 1}"),
        ({"output_size": 2**63}, V, r"output_size must be at most 2\*\*63 - 1"),
    ]


def of_rank(rank: int) -> list[Any]:
    """What is wrong for every rank, with the letters of the rank in the message."""
    first, last = LAYOUTS[rank]
    windowed, indexed = taking("kernel_size", rank), taking("indices", rank)
    unpool = (f"max_unpool{rank}d",)
    dy = np.ones((2, 4, *HALF[rank]))
    long = (1,) * (rank - 1) + (7,)
    indices = RIGHT[f"max_pool{rank}d_backward"][1]["indices"]
    most = int(np.prod(SPACE[rank])) - 1
    found = [
        *cases(taking("x", rank), *wrong_planes("x", rank)),
        *cases(unpool, *wrong_planes("y", rank)),
        *cases(taking("dy", rank), *wrong_planes("dy", rank)[:4]),
        *cases(taking("input_shape", rank), *wrong_input_shapes(rank)),
        *cases(taking("output_size", rank), *wrong_output_sizes(rank)),
        *cases(windowed, ({"kernel_size": long}, V, r"a window of 7 cells .* over 6 cells along W \(size 6")),
        *cases(
            windowed, ({"padding": 2}, V, r"padding must be smaller than the \(dilated\) kernel .* \(2, 2\).* 2 cells")
        ),
        *cases(windowed, ({"stride": (1,) * (rank + 1)}, V, f"stride must be one integer or a sequence of {rank}")),
        *cases(
            tuple(name for name in RIGHT if f"{rank}d" in name),
            ({"layout": last[::-1]}, V, f"layout must be '{first}' or '{last}', but got '{last[::-1]}'"),
            ({"layout": "CNHW"}, V, f"layout must be '{first}' or '{last}', but got 'CNHW'"),
            ({"layout": 1}, T, f"layout must be '{first}' or '{last}', but got 1"),
        ),
        *cases(
            (f"avg_pool{rank}d_backward", f"lp_pool{rank}d_backward", f"global_avg_pool{rank}d_backward"),
            ({"dy": np.ones((2, 4, *SPACE[rank]))}, V, r"dy must have shape \(2, 4, .* \(the shape of the output\)"),
        ),
        *cases((f"lp_pool{rank}d_backward",), ({"dy": dy[:1]}, V, r"dy must have shape \(2, 4, .*but got \(1, ")),
        *cases(
            indexed,
            ({"indices": indices + most + 1}, V, f"indices must lie inside the .* plane, 0 to {most}.* got {most + 1}"),
            ({"indices": indices - 2}, V, "indices must lie inside the .* plane, .* but got -2 to -2"),
            ({"indices": indices.astype(float)}, T, "indices must have an integer dtype, but got float64"),
            ({"indices": indices.astype(bool)}, T, "indices must have an integer dtype, but got bool"),
            ({"indices": indices.astype(np.uint64) - 1}, V, r"indices must be at most 2\*\*63 - 1"),
        ),
        *cases(
            (*unpool, f"max_unpool{rank}d_backward"),
            ({"indices": indices - 1}, V, f"indices must lie inside the output plane, 0 to {most}, but got -1 to -1"),
        ),
        *cases(unpool, ({"indices": indices[..., 1:]}, V, r"indices must have shape .* \(the shape of y\), but got")),
        *cases(
            (f"max_unpool{rank}d_backward",),
            ({"indices": indices[:1]}, V, "indices must have the batch and channels of dy, N=2 and C=4, but got N=1"),
            ({"indices": indices[:, :2]}, V, "indices must have the batch and channels of dy, .* C=2"),
            ({"indices": indices[0]}, V, rf"indices must have {rank + 2} axes .* indices\[None\]"),
        ),
    ]
    return found


WINDOWED = taking("kernel_size", 2)
WITH_INDICES = tuple(f"{stem}2d" for stem in ("max_pool", "adaptive_max_pool", "global_max_pool"))

WRONG = [
    *(case for rank in (1, 2, 3) for case in of_rank(rank)),
    *cases(WINDOWED, *axes_of("stride"), *axes_of("dilation"), *axes_of("kernel_size"), *PADDINGS),
    *cases(taking("x", 2), *wrong_array("x")),
    *cases(taking("dy", 2), *wrong_array("dy")),
    *cases(taking("y", 2), *wrong_array("y")),
    *cases(
        taking("norm_type"),
        ({"norm_type": 0}, V, r"norm_type must be a positive finite number, but got 0\.0\.$"),
        ({"norm_type": -2}, V, r"norm_type must be a positive finite number, but got -2\.0\.$"),
        ({"norm_type": np.nan}, V, "norm_type must be a positive finite number, but got nan"),
        ({"norm_type": np.inf}, V, "norm_type must be a positive finite number, but got inf.*max_pool of the absolute"),
        ({"norm_type": 10**400}, V, "norm_type must be a positive finite number, but got inf"),
        ({"norm_type": "2"}, T, r"norm_type must be a positive number, but got '2' \(str\)"),
        ({"norm_type": None}, T, "norm_type must be a positive number, but got None"),
        ({"norm_type": True}, T, "norm_type must be a positive number, but got True"),
        ({"norm_type": 2j}, T, "norm_type must be a positive number, but got 2j"),
        ({"norm_type": (2, 2)}, T, r"norm_type must be a positive number, but got \(2, 2\)"),
        ({"norm_type": np.array(2.0)}, T, "norm_type must be a positive number, but got array"),
    ),
    *cases(
        ("adaptive_avg_pool2d", "adaptive_max_pool2d"),
        ({"output_size": (None, 0)}, V, "output_size must be at least 1, but got 0"),
        ({"output_size": (None, 2.0)}, T, r"output_size must be an integer, None, or a sequence of them, but got 2\.0"),
        ({"output_size": (None,)}, V, "output_size must be one integer or a sequence of 2"),
        ({"output_size": (2**40, 2**40)}, V, r"the output must have at most 2\*\*63 - 1 elements"),
    ),
    *cases(("max_unpool2d",), ({"output_size": None}, T, f"output_size {SIZES}, but got None")),
    *cases(WITH_INDICES, ({"return_indices": 1}, T, "return_indices must be True or False, but got 1")),
    *cases(WINDOWED, ({"ceil_mode": "yes"}, T, "ceil_mode must be True or False, but got 'yes'")),
    *cases(
        ("avg_pool2d", "avg_pool2d_backward"),
        ({"count_include_pad": None}, T, "count_include_pad must be True or False, but got None"),
    ),
]


def call(name: str, backend: str | None = None, /, **changes: Any) -> Any:
    function, arguments = RIGHT[name]
    return function(**{"backend": backend, **arguments, **changes})


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_right_calls_are_right(name: str, backend: str) -> None:
    call(name, backend)


@pytest.mark.parametrize(("name", "changes", "error", "message"), WRONG)
def test_wrong_calls(name: str, changes: dict[str, Any], error: type[Exception], message: str) -> None:
    told = set()
    for backend in BACKENDS:
        with pytest.raises(error, match=rf"^{name}: .*{message}") as caught:
            call(name, backend, **changes)
        told.add((caught.type, str(caught.value)))
    assert len(told) == 1, "the error depends on the backend"


@pytest.mark.parametrize("name", RIGHT)
def test_an_unknown_backend_lists_the_choices(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: backend must be one of 'fast', 'numpy', 'naive', but got 'Fast'"):
        call(name, "Fast")


@pytest.mark.parametrize("name", RIGHT)
def test_an_unknown_argument_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'strides'"):
        call(name, strides=1)


@pytest.mark.parametrize("name", RIGHT)
def test_options_are_keyword_only(name: str) -> None:
    function, arguments = RIGHT[name]
    with pytest.raises(TypeError, match="positional argument"):
        function(*arguments.values(), 1)


# Memory: found out before anything is allocated.

HUGE = np.broadcast_to(np.float32(1), (2**10, 2**10, 2**10, 2**10))  # 4 TiB that take four bytes
SMALL = np.ones((1, 1, 2, 2))
TOO_LARGE: dict[str, Callable[[str], Any]] = {
    "lp_pool2d": lambda b: fc.lp_pool2d(HUGE, 2, 2, stride=1, backend=b),
    "global_avg_pool2d": lambda b: fc.global_avg_pool2d(HUGE, backend=b),  # small results of hours of work
    "global_max_pool2d": lambda b: fc.global_max_pool2d(HUGE, backend=b),
    "max_pool2d": lambda b: fc.max_pool2d(HUGE, 2**10, backend=b),
    "adaptive_avg_pool2d": lambda b: fc.adaptive_avg_pool2d(SMALL, 2**25, backend=b),
    "adaptive_max_pool2d": lambda b: fc.adaptive_max_pool2d(SMALL, 2**25, backend=b),
    "adaptive_avg_pool2d_backward": lambda b: fc.adaptive_avg_pool2d_backward(SMALL, (1, 1, 2**25, 2**25), backend=b),
    "global_avg_pool2d_backward": lambda b: fc.global_avg_pool2d_backward(
        SMALL[..., :1, :1], (1, 1, 2**25, 2**25), backend=b
    ),
    "max_unpool2d": lambda b: fc.max_unpool2d(SMALL, SMALL.astype(int), 2**25, backend=b),
}


@pytest.mark.parametrize("name", TOO_LARGE)
@pytest.mark.parametrize("backend", BACKENDS)
def test_too_large_for_memory(name: str, backend: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(MemoryError, match=rf"^{name}: .* must fit into memory \(\d+ bytes\), but got \d+ bytes"):
            TOO_LARGE[name](backend)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**20


# What is legal, and easily refused by mistake.


@pytest.mark.parametrize("norm_type", [2, 2.0, np.float32(2), np.int8(2), np.uint64(2)])
def test_norm_types_of_any_real_type(norm_type: Any) -> None:
    assert fc.lp_pool1d([[[3.0, 4.0]]], norm_type, 2, backend="numpy").item() == 5


@pytest.mark.parametrize("make", [list, tuple, np.array, iter])
def test_output_sizes_come_in_any_sequence(make: Callable[[Any], Any]) -> None:
    x = np.ones((1, 2, 5, 6))
    assert fc.adaptive_avg_pool2d(x, make([2, 3]), backend="numpy").shape == (1, 2, 2, 3)
    assert fc.max_unpool2d(x[..., :1, :1], np.zeros((1, 2, 1, 1), int), make([2, 3]), backend="numpy").shape[2:] == (
        2,
        3,
    )


def test_lists_are_arrays_and_integers_give_float64() -> None:
    y = fc.global_avg_pool2d([[[[1, 2], [3, 5]]]], backend="numpy")
    assert (y.dtype, y.item()) == (np.float64, 2.75)
