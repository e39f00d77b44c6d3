"""Notebooks: their cells of code, without what IPython alone understands."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

from fastconv.errors import InvalidValueError

# Magics whose cell is Python that runs as it stands; the others hand it to something else.
_RUNS_CELL = {"time", "capture", "prun"}
_MAGIC = re.compile(r"\s*(?:[%!?]|[\w.]+\?{1,2}\s*$)")
_ASSIGNED_MAGIC = re.compile(r"(\s*[\w, ]+=\s*)(?:!|%\w)")


def read_cells(file: Path) -> list[str]:
    """Return the source of every cell of code, with a line for each of its lines.

    Lines of IPython (``%matplotlib inline``, ``!pip install …``, ``conv?``) become ``pass``, and what they are assigned
    to an empty list. A cell in another language (``%%bash``) is empty.

    Raises
    ------
    ValueError
        If the file is no notebook, or one in another language than Python.
    """
    try:
        notebook = json.loads(file.read_text(encoding="utf-8"))
        cells = list(_cells(notebook))
        language = _language(notebook)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidValueError(
            f"notebook: {file.name} must be a notebook as Jupyter saves it, but got a file that cannot be read"
            f" ({type(error).__name__}: {error}). Open it in Jupyter and save it again."
        ) from None
    if not language.lower().startswith(("python", "ipython")):
        raise InvalidValueError(f"notebook: {file.name} must be in Python, but got {language!r}.")
    return [without_magics(text) for text in cells]


def _cells(notebook: Any) -> Any:
    """Give the source of the cells of code; before format 4 (2015) they stood in worksheets."""
    sheets = [notebook] if "cells" in notebook else notebook["worksheets"]
    for cell in (cell for sheet in sheets for cell in sheet["cells"] if cell["cell_type"] == "code"):
        text = cell["source"] if "source" in cell else cell["input"]
        yield text if isinstance(text, str) else "".join(text)


def _language(notebook: Any) -> str:
    """Language of the kernel; Python where none is named."""
    metadata = notebook.get("metadata", {})
    named = metadata.get("language_info", {}).get("name") or metadata.get("kernelspec", {}).get("language")
    return str(named or "python")


def without_magics(text: str) -> str:
    r"""Return a cell in which every line of IPython is one of Python that does nothing.

    Examples
    --------
    >>> without_magics("%matplotlib inline\nfiles = !ls \\\n  images\nif files:\n    !pip install files\nx = 7 \\\n% 3")
    'pass\nfiles = []\n\nif files:\n    pass\nx = 7 \\\n% 3'
    >>> without_magics("%%bash\nls")
    'pass\n'
    """
    lines = text.splitlines()
    first = next((line.strip() for line in lines if line.strip()), "")
    if first.startswith("%%"):
        if first[2:].split(" ")[0] not in _RUNS_CELL:
            return "\n".join(["pass", *[""] * (len(lines) - 1)])
        lines[lines.index(next(line for line in lines if line.strip()))] = "pass"
    elif _is_python(text):
        return text
    return "\n".join(_dropped(lines))


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def _dropped(lines: list[str]) -> list[str]:
    """Replace magics, which go on in the next line after a backslash as statements do."""
    kept = list[str]()
    continued = dropped = False
    for line in lines:
        if continued:
            kept.append("" if dropped else line)
        else:
            kept.append(_without_magic(line))
            dropped = kept[-1] != line
        continued = line.endswith("\\")
    return kept


def _without_magic(line: str) -> str:
    if _MAGIC.match(line):
        return f"{line[: len(line) - len(line.lstrip())]}pass"
    assigned = _ASSIGNED_MAGIC.match(line)
    return f"{assigned[1]}[]" if assigned else line
