"""The grids of the usual run: few rows, and nothing that three options make together is missing."""

from __future__ import annotations

from itertools import combinations, product

import grids
import pytest
from grids import combinations_in, covering, in_turn, quick

OPTIONS = (("naive", "fast"), (1, 2, 3), (1, 2, 3), (0, 1, 2), (1, 2), ("float32", "float64"))
EVERY = list(product(*OPTIONS))


@pytest.mark.parametrize("strength", [1, 2, 3])
def test_every_combination_of_few_options_is_kept(strength: int) -> None:
    kept = covering(EVERY, strength)
    columns = combinations(range(len(OPTIONS)), strength)
    wanted = {(c, values) for c in columns for values in product(*(OPTIONS[i] for i in c))}
    assert {(c, tuple(row[i] for i in c)) for c, _ in wanted for row in kept} == wanted
    assert len(kept) <= {1: 6, 2: 18, 3: 54}[strength]
    assert [row for row in EVERY if row in kept] == kept  # in their order, each once


def test_what_is_not_in_the_grid_is_not_asked_for() -> None:
    rows = [row for row in EVERY if row[1] < row[2]]
    kept = covering(rows)
    assert set(kept) <= set(rows)
    assert set().union(*(combinations_in(row, 3) for row in rows)) == set().union(
        *(combinations_in(row, 3) for row in kept)
    )


def test_a_grid_of_few_columns_is_kept_whole() -> None:
    rows = list(product("ab", range(5)))
    assert covering(rows) == rows
    assert covering([]) == []


def test_others_take_turns_and_all_are_in_the_long_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grids, "FULL", False)
    assert in_turn("abc", ("float32", "float64")) == [("a", "float32"), ("b", "float64"), ("c", "float32")]
    monkeypatch.setattr(grids, "FULL", True)
    assert in_turn("abc", ("x", "y")) == [*product("abc", "xy")]


def test_one_of_so_many_is_quick_and_all_are_there() -> None:
    rows = quick([("a", 1), ("b", 2), ("c", 3), ("d", 4)], 3)
    assert [row.values for row in rows] == [("a", 1), ("b", 2), ("c", 3), ("d", 4)]
    assert [bool(row.marks) for row in rows] == [False, True, True, False]
    assert [row.values for row in quick("ab", 2)] == [("a",), ("b",)]
