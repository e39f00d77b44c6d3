"""Every example as a program, and the gallery that shows them. What they compute is tested in test_example_*.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from grids import quick
from programs import EXAMPLES, ROOT, run_example

pytestmark = pytest.mark.skipif(
    not EXAMPLES.is_dir(), reason="the examples are in a checkout and in the source distribution alone"
)

GALLERY = ROOT / "docs" / "gallery.md"
NEEDS = {
    "line_filters": ("sklearn", "matplotlib"),
    "cs231n_solver": ("sklearn",),
    "onnx_digits": ("sklearn", "matplotlib", "onnx"),
}

# These print the same everywhere, and the gallery has all of it.
STEADY = ("line_filters", "tanh_network", "tutorial_by_hand")
# These print times, or what depends on rounding: arguments for a short run, and the last line.
TIMED = {
    "accelerate_loops": (("--images", "1"), r"max_pool_backward_naive +\d\.\d{3} s +\d+\.\d{3} ms +[\d,]+x  0\.0e\+00"),
    "cs231n_solver": (
        ("--epochs", "1", "--train", "100"),
        r"accuracy on \d+ test images: 0\.\d{4}, after \d+\.\d seconds of training",
    ),
    "onnx_digits": (("--epochs", "1"), r"accuracy of the file on 359 digits: 0\.9\d{3}"),
}


def run(name: str, *arguments: str, folder: Path) -> str:
    """Run an example without datasets, unless its extra is missing."""
    for package in NEEDS.get(name, ()):
        pytest.importorskip(package, reason=f"{name} needs it")
    return run_example(name, *arguments, folder=folder, FASTCONV_DATA=str(folder))


def shown(name: str) -> tuple[str, str]:
    """Command and output, as they are in the gallery."""
    command, _, output = (ROOT / "docs/generated" / f"gallery_{name}.txt").read_text(encoding="utf-8").partition("\n")
    return command, output


@pytest.mark.parametrize("name", quick(reversed(STEADY), len(STEADY)))
def test_it_prints_what_the_gallery_shows(name: str, tmp_path: Path) -> None:
    command, expected = shown(name)
    start = f"$ python examples/{name}.py"
    assert command.startswith(start)
    arguments = command.removeprefix(start).split()
    assert run(name, *arguments, folder=tmp_path) == expected
    assert {file.name for file in tmp_path.iterdir()} == set(arguments)  # the picture, where there is one


@pytest.mark.slow
@pytest.mark.parametrize("name", TIMED)
def test_it_ends_as_in_the_gallery(name: str, tmp_path: Path) -> None:
    arguments, last = TIMED[name]
    output = run(name, *arguments, folder=tmp_path)
    assert re.fullmatch(last, output.splitlines()[-1])
    assert re.fullmatch(last, shown(name)[1].splitlines()[-1])


def test_every_file_is_run_and_shown() -> None:
    files = {file.stem: file.read_text(encoding="utf-8") for file in EXAMPLES.glob("*.py")}
    programs = {name for name, text in files.items() if '\nif __name__ == "__main__":\n' in text}
    assert programs == {*STEADY, *TIMED}
    page = GALLERY.read_text(encoding="utf-8")
    for name in files:
        assert page.count(f"```{{literalinclude}} ../examples/{name}.py\n") == 1
        if name in programs:
            assert page.count(f"```{{literalinclude}} generated/gallery_{name}.txt\n") == 1
        else:
            assert any(f"\nimport {name}\n" in files[program] for program in programs)
