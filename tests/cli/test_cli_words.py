"""The command line speaks its own words, and offers the name that was likely meant."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("typer")

from fastconv.cli import main
from fastconv.cli.words import in_words_of


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("train digits --epochs 1 --checkpoint FOLDER", ["--checkpoint must be a folder", "Pass --resume to go on"]),
        ("train digist", ["Did you mean 'digits'?"]),
        ("train digits --model lenet", ["Did you mean 'lenet5'?"]),
        ("trian", ["Did you mean 'train'?"]),
        ("compare conv3x3_64_55", ["Did you mean 'conv3x3_64_56'?"]),
        ("summary resnet2", ["Did you mean 'resnet20'"]),
        ("bench lenet --networks --against torch", ["Did you mean 'lenet5'?"]),
    ],
)
def test_what_a_command_says(
    command: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "last.npz").touch()
    arguments = [str(tmp_path) if word == "FOLDER" else word for word in command.split()]
    monkeypatch.setattr(sys, "argv", ["fastconv", *arguments])
    assert main() != 0
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    for each in words:
        assert each in said
    assert "=True" not in said


def test_arguments_that_are_no_options_stay() -> None:
    options = {"batch": ["--batch"], "flip": ["--flip", "--no-flip"]}
    assert in_words_of(options, 'pass layout="NHWC", batch=2 or flip=False.') == (
        'pass layout="NHWC", --batch 2 or --no-flip.'
    )
    assert in_words_of(options, "conv2d: x must be an array") == "conv2d: x must be an array"
    assert in_words_of({}, "Pass resume=True.") == "Pass resume=True."
