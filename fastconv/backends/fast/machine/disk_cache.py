"""Compiled kernels on disk, such that no file, no right and no full disk can stop the engine.

Numba's own cache believes its files: a damaged one raises any of a dozen exceptions out of `pickle`, in every process
from then on, and a flipped bit in machine code reaches LLVM, which may abort the process. Numba looks for a folder that
it can write, beside a source file, and finds neither in a zip archive. What Numba stores, and how it makes code of that
again, is kept; the folders (`cache_folders`) and the files are others:

- One file per kernel, and no index. Two processes with an empty cache may both write a kernel: one of the two whole
  files stays.
- A file begins with the SHA-256 of the rest, which is compared before anything is unpickled or handed to LLVM. That is
  against accidents; whoever may write to the folder may run code here, as with Python's own `__pycache__`.
- Then come two more, of what everything here was made from and for (`origin`), and of the key that Numba has for a
  function: signature, CPU, bytecode and closure. Where they differ, by an upgrade or an edit, the kernel is compiled
  and its file replaced without a word.
- Whatever else goes wrong: the kernel is compiled, and its file written anew. One warning per process says so.

Loading what is compiled takes none of the modules that Numba compiles with; they, and SciPy, which they import where it
is installed, would take 0.3 s of the 0.65 s from the import of fastconv to its first result. The runtime alone is
started, which parallel code may call.

Of Numba (0.61 to 0.68 agree) this relies upon `_index_key` of `FunctionCache`, `_reduce` and `_rebuild` of
`CompileResult`, and `rtsys`.
"""

from __future__ import annotations

import os
import pickle
import re
import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache
from numba.core.compiler import CompileResult
from numba.core.runtime import rtsys
from numba.core.serialize import dumps

from fastconv.backends.fast.machine.cache_folders import VARIABLE, kernel_folders, unusable
from fastconv.backends.fast.machine.origin import origin
from fastconv.errors import KernelCacheError

_DIGEST = 32  # bytes of a SHA-256
_FILE = re.compile(r"\w+\.[0-9a-f]{16}\.nbc", re.ASCII)

_warned = False
_must_keep = False


class KernelCache(FunctionCache):  # type: ignore[misc]
    """Cache of what is compiled from one function, under its qualified name; it raises nothing."""

    def __init__(self, function: Any) -> None:
        self._py_func = function

    @property
    def cache_path(self) -> str:
        """Folder that is written to, for Numba's own reports."""
        return str(kernel_folders().write)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Kernel for a signature; None if it must be compiled."""
        rtsys.initialize(target_context)
        if (wrong := unusable()) is not None:
            _warn(f"{VARIABLE} must name a folder, but got {wrong[0]} ({wrong[1].strerror}). Another is used.")
        key, problem = self._index_key(sig, target_context.codegen()), None
        for folder in kernel_folders().read:
            path = folder / self._file(sig)
            try:
                pickled = _load(path, key)
                if pickled is not None:
                    return CompileResult._rebuild(target_context, *pickle.loads(pickled))
            except Exception as error:  # noqa: BLE001 - unpickling and LLVM may raise anything
                problem = problem or (path, error)
        if problem is not None:
            _warn(_trouble(problem[0].parent, problem[1]))
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a kernel that was just compiled, if possible."""
        folders = kernel_folders()
        if folders.write is None:
            _not_kept(folders.without_one(), None)
            return
        try:
            body = _digest(origin()) + _digest(self._index_key(sig, data.codegen)) + dumps(data._reduce())
            keep(folders.write / self._file(sig), sha256(body).digest() + body)
        except Exception as error:  # noqa: BLE001 - the kernel is at hand, whatever became of the file
            _not_kept(_trouble(folders.write, error), error)

    def _file(self, sig: Any) -> str:
        name = self._py_func.__qualname__
        return f"{name}.{sha256(repr((name, sig)).encode()).hexdigest()[:16]}.nbc"


def is_kernel(name: str, content: bytes) -> bool:
    """Whether a file has the name of a kernel, is whole, and is of the origin of this process."""
    return (
        _FILE.fullmatch(name) is not None
        and sha256(content[_DIGEST:]).digest() == content[:_DIGEST]
        and content[_DIGEST : 2 * _DIGEST] == _digest(origin())
    )


def kept_kernels() -> Iterator[tuple[str, bytes]]:
    """Name and content of every kernel that a process of this origin finds, in the order of names."""
    found: dict[str, Path] = {}
    for folder in kernel_folders().read:
        for path in folder.glob("*.nbc"):
            found.setdefault(path.name, path)
    for name, path in sorted(found.items()):
        content = path.read_bytes()
        if is_kernel(name, content):
            yield name, content


def keep(path: Path, content: bytes) -> None:
    """Write a whole file under another name, then give it its own."""
    partial = path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        if path.is_dir():
            path.rmdir()
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def must_keep() -> Iterator[None]:
    """Let a kernel that was compiled and cannot be kept be an error inside the block."""
    global _must_keep
    before, _must_keep = _must_keep, True
    try:
        yield
    finally:
        _must_keep = before


def _load(path: Path, key: Any) -> memoryview | None:
    """Return the pickled kernel in a file; None where there is none, or one of another origin or key."""
    try:
        content = memoryview(path.read_bytes())
    except FileNotFoundError:
        return None
    if sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
        raise ValueError(f"{path.name} is damaged: its checksum is another")
    same = content[_DIGEST : 3 * _DIGEST] == _digest(origin()) + _digest(key)
    return content[3 * _DIGEST :] if same else None


def _digest(facts: Any) -> bytes:
    return sha256(repr(facts).encode()).digest()


def _trouble(folder: Path, error: Exception) -> str:
    return (
        f"compiled kernels must be kept in {folder}, but got {type(error).__name__}: {error}. They were "
        "compiled by this process instead, and the results are right. If this warning comes back in the next process, "
        f"delete that folder, or set {VARIABLE} to one that can be written and has room."
    )


def _not_kept(words: str, error: Exception | None) -> None:
    """Warn of a kernel that the next process compiles again, or raise where that is no help."""
    if _must_keep:
        raise KernelCacheError(f"kernel cache: {words}") from error
    _warn(words)


def _warn(words: str) -> None:
    """Warn once in a process."""
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(f"kernel cache: {words}", RuntimeWarning, stacklevel=2)
