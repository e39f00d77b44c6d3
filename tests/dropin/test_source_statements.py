"""Statements of somebody's file, run one by one; what IPython alone understands; signs of Python 2."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from fastconv.dropin.source.blocks import Block, Python2Error, parse
from fastconv.dropin.source.notebook import without_magics
from fastconv.dropin.source.stand_ins import MissingImportError
from fastconv.dropin.source.statements import Course, Place, run_blocks


@pytest.fixture
def module() -> ModuleType:
    """An empty module."""
    return ModuleType("somebodys")


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
    begun = list[Place]()
    blocks = [Block("net.py", "x = 1; import json as j; y = 2\nz = 3")]
    run_blocks(blocks, ModuleType("another"), Course(begin=begun.append))
    assert [(place.line, place.column) for place in begun] == [(1, 0), (1, 7), (1, 25), (2, 0)]
    course = Course({begun[1]})
    run_blocks(blocks, module, course)
    assert course.stops == {begun[1]: None}
    assert (module.x, module.y) == (1, 2)
    with pytest.raises(MissingImportError, match=r"json could not be imported \(line 1\): it does not come to an end"):
        module.j.loads("1")


def test_what_is_missing_is_an_error_where_it_is_used(module: ModuleType) -> None:
    source = (
        "from __future__ import annotations",
        "import nothing.like.this as n, json",
        "from nothing import a, b as c",
        "from nothing.like import *",
        "images = a.load('cats')",
        "import json.gone",
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
        "json.gone": 6,
    }
    with pytest.raises(MissingImportError, match=r"nothing\.b could not be imported \(line 3\): No module named"):
        module.show(1)
    assert module.size == 3
    assert module.json.loads("1") == 1
    assert not hasattr(module, "images")


# notebooks


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
        pytest.param(
            "try:\n    pass\nexcept (A, B), e:\n    pass",
            "except with a comma, line 3",
            marks=pytest.mark.skipif(sys.version_info >= (3, 14), reason="Python 3.14 reads it otherwise"),
        ),
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
