"""Tables as Markdown, and a comparison of its JSON."""

from __future__ import annotations

from typing import Any

from fastconv.comparison.text import Table

__all__ = ["comparison_markdown", "markdown_table"]

Data = dict[str, Any]

_MISSING = "–"
_HEAD = (
    "| workload | forward | | | backward | | | of tolerance |",
    "|---|---|---|---|---|---|---|---|",
    "| | µs a loop output | fast, ms | times faster | µs a loop output | fast, ms | times faster | |",
)


def markdown_table(table: Table) -> str:
    """Return a table with its title in bold above it."""
    sides = ("---",) * table.left + ("---:",) * (len(table.headers) - table.left)
    lines = (table.headers, sides, *table.rows)
    return "\n".join([f"**{table.title}**", "", *("| " + " | ".join(line) + " |" for line in lines)])


def comparison_markdown(data: Data) -> str:
    """Return a line about where a comparison was measured, and its table.

    Parameters
    ----------
    data : dict
        What `Comparison.to_dict` returns, or `json.load` of its file.

    Returns
    -------
    str
        A text without a title of its own, for a page to include.
    """
    here, versions = data["environment"], data["environment"]["versions"]
    dtypes = ", ".join(sorted({row["dtype"] for row in data["rows"]}))
    note = (
        f"Measured on {here['date'][:10]}: {here['cpu']}, {here['threads']} threads, {dtypes}, one image "
        f"for the named layers; {', '.join(f'{name} {version}' for name, version in versions.items())}. Compiling took "
        f"{data['compile_seconds']:.1f} s and is in none of the times."
    )
    return "\n".join([note, "", *_HEAD, *map(_line, data["rows"])]) + "\n"


def _line(row: Data) -> str:
    worst = max(difference["of_tolerance"] for difference in row["differences"])
    passes = {step["name"]: step for step in row["passes"]}
    cells = (cell for name in ("forward", "backward") for cell in _cells(passes.get(name)))
    return "| " + " | ".join([f"`{row['name']}`", *cells, f"{worst:.1%}"]) + " |"


def _cells(step: Data | None) -> tuple[str, str, str]:
    """Time of one output of the frozen loops, time of fast, and their quotient."""
    if step is None:
        return _MISSING, _MISSING, _MISSING
    seconds = f"{step['seconds'] * 1e3:.3f}"
    if step["times_faster"] is None:
        return _MISSING, seconds, _MISSING
    return f"{step['loop_seconds_per_output'] * 1e6:.2f}", seconds, f"{step['times_faster']:,.0f}×"
