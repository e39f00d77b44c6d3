"""Which Python, NumPy and Numba are supported: the package, its page and the long tests say the same."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest
from programs import ROOT

FILES = {name: ROOT / name for name in ("pyproject.toml", "docs/trust.md", ".ci/full")}

pytestmark = pytest.mark.skipif(
    not all(path.is_file() for path in FILES.values()), reason="these files are in a checkout alone"
)


def text(name: str) -> str:
    return FILES[name].read_text(encoding="utf-8")


def lowest(package: str) -> str:
    """The lower bound of a package among the dependencies."""
    line = next(line for line in text("pyproject.toml").splitlines() if line.startswith("dependencies = "))
    (bound,) = re.findall(rf'"{package}>=([\d.]+)"', line)
    return str(bound)


def on_the_page(name: str) -> tuple[str, str]:
    """Oldest and newest of the table of the page."""
    (found,) = re.findall(rf"^\| {name} \| ([\d.]+) \| ([\d.]+) \|$", text("docs/trust.md"), re.MULTILINE)
    return found


def number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.match(r"[\d.]*\d", version).group().split("."))  # type: ignore[union-attr]


@pytest.mark.parametrize(("package", "title"), [("numpy", "NumPy"), ("numba", "Numba")])
def test_the_oldest_is_the_bound_and_is_tested(package: str, title: str) -> None:
    oldest, newest = on_the_page(title)
    assert re.fullmatch(re.escape(lowest(package)) + r"(\.0)*", oldest)
    assert re.findall(rf"{package}==([\d.]+)", text(".ci/full")) == [oldest]
    assert number(oldest) < number(newest)


def test_what_is_used_inside_numba_is_known_of_every_version() -> None:
    pytest.importorskip("numba")
    from fastconv.backends.fast.machine.linking import KNOWN

    oldest, newest = (version.rpartition(".")[0] for version in on_the_page("Numba"))
    first, last = (int(version.partition(".")[2]) for version in (oldest, newest))
    assert tuple(f"0.{minor}" for minor in range(first, last + 1)) == KNOWN


def test_the_pythons_are_those_of_the_package() -> None:
    oldest, newest = on_the_page("Python")
    promised = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', text("pyproject.toml"))
    assert (promised[0], promised[-1]) == (oldest, newest)
    assert f'requires-python = ">={oldest}"' in text("pyproject.toml")
    assert f"for version in {' '.join(promised)}; do" in text(".ci/full")


def test_what_runs_here_is_supported() -> None:
    numba = pytest.importorskip("numba")
    assert sys.version_info[:2] >= number(on_the_page("Python")[0])
    assert number(np.__version__) >= number(lowest("numpy"))
    assert number(numba.__version__) >= number(lowest("numba"))
