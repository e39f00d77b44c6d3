"""Networks that the tests of programs record, and what their layers compute."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np

from fastconv import layers as L
from fastconv import models
from fastconv.functional.relu import relu
from fastconv.layers.inference import inference_mode

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


MODEL = L.Sequential(
    L.Conv2d(3, 16, 3, padding=1, rng=0), L.ReLU(), L.MaxPool2d(2), L.Flatten(), L.Linear(320, 5, rng=1)
)
