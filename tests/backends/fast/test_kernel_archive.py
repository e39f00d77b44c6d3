"""Kernels that travel in a file: what goes in comes out, and a file of any other kind changes nothing."""

from __future__ import annotations

import json
import os
import pickle
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from programs import FULL, run
from strategies import BACKENDS

from fastconv.errors import KernelCacheError

pytestmark = pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")

if "fast" in BACKENDS:
    from small_kernels import nine, nine_jitted, warned

    from fastconv import kernel_archive
    from fastconv.backends.fast.machine import cache_folders, disk_cache, jit, origin
    from fastconv.kernel_archive import export_kernels, import_kernels

    pytestmark = pytest.mark.skipif(jit.INTERPRETED, reason="nothing is compiled")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An archive of two kernels."""
    folder, built = tmp_path_factory.mktemp("made"), len(jit.build_log)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTCONV_CACHE", str(folder))
        nine()
        nine_jitted()
        assert export_kernels(folder / "kernels.zip").kernels == 2
    del jit.build_log[built:]
    return (folder / "kernels.zip").read_bytes()


@pytest.fixture
def archive(tmp_path: Path, made: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file with two kernels, and a cache that is empty."""
    monkeypatch.setattr(disk_cache, "_warned", False)
    monkeypatch.setenv("FASTCONV_CACHE", str(tmp_path / "here"))
    (tmp_path / "kernels.zip").write_bytes(made)
    built = len(jit.build_log)
    yield tmp_path / "kernels.zip"
    del jit.build_log[built:]


def kept(tmp_path: Path) -> list[Path]:
    """Every file in the cache of this test."""
    return [path for path in (tmp_path / "here").rglob("*") if path.is_file()]


def test_what_goes_in_comes_out(tmp_path: Path, archive: Path) -> None:
    assert kept(tmp_path) == []
    moved = import_kernels(archive)
    assert (moved.kernels, moved.nbytes) == (2, sum(path.stat().st_size for path in kept(tmp_path)))
    assert {str(path.parent) for path in kept(tmp_path)} == {moved.folder}
    assert warned(nine) == warned(nine_jitted) == (True, [])


def test_the_same_kernels_make_the_same_bytes(tmp_path: Path, archive: Path) -> None:
    import_kernels(archive)
    export_kernels(tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def test_what_is_damaged_or_foreign_stays_behind(tmp_path: Path, archive: Path) -> None:
    import_kernels(archive)
    whole, damaged = sorted(kept(tmp_path))
    damaged.write_bytes(whole.read_bytes()[:-1])
    (whole.parent / "letter.nbc").write_text("not ours")
    assert export_kernels(tmp_path / "again.zip").kernels == 1


# what else a file may be: each entry of an archive by its name

MANIFEST = "manifest.json"


def unpacked(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(path: Path, entries: dict[str, bytes], **manifest: Any) -> None:
    """Write an archive, the manifest of which has these changes."""
    changed = {**json.loads(entries[MANIFEST]), **manifest}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**entries, MANIFEST: json.dumps(changed).encode()}.items():
            archive.writestr(name, content)


def with_entry(name: str, content: bytes) -> Callable[[Path], None]:
    """Add an entry that the manifest vouches for."""

    def change(path: Path) -> None:
        entries = unpacked(path)
        digests = {**json.loads(entries[MANIFEST])["sha256"], name: sha256(content).hexdigest()}
        packed(path, {**entries, name: content}, sha256=digests)

    return change


def renamed(make: Callable[[str], str]) -> Callable[[Path], None]:
    """Give a whole kernel another name, by which it would lie elsewhere."""
    return lambda path: with_entry(make(first(path)), unpacked(path)[first(path)])(path)


def first(path: Path) -> str:
    return next(name for name in unpacked(path) if name != MANIFEST)


def a_link(path: Path) -> None:
    entries = unpacked(path)
    name, manifest = first(path), json.loads(entries.pop(MANIFEST))
    entries[name] = b"/etc/passwd"
    manifest["sha256"][name] = sha256(entries[name]).hexdigest()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MANIFEST, json.dumps(manifest))
        for key, content in entries.items():
            entry = zipfile.ZipInfo(key)
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16 if key == name else 0
            archive.writestr(entry, content)


def a_changed_kernel(path: Path) -> None:
    entries = unpacked(path)
    content = bytearray(entries[first(path)])
    content[-1] ^= 1
    packed(path, {**entries, first(path): bytes(content)})


def without_a_kernel(path: Path) -> None:
    packed(path, {name: content for name, content in unpacked(path).items() if name != first(path)})


def an_unnamed_entry(path: Path) -> None:
    packed(path, {**unpacked(path), "notes.txt": b"hello"})


def text_in_its_place(text: str) -> Callable[[Path], object]:
    def change(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(MANIFEST, text)

    return change


def other(**facts: str) -> Callable[[Path], None]:
    return lambda path: packed(path, unpacked(path), made_for={**origin.origin(), **facts})


MUCH = 2**22  # bytes, for a test
CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a traversal": (renamed(lambda name: f"../../{name}"), "is not the kernel that its manifest says"),
    "an absolute name": (renamed(lambda name: f"/tmp/{name}"), "is not the kernel"),
    "a name of Windows": (renamed(lambda name: f"..\\{name}"), "is not the kernel|something else in its place"),
    "another kind of name": (renamed(lambda name: f"{name}.py"), "is not the kernel"),
    "a link": (a_link, "is not the kernel"),
    "a changed kernel": (a_changed_kernel, "is not the kernel"),
    "a missing kernel": (without_a_kernel, "other entries than its manifest says"),
    "an unnamed entry": (an_unnamed_entry, "other entries than its manifest says"),
    "no kernel": (with_entry("nine.0123456789abcdef.nbc", b"text"), "is not the kernel"),
    "much of nothing": (with_entry("nine.0123456789abcdef.nbc", bytes(MUCH)), f"have more than {MUCH} bytes"),
    "half of it": (lambda path: os.truncate(path, path.stat().st_size // 2), "BadZipFile says"),
    "a byte less": (lambda path: os.truncate(path, path.stat().st_size - 1), "BadZipFile says"),
    "nothing": (lambda path: path.write_bytes(b""), "BadZipFile says"),
    "a pickle": (lambda path: path.write_bytes(pickle.dumps([1])), "BadZipFile says"),
    "no manifest": (lambda path: zipfile.ZipFile(path, "w").close(), "KeyError says: 'manifest.json'"),
    "a manifest that is no JSON": (text_in_its_place("{"), "JSONDecodeError says"),
    "a manifest that is very deep": (text_in_its_place("[" * 10**5), "RecursionError says"),
    "a manifest that is a list": (text_in_its_place("[]"), "its manifest is not one of 'fastconv kernels 1'"),
    "another format": (lambda path: packed(path, unpacked(path), format="kernels 2"), "its manifest is not one of"),
    "a manifest without facts": (lambda path: packed(path, unpacked(path), made_for=3), "TypeError says"),
    "a manifest without digests": (lambda path: packed(path, unpacked(path), sha256="none"), "ValueError says"),
    "another Numba": (
        other(Numba="0.1"),
        r"got another Numba '0\.1' \(here '.*'\)\. Export it on a machine of this kind",
    ),
    "another CPU and Python": (other(CPU="z80", Python="cpython 2.7"), "another Python 'cpython 2.7' .*, CPU 'z80' "),
    "other features of the CPU": (other(**{"CPU features": "+magic"}), "got another CPU features. Export"),
    "other sources": (other(sources="0123"), "got another sources '0123'"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_other_file_is_refused_and_changes_nothing(
    tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(kernel_archive, "_LARGEST", MUCH)
    make, words = CHANGES[change]
    make(archive)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(KernelCacheError, match=f"^warmup --import: {re.escape(str(archive))} must .*(?:{words})"):
        import_kernels(archive)
    assert kept(tmp_path) == []
    assert [path for path in sorted(tmp_path.rglob("*")) if path.is_file()] == [p for p in before if p.is_file()]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_refused(tmp_path: Path, archive: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(KernelCacheError, match="must be a regular file, but it is a named pipe"):
        import_kernels(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError):
        import_kernels(tmp_path / "missing")


class Ticking:
    """What runs when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_an_import_runs_nothing(tmp_path: Path, archive: Path) -> None:
    """Only a call does, as with any program: the file has to come from somebody who is trusted."""
    whole = unpacked(archive)[first(archive)]
    body = whole[32:96] + pickle.dumps(Ticking(tmp_path / "ran"))
    with_entry(first(archive), sha256(body).digest() + body)(archive)
    assert import_kernels(archive).kernels == 2
    assert not (tmp_path / "ran").exists()
    build = nine if first(archive).startswith("nine.") else nine_jitted
    assert warned(build)[0] is False
    assert (tmp_path / "ran").exists()


def test_an_import_says_where_nothing_can_be_written(
    tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_folders, "_refusal", lambda _: OSError(28, "full"))
    monkeypatch.setenv("FASTCONV_CACHE", str(tmp_path / "nowhere"))
    with pytest.raises(KernelCacheError, match="warmup --import: compiled kernels must be kept in a folder"):
        import_kernels(archive)


WORK = """
    import numpy as np
    import fastconv as fc
    from fastconv.backends.fast.machine.jit import build_log
    from fastconv.kernel_archive import export_kernels, import_kernels
    import_kernels(FROM) if FROM else None
    assert fc.max_pool2d(np.ones((1, 1, 4, 6), np.float32), 2).all()
    export_kernels(TO)
    print(*[built.name for built in build_log if not built.cached])
"""


@pytest.mark.slow
@pytest.mark.skipif(not FULL, reason="the long form: FASTCONV_FULL=1")
def test_a_file_for_several_cpus_is_made_for_what_they_have_in_common(tmp_path: Path) -> None:
    haswell = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "", "FASTCONV_CACHE": str(tmp_path / "a")}
    file = str(tmp_path / "kernels.zip")
    assert run(WORK.replace("FROM", "''").replace("TO", repr(file)), **haswell).split()
    elsewhere = {**haswell, "FASTCONV_CACHE": str(tmp_path / "b")}
    program = WORK.replace("FROM", repr(file)).replace("TO", repr(file))
    assert run(program, **elsewhere).split() == []
    assert "got another" in run(program, fails=True, FASTCONV_CACHE=str(tmp_path / "c"))
