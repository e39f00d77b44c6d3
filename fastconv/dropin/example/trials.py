"""Whether a description of a function holds for a problem: by running both."""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import Any

import numpy as np

from fastconv.dropin.conventions.expected import expected
from fastconv.dropin.conventions.problem import Problem, draw
from fastconv.dropin.example.black_box import BlackBox
from fastconv.dropin.example.description import Forward
from fastconv.dropin.example.fitting import fitted, laid, y_of
from fastconv.dropin.example.windows import close


class Outcome(Enum):
    """What a trial shows."""

    AGREES = "agrees"
    DIFFERS = "differs"
    RAISED = "raised"


@cache
def probes(operation: str) -> tuple[Problem, Problem]:
    """Two small problems that have no size in common."""
    first: dict[str, Any]
    second: dict[str, Any]
    if operation == "conv2d":
        first = {"size": (6, 10), "kernel": (3, 2)}
        second = {"size": (8, 6), "kernel": (2, 4), "stride": (2, 2), "padding": (1, 1)}
    else:
        first, second = ({"size": (3 * k, 4 * k), "kernel": (k, k), "stride": (k, k)} for k in (2, 3))
    return (
        draw(operation, images=3, channels=2, filters=5, seed=1, **first),
        draw(operation, images=2, channels=4, filters=3, seed=2, **second),
    )


def trial(box: BlackBox, forward: Forward, problem: Problem) -> Outcome:
    """Run a function on a problem that is made to fit, and compare its output with what it is said to be."""
    try:
        problem = fitted(forward, problem)
        right = expected(problem, "numpy").y
        call = laid(forward, box, problem)
        box.run(call)
        y = y_of(forward, call, problem)
    except Exception:  # noqa: BLE001 - theirs, or ours where no problem has such sizes
        return Outcome.RAISED
    return Outcome.AGREES if isinstance(y, np.ndarray) and close(y, right) else Outcome.DIFFERS


def holds(box: BlackBox, forward: Forward) -> bool:
    """Whether a description holds for both probes."""
    return all(trial(box, forward, problem) is Outcome.AGREES for problem in probes(forward.operation))
