"""Pooling beside PyTorch, both passes through the public functions: ``python docs/pools_against_pytorch.py``.

Both run on one thread of one process, in turns, on arrays of their own, in both memory orders; what they return is
compared before it is timed. A time is the lower quartile of many, in processor time of the thread, so that other
programs disturb it less. A ratio is PyTorch's time over fastconv's, each in the order in which it is quicker: above 1,
fastconv is ahead. `--only` takes a part of a name, `--json` a file for the numbers.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import geometric_mean
from typing import Any, NamedTuple

import numpy as np
import torch

import fastconv as fc

ATEN = torch.ops.aten
PASSES = ("forward", "backward", "both")
NS = 1e9


class Case(NamedTuple):
    """One pooling; the output size stands for the kernel where it is adaptive."""

    name: str
    kind: str
    shape: tuple[int, int, int, int]
    kernel: int
    stride: int = 0
    padding: int = 0
    ceil: bool = False


CASES = (
    Case("max 2x2 s2, 64 @56", "max", (8, 64, 56, 56), 2, 2),
    Case("max 3x3 s2, 64 @112: the ResNet stem", "max", (8, 64, 112, 112), 3, 2, 1),
    Case("max 3x3 s2, 64 @112, batch 1", "max", (1, 64, 112, 112), 3, 2, 1),
    Case("max 3x3 s2 ceil, 64 @111, batch 1: SqueezeNet", "max", (1, 64, 111, 111), 3, 2, 0, True),
    Case("max 3x3 s1, 64 @28", "max", (8, 64, 28, 28), 3, 1, 1),
    Case("max 5x5 s1, 256 @13", "max", (4, 256, 13, 13), 5, 1, 2),
    Case("max 2x2 s2, 512 @14", "max", (8, 512, 14, 14), 2, 2),
    Case("max 2x2 s2, 32 @16, batch 64", "max", (64, 32, 16, 16), 2, 2),
    Case("max 2x2 s2, 6 @28, batch 64: LeNet", "max", (64, 6, 28, 28), 2, 2),
    Case("max 2x2 s2, 3 @32, batch 100", "max", (100, 3, 32, 32), 2, 2),
    Case("max 2x2 s2, 20 @24, batch 1", "max", (1, 20, 24, 24), 2, 2),
    Case("average 2x2 s2, 64 @56", "avg", (8, 64, 56, 56), 2, 2),
    Case("average 3x3 s1, 192 @28: Inception", "avg", (8, 192, 28, 28), 3, 1, 1),
    Case("average 3x3 s2, 64 @56", "avg", (8, 64, 56, 56), 3, 2, 1),
    Case("average 5x5 s3, 64 @35", "avg", (8, 64, 35, 35), 5, 3),
    Case("average 2x2 s2, 512 @14", "avg", (8, 512, 14, 14), 2, 2),
    Case("average 2x2 s2, 16 @10, batch 64: LeNet", "avg", (64, 16, 10, 10), 2, 2),
    Case("average 2x2 s2, 20 @24, batch 1", "avg", (1, 20, 24, 24), 2, 2),
    Case("adaptive average to 7, 512 @14", "adaptive", (8, 512, 14, 14), 7),
    Case("adaptive average to 6, 256 @13", "adaptive", (8, 256, 13, 13), 6),
    Case("global average, 512 @7, batch 32", "adaptive", (32, 512, 7, 7), 1),
    Case("global average, 64 @8, batch 128", "adaptive", (128, 64, 8, 8), 1),
    Case("global average, 1280 @7, batch 1", "adaptive", (1, 1280, 7, 7), 1),
)


class Pair(NamedTuple):
    """A forward pass, and the backward pass of what it returned."""

    forward: Callable[[], Any]
    backward: Callable[[Any], Any]


def in_order(array: np.ndarray, last: bool) -> np.ndarray:
    """A copy as planes, or channels-last."""
    return array.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2) if last else array.copy()


def own(case: Case, x: np.ndarray, dy: np.ndarray) -> Pair:
    """Both passes of fastconv."""
    window = {"stride": case.stride, "padding": case.padding, "ceil_mode": case.ceil}
    if case.kind == "max":
        forward = partial(fc.max_pool2d, x, case.kernel, return_indices=True, **window)
        return Pair(forward, lambda y: fc.max_pool2d_backward(dy, y[1], x.shape))
    if case.kind == "avg":
        forward = partial(fc.avg_pool2d, x, case.kernel, **window)
        return Pair(forward, lambda y: fc.avg_pool2d_backward(dy, x.shape, case.kernel, **window))
    return Pair(partial(fc.adaptive_avg_pool2d, x, case.kernel), lambda y: fc.adaptive_avg_pool2d_backward(dy, x.shape))


def other(case: Case, x: np.ndarray, dy: np.ndarray) -> Pair:
    """The same with the operators that PyTorch's autograd runs."""
    t, dt = torch.from_numpy(x), torch.from_numpy(dy)
    window = [case.kernel] * 2, [case.stride] * 2, [case.padding] * 2
    if case.kind == "max":
        more = [1, 1], case.ceil
        forward = partial(ATEN.max_pool2d_with_indices, t, *window, *more)
        return Pair(forward, lambda y: ATEN.max_pool2d_with_indices_backward(dt, t, *window, *more, y[1]))
    if case.kind == "avg":
        forward = partial(ATEN.avg_pool2d, t, *window, case.ceil, True)
        return Pair(forward, lambda y: ATEN.avg_pool2d_backward(dt, t, *window, case.ceil, True, None))
    if case.kernel == 1:  # autograd takes it for a mean
        return Pair(lambda: t.mean((2, 3), keepdim=True), lambda y: dt.expand(t.shape) / (t.shape[2] * t.shape[3]))
    return Pair(
        partial(ATEN._adaptive_avg_pool2d, t, [case.kernel] * 2), lambda y: ATEN._adaptive_avg_pool2d_backward(dt, t)
    )


def calls(pair: Pair) -> dict[str, Callable[[], Any]]:
    """What is timed, by the name of the pass."""
    y = pair.forward()
    return {
        "forward": pair.forward,
        "backward": lambda: pair.backward(y),
        "both": lambda: pair.backward(pair.forward()),
    }


def compare(ours: Pair, theirs: Pair) -> None:
    """Raise where the two do not agree."""
    results = [(y := pair.forward(), pair.backward(y)) for pair in (ours, theirs)]
    for a, b in zip(*results):
        for one, two in zip(a, b) if isinstance(a, tuple) else [(a, b)]:
            fc.testing.assert_close(one, np.asarray(two))


def quartiles(runs: dict[Any, Callable[[], Any]], seconds: float) -> dict[Any, float]:
    """Lower quartile of the time of each, in µs, in turns of about 2 ms."""
    times: dict[Any, list[float]] = {key: [] for key in runs}
    repeats = {}
    for key, run in runs.items():
        run()
        start = time.thread_time_ns()
        run()
        repeats[key] = max(1, int(0.002 * NS) // max(time.thread_time_ns() - start, 1))
    stop = time.thread_time_ns() + seconds * NS * len(runs)
    while time.thread_time_ns() < stop or len(times[next(iter(runs))]) < 5:
        for key, run in runs.items():
            start = time.thread_time_ns()
            for _ in range(repeats[key]):
                run()
            times[key].append((time.thread_time_ns() - start) / repeats[key] / 1e3)
    return {key: float(np.percentile(values, 25)) for key, values in times.items()}


def measure(case: Case, dtype: str, seconds: float) -> dict[str, list[float]]:
    """(µs of fastconv, µs of PyTorch) of each pass, each in its quicker memory order."""
    rng, best = np.random.default_rng(0), {step: [np.inf, np.inf] for step in PASSES}
    x = rng.standard_normal(case.shape).astype(dtype)
    y = own(case, x, x).forward()
    dy = rng.standard_normal((y[0] if case.kind == "max" else y).shape).astype(dtype)
    for last in (False, True):
        pairs = [make(case, in_order(x, last), in_order(dy, last)) for make in (own, other)]
        compare(*pairs)
        runs = {(step, i): run for i, pair in enumerate(pairs) for step, run in calls(pair).items()}
        for (step, i), found in quartiles(runs, seconds).items():
            best[step][i] = min(best[step][i], found)
    return best


def main() -> None:
    """Print the table, and save its numbers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="part of the names to run")
    parser.add_argument("--dtype", default="float32", choices=("float32", "float64"))
    parser.add_argument("--seconds", type=float, default=0.1, help="for each pass of each library")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    given = parser.parse_args()
    torch.set_num_threads(1)
    fc.set_num_threads(1)
    print(f"fastconv {fc.__version__}, PyTorch {torch.__version__}, {given.dtype}, one thread; µs\n")
    print("| pooling | forward | PyTorch | backward | PyTorch | both | PyTorch | ratio of both |")
    print("|---|---|---|---|---|---|---|---|")
    found = {case.name: measure(case, given.dtype, given.seconds) for case in CASES if given.only in case.name}
    for name, best in found.items():
        cells = " | ".join(f"{number:.0f}" for step in PASSES for number in best[step])
        print(f"| {name} | {cells} | {best['both'][1] / best['both'][0]:.2f} |")
    for step in PASSES:
        ratios = [best[step][1] / best[step][0] for best in found.values()]
        print(f"\n{step}: geometric mean {geometric_mean(ratios):.2f}, least {min(ratios):.2f}")
    if given.json is not None:
        given.json.write_text(json.dumps({"dtype": given.dtype, "microseconds": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
