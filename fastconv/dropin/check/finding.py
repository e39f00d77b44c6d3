"""Which files are meant: a Python file, a notebook, or those in a folder in which there may be something."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

from fastconv.dropin.conventions.near_misses import may_compute
from fastconv.dropin.source.blocks import NOTEBOOK, parse, read_blocks
from fastconv.dropin.source.notebook import read_cells
from fastconv.errors import InvalidTypeError, InvalidValueError

_KINDS = (".py", NOTEBOOK)
_NOT_FOUND = "no such Python file"


def file_of(operation: str, path_or_module: object) -> Path:
    """Return the file or folder that is meant, whole.

    Parameters
    ----------
    operation : str
        Who asks, for messages.
    path_or_module : path-like or module
        A Python file, a notebook, a folder, or the module of a file. Of a package it is the ``__init__.py``.

    Raises
    ------
    FileNotFoundError, ValueError, TypeError
        If there is none.
    """
    if isinstance(path_or_module, ModuleType):
        path = getattr(path_or_module, "__file__", None)
        if path is None:
            raise InvalidValueError(
                f"{operation}: the module must come from a file, but got {path_or_module.__name__!r}, which has none. "
                "Write the functions into a .py file."
            )
    elif isinstance(path_or_module, (str, os.PathLike)):
        path = path_or_module
    else:
        raise InvalidTypeError(
            f"{operation}: the first argument must be a Python file or a module, but got "
            f"{type(path_or_module).__name__}. Functions and classes are found in the file that defines them."
        )
    return _checked(operation, Path(path))


def _checked(operation: str, file: Path) -> Path:
    if not file.exists():
        raise FileNotFoundError(2, _NOT_FOUND, str(file))
    if file.is_dir():
        return file.resolve()
    if not file.is_file() or file.suffix not in _KINDS:
        raise InvalidValueError(
            f"{operation}: the file must be a Python file (.py), a notebook (.ipynb) or a folder of them, but got "
            f"{str(file)!r}."
        )
    if file.suffix == NOTEBOOK:
        read_cells(file)  # a damaged one is said here
    return file.resolve()


def files_of(operation: str, path: Path, mapping: Mapping[str, str] | None) -> list[Path]:
    """Return the files to look into: the one, or those of a folder and of the folders below it.

    Parameters
    ----------
    operation : str
        Who asks, for messages.
    path : Path
        A file or a folder, as of `file_of`.
    mapping : mapping of str to str or None
        Conventions of functions with unusual names, which belong to one file.

    Notes
    -----
    The ``__init__.py`` of a folder comes first: where it has something, it stands for the folder (`is_whole`). Files
    are read here and not run: one counts if it defines something with convolution or pooling in its name, or loops
    that look like them. One that cannot be read counts if there is such a word in it, so that somebody is told.

    Raises
    ------
    ValueError
        If there is a mapping for a folder.
    """
    if path.is_file():
        return [path]
    if mapping:
        raise InvalidValueError(
            f"{operation}: the mapping must go with one file, but got the folder {path.name!r}. Name a file in it."
        )
    whole = path / "__init__.py"
    others = [file for file in sorted(_sources(path)) if file != whole and _may_hold(file)]
    return [*([whole] if whole.is_file() else []), *others]


def is_whole(path: Path, file: Path) -> bool:
    """Whether a file of `files_of` is all that is meant: the file itself, or the ``__init__.py`` of the folder."""
    return file in (path, path / "__init__.py")


def _sources(folder: Path) -> Iterator[Path]:
    """Give the files, without what is hidden, what was installed and what was made of others."""
    for place, folders, files in os.walk(folder):
        inside = Path(place)
        folders[:] = [name for name in folders if not _is_no_code_of_theirs(inside / name)]
        found = (inside / name for name in files if Path(name).suffix in _KINDS and not name.startswith("."))
        yield from (file for file in found if file.is_file())  # a pipe would be read for ever


def _is_no_code_of_theirs(folder: Path) -> bool:
    return folder.name.startswith((".", "__")) or folder.name == "site-packages" or (folder / "pyvenv.cfg").exists()


def _may_hold(file: Path) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about their escapes
        try:
            return any(may_compute(parse(block)) for block in read_blocks(file))
        except SyntaxError:
            return any(word in file.read_bytes().lower() for word in (b"conv", b"pool", b"im2col"))
        except InvalidValueError:  # no notebook
            return False
