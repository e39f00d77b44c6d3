"""The life of a program: shapes, memory, weights that change, pickles, threads and forks."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import threading
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from programs import patience

import fastconv as fc
from fastconv import layers as L
from fastconv import models
from fastconv.backends.fast import program as engine
from fastconv.backends.fast.memory.workspace import aligned
from fastconv.errors import InvalidTypeError, InvalidValueError, StaleProgramError
from fastconv.optim import SGD
from fastconv.programs import Program
from tests.support.networks import MODEL, NETWORKS, Own, assert_bits, layers_of, normal, trained


def test_the_shapes_recorded_last_are_kept() -> None:
    program = fc.compile(MODEL)
    for batch in (*range(1, 11), 2, 10):
        x = normal(batch, 3, 8, 10)
        assert_bits(program(x), layers_of(MODEL, x))
    assert [key[0][0] for key in program._recorded] == [4, 5, 6, 7, 8, 9, 10, 2]


def test_nothing_hangs_on_plans_and_buffers_of_the_engine() -> None:
    model = NETWORKS["resnet"][0]()
    x = normal(2, 3, 32, 32)
    program, expected = fc.compile(model, x, fuse=False), layers_of(model, x)
    del model
    fc.release()
    gc.collect()
    rubbish = [np.full(size, -1) for size in range(1, 3000, 7)]
    assert_bits(program(x), expected)
    del rubbish


def test_an_arena_is_smaller_than_what_lies_in_it_and_results_stay() -> None:
    x = normal(4, 3, 32, 32)
    program = fc.compile(models.ResNet(20, rng=0), x)
    one, two = program(x), program(-x)
    assert not np.shares_memory(one, two)
    assert not np.array_equal(one, two)
    arena = next(iter(program._recorded.values())).program.arena_bytes
    assert arena < 6 * 4 * 16 * 32 * 32 * 4  # of some 50 arrays as large or a half or a quarter


def test_a_view_of_the_input_is_copied() -> None:
    x = normal(2, 3, 4)
    y = fc.compile(L.Sequential(L.Identity(), L.Flatten()), x)(x)
    assert_bits(y, x.reshape(2, 12))
    assert not np.shares_memory(x, y)


def test_out_is_filled() -> None:
    x, out = normal(3, 3, 8, 10), np.empty((3, 5), np.float32)
    program = fc.compile(MODEL, x)
    assert program(x, out=out) is out
    assert_bits(out, layers_of(MODEL, x))
    with pytest.raises(InvalidValueError, match=r"out must have shape \(3, 5\)"):
        program(x, out=np.empty((5, 3), np.float32))
    with pytest.raises(InvalidTypeError, match="out must be an array of float32, but got float64"):
        program(x, out=np.empty((3, 5)))


def test_out_is_written_in_place_where_that_is_safe() -> None:
    x = aligned(4 * 3 * 4 * 5 * 6).view(np.float32).reshape(3, 4, 5, 6)
    x[...] = normal(*x.shape)
    model = L.Sequential(L.ReLU(), L.AvgPool2d(1), L.ReLU())
    program, right = fc.compile(model, x), layers_of(model, x)
    for out in (
        aligned(x.nbytes).view(np.float32).reshape(x.shape),
        np.empty((3, 5, 6, 4), np.float32).transpose(0, 3, 1, 2),
    ):
        assert program(x, out=out) is out
        assert_bits(out, right)
    recorded = next(iter(program._recorded.values())).program
    memory = aligned(x.nbytes + 64)
    places = [memory[first : first + x.nbytes].view(np.float32).reshape(x.shape) for first in range(0, 64, 16)]
    assert any(recorded(x, out=out) is out for out in places)  # where it lies as the output did that was recorded
    assert recorded(x, out=x) is not x  # which later kernels read
    assert_bits(program(x, out=x), right)


def test_bad_calls_are_refused() -> None:
    with pytest.raises(InvalidTypeError, match="model must be a Layer"):
        fc.compile(lambda x: x)  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="by x or by input_shape, but got both"):
        fc.compile(MODEL, normal(1, 3, 8, 10), input_shape=(1, 3, 8, 10))
    with pytest.raises(InvalidValueError, match="4 channels of x"):
        fc.compile(MODEL, input_shape=(1, 4, 8, 10))
    for shape in ((1, 3, 8.5, 10), 5, "abc"):
        with pytest.raises(InvalidTypeError, match="compile: input_shape must be a sequence of integers"):
            fc.compile(MODEL, input_shape=shape)  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="compile: input_shape must be at least 0, but got -3"):
        fc.compile(MODEL, input_shape=(1, -3, 8, 10))
    program = fc.compile(MODEL, input_shape=(1, 3, 8, 10))
    with pytest.raises(InvalidValueError, match="Linear"):
        program(normal(1, 3, 8, 12))
    x = normal(1, 3, 8, 10)
    assert_bits(program(x), layers_of(MODEL, x))


def replaced(model: Any) -> None:
    model[0].weight = model[0].weight.data * 2


def loaded(model: Any) -> None:
    model.load_state_dict({**model.state_dict(), "0.bias": np.arange(4.0)})


def stepped(model: Any) -> None:
    model[0].weight.accumulate(np.ones((4, 3, 3, 3), np.float32))
    SGD(model.parameters(), lr=0.1).step()


def ran_in_training(model: Any) -> None:
    model.train()(normal(2, 3, 6, 6))


def cast(model: Any) -> None:
    model.cast(np.float64)


def reset(model: Any) -> None:
    model[1].reset_running_stats()


def assigned(model: Any) -> None:
    model[1].running_var = [1.0, 2, 3, 4]


@pytest.mark.parametrize("change", [replaced, loaded, stepped, ran_in_training, cast, reset, assigned])
def test_a_stale_program_says_so(change: Callable[[Any], None]) -> None:
    model = L.Sequential(L.Conv2d(3, 4, 3, rng=0), trained(L.BatchNorm2d(4), 4, 4, 3, 3))
    x = normal(2, 3, 6, 6)
    program, other = fc.compile(model, x, fuse=False), fc.compile(deepcopy(model), x, fuse=False)
    before = program(x)
    change(model)
    for _ in range(2):
        with pytest.raises(StaleProgramError, match=r"update\(\)"):
            program(x)
    assert_bits(other(x), before)
    program.update()
    assert_bits(program(x), layers_of(model, x))


def test_a_program_is_pickled_with_its_shapes() -> None:
    x = normal(3, 3, 8, 10)
    program = fc.compile(MODEL, x)
    copy = pickle.loads(pickle.dumps(program))
    assert [key[0] for key in copy._recorded] == [x.shape]
    assert_bits(copy(x), program(x))


@pytest.mark.parametrize("name", ["numpy", "naive"])
def test_other_backends_run_the_layers(name: str) -> None:
    model = L.Sequential(L.Conv2d(3, 4, 3, rng=0), L.BatchNorm2d(4), L.ReLU())
    x = normal(1, 3, 5, 6)
    with fc.use_backend(name):
        program, expected = fc.compile(model, x, fuse=False), layers_of(model, x)
    assert f"backend {name}" in repr(program)
    assert_bits(program(x), expected)


def test_settings_are_those_of_the_recording_and_bits_do_not_depend_on_threads() -> None:
    x = normal(2, 3, 32, 32)
    model = NETWORKS["vgg"][0]()
    with fc.use_num_threads(1), fc.options(max_workspace=2**16):
        program = fc.compile(model, x)
    text = repr(program)
    assert "1 thread," in text
    assert "max_workspace=65536" in text
    assert_bits(program(x), fc.compile(model, x)(x))


def test_python_threads_share_a_program() -> None:
    program = fc.compile(NETWORKS["resnet A"][0](), fuse=False)
    inputs = [normal(1, 3, 32, 32) for _ in range(8)]
    expected = [program(x) for x in inputs]
    failures: list[Any] = []

    def work(i: int) -> None:
        for k in range(30):
            j = (i + k) % 8
            if not np.array_equal(program(inputs[j]), expected[j]):
                failures.append((i, k))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_recordings_of_several_threads_do_not_meet() -> None:
    results: dict[int, Any] = {}
    inputs = {i: normal(i + 1, 3, 8, 10) for i in range(4)}

    def work(i: int) -> None:
        results[i] = fc.compile(MODEL, fuse=False)(inputs[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        fc.conv2d(normal(1, 3, 9, 9), normal(4, 3, 3, 3))
    for thread in threads:
        thread.join()
    for i, x in inputs.items():
        assert_bits(results[i], layers_of(MODEL, x))


def test_long_programs_are_cut_for_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    x = normal(3, 3, 8, 10)
    monkeypatch.setattr(engine, "SLICE", 1)
    program = Program(MODEL)
    y = program(x)
    recorded = next(iter(program._recorded.values())).program
    assert len(recorded._parts) == len(recorded.runs) > 3
    assert_bits(y, layers_of(MODEL, x))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_that_is_forked_while_a_program_records_can_record() -> None:
    reached, done = threading.Event(), threading.Event()
    parent = os.getpid()

    def waits(_: Any, x: Any) -> Any:
        if len(x) == 3 and os.getpid() == parent:
            reached.set()
            done.wait(patience())
        return x + 1

    program = fc.compile(L.Sequential(L.ReLU(), Own(lambda *given: held[0](*given))), normal(2, 3, 6, 6))
    held[0] = waits
    thread = threading.Thread(target=program, args=(normal(3, 3, 6, 6),))
    thread.start()
    assert reached.wait(patience())
    child = os.fork()
    if not child:
        signal.alarm(patience())
        program(normal(4, 3, 6, 6))
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    done.set()
    thread.join()
    assert status == 0


held: list[Callable[..., Any]] = [lambda _, x: x + 1]


class Starts(L.Identity):
    """A layer of somebody's own that waits for a thread, which records a program."""

    def forward(self, x: Any) -> Any:
        results: list[Any] = []
        thread = threading.Thread(target=lambda: results.append(fc.compile(MODEL)(np.zeros((1, 3, 8, 10), np.float32))))
        thread.start()
        thread.join(patience())
        assert results
        return super().forward(x)


def test_a_thread_that_a_recording_waits_for_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastconv.backends.fast.machine import record

    monkeypatch.setattr(record, "PATIENCE", 0.05)
    x = normal(2, 3)
    assert_bits(fc.compile(L.Sequential(Starts(), L.ReLU()), x)(x), layers_of(L.ReLU(), x))
