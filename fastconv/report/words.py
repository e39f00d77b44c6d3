"""Numbers as people read them: three digits and a unit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

MISSING = "–"  # in a cell that has nothing to say


def format_seconds(seconds: float) -> str:
    """Three digits and a unit.

    Examples
    --------
    >>> format_seconds(0.0123456), format_seconds(75.0)
    ('12.3 ms', '75.0 s')
    """
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= 0.9995 * scale:
            return f"{_three_digits(seconds / scale)} {unit}"
    return f"{_three_digits(seconds / 1e-9)} ns"


def format_bytes(size: int) -> str:
    """Three digits and a binary unit.

    Examples
    --------
    >>> format_bytes(0), format_bytes(1536), format_bytes(2**26)
    ('0 B', '1.50 KiB', '64.0 MiB')
    """
    if size < 1000:
        return f"{size} B"
    return _scaled(size / 1024, 1024, 1000, ("KiB", "MiB", "GiB", "TiB", "PiB"))


def format_count(number: int) -> str:
    """Three digits and a decimal prefix; small numbers as they are.

    Examples
    --------
    >>> format_count(0), format_count(15_200), format_count(225_000_000)
    ('0', '15,200', '225 M')
    """
    if number < 1_000_000:
        return f"{number:,}"
    return _scaled(number / 1000, 1000, 999.5, ("k", "M", "G", "T", "P"))


def _scaled(value: float, step: int, limit: float, units: Sequence[str]) -> str:
    """Divide by `step` until the value is below the limit, and name the unit."""
    for unit in units[:-1]:
        if value < limit:
            return f"{_three_digits(value)} {unit}"
        value /= step
    return f"{_three_digits(value)} {units[-1]}"


def _three_digits(value: float) -> str:
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:,.{digits}f}"


def format_number(value: float | None, form: str = "") -> str:
    """Format a number by `form`, by default to three digits; a dash where there is none.

    Examples
    --------
    >>> format_number(1234.5, ",.0f"), format_number(1.234), format_number(None)
    ('1,234', '1.23', '–')
    """
    if value is None:
        return MISSING
    return format(value, form) if form else _three_digits(value)


def format_times(value: float | None, digits: int = 2) -> str:
    """How many times: a few digits below ten, none above.

    Examples
    --------
    >>> format_times(2.345), format_times(2345.6), format_times(None)
    ('2.35×', '2,346×', '–')
    """
    if value is None:
        return MISSING
    return f"{value:,.0f}×" if value >= 10 else f"{value:.{digits}f}×"


def format_shape(shape: Iterable[int]) -> str:
    """Sizes with × between them.

    Examples
    --------
    >>> format_shape((8, 3, 32, 32))
    '8×3×32×32'
    """
    return "×".join(map(str, shape))


def plural(count: int, word: str) -> str:
    """Count with its word.

    Examples
    --------
    >>> plural(1, "thread"), plural(2, "core")
    ('1 thread', '2 cores')
    """
    return f"{count} {word}{'s' * (count != 1)}"
