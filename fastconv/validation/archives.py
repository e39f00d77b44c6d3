"""Zip archives and NumPy arrays from files that nobody vouches for.

What a file says about itself is compared with what it has before any memory is taken for it: deflate makes at most 1032
bytes of one, a header of NumPy is short, and an array is as long as its shape says. Then as much is read as was said,
and one byte less or more is an error; the checksum of an entry is part of that.
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from math import prod
from typing import IO, Any

import numpy as np

from fastconv.files import fill, read_exactly
from fastconv.validation.arrays import Array
from fastconv.validation.memory import allocate, check_fits

# What reading a damaged archive or array raises, here and in the standard library.
DAMAGED = (ValueError, TypeError, EOFError, KeyError, RuntimeError, struct.error, zlib.error, zipfile.BadZipFile)

_DEFLATE = 1032  # bytes out of one, at most: a pair of codes of one bit each stands for 258
_MOST_TEXT = 2**24  # bytes of text that is packed: what is made of it, as lists of JSON, may take thirty times as many
_HEADER = 2**14  # bytes that begin an array of NumPy, whose header may have 10,000
_END = struct.Struct("<4s4x2H2IH")  # signature, entries here and in all, size, offset, comment
_END_64, _LOCATOR_64 = 56, 20  # lengths of the records that replace it in large archives
_LOCAL = struct.Struct("<4s2x2H16x2H")  # signature, flags, method, lengths of the name and of what follows it
_ENCRYPTED, _UTF_8 = 0x1, 0x800  # flags


# archives


def open_archive(stream: IO[bytes]) -> zipfile.ZipFile:
    """Open a zip archive whose end, directory and entries agree.

    Raises
    ------
    one of DAMAGED
        If the directory has not as many entries as the end of the archive says, names one twice, or says something else
        than an entry says itself, or if entries lie in each other. `zipfile` looks at an entry when it is read, and
        never counts.
    """
    count, start = _end(stream)
    archive = zipfile.ZipFile(stream)
    found = archive.infolist()
    if len(found) != count:
        raise zipfile.BadZipFile(f"its directory must have {count} entries, but {len(found)} can be read")
    names = {member.filename for member in found}
    if len(names) != count:
        raise zipfile.BadZipFile("its directory has two entries of the same name")
    if sum(_check_entry(stream, member, start) for member in found) > start:
        raise zipfile.BadZipFile("its entries have more bytes than it, so that they overlap")
    return archive


def entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the entries that are files, by name."""
    return {member.filename: member for member in archive.infolist() if not member.is_dir()}


def array_entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the entries that are files, by name and without the ``.npy`` that NumPy adds."""
    found = entries(archive)
    named = {name.removesuffix(".npy"): member for name, member in found.items()}
    if len(named) != len(found):
        raise zipfile.BadZipFile("two arrays have the same name")
    return named


def _end(stream: IO[bytes]) -> tuple[int, int]:
    """Return the number of entries, and where the directory begins."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(size - _END.size - 2**16, 0))
    tail = stream.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise zipfile.BadZipFile("its end is missing")
    _, _, count, length, _, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        raise zipfile.BadZipFile("it does not end where it says")
    place = size - len(tail) + at
    if at >= _END_64 + _LOCATOR_64 and tail[at - _LOCATOR_64 :][:4] == b"PK\6\7":
        place -= _END_64 + _LOCATOR_64
        if tail[at - _LOCATOR_64 - _END_64 :][:4] != b"PK\6\6":
            raise zipfile.BadZipFile("its end is damaged")
        count, length = struct.unpack_from("<2Q", tail, at - _LOCATOR_64 - _END_64 + 32)
    if length > place:
        raise zipfile.BadZipFile("its directory is larger than it is")
    return count, place - length


def _check_entry(stream: IO[bytes], member: zipfile.ZipInfo, start: int) -> int:
    """Compare what the directory says about an entry with the entry, which lies before it; return the length."""
    name = member.orig_filename
    place = member.header_offset
    if 0 <= place <= start - _LOCAL.size:
        stream.seek(place)
        signature, flags, _, length, extra = _LOCAL.unpack(stream.read(_LOCAL.size))
        unlike = (flags ^ member.flag_bits) & (_ENCRYPTED if name.isascii() else _ENCRYPTED | _UTF_8)
        found = stream.read(length).decode("utf-8" if member.flag_bits & _UTF_8 else "cp437")
        whole: int = _LOCAL.size + length + extra + member.compress_size
        if signature == b"PK\3\4" and not unlike and found == name and "\0" not in name and place + whole <= start:
            return whole
    raise zipfile.BadZipFile(f"its directory has {name!r}, but there is something else in its place")


# what is in them


@contextmanager
def _opened(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
    """Open an entry that may be as large as it says."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise NotImplementedError(
            f"{member.filename} must be stored or deflated, but got the compression method {member.compress_type}"
        )
    longer = copy(member)
    longer.file_size += 1  # `zipfile` cuts what comes at the size, and would hide a byte more
    with archive.open(longer) as stream:
        packed = member.compress_size
        if member.file_size > (packed if member.compress_type == zipfile.ZIP_STORED else _DEFLATE * packed):
            raise zipfile.BadZipFile(
                f"{member.filename} must have {member.file_size} bytes, more than {packed} bytes can hold"
            )
        yield stream


def read_entry(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return the content of an entry, checked against its size and its CRC."""
    with _opened(archive, member) as stream:
        return read_exactly(stream, member.file_size)


def read_bytes_entry(operation: str, subject: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    """Return the bytes of an entry as an array that may be written, checked against its size and its CRC."""
    with _opened(archive, member) as stream:
        content = allocate(operation, subject, (member.file_size,), np.dtype(np.uint8))
        if fill(stream, content) != member.file_size or stream.read(1):
            raise EOFError(f"{member.filename} must have {member.file_size} bytes, but there are fewer or more")
    return content


def read_array_entry(operation: str, subject: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    """Return the array in an entry, checked against its size and its CRC; see `read_array`."""
    with _opened(archive, member) as stream:
        return read_array(operation, subject, stream, member.file_size, max(member.compress_size, _MOST_TEXT))


def read_array(operation: str, subject: str, stream: IO[bytes], size: int, most_text: int | None = None) -> Array:
    """Read an array as ``numpy.save`` writes it, in exactly `size` bytes; no pickle is ever opened.

    Parameters
    ----------
    operation, subject : str
        What is being done, and to what: for messages.
    stream : binary file
        At the beginning of the array.
    size : int
        Bytes that there are in it, which is as many as are read.
    most_text : int, optional
        Bytes that it may have if it holds text.

    Returns
    -------
    ndarray
        The array, of any dtype but objects. It alone takes memory.

    Raises
    ------
    one of DAMAGED
        If it is no array, or its size is another one.
    MemoryLimitError
        If it does not fit into memory.
    """
    head = stream.read(min(size, _HEADER))
    shape, order, dtype, begin = _described(head)
    needed = prod(shape) * dtype.itemsize
    if size - begin != needed:
        raise ValueError(f"an array of shape {shape} and {dtype} must have {needed} bytes, but got {size - begin}")
    if most_text is not None and dtype.kind in "SU" and needed > most_text:
        raise ValueError(f"an array of text must have at most {most_text} bytes, but got {needed}")
    check_fits(operation, subject, shape, dtype.itemsize)
    flat = allocate(operation, subject, (needed,), np.dtype(np.uint8))
    first = np.frombuffer(head, np.uint8, offset=begin)
    flat[: first.size] = first
    if first.size + fill(stream, flat[first.size :]) != needed or stream.read(1):
        raise EOFError(f"an array must have {needed} bytes, but there are fewer or more")
    array: Array = flat.view(dtype).reshape(shape, order=order)
    return array


def _described(head: bytes) -> tuple[tuple[int, ...], Any, np.dtype[Any], int]:
    """Return shape, order and dtype from the beginning of an array, and the length of that."""
    stream = io.BytesIO(head)
    try:
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran, dtype = read(stream)
        if dtype.hasobject or not dtype.itemsize or min(shape, default=0) < 0:
            kind = "Object arrays, which are pickles (allow_pickle=False)" if dtype.hasobject else f"{dtype} of {shape}"
            raise ValueError(f"it must hold numbers or strings, but got {kind}")
    except Exception as error:  # a header is a literal of Python: a damaged one raises what the parser does
        raise ValueError(f"the header of an array must be whole, but: {error}") from error
    return shape, "F" if fortran else "C", dtype, stream.tell()
