"""The command line speaks its own words, and offers the name that was likely meant."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

typer = pytest.importorskip("typer")

from fastconv.cli import app, main  # noqa: E402 - needs typer
from fastconv.cli.check import QUICK  # noqa: E402
from fastconv.cli.words import in_words_of  # noqa: E402

COMMANDS = typer.main.get_command(app).commands
OPTIONS = [
    (name, each) for name, command in COMMANDS.items() for each in command.params if each.param_type_name == "option"
]
NAMES = re.compile(r"(?:[a-z]\w*|NCHW|NHWC)(?:\|(?:[a-z]\w*|NCHW|NHWC))*")  # the metavariable of a choice
LONG = {"compare", "check", "race", "bench", "train", "evaluate"}
OF_ANY_BACKEND = {"compare", "bench", "train", "evaluate", "predict"}  # the others are about naive, or about fast
NETWORK = "net.npz"


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Return the exit code and the only line of a command that must fail."""
    monkeypatch.setattr(sys, "argv", ["fastconv", *arguments])
    code = main()
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("[")]
    assert len(lines) == 1, lines
    assert lines[0].startswith("fastconv: ")
    return code, lines[0].removeprefix("fastconv: ")


def misspelt(name: str) -> str:
    """Exchange two letters that differ, as "fsat" for "fast"."""
    place = next(i for i in range(1, len(name) - 1) if name[i] != name[i + 1] and "-" not in name[i : i + 2])
    return name[:place] + name[place + 1] + name[place] + name[place + 2 :]


CHOICES = [(command, each) for command, each in OPTIONS if each.metavar and NAMES.fullmatch(each.metavar)]


def test_the_choices_are_found() -> None:
    found = {(command, each.opts[0]) for command, each in CHOICES}
    assert {(command, "--backend") for command in OF_ANY_BACKEND - {"bench"}} < found
    assert {("train", "--optimizer"), ("evaluate", "--part"), ("compare", "--layout"), ("predict", "--preset")} < found
    assert len(found) >= 16


@pytest.mark.parametrize(("command", "option"), CHOICES, ids=lambda each: getattr(each, "name", each))
def test_every_choice_offers_what_was_meant(
    command: str, option: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = option.metavar.split("|")
    for name in known:
        arguments = [command, *(NETWORK for each in COMMANDS[command].params if each.required), option.opts[0]]
        code, line = said(monkeypatch, capsys, *arguments, misspelt(name))
        assert code == 2
        assert line.startswith(
            f"{option.opts[0]} must be one of {', '.join(known)}, but got {misspelt(name)!r}. Did you"
        )
        assert repr(name) in line.partition("Did you mean")[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_offered(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, line = said(monkeypatch, capsys, misspelt(command))
    assert (code, line) == (2, f"there is no command {misspelt(command)!r}. Did you mean {command!r}?")
    options = [option for name, option in OPTIONS if name == command and not option.hidden]
    for word in [word for option in options for word in (*option.opts, *option.secondary_opts) if len(word) > 5]:
        code, line = said(monkeypatch, capsys, command, misspelt(word))
        assert (code, repr(word) in line.partition("Did you mean")[2]) == (2, True), line
        assert f"no option {misspelt(word)}" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("hlep", "there is no command 'hlep'. `fastconv --help` lists what there is."),
        ("warmup --backend fast", "there is no option --backend. `fastconv warmup --help` lists what there is."),
        ("info more", "there must be no further argument, but got 'more'. `fastconv info --help` lists what there is."),
        ("race", "FILE must be given: a Python file, a notebook or a folder with convolution or pooling in it."),
        ("compare --batch 0", "--batch must be at least 1, but got 0."),
        ("train --validation 0.95", "--validation must be at most 0.9, but got 0.95."),
        ("compare --batch two", "--batch must be an integer, but got 'two'."),
        ("check FILE.py --time-limit soon", "--time-limit must be a number, but got 'soon'."),
        ("check FILE.py --time-limit nan", "--time-limit must be positive (seconds), but got nan."),
        ("check FILE.py --quick --case ties", "--case does not go with --quick, which chooses the cases."),
        ("train --save net.pt", "--save must end in .npz or .safetensors, but got 'net.pt'."),
        ("compare conv.py", "but got 'conv.py'. `fastconv race conv.py` takes such a file."),
        ("summary net.npz", "but got 'net.npz'. `fastconv evaluate net.npz` takes such a file."),
        ("bench lenet5 --against torch", "lenet5 is a network: add --networks, or name layers."),
        ("bench conv3x3_64_56 --against torch --networks", "leave out --networks, or name networks."),
        ("race FILE.py", "race: the file must define convolution or pooling"),
        ("train FOLDER", "train: FOLDER must hold images"),
        ("predict net.npz FOLDER", "predict: FOLDER must have pictures"),
        ("evaluate net.npz digist", "DATASET must be one of digits, "),
        ("evaluate FOLDER/net.npz FOLDER/two.npz --labels FOLDER/one.txt", "evaluate: there must be a name for each"),
    ],
)
def test_a_command_speaks_for_itself(
    arguments: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "nothing.py").touch()
    words = [
        word.replace("FILE", str(tmp_path / "nothing")).replace("FOLDER", str(tmp_path)) for word in arguments.split()
    ]
    if "one.txt" in arguments:
        small_files(tmp_path)
    else:
        (tmp_path / "empty").mkdir()
        words = [str(tmp_path / "empty") if word == str(tmp_path) else word for word in words]
        message = message.replace("FOLDER", str(tmp_path / "empty"))
    _, line = said(monkeypatch, capsys, *words)
    assert message in line
    assert not re.match(r"load|run_|evaluate_|predict_|use_|contest", line)


def small_files(folder: Path) -> None:
    """Write a network of two classes, two images, and one label."""
    import numpy as np

    from fastconv.data import Preprocessing
    from fastconv.models import by_name
    from fastconv.training import save_model

    network = by_name("digits", classes=2, rng=0)
    save_model(network, folder / "net.npz", preprocessing=Preprocessing(size=8, channels=1))
    images = np.zeros((10, 1, 8, 8), np.uint8)
    np.savez(folder / "two.npz", images=images, labels=np.arange(10) % 2)
    (folder / "one.txt").write_text("zero\n", encoding="ascii")


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        ("bench --backend numpy,fsat", "'fast'"),
        ("bench --dtype flaot64", "'float64'"),
        ("bench --against torhc", "'torch'"),
        ("bench --against torch --passes forwrad", "'forward'"),
        ("bench --against torch --networks --passes trainign", "'training'"),
        ("bench scalign", "'scaling'"),
        ("bench scaling resent20", "'resnet20'"),
        ("bench lenet --networks --against torch", "'lenet5'"),
        ("bench conv3x3_64_55", "'conv3x3_64_56'"),
        ("compare conv3x3_64_55", "'conv3x3_64_56'"),
        ("compare --backends naive,fsat", "'fast'"),
        ("compare --input 1x1x4x4 --weight 1x1x3x3 --padding smae", "'same'"),
        ("check FILE --case tise", "'ties'"),
        ("check FILE --map f=cs231n.conv2d.forwrad", "'cs231n.conv2d.forward'"),
        ("race FILE --map f=cs231n.conv2d.forwrad", "'cs231n.conv2d.forward'"),
        ("summary resnet2", "'resnet20'"),
        ("train digist", "'digits'"),
        ("train --model lenet", "'lenet5'"),
        ("train --model FILE:mdoel", "'model'"),
        ("train --schedule cosien", "'cosine'"),
        ("train --augment flip,corp", "'crop'"),
        ("evaluate net.npz mnits", "'mnist'"),
        ("predict lenet images --weights FOLDER/net.npz", "'lenet5'"),
    ],
)
def test_every_other_name_offers_what_was_meant(
    arguments: str, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.py").write_text("def model(): pass\ndef f(): pass\n", encoding="ascii")
    if "FOLDER" in arguments:
        small_files(tmp_path)
    words = [
        word.replace("FILE", str(tmp_path / "net.py")).replace("FOLDER", str(tmp_path)) for word in arguments.split()
    ]
    _, line = said(monkeypatch, capsys, *words)
    assert meant in line.partition("Did you mean")[2], line


def test_the_words_for_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "last.npz").touch()
    code, line = said(monkeypatch, capsys, "train", "digits", "--epochs", "1", "--checkpoint", str(tmp_path))
    assert code == 1
    assert line.startswith("--checkpoint must be a folder")
    assert "Pass --resume to go on" in line
    file = tmp_path / "last.npz"
    _, line = said(monkeypatch, capsys, "train", "digits", "--quick", "--checkpoint", str(file))
    assert line == f"--checkpoint must be a folder, but {file} is a file."
    _, line = said(monkeypatch, capsys, "evaluate", "net.npz", "mnist", "--data-folder", str(tmp_path))
    assert "--download fetches" in line


def test_arguments_that_are_no_options_stay() -> None:
    options = {"batch": ["--batch"], "flip": ["--flip", "--no-flip"]}
    assert in_words_of(options, 'pass layout="NHWC", batch=2 or flip=False.') == (
        'pass layout="NHWC", --batch 2 or --no-flip.'
    )
    assert in_words_of(options, "conv2d: x must be an array", command="compare") == "conv2d: x must be an array"
    assert in_words_of(options, "LeNet5: x must be", command="train") == "LeNet5: x must be"
    assert in_words_of({}, "Pass resume=True.") == "Pass resume=True."
    assert in_words_of({}, "net.py: no such file", command="check") == "net.py: no such file"
    assert in_words_of({}, "Trainer.fit: it must", command="train") == "train: it must"
    assert in_words_of({}, "onnx.load: it must", command="summary") == "summary: it must"


def test_what_can_take_long_can_be_quick_and_says_who_computes() -> None:
    known = {name: {word for each in command.params for word in each.opts} for name, command in COMMANDS.items()}
    assert {name for name, words in known.items() if "--quick" in words} == LONG
    assert {name for name, words in known.items() if "--backend" in words} == OF_ANY_BACKEND


def test_the_quick_cases_are_cases() -> None:
    from fastconv.dropin.check.examination import names_of_cases

    assert set(QUICK) < set(names_of_cases())
