"""The names of `fastconv.typing` are what is taken at run time, and a type checker refuses others."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

import fastconv.typing
from fastconv.functional.max_pool_ties import TIES
from fastconv.functional.padding import PADDING_MODES
from fastconv.functional.resample import RESAMPLE_MODES
from fastconv.typing import BackendName, GeluForm, Layout, PaddingMode, ResampleMode, Ties
from fastconv.validation.arrays import LAYOUTS

RIGHT = """
import numpy as np
import fastconv as fc
from fastconv.layers import Conv2d
from fastconv.typing import Array, Layout

layout: Layout = "NHWC"
y: Array = fc.conv2d(np.ones((1, 4, 5, 3)), np.ones((2, 3, 3, 3)), padding="same", layout=layout, backend="numpy")
layer = Conv2d(3, 4, (3, 5), padding=((1, 1), (2, 2)), padding_mode="reflect", layout="NHWC")
"""
WRONG = {
    'fc.conv2d(np.ones((1, 3, 4, 5)), np.ones((2, 3, 3, 3)), layout="NHCW")': "layout",
    'Conv2d(3, 4, 3, padding_mode="mirror")': "padding_mode",
    'fc.upsample(np.ones((1, 3, 4, 5)), scale_factor=2, mode="cubic")': "mode",
}


def test_literals_are_what_is_taken() -> None:
    assert {*get_args(Layout)} == {"NC", *(name for pair in LAYOUTS.values() for name in pair)}
    assert {*get_args(PaddingMode)} == {*PADDING_MODES}
    assert {*get_args(ResampleMode)} == {*RESAMPLE_MODES}
    assert {*get_args(Ties)} == {*TIES}
    assert {*get_args(GeluForm)} == {"none", "tanh"}
    assert {*get_args(get_args(BackendName)[0])} == {"fast", "numpy", "naive"}
    assert all(hasattr(fastconv.typing, name) for name in fastconv.typing.__all__)


@pytest.mark.slow
def test_a_type_checker_knows_them(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api")
    program = tmp_path / "program.py"
    program.write_text(RIGHT + "".join(f"{line}\n" for line in WRONG), encoding="utf-8")
    found, errors, _ = api.run([str(program), "--follow-imports=silent", f"--cache-dir={tmp_path / 'cache'}"])
    lines = [line for line in found.splitlines() if ": error:" in line]
    assert len(lines) == len(WRONG), found + errors
    for name, line in zip(WRONG.values(), lines):
        assert f'Argument "{name}"' in line
