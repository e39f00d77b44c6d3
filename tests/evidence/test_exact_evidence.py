"""Numbers say whether they were exact: where they come from, in children, in files, and before they are compared."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from bench_numbers import record, suite_of

import fastconv as fc
from fastconv.evidence.bench import gate
from fastconv.evidence.bench import run as child
from fastconv.evidence.bench.cases import Selection
from fastconv.evidence.bench.suite import read_suite
from fastconv.evidence.compare import Comparison
from fastconv.evidence.contest.engines import FASTCONV
from fastconv.evidence.contest.processes import engine_processes
from fastconv.evidence.environment import Environment, current_environment
from fastconv.evidence.process import child_environment
from fastconv.report import read_record

every_setting = pytest.mark.parametrize("exact", [True, False])


@every_setting
def test_a_child_is_as_exact_as_its_parent(exact: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTCONV_EXACT", str(int(not exact)))  # which was another question
    with fc.options(exact=exact):
        assert child_environment()["FASTCONV_EXACT"] == str(int(exact))
        assert child_environment(without=["FASTCONV_EXACT"])["FASTCONV_EXACT"] == str(int(exact))
        assert child_environment(FASTCONV_EXACT="1")["FASTCONV_EXACT"] == "1"


@every_setting
def test_where_numbers_come_from_says_it(exact: bool) -> None:
    with fc.options(exact=exact):
        here = current_environment()
    assert here.exact is exact
    for text in (here.origin(), here.headline, here.settings):
        assert (", exact" in text) is exact
    assert read_record(Environment, json.loads(json.dumps(asdict(here)))) == here


def test_a_file_from_before_it_was_asked_was_not_exact() -> None:
    plain: dict[str, Any] = asdict(current_environment())
    del plain["exact"]
    assert read_record(Environment, plain).exact is False
    del plain["cpu"]
    with pytest.raises(KeyError, match="cpu"):
        read_record(Environment, plain)
    with pytest.raises(TypeError, match="exact is 1"):
        read_record(Environment, {**asdict(current_environment()), "exact": 1})


def test_exact_times_are_not_compared_with_others() -> None:
    found = gate.obstacles(suite_of(record()), suite_of(record(), exact=True))
    assert found == ("exact False then, True now",)
    assert gate.obstacles(suite_of(record(), exact=True), suite_of(record(), exact=True)) == ()


@every_setting
def test_a_comparison_says_it(exact: bool) -> None:
    x, weight = np.ones((1, 1, 5, 6), np.float32), np.ones((2, 1, 3, 3), np.float32)
    with fc.options(exact=exact):
        found = fc.compare(fc.conv2d, x, weight, backends=("naive", "numpy"), repeats=1, backward=False)
    assert isinstance(found, Comparison)
    assert found.environment.exact is exact
    for text in (str(found), found.markdown(), replace(found).to_json()):
        assert ((", exact" in text) or ('"exact": true' in text)) is exact


@pytest.mark.slow
def test_the_suite_in_a_child_is_exact_where_it_was_asked_for() -> None:
    pytest.importorskip("pytest_benchmark")
    with fc.options(exact=True):
        outcome = child.run_suite(Selection(("add",), ("numpy",), batch=2, threads=1, quick=True))
    assert outcome.failures == ()
    assert read_suite(outcome.data, "here").environment.exact


@pytest.mark.slow
@every_setting
def test_an_engine_of_the_contest_is_so_too(exact: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    place = "exactness:Telling"
    with fc.options(exact=exact), engine_processes([FASTCONV._replace(place=place)], 1) as (process,):
        assert process.ask("versions") == {"versions": {"exact": str(exact)}}
