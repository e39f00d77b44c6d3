"""``fastconv evaluate``: what ``train`` measured, by the models that ``predict`` takes, and what is wrong."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from light_commands import printed_by

import fastconv as fc
from fastconv import cli, models
from fastconv.layers import save_state
from fastconv.training import save_model

pytest.importorskip("typer")


@pytest.fixture(autouse=True)
def numpy_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    fc.set_backend("numpy")
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def data(tmp_path: Path) -> str:
    """Bytes whose class is the bright quarter, without a test part."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 240)
    images = rng.integers(0, 60, (240, 1, 8, 8), np.uint8)
    images[np.arange(240), 0, 2 * labels] += 90
    np.savez(tmp_path / "data.npz", images=images, labels=labels, class_names=["low", "middle", "high"])
    return str(tmp_path / "data.npz")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["fastconv", *arguments])
    return cli.main()


def test_help_imports_no_numba() -> None:
    assert "--part" in printed_by("evaluate", "--help")


@pytest.mark.parametrize("normalise", ["--normalise", "--no-normalise"])
def test_what_train_measured_evaluate_measures_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, data: str, normalise: str
) -> None:
    net, files = str(tmp_path / "net.npz"), [str(tmp_path / name) for name in ("a.json", "a.svg", "a.html")]
    options = ["--epochs", "2", "--backend", "numpy", "--seed", "3", normalise, "--save", net]
    assert run(monkeypatch, "train", data, *options) == 0
    trained = re.search(r"test accuracy ([\d.]+)% \(loss ([\d.]+)\) on (\d+) images", capsys.readouterr().out)
    assert trained is not None
    pytest.importorskip("matplotlib")
    arguments = ["--seed", "3", "--json", files[0], "--plot", files[1], "--html", files[2]]
    assert run(monkeypatch, "evaluate", net, data, *arguments) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"accuracy {trained[1]}% (loss {trained[2]}) on {trained[3]} images of data test\n")
    assert "middle" in out
    saved = json.loads(Path(files[0]).read_text(encoding="utf-8"))
    assert (f"{saved['accuracy']:.2%}", str(saved["images"])) == (f"{trained[1]}%", trained[3])
    assert saved["loss"] == pytest.approx(float(trained[2]), abs=1e-4)
    assert sum(map(sum, saved["confusion"])) == saved["images"]
    assert "<svg" in Path(files[1]).read_text(encoding="utf-8")
    shown = Path(files[2]).read_text(encoding="utf-8")
    assert all(part in shown for part in (">Confusion matrix</h2>", f"accuracy {trained[1]}%", "data:image/svg+xml"))
    assert run(monkeypatch, "report", files[0]) == 0
    assert capsys.readouterr().out.splitlines()[:5] == out.splitlines()[:5]


def test_the_other_part_a_name_with_weights_and_labels(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, data: str
) -> None:
    weights, labels = tmp_path / "weights.npz", tmp_path / "labels.txt"
    save_state(models.by_name("digits", classes=3, rng=0), weights)
    labels.write_text("high\nmiddle\nlow\n", encoding="ascii")
    arguments = ["evaluate", "digits", data, "--weights", str(weights), "--labels", str(labels), "--part", "train"]
    assert run(monkeypatch, *arguments) == 0
    assert "on 192 images of data train\n" in capsys.readouterr().out


def test_what_is_wrong_is_said_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, data: str
) -> None:
    net = str(tmp_path / "net.npz")
    save_model(models.by_name("digits", classes=3, rng=0), net, class_names=["low", "middle", "top"])
    for arguments, code, said in (
        ([net, data], 1, "must be those of the network, low, middle, top, but got high"),
        ([net, "nothing"], 1, "DATASET must be one of digits, mnist, cifar10"),
        (["gone.npz", data], 1, "gone.npz"),
        ([net, data, "--plot", "a.gif"], 2, "must end in .pdf, .png, .svg"),
        ([net, data, "--part", "all"], 2, "--part must be one of test, train, but got 'all'."),
    ):
        assert run(monkeypatch, "evaluate", *arguments) == code
        assert said in " ".join(capsys.readouterr().err.split())
