"""From the words of a command line to sizes, shapes and arrays."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import typer
from numpy.lib.format import MAGIC_PREFIX

from fastconv.errors import InvalidValueError, meant, one_of_names, shown
from fastconv.files import open_regular
from fastconv.validation.archives import DAMAGED, read_array
from fastconv.validation.arrays import Array

_SIZE = "\\d{1,100}"  # more is no size, and longer than what Python reads
_BETWEEN = "[x×,]"  # sizes: one way to write them, 1x3x32x32, and others that are read
_SHAPE = re.compile(rf"{_SIZE}({_BETWEEN}{_SIZE})*")
_PAD = re.compile(rf"{_SIZE}(:{_SIZE})?({_BETWEEN}{_SIZE}(:{_SIZE})?)*")
_EXAMPLES = {4: "1x3x32x32", None: "3x32x32"}  # by the number of axes
_PADDING_NAMES = ("valid", "same", "same_lower")
_READERS = {  # commands, by the files that they take
    ".ipynb": "race",
    ".json": "report",
    ".npy": "compare --weight FxCxKHxKW --x",
    ".npz": "evaluate",
    ".py": "race",
    ".safetensors": "evaluate",
}


def option_of(name: str) -> str:
    """Spelling of an option.

    Examples
    --------
    >>> option_of("kernel_size")
    '--kernel-size'
    """
    return f"--{name.replace('_', '-')}"


def given(options: dict[str, Any]) -> list[str]:
    """Return the spelling of every option that was given: those that are not None, and flags that are set."""
    return [option_of(name) for name, value in options.items() if value is not None and value is not False]


def refused(option: str, rule: str, text: str, known: Collection[str] = ()) -> typer.BadParameter:
    """Return the error of an option that breaks a rule; `known` are names of which one may be meant."""
    return typer.BadParameter(f"must {rule}, but got {text!r}.{meant(text, known)}", param_hint=option)


def none_of(known: Collection[str], name: str, rule: str = "be one of") -> typer.BadParameter:
    """Return the error of a value that is none of the names of its option."""
    return typer.BadParameter(f"must {rule} {', '.join(known)}, but got {shown(name)}.{meant(name, known)}")


def unknown(subject: str, name: str, known: Collection[str], *, others: str = "") -> typer.BadParameter:
    """Return the error of a name that is none of those that are known, and say which was likely meant.

    The name of a file is told which command is for such files.
    """
    suffix = Path(name).suffix.lower()
    hint = f" `fastconv {_READERS[suffix]} {name}` takes such a file." if suffix in _READERS else meant(name, known)
    return typer.BadParameter(f"{subject} must be {one_of_names(known, hint)}{others}, but got {shown(name)}.{hint}")


def is_shape(text: str) -> bool:
    """Whether a word is integers with x or commas between them."""
    return _SHAPE.fullmatch(text) is not None


def parse_shape(option: str, text: str, axes: int | None = None) -> tuple[int, ...]:
    """Read ``"1x3x32x40"``, of so many axes if that is said."""
    sizes = _integers(text) if is_shape(text) else ()
    if not sizes or 0 in sizes or (axes is not None and len(sizes) != axes):
        count = "" if axes is None else f"{axes} "
        raise refused(option, f"be {count}positive integers with x between them, such as {_EXAMPLES[axes]}", text)
    return sizes


def _integers(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in re.split(_BETWEEN, text))


def parse_sizes(option: str, text: str) -> int | tuple[int, ...]:
    """Read ``"2"`` or ``"2x1"``."""
    if not is_shape(text):
        raise refused(option, "be one integer, or two with x between them (height x width)", text)
    sizes = _integers(text)
    return sizes[0] if len(sizes) == 1 else sizes


def parse_padding(option: str, text: str) -> Any:
    """Read ``"1"``, ``"1x2"``, ``"0:1x2:2"`` (before:after) or a name."""
    if text in _PADDING_NAMES:
        return text
    if not _PAD.fullmatch(text):
        names = ", ".join(_PADDING_NAMES)
        raise refused(
            option, f"be an integer, two with x between them, two before:after, or one of {names}", text, _PADDING_NAMES
        )
    axes = [tuple(int(size) for size in axis.split(":")) for axis in re.split(_BETWEEN, text)]
    sizes = tuple(axis[0] if len(axis) == 1 else axis for axis in axes)
    return sizes[0] if len(sizes) == 1 and isinstance(sizes[0], int) else sizes


def parse_pair_of_names(option: str, text: str, known: tuple[str, ...]) -> tuple[str, str]:
    """Read ``"naive,fast"``."""
    names = tuple(name.strip() for name in text.split(","))
    if len(names) != 2 or names[0] == names[1] or not set(names) <= set(known):
        rule = f"be two different names of {', '.join(known)} with a comma"
        raise refused(option, rule, next((name for name in names if name not in known), text), known)
    return names[0], names[1]


def load_array(option: str, path: Path) -> Array:
    """Read a ``.npy`` file; no pickle is ever opened."""
    with open_regular("compare", path, InvalidValueError) as stream:
        if stream.read(len(MAGIC_PREFIX)) != MAGIC_PREFIX:
            raise InvalidValueError(
                f"compare: {option} must be a NumPy .npy file, but got {str(path)!r}, which is something else. "
                "Write one with numpy.save."
            )
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        try:
            array = read_array("compare", f"{option} ({path})", stream, size)
        except DAMAGED as error:
            raise InvalidValueError(
                f"compare: {option} must be a whole .npy file of numbers, without Python objects, but got "
                f"{str(path)!r} ({error})."
            ) from None
    return array
