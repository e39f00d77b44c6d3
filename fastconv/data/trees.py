"""Folders and zip archives of images by class: what is in them, and how one file is read.

Nothing is ever unpacked to the disk, so a name in an archive is a label and no path.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from fastconv.data.files import damaged, listing
from fastconv.errors import DataError, DataNotFoundError
from fastconv.files import open_regular, read_exactly
from fastconv.validation.archives import DAMAGED, entries, open_archive, read_entry

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".webp")

_OPERATION = "load_image_folder"
_LAYOUT = "<class>/<image>, or train/<class>/<image> and test/<class>/<image>"
_HIDDEN = ("__MACOSX", "Thumbs.db", "desktop.ini")
_DEEPEST = 5  # folders in folders that are looked into
_MOST_FOLDERS = 2**16  # ImageNet has 22,000 classes; a few folders of links to each other have billions
_LARGEST = 2**28  # bytes of one unpacked image file


class Tree(ABC):
    """Files under names such as "train/cat/1.png"."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def names(self) -> list[str]:
        """List all files, with ``/`` between folders."""

    @abstractmethod
    def folders(self) -> list[str]:
        """List all folders, likewise; those that an archive does not name are none."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return the content of a file."""

    def label(self, name: str) -> str:
        """Return what a message calls a file."""
        return str(self.path / name)

    def _check_size(self, name: str, size: int) -> None:
        if size > _LARGEST:
            raise DataError(f"{_OPERATION}: {self.label(name)} must have at most {_LARGEST} bytes, but got {size}.")

    def close(self) -> None:  # noqa: B027 (a folder has nothing to close)
        """Let go of the files."""


class FolderTree(Tree):
    """A folder."""

    def names(self) -> list[str]:
        """List all files, down to a depth."""
        return [(folder / file).as_posix() for folder, files in self._walk() for file in files]

    def folders(self) -> list[str]:
        """List all folders, down to a depth."""
        return [folder.as_posix() for folder, _ in self._walk()]

    def _walk(self) -> Iterator[tuple[Path, list[str]]]:
        for number, (folder, below, files) in enumerate(os.walk(self.path, followlinks=True)):  # classes may be links
            if number == _MOST_FOLDERS:
                raise DataError(
                    f"{_OPERATION}: {self.path} must have at most {_MOST_FOLDERS} folders, but got more. Do links "
                    "in it go round in circles?"
                )
            inside = Path(folder).relative_to(self.path)
            yield inside, files
            here = os.path.realpath(folder)
            below[:] = [name for name in below if not name.startswith(".")]
            for name in below:
                if _leads_back(here, os.path.join(folder, name)):
                    raise DataError(
                        f"{_OPERATION}: links in {self.path} must not go round in circles, but {inside / name} does."
                    )
            if len(inside.parts) == _DEEPEST:
                below.clear()

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        with open_regular(_OPERATION, self.path / name, DataError) as stream:
            size = os.fstat(stream.fileno()).st_size
            self._check_size(name, size)
            return read_exactly(stream, size)


def _leads_back(folder: str, entry: str) -> bool:
    """Whether an entry of a folder is a link to it, or to one that it lies in."""
    return os.path.islink(entry) and f"{folder}{os.sep}".startswith(f"{os.path.realpath(entry)}{os.sep}")


class ZipTree(Tree):
    """A zip archive."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._file = open_regular(_OPERATION, path, DataError)
        try:
            with damaged(_OPERATION, path, "a zip archive", DAMAGED):
                self._archive = open_archive(self._file)
        except DataError:
            self._file.close()
            raise
        self._members = entries(self._archive)

    def names(self) -> list[str]:
        """List all members that are files."""
        return list(self._members)

    def folders(self) -> list[str]:
        """List all members that are folders."""
        return [member.filename.rstrip("/") for member in self._archive.infolist() if member.is_dir()]

    def label(self, name: str) -> str:
        """Return archive and member."""
        return f"{self.path}:{name}"

    def read(self, name: str) -> bytes:
        """Return the content of a member, checked against its size and its CRC."""
        member = self._members[name]
        self._check_size(name, member.file_size)
        return read_entry(self._archive, member)

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()
        self._file.close()


class Sample(NamedTuple):
    """One image file and its class."""

    name: str
    class_name: str


def samples_by_part(tree: Tree) -> dict[str, list[Sample]]:
    """Return the image files of "train" and, where there is one, of "test", in the order of their names."""
    found = sorted(tree.names())
    entries = {name: parts for name in found if (parts := _parts(tree, name)) is not None}
    if not any(_is_image(name) for name in entries):
        raise DataNotFoundError(
            f"{_OPERATION}: {tree.path} must hold images ({', '.join(SUFFIXES)}) as {_LAYOUT}, but there is "
            f"{listing(found)}."
        )
    entries = _without_wrapper(entries)
    split = any(len(parts) == 3 and parts[0] in ("train", "test") for parts in entries.values())
    depth = 3 if split else 2
    samples: dict[str, list[Sample]] = {"train": [], "test": []} if split else {"train": []}
    for name, parts in entries.items():
        if len(parts) < depth and not _is_image(name):
            continue  # a README beside the classes
        part = parts[0] if split else "train"
        if len(parts) != depth or part not in samples:
            raise DataError(f"{_OPERATION}: the images of {tree.path} must be {_LAYOUT}, but there is {name}.")
        if not _is_image(name):
            raise DataError(
                f"{_OPERATION}: {tree.label(name)} must be an image ({', '.join(SUFFIXES)}), as all files in the "
                "folder of a class, but its name says otherwise. Move it away."
            )
        samples[part].append(Sample(name, parts[-2]))
    if not samples["train"]:
        raise DataError(f"{_OPERATION}: {tree.path} must hold train/<class>/<image>, but there is only test/.")
    _check_classes(tree, [sample for part in samples.values() for sample in part])
    return samples


def _check_classes(tree: Tree, samples: list[Sample]) -> None:
    """Refuse a folder beside those of the classes that has no image."""
    classes = {PurePosixPath(sample.name).parent for sample in samples}
    beside = {folder.parent for folder in classes}
    for name in sorted(tree.folders()):
        folder = PurePosixPath(name)
        if folder.name and folder.parent in beside and folder not in classes and _parts(tree, name):
            raise DataError(
                f"{_OPERATION}: the folder of every class must hold an image, but {tree.label(name)} holds none. "
                "Remove it, or put images into it."
            )


def _parts(tree: Tree, name: str) -> tuple[str, ...] | None:
    """Folders and file name; None for what file managers leave behind."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if ".." in parts or "/" in parts:
        raise DataError(f"{_OPERATION}: the names in {tree.path} must stay inside of it, but there is {name!r}.")
    return None if any(part.startswith(".") or part in _HIDDEN for part in parts) else parts


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _without_wrapper(entries: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Drop a folder that holds everything, as archives of a whole folder have it."""
    while True:
        images = [parts for name, parts in entries.items() if _is_image(name)]
        tops = {parts[0] for parts in images}
        if len(tops) > 1 or tops & {"train", "test"} or min(map(len, images)) < 3:
            return entries
        entries = {name: parts[1:] for name, parts in entries.items() if parts[0] in tops and len(parts) > 1}
