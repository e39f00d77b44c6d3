"""Functions in this thread with a time limit: an endless loop is left, and nothing is raised afterwards."""

from __future__ import annotations

import sys
import time

import pytest

from fastconv.evidence.watchdog import EndedError, NotEndedError, call_within

LONG = 300.0  # seconds; nothing here comes near it


def test_a_result_comes_back() -> None:
    assert call_within(lambda: [1, 2], LONG) == [1, 2]


def test_an_exception_comes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        call_within(lambda: 1 // 0, LONG)


@pytest.mark.parametrize(("code", "number"), [(3, 3), (None, 0), ("no", 1)])
def test_an_exit_is_told(code: object, number: int) -> None:
    with pytest.raises(EndedError, match=f"it ended its process with exit code {number}") as error:
        call_within(lambda: sys.exit(code), LONG)  # type: ignore[arg-type]
    assert error.value.code == number


def test_an_endless_loop_is_left() -> None:
    def endless() -> None:
        while True:
            pass

    with pytest.raises(NotEndedError, match=r"it did not end within 0\.1 s"):
        call_within(endless, 0.1)


def test_code_that_catches_everything_is_left() -> None:
    caught = []

    def stubborn() -> None:
        while len(caught) < 2:
            try:
                while True:
                    pass
            except BaseException as error:  # noqa: BLE001
                caught.append(error)
        while True:
            pass

    with pytest.raises(NotEndedError):
        call_within(stubborn, 0.1)
    assert len(caught) == 2


def test_nothing_is_raised_afterwards() -> None:
    """Functions that end at about the time limit: each ends or does not, and the next statements run."""
    ended = 0
    for i in range(40):
        try:
            ended += call_within(lambda wait=0.001 * (i % 3): time.sleep(wait) or 1, 0.001)
        except NotEndedError:
            ended += 1
        time.sleep(0.002)
    assert ended == 40
