"""Regions: what is right for some calls alone is fast for these, and stays what it is for the others."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import loop_code
import numpy as np
import pytest
from loop_code import changed, load, numbers, same
from test_accelerate import called

import fastconv as fc
from fastconv.dropin.accelerate import AccelerationWarning
from fastconv.dropin.conventions import CASES, draw
from fastconv.dropin.conventions.drawn import drawn_cases
from fastconv.dropin.conventions.problem import OPERATIONS
from fastconv.dropin.conventions.properties import Properties, properties_of, proven_by

ASSIGNED = ("stride + l] += dout", "stride + l] = dout")
USUAL = {
    *("a single image", "several images", "a single channel", "several channels", "a square image"),
    *("a rectangular image", "a square kernel", "a rectangular kernel", "stride 1", "a larger stride", "padding"),
    *("no padding", "a stride that divides", "a stride that does not divide", "overlapping windows"),
}


def properties(problem: Any) -> Properties:
    given = [array for array in (problem.x, problem.dy, problem.weight) if array is not None]
    filters = None if problem.weight is None else len(problem.weight)
    return properties_of(given, problem.x.shape, filters, problem.kernel, **problem.options)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_is_left_beside_a_property_has_every_two_of_the_others(operation: str) -> None:
    """So a function that is wrong with one of them is proven for all usual calls without it."""
    drawn = [case.draw(operation) for case in (*CASES, *drawn_cases())]
    problems = [each for each in drawn if each is not None and each.dilation == (1, 1)]
    problems = [each for each in problems if each.stride[0] == each.stride[1] and each.padding[0] == each.padding[1]]
    every = [Properties(properties(each).sizes & USUAL, frozenset()) for each in problems]
    wanted = proven_by(every)
    for word in USUAL:
        rest = [each for each in every if word not in each.sizes]
        left, possible = proven_by(rest), set().union(*(each.sizes for each in rest))  # stride 1 divides always
        if word == "overlapping windows":
            possible -= {"stride 1"}  # these are 1x1 kernels and single windows: few
        others = {part for part in wanted if part <= possible}
        assert others - left == set(), word


def test_the_largest_of_drawn_maxima_is_in_as_many_windows_as_any() -> None:
    problem = draw("max_pool2d", size=(4, 5), kernel=(3, 2), stride=(1, 2), values="peaks", channels=2)
    covered = fc.col2im(np.ones((1, 6, 4)), (4, 5), (3, 2), stride=(1, 2))[0, 0]
    for plane in problem.x.reshape(-1, 20):
        assert covered.flat[plane.argmax()] == covered.max() == 2
    indices = fc.max_pool2d(problem.x, (3, 2), stride=(1, 2), return_indices=True)[1]
    assert all(len({*plane}) < 4 for plane in indices.reshape(-1, 4).tolist())  # an assigned gradient is wrong


def test_a_gradient_that_overwrites_is_fast_where_windows_do_not_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, changed(loop_code.CS231N, ASSIGNED))
    original = module.max_pool_backward_naive
    with pytest.warns(AccelerationWarning, match="max_pool_backward_naive .* is for calls with overlapping"):
        accelerated = fc.accelerate(module)
    x = numbers(3, 2, 9, 8)
    for kernel, stride in (((2, 3), 3), ((3, 3), 2), ((2, 2), 2), ((3, 3), 1)):
        sizes = {"pool_height": kernel[0], "pool_width": kernel[1], "stride": stride}
        y, cache = module.max_pool_forward_naive(x, sizes)
        same(module.max_pool_backward_naive(y, cache), original(y, tuple(cache)))
        overlap = stride < max(kernel)
        assert ("max_pool_backward_naive" in called(module.max_pool_backward_naive, y, cache)) == overlap
    counts = accelerated.calls["max_pool_backward_naive"]
    assert (counts.fast, counts.original) == (4, 4)
    assert accelerated.calls["max_pool_forward_naive"].fast == 4
    line = (
        "max_pool_backward_naive  fast 4 calls, original 4, except with overlapping windows: with overlapping windows"
    )
    assert line in repr(accelerated)
    assert re.search("gradients of overlapping windows overwrite", accelerated.partly["max_pool_backward_naive"])


def test_other_dtypes_and_memory_than_those_in_a_region_go_to_the_original(monkeypatch: pytest.MonkeyPatch) -> None:
    cut = "dpadded[:, :, pad : pad + H, pad : pad + W]"
    module = load(monkeypatch, changed(loop_code.CS231N, (cut, "dpadded[:, :, pad:-pad, pad:-pad]")))
    accelerated = fc.accelerate(module, on_mismatch="skip")
    x, w, b = numbers(2, 3, 6, 5), numbers(4, 3, 3, 3), numbers(4)
    for dtype, fast in ((np.float64, 1), (np.float32, 2), (np.float16, 2)):
        arguments = [array.astype(dtype) for array in (x, w, b)]
        y, cache = module.conv_forward_naive(*arguments, {"stride": 2, "pad": 1})
        module.conv_backward_naive(y, cache)
        assert accelerated.calls["conv_backward_naive"].fast == fast


ROUNDED = """
import numpy as np

def conv2d(x, weight):
    F, C, KH, KW = weight.shape
    windows = np.lib.stride_tricks.sliding_window_view(x, (C, KH, KW))[0].astype(np.float32)
    return np.array([[(windows[i, j] * weight).sum((1, 2, 3)) for j in range(windows.shape[1])]
                     for i in range(len(windows))]).transpose(2, 0, 1)

def max_pool(x, size=2):
    y = np.zeros((len(x), x.shape[1] // size, x.shape[2] // size), np.float32)
    for i, j in np.ndindex(*y.shape[1:]):
        y[:, i, j] = x[:, i * size : i * size + size, j * size : j * size + size].max((1, 2))
    return y
"""


def test_what_is_rounded_inside_is_fast_for_float32_and_what_is_stored_rounded_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = load(monkeypatch, ROUNDED)
    originals = dict(vars(module))
    accelerated = fc.accelerate(module, on_mismatch="skip")
    assert {*accelerated} == {"conv2d", "max_pool"}
    assert "with float64" in accelerated.partly["conv2d"]
    for dtype, fast in ((np.float32, 1), (np.float64, 1)):
        x, weight = numbers(3, 7, 9, dtype=dtype), numbers(4, 3, 2, 3, dtype=dtype)
        same(module.conv2d(x, weight), originals["conv2d"](x, weight))
        same(module.max_pool(x), originals["max_pool"](x))
        assert accelerated.calls["conv2d"].fast == fast
    assert accelerated.calls["max_pool"].fast == 2


def test_calls_are_counted_in_several_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, loop_code.IMAGES)
    accelerated = fc.accelerate(module)
    image, kernel = numbers(7, 6), numbers(2, 3)
    with ThreadPoolExecutor(4) as pool:
        assert len(list(pool.map(lambda _: module.convolve2d(image, kernel), range(100)))) == 100
    with pytest.warns(np.exceptions.ComplexWarning):
        module.convolve2d(image * 1j, kernel)
    counts = accelerated.calls["convolve2d"]
    assert 0 < counts.fast <= 100
    assert counts.original == 1
    assert f"fast {counts.fast} calls, original 1" in repr(accelerated)


def test_the_report_of_ten_functions_fits_into_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    ties = ("stride + l] += dout[n, c, i, j]", "stride + l] += (1 + (window == window.max()).sum()) * dout[n, c, i, j]")
    cut = ("dpadded[:, :, pad : pad + H, pad : pad + W], dw", "dpadded[:, :, pad:-pad, pad:-pad], dw / N")
    text = changed(loop_code.CS231N, ties, cut) + changed(loop_code.IMAGES, (".sum()", ".sum() + 1"))
    accelerated = fc.accelerate(load(monkeypatch, text, "a_module_with_quite_a_long_name"), on_mismatch="skip")
    assert len(accelerated) + len(accelerated.refused) >= 9
    lines = repr(accelerated).splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 120
    assert sum(map(len, lines)) < len(str([*accelerated.refused.values(), *accelerated.partly.values()]))
