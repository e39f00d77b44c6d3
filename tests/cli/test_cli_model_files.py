"""``fastconv compare``, ``summary`` and ``bench`` of a model file of ONNX."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import fastconv as fc
from fastconv import cli

pytest.importorskip("typer")
pytest.importorskip("onnx")


@pytest.fixture
def file(tmp_path: Path) -> str:
    fc.onnx.save(fc.models.by_name("digits", filters=2, rng=0), tmp_path / "net.onnx", (1, 1, 8, 8))
    return str(tmp_path / "net.onnx")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["fastconv", *arguments])
    return cli.main()


def test_compare_and_its_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: str, tmp_path: Path
) -> None:
    out = str(tmp_path / "out.json")
    assert run(monkeypatch, "compare", file, "--backends", "naive,numpy", "--batch", "2", "--json", out) == 0
    shown = capsys.readouterr().out
    assert "input 2×1×8×8" in shown
    assert "Largest difference between naive and numpy" in shown
    assert json.loads(Path(out).read_text(encoding="utf-8"))["ok"] is True
    assert run(monkeypatch, "report", out) == 0
    assert "Largest difference between naive and numpy" in capsys.readouterr().out


def test_summary_lists_the_nodes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: str, tmp_path: Path
) -> None:
    assert run(monkeypatch, "summary", file, "--batch", "3", "--json", str(tmp_path / "out.json")) == 0
    shown = capsys.readouterr().out
    assert "3×4×8×8" in shown
    assert "746 parameters" in shown
    assert run(monkeypatch, "report", str(tmp_path / "out.json")) == 0
    assert "746 parameters" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compare", "FILE", "FILE"], "takes one model file at a time"),
        (["compare", "FILE", "--stride", "2"], "--stride does not go with a model file"),
        (["compare", "FILE", "--plot", "a.png"], "--plot does not go with a model file"),
        (["compare", "FILE", "--explain"], "--explain does not go with a model file"),
        (["summary", "FILE", "--classes", "3"], "--classes does not go with a model file"),
        (["summary", "FILE", "--program"], "--program does not go with a model file"),
        (["bench", "FILE"], "such as onnxruntime"),
        (["bench", "FILE", "--against", "onnxruntime", "--dtype", "float64"], "does not go with --networks"),
    ],
)
def test_what_does_not_go_with_a_file_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: str, arguments: list[str], said: str
) -> None:
    assert run(monkeypatch, *(file if word == "FILE" else word for word in arguments)) == 2
    assert said in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("command", [["compare"], ["summary"], ["bench", "--against", "onnxruntime"], ["predict"]])
def test_a_file_that_is_none_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    name, *options = command
    picture = [str(tmp_path)] if name == "predict" else []
    (tmp_path / "a.png").write_bytes(b"")
    for file, said in (("broken.onnx", "broken.onnx"), ("gone.onnx", "gone.onnx")):
        assert run(monkeypatch, name, str(tmp_path / file), *picture, *options) == 1
        assert said in capsys.readouterr().err
