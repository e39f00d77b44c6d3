"""Files as people have them: scripts that stop, missing imports, notebooks, Python 2, folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from somebodys_files import CONV, WRONG, checked, notebook, written

import fastconv as fc
from fastconv.dropin.check import CheckReport
from fastconv.dropin.race.racing import race
from fastconv.dropin.race.sizes import Sizes
from fastconv.dropin.source.blocks import Block, read_blocks
from fastconv.errors import InvalidValueError

# scripts


ENDINGS = {
    "import argparse\np = argparse.ArgumentParser(); p.add_argument('--epochs', required=True); p.parse_args()": (
        "stopped at line 13: it called sys.exit(2); what is defined before and below it was examined"
    ),
    "from pathlib import Path\n\ndata = Path('no such folder').read_bytes()": (
        "stopped at line 14: FileNotFoundError: [Errno 2] No such file or directory: 'no such folder'; what is"
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_functions_of_a_script_count_once_they_are_defined(tmp_path: Path, ending: str) -> None:
    late = CONV.replace("conv2d", "conv2d_again")
    report = checked(written(tmp_path, "import numpy as np", CONV, ending, late))
    assert report.ok, str(report)
    assert [each.label for each in report.implementations] == ["conv2d", "conv2d_again"]
    (note,) = report.notes
    assert note.startswith(ENDINGS[ending])
    assert note[:60] in str(report)
    assert note in report.markdown()
    assert CheckReport.from_dict(json.loads(report.to_json())) == report


@pytest.mark.slow
def test_a_script_that_trains_for_hours(tmp_path: Path) -> None:
    train = "for epoch in range(10**9):\n    try:\n        import time; time.sleep(1)\n    except BaseException: pass"
    report = checked(written(tmp_path, "import numpy as np", train, CONV, "raise SystemExit"), limit=1.0)
    assert report.ok, str(report)
    assert report.notes == ("stopped at line 2: no result after 1 s; what is defined before and below it was examined",)


def test_a_script_sees_its_own_arguments(tmp_path: Path) -> None:
    source = "import argparse, sys\nargparse.ArgumentParser().parse_args()\nassert sys.argv[0].endswith('net.py')"
    report = checked(written(tmp_path, "import numpy as np", source, CONV))
    assert (report.ok, report.notes) == (True, ())


def test_an_example_of_a_script_that_stops_is_pasted_into_it(tmp_path: Path) -> None:
    report = checked(written(tmp_path, "import numpy as np", WRONG, "raise SystemExit"))
    example = report["conv2d"]["a larger stride"].example
    assert example is not None
    assert "# paste this below conv2d in net.py\n" in example.code
    assert "import conv2d" not in example.code


def test_missing_modules_are_named_and_their_neighbours_too(tmp_path: Path) -> None:
    written(tmp_path, "import nothing_like_it\nSCALE = 1\nraise SystemExit", name="near.py")
    written(tmp_path, "print 'old'", name="old.py")
    source = "import numpy as np, cv3\nfrom nothing_at_all import datasets\nfrom near import SCALE\nimport old"
    report = checked(written(tmp_path, source, CONV, "images = datasets.load() * SCALE"))
    assert report.ok, str(report)
    stopped, missing = report.notes
    assert stopped.startswith("stopped at near.py, line 3: it called sys.exit(); what is defined before and below it")
    assert missing.startswith("could not be imported, and raises an error where it is used: cv3 (line 1), ")
    assert missing.endswith(
        "nothing_at_all.datasets (line 2), nothing_like_it (near.py, line 1), "
        "old (line 4: this is Python 2 (print statement, line 1): run 2to3 first (old.py, line 1))"
    )


def test_a_function_that_uses_what_is_missing_raises(tmp_path: Path) -> None:
    source = CONV.replace("    return y", "    return cv3.blur(y)")
    found = checked(written(tmp_path, "import numpy as np", "import cv3", source))["conv2d"]["plain"]
    assert found.verdict == "raised"
    assert found.what.startswith("MissingImportError: cv3 could not be imported (line 2): No module named 'cv3'")


def test_a_race_takes_what_a_script_defines(tmp_path: Path) -> None:
    path = written(tmp_path, "import numpy as np", CONV, "raise SystemExit")
    found = race(path, sizes=Sizes((1, 2, 6, 5)), repeats=1)
    assert found.ok, str(found)
    assert found.notes[0].startswith("stopped at line 12: it called sys.exit(); ")
    assert found.notes[0] in str(found)


# notebooks


def test_a_notebook_is_read_directly(tmp_path: Path) -> None:
    cells = (
        "%matplotlib inline\nimport numpy as np\n!pip install cats\nget_ipython().system('ls')",
        f"%%time{CONV}",
        "%%bash\nrm -r /",
        "images = load()  # the data of the course",
        "np.abs?",
        CONV.replace("conv2d", "conv2d_late"),
    )
    report = checked(notebook(tmp_path, *cells))
    assert report.ok, str(report)
    assert [each.label for each in report.implementations] == ["conv2d", "conv2d_late"]
    (note,) = report.notes
    assert note.startswith("stopped at cell 4, line 1: NameError: name 'load' is not defined; what is defined before")


def test_lines_of_a_notebook_are_named_with_their_cell(tmp_path: Path) -> None:
    broken = CONV.replace("    return y", "    raise ValueError('not yet')")
    report = checked(notebook(tmp_path, "import numpy as np", broken))
    found = report["conv2d"]["plain"]
    assert (found.verdict, found.what) == ("raised", "ValueError: not yet (conv2d, cell 2, line 9)")
    assert found.example is not None
    assert "# paste this below conv2d in net.ipynb" in found.example.code


def test_a_notebook_that_ends_its_process_says_in_which_cell(tmp_path: Path) -> None:
    report = checked(notebook(tmp_path, "import numpy as np", "import os\nos._exit(3)", CONV))
    assert report.ok
    assert report.notes[0].startswith("stopped at cell 2, line 2: it ended its process with exit code 3; ")


def test_jitted_functions_of_a_notebook_are_not_cached(tmp_path: Path) -> None:
    pytest.importorskip("numba")
    jitted = "@njit('f8(f8)', cache=True)\ndef double(x):\n    return 2 * x\nassert double(2.0) == 4"
    report = checked(notebook(tmp_path, "import numpy as np\nfrom numba import njit", jitted, CONV))
    assert (report.ok, report.notes) == (True, ())
    assert not list(tmp_path.rglob("__pycache__"))


def test_notebooks_of_old_formats_and_other_languages(tmp_path: Path) -> None:
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": "x = 1"}, {"cell_type": "heading"}]}]}
    path = written(tmp_path, json.dumps(old), name="old.ipynb")
    assert read_blocks(path) == [Block(f"{path}, cell 1", "x = 1")]
    with pytest.raises(InvalidValueError, match=r"net\.ipynb must be in Python, but got 'julia'"):
        fc.check(notebook(tmp_path, "x = 1", language="julia"))
    with pytest.raises(InvalidValueError, match=r"damaged\.ipynb must be a notebook as Jupyter saves it, .*JSON"):
        fc.check(written(tmp_path, "{", name="damaged.ipynb"))


# Python 2


@pytest.mark.parametrize(("sign", "what"), [("xrange(3)", "xrange"), ("print >>file, 'x'", "print >>")])
def test_what_python_3_reads_and_does_not_have_is_said(tmp_path: Path, sign: str, what: str) -> None:
    report = checked(written(tmp_path, "import numpy as np", CONV.replace("    return y", f"    {sign}\n    return y")))
    assert report["conv2d"]["plain"].verdict == "raised"
    assert report.notes == (f"this looks like Python 2 ({what}, line 10): run 2to3 first",)


# folders


def course(folder: Path) -> Path:
    """A folder as people have it."""
    for name in ("deep", "venv", ".git", "__pycache__"):
        (folder / name).mkdir()
    written(folder, "import numpy as np", CONV, name="layers.py")
    written(folder, "import numpy as np", WRONG, name="deep/net.py")
    written(folder, "raise SystemExit('runs although nothing is in it')", name="train.py")
    written(folder, "def conv2d(x, w): print 'old'", name="old.py")
    for place in (".git", "__pycache__", "venv"):
        written(folder, "import numpy as np", CONV, name=f"{place}/layers.py")
    written(folder, name="venv/pyvenv.cfg")
    notebook(folder, "import numpy as np", CONV, "stop")
    return folder


def test_every_file_of_a_folder_that_has_something(tmp_path: Path) -> None:
    report = checked(course(tmp_path))
    assert report.file == tmp_path.name
    assert [each.title for each in report.implementations] == [
        "deep/net.py, conv2d",
        "layers.py, conv2d",
        "net.ipynb, conv2d",
    ]
    assert [each.ok for each in report.implementations] == [False, True, True]
    stopped, old = report.notes
    assert stopped.startswith("net.ipynb: stopped at cell 3, line 1: NameError: name 'stop' is not defined; ")
    assert old == "old.py cannot be imported: this is Python 2 (print statement, line 1): run 2to3 first"
    assert "deep/net.py, conv2d (plain.conv2d)" in str(report)
    assert CheckReport.from_dict(json.loads(report.to_json())) == report


def test_a_race_over_a_folder(tmp_path: Path) -> None:
    written(tmp_path, "import numpy as np", CONV, name="one.py")
    written(tmp_path, "def conv2d(x, w): print 'old'", name="two.py")
    found = race(tmp_path, sizes=Sizes((1, 2, 6, 5)), repeats=1)
    assert [row.label for row in found.rows] == ["one.py, conv2d"]
    assert found.notes[0].startswith("two.py cannot be imported: this is Python 2 (print statement, line 1)")


def test_a_package_whose_init_has_nothing_is_looked_into(tmp_path: Path) -> None:
    package = tmp_path / "course"
    package.mkdir()
    written(package, "VERSION = 1", name="__init__.py")
    written(package, "SIZE = 2", name="sizes.py")
    written(package, "import numpy as np", "from .sizes import SIZE", CONV, name="layers.py")
    report = checked(package)
    assert report.ok, str(report)
    assert [each.title for each in report.implementations] == ["layers.py, conv2d"]


def test_files_of_a_folder_import_from_each_other(tmp_path: Path) -> None:
    course = tmp_path / "course"
    course.mkdir()
    written(course, "SIZE = 2", name="sizes.py")
    near = "from .sizes import SIZE\nfrom . import sizes\nfrom course.sizes import SIZE as again"
    written(course, "import numpy as np", near, "assert SIZE == again == sizes.SIZE", CONV, name="layers.py")
    report = checked(tmp_path)
    assert (report.ok, report.notes) == (True, ())
    *_, note = checked(course / "layers.py").notes  # alone, it does not find its own folder
    assert note.startswith("could not be imported, and raises an error where it is used: course.sizes.SIZE (line 4)")
