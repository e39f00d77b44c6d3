"""The tables of a contest, made of the plain data that its JSON holds: for the command line and as Markdown."""

from __future__ import annotations

from statistics import geometric_mean
from typing import Any

from fastconv.comparison.markdown import markdown_table
from fastconv.comparison.text import Table
from fastconv.contest.results import OURS

__all__ = ["markdown", "notes", "ratios", "tables"]

Data = dict[str, Any]

_MISSING = "–"


def markdown(data: Data) -> str:
    """Return all tables and notes as Markdown.

    Parameters
    ----------
    data : dict
        What `Contest.to_dict` returns, or `json.load` of its file.

    Returns
    -------
    str
        A text without a title of its own, for a page to include.
    """
    blocks = [markdown_table(table) for table in tables(data)]
    return "\n\n".join([*blocks, "\n".join(f"- {note}" for note in notes(data))]) + "\n"


def tables(data: Data) -> list[Table]:
    """Return the targets, the ratios of every workload, and the times behind them."""
    groups: dict[tuple[str, str], list[Data]] = {}
    for heat in data["heats"]:
        groups.setdefault((heat["step"], heat["dtype"]), []).append(heat)
    found = [_summary(groups)]
    if data["verdicts"]:
        found.insert(0, _targets(data))
    return found + [_times(step, dtype, heats) for (step, dtype), heats in groups.items()]


def ratios(data: Data, step: str, dtype: str) -> dict[str, float | None]:
    """Return the ratio of every workload: best other engine divided by fastconv."""
    return {heat["workload"]: heat["ratio"] for heat in data["heats"] if (heat["step"], heat["dtype"]) == (step, dtype)}


def _targets(data: Data) -> Table:
    rows = tuple(
        (
            verdict["what"],
            verdict["where"],
            _with_unit(verdict["value"], verdict["unit"]),
            ("≥ " if verdict["at_least"] else "≤ ") + _with_unit(verdict["limit"], verdict["unit"]),
            "yes" if _met(verdict) else "no",
        )
        for verdict in data["verdicts"]
    )
    return Table("Targets", ("what", "worst at", "measured", "target", "reached"), rows, 2)


def _met(verdict: Data) -> bool:
    value, limit = verdict["value"], verdict["limit"]
    return bool(value >= limit if verdict["at_least"] else value <= limit)


def _with_unit(value: float, unit: str) -> str:
    number = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"
    return number + unit if unit == "×" else f"{number} {unit}".strip()


def _summary(groups: dict[tuple[str, str], list[Data]]) -> Table:
    rows = []
    for (step, dtype), heats in groups.items():
        found = [(heat["ratio"], heat["workload"]) for heat in heats if heat["ratio"] is not None]
        if not found:
            continue
        values = [ratio for ratio, _ in found]
        worst, where = min(found)
        ahead = sum(ratio >= 1 for ratio in values)
        rows.append((step, dtype, f"{geometric_mean(values):.2f}", f"{worst:.2f}", where, f"{ahead} of {len(values)}"))
    headers = ("pass", "dtype", "geometric mean", "worst", "worst at", "fastconv ahead")
    return Table("Best other engine / fastconv", headers, tuple(rows), 2)


def _times(step: str, dtype: str, heats: list[Data]) -> Table:
    columns = list(dict.fromkeys(_column(entry) for heat in heats for entry in heat["entries"]))
    headers = ("workload", *columns, "ratio", "GFLOP/s", "of peak", "peak", "one thread", "scratch")
    rows = tuple((heat["workload"], *_cells(heat, columns)) for heat in heats)
    return Table(f"{step}, {dtype}: milliseconds (error as a share of the tolerance)", headers, rows, 1)


def _column(entry: Data) -> str:
    return f"{entry['engine']} {entry['variant']}"


def _cells(heat: Data, columns: list[str]) -> tuple[str, ...]:
    entries = {_column(entry): entry for entry in heat["entries"]}
    peaks = sorted(heat["peaks"])
    alone = [seconds for seconds in heat["single"] if seconds is not None]
    return (
        *(_time(entries.get(column)) for column in columns),
        _number(heat["ratio"], ".2f"),
        _number(heat["gflops"], ",.0f"),
        _number(heat["of_peak"], ".0%"),
        _number(peaks[len(peaks) // 2], ",.0f"),
        _number(1e3 * sorted(alone)[len(alone) // 2] if alone else None, ".3f"),
        f"{heat['workspace'] / 2**20:.1f} MiB",
    )


def _time(entry: Data | None) -> str:
    if entry is None or entry["seconds"] is None:
        return _MISSING
    share = entry["of_tolerance"]
    error = "WRONG" if not entry["ok"] else f"{share:.0%}" if share >= 0.01 else "< 1%"
    return f"{1e3 * entry['seconds']:.3f} ({error})"


def _number(value: float | None, form: str) -> str:
    return _MISSING if value is None else format(value, form)


def notes(data: Data) -> list[str]:
    """Say what the columns mean, who did not take part and why, and where the numbers come from."""
    lines = [
        "ratio: median over the rounds of the best time of the others divided by the best of fastconv in that round.",
        "GFLOP/s: of fastconv; a multiply-add counts as two, padding included.",
        "of peak: divided by what nothing but multiply-adds reaches in the same round, the column peak (GFLOP/s).",
        "one thread: milliseconds of the better variant of fastconv. scratch: its memory beyond inputs and results.",
        "error: the worst element as a share of 64 eps sum |x·w|, from the result in float64.",
        *(f"{name} did not take part: {reason}." for name, reason in data["absent"].items()),
        *_refusals(data["heats"]),
        *_wrong(data["heats"]),
    ]
    if data["startup"] is not None:
        lines.append(_startup(data["startup"]))
    if data["spinning"]:
        shares = ", ".join(f"{name} {share:.1%}" for name, share in data["spinning"].items())
        lines.append(f"Processor time of each engine while others had their turn, as a share of one core: {shares}.")
    return [*lines, _origin(data)]


def _refusals(heats: list[Data]) -> list[str]:
    """One line for each engine and reason, with what it is about."""
    about: dict[str, list[str]] = {}
    for heat in heats:
        for name, reason in heat["refused"].items():
            about.setdefault(f"{name}: {reason}", []).append(f"{heat['step']} {heat['dtype']}")
    return [f"{reason} ({', '.join(dict.fromkeys(where))})." for reason, where in about.items()]


def _wrong(heats: list[Data]) -> list[str]:
    return [
        f"WRONG: {_column(entry)} on {heat['workload']} {heat['step']} {heat['dtype']}, beyond {entry['limit']:g} "
        "times the tolerance; its times do not count."
        for heat in heats
        for entry in heat["entries"]
        if not entry["ok"]
    ]


def _startup(startup: Data) -> str:
    return (
        f"First convolution of a new process, with the import of {OURS} and Numba and without NumPy's: "
        f"{startup['cold']:.2f} s with an empty cache on disk, {startup['warm']:.2f} s with a warm one. "
        f"Warmup with an empty cache: {startup['warmup']:.1f} s."
    )


def _origin(data: Data) -> str:
    here = data["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in here["versions"].items())
    load = "" if here["load"] is None else f" (load {here['load']:.1f} before)"
    return (
        f"{versions}; {here['cpu']}, {here['threads']} threads of {here['cores']} cores{load}; {here['date'][:10]}; "
        f"{data['seconds'] / 60:.1f} minutes."
    )
