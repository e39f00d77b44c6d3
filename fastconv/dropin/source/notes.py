"""What is to be said about a file that does not run as it stands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fastconv.dropin.source.blocks import belongs_to, cell_of, parse, read_blocks
from fastconv.dropin.source.python2 import leftover_of_python2
from fastconv.dropin.source.statements import Missing, Place


def notes_on(file: Path, stops: Mapping[Place, str], missing: Mapping[str, Missing]) -> list[str]:
    """Return a line for everything that is special about how a file was run.

    Parameters
    ----------
    file : Path
        The file.
    stops : mapping of Place to str
        The statements at which it stopped, or one of its neighbours did, and why.
    missing : mapping of str to Missing
        What could not be imported.
    """
    notes = [
        f"stopped at {_described(place, file)}: {why}; what is defined before and below it was examined"
        for place, why in stops.items()
    ]
    if missing:
        named = ", ".join(f"{name} ({_described(place, file)}{_reason(why)})" for name, (place, why) in missing.items())
        notes.append(f"could not be imported, and raises an error where it is used: {named}")
    old = _python2(file)
    return [*notes, *([f"this looks like Python 2 ({old}): run 2to3 first"] if old else [])]


def _described(place: Place, file: Path) -> str:
    """Return a place in words: "line 12", "cell 3, line 4", "data.py, line 12" in another file."""
    other = "" if belongs_to(place.block, file) else f"{Path(place.block).name}, "
    return f"{other}{cell_of(place.block)}line {place.line}"


def _reason(why: str) -> str:
    """Why something could not be imported, unless it is only not there."""
    return "" if why.startswith("No module named") else f": {why}"


def _python2(file: Path) -> str:
    """Name and place of what only Python 2 has; empty where there is nothing."""
    for block in read_blocks(file):
        try:
            found = leftover_of_python2(parse(block))
        except SyntaxError:
            continue
        if found is not None:
            return f"{found[0]}, {cell_of(block.filename)}line {found[1]}"
    return ""
