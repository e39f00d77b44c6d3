"""Public calls of what stands in for other people's code, and for other libraries: rows of the fuzzer."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from data_files import write_cifar
from public_call import PublicCall, numbers

import fastconv as fc
from fastconv.compat import paddle, tensorflow, tutorial
from fastconv.compat.cs231n import fast_layers, gradient_check, im2col, layer_utils, optim, vis_utils
from fastconv.compat.cs231n import layers as course
from fastconv.compat.cs231n.classifiers import cnn, fc_net
from fastconv.compat.cs231n.data_utils import get_CIFAR10_data, load_CIFAR10, load_CIFAR_batch
from fastconv.compat.cs231n.solver import Solver
from fastconv.parallel.shares import Share

_X, _W, _B = numbers(2, 3, 6, 7), numbers(4, 3, 3, 2), numbers(4)
_CONV, _POOL = {"stride": 1, "pad": 0}, {"pool_height": 2, "pool_width": 3, "stride": 1}
_ROWS, _LABELS = numbers(4, 6), np.array([0, 2, 1, 1])


def dropin_calls() -> list[PublicCall]:
    """All of them, in an order that does not change."""
    parts = (_convolutions, _pools, _columns, _rows, _normalisations, _networks, _updates, _tools, _tutorial,
             _paddle, _tensorflow, _judges, _estimators, _pieces, _shares)  # fmt: skip
    return [call for part in parts for call in part()]


def _on(function: Callable[..., Any], prepare: Callable[[dict[str, Any]], dict[str, Any]] | None = None) -> Any:
    """The function on a backend, which it takes from the context; `prepare` makes its arguments of those of the row."""

    def call(backend: Any, **arguments: Any) -> Any:
        with fc.use_backend(backend):
            return function(**(arguments if prepare is None else prepare(arguments)))

    return call


def _row(function: Callable[..., Any], name: str | None = None, /, **arguments: Any) -> PublicCall:
    return PublicCall(name or function.__name__, _on(function), {**arguments, "backend": "fast"}, True)


def _first(function: Callable[..., Any], **arguments: Any) -> PublicCall:
    """A forward pass, without its cache."""
    return PublicCall(function.__name__, _on(lambda **o: function(**o)[0]), {**arguments, "backend": "fast"}, True)


def _back(function: Callable[..., Any], dout: Any, /, **cache: Any) -> PublicCall:
    """A backward pass, whose cache is made of the other arguments."""
    return PublicCall(
        function.__name__,
        _on(function, lambda o: {"dout": o.pop("dout"), "cache": tuple(o.values())}),
        {"dout": dout, **cache, "backend": "fast"},
        True,
    )


def _convolutions() -> Iterator[PublicCall]:
    given = {"x": _X, "w": _W, "b": _B, "conv_param": _CONV}
    dout = numbers(2, 4, 4, 6)
    for name in ("fast", "strides", "im2col"):
        yield _first(getattr(fast_layers, f"conv_forward_{name}"), **given)
        yield _back(getattr(fast_layers, f"conv_backward_{name}"), dout, **given)
    yield _first(course.conv_forward_naive, **given)
    yield _back(course.conv_backward_naive, dout, **given)
    yield _row(course.conv_backward_naive, dout=dout, cache=(_X, _W, _B, _CONV))
    steps = {"stride": 1, "pad": 1, "dilation": 1, "groups": 1}
    for function in (fast_layers.conv_forward_fast, course.conv_forward_naive):
        call = lambda function=function, **o: function(_X, _W, _B, o)[0]  # noqa: E731
        yield _row(call, function.__name__, **steps)
    yield _first(layer_utils.conv_relu_forward, **given)
    both = {**given, "pool_param": _POOL}
    yield _first(layer_utils.conv_relu_pool_forward, **both)
    normal = {"x": _X, "w": _W, "b": _B, "gamma": numbers(4), "beta": _B, "conv_param": _CONV}
    yield _first(layer_utils.conv_bn_relu_forward, **normal, bn_param={"mode": "train"})
    for function, whole in (
        (layer_utils.conv_relu_forward, given), (layer_utils.conv_relu_pool_forward, both),
        (layer_utils.conv_bn_relu_forward, {**normal, "bn_param": {"mode": "test"}}),
        (layer_utils.affine_relu_forward, {"x": _ROWS, "w": numbers(6, 5), "b": numbers(5)}),
    ):  # fmt: skip
        out, kept = function(**whole)
        back = getattr(layer_utils, function.__name__.replace("forward", "backward"))
        yield _row(back, dout=np.cos(out), cache=kept)


def _pools() -> Iterator[PublicCall]:
    dout = numbers(2, 3, 5, 5)
    for kind, names in (("max", ("fast", "reshape", "im2col", "naive")), ("avg", ("fast", "naive"))):
        for name in names:
            module = course if name == "naive" else fast_layers
            forward, backward = (getattr(module, f"{kind}_pool_{way}_{name}") for way in ("forward", "backward"))
            yield _first(forward, x=_X, pool_param=_POOL)
            yield _back(backward, dout, x=_X, pool_param=_POOL)
            yield _row(backward, dout=dout, cache=forward(_X, _POOL)[1])
            yield _row(lambda forward=forward, **o: forward(_X, o)[0], forward.__name__, **_POOL)


def _columns() -> Iterator[PublicCall]:
    field, steps = {"field_height": 3, "field_width": 2}, {"padding": 0, "stride": 1}
    yield _row(im2col.im2col_indices, x=_X, **field, **steps)
    yield _row(im2col.get_im2col_indices, x_shape=_X.shape, **field, **steps)
    cols = im2col.im2col_indices(_X, 3, 2, **steps)
    yield _row(im2col.col2im_indices, cols=cols, x_shape=_X.shape, **field, **steps)
    sizes = dict(zip("NCHW", _X.shape))
    yield _row(fast_layers.im2col_cython, x=_X, **field, **steps)
    yield _row(fast_layers.col2im_cython, cols=cols, **sizes, **field, **steps)
    whole = numbers(3, 3, 2, 2, 4, 6)
    yield _row(fast_layers.col2im_6d_cython, cols=whole, **sizes, HH=3, WW=2, pad=0, stride=1)


def _rows() -> Iterator[PublicCall]:
    affine = {"x": _ROWS, "w": numbers(6, 5), "b": numbers(5)}
    yield _first(course.affine_forward, **affine)
    yield _back(course.affine_backward, numbers(4, 5), **affine)
    yield _first(layer_utils.affine_relu_forward, **affine)
    yield _first(course.relu_forward, x=_X)
    yield _row(course.ReLU, x=_X)
    yield _row(course.relu_backward, dout=np.sin(_X), cache=_X)
    param = {"p": 0.5, "mode": "train", "seed": 3}
    yield _first(course.dropout_forward, x=_ROWS, dropout_param=param)
    yield _row(_seeded(lambda **o: course.dropout_forward(_ROWS, o)[0]), "dropout_forward", **param)
    yield _back(course.dropout_backward, np.sin(_ROWS), dropout_param=param, mask=np.abs(_ROWS))
    for loss in (course.svm_loss, course.softmax_loss):
        yield _row(loss, x=_ROWS, y=_LABELS)


def _normalisations() -> Iterator[PublicCall]:
    planes, tables = {"x": _X, "gamma": numbers(3), "beta": numbers(3)}, {"gamma": numbers(6), "beta": numbers(6)}
    rows = {"x": _ROWS, **tables}
    for mode in ("train", "test"):
        param = {"mode": mode, "eps": 1e-5, "momentum": 0.9, "running_mean": numbers(6), "running_var": np.ones(6)}
        yield _row(lambda **o: course.batchnorm_forward(**rows, bn_param=o)[0], "batchnorm_forward", **param)
        yield _first(course.batchnorm_forward, **rows, bn_param={"mode": mode})
        yield _first(course.spatial_batchnorm_forward, **planes, bn_param={"mode": mode})
    yield _first(course.layernorm_forward, **rows, ln_param={"eps": 1e-5})
    yield _row(lambda **o: course.layernorm_forward(**rows, ln_param=o)[0], "layernorm_forward", eps=1e-5)
    groups = {"x": numbers(2, 4, 5, 6), "gamma": numbers(1, 4, 1, 1), "beta": numbers(1, 4, 1, 1), "G": 2}
    yield _first(course.spatial_groupnorm_forward, **groups, gn_param={})
    kept = course.batchnorm_forward(**rows, bn_param={"mode": "train"})[1]
    for back in (course.batchnorm_backward, course.batchnorm_backward_alt):
        yield _plain(back, dout=np.sin(_ROWS), cache=kept)
    kept = course.spatial_batchnorm_forward(**planes, bn_param={"mode": "train"})[1]
    yield _row(course.spatial_batchnorm_backward, dout=np.sin(_X), cache=kept)
    yield _row(course.layernorm_backward, dout=np.sin(_ROWS), cache=course.layernorm_forward(**rows, ln_param={})[1])
    kept = course.spatial_groupnorm_forward(**groups, gn_param={})[1]
    yield _row(course.spatial_groupnorm_backward, dout=np.sin(groups["x"]), cache=kept)


def _seeded(function: Callable[..., Any]) -> Callable[..., Any]:
    """With the global generator always in the same state, which it has afterwards too."""

    def call(**arguments: Any) -> Any:
        before = np.random.get_state()  # noqa: NPY002 - what old code draws from
        np.random.seed(0)  # noqa: NPY002
        try:
            return function(**arguments)
        finally:
            np.random.set_state(before)  # noqa: NPY002

    return call


def _silent(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(**arguments: Any) -> Any:
        with contextlib.redirect_stdout(io.StringIO()):
            return function(**arguments)

    return call


def _plain(function: Callable[..., Any], name: str | None = None, /, **arguments: Any) -> PublicCall:
    return PublicCall(name or function.__name__, _silent(_seeded(function)), arguments)


def _networks() -> Iterator[PublicCall]:
    sizes = {"hidden_dim": 5, "num_classes": 3, "weight_scale": 0.1, "reg": 0.5}
    images = {"X": _X, "y": np.array([0, 2])}
    three = {"input_dim": (3, 6, 7), "num_filters": 4, "filter_size": 3, **sizes, "dtype": np.float32}

    def loss(kind: Any, X: Any, y: Any, **options: Any) -> Any:
        return kind(**options).loss(X, y)

    yield _plain(partial(loss, cnn.ThreeLayerConvNet), "ThreeLayerConvNet", **images, **three)
    yield _plain(partial(loss, fc_net.TwoLayerNet), "TwoLayerNet", **images, input_dim=126, **sizes)
    deep = {"hidden_dims": [5, 4], "input_dim": 126, "num_classes": 3, "normalization": "batchnorm", "reg": 0.5,
            "weight_scale": 0.1, "dtype": np.float32, "seed": 1, "dropout_keep_ratio": 0.5}  # fmt: skip
    yield _plain(partial(loss, fc_net.FullyConnectedNet), "FullyConnectedNet", **images, **deep)
    data = {"X_train": _ROWS, "y_train": _LABELS, "X_val": _ROWS, "y_val": _LABELS}
    options = {"update_rule": "sgd", "optim_config": {"learning_rate": 0.1}, "lr_decay": 0.9, "batch_size": 2,
               "num_train_samples": 2, "num_val_samples": None, "checkpoint_name": None,
               "print_every": 1, "verbose": True}  # fmt: skip

    def solve(model: Any, data: Any, **options: Any) -> None:
        Solver(fc_net.TwoLayerNet(6, 5, 3) if model is None else model, data, num_epochs=1, **options).train()

    yield _plain(lambda model, **o: solve(model, data, **o), "Solver", model=None, **options)
    yield _plain(lambda **o: solve(None, o, batch_size=2), "Solver", **data)
    yield _plain(lambda filename: Solver(fc_net.TwoLayerNet(6, 5, 3), data).load_checkpoint(filename),
                 "load_checkpoint", filename="no.pkl")  # fmt: skip


def _updates() -> Iterator[PublicCall]:
    w = numbers(3, 2)
    table: dict[str, dict[str, Any]] = {
        "sgd": {"learning_rate": 0.1}, "sgd_momentum": {"momentum": 0.9, "velocity": np.ones((3, 2))},
        "rmsprop": {"decay_rate": 0.9, "epsilon": 1e-8, "cache": np.ones((3, 2))},
        "adam": {"beta1": 0.9, "beta2": 0.9, "epsilon": 1e-8, "t": 1, "m": w * w, "v": w * w},
    }  # fmt: skip
    for name, config in table.items():
        rule = getattr(optim, name)
        yield _plain(lambda rule=rule, **o: rule(w.copy(), np.sin(w), o)[0], name, **config)
        yield _plain(
            lambda rule=rule, **o: rule(_copied(o["w"]), o["dw"], o["config"])[0],
            name, w=w, dw=np.sin(w), config=None,
        )  # fmt: skip


@cache
def _folder() -> tuple[Any, Path]:
    """A folder with CIFAR-10, which lives as long as the process, and its path."""
    folder = tempfile.TemporaryDirectory()
    write_cifar(Path(folder.name))
    return folder, Path(folder.name)


def _tools() -> Iterator[PublicCall]:
    x = np.cos(numbers(3, 2)).astype(np.float64)
    numeric = {"x": x, "h": 1e-5}
    squares = lambda x: np.square(np.asarray(x)).sum()  # noqa: E731
    yield _plain(partial(gradient_check.eval_numerical_gradient, squares), "eval_numerical_gradient", **numeric)
    yield _plain(partial(gradient_check.eval_numerical_gradient_array, np.tanh), "eval_numerical_gradient_array",
                 **numeric, df=np.ones((3, 2)))  # fmt: skip
    sparse = partial(gradient_check.grad_check_sparse, squares, num_checks=2)
    yield _plain(sparse, "grad_check_sparse", **numeric, analytic_grad=2 * x)
    yield _plain(gradient_check.rel_error, x=x, y=np.sin(x))
    images = np.abs(numbers(3, 4, 5, 2))
    yield _plain(vis_utils.visualize_grid, Xs=images, ubound=255.0, padding=1)
    yield _plain(vis_utils.vis_grid, Xs=images)
    yield _plain(vis_utils.vis_nn, rows=[[*images], [*images]])
    _, folder = _folder()
    yield _plain(load_CIFAR10, ROOT=folder)
    yield _plain(load_CIFAR_batch, filename=folder / "data_batch_1")
    chosen = {"num_training": 3, "num_validation": 1, "num_test": 1}
    yield _plain(get_CIFAR10_data, **chosen, subtract_mean=True, cifar10_dir=folder)
    install = fc.compat.cs231n.install
    yield _plain(lambda **o: install(**o).undo(), "install", name="cs231n_of_old", only=["layers"])


def _tutorial() -> Iterator[PublicCall]:
    plane, image = numbers(6, 7), numbers(3, 6, 7)
    patch = {"input_array": image, "i": 1, "j": 2, "filter_width": 2, "filter_height": 3, "stride": 1}
    yield _plain(tutorial.get_patch, **patch)
    yield _plain(tutorial.get_max_index, array=plane)
    yield _plain(tutorial.padding, input_array=image, zp=1)
    given = {"input_array": image, "kernel_array": numbers(3, 3, 2), "stride": 1, "bias": 0.5}

    def conv(output_array: Any, **rest: Any) -> Any:
        tutorial.conv(output_array=output_array, **rest)
        return output_array

    yield _plain(lambda **o: conv(np.zeros((4, 6)), **o), "conv", **given)
    yield _plain(lambda output_array: conv(output_array, **given), "conv", output_array=None)
    yield _plain(lambda array: tutorial.element_wise_op(_copied(array), abs), "element_wise_op", array=plane)
    sizes = {"input_width": 7, "input_height": 6, "channel_number": 3, "filter_width": 2, "filter_height": 3}
    kept = {**sizes, "filter_number": 4, "zero_padding": 1, "stride": 1, "activator": tutorial.ReluActivator(),
            "learning_rate": 0.1}  # fmt: skip

    def convolved(input_array: Any, sensitivity_array: Any, **options: Any) -> Any:
        layer = tutorial.ConvLayer(**options)
        layer.backward(input_array, sensitivity_array, tutorial.IdentityActivator())
        layer.update()
        return layer.output_array, layer.delta_array, layer.filters[0].weights

    def pooled(input_array: Any, sensitivity_array: Any, **options: Any) -> Any:
        layer = tutorial.MaxPoolingLayer(**options)
        layer.forward(input_array)
        layer.backward(input_array, sensitivity_array)
        return layer.output_array, layer.delta_array

    yield _plain(convolved, "ConvLayer", input_array=image, sensitivity_array=numbers(4, 6, 8), **kept)
    yield _plain(pooled, "MaxPoolingLayer", input_array=image, sensitivity_array=numbers(3, 4, 6), **sizes, stride=1)
    yield _plain(tutorial.Filter, width=3, height=2, depth=4)
    lines = {"input_size": 7, "filter_size": 3, "zero_padding": 1, "stride": 2}
    yield _plain(tutorial.ConvLayer.calculate_output_size, **lines)
    layer = tutorial.ConvLayer(7, 6, 3, 2, 3, 4, 1, 2, tutorial.ReluActivator(), 0.1)
    yield _plain(layer.expand_sensitivity_map, sensitivity_array=numbers(4, 3, 4))


def _copied(array: Any) -> Any:
    return array.copy() if type(array) is np.ndarray and array.size < 1000 else array


def _paddle() -> Iterator[PublicCall]:
    def there_and_back(function: Any, **options: Any) -> Any:
        layer = function(**options)
        return layer.output, layer.backward(np.ones_like(layer.output))

    conv = {"input": _X, "filter_size": 3, "num_filters": 4, "name": "conv", "num_channels": 3, "act": None,
            "groups": 1, "stride": 1, "padding": 0, "dilation": 1, "bias_attr": None, "param_attr": None,
            "shared_biases": True, "layer_attr": None, "filter_size_y": 2, "stride_y": None, "padding_y": None,
            "dilation_y": None, "trans": False, "layer_type": None}  # fmt: skip
    pool = {"input": _X, "pool_size": 2, "name": "pool", "num_channels": 3, "pool_type": None, "stride": 1,
            "padding": 0, "layer_attr": None, "pool_size_y": None, "stride_y": None, "padding_y": None,
            "ceil_mode": True, "exclude_mode": None}  # fmt: skip
    both = {"input": _X, "filter_size": 3, "num_filters": 4, "pool_size": 2, "name": "both", "pool_type": None,
            "act": None, "groups": 1, "conv_stride": 1, "conv_padding": 0, "bias_attr": None, "num_channel": 3,
            "param_attr": None, "shared_bias": True, "conv_layer_attr": None, "pool_stride": 1, "pool_padding": 0,
            "pool_layer_attr": None}  # fmt: skip
    for name, function, options in (
        ("img_conv_layer", paddle.layer.img_conv_layer, conv), ("img_pool_layer", paddle.layer.img_pool_layer, pool),
        ("simple_img_conv_pool", paddle.networks.simple_img_conv_pool, both),
    ):  # fmt: skip
        yield _plain(partial(there_and_back, function), name, **options)
    yield _plain(paddle.layer.data_layer, name="pixel", size=126, height=6, width=7)
    dense = paddle.data_type.dense_vector(126)
    yield _plain(paddle.layer.data, name="pixel", type=dense, height=6, width=7)
    yield _plain(paddle.data_type.dense_vector, dim=126)
    attribute = {"name": "w", "is_static": False, "initial_std": 0.1, "initial_mean": 0.0, "initial_max": None,
                 "initial_min": None, "l1_rate": None, "l2_rate": None, "learning_rate": 1.0, "momentum": None,
                 "gradient_clipping_threshold": None, "sparse_update": False, "initial_smart": None}  # fmt: skip
    yield _plain(lambda **o: paddle.ParameterAttribute(**o).draw((3, 2), 2, 3), "ParameterAttribute", **attribute)
    extra = {"error_clipping_threshold": None, "drop_rate": None, "device": None}
    yield _plain(paddle.ExtraLayerAttribute, **extra)

    def later(x: Any, dy: Any, learning_rate: Any) -> Any:
        pixel = paddle.layer.data_layer("pixel", 126, 6, 7)
        layer = paddle.layer.img_conv_layer(pixel, 3, 4)
        y = layer.forward(x)
        dx = layer.backward(dy)
        layer.update(learning_rate)
        return y, dx

    yield _plain(later, "LayerOutput", x=_X, dy=numbers(2, 4, 4, 5), learning_rate=0.1)
    yield _plain(lambda weight: setattr(paddle.layer.img_conv_layer(_X, 3, 4), "weight", weight), "weight",
                 weight=numbers(4, 3, 3, 3))  # fmt: skip


def _tensorflow() -> Iterator[PublicCall]:
    x, filters = numbers(2, 6, 7, 3), numbers(3, 2, 3, 4)
    windows = {"strides": [1, 1, 1, 1], "padding": "VALID", "data_format": "NHWC"}
    steps = {**windows, "dilations": None, "name": None}
    nn = tensorflow.nn
    yield _row(nn.conv2d, input=x, filters=filters, **steps)
    yield _row(nn.depthwise_conv2d, input=x, filter=filters, **steps)
    turned = {"filters": numbers(3, 2, 4, 3), "output_shape": [2, 8, 8, 4]}
    yield _row(nn.conv2d_transpose, input=x, **turned, **steps)
    sizes = {"input_sizes": [2, 6, 7, 3], "filter": filters}
    yield _row(nn.conv2d_backprop_input, **sizes, out_backprop=numbers(2, 4, 6, 4), **steps)
    shape = {"filter_sizes": filters.shape, "out_backprop": numbers(2, 4, 6, 4)}
    yield _row(nn.conv2d_backprop_filter, input=x, **shape, **steps)
    for pool in (nn.max_pool, nn.avg_pool):
        yield _row(pool, input=x, ksize=[1, 2, 2, 1], **windows, name=None)


@cache
def _somebodys() -> tuple[Any, Path]:
    """The folder, which lives as long as the process, and a file in it with loops."""
    folder = tempfile.TemporaryDirectory()
    file = Path(folder.name, "loops_of_somebody.py")
    lines = [
        "import numpy as np",
        "def conv2d(x, w):",
        "    y = np.zeros((x.shape[0] - w.shape[0] + 1, x.shape[1] - w.shape[1] + 1))",
        "    for i in range(y.shape[0]):",
        "        for j in range(y.shape[1]):",
        "            y[i, j] = (x[i : i + w.shape[0], j : j + w.shape[1]] * w).sum()",
        "    return y",
    ]
    file.write_text("\n".join(lines))
    return folder, file


def _judges() -> Iterator[PublicCall]:
    """Each takes a while where nothing is wrong: so they are asked for what can be refused at once, or is little."""
    _, file = _somebodys()

    def accelerated(target: Any, **options: Any) -> None:
        fc.accelerate(target, **options).undo()

    quick = {"mapping": None, "on_mismatch": "skip", "everywhere": False, "contiguous": False, "time_limit": 20.0}
    yield _plain(accelerated, "accelerate", target=None, **quick)
    yield _plain(partial(accelerated, lambda x: x * 2), "accelerate", example=_ROWS, **quick)
    yield _plain(partial(fc.check, file), "check", mapping=None, time_limit=10.0, cases=["plain"])
    yield _plain(fc.check, "check", path_or_module=file, cases=["plain"])


def _estimators() -> Iterator[PublicCall]:
    try:
        from fastconv.sklearn import CNNClassifier, CNNRegressor
    except ImportError:
        return
    options = {"network": "auto", "input_shape": (2, 3, 4), "batch_size": 4, "optimizer": "adam",
               "lr": 0.01, "l2": 0.0, "augment": None, "early_stopping": True, "validation_fraction": 0.25,
               "n_iter_no_change": 2, "random_state": 0, "verbose": False}  # fmt: skip
    X, classes = numbers(8, 24), np.arange(8) % 2

    def fitted(kind: Any, X: Any, y: Any, asked: Any, **options: Any) -> Any:
        return kind(epochs=1, **options).fit(X, y).predict(asked)

    for kind, y in ((CNNClassifier, classes), (CNNRegressor, numbers(8))):
        call = _plain(partial(fitted, kind), kind.__name__, X=X, y=y, asked=X[:2], **options)
        yield PublicCall(call.name, call.function, call.arguments, theirs=("sklearn", "scipy"))
    some = {key: options[key] for key in ("random_state", "input_shape")}
    part = _plain(lambda **o: CNNClassifier(**some).partial_fit(**o), "CNNClassifier", X=X, y=classes, classes=[0, 1])
    yield PublicCall(part.name, part.function, part.arguments, theirs=("sklearn", "scipy"))


def _pieces() -> Iterator[PublicCall]:
    try:
        import dask

        from fastconv import dask as pieces
    except ImportError:
        return

    def computed(function: Any, **arguments: Any) -> Any:
        with dask.config.set(scheduler="synchronous"):
            return np.asarray(function(**arguments).compute())

    layout, steps = {"layout": "NCHW", "backend": "fast"}, {"stride": 1, "padding": 0, "dilation": 1}
    conv = {"x": _X, "weight": _W, "bias": _B, **steps, "groups": 1}
    yield PublicCall("conv2d", partial(computed, pieces.conv2d), {**conv, **layout}, True)
    for pool, more in ((pieces.max_pool2d, {}), (pieces.avg_pool2d, {"count_include_pad": True})):
        arguments = {"x": _X, "kernel_size": 2, **steps, "ceil_mode": False, **more, **layout}
        yield PublicCall(pool.__name__, partial(computed, pool), arguments, True)
    model = fc.models.by_name("digits", rng=0)
    asked = {"model": model, "x": numbers(3, 1, 8, 8), "method": "predict", "batch_size": 2}
    yield PublicCall("predict", partial(computed, pieces.predict), asked)


def _shares() -> Iterator[PublicCall]:
    trainer = {"communicator": None, "synchronize_batch_norm": False}

    def stepped(**options: Any) -> float:
        model = fc.layers.Sequential(fc.layers.Linear(6, 3, rng=0), fc.layers.BatchNorm1d(3))
        sgd = fc.optim.SGD(model.parameters())
        return fc.training.Trainer(model, sgd, compile=False, **options).train_step(_ROWS, _LABELS)

    yield PublicCall("Trainer", stepped, trainer)

    def drawn(rng: np.random.Generator, **options: Any) -> Any:
        return Share.of(5, 1, 2).draws(np.random.default_rng(0)).normal(**options)

    yield PublicCall("draws", partial(drawn, None), {"loc": 0.0, "scale": 1.0, "size": (3, 2)}, theirs=("numpy",))
