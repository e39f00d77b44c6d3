"""Signs that a file is written for Python 2."""

from __future__ import annotations

import ast
import re

# What it is called, and the line of code that has it. Only lines that Python 3 cannot read are looked at.
_SYNTAX = (
    ("print statement", re.compile(r"(?:^|[:;])\s*print(?:\s*[\"']|\s+\w)")),
    ("except with a comma", re.compile(r"^\s*except\s+[\w.()\s,]+,\s*\w+\s*:")),
    ("raise with a comma", re.compile(r"^\s*raise\s+[\w.]+\s*,")),
    ("exec statement", re.compile(r"(?:^|[:;])\s*exec\s+[\"'\w]")),
    ("backquotes", re.compile(r"`[^`]+`")),
    ("<>", re.compile(r"<>")),
    ("an octal or long number", re.compile(r"\b0[0-7]+\b|\b\d+[lL]\b")),
    ("a string that starts with ur", re.compile(r"\b[uU][rR][\"']")),
)
_PRINT = re.compile(r"^\s*print\s+[\"'\w]")

# Names that Python 3 does not have any more.
_NAMES = {"xrange", "raw_input", "basestring", "unichr"}
_IMPORTS = (ast.Import, ast.ImportFrom)


def sign_of_python2(text: str, line: int) -> tuple[str, int] | None:
    r"""Say what makes a file Python 2 that Python 3 cannot read.

    Parameters
    ----------
    text : str
        The source.
    line : int
        Where Python 3 stopped reading.

    Returns
    -------
    (str, int) or None
        What it is and the number of its line; None where the reason is another.

    Examples
    --------
    >>> sign_of_python2("x = 1\nprint 'x', x", 2)
    ('print statement', 2)
    >>> sign_of_python2("x = (1", 1)
    """
    lines = text.splitlines()
    stopped = lines[line - 1] if 0 < line <= len(lines) else ""
    for what, pattern in _SYNTAX:
        if pattern.search(stopped):
            return what, line
    for number, each in enumerate(lines, 1):  # where tabs or a line before have stopped it
        if _PRINT.match(each):
            return "print statement", number
    return None


def leftover_of_python2(tree: ast.Module) -> tuple[str, int] | None:
    r"""Find what only Python 2 has in code that Python 3 can read: names that are bound nowhere, ``print >>file``.

    Returns
    -------
    (str, int) or None
        What it is and the number of its line.

    Examples
    --------
    >>> leftover_of_python2(ast.parse("for i in xrange(3):\n    pass"))
    ('xrange', 1)
    >>> leftover_of_python2(ast.parse("from past.builtins import xrange\nxrange(3)"))
    """
    nodes = list(ast.walk(tree))
    imported = {alias.asname or alias.name for node in nodes if isinstance(node, _IMPORTS) for alias in node.names}
    names = [node for node in nodes if isinstance(node, ast.Name)]
    bound = imported | {node.id for node in names if isinstance(node.ctx, ast.Store)}
    found = [(node.id, node.lineno) for node in names if node.id in _NAMES - bound]
    shifts = [node for node in nodes if isinstance(node, ast.BinOp) and isinstance(node.op, ast.RShift)]
    found += [("print >>", node.lineno) for node in shifts if getattr(node.left, "id", "") == "print"]
    return min(found, key=lambda each: each[1]) if found else None
