"""Where compiled kernels are looked for and kept: folders that cannot be written, and code that comes without sources.

A folder that only its owner can write is a `_refusal` here, since a test may run as somebody who can write everywhere;
the long form has a process that really cannot.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from programs import FULL, ROOT, run
from strategies import BACKENDS

from fastconv.errors import KernelCacheError

pytestmark = pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")

if "fast" in BACKENDS:
    from small_kernels import nine, nine_jitted, warned

    from fastconv.backends.fast import warmup
    from fastconv.backends.fast.machine import cache_folders, disk_cache, jit, origin

    needs_jit = pytest.mark.skipif(jit.INTERPRETED, reason="nothing is compiled")
else:
    needs_jit = pytest.mark.skip(reason="the fast backend needs Numba")

DENIED = PermissionError(errno.EACCES, "Permission denied")


def deny(monkeypatch: pytest.MonkeyPatch, *roots: Path) -> None:
    """Let the folders in these roots, or in all, be such as cannot be written."""
    allowed = cache_folders._refusal
    monkeypatch.setattr(
        cache_folders,
        "_refusal",
        lambda folder: DENIED if not roots or folder.parent in roots else allowed(folder),
    )
    cache_folders._tried.cache_clear()


@pytest.fixture
def second(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that comes after the one of this test."""
    path = tmp_path_factory.mktemp("second")
    monkeypatch.setattr(cache_folders.numba.config, "CACHE_DIR", str(path))
    return path


@needs_jit
def test_kernels_of_a_folder_that_cannot_be_written_are_found(
    folder: Path, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image or an installation that its owner has warmed: what is missing there is kept elsewhere."""
    assert warned(nine) == (False, [])
    deny(monkeypatch, folder)
    assert warned(nine) == (True, [])
    assert warned(nine_jitted) == (False, [])
    assert warned(nine_jitted) == (True, [])
    assert [path.name.split(".")[0] for path in folder.rglob("*.nbc")] == ["nine"]
    assert [path.name.split(".")[0] for path in second.rglob("*.nbc")] == ["nine_jitted"]


@needs_jit
def test_a_damaged_file_where_nothing_can_be_written_is_replaced_elsewhere(
    folder: Path, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nine()
    (file,) = folder.rglob("*.nbc")
    file.write_bytes(b"damaged")
    deny(monkeypatch, folder)
    cached, (message,) = warned(nine)
    assert not cached
    assert str(folder) in message
    monkeypatch.setattr(disk_cache, "_warned", False)
    assert warned(nine) == (True, [])  # and nobody is told again


@needs_jit
def test_a_variable_that_names_no_folder_is_told_once(
    folder: Path, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "file").write_text("no folder can be made in here")
    monkeypatch.setenv("FASTCONV_CACHE", str(folder / "file" / "kernels"))
    cached, (message,) = warned(nine)
    assert message == (
        f"kernel cache: FASTCONV_CACHE must name a folder, but got {folder / 'file' / 'kernels'} (Not a directory). "
        "Another is used."
    )
    assert not cached
    assert warned(nine) == (True, [])
    assert list(second.rglob("*.nbc"))


def test_without_a_home_no_folder_is_made_where_the_process_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a user has no home, "~" stays as it is, and would be the name of a folder."""
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert all(root.is_absolute() for root in cache_folders._roots("", ""))
    assert cache_folders._roots("kernels", "")[0] == Path.cwd() / "kernels"


# warming up


def all_of(monkeypatch: pytest.MonkeyPatch, *jobs: object) -> None:
    monkeypatch.setattr(sys.modules["fastconv.backends.fast.warmup"], "_jobs", lambda: iter(jobs))


@needs_jit
def test_warming_up_ends_where_nothing_can_be_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deny(monkeypatch)
    all_of(monkeypatch, nine, lambda: pytest.fail("it went on for minutes"))
    with pytest.raises(KernelCacheError, match=r"a folder that can be written, but got none: .*Set FASTCONV_CACHE to"):
        warmup()
    cached, (message,) = warned(nine)  # outside, computing goes on
    assert not cached
    assert "but got none" in message


@needs_jit
def test_warming_up_ends_where_the_disk_is_full(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(disk_cache.Path, "write_bytes", fail)
    all_of(monkeypatch, nine, lambda: pytest.fail("it went on for minutes"))
    with pytest.raises(KernelCacheError, match="No space left on device"):
        warmup()


@needs_jit
def test_warming_up_needs_no_folder_where_all_is_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nine()
    deny(monkeypatch)
    all_of(monkeypatch, nine)
    assert warmup()[-1].cached


def test_warming_up_where_nothing_is_compiled_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["fastconv.backends.fast.warmup"], "INTERPRETED", True)
    with pytest.raises(KernelCacheError, match="warmup: kernels must be compiled, but got NUMBA_DISABLE_JIT=1"):
        warmup()


# what the sources are, in each form in which Python finds code


def engine_in(folder: Path, ending: str = "py") -> Path:
    """A package with what kernels are made from, and what they are not."""
    engine = folder / "engine"
    for name in ("machine/jit", "pool/sums_kernel", "winograd/points", "pool/plan"):
        (engine / name).parent.mkdir(parents=True, exist_ok=True)
        (engine / f"{name}.{ending}").write_text(name)
    return engine


def revision_of(monkeypatch: pytest.MonkeyPatch, engine: Path, **loader: object) -> str:
    monkeypatch.setattr(origin, "_ENGINE", engine)
    monkeypatch.setattr(origin, "__spec__", SimpleNamespace(loader=SimpleNamespace(**loader)))
    return origin._revision()


@pytest.mark.parametrize("ending", ["py", "pyc"])
def test_an_edited_file_is_another_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    engine = engine_in(tmp_path, ending)
    before = revision_of(monkeypatch, engine)
    (engine / f"pool/plan.{ending}").write_text("edited")
    assert revision_of(monkeypatch, engine) == before
    for name in ("machine/jit", "pool/sums_kernel", "winograd/points"):
        (engine / f"{name}.{ending}").write_text("edited")
        assert revision_of(monkeypatch, engine) != before, name
        (engine / f"{name}.{ending}").write_text(name)
    assert revision_of(monkeypatch, engine) == before


def test_an_edited_entry_of_an_archive_is_another_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def packed(engine: Path) -> str:
        archive = shutil.make_archive(str(tmp_path / "application"), "zip", engine.parent)
        return revision_of(monkeypatch, Path(archive) / "engine", archive=archive)

    engine = engine_in(tmp_path / "package")
    before = packed(engine)
    (engine / "pool/plan.py").write_text("edited")
    assert packed(engine) == before
    for name in ("machine/jit", "pool/sums_kernel", "winograd/points"):
        (engine / f"{name}.py").write_text("edited")
        assert packed(engine) != before, name
        (engine / f"{name}.py").write_text(name)


def test_another_frozen_application_is_another_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"1")
    monkeypatch.setattr(origin, "FROZEN", True)
    monkeypatch.setattr(sys, "executable", str(program))
    before = revision_of(monkeypatch, tmp_path)
    assert revision_of(monkeypatch, tmp_path) == before
    program.write_bytes(b"12")
    assert revision_of(monkeypatch, tmp_path) != before


# whole applications, each in two processes: the second compiles nothing

PROGRAM = """
import numpy as np
from fastconv.functional import relu
assert relu(np.ones((1, 1, 2, 3), np.float32)).all()
import fastconv
from fastconv.backends.fast.machine.cache_folders import kernel_folders
from fastconv.backends.fast.machine.jit import build_log
print(fastconv.__file__, kernel_folders().write, *[built.name for built in build_log if not built.cached], sep="\\n")
"""

# An application in which modules are objects of a program, as PyInstaller makes them: no file, and names of files that
# are not there.
FROZEN = """
import importlib.machinery, os, sys
sys.frozen = True
sys.path.remove(ROOT)

class Modules:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] != "fastconv":
            return None
        base = os.path.join(ROOT, *name.split("."))
        package = os.path.isdir(base)
        spec = importlib.machinery.ModuleSpec(name, self, is_package=package)
        spec.origin, spec.has_location = os.path.join(os.sep, "unpacked", name), True
        spec.loader_state = os.path.join(base, "__init__.py") if package else base + ".py"
        return spec

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        with open(module.__spec__.loader_state, encoding="utf-8") as file:
            source = file.read()
        module.__file__ = os.path.join(os.sep, "unpacked", *module.__name__.split("."), "__init__.pyc")
        exec(compile(source, "/".join(module.__name__.split(".")) + ".py", "exec"), module.__dict__)

sys.meta_path.insert(0, Modules())
"""


def zipped(folder: Path) -> str:
    """A zip archive with all code, as zipapp makes one."""
    with zipfile.ZipFile(folder / "application.pyz", "w") as archive:
        for file in (ROOT / "fastconv").rglob("*.py"):
            archive.write(file, file.relative_to(ROOT).as_posix())
    return f"import sys; sys.path.insert(0, {str(folder / 'application.pyz')!r})"


def frozen(folder: Path) -> str:
    return FROZEN.replace("ROOT", repr(str(ROOT)))


def without_sources(folder: Path) -> str:
    """A folder in which every source is replaced by what Python made of it."""
    shutil.copytree(ROOT / "fastconv", folder / "fastconv", ignore=shutil.ignore_patterns("__pycache__", "*.nbc"))
    subprocess.run([sys.executable, "-m", "compileall", "-qb", str(folder / "fastconv")], check=True)
    for file in (folder / "fastconv").rglob("*.py"):
        file.unlink()
    return f"import sys; sys.path.insert(0, {str(folder)!r})"


@pytest.mark.slow
@needs_jit
@pytest.mark.parametrize(
    "form", [zipped, frozen, *[without_sources] * FULL], ids=lambda form: form.__name__.replace("_", " ")
)
def test_an_application_without_source_files_keeps_its_kernels(tmp_path: Path, form) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "application").mkdir()
    program = form(tmp_path / "application") + PROGRAM
    home = {"XDG_CACHE_HOME": str(tmp_path / "home"), "HOME": str(tmp_path / "home"), "FASTCONV_CACHE": ""}
    file, kept, *compiled = run(program, **home, NUMBA_CACHE_DIR="").splitlines()
    assert not Path(file).is_relative_to(ROOT)
    assert Path(kept).is_relative_to(tmp_path)
    assert compiled
    assert run(program, **home, NUMBA_CACHE_DIR="").splitlines() == [file, kept]


@pytest.mark.slow
@needs_jit
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="a process cannot be denied a folder here")
@pytest.mark.skipif(not FULL, reason="the long form: FASTCONV_FULL=1")
@pytest.mark.parametrize("warm", [True, False], ids=["a warm image", "a cold image"])
def test_a_process_that_can_write_nowhere(tmp_path: Path, warm: bool) -> None:
    """In an image without a home: what is there is found without a word; where nothing is, one warning says so."""
    package, cache = tmp_path / "fastconv", tmp_path / "cache"
    shutil.copytree(ROOT / "fastconv", package, ignore=shutil.ignore_patterns("__pycache__"))
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})" + PROGRAM
    environment = {**os.environ, "PYTHONPATH": "", "HOME": str(tmp_path), "FASTCONV_CACHE": str(cache)}
    environment = {name: value for name, value in environment.items() if name != "XDG_CACHE_HOME"}
    if warm:
        subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True)
    else:
        cache.mkdir()
    for path in [tmp_path, *tmp_path.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-c", code]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    finally:
        for path in [tmp_path, *tmp_path.rglob("*")]:
            path.chmod(0o755)
    _, folder, *compiled = done.stdout.splitlines()
    assert folder == "None"
    assert bool(compiled) is not warm
    assert done.stderr.count("kernel cache:") == (not warm)
    if not warm:
        assert "must be kept in a folder that can be written, but got none" in done.stderr
        assert "Permission denied" in done.stderr


# what Numba itself may be


@pytest.mark.parametrize("error", ["OSError('libllvmlite.so')", *["AttributeError('long')", "SystemError()"] * FULL])
def test_a_numba_that_fails_is_like_one_that_is_missing(tmp_path: Path, error: str) -> None:
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba" / "__init__.py").write_text(f"raise {error}")
    program = f"""
        import json, sys, warnings
        sys.path.insert(0, {str(tmp_path)!r})
        import numpy as np
        import fastconv as fc
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            y = fc.conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3)))
            fc.max_pool2d(y, 1)
        from fastconv.cli.info import describe
        print(json.dumps([y.item(), describe()["backends"], [str(warning.message) for warning in caught]]))
    """
    y, backends, (message,) = json.loads(run(program))
    assert (y, backends) == (9.0, ["numpy", "naive"])
    assert f"Numba cannot be imported ({error.partition('(')[0]}: " in message
