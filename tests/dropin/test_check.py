"""`check`: right code passes, every usual mistake is found in its case, and the example that is printed shows it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import loop_code
import numpy as np
import pytest
from grids import quick
from light_commands import printed_by
from loop_code import CS231N, IMAGES, changed
from programs import run

import fastconv as fc
from fastconv.dropin.check import CaseResult, CheckReport, Examination, Example, examination
from fastconv.dropin.check import check_report as report_text
from fastconv.dropin.check.failures import failures
from fastconv.dropin.check.literals import array_literal, stored_literal
from fastconv.dropin.check.messages import pack, pack_problem, unpack, unpack_problem
from fastconv.dropin.check.screen import blocks
from fastconv.dropin.check.shrinking import shrink
from fastconv.dropin.conventions import CASES, CONVENTIONS, Problem, draw
from fastconv.dropin.conventions.problem import MEMORIES, stored
from fastconv.errors import InvalidTypeError, InvalidValueError

Change = tuple[str, str]

KEPT = ("out = np.zeros((N, C, OH, OW))", "out = np.zeros((N, C, OH, OW), np.result_type(x, np.float32))")
RIGHT = changed(CS231N, KEPT)
MODULES = ("COURSERA", "SCRATCH", "TUTORIAL", "COLUMNS", "PLAIN", "IMAGES")

CONV = "conv_forward_naive / conv_backward_naive"
MAX = "max_pool_forward_naive / max_pool_backward_naive"
ADDED = "dx[n, c, i * stride + k, j * stride + l] += dout[n, c, i, j]"
PLANE = "dx[n, c, i * stride : i * stride + HH, j * stride : j * stride + WW]"
PLACE = "k, l = np.unravel_index(window.argmax(), window.shape)"
CONV_DONE = "return out, (x, w, b, conv_param)"

# Mistake: what is changed in right code, whose label it has, the case that finds it, the array that is wrong.
MISTAKES: dict[str, tuple[tuple[Change, ...], str, str, str]] = {
    "overlap assigned": (((ADDED, ADDED.replace("+=", "=")),), MAX, "overlapping windows", "dx"),
    "ties to the last": (
        ((PLACE, "k, l = np.unravel_index(window.size - 1 - window.ravel()[::-1].argmax(), window.shape)"),),
        MAX,
        "ties",
        "dx",
    ),
    "height for width": (
        (("OH, OW = 1 + (H - HH) // stride, 1 + (W - WW)", "OH, OW = 1 + (H - HH) // stride, 1 + (W - HH)"),),
        MAX,
        "overlapping rectangular windows",
        "y",
    ),
    "stride rounded up": (
        (("OH, OW = 1 + (H - HH) // stride, 1", "OH, OW = 1 - (HH - H) // stride, 1"),),
        MAX,
        "a stride that does not divide",
        "y",
    ),
    "maximum from zero": (
        (("window.max(axis=(2, 3))", "window.max((2, 3)).clip(0)"),),
        MAX,
        "negative input",
        "y",
    ),
    "padding forgotten in the gradient": (
        (("dpadded[:, :, pad : pad + H, pad : pad + W]", "dpadded[:, :, :H, :W]"),),
        CONV,
        "padding",
        "dx",
    ),
    "stored in the image's 8 bits": ((("np.result_type(x, w, b)", "x.dtype"),), CONV, "an integer image", "y"),
    "strides assumed": (
        ((CONV_DONE, "out += 1 - float(x.flags.c_contiguous); " + CONV_DONE),),
        CONV,
        "input in Fortran order",
        "y",
    ),
    "writes into x": (((CONV_DONE, "x *= 2; " + CONV_DONE),), CONV, "inputs looked at afterwards", "x"),
    "keeps something": (
        (
            (CONV_DONE, "kept.append(1); out += len(kept) > 1; " + CONV_DONE),
            ("import numpy as np\n", "import numpy as np\n\nkept = []\n"),
        ),
        CONV,
        "a second call",
        "y",
    ),
    "flipped kernel": ((("patch * w[f])", "patch * w[f, :, ::-1, ::-1])"),), CONV, "plain", "y"),
    "bias in no gradient": ((("pad + W], dw, db", "pad + W], dw, 0 * db"),), CONV, "plain", "dbias"),
}


def written(folder: Path, source: str, name: str = "layers.py") -> Path:
    """A file with source code in it."""
    path = folder / name
    path.write_text(source, encoding="utf-8")
    return path


def execute(monkeypatch: pytest.MonkeyPatch, folder: Path, code: str) -> None:
    """Run a program as if it stood beside the file."""
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "layers", raising=False)
    importlib.invalidate_caches()
    try:
        exec(compile(code, "example", "exec"), {})
    finally:
        sys.modules.pop("layers", None)


# right code


def test_right_code_passes_every_case(tmp_path: Path) -> None:
    report = fc.check(written(tmp_path, RIGHT))
    assert [(each.label, case.case, case.what) for each in report.implementations for case in each.bad] == []
    assert report.ok
    assert {each.convention for each in report.implementations} == {
        "cs231n.conv2d",
        "cs231n.max_pool2d",
        "cs231n.avg_pool2d",
    }
    ran = sum(case.ran for each in report.implementations for case in each.cases)
    assert str(report).startswith(f"layers.py: all {ran} cases are right\n")
    assert f"right: {CONV} (" in str(report)
    assert "\nfastconv.accelerate(module) replaces" in str(report)
    assert report[MAX]["ties"].verdict == "ok"
    assert report["max_pool_backward_naive"]["gradients against slopes"].verdict == "ok"
    dilation = report[CONV]["dilation"]
    assert (dilation.verdict, dilation.what) == ("cannot be expressed", "it has no dilation")


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_every_known_way_of_writing_is_examined(tmp_path: Path, module: str) -> None:
    report = fc.check(written(tmp_path, getattr(loop_code, module)))
    assert [(each.label, case) for each in report.implementations for case in each.bad] == []
    assert all(each.ran > 5 for each in report.implementations)


def test_every_case_is_there_for_somebody() -> None:
    for case in CASES:
        assert any(case.draw(operation) is not None for operation in ("conv2d", "max_pool2d", "avg_pool2d")), case


def test_float64_for_float32_is_a_remark(tmp_path: Path) -> None:
    path = written(tmp_path, changed(RIGHT, ("dtype=np.result_type(x, w, b)", "dtype=float")))
    report = fc.check(path, cases=["plain", "float32"])
    found = report[CONV]["float32"]
    assert report.ok
    assert (found.verdict, found.remark, found.example) == ("ok", "y is float64 for float32 input", None)
    assert "remark: y is float64 for float32 input" in str(report)


# wrong code


@pytest.mark.parametrize("mistake", quick(MISTAKES, 3))
def test_a_mistake_is_found_and_its_example_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mistake: str
) -> None:
    changes, label, case, array = MISTAKES[mistake]
    path = written(tmp_path, changed(RIGHT, *changes))
    found = fc.check(path, cases=[case])[label]
    assert (found[case].verdict, found[case].array) == ("wrong", array), found[case]
    example = found[case].example
    assert example is not None
    assert np.size(example.got) <= 16, example.problem
    with pytest.raises(AssertionError):
        execute(monkeypatch, tmp_path, example.code)
    written(tmp_path, RIGHT)
    execute(monkeypatch, tmp_path, example.code)  # and passes when the mistake is gone


def test_an_example_is_as_small_as_it_can_be(tmp_path: Path) -> None:
    changes, label, case, _ = MISTAKES["overlap assigned"]
    found = fc.check(written(tmp_path, changed(RIGHT, *changes)), cases=["plain", case])[label]
    assert found["plain"].verdict == "ok"
    example = found[case].example
    assert example is not None
    assert example.problem == "x (1, 1, 1, 3), 1x2 windows, stride 1"
    assert (example.got, example.expected) == ([[[[0.0, 1.0, 0.0]]]], [[[[0.0, 2.0, 0.0]]]])
    assert "max_pool_backward_naive(dout, cache)" in example.code


def test_the_usual_reason_is_said_in_words(tmp_path: Path) -> None:
    changes, label, case, _ = MISTAKES["flipped kernel"]
    report = fc.check(written(tmp_path, changed(RIGHT, *changes)), cases=[case])
    assert "with the kernel flipped" in report[label][case].what


def test_a_pair_that_does_not_belong_together_is_told_from_another_convention(tmp_path: Path) -> None:
    cases = ["plain", "gradients against slopes"]
    flip = (("patch * w[f])", "patch * w[f, :, ::-1, ::-1])"),)
    both = (
        *flip,
        ("+= w[f] * dout", "+= w[f, :, ::-1, ::-1] * dout"),
        ("dw[f] +=", "dw[f, :, ::-1, ::-1] +="),
    )
    alone = fc.check(written(tmp_path, changed(RIGHT, *flip)), cases=cases)[CONV]
    assert [case.verdict for case in alone.cases] == ["wrong", "wrong"]
    assert "is not the slope of the forward function" in alone["gradients against slopes"].what
    together = fc.check(written(tmp_path, changed(RIGHT, *both)), cases=cases)[CONV]
    assert [case.verdict for case in together.cases] == ["wrong", "ok"]


def test_an_example_in_another_layout_and_of_a_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = changed(loop_code.SCRATCH, ("self.db = np.sum(dout, axis=0)", "self.db = np.mean(dout, axis=0)"))
    found = fc.check(written(tmp_path, code), cases=["plain"])["Convolution.backward"]["plain"]
    assert (found.verdict, found.array) == ("wrong", "dbias")
    assert found.example is not None
    assert "layer.db" in found.example.code
    with pytest.raises(AssertionError):
        execute(monkeypatch, tmp_path, found.example.code)
    written(tmp_path, loop_code.SCRATCH)
    execute(monkeypatch, tmp_path, found.example.code)


def test_an_example_for_channels_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = loop_code.COURSERA + (
        "\n\n_right = conv_forward\n\n\ndef conv_forward(A_prev, W, b, hparameters):\n"
        "    Z, cache = _right(A_prev, W, b, hparameters)\n    Z[:, -1, 0, -1] += 1\n    return Z, cache\n"
    )
    found = fc.check(written(tmp_path, code), cases=["a rectangular image"])["conv_forward"]["a rectangular image"]
    assert (found.verdict, found.array, found.what) == ("wrong", "y", "y differs by up to 1")
    assert found.example is not None
    with pytest.raises(AssertionError):
        execute(monkeypatch, tmp_path, found.example.code)
    written(tmp_path, loop_code.COURSERA)
    execute(monkeypatch, tmp_path, found.example.code)


def test_a_result_of_another_kind_is_wrong(tmp_path: Path) -> None:
    code = changed(RIGHT, (CONV_DONE, "return out.tolist(), (x, w, b, conv_param)"))
    found = fc.check(written(tmp_path, code), cases=["plain"])[CONV]["plain"]
    assert (found.verdict, found.what) == ("wrong", "y is no array but a list")
    code = changed(RIGHT, (CONV_DONE, "return out.astype(object), (x, w, b, conv_param)"))
    found = fc.check(written(tmp_path, code), cases=["plain"])[CONV]["plain"]
    assert found.verdict == "wrong"


# shrinking


def of_size(images: int, channels: int) -> Problem:
    return draw("conv2d", images=images, channels=channels, size=(7, 6), kernel=(3, 2), stride=(2, 1), padding=(1, 1))


def test_shrinking_ends_at_the_smallest_problem_of_all() -> None:
    smallest = shrink(of_size(3, 2), lambda problem: True)
    assert str(smallest) == "x (1, 1, 1, 1), w (1, 1, 1, 1), stride 1"
    assert [smallest.x.item(), smallest.filters[0].item(), smallest.gradient.item()] == [1.0, 1.0, 1.0]


def test_shrinking_keeps_what_matters() -> None:
    smallest = shrink(of_size(3, 2), lambda problem: len(problem.x) > 1 and problem.padding[1] > 0)
    assert (len(smallest.x), smallest.padding, smallest.kernel) == (2, (0, 1), (1, 1))
    assert smallest.gradient.shape == (2, 1, *smallest.out)


def test_shrinking_keeps_order_signs_and_ties() -> None:
    problem = draw("max_pool2d", values="ties", size=(4, 4), kernel=(2, 2), stride=(2, 2))
    tied = shrink(problem, lambda smaller: np.unique(smaller.x, return_counts=True)[1].max() > 1 and smaller.x.size > 1)
    assert tied.x.tolist() == [[[[1.0, 1.0]]]]
    negative = shrink(replace(problem, x=-problem.x - 0.5), lambda smaller: bool((smaller.x < 0).all()))
    assert negative.x.tolist() == [[[[-1.0]]]]


def test_shrinking_gives_up_in_time() -> None:
    tried = []
    assert shrink(of_size(2, 2), lambda problem: bool(tried.append(problem)), seconds=0.0).x.shape == (2, 2, 7, 6)
    assert len(tried) == 1


@pytest.mark.parametrize("operation", ["conv2d", "max_pool2d", "avg_pool2d", "im2col"])
def test_whatever_is_tried_is_a_whole_problem(operation: str) -> None:
    tried = []
    problem = draw(operation, size=(6, 7), kernel=(3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), memory="F")
    shrink(problem, lambda smaller: bool(tried.append(smaller)))
    assert len(tried) > 20
    for smaller in tried:
        again = draw(
            operation,
            images=smaller.x.shape[0],
            channels=smaller.x.shape[1],
            size=smaller.x.shape[2:],
            filters=1 if smaller.weight is None else len(smaller.weight),
            kernel=smaller.kernel,
            stride=smaller.stride,
            padding=smaller.padding,
            dilation=smaller.dilation,
        )
        assert smaller.gradient.shape == again.gradient.shape
        assert smaller.weight is None or smaller.weight.shape == again.filters[0].shape


# what is sent and written


@pytest.mark.parametrize("memory", MEMORIES)
def test_a_problem_survives_the_wire(memory: str) -> None:
    problem = replace(of_size(2, 3), memory=memory, bias=None)
    again = unpack_problem(json.loads(json.dumps(pack_problem(problem))))
    assert str(again) == str(problem)
    assert np.array_equal(again.x, problem.x)
    assert np.array_equal(again.gradient, problem.gradient)
    assert again.bias is None


@pytest.mark.parametrize(
    "value", [np.float32(2.5), np.zeros((0, 3)), np.arange(6, dtype=np.int8)[::-2], 3, 1j * np.ones(2)]
)
def test_numbers_survive_the_wire(value: object) -> None:
    again = unpack(json.loads(json.dumps(pack(value))))
    assert np.array_equal(again, np.asarray(value))
    assert again.dtype == np.asarray(value).dtype


def test_anything_else_comes_as_the_name_of_its_type() -> None:
    assert unpack(pack(None)) is None
    assert type(unpack(pack({}))).__name__ == "dict"
    assert type(unpack(pack(np.array([{}])))).__name__ == "NumPy array of object"


@pytest.mark.parametrize("memory", MEMORIES)
def test_literals_give_the_same_array_in_the_same_memory(memory: str) -> None:
    array = np.random.default_rng(0).standard_normal((2, 1, 12, 3)).astype(np.float32)
    names: dict[str, object] = {}
    exec("\n".join(["import numpy as np", *stored_literal("x", array, memory)]), names)
    made, wanted = names["x"], stored(array, memory)
    assert isinstance(made, np.ndarray)
    assert made.dtype == array.dtype
    assert np.array_equal(made, array)
    assert (made.strides, made.flags.writeable) == (wanted.strides, wanted.flags.writeable)


def test_literals_of_what_has_no_literal() -> None:
    array = np.array([np.nan, np.inf, -np.inf, 1.5])
    assert np.array_equal(eval(array_literal(array), {"np": np}), array, equal_nan=True)
    assert eval(array_literal(np.zeros((0, 2))), {"np": np}).shape == (0, 2)


# the report


def test_the_report_survives_json(tmp_path: Path) -> None:
    changes = (*MISTAKES["overlap assigned"][0], ("patch * w[f])", "patch * w[f]) * np.nan"))
    report = fc.check(written(tmp_path, changed(RIGHT, *changes)), cases=["plain", "overlapping windows"])
    report.save(tmp_path / "report.json")
    data = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert CheckReport.from_dict(data).to_dict() == data
    assert data["ok"] is False
    assert data["format"] == "fastconv-check/1"
    plain = data["implementations"][0]["cases"][0]
    assert (plain["verdict"], plain["difference"], plain["example"]["got"]) == ("wrong", "inf", [[[["nan"]]]])


def made(*verdicts: str) -> CheckReport:
    cases = tuple(CaseResult(f"case {number}", "", verdict) for number, verdict in enumerate(verdicts))
    return CheckReport("pool.py", (Examination("pool / pool_back", "cs231n.max_pool2d", "", cases),))


@pytest.mark.parametrize(
    ("verdicts", "line", "ok"),
    [
        (("ok", "ok", "cannot be expressed"), "all 2 cases are right", True),
        (("ok",), "the one case that ran is right", True),
        (("ok", "wrong", "skipped"), "1 of 2 cases wrong", False),
        (("raised", "timed out", "ok", "wrong"), "3 of 4 cases fail: 1 wrong, 1 raised, 1 timed out", False),
        (("cannot be expressed",), "no case could be put to it", False),
    ],
)
def test_closing_lines(verdicts: tuple[str, ...], line: str, ok: bool) -> None:
    report = made(*verdicts)
    assert report_text.closing_line(report) == line
    assert report.ok is ok
    assert repr(report) == f"<CheckReport pool.py: {line}>"


def test_one_example_is_printed_for_each_reason() -> None:
    def case(name: str, what: str, code: str) -> CaseResult:
        mistake = what.partition(": ")[2]
        return CaseResult(name, "", "wrong", what, array="dx", example=Example("", code), mistake=mistake)

    cases = [case("a", "dx differs: not added", "one"), case("b", "dx differs: not added", "two")]
    cases += [case(f"c{number}", f"dx differs by {number}", f"code {number}") for number in range(9)]
    cases += [case("d", "dx differs", "code 0")]
    examination = Examination("pool", "", "", tuple(cases))
    assert [failure.names for failure in failures(examination)] == [("a", "b"), (*(f"c{n}" for n in range(9)), "d")]
    programs = [block.text for block in blocks((examination,)) if block.kind == "program"]
    assert programs == ["one"]


def test_parts_of_a_report_by_name() -> None:
    report = made("ok")
    assert report["pool_back"] is report["pool / pool_back"] is report.implementations[0]
    with pytest.raises(KeyError):
        report["conv"]
    with pytest.raises(KeyError):
        report["pool"]["ties"]


# what is wrong with the call


def test_a_module_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, IMAGES, "somebodys.py")
    spec = importlib.util.spec_from_file_location("somebodys", path)
    assert spec is not None
    assert fc.check(importlib.util.module_from_spec(spec), cases=["plain"]).ok


def test_a_mapping_names_what_is_not_recognised(tmp_path: Path) -> None:
    code = RIGHT.replace("conv_forward_naive", "mine").replace("conv_backward_naive", "mine_back")
    path = written(tmp_path, code)
    report = fc.check(path, cases=["plain"])
    assert not any("mine" in each.label for each in report.implementations)
    assert "`mine(x, w, b, …)` (line " in report.notes[0]
    mapping = {"mine": "cs231n.conv2d.forward", "mine_back": "cs231n.conv2d.backward"}
    assert fc.check(path, mapping, cases=["plain"])["mine"].convention == "cs231n.conv2d"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cases": ["tie"]}, r"check: a case must be one of \d+ names, but got 'tie'\. Did you mean 'ties'\?"),
        ({"cases": []}, r"check: cases must name at least one, but got none"),
        ({"time_limit": 0}, r"check: time_limit must be positive \(seconds\), but got 0"),
        ({"time_limit": float("nan")}, r"check: time_limit must be positive"),
        ({"mapping": {"nothing": "cs231n.conv2d"}}, r"check: mapping must name functions or classes .* got 'nothing'"),
        (
            {"mapping": {"conv": "cs231.conv"}},
            r"check: a convention must be one of cs231n\.conv2d, .* got 'cs231\.conv'",
        ),
    ],
)
def test_wrong_arguments_are_refused(tmp_path: Path, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        fc.check(written(tmp_path, IMAGES), **arguments)  # type: ignore[arg-type]


def test_wrong_types_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidTypeError, match=r"check: time_limit must be a number of seconds, but got '1'"):
        fc.check(written(tmp_path, IMAGES), time_limit="1")  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match=r"a Python file or a module, but got function\. Functions and classes"):
        fc.check(written)  # type: ignore[arg-type]


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such Python file"):
        fc.check(tmp_path / "no.py")
    with pytest.raises(InvalidValueError, match=r"net\.ipynb must be a notebook as Jupyter saves it, .*KeyError"):
        fc.check(written(tmp_path, "{}", "net.ipynb"))
    with pytest.raises(InvalidValueError, match=r"a Python file \(\.py\), a notebook \(\.ipynb\) or a folder of"):
        fc.check(written(tmp_path, "", "layers.txt"))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InvalidValueError, match=r"but in empty nothing is recognised"):
        fc.check(empty)
    if hasattr(os, "mkfifo"):
        os.mkfifo(empty / "pipe.py")  # which would be read for ever
        with pytest.raises(InvalidValueError, match=r"but in empty nothing is recognised"):
            fc.check(empty)
    with pytest.raises(InvalidValueError, match=r"must come from a file, but got 'made_up', which has none"):
        fc.check(ModuleType("made_up"))


def test_nothing_recognised_lists_what_is_known(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match=r"in layers\.py nothing is recognised\. .* Known are cs231n\.conv2d, "):
        fc.check(written(tmp_path, "def relu(x):\n    return x * (x > 0)\n"))


# the command


def in_process(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    pytest.importorskip("typer")
    from fastconv import cli

    monkeypatch.setattr(sys, "argv", ["fastconv", "check", *arguments])
    return cli.main()


def test_the_command_says_that_all_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, RIGHT)
    assert in_process(monkeypatch, str(path), "--case", "plain", "--case", "ties") == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "layers.py: all 4 cases are right"
    assert f"{MAX} (2 ok)" in " ".join(out.split())
    assert "\nfastconv.accelerate(module) replaces" in out
    assert "[100%] done" in err


def test_the_command_prints_examples_and_exits_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changes, label, case, _ = MISTAKES["overlap assigned"]
    path = written(tmp_path, changed(RIGHT, *changes))
    target = tmp_path / "out.json"
    assert in_process(monkeypatch, str(path), "--case", case, "--json", str(target), "--time-limit", "9") == 1
    out = capsys.readouterr().out
    first, second, third, *_ = out.splitlines()
    assert first == "layers.py: 1 of 3 cases wrong"
    assert second == f"{label} (cs231n.max_pool2d): 1 of 1 cases wrong"
    assert re.match(r"wrong: dx differs by up to .*: gradients of overlapping windows", third)
    assert "\n\nimport numpy as np\nfrom layers import max_pool_forward_naive" in out
    saved = CheckReport.from_dict(json.loads(target.read_text(encoding="utf-8")))
    assert saved[label][case].array == "dx"
    assert saved.time_limit == 9
    example = saved[label][case].example
    assert example is not None
    assert example.code.rstrip() in out


def test_json_on_stdout_is_json_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert in_process(monkeypatch, str(written(tmp_path, RIGHT)), "--case", "plain", "--json", "-") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["ok"] is True
    assert "all 3 cases are right" in err


def test_an_error_of_fastconv_is_no_verdict_and_exits_with_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(examination, "judged", lambda *arguments: {}["what is not there"])
    assert in_process(monkeypatch, str(written(tmp_path, RIGHT)), "--case", "plain") == 2
    out, err = capsys.readouterr()
    assert "fastconv: could not examine layers.py: KeyError('what is not there')" in err
    assert "Please report it, with the file." in err
    assert out == ""


def test_a_file_that_cannot_be_imported_exits_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert in_process(monkeypatch, str(written(tmp_path, "1 / 0\n"))) == 1
    out = capsys.readouterr().out
    assert re.search(r"cannot be imported: raised: ZeroDivisionError: division by zero \(layers\.py, line 1\)", out)
    assert "nothing was examined: the file cannot be imported" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], r"must be given \(--list names the cases\)"),
        (["no.py"], r"no\.py: no such Python file$"),
        (["relu.py"], r"in relu\.py nothing is recognised\. .*--map my_conv=cs231n\.conv2d\.forward"),
        (["layers.py", "--map", "conv"], r"--map.* must be NAME=CONVENTION, .* but got 'conv'"),
        (["layers.py", "--map", "conv_forward_naive=what"], r"a convention must be one of .* got 'what'"),
        (["layers.py", "--case", "tie"], r"a case must be one of \d+ names, but got 'tie'\. Did you mean 'ties'\?"),
        (["layers.py", "--time-limit", "0"], r"--time-limit must be positive"),
        (["layers.txt"], r"must be a Python file"),
        ([".", "--map", "conv=cs231n.conv2d.forward"], r"check: the mapping must go with one file, but got the folder"),
    ],
)
def test_wrong_usage_is_one_line_and_two(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    written(tmp_path, RIGHT)
    written(tmp_path, "def relu(x):\n    return x * (x > 0)\n", "relu.py")
    written(tmp_path, "", "layers.txt")
    monkeypatch.chdir(tmp_path)
    assert in_process(monkeypatch, *arguments) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("fastconv: ")
    assert re.search(message, line), line


def test_the_list_names_cases_and_conventions(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert in_process(monkeypatch, "--list") == 0
    out = capsys.readouterr().out
    assert all(case.name in out for case in CASES)
    assert all(convention.name in out for convention in CONVENTIONS)
    assert "gradients against slopes" in out


def test_help_does_not_import_numba() -> None:
    assert "Usage" in printed_by("check", "--help")


def test_the_examiner_needs_no_numba(tmp_path: Path) -> None:
    path = written(tmp_path, RIGHT)
    out = run(
        f"""
        import sys
        import fastconv as fc
        report = fc.check({str(path)!r}, cases=["plain", "gradients against slopes"])
        print(repr(report), "numba" in sys.modules)
        """
    )
    assert out == "<CheckReport layers.py: all 6 cases are right> False\n"
