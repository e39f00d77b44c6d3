"""From which size on Winograd's algorithm is the faster one: both, in turns, on one thread, over sizes and channels.

``python -m benchmarks.crossovers > docs/generated/crossovers.md`` writes the table of `docs/kernels.md`: the time of
the direct method over that of Winograd's, forward / weight gradient, where it is always taken, and in bold where
`winograd.cost` takes it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

import fastconv as fc
from fastconv.backends.fast.conv.passes import forward_pass
from fastconv.backends.fast.machine.target import host
from fastconv.backends.fast.memory.plan_cache import forget_plans
from fastconv.backends.fast.winograd import cost
from fastconv.backends.fast.winograd.gradient import takes_winograd_gradient
from fastconv.backends.fast.winograd.plan import takes_winograd
from fastconv.backends.geometry import Axis, ConvGeometry

SIDES = (4, 7, 10, 14, 28, 56)
LAYERS = [(1, channels, (3, 3)) for channels in (8, 16, 32, 64, 128, 256)]
LAYERS += [(8, channels, (3, 3)) for channels in (8, 16, 32, 64, 128, 256)]
LAYERS += [(8, 64, taps) for taps in ((1, 3), (5, 5), (1, 5), (1, 7))]
MOST = 8 * 64 * 64 * 56 * 56  # products of a tap
ROUNDS = 25


def _passes(batch: int, channels: int, taps: tuple[int, int], side: int) -> Iterator[Callable[[], object]]:
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal((batch, side, side, channels), np.float32).transpose(0, 3, 1, 2) for _ in range(2))
    weight, padding = rng.standard_normal((channels, channels, *taps), np.float32), (taps[0] // 2, taps[1] // 2)
    yield partial(fc.conv2d, x, weight, padding=padding)
    yield partial(fc.conv2d_backward, dy, x, weight, padding=padding, needs=("weight",))


def _ratio(run: Callable[[], object]) -> float:
    """Time of the exact method over that of the other; the lower quartile of each."""
    times: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(ROUNDS):
        for exact, found in times.items():
            with fc.options(exact=exact):
                start = time.thread_time()
                run()
                found.append(time.thread_time() - start)
    exact, other = (np.quantile(found[2:], 0.25) for found in times.values())
    return float(exact / other)


def _taken(batch: int, channels: int, taps: tuple[int, int], side: int) -> list[bool]:
    axes = tuple(Axis(side, count, 1, 1, count // 2, count // 2, side) for count in taps)
    task = forward_pass(ConvGeometry(axes, batch, channels, channels, 1))
    return [takes_winograd(task, 4), takes_winograd_gradient(task, 4)]


def main() -> None:
    """Print the table."""
    fc.set_num_threads(1)
    taken = {(layer, side): _taken(*layer, side) for layer in LAYERS for side in SIDES}
    forget_plans()
    cost.MARGIN = 0.0  # always
    print(f"| images, channels, taps ({host().name}) | " + " | ".join(f"{side}×{side}" for side in SIDES) + " |")
    print("|---" * (len(SIDES) + 1) + "|")
    for layer in LAYERS:
        batch, channels, taps = layer
        cells = []
        for side in SIDES:
            if batch * channels**2 * side**2 > MOST:
                cells.append("")
                continue
            ratios = [_ratio(run) for run in _passes(*layer, side)]
            words = (f"**{r:.2f}**" if takes else f"{r:.2f}" for r, takes in zip(ratios, taken[layer, side]))
            cells.append(" / ".join(words))
        print(f"| {batch}, {channels}, {taps[0]}×{taps[1]} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
