"""What a REPL and a notebook show of a result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import pytest

import fastconv as fc
from fastconv.report import Record, Report, Table


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

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.add(tag)
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
