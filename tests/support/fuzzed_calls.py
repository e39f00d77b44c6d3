"""Every public call of the engine, made rightly: what the fuzzer replaces one or two arguments of."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from data_files import idx_bytes, write_cifar, write_mnist
from public_call import Array, PublicCall, numbers

import fastconv as fc
from fastconv import data, functional, initializers, losses, models, onnx, optim, testing, training
from fastconv import layers as L

SIZES = {1: (9,), 2: (6, 7), 3: (4, 5, 6)}
LAYOUTS = {1: "NCW", 2: "NCHW", 3: "NCDHW"}
NEEDS = ("x", "weight", "bias")


def every_call() -> list[PublicCall]:
    """All of them, in an order that does not change."""
    parts = (_windowed, _columns, _planes, _normalisations, _activations, _layers, _containers, _losses, _optimisers,
             _data, _readers, _models, _programs, _settings, _tools)  # fmt: skip
    return [call for part in parts for call in part()]


def _operation(name: str, **arguments: Any) -> PublicCall:
    return PublicCall(name, getattr(functional, name), arguments, "backend" in arguments)


def _windowed() -> Iterator[PublicCall]:
    for rank, size in SIZES.items():
        x, layout = numbers(2, 4, *size), {"layout": LAYOUTS[rank], "backend": "fast"}
        smaller = tuple(cells - 1 for cells in size)
        weight, bias = numbers(6, 2, *(2,) * rank), numbers(6)
        steps = {"stride": 1, "padding": 0, "dilation": 1}
        conv = {**steps, "groups": 2, **layout}
        yield _operation(f"conv{rank}d", x=x, weight=weight, bias=bias, **conv)
        yield _operation(f"conv{rank}d_backward", dy=numbers(2, 6, *smaller), x=x, weight=weight, needs=NEEDS, **conv)
        turned = {**conv, "output_padding": 0, "output_size": None}
        larger = tuple(cells + 1 for cells in size)
        taps = numbers(4, 3, *(2,) * rank)
        yield _operation(f"conv_transpose{rank}d", x=x, weight=taps, bias=bias, **turned)
        yield _operation(
            f"conv_transpose{rank}d_backward", dy=numbers(2, 6, *larger), x=x, weight=taps, needs=NEEDS, **turned
        )
        pool = {"kernel_size": 2, **steps, "ceil_mode": False, **layout}
        dy, shape = numbers(2, 4, *smaller), x.shape
        _, indices = getattr(fc, f"max_pool{rank}d")(x, 2, stride=1, return_indices=True, backend="numpy")
        yield _operation(f"max_pool{rank}d", x=x, return_indices=True, **pool)
        yield _operation(f"max_pool{rank}d_backward", dy=dy, indices=indices, input_shape=shape, **layout)
        yield _operation(f"max_pool{rank}d_ties_backward", dy=dy, x=x, ties="all", **pool)
        yield _operation(f"max_unpool{rank}d", y=dy, indices=indices, output_size=size, **layout)
        yield _operation(f"max_unpool{rank}d_backward", dy=x, indices=indices, **layout)
        yield _operation(f"avg_pool{rank}d", x=x, count_include_pad=True, **pool)
        yield _operation(f"avg_pool{rank}d_backward", dy=dy, input_shape=shape, count_include_pad=True, **pool)
        yield _operation(f"lp_pool{rank}d", x=x, norm_type=2, **pool)
        yield _operation(f"lp_pool{rank}d_backward", dy=dy, x=x, norm_type=2, **pool)
        few = numbers(2, 4, *(3,) * rank)
        yield _operation(f"adaptive_avg_pool{rank}d", x=x, output_size=3, **layout)
        yield _operation(f"adaptive_avg_pool{rank}d_backward", dy=few, input_shape=shape, **layout)
        yield _operation(f"adaptive_max_pool{rank}d", x=x, output_size=3, return_indices=True, **layout)
        yield _operation(f"global_avg_pool{rank}d", x=x, **layout)
        yield _operation(
            f"global_avg_pool{rank}d_backward", dy=numbers(2, 4, *(1,) * rank), input_shape=shape, **layout
        )
        yield _operation(f"global_max_pool{rank}d", x=x, return_indices=True, **layout)


def _columns() -> Iterator[PublicCall]:
    for size in SIZES.values():
        kernel = (2,) * len(size)
        steps = {"kernel_size": kernel, "stride": 1, "padding": 0, "dilation": 1, "layout": LAYOUTS[len(size)]}
        x = numbers(2, 3, *size)
        yield _operation("im2col", x=x, **steps, backend="fast")
        cols = functional.im2col(x, **steps, backend="numpy")
        yield _operation("col2im", cols=cols, output_size=size, **steps, backend="fast")


def _planes() -> Iterator[PublicCall]:
    x, kept = numbers(2, 3, 4, 5), {"layout": "NCHW"}
    padding = {"padding": 1, "mode": "reflect", **kept}
    yield _operation("pad", x=x, **padding)
    yield _operation("pad_backward", dy=numbers(2, 3, 6, 7), input_shape=x.shape, **padding)
    rows, weight = numbers(3, 4), numbers(5, 4)
    yield _operation("linear", x=rows, weight=weight, bias=numbers(5), backend="fast")
    yield _operation("linear_backward", dy=numbers(3, 5), x=rows, weight=weight, needs=NEEDS, backend="fast")
    bilinear = {"size": None, "scale_factor": 2, "mode": "bilinear", "align_corners": False, **kept}
    yield _operation("upsample", x=x, **bilinear)
    yield _operation("upsample_backward", dy=numbers(2, 3, 8, 10), input_shape=x.shape, **bilinear)
    yield _operation("add", a=x, b=x + 1, relu=True, backend="fast")
    yield _operation("prelu", x=x, weight=numbers(3), axis=1)
    yield _operation("prelu_backward", dy=np.sin(x), x=x, weight=numbers(3), axis=1)


def _normalisations() -> Iterator[PublicCall]:
    x, tables = numbers(3, 4, 5, 6), {"weight": numbers(4), "bias": numbers(4)}
    last = {"eps": 1e-5, "layout": "NCHW", "backend": "fast"}
    plain = {"layout": "NCHW", "backend": "fast"}
    back = {"dy": np.sin(x), "weight": numbers(4), "needs": NEEDS, **last}
    for name, statistics in (("batch", (numbers(4), np.ones(4))), ("instance", (numbers(3, 4), np.ones((3, 4))))):
        yield _operation(f"{name}_norm", x=x, **tables, statistics=statistics, **last)
        training = {"training": True} if name == "batch" else {}
        yield _operation(f"{name}_norm_backward", x=x, statistics=None, **training, **back)
        yield _operation(f"{name}_norm_statistics", x=x, **plain)
    yield _operation("group_norm", x=x, num_groups=2, **tables, statistics=None, **last)
    yield _operation("group_norm_backward", x=x, num_groups=2, statistics=None, **back)
    yield _operation("group_norm_statistics", x=x, num_groups=2, **plain)
    ends = {"eps": 1e-5, "backend": "fast"}
    both = {"weight": numbers(5, 6), "bias": numbers(5, 6)}
    yield _operation("layer_norm", x=x, normalized_shape=(5, 6), **both, statistics=None, **ends)
    layer = {"dy": np.sin(x), "weight": numbers(5, 6), "needs": NEEDS, "statistics": None, **ends}
    yield _operation("layer_norm_backward", x=x, normalized_shape=(5, 6), **layer)
    yield _operation("layer_norm_statistics", x=x, normalized_shape=(5, 6), backend="fast")
    response = {"size": 3, "alpha": 1e-4, "beta": 0.75, "k": 1.0, **plain}
    yield _operation("local_response_norm", x=x, **response)
    yield _operation("local_response_norm_backward", dy=np.sin(x), x=x, **response)


def _activations() -> Iterator[PublicCall]:
    x = numbers(3, 4, 5)
    table: dict[str, dict[str, Any]] = {
        "elu": {"alpha": 1.0}, "gelu": {"approximate": "none"}, "hardsigmoid": {}, "hardswish": {},
        "leaky_relu": {"negative_slope": 0.01}, "log_softmax": {"axis": -1}, "relu": {"backend": "fast"},
        "relu6": {}, "selu": {}, "sigmoid": {}, "silu": {}, "softmax": {"axis": -1},
        "softplus": {"beta": 1.0, "threshold": 20.0}, "softsign": {}, "tanh": {},
    }  # fmt: skip
    saw_x = ("gelu", "hardswish", "softplus", "softsign", "silu")
    for name, options in table.items():
        if not hasattr(functional, name):
            continue
        yield _operation(name, x=x, **options)
        kept = "x" if name in saw_x else "y"
        if hasattr(functional, f"{name}_backward"):
            yield _operation(f"{name}_backward", dy=np.sin(x), **{kept: np.abs(x) / 9}, **options)


_SHAPED = {  # how a layer is made, where that is no pooling of its rank
    "BatchNorm": {"num_features": 4, "eps": 1e-5, "momentum": 0.1, "affine": True, "track_running_stats": True},
    "InstanceNorm": {"num_features": 4, "eps": 1e-5, "momentum": 0.1, "affine": True, "track_running_stats": True},
    "Dropout": {"p": 0.5, "rng": 0},
    "ZeroPad": {"padding": 1},
    "AdaptiveAvgPool": {"output_size": 3},
    "AdaptiveMaxPool": {"output_size": 3},
    "GlobalAvgPool": {},
    "GlobalMaxPool": {},
}
_FLAT = {
    "Flatten": {"start_dim": 1, "end_dim": -1}, "Dropout": {"p": 0.5, "rng": 0}, "ELU": {"alpha": 1.0},
    "GELU": {"approximate": "none"}, "HardSigmoid": {}, "HardSwish": {}, "Identity": {}, "ReLU6": {}, "SELU": {},
    "LeakyReLU": {"negative_slope": 0.01}, "LogSoftmax": {"dim": 1, "axis": None}, "ReLU": {"backend": "fast"},
    "PReLU": {"num_parameters": 4, "init": 0.25, "axis": 1, "dtype": np.float32}, "SiLU": {}, "Sigmoid": {},
    "Softmax": {"dim": None, "axis": 1}, "Softplus": {"beta": 1.0, "threshold": 20.0}, "Softsign": {}, "Tanh": {},
    "GroupNorm": {"num_groups": 2, "num_channels": 4, "eps": 1e-5, "affine": True, "layout": None},
    "LayerNorm": {"normalized_shape": (6, 7), "eps": 1e-5, "elementwise_affine": True, "bias": True},
    "LocalResponseNorm": {"size": 3, "alpha": 1e-4, "beta": 0.75, "k": 1.0, "layout": "NCHW"},
    "Upsample": {"size": None, "scale_factor": 2, "mode": "bilinear", "align_corners": False, "layout": "NCHW"},
    "SubsampleShortcut": {"in_channels": 4, "out_channels": 6, "stride": 2, "layout": "NCHW"},
}  # fmt: skip


def through(kind: Callable[..., L.Layer], x: Any, dy: Any = None, **arguments: Any) -> tuple[Any, Any]:
    """Make a layer and go through it, there and back."""
    layer = kind(**arguments)
    y = layer.forward(x)
    return y, layer.backward(np.sin(y) if dy is None else dy)


def _layer(name: str, x: Array, **arguments: Any) -> PublicCall:
    kind = getattr(L, name)
    return PublicCall(name, lambda x, dy=None, **rest: through(kind, x, dy, **rest), {**arguments, "x": x, "dy": None})


def _layers() -> Iterator[PublicCall]:
    for rank, size in SIZES.items():
        x, common = numbers(2, 4, *size), {"layout": LAYOUTS[rank]}
        steps = {"kernel_size": 2, "stride": 1, "padding": 0, "dilation": 1}
        conv = {"in_channels": 4, "out_channels": 6, **steps, "groups": 2, "bias": True, **common}
        drawn = {"dtype": np.float32, "rng": 0, "weight_init": "he_normal", "backend": "fast", "exact": None}
        yield _layer(f"Conv{rank}d", x, **conv, padding_mode="zeros", **drawn)
        yield _layer(f"ConvTranspose{rank}d", x, **conv, output_padding=0, **drawn)
        for name, options in _SHAPED.items():
            yield _layer(f"{name}{rank}d", x, **options, **common)
        pool = {**steps, "ceil_mode": False, **common, "backend": "fast"}
        yield _layer(f"MaxPool{rank}d", x, **pool)
        yield _layer(f"AvgPool{rank}d", x, **pool, count_include_pad=True)
        yield _layer(f"LPPool{rank}d", x, **pool, norm_type=2)
    for name, options in _FLAT.items():
        yield _layer(name, numbers(2, 4, 6, 7), **options)
    rows = {
        "in_features": 6,
        "out_features": 4,
        "bias": True,
        "dtype": np.float32,
        "rng": 0,
        "weight_init": "he_normal",
    }
    yield _layer("Linear", numbers(3, 6), **rows, backend="fast")


def network() -> L.Sequential:
    """A small network with weights and statistics."""
    return L.Sequential(
        L.Conv2d(3, 4, 3, rng=0), L.BatchNorm2d(4), L.ReLU(), L.Flatten(), L.Linear(4 * 4 * 5, 2, rng=1)
    )


_X, _SHAPE, _LABELS = numbers(4, 3, 6, 7), (4, 3, 6, 7), np.array([0, 1, 1, 0])


def _containers() -> Iterator[PublicCall]:
    for kind in (L.Sequential, L.Residual, L.Concat):
        name = kind.__name__
        yield PublicCall(name, lambda one, two, kind=kind: kind(one, two)(_X), {"one": L.ReLU(), "two": L.Tanh()})
    for name in ("output_shape", "flops", "multiply_adds", "convolutions"):
        yield PublicCall(f"Layer.{name}", lambda input_shape, name=name: getattr(network(), name)(input_shape),
                         {"input_shape": _SHAPE})  # fmt: skip
    state = network().state_dict()
    yield PublicCall("load_state_dict", lambda state, strict: network().load_state_dict(state, strict=strict),
                     {"state": state, "strict": True})  # fmt: skip
    yield PublicCall("load_state_dict", lambda weight: network().load_state_dict({**state, "0.weight": weight}),
                     {"weight": state["0.weight"]})  # fmt: skip
    yield PublicCall("Layer.train", lambda mode: network().train(mode), {"mode": True})
    yield PublicCall("Layer.cast", lambda dtype: network().cast(dtype), {"dtype": np.float64})
    yield PublicCall("Layer.forward", lambda x: network().forward(x), {"x": _X})
    yield PublicCall("weight", _assigned, {"weight": state["0.weight"]})
    yield PublicCall("Parameter", L.Parameter, {"data": numbers(3, 2), "dtype": np.float32, "requires_grad": True})
    yield PublicCall("predict", L.predict, {"model": network(), "x": _X, "batch_size": 2})
    yield PublicCall("MaxUnpool2d", lambda pool: L.MaxUnpool2d(pool), {"pool": L.MaxPool2d(2)})
    yield PublicCall("save_state", _saved, {"state": state, "metadata": {"a": "b"}})


def _assigned(weight: Any) -> None:
    network()[0].weight = weight


def _saved(state: Any, metadata: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        L.save_state(state, Path(folder, "w.npz"), metadata=metadata)


def _losses() -> Iterator[PublicCall]:
    scores, mean = numbers(4, 3), {"reduction": "mean"}
    labels = {"scores": scores, "labels": np.array([0, 2, 1, 1])}
    yield PublicCall("accuracy", losses.accuracy, labels)
    yield PublicCall("multiclass_svm", losses.multiclass_svm, {**labels, "margin": 1.0, **mean})
    smooth = {"label_smoothing": 0.1, "weight": np.ones(3), **mean}
    yield PublicCall("softmax_cross_entropy", losses.softmax_cross_entropy, {**labels, **smooth})
    target = {"target": np.abs(np.sign(scores)), **mean}
    sure = np.clip(np.abs(scores), 0.1, 0.9)
    yield PublicCall("squared_error", losses.squared_error, {"prediction": scores, "scale": 1.0, **target})
    yield PublicCall("binary_cross_entropy", losses.binary_cross_entropy, {"probabilities": sure, **target})
    logits = losses.binary_cross_entropy_with_logits
    yield PublicCall(logits.__name__, logits, {"logits": scores, **target})


def _stepped(kind: Any, schedule: Any = None, **options: Any) -> list[Array]:
    """One step of an optimiser, and one of a schedule where there is one."""
    parameter = L.Parameter(numbers(3, 2))
    parameter.grad = np.ones((3, 2), np.float32)
    if schedule is None:
        kind([parameter], **options).step()
    else:
        optimizer = kind([parameter])
        schedule(optimizer, **options).step()
    return [parameter.data]


def _optimisers() -> Iterator[PublicCall]:
    decay = {"weight_decay": 0.01, "lr": 0.1}
    adam = {"betas": (0.9, 0.999), "eps": 1e-8, "amsgrad": False, **decay}
    table: dict[str, dict[str, Any]] = {
        "SGD": {"momentum": 0.9, "dampening": 0.0, "nesterov": True, **decay}, "Adam": adam, "AdamW": adam,
        "RMSprop": {"alpha": 0.99, "eps": 1e-8, "momentum": 0.1, **decay},
    }  # fmt: skip
    for name, options in table.items():
        yield PublicCall(name, lambda name=name, **o: _stepped(getattr(optim, name), **o), options)
    schedules: dict[str, dict[str, Any]] = {
        "CosineAnnealingLR": {"T_max": 10, "eta_min": 0.0}, "ExponentialLR": {"gamma": 0.9},
        "LinearWarmup": {"duration": 4, "start_factor": 0.1}, "MultiStepLR": {"milestones": [1, 2], "gamma": 0.1},
        "StepLR": {"step_size": 1, "gamma": 0.1},
    }  # fmt: skip
    for name, options in schedules.items():
        kind = getattr(optim, name)
        call = lambda kind=kind, **o: _stepped(optim.SGD, kind, **o)  # noqa: E731
        yield PublicCall(name, call, {**options, "interval": "epoch"})
    yield PublicCall("SGD", lambda parameters: optim.SGD(parameters), {"parameters": network().parameters()})
    yield PublicCall("grad_norm", optim.grad_norm, {"parameters": network().parameters()})
    clip = {"parameters": network().parameters(), "max_norm": 1.0, "error_if_nonfinite": False}
    yield PublicCall("clip_grad_norm", optim.clip_grad_norm, clip)
    state = optim.Adam(network().parameters()).state_dict()
    yield PublicCall("load_state_dict", lambda state: optim.Adam(network().parameters()).load_state_dict(state),
                     {"state": state})  # fmt: skip


def _data() -> Iterator[PublicCall]:
    images = np.arange(4 * 3 * 6 * 7, dtype=np.uint8).reshape(_SHAPE)
    whole = {"images": images, "labels": _LABELS, "classes": ("a", "b"), "name": "some"}
    dataset = data.Dataset(**whole)
    yield PublicCall("Dataset", data.Dataset, whole)
    yield PublicCall("split", lambda **o: dataset.split(**o), {"sizes": 0.5, "rng": 0, "stratify": True})
    batches = {"batch_size": 2, "rng": 0, "shuffle": True, "drop_last": False}
    yield PublicCall("batches", lambda **o: list(data.batches(**o)), {"dataset": dataset, **batches})
    about = {"size": None, "crop": None, "scale": 1 / 255, "mean": (0.5,) * 3, "std": (1.0,) * 3, "channels": 3}
    yield PublicCall(
        "Preprocessing",
        lambda images, **o: data.Preprocessing(**o)(images),
        {"images": images, **about, "layout": "NCHW"},
    )
    yield PublicCall("as_float", data.as_float, {"images": images})
    yield PublicCall("channel_statistics", data.channel_statistics, {"images": images})
    yield PublicCall("normalise", data.normalise, {"images": numbers(*_SHAPE), "mean": np.ones(3), "std": np.ones(3)})
    yield PublicCall("subtract_mean_image", data.subtract_mean_image, {"train": numbers(*_SHAPE)})
    flip, crop = data.augment.RandomFlip, data.augment.RandomCrop
    augmented = {"images": images, "rng": np.random.default_rng(0)}
    yield PublicCall("RandomFlip", lambda images, rng, **o: flip(**o)(images, rng), {**augmented, "p": 0.5})
    window = {"size": (4, 5), "padding": 1, "mode": "constant"}
    yield PublicCall("RandomCrop", lambda images, rng, **o: crop(**o)(images, rng), {**augmented, **window})


def _written(folder: Path) -> dict[str, Path]:
    """Small files of every kind that is read, by the name of their reader."""
    images = np.arange(24, dtype=np.uint8).reshape(4, 1, 3, 2)
    np.savez(folder / "images.npz", images=images, labels=[0, 1, 0, 1])
    L.save_state(network().state_dict(), folder / "w.npz")
    training.save_model(models.by_name("digits", rng=0), folder / "model.npz")
    write_mnist(folder / "mnist")
    write_cifar(folder / "cifar")
    (folder / "images").write_bytes(idx_bytes(images))
    onnx.save(network(), folder / "model.onnx", _SHAPE)
    return {
        "load_mnist": folder / "mnist", "load_cifar10": folder / "cifar", "load_npz": folder / "images.npz",
        "read_idx": folder / "images", "load_state": folder / "w.npz", "load_model": folder / "model.npz",
        "onnx.load": folder / "model.onnx",
    }  # fmt: skip


@cache
def _files() -> tuple[Any, dict[str, Path]]:
    """The folder, which lives as long as the process, and the files in it."""
    folder = tempfile.TemporaryDirectory()
    return folder, _written(Path(folder.name))


def _readers() -> Iterator[PublicCall]:
    _, files = _files()
    yield PublicCall("load_digits", data.load_digits, {"test_fraction": 0.2, "seed": 0})
    for name in ("load_mnist", "load_cifar10"):
        yield PublicCall(name, getattr(data, name), {"folder": files[name]})
    yield PublicCall("load_npz", data.load_npz, {"path": files["load_npz"], "layout": "auto"})
    yield PublicCall("read_idx", data.read_idx, {"path": files["read_idx"]})
    options = {"size": None, "color": "auto", "layout": "auto", "test_fraction": 0.2, "seed": 0}
    yield PublicCall("load", data.load, {"name_or_path": files["load_npz"], **options, "folder": None})
    yield PublicCall("load_state", L.load_state, {"path": files["load_state"]})
    network_of = {"path": files["load_model"], "preprocessing": None, "class_names": None}
    yield PublicCall("load_model", fc.load_model, network_of)
    yield PublicCall("onnx.load", onnx.load, {"source": files["onnx.load"], "optimize": True, "compile": False})
    run = {"inputs": {"input": _X}}
    yield PublicCall("OnnxModel.run", lambda inputs: onnx.load(files["onnx.load"]).run(inputs), run)
    yield PublicCall("load_image", data.load_image, {"path": files["load_npz"], "color": "auto", "layout": "CHW"})
    pictures = {"path": files["load_mnist"], "size": (4, 5), "color": "auto", "threads": 1}
    yield PublicCall("load_image_folder", data.load_image_folder, pictures)
    yield PublicCall("checkpoint_weights", training.checkpoint_weights, {"path": files["load_mnist"]})


def _models() -> Iterator[PublicCall]:
    made = {"classes": 3, "dtype": np.float32, "rng": 0}
    options = {"filters": 2, "filter_size": 3, "hidden": 4, "weight_scale": 1e-3}
    yield PublicCall("ThreeLayerConvNet", models.ThreeLayerConvNet, {"input_shape": (3, 6, 8), **made, **options})
    yield PublicCall("DigitsNet", models.DigitsNet, {"input_shape": (1, 8, 8), **made, "filters": 2})
    yield PublicCall("LeNet5", models.LeNet5, {"input_shape": (1, 28, 28), **made, "activation": "relu"})
    resnet = {"depth": 8, "input_shape": (3, 8, 8), "shortcut": "A", "width": 2}
    yield PublicCall("ResNet", models.ResNet, {**resnet, **made})
    vgg = {"input_shape": (3, 8, 8), "widths": (2, 3), "hidden": 4}
    yield PublicCall("SmallVGG", models.SmallVGG, {**vgg, **made})
    yield PublicCall("UNet", models.UNet, {"input_shape": (3, 8, 8), "levels": 1, "width": 2, **made})
    yield PublicCall("by_name", models.by_name, {"name": "digits", "input_shape": (1, 8, 8), **made})
    yield PublicCall("input_shape_of", models.input_shape_of, {"name": "digits"})
    yield PublicCall("as_probabilities", models.as_probabilities, {"scores": numbers(3, 4)})
    pictures = {"network": network(), "preprocessing": data.Preprocessing(), "class_names": ("a", "b")}
    yield PublicCall("Classifier", models.Classifier, pictures)


def _programs() -> Iterator[PublicCall]:
    compiled = {"model": network(), "x": _X, "fuse": True, "exact": None}
    yield PublicCall("compile", lambda **o: fc.compile(**o)(_X), compiled)
    yield PublicCall("Program", lambda x: fc.compile(network(), _X)(x), {"x": _X})
    asked = {"model": network(), "input_shape": _SHAPE[1:], "batch": 2, "optimizer": "adam", "training": True}
    yield PublicCall("summary", fc.summary, {**asked, "dtype": None, "program": False, "name": None})
    written = {"model": network(), "input_shape": _SHAPE, "dynamic_batch": True}
    yield PublicCall("to_model_proto", onnx.to_model_proto, written)
    trained = {"images": _X, "labels": _LABELS}
    yield PublicCall("train_step", lambda **o: _trainer().train_step(**o), trained)
    fitted = {"train": data.Dataset(_X, _LABELS), "batch_size": 2, "checkpoint_every": None}
    rest = {"validation": None, "resume": False, "early_stopping": None, "checkpoint": None}
    yield PublicCall("fit", lambda **o: _trainer().fit(**o, epochs=1), {**fitted, **rest})
    options = {"seed": 0, "l2": 0.0, "clip_norm": None, "exact": None}
    yield PublicCall("Trainer", lambda **o: _trainer(**o).train_step(_X, _LABELS), {**options, "compile": False})
    early = {"patience": 5, "monitor": "validation_loss", "min_delta": 0.0}
    yield PublicCall("EarlyStopping", training.EarlyStopping, early)


def _trainer(**options: Any) -> training.Trainer:
    model = network()
    return training.Trainer(model, optim.SGD(model.parameters()), **{"compile": False, **options})


def _within(manager: Any) -> None:
    with manager:
        pass


def _settings() -> Iterator[PublicCall]:
    yield PublicCall("set_backend", lambda name: _within(fc.use_backend(name)), {"name": "fast"})
    yield PublicCall("number of threads", lambda n: _within(fc.use_num_threads(n)), {"n": 1})
    changes = {"exact": True, "max_workspace": 2**26}
    yield PublicCall("options", lambda **o: _within(fc.options(**o)), changes)


def _tools() -> Iterator[PublicCall]:
    pair = {"actual": numbers(3, 4), "desired": numbers(3, 4), "magnitude": 1.0, "dtype": np.float32}
    yield PublicCall("assert_close", testing.assert_close, pair)
    yield PublicCall("tolerance", testing.tolerance, {"dtype": np.float32, "magnitude": np.ones(3)})
    checked = {"inputs": [numbers(2, 3).astype(float)], "mode": "projection", "eps": None, "rng": 0}
    yield PublicCall(
        "gradient_check", lambda **o: fc.gradient_check(L.Tanh(), **o, projections=1), {**checked, "tolerance": None}
    )
    drawn = {"shape": (3, 2, 2, 2), "rng": np.random.default_rng(0), "dtype": np.float32}
    for name in ("he_normal", "he_uniform", "pytorch_uniform", "xavier_normal", "xavier_uniform"):
        yield PublicCall(name, getattr(initializers, name), drawn)
    yield PublicCall("normal", lambda std, **o: initializers.normal(std)(**o), {"std": 0.1, **drawn})
    yield PublicCall(
        "uniform", lambda low, high, **o: initializers.uniform(low, high)(**o), {"low": 0.0, "high": 1.0, **drawn}
    )
    yield PublicCall("constant", lambda value, **o: initializers.constant(value)(**o), {"value": 0.1, **drawn})
    compared = {"x": _X, "weight": numbers(2, 3, 2, 2), "backward": False}
    yield PublicCall("compare", lambda **o: fc.compare("conv2d", **o, repeats=1, backends=("numpy", "fast")), compared)
