"""The example that makes a module of loops fast by one call."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from programs import EXAMPLES, load_example, run_example


@pytest.fixture
def example() -> Iterator[dict[str, Any]]:
    path = list(sys.path)
    sys.path.insert(0, str(EXAMPLES))  # as for a program that is run there
    yield load_example("accelerate_loops")
    sys.path[:] = path
    sys.modules.pop("loop_layers", None)


@pytest.mark.slow
def test_it_runs_from_any_folder(tmp_path: Path) -> None:
    output = run_example("accelerate_loops", "--images", "1", folder=tmp_path)
    assert "accelerated loop_layers: 4 of 4\n" in output
    assert [*tmp_path.iterdir()] == []


def test_every_loop_is_replaced_and_equal(example: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    loops = vars(example["loop_layers"]).copy()
    assert example["main"](["--images", "2"]) == 0
    output = capsys.readouterr().out
    assert "accelerated loop_layers: 4 of 4\n" in output
    rows = re.findall(r"^(\w+_naive) +([\d.]+) s +([\d.]+) ms +([\d,]+)x  (\S+)$", output, re.MULTILINE)
    assert [name for name, *_ in rows] == [name for name in loops if name.endswith("_naive")]
    for _, before, after, times, off in rows:
        seconds, milliseconds, printed = float(before), float(after), 0.0005  # half of the last digit
        least = 1e3 * (seconds - printed) / (milliseconds + printed)
        most = 1e3 * (seconds + printed) / max(milliseconds - printed, 1e-9)
        assert least - 1 <= int(times.replace(",", "")) <= most + 1  # how large it is, is a matter for benchmarks
        assert float(off) < 1e-9
    assert vars(example["loop_layers"]) == loops


def test_a_wrong_loop_is_a_failure(
    example: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = example["loop_layers"]
    right = module.max_pool_forward_naive

    def max_pool_forward_naive(x: Any, pool_param: Any) -> Any:
        out, cache = right(x, pool_param)
        return abs(out), cache

    max_pool_forward_naive.__module__ = module.__name__
    monkeypatch.setattr(module, "max_pool_forward_naive", max_pool_forward_naive)
    with pytest.warns(UserWarning, match="max_pool_forward_naive was left as it is"):
        assert example["main"](["--images", "1"]) == 1
    assert "3 of 4" in capsys.readouterr().out
