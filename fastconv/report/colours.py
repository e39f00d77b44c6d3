"""The colours of charts, which differ for every kind of colour vision, on white and from each other."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle, islice

PALETTE = ("#1f6f8b", "#e08e45", "#9aa5ab", "#000000", "#56b4e9", "#7a3b00", "#f2c9a1")
PALE = "#a3c4cf"  # what lies behind the first two
_FIRST, _SECOND, _THIRD = PALETTE[:3]
_NAMED = {
    **dict.fromkeys(("forward", "fast", "train"), _FIRST),
    **dict.fromkeys(("backward", "numpy", "validation"), _SECOND),
    "naive": _THIRD,
    "each step": PALE,
}


def colours_of(names: Iterable[str]) -> dict[str, str]:
    """Return a colour for each name of a chart: always the same for those that charts share, else the next one.

    Examples
    --------
    >>> colours_of(["numpy", "torch"])
    {'numpy': '#e08e45', 'torch': '#1f6f8b'}
    """
    names = list(names)
    taken = {_NAMED[name] for name in names if name in _NAMED}
    others = [name for name in names if name not in _NAMED]
    free = islice(cycle([colour for colour in PALETTE if colour not in taken]), len(others))
    return {name: _NAMED[name] if name in _NAMED else next(free) for name in names}
