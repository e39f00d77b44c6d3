"""How many processes the tests run in, and how their threads share the cores with those of the others."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

# Read by OpenMP when it is loaded, here and in every program that a test starts: a thread that waits lets others run.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# The programs that tests start must not know of the workers: their tables would be as narrow as the terminal, and
# benchmarks would not be timed.
if "PYTEST_XDIST_WORKER" in os.environ:
    del os.environ["PYTEST_XDIST_WORKER"]
    os.environ.pop("COLUMNS", None)

# What imports an extra when it is imported, and is looked into for examples where that is installed.
NEEDS = {"fastconv/dask": "dask", "tests/support/train_on_ranks.py": "mpi4py"}
collect_ignore = [path for path, package in NEEDS.items() if find_spec(package) is None]

MOST_WORKERS = 8  # each compiles and computes with threads of its own, and may hold a gigabyte
FILES_EACH = 4  # a worker takes about three seconds to start, as long as a small file


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


if cores() == 1:
    os.environ.setdefault("NUMBA_NUM_THREADS", "2")  # what one thread computes is compared with what two do


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One process for each core where folders are tested; none besides the first where single files are."""
    folders = {Path(argument.partition("::")[0]) for argument in config.args}
    files = sum(1 for folder in folders for _ in folder.rglob("*.py"))
    workers = min(cores(), MOST_WORKERS, files // FILES_EACH)
    return workers if workers > 1 else 0
