"""What compiled kernels are made from, and for which versions and CPU: a kernel of another origin is never run."""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import llvmlite
import numba
import numpy as np
from numba.core.registry import cpu_target

from fastconv._version import __version__

FROZEN = bool(getattr(sys, "frozen", False))  # an application with a Python of its own, as PyInstaller makes them
SOURCES, FEATURES = "sources", "CPU features"
_ENGINE = Path(__file__).parents[1]
_NAMES = re.compile(r"(machine/\w+|(\w+/)*\w+_kernel|winograd/points)\.pyc?")


def _revision() -> str:
    """Hash over this folder and all kernels, which they are compiled from."""
    digest = sha256()
    for name, content in sorted(_sources()):
        digest.update(name.encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def _sources() -> Iterator[tuple[str, bytes]]:
    """Name and content of all that kernels are made from, in whichever form it is installed.

    Files, of which Python may have deleted the sources and kept what it compiled; entries of a zip archive, each by its
    checksum; or the one file of a frozen application, by size and date: a hash over hundreds of megabytes takes long.
    """
    for path in _files("py") or _files("pyc"):
        yield path.relative_to(_ENGINE).as_posix(), path.read_bytes()
    archive = getattr(__spec__.loader, "archive", None)
    if archive is not None:
        with zipfile.ZipFile(archive) as entries:
            inside = f"{_ENGINE.relative_to(archive).as_posix()}/"
            for entry in entries.infolist():
                name = entry.filename.removeprefix(inside)
                if _NAMES.fullmatch(name):
                    yield name, entry.CRC.to_bytes(4, "big")
    elif FROZEN:
        status = Path(sys.executable).stat()
        yield sys.executable, f"{status.st_size} {status.st_mtime_ns}".encode()


def _files(ending: str) -> list[Path]:
    names = ("machine/*", "**/*_kernel", "winograd/points")
    return [path for name in names for path in _ENGINE.glob(f"{name}.{ending}")]


REVISION = _revision()


def origin() -> dict[str, str]:
    """Return what a kernel has to be made from and for, to run in this process."""
    major, minor = sys.version_info[:2]
    system, cpu, features = cpu_target.target_context.codegen().magic_tuple()
    return {
        "fastconv": __version__,
        SOURCES: REVISION,
        "Python": f"{sys.implementation.name} {major}.{minor}{getattr(sys, 'abiflags', '')}",
        "NumPy": np.__version__,
        "Numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "system": system,
        "CPU": cpu,
        FEATURES: features,
    }
