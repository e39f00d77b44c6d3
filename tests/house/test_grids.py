"""The grids of the usual run: few rows, and nothing that three options make together is missing."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from grids import combinations_in, covering

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
