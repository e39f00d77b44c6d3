"""Pickles from files that nobody vouches for: a machine that makes what it is given stand-ins for, and nothing else.

A pickle is a program: it may call anything that it can name. Here it can name what its reader has a stand-in for, and
the functions of other packages never see an argument from a file.

A pickle also says how long its parts are and how many it will remember, and the unpickler in C takes memory for that
before it reads: nine bytes can ask for 16 GB. The one in Python, of the same module, remembers in a dictionary, and
reads here from a stream that ends where the file does. What a few bytes could still multiply has a limit: instructions,
names, and copies.
"""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable, Iterable
from mmap import mmap
from typing import IO, Any

from fastconv.errors import shown
from fastconv.files import fill

_PIECE = 2**20  # bytes that are read at once
_MOST_NAMES = 1000
_KEYS = (str, bytes, int, float, type(None))
_LONGEST_KEY = 16  # items of a tuple


def bytes_left(stream: IO[bytes]) -> int:
    """Bytes from where a stream is to its end."""
    here = stream.tell()
    size = stream.seek(0, os.SEEK_END) - here
    stream.seek(here)
    return size


class Source:
    """The bytes of a pickle; asking for more than there are is an error before any memory is taken."""

    def __init__(self, stream: IO[bytes], left: int) -> None:
        self.left = left
        self._stream = stream

    @classmethod
    def of(cls, content: bytes) -> Source:
        """Source of bytes that are there."""
        return cls(io.BytesIO(content), len(content))

    def read(self, size: int) -> Any:
        """Return so many bytes."""
        if not 0 <= size <= self.left:
            raise pickle.UnpicklingError(f"it asks for {size} bytes, but {self.left} are left")
        self.left -= size
        if size <= _PIECE:
            return self._whole(self._stream.read(size), size)
        # Takes memory as it is written, since the size in an archive is a claim too, and gives it back to the system:
        # blocks of this size stay with malloc, and the batches of CIFAR-10 would be there twice when they are joined.
        content = memoryview(mmap(-1, size))
        return self._whole(content[: fill(self._stream, content)], size)

    def readline(self) -> bytes:
        """Return the bytes up to the end of a line."""
        line: bytes = self._stream.readline(self.left)
        self.left -= len(line)
        return line

    def _whole(self, content: Any, size: int) -> Any:
        if len(content) != size:
            raise EOFError(f"it must go on for {size} bytes, but has {len(content)}")
        return content


class Allowance:
    """Bytes that may be made out of others: as many as the file has, since an honest one has its own for each array."""

    def __init__(self, left: int) -> None:
        self._left = left

    def spend(self, size: int) -> None:
        """Take some of it."""
        self._left -= size
        if self._left < 0:
            raise pickle.UnpicklingError("it asks for more copies than it has bytes")


def check_keys(keys: Iterable[Any]) -> None:
    """Refuse what cannot be hashed at once: a tuple may hold one part of itself any number of times."""
    for key in keys:
        items = key if isinstance(key, tuple) and len(key) <= _LONGEST_KEY else (key,)
        if not all(isinstance(item, _KEYS) for item in items):
            raise pickle.UnpicklingError(f"a key of a dictionary must be strings or numbers, but got {shown(key)}")


def _byte_array(unpickler: Any) -> None:
    size = int.from_bytes(unpickler.read(8), "little")
    unpickler.append(bytearray(unpickler.read(size)))


def _with_keys(code: bytes, keys: slice) -> Callable[[Any], None]:
    """Return an instruction that puts items into a dictionary, preceded by a look at the keys on the stack."""
    known = pickle._Unpickler.dispatch[code[0]]

    def run(unpickler: Any) -> None:
        check_keys(unpickler.stack[keys])
        known(unpickler)

    return run


def _set(unpickler: Any) -> None:
    raise pickle.UnpicklingError("a set where arrays and plain containers are expected")


def _extension(unpickler: Any) -> None:
    raise pickle.UnpicklingError("a name from the registry of extensions")


# Instructions that would take memory, or time, for what the file claims, or go around the names.
_CHANGED: dict[int, Callable[[Any], None]] = {
    pickle.BYTEARRAY8[0]: _byte_array,
    pickle.DICT[0]: _with_keys(pickle.DICT, slice(None, None, 2)),
    pickle.SETITEMS[0]: _with_keys(pickle.SETITEMS, slice(None, None, 2)),
    pickle.SETITEM[0]: _with_keys(pickle.SETITEM, slice(-2, -1)),
    **dict.fromkeys((pickle.EMPTY_SET[0], pickle.ADDITEMS[0], pickle.FROZENSET[0]), _set),
    **dict.fromkeys((pickle.EXT1[0], pickle.EXT2[0], pickle.EXT4[0]), _extension),  # what the process has made of it
}


class _Instructions(dict[int, Callable[[Any], None]]):
    """What each instruction does, for so many of them."""

    def __init__(self, known: Any, most: int) -> None:
        super().__init__(known)
        self._most = self._left = most

    def __getitem__(self, code: int) -> Callable[[Any], None]:
        self._left -= 1
        if self._left < 0:
            raise pickle.UnpicklingError(f"it must have at most {self._most} instructions, but there are more")
        return super().__getitem__(code)

    def __missing__(self, code: int) -> Callable[[Any], None]:
        raise pickle.UnpicklingError(f"there is no instruction {bytes([code])!r}")


class RestrictedUnpickler(pickle._Unpickler):
    """An unpickler of known names.

    Parameters
    ----------
    source : Source
        The bytes.
    named : dict of (str, str) to object
        What a pickle gets for a name in a module. New for each file: a pickle can set attributes of what it names.
    most : int
        Instructions that it may have.
    encoding : str
        Of strings that Python 2 wrote.
    """

    def __init__(self, source: Source, named: dict[tuple[str, str], Any], most: int, encoding: str = "bytes") -> None:
        super().__init__(source, encoding=encoding)
        self.named = named
        self.dispatch = _Instructions({**pickle._Unpickler.dispatch, **_CHANGED}, most)  # type: ignore[misc]

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a name."""
        if len(self.named) > _MOST_NAMES:
            raise pickle.UnpicklingError(f"it must ask for at most {_MOST_NAMES} names, but there are more")
        if (module, name) not in self.named:
            self.named[module, name] = self.unknown(module, name)
        return self.named[module, name]

    def unknown(self, module: str, name: str) -> Any:
        """Return a stand-in for a name that is not known, or raise."""
        raise pickle.UnpicklingError(f"it asks for {shown(f'{module}.{name}')}, which is not known")

    def persistent_load(self, pid: Any) -> Any:
        """Return what lies outside of the pickle, or raise."""
        raise pickle.UnpicklingError(f"a reference to something outside of the file ({shown(pid)})")
