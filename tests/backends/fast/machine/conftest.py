"""A folder of compiled kernels for one test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


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
