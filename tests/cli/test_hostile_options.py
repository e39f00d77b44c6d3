"""The command line with arguments that nobody should give: one line that says what is wrong, and a code."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from programs import FULL, SUPPORT, run_file

typer = pytest.importorskip("typer")
import fuzzed_commands  # noqa: E402 - needs typer

from fastconv import cli  # noqa: E402 - needs typer

TIMES = 100 if FULL else 6  # of each command
COUNT = 2_000 if FULL else 40  # command lines
BAD = ("no.npy", "half.npy", "half.npz", "half.onnx", "bad.json", "bad.py", "x" * 5000, "9" * 5000, "a\0b", "gone/..")
VALUES = (
    *BAD,
    "",
    "nan",
    "-1",
    "0",
    "1e400",
    "1x-1x3x3",
    "1x3x9223372036854775808x3",
    "None",
    "[]",
    "%s%n",
    ":",
    "\u00e9",
)
COMMANDS = ("predict", "summary", "evaluate", "report", "compare", "race", "check", "bench", "train")


@pytest.mark.parametrize("name", COMMANDS)
def test_hostile_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    contents = {"half.npy": b"\x93NUMPY\1\0", "half.npz": b"PK\3\4", "half.onnx": b"\0\1", "bad.json": b"{"}
    for file, content in {**contents, "bad.py": b"x = (\n"}.items():
        Path(file).write_bytes(content)
    rng = np.random.default_rng(None if FULL else 0)
    options = [one for one in typer.main.get_command(cli.app).commands[name].params if one.param_type_name == "option"]
    for _ in range(TIMES):
        arguments = ["fastconv", name, str(rng.choice(BAD))]
        for option in options:
            if rng.random() < 0.1 and not {"--debug", "--help", "--list"} & {*option.opts}:
                arguments += [option.opts[0]] if option.is_flag else [option.opts[0], str(rng.choice(VALUES))]
        monkeypatch.setattr(sys, "argv", arguments)
        assert cli.main() in (1, 2), arguments
        said = capsys.readouterr().err.splitlines()
        lines = [line for line in said if line.startswith("fastconv: ") and "will be gone" not in line]
        assert len(lines) == 1, arguments
        assert len(lines[0]) < 2500, arguments
        assert "fastconv: unexpected" not in lines[0], arguments


@pytest.mark.slow
def test_hostile_command_lines() -> None:
    """Right ones with a few words replaced, so that some get far."""
    seed = int.from_bytes(np.random.default_rng().bytes(3), "big") if FULL else 0
    printed = run_file(SUPPORT / "fuzzed_commands.py", str(seed), str(COUNT))
    assert printed.splitlines()[-1] == f"{COUNT} command lines with seed {seed}, 0 unclear", printed


@pytest.mark.parametrize(
    ("code", "printed", "said", "words"),
    [
        (1, "", "fastconv: unexpected KeyError: 'a' (--debug shows where)", "unexpected KeyError"),
        (2, "", "Traceback (most recent call last):", "Traceback"),
        (3, "", "fastconv: no", "code 3"),
        (1, "", "something else", "code 1 without a word"),
        (1, "", "fastconv: " + "x" * 3000, "a line of 3010 characters"),
    ],
)
def test_unclear_command_lines_are_found(code: int, printed: str, said: str, words: str) -> None:
    assert words in (fuzzed_commands.unclear(code, printed, said) or "")
    assert fuzzed_commands.unclear(1, "1 of 2 cases wrong", "") is None
    assert fuzzed_commands.unclear(2, "", "fastconv: x must be so, but got y.") is None
