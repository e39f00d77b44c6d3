"""Somebody's file as a module, loaded as if it were run from its own folder."""

from __future__ import annotations

import sys
from importlib import import_module, util
from pathlib import Path
from types import ModuleType

from fastconv.errors import InvalidValueError

_NOT_FOUND = "no such Python file"


def check_file(operation: str, file: Path) -> Path:
    """Return the whole path of a Python file, a package's own where a folder is one.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no Python file; a notebook is told how to become one.
    """
    if file.is_dir() and (file / "__init__.py").is_file():
        file = file / "__init__.py"
    if not file.exists():
        raise FileNotFoundError(2, _NOT_FOUND, str(file))
    if file.suffix == ".ipynb":
        raise InvalidValueError(
            f"{operation}: the file must be a Python file, but got the notebook {str(file)!r}. Export it: "
            f"jupyter nbconvert --to script {file.name!r}."
        )
    if file.is_dir():
        raise InvalidValueError(
            f"{operation}: the file must be a Python file or a package, but got the folder {str(file)!r}, which has no "
            "__init__.py. Name a file in it."
        )
    if not file.is_file() or file.suffix != ".py":
        raise InvalidValueError(f"{operation}: the file must be a Python file (.py), but got {str(file)!r}.")
    return file.resolve()


def load_file(file: Path) -> ModuleType:
    """Run a file and return its module.

    Its folder becomes the first of `sys.path`, as for ``python file.py``, and its name is that of the file where that
    is one and nothing else has it. A file inside a package gets its full name, so that relative imports work. What
    stands under ``if __name__ == "__main__"`` does not run.

    Raises
    ------
    BaseException
        Whatever it raises.
    """
    folder, parents = _package(file)
    if sys.path[:1] != [str(folder)]:
        sys.path.insert(0, str(folder))
    if parents:
        sys.path.append(str(file.parent))  # for "import neighbour" in a folder that is a package by accident
    for count in range(len(parents)):
        import_module(".".join(parents[: count + 1]))
    if file.name == "__init__.py" and parents:
        return sys.modules[".".join(parents)]
    name = ".".join([*parents, _own_name(file, parents)])
    loaded = sys.modules.get(name)
    if loaded is not None:  # its package has imported it
        return loaded
    return _run(name, file)


def _package(file: Path) -> tuple[Path, list[str]]:
    """Return the folder that holds the outermost package around a file, and the names of the packages from there."""
    folder, names = file.parent, list[str]()
    while (folder / "__init__.py").is_file() and folder.name.isidentifier() and folder.parent != folder:
        names.insert(0, folder.name)
        folder = folder.parent
    return folder, names


def _own_name(file: Path, parents: list[str]) -> str:
    """Name of the module: that of the file, unless that is no name, or means another module already."""
    stem = file.stem
    if parents and stem.isidentifier():
        return stem
    taken = stem in sys.stdlib_module_names or (stem in sys.modules and sys.modules[stem] is not None)
    if stem.isidentifier() and not taken:
        return stem
    return "checked_" + "".join(letter if letter.isalnum() else "_" for letter in stem)


def _run(name: str, file: Path) -> ModuleType:
    spec = util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} cannot be loaded")
    module = util.module_from_spec(spec)
    sys.modules[name] = module  # where pickle, dataclasses and relative imports look it up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
