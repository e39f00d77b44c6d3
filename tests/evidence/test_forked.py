"""Functions in a forked child: their result comes back, and whatever else they do is not seen here."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fastconv.evidence import forked
from fastconv.evidence.forked import CAN_FORK, call_in_child
from fastconv.evidence.watchdog import EndedError, NotEndedError

LONG = 300.0  # seconds; nothing here comes near it

pytestmark = [
    pytest.mark.skipif(not CAN_FORK, reason="this system cannot fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def no_child_is_left() -> Iterator[None]:
    yield
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_closure_gives_its_result() -> None:
    x = np.arange(200_000.0).reshape(2, -1)
    found, pid = call_in_child(lambda: (x * 2, os.getpid()), LONG)
    np.testing.assert_array_equal(found, x * 2)
    assert pid != os.getpid()


def test_what_it_changes_is_not_changed_here() -> None:
    seen: list[int] = []
    assert call_in_child(lambda: (seen.append(1), len(seen))[1], LONG) == 1
    assert seen == []


def test_what_it_raises_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError, match="division"):
        call_in_child(lambda: 1 // 0, LONG)


def test_an_exception_that_cannot_be_sent_is_told() -> None:
    class TwoArgumentsError(Exception):
        def __init__(self, one: int, other: int) -> None:
            super().__init__(f"{one} and {other}")

    def fail() -> None:
        raise TwoArgumentsError(1, 2)

    with pytest.raises(RuntimeError, match="TwoArgumentsError: 1 and 2"):
        call_in_child(fail, LONG)


def endless() -> None:
    while True:
        pass


@pytest.mark.parametrize("function", [endless, lambda: time.sleep(LONG)])
def test_an_endless_loop_is_ended(function: object) -> None:
    start = time.monotonic()
    with pytest.raises(NotEndedError, match=r"it did not end within 0\.2 s"):
        call_in_child(function, 0.2)  # type: ignore[arg-type]
    assert time.monotonic() - start < LONG


def test_it_says_where_an_endless_loop_is() -> None:
    line = endless.__code__.co_firstlineno
    with pytest.raises(NotEndedError, match=rf"within 0.2 s \(endless, line ({line + 1}|{line + 2})\)"):
        call_in_child(endless, 0.2)


def crash() -> None:
    ctypes.string_at(0)


def leave() -> None:
    sys.exit(4)


@pytest.mark.parametrize(
    ("function", "said", "code"),
    [
        (crash, rf"ended by SIGSEGV, a .* \(crash, line {crash.__code__.co_firstlineno + 1}\)", -signal.SIGSEGV),
        (leave, "it ended its process with exit code 4", 4),
        (lambda: os._exit(3), "it ended its process with exit code 3", 3),
        (lambda: os._exit(0), "it ended its process with exit code 0", 0),
        (lambda: sys.exit(), "it ended its process with exit code 0", 0),
        (lambda: sys.exit("no"), "it ended its process with exit code 1", 1),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "ended by SIGKILL", -signal.SIGKILL),
    ],
)
def test_how_it_ended_the_process(function: object, said: str, code: int) -> None:
    with pytest.raises(EndedError, match=said) as error:
        call_in_child(function, LONG)  # type: ignore[arg-type]
    assert error.value.code == code


def test_files_and_terminals_are_not_written_or_read(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "file.txt"
    path.write_text("first\n" + 10_000 * "x")
    with path.open("r+") as file:
        assert file.readline() == "first\n"
        place = os.lseek(file.fileno(), 0, os.SEEK_CUR)

        def use() -> int:
            file.write("written" * 10_000)
            file.flush()
            print("printed", flush=True)
            os.write(2, b"written")
            return len(os.read(0, 10))

        assert call_in_child(use, LONG) == 0
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == place
    assert path.read_text() == "first\n" + 10_000 * "x"
    assert tuple(capfd.readouterr()) == ("", "")


def test_what_it_starts_is_ended_with_it(tmp_path: Path) -> None:
    """A grandchild that never ends."""
    path = tmp_path / "pid"

    def start() -> None:
        child = os.fork()
        if child == 0:
            time.sleep(LONG)
            os._exit(0)
        path.write_text(str(child))
        os._exit(7)

    with pytest.raises(EndedError, match="exit code 7"):
        call_in_child(start, LONG)
    for _ in range(1000):
        state = Path(f"/proc/{path.read_text()}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":  # nobody may wait for it
            return
        time.sleep(0.01)
    raise AssertionError("the grandchild goes on")


def test_a_child_ends_that_nobody_is_left_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked, "_ORPHAN", 0.001)  # of the limit
    with pytest.raises(EndedError, match="ended by SIGALRM"):
        call_in_child(endless, LONG)


def test_waiting_for_a_processor_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    start = time.monotonic()
    monkeypatch.setattr(forked, "_queued", lambda _: time.monotonic() - start)
    assert call_in_child(lambda: (time.sleep(0.5), 1)[1], 0.1) == 1


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="this system does not tell")
def test_the_system_tells_how_long_a_process_waited() -> None:
    assert 0 <= forked._queued(os.getpid()) < LONG
    assert forked._queued(2**30) == 0


@pytest.mark.slow
def test_pytorch_goes_on() -> None:
    torch = pytest.importorskip("torch", reason="it has threads that a child does not have")

    def product() -> float:
        return float((torch.ones(1000, 1000) @ torch.ones(1000, 300)).sum())

    assert product() == call_in_child(product, LONG) == 3e8


def test_several_threads_at_once() -> None:
    found: dict[int, int] = {}

    def call(i: int) -> None:
        found[i] = call_in_child(lambda: i * i, LONG)

    threads = [threading.Thread(target=call, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {i: i * i for i in range(8)}


def test_ctrl_c_ends_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pid"

    def interrupted(*_: object) -> None:
        while not path.exists() or not path.read_text():
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(forked, "_wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        call_in_child(lambda: (path.write_text(str(os.getpid())), time.sleep(LONG)), LONG)
    with pytest.raises(ProcessLookupError):
        os.kill(int(path.read_text()), 0)
