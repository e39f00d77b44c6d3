"""The benchmark suite: its table, and its check."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grids import quick

import fastconv as fc
from fastconv.errors import InvalidValueError
from fastconv.evidence.accuracy import exact_results, magnitudes
from fastconv.evidence.bench.cases import LOOPS, TABLE, Case, Selection, cases, entry, names, sized
from fastconv.evidence.bench.correctness import ResultCheck, WrongResultError
from fastconv.evidence.bench.operation_work import operation_work
from fastconv.evidence.bench.preparation import Preparation
from fastconv.evidence.bench.scipy_oracle import scipy_forward
from fastconv.evidence.bench.torch_oracle import TorchOracle
from fastconv.evidence.problem import from_workload
from fastconv.evidence.workloads import Options, Workload
from fastconv.testing import assert_close

ROOT = Path(fc.__file__).parent.parent
BENCHMARKS = ROOT / "benchmarks"

TINY = Workload("tiny", "conv2d", (2, 3, 7, 9), (3, 2), (4, 3, 3, 2), True, Options(stride=(2, 1), padding=1))
GROUPED = Workload("grouped", "conv2d", (2, 4, 8, 5), (2, 3), (6, 2, 2, 3), False, Options(dilation=(2, 1), groups=2))
UNEVEN = Workload("uneven", "max_pool2d", (2, 3, 9, 7), (4, 3), options=Options((2, 3), ((1, 0), (0, 1)), (2, 1)))
MEAN = Workload("mean", "avg_pool2d", (1, 3, 9, 7), (3, 2), options=Options((2, 1), ((1, 0), (0, 1))))


# the table


def test_every_name_and_every_case_is_there_once() -> None:
    assert len(set(names())) == len(TABLE)
    for dtype in ("float32", "float64"):
        found = [str(case) for each in TABLE for case in cases(each.kind, Selection((each.name,), dtypes=(dtype,)))]
        assert len(set(found)) == len(found) > 0


@pytest.mark.skipif(not (BENCHMARKS / "conftest.py").exists(), reason="the bench files are not here")
def test_every_kind_has_a_bench_file_and_every_file_travels_with_the_package() -> None:
    kinds = {
        kind
        for file in BENCHMARKS.glob("bench_*.py")
        for kind in re.findall(r'^KIND = "(\w+)"', file.read_text("utf-8"), re.M)
    }
    assert kinds == {each.kind for each in TABLE}
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    travelling = set(re.findall(r'^"benchmarks/(.+)" = "fastconv/_benchmarks/\1"$', project, re.M))
    here = {file.name for file in BENCHMARKS.iterdir() if file.is_file()}
    assert travelling == here - {"__init__.py", "seed_loops.py"}


@pytest.mark.parametrize("name", [each.name for each in TABLE if each.workload is not None])
def test_a_crop_has_fewer_outputs_that_cost_the_same(name: str) -> None:
    whole = entry(name).workload
    assert whole is not None
    for small, most in ((False, 4096), (True, 256)):
        crop = sized(whole, "naive", small=small)
        assert 0 < np.prod(crop.output_shape) <= most
        assert crop.kernel_size == whole.kernel_size
        assert crop.geometry.axes[0].before == whole.geometry.axes[0].before
        if whole.weight_shape is not None and crop.weight_shape is not None:
            assert crop.weight_shape[1:] == whole.weight_shape[1:]
            assert crop.options.groups == crop.input_shape[1] // crop.weight_shape[1]
    assert sized(whole, "fast") == whole
    assert sized(whole, "fast", batch=3).input_shape[0] == 3
    assert sized(whole, "numpy", batch=3, small=True).input_shape[0] == 1


def test_a_small_workload_is_not_cropped() -> None:
    assert sized(TINY, "naive") == TINY


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"workloads": ("conv9",)}, "bench: a workload must be .*, but got 'conv9'"),
        ({"backends": ("cuda",)}, "bench: a backend must be one of fast, numpy, naive, seed_loops, but got 'cuda'"),
        ({"dtypes": ("int8",)}, "bench: a dtype must be one of float32, float64, but got 'int8'"),
    ],
)
def test_a_selection_knows_its_names(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        Selection(**arguments)


# the judge


def problem_of(workload: Workload, dtype: str = "float64") -> Any:
    return from_workload(workload, np.dtype(dtype), 0)


@pytest.mark.parametrize("workload", [TINY, GROUPED, UNEVEN, MEAN], ids=lambda workload: workload.name)
def test_scipy_computes_the_same(workload: Workload) -> None:
    pytest.importorskip("scipy")
    problem = problem_of(workload)
    sums = magnitudes(problem, None)["y"][-1:]
    y = scipy_forward(problem, workload.input_shape[0] - 1)
    assert_close(y, exact_results(problem, None)["y"][-1:], magnitude=sums, name=workload.name)


needs_torch = pytest.mark.skipif(not TorchOracle.installed(), reason="PyTorch is not installed")


@pytest.fixture(scope="module")
def oracle() -> Iterator[TorchOracle]:
    """PyTorch in a process of its own, one for all."""
    started = TorchOracle(1)
    yield started
    started.end()


@pytest.mark.slow
@pytest.mark.parametrize("workload", [TINY, GROUPED, UNEVEN, MEAN], ids=lambda workload: workload.name)
@needs_torch
def test_torch_computes_the_same_in_a_process_of_its_own(oracle: TorchOracle, workload: Workload) -> None:
    problem = problem_of(workload)
    dy = np.random.default_rng(1).standard_normal(problem.output_shape)
    results = oracle.results(problem, None) | oracle.results(problem, dy)
    expected, sums = exact_results(problem, dy), magnitudes(problem, dy)
    assert results.keys() == expected.keys()
    for name, array in expected.items():
        assert_close(results[name], array, magnitude=sums[name], name=f"{workload.name} {name}")


@pytest.mark.parametrize("name", ["depthwise3x3_128_28", "conv5x5s2_32_64_32", "maxpool2x2_64_56", "avgpool2x2_64_56"])
@pytest.mark.parametrize("step", ["forward", "backward"])
def test_the_frozen_loops_pass_the_same_judge(name: str, step: str) -> None:
    ready = Preparation(small=True, check=ResultCheck(1, torch=False)).prepare(Case(name, step, LOOPS, "float32"))
    assert ready.info["of_tolerance"] <= 1
    assert "numpy in float64" in ready.info["checked"]


def test_where_the_frozen_loops_are_wrong_they_are_not_checked() -> None:
    case = Case("maxpool3x3_64_112", "backward", LOOPS, "float32")
    ready = Preparation(small=True, check=ResultCheck(1, torch=False)).prepare(case)
    assert ready.info["checked"].startswith("not checked: where windows overlap")
    assert ready.info["of_tolerance"] is None


def off_by(amount: float, function: Callable[..., Any]) -> Callable[..., Any]:
    """Spoil one border element of what a function returns."""

    def spoiled(*args: Any, **options: Any) -> Any:
        results = {name: array.copy() for name, array in function(*args, **options).items()}
        first = next(iter(results.values()))
        first[(-1,) * first.ndim] += amount
        return results

    return spoiled


@pytest.mark.parametrize("step", ["forward", "backward"])
@pytest.mark.parametrize("torch", [False, pytest.param(True, marks=[pytest.mark.slow, needs_torch])])
def test_a_wrong_kernel_is_caught_before_it_is_timed(monkeypatch: pytest.MonkeyPatch, step: str, torch: bool) -> None:
    from fastconv.evidence import problem as work

    check = ResultCheck(1, torch=torch)
    preparation, case = Preparation(small=True, check=check), Case("conv5x5_1_20_28", step, "numpy", "float32")
    try:
        assert preparation.prepare(case).info["of_tolerance"] < 1
        monkeypatch.setattr(work, step, off_by(0.01, getattr(work, step)))
        array = "y" if step == "forward" else "dx"
        with pytest.raises(
            WrongResultError, match=rf"numpy float32: {array} must be within 64 eps .* but got [\d,.]+ times"
        ):
            preparation.prepare(case)
    finally:
        preparation.end()


def test_a_missing_result_is_caught() -> None:
    case = Case("tiny", "forward", "numpy", "float32")
    made = operation_work(case, TINY)
    with pytest.raises(WrongResultError, match="the results must be y, but got dx"):
        ResultCheck(1, torch=False).check(case, made, {"dx": made.call()["y"]})


@pytest.mark.parametrize("step", quick(["inference", "program", "training"], 2))
def test_a_network_on_a_wrong_kernel_is_caught(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    from fastconv.backends.naive import NaiveBackend

    case = Case("digits", step, "naive", "float32")  # the reference runs on numpy
    preparation = Preparation(small=True, check=ResultCheck(1, torch=False))
    ready = preparation.prepare(case)
    assert ready.info["of_tolerance"] < 1
    assert ready.info["flops"] == (6 if step == "training" else 2) * 4 * (32 * 9 * 64 + 64 * 288 * 64 + 10 * 1024)
    right = NaiveBackend.conv

    def wrong(self: Any, x: Any, *others: Any) -> Any:
        y = right(self, x, *others)
        y[..., -1, -1] += 0.01
        return y

    monkeypatch.setattr(NaiveBackend, "conv", wrong)
    name = "d.*" if step == "training" else "y"
    with pytest.raises(WrongResultError, match=rf"digits {step} naive float\d\d: {name} must be within .* of numpy"):
        preparation.prepare(case)


def test_what_stands_beside_a_time() -> None:
    info = (
        Preparation(batch=2, check=ResultCheck(1, torch=False))
        .prepare(Case("conv5x5_1_20_28", "backward", "numpy", "float64"))
        .info
    )
    assert info["shapes"] == {"x": [2, 1, 28, 28], "weight": [20, 1, 5, 5], "bias": [20], "y": [2, 20, 24, 24]}
    assert info["flops"] == 4 * 2 * 20 * 24 * 24 * 25  # dx and dweight, a multiply-add counted as two
    assert info["outputs"] == info["whole_outputs"] == 2 * 20 * 24 * 24
    assert info["threads"] == fc.get_num_threads()
    json.dumps(info, allow_nan=False)
