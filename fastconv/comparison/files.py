"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["check_writable", "write_whole"]


def write_whole(path: str | os.PathLike[str], write: Callable[[BinaryIO], object]) -> None:
    """Write a file under another name in the same folder, then give it its own; nothing stays if that fails."""
    target = Path(os.path.realpath(path))
    if _is_special(target):
        with target.open("wb") as stream:
            write(stream)
        return
    with _named(target):
        partial = _partial(target)
        try:
            with partial.open("xb") as stream:
                write(stream)
            os.replace(partial, target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise now the OSError that `write_whole` would raise later."""
    target = Path(os.path.realpath(path))
    if _is_special(target):
        target.open("ab").close()
        return
    with _named(target):
        partial = _partial(target)
        partial.open("xb").close()
        partial.unlink()


def _is_special(target: Path) -> bool:
    """Whether this is a device or a pipe, which has no other name; or a folder, which cannot be opened."""
    return target.exists() and not target.is_file()


def _partial(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.part")


@contextmanager
def _named(target: Path) -> Iterator[None]:
    """Let an OSError name the file that was asked for."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is None:
            raise
        raise OSError(error.errno, error.strerror, str(target)) from error
