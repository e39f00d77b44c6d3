"""Cases with drawn sizes: they show where a function is right that is not right everywhere."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

import numpy as np

from fastconv.dropin.conventions.cases import Case
from fastconv.dropin.conventions.problem import OPERATIONS

_NAME = "drawn sizes"
_WHY = "one size alone is right, three of them together are not"
_WITH_ONE_SIZE, _WITH_A_SIZE_PER_AXIS = 150, 50
_MEMORIES = ("C", "C", "C", "F", "sliced", "read-only")


@cache
def drawn_cases() -> tuple[Case, ...]:
    """Return cases in which nearly every three properties are together, the same ones every time.

    Returns
    -------
    tuple of Case
        First those with one stride and one padding for both axes, then others, also with dilation.

    Notes
    -----
    The cases of `CASES` have every two usual properties together somewhere. A function that is wrong with padding, say,
    is right in those without it; these alone would not tell in which pairs of the other properties it is right.
    """
    rng = Random(0)
    uneven = [False] * _WITH_ONE_SIZE + [True] * _WITH_A_SIZE_PER_AXIS
    return tuple(Case(_NAME, _WHY, {name: _sizes(rng, name, each) for name in OPERATIONS}) for each in uneven)


def _sizes(rng: Random, operation: str, uneven: bool) -> dict[str, Any]:
    """Arguments of `draw`; the image is as large as one window at least."""
    stride = _pair(rng, (1, 1, 2, 2, 3), uneven and rng.random() < 0.5)
    kernel = _kernel(rng, stride)
    most = min(kernel) // 2 if "pool" in operation else min(kernel) - 1  # no window lies in the padding alone
    padding = _pair(rng, [pad for pad in (0, 0, 1, 1, 2) if pad <= most], uneven)
    dilation = (2, 2) if uneven and rng.random() < 0.3 else (1, 1)
    least = [max(1, d * (k - 1) + 1 - 2 * p) for k, p, d in zip(kernel, padding, dilation)]
    divides = rng.random() < 0.5
    size = [n + (s * rng.randrange(3) if divides else rng.randrange(2 * s + 1)) for n, s in zip(least, stride)]
    return {
        "images": rng.choice((1, 2, 3)),
        "channels": rng.choice((1, 2, 3)),
        "filters": rng.choice((1, 2, 3)),
        "size": (max(size),) * 2 if rng.random() < 0.5 else tuple(size),
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "values": "peaks" if operation == "max_pool2d" else "normal",
        "memory": rng.choice(_MEMORIES),
        "dtype": rng.choice((np.float64, np.float64, np.float32)),
        "seed": rng.randrange(2**16),
    }


def _pair(rng: Random, values: Any, uneven: bool) -> tuple[int, int]:
    first = rng.choice(values)
    return first, rng.choice(values) if uneven else first


def _kernel(rng: Random, stride: tuple[int, int]) -> tuple[int, int]:
    """A kernel beside which windows overlap, lie side by side, or leave gaps."""
    more = rng.choice((-1, 0, 1, 1, 2))
    height, width = (max(1, s + more) for s in stride)
    return (height, width) if rng.random() < 0.6 else (height + rng.randrange(2), width + rng.randrange(3))
