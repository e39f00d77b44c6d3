"""The engine under several Python threads, in forked children, and over thread counts: right, and to the same bit.

Each program runs in a process of its own, so that an abort or a hang is one failed test.
"""

from __future__ import annotations

import importlib
import json
import os
from typing import Any

import numpy as np
import pytest
from programs import run
from strategies import BACKENDS, normal

import fastconv as fc

ENGINE = "fast"

pytestmark = pytest.mark.skipif(ENGINE not in BACKENDS, reason="the fast backend needs Numba")
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

LAYERS = {"workqueue": "workqueue", "omp": "omppool", "tbb": "tbbpool"}


@pytest.fixture(params=["default", *LAYERS])
def environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """Four threads, in each of Numba's threading layers that this machine has."""
    chosen = {"FASTCONV_BACKEND": ENGINE, "NUMBA_NUM_THREADS": "4"}
    if request.param == "default":
        return chosen
    try:
        importlib.import_module(f"numba.np.ufunc.{LAYERS[request.param]}")
    except ImportError as error:
        pytest.skip(f"Numba has no threading layer {request.param} here: {error}")
    return {**chosen, "NUMBA_THREADING_LAYER": request.param}


THREADS = """
    import threading
    import fastconv as fc
    from engine_work import digests

    found, errors, barrier = [], [], threading.Barrier(6, timeout=120)

    def work(i):
        try:
            barrier.wait()
            for _ in range(ROUNDS):
                with fc.use_num_threads(COUNT(i)):
                    found.append(digests())
        except BaseException as error:
            errors.append(repr(error))
            raise

    if WARM:
        digests()
    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert not errors, errors
    assert len(found) == 6 * ROUNDS
    expected = digests()
    for each in found:
        assert each == expected, [name for name in expected if each[name] != expected[name]]
"""


def threads_program(warm: bool, rounds: int, count: str) -> str:
    return THREADS.replace("WARM", str(warm)).replace("ROUNDS", str(rounds)).replace("COUNT(i)", count)


@pytest.mark.slow
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_several_python_threads_at_once(environment: dict[str, str], warm: bool) -> None:
    run(threads_program(warm, 3, "4"), **environment)


@pytest.mark.slow
def test_several_python_threads_with_their_own_thread_counts(environment: dict[str, str]) -> None:
    run(threads_program(True, 3, "i % 4 + 1"), **environment)


FORK = """
    import os, signal, sys, threading, warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
    import fastconv as fc
    from engine_work import digests

    def child_agrees(expected):
        pid = os.fork()
        if pid == 0:
            signal.alarm(100)  # a child that hangs ends
            try:
                same = digests() == expected and digests() == expected
                os._exit(0 if same else 3)
            except BaseException as error:
                print(repr(error), file=sys.stderr, flush=True)
                os._exit(4)
        status = os.waitpid(pid, 0)[1]
        assert status == 0, f"the child ended with status {status}"
"""


@forks
def test_a_forked_child_works(environment: dict[str, str]) -> None:
    program = """
    expected = digests()  # the parent has used its threads
    child_agrees(expected)
    assert digests() == expected  # and still can
    child_agrees(expected)
    """
    run(FORK + program, **environment)


@pytest.mark.slow
@forks
def test_a_child_forked_before_the_first_call_works(environment: dict[str, str]) -> None:
    program = """
    with fc.use_backend("numpy"):
        digests()
    import json, subprocess
    expected = json.loads(subprocess.check_output(
        [sys.executable, "-c", "import json; from engine_work import digests; print(json.dumps(digests()))"]))
    child_agrees(expected)
    """
    run(FORK + program, **environment)


@pytest.mark.slow
@forks
def test_a_child_of_a_child_works(environment: dict[str, str]) -> None:
    program = """
    expected = digests()
    pid = os.fork()
    if pid == 0:
        signal.alarm(150)
        digests()
        child_agrees(expected)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    """
    run(FORK + program, **environment)


@pytest.mark.slow
@forks
def test_a_child_forked_while_another_thread_computes_works(environment: dict[str, str]) -> None:
    program = """
    expected = digests()
    stop, busy, wrong = threading.Event(), threading.Event(), []

    def compute():
        while not stop.is_set():
            busy.set()
            if digests() != expected:
                wrong.append(1)

    thread = threading.Thread(target=compute)
    thread.start()
    busy.wait()
    try:
        for _ in range(4):
            child_agrees(expected)
    finally:
        stop.set()
        thread.join()
    assert not wrong
    """
    run(FORK + program, **environment)


@pytest.mark.slow
@forks
def test_a_forked_pool_works(environment: dict[str, str]) -> None:
    program = """
    import multiprocessing
    expected = digests()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for found in [pool.apply_async(digests) for _ in range(4)]:
            assert found.get(timeout=100) == expected
    """
    run(FORK + program, **environment)


# To the last bit.

COUNTS = """
    import json
    import fastconv as fc
    from engine_work import digests
    found = {}
    for dtype in ("float32", "float64", "float16"):
        for n in (4, 1, 2, 3):
            with fc.use_num_threads(n):
                found[f"{dtype} {n}"] = digests(dtype)
        fc.set_num_threads(2)
        found[f"{dtype} set"] = digests(dtype)
    print(json.dumps(found))
"""


def counted(**environment: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(run(COUNTS, FASTCONV_BACKEND=ENGINE, **environment))
    return found


def test_thread_counts_and_runs_change_no_bit() -> None:
    found = counted(NUMBA_NUM_THREADS="4")
    for name, digests in found.items():
        expected = found[f"{name.split()[0]} 1"]
        assert digests == expected, (name, [key for key in expected if digests[key] != expected[key]])
    assert counted(NUMBA_NUM_THREADS="4") == found


@pytest.mark.slow
def test_threading_layers_change_no_bit(environment: dict[str, str]) -> None:
    program = "import json; from engine_work import digests; print(json.dumps(digests()))"
    expected = json.loads(run(program, FASTCONV_BACKEND=ENGINE, NUMBA_NUM_THREADS="1"))
    assert json.loads(run(program, **environment)) == expected


def shifted(array: Any, bytes_: int) -> Any:
    """A copy that starts `bytes_` past a boundary of 64."""
    raw = np.zeros(array.nbytes + 128, np.uint8)
    start = -raw.ctypes.data % 64 + bytes_
    copy = raw[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    assert copy.ctypes.data % 64 == bytes_ % 64
    return copy


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shift", [1, 4, 8, 12, 16, 32, 60])
def test_alignment_changes_no_bit(dtype: str, shift: int) -> None:
    x, weight = normal((2, 17, 13, 11), 0, dtype), normal((19, 17, 3, 2), 1, dtype)
    y = fc.conv2d(x, weight, padding=1, backend=ENGINE)
    dy = normal(y.shape, 2, dtype)
    arrays = (dy, x, weight)
    expected = [y, *fc.conv2d_backward(*arrays, padding=1, backend=ENGINE), fc.avg_pool2d(x, 3, backend=ENGINE)]
    dy, x, weight = (shifted(array, shift) for array in arrays)
    found = [fc.conv2d(x, weight, padding=1, backend=ENGINE)]
    found += [*fc.conv2d_backward(dy, x, weight, padding=1, backend=ENGINE), fc.avg_pool2d(x, 3, backend=ENGINE)]
    assert [a.tobytes() for a in found] == [a.tobytes() for a in expected]


def test_repeated_calls_change_no_bit() -> None:
    x, weight = normal((3, 17, 23, 21), 0, "float32"), normal((19, 17, 3, 3), 1, "float32")
    dy = normal((3, 19, 21, 19), 2, "float32")
    runs = [[a.tobytes() for a in fc.conv2d_backward(dy, x, weight, backend=ENGINE)] for _ in range(20)]
    assert all(each == runs[0] for each in runs)
