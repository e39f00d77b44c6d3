"""A program computes what the layers compute: their bits where nothing is fused, whatever lies around it in memory."""

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

import fastconv as fc
from fastconv import layers as L
from fastconv import models
from fastconv.backends.fast import grouped
from fastconv.backends.fast import program as engine
from fastconv.backends.fast.grouped import GroupedProgram
from fastconv.backends.fast.memory.workspace import aligned
from fastconv.errors import InvalidTypeError, InvalidValueError, StaleProgramError
from fastconv.functional.relu import relu
from fastconv.layers.inference import inference_mode
from fastconv.optim import SGD
from fastconv.programs import Program

rng = np.random.default_rng(7)


def normal(*shape: int, dtype: Any = np.float32) -> Any:
    return rng.standard_normal(shape).astype(dtype)


def layers_of(model: L.Layer, x: Any) -> Any:
    """What the layers themselves compute in evaluation."""
    model = deepcopy(model).eval()
    with inference_mode():
        return model(x)


def assert_bits(a: Any, b: Any) -> None:
    assert a.shape == b.shape
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a, b)


class Scaled(L.Layer):
    """A layer of somebody's own: layers of the package with a NumPy step between them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = L.Conv2d(3, 4, 3, padding=1, rng=0)
        self.last = L.Conv2d(4, 2, 1, rng=1)

    def forward(self, x: Any) -> Any:
        y = self.conv(x)
        return self.last(np.where(y > 0, y * 2, y))

    def backward(self, dy: Any, *, input_gradient: bool = True) -> Any:
        raise NotImplementedError

    def output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], 2, *input_shape[2:])


class Composed(Scaled):
    """The same without NumPy: only layers and functions of the package."""

    def forward(self, x: Any) -> Any:
        return self.last(relu(self.conv(x)))


def unet() -> L.Layer:
    """Branches side by side, a transposed convolution, pools, and batch norms in training's state."""

    def block(channels: int, filters: int) -> list[L.Layer]:
        return [L.Conv2d(channels, filters, 3, padding=1, rng=1), L.BatchNorm2d(filters), L.ReLU()]

    inner = L.Sequential(L.MaxPool2d(2), *block(8, 12), L.ConvTranspose2d(12, 8, 2, stride=2, rng=2))
    return L.Sequential(*block(3, 8), L.Concat(L.Identity(), inner), L.Conv2d(16, 4, 1, rng=3), L.Upsample(2))


def trained(model: L.Layer, *shape: int) -> L.Layer:
    """A network whose running statistics are not those of the start."""
    model.train()
    for _ in range(2):
        model(normal(*shape) * 3 + 1)
    return model


LAYERS: dict[str, tuple[Callable[[], L.Layer], tuple[int, ...], bool]] = {  # and whether all of it is launches
    "conv": (lambda: L.Conv2d(5, 7, 3, padding=1, rng=0), (3, 5, 9, 11), True),
    "stride": (lambda: L.Conv2d(3, 20, (5, 3), stride=(2, 1), rng=0), (2, 3, 17, 9), True),
    "dilated": (lambda: L.Conv2d(16, 16, 3, dilation=2, padding="same", rng=0), (1, 16, 13, 12), True),
    "heavy weights": (lambda: L.Conv2d(256, 256, 3, padding=1, rng=0), (1, 256, 5, 4), True),
    "grouped": (lambda: L.Conv2d(8, 12, 3, groups=4, bias=False, rng=0), (2, 8, 7, 9), True),
    "depthwise": (lambda: L.Conv2d(24, 24, 3, padding=1, groups=24, rng=0), (2, 24, 8, 9), True),
    "multiplied": (lambda: L.Conv2d(4, 8, 3, groups=4, rng=0), (2, 4, 8, 9), False),
    "pointwise": (lambda: L.Conv2d(32, 48, 1, rng=0), (2, 32, 6, 7), True),
    "conv1d": (lambda: L.Conv1d(4, 9, 5, stride=2, rng=0), (3, 4, 40), True),
    "conv3d": (lambda: L.Conv3d(3, 5, 2, rng=0), (2, 3, 4, 5, 6), True),
    "nhwc": (lambda: L.Conv2d(5, 6, 3, layout="NHWC", rng=0), (2, 9, 8, 5), True),
    "circular": (lambda: L.Conv2d(3, 4, 3, padding=1, padding_mode="circular", rng=0), (2, 3, 8, 9), False),
    "transposed": (lambda: L.ConvTranspose2d(6, 5, 3, stride=2, padding=1, rng=0), (2, 6, 7, 8), True),
    "linear": (lambda: L.Linear(70, 33, rng=0), (6, 70), True),
    "one row": (lambda: L.Linear(700, 33, rng=0), (1, 700), True),
    "relu": (lambda: L.ReLU(), (3, 4, 5), True),
    "max": (lambda: L.MaxPool2d(3, stride=2, padding=1), (2, 9, 11, 10), True),
    "max of planes": (lambda: L.MaxPool2d(2), (2, 3, 40, 41), True),
    "average": (lambda: L.AvgPool2d(3, stride=2), (2, 16, 11, 10), True),
    "adaptive": (lambda: L.AdaptiveAvgPool2d((3, 2)), (2, 8, 11, 10), True),
    "global": (lambda: L.GlobalAvgPool2d(), (2, 8, 11, 10), True),
    "batch norm": (lambda: trained(L.BatchNorm2d(6), 4, 6, 5, 3), (2, 6, 5, 7), True),
    "group norm": (lambda: L.GroupNorm(2, 6), (2, 6, 5, 7), True),
    "dropout": (lambda: L.Dropout(0.5), (2, 6, 5), True),
    "flatten": (lambda: L.Flatten(), (2, 6, 5, 3), True),
    "softmax": (lambda: L.Softmax(), (4, 10), False),
    "leaky": (lambda: L.LeakyReLU(0.1), (2, 6, 5, 7), True),
    "elu": (lambda: L.ELU(0.7), (2, 6, 5, 7), True),
    "gelu": (lambda: L.GELU(), (2, 6, 5, 7), True),
    "softplus": (lambda: L.Softplus(), (2, 6, 5), True),
    "prelu": (lambda: L.PReLU(6), (2, 6, 5, 7), True),
    "residual": (lambda: L.Residual(L.Conv2d(6, 6, 3, padding=1, rng=0), L.Identity()), (2, 6, 5, 4), True),
    "concat": (lambda: L.Concat(L.Conv2d(6, 5, 1, rng=0), L.Conv2d(6, 3, 1, rng=1)), (2, 6, 5, 4), True),
    "numpy inside": (Scaled, (2, 3, 6, 7), False),
    "own layer": (Composed, (2, 3, 6, 7), True),
}


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_has_the_bits_of_the_layer_and_is_launched_where_it_can_be(name: str) -> None:
    make, shape, launched = LAYERS[name]
    model = L.Sequential(L.Identity(), make())
    program = fc.compile(model, input_shape=shape, fuse=False)
    for scale in (1, 1e-3):
        x = normal(*shape) * np.float32(scale)
        assert_bits(program(x), layers_of(model, x))
    recorded = next(iter(program._recorded.values())).program
    assert (len(recorded.breaks) == 0) == launched
    assert ("break" in repr(program).partition("\n    ")[2]) != launched


NETWORKS = {
    "lenet": (lambda: models.LeNet5(rng=0), (3, 1, 28, 28)),
    "three layers": (lambda: models.ThreeLayerConvNet(rng=0), (2, 3, 32, 32)),
    "vgg": (lambda: trained(models.SmallVGG(rng=0), 2, 3, 32, 32), (2, 3, 32, 32)),
    "resnet": (lambda: trained(models.ResNet(8, shortcut="B", rng=0), 2, 3, 32, 32), (2, 3, 32, 32)),
    "resnet A": (lambda: trained(models.ResNet(8, rng=0), 2, 3, 32, 32), (1, 3, 32, 32)),
    "unet": (lambda: trained(unet(), 2, 3, 12, 8), (2, 3, 12, 8)),
    "signal": (
        lambda: trained(
            L.Sequential(
                L.Conv1d(2, 16, 7, padding=3, rng=0), L.BatchNorm1d(16), L.ReLU(), L.MaxPool1d(4), L.Flatten(),
                L.Linear(16 * 16, 20, rng=1), L.BatchNorm1d(20), L.ReLU(), L.Linear(20, 5, rng=2),
            ), 4, 2, 64,
        ), (3, 2, 64),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_have_the_bits_of_the_layers_and_fused_their_numbers(name: str) -> None:
    make, shape = NETWORKS[name]
    model = make()
    norms = sum(isinstance(layer, (L.BatchNorm1d, L.BatchNorm2d)) for _, layer in model.named_layers())
    x = normal(*shape)
    assert_bits(fc.compile(model, x, fuse=False)(x), layers_of(model, x))
    fused = fc.compile(model, x)
    assert fused.folded == norms
    exact = layers_of(deepcopy(model).cast(np.float64), x.astype(np.float64))
    for y in (fused(x), fused(x.astype(np.float64))):
        np.testing.assert_allclose(y, exact, atol=1e-5 * np.abs(exact).max(), rtol=0)


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


class Own(Scaled):
    """A layer of somebody's own: a function of itself and x."""

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.function, self.calls = function, 0
        self.table = np.arange(2 * 3 * 6 * 6, dtype=np.float64).reshape(2, 3, 6, 6)

    def forward(self, x: Any) -> Any:
        return self.function(self, x)

    def output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape)


def doubled(_: Any, x: Any) -> Any:
    x *= 2
    return x


def refuses(layer: Any, x: Any) -> Any:
    if (np.abs(x) > 9).any():
        raise ValueError("large")
    return layer.conv(x)


OWN: dict[str, Callable[[], L.Layer]] = {
    "in place": lambda: L.Sequential(Own(doubled), L.Conv2d(3, 3, 1, rng=0)),
    "in place beside": lambda: L.Residual(L.Conv2d(3, 3, 1, rng=0), L.Sequential(Own(doubled))),
    "constant": lambda: L.Residual(Own(lambda layer, x: layer.table), L.Identity()),
    "constant for reading": lambda: L.Concat(Own(lambda layer, x: np.broadcast_to(np.float32(3), x.shape)), L.ReLU()),
    "threshold": lambda: Own(lambda layer, x: (x > 4).astype(np.float32)),
    "by the mean": lambda: Own(lambda layer, x: layer.conv(x) if x.mean() < 4 else layer.conv(-x)),
    "by NaN": lambda: Own(lambda layer, x: layer.conv(np.nan_to_num(x))),
    "refuses": lambda: Own(refuses),
    "scalar": lambda: Own(lambda layer, x: x.mean()),
    "list": lambda: L.Sequential(Own(lambda layer, x: x.tolist()), L.Identity()),
    "other shapes": lambda: Own(lambda layer, x: x[:1] if x.mean() < 4 else x),
}


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("seed", [0, 7])
def test_layers_of_ones_own_may_do_what_they_like(name: str, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((2, 3, 6, 6)).astype(np.float32)
    model = OWN[name]()
    program = fc.compile(model, x)
    for other in (x, -x, x + 5, np.where(x > 1, np.float32(np.nan), x)):
        if name != "refuses" or np.nanmax(other) < 9:
            assert_bits(program(other.copy()), np.asarray(layers_of(model, other.copy())))


def test_layers_with_state_and_chance_are_computed_by_themselves() -> None:
    def counts(layer: Any, x: Any) -> Any:
        layer.calls += 1
        return x + layer.calls

    x = normal(2, 3, 6, 6)
    program = fc.compile(L.Sequential(L.ReLU(), Own(counts)), x)
    np.testing.assert_allclose(program(x) + 1, program(x), rtol=1e-5)


def test_an_input_for_reading_is_not_written() -> None:
    x = normal(2, 3, 6, 6)
    program = fc.compile(Own(doubled), x)
    x.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        program(x)


@pytest.mark.parametrize("dtype", [np.float16, np.int8, np.int32, np.bool_])
@pytest.mark.parametrize(
    "make",
    [
        lambda: L.Concat(L.Identity(), L.Sigmoid()),
        lambda: L.Concat(L.ReLU(), L.MaxPool2d(3, stride=1, padding=1)),
        lambda: L.SubsampleShortcut(3, 6, 2),
        lambda: L.Flatten(),
    ],
    ids=["concat", "pools", "shortcut", "flatten"],
)
def test_dtypes_that_no_kernel_has(make: Callable[[], L.Layer], dtype: Any) -> None:
    x = (normal(2, 6, 6, 3) * 3).astype(dtype).transpose(0, 3, 1, 2)
    assert_bits(fc.compile(make(), x)(x), layers_of(make(), x))


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


MODEL = L.Sequential(
    L.Conv2d(3, 16, 3, padding=1, rng=0), L.ReLU(), L.MaxPool2d(2), L.Flatten(), L.Linear(320, 5, rng=1)
)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x,
        lambda x: np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1),
        lambda x: np.asfortranarray(x),
        lambda x: np.repeat(x, 2, axis=3)[..., ::2],
        lambda x: x[:, :, ::-1],
        lambda x: x.astype(">f4"),
        lambda x: x.astype(np.float64),
        lambda x: x.astype(np.float16),
        lambda x: (x * 10).astype(np.int8),
        lambda x: np.broadcast_to(x[:1], x.shape),
        lambda x: x.tolist(),
        lambda x: x[:0],
        lambda x: x[:1],
    ],
    ids=["plain", "channels last", "fortran", "gaps", "backwards", "swapped", "double", "half", "bytes", "one image",
         "list", "none", "fewer"],
)  # fmt: skip
def test_inputs_of_any_kind(change: Any) -> None:
    program = fc.compile(MODEL, input_shape=(3, 3, 8, 10))
    x = change(normal(3, 3, 8, 10))
    for _ in range(2):
        assert_bits(program(x), layers_of(MODEL, x))


def test_what_is_not_finite_is_where_the_layers_have_it() -> None:
    x = normal(2, 3, 8, 10)
    x[0, 1, 2, 3], x[1, 0, 0, 0], x[1, 2, 7, 9] = np.nan, np.inf, -np.inf
    assert_bits(fc.compile(MODEL, input_shape=x.shape)(x), layers_of(MODEL, x))


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


class WithProgram(L.Layer):
    """A layer of somebody's own that calls a program, and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.calls = fc.compile(L.Conv2d(3, 4, 3, rng=0)), 0

    def forward(self, x: Any) -> Any:
        self.calls += 1
        return self.inside(x)

    def backward(self, dy: Any, *, input_gradient: bool = True) -> Any:
        raise NotImplementedError

    def output_shape(self, input_shape: Any) -> Any:
        raise NotImplementedError


def test_a_program_inside_a_network_is_a_part_of_its_recording() -> None:
    model, x = L.Sequential(WithProgram(), L.ReLU()), normal(2, 3, 6, 7)
    program = fc.compile(model, x)
    for _ in range(2):
        assert_bits(program(x), layers_of(model, x))


def test_breaks_are_computed_as_they_were_recorded() -> None:
    x = normal(2, 3, 6, 7)
    program = fc.compile(L.Sequential(Scaled()), x, fuse=False)
    expected = layers_of(Scaled(), x)
    with fc.use_backend("naive"), fc.use_num_threads(1):
        assert_bits(program(x), expected)
    assert all(layer._memory is None for _, layer in program._network.named_layers())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_that_is_forked_while_a_program_records_can_record() -> None:
    reached, done = threading.Event(), threading.Event()
    parent = os.getpid()

    def waits(_: Any, x: Any) -> Any:
        if len(x) == 3 and os.getpid() == parent:
            reached.set()
            done.wait(10)
        return x + 1

    program = fc.compile(L.Sequential(L.ReLU(), Own(lambda *given: held[0](*given))), normal(2, 3, 6, 6))
    held[0] = waits
    thread = threading.Thread(target=program, args=(normal(3, 3, 6, 6),))
    thread.start()
    assert reached.wait(10)
    child = os.fork()
    if not child:
        signal.alarm(10)
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
        thread.join(60)
        assert results
        return super().forward(x)


def test_a_thread_that_a_recording_waits_for_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastconv.backends.fast.machine import record

    monkeypatch.setattr(record, "PATIENCE", 0.05)
    x = normal(2, 3)
    assert_bits(fc.compile(L.Sequential(Starts(), L.ReLU()), x)(x), layers_of(L.ReLU(), x))


def test_a_kernel_that_does_not_say_what_it_writes_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastconv.backends.fast.machine.kernel import KERNELS, Kernel
    from fastconv.backends.fast.pointwise_kernel import pointwise

    assert all(kernel.results or kernel.block.rows for kernel in KERNELS)
    with pytest.raises(ValueError, match="results must name what it writes"):
        Kernel(lambda args, task: None, type(pointwise.block)("A TASKS"), False, "", {})
    monkeypatch.setattr(pointwise, "results", ())
    with pytest.raises(AssertionError, match="not what was recorded"):
        fc.compile(L.Sequential(L.ReLU(), L.MaxPool2d(2)), normal(1, 9, 4, 4))
