"""Fetching datasets: where they are published, their checksums, and where they are kept."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from fastconv.data.files import PathLike, as_path, imported
from fastconv.errors import DownloadError, InvalidTypeError, InvalidValueError, shown

Progress = Callable[[str, float], object]

_TIMEOUT = 30  # seconds without a byte
_CHUNK = 2**16  # bytes


class Source(NamedTuple):
    """Where a dataset is published: addresses to try in turn, and the SHA-256 of each file."""

    mirrors: tuple[str, ...]
    checksums: dict[str, str]


SOURCES = {
    "mnist": Source(
        ("https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist"),
        {
            "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
    ),
    "cifar10": Source(
        ("https://www.cs.toronto.edu/~kriz",),
        {"cifar-10-python.tar.gz": "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"},
    ),
}


def data_folder() -> Path:
    """Return the folder for downloaded data: ``FASTCONV_DATA``, or "fastconv" in the cache folder of the user.

    Returns
    -------
    pathlib.Path
        The folder, which need not exist.
    """
    chosen = os.environ.get("FASTCONV_DATA")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "fastconv" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/fastconv"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fastconv"


def folder_for(operation: str, name: str, folder: PathLike | None) -> Path:
    """Return the folder of a dataset: that of the user, or its own in `data_folder`."""
    return data_folder() / name if folder is None else as_path(operation, folder)


def fetch(
    operation: str,
    name: str,
    files: Sequence[str],
    folder: Path,
    base_url: str | None = None,
    progress: Progress | None = None,
) -> None:
    """Download files of a dataset into a folder.

    Each is written under another name, checked, and renamed, so that there is never a part of a file.

    Parameters
    ----------
    operation, name : str
        What is being done, for messages; and which of `SOURCES`.
    files : sequence of str
        Names of the files.
    folder : path
        Where to put them; made if it does not exist.
    base_url : str, optional
        Address of a folder to fetch them from, in place of the mirrors.
    progress : callable, optional
        Called as ``progress(text, fraction)``, the fraction being that of one file.

    Raises
    ------
    fastconv.errors.DownloadError
        If no mirror has a file, whole and with the right checksum.
    """
    if not files:
        return
    mirrors, checksums = SOURCES[name]
    if base_url is not None:
        mirrors = (_checked_url(operation, base_url),)
    pooch = imported(operation, "pooch", "pooch")
    with _quiet(pooch):
        for file in files:
            failures: list[str] = []
            for mirror in mirrors:
                failure = _retrieve(pooch, f"{mirror.rstrip('/')}/{file}", checksums[file], folder / file, progress)
                if failure is None:
                    break
                failures.append(failure)
            else:
                raise DownloadError(
                    f"{operation}: {file} must be downloaded whole, but that failed. Nothing was kept. "
                    f"{'; '.join(failures)}"
                )


def _retrieve(pooch: ModuleType, url: str, checksum: str, path: Path, progress: Progress | None) -> str | None:
    """Fetch one file; return what went wrong, or None."""
    from requests.exceptions import RequestException

    downloader = pooch.HTTPDownloader(
        progressbar=False if progress is None else _Bar(path.name, progress),
        chunk_size=_CHUNK,
        timeout=_TIMEOUT,
        headers={"Accept-Encoding": "identity"},  # or a server may unpack a .gz on the way
    )
    try:
        pooch.retrieve(url, f"sha256:{checksum}", fname=path.name, path=path.parent, downloader=downloader)
    except RequestException as error:
        return f"{url}: {error}"
    except ValueError as error:  # of pooch: the checksum
        return f"{url}: the SHA-256 must be {checksum} ({error})"
    return None


def _checked_url(operation: str, base_url: object) -> str:
    if not isinstance(base_url, str):
        raise InvalidTypeError(f"{operation}: base_url must be a string, but got {shown(base_url)}.")
    if not base_url.startswith(("https://", "http://")):
        raise InvalidValueError(
            f"{operation}: base_url must begin with https:// or http://, but got {shown(base_url)}."
        )
    return base_url


@contextmanager
def _quiet(pooch: ModuleType) -> Iterator[None]:
    """Keep pooch from writing to the standard error stream; errors and progress say the same."""
    logger: logging.Logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


class _Bar:
    """A progress bar as pooch drives it."""

    def __init__(self, file: str, progress: Progress) -> None:
        self.total = 0
        self._file, self._progress, self._done = file, progress, 0

    def update(self, count: int) -> None:
        self._done += count
        fraction = min(self._done / self.total, 1.0) if self.total else 0.0
        self._progress(f"downloading {self._file}", fraction)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        """End; there is nothing to put away."""
