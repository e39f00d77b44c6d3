"""Somebody's file as text and as a syntax tree: its functions, what they call, and what changes of a line give."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Collection, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from fastconv.backends.locks import cached_property
from fastconv.dropin.source.blocks import Block, parse, read_blocks
from fastconv.dropin.source.statements import is_definition

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Edit(NamedTuple):
    """A part of a line, in bytes of UTF-8 as the syntax tree counts, and what stands there instead."""

    line: int
    start: int
    end: int
    text: str


class Source:
    """A file, or a cell of a notebook.

    Parameters
    ----------
    block : Block
        Its text.

    Attributes
    ----------
    filename : str
        What tracebacks call it.
    name : str
        The same without folders.

    Raises
    ------
    SyntaxError
        If it is no Python.
    """

    def __init__(self, block: Block) -> None:
        self.filename, self.name = block.filename, Path(block.filename).name
        self.tree = parse(block)
        self._lines = [line.encode() for line in block.text.splitlines(keepends=True)]

    def segment(self, node: ast.AST) -> str:
        """Return the text of an expression that stands on one line; of another, nothing."""
        first, last = getattr(node, "lineno", 0), getattr(node, "end_lineno", 0)
        if first != last or not first:
            return ""
        return self._lines[first - 1][node.col_offset : node.end_col_offset].decode()  # type: ignore[attr-defined]

    def line(self, number: int) -> str:
        """Return a line without the blanks around it."""
        return self._lines[number - 1].decode().strip()

    def between(self, one: ast.expr, other: ast.expr) -> Edit | None:
        """Return what stands between two parts of a line; None if they are on two."""
        start, end = one.end_col_offset or 0, other.col_offset
        if one.end_lineno != other.lineno:
            return None
        return Edit(other.lineno, start, end, self._lines[other.lineno - 1][start:end].decode())

    def changed(self, edits: Collection[Edit]) -> tuple[int, str] | None:
        """Return the number of the line that edits change, and what it becomes; None if they overlap or are on two."""
        numbers = {edit.line for edit in edits}
        ordered = sorted(set(edits), key=lambda edit: edit.start)
        if len(numbers) != 1 or any(one.end > other.start for one, other in pairwise(ordered)):
            return None
        (number,) = numbers
        line = self._lines[number - 1]
        for edit in reversed(ordered):
            line = line[: edit.start] + edit.text.encode() + line[edit.end :]
        return number, line.decode().strip().strip(";").strip()

    def statement(self, number: int, better: str | None = None) -> str:
        """Return the statement of the module that a line belongs to, with the line replaced, at its place in the file.

        Parameters
        ----------
        number : int
            Number of the line.
        better : str, optional
            What it becomes.
        """
        node = self._around(number)
        lines = [line.decode() for line in self._lines[_first(node) - 1 : node.end_lineno]]
        if better is not None:
            line = lines[number - _first(node)]
            lines[number - _first(node)] = line[: len(line) - len(line.lstrip())] + (better or "pass") + "\n"
        return "\n" * (_first(node) - 1) + "".join(lines)

    def fits(self, number: int, better: str) -> bool:
        """Return whether a changed line is Python where it stands, and does nothing but define something."""
        try:
            ast.parse(self.statement(number, better))
        except SyntaxError:
            return False
        return is_definition(self._around(number))

    def _around(self, number: int) -> ast.stmt:
        """Return the statement of the module that a line belongs to."""
        return next(node for node in self.tree.body if _first(node) <= number <= (node.end_lineno or 0))

    def functions(self, owners: Collection[str], names: Collection[str]) -> list[Function]:
        """Return functions of the module or methods of its classes, and after them those that they call.

        Parameters
        ----------
        owners : collection of str
            Names of functions and classes.
        names : collection of str
            Names of the functions and methods that are meant.
        """
        classes = [self._classes[name] for name in owners if name in self._classes]
        known = [{**self._functions}, *map(_methods, classes)]
        found = [methods[name] for methods in reversed(known) for name in names if name in methods]
        for function in found:  # which grows
            for name in _called(function):
                for methods in known:
                    if name in methods and methods[name] not in found:
                        found.append(methods[name])
        return found

    @cached_property
    def attributes(self) -> set[str]:
        """Attributes of `self` anywhere in the file, with it."""
        return {name for node in ast.walk(self.tree) if (name := plain_name(node)).startswith("self.")}

    @cached_property
    def _functions(self) -> dict[str, Function]:
        return {node.name: node for node in self.tree.body if isinstance(node, Function)}

    @cached_property
    def _classes(self) -> dict[str, ast.ClassDef]:
        return {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}


def read_sources(file: Path) -> list[Source]:
    """Return the source of a file, or of each cell of a notebook; none where that cannot be read as Python."""
    found = []
    with contextlib.suppress(OSError, ValueError, SyntaxError):
        for block in read_blocks(file):
            with contextlib.suppress(SyntaxError):
                found.append(Source(block))
    return found


def _first(node: ast.stmt) -> int:
    """First line of a statement with its decorators."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)])


def _methods(cls: ast.ClassDef) -> dict[str, Function]:
    return {node.name: node for node in cls.body if isinstance(node, Function)}


def _called(function: Function) -> Iterator[str]:
    """Names of functions and methods that a function calls, or hands on."""
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def plain_name(node: ast.AST) -> str:
    """Return a name, or an attribute of `self` with it; nothing for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return f"self.{node.attr}"
    return ""
