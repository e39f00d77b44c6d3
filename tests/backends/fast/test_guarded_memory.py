"""No access beyond an array: every public call between pages that may not be touched, its results included."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from programs import FULL, SUPPORT, patience, run_file

pytestmark = pytest.mark.skipif(os.name == "nt", reason="mprotect is POSIX")
BEYOND = """
from guarded_memory import Guard
from numpy.lib.stride_tricks import as_strided
guard = Guard()
guard.at_end = {at_end}
array = guard.like(__import__("numpy").arange(5, dtype="f4"))
assert array.sum() == 10
print("here", flush=True)
as_strided(array if {at_end} else array[::-1], (6,)).sum()
"""


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10 if FULL else 1))
def test_no_access_is_out_of_bounds(part: int) -> None:
    """In a process of its own, which such an access ends; the long form takes 20,000 random geometries, in parts."""
    pytest.importorskip("numba")
    seed = int.from_bytes(np.random.default_rng().bytes(3), "big") if FULL else part
    printed = run_file(SUPPORT / "guarded_calls.py", str(seed), "2000" if FULL else "60")
    count, words = printed.splitlines()[-1].split(maxsplit=1)
    assert words == "arrays guarded"
    assert int(count) > (20_000 if FULL else 2_000)


@pytest.mark.parametrize("at_end", [True, False])
def test_the_pages_are_forbidden(at_end: bool) -> None:
    """The guard is a guard: one number beyond either end ends the process."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SUPPORT), *sys.path])}
    program = [sys.executable, "-c", BEYOND.format(at_end=at_end)]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False, timeout=patience())
    assert done.stdout == "here\n", done.stderr
    assert done.returncode in (-signal.SIGSEGV, -signal.SIGBUS)
