"""Gradients of ties in somebody's loops: the rule is found, the same in every case, and that of the equivalent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import loop_code
import numpy as np
import pytest
from loop_code import changed, load

import fastconv as fc
from fastconv.dropin.accelerate import AccelerationWarning

ADDED = "dx[n, c, i * stride + k, j * stride + l] += dout[n, c, i, j]"
WINDOW = "dx[n, c, i * stride : i * stride + HH, j * stride : j * stride + WW]"
HITS = "(window == window.max())"
SHARE = f"{HITS} / {HITS}.sum()"
COURSERA_ADDED = "dA_prev[i, h * stride + k, w * stride + l, c] += dA[i, h, w, c]"
TUTORIAL_ADDED = "self.delta_array[d, i * self.stride + k, j * self.stride + l] += sensitivity_array[d, i, j]"
TUTORIAL_WINDOW = (
    "self.delta_array[d, i * self.stride : i * self.stride + self.filter_height,"
    " j * self.stride : j * self.stride + self.filter_width]"
)
BOOK_ADDED = "dmax[np.arange(self.arg_max.size), self.arg_max.flatten()] = dout.flatten()"
BOOK_HITS = (
    "col = im2col(self.x, self.pool_h, self.pool_w, self.stride, self.pad).reshape(-1, size); "
    "hits = col == col.max(axis=1, keepdims=True); "
)
PLAIN = """
import numpy as np

def max_pool2d_backward(dy, x, kernel_size, stride):
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dy.shape):
        cells = n, c, slice(i * stride, i * stride + kernel_size), slice(j * stride, j * stride + kernel_size)
        hits = x[cells] == x[cells].max()
        dx[cells] += hits * dy[n, c, i, j]
    return dx
"""
ALL, SPLIT = "ties: every maximum gets the gradient", "ties: the maxima share the gradient"
LOOPS = {
    "cs231n, all": (changed(loop_code.CS231N, (ADDED, f"{WINDOW} += {HITS} * dout[n, c, i, j]")), ALL),
    "cs231n, split": (changed(loop_code.CS231N, (ADDED, f"{WINDOW} += {SHARE} * dout[n, c, i, j]")), SPLIT),
    "coursera, all": (
        changed(loop_code.COURSERA, (COURSERA_ADDED, f"dA_prev[i, rows, cols, c] += {HITS} * dA[i, h, w, c]")),
        ALL,
    ),
    "tutorial, split": (
        changed(
            loop_code.TUTORIAL,
            (TUTORIAL_ADDED, f"{TUTORIAL_WINDOW} += {SHARE.replace('window', 'patch')} * sensitivity_array[d, i, j]"),
        ),
        SPLIT,
    ),
    "book, all": (changed(loop_code.SCRATCH, (BOOK_ADDED, f"{BOOK_HITS}dmax = hits * dout.reshape(-1, 1)")), ALL),
    "plain, all": (PLAIN, ALL),
    "plain, split": (PLAIN.replace("hits * dy", "hits / hits.sum() * dy"), SPLIT),
}


@pytest.mark.parametrize("name", LOOPS)
def test_the_rule_is_found_and_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    text, words = LOOPS[name]
    accelerated = fc.accelerate(load(monkeypatch, text))
    assert not accelerated.refused
    assert [said for said in accelerated.found.values() if "ties" in said] == [words]
    assert words in repr(accelerated)


@pytest.mark.parametrize("name", ["cs231n, all", "cs231n, split"])
def test_the_equivalent_gives_the_numbers_of_the_original(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    module = load(monkeypatch, LOOPS[name][0])
    accelerated = fc.accelerate(module)
    rng = np.random.default_rng(0)
    sizes = {"pool_height": 3, "pool_width": 2, "stride": 2}
    for x in (np.maximum(rng.standard_normal((2, 3, 9, 8)), 0), np.full((1, 2, 5, 4), 7.0)):
        y, cache = module.max_pool_forward_naive(x, sizes)
        dy = rng.standard_normal(y.shape)
        dx = module.max_pool_backward_naive(dy, cache)
        np.testing.assert_allclose(dx, accelerated["max_pool_backward_naive"](dy, tuple(cache)), rtol=1e-12, atol=1e-12)
        assert accelerated.calls["max_pool_backward_naive"].original == 0
    if name == "cs231n, split":
        return
    x[0, 0, 0, 0] = np.nan  # equals nothing; a share of it would be 0 / 0
    y, cache = module.max_pool_forward_naive(x, sizes)
    dy = np.ones_like(y)
    expected = accelerated["max_pool_backward_naive"](dy, tuple(cache))
    np.testing.assert_array_equal(module.max_pool_backward_naive(dy, cache), expected)


def test_one_rule_without_overlaps_and_another_with_them_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    either = f"hits = {HITS}; {WINDOW} += hits / (hits.sum() if stride < HH else 1) * dout[n, c, i, j]"
    module = load(monkeypatch, changed(loop_code.CS231N, (ADDED, either)))
    with pytest.warns(AccelerationWarning, match="max_pool_backward_naive was left as it is"):
        accelerated = fc.accelerate(module)
    assert "max_pool_backward_naive" in {**accelerated.refused, **accelerated.partly}


@pytest.mark.parametrize("name", ["cs231n, all", "coursera, all", "plain, split"])
def test_check_has_a_remark_and_nothing_is_wrong(tmp_path: Path, name: str) -> None:
    path = tmp_path / "layers.py"
    text, words = LOOPS[name]
    path.write_text(text, encoding="utf-8")
    report: Any = fc.check(path, cases=["plain", "ties", "ties in overlapping windows"])
    assert report.ok
    remarks = [case for each in report.implementations for case in each.cases if case.remark]
    assert {case.case for case in remarks} == {"ties", "ties in overlapping windows"}
    assert {case.remark for case in remarks} == {f"{words}; fastconv and PyTorch give it to the first"}
    assert f"remark: {words}" in " ".join(str(report).split())
