"""The README and what it leads to: three screens, one environment, and pages that a code host shows as well."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from programs import ROOT

import fastconv

README = ROOT / "README.md"
PAGES = sorted(path for folder in (ROOT, ROOT / "docs", ROOT / "docs/generated") for path in folder.glob("*.md"))
SCREENS, LINES, COLUMNS = 3, 50, 100
MOST_BYTES = 100_000  # of a picture on the front page

pytestmark = pytest.mark.skipif(not README.is_file(), reason="the README is in a checkout and in the sdist alone")


def prose(text: str) -> str:
    """The text without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def raw_roles(text: str) -> list[str]:
    """Roles of Sphinx, which a code host shows as they are written."""
    return re.findall(r"\{[a-z:-]+\}`", prose(text))


def files_linked(text: str) -> list[str]:
    """Targets of links to files beside the page, without their anchors."""
    targets = re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", prose(text))
    return [target for target in targets if "://" not in target]


def test_the_readme_fits_three_screens() -> None:
    shown = sum(max(1, -(-len(line) // COLUMNS)) for line in README.read_text(encoding="utf-8").splitlines())
    assert shown <= SCREENS * LINES


def test_both_commands_install_the_same_checkout() -> None:
    """Editable: another kind of install would compile into a folder of its own, and the next one would drop it."""
    text = README.read_text(encoding="utf-8")
    commands = re.findall(r"^python -m pip install (\S+) .*&& (.+)$", text, re.MULTILINE)
    assert commands == [("-e", "fastconv compare"), ("-e", "python -m pytest")]


def test_the_pictures_of_the_readme_are_small() -> None:
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README.read_text(encoding="utf-8"))
    assert pictures
    assert [name for name in pictures if (ROOT / name).stat().st_size > MOST_BYTES] == []


def test_the_badges_say_what_the_package_says() -> None:
    badges = runpy.run_path(str(ROOT / "docs" / "badges.py"))
    for name, text in badges["texts"]().items():
        drawn = re.findall(r"<text [^>]*>([^<]+)</text>", badges["file_of"](name).read_text("utf-8"))
        assert drawn[::2] == [name, text]  # each once more, as its shadow
        assert f"![{name} {text}]" in README.read_text(encoding="utf-8")


def test_the_citation_is_of_this_version() -> None:
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {fastconv.__version__}\n" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_code_host_shows_the_page_as_well(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert raw_roles(text) == [], "write plain code: the site makes links of names that it knows"
    assert [target for target in files_linked(text) if not (page.parent / target).exists()] == []


def test_the_checks_find_what_they_look_for() -> None:
    text = "See {py:func}`~fastconv.conv2d` and [a page](gone.md#part), [a site](https://example.org).\n"
    assert raw_roles(text) == ["{py:func}`"]
    assert files_linked(text) == ["gone.md"]
