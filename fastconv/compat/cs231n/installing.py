"""The modules under their old import path: what makes ``from cs231n.fast_layers import *`` find ours."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from fastconv.errors import InvalidTypeError, InvalidValueError, meant, shown
from fastconv.validation.sizes import entries_of

MODULES = (
    "classifiers",
    "classifiers.cnn",
    "classifiers.fc_net",
    "data_utils",
    "fast_layers",
    "gradient_check",
    "im2col",
    "im2col_cython",
    "layer_utils",
    "layers",
    "optim",
    "solver",
    "vis_utils",
)
_PACKAGES = ("", "classifiers")
_OURS = "fastconv.compat.cs231n"


class Installation:
    """Modules under an old import path, until `undo`; also a context manager.

    Attributes
    ----------
    name : str
        The import path.
    modules : tuple of str
        What stands under it.

    See Also
    --------
    install : Makes it.
    """

    def __init__(self, name: str, modules: tuple[str, ...]) -> None:
        self.name, self.modules = name, modules
        self._before = _imported(name)
        self._package = _StandIn(name, self._before.get(name))

    def undo(self) -> None:
        """Put `sys.modules` back as it was; nothing happens the second time.

        Modules of yours that were imported in the meantime are forgotten, so that the next import runs them with the
        modules that are found then. Installations that were made later under the same name end too.
        """
        if not self._is_active():
            return
        for name in _imported(self.name):
            del sys.modules[name]
        sys.modules.update(self._before)

    def __enter__(self) -> Installation:
        return self

    def __exit__(self, *_: object) -> None:
        self.undo()

    def __repr__(self) -> str:
        state = "installed" if self._is_active() else "undone"
        return f"Installation({self.name!r}: {len(self.modules)} modules, {state})"

    def _is_active(self) -> bool:
        package = sys.modules.get(self.name)
        while isinstance(package, _StandIn):
            if package is self._package:
                return True
            package = package.before
        return False

    def _start(self) -> None:
        found = {module: import_module(f"{_OURS}.{module}") for module in self.modules}  # fails before anything changes
        for name in self._before:
            del sys.modules[name]
        packages: dict[str, ModuleType] = {"": self._package}
        sys.modules[self.name] = self._package
        for module, ours in found.items():
            parent = module.rpartition(".")[0]
            if module in _PACKAGES:
                packages[module] = _StandIn(f"{self.name}.{module}", None, ours)
            elif parent not in packages:
                packages[parent] = _StandIn(f"{self.name}.{parent}", None)
                self._enter(parent, packages[parent], packages[""])
            self._enter(module, packages.get(module, ours), packages[parent])

    def _enter(self, module: str, content: ModuleType, parent: ModuleType) -> None:
        sys.modules[f"{self.name}.{module}"] = content
        setattr(parent, module.rpartition(".")[2], content)


def install(name: str = "cs231n", *, only: Iterable[str] | None = None, replace: bool = False) -> Installation:
    """Register the modules under their old import path, so that old code imports them unchanged.

    Parameters
    ----------
    name : str
        The old import path, a plain name.
    only : iterable of str, optional
        Modules to register, such as ``["fast_layers", "im2col_cython"]``; by default all of them. Of the others, your
        own are found.
    replace : bool
        Whether to take the place of a package of that name that is imported already. Modules that hold functions of
        it keep them.

    Returns
    -------
    Installation
        Its `undo` puts everything back; in a ``with`` statement that happens at the end of the block.

    Raises
    ------
    ValueError
        If `name` is imported already from elsewhere, is no plain name, or `only` names something else.
    TypeError
        If an argument has the wrong type.

    Notes
    -----
    Where a folder of that name is on `sys.path`, now or later, its modules that are not registered remain importable,
    and find ours where they import them. Its own ``__init__.py`` is not run.

    Examples
    --------
    >>> from fastconv.compat.cs231n import install
    >>> with install("my_cs231n"):
    ...     from my_cs231n.fast_layers import conv_forward_fast
    >>> conv_forward_fast.__module__
    'fastconv.compat.cs231n.fast_layers'
    """
    _check_name(name)
    modules = _checked(only)
    present = sys.modules.get(name)
    if present is not None and not isinstance(present, _StandIn) and not replace:
        where = getattr(present, "__file__", None) or "a folder without __init__.py"
        raise InvalidValueError(
            f"install: name must not be imported already from elsewhere, but {name!r} is ({where}). Call install() "
            "before the first import of it, or pass replace=True."
        )
    installation = Installation(name, modules)
    installation._start()
    return installation


def _check_name(name: object) -> None:
    if not isinstance(name, str):
        raise InvalidTypeError(f"install: name must be a string, but got {shown(name)} ({type(name).__name__}).")
    if not name.isidentifier():
        raise InvalidValueError(f"install: name must be a plain module name such as 'cs231n', but got {shown(name)}.")


def _checked(only: Iterable[str] | None) -> tuple[str, ...]:
    if only is None:
        return MODULES
    if isinstance(only, str):
        raise InvalidTypeError(
            f"install: only must be a sequence of names, but got {shown(only)}. Write [{shown(only)}]."
        )
    wanted = entries_of(only)
    if wanted is None:
        raise InvalidTypeError(f"install: only must be a sequence of names, but got {shown(only)}.")
    for module in wanted:
        if not (isinstance(module, str) and module in MODULES):
            hint = meant(module, MODULES)
            raise InvalidValueError(
                f"install: only must name modules of {', '.join(MODULES)}, but got {shown(module)}.{hint}"
            )
    return tuple(module for module in MODULES if module in wanted)


def _imported(name: str) -> dict[str, ModuleType]:
    """Modules that are imported under a name."""
    return {key: module for key, module in sys.modules.items() if key == name or key.startswith(f"{name}.")}


class _StandIn(ModuleType):
    """A package under the old path: our modules are its attributes, all others are looked for in the user's folder."""

    def __init__(self, name: str, before: ModuleType | None, ours: ModuleType | None = None) -> None:
        super().__init__(name, f"Stands for the modules of {_OURS} under the name {name}.")
        self.before = before
        spec = ModuleSpec(name, None, is_package=True)
        public: dict[str, Any] = {key: getattr(ours, key) for key in getattr(ours, "__all__", ())}
        vars(self).update(public, __path__=_Folders(name), __spec__=spec, __package__=name)


class _Folders:
    """Folders of the user's package, looked up at every import: `sys.path` may have grown since."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __iter__(self) -> Iterator[str]:
        return iter(_folders(self._name))


def _folders(name: str) -> list[str]:
    parent = name.rpartition(".")[0]
    spec = PathFinder.find_spec(name, _folders(parent) if parent else None)
    return list((spec and spec.submodule_search_locations) or ())
