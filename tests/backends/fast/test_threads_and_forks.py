"""The engine under several Python threads, in forked children, and over thread counts: right, and to the same bit.

An abort or a hang ends one program: there are a few for each threading layer, and each says what it found.
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


@pytest.fixture(scope="module", params=["default", *LAYERS])
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


@pytest.fixture(scope="module")
def expected() -> dict[str, str]:
    """What a process with one thread computes."""
    program = "import json; from engine_work import digests; print(json.dumps(digests()))"
    found: dict[str, str] = json.loads(run(program, FASTCONV_BACKEND=ENGINE, NUMBA_NUM_THREADS="1"))
    return found


# Python threads at once: the results of each of their calls that are not those of a call alone.

THREADS = """
    import json, threading
    import fastconv as fc
    from engine_work import digests

    ROUNDS = 3

    def together(count):
        found, errors, barrier = [], [], threading.Barrier(6)

        def work(i):
            try:
                barrier.wait()
                for _ in range(ROUNDS):
                    with fc.use_num_threads(count(i)):
                        found.append(digests())
            except BaseException as error:
                errors.append(repr(error))
                raise

        threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert not errors, errors
        assert len(found) == 6 * ROUNDS
        return found

    found = {"cold": together(lambda i: 4), "warm": together(lambda i: 4), "own": together(lambda i: i % 4 + 1)}
    expected = digests()
    wrong = {
        name: [[key for key in expected if each[key] != expected[key]] for each in calls]
        for name, calls in found.items()
    }
    print(json.dumps([expected, wrong]))
"""

Threads = tuple[dict[str, str], dict[str, list[list[str]]]]


@pytest.fixture(scope="module")
def threads(environment: dict[str, str]) -> Threads:
    """Results of a process, and those of its calls that were others."""
    results, wrong = json.loads(run(THREADS, **environment))
    return results, wrong


@pytest.mark.slow
@pytest.mark.parametrize("calls", ["cold", "warm"])
def test_several_python_threads_at_once(threads: Threads, calls: str) -> None:
    assert threads[1][calls] == [[]] * 18


@pytest.mark.slow
def test_several_python_threads_with_their_own_thread_counts(threads: Threads) -> None:
    assert threads[1]["own"] == [[]] * 18


@pytest.mark.slow
def test_threading_layers_change_no_bit(threads: Threads, expected: dict[str, str]) -> None:
    assert threads[0] == expected


FORK = """
    import json, os, sys, threading, warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
    import fastconv as fc
    from engine_work import digests, few_digests

    def status_of_child(holds):
        pid = os.fork()
        if pid == 0:
            try:
                os._exit(0 if holds() else 3)
            except BaseException as error:
                print(repr(error), file=sys.stderr, flush=True)
                os._exit(4)
        return os.waitpid(pid, 0)[1]
"""
FORKED = (
    FORK
    + """
    import multiprocessing

    def agrees():
        return digests() == expected and digests() == expected

    def a_child():  # the parent has used its threads, and still can
        return [status_of_child(agrees), 0 if agrees() else 3, status_of_child(agrees)]

    def a_child_of_a_child():
        return [status_of_child(lambda: agrees() and status_of_child(agrees) == 0)]

    def beside_a_thread():
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
            return [*(status_of_child(agrees) for _ in range(4)), *wrong]
        finally:
            stop.set()
            thread.join()
            assert not wrong

    def a_pool():
        with multiprocessing.get_context("fork").Pool(2) as pool:
            calls = [pool.apply_async(digests) for _ in range(4)]
            return [0 if call.get() == expected else 3 for call in calls]

    expected = digests()
    found = {check.__name__: check() for check in (a_child, a_child_of_a_child, beside_a_thread, a_pool)}
    print(json.dumps(found))
"""
)


@pytest.fixture(scope="module")
def forked(environment: dict[str, str]) -> dict[str, list[int]]:
    """How the children of a process ended."""
    printed = run(FORKED, **environment).splitlines()  # TBB prints of every fork before
    statuses: dict[str, list[int]] = json.loads(printed[-1])
    return statuses


@forks
def test_a_forked_child_works() -> None:
    program = """
    expected = few_digests()
    assert [status_of_child(lambda: few_digests() == expected) for _ in range(2)] == [0, 0]
    assert few_digests() == expected
    """
    run(FORK + program, FASTCONV_BACKEND=ENGINE, NUMBA_NUM_THREADS="4")


@pytest.mark.slow
@forks
def test_a_child_and_its_parent_compute_everything(forked: dict[str, list[int]]) -> None:
    assert forked["a_child"] == [0] * 3


@pytest.mark.slow
@forks
def test_a_child_of_a_child_works(forked: dict[str, list[int]]) -> None:
    assert forked["a_child_of_a_child"] == [0]


@pytest.mark.slow
@forks
def test_a_child_forked_while_another_thread_computes_works(forked: dict[str, list[int]]) -> None:
    assert forked["beside_a_thread"] == [0] * 4


@pytest.mark.slow
@forks
def test_a_forked_pool_works(forked: dict[str, list[int]]) -> None:
    assert forked["a_pool"] == [0] * 4


@pytest.mark.slow
@forks
def test_a_child_forked_before_the_first_call_works(environment: dict[str, str], expected: dict[str, str]) -> None:
    program = f"""
    with fc.use_backend("numpy"):
        digests()
    expected = {expected!r}
    assert status_of_child(lambda: digests() == expected and digests() == expected) == 0
    """
    run(FORK + program, **environment)


# To the last bit.

COUNTS = """
    import json
    import fastconv as fc
    from engine_work import digests, few_digests
    found = {}
    for dtype in DTYPES:
        for n in (4, 1, 2, 3):
            with fc.use_num_threads(n):
                found[f"{dtype} {n}"] = WORK(dtype)
        fc.set_num_threads(2)
        found[f"{dtype} set"] = WORK(dtype)
    print(json.dumps(found))
"""


def counted(program: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(run(program, FASTCONV_BACKEND=ENGINE, NUMBA_NUM_THREADS="4"))
    return found


@pytest.mark.parametrize(
    ("work", "dtypes"),
    [
        ("few_digests", ("float32", "float16")),
        pytest.param("digests", ("float32", "float64", "float16"), marks=pytest.mark.slow),
    ],
)
def test_thread_counts_and_runs_change_no_bit(work: str, dtypes: tuple[str, ...]) -> None:
    program = COUNTS.replace("WORK", work).replace("DTYPES", repr(dtypes))
    found = counted(program)
    for name, digests in found.items():
        expected = found[f"{name.split()[0]} 1"]
        assert digests == expected, (name, [key for key in expected if digests[key] != expected[key]])
    assert counted(program) == found


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
