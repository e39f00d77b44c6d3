"""Tables that fit a terminal: columns go or are abbreviated in a stated order, and no word and no number is split.

1. Headings break at their spaces.
2. Text breaks at its spaces, and keeps so many letters to a line as it takes to be read.
3. The columns that a table can spare go, in the order that it states.
4. Longer words end in "…".
5. The other columns go from the right. The first one stays, and the one without a heading, a verdict, goes last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import NamedTuple

from fastconv.report.table import Table

GAP = 2  # spaces between two columns
_READABLE = 24  # letters to a line of text


class Fitted(NamedTuple):
    """A table that fits.

    Attributes
    ----------
    table : Table
        What is left of it; headings and cells have line breaks where they do not fit one line.
    widths : tuple of int
        Of its columns, in letters.
    hidden : tuple of str
        Headings of the columns that went.
    needed : int
        Letters in a line that the whole table takes.
    """

    table: Table
    widths: tuple[int, ...]
    hidden: tuple[str, ...]
    needed: int

    @property
    def note(self) -> str:
        """Say what went; nothing if all is there."""
        if not self.hidden:
            return ""
        return f"Left out here: {', '.join(self.hidden)}. They take a window of {self.needed} columns."


def fit_table(table: Table, width: int) -> Fitted:
    r"""Return as much of a table as fits into `width` letters, in the order above.

    Examples
    --------
    >>> table = Table("", ("layer", "bytes in all", "share"), (("conv1", "640", "94 %"), ("fc", "40", "6 %")), left=1)
    >>> fitted = fit_table(table, 13)
    >>> fitted.table.headers, fitted.widths, fitted.hidden
    (('layer', 'bytes\nin\nall'), (5, 5), ('share',))
    """
    whole = range(len(table.headers))
    needed = _needed([_least(table, column, longest=None) for column in whole])
    for columns, longest in _stages(table):
        least = [_least(table, column, longest) for column in columns]
        if _needed(least) <= width:
            break
    wanted = [_natural(table, column, with_heading=True) for column in columns]
    if _needed(wanted) > width:  # headings will be broken: the room is for the cells
        wanted = [max(one, _natural(table, column, with_heading=False)) for one, column in zip(least, columns)]
    widths = _share(least, wanted, width)
    rows = [table.headers, *table.rows]
    headers, *body = (tuple(_broken(row[column], each) for column, each in zip(columns, widths)) for row in rows)
    left = sum(column < table.left for column in columns)
    hidden = tuple(table.headers[column] for column in whole if column not in columns)
    return Fitted(table._replace(headers=headers, rows=tuple(body), left=left), widths, hidden, needed)


def _stages(table: Table) -> Iterator[tuple[list[int], int | None]]:
    """Give the columns that are left, and the longest word that is not abbreviated, from the whole table down."""
    columns = [*range(len(table.headers))]
    yield [*columns], None
    for header in table.spare:
        columns.remove(table.headers.index(header))
        yield [*columns], None
    yield [*columns], _READABLE
    for column in sorted(columns[1:], key=lambda column: (not table.headers[column], -column)):
        columns.remove(column)
        yield [*columns], _READABLE


def _needed(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _least(table: Table, column: int, longest: int | None) -> int:
    """Letters that a column cannot do without."""
    heading = _longest_word(table.headers[column])
    cells = [row[column] for row in table.rows]
    if column >= table.left:  # numbers, with their units
        return max([heading, *map(len, cells)])
    words = max(map(_longest_word, cells), default=0)
    words = words if longest is None else min(words, longest)
    return max(heading, words, min(_READABLE, max(map(len, cells), default=0)))


def _natural(table: Table, column: int, *, with_heading: bool) -> int:
    heading = len(table.headers[column]) if with_heading else 0
    return max([heading, *(len(row[column]) for row in table.rows)])


def _longest_word(text: str) -> int:
    return max(map(len, text.split()), default=0)


def _share(least: Sequence[int], natural: Sequence[int], width: int) -> tuple[int, ...]:
    """Give the room that is left to the columns that want most."""
    widths = [*least]
    for _ in range(min(width - _needed(least), sum(natural) - sum(least))):
        wants = [wanted - given for wanted, given in zip(natural, widths)]
        widths[wants.index(max(wants))] += 1
    return tuple(widths)


def _broken(cell: str, width: int) -> str:
    """Break a cell at its spaces; a word that is still too long ends in "…"."""
    if len(cell) <= width:
        return cell
    lines = wrap(cell, width, break_long_words=False, break_on_hyphens=False)
    return "\n".join(line if len(line) <= width else line[: width - 1] + "…" for line in lines)
