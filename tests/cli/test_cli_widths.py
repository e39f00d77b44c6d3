"""What commands print in terminals of several widths: no line is wider, no word and no number is split."""

from __future__ import annotations

import json
import re
import sys
import warnings
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bench_numbers import made_suite
from made_results import made
from programs import run

from fastconv.data import Dataset, Preprocessing
from fastconv.dropin.race import Race
from fastconv.errors import LearningWarning
from fastconv.evidence.bench.rounding import Roundings
from fastconv.evidence.compare import Comparison
from fastconv.evidence.contest import Contest
from fastconv.evidence.contest.networks.contest import NetworkContest
from fastconv.evidence.ladder import Ladder
from fastconv.evidence.model_files import ModelComparison
from fastconv.evidence.summary import Summary
from fastconv.models.evaluating import evaluate_dataset
from fastconv.models.predictions import Predictions
from fastconv.onnx.summary import ModelSummary
from fastconv.training import EpochRecord, History, Metrics, Progress, Trainer

pytest.importorskip("typer")

from fastconv import cli
from fastconv.cli.info import describe

WIDTHS = (60, 80, 100, 160)
WIDE = 1000
LAYERS = ("compare", "conv5x5_1_20_28", "avgpool2x2_64_56", "--backends", "naive,numpy", "--repeats", "1")
# what bench, race, predict and the others print is what `report` makes of the file
RECORDS = (
    Comparison,
    ModelComparison,
    ModelSummary,
    Contest,
    NetworkContest,
    Ladder,
    Roundings,
    Predictions,
    Summary,
    Race,
)
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
    ("info",),
    ("train", "digits"),
    ("bench", "--list"),
    *(("report", f"made {kind.__name__}.json", "--verbose") for kind in RECORDS),
)
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
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
    for kind in RECORDS:
        made(kind).save(place / f"made {kind.__name__}.json")
    (place / "suite.json").write_text(json.dumps(made_suite()), encoding="utf-8")
    return place


facts = cache(describe)


@pytest.fixture
def quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `info` say the same each time, and `train` be at its end at once: with an epoch, and a complaint."""
    monkeypatch.setattr("fastconv.cli.info.describe", lambda: {**facts(), "cache_folder": "/home/somebody/.cache"})
    monkeypatch.setattr("fastconv.cli.train.time", SimpleNamespace(perf_counter=lambda: 0.0))

    def fit(trainer: Trainer, *data: Dataset, progress: Any, **options: Any) -> History:
        trainer.history.epochs.append(EpochRecord(1, 123.4567, 0.1234, 234.5678, 0.9876, 0.0012, 12345.67, 1234567.0))
        progress(Progress(1, 1, 1, 1, 123.4567, 0.1234, 0.0012, 1234567.0, 61.0, trainer.history.epochs[-1]))
        warnings.warn("the loss is that of guessing: try another rate, " * 5, LearningWarning, stacklevel=1)
        return trainer.history

    monkeypatch.setattr(Trainer, "fit", fit)
    monkeypatch.setattr(Trainer, "evaluate", lambda trainer, data, batch_size: Metrics(1.2345, 0.9876))


@pytest.mark.usefixtures("quiet_machine")
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


@pytest.mark.usefixtures("quiet_machine")
@pytest.mark.parametrize("width", WIDTHS)
def test_the_moving_bar_of_train_fits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as in a terminal
    frames = [_CONTROL.sub("", printed(monkeypatch, capsys, columns, "train", "digits")) for columns in (WIDE, width)]
    words = set(frames[0].split())
    assert "━━━" in frames[1]
    assert "1,234,567 images/s  1:01 left" in frames[0]
    lines = [line.rstrip() for line in re.split("[\r\n]+", frames[1])]
    assert max(map(len, lines)) <= width
    assert not {word for word in set(re.sub("[━╸╺]", "", frames[1]).split()) - words if not word.endswith("…")}
    said = next(line for line in lines if "epoch 1/1" in line)
    assert said.endswith(("…", "left"))
    assert "loss 123.4567" in said


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


@cache
def helps(width: int) -> dict[str, str]:
    """The help of every command, in a terminal so wide."""
    found: dict[str, str] = json.loads(run(HELPS, PYTHONIOENCODING="utf-8", COLUMNS=str(width)))
    return found


@pytest.mark.parametrize("width", WIDTHS)
def test_a_help_names_every_option_whole(width: int) -> None:
    wide, narrow = helps(WIDE), helps(width)
    for name, text in narrow.items():
        options = re.findall(r"--[a-z][a-z-]*", wide[name])
        assert not [option for option in options if not re.search(rf"{option}(?![a-z-])", text)], name
        assert max(len(line.rstrip()) for line in text.splitlines()) <= width
