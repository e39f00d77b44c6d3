"""Tables of strings, and reports made of them: as text and as Markdown. The command line draws the same in colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Table(NamedTuple):
    """A table of strings.

    Attributes
    ----------
    title : str
        What stands above it; may be empty.
    headers : tuple of str
        One for each column.
    rows : tuple of tuple of str
        The cells.
    left : int
        So many columns hold text and are aligned to the left; the others hold numbers and are aligned to the right.
    spare : tuple of str
        Headings of columns that a narrow terminal can do without, the first to go first.
    """

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int
    spare: tuple[str, ...] = ()


class Report(NamedTuple):
    """What there is to say about a result.

    Attributes
    ----------
    tables : tuple of Table
        The numbers.
    notes : tuple of str
        What the columns mean, and where the numbers come from.
    failures : tuple of str
        What is wrong, one line each; nothing where all is well.
    verdict : tuple of str
        What it all comes to, in a line or two; it stands first.
    details : tuple of Table
        More numbers, for those who ask.
    remarks : tuple of str
        What their columns mean.
    """

    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    verdict: tuple[str, ...] = ()
    details: tuple[Table, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def in_full(self) -> Report:
        """The same with its details among the tables."""
        tables, notes = (*self.tables, *self.details), (*self.remarks, *self.notes)
        return self._replace(tables=tables, notes=notes, details=(), remarks=())

    def text(self) -> str:
        """Return verdict, tables, notes and failures as text, with aligned columns and without colours."""
        lines = ("\n".join(self.verdict), *map(draw_table, self.tables), "\n".join((*self.notes, *self.failures)))
        return "\n\n".join(filter(None, lines))

    def markdown(self) -> str:
        """Return verdict, tables and notes as Markdown: without a title of its own, for a page to include."""
        notes = "\n".join(f"- {note}" for note in (*self.notes, *self.failures))
        return "\n\n".join(filter(None, (*self.verdict, *map(markdown_table, self.tables), notes))) + "\n"


def draw_table(table: Table) -> str:
    """Return a table as text, its columns aligned.

    Examples
    --------
    >>> print(draw_table(Table("Sizes", ("layer", "bytes"), (("conv1", "640"), ("fc", "40")), left=1)))
    Sizes
    <BLANKLINE>
    layer  bytes
    -----  -----
    conv1    640
    fc        40
    """
    widths = _widths([table.headers, *table.rows])
    rule = "  ".join("-" * width for width in widths)
    head, *body = aligned([table.headers, *table.rows], table.left)
    return "\n".join([table.title, "", head, rule, *body] if table.title else [head, rule, *body])


def aligned(rows: Sequence[tuple[str, ...]], left: int) -> list[str]:
    """Return rows as lines, two spaces between their columns."""
    widths = _widths(rows)
    sides = [str.ljust if column < left else str.rjust for column in range(len(widths))]
    return ["  ".join(side(cell, width) for side, cell, width in zip(sides, row, widths)).rstrip() for row in rows]


def _widths(rows: Sequence[tuple[str, ...]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows)]


def markdown_table(table: Table) -> str:
    """Return a table with its title in bold above it."""
    sides = ("---",) * table.left + ("---:",) * (len(table.headers) - table.left)
    lines = ["| " + " | ".join(line) + " |" for line in (table.headers, sides, *table.rows)]
    return "\n".join([f"**{table.title}**", "", *lines] if table.title else lines)
