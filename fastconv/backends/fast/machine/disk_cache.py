"""Compiled kernels on disk, such that no file, no right and no full disk can stop the engine.

Numba's own cache believes its files: a damaged one raises any of a dozen exceptions out of `pickle`, in every process
from then on, and a flipped bit in machine code reaches LLVM, which may abort the process. Where Numba looks for a
folder, what it stores and how it makes code of that again is kept; the files are others:

- One file per kernel, type of CPU and version of Python, and no index. Two processes with an empty cache may both write
  a kernel: one of the two whole files stays.
- A file begins with the SHA-256 of the rest, which is compared before anything is unpickled or handed to LLVM. That is
  against accidents; whoever may write to the folder may run code here, as with Python's own `__pycache__`.
- Then comes what the kernel was made from (`_stamp`). Where that differs, by an upgrade of Numba or an edit, the kernel
  is compiled and its file replaced without a word.
- Whatever else goes wrong: the kernel is compiled, and its file written anew. One warning per process says so.

Of Numba (0.61 to 0.68 agree) this relies upon `FunctionCache`: that its constructor finds the folder, and that
`load_overload` and `save_overload` call `load(key)` and `save(key, data)` of its `_cache_file`, with a key of the
signature, the CPU, and hashes of bytecode and closure.
"""

from __future__ import annotations

import os
import pickle
import secrets
import warnings
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache, NullCache
from numba.core.serialize import dumps

_DIGEST = 32  # bytes of a SHA-256

_warned = False


def kernel_cache(function: Any, revision: str) -> Any:
    """Cache for what is compiled from `function`; one that is always empty where no folder can be written.

    `revision` says which state of the sources it is, helpers and all.
    """
    try:
        return _KernelCache(function, revision)
    except Exception as error:  # noqa: BLE001 - Numba's look for a folder: without one, it computes all the same
        _warn_once(numba.config.CACHE_DIR or str(Path(__file__).parent / "__pycache__"), error)
        return NullCache()


class _KernelCache(FunctionCache):  # type: ignore[misc]
    """Numba's cache of one function, with other files, and no exceptions."""

    def __init__(self, function: Any, revision: str) -> None:
        super().__init__(function)
        self._cache_file = _KernelFiles(Path(self.cache_path), self._impl.filename_base, revision)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Kernel for a signature; None if it must be compiled."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # noqa: BLE001 - unpickling and LLVM may raise anything
            _warn_once(self.cache_path, error)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a kernel that was just compiled, if possible."""
        try:
            super().save_overload(sig, data)
        except Exception as error:  # noqa: BLE001 - the kernel is at hand, whatever became of the file
            _warn_once(self.cache_path, error)


class _KernelFiles:
    """The files of one function: a checksum, the stamp of what it was made from, and the pickled kernel."""

    def __init__(self, folder: Path, base: str, revision: str) -> None:
        self._folder = folder
        self._base = base
        self._revision = revision

    def load(self, key: Any) -> Any:
        """What was saved under this key; None if nothing was, or something else."""
        path = self._path(key)
        try:
            content = memoryview(path.read_bytes())
        except FileNotFoundError:
            return None
        checksum, body = content[:_DIGEST], content[_DIGEST:]
        if sha256(body).digest() != checksum:
            raise ValueError(f"{path.name} is damaged: its checksum is another")
        return pickle.loads(body[_DIGEST:]) if body[:_DIGEST] == self._stamp(key) else None

    def save(self, key: Any, data: Any) -> None:
        """Write a whole file under another name, then give it its own."""
        path = self._path(key)
        body = self._stamp(key) + dumps(data)
        partial = path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")
        try:
            partial.write_bytes(sha256(body).digest() + body)
            if path.is_dir():
                path.rmdir()
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def _path(self, key: Any) -> Path:
        """A file for each signature and CPU; the rest of the key changes by edits, and then the file is replaced."""
        signature, cpu, _ = key
        return self._folder / f"{self._base}.{sha256(repr((signature, cpu)).encode()).hexdigest()[:16]}.nbc"

    def _stamp(self, key: Any) -> bytes:
        return sha256(repr((numba.__version__, self._revision, key)).encode()).digest()


def _warn_once(folder: str, error: Exception) -> None:
    global _warned
    if _warned:
        return
    _warned = True
    warnings.warn(
        f"kernel cache: compiled kernels must be kept in {folder}, but got {type(error).__name__}: {error}. They were "
        "compiled by this process instead, and the results are right. If this warning comes back in the next process, "
        "delete that folder, or set NUMBA_CACHE_DIR to one that can be written and has room.",
        RuntimeWarning,
        stacklevel=2,
    )
