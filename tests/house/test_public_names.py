"""What others import stays: every public name, how it is called, and the options of every command, are in one file.

After a change that is meant: `python tests/house/test_public_names.py`, which writes the file again, and a line in the
CHANGELOG. Annotations are no part of it: a better one breaks nobody.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import typer

import fastconv
from fastconv.cli import app

PINNED = Path(__file__).with_name("public_names.txt")
MODULES = (
    "fastconv",
    "fastconv.errors",
    "fastconv.functional",
    "fastconv.layers",
    "fastconv.losses",
    "fastconv.optim",
    "fastconv.data",
    "fastconv.models",
    "fastconv.onnx",
    "fastconv.training",
    "fastconv.testing",
    "fastconv.initializers",
    "fastconv.backends",
    "fastconv.compat.cs231n",
    "fastconv.compat.cs231n.classifiers",
    "fastconv.compat.paddle",
    "fastconv.compat.tensorflow",
    "fastconv.compat.tutorial",
)


def parameters(function: Any) -> str:
    """How something is called: names, kinds and defaults; of a function in a default its name alone."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return ""
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()]
    text = str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def members(cls: type, public: set[type]) -> Iterator[str]:
    """The methods and properties of a class, those that it has from another public class left to that one."""
    for name in sorted(dir(cls)):
        static = inspect.getattr_static(cls, name)
        inherited = any(
            inspect.getattr_static(base, name, None) is static for base in cls.__mro__[1:] if base in public
        )
        if name.startswith("_") or inherited or hasattr(object, name):
            continue
        if isinstance(static, property):
            yield name
        elif callable(static) or isinstance(static, (classmethod, staticmethod)):
            yield name + parameters(getattr(cls, name))


def names_of(module: ModuleType) -> list[str]:
    """The names that a module means to give: those of its __all__, or those that it defines."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return sorted(listed)
    return sorted(name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__)


def api() -> Iterator[str]:
    paths = [
        (f"{path}.{name}", import_module(path), name) for path in MODULES for name in names_of(import_module(path))
    ]
    public = {value for _, module, name in paths if inspect.isclass(value := getattr(module, name))}
    seen: dict[int, str] = {}
    for path, module, name in paths:
        value = getattr(module, name)
        first = seen.setdefault(id(value), path)
        if not callable(value):
            yield f"{path}: {type(value).__name__}"
        elif first != path:
            yield f"{path} = {first}"
        else:
            yield path + parameters(value)
            if inspect.isclass(value):
                yield from (f"{path}.{member}" for member in members(value, public))


def commands() -> Iterator[str]:
    group: Any = typer.main.get_command(app)
    for name, command in sorted(group.commands.items()):
        for parameter in command.params:
            spelling = " ".join([*parameter.opts, *parameter.secondary_opts])
            yield f"$ fastconv {name} {spelling}"


def lines() -> list[str]:
    return [*api(), *commands()]


def test_public_names_are_as_they_were() -> None:
    pinned, now = PINNED.read_text(encoding="utf-8").splitlines(), lines()
    gone, new = sorted({*pinned} - {*now}), sorted({*now} - {*pinned})
    assert not gone, f"no longer there, or called otherwise: {gone}; now there: {new}"
    assert not new, f"not yet in {PINNED.name}: {new}"


def test_modules_that_lists_name_are_found() -> None:
    assert {"conv2d", "layers", "check", "accelerate"} <= {*fastconv.__all__}
    assert parameters(fastconv.conv2d).startswith("(x, weight, bias=None, *, stride=1")


if __name__ == "__main__":
    PINNED.write_text("\n".join(lines()) + "\n", encoding="utf-8")
