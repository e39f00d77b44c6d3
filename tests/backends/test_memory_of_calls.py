"""Memory does not grow with calls or shapes, and after a `MemoryError` everything goes on."""

from __future__ import annotations

import sys

import pytest
from programs import FULL, run
from strategies import BACKENDS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is measured and limited as Linux does it")

SHAPES, ROUNDS = (1000, 10) if FULL else (150, 4)
MOST = 64 * 2**20  # bytes: all plans together

GROWTH = f"""
import gc
import numpy as np
import fastconv as fc
from fastconv import functional

def resident():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

numbers = np.random.default_rng(0).standard_normal(200_000, dtype=np.float32)
weight = numbers[: 4 * 3 * 9].reshape(4, 3, 3, 3)

def calls(number):
    height, width = 5 + number % 40, 5 + number // 40
    x = numbers[: 2 * 3 * height * width].reshape(2, 3, height, width)
    y = fc.conv2d(x, weight, padding=1)
    fc.conv2d_backward(y, x, weight, padding=1)
    y, indices = fc.max_pool2d(x, 2, return_indices=True)
    fc.max_pool2d_backward(y, indices, x.shape)
    fc.avg_pool1d(numbers[None, None, : 100_000 + number], 4, stride=2)
    fc.avg_pool2d_backward(fc.avg_pool2d(x, 3, stride=1), x.shape, 3, stride=1)
    functional.batch_norm_backward(x, x)
    functional.softmax(x)

calls(0)
for round in range({ROUNDS}):
    for number in range({SHAPES}):
        calls(number)
    if round == 0:
        first = resident()
    elif round == 1:
        second = resident()
print(first, second, resident())
"""


@pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")
@pytest.mark.slow
def test_memory_does_not_grow_with_calls() -> None:
    """Of the second round on, every shape was there before; and the first leaves no more than plans may take."""
    first, second, last = map(int, run(GROWTH, FASTCONV_BACKEND="fast").split())
    assert last - second <= MOST // 8
    assert last - first <= MOST


EXHAUSTION = r"""
import re
import resource
import numpy as np
import fastconv as fc
from fastconv import functional, layers

fc.set_backend(BACKEND)
fc.set_num_threads(1)
x = np.random.default_rng(0).standard_normal((2, 4, 9, 8), dtype=np.float32)
weight = np.random.default_rng(1).standard_normal((6, 4, 3, 3), dtype=np.float32)
model = layers.Sequential(layers.Conv2d(4, 6, 3, rng=0), layers.BatchNorm2d(6), layers.ReLU(), layers.MaxPool2d(2))

def everything():
    y = fc.conv2d(x, weight, padding=1)
    scores = model.forward(x)
    pooled, indices = fc.max_pool2d(x, 2, return_indices=True)
    return [y, *fc.conv2d_backward(y, x, weight, padding=1), scores, model.backward(scores), pooled, indices,
            fc.avg_pool2d(x, 3), functional.batch_norm(x), fc.im2col(x, 3)]

before = everything()
large = np.broadcast_to(np.float32(1), (64, 4, 900, 800))  # 737 MB, where it is stored
limit = int(open("/proc/self/statm").read().split()[0]) * 4096 + 2**28
failed = 0
for number in range(3):
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    for call in (
        lambda: fc.conv2d(large, weight, padding=1),
        lambda: fc.conv2d_backward(np.broadcast_to(np.float32(1), (64, 6, 900, 800)), large, weight, padding=1),
        lambda: fc.avg_pool2d(large, 2, stride=1),
        lambda: fc.max_pool2d(large, 2, stride=1, return_indices=True),
        lambda: functional.batch_norm(large),
        lambda: model.forward(large),
    ):
        try:
            call()
        except fc.errors.MemoryLimitError as error:
            failed += bool(re.match(r"\w+: its arrays must fit into memory, but \d+ bytes .* are not", str(error)))
    after = everything()  # the limit is still there
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    for one, other in zip(before, after):
        assert np.array_equal(one, other)
print(failed)
"""


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "naive"])
def test_everything_works_after_a_memory_error(backend: str) -> None:
    code = EXHAUSTION.replace("BACKEND", repr(backend))
    assert int(run(code)) == 18
