"""The engine beside others who have threads: pools, event loops, handlers of signals, PyTorch, and every way to start.

Each is a program of its own, which an abort or a hang would end.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import multiprocessing
import os
import signal
import textwrap

import pytest
from programs import FULL, run
from strategies import BACKENDS

ENGINE = "fast"

pytestmark = pytest.mark.skipif(ENGINE not in BACKENDS, reason="the fast backend needs Numba")

POOLS = {"workqueue": "workqueue", "omp": "omppool", "tbb": "tbbpool"}


def on(layer: str) -> dict[str, str]:
    """Environment of a program with four threads in one of Numba's threading layers."""
    chosen = {"FASTCONV_BACKEND": ENGINE, "NUMBA_NUM_THREADS": "4"}
    if layer == "default":
        return chosen
    try:
        importlib.import_module(f"numba.np.ufunc.{POOLS[layer]}")
    except ImportError as error:
        pytest.skip(f"Numba has no threading layer {layer} here: {error}")
    return {**chosen, "NUMBA_THREADING_LAYER": layer}


@pytest.mark.slow
@pytest.mark.parametrize("layer", POOLS)
def test_sixteen_threads_on_the_same_and_on_other_layers_and_programs(layer: str) -> None:
    program = "import json; from thread_work import wrong; print(json.dumps(wrong(ROUNDS)))"
    found = json.loads(run(program.replace("ROUNDS", "20" if FULL else "1"), timeout=600, **on(layer)))
    assert found == {name: [] for name in found}
    assert len(found) == 5


# Programs that say what does not agree; in the short form all of these run in one process, one after the other.

COMMON = """
    import fastconv as fc
    from engine_work import few_digests

    expected = few_digests()

    def agrees(_=None):
        return few_digests() == expected
"""
PROGRAMS = {
    "a pool of threads": """
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(16) as pool:
            assert all(pool.map(agrees, range(64)))
    """,
    "an event loop": """
        import asyncio

        async def main():
            assert all(await asyncio.gather(*(asyncio.to_thread(agrees) for _ in range(32))))

        asyncio.run(main())
    """,
    "joblib's threads": """
        from joblib import Parallel, delayed
        assert all(Parallel(4, backend="threading")(delayed(agrees)() for _ in range(16)))
    """,
    "the handler of a signal, in the middle of calls": """
        import signal
        came = []

        def handler(*_):
            came.append(agrees())
            if len(came) < 20:
                signal.setitimer(signal.ITIMER_REAL, 0.001 * (len(came) % 5 + 1))

        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        while len(came) < 20:
            assert agrees()
            fc.release()
        assert all(came)
    """,
    "the end of an object's life": """
        import gc
        ended = []

        class Object:
            def __init__(self):
                self.itself = self

            def __del__(self):
                ended.append(agrees())

        gc.set_threshold(5)
        for _ in range(10):
            Object()
            assert agrees()
        gc.set_threshold(700)
        gc.collect()
        assert len(ended) == 10 and all(ended)
    """,
    "a layer of a program that calls another program": """
        import numpy as np
        from fastconv import layers as L
        x = np.random.default_rng(0).standard_normal((2, 3, 20, 18)).astype("f4")
        inner = fc.compile(L.Sequential(L.Conv2d(3, 3, 3, padding=1, rng=0), L.ReLU()), x)

        class Calls(L.Layer):
            def forward(self, x):
                return inner(x) + 1

            def backward(self, dy):
                return dy

            def output_shape(self, shape):
                return shape

        model = L.Sequential(L.Conv2d(3, 3, 3, padding=1, rng=1), Calls(), L.ReLU())
        program = fc.compile(model, x)
        assert np.array_equal(program(x), model(x)) and np.array_equal(program(2 * x), model(2 * x))
    """,
    "jitted code of one's own": """
        import threading
        import numba
        import numpy as np

        @numba.njit(parallel=True, nogil=True)
        def total(numbers):
            found = 0
            for i in numba.prange(len(numbers)):
                found += numbers[i]
            return found

        numbers, wrong = np.arange(100_000), []
        alone = total(numbers)

        def theirs():
            for _ in range(50):
                if total(numbers) != alone:
                    wrong.append("theirs")

        def ours():
            for _ in range(5):
                if not agrees():
                    wrong.append("ours")

        threads = [threading.Thread(target=work) for work in (theirs, ours) * 4]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert not wrong, wrong
    """,
    "children that a second thread forks": """
        import os, signal, threading, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
        statuses, stop = [], threading.Event()

        def fork():
            for _ in range(FORKS):
                pid = os.fork()
                if pid == 0:
                    signal.alarm(100)  # a child that hangs ends
                    os._exit(0 if agrees() and agrees() else 3)
                statuses.append(os.waitpid(pid, 0)[1])
            stop.set()

        thread = threading.Thread(target=fork)
        thread.start()
        while not stop.is_set():
            assert agrees()
            fc.release()
        thread.join()
        assert statuses == [0] * FORKS, statuses
    """,
}
PYTORCH = """
    import threading
    import numpy as np
    import torch
    torch.set_num_threads(4)
    x, weight = torch.ones(4, 16, 30, 30), torch.ones(16, 16, 3, 3)
    alone = torch.nn.functional.conv2d(x, weight)
    wrong = []

    def theirs():
        for _ in range(10):
            if not torch.equal(torch.nn.functional.conv2d(x, weight), alone):
                wrong.append("theirs")

    def ours():
        for _ in range(10):
            if not agrees():
                wrong.append("ours")

    threads = [threading.Thread(target=work) for work in (theirs, ours) * 4]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert not wrong, wrong
"""
STARTED = """
    import multiprocessing

    if __name__ == "__main__":
        expected = few_digests()
        for name in METHODS:
            with multiprocessing.get_context(name).Pool(1) as pool:
                assert pool.map(few_digests, ["float32"] * 2) == [expected] * 2, name
        assert agrees()
"""
LOKY = """
    from joblib import Parallel, delayed
    assert Parallel(2, backend="loky")(delayed(few_digests)() for _ in range(4)) == [expected] * 4
"""
LAYERS = ("default", *POOLS) if FULL else ("default",)


def is_right(program: str, layer: str) -> bool:
    whole = textwrap.dedent(COMMON) + textwrap.dedent(program) + '\nprint("right")\n'
    return run(whole, timeout=600, **on(layer)).splitlines()[-1:] == ["right"]  # TBB prints of every fork before


def possible(name: str, layer: str) -> bool:
    """Whether this system has what a program needs."""
    if name == "joblib's threads":
        return importlib.util.find_spec("joblib") is not None
    if name == "jitted code of one's own":
        return layer != "workqueue"  # Numba ends a process whose own threads enter it twice
    needed = {"the handler of a signal, in the middle of calls": (signal, "setitimer")}
    return hasattr(*needed.get(name, (os, "fork" if "forks" in name else "name")))


@pytest.mark.slow
@pytest.mark.parametrize("layer", LAYERS)
def test_results_are_right_beside_all_that_has_threads(layer: str) -> None:
    programs = {name: textwrap.dedent(text) for name, text in PROGRAMS.items() if possible(name, layer)}
    program = f"""
    import sys
    common, programs = {textwrap.dedent(COMMON)!r}, {programs!r}
    for name, text in programs.items():
        print(name, file=sys.stderr, flush=True)
        exec(common + text, {{"FORKS": {100 if FULL else 5}}})
    """
    assert is_right(program, layer)


@pytest.mark.slow
@pytest.mark.parametrize("layer", LAYERS)
def test_beside_the_threads_of_pytorch(layer: str) -> None:
    pytest.importorskip("torch")
    assert is_right(PYTORCH, layer)


@pytest.mark.slow
@pytest.mark.parametrize("layer", LAYERS)
def test_processes_that_are_started_compute(layer: str) -> None:
    """Forked ones are in `test_threads_and_forks`."""
    methods = sorted({*multiprocessing.get_all_start_methods()} - {"fork"})
    assert is_right(STARTED.replace("METHODS", repr(methods)), layer)


@pytest.mark.slow
@pytest.mark.skipif(not FULL, reason="the long form: FASTCONV_FULL=1")
@pytest.mark.parametrize("layer", LAYERS)
def test_processes_of_joblib_compute(layer: str) -> None:
    pytest.importorskip("joblib")
    assert is_right(LOKY, layer)
