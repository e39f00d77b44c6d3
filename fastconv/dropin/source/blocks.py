"""The source code of a file: one block of statements, or one for each cell of a notebook."""

from __future__ import annotations

import ast
import tokenize
from pathlib import Path
from typing import NamedTuple

from fastconv.dropin.source.notebook import read_cells
from fastconv.dropin.source.python2 import sign_of_python2

NOTEBOOK = ".ipynb"
_CELL = ", cell "


class Block(NamedTuple):
    """Statements that are read together.

    Attributes
    ----------
    filename : str
        What tracebacks call it: the path of the file, "net.ipynb, cell 3" for the third cell of code in a notebook.
    text : str
        The source code.
    """

    filename: str
    text: str


class Python2Error(SyntaxError):
    """The file is written for Python 2."""


def read_blocks(file: Path) -> list[Block]:
    """Return the blocks of a Python file or notebook.

    Raises
    ------
    SyntaxError
        If the encoding of the file is not the one that it names.
    """
    if file.suffix == NOTEBOOK:
        return [Block(f"{file}{_CELL}{number}", text) for number, text in enumerate(read_cells(file), 1)]
    try:
        with tokenize.open(file) as stream:
            return [Block(str(file), stream.read())]
    except UnicodeDecodeError as error:
        raise SyntaxError(f"{file.name} is not in the encoding that it names: {error}") from None


def parse(block: Block) -> ast.Module:
    """Return the syntax tree of a block.

    Raises
    ------
    Python2Error
        If it is Python 2.
    SyntaxError
        If it is no Python for another reason.
    """
    try:
        return ast.parse(block.text, block.filename)
    except ValueError as error:  # null bytes, before Python 3.12
        raise SyntaxError(str(error), (block.filename, 1, 0, "")) from None
    except SyntaxError as error:
        sign = sign_of_python2(block.text, error.lineno or 1)
        if sign is None:
            raise
        what, line = sign
        said = f"this is Python 2 ({what}, {cell_of(block.filename)}line {line}): run 2to3 first"
        raise Python2Error(said, (block.filename, line, 0, "")) from None


def belongs_to(filename: str, file: Path) -> bool:
    """Whether a traceback means the file, or a cell of it.

    Examples
    --------
    >>> belongs_to("/home/net.ipynb, cell 3", Path("/home/net.ipynb")), belongs_to("<stdin>", Path("/home/net.py"))
    (True, False)
    """
    return filename.partition(_CELL)[0] == str(file)


def cell_of(filename: str) -> str:
    """Return "cell 3, " for the third cell of a notebook; nothing for a file.

    Examples
    --------
    >>> f"{cell_of('/home/net.ipynb, cell 3')}line 4", f"{cell_of('/home/net.py')}line 4"
    ('cell 3, line 4', 'line 4')
    """
    cell = filename.partition(_CELL)[2]
    return f"cell {cell}, " if cell else ""
