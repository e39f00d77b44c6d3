"""What a REPL and a notebook show of a result."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

import fastconv as fc
from fastconv.report import Record, Report, Table
from fastconv.report.curves import curves
from fastconv.training import EpochRecord, History


@dataclass(frozen=True, repr=False)
class Sizes(Record):
    """A result with everything that a report may have."""

    name: str

    def report(self) -> Report:
        table = Table("Sizes", ("layer", "bytes"), ((self.name, "640"),), 1)
        return Report((table,), ("a <note>",), ("a & failure",), ("all is well",), details=(Table("", ("x",), (), 1),))


class Reader(HTMLParser):
    """The words of a page, and whether all that is opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.add(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += [data.strip()] * bool(data.strip())


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return reader


def test_a_notebook_shows_the_report_in_words_that_are_escaped() -> None:
    reader = read(Sizes("conv <1>")._repr_html_())
    assert reader.words == ["all is well", "a & failure", "Sizes", "layer", "bytes", "conv <1>", "640", "a <note>"]
    assert not reader.seen & {"script", "style", "button", "html", "body"}


def test_a_repl_shows_the_table() -> None:
    assert repr(Sizes("conv")) == str(Sizes("conv"))
    assert "layer  bytes" in repr(Sizes("conv"))


def test_a_summary_is_shown() -> None:
    found = fc.summary(fc.models.by_name("digits", filters=2, rng=0), (1, 1, 8, 8))
    assert repr(found) == str(found)
    assert {"conv1", "scores", "parameters"} <= {*read(found._repr_html_()).words}


def test_a_program_and_a_step_show_their_layers_and_kernels() -> None:
    model, x = fc.layers.Sequential(fc.layers.Linear(3, 2, rng=0)), np.ones((4, 3), np.float32)
    step = fc.compile(model, x, [0, 1, 1, 0], optimizer=fc.optim.SGD(model.parameters(), lr=0.1))
    for shown, about, rows in (
        (fc.compile(model, x), "Program of Sequential", {"0 (Linear)"}),
        (step, "Training step of Sequential", {"0 (Linear)", "0 (Linear) backward", "update (SGD)"}),
    ):
        reader = read(shown._repr_html_())
        assert reader.words[0].startswith(about)
        assert reader.words[1].startswith("4×3 float32: ")
        assert {"layer", "kernels", *rows} <= {*reader.words}
        assert repr(shown).splitlines()[0].startswith(about)
        assert re.search(r"^layer +kernels$", repr(shown), re.MULTILINE)


def test_a_history_shows_its_curves_and_its_epochs() -> None:
    records = [EpochRecord(i, 2 / i, i / 4, 3 / i, 0.2, 0.1, 3.0, 400.0) for i in (1, 2, 3)]
    history = History(records, [4.0, 2.5, math.nan, 1.5, 1.25, 0.75])
    reader = read(history._repr_html_())
    assert "History(3 epochs, 6 steps" in reader.words[0]
    assert reader.words.count("validation") == 3  # of the two pictures and of the table
    assert {"loss", "each step", "accuracy", "train", "4", "0.6667", "75.00%", "1.0000"} <= {*reader.words}
    assert not reader.seen & {"script", "style", "img"}
    assert read(History()._repr_html_()).words == ["History(0 epochs, 0 steps)"]


def test_a_history_of_numbers_has_no_accuracy() -> None:
    reader = read(History([EpochRecord(1, 2.0, None, None, None, 0.1, 3.0, 400.0)], [2.5] * 2000)._repr_html_())
    assert reader.words.count("–") == 3
    assert reader.words.count("accuracy") == 2  # of the table: there is no curve
    assert len(max(reader.attributes.get("points", [""]), key=len).split()) <= 402


def test_curves_lie_within_their_axes_from_low_to_high() -> None:
    reader = read(
        curves("a < b", "step", {"one": [(0, 5), (1, 7), (2, 6)], "other": [(1, 6)], "none": [(0, math.inf)]})
    )
    assert reader.attributes["points"] == ["52.0,160.0 191.0,30.0 330.0,95.0"]
    assert (reader.attributes["cx"], reader.attributes["cy"]) == (["191.0"], ["95.0"])
    assert "a < b" in reader.words
    assert "none" not in reader.words


def kinds(kind: type = Record) -> Iterator[type]:
    for each in kind.__subclasses__():
        yield each
        yield from kinds(each)


@pytest.mark.parametrize(
    "module",
    [
        "onnx.summary",
        "models.predictions",
        "models.evaluations",
        "evidence.contest",
        "evidence.ladder",
        "evidence.compare",
        "evidence.bench",
    ],
)
def test_no_result_prints_its_fields(module: str) -> None:
    __import__(f"fastconv.{module}")
    for kind in kinds():
        if kind.__module__.startswith(f"fastconv.{module}"):
            assert kind.__repr__ is Record.__repr__
