"""Public calls on arrays between pages that may not be touched.

As a program: ``python tests/support/guarded_calls.py SEED CASES`` makes every call of `fuzzed_calls`, and so many
convolutions and poolings of random geometry, and prints how many arrays it guarded.
"""

from __future__ import annotations

import faulthandler
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from fuzzed_calls import every_call
from guarded_memory import Guard
from public_call import PublicCall

import fastconv as fc
from fastconv.layers import Layer

Array = np.ndarray[Any, Any]


def check(guard: Guard, name: str, function: Callable[..., Any], arguments: dict[str, Any]) -> None:
    """Make a call on guarded arrays, at their ends and at their beginnings; its bits are those of the plain one."""
    expected = arrays(function(**arguments))
    for guard.at_end in (True, False):
        given = {key: guard.like(value) if is_array(value) else value for key, value in arguments.items()}
        with guard.around_results():
            found = arrays(function(**given))
        for one, other in zip(found, expected):
            assert one.tobytes() == other.tobytes(), name


def is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiub"


def arrays(value: Any) -> list[Array]:
    parts = value if isinstance(value, (tuple, list)) else [value]
    return [part for part in parts if isinstance(part, np.ndarray)]


def plain_calls() -> Iterator[PublicCall]:
    """Calls that take arrays, give some, and draw nothing."""
    for call in every_call():
        if any(map(is_array, call.arguments.values())) and not any(isinstance(one, (Layer, np.random.Generator))
                                                                   for one in call.arguments.values()):  # fmt: skip
            yield call


def random_case(rng: np.random.Generator) -> tuple[str, Callable[..., Any], dict[str, Any]]:
    """A convolution or a pooling with its gradient, of random geometry, layout and dtype."""
    rank = int(rng.integers(1, 4))
    kernel, stride, dilation = (tuple(map(int, rng.integers(1, most, rank))) for most in (5, 4, 3))
    extent = [d * (k - 1) + 1 for k, d in zip(kernel, dilation)]
    padding = [tuple(map(int, rng.integers(0, e, 2))) for e in extent]
    size = [e + int(rng.integers(0, (40, 14, 7)[rank - 1])) for e in extent]
    groups = int(rng.choice([1, 1, 2, 3]))
    channels = groups * int(rng.choice([1, 2, 3, 5, 8, 17]))
    dtype = str(rng.choice(["float32", "float32", "float64", "float16"]))
    last = bool(rng.integers(2))
    layout = {1: ("NCW", "NWC"), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}[rank][last]
    shape = (int(rng.integers(1, 4)), *size, channels) if last else (int(rng.integers(1, 4)), channels, *size)
    x = rng.standard_normal(shape).astype(dtype)
    steps = {"stride": stride, "padding": padding, "dilation": dilation, "layout": layout}
    kind = str(rng.choice(["conv", "conv_transpose", "max_pool", "avg_pool"]))
    name = f"{kind}{rank}d {shape} kernel={kernel} groups={groups} {dtype} {steps}"
    if kind in ("max_pool", "avg_pool"):
        return name, _pooled(kind, rank), {"x": x, "kernel_size": kernel, **steps}
    filters = groups * int(rng.choice([1, 2, 3, 5, 8, 17]))
    pair = (filters, channels // groups) if kind == "conv" else (channels, filters // groups)
    weight = rng.standard_normal((*pair, *kernel)).astype(dtype)
    if kind == "conv_transpose":
        steps["padding"] = 0
    bias = rng.standard_normal(filters).astype(dtype)
    return name, _convolved(kind, rank), {"x": x, "weight": weight, "bias": bias, "groups": groups, **steps}


def _convolved(kind: str, rank: int) -> Callable[..., Any]:
    def call(x: Array, weight: Array, bias: Array, **options: Any) -> list[Array]:
        y = getattr(fc, f"{kind}{rank}d")(x, weight, bias, **options)
        return [y, *getattr(fc, f"{kind}{rank}d_backward")(y, x, weight, **options)]

    return call


def _pooled(kind: str, rank: int) -> Callable[..., Any]:
    def call(x: Array, kernel_size: Any, layout: str, **options: Any) -> list[Array]:
        pool, backward = (getattr(fc, f"{kind}{rank}d{end}") for end in ("", "_backward"))
        if kind == "avg_pool":
            y = pool(x, kernel_size, layout=layout, **options)
            return [y, backward(y, x.shape, kernel_size, layout=layout, **options)]
        y, indices = pool(x, kernel_size, return_indices=True, layout=layout, **options)
        return [y, indices, backward(y, indices, x.shape, layout=layout)]

    return call


def main(seed: int, cases: int) -> None:
    """Make all calls; what touches a forbidden page ends the process, and shows where it was."""
    faulthandler.enable()
    guard, rng = Guard(), np.random.default_rng(seed)
    for call in plain_calls():
        check(guard, call.name, call.function, call.arguments)
    for _ in range(cases):
        check(guard, *random_case(rng))
    print(f"{guard.count} arrays guarded")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
