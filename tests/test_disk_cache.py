"""Compiled code is kept on disk: a second process compiles nothing; a folder that cannot be written is no error."""

from __future__ import annotations

from pathlib import Path

import pytest
from programs import run
from strategies import BACKENDS

pytestmark = pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")

PROGRAM = """
    from engine_work import digests
    digests("float32"), digests("float64")
    from fastconv.kernels.jit import build_log
    assert build_log
    print(*[built.name for built in build_log if not built.cached])
"""


def test_the_second_process_compiles_nothing(tmp_path: Path) -> None:
    environment = {"NUMBA_CACHE_DIR": str(tmp_path), "FASTCONV_BACKEND": "fast"}
    assert run(PROGRAM, **environment).split() != []
    files = sorted(path.name for path in tmp_path.rglob("*"))
    assert run(PROGRAM, **environment).split() == []
    assert sorted(path.name for path in tmp_path.rglob("*")) == files


def test_without_a_writable_folder_everything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder can be made in here")
    run(PROGRAM, NUMBA_CACHE_DIR=str(tmp_path / "file" / "folder"), FASTCONV_BACKEND="fast")
