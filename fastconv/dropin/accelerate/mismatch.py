"""Why a function was left as it is."""

from __future__ import annotations

from dataclasses import dataclass

from fastconv.dropin.conventions.problem import Problem

MEMORY_CASES = ("input in Fortran order", "sliced input")


@dataclass(frozen=True)
class Mismatch:
    """Why a function was left as it is.

    Parameters
    ----------
    case : str
        Name of the case in which it differs; empty where the reason is another function.
    text : str
        What differs, in words.
    array : str
        The array that differs: y, dx, dweight or dbias.
    difference : float
        The largest difference; infinite where there is no number for it.
    problem : Problem or None
        A small problem on which it differs.
    """

    case: str
    text: str
    array: str = ""
    difference: float = float("inf")
    problem: Problem | None = None

    def __str__(self) -> str:
        return self.text
