"""Programs on several ranks of MPI, and whether some can be started here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from programs import CLEARED, ROOT, SUPPORT

_CRAMPED = "1"  # threads of each rank: there are more ranks than cores


@cache
def launcher() -> str:
    """The command that starts ranks: the one beside this Python, or on PATH; skips where none works."""
    if find_spec("mpi4py") is None:
        pytest.skip("mpi4py is not installed: python -m pip install mpi4py mpich")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which("mpiexec", path=path)
    if found is None:
        pytest.skip("there is no mpiexec: python -m pip install mpich")
    program = "from mpi4py import MPI; print(MPI.COMM_WORLD.allreduce(1))"
    command = [found, "-n", "2", sys.executable, "-c", program]
    tried = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if "".join(tried.stdout.split()) != "22":  # lines of two ranks, which may be mixed
        pytest.skip(f"MPI starts no two ranks here: {tried.stdout} {tried.stderr}")
    return found


def on_ranks(
    ranks: int, *command: str, code: int | None = 0, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run Python with some arguments on so many ranks; `code` is the exit code that must come, None any but 0."""
    clean = {name: value for name, value in os.environ.items() if name not in CLEARED}
    clean |= {"PYTHONPATH": os.pathsep.join([str(ROOT), str(SUPPORT)]), "FASTCONV_NUM_THREADS": _CRAMPED}
    done = subprocess.run(
        [launcher(), "-n", str(ranks), sys.executable, *command],
        capture_output=True, text=True, timeout=900, cwd=cwd, env={**clean, **environment},
    )  # fmt: skip
    right = done.returncode != 0 if code is None else done.returncode == code
    assert right, f"exit code {done.returncode}\n{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done
