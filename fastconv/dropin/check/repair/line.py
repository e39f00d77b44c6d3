"""One line of somebody's file, and what it should be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """The line at fault, which was tried with the change: it makes the failing cases right.

    Attributes
    ----------
    file : str
        Name of the file.
    number : int
        Number of the line, from 1.
    text : str
        The line, without the blanks around it.
    better : str
        What it should be; nothing where it has to go.
    """

    file: str
    number: int
    text: str
    better: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.number}"
        return f"{place}  {self.text}\n{'->':>{len(place)}}  {self.better or '(leave it out)'}"
