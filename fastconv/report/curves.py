"""Curves over numbers as SVG, for a notebook: without matplotlib, in the colours of text on its page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from fastconv.report.colours import colours_of

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 340, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 330, 30, 160
_MOST = 400  # points of a curve: a page shows no more


def curves(title: str, across: str, series: Mapping[str, Points]) -> str:
    """Return curves with the ends of their axes and a legend as one element.

    Parameters
    ----------
    title, across : str
        What the curves show, and over what.
    series : dict of str to sequence of (float, float)
        Points by the names of the curves, from left to right. What is not finite is left out.

    Returns
    -------
    str
        An ``svg``; empty where there is no point.

    Examples
    --------
    >>> text = curves("loss", "epoch", {"train": [(1, 2.5), (2, 0.5)]})
    >>> "<polyline" in text, ">2.5<" in text
    (True, True)
    """
    finite = {name: [point for point in points if all(map(math.isfinite, point))] for name, points in series.items()}
    kept = {name: points for name, points in finite.items() if points}
    if not kept:
        return ""
    xs, ys = zip(*(point for points in kept.values() for point in points))
    first = math.floor(min(xs)) if max(xs) - min(xs) > 1 else min(xs)
    ends = (first, max(xs)), (min(ys), max(ys))
    colours = colours_of(kept)
    lines = [_curve(_thinned(points), ends, colours[name]) for name, points in kept.items()]
    legend = "".join(f'<tspan fill="{colours[name]}" dx="8">●</tspan> {escape(name)}' for name in kept)
    frame = f'<path d="M{_LEFT} {_TOP}V{_BOTTOM}H{_RIGHT}" fill="none" stroke="currentColor" stroke-opacity=".4"/>'
    texts = [
        _text(_LEFT, 14, "start", f"{escape(title)}{legend}"),
        _text(_LEFT - 5, _TOP + 8, "end", f"{ends[1][1]:.4g}"),
        _text(_LEFT - 5, _BOTTOM, "end", f"{ends[1][0]:.4g}"),
        _text(_LEFT, _BOTTOM + 16, "start", f"{ends[0][0]:.4g}"),
        _text(_RIGHT, _BOTTOM + 16, "end", f"{escape(across)} {ends[0][1]:.4g}"),
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" role="img">'
    return "\n".join([head, f"<title>{escape(title)}</title>", frame, *lines, *texts, "</svg>"])


def _thinned(points: Points) -> Points:
    """Keep the ends, and of many points every so manieth."""
    return [*points[: -1 : len(points) // _MOST + 1], points[-1]]


def _curve(points: Points, ends: tuple[tuple[float, float], ...], colour: str) -> str:
    """Return a line through points, and a dot where there is one alone."""
    places = [
        tuple(
            round(start + (stop - start) * (value - low) / ((high - low) or 1.0), 1)
            for value, (low, high), start, stop in zip(point, ends, (_LEFT, _BOTTOM), (_RIGHT, _TOP))
        )
        for point in points
    ]
    if len(places) == 1:
        return f'<circle cx="{places[0][0]}" cy="{places[0][1]}" r="3" fill="{colour}"/>'
    joined = " ".join(f"{x},{y}" for x, y in places)
    return f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _text(x: int, y: int, anchor: str, words: str) -> str:
    return f'<text x="{x}" y="{y}" font-size="11" fill="currentColor" text-anchor="{anchor}">{words}</text>'
