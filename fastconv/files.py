"""Files that are written whole or not at all, and read no further than they were meant to be."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO

from fastconv.errors import FastconvError, InvalidValueError, shown

_PIECE = 2**20  # bytes

_SPECIAL = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def is_there(path: Path) -> bool:
    """Whether a name belongs to anything but a folder; what it is, `open_regular` finds out."""
    return path.exists() and not path.is_dir()


def open_regular(operation: str, path: str | os.PathLike[str], error: type[FastconvError]) -> BinaryIO:
    """Open a file to be read; a pipe, on which a reader would wait for ever, a socket or a device is an `error`."""
    mode = os.stat(path).st_mode
    for is_kind, words in _SPECIAL:
        if is_kind(mode):
            raise error(f"{operation}: {os.fspath(path)} must be a regular file, but it is {words}.")
    return open(path, "rb")


def read_exactly(stream: IO[bytes], size: int) -> bytes:
    """Return all that is left in a stream, which must be `size` bytes; fewer or more are an EOFError."""
    content = stream.read(size)
    if len(content) != size or stream.read(1):
        raise EOFError(f"it must have {size} bytes, but there are {'more' if len(content) == size else len(content)}")
    return content


def fill(stream: IO[bytes], buffer: Any) -> int:
    """Read bytes into a flat array of uint8 until it is full or the stream ends, and return how many came.

    A stream that unpacks makes the memory for what it returns, so it is asked for little at a time.
    """
    done = 0
    while done < len(buffer) and (piece := stream.read(min(_PIECE, len(buffer) - done))):
        memoryview(buffer)[done : done + len(piece)] = piece
        done += len(piece)
    return done


def write_whole(path: str | os.PathLike[str], write: Callable[[BinaryIO], object]) -> None:
    """Write a file under another name in the same folder, then give it its own; nothing stays if that fails.

    The bytes are on the disk before the name changes, so that not even a loss of power leaves half a file.
    """
    target = Path(os.path.realpath(path))
    if _is_special(target):
        with _named(target), target.open("wb") as stream:
            write(stream)
        return
    with _named(target):
        partial = _partial(target)
        try:
            with partial.open("xb") as stream:
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(partial, target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    _sync_folder(target.parent)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise now the OSError that `write_whole` would raise later; or an `InvalidValueError`, for what is no name."""
    try:
        target = Path(os.path.realpath(path))
    except ValueError:
        raise InvalidValueError(f"write: path must be the name of a file, but got {shown(path)}.") from None
    if _is_special(target):
        target.open("ab").close()
        return
    with _named(target):
        partial = _partial(target)
        partial.open("xb").close()
        partial.unlink()


def remove_partial(path: str | os.PathLike[str]) -> None:
    """Remove what killed processes left of this file."""
    target = Path(os.path.realpath(path))
    for entry in target.parent.iterdir():
        if entry.name.startswith(f".{target.name}.") and entry.suffix == ".part":
            entry.unlink(missing_ok=True)


def _is_special(target: Path) -> bool:
    """Whether this is a device or a pipe, which has no other name; or a folder, which cannot be opened."""
    return target.exists() and not target.is_file()


def _partial(target: Path) -> Path:
    """Another name in the same folder; a process number alone comes again in every container."""
    return target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.part")


def _sync_folder(folder: Path) -> None:
    """Put the new name on the disk; where a folder cannot be opened (Windows), the system sees to it."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _named(target: Path) -> Iterator[None]:
    """Let an OSError name the file that was asked for; that of a full disk names none."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(target)) from None
