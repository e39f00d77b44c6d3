"""How long the first convolution of a new process takes, with an empty cache on disk and with a full one."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median
from tempfile import TemporaryDirectory

from fastconv.errors import FastconvError
from fastconv.evidence.contest.heats import Startup
from fastconv.evidence.process import child_environment

_WARM_RUNS = 3

_FIRST = """
import numpy as np, time
x, weight = np.ones((1, 64, 56, 56), np.float32), np.ones((64, 64, 3, 3), np.float32)
start = time.perf_counter()
import fastconv
y = fastconv.conv2d(x, weight, padding=1)
print(time.perf_counter() - start)
if abs(y[..., 1:-1, 1:-1] - 576).max() > 0.01:
    raise ValueError("a window of 64 * 3 * 3 ones must have the sum 576")
"""
_WARMUP = "from fastconv.backends.fast import warmup; warmup()"


def measure_startup() -> Startup:
    """Run the first convolution in processes of their own, and `fastconv warmup`.

    Returns
    -------
    Startup
        Seconds. NumPy's import is in none of the first two.
    """
    with TemporaryDirectory(prefix="fastconv-contest-") as folder:
        cold = first_convolution(folder)
        warm = median(first_convolution(folder) for _ in range(_WARM_RUNS))
    with TemporaryDirectory(prefix="fastconv-contest-") as folder:
        start = time.perf_counter()
        _run(_WARMUP, folder)
        return Startup(cold, warm, time.perf_counter() - start)


def first_convolution(cache: str) -> float:
    """Seconds from before the import of fastconv to the first result, in a process of its own.

    Parameters
    ----------
    cache : str
        Folder of the compiled kernels; what is not there yet is compiled, and written there.

    Returns
    -------
    float
        Seconds; NumPy's import is not in them.

    Raises
    ------
    FastconvError
        If the process fails, or its result is wrong.
    """
    return float(_run(_FIRST, cache))


def _run(program: str, cache: str) -> str:
    environment = child_environment(FASTCONV_CACHE=cache)
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        words = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise FastconvError(f"contest: a new process must compute a convolution, but it failed: {words[0]}")
    return done.stdout
