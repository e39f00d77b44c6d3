"""The tables of a contest, as strings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import geometric_mean, median_high

from fastconv.evidence.contest.heats import Entry, Heat
from fastconv.evidence.contest.targets import Target
from fastconv.report import MISSING, Table, format_number

_SPARE = ("scratch", "one thread", "peak", "of peak", "GFLOP/s")


def target_table(targets: Sequence[Target]) -> Table:
    """Return what fastconv sets out to reach, and whether it did."""
    rows = tuple(
        (
            target.what,
            target.where,
            _with_unit(target.value, target.unit),
            ("≥ " if target.at_least else "≤ ") + _with_unit(target.limit, target.unit),
            "yes" if target.met else "no",
        )
        for target in targets
    )
    return Table(
        "Targets", ("what", "worst at", "measured", "target", "reached"), rows, 2, spare=("worst at", "target")
    )


def _with_unit(value: float, unit: str) -> str:
    number = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"
    return number + unit if unit == "×" else f"{number} {unit}".strip()


def ratio_table(groups: Mapping[tuple[str, str], Sequence[Heat]]) -> Table:
    """Return a line for each pass and dtype: how far ahead fastconv is."""
    rows = []
    for (step, dtype), heats in groups.items():
        found = [(heat.ratio, heat.workload) for heat in heats if heat.ratio is not None]
        if not found:
            continue
        values = [ratio for ratio, _ in found]
        worst, where = min(found)
        ahead = sum(ratio >= 1 for ratio in values)
        rows.append((step, dtype, f"{geometric_mean(values):.2f}", f"{worst:.2f}", where, f"{ahead} of {len(values)}"))
    headers = ("pass", "dtype", "geometric mean", "worst", "worst at", "fastconv ahead")
    return Table("Best other engine / fastconv", headers, tuple(rows), 2, spare=("worst at", "worst"))


def time_table(step: str, dtype: str, heats: Sequence[Heat]) -> Table:
    """Return the times of every variant of every engine on every workload."""
    columns = list(dict.fromkeys(str(entry) for heat in heats for entry in heat.entries))
    headers = ("workload", *columns, "ratio", "GFLOP/s", "of peak", "peak", "one thread", "scratch")
    rows = tuple((heat.workload, *_cells(heat, columns)) for heat in heats)
    return Table(
        f"{step}, {dtype}: milliseconds (error as a share of the tolerance)",
        headers,
        rows,
        1,
        spare_columns(columns, *_SPARE),
    )


def spare_columns(engines: Sequence[str], *others: str) -> tuple[str, ...]:
    """Return the columns that a narrow terminal can do without: `others`, then engines, the last ones first."""
    return (*others, *reversed(engines[1:]))


def _cells(heat: Heat, columns: Sequence[str]) -> tuple[str, ...]:
    entries = {str(entry): entry for entry in heat.entries}
    alone = [seconds for seconds in heat.single if seconds is not None]
    return (
        *(time_cell(entries.get(column)) for column in columns),
        format_number(heat.ratio, ".2f"),
        format_number(heat.gflops, ",.0f"),
        format_number(heat.of_peak, ".0%"),
        format_number(median_high(heat.peaks), ",.0f"),
        format_number(1e3 * median_high(alone) if alone else None, ".3f"),
        f"{heat.workspace / 2**20:.1f} MiB",
    )


def time_cell(entry: Entry | None) -> str:
    """Milliseconds of a variant, with its error."""
    if entry is None or entry.seconds is None:
        return MISSING
    share = entry.of_tolerance
    error = "WRONG" if not entry.ok else f"{share:.0%}" if share >= 0.01 else "< 1%"
    return f"{1e3 * entry.seconds:.3f} ({error})"
