"""What every child process of ours needs: the package that this one runs, and all that it can import."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["PACKAGE", "child_environment", "import_paths"]

PACKAGE = Path(__file__).resolve().parents[2]  # the folder fastconv/, in a checkout or installed


def import_paths() -> list[str]:
    """Where this process imports from, first of all the package itself."""
    return [str(PACKAGE.parent), *filter(None, sys.path)]


def child_environment(without: Iterable[str] = (), **changes: str) -> dict[str, str]:
    """Return the environment for a Python process that can import what this one can.

    Parameters
    ----------
    without : iterable of str
        Variables that the child does not get.
    **changes
        Variables that it gets beside those of this process.
    """
    dropped = {*without}
    inherited = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**inherited, "PYTHONPATH": os.pathsep.join(import_paths()), **changes}
