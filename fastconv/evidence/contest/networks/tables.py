"""The tables of a contest of networks, as strings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import geometric_mean, median_high

from fastconv.evidence.contest.engines.networks.own import FUSED, LAYERS, PROGRAM, RECORDED
from fastconv.evidence.contest.heats import OURS
from fastconv.evidence.contest.networks.heats import NetworkHeat
from fastconv.evidence.contest.tables import spare_columns, time_cell
from fastconv.report import MISSING, Table, format_number

_BEST = "the best"
_SPARE = ("peak", "of peak", "GFLOP/s", "best other")
_RUNGS = {RECORDED: "recorded", FUSED: "fused", PROGRAM: "Winograd"}


def by_kind(heats: Sequence[NetworkHeat]) -> dict[str, list[NetworkHeat]]:
    """Return the heats of every kind, in their order."""
    found: dict[str, list[NetworkHeat]] = {}
    for heat in heats:
        found.setdefault(heat.kind, []).append(heat)
    return found


def others(heats: Sequence[NetworkHeat]) -> list[str]:
    """Return the names of all other engines that ran."""
    return list(dict.fromkeys(entry.engine for heat in heats for entry in heat.entries if entry.engine != OURS))


def ratio_table(heats: Sequence[NetworkHeat]) -> Table:
    """Return a line for each kind and engine, and for the best of all: how far ahead fastconv is."""
    rows = [row for kind, some in by_kind(heats).items() for row in _ratio_rows(kind, some)]
    headers = ("what", "other engine", "geometric mean", "worst", "worst at", "fastconv ahead")
    return Table("Other engine / fastconv", headers, tuple(rows), 2, spare=("worst at", "worst"))


def _ratio_rows(kind: str, heats: Sequence[NetworkHeat]) -> Iterator[tuple[str, ...]]:
    for engine in (_BEST, *others(heats)):
        ratios = [(heat.ratio if engine == _BEST else heat.ratio_to(engine), _short(heat)) for heat in heats]
        found = [(ratio, name) for ratio, name in ratios if ratio is not None]
        if found:
            values = [ratio for ratio, _ in found]
            worst, where = min(found)
            ahead = f"{sum(ratio >= 1 for ratio in values)} of {len(values)}"
            yield kind, engine, f"{geometric_mean(values):.2f}", f"{worst:.2f}", where, ahead


def time_table(kind: str, heats: Sequence[NetworkHeat]) -> Table:
    """Return the times of every variant of every engine on every network."""
    columns = list(dict.fromkeys(str(entry) for heat in heats for entry in heat.entries))
    headers = ("network", *columns, "ratio", "best other", "GFLOP/s", "of peak", "peak")
    rows = tuple((_short(heat), *_cells(heat, columns)) for heat in heats)
    return Table(
        f"{kind}: milliseconds (error as a share of the tolerance)", headers, rows, 1, spare_columns(columns, *_SPARE)
    )


def ladder_table(heats: Sequence[NetworkHeat]) -> Table:
    """Return how many times faster than its layers a network is: recorded, fused, and by Winograd's algorithm."""
    rows = []
    for heat in heats:
        ours = {entry.variant: entry.seconds for entry in heat.entries if entry.engine == OURS and entry.ok}
        layers = ours.get(LAYERS)
        if layers is not None:
            seconds = [ours.get(variant) for variant in _RUNGS]
            faster = [MISSING if one is None else f"{layers / one:.2f}" for one in seconds]
            rows.append((str(heat), format_number(layers * 1e3, ".3g"), *faster))
    headers = ("network", "layers, ms", *(f"{rung}, times faster" for rung in _RUNGS.values()))
    return Table("The ladder of a network", headers, tuple(rows), 1)


def _short(heat: NetworkHeat) -> str:
    """What it is, where the kind is said."""
    rule = f" {heat.optimizer}" if heat.optimizer else ""
    return f"{heat.network}{rule}" if heat.batch == 1 else f"{heat.network}{rule} ×{heat.batch}"


def _cells(heat: NetworkHeat, columns: Sequence[str]) -> tuple[str, ...]:
    entries = {str(entry): entry for entry in heat.entries}
    return (
        *(time_cell(entries.get(column)) for column in columns),
        format_number(heat.ratio, ".2f"),
        heat.best_other or MISSING,
        format_number(heat.gflops, ",.0f"),
        format_number(heat.of_peak, ".0%"),
        format_number(median_high(heat.peaks), ",.0f"),
    )
