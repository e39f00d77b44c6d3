"""Nothing that can happen to the files of compiled kernels stops the engine: it computes, warns once, and mends them.

Found by damaging files between two processes: of six kinds of damage, five made every later process fail. So each kind
is done to a kernel of a few instructions here, in this process; and to the files of two operations, between processes.
"""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from programs import FULL, ROOT, patience, run
from strategies import BACKENDS

pytestmark = pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")

if "fast" in BACKENDS:
    import numba

    from fastconv.backends.fast.machine import disk_cache, jit
    from fastconv.backends.fast.machine.intrinsics import integer, store
    from fastconv.backends.fast.machine.launch import address

    needs_jit = pytest.mark.skipif(jit.INTERPRETED, reason="nothing is compiled")
else:
    needs_jit = pytest.mark.skip(reason="the fast backend needs Numba")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where kernels are kept in this test; no warning was given yet."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(disk_cache, "_warned", False)
    built = len(jit.build_log)
    yield tmp_path
    del jit.build_log[built:]


def nine(name: str = "nine") -> bool:
    """Build a kernel that writes 9.0, run it, and return whether it came from the disk."""

    def kernel(args: Any, task: Any) -> None:
        store(integer(args, 0), np.float64(9.0))

    compiled = jit.c_function(name, "void(intp, intp)", kernel)
    result = np.zeros(1)
    block = np.array([address(result)])
    compiled.ctypes(address(block), 0)
    assert result[0] == 9.0
    return jit.build_log[-1].cached


def nine_jitted() -> bool:
    """The same for what is called from Python, as the launchers are."""
    compiled = jit.jitted("nine_jitted", lambda number: number + 8, (0,), parallel=False)
    assert compiled(1) == 9
    return jit.build_log[-1].cached


def warned(build: Callable[[], bool]) -> tuple[bool, list[str]]:
    """What `build` says, and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cached = build()
    return cached, [str(warning.message) for warning in caught]


def the_file(folder: Path) -> Path:
    (file,) = folder.rglob("*.nbc")
    return file


def checked(path: Path, pickled: bytes) -> None:
    """Replace the kernel in a file by other bytes, under a checksum that is right."""
    body = path.read_bytes()[32:64] + pickled
    path.write_bytes(sha256(body).digest() + body)


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def become_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "a byte short": lambda path: os.truncate(path, path.stat().st_size - 1),
    "a byte long": lambda path: path.write_bytes(path.read_bytes() + b"0"),
    "shorter than a checksum": lambda path: os.truncate(path, 31),
    "no more than a checksum": lambda path: os.truncate(path, 32),
    "empty": lambda path: os.truncate(path, 0),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "text": lambda path: path.write_text("moved to the new server\n"),
    "first bit": lambda path: flip(path, 0),
    "bit of the stamp": lambda path: flip(path, 8 * 40),
    "last bit": lambda path: flip(path, 8 * path.stat().st_size - 1),
    "a folder": become_folder,
    "a foreign module": lambda path: checked(path, b"cno_such_module\nname\n."),
    "a foreign attribute": lambda path: checked(path, b"cnumba\nno_such_name\n."),
    "no pickle": lambda path: checked(path, b"\xff"),
    "half a pickle": lambda path: checked(path, pickle.dumps([1, 2, 3])[:-4]),
    "no kernel": lambda path: checked(path, pickle.dumps(9.0)),
}


@needs_jit
@pytest.mark.parametrize("build", [nine, nine_jitted])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_replaced(folder: Path, build: Callable[[], bool], damage: str) -> None:
    assert warned(build) == (False, [])
    assert warned(build) == (True, [])
    DAMAGES[damage](the_file(folder))
    cached, (message,) = warned(build)
    assert not cached
    assert message.startswith(f"kernel cache: compiled kernels must be kept in {the_file(folder).parent}, but got ")
    assert "NUMBA_CACHE_DIR" in message
    assert warned(build) == (True, [])
    assert the_file(folder).is_file()


@needs_jit
def test_no_flipped_bit_reaches_the_compiler(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LLVM may abort the process on damaged machine code, so an exception is not enough: it must not see it."""
    nine()
    whole, random = the_file(folder).read_bytes(), Random(0)
    for _ in range(60 if FULL else 12):
        flip(the_file(folder), random.randrange(8 * len(whole)))
        monkeypatch.setattr(disk_cache, "_warned", False)
        cached, (message,) = warned(nine)
        assert not cached
        assert "damaged" in message
        the_file(folder).write_bytes(whole)
        assert warned(nine) == (True, [])


def failing(error: BaseException) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


DENIED = PermissionError(errno.EACCES, "Permission denied")
FULL_DISK = OSError(errno.ENOSPC, "No space left on device")


@needs_jit
@pytest.mark.parametrize(
    ("where", "error", "kept"),
    [
        ("read_bytes", DENIED, True),  # a file of another user in a folder of one's own
        ("read_bytes", MemoryError(), True),
        ("read_bytes", OSError(errno.EIO, "Input/output error"), True),
        ("write_bytes", FULL_DISK, False),
        ("write_bytes", MemoryError(), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_a_file_that_cannot_be_read_or_written_is_no_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, where: str, error: Exception, kept: bool
) -> None:
    if where == "read_bytes":
        nine()
    with monkeypatch.context() as patch:
        patch.setattr(disk_cache.Path, where, failing(error))
        cached, (message,) = warned(nine)
        assert not cached
        assert str(folder) in message
        assert type(error).__name__ in message
        assert warned(nine) == (False, [])  # one warning is enough
    assert [path.name for path in folder.rglob("*.tmp")] == []
    assert warned(nine) == (kept, [])


@needs_jit
def test_without_a_folder_every_process_compiles(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = RuntimeError("cannot cache function 'nine': no locator available")
    monkeypatch.setattr(disk_cache.FunctionCache, "__init__", failing(found))
    cached, (message,) = warned(nine)
    assert not cached
    assert f"must be kept in {folder}, but got RuntimeError: cannot cache function" in message
    assert warned(nine_jitted) == (False, [])


@needs_jit
def test_a_folder_with_something_in_it_stays(folder: Path) -> None:
    nine()
    become_folder(the_file(folder))
    (the_file(folder) / "letter").write_text("not ours")
    assert warned(nine)[0] is False
    assert warned(nine) == (False, [])
    assert (the_file(folder) / "letter").read_text() == "not ours"


@needs_jit
def test_another_version_is_replaced_without_a_word(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nine()
    with monkeypatch.context() as patch:
        patch.setattr(disk_cache, "numba", SimpleNamespace(__version__="0.1", config=numba.config))
        assert warned(nine) == (False, [])
        assert warned(nine) == (True, [])
    assert warned(nine) == (False, [])
    assert warned(nine) == (True, [])


@needs_jit
def test_kernels_of_two_cpus_lie_side_by_side(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home that two machines share: neither compiles again what the other has replaced."""
    nine()
    codegen = type(numba.core.registry.cpu_target.target_context.codegen())
    triple, _, features = numba.core.registry.cpu_target.target_context.codegen().magic_tuple()
    with monkeypatch.context() as patch:
        patch.setattr(codegen, "magic_tuple", lambda _: (triple, "other", features))
        assert warned(nine) == (False, [])
    assert len(list(folder.rglob("*.nbc"))) == 2
    assert warned(nine) == (True, [])


# Between processes: what a user has.

PROGRAM = """
    import json, os, sys, warnings
    import numpy as np
    import fastconv as fc
    if ROOM:
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        x = np.ones((1, 1, 3, 3), np.float32)
        y = fc.functional.relu_backward(fc.functional.relu(x), x).sum()
    from fastconv.backends.fast.machine.jit import build_log
    compiled = [built.name for built in build_log if not built.cached]
    print(json.dumps([y.item(), compiled, [str(warning.message) for warning in caught]]))
"""


def compute(folder: Path, room: int = 0) -> tuple[float, list[str], list[str]]:
    """Result of two operations in a new process, the kernels that it compiled, and its warnings."""
    y, compiled, messages = json.loads(run(PROGRAM.replace("ROOM", str(room)), NUMBA_CACHE_DIR=str(folder)))
    return y, compiled, messages


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which all is well."""
    folder = tmp_path_factory.mktemp("warm")
    assert compute(folder)[::2] == (9.0, [])
    return folder


@pytest.mark.slow
@needs_jit
@pytest.mark.parametrize(
    "damage", [name for name in DAMAGES if FULL or name in ("truncated", "a folder")], ids=lambda name: name
)
def test_a_process_with_damaged_files_mends_them(warm: Path, tmp_path: Path, damage: str) -> None:
    folder = Path(shutil.copytree(warm, tmp_path / "cache"))
    files = list(folder.rglob("*.nbc"))
    assert len(files) > 2
    for file in files:
        DAMAGES[damage](file)
    y, compiled, (message,) = compute(folder)
    assert y == 9.0
    assert len(compiled) == len(files)
    assert str(files[0].parent) in message
    assert "NUMBA_CACHE_DIR" in message
    assert compute(folder) == (9.0, [], [])


@pytest.mark.slow
@needs_jit
@pytest.mark.skipif(os.name == "nt", reason="there are no limits of files there")
def test_a_process_without_room_computes(tmp_path: Path) -> None:
    y, compiled, (message,) = compute(tmp_path, room=8192)
    assert y == 9.0
    assert compiled
    assert f"must be kept in {tmp_path}" in message
    assert "OSError" in message
    assert [path.name for path in tmp_path.rglob("*.tmp")] == []


@needs_jit
@pytest.mark.skipif(not FULL, reason="the long form: FASTCONV_FULL=1")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="a process cannot be denied a file here")
def test_a_process_that_may_not_read_the_files_mends_them(warm: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(warm, tmp_path / "cache"))
    for file in folder.rglob("*.nbc"):
        file.chmod(0)
    code = textwrap.dedent(PROGRAM.replace("ROOM", "0"))
    command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(folder)}
    for damaged in (True, False):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        y, compiled, messages = json.loads(done.stdout)
        assert (y, bool(compiled), len(messages)) == (9.0, damaged, damaged)


@needs_jit
@pytest.mark.skipif(not FULL, reason="the long form: FASTCONV_FULL=1")
def test_processes_that_fill_one_cache_at_once_are_right(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(PROGRAM.replace("ROOM", "0"))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(tmp_path)}
    at_once = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for process in at_once:
        y, _, messages = json.loads(process.communicate(timeout=patience())[0])
        assert (y, messages) == (9.0, [])
    assert compute(tmp_path) == (9.0, [], [])
