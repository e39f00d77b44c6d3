"""Limits of time in tests: they come from one place, which follows the load of the machine."""

from __future__ import annotations

import os
import re

import programs
import pytest
from programs import TESTS, patience, until

# a number of seconds that a test would wait for; programs that tests write stand in strings, so the text is searched
LITERAL = re.compile(
    r"\btimeout(: \w+)? ?= ?[\d.]+|\.(wait|join|alarm|communicate)\([\d.]*[1-9]|(monotonic|perf_counter)\(\).*[<+] *\d"
)


def found_in(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if LITERAL.search(line)]


def test_no_test_has_a_limit_of_its_own() -> None:
    texts = {path.name: found_in(path.read_text(encoding="utf-8")) for path in TESTS.rglob("*.py")}
    del texts["test_limits_of_time.py"]
    assert {name: lines for name, lines in texts.items() if lines} == {}


def test_limits_are_found() -> None:
    planted = (
        "process.communicate(timeout=60)", "def run(code, timeout: float = 240):", "thread.join(10)", "signal.alarm(5)",
        "barrier = threading.Barrier(6, timeout=0.5)", "end = time.monotonic() + 10",
        "assert time.perf_counter() - started < 300",
    )  # fmt: skip
    assert found_in("\n".join(planted)) == list(planted)
    assert found_in("thread.join()\nprocess.wait(delay)\nsignal.alarm(0)\n', '.join(names)\n'0'.join(row)") == []


@pytest.mark.skipif(not hasattr(os, "getloadavg"), reason="the load is known to POSIX alone")
def test_a_busy_machine_gets_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def at(load: float) -> int:
        monkeypatch.setattr(os, "getloadavg", lambda: (load * (os.cpu_count() or 1), 0.0, 0.0))
        return patience()

    assert at(0) == at(0.5) == 600
    assert at(4) == 8 * at(0)


def test_what_never_comes_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_HUNG", 0)
    answers = iter([0, 0, 7])
    assert until(lambda: 0) == 0
    monkeypatch.undo()
    assert until(lambda: next(answers)) == 7
