"""One call makes a module of loops fast
=====================================

One call makes a module of loops hundreds of times faster, and proves first that the numbers stay the same.

The layers are those of ``loop_layers.py`` beside this file. They run on the sizes of the course's own comparison, or on
as many images of it as the loops can do in bearable time, before and after ``fastconv.accelerate``.

On a command line::

    python examples/accelerate_loops.py
    python examples/accelerate_loops.py --images 100
"""

# sphinx_gallery_thumbnail_path = "_static/compare.png"

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import loop_layers
import numpy as np

import fastconv as fc

CONV = {"stride": 2, "pad": 1}
POOL = {"pool_height": 2, "pool_width": 2, "stride": 2}


def passes(images: int) -> dict[str, Any]:
    """Every pass by the name of its function: it calls whatever the module has under that name now."""
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(shape) for shape in ((images, 3, 31, 31), (25, 3, 3, 3), (25,)))
    planes = rng.standard_normal((images, 3, 32, 32))
    dy, dpooled = rng.standard_normal((images, 25, 16, 16)), rng.standard_normal((images, 3, 16, 16))
    return {
        "conv_forward_naive": lambda: loop_layers.conv_forward_naive(x, w, b, CONV)[0],
        "conv_backward_naive": lambda: loop_layers.conv_backward_naive(dy, (x, w, b, CONV)),
        "max_pool_forward_naive": lambda: loop_layers.max_pool_forward_naive(planes, POOL)[0],
        "max_pool_backward_naive": lambda: loop_layers.max_pool_backward_naive(dpooled, (planes, POOL)),
    }


def timed(run: Callable[[], Any], repeats: int = 1) -> tuple[Any, float]:
    """Result of a call, and the shortest time of several, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = run()
        times.append(time.perf_counter() - start)
    return result, min(times)


def difference(one: Any, other: Any) -> float:
    """Largest difference between two results, relative to the largest number in them."""
    pairs = zip(one, other) if isinstance(one, tuple) else [(one, other)]
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Loops before and after fastconv.accelerate.")
    parser.add_argument("--images", type=int, default=20, help="images of the batch (default: 20)")
    runs = passes(parser.parse_args(argv).images)
    before = {name: timed(run) for name, run in runs.items()}
    start = time.perf_counter()
    accelerated = fc.accelerate(loop_layers)
    print(f"{accelerated}\nproven equal and replaced in {time.perf_counter() - start:.1f} s\n")
    print(f"{'':<24}{'before':>10}{'after':>12}{'faster':>10}  largest difference")
    ok = not accelerated.refused
    for name, (expected, slow) in before.items():
        runs[name]()  # the first call of a size makes its plan
        result, fast = timed(runs[name], repeats=50)
        off = difference(result, expected)
        ok &= off < 1e-9
        print(f"{name:<24}{slow:>8.3f} s{fast * 1e3:>9.3f} ms{slow / fast:>9,.0f}x  {off:.1e}")
    accelerated.undo()
    return 0 if ok else 1


if __name__ == "__main__":
    if main() != 0:
        raise SystemExit(1)
