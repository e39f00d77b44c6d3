"""Tables as wide as there is room: what goes, in which order, and that no word and no number is split."""

from __future__ import annotations

import pytest

from fastconv.report import Table
from fastconv.report.fit import GAP, fit_table

TABLE = Table(
    "",
    ("workload", "what it is", "time of fast", "scratch", "error", ""),
    (
        ("conv3x3_64_56", "the first stage of a network, which takes long", "12.3 ms", "1.50 MiB", "2.0%", "ok"),
        ("pool", "average", "1.02 ms", "0 B", "0.0%", "BEYOND"),
    ),
    2,
    ("scratch", "error"),
)


def shown(width: int) -> tuple[str, ...]:
    return tuple(header.replace("\n", " ") for header in fit_table(TABLE, width).table.headers)


@pytest.mark.parametrize(
    ("width", "headers"),
    [
        (200, TABLE.headers),
        (85, TABLE.headers),  # text and headings break
        (80, TABLE.headers),
        (70, ("workload", "what it is", "time of fast", "error", "")),
        (60, ("workload", "what it is", "time of fast", "")),
        (50, ("workload", "what it is", "")),  # from the right, but the verdict
        (24, ("workload", "")),
        (14, ("workload",)),
    ],
)
def test_columns_go_in_the_stated_order(width: int, headers: tuple[str, ...]) -> None:
    assert shown(width) == headers


def test_what_goes_is_named_and_the_room_that_it_takes_is_enough() -> None:
    fitted = fit_table(TABLE, 60)
    assert fitted.note == f"Left out here: scratch, error. They take a window of {fitted.needed} columns."
    assert shown(fitted.needed) == TABLE.headers
    assert shown(fitted.needed - 1) != TABLE.headers
    assert fit_table(TABLE, 200).note == ""


@pytest.mark.parametrize("width", range(14, 130))
def test_nothing_is_split_at_any_width(width: int) -> None:
    table, widths, _, _ = fit_table(TABLE, width)
    assert sum(widths) + GAP * (len(widths) - 1) <= width
    lines = [line for row in (table.headers, *table.rows) for cell in row for line in cell.split("\n")]
    words = {word for row in (TABLE.headers, *TABLE.rows) for cell in row for word in cell.split()}
    assert {word for line in lines for word in line.split()} <= words
    cells = {row[column] for row in table.rows for column in range(table.left, len(widths))}
    assert cells <= {cell for row in TABLE.rows for cell in row}  # numbers stay on one line with their units


def test_the_room_goes_to_the_text() -> None:
    _, widths, _, _ = fit_table(TABLE, 90)
    assert widths[0] == len("conv3x3_64_56")
    assert widths[1] > 24
    assert sum(widths) + GAP * (len(widths) - 1) == 90


def test_a_long_word_is_abbreviated_before_a_column_goes_that_is_not_spare() -> None:
    table = Table("", ("file", "class", "share"), (("/a/" + 30 * "b" + ".png", "cat", "99.00%"),), 2)
    fitted = fit_table(table, 40)
    assert fitted.table.rows == (("/a/" + 21 * "b" + "…", "cat", "99.00%"),)
    assert fit_table(table, 200).table.rows == table.rows


def test_a_table_without_rows() -> None:
    assert fit_table(Table("", ("a", "b"), (), 1), 10).widths == (1, 1)
