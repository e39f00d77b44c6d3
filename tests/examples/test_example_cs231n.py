"""The example with the Solver of CS231n: on files of CIFAR-10, and on digits where there are none."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from data_files import write_cifar
from programs import load_example

LAST = r"accuracy on \d+ test images: [01]\.\d{4}, after \d+\.\d seconds of training"


@pytest.fixture
def main() -> Callable[[list[str]], None]:
    found: Callable[[list[str]], None] = load_example("cs231n_solver")["main"]
    return found


def test_without_cifar_it_takes_the_digits(
    main: Callable[[list[str]], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("sklearn", reason="the digits are inside scikit-learn")
    monkeypatch.setenv("FASTCONV_DATA", str(tmp_path))
    main(["--epochs", "3", "--train", "500"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("CIFAR-10 is not here, so this trains on the digits of scikit-learn")
    assert lines[2] == "digits train: 500 images to train on, 143 to validate"
    assert re.fullmatch(r"\(Iteration 1 / 30\) loss: \d\.\d{6}", lines[3])
    assert re.fullmatch(r"\(Epoch 3 / 3\) train acc: 0\.\d{6}; val_acc: 0\.\d{6}", lines[-2])
    assert re.fullmatch(LAST, lines[-1])
    assert float(lines[-1].split(":")[1].split(",")[0]) > 0.5  # chance is 0.1


def test_with_cifar(main: Callable[[list[str]], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--data", str(write_cifar(tmp_path / "cifar")), "--epochs", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "cifar10 train: 18 images to train on, 2 to validate"
    assert re.fullmatch(r"\(Iteration 1 / 2\) loss: \d\.\d{6}", lines[1])
    assert re.fullmatch(LAST, lines[-1])
