"""Compiled kernels in one file, so that an image, a classroom or a cluster starts warm.

A zip archive of the files of the cache, with a manifest: what they were made from and for, and a SHA-256 of each. What
is imported is compared with that before anything is written, and nothing of it is unpickled or run; that happens when
a kernel is first called. Then it is machine code like that of any program, so whoever made the archive must be trusted
as whoever made a program. A digest tells whether it is the same file, and not who made it.
"""

from __future__ import annotations

import json
import os
import zipfile
from hashlib import sha256
from typing import Any, BinaryIO, NamedTuple

from fastconv.backends.fast.machine.cache_folders import kernel_folders
from fastconv.backends.fast.machine.disk_cache import is_kernel, keep, kept_kernels
from fastconv.backends.fast.machine.origin import FEATURES, origin
from fastconv.errors import KernelCacheError
from fastconv.files import open_regular, write_whole
from fastconv.validation.archives import DAMAGED, entries, open_archive, read_entry
from fastconv.validation.sizes import check_path

FORMAT = "fastconv kernels 1"
_MANIFEST = "manifest.json"
_DATE = (1980, 1, 1, 0, 0, 0)  # of every entry, so that the same kernels make the same bytes
_MOST_MANIFEST = 2**22  # bytes, a hundred for each kernel
_LARGEST = 2**28  # bytes of all kernels; those of a whole warming up are less than a tenth of that


class Moved(NamedTuple):
    """Kernels that went into or came out of an archive.

    Attributes
    ----------
    kernels : int
        How many.
    nbytes : int
        Their size in bytes.
    folder : Path or None
        Where they are now, after an import.
    """

    kernels: int
    nbytes: int
    folder: str | None = None


def export_kernels(path: str | os.PathLike[str]) -> Moved:
    """Write all kernels that are kept for the versions and the CPU of this process into a file.

    Parameters
    ----------
    path : path-like
        The file, which is written whole or not at all.

    Returns
    -------
    Moved
        How many there are.
    """
    found = dict(kept_kernels())
    manifest = {"format": FORMAT, "made_for": origin(), "sha256": {name: _hash(found[name]) for name in found}}

    def write(stream: BinaryIO) -> None:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in {_MANIFEST: json.dumps(manifest, indent=1).encode(), **found}.items():
                archive.writestr(zipfile.ZipInfo(name, _DATE), content, zipfile.ZIP_DEFLATED)

    write_whole(path, write)
    return Moved(len(found), sum(map(len, found.values())))


def import_kernels(path: str | os.PathLike[str]) -> Moved:
    """Put the kernels of a file into the cache; all of them, or none if anything is wrong with one.

    Parameters
    ----------
    path : path-like
        What `export_kernels` wrote. Nothing in it is run now, but a kernel is when it is called: take it from those
        alone whose programs you would run.

    Returns
    -------
    Moved
        How many there are, and where they are now.

    Raises
    ------
    KernelCacheError
        If the file is damaged or anything else than an archive of kernels, if they were made for other versions or
        another CPU, or if no folder can be written.
    """
    file, folders = check_path("warmup --import", path), kernel_folders()
    if folders.write is None:
        raise KernelCacheError(f"warmup --import: {folders.without_one()}")
    with open_regular("warmup --import", file, KernelCacheError) as stream:
        try:
            found = _read(str(file), stream)
        except (*DAMAGED, RecursionError) as error:
            raise KernelCacheError(
                f"warmup --import: {file} must be what warmup --export writes, but got a file of which "
                f"{type(error).__name__} says: {error}."
            ) from None
    for name, content in found.items():
        keep(folders.write / name, content)
    return Moved(len(found), sum(map(len, found.values())), str(folders.write))


def _read(path: str, stream: BinaryIO) -> dict[str, bytes]:
    """Return the kernels of an archive by their names; what is wrong with it raises one of DAMAGED."""
    archive = open_archive(stream)
    members = entries(archive)
    if sum(member.file_size for member in members.values()) > _LARGEST:
        raise ValueError(f"its entries have more than {_LARGEST} bytes")
    if members[_MANIFEST].file_size > _MOST_MANIFEST:
        raise ValueError(f"its manifest has more than {_MOST_MANIFEST} bytes")
    manifest = json.loads(read_entry(archive, members.pop(_MANIFEST)))
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ValueError(f"its manifest is not one of {FORMAT!r}")
    _check_origin(path, dict(manifest["made_for"]))
    digests = dict(manifest["sha256"])
    if digests.keys() != members.keys():
        raise ValueError("it has other entries than its manifest says")
    found = {name: read_entry(archive, member) for name, member in members.items()}
    for name, content in found.items():
        if _hash(content) != digests[name] or not is_kernel(name, content):
            raise ValueError(f"its entry {name!r} is not the kernel that its manifest says")
    return found


def _check_origin(path: str, made_for: dict[str, Any]) -> None:
    here = origin()
    other = [
        name if name == FEATURES else f"{name} {str(made_for.get(name))[:80]!r} (here {here[name]!r})"
        for name in here
        if made_for.get(name) != here[name]
    ]
    if other:
        raise KernelCacheError(
            f"warmup --import: {path} must have been made with the versions and for the CPU of this machine, but got "
            f"another {', '.join(other)}. Export it on a machine of this kind with the same packages, or compile here "
            "with fastconv warmup."
        )


def _hash(content: bytes) -> str:
    return sha256(content).hexdigest()
