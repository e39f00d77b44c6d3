"""Files as people have them: scripts that stop, notebooks, missing imports, Python 2, folders; and near misses."""

from __future__ import annotations

import json
import linecache
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import loop_code
import pytest
from loop_code import changed

import fastconv as fc
from fastconv.dropin.check.check_report import CheckReport
from fastconv.dropin.conventions.near_misses import near_misses
from fastconv.dropin.race.racing import race
from fastconv.dropin.race.sizes import Sizes
from fastconv.dropin.source.blocks import Block, Python2Error, parse, read_blocks
from fastconv.dropin.source.notebook import without_magics
from fastconv.dropin.source.stand_ins import MissingImportError
from fastconv.dropin.source.statements import Course, run_blocks
from fastconv.errors import InvalidValueError

CONV = """
def conv2d(x, w, stride=1):
    (n, _, height, width), (f, _, rows, columns) = x.shape, w.shape
    y = np.zeros((n, f, (height - rows) // stride + 1, (width - columns) // stride + 1), x.dtype)
    for i in range(y.shape[2]):
        for j in range(y.shape[3]):
            window = x[:, :, i * stride : i * stride + rows, j * stride : j * stride + columns]
            y[:, :, i, j] = np.tensordot(window, w, ((1, 2, 3), (1, 2, 3)))
    return y
"""
WRONG = CONV.replace("j * stride :", "j :")


def written(folder: Path, *parts: str, name: str = "net.py") -> Path:
    """A file with pieces of code in it."""
    path = folder / name
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


def notebook(folder: Path, *cells: str, language: str = "python", name: str = "net.ipynb") -> Path:
    """A notebook with cells of code, and one of text between all of them."""
    text = {"cell_type": "markdown", "metadata": {}, "source": ["# A convolution"]}
    code = [
        {"cell_type": "code", "metadata": {}, "source": cell.splitlines(keepends=True), "outputs": []} for cell in cells
    ]
    parts = [part for cell in code for part in (text, cell)]
    metadata = {"language_info": {"name": language}}
    return written(folder, json.dumps({"nbformat": 4, "metadata": metadata, "cells": parts}), name=name)


def checked(path: Path, *, limit: float = 20.0) -> CheckReport:
    return fc.check(path, cases=["plain", "a larger stride"], time_limit=limit)


@pytest.fixture
def module() -> Iterator[ModuleType]:
    """An empty module that can be found."""
    made = ModuleType("somebodys")
    sys.modules["somebodys"] = made
    yield made
    del sys.modules["somebodys"]


def run(module: ModuleType, *texts: str) -> Course:
    """Run blocks in a module."""
    course = Course()
    run_blocks([Block(f"block {number}", text) for number, text in enumerate(texts)], module, course)
    return course


# statements


def test_below_where_it_stops_definitions_alone_run(module: ModuleType) -> None:
    source = (
        "before = len('ab')",
        "raise RuntimeError('no data')",
        "import math",
        "SIZE = 3",
        "double = lambda x: float(2 * x)",
        "try:\n    import nothing_like_it as other\nexcept ImportError:\n    other = None",
        "def f(x):\n    return math.sqrt(x)",
        "after = len('abc')",
        "vars()['sneaky'] = 1",
        "class Net:\n    size = before",
    )
    course = run(module, "\n".join(source))
    assert [(place.line, str(error)) for place, error in course.stops.items()] == [(2, "no data")]
    assert (module.before, module.SIZE, module.double(2), module.other, module.f(4)) == (2, 3, 4.0, None, 2)  # type: ignore[attr-defined]
    assert module.Net.size == 2
    assert not hasattr(module, "after")
    assert not hasattr(module, "sneaky")


@pytest.mark.parametrize("ending", ["raise SystemExit(2)", "import sys; sys.exit()", "raise KeyboardInterrupt"])
def test_whatever_ends_a_file_is_noted_once(module: ModuleType, ending: str) -> None:
    course = run(module, f"{ending}\ndef f(): return undefined()\nclass Broken(undefined): pass\ndef g(): return 1")
    assert [place.line for place in course.stops] == [1]
    assert module.g() == 1
    assert not hasattr(module, "Broken")


def test_a_statement_that_is_avoided_does_not_run(module: ModuleType) -> None:
    seen = list[int]()
    blocks = [Block("net.py", "x = 1; import json as j; y = 2\nz = 3")]
    run_blocks(blocks, module, first := Course(begin=lambda place: seen.append(place.column)))
    assert (first.stops, seen) == ({}, [0, 7, 25, 0])
    place = next(iter(run_and_avoid(module, blocks, 7).stops))
    assert (place.line, place.column, module.x) == (1, 7, 1)
    with pytest.raises(MissingImportError, match=r"json could not be imported \(line 1\): it does not come to an end"):
        module.j.loads("1")


def run_and_avoid(module: ModuleType, blocks: list[Block], column: int) -> Course:
    """Run again without the statement that begins in a column of the first line."""
    from fastconv.dropin.source.statements import Place

    course = Course({Place("net.py", 1, column)})
    run_blocks(blocks, module, course)
    return course


def test_what_is_missing_is_an_error_where_it_is_used(module: ModuleType) -> None:
    source = (
        "from __future__ import annotations",
        "import nothing.like.this as n, json",
        "from nothing import a, b as c",
        "from nothing.like import *",
        "images = a.load('cats')",
        "class Net(n.Module): pass",
        "size: Undefined = 3",
        "def show(image): c(image)",
    )
    course = run(module, "\n".join(source))
    assert not course.stops
    assert {name: found.place.line for name, found in course.missing.items()} == {
        "nothing.like.this": 2,
        "nothing.a": 3,
        "nothing.b": 3,
        "nothing.like": 4,
    }
    with pytest.raises(MissingImportError, match=r"nothing\.b could not be imported \(line 3\): No module named"):
        module.show(1)
    assert module.size == 3
    assert module.json.loads("1") == 1
    assert not hasattr(module, "images")


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


def test_notebooks_of_old_formats_and_other_languages(tmp_path: Path) -> None:
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": "x = 1"}, {"cell_type": "heading"}]}]}
    path = written(tmp_path, json.dumps(old), name="old.ipynb")
    assert read_blocks(path) == [Block(f"{path}, cell 1", "x = 1")]
    with pytest.raises(InvalidValueError, match=r"net\.ipynb must be in Python, but got 'julia'"):
        fc.check(notebook(tmp_path, "x = 1", language="julia"))
    with pytest.raises(InvalidValueError, match=r"damaged\.ipynb must be a notebook as Jupyter saves it, .*JSON"):
        fc.check(written(tmp_path, "{", name="damaged.ipynb"))


@pytest.mark.parametrize(
    ("cell", "python"),
    [
        ("x = 1\n", "x = 1\n"),
        ("for x in y:\n    %time f(x)\n    g(x)", "for x in y:\n    pass\n    g(x)"),
        ("!wget \\\n  http://x \\\n  -O y\nx = 1", "pass\n\n\nx = 1"),
        ("out = %timeit -o f()\nf??", "out = []\npass"),
        ("text = '''\n%d\n'''", "text = '''\n%d\n'''"),
        ("x = 7 \\\n% 4", "x = 7 \\\n% 4"),
        ("%%capture out\nx = 1", "pass\nx = 1"),
        ("\n%%html\n<b>\n</b>\nx", "pass\n\n\n\n"),
    ],
)
def test_magics_are_dropped_line_by_line(cell: str, python: str) -> None:
    found = without_magics(cell)
    assert found == python
    parse(Block("cell", found))
    assert found.rstrip("\n").count("\n") <= cell.rstrip("\n").count("\n")


# Python 2


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("x = 1\nprint 'epoch', x", "print statement, line 2"),
        ("if 1:\n\tx = 1\n        y = 2\nprint x", "print statement, line 4"),
        ("def f():\n    raise ValueError, 'x'", "raise with a comma, line 2"),
        ("try:\n    pass\nexcept (A, B), e:\n    pass", "except with a comma, line 3"),
        ("if x <> y:\n    pass", "<>, line 1"),
        ("x = `y`", "backquotes, line 1"),
        ("x = 0777", "an octal or long number, line 1"),
        ("exec 'x = 1'", "exec statement, line 1"),
        ("x = ur'x'", "a string that starts with ur, line 1"),
    ],
)
def test_python_2_is_said(source: str, what: str) -> None:
    with pytest.raises(Python2Error) as caught:
        parse(Block("net.py", source))
    assert caught.value.msg == f"this is Python 2 ({what}): run 2to3 first"


@pytest.mark.parametrize("source", ["print('x'", "def f(:", "x = 'a", "print(x) if x else", "class A\n  pass", "a b"])
def test_other_mistakes_are_not_called_python_2(source: str) -> None:
    with pytest.raises(SyntaxError) as caught:
        parse(Block("net.py", source))
    assert type(caught.value) is not Python2Error


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
    assert "deep/net.py, conv2d: plain.conv2d" in str(report)
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


# near misses


NEAR = """
import numpy as np
class Conv2D:
    def __init__(self, in_channels, out_channels, size, stride):
        self.W = np.zeros((out_channels, in_channels, size, size))
    def run(self, x):
        return [[np.sum(x[i : i + 3, j : j + 3] * self.W) for i in range(3)] for j in range(3)]
class Layer:
    def forward(self, x):
        for n in x:
            for c in n:
                for i in c:
                    for j in i:
                        self.y += self.w * j
class CNN_Layer:
    def forward(self, image):
        return [np.sum(image[i, j] * self.w) for i in image for j in i]
def my_conv(img, conv_filter, nonsense):
    for i in range(3):
        for j in range(3):
            img[i, j] = np.sum(conv_filter * img[i:, j:])
def conv_single_step(a, w):
    return np.sum(a * w)
def plot_convolution(x):
    for i in x:
        for j in i:
            print(j.max())
def convert(x):
    return np.sum(x)
def relu(x):
    return np.maximum(x, 0)
def conv_relu_forward(x, w):
    return np.dot(x, w)
"""


def test_near_misses_are_named_with_what_is_missing(tmp_path: Path) -> None:
    path = written(tmp_path, NEAR)
    with pytest.raises(InvalidValueError) as caught:
        fc.check(path)
    said = str(caught.value)
    assert "in net.py nothing is recognised. `Conv2D(in_channels, out_channels, size, …)` (line 3) looks like" in said
    assert "a convolution (2 loops in each other); what could not be found is a method forward(x); try" in said
    assert "`Layer()` (line 8) looks like a convolution (4 loops in each other); what could not be found is" in said
    assert "`my_conv(img, conv_filter, nonsense)` (line 18) looks like a convolution" in said
    assert "is the meaning of conv_filter, nonsense; try fastconv.accelerate(my_conv, example)." in said
    assert not any(name in said for name in ("plot_convolution", "single", "`convert", "relu"))


def test_near_misses_are_lines_of_a_report(tmp_path: Path) -> None:
    report = checked(written(tmp_path, NEAR, CONV))
    assert report.ok
    assert [note.partition("`")[2].partition("(")[0] for note in report.notes] == [
        "Conv2D",
        "Layer",
        "CNN_Layer",
        "my_conv",
    ]


def test_accelerate_names_near_misses(module: ModuleType) -> None:
    block = Block("somebodys.py", NEAR)
    linecache.cache[block.filename] = (len(NEAR), None, NEAR.splitlines(keepends=True), block.filename)
    run_blocks([block], module, Course())
    with pytest.raises(InvalidValueError, match=r"somebodys with none\. `Conv2D\(in_channels, .* try fastconv\.acc"):
        fc.accelerate(module)
    with pytest.raises(InvalidValueError, match=r"my_conv with none\. `my_conv\(img, conv_filter, nonsense\)`"):
        fc.accelerate(module.my_conv)


def test_of_many_near_misses_a_few_are_named(module: ModuleType) -> None:
    text = "".join(f"def conv{number}(q): return [[q.sum() for a in q] for b in q]\n" for number in range(9))
    linecache.cache["many.py"] = (len(text), None, text.splitlines(keepends=True), "many.py")
    run_blocks([Block("many.py", text)], module, Course())
    found = near_misses(module, ())
    assert len(found) == 6
    assert found[-1] == "4 more look like convolution or pooling"


@pytest.mark.parametrize("source", ["CS231N", "COURSERA", "SCRATCH", "TUTORIAL", "COLUMNS", "PLAIN", "IMAGES"])
def test_what_is_recognised_is_no_near_miss(tmp_path: Path, source: str) -> None:
    path = written(tmp_path, changed(getattr(loop_code, source)))
    report = fc.check(path, cases=["plain"])
    assert report.notes == ()
