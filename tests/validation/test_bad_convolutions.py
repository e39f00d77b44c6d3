"""Wrong calls of convolutions over one and three axes and of transposed ones, and what each is told."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from strategies import BACKENDS, CONV, CONV_BACKWARD, CONV_TRANSPOSE, CONV_TRANSPOSE_BACKWARD
from test_validation import CONV_PADDINGS, axes_of, cases

import fastconv as fc
from fastconv.errors import InvalidTypeError, InvalidValueError

V, T = InvalidValueError, InvalidTypeError
SIZES = "must be an integer or a sequence of integers"

SPACE = {1: (6,), 2: (5, 6), 3: (4, 5, 6)}
KERNEL = {1: (3,), 2: (2, 3), 3: (2, 2, 3)}
OUT = {1: (4,), 2: (4, 4), 3: (3, 4, 4)}  # of the convolution
GROWN = {1: (8,), 2: (6, 8), 3: (5, 6, 8)}  # of the transposed one
LAYOUTS = {1: ("NCW", "NWC"), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}
LETTERS = {1: ("W",), 2: ("H", "W"), 3: ("D", "H", "W")}


def right_calls() -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    """Every operation, called rightly: a wrong call changes one thing."""
    calls: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {}
    for rank in (1, 2, 3):
        x, weight = np.ones((2, 4, *SPACE[rank])), np.ones((3, 4, *KERNEL[rank]))
        calls[f"conv{rank}d"] = CONV[rank], {"x": x, "weight": weight}
        dy = np.ones((2, 3, *OUT[rank]))
        calls[f"conv{rank}d_backward"] = CONV_BACKWARD[rank], {"dy": dy, "x": x, "weight": weight}
        weight, dy = np.ones((4, 3, *KERNEL[rank])), np.ones((2, 3, *GROWN[rank]))
        calls[f"conv_transpose{rank}d"] = CONV_TRANSPOSE[rank], {"x": x, "weight": weight}
        calls[f"conv_transpose{rank}d_backward"] = (
            CONV_TRANSPOSE_BACKWARD[rank],
            {"dy": dy, "x": x, "weight": weight},
        )
    return calls


RIGHT = right_calls()
TRANSPOSED = ("conv_transpose2d", "conv_transpose2d_backward")  # options are checked alike for every rank
Row = tuple[dict[str, Any], type[Exception], str]


def both(stem: str, rank: int) -> tuple[str, str]:
    """The operation and its gradients."""
    return f"{stem}{rank}d", f"{stem}{rank}d_backward"


def wrong_array(name: str, shape: tuple[int, ...]) -> list[Row]:
    dtypes = "must have a float16, float32, float64, integer or boolean dtype, but got"
    return [
        ({name: np.ones(shape, complex)}, T, f"{name} {dtypes} complex128 .*real and the imaginary part"),
        ({name: np.ones(shape, object)}, T, rf"{name} {dtypes} object .*\.astype\(np\.float64\)"),
        ({name: np.full(shape, "1")}, T, rf"{name} {dtypes} <U1 .*\.astype\(np\.float64\)"),
        ({name: np.ma.ones(shape)}, T, rf"{name} must be a plain array, but got a masked array.*\.filled\(0\)"),
        ({name: [[1.0], [2.0, 3.0]]}, T, f"{name} must be an array of numbers, but got"),
        ({name: None}, T, f"{name} {dtypes} object"),
    ]


def of_any_rank(rank: int, stem: str, weight_axes: str, empty: tuple[str, str]) -> list[Any]:
    """What is wrong for every rank."""
    first, last = LAYOUTS[rank]
    axes, channels = ", ".join(first), 4
    operation, backward = both(stem, rank)
    arguments = RIGHT[backward][1]
    x, weight, dy = arguments["x"], arguments["weight"], arguments["dy"]
    sequence = rf"\(one per spatial axis\), but got {rank + 1}"
    rows: list[Row] = [
        ({"stride": 0}, V, "stride must be at least 1, but got 0"),
        ({"stride": (1,) * rank + (1,)}, V, rf"stride must be one integer or a sequence of {rank} {sequence}"),
        ({"stride": (1.0,) * rank}, T, rf"stride {SIZES}, but got 1\.0"),
        ({"dilation": -1}, V, "dilation must be at least 1, but got -1"),
        (
            {"padding": (1,) * (rank + 1)},
            V,
            rf"padding must be one integer, {rank} integers or {rank} .* got {rank + 1}",
        ),
        ({"padding": ((0, 0, 0),) * rank}, V, "padding must be integers or .* pairs, but got 3 values for one axis"),
        ({"padding": -1}, V, "padding must be at least 0, but got -1"),
        ({"padding": 0.5}, T, r"padding must be an integer .*, but got 0\.5"),
        ({"padding": "SAME"}, V, "padding must be one of 'valid', 'same', 'same_lower' or integers, but got 'SAME'"),
        ({"groups": 0}, V, "groups must be at least 1, but got 0"),
        ({"groups": 1.0}, T, r"groups must be an integer, but got 1\.0"),
        ({"groups": 3}, V, f"groups must divide .* but got groups=3 with {channels} channels"),
        ({"x": x[0]}, V, rf"x must have {rank + 2} axes \({axes}\), but got {rank + 1} .*one with x\[None\]"),
        ({"x": x[None]}, V, rf"x must have {rank + 2} axes \({axes}\), but got {rank + 3}"),
        ({"x": 1.0}, V, rf"x must have {rank + 2} axes .* but got 0"),
        ({"x": x[:, :0]}, V, "axis C of x must not be empty, .*only the batch may be empty"),
        ({"x": x[..., :0]}, V, "axis W of x must not be empty"),
        ({"x": x[..., :0], "layout": last}, V, "axis C of x must not be empty"),
        ({"weight": weight[0]}, V, rf"weight must have {rank + 2} axes, {weight_axes}, but got {rank + 1}"),
        ({"weight": weight[:0]}, V, rf"axis {empty[0]} of weight must not be empty"),
        ({"weight": weight[:, :0]}, V, rf"axis {empty[1]} of weight must not be empty"),
        ({"weight": weight[..., :0]}, V, "axis W of weight must not be empty"),
        ({"layout": first.lower()}, V, f"layout must be '{first}' or '{last}', but got '{first.lower()}'"),
        ({"layout": LAYOUTS[rank % 3 + 1][0]}, V, f"layout must be '{first}' or '{last}', but got"),
        ({"layout": None}, T, f"layout must be '{first}' or '{last}', but got None"),
        *wrong_array("x", x.shape),
        *wrong_array("weight", weight.shape),
    ]
    output = str(dy.shape).replace("(", r"\(").replace(")", r"\)")
    backward_rows: list[Row] = [
        *wrong_array("dy", dy.shape),
        ({"dy": dy[..., 1:]}, V, rf"dy must have shape {output} \(the shape of the output\), but got"),
        ({"dy": dy[:1]}, V, rf"dy must have shape {output} .* but got \(1, "),
        ({"dy": dy[0]}, V, rf"dy must have {rank + 2} axes \({axes}\), but got {rank + 1} .*dy\[None\]"),
        ({"needs": ("x", "y")}, V, "needs must name some of 'x', 'weight', 'bias', but got .*'y'"),
        ({"needs": None}, T, "needs must be an iterable of names, but got None"),
    ]
    what = "filter" if stem == "conv" else "output channel"
    bias_rows: list[Row] = [
        ({"bias": np.ones(4)}, V, rf"bias must have shape \(3,\) \(one value per {what}\), but got \(4,\)"),
        ({"bias": 1.0}, V, r"bias must have shape \(3,\) .* but got \(\)"),
        ({"bias": np.ones(3, complex)}, T, "bias must have a float16.*complex128"),
    ]
    return [*cases((operation, backward), *rows), *cases((operation,), *bias_rows), *cases((backward,), *backward_rows)]


def windows_too_large(rank: int) -> list[Any]:
    rows: list[Row] = []
    for i, (letter, size, kernel) in enumerate(zip(LETTERS[rank], SPACE[rank], KERNEL[rank])):
        dilation = tuple(size if i == j else 1 for j in range(rank))
        extent = size * (kernel - 1) + 1
        rows.append(({"dilation": dilation}, V, f"a window of {extent} cells .*over {size} cells along {letter}"))
    return cases(both("conv", rank), *rows)


W2 = np.ones((4, 3, 2, 3))
SAME_FIX = "output_padding must be 0 with padding='same.*'.* stride times .* Name another size with output_size"
WRONG = [
    *of_any_rank(1, "conv", r"\(F, C//groups, \*kernel\)", ("F", "C//groups")),
    *of_any_rank(3, "conv", r"\(F, C//groups, \*kernel\)", ("F", "C//groups")),
    *(
        row
        for rank in (1, 2, 3)
        for row in of_any_rank(rank, "conv_transpose", r"\(C_in, C_out//groups, \*kernel\)", ("C_in", "C_out//groups"))
    ),
    *windows_too_large(1),
    *windows_too_large(3),
    # channels
    *cases(both("conv", 1), ({"weight": np.ones((3, 5, 3))}, V, "weight must have 4 input channels .* but got 5")),
    *cases(both("conv", 3), ({"weight": np.ones((3, 5, 2, 2, 3))}, V, "weight must have 4 input channels .* got 5")),
    *cases(
        TRANSPOSED,
        (
            {"weight": np.ones((3, 4, 2, 3))},
            V,
            "weight must have 4 input channels .*of x.* got 3.*input channels first",
        ),
        ({"weight": np.ones((2, 3, 2, 3)), "groups": 2}, V, "weight must have 4 input channels .* but got 2"),
    ),
    # what the transposed operations have of their own
    *cases(TRANSPOSED, *axes_of("stride"), *axes_of("dilation"), *CONV_PADDINGS),
    *cases(TRANSPOSED, *(row for row in axes_of("output_size"))),
    *cases(
        TRANSPOSED,
        ({"output_padding": -1}, V, "output_padding must be at least 0, but got -1"),
        ({"output_padding": 0.0}, T, rf"output_padding {SIZES}, but got 0\.0"),
        ({"output_padding": (0, 0, 0)}, V, "output_padding must be one integer or a sequence of 2"),
        ({"output_padding": None}, T, rf"output_padding {SIZES}, but got None"),
        ({"output_padding": True}, T, rf"output_padding {SIZES}, but got True"),
        ({"output_padding": 1}, V, r"output_padding must be smaller than the stride or the dilation, but got 1 "),
        ({"output_padding": (0, 3), "stride": (4, 3)}, V, r"but got 3 \(output_padding \(0, 3\), stride \(4, 3\)"),
        ({"output_padding": 3, "stride": 2, "dilation": (3, 4)}, V, r"but got 3 .* dilation \(3, 4\)"),
        ({"output_padding": 1, "stride": 2, "padding": "same"}, V, SAME_FIX),
        ({"output_padding": (1, 0), "stride": 2, "padding": "same_lower"}, V, SAME_FIX),
        ({"output_size": (6, 9)}, V, "output_size must be 8 to 8 along W .* but got 9"),
        ({"output_size": (5, 8)}, V, "output_size must be 6 to 6 along H .* but got 5"),
        ({"output_size": (13, 8), "stride": (3, 1)}, V, "output_size must be 14 to 16 along H .* but got 13"),
        ({"output_size": (17, 8), "stride": (3, 1)}, V, "output_size must be 14 to 16 along H .* but got 17"),
        (
            {"output_size": (10, 13), "stride": 2, "padding": "same"},
            V,
            "output_size must be 11 to 12 along W .* got 13",
        ),
        ({"output_size": (8, 12), "stride": 2, "padding": "same"}, V, "output_size must be 9 to 10 along H .* got 8"),
        ({"output_size": (2, 4, 6, 8)}, V, "output_size must be one integer or a sequence of 2 .* but got 4"),
        (
            {"output_size": (12, 13), "output_padding": 1, "stride": 2},
            V,
            r"output_size must come in place of output_padding, but got output_size=\(12, 13\) and .*=\(1, 1\)",
        ),
        (
            {"padding": ((1, 5), 0)},
            V,
            r"at least one cell along H, but got .* = \(5 - 1\) \* 1 - \(1 \+ 5\) \+ 1 \* \(2 - 1\) \+ 1 \+ 0 = 0\.",
        ),
        (
            {"padding": 9, "stride": (4, 2), "output_padding": (3, 1)},
            V,
            r"along W, .* = \(6 - 1\) \* 2 - \(9 \+ 9\) \+ 1 \* \(3 - 1\) \+ 1 \+ 1 = -4\. Use less padding",
        ),
        ({"padding": 9, "output_size": 4}, V, r"at least one cell along H, but got .* = -12\. Use less padding"),
    ),
]


def call(operation: str, backend: str, /, **changes: Any) -> Any:
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


@pytest.mark.parametrize("operation", RIGHT)
def test_an_unknown_backend_or_argument_is_refused(operation: str) -> None:
    with pytest.raises(ValueError, match=f"{operation}: backend must be one of 'fast', 'numpy', 'naive', but got 'f'"):
        call(operation, "f")
    with pytest.raises(TypeError, match="unexpected keyword argument 'strides'"):
        call(operation, "numpy", strides=1)
    function, arguments = RIGHT[operation]
    with pytest.raises(TypeError, match="positional argument"):
        function(*arguments.values(), None, 1)


HUGE = np.broadcast_to(np.float32(1), (2**10, 2**10, 2**10, 2**10))  # 4 TiB that take four bytes
SMALL = np.ones((1, 1, 2, 2), np.float32)
TOO_LARGE: dict[str, tuple[type[Exception], str, Callable[[str], Any]]] = {
    "conv1d": (
        MemoryError,
        r"must fit into memory \(\d+ bytes\), but got \d+ bytes",
        lambda b: fc.conv1d(HUGE[0], HUGE[0, :1, :, :1], padding=2**40, backend=b),
    ),
    "conv3d": (
        MemoryError,
        r"the padded input must fit into memory",
        lambda b: fc.conv3d(SMALL[None], SMALL[None], padding=2**17, backend=b),
    ),
    "the-output": (
        MemoryError,
        rf"the output must fit into memory \(\d+ bytes\), but got {(2**26 + 2) ** 2 * 4} bytes",
        lambda b: fc.conv_transpose2d(SMALL, SMALL, stride=2**26, backend=b),
    ),
    "many-channels": (
        MemoryError,
        r"the output must fit into memory",
        lambda b: fc.conv_transpose2d(HUGE[:, :1], HUGE[:1], backend=b),
    ),
    "padding": (
        MemoryError,
        r"the output with its padding must fit into memory",
        lambda b: fc.conv_transpose2d(SMALL, SMALL, stride=2**24, padding=2**23, backend=b),
    ),
    "gradients": (
        MemoryError,
        r"the output must fit into memory",
        lambda b: fc.conv_transpose2d_backward(SMALL, SMALL, SMALL, dilation=2**30, backend=b),
    ),
    "addresses": (
        ValueError,
        r"the output must have at most 2\*\*63 - 1 elements",
        lambda b: fc.conv_transpose2d(SMALL, SMALL, stride=2**62, backend=b),
    ),
}


@pytest.mark.parametrize("name", TOO_LARGE)
@pytest.mark.parametrize("backend", BACKENDS)
def test_too_large_for_memory(name: str, backend: str) -> None:
    error, message, function = TOO_LARGE[name]
    tracemalloc.start()
    try:
        with pytest.raises(error, match=message):
            function(backend)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**20


# What is legal, and easily refused by mistake.


@pytest.mark.parametrize("make", [list, tuple, np.array, iter])
def test_sizes_come_in_any_sequence(make: Callable[[Any], Any]) -> None:
    x = RIGHT["conv_transpose2d"][1]["x"]
    options: dict[str, Any] = {"stride": make([2, 3]), "padding": make([1, 0]), "dilation": make([1, 2])}
    y = fc.conv_transpose2d(x, W2, **options, output_padding=make([1, 2]), backend="numpy")
    assert y.shape == (2, 3, 9, 22)
    options = {"stride": make([2, 3]), "padding": make([1, 0]), "dilation": make([1, 2])}
    y = fc.conv_transpose2d(x, W2, **options, output_size=make([8, 21]), backend="numpy")
    assert y.shape == (2, 3, 8, 21)


def test_one_size_does_for_all_axes() -> None:
    x, weight = np.ones((1, 1, 3, 3, 3)), np.ones((1, 1, 2, 2, 2))
    y = fc.conv_transpose3d(x, weight, stride=np.int64(2), output_padding=np.uint8(1), backend="numpy")
    assert y.shape == (1, 1, 7, 7, 7)
    assert fc.conv_transpose3d(x, weight, stride=2, output_size=7, backend="numpy").shape == (1, 1, 7, 7, 7)


def test_a_batch_of_no_strides_is_an_array() -> None:
    x = np.broadcast_to(1.0, (2, 4, 6))
    for backend in BACKENDS:
        assert fc.conv_transpose1d(x, np.ones((4, 3, 3)), backend=backend).shape == (2, 3, 8)
