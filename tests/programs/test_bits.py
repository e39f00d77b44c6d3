"""A program computes what the layers compute, to the last bit: layers, networks, some of one's own, any input."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

import fastconv as fc
from fastconv import layers as L
from tests.support.networks import MODEL, NETWORKS, Composed, Own, Scaled, assert_bits, layers_of, normal, trained

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
    "circular": (lambda: L.Conv2d(3, 4, 3, padding=1, padding_mode="circular", rng=0), (2, 3, 8, 9), True),
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
    "softmax": (lambda: L.Softmax(), (4, 10), True),
    "softmax of pixels": (lambda: L.Softmax(), (2, 6, 5, 7), True),
    "log softmax": (lambda: L.LogSoftmax(), (4, 10), True),
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
    assert ("(break)" in repr(program)) != launched


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


def test_branches_that_are_the_same_for_all_inputs_lie_side_by_side() -> None:
    conv = L.Conv2d(5, 1, 1, stride=3, padding=2, layout="NHWC", rng=0)  # windows that see padding alone
    model = L.Sequential(conv, L.Concat(L.Identity(), L.GELU(), axis=-1), L.Softsign())
    x = normal(2, 1, 1, 5).astype(np.uint8)
    assert_bits(fc.compile(model, x)(x), layers_of(model, x))


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


def test_a_kernel_that_does_not_say_what_it_writes_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastconv.backends.fast.machine.kernel import KERNELS, Kernel
    from fastconv.backends.fast.pointwise_kernel import pointwise

    assert all(kernel.results or kernel.block.rows for kernel in KERNELS)
    with pytest.raises(ValueError, match="results must name what it writes"):
        Kernel(lambda args, task: None, type(pointwise.block)("A TASKS"), False, "", {})
    monkeypatch.setattr(pointwise, "results", ())
    with pytest.raises(AssertionError, match="not what was recorded"):
        fc.compile(L.Sequential(L.ReLU(), L.MaxPool2d(2)), normal(1, 9, 4, 4))
