"""The page of a report: whole, escaped, without anything from elsewhere; and in a browser, where there is one."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from fastconv.report import Report, Table
from fastconv.report.page import fragment, page, sorting_value

EVIL = '<script>alert("x")</script>'
TABLE = Table(f"Times {EVIL}", ("layer", "time", ""), (("b", "2.00 ms", "ok"), ("a", "30.0 µs", "BEYOND")), 1)
MORE = Table("More", (EVIL,), ((EVIL,), ("–",)), 0)
REPORT = Report((TABLE,), (f"a note {EVIL}",), (), (f"all agree {EVIL}",), (MORE,), ("a remark",))
CHART = b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>'


class Reader(HTMLParser):
    """Counts tags and keeps what they could fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.fetched += [value for name, value in attrs if name in ("src", "href", "action")]


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


def test_everything_is_there_and_escaped() -> None:
    text = page(f"title {EVIL}", REPORT, CHART)
    found = read(text)
    assert found.tags.count("script") == 1
    assert found.tags.count("table") == 2
    assert text.count("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;") == 7
    assert all(word in text for word in ("a note", "a remark", "all agree", "BEYOND"))
    assert "default-src &#x27;none&#x27;" in text


def test_nothing_is_fetched() -> None:
    text = page("title", REPORT, CHART)
    assert [source.partition(",")[0] for source in read(text).fetched] == ["data:image/svg+xml;base64"]
    assert not re.search(r"https?://|@import|url\(", text)
    assert "<img" not in page("title", REPORT)


def test_a_row_without_a_name_has_that_above_it() -> None:
    rows = (("conv", "forward"), ("", "backward"), ("pool", "forward"))
    text = page("title", Report((Table("", ("name", "pass"), rows, 2),)))
    assert [text.count(f"<td>{name}</td>") for name in ("conv", "pool", "")] == [2, 1, 0]


def test_what_is_wrong_is_said_above() -> None:
    assert 'class="verdict wrong"' in page("title", REPORT._replace(failures=("one & two",)))
    assert "one &amp; two" in page("title", REPORT._replace(failures=("one & two",)))
    assert 'class="verdict wrong"' in page("title", REPORT)  # for the cell that is BEYOND
    right = Table("", ("class", ""), (("BEYOND", "ok"),), 2)
    assert 'class="verdict right"' in page("title", REPORT._replace(tables=(right,)))
    assert 'class="verdict"' in page("title", REPORT._replace(tables=(MORE,)))


def test_a_notebook_aligns_words_breaks_no_number_and_scrolls() -> None:
    text = fragment(Report((TABLE,)))
    assert '<th scope="col" style="text-align: left">layer</th>' in text
    assert '<td style="text-align: left">a</td>' in text
    assert '<td class="number" data-value="3e-05">30.0&nbsp;µs</td>' in text
    assert text.count('<div style="overflow-x: auto">') == 1
    assert 'class="wide"' not in text


@pytest.mark.parametrize(
    ("cells", "rising"),
    [
        (("900 ns", "1.00 µs", "~2.00 ms", "1.00 s"), True),
        (("999 B", "0.98 KiB", "> 1.00 MiB", "1.00 GiB"), True),
        (("15,200", "2.36 M", "1.00 G"), True),
        (("1.0%", "99%", "2 times"), True),
        (("9.5e-07 (1e-07)", "1.1e-05 (2e-07)"), True),
    ],
)
def test_numbers_are_sorted_by_what_they_mean(cells: tuple[str, ...], rising: bool) -> None:
    values = [float(sorting_value(cell)) for cell in cells]
    assert (values == sorted(values)) is rising


def test_a_browser_shows_and_sorts_it(tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("there is no browser")
    (tmp_path / "page.html").write_text(page("title", REPORT, CHART), encoding="utf-8")
    complaints: list[str] = []
    with playwright.sync_playwright() as driver:
        window = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        view = window.new_page(viewport={"width": 400, "height": 800})
        view.on("console", lambda message: complaints.append(message.text))
        view.on("pageerror", lambda error: complaints.append(str(error)))
        view.goto((tmp_path / "page.html").as_uri())

        def first_column() -> list[str]:
            return view.locator("table").first.locator("tbody tr td:first-child").all_inner_texts()

        assert first_column() == ["b", "a"]
        orders = []
        for name in ("time", "time", "layer"):
            view.get_by_role("button", name=name).click()
            orders.append(first_column())
        width = view.evaluate("document.documentElement.scrollWidth")
        window.close()
    assert orders == [["a", "b"], ["b", "a"], ["a", "b"]]
    assert complaints == []
    assert width <= 400
