"""Somebody's file as a module, loaded as if it were run from its own folder."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Sequence
from importlib import import_module, util
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType

from fastconv.dropin.source.blocks import NOTEBOOK, read_blocks
from fastconv.dropin.source.statements import Course, run_blocks


def load_file(file: Path, course: Course, root: Path | None = None) -> ModuleType:
    """Run a file, as far as it runs, and return its module.

    Its folder becomes the first of `sys.path`, as for ``python file.py``, and its name is that of the file where that
    is one and nothing else has it. A file inside a package gets its full name, so that relative imports work. What
    stands under ``if __name__ == "__main__"`` does not run. Its neighbours that it imports are run in the same way.

    Parameters
    ----------
    file : Path
        A Python file or a notebook.
    course : Course
        What is avoided; how far it came is written down there.
    root : Path, optional
        A folder around it from which its neighbours may import as well.

    Raises
    ------
    SyntaxError
        If it cannot be read.
    """
    folder, parents = _package(file)
    if sys.path[:1] != [str(folder)]:
        sys.path.insert(0, str(folder))
    if parents:
        sys.path.append(str(file.parent))  # for "import neighbour" in a folder that is a package by accident
    if root is not None:
        sys.path.append(str(root))
    sys.argv = [str(file)]
    sys.meta_path.insert(0, _Neighbours(root or folder, course))
    for count in range(len(parents)):
        import_module(".".join(parents[: count + 1]))
    if file.name == "__init__.py" and parents:
        return sys.modules[".".join(parents)]
    name = ".".join([*parents, _own_name(file, parents)])
    loaded = sys.modules.get(name)
    if loaded is not None:  # its package has imported it
        return loaded
    return _run(name, file, course)


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
    if stem.isidentifier() and not taken and file.suffix != NOTEBOOK:
        return stem
    return "checked_" + "".join(letter if letter.isalnum() else "_" for letter in stem)


def _run(name: str, file: Path, course: Course) -> ModuleType:
    loader = _Loader(name, file, course)
    spec = util.spec_from_file_location(name, file, loader=loader)
    if spec is None:
        raise ImportError(f"{file} cannot be loaded")
    module = util.module_from_spec(spec)
    sys.modules[name] = module  # where pickle, dataclasses and relative imports look it up
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


class _Loader(SourceFileLoader):
    """Runs a file statement by statement."""

    def __init__(self, name: str, file: Path, course: Course) -> None:
        super().__init__(name, str(file))
        self._file, self._course = file, course

    def exec_module(self, module: ModuleType) -> None:
        """Run the file in its module."""
        blocks = read_blocks(self._file)
        if self._file.suffix == NOTEBOOK:  # tracebacks and `inspect` find the lines of a cell here
            for block in blocks:
                lines = block.text.splitlines(keepends=True)
                linecache.cache[block.filename] = (len(block.text), None, lines, block.filename)
        run_blocks(blocks, module, self._course)


class _Neighbours:
    """Finds modules in the folder of a file, and lets them be run as the file is."""

    def __init__(self, folder: Path, course: Course) -> None:
        self._folder, self._course = folder, course

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a Python file beside theirs; None for any other module."""
        if name.partition(".")[0] in (*sys.stdlib_module_names, "fastconv"):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or type(spec.loader) is not SourceFileLoader or spec.origin is None:
            return None
        origin = Path(spec.origin)
        if self._folder not in origin.parents or "site-packages" in origin.parts:
            return None
        spec.loader = _Loader(name, origin, self._course)
        return spec
