"""What a run tells while it goes on."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import numpy as np
import pytest
from training_runs import BATCH, images, trainer

from fastconv.layers import Linear
from fastconv.optim import SGD
from fastconv.training import EpochRecord, Progress, Trainer
from fastconv.training import progress as module


def fit(progress: Any, **how: Any) -> Trainer:
    run = trainer()
    run.fit(images(), epochs=2, batch_size=BATCH, progress=progress, **how)
    return run


@pytest.mark.parametrize("progress", [True, print])
def test_a_line_for_each_epoch_where_there_is_no_terminal(progress: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fit(progress, validation=images(20))
    lines = capsys.readouterr().out.splitlines()
    number = r"\d\.\d{4}, accuracy \d+\.\d %"
    assert len(lines) == 2
    for epoch, line in enumerate(lines, 1):
        assert re.fullmatch(rf"epoch {epoch}/2: loss {number}; validation {number}; \d+\.\d s", line)


def test_numbers_have_no_accuracy_in_words() -> None:
    record = EpochRecord(2, 0.25, None, 0.5, None, 0.1, 3.0, 400.0)
    where = (2, 5, 12, 12, 0.25, None, 0.1, 12345.6, 3.2)
    assert str(Progress(*where, record)) == "epoch 2/5: loss 0.2500; validation 0.5000; 3.0 s"
    assert str(Progress(*where, None)) == "epoch 2/5, step 12/12: loss 0.2500, 12,346 images/s, 3 s left"


@pytest.mark.parametrize("progress", [None, False])
def test_nothing_is_said(progress: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fit(progress)
    assert capsys.readouterr() == ("", "")


def test_a_bar_where_there_is_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    console = pytest.importorskip("rich.console").Console
    screen = StringIO()
    terminal = console(file=screen, force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(module, "_console_for_bars", lambda: terminal)
    fit(True)
    assert "━" in screen.getvalue()
    assert re.search(r"━{24} epoch 2/2: loss \d\.\d{4}, accuracy", screen.getvalue())


def test_a_bar_ends_when_the_run_does(monkeypatch: pytest.MonkeyPatch) -> None:
    console = pytest.importorskip("rich.console").Console
    screen = StringIO()
    terminal = console(file=screen, force_terminal=True, width=40)
    monkeypatch.setattr(module, "_console_for_bars", lambda: terminal)
    model = Linear(2, 2, rng=0)
    x = np.full((4, 2), np.nan, np.float32)
    with pytest.raises(FloatingPointError):
        Trainer(model, SGD(model.parameters(), lr=0.1)).fit((x, np.zeros(4, int)), progress=True)
    assert screen.getvalue().endswith("\x1b[?25h")  # the cursor is there again


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(TypeError, match="progress must be True, False or a function, but got 'bar'"):
        fit("bar")
