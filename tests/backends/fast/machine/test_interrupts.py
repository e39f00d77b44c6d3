"""Ctrl-C in the first calls: it ends them, after the import or the compilation that runs, and the next call is right.

Found by interrupting first calls at random moments: of 46 processes one crashed, two could not compute any more, three
had kernels without code, and five interrupts vanished in callbacks.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from programs import FULL, patience, run
from strategies import BACKENDS

from fastconv.backends.interrupts import DeferredInterrupt

posix = pytest.mark.skipif(os.name == "nt", reason="SIGINT reaches the whole console there")


@pytest.fixture(autouse=True)
def default_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def deferred(*actions: Callable[[], object]) -> None:
    with DeferredInterrupt():
        for action in actions:
            action()


def fail() -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize("times", [1, 3])
def test_an_interrupt_waits_and_is_raised_once(times: int) -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        deferred(*[press] * times, lambda: done.append("the block"))
    assert done == ["the block"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    deferred()


def test_an_error_of_the_block_is_raised_and_swallows_no_interrupt() -> None:
    with pytest.raises(ZeroDivisionError):
        deferred(fail)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt) as caught:
        deferred(press, fail)
    assert isinstance(caught.value.__context__, ZeroDivisionError)


def test_the_outermost_block_decides() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        deferred(lambda: deferred(press), lambda: done.append("the outer block"))
    assert done == ["the outer block"]


def test_a_handler_of_ones_own_gets_it_once() -> None:
    calls: list[Any] = []

    def handler(number: int, frame: object) -> None:
        calls.append((number, type(frame).__name__))

    signal.signal(signal.SIGINT, handler)
    deferred(press, press, lambda: calls.append("the block"))
    assert calls == ["the block", (signal.SIGINT, "frame")]
    assert signal.signal(signal.SIGINT, signal.default_int_handler) is handler


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_a_handler_that_is_not_of_python_stays(handler: Any) -> None:
    signal.signal(signal.SIGINT, handler)
    with DeferredInterrupt():
        inside = signal.getsignal(signal.SIGINT)
    assert (inside, signal.signal(signal.SIGINT, signal.default_int_handler)) == (handler, handler)


def test_a_handler_of_c_code_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(signal, "getsignal", lambda _: None)
        patch.setattr(signal, "signal", lambda *_: pytest.fail("it cannot be put back"))
        deferred()


def test_another_thread_changes_nothing() -> None:
    found: list[Any] = []

    def work() -> None:
        with DeferredInterrupt():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]


@posix
def test_a_handler_of_asyncio_is_called_once() -> None:
    """It is called by the wakeup file descriptor, which gets its byte at once, and not by the handler."""
    calls: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, calls.append, "interrupted")
        deferred(press)
        assert calls == []
        await asyncio.sleep(0.05)
        loop.remove_signal_handler(signal.SIGINT)

    asyncio.run(main())
    assert calls == ["interrupted"]


@posix
@pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")
def test_who_waits_for_another_thread_to_compile_is_interrupted_at_once() -> None:
    from fastconv.backends.fast.machine import jit

    held, enough = threading.Event(), threading.Event()

    def compile_for_long() -> None:
        with jit.LOCK:
            held.set()
            enough.wait(patience())

    thread = threading.Thread(target=compile_for_long)
    thread.start()
    held.wait()
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            jit.address_of("never", lambda: None)  # type: ignore[arg-type, return-value]
        assert thread.is_alive()
    finally:
        enough.set()
        thread.join()


# First calls under fire: another thread interrupts at random moments, each time after the last one was answered, until
# everything is imported and compiled. What is compiled when an interrupt comes is on the disk, so the next round gets
# further: all of the import and every compilation is under fire.

PROGRAM = """
    import os, random, signal, threading, time
    import numpy as np
    import fastconv as fc

    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((2, 3, 9, 8)).astype("f"), rng.standard_normal((4, 3, 3, 3)).astype("f")

    def cell(backend=None):
        y = fc.conv2d(x, weight, padding=1, backend=backend)
        best, indices = fc.max_pool2d(y, 2, return_indices=True, backend=backend)
        dy = fc.max_pool2d_backward(best, indices, y.shape, backend=backend)
        found = [y, best, indices, dy]
        if GRADIENTS:
            found += fc.conv2d_backward(dy, x, weight, padding=1, backend=backend)
        return found

    def right(results):
        return all(np.allclose(a, b, atol=1e-4) for a, b in zip(results, expected))

    def interrupt():
        global sent
        moments = random.Random(SEED)
        while True:
            time.sleep(moments.uniform(0, LONGEST))
            if over:
                return
            answered.clear()
            sent += 1
            os.kill(os.getpid(), signal.SIGINT)
            answered.wait()

    def compute():
        beside.append(right(cell()))

    expected = cell("naive")
    answered, over, sent, caught, results, beside = threading.Event(), False, 0, 0, None, []
    threads = [threading.Thread(target=compute) for _ in range(BESIDE)]
    for thread in threads:
        thread.start()
    threading.Thread(target=interrupt, daemon=True).start()
    while results is None:
        try:
            results = cell()
            over = True
            time.sleep(0.2)  # for the last one
        except KeyboardInterrupt:
            caught += 1
            answered.set()
    for thread in threads:
        thread.join()
    assert sent == caught, f"{sent - caught} of {sent} interrupts vanished"
    assert right(results), "the call after an interrupt is wrong"
    assert right(cell()), "a later call is wrong"
    assert beside == [True] * BESIDE, "a call in another thread fails or is wrong"
    print(sent)
"""


def under_fire(folder: Path, seed: int, beside: int, longest: float = 0.4) -> int:
    """Run the first calls under fire, and return the number of interrupts."""
    program = PROGRAM
    for name, value in {"SEED": seed, "BESIDE": beside, "LONGEST": longest, "GRADIENTS": FULL}.items():
        program = program.replace(name, str(value))
    return int(run(program, NUMBA_CACHE_DIR=str(folder), FASTCONV_BACKEND="fast"))


@pytest.mark.slow
@posix
@pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")
def test_first_calls_under_fire(tmp_path: Path) -> None:
    assert under_fire(tmp_path, 0, 0) >= 3


@posix
@pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")
@pytest.mark.skipif(not FULL, reason="the long form: FASTCONV_FULL=1")
def test_a_hundred_interrupts(tmp_path: Path) -> None:
    sent, seed = 0, 0
    while sent < 100:
        seed += 1
        sent += under_fire(tmp_path / str(seed), seed, seed % 3)
        sent += under_fire(tmp_path / str(seed), seed, 0, longest=0.1)  # with the cache that this left
