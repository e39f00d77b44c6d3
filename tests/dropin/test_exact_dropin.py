"""What stands in for loops, judges them or is timed beside them is exact, whatever the options say."""

from __future__ import annotations

from pathlib import Path

import loop_code
import numpy as np
import pytest
from exactness import asked_backend, asked_engine
from loop_code import load

import fastconv as fc
from fastconv.dropin.conventions.calls import Calls
from fastconv.dropin.race.racing import race
from fastconv.dropin.race.sizes import Sizes

X, W, B = np.ones((2, 3, 5, 6), np.float32), np.ones((4, 3, 3, 3), np.float32), np.zeros(4, np.float32)

INEXACT = """
import numpy as np
import fastconv as fc

fc.set_options(max_workspace=2**20)


def conv2d(x, w, b, stride, padding):
    if not fc.get_options().exact:
        raise RuntimeError("not exact")
    return fc.conv2d(x, w, b, stride=stride, padding=padding, backend="numpy")
"""


def test_calls_of_equivalents_are_exact() -> None:
    calls = Calls(engine="asked")
    with asked_backend() as asked:
        y = calls.conv2d(X, W, B, stride=1)
        calls.conv2d_backward(y, X, W, B, stride=1)
    assert asked == [True, True]


def test_accelerated_functions_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    monkeypatch.setattr("fastconv.dropin.accelerate.isolated.CAN_FORK", False)  # what a child asks for is not seen
    module = load(monkeypatch, loop_code.CS231N)
    with asked_engine() as asked, fc.options(exact=False):
        with fc.accelerate(module, on_mismatch="raise"):
            assert set(asked) == {True}
            del asked[:]
            y, cache = module.conv_forward_naive(X, W, B, {"stride": 1, "pad": 1})
            module.conv_backward_naive(y, cache)
        assert len(asked) >= 2
        assert set(asked) == {True}
        assert not fc.get_options().exact


@pytest.mark.parametrize("environment", ["0", "1", None])
def test_a_file_is_judged_and_timed_where_all_is_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: str | None
) -> None:
    if environment is not None:
        monkeypatch.setenv("FASTCONV_EXACT", environment)
    file = tmp_path / "layers.py"
    file.write_text(INEXACT, encoding="utf-8")
    with fc.options(exact=False):
        assert fc.check(file, cases=["padding"]).ok


def test_a_race_is_so_too(tmp_path: Path) -> None:
    file = tmp_path / "layers.py"
    file.write_text(INEXACT, encoding="utf-8")
    with fc.options(exact=False):
        found = race(file, sizes=Sizes((2, 3, 9, 8), (4, 3, 3, 2)), repeats=1, backward=False)
    assert found.ok
