"""What is done in one pass, or in groups of images, has the bits of the layers, but for batch norm that is folded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastconv as fc
from fastconv import layers as L
from fastconv.backends.fast import grouped
from fastconv.backends.fast.grouped import GroupedProgram
from fastconv.functional.relu import relu
from tests.support.networks import NETWORKS, Scaled, assert_bits, layers_of, normal, trained


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
def test_a_norm_is_folded_into_every_group(transposed: bool, groups: int) -> None:
    kind = L.ConvTranspose2d if transposed else L.Conv2d
    conv = kind(6, 4, 3, groups=groups, bias=False, dtype=np.float64, rng=0)
    norm = trained(L.BatchNorm2d(4, dtype=np.float64), 3, 4, 5, 5)
    norm.weight, norm.bias = [1.0, 2, 3, 4], [4.0, 3, 2, 1]
    x = normal(2, 6, 7, 8, dtype=np.float64)
    program = fc.compile(L.Sequential(conv, L.Sequential(norm)), x)
    assert program.folded == 1
    np.testing.assert_allclose(program(x), layers_of(L.Sequential(conv, norm), x), rtol=1e-12, atol=1e-12)


def test_norms_that_do_not_follow_their_layer_stay() -> None:
    own_statistics = L.BatchNorm2d(4, track_running_stats=False)
    model = L.Sequential(L.Conv2d(3, 4, 3, rng=0), L.ReLU(), L.BatchNorm2d(4), L.Conv2d(4, 4, 1, rng=0), own_statistics)
    x = normal(2, 3, 6, 6)
    program = fc.compile(model, x)
    assert program.folded == 0
    assert_bits(program(x), layers_of(model, x))


class Rectified(L.Conv2d):
    """A convolution of somebody's own, which does something after it."""

    def forward(self, x: Any) -> Any:
        return relu(super().forward(x))


class Tapped(Scaled):
    """A layer that uses the layers of a Sequential inside one by one, too."""

    def __init__(self) -> None:
        super().__init__()
        self.block = L.Sequential(L.Conv2d(3, 4, 3, rng=0), shifted())

    def forward(self, x: Any) -> Any:
        return self.block(x) + self.block[0](x)


def shifted(dtype: Any = np.float32) -> L.Layer:
    norm = L.BatchNorm2d(4, dtype=dtype)
    norm.running_mean = [3.0, -2, 1, 0]
    return norm


@pytest.mark.parametrize(
    "make",
    [
        lambda: L.Sequential(Rectified(3, 4, 3, rng=0), shifted()),
        lambda: Tapped(),
        lambda: L.Sequential(L.Conv2d(3, 4, 3, rng=0), shifted(np.float64)),
    ],
    ids=["own class", "taps", "wider norm"],
)
def test_norms_that_are_not_alone_with_their_layer_stay(make: Callable[[], L.Layer]) -> None:
    model, x = make(), normal(2, 3, 6, 6)
    assert_bits(fc.compile(model, x)(x), layers_of(model, x))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["lenet", "three layers", "channels last"])
def test_a_batch_goes_in_groups_with_the_bits_of_the_layers(name: str, threads: int) -> None:
    make, (_, *image) = {**NETWORKS, "channels last": (channels_last, (1, 16, 20, 3))}[name]
    model = make()
    for batch in (6, 12, 24):
        x = normal(batch, *image)
        with fc.use_num_threads(threads):
            program = fc.compile(model, x)
        recorded = next(iter(program._recorded.values())).program
        assert isinstance(recorded, GroupedProgram)
        assert recorded.groups % threads == 0
        assert f"{recorded.groups} groups of" in repr(program)
        for scale in (1, 1e-3):
            assert_bits(program(x * np.float32(scale)), layers_of(model, x * np.float32(scale)))


def channels_last() -> L.Layer:
    """A network that ends with planes, so that there is nothing after the groups."""
    options: dict[str, Any] = {"padding": 1, "layout": "NHWC"}
    pool = L.MaxPool2d(2, layout="NHWC")
    return L.Sequential(L.Conv2d(3, 16, 3, rng=0, **options), L.ReLU(), pool, L.Conv2d(16, 16, 3, rng=1, **options))


def test_groups_are_for_all_threads_alike_and_share_the_work_of_python_threads() -> None:
    model, x = channels_last(), normal(8, 16, 20, 3)
    with fc.use_num_threads(2):
        odd, program = fc.compile(model, x[:7]), fc.compile(model, x)
    assert not isinstance(next(iter(odd._recorded.values())).program, GroupedProgram)
    right = layers_of(model, x)
    wrong: list[int] = []

    def call(i: int) -> None:
        for _ in range(20):
            wrong.extend([i] * (not np.array_equal(program(x), right)))

    workers = [threading.Thread(target=call, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_groups_of_much_work_are_several_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouped, "SLICE", 1)
    model, x = channels_last(), normal(8, 16, 20, 3)
    program = fc.compile(model, x)
    assert len(next(iter(program._recorded.values())).program._cuts) > 2
    assert_bits(program(x), layers_of(model, x))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("relu", [None, L.ReLU, L.ReLU6])
@pytest.mark.parametrize("channels", [3, 130])  # one chunk of the reduction, and several
def test_sums_and_relus_end_a_convolution_with_the_bits_of_the_layers(
    dtype: Any, layout: str, relu: Any, channels: int
) -> None:
    options = {"layout": layout, "dtype": dtype}
    body = L.Sequential(L.Conv2d(channels, 19, 3, padding=1, rng=0, **options), L.ReLU())
    body.append(L.Conv2d(19, channels, 3, padding=1, rng=1, **options))
    model = L.Sequential(L.Residual(body), *([] if relu is None else [relu()]))
    shape = (2, channels, 7, 9) if layout == "NCHW" else (2, 7, 9, channels)
    x = normal(*shape, dtype=dtype) * 4
    x.flat[3], x.flat[50] = np.nan, -np.inf
    with np.errstate(invalid="ignore"):  # of the readable twins, where nothing is compiled
        program, plain = fc.compile(model, x), fc.compile(model, x, fuse=False)
        for y in (program(x), plain(x)):
            assert_bits(y, layers_of(model, x))
    assert "Conv2d) + ReLU " in repr(program)
    assert "Conv2d) + sum" + (f" + {relu.__name__} " if relu else " ") in repr(program)
    assert " + " not in repr(plain).partition("\n    ")[2]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [5, 40])
def test_a_depthwise_convolution_ends_with_a_relu(stride: int, channels: int) -> None:
    conv = L.Conv2d(channels, channels, 3, stride, padding=1, groups=channels, rng=0)
    model = L.Sequential(conv, L.ReLU6())
    x = normal(2, channels, 9, 10) * 4
    x[0, 0, 0, 0] = np.nan
    program = fc.compile(model, x)
    assert "ReLU6  " in repr(program)
    assert_bits(program(x), layers_of(model, x))
    residual = L.Sequential(L.Residual(L.Conv2d(channels, channels, 3, padding=1, groups=channels, rng=0)), L.ReLU())
    assert_bits(fc.compile(residual, x)(x), layers_of(residual, x))


ACTIVATIONS: dict[str, Callable[[], L.Layer]] = {
    "leaky": L.LeakyReLU,
    "leaky 0.3": lambda: L.LeakyReLU(0.3),
    "hard sigmoid": L.HardSigmoid,
    "hard swish": L.HardSwish,
    "sigmoid": L.Sigmoid,
    "silu": L.SiLU,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("channels", [3, 130])
def test_an_activation_ends_a_convolution_with_the_bits_of_its_kernel(
    name: str, dtype: Any, residual: bool, channels: int
) -> None:
    conv = L.Conv2d(channels, channels, 3, padding=1, rng=0, dtype=dtype)
    end = ACTIVATIONS[name]()
    model = L.Sequential(L.Residual(conv) if residual else conv, end)
    x = normal(2, channels, 7, 9, dtype=dtype) * 4
    x.flat[3], x.flat[50] = np.nan, -np.inf
    with np.errstate(invalid="ignore"):  # of the readable twins, where nothing is compiled
        program, plain = fc.compile(model, x), fc.compile(model, x, fuse=False)
        for y in (program(x), plain(x)):
            assert_bits(y, layers_of(model, x))
    assert ("Conv2d) + sum" if residual else "Conv2d)") + f" + {type(end).__name__} " in repr(program)
    assert " + " not in repr(plain).partition("\n    ")[2]
    assert "break" not in repr(plain).partition("\n    ")[2]


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("channels", [5, 40])
def test_an_activation_ends_a_depthwise_convolution(name: str, channels: int) -> None:
    conv = L.Conv2d(channels, channels, 3, padding=1, groups=channels, rng=0)
    model = L.Sequential(conv, ACTIVATIONS[name]())
    x = normal(2, channels, 9, 10) * 4
    program = fc.compile(model, x)
    assert f"Conv2d) + {type(model[1]).__name__} " in repr(program)
    assert_bits(program(x), layers_of(model, x))
    assert_bits(fc.compile(model, x, fuse=False)(x), layers_of(model, x))


@pytest.mark.parametrize("name", [*ACTIVATIONS, "relu"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("rows", "inputs", "outputs"), [(40, 30, 19), (9, 700, 130), (130, 2000, 20), (3, 30, 19)])
def test_an_activation_ends_a_linear_layer(name: str, dtype: Any, rows: int, inputs: int, outputs: int) -> None:
    end = ACTIVATIONS.get(name, L.ReLU)()
    model = L.Sequential(L.Linear(inputs, outputs, rng=0, dtype=dtype), end)
    x = normal(rows, inputs, dtype=dtype)
    x[1, 3], x[2, 5] = np.nan, np.inf
    with np.errstate(invalid="ignore"):  # of the readable twins, where nothing is compiled
        program = fc.compile(model, x)
        assert_bits(program(x), layers_of(model, x))
    assert (f"Linear) + {type(end).__name__} " in repr(program)) == (rows > 8)


def test_an_activation_of_a_result_larger_than_the_caches() -> None:
    model = L.Sequential(L.Conv2d(3, 64, 3, padding=1, rng=0), L.SiLU())
    x = normal(1, 3, 262, 259)
    assert_bits(fc.compile(model, x)(x), layers_of(model, x))


class Halved(L.Identity):
    """A layer of somebody's own, whose result has another dtype."""

    def forward(self, x: Any) -> Any:
        return np.asarray(x, np.float64) / 2


def branches(layout: str, axis: int, *more: L.Layer) -> L.Layer:
    options = {"layout": layout, "rng": 0}
    deep = L.Sequential(L.Conv2d(6, 5, 3, padding=1, **options), L.ReLU(), L.Conv2d(5, 6, 3, padding=1, **options))
    depthwise = L.Sequential(L.Conv2d(6, 6, 3, padding=1, groups=6, **options), L.ReLU6())
    pool = L.Sequential(L.MaxPool2d(3, stride=1, padding=1, layout=layout))
    return L.Concat(L.Conv2d(6, 6, 1, **options), deep, depthwise, pool, L.Identity(), *more, axis=axis)


@pytest.mark.parametrize(
    ("layout", "axis", "more", "copies"),
    [
        ("NCHW", 1, (), 2),  # the pool and the identity
        ("NHWC", -1, (), 2),
        ("NHWC", 3, (), 2),
        ("NCHW", 2, (), 5),
        ("NCHW", -1, (), 5),
        ("NCHW", 1, (Halved(),), None),
        ("NCHW", 1, (L.Softmax(axis=1),), 3),
    ],
)
def test_branches_write_their_results_side_by_side(layout: str, axis: int, more: Any, copies: int | None) -> None:
    channels = (axis % 4 == 1) if layout == "NCHW" else (axis % 4 == 3)
    last = L.Conv2d(6 * (5 + len(more)), 3, 1, layout=layout, rng=1) if channels else L.ReLU()
    model = L.Sequential(branches(layout, axis, *more), last)
    x = normal(2, 6, 7, 6) if layout == "NCHW" else normal(2, 7, 6, 6)
    program = fc.compile(model, x)
    for y in (program(x), fc.compile(model, x, fuse=False)(x)):
        assert_bits(y, layers_of(model, x))
    if copies is not None:
        assert repr(program).count(" into ") == copies
