"""The gate against regressions and the reports, on made-up numbers."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench_numbers import CONV, LOOP, POOL, Data, made_suite, record, run_of, suite_of, write

import fastconv as fc
from fastconv.cli.report import read_saved
from fastconv.errors import InvalidValueError
from fastconv.evidence.bench import gate
from fastconv.evidence.bench.cases import BACKENDS, LOOPS, Selection
from fastconv.evidence.bench.suite import FORMAT, read_suite
from fastconv.evidence.bench.tables import report_of
from fastconv.evidence.compare import Comparison
from fastconv.report import read_record
from fastconv.report.record import read_json


def only(old: Data, new: Data, percent: float = 10.0) -> gate.Change:
    (change,) = gate.changes(suite_of(old), suite_of(new), percent)
    return change


@pytest.mark.parametrize(
    ("new", "verdict", "ratio"),
    [
        (record(), "same", 1.0),
        (record(minimum=1.5, median=1.65), "slower", 1.5),
        (record(minimum=1.09, median=1.2), "same", 1.09),  # not over the limit
        (record(minimum=1.0, median=5.0), "same", 1.0),  # a neighbour for most of the time
        (record(minimum=1.5, median=1.1), "same", 1.0),  # a lucky moment in the older run
        (record(minimum=1.3, median=1.65), "slower", 1.3),  # the smaller of the two claims
        (record(minimum=0.5, median=0.44), "faster", 0.5),
        (record(minimum=0.95, median=0.95), "same", 0.95),
        (record(minimum=2.0, median=2.2, peak=50.0), "same", 1.0),  # the clock is half as fast
        (record(minimum=1.0, median=1.1, peak=200.0), "slower", 2.0),  # twice as fast a clock, and no gain
        (record(minimum=2.0, median=2.2, peak=None), "slower", 2.0),
    ],
)
def test_what_is_slower(new: Data, verdict: str, ratio: float) -> None:
    change = only(record(), new)
    assert (change.verdict, change.fails) == (verdict, verdict == "slower")
    assert change.ratio == pytest.approx(ratio)


def test_a_neighbour_while_the_peak_was_measured_raises_no_alarm() -> None:
    other = record(CONV._replace(step="backward"))
    old = suite_of(record(peak=50.0), other)  # its peak was disturbed, its times were not
    new = suite_of(record(peak=100.0), other)
    assert [change.verdict for change in gate.changes(old, new, 10)] == ["same", "same"]


def test_what_has_no_multiply_adds_must_be_slower_without_the_peak_too() -> None:
    assert only(record(POOL), record(POOL, peak=200.0)).verdict == "same"  # memory, with a faster clock
    assert only(record(POOL), record(POOL, minimum=2.0, median=2.2, peak=50.0)).verdict == "same"
    assert only(record(POOL), record(POOL, minimum=2.0, median=2.2)).verdict == "slower"
    naive = CONV._replace(backend="naive")
    assert only(record(naive), record(naive, peak=200.0)).verdict == "same"


def test_the_yardstick_stops_no_gate() -> None:
    loops = CONV._replace(backend=LOOPS)
    change = only(record(loops), record(loops, minimum=3.0, median=3.3))
    assert (change.verdict, change.fails) == ("slower", False)
    assert gate.failures([change]) == ()


def test_new_missing_and_other_work() -> None:
    old = suite_of(record(), record(POOL))
    found = gate.changes(old, suite_of(record(CONV._replace(step="backward")), record(shapes={"x": [2]})), 10)
    verdicts = {change.case: (change.verdict, change.fails) for change in found}
    assert verdicts == {
        CONV._replace(step="backward"): ("new", False),
        CONV: ("other work", False),
        POOL: ("missing", True),
    }
    assert gate.failures(found) == (f"{POOL}: must run as it did before, but it did not.",)
    part = suite_of(record(), selection=Selection((CONV.workload,)))
    assert [change.case for change in gate.changes(old, part)] == [CONV]  # what was not asked for is not missing
    assert only(record(threads=1), record()).verdict == "other work"


def test_the_line_says_what_and_how_much() -> None:
    (line,) = gate.failures([only(record(), record(minimum=1.5, median=1.65))])
    assert line == (
        "conv3x3_64_56 forward fast float32: must not be slower, but it takes 50% longer (1100 ms then, 1650 ms now)."
    )


def test_another_machine_is_an_obstacle() -> None:
    assert gate.obstacles(suite_of(record()), suite_of(record(), load=7.0, date="2027")) == ()
    found = gate.obstacles(suite_of(record()), suite_of(record(), cpu="Slide rule", threads=1))
    assert found == ("cpu 'Abacus' then, 'Slide rule' now", "threads 2 then, 1 now")


def test_the_better_of_two_runs_counts() -> None:
    old = suite_of(record(), record(POOL))
    first = run_of(record(minimum=2.0, median=2.2), record(POOL, minimum=1.0, median=1.1))
    again = run_of(record(POOL, minimum=3.0, median=3.3), record(minimum=1.05, median=1.1))
    merged = read_suite(gate.with_better(old, first, again), "merged")
    assert [result.minimum for result in merged.results.values()] == [1.05, 1.0]


# what was saved


def without(data: Data, *keys: Any) -> Data:
    place = data
    for key in keys[:-1]:
        place = place[key]
    del place[keys[-1]]
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (without(run_of(record()), "benchmarks"), "damaged .KeyError: 'benchmarks'"),
        (without(run_of(record()), "benchmarks", 0, "stats", "median"), "damaged .KeyError: 'median'"),
        (without(run_of(record()), "benchmarks", 0, "extra_info", "backend"), "damaged .KeyError: 'backend'"),
        (without(run_of(record()), "machine_info", "fastconv", "cpu"), "damaged .KeyError: 'cpu'"),
        (run_of(record(minimum=-1.0)), "damaged .ValueError: -1.0 is no positive number"),
        (run_of(record(backend=7)), "damaged .TypeError: 7 is no text"),
        (run_of(record(), record()), "must hold every case once, but got conv3x3_64_56 forward fast float32 twice"),
        ({"benchmarks": []}, "must be what `fastconv bench --save` wrote"),
    ],
)
def test_a_damaged_suite_is_named(data: Data, message: str) -> None:
    with pytest.raises(InvalidValueError, match=rf"bench: a\.json .*{message}"):
        read_suite(data, "a.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be JSON that a fastconv command wrote, but it is damaged or something else"),
        (json.dumps(run_of(record()))[:-20], "must be JSON that a fastconv command wrote"),
        ("[1]", "must hold a JSON object, but got list"),
    ],
)
def test_a_file_that_is_no_result(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidValueError, match=rf"a\.json {message}"):
        read_json(write(tmp_path / "a.json", text))


def test_single_rounds_are_dropped_and_rates_are_added() -> None:
    data = run_of(record(median=2.0))
    assert "data" not in data["benchmarks"][0]["stats"]
    info = data["benchmarks"][0]["extra_info"]
    assert (info["gflops"], info["of_peak"]) == (0.5, 0.005)


def test_times_faster_divides_the_best_round_of_the_loops() -> None:
    suite = read_suite(made_suite(), "made-up")
    assert suite.times_faster(suite.results[CONV]) == 60.0  # 3 s an output, 20 outputs, 1 s
    assert suite.times_faster(suite.results[LOOP]) is None
    assert suite.times_faster(suite.results[POOL]) is None  # no loops beside it


def test_the_report_is_made_of_the_json(tmp_path: Path) -> None:
    saved = read_saved(write(tmp_path / "suite.json", made_suite()))
    assert saved.kind == "suite"
    text = saved.markdown()
    assert text == report_of(read_suite(saved.data, "suite")).markdown()
    assert "| conv3x3_64_56 | forward | fast | all | 1.00 s | 100 ms | 1 | 1% | 60× | 5% |" in text
    assert "| conv3x3_64_56 | forward | seed_loops | 50.00% | 45.0 s | 100 ms | 0.022 | < 1% | – | 5% |" in text
    assert "| maxpool2x2_64_56 | forward | fast | all | 1.10 s | 100 ms | – | – | – | not checked |" in text
    assert "fastconv 9.9; Abacus, 2 threads of 2 cores (load 0.5 before); 2026-01-01." in text
    assert [table.title for table in report_of(read_suite(saved.data, "suite")).tables] == [
        "Suite, float32",
        "Suite, float64",
    ]


@pytest.fixture
def comparison() -> Any:
    return fc.compare("conv2d", np.ones((1, 2, 5, 6)), np.ones((3, 2, 2, 3)), backends=("naive", "numpy"), repeats=1)


def test_a_comparison_comes_back_from_its_json(comparison: Any, tmp_path: Path) -> None:
    comparison.save(tmp_path / "compare.json")
    saved = read_saved(tmp_path / "compare.json")
    assert saved.kind == "compare"
    again = read_record(Comparison, saved.data)
    assert str(again) == str(comparison)
    assert again.to_dict() == comparison.to_dict()
    assert "| `conv2d` |" in saved.markdown()
    assert saved.result.report.details[0].title == "Time and memory"


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_charts(comparison: Any, tmp_path: Path, suffix: str, start: bytes) -> None:
    pytest.importorskip("matplotlib")
    comparison.save(tmp_path / "compare.json")
    write(tmp_path / "suite.json", made_suite())
    write(tmp_path / "alone.json", run_of(record()))  # without the loops nothing can be drawn, and nothing breaks
    for name in ("compare", "suite", "alone"):
        read_saved(tmp_path / f"{name}.json").plot(tmp_path / f"{name}.{suffix}")
        assert (tmp_path / f"{name}.{suffix}").read_bytes().startswith(start)
        with pytest.raises(InvalidValueError, match=r"path must end in one of pdf, png, svg, but got .*\.gif"):
            read_saved(tmp_path / f"{name}.json").plot(tmp_path / "a.gif")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"format": "other/1"}, "but its format is 'other/1'"),
        ({"fastconv": {"format": "fastconv-suite/0"}}, "but its format is 'fastconv-suite/0'"),
        ({"format": "fastconv-contest/1"}, "must be a whole result, but it is damaged .KeyError"),
        (
            {"format": "fastconv-compare/1", "rows": [], "environment": 3},
            "must be a whole result, but it is damaged .TypeError",
        ),
        ({"fastconv": {"format": FORMAT}}, "must be a whole result of a suite, but it is damaged .KeyError"),
    ],
)
def test_a_report_of_something_else(tmp_path: Path, data: Data, message: str) -> None:
    path = write(tmp_path / "a.json", data)
    with pytest.raises(InvalidValueError, match=rf"a\.json .*{message}"):
        read_saved(path).markdown()


def test_a_selection_survives_the_json() -> None:
    chosen = Selection((POOL.workload,), BACKENDS[:2], ("float64",), batch=3, threads=2, quick=True)
    assert suite_of(record(), selection=chosen).selection == chosen
    assert asdict(chosen)["workloads"] == (POOL.workload,)
