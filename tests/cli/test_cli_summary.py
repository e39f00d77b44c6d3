"""``fastconv summary``: names, files, tables, JSON and what goes wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from light_commands import printed_by

import fastconv as fc
from fastconv import cli, models

pytest.importorskip("typer")

NET = """
from fastconv.layers import Conv2d, Flatten, Linear, ReLU, Sequential


def model(input_shape, classes=10, rng=None):
    channels, height, width = input_shape
    layers = [Conv2d(channels, 2, 3, padding=1, rng=rng), ReLU(), Flatten(), Linear(2 * height * width, classes)]
    return Sequential(*layers)


other = Sequential(Flatten(), Linear(12, 3))
"""


@pytest.fixture
def net(tmp_path: Path) -> str:
    (tmp_path / "net.py").write_text(NET, encoding="utf-8")
    return str(tmp_path / "net.py")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["fastconv", "summary", *arguments])
    return cli.main()


def test_a_network_by_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "three-layer", "--batch", "50", "--optimizer", "momentum") == 0
    out = capsys.readouterr().out
    found = fc.summary(models.by_name("three-layer", rng=0), (3, 32, 32), batch=50, optimizer="momentum")
    assert "three-layer, input 50×3×32×32 float32, training with momentum" in out
    assert f"{found.peak_training_bytes:,} bytes" in out
    for layer in found.layers:
        assert layer.name in out
    assert "multiply-adds" in out
    assert "FLOPs" in out


def test_inference_in_another_dtype(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "lenet5", "--inference", "--dtype", "float64", "--input", "1x32x36", "--classes", "7") == 0
    out = capsys.readouterr().out
    assert "lenet5, input 1×1×32×36 float64, inference" in out
    assert "1×7" in out
    assert "training" not in out


def test_a_file(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], net: str) -> None:
    assert run(monkeypatch, net, "--input", "3x5x7") == 0
    assert "net.py, input 1×3×5×7 float32" in capsys.readouterr().out
    assert run(monkeypatch, f"{net}:other", "--input", "3,2,2", "--batch", "4") == 0
    assert "net.py:other, input 4×3×2×2" in capsys.readouterr().out


def test_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    assert run(monkeypatch, "digits", "--batch", "3", "--json", str(file)) == 0
    data = json.loads(file.read_text(encoding="utf-8"))
    assert data == fc.summary(models.by_name("digits", rng=0), (1, 8, 8), batch=3, name="digits").to_dict()
    capsys.readouterr()
    assert run(monkeypatch, "digits", "--batch", "3", "--json", "-") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == data
    assert "digits, input" in captured.err


def test_the_list(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--list") == 0
    out = capsys.readouterr().out
    for name, entry in models.MODELS.items():
        assert name in out
        assert entry.description in out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "must be given"),
        (["resnet21"], 2, r"must be one of \d+ names, or a Python file, but got 'resnet21'. Did you mean 'resnet20'"),
        (["digits", "--input", "1-8-8"], 2, "such as 3x32x32"),
        (["digits", "--input", "1x0x8"], 2, "must be positive integers"),
        (["digits", "--batch", "0"], 2, "batch"),
        (["digits", "--optimizer", "lion"], 2, "--optimizer must be one of sgd, "),
        (["digits", "--dtype", "int8"], 2, "--dtype must be one of float16, "),
        (["lenet5", "--input", "1x8x8"], 1, r"planes of 16×16, but got \(1, 8, 8\)"),
        (["NET"], 2, "must be given for a network from a file"),
        (["NET:other", "--input", "3x5x7"], 1, r"layer 1: Linear: the input must have shape \(N, 12\)"),
        (["NET:nothing", "--input", "3x5x7"], 1, "must define nothing"),
        (["missing.py", "--input", "3x5x7"], 1, "missing.py: no such Python file"),
        (["digits", "--json", "nowhere/found.json"], 1, "nowhere"),
    ],
)
def test_what_goes_wrong_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    net: str,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    import re

    assert run(monkeypatch, *(word.replace("NET", net) for word in arguments)) == code
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1, err
    assert re.search(message, err), err


@pytest.mark.parametrize("arguments", [["--help"], ["--list"], ["resnet20", "--batch", "8"]])
def test_numba_is_not_imported(arguments: list[str]) -> None:
    assert printed_by("summary", *arguments)
