"""Grids of options that are thinned in the usual run: not every combination, but each that three options can make."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, product
from typing import Any, TypeVar

import pytest
from programs import FULL

Row = TypeVar("Row", bound=tuple[Any, ...])


def grid(*, where: Callable[..., bool] = lambda **_: True, **values: Iterable[Any]) -> pytest.MarkDecorator:
    """Parametrize over the combinations of `values` that are as in `where`; over all of them with FASTCONV_FULL=1."""
    rows = [row for row in product(*values.values()) if where(**dict(zip(values, row)))]
    chosen = rows if FULL else covering(rows)
    return pytest.mark.parametrize(tuple(values), chosen, ids=["-".join(map(name_of, row)) for row in chosen])


def quick(values: Iterable[Any], every: int) -> list[Any]:
    """Parameters of a test of which one of so many runs in the quick run, and all in the usual one."""
    rows = [value if isinstance(value, tuple) else (value,) for value in values]
    return [pytest.param(*row, marks=[pytest.mark.slow] * (i % every > 0)) for i, row in enumerate(rows)]


def in_turn(names: Iterable[str], others: Sequence[str]) -> list[tuple[str, str]]:
    """Each name with one of the others, which take turns; with all of them with FASTCONV_FULL=1.

    For what has kernels of its own to compile for each.
    """
    pairs = product(enumerate(names), enumerate(others))
    return [(name, other) for (i, name), (j, other) in pairs if FULL or i % len(others) == j]


def name_of(value: Any) -> str:
    """A value as it stands in the name of a test."""
    return str(value).replace(" ", "")


def covering(rows: Sequence[Row], strength: int = 3) -> list[Row]:
    """Few of the rows, in which any `strength` columns still have each combination of values that they had in all.

    A mistake shows with one, two or three options nearly always (Kuhn, Wallace and Gallo, 2004, "Software fault
    interactions and implications for software testing"). Rows that bring the most new combinations come first.
    """
    order = random.Random(0).sample(range(len(rows)), len(rows))
    made_by = [combinations_in(row, strength) for row in rows]
    missing, kept = set().union(*made_by), []
    most = len(made_by[0]) if rows else 0
    for least in (most, 3 * most // 4, most // 2, most // 4, 1):
        for i in order:
            new = made_by[i] & missing
            if new and len(new) >= least:
                kept.append(i)
                missing -= new
    return [rows[i] for i in sorted(kept)]


def combinations_in(row: Sequence[Any], strength: int) -> set[tuple[tuple[int, str], ...]]:
    """The combinations of `strength` columns and their values in a row, or of all where there are fewer."""
    return set(combinations(enumerate(map(repr, row)), min(strength, len(row))))
