"""A report as one HTML page: verdict, chart, tables that sort by a click; one file, nothing from elsewhere."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from html import escape

from fastconv.report.table import Report, Table

_UNITS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "B": 1.0, "%": 0.01, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_UNITS |= {f"{letter}iB": 1024.0**power for power, letter in enumerate("KMGTP", 1)}
_NUMBER = re.compile(r"[~<>≤≥\s]*(-?[\d,]*\.?\d+(?:e[+-]?\d+)?)\s*(\S*)")

# a page may run its own script and show its own picture, and fetch nothing
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --ok: #1a7f37; --wrong: #c62828; }
@media (prefers-color-scheme: dark) { :root { --ok: #3fb950; --wrong: #ff7b72; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
.verdict { font-size: 1.2rem; font-weight: 600; border-left: .3rem solid var(--line); padding-left: .8rem; }
.verdict.right { border-color: var(--ok); }
.verdict.wrong { border-color: var(--wrong); }
p.wrong:not(.verdict), td.wrong { color: var(--wrong); font-weight: 600; }
td.ok { color: var(--ok); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: left; }
th.number, td.number { text-align: right; }
th button { all: unset; cursor: pointer; font-weight: 600; }
th button:focus-visible { outline: 2px solid; }
th[aria-sort=ascending] button::after { content: " ▲"; }
th[aria-sort=descending] button::after { content: " ▼"; }
th:first-child, td:first-child { position: sticky; left: 0; background: Canvas; }
img { max-width: 100%; background: white; }
@media (max-width: 40rem) { img { max-width: 200%; } }
.notes { color: color-mix(in srgb, currentColor 70%, transparent); }
"""
_SCRIPT = """
for (const button of document.querySelectorAll("th button")) button.onclick = () => {
  const head = button.parentElement, body = head.closest("table").tBodies[0];
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const key = (row) => row.cells[head.cellIndex].dataset.value ?? row.cells[head.cellIndex].textContent;
  const compare = (a, b) => a === "" || b === "" ? (a === "") - (b === "")
    : (isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b) * (down ? -1 : 1);
  body.append(...[...body.rows].sort((a, b) => compare(key(a), key(b))));
};
"""
_JUDGED = ("", "verdict")  # headings of columns that say what is right
_GOOD, _BAD = ("ok", "faster", "yes"), ("BEYOND", "WRONG", "wrong", "raised", "crashed", "slower", "missing", "no")


def page(title: str, report: Report, chart: bytes | None = None) -> str:
    """Return a page with everything in a report.

    Parameters
    ----------
    title : str
        What stands above it.
    report : Report
        What there is to say; its details are among the tables.
    chart : bytes, optional
        A picture as SVG, which becomes part of the page.

    Returns
    -------
    str
        HTML that fetches nothing; all that comes from outside is escaped.

    Examples
    --------
    >>> text = page("a <b>", Report((Table("", ("c",), (("1 & 2",),), 1),)))
    >>> "a &lt;b&gt;" in text, "1 &amp; 2" in text
    (True, True)
    """
    parts = [f"<h1>{escape(title)}</h1>", *_parts(report.in_full, chart, sortable=True)]
    return "\n".join([*_head(title), *parts, f"<script>{_SCRIPT}</script>", "</body></html>", ""])


def fragment(report: Report) -> str:
    """Return a report as a piece of HTML, for a notebook: verdict, tables and notes, without a script.

    Notebooks align all cells to the right and break them; what has to be otherwise is said where it is.

    Examples
    --------
    >>> print(fragment(Report((Table("", ("size",), (("1 & 2",),), 0),))))
    <div style="overflow-x: auto"><table><thead><tr><th scope="col" class="number">size</th></tr></thead><tbody>
    <tr><td class="number" data-value="1">1&nbsp;&amp;&nbsp;2</td></tr>
    </tbody></table></div>
    """
    return "\n".join(_parts(report, None, sortable=False))


def _parts(whole: Report, chart: bytes | None, *, sortable: bool) -> list[str]:
    judged = {
        row[column]
        for table in whole.tables
        for column, header in enumerate(table.headers)
        for row in table.rows
        if header in _JUDGED
    }
    state = " wrong" if whole.failures or not judged.isdisjoint(_BAD) else " right" if "ok" in judged else ""
    states = [state, *("" for _ in whole.verdict[1:])]  # what comes second is no judgement
    parts = [f'<p class="verdict{one}">{escape(line)}</p>' for line, one in zip(whole.verdict, states)]
    parts += [f'<p class="wrong">{escape(failure)}</p>' for failure in whole.failures]
    if chart is not None:
        picture = f'<img alt="The chart" src="data:image/svg+xml;base64,{b64encode(chart).decode()}">'
        parts.append(f'<div class="wide" tabindex="0">{picture}</div>')
    parts += [_table(table, sortable) for table in whole.tables]
    if whole.notes:
        parts.append("\n".join(['<ul class="notes">', *(f"<li>{escape(note)}</li>" for note in whole.notes), "</ul>"]))
    return parts


def _head(title: str) -> tuple[str, ...]:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
    )


def _table(table: Table, sortable: bool) -> str:
    text = "" if sortable else ' style="text-align: left"'
    kinds = [text if column < table.left else ' class="number"' for column in range(len(table.headers))]
    button = '<button type="button">{}</button>'
    heads = "".join(
        f'<th scope="col"{kind}>{button.format(escape(header)) if sortable else escape(header)}</th>'
        if header
        else "<th></th>"
        for kind, header in zip(kinds, table.headers)
    )
    title = [f"<h2>{escape(table.title)}</h2>"] if table.title else []
    rows = ["<tr>" + "".join(map(_cell, row, kinds)) + "</tr>" for row in _by_themselves(table)]
    wide = 'class="wide" tabindex="0"' if sortable else 'style="overflow-x: auto"'
    start = f"<div {wide}><table><thead><tr>{heads}</tr></thead><tbody>"
    return "\n".join([*title, start, *rows, "</tbody></table></div>"])


def _by_themselves(table: Table) -> Iterator[tuple[str, ...]]:
    """Give the rows, each with the name that stands above it where its own is empty: sorting takes them apart."""
    name = ""
    for row in table.rows:
        name = row[0] or name
        yield (name, *row[1:])


def _cell(text: str, kind: str) -> str:
    """Return a cell; a number brings what it is sorted by."""
    if text in _GOOD or text in _BAD:
        left = "" if "number" in kind else kind
        return f'<td class="{"ok" if text in _GOOD else "wrong"}"{left}>{escape(text)}</td>'
    if "number" not in kind:
        return f"<td{kind}>{escape(text)}</td>"
    return f'<td{kind} data-value="{sorting_value(text)}">{escape(text).replace(" ", "&nbsp;")}</td>'


def sorting_value(text: str) -> str:
    """Return what a cell of numbers is sorted by: its number in the unit that it is about, nothing where it has none.

    Examples
    --------
    >>> sorting_value("12.3 ms"), sorting_value("> 1.50 KiB"), sorting_value("2,345×"), sorting_value("–")
    ('0.0123', '1536', '2345', '')
    """
    found = _NUMBER.match(text)
    if found is None:
        return ""
    return f"{float(found[1].replace(',', '')) * _UNITS.get(found[2], 1.0):.12g}"
