"""`compat.tensorflow` and `compat.paddle` give what TensorFlow and PaddlePaddle gave when they were recorded.

The files in ``recorded/`` were made by the scripts that they name, in ``tests/support``. FASTCONV_RECORDED is a folder
with other files of the same kind.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recordings import Array, Recording, read, whole_numbers, write
from strategies import BACKENDS

import fastconv as fc
import fastconv.compat.paddle as paddle
import fastconv.compat.tensorflow as tf
from fastconv.testing import assert_close

FOLDER = Path(os.environ.get("FASTCONV_RECORDED") or Path(__file__).parent / "recorded")


def every_call_of(package: str) -> pytest.MarkDecorator:
    """Parametrize over the recorded calls of a package; none where its file is not in the folder."""
    path = FOLDER / f"{package}.json"
    calls = read(path) if path.exists() else []
    return pytest.mark.parametrize("recorded", calls, ids=str)


def assert_same(got: dict[str, Array], recorded: Recording) -> None:
    """Every recorded result was given again, in its shape and dtype."""
    for name, wanted in recorded.results.items():
        assert_close(got[name], wanted, name=name)


def like_tensorflow(recorded: Recording) -> dict[str, Array]:
    """Results of the same call of `compat.tensorflow`."""
    arrays, options = dict(recorded.arrays), recorded.options
    dy = arrays.pop("dy", None)
    results = {"y": getattr(tf.nn, recorded.function)(**arrays, **options)}
    if "dx" in recorded.results:
        x, filters = arrays.values()
        results["dx"] = tf.nn.conv2d_backprop_input(x.shape, filters, dy, **options)
        results["dfilters"] = tf.nn.conv2d_backprop_filter(x, filters.shape, dy, **options)
    return results


def like_paddle(recorded: Recording) -> dict[str, Array]:
    """Results of the same call of `compat.paddle`, whose sizes are (x, y)."""
    arrays, layer = recorded.arrays, PADDLE[recorded.function](recorded)
    if "weight" in arrays:
        layer.weight, layer.bias = arrays["weight"], arrays["bias"]
    y = layer.output
    results = {"y": y, "dx": layer.backward(arrays["dy"])}
    if "weight" in arrays:
        results.update(dweight=layer.weight.grad, dbias=layer.bias.grad)
    return results


def convolution(recorded: Recording, *, trans: bool) -> Any:
    arrays, options = recorded.arrays, recorded.options
    sizes = {name: tuple(options[name])[::-1] for name in ("stride", "padding", "dilation")}
    filter_size, filters = arrays["weight"].shape[:1:-1], len(arrays["bias"])
    return paddle.img_conv_layer(
        arrays["x"], filter_size, filters, act="linear", groups=options["groups"], trans=trans, **sizes
    )


def pooling(recorded: Recording, *, pool_type: str) -> Any:
    options = recorded.options
    kernel, stride, padding = (tuple(options[name])[::-1] for name in ("kernel_size", "stride", "padding"))
    return paddle.img_pool_layer(
        recorded.arrays["x"],
        kernel,
        pool_type=pool_type,
        stride=stride,
        padding=padding,
        ceil_mode=options["ceil_mode"],
        exclude_mode=options.get("exclusive"),
    )


def conv_pool(recorded: Recording) -> Any:
    return paddle.simple_img_conv_pool(
        recorded.arrays["x"],
        filter_size=(3, 2),
        num_filters=3,
        conv_stride=(2, 1),
        conv_padding=(1, 0),
        pool_size=(1, 2),
        pool_stride=(1, 2),
        act=recorded.options["act"],
    )


PADDLE: dict[str, Any] = {
    "conv2d": lambda recorded: convolution(recorded, trans=False),
    "conv2d_transpose": lambda recorded: convolution(recorded, trans=True),
    "max_pool2d": lambda recorded: pooling(recorded, pool_type="max"),
    "avg_pool2d": lambda recorded: pooling(recorded, pool_type="avg"),
    "conv_pool": conv_pool,
}


@pytest.mark.parametrize("backend", BACKENDS)
@every_call_of("tensorflow")
def test_tensorflow_gave_the_same(recorded: Recording, backend: str) -> None:
    with fc.use_backend(backend):
        assert_same(like_tensorflow(recorded), recorded)


@pytest.mark.parametrize("backend", BACKENDS)
@every_call_of("paddle")
def test_paddle_gave_the_same(recorded: Recording, backend: str) -> None:
    with fc.use_backend(backend):
        assert_same(like_paddle(recorded), recorded)


@pytest.mark.skipif("FASTCONV_RECORDED" in os.environ, reason="other files may have fewer calls")
def test_what_was_recorded() -> None:
    """Every function, with gradients, in both orders of axes and with every padding."""
    tensorflow, paddles = (read(FOLDER / f"{package}.json") for package in ("tensorflow", "paddle"))
    counted = Counter(call.function for call in tensorflow)
    assert counted == {"conv2d": 6, "conv2d_transpose": 5, "depthwise_conv2d": 6, "max_pool": 5, "avg_pool": 4}
    gradients = [call for call in tensorflow if "dx" in call.results]
    assert {str(call.options["data_format"]) for call in gradients} == {"NHWC", "NCHW"}
    assert {type(call.options["padding"]) for call in gradients} == {str, list}
    assert any(call.options["dilations"] != [1, 1, 1, 1] for call in gradients)
    assert {call.function for call in paddles} == PADDLE.keys()
    assert all("dx" in call.results for call in paddles)


def test_a_written_call_is_read_again(tmp_path: Path) -> None:
    x = whole_numbers(np.random.default_rng(0), (2, 3)) / 7
    call = Recording("f", {"strides": [1, 2], "name": None}, {"x": x}, {"y": x.astype("float64") / 3})
    write(tmp_path / "file.json", {"seed": 0}, [call, call])
    (again, _) = read(tmp_path / "file.json")
    assert (again.function, again.options, str(again)) == ("f", call.options, "f(strides=[1,2])")
    for one, other in ((again.arrays["x"], x), (again.results["y"], call.results["y"])):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_another_result_is_seen() -> None:
    """A wrong number, a wrong dtype, a wrong shape."""
    y = np.arange(6.0).reshape(1, 2, 3, 1)
    call = Recording("max_pool", {}, {}, {"y": y})
    assert_same({"y": y}, call)
    for wrong in (y + 1e-9, y.astype("float32"), y[:, :1]):
        with pytest.raises(AssertionError):
            assert_same({"y": wrong}, call)
