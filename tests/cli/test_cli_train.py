"""``fastconv train``, for real: its table, its files, its errors and its exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from light_commands import printed_by
from programs import CLEARED, ROOT, patience

from fastconv.layers import load_state

pytest.importorskip("typer")
pytest.importorskip("sklearn")

from fastconv import cli
from fastconv.cli.choices import words
from fastconv.cli.train_parts import (
    Plan,
    default_model,
    learning_rate,
    make_augment,
    make_schedule,
    parse_schedule,
)
from fastconv.models import by_name
from fastconv.optim import SGD
from fastconv.training import Progress, Trainer

MODEL = """
from fastconv.layers import Flatten, Linear, Sequential

def make(input_shape, classes, rng):
    channels, height, width = input_shape
    return Sequential(Flatten(), Linear(channels * height * width, classes, rng=rng))

wrong = Sequential(Flatten(), Linear(63, 10, rng=0))
few = Sequential(Flatten(), Linear(64, 3, rng=0))
"""


@pytest.fixture
def small(tmp_path: Path) -> list[str]:
    """Arguments of a run that takes no time."""
    (tmp_path / "net.py").write_text(MODEL, encoding="ascii")
    return ["train", "--model", f"{tmp_path / 'net.py'}:make", "--backend", "numpy", "--epochs", "2", "--lr", "0.01"]


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["fastconv", *arguments])
    return cli.main()


def start(*arguments: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name not in CLEARED}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    return subprocess.Popen(
        [sys.executable, "-m", "fastconv", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


@pytest.mark.slow
def test_alone_it_trains_the_digits_past_97_percent() -> None:
    process = start("train")
    out, err = process.communicate(timeout=patience())
    assert process.returncode == 0, err
    assert err == ""
    accuracy = re.search(r"test accuracy ([\d.]+)% \(loss [\d.]+\) on 359 images; [\d,]+ images/s, [\d.]+ s", out)
    assert accuracy is not None, out
    assert float(accuracy[1]) >= 97.0
    assert len(re.findall(r"^ +\d+ +[\d.]+ +[\d.]+% +[\d.]+ +[\d.]+% ", out, re.MULTILINE)) == 10


def test_help_imports_no_numba() -> None:
    assert "--checkpoint" in printed_by("train", "--help")


def test_every_file_and_every_option(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    files = {name: str(tmp_path / f"out{name}") for name in (".npz", ".png", ".json", ".html")}
    code = command(
        monkeypatch,
        *small,
        *("--optimizer", "sgd", "--schedule", "cosine", "--warmup", "1", "--augment", "flip,shift,crop"),
        *("--validation", "0.2", "--no-normalise", "--early-stop", "5", "--threads", "1", "--weight-decay", "0.0001"),
        *("--checkpoint", str(tmp_path / "run"), "--checkpoint-every", "7", "--seed", "3", "--batch-size", "64"),
        *("--save", files[".npz"], "--plot", files[".png"], "--json", files[".json"]),
        *("--html", files[".html"], "--drop-last"),
    )
    out = capsys.readouterr().out
    assert code == 0
    assert "650 parameters" in out
    assert "SGD(2 parameters, lr=" in out
    values = json.loads(Path(files[".json"]).read_text(encoding="utf-8"))
    assert len(values["epochs"]) == 2
    assert len(values["step_losses"]) == 2 * (1150 // 64)
    assert 0 < values["test"]["accuracy"] <= 1
    assert load_state(files[".npz"])["1.weight"].shape == (10, 64)
    assert Path(files[".png"]).read_bytes().startswith(b"\x89PNG")
    assert command(monkeypatch, "report", files[".json"]) == 0
    assert f"test accuracy {values['test']['accuracy']:.2%}" in capsys.readouterr().out
    assert ">Epochs</h2>" in Path(files[".html"]).read_text(encoding="utf-8")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["best.npz", "last.npz"]


def test_json_on_stdout_is_alone_there(
    monkeypatch: pytest.MonkeyPatch, small: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, *small, "--json", "-") == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["test"]["accuracy"] > 0.5
    assert "test accuracy" in shown.err


def test_a_quick_run_is_an_epoch_of_twenty_steps_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    file, arguments = tmp_path / "history.json", [word for word in small if word not in ("--epochs", "2")]
    assert command(monkeypatch, *arguments, "--quick", "--batch-size", "4", "--json", str(file)) == 0
    assert re.search(r": 8\d images 1x8x8 float32, 10 classes\), a part for --quick", capsys.readouterr().out)
    values = json.loads(file.read_text(encoding="utf-8"))
    assert (len(values["epochs"]), len(values["step_losses"])) == (1, 20)
    assert command(monkeypatch, *small, "--quick", "--json", str(file)) == 0
    assert len(json.loads(file.read_text(encoding="utf-8"))["epochs"]) == 2  # as they were asked for


def test_the_same_seed_gives_the_same_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small: list[str]) -> None:
    for name in ("a.npz", "b.npz"):
        assert command(monkeypatch, *small, "--seed", "4", "--save", str(tmp_path / name)) == 0
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize(("method", "epochs", "steps"), [("fit", 0, 3), ("fit", 1, 43), ("evaluate", 1, 41)])
def test_ctrl_c_keeps_the_files_that_were_asked_for(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    small: list[str],
    capsys: pytest.CaptureFixture[str],
    method: str,
    epochs: int,
    steps: int,
) -> None:
    """In the first epoch, in the second one, and while the test images are measured."""
    pytest.importorskip("matplotlib")
    original = getattr(Trainer, method)

    def stopped(trainer: Trainer, *arguments: Any, **options: Any) -> Any:
        if method == "evaluate" and arguments[0].name != "digits test":
            return original(trainer, *arguments, **options)
        if method == "evaluate":
            raise KeyboardInterrupt
        return original(trainer, *arguments, **{**options, "progress": stop_after})

    def stop_after(progress: Progress) -> None:
        if (progress.epoch - 1) * progress.steps + progress.step == steps and progress.record is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, method, stopped)
    files = {option: tmp_path / name for option, name in (("save", "a.npz"), ("plot", "a.svg"), ("json", "a.json"))}
    words = [word for option, file in files.items() for word in (f"--{option}", str(file))]
    assert command(monkeypatch, *small, "--epochs", str(max(epochs, 1) + (method == "fit")), *words) == 130
    out = capsys.readouterr().out.replace("\n", "")
    assert f"stopped; {files['save']} has the network of the last step" in out
    assert set(load_state(files["save"])) == {"1.weight", "1.bias"}
    history = json.loads(files["json"].read_text(encoding="utf-8"))
    assert (len(history["epochs"]), len(history["step_losses"]), history["test"]) == (epochs, steps, None)
    for option in ("plot", "json"):
        assert f"stopped; {files[option]} has the run so far" in out
    assert "<svg" in files["plot"].read_text(encoding="utf-8")


def test_ctrl_c_before_the_first_step_draws_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")

    def stopped(trainer: Trainer, *arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "fit", stopped)
    assert command(monkeypatch, *small, "--plot", str(tmp_path / "a.png")) == 130
    assert "a.png" not in capsys.readouterr().out
    assert not (tmp_path / "a.png").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_ctrl_c_and_resume(tmp_path: Path, small: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = [*small, "--epochs", "60", "--checkpoint", str(tmp_path / "run")]
    process = start(*arguments)
    assert process.stdout is not None
    for line in process.stdout:
        if re.match(r" +2 ", line):  # the second epoch is done
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=patience())
    assert process.returncode == 130, err
    assert "fastconv: interrupted" in err
    assert "--resume goes on from" in out
    assert command(monkeypatch, *arguments, "--resume", "--save", str(tmp_path / "resumed.npz")) == 0
    assert command(monkeypatch, *small, "--epochs", "60", "--save", str(tmp_path / "whole.npz")) == 0
    assert (tmp_path / "resumed.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


def test_a_resumed_run_shows_its_earlier_epochs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ["--checkpoint", str(tmp_path / "run")]
    assert command(monkeypatch, *small, *folder) == 0
    capsys.readouterr()
    assert command(monkeypatch, *small, *folder, "--resume", "--epochs", "3") == 0
    assert re.findall(r"^ +(\d) ", capsys.readouterr().out, re.MULTILINE) == ["1", "2", "3"]
    assert command(monkeypatch, *small, *folder) == 1
    assert "Pass --resume" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("extra", "code", "words"),
    [
        (["nothing"], 1, "DATASET must be one of digits, mnist, cifar10"),
        (["--model", "transformer"], 2, "--model must be one of digits, lenet5"),
        (["--model", "missing.py"], 1, "no such Python file"),
        (["--model", "{net}:wrong"], 1, "the model must take the images, (1, 8, 8), but it does not: Linear"),
        (["--model", "{net}:few"], 1, "one column for each class, but got shape ('N', 3) for labels up to 9"),
        (["--model", "lenet5"], 1, "LeNet5"),
        (["--backend", "cuda"], 2, "--backend must be one of fast, numpy, naive, but got 'cuda'."),
        (["--resume"], 2, "--resume and --checkpoint-every need --checkpoint"),
        (["--checkpoint-every", "3"], 2, "need --checkpoint"),
        (["--save", "{folder}/w.pt"], 2, "--save must end in .npz or .safetensors"),
        (["--save", "{folder}/nowhere/w.npz"], 1, "No such file or directory"),
        (["--plot", "{folder}/p.gif"], 2, "must end in .pdf, .png, .svg"),
        (["--plot", "{folder}/nowhere/p.png"], 1, "No such file or directory"),
        (["--json", "{folder}/nowhere/j.json"], 1, "No such file or directory"),
        (["--checkpoint", "{net}/run"], 1, "net.py"),
        (["--augment", "flip,mixup"], 2, "--augment must be some of flip, shift, crop"),
        (["--augment", "flip,flip"], 2, "must be some of flip, shift, crop, each of them once"),
        (["--schedule", "step"], 2, "must be constant, cosine, step:EPOCHS"),
        (["--warmup", "2"], 2, "must be fewer epochs than --epochs, 2, but got 2"),
        (["--optimizer", "lbfgs"], 2, "lbfgs"),
        (["--lr", "-1"], 1, "lr must be positive"),
        (["--drop-last", "--batch-size", "5000"], 1, "--batch-size must be at most the"),
        (["--validation", "1.5"], 2, "--validation must be at most 0.9, but got 1.5."),
        (["--data-folder", "x"], 1, "--data-folder must not be given for 'digits'"),
    ],
)
def test_errors_in_words_before_the_work(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    small: list[str],
    capsys: pytest.CaptureFixture[str],
    extra: list[str],
    code: int,
    words: str,
) -> None:
    given = [text.format(net=tmp_path / "net.py", folder=tmp_path) for text in extra]
    options = ["--save", str(tmp_path / "w.npz")] if "--save" not in given else []
    assert command(monkeypatch, *small, *options, *given) == code
    shown = capsys.readouterr()
    assert words in shown.err
    assert len(shown.err.splitlines()) == 1
    assert not re.search(r"^ +1 ", shown.out, re.MULTILINE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.py"]


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("constant", Plan("constant")),
        ("cosine", Plan("cosine")),
        ("step:30", Plan("step", (30,))),
        ("step:30:0.5", Plan("step", (30,), 0.5)),
        ("milestones:3,5", Plan("milestones", (3, 5))),
        ("milestones:80,120:0.2", Plan("milestones", (80, 120), 0.2)),
        ("exponential:0.95", Plan("exponential", (), 0.95)),
    ],
)
def test_schedules_in_words(text: str, plan: Plan) -> None:
    assert parse_schedule("--schedule", text) == plan
    optimizer = SGD(by_name("digits", rng=0).parameters(), lr=0.5)
    for warmup in (0, 2):
        schedule = make_schedule(plan, warmup, optimizer, 9, 5)
        if schedule is None:
            assert (plan.name, warmup) == ("constant", 0)
        else:
            assert schedule.lr_at(0.5, 5 * warmup) == 0.5
            assert (schedule.lr_at(0.5, 0) < 0.5) == bool(warmup)


def test_schedules_count_the_steps_of_an_epoch() -> None:
    optimizer = SGD(by_name("digits", rng=0).parameters(), lr=1.0)

    def rates(text: str, epochs: int = 4) -> list[float]:
        schedule = make_schedule(parse_schedule("--schedule", text), 0, optimizer, epochs, 5)
        assert schedule is not None
        return [schedule.lr_at(1.0, 5 * epoch) for epoch in range(epochs + 1)]

    assert rates("exponential:0.5") == [1, 0.5, 0.25, 0.125, 0.0625]
    assert rates("step:2:0.5") == [1, 1, 0.5, 0.5, 0.25]
    assert rates("milestones:1,3:0.5") == [1, 0.5, 0.5, 0.25, 0.25]
    assert rates("cosine", 2)[::2] == [1, 0]


@pytest.mark.parametrize("text", ["", "cosine:3", "step:a", "step:3,4", "exponential", "exponential:x", "linear"])
def test_schedules_that_are_refused(text: str) -> None:
    with pytest.raises(Exception, match="must be constant, cosine"):
        parse_schedule("--schedule", text)


def test_the_network_says_the_rate_and_other_optimisers_take_theirs_in_proportion() -> None:
    assert learning_rate("adam", "digits") == 2e-3
    assert learning_rate("adam", "three-layer") == 1e-3
    assert learning_rate("sgd", "digits") == learning_rate("sgd", "net.py:make") == 0.05
    assert learning_rate("sgd", "vgg16") == pytest.approx(0.05 / 20)


def test_augmentation_in_words() -> None:
    assert make_augment((), (1, 8, 8)) is None
    assert repr(make_augment(words("crop, flip"), (3, 32, 24))) == (
        "Compose(RandomCrop(size=(32, 24), padding=(4, 3), mode='constant'), RandomFlip(p=0.5))"
    )


@pytest.mark.parametrize(
    ("shape", "name"),
    [((1, 8, 8), "digits"), ((3, 9, 40), "digits"), ((1, 28, 28), "lenet5"), ((3, 32, 32), "vgg-small")],
)
def test_a_network_that_fits(shape: tuple[int, int, int], name: str) -> None:
    assert default_model(shape) == name
    model = by_name(name, input_shape=shape, classes=7, rng=0)
    assert model.output_shape((2, *shape)) == (2, 7)
