"""Old APIs are exact whatever the options say: their results are those of the originals."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from exactness import asked_backend, asked_engine

import fastconv as fc
from fastconv import compat, functional, layers
from fastconv.compat import paddle, tensorflow, tutorial
from fastconv.compat.cs231n import fast_layers, layer_utils

OFFERED = {*functional.__all__, *layers.__all__} - {"ConvGradients"}
X, W, B = np.ones((2, 3, 5, 6), np.float32), np.ones((4, 3, 3, 3), np.float32), np.zeros(4, np.float32)
LAST, HWIO = X.transpose(0, 2, 3, 1), W.transpose(2, 3, 1, 0)
PARAM, POOL = {"stride": 1, "pad": 1}, {"pool_height": 2, "pool_width": 2, "stride": 2}


def cs231n_layer() -> None:
    y, cache = fast_layers.conv_forward_fast(X, W, B, PARAM)
    fast_layers.conv_backward_fast(y, cache)


def cs231n_sandwich() -> None:
    y, cache = layer_utils.conv_relu_pool_forward(X[:, :, :4], W, B, PARAM, POOL)
    layer_utils.conv_relu_pool_backward(y, cache)


def cs231n_network() -> None:
    from fastconv.compat.cs231n.classifiers.cnn import ThreeLayerConvNet

    model = ThreeLayerConvNet((3, 8, 8), num_filters=4, filter_size=3, hidden_dim=5, dtype=np.float32)
    model.loss(np.ones((2, 3, 8, 8), np.float32), np.array([0, 1]))


def tutorial_layer() -> None:
    layer = tutorial.ConvLayer(6, 5, 3, 3, 3, 4, 1, 1, tutorial.ReluActivator(), 0.1)
    layer.backward(X[0], np.ones((4, 5, 6)), tutorial.IdentityActivator())


def tutorial_function() -> None:
    tutorial.conv(X[0], W[0], np.zeros((3, 4), np.float32), 1, 0)


def tensorflow_functions() -> None:
    y = tensorflow.nn.conv2d(LAST, HWIO, 1, "SAME")
    tensorflow.nn.depthwise_conv2d(LAST, np.ones((3, 3, 3, 2), np.float32), [1, 1, 1, 1], "SAME")
    tensorflow.nn.conv2d_transpose(y, HWIO, LAST.shape, 1)
    tensorflow.nn.conv2d_backprop_filter(LAST, HWIO.shape, y, 1, "SAME")


def paddle_layers(trans: bool) -> Callable[[], None]:
    def run() -> None:
        layer = paddle.layer.img_conv(X, 3, 4, num_channels=3, padding=1, trans=trans)
        layer.backward(layer.output)
        assert "exact=True" in repr(layer.network())
        fc.compile(layer.network(), X)(X)

    return run


CALLS: dict[str, Callable[[], None]] = {
    "cs231n layer": cs231n_layer,
    "cs231n sandwich": cs231n_sandwich,
    "cs231n network": cs231n_network,
    "tutorial layer": tutorial_layer,
    "tutorial function": tutorial_function,
    "tensorflow": tensorflow_functions,
    "paddle": paddle_layers(False),
    "paddle transposed": paddle_layers(True),
}


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", CALLS)
def test_an_old_api_is_exact(name: str, exact: bool) -> None:
    pytest.importorskip("numba")
    with fc.options(exact=exact):
        with asked_engine() as asked:
            CALLS[name]()
        assert fc.get_options().exact is exact
    assert len(asked) >= 1
    assert set(asked) == {True}


@pytest.mark.parametrize("name", [name for name in CALLS if not name.startswith("cs231n")])
def test_it_is_so_on_any_backend(name: str) -> None:
    with asked_backend() as asked:
        CALLS[name]()
    assert set(asked) == {True}


def test_no_old_api_takes_another_convolution() -> None:
    found = [*_convolutions(Path(compat.__file__).parent)]
    assert {module for module, _ in found} == {"fastconv.functional.exact", "fastconv.layers"}
    assert {name for module, name in found if module == "fastconv.layers"} == {"Conv2d", "ConvTranspose2d"}  # of Paddle


def _convolutions(folder: Path) -> Iterator[tuple[str, str]]:
    """Modules that convolutions are imported from, with their names."""
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and not str(node.module).startswith("fastconv.compat"):
                for each in node.names:
                    if each.name.lower().startswith("conv") and each.name in OFFERED:
                        yield str(node.module), each.name
