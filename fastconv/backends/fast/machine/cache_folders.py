"""Where compiled kernels are kept: the folders that are looked into, and the one that is written to.

1. The one that ``FASTCONV_CACHE`` names.
2. The one that ``NUMBA_CACHE_DIR`` names.
3. ``__pycache__`` beside this file, where there is a folder: not in a zip archive, and not in a frozen application,
   which may have one for as long as it runs.
4. The user's folder for caches.

The first that can be written to is the last that is looked into. So kernels of an installation or of an image that only
its owner can write are found by everybody, and what is missing there is kept with the user.

In each of them kernels for other versions and CPUs have a folder of their own, whose name does not depend on where
anything is installed: a home may be shared by machines, and a folder moved to another.
"""

from __future__ import annotations

import os
import re
import tempfile
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numba
from numba.misc.appdirs import AppDirs

from fastconv.backends.fast.machine.origin import FROZEN, SOURCES, origin

VARIABLE = "FASTCONV_CACHE"


class Folders(NamedTuple):
    """Folders of kernels for the versions and the CPU of this process.

    Attributes
    ----------
    read : tuple of Path
        Those that kernels are looked for in, in order.
    write : Path or None
        The last of them, where it can be written to.
    refused : tuple of (Path, OSError)
        The others, and why they cannot.
    """

    read: tuple[Path, ...]
    write: Path | None
    refused: tuple[tuple[Path, OSError], ...]

    def without_one(self) -> str:
        """Say that, and why, no folder can be written to, and what to do."""
        reasons = "; ".join(f"{folder} ({error.strerror})" for folder, error in self.refused)
        return (
            f"compiled kernels must be kept in a folder that can be written, but got none: {reasons}. Every process "
            "compiles what it does not find there, and the results are right. Set "
            f"{VARIABLE} to a folder that can be written."
        )


def kernel_folders() -> Folders:
    """Return the folders as the environment names them; each is tried once per process."""
    return _tried(os.environ.get(VARIABLE, ""), str(numba.config.CACHE_DIR or ""), _name())


def unusable() -> tuple[Path, OSError] | None:
    """Return what ``FASTCONV_CACHE`` names, and why, where that is no folder and cannot become one."""
    if not os.environ.get(VARIABLE):
        return None
    first = kernel_folders().refused[:1]
    return next(((folder.parent, error) for folder, error in first if not os.path.isdir(folder.parent)), None)


@lru_cache(maxsize=8)
def _tried(ours: str, numbas: str, name: str) -> Folders:
    read: list[Path] = []
    refused: list[tuple[Path, OSError]] = []
    for root in _roots(ours, numbas):
        folder = root / name
        error = _refusal(folder)
        if os.path.isdir(folder):  # unlike a method of Path, this raises nothing
            read.append(folder)
        if error is None:
            return Folders(tuple(read), folder, tuple(refused))
        refused.append((folder, error))
    return Folders(tuple(read), None, tuple(refused))


def _roots(ours: str, numbas: str) -> list[Path]:
    named = [Path(os.path.abspath(os.path.expanduser(folder))) for folder in (ours, numbas) if folder]
    here = Path(__file__).parent
    beside = [here / "__pycache__"] if here.is_dir() and not FROZEN else []
    users = Path(AppDirs("fastconv", appauthor=False).user_cache_dir)
    # where nobody knows the home of a user, the "~" stays
    return [*named, *beside, *([users] if users.is_absolute() else [])]


def _refusal(folder: Path) -> OSError | None:
    """Why a file cannot be made in a folder, which is made itself if need be; None if it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        return error
    return None


def _name() -> str:
    """Name of the folder of one origin, for people and then for certain; an edit replaces what is in it."""
    facts = {name: value for name, value in origin().items() if name != SOURCES}
    words = re.sub(r"[^\w.]+", "-", f"fastconv-{facts['fastconv']}-numba-{facts['Numba']}-{facts['CPU']}")
    return f"{words}-{sha256(repr(facts).encode()).hexdigest()[:12]}"
