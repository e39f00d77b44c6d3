"""The example of a case shows what the case is about, and the mistake that was found; nothing is printed twice."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import loop_code
import numpy as np
import pytest
from grids import quick
from loop_code import CS231N, changed
from programs import patience

import fastconv as fc
from fastconv.dropin.check import CaseResult, Examination, Example, examination
from fastconv.dropin.check.check_report import said
from fastconv.dropin.check.examinee import Recorded
from fastconv.dropin.check.examples import _Place, _tail
from fastconv.dropin.check.failures import failures
from fastconv.dropin.check.repair import Line
from fastconv.dropin.check.screen import as_text, blocks, wrapped
from fastconv.dropin.check.shrinking import shrink
from fastconv.dropin.check.traits import ABOUT, keeps_traits, overlapping, tied
from fastconv.dropin.conventions import CASES, Case, Verdict, draw
from fastconv.dropin.conventions.problem import OPERATIONS

CONV, MAX, AVG = (f"{name}_forward_naive / {name}_backward_naive" for name in ("conv", "max_pool", "avg_pool"))
ADDED = "dx[n, c, i * stride + k, j * stride + l] += dout[n, c, i, j]"
PLANE = "dx[n, c, i * stride : i * stride + HH, j * stride : j * stride + WW]"
EVERY = "(window == window.max()) * dout[n, c, i, j]"
OVERWRITTEN = "gradients of overlapping windows overwrite each other, where they have to be added"
FILTERS = "dpadded[n, :, rows, cols] += w[f] * dout[n, f, i, j]"
SIZES = "OH, OW = 1 + (H - HH) // stride, 1 + (W - WW) // stride"


def written(folder: Path, *changes: tuple[str, str]) -> Path:
    """The loops of the course, with something changed."""
    path = folder / "layers.py"
    path.write_text(changed(CS231N, *changes), encoding="utf-8")
    return path


# Two mistakes in one line: what is assigned overwrites what is there, and goes to all that are equal.
ASSIGNED_TO_ALL = (ADDED, f"{PLANE} = {EVERY}")
TOLD = [
    (ASSIGNED_TO_ALL, MAX, "overlapping windows", OVERWRITTEN, "x (1, 1, 1, 3), 1x2 windows, stride 1"),
    (ASSIGNED_TO_ALL, MAX, "overlapping rectangular windows", OVERWRITTEN, "x (1, 1, 3, 1), 2x1 windows, stride 1"),
    (ASSIGNED_TO_ALL, MAX, "ties in overlapping windows", OVERWRITTEN, "x (1, 1, 1, 3), 1x2 windows, stride 1"),
    (("+= share", "= share"), AVG, "overlapping windows", OVERWRITTEN, "x (1, 1, 1, 3), 1x2 windows, stride 1"),
    (
        (FILTERS, "dpadded[n, :, rows, cols] = (w * dout[n, :, i, j].reshape(-1, 1, 1, 1)).sum(axis=0)"),
        CONV,
        "overlapping windows",
        OVERWRITTEN,
        "x (1, 1, 1, 3), w (1, 1, 1, 2), stride 1",
    ),
    (
        (FILTERS, FILTERS.replace("+=", "=")),
        CONV,
        "plain",
        "gradients of the filters overwrite each other, where they have to be added",
        "x (1, 1, 1, 1), w (2, 1, 1, 1), stride 1",
    ),
    (
        ("window.max(axis=(2, 3))", "window.max((2, 3)).clip(0)"),
        MAX,
        "negative input",
        "the maximum starts from zero",
        "x (1, 1, 1, 1), 1x1 windows, stride 1",
    ),
    (
        (SIZES, SIZES.replace("(W - WW)", "(W - HH)")),
        MAX,
        "overlapping rectangular windows",
        "the size of the output is computed from the other axis along the width",
        "x (1, 1, 3, 2), 2x1 windows, stride 1",
    ),
    (
        ("dpadded[:, :, pad : pad + H, pad : pad + W]", "dpadded[:, :, :H, :W]"),
        CONV,
        "much padding",
        "the padding is cut off at the wrong place",
        "x (1, 1, 1, 1), w (1, 1, 1, 1), stride 1, pad 2",
    ),
]


@pytest.mark.parametrize(("change", "label", "case", "reason", "problem"), quick(TOLD, 4))
def test_an_example_keeps_the_reason(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: tuple[str, str],
    label: str,
    case: str,
    reason: str,
    problem: str,
) -> None:
    monkeypatch.setattr(examination, "_LONGEST", patience())  # on a machine with other things to do
    found = fc.check(written(tmp_path, change), cases=[case], time_limit=patience())[label][case]
    assert found.verdict == "wrong", found
    assert found.what.partition(": ")[2] == reason
    assert found.example is not None
    assert found.example.problem == problem
    assert reason in found.example.code
    assert not reason or found.example.code.count(reason) == 1


# traits


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_has_what_it_is_about_and_keeps_it(case: Case) -> None:
    for operation in OPERATIONS:
        problem = case.draw(operation)
        if problem is not None:
            name = case.name
            assert [words for words, trait in ABOUT.items() if words in name and not trait(problem)] == []
            kept = keeps_traits(name, problem)
            assert kept(problem)
            assert kept(shrink(problem, kept))


def test_traits_belong_to_cases_that_there_are() -> None:
    assert [words for words in ABOUT if not any(words in case.name for case in CASES)] == []
    smallest = draw("conv2d", images=1, channels=1, size=(1, 1), filters=1, kernel=(1, 1))
    for case in CASES:
        problem = case.draw("conv2d") or case.draw("max_pool2d")
        assert problem is not None
        stored = problem.memory != "C" or problem.x.dtype != np.float64
        if (stored or any(words in case.name for words in ABOUT)) and "image" not in case.name:
            assert not keeps_traits(case.name, problem)(smallest), case.name


@pytest.mark.parametrize(
    ("sizes", "shared"),
    [
        ({"size": (1, 3), "kernel": (1, 2)}, True),
        ({"size": (1, 2), "kernel": (1, 2)}, False),  # one window
        ({"size": (4, 4), "kernel": (2, 2), "stride": (2, 2)}, False),
        ({"size": (4, 5), "kernel": (2, 2), "stride": (2, 1)}, True),
        ({"size": (1, 6), "kernel": (1, 2), "stride": (1, 2), "dilation": (1, 3)}, False),  # cells 0 3, 2 5
        ({"size": (1, 9), "kernel": (1, 2), "stride": (1, 2), "dilation": (1, 4)}, True),  # cells 0 4, 2 6, 4 8
    ],
)
def test_windows_that_share_a_cell(sizes: dict[str, tuple[int, int]], shared: bool) -> None:
    problem = draw("max_pool2d", **sizes)  # type: ignore[arg-type]
    (sh, sw), (dh, dw), (KH, KW) = problem.stride, problem.dilation, problem.kernel
    cells = [{(i * sh + k * dh, j * sw + m * dw) for k, m in np.ndindex(KH, KW)} for i, j in np.ndindex(*problem.out)]
    assert shared == any(one & other for at, one in enumerate(cells) for other in cells[:at])
    assert overlapping(problem) is shared


def test_ties_are_looked_for_in_windows() -> None:
    problem = draw("max_pool2d", images=1, channels=1, size=(1, 4), kernel=(1, 2), stride=(1, 2))
    assert not tied(replace(problem, x=np.array([[[[1.0, 2.0, 1.0, 2.0]]]])))
    assert not tied(replace(problem, x=np.array([[[[1.0, 1.0, 2.0, 2.0]]]]) * [1, 2, 1, 2]))
    assert tied(replace(problem, x=np.array([[[[1.0, 2.0, 2.0, 2.0]]]])))
    assert not tied(draw("max_pool2d", size=(4, 4), kernel=(2, 2), padding=(1, 1), values="negative"))


# code that is not all there


def test_what_is_not_written_yet_is_no_failure_of_the_rest(tmp_path: Path) -> None:
    path = written(
        tmp_path, ("    x, w, b, conv_param = cache", "    raise NotImplementedError\n    x, w, b, conv_param = cache")
    )
    found = fc.check(path, cases=["plain", "gradients against slopes"])[CONV]
    assert [case.verdict for case in found.cases] == ["ok", "cannot be expressed"]
    assert re.match(r"NotImplementedError.*conv_backward_naive, line \d+", found["plain"].what)
    assert found.ok


def test_the_same_failure_everywhere_is_printed_once(tmp_path: Path) -> None:
    path = written(tmp_path, ("return out, (x, w, b, conv_param)", "return None, (x, w, b, conv_param)"))
    report = fc.check(path, cases=["plain", "a tall kernel", "padding", "dilation", "overlapping windows"])
    (failure,) = failures(report[CONV])
    assert failure.names == ("plain", "a tall kernel", "padding", "overlapping windows")
    (code,) = [block.text for block in blocks(report.implementations) if block.kind == "program"]
    assert "conv_backward_naive(" not in code.partition("\n\n")[2]  # y is wrong: nothing comes after it


def test_what_cannot_be_called_is_not_raised_by_it() -> None:
    refused = Verdict("raised", "TypeError: conv() missing 1 required positional argument: 'b'")
    told = examination._told(CaseResult("plain", "", "ok"), refused)
    assert (told.verdict, told.what) == ("cannot be expressed", f"it cannot be called so: {refused.text}")
    inside = Verdict("raised", "TypeError: bad operand (conv, line 12)")
    assert examination._told(CaseResult("plain", "", "ok"), inside).verdict == "raised"


# what is printed


def failing(name: str, verdict: str, what: str, code: str, where: str = "") -> CaseResult:
    return CaseResult(name, "", verdict, what, where, example=Example("", code))


def test_failures_of_one_cause_are_named_together() -> None:
    cases = (
        failing("a", "raised", "ValueError: shapes (1,) (2,) differ (conv, line 3)", "of two\nlines"),
        failing("b", "raised", "ValueError: shapes (4,) (2,) differ (conv, line 3)", "short"),
        failing("c", "raised", "ValueError: shapes (4,) (2,) differ (conv, line 4)", "other line"),
        failing("d", "crashed", "it called sys.exit()", "exit", "conv.py, line 9"),
        failing("e", "crashed", "it called sys.exit()", "exit again", "conv.py, line 9"),
        CaseResult("f", "", "ok"),
        CaseResult("g", "", "skipped", "too long"),
    )
    examination = Examination("conv", "plain.conv2d", "", cases)
    assert [failure.names for failure in failures(examination)] == [("a", "b"), ("c",), ("d", "e")]
    told = list(blocks((examination,)))
    assert [block.text for block in told if block.kind == "words"] == [
        "raised: ValueError: shapes (1,) (2,) differ (conv, line 3) [a, b]",
        "raised: ValueError: shapes (4,) (2,) differ (conv, line 4) [c]",
        "crashed: it called sys.exit() (conv.py, line 9) [d, e]",
    ]
    assert [block.text for block in told if block.kind == "program"] == ["short"]
    every = list(blocks((examination,), everything=True))
    assert [block.text for block in every if block.kind == "program"] == ["short", "other line", "exit"]
    assert [block.text for block in every if block.kind == "words"][-2:] == ["1 ok: f", "1 skipped: g (too long)"]


def test_a_line_at_fault_goes_before_all_others_and_holds_them_together() -> None:
    line = Line("conv.py", 7, "y = x", "y += x")
    cases = (
        failing("a", "raised", "ValueError: no (conv, line 3)", "one"),
        replace(failing("b", "wrong", "dx differs by up to 1: it is so", "two\nlines"), line=line, mistake="assigned"),
        replace(failing("c", "raised", "IndexError: no (conv, line 7)", "three"), line=line),
    )
    told = list(blocks((Examination("conv", "plain.conv2d", "", cases),)))
    assert [block.text for block in told[1:4]] == [
        "wrong: dx differs by up to 1: it is so [b, c]",
        "conv.py:7  y = x\n       ->  y += x",
        "raised: ValueError: no (conv, line 3) [a]",
    ]
    assert str(replace(line, better="")).endswith("->  (leave it out)")


def test_few_failures_are_told_and_the_others_counted() -> None:
    cases = [failing(f"c{n}", "raised", f"ValueError: no (conv, line {n})", f"code {n}") for n in range(5)]
    told = list(blocks((Examination("conv", "plain.conv2d", "", tuple(cases)),)))
    assert "and 2 other ways to fail, which --all shows (everything=True)" in [block.text for block in told]


def test_every_case_is_named_with_its_verdict_where_asked(tmp_path: Path) -> None:
    report = fc.check(written(tmp_path, ASSIGNED_TO_ALL), cases=["plain", "ties", "dilation", "overlapping windows"])
    printed = as_text(list(said(report, everything=True)))
    for examined in report.implementations:
        block = printed[printed.index(f"{examined.label} (") :]
        for case in examined.cases:
            told = rf"{case.verdict}: [^:]*{case.case}|{case.verdict}: .*\[[^]]*{case.case}"
            assert re.search(told, block.replace("\n    ", " ")), case
    assert max(map(len, wrapped("word " * 100).splitlines())) <= 100


def test_the_command_names_all_cases_where_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("typer")
    from fastconv import cli

    path = written(tmp_path)
    monkeypatch.setattr(sys, "argv", ["fastconv", "check", str(path), "--case", "plain", "--case", "dilation", "--all"])
    assert cli.main() == 0
    out, err = capsys.readouterr()
    assert len(re.findall(r"^1 ok: plain$", out, re.MULTILINE)) == 3
    assert len(re.findall(r"^1 cannot be expressed: dilation \(it has no dilation\)$", out, re.MULTILINE)) == 3
    assert err.splitlines() == [f"[  0%] {CONV}", f"[ 33%] {MAX}", f"[ 67%] {AVG}", "[100%] done"]


@pytest.mark.parametrize(
    ("source", "advice"),
    [
        ("while True: pass", "Where it only takes long, give it more time: --time-limit"),
        ("import sys; sys.exit()", "What is to run as a program alone belongs under if __name__"),
    ],
)
def test_advice_for_a_file_that_cannot_be_imported(tmp_path: Path, source: str, advice: str) -> None:
    path = tmp_path / "layers.py"
    path.write_text(source, encoding="utf-8")
    assert advice in str(fc.check(path, time_limit=0.3))


def test_a_function_is_mapped_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("typer")
    from fastconv import cli

    twice = ["--map", "f=plain.conv2d", "--map", "f=cs231n.conv2d"]
    monkeypatch.setattr(sys, "argv", ["fastconv", "check", str(written(tmp_path)), *twice])
    assert cli.main() == 2
    assert "--map must name each function once, but got 'f' again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (
            (SIZES, SIZES.replace("1 + (W - WW)", "2 + (W - WW)")),
            r"y has shape \(2, 3, 3, 4\) instead of \(2, 3, 3, 3\)",
        ),
        (("return out, (x, pool_param)", "return np.zeros(0), (x, pool_param)"), r"y has shape \(0,\) instead of "),
    ],
)
def test_slopes_of_a_result_of_another_size(tmp_path: Path, change: tuple[str, str], what: str) -> None:
    path = written(tmp_path, change, ("window.max(axis=(2, 3))", "window.max(axis=(2, 3), initial=-np.inf)"))
    found = fc.check(path, cases=["gradients against slopes"])[MAX].cases[0]
    assert (found.verdict, found.array) == ("wrong", "y"), found
    assert re.match(what, found.what)


def test_slopes_of_what_changes_its_size_from_call_to_call(tmp_path: Path) -> None:
    path = written(
        tmp_path, ("return out, (x, pool_param)", "calls.append(1)\n    return out[: len(calls)], (x, pool_param)")
    )
    path.write_text("calls = [1]\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    found = fc.check(path, cases=["gradients against slopes"])[MAX].cases[0]
    assert found.verdict in ("cannot be expressed", "wrong", "ok"), found


def test_an_example_finds_a_bias_among_axes_of_one(tmp_path: Path) -> None:
    code = changed(loop_code.COURSERA, ("db[..., c] += dZ", "db[..., c] = dZ"))
    path = tmp_path / "layers.py"
    path.write_text(code, encoding="utf-8")
    example = fc.check(path, cases=["a single channel"])["conv_forward"]["a single channel"].example
    assert example is not None
    assert "print(db)\nexpected = np.array([[[[2]]]], float)" in example.code


def test_an_example_of_columns_of_another_number_has_their_axes(tmp_path: Path) -> None:
    out = "(H + 2 * pad - filter_h) // stride + 1"
    path = tmp_path / "layers.py"
    path.write_text(changed(loop_code.SCRATCH, (out, out.replace("+ 1", "+ 2"))), encoding="utf-8")
    case = "a kernel as large as the image"
    example = fc.check(path, cases=[case])["im2col"][case].example
    assert example is not None
    assert "expected = np.array([[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]], float)" in example.code


def test_a_place_whose_axes_are_not_known_is_compared_by_size() -> None:
    place = _Place("db", (1, 1, 1, 4), (0, 1, 2, 3))
    assert place.of_shape(np.zeros((2, 2))) == place
    unknown = place.of_shape(np.zeros(3))
    assert unknown == _Place("db", (), ())
    recorded = Recorded([], [], 0, {}, [])
    tail = _tail(Verdict("wrong", "dbias differs", "dbias", 1.0, None, np.zeros(3)), recorded, unknown, "")
    assert tail == ["# dbias differs", "print(db)", "assert np.size(db) == 3"]
