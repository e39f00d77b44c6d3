"""What commands print in terminals of several widths: no line is wider, no word and no number is split."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from bench_numbers import made_suite
from programs import run

from fastconv.data import Dataset, Preprocessing
from fastconv.models.evaluating import evaluate_dataset

pytest.importorskip("typer")

from fastconv import cli

WIDTHS = (60, 80, 100, 160)
WIDE = 1000
LAYERS = ("compare", "conv5x5_1_20_28", "avgpool2x2_64_56", "--backends", "naive,numpy", "--repeats", "1")
COMMANDS = (
    ("compare", "--list"),
    ("summary", "--list"),
    ("summary", "resnet20"),
    ("summary", "digits", "--inference"),
    ("check", "--list"),
    ("compare", "conv3x3_64_56", "--explain"),
    ("report", "compare.json"),
    ("report", "compare.json", "--verbose"),
    ("report", "suite.json"),
    ("report", "evaluate.json"),
)
HELPS = """
    import io, json, sys
    from contextlib import redirect_stdout
    from fastconv.__main__ import main
    found = {}
    for name in "compare check race bench report summary info train evaluate predict warmup".split():
        sys.argv = ["fastconv", name, "--help"]
        with redirect_stdout(io.StringIO()) as out:
            main()
        found[name] = out.getvalue()
    print(json.dumps(found))
"""


def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int, *command: str) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys, "argv", ["fastconv", *command])
    assert cli.main() == 0
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a saved comparison and a saved evaluation."""
    place = tmp_path_factory.mktemp("widths")
    images = Dataset(np.zeros((1200, 1, 1, 1), np.float32), np.arange(1200) % 12, [f"class {i}" for i in range(12)])
    asked = {"run": lambda x: np.eye(12)[np.arange(len(x)) % 12], "preprocessing": Preprocessing(), "model": "net.npz"}
    evaluate_dataset(images, **asked).save(place / "evaluate.json")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr(sys, "argv", ["fastconv", *LAYERS, "--json", "compare.json"])
        assert cli.main() == 0
    (place / "suite.json").write_text(json.dumps(made_suite()), encoding="utf-8")
    return place


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_line_is_too_wide_and_no_word_is_split(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(folder)
    words = set(printed(monkeypatch, capsys, WIDE, *command).split())
    for width in WIDTHS:
        text = printed(monkeypatch, capsys, width, *command)
        lines = [line.rstrip() for line in text.splitlines()]
        assert max(map(len, lines)) <= width
        whole = re.sub(r"Left\s+out\s+here:.*?columns\.|─+", "", text, flags=re.DOTALL)
        split = set(whole.split()) - words
        assert not {word for word in split if not word.endswith("…")}


def test_every_workload_has_one_line_below_the_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    monkeypatch.chdir(folder)
    text = printed(monkeypatch, capsys, 80, "report", "compare.json")
    assert re.match(r"naive and numpy agree on all 2 workloads: the worst element takes [\d.]+% of what\s+is", text)
    assert re.search(r"numpy is [\d,.]+× faster than the loops of the tutorials \(geometric\s+mean; ", text)
    assert text.index("agree") < text.index("conv5x5_1_20_28  ")
    assert len(re.findall(r"^(conv5x5_1_20_28|avgpool2x2_64_56) .* ok$", text, re.MULTILINE)) == 2
    assert "Time and memory" not in text.partition("--verbose shows more")[0]
    assert "scratch" in printed(monkeypatch, capsys, 160, "report", "compare.json", "--verbose")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_help_names_every_option_whole(width: int) -> None:
    wide = json.loads(run(HELPS, PYTHONIOENCODING="utf-8", COLUMNS=str(WIDE)))
    narrow = json.loads(run(HELPS, PYTHONIOENCODING="utf-8", COLUMNS=str(width)))
    for name, text in narrow.items():
        options = re.findall(r"--[a-z][a-z-]*", wide[name])
        assert not [option for option in options if not re.search(rf"{option}(?![a-z-])", text)], name
        assert max(len(line.rstrip()) for line in text.splitlines()) <= width
