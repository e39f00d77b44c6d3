"""A launch of many seconds is cut into slices: Ctrl-C is answered between them, and no number changes.

Found by a global pool of a view that went on for 27 minutes after its alarm. Python runs the handler of a signal when
compiled code returns to it, so that every launch has to, now and then.
"""

from __future__ import annotations

import json

import pytest
from programs import FULL, run
from strategies import BACKENDS

pytestmark = pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")


@pytest.mark.slow
def test_slices_change_no_number() -> None:
    """Everything computed in one slice, and then in as many as there are: equal bits, and no launch was left whole."""
    program = """
        import collections, json
        from engine_work import digests
        from fastconv.backends.fast.machine import launch

        def counted(slice_):
            launch.SLICE, counts = slice_, collections.Counter()

            def run(kernel, *rest):
                counts[kernel] += 1
                whole(kernel, *rest)

            launch._run = run
            return [digests("float32"), digests("float64")], counts

        whole = launch._run
        expected, once = counted(2**62)
        found, often = counted(50)
        different = [name for a, b in zip(expected, found) for name in a if a[name] != b[name]]
        print(json.dumps([different, len(once), sum(often[kernel] == once[kernel] for kernel in once)]))
    """
    different, kernels, never_cut = json.loads(run(program, FASTCONV_BACKEND="fast", NUMBA_NUM_THREADS="3"))
    assert different == []
    assert kernels > 50
    assert never_cut == 0


# Each would take half a minute or more, with little memory.
LONG = {
    "avg_pool1d": "fc.avg_pool1d(line, 500, stride=1)",
    "avg_pool1d_backward": "fc.avg_pool1d_backward(line, (1, 1, 2**27 + 499), 500, stride=1)",
    "conv2d": "fc.conv2d(planes, weight, padding=100)",
    "conv2d_backward, x": "fc.conv2d_backward(dy, planes, weight, padding=100, needs=('x',))",
    "conv2d_backward, weight": "fc.conv2d_backward(dy, planes, weight, padding=100, needs=('weight',))",
}
SHORT = ("conv2d", "conv2d_backward, weight")

PROGRAM = """
    import collections, json, os, signal, threading, time
    import numpy as np
    import fastconv as fc
    from fastconv.backends.fast.machine import launch

    fc.set_backend("fast")
    planes = np.ones((1, 32, 256, 256), "f4")
    weight, dy = np.ones((32, 32, 201, 201), "f4"), np.ones((1, 32, 256, 256), "f4")
    whole, cut, took = launch._run, threading.Event(), {}

    def run(kernel, *rest):
        slices[kernel] += 1
        if slices[kernel] == 2:
            cut.set()
        whole(kernel, *rest)

    def press():
        cut.wait()
        time.sleep(0.3)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    launch._run = run
    for name, call in CALLS.items():
        line = np.ones((1, 1, 2**27 if "1d" in name else 1), "f4")
        sent, slices, over = [], collections.Counter(), False
        cut.clear()
        threading.Thread(target=press, daemon=True).start()
        try:
            call()
            over = True
            time.sleep(60 if cut.is_set() else 0)
        except KeyboardInterrupt:
            if not over:
                took[name] = time.perf_counter() - sent[0]
    print(json.dumps(took))
"""


@pytest.fixture(scope="module")
def took() -> dict[str, float]:
    """Seconds from Ctrl-C to the end of each launch, in one process; of those that came to their end there are none."""
    calls = ", ".join(f"{name!r}: lambda: {LONG[name]}" for name in LONG if FULL or name in SHORT)
    found: dict[str, float] = json.loads(run(PROGRAM.replace("CALLS", f"{{{calls}}}")))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in LONG if FULL or name in SHORT])
def test_ctrl_c_ends_a_long_launch(name: str, took: dict[str, float]) -> None:
    assert took[name] < 10  # 0.02 to 0.4 s on a quiet machine; a launch in one piece takes half a minute
