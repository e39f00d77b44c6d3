"""Compiled code is kept on disk: a second process compiles nothing; a folder that cannot be written is no error."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from programs import FULL, ROOT, run
from strategies import BACKENDS

pytestmark = pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")

PROGRAM = """
    import numpy as np
    from engine_work import digests
    from fastconv.functional import relu
    WORK
    from fastconv.backends.fast.machine.jit import build_log
    names = [built.name for built in build_log]
    assert names and len(names) == len(set(names)), "two kernels of one name would overwrite each other's file"
    print(*[built.name for built in build_log if not built.cached])
"""
LITTLE = PROGRAM.replace("WORK", "assert relu(np.ones((1, 1, 2, 3), np.float32)).all()")
NOTHING_TO_COMPILE_WITH = """
    import sys
    assert not {"numba.np.arraymath", "scipy.linalg"} & sys.modules.keys(), "loading takes the time of compiling"
"""
EVERYTHING = PROGRAM.replace("WORK", "digests('float32'), digests('float64')")


@pytest.mark.slow
def test_the_second_process_compiles_nothing() -> None:
    run(EVERYTHING, FASTCONV_BACKEND="fast")  # into the folder of all tests
    assert run(EVERYTHING, FASTCONV_BACKEND="fast").split() == []


@pytest.mark.slow
def test_the_second_process_finds_a_new_folder_as_the_first_left_it(tmp_path: Path) -> None:
    environment = {"FASTCONV_CACHE": str(tmp_path), "FASTCONV_BACKEND": "fast"}
    program = EVERYTHING if FULL else LITTLE
    assert run(program, **environment).split() != []
    files = sorted(path.name for path in tmp_path.rglob("*"))
    assert run(program + NOTHING_TO_COMPILE_WITH, **environment).split() == []
    assert sorted(path.name for path in tmp_path.rglob("*")) == files


def test_without_a_writable_folder_everything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder can be made in here")
    program = EVERYTHING if FULL else LITTLE
    run(program, NUMBA_CACHE_DIR=str(tmp_path / "file" / "folder"), FASTCONV_BACKEND="fast")


# An edit of the sources: the program says which of its results are right, and whether anything was compiled.

EDITED = """
    import sys
    sys.path.insert(0, FOLDER)
    import numpy as np
    import fastconv as fc
    from fastconv.backends.fast.machine.jit import build_log

    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((2, 2, 9, 8)), rng.standard_normal((32, 2, 3, 3))
    dy = rng.standard_normal((2, 32, 9, 8))

    def results(backend):
        with fc.use_backend(backend):
            found = {"relu": fc.functional.relu(x)}
            if CONVOLUTIONS:
                found["y"] = fc.conv2d(x, weight, padding=1)
                found |= fc.conv2d_backward(dy, x, weight, padding=1)._asdict()
        return found

    expected, found = results("numpy"), results("fast")
    print(fc.__file__)
    print(*[name for name in found if np.allclose(found[name], expected[name])])
    print(*[built.name for built in build_log if not built.cached])
"""
# a helper or an intrinsic of one module, of which the compiled functions of other modules are made
EDITS = {
    "machine/intrinsics.py": (
        "lambda builder, address, index, zero: _load(builder, zero.type, address, index)",
        "lambda builder, address, index, zero: _load(builder, zero.type, address, index.type(0))",
        {"relu"},
    ),
    "conv/bands_kernel.py": (
        "top = first_row * args.S_H - ",
        "top = 1 + first_row * args.S_H - ",
        {"y", "dweight"},
    ),
    "machine/runs.py": (
        "row.builder.fadd(row.load_vector(place, 0)",
        "row.builder.fsub(row.load_vector(place, 0)",
        {"dx"},
    ),
    "machine/transpose.py": ("((i, upper), (i + bit, lower))", "((i, lower), (i + bit, upper))", {"y"}),
}


@pytest.mark.slow
def test_a_cached_kernel_is_never_stale_after_an_edit(tmp_path: Path) -> None:
    package = tmp_path / "fastconv"
    shutil.copytree(ROOT / "fastconv", package, ignore=shutil.ignore_patterns("__pycache__"))
    program = EDITED.replace("FOLDER", repr(str(tmp_path))).replace("CONVOLUTIONS", str(FULL))
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def right_and_compiled() -> tuple[set[str], set[str]]:
        file, right, compiled = run(program, **environment).split("\n")[:3]
        assert Path(file).parent == package
        return set(right.split()), set(compiled.split())

    names = {"relu", "y", "dx", "dweight", "dbias"} if FULL else {"relu"}
    right, compiled = right_and_compiled()
    assert right == names
    assert compiled
    assert right_and_compiled() == (names, set())
    for module, (old, new, wrong) in list(EDITS.items())[: None if FULL else 1]:
        file = package / "backends" / "fast" / module
        source = file.read_text(encoding="utf-8")
        assert source.count(old) == 1, module
        file.write_text(source.replace(old, new), encoding="utf-8")
        right, compiled = right_and_compiled()
        assert not right & wrong, module  # the edited code ran
        assert compiled, module
        file.write_text(source, encoding="utf-8")
        assert right_and_compiled()[0] == names
    assert right_and_compiled() == (names, set())
