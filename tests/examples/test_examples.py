"""Every example as a program. What they compute is tested in test_example_*.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from programs import EXAMPLES, run_example

pytestmark = pytest.mark.skipif(
    not EXAMPLES.is_dir(), reason="the examples are in a checkout and in the source distribution alone"
)

NEEDS = {
    "line_filters": ("sklearn", "matplotlib"),
    "cs231n_solver": ("sklearn",),
    "onnx_digits": ("sklearn", "matplotlib", "onnx"),
    "photo_maps": ("sklearn", "matplotlib"),
    "grid_search": ("sklearn",),
    "notebook_loops": ("numba",),
    "picture_folder": ("sklearn", "PIL"),
}
SHORT = EXAMPLES / "short"
LINES = 15  # of a short program

# Arguments for a short run, and the last line.
ENDS = {
    "accelerate_loops": (("--images", "1"), r"max_pool_backward_naive +\d\.\d{3} s +\d+\.\d{3} ms +[\d,]+x  0\.0e\+00"),
    "cs231n_solver": (
        ("--epochs", "1", "--train", "100"),
        r"accuracy on \d+ test images: 0\.\d{4}, after \d+\.\d seconds of training",
    ),
    "line_filters": (("maps.png",), r"photographs \(2, 3, 427, 640\), .*: maps\.png"),
    "onnx_digits": (("--epochs", "1"), r"accuracy of the file on 359 digits: 0\.9\d{3}"),
    "tanh_network": (("--epochs", "5"), r"Targets:      \[0\.53 0\.77 0\.88 1\.1 \]"),
    "tutorial_by_hand": ((), r"10 of 10 results are equal to the published ones, on the fast backend\."),
}


def run(name: str, *arguments: str, folder: Path) -> str:
    """Run an example without datasets, unless its extra is missing."""
    for package in NEEDS.get(name, ()):
        pytest.importorskip(package, reason=f"{name} needs it")
    return run_example(name, *arguments, folder=folder, FASTCONV_DATA=str(folder))


@pytest.mark.slow
@pytest.mark.parametrize("name", ENDS)
def test_it_runs_to_its_end(name: str, tmp_path: Path) -> None:
    arguments, last = ENDS[name]
    assert re.fullmatch(last, run(name, *arguments, folder=tmp_path).splitlines()[-1])


# The last line of each short program.
SHORT_ENDS = {
    "fits_in_memory": r"batch 16,384: +[\d.]+ GiB does not fit into 2 GiB",
    "grid_search": r"the best on digits that it has not seen: 9[5-9]\.\d%",
    "notebook_loops": r"\d+ ms before, [\d.]+ ms now; largest difference \d\.\de-1[5-7]",
    "photo_maps": None,
    "picture_folder": r"the picture is a digit 7",
    "two_layers": r"all results are within their tolerance",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SHORT_ENDS)
def test_a_short_program_runs(name: str, tmp_path: Path) -> None:
    for package in NEEDS.get(name, ()):
        pytest.importorskip(package, reason=f"{name} needs it")
    printed = run_example(f"short/{name}", folder=tmp_path, TMPDIR=str(tmp_path)).splitlines()
    last = SHORT_ENDS[name]
    assert printed == [] if last is None else re.fullmatch(last, printed[-1]), printed


def test_every_short_program_is_run() -> None:
    assert {file.stem for file in SHORT.glob("*.py")} == {*SHORT_ENDS}


def test_short_programs_are_short() -> None:
    for file in SHORT.glob("*.py"):
        code = file.read_text(encoding="utf-8").split('"""')[2].splitlines()
        lines = [line for line in code if line.strip() and not line.startswith("#")]
        assert len(lines) <= LINES, f"{file.name} has {len(lines)} lines"


def test_every_file_is_run_and_has_a_title() -> None:
    files = {file.stem: file.read_text(encoding="utf-8") for file in EXAMPLES.glob("*.py")}
    programs = {name for name, text in files.items() if '\nif __name__ == "__main__":\n' in text}
    assert programs == {*ENDS}
    for name, text in files.items():
        title, line, empty = text.removeprefix('"""').splitlines()[:3]
        assert (line, empty) == ("=" * len(title), ""), f"{name} must begin with a title for the gallery"
        if name not in programs:
            assert any(f"\nimport {name}\n" in files[program] for program in programs)
