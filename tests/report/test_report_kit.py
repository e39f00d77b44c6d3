"""The kit that every command reports with: records as JSON and back, tables, files of pictures."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from fastconv.errors import InvalidValueError
from fastconv.report import Record, Report, Table, read_record
from fastconv.report.figure import draw_bars, new_figure, save_figure
from fastconv.report.record import NOT_SAVED


@dataclass(frozen=True)
class Lap:
    name: str
    seconds: float
    peak: float | None
    rounds: tuple[float | None, ...] = ()

    DERIVED: ClassVar[tuple[str, ...]] = ("half",)

    @property
    def half(self) -> float:
        return self.seconds / 2


@dataclass(frozen=True)
class Run(Record):
    laps: tuple[Lap, ...]
    sizes: dict[str, tuple[int, ...]]
    pair: tuple[str, int]
    anything: Any = None
    image: Any = field(default=None, metadata=NOT_SAVED)

    FORMAT = "fastconv-test/1"
    DERIVED = ("ok",)

    @property
    def ok(self) -> bool:
        return True

    def report(self) -> Report:
        table = Table("Laps", ("lap", "s"), tuple((lap.name, f"{lap.seconds:.1f}") for lap in self.laps), left=1)
        return Report((table,), ("one note",), ("one failure",))


RUN = Run((Lap("a", 1.5, None, (1.0, None)), Lap("long", math.inf, 2.0)), {"x": (1, 2)}, ("b", 3), [np.float32(0.5)])


def test_a_record_is_saved_with_what_follows_from_it(tmp_path: Path) -> None:
    RUN.save(tmp_path / "run.json")
    data = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert data == {
        "format": "fastconv-test/1",
        "laps": [
            {"name": "a", "seconds": 1.5, "peak": None, "rounds": [1.0, None], "half": 0.75},
            {"name": "long", "seconds": None, "peak": 2.0, "rounds": [], "half": None},
        ],
        "sizes": {"x": [1, 2]},
        "pair": ["b", 3],
        "anything": [0.5],
        "ok": True,
    }


@pytest.mark.parametrize("as_text", [False, True])
def test_a_record_is_read_again(as_text: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "NON_FINITE_AS_TEXT", as_text)
    assert (json.loads(RUN.to_json())["laps"][1]["seconds"] == "inf") == as_text
    assert read_record(Run, json.loads(RUN.to_json())) == RUN


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"laps": 3}, TypeError, "Run.laps is 3"),
        ({"laps": [{}]}, KeyError, "name"),
        ({"laps": [{"name": "a", "seconds": "fast", "peak": None, "rounds": []}]}, TypeError, "Lap.seconds is 'fast'"),
        ({"sizes": {"x": [True]}}, TypeError, r"Run.sizes.x is True"),
        ({"pair": ["b"]}, TypeError, "Run.pair has 1 values"),
    ],
)
def test_a_damaged_record_says_where(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read_record(Run, {**RUN.to_dict(), **changes})


def test_text_and_markdown() -> None:
    assert str(RUN) == "Laps\n\nlap     s\n----  ---\na     1.5\nlong  inf\n\none note\none failure"
    assert RUN.markdown() == (
        "**Laps**\n\n| lap | s |\n| --- | ---: |\n| a | 1.5 |\n| long | inf |\n\n- one note\n- one failure\n"
    )
    assert Report((Table("", ("a",), (("b",),), 1),)).text() == "a\n-\nb"


def test_pictures_are_written_whole_and_of_three_kinds(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")

    def draw() -> Any:
        figure = new_figure("draw", 3, 2)
        axes = figure.subplots()
        draw_bars(axes, ["a", "b"], {"fast": [2.0, None], "numpy": [1.0, 0.5]}, lambda value: f"{value:.1f}x")
        assert [text.get_text() for text in axes.texts] == ["2.0x", "", "1.0x", "0.5x"]
        return figure

    save_figure("draw", tmp_path / "a.png", draw)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InvalidValueError, match=r"draw: path must end in one of pdf, png, svg, but got .*a\.gif"):
        save_figure("draw", tmp_path / "a.gif", draw)


def test_a_picture_is_dark_on_white_whatever_the_settings_are(tmp_path: Path) -> None:
    mpl = pytest.importorskip("matplotlib")
    from matplotlib.image import imread

    with mpl.rc_context({"savefig.transparent": True, "text.color": "white", "savefig.facecolor": "black"}):
        save_figure("draw", tmp_path / "a.png", _with_words)
    pixels = imread(tmp_path / "a.png")
    assert pixels[0, 0].tolist() == [1, 1, 1, 1]
    assert pixels[..., 3].min() == 1
    assert pixels[..., :3].min() < 0.1


def _with_words() -> Any:
    figure = new_figure("draw", 3, 2)
    figure.text(0.5, 0.5, "words", fontsize=30)
    return figure
