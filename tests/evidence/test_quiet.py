"""Times on a busy machine are said to be unreliable: in the table, in the JSON and by the gate."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bench_numbers import POOL, made_suite, record, run_of, suite_of

import fastconv as fc
from fastconv.evidence import quiet
from fastconv.evidence.bench.gate import doubts
from fastconv.evidence.bench.tables import report_of
from fastconv.evidence.environment import current_environment
from fastconv.evidence.quiet import Watch, busy, doubted, moved

QUIET = replace(current_environment(), cores=4, threads=2)


@pytest.mark.parametrize(("others", "said"), [(None, False), (0.0, False), (2.2, False), (2.3, True), (4.0, True)])
def test_others_may_have_the_cores_that_no_thread_needs(others: float | None, said: bool) -> None:
    assert bool(busy(QUIET, others)) is said
    assert not said or busy(QUIET, others) == (f"other processes took {others:.1f} of 4 cores",)


@pytest.mark.parametrize(
    ("peaks", "said"), [([], False), ([None], False), ([100.0, 86.0], False), ([84.0, None, 100.0], True)]
)
def test_a_peak_may_move_by_fifteen_percent(peaks: list[float | None], said: bool) -> None:
    assert bool(moved(peaks)) is said


def test_a_watch_leaves_out_what_the_process_takes_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    everybody, own, now = iter((10.0, 16.0)), iter((1.0, 3.0)), iter((0.0, 2.0))
    monkeypatch.setattr(quiet, "_busy_seconds", lambda: next(everybody))
    monkeypatch.setattr(quiet, "_own_seconds", lambda: next(own))
    monkeypatch.setattr(quiet.time, "perf_counter", lambda: next(now))
    assert Watch().others() == (6.0 - 2.0) / 2.0


def test_where_nothing_is_known_of_the_processors_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(quiet, "_STAT", tmp_path / "none")
    assert Watch().judged(QUIET, [100.0, 99.0]) == QUIET
    assert Watch().judged(QUIET, [100.0, 50.0]).unreliable == "the peak moved between 50 and 100 GFLOP/s"


@pytest.mark.skipif(not Path("/proc/stat").is_file(), reason="only Linux says what its processors do")
def test_the_processors_are_read_here() -> None:
    watch = Watch()
    np.ones((256, 256)) @ np.ones((256, 256))
    others = watch.others()
    assert others is not None
    assert 0 <= others < 10_000


def test_reasons_add_up() -> None:
    both = doubted(doubted(QUIET, "this"), "that")
    assert both.caution == ("The times are not reliable, because this and that.",)
    assert QUIET.caution == doubted(QUIET).caution == ()


def test_a_comparison_says_so_beside_its_table_and_in_its_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watch, "others", lambda self: 99.0)
    x, weight = np.ones((1, 2, 5, 6)), np.ones((3, 2, 2, 3))
    found = fc.compare("conv2d", x, weight, backends=("naive", "numpy"), repeats=1)
    assert "The times are not reliable, because other processes took 99.0 of" in str(found)
    assert json.loads(found.to_json())["environment"]["unreliable"].startswith("other processes took 99.0 of")


def test_a_suite_says_so_and_the_gate_refuses_it() -> None:
    steady, unsteady = suite_of(record()), suite_of(record(), record(POOL, peak=80.0))
    assert doubts(steady, steady) == ()
    assert doubts(steady, unsteady) == ("now the peak moved between 80 and 100 GFLOP/s",)
    assert doubts(unsteady, steady) == ("then the peak moved between 80 and 100 GFLOP/s",)
    assert report_of(unsteady).text().startswith("The times are not reliable, because the peak moved between 80 and")
    assert run_of(record())["machine_info"]["fastconv"]["unreliable"] == ""
    assert made_suite()["machine_info"]["fastconv"]["unreliable"] == ""
