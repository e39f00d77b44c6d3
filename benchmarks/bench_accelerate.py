"""What `fastconv.accelerate` adds to a call: a convolution of one window, called directly and in the place of loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastconv as fc
from fastconv.evidence.bench.cases import Case, entry
from fastconv.evidence.bench.preparation import before

KIND = "accelerate"


def conv_forward_naive(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
    """Loops as somebody has them."""
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, _, H, W = x.shape
    F, _, HH, WW = w.shape
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    out = np.zeros((N, F, 1 + (H + 2 * pad - HH) // stride, 1 + (W + 2 * pad - WW) // stride))
    for n, f, i, j in np.ndindex(out.shape):
        window = padded[n, :, i * stride : i * stride + HH, j * stride : j * stride + WW]
        out[n, f, i, j] = np.sum(window * w[f]) + b[f]
    return out, (x, w, b, conv_param)


@pytest.fixture(scope="module")
def accelerated() -> Callable[..., Any]:
    found = fc.accelerate(conv_forward_naive)
    found.undo()  # the name in this file stays what it is
    return found.fast["conv_forward_naive"]


def test_one_call(benchmark: Any, case: Case, accelerated: Callable[..., Any]) -> None:
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((1, 1, 3, 3)), rng.standard_normal((1, 1, 3, 3)), rng.standard_normal(1)
    parameters = {"stride": 1, "pad": 0}
    expected = conv_forward_naive(x, w, b, parameters)[0]
    calls = {
        "direct": lambda: fc.conv2d(x, w, b, stride=1, padding=0, backend="fast"),
        "accelerated": lambda: accelerated(x, w, b, parameters),
    }
    call = calls[case.step]
    y = call() if case.step == "direct" else call()[0]
    magnitude = np.abs(x * w).sum() + np.abs(b).sum()
    fc.testing.assert_close(y, expected, magnitude=magnitude)
    share = float(np.abs(y - expected).max() / (64 * np.finfo(y.dtype).eps * magnitude))
    benchmark.group = f"{case.workload} {case.dtype}"
    shapes = {"x": list(x.shape), "weight": list(w.shape), "y": list(expected.shape)}
    checked = {"shapes": shapes, "arguments": parameters, "checked": "the loops in float64", "of_tolerance": share}
    benchmark.extra_info.update({**case._asdict(), "description": entry(case.workload).description})
    benchmark.extra_info.update({**checked, **before()})
    benchmark(call)
