"""All operations and layers in the suite: none is missing, each is checked, and the tables say who is slower."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench_numbers import CONV, Data, record, run_of, suite_of, write
from documentation import generate_into

import fastconv as fc
from fastconv import functional, layers
from fastconv.backends import resolve_backend
from fastconv.backends.base import Backend
from fastconv.cli.report import read_saved
from fastconv.evidence.bench import family_work
from fastconv.evidence.bench import run as child
from fastconv.evidence.bench.cases import FAMILY, TABLE, Case, Selection, cases, entry, kind_of
from fastconv.evidence.bench.correctness import ResultCheck, WrongResultError
from fastconv.evidence.bench.family import LAYERS, OPERATIONS, LayerOf, Member
from fastconv.evidence.bench.family_tables import family_notes, family_tables, pairs
from fastconv.evidence.bench.family_work import check_member, function, make_layer, member_work
from fastconv.evidence.bench.preparation import Preparation
from fastconv.evidence.bench.tables import report_of, tables

MEMBERS = {member.name: member for member in (*OPERATIONS, *LAYERS)}
FEW = 2  # images

RELU = Case("relu", "forward", "fast", "float32")
LAYER = Case("ReLU", "backward", "fast", "float32")
IDENTITY = Case("Identity", "forward", "numpy", "float32")


def on_numpy(case: Case) -> Case:
    return case._replace(backend="numpy")


# nothing is missing


def test_every_layer_is_in_the_table() -> None:
    exported = [getattr(layers, name) for name in layers.__all__]
    concrete = {each for each in exported if inspect.isclass(each) and issubclass(each, layers.Layer)} - {layers.Layer}
    assert len(concrete) > 60
    assert {type(make_layer(member.build)) for member in LAYERS if isinstance(member, LayerOf)} == concrete


def test_every_operation_is_in_the_table() -> None:
    named = {name for name in functional.__all__ if inspect.isfunction(getattr(functional, name))}
    forward = {name for name in named if not name.endswith("_backward")}
    assert {member.name for member in OPERATIONS} == forward | {"linear"}
    timed = {f"{member.name}_backward" for member in OPERATIONS if "backward" in member.steps}
    assert {name for name in named - forward if "_ties_" not in name} <= timed  # another rule for the same pass


def test_the_table_of_the_suite_has_them_all_once() -> None:
    ours = [each for each in TABLE if each.kind == FAMILY]
    assert [each.name for each in ours] == list(MEMBERS)
    assert len(ours) == len(OPERATIONS) + len(LAYERS)
    assert {each.backends for each in ours if each.member is not None and each.member.on_both} == {("numpy",)}
    assert {each.backends for each in ours if each.member is not None and not each.member.on_both} == {
        ("fast", "numpy")
    }


def methods() -> list[str]:
    return [name for name, _ in inspect.getmembers(Backend, inspect.isfunction) if not name.startswith("_")]


@pytest.mark.parametrize("name", MEMBERS)
def test_each_is_right_and_says_whether_it_is_numpy_on_both(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    member, kind = MEMBERS[name], type(resolve_backend("numpy", "test"))
    called: list[str] = []

    def spied(method: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def spy(self: Any, *arguments: Any) -> Any:
            called.append(method)
            return original(self, *arguments)

        return spy

    for method in methods():
        monkeypatch.setattr(kind, method, spied(method, getattr(kind, method)))
    for step in member.steps:
        case = Case(name, step, "numpy", "float32")
        verdict = check_member(case, member, member_work(case, member, FEW), FEW)
        assert verdict.of_tolerance is not None
        assert verdict.of_tolerance <= 1
    assert (not called) == member.on_both


@pytest.mark.parametrize("name", ["conv1d", "max_unpool2d", "layer_norm", "col2im", "MaxUnpool3d", "Residual"])
def test_fast_passes_the_same_check(name: str) -> None:
    pytest.importorskip("numba", reason="the fast backend needs Numba")
    for step in MEMBERS[name].steps:
        case = Case(name, step, "fast", "float32")
        check_member(case, MEMBERS[name], member_work(case, MEMBERS[name], FEW), FEW)


# what is wrong is not timed


def spoiled(original: Callable[..., Any], change: Callable[[np.ndarray], None]) -> Callable[..., Any]:
    """Change a result in float32 alone, so that the right one, in float64, stays right."""

    def wrong(*arguments: Any, **options: Any) -> Any:
        result = np.array(original(*arguments, **options))
        if result.dtype == np.float32:
            change(result)
        return result

    return wrong


def one_off(array: np.ndarray) -> None:
    array[(-1,) * array.ndim] += 0.01


def last_digit(array: np.ndarray) -> None:
    position = np.unravel_index(int(array.argmax()), array.shape)
    array[position] = np.nextafter(array[position], np.float32(np.inf))


def check(case: Case) -> float | None:
    member = MEMBERS[case.workload]
    return check_member(case, member, member_work(case, member, FEW), FEW).of_tolerance


@pytest.mark.parametrize(("name", "array"), [("conv2d", "y"), ("avg_pool1d", "y"), ("tanh", "y")])
def test_a_wrong_operation_is_caught(name: str, array: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(name, "forward", "numpy", "float32")
    wrong = spoiled(function(name), one_off)
    wrong.__signature__ = inspect.signature(function(name))  # type: ignore[attr-defined]
    monkeypatch.setattr(functional, name, wrong)
    with pytest.raises(
        WrongResultError,
        match=rf"{name} forward numpy float32: {array} must be within 64 eps of the largest of numpy in float64",
    ):
        check(case)


def test_a_wrong_layer_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers.Linear, "backward", spoiled(layers.Linear.backward, one_off))
    with pytest.raises(WrongResultError, match="Linear backward numpy float32: dx must be within 64 eps"):
        check(Case("Linear", "backward", "numpy", "float32"))


def test_what_only_selects_must_be_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    selects, sums = Case("MaxPool2d", "forward", "numpy", "float32"), Case("AvgPool2d", "forward", "numpy", "float32")
    assert check(selects) == 0
    for kind in (layers.MaxPool2d, layers.AvgPool2d):
        monkeypatch.setattr(kind, "forward", spoiled(kind.forward, last_digit))
    with pytest.raises(WrongResultError, match="MaxPool2d forward numpy float32: y must be within"):
        check(selects)
    assert (check(sums) or 0) < 1


def test_a_missing_result_is_caught() -> None:
    case, member = Case("Linear", "backward", "numpy", "float32"), MEMBERS["Linear"]
    work = member_work(case, member, FEW)
    half = work._replace(results=lambda: {"dx": work.results()["dx"]})
    with pytest.raises(WrongResultError, match="the results must be dx, dweight, dbias, but got dx"):
        check_member(case, member, half, FEW)


def test_a_member_is_an_operation_or_a_layer() -> None:
    with pytest.raises(fc.errors.InvalidTypeError, match="the member must be an operation or a layer, but got Member"):
        family_work.member_work(RELU, Member("nothing", (1,)))


def test_what_stands_beside_a_time() -> None:
    desk = Preparation(batch=3, check=ResultCheck(1, torch=False))
    info = desk.prepare(Case("Conv2d", "backward", "numpy", "float32")).info
    assert info["shapes"] == {"x": [3, 32, 32, 32], "weight": [32, 32, 3, 3], "bias": [32]}
    assert info["description"] == "Conv2d(32, 32, 3, padding=1, rng=0)"
    unpooled = Preparation(small=True, check=ResultCheck(1, torch=False)).prepare(
        Case("max_unpool1d", "forward", "numpy", "float32")
    )
    assert unpooled.info["shapes"] == {"x": [2, 32, 512], "indices": [2, 32, 512]}
    assert unpooled.info["description"] == "max_unpool1d(y, output_size=(1024,))"
    json.dumps([info, unpooled.info], allow_nan=False)


def test_both_backends_and_dtypes_get_the_same_numbers() -> None:
    results = {
        dtype: member_work(Case("Dropout2d", "forward", "numpy", dtype), MEMBERS["Dropout2d"], FEW).results()["y"]
        for dtype in ("float32", "float64")
    }
    assert results["float32"].dtype == np.float32
    np.testing.assert_array_equal(results["float32"], results["float64"])


# who runs


def test_the_family_runs_when_it_is_asked_for() -> None:
    everything, asked = Selection(), Selection((FAMILY,))
    assert list(cases(FAMILY, everything)) == []
    assert {case.workload for case in cases(FAMILY, asked)} == set(MEMBERS)
    assert CONV in everything
    assert CONV not in asked
    assert CONV in Selection((FAMILY, CONV.workload))
    assert [str(case) for case in cases(FAMILY, Selection(("Identity", "add")))] == [
        "add forward fast float32",
        "add forward numpy float32",
        "Identity forward numpy float32",
        "Identity backward numpy float32",
    ]


def test_a_name_that_the_table_no_longer_has() -> None:
    gone = CONV._replace(workload="gone")
    assert kind_of("gone") is None
    assert gone not in Selection()
    assert gone not in Selection((FAMILY,))


@pytest.mark.slow
def test_the_suite_in_a_child() -> None:
    pytest.importorskip("pytest_benchmark")
    try:
        child.bench_folder()
    except fc.errors.FastconvError:
        pytest.skip("the bench files are not here")
    chosen = Selection(("add", "Identity"), ("numpy",), batch=2, threads=1, quick=True)
    outcome = child.run_suite(chosen)
    assert outcome.failures == ()
    found = {str(Case(**{n: each["extra_info"][n] for n in Case._fields})) for each in outcome.data["benchmarks"]}
    assert found == {str(case) for case in cases(FAMILY, chosen)}


# the tables


def timed(case: Case, seconds: float, **info: Any) -> Data:
    return record(case, minimum=seconds, median=seconds, shapes={"x": [2, 3, 5]}, flops=0, **info)


def made_up(*, relu: float = 0.5) -> list[Data]:
    """In another order than that of the table."""
    return [
        timed(LAYER, 4.0),
        timed(on_numpy(LAYER), 50.0),
        timed(IDENTITY, 3.0, of_tolerance=0.001),
        timed(RELU, relu, of_tolerance=0.0),
        timed(on_numpy(RELU), 1.0),
    ]


def test_the_tables_put_both_backends_side_by_side() -> None:
    operations, kinds = family_tables(suite_of(*made_up()))
    assert operations.title == "Operations, float32"
    assert operations.rows == (("relu", "forward", "2×3×5", "1.00 s", "500 ms", "2.00×", "0%"),)
    assert kinds.headers == ("layer", "pass", "shape", "numpy", "fast", "numpy / fast", "error")
    assert kinds.rows == (
        ("ReLU", "backward", "2×3×5", "50.0 s", "4.00 s", "12×", "5%"),
        ("Identity", "forward", "2×3×5", "3.00 s", "–", "NumPy on both", "< 1%"),
    )


def test_the_order_is_that_of_the_table() -> None:
    found = [pair.name for pair in pairs(suite_of(*made_up()))]
    assert found == ["relu", "ReLU", "Identity"] == sorted(found, key=[*MEMBERS].index)


def test_who_is_slower_is_named_worst_first() -> None:
    assert "fast is slower than numpy on none of 2" in "\n".join(family_notes(suite_of(*made_up())))
    add = Case("add", "forward", "fast", "float32")
    worse = [timed(add, 8.0), timed(on_numpy(add), 1.0)]
    lines = "\n".join(family_notes(suite_of(*made_up(relu=1.25), *worse)))
    assert "on 2: add forward float32 (0.12×), relu forward float32 (0.80×)." in lines


def test_a_disturbance_makes_nobody_slower() -> None:
    disturbed = record(RELU, minimum=0.5, median=2.0, shapes={"x": [2]}, flops=0)
    (pair,) = pairs(suite_of(disturbed, timed(on_numpy(RELU), 1.0)))
    assert pair.ratio == 1.0 / 2.0
    assert not pair.slower


def test_one_backend_alone_has_no_ratio() -> None:
    (table,) = family_tables(suite_of(timed(RELU, 1.0)))
    assert table.rows == (("relu", "forward", "2×3×5", "–", "1.00 s", "–", "5%"),)
    (table,) = family_tables(suite_of(timed(on_numpy(RELU), 1.0, of_tolerance=None)))
    assert table.rows == (("relu", "forward", "2×3×5", "1.00 s", "–", "–", "not checked"),)


def test_the_rest_of_a_suite_has_a_table_of_its_own() -> None:
    found = tables(suite_of(record(), *made_up()))
    assert [table.title for table in found] == ["Suite, float32", "Operations, float32", "Layers, float32"]
    assert len(found[0].rows) == 1
    assert family_notes(suite_of(record())) == []
    text = report_of(suite_of(*made_up())).markdown()
    assert "| Identity | forward | 2×3×5 | 3.00 s | – | NumPy on both | < 1% |" in text
    assert "frozen loops" not in text


def test_the_documentation_is_generated_from_the_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generate = generate_into(tmp_path, monkeypatch)
    ours, others = write(tmp_path / "family.json", run_of(*made_up())), write(tmp_path / "suite.json", run_of(record()))
    generate.main("family", str(ours))
    assert (tmp_path / "family.md").read_text(encoding="utf-8").endswith(read_saved(ours).markdown())
    for kind, path, found in (("suite", ours, "bench family --json"), ("family", others, "bench --json")):
        with pytest.raises(SystemExit, match=f"but it is of fastconv {found}"):
            generate.main(kind, str(path))


def test_the_line_of_a_name() -> None:
    assert entry("conv3d").description == "conv3d(x, weight, bias, padding=1)"
    assert str(MEMBERS["MaxUnpool2d"]) == "MaxUnpool2d(MaxPool2d(2))"
