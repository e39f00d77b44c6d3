"""The memory of a program is known before anything is computed."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

import fastconv as fc
from fastconv import layers as L
from fastconv import models
from fastconv.optim import SGD

NETWORKS: dict[str, tuple[Callable[[], L.Layer], tuple[int, ...]]] = {
    "lenet": (lambda: models.LeNet5(rng=0), (12, 1, 28, 28)),
    "resnet": (lambda: models.ResNet(8, rng=0), (8, 3, 32, 32)),
    "vgg": (lambda: models.SmallVGG(rng=0), (3, 3, 32, 32)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_arena_of_a_training_step_is_planned_and_is_all_that_it_takes(name: str) -> None:
    make, shape = NETWORKS[name]
    model, x, labels = make(), np.ones(shape, np.float32), np.zeros(shape[0], np.int64)
    before = model.state_dict()
    planned = fc.summary(model, shape, optimizer="momentum", program=True)
    for key, values in model.state_dict().items():
        np.testing.assert_array_equal(values, before[key])
    step = fc.compile(model, x, labels, optimizer=SGD(model.parameters(), lr=0.01, momentum=0.9))
    recorded = next(iter(step._recorded.values()))
    assert recorded is not None
    assert planned.program_arena_bytes == recorded.recorded.program.arena_bytes
    tracemalloc.start()
    step(x, labels)  # the first call takes the arena
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert planned.program_arena_bytes is not None
    assert planned.program_arena_bytes == pytest.approx(peak, rel=0.1)
    assert planned.peak_program_bytes is not None
    assert planned.peak_program_bytes < planned.peak_training_bytes


@pytest.mark.parametrize("name", NETWORKS)
def test_the_arena_of_an_inference_is_planned_and_is_all_that_it_takes(name: str) -> None:
    make, shape = NETWORKS[name]
    model, x = make(), np.ones(shape, np.float32)
    planned = fc.summary(model, shape, training=False, program=True)
    program = fc.compile(model, x)
    recorded = next(iter(program._recorded.values())).program
    assert planned.program_arena_bytes == recorded.arena_bytes
    for one in (recorded, getattr(recorded, "_rest", None)):
        if one is not None:
            one._contexts.clear()
    tracemalloc.start()
    program(x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert recorded.arena_bytes == pytest.approx(peak, rel=0.1)
    assert str(planned).count("of a program") == 2


def test_what_cannot_be_planned_is_refused() -> None:
    with pytest.raises(ValueError, match="a program is planned for float32 or float64"):
        fc.summary(L.ReLU(), (2, 3), dtype=np.float16, program=True)
    with pytest.raises(ValueError, match="a batch that is not empty"):
        fc.summary(L.ReLU(), (0, 3), program=True)
