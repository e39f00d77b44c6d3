"""Shared by all tests: hypothesis profiles, and settings that do not leak from one test into the next."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import fastconv  # noqa: F401 - brings the two modules below

# A shell that runs the tests in the background ignores Ctrl-C; every program that they start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run; FASTCONV_HYPOTHESIS_PROFILE=full looks for new ones.
settings.register_profile(
    "default",
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("full", settings.get_profile("default"), max_examples=300, derandomize=False, print_blob=True)
settings.load_profile(os.environ.get("FASTCONV_HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(autouse=True)
def restored_settings() -> Iterator[None]:
    """Put backend, threads and options back to what the test found."""
    backends, options = sys.modules["fastconv.backends"], sys.modules["fastconv.backends.settings"]
    before = backends._current, options._defaults, options._threads
    yield
    backends._current, options._defaults, options._threads = before
    backends._override.set(None)
    options._override.set(None)
    options._threads_override.set(None)


@pytest.fixture
def always_winograd(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take Winograd's algorithm wherever it can be, also where the direct one is faster: tests are small."""
    pytest.importorskip("numba")
    cost, plans = (import_module(f"fastconv.backends.fast.{name}") for name in ("winograd.cost", "memory.plan_cache"))
    monkeypatch.setattr(cost, "MARGIN", 0.0)
    plans.forget_plans()
    yield
    plans.forget_plans()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where kernels are kept in this test; no warning was given yet."""
    pytest.importorskip("numba")
    from fastconv.backends.fast.machine import disk_cache, jit

    monkeypatch.setenv("FASTCONV_CACHE", str(tmp_path))
    monkeypatch.setattr(disk_cache, "_warned", False)
    built = len(jit.build_log)
    yield tmp_path
    del jit.build_log[built:]
