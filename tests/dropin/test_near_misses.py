"""What looks like convolution or pooling and is in no known form is named."""

from __future__ import annotations

import importlib
import linecache
import sys
from pathlib import Path
from types import ModuleType

import loop_code
import pytest
from loop_code import changed
from somebodys_files import CONV, checked, written

import fastconv as fc
from fastconv.dropin.conventions.near_misses import near_misses, told
from fastconv.dropin.source.blocks import Block
from fastconv.dropin.source.statements import Course, run_blocks
from fastconv.errors import InvalidValueError

NEAR = """
import numpy as np
class Conv2D:
    def __init__(self, in_channels, out_channels, size, stride):
        self.W = np.zeros((out_channels, in_channels, size, size))
    def run(self, x):
        return [[np.sum(x[i : i + 3, j : j + 3] * self.W) for i in range(3)] for j in range(3)]
class Layer:
    def forward(self, x):
        for n in x:
            for c in n:
                for i in c:
                    for j in i:
                        self.y += self.w * j
class CNN_Layer:
    def forward(self, image):
        return [np.sum(image[i, j] * self.w) for i in image for j in i]
def my_conv(img, conv_filter, nonsense):
    for i in range(3):
        for j in range(3):
            img[i, j] = np.sum(conv_filter * img[i:, j:])
def conv_single_step(a, w):
    return np.sum(a * w)
def plot_convolution(x):
    for i in x:
        for j in i:
            print(j.max())
def convert(x):
    return np.sum(x)
def relu(x):
    return np.maximum(x, 0)
def conv_relu_forward(x, w):
    return np.dot(x, w)
"""


def test_near_misses_are_named_with_what_is_missing(tmp_path: Path) -> None:
    path = written(tmp_path, NEAR)
    with pytest.raises(InvalidValueError) as caught:
        fc.check(path)
    said = str(caught.value)
    assert "in net.py nothing is recognised. `Conv2D(in_channels, out_channels, size, …)` (line 3) looks like" in said
    assert "a convolution (2 loops in each other); what could not be found is a method forward(x); try" in said
    assert "`Layer()` (line 8) looks like a convolution (4 loops in each other); what could not be found is" in said
    assert "`my_conv(img, conv_filter, nonsense)` (line 18) looks like a convolution" in said
    assert "is the meaning of nonsense; try fastconv.accelerate(my_conv, example)." in said
    assert not any(name in said for name in ("plot_convolution", "single", "`convert", "relu"))


def test_near_misses_are_lines_of_a_report(tmp_path: Path) -> None:
    report = checked(written(tmp_path, NEAR, CONV))
    assert report.ok
    assert [note.partition("`")[2].partition("(")[0] for note in report.notes] == [
        "Conv2D",
        "Layer",
        "CNN_Layer",
        "my_conv",
    ]


def test_accelerate_names_near_misses() -> None:
    module = ModuleType("somebodys")
    block = Block("somebodys.py", NEAR)
    linecache.cache[block.filename] = (len(NEAR), None, NEAR.splitlines(keepends=True), block.filename)
    run_blocks([block], module, Course())
    with pytest.raises(InvalidValueError, match=r"somebodys with none\. `Conv2D\(in_channels, .* try fastconv\.acc"):
        fc.accelerate(module)
    with pytest.raises(InvalidValueError, match=r"my_conv with none\. `my_conv\(img, conv_filter, nonsense\)`"):
        fc.accelerate(module.my_conv)


def test_what_accelerate_returns_names_near_misses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, NEAR, CONV, name="partly_known.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    with fc.accelerate(importlib.import_module("partly_known")) as accelerated:
        assert list(accelerated) == ["conv2d"]
        assert list(accelerated.near_misses) == ["Conv2D", "Layer", "CNN_Layer", "my_conv"]
        assert repr(accelerated).endswith("  not recognised, see near_misses: Conv2D, Layer, CNN_Layer, my_conv")
    monkeypatch.delitem(sys.modules, "partly_known")


def test_of_many_near_misses_a_few_are_named() -> None:
    module = ModuleType("somebodys")
    text = "".join(f"def conv{number}(q): return [[q.sum() for a in q] for b in q]\n" for number in range(9))
    linecache.cache["many.py"] = (len(text), None, text.splitlines(keepends=True), "many.py")
    run_blocks([Block("many.py", text)], module, Course())
    found = told(near_misses(module, ()))
    assert len(found) == 6
    assert found[-1] == "4 more look like convolution or pooling"


@pytest.mark.parametrize("source", ["CS231N", "COURSERA", "SCRATCH", "TUTORIAL", "COLUMNS", "PLAIN", "IMAGES"])
def test_what_is_recognised_is_no_near_miss(tmp_path: Path, source: str) -> None:
    path = written(tmp_path, changed(getattr(loop_code, source)))
    report = fc.check(path, cases=["plain"])
    assert report.notes == ()
