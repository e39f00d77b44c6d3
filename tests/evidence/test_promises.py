"""Whatever judges results of fast does so by the promise of the algorithm that computes them, and by no looser one."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import fastconv as fc
from fastconv.backends.geometry import ConvGeometry
from fastconv.evidence.accuracy import differences, exact_results, magnitudes, promised
from fastconv.evidence.bench.cases import Case
from fastconv.evidence.bench.correctness import ResultCheck, WrongResultError
from fastconv.evidence.bench.operation_work import operation_work
from fastconv.evidence.bench.rounding import Roundings, measure_rounding
from fastconv.evidence.compare import compare
from fastconv.evidence.contest.contest import Contest
from fastconv.evidence.contest.shared import check_results, write_problem
from fastconv.evidence.environment import current_environment
from fastconv.evidence.problem import OperationProblem, from_call, from_workload
from fastconv.evidence.workloads import Options, Workload
from fastconv.report import read_record
from fastconv.testing.error_bounds import error_bounds

pytest.importorskip("numba")
pytestmark = pytest.mark.usefixtures("always_winograd")

LAYER = Workload("layer", "conv2d", (1, 16, 9, 13), (3, 3), (24, 16, 3, 3), True, Options(padding=1))
FLOAT32 = np.dtype(np.float32)
RESULTS = ("y", "dx", "dweight", "dbias")
WINOGRAD = ("Winograd F(4×4, 3×3)", "Winograd F(4×4, 3×3)", "Winograd F(3×3, 4×4)", "direct")


def problem_of(layout: str = "NCHW") -> tuple[OperationProblem, np.ndarray]:
    problem = from_workload(LAYER, FLOAT32, 0)
    if layout == "NHWC":
        x, weight, bias = np.moveaxis(problem.x, 1, -1), problem.weight, problem.bias
        problem = from_call("conv2d", (x, weight, bias), {"padding": 1, "layout": layout}, None)
    return problem, problem.draw_gradient(0)


def off_by(problem: OperationProblem, dy: np.ndarray, share: float) -> dict[str, np.ndarray]:
    """Results with elements off by a share of what Winograd's algorithm may be off by."""
    right = exact_results(problem, dy)
    with fc.options(exact=False):
        bounds = promised(problem, dy, magnitudes(problem, dy), "fast")
    return {name: array + share * bounds[name].allowed for name, array in right.items()}


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_the_promise_that_holds_is_that_of_the_algorithm(layout: str) -> None:
    problem, dy = problem_of(layout)
    found, right, sums = off_by(problem, dy, 0.5), exact_results(problem, dy), magnitudes(problem, dy)
    for backends, exact, names, within in (
        (("fast",), False, WINOGRAD, (True, True, True, True)),
        (("numpy", "fast"), False, WINOGRAD, (True, True, True, True)),
        (("fast",), True, ("direct",) * 4, (False, False, False, True)),
        (("numpy", "naive"), False, ("",) * 4, (False, False, False, True)),
    ):
        with fc.options(exact=exact):
            judged = differences(found, right, promised(problem, dy, sums, *backends), "numpy")
        assert tuple(each.array for each in judged) == RESULTS
        assert tuple(each.algorithm for each in judged) == names
        assert tuple(each.within for each in judged) == within, backends
        for each in judged:
            if each.algorithm and each.array != "dbias":
                assert each.of_winograd == pytest.approx(0.5, rel=1e-4)
            assert each.of_exact is not None
            assert each.within or each.of_tolerance == each.of_exact > 1


def test_of_float64_nothing_but_the_first_is_promised() -> None:
    problem, dy = problem_of()
    wide = problem.in_float64()
    with fc.options(exact=False):
        bounds = promised(wide, dy.astype(np.float64), magnitudes(wide, dy), "fast")
    assert {bound.algorithm for bound in bounds.values()} == {"direct"}
    assert all(bound.winograd is None for bound in bounds.values())


def test_bounds_of_a_problem_are_those_of_its_arrays() -> None:
    problem, dy = problem_of("NHWC")
    assert isinstance(problem.geometry, ConvGeometry)
    assert problem.weight is not None
    with fc.options(exact=False):
        found = promised(problem, dy, magnitudes(problem, dy), "fast")
        x, grown = np.moveaxis(problem.x, -1, 1), np.moveaxis(dy, -1, 1)
        wanted = error_bounds(problem.geometry, x, problem.weight, problem.bias, grown)
    for name in RESULTS:
        last = np.moveaxis(wanted[name].allowed, 1, -1) if name in ("y", "dx") else wanted[name].allowed
        np.testing.assert_allclose(found[name].allowed, last, rtol=1e-12)


@pytest.mark.parametrize("exact", [False, True])
def test_a_comparison_says_which_algorithm_ran_and_what_both_promises_say(exact: bool) -> None:
    with fc.options(exact=exact):
        found = compare(LAYER, backends=("numpy", "fast"), repeats=1)
    (row,) = found.rows
    assert found.ok
    assert [each.algorithm for each in row.differences] == [*(("direct",) * 4 if exact else WINOGRAD)]
    for each in row.by_algorithm:
        assert each.of_exact is not None
        assert each.of_winograd is not None
        assert each.of_tolerance == (each.of_exact if exact else each.of_winograd)
        assert ("64 eps" in each.promise) is exact
    assert ("Winograd F(4×4, 3×3)" in found.report().in_full.text()) is not exact
    saved = json.loads(found.to_json())["rows"][0]["differences"][0]
    assert saved["algorithm"] == row.differences[0].algorithm
    assert saved["of_winograd"] == row.differences[0].of_winograd


def test_a_comparison_of_others_names_no_algorithm() -> None:
    found = compare(LAYER, backends=("numpy", "naive"), repeats=1, backward=False)
    assert "Algorithms" not in str(found)
    assert found.rows[0].differences[0].algorithm == ""


def test_the_suite_judges_each_backend_by_its_own_promise() -> None:
    problem, dy = problem_of()
    found = {name: array for name, array in off_by(problem, dy, 0.5).items() if name != "y"}
    check = ResultCheck(1, torch=False)
    for backend, exact, right in (("fast", False, True), ("fast", True, False), ("numpy", False, False)):
        case = Case("layer", "backward", backend, "float32")
        with fc.options(exact=exact):
            work = operation_work(case, LAYER)
            if right:
                assert check.check(case, work, found).of_tolerance == pytest.approx(0.5, rel=1e-4)
            else:
                with pytest.raises(WrongResultError, match=r"must be within 64 eps sum \|x·w\| of"):
                    check.check(case, work, found)
    case = Case("layer", "backward", "fast", "float32")
    with fc.options(exact=False), pytest.raises(WrongResultError, match=r"308 eps sum \(max \|x\| of a tile\)"):
        check.check(case, operation_work(case, LAYER), {n: a for n, a in off_by(problem, dy, 1.5).items() if n != "y"})


def test_the_contest_judges_fastconv_by_its_promise_and_others_by_the_first(tmp_path: Path) -> None:
    with fc.options(exact=False):
        shared = write_problem(LAYER, FLOAT32, 0, tmp_path)
    y = off_by(*problem_of(), 0.5)["y"]
    for ours in (True, False):
        np.save(tmp_path / "y.npy", y)
        (found,) = check_results(shared, "forward", {"y": str(tmp_path / "y.npy")}, ours=ours)
        assert found.within is ours
        assert found.algorithm == ("Winograd F(4×4, 3×3)" if ours else "")


def test_rates_may_be_above_the_peak_and_notes_say_so() -> None:
    notes = Contest((), current_environment(), {}, {}, None, 1.0).report().notes
    assert any("direct convolution" in note and "above the peak" in note for note in notes)


# errors over the number of channels


def test_errors_of_both_algorithms_over_channels() -> None:
    seen: list[float] = []
    found = measure_rounding((16, 24), seed=3, progress=lambda text, fraction: seen.append(fraction))
    assert seen == [0.0, 0.5, 1.0]
    assert found.ok
    assert [(row.channels, row.result, row.exact) for row in found.rows] == [
        (channels, result, exact) for channels in (16, 24) for exact in (False, True) for result in RESULTS[:3]
    ]
    for row in found.rows:
        assert row.algorithm.startswith("direct" if row.exact else "Winograd")
        assert 0 < 3 * row.rms_error < row.max_error < 1e-4
    free, direct = ({(r.channels, r.result): r.rms_error for r in found.rows if r.exact is on} for on in (False, True))
    assert all(2 < free[key] / direct[key] < 20 for key in free)
    assert read_record(Roundings, json.loads(found.to_json())) == found
    (table,) = found.report().tables
    assert [row[:3] for row in table.rows[:2]] == [("y", "16", WINOGRAD[0]), ("y", "24", WINOGRAD[0])]


def test_errors_beyond_a_promise_are_failures() -> None:
    found = measure_rounding((16,))
    wrong = replace(found, rows=(replace(found.rows[0], of_promise=2.5), *found.rows[1:]))
    assert not wrong.ok
    assert wrong.report().failures == (
        "y of 16 channels (Winograd F(4×4, 3×3)) must be within what is promised, but got 2.5 times that.",
    )


def test_the_command_prints_and_saves_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("typer")
    from fastconv import cli
    from fastconv.evidence.bench import rounding

    monkeypatch.setattr(rounding.measure_rounding, "__defaults__", ((16,),))
    file = tmp_path / "rounding.json"
    monkeypatch.setattr(sys, "argv", ["fastconv", "bench", "--accuracy", "--batch", "2", "--json", str(file)])
    assert cli.main() == 0
    printed = capsys.readouterr().out
    assert "Winograd F(3×3, 4×4)" in printed
    assert json.loads(file.read_text(encoding="utf-8"))["shape"] == [2, 28, 28]
    monkeypatch.setattr(sys, "argv", ["fastconv", "report", str(file)])
    assert cli.main() == 0
    assert "Winograd F(3×3, 4×4)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("conv3x3_64_56",), "takes no workloads, but got conv3x3_64_56"),
        (("--exact",), "--exact does not go with --accuracy"),
        (("--against", "torch"), "--against does not go with --accuracy"),
        (("--save", "a"), "--save does not go with --accuracy"),
    ],
)
def test_what_does_not_go_with_it(
    arguments: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("typer")
    from fastconv import cli

    monkeypatch.setattr(sys, "argv", ["fastconv", "bench", "--accuracy", *arguments])
    assert cli.main() != 0
    assert message in " ".join(capsys.readouterr().err.split())
