"""The proof of `accelerate` in a process of its own: code that never ends, crashes or leaves traces does no harm."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import loop_code
import numpy as np
import pytest
from loop_code import bound, changed, load
from strategies import BACKENDS

import fastconv as fc
from fastconv.dropin.accelerate import isolated
from fastconv.errors import AccelerationWarning, InvalidTypeError, InvalidValueError
from fastconv.evidence.forked import CAN_FORK
from fastconv.evidence.watchdog import EndedError

forks = pytest.mark.skipif(not CAN_FORK, reason="this system cannot fork")

CONV = """
import ctypes, os, sys, time
import numpy as np

calls = []

def conv2d(x, w):
    {harm}
    rows, columns = (a - b + 1 for a, b in zip(x.shape, w.shape))
    y = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            y[i, j] = np.sum(x[i : i + w.shape[0], j : j + w.shape[1]] * w)
    return y
"""
JITTED = """
import numba
import numpy as np

@numba.njit
def conv2d(x, w):
    y = np.zeros((x.shape[0] - w.shape[0] + 1, x.shape[1] - w.shape[1] + 1))
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            for k in range(w.shape[0]):
                for m in range(w.shape[1]):
                    y[i, j] += x[i + k, j + m] * w[k, m]
    return y
"""


def conv(monkeypatch: pytest.MonkeyPatch, harm: str) -> Any:
    return load(monkeypatch, CONV.replace("{harm}", harm))


@forks
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("while True: pass", r"when conv2d was tried, it did not end within 1 s \(conv2d, line 8\); if it is slow"),
        ("time.sleep(1000)", r"when conv2d was tried, it did not end within 1 s \(conv2d, line 8\)"),
        ("os._exit(3)", "when conv2d was tried, it ended its process with exit code 3"),
        ("sys.exit(3)", "it raised SystemExit|it ended its process with exit code 3"),
        ("ctypes.string_at(0)", r"ended by SIGSEGV, a segmentation fault \(conv2d, line 8\)"),
        ("os.kill(os.getpid(), 9)", "ended by SIGKILL, as the system does when memory runs out"),
    ],
)
def test_what_does_not_come_to_an_end_is_left(harm: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = conv(monkeypatch, harm)
    before = bound(module)
    with pytest.warns(AccelerationWarning, match=said):
        accelerated = fc.accelerate(module, time_limit=1)
    assert list(accelerated.refused) == ["conv2d"]
    assert bound(module) == before


@forks
def test_the_other_functions_of_a_module_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    first = "def max_pool_forward_naive(x, pool_param):\n"
    module = load(monkeypatch, changed(loop_code.CS231N, (first, first + "    __import__('os')._exit(5)\n")))
    accelerated = fc.accelerate(module, on_mismatch="skip")
    assert set(accelerated.refused) == {"max_pool_forward_naive", "max_pool_backward_naive"}
    assert {"conv_forward_naive", "conv_backward_naive"} <= set(accelerated)


@forks
def test_nothing_of_the_caller_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Counters, globals, a file that is open, the terminal, the folder, the environment."""
    harm = (
        "calls.append(1); os.chdir('/'); os.environ['TRACE'] = 'x'; log.write('line'); log.flush(); os.write(1, b'x')"
    )
    module = conv(monkeypatch, harm)
    monkeypatch.chdir(tmp_path)
    with Path("log.txt").open("w") as module.log:
        assert list(fc.accelerate(module, on_mismatch="raise")) == ["conv2d"]
    assert module.calls == []
    assert Path("log.txt").read_text() == ""
    assert "TRACE" not in os.environ
    assert tuple(capfd.readouterr()) == ("", "")
    assert Path.cwd() == tmp_path


@pytest.mark.parametrize("fork", [pytest.param(True, marks=forks), False])
def test_a_closure_is_proven(fork: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be pickled: what is sent back are findings."""
    monkeypatch.setattr(isolated, "CAN_FORK", fork)
    sign = 1.0

    def conv2d(x: Any, w: Any) -> Any:
        rows, columns = (a - b + 1 for a, b in zip(x.shape, w.shape))
        kernel = w * sign
        cells = [[(x[i : i + len(w), j : j + len(w[0])] * kernel).sum() for j in range(columns)] for i in range(rows)]
        return np.array(cells)

    fast = fc.accelerate(conv2d, on_mismatch="raise")
    np.testing.assert_allclose(fast(np.ones((3, 4)), np.ones((2, 2))), np.full((2, 3), 4.0))
    assert list(fast) == ["conv2d"]


@forks
@pytest.mark.slow
@pytest.mark.skipif("fast" not in BACKENDS, reason="jitted functions need Numba")
def test_a_jitted_function_is_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, JITTED)
    original = module.conv2d
    assert list(fc.accelerate(module, on_mismatch="raise")) == ["conv2d"]
    assert original.signatures == []  # compiled in the child alone


@forks
def test_in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    modules = [load(monkeypatch, CONV.replace("{harm}", "calls.append(1)"), f"module_{i}") for i in range(4)]
    threads = [threading.Thread(target=fc.accelerate, args=(module,)) for module in modules]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(hasattr(module.conv2d, "__wrapped__") and module.calls == [] for module in modules)


@pytest.mark.parametrize(
    ("harm", "said"), [("while True: pass", r"did not end within 1 s\."), ("sys.exit(3)", "exit code 3")]
)
def test_an_example_that_does_not_come_to_an_end(harm: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = conv(monkeypatch, harm)
    with pytest.raises(InvalidValueError, match=f"must come to an end, but when it was tried, it .*{said}"):
        fc.accelerate(module.conv2d, (np.ones((5, 6)), np.ones((2, 3))), time_limit=1)


# Where no child can be forked.


def test_an_endless_loop_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "CAN_FORK", False)
    module = conv(monkeypatch, "while True: pass")
    with pytest.warns(AccelerationWarning, match="when conv2d was tried, it did not end within 1 s"):
        fc.accelerate(module, time_limit=1)
    assert not hasattr(module.conv2d, "__wrapped__")


def test_in_this_process_nothing_is_printed_or_drawn(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(isolated, "CAN_FORK", False)
    module = conv(monkeypatch, "print('x'); np.random.rand()")
    np.random.seed(3)  # noqa: NPY002
    wanted = np.random.rand()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    assert list(fc.accelerate(module, on_mismatch="raise")) == ["conv2d"]
    assert np.random.rand() == wanted  # noqa: NPY002
    assert tuple(capsys.readouterr()) == ("", "")


def test_what_cannot_be_done_in_a_child_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numba ends a child that enters a parallel region of an OpenMP that its parent has used."""

    def ended(*_: Any) -> Any:
        raise EndedError("its process was ended by SIGTERM", -15)

    monkeypatch.setattr(isolated, "CAN_FORK", True)
    monkeypatch.setattr(isolated, "call_in_child", ended)
    module = conv(monkeypatch, "calls.append(1)")
    assert list(fc.accelerate(module, on_mismatch="raise")) == ["conv2d"]
    assert module.calls


@pytest.mark.parametrize(
    ("limit", "error", "message"),
    [
        (0, InvalidValueError, "accelerate: time_limit must be at least 0.1, but got 0"),
        (float("inf"), InvalidValueError, "accelerate: time_limit must be a finite number"),
        ("60", InvalidTypeError, "accelerate: time_limit must be a number"),
    ],
)
def test_bad_limits(limit: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fc.accelerate(loop_code, time_limit=limit)
