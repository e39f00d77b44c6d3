"""Networks as published: parameters, names and shapes of their weights, scores beside torchvision's, programs."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from strategies import Array, normal

import fastconv as fc
from fastconv import models
from fastconv.errors import InvalidValueError
from fastconv.initializers import undrawn
from fastconv.layers import Layer, Sequential, predict
from fastconv.losses import softmax_cross_entropy
from fastconv.optim import SGD
from fastconv.report.words import format_shape
from fastconv.testing import assert_close

# what the papers and torchvision say of 1000 classes
PARAMETERS = {
    "alexnet": 61_100_840,
    "vgg11": 132_863_336,
    "vgg11-bn": 132_868_840,
    "vgg16": 138_357_544,
    "vgg16-bn": 138_365_992,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "squeezenet": 1_235_496,
    "mobilenetv2": 3_504_872,
}
Shapes = Iterator[tuple[str, tuple[int, ...]]]

THEIRS = {
    **{name: name.replace("-", "_") for name in PARAMETERS},
    "squeezenet": "squeezenet1_1",
    "mobilenetv2": "mobilenet_v2",
}


def empty(name: str) -> Layer:
    with undrawn():
        return models.by_name(name)


# names and shapes, written down from the architectures


def weighted(name: str, *shape: int) -> Shapes:
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


def normed(name: str, channels: int) -> Shapes:
    for table in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{table}", (channels,)
    yield f"{name}.num_batches_tracked", ()


def convolved(conv: str, norm: str, *shape: int) -> Shapes:
    yield f"{conv}.weight", shape
    yield from normed(norm, shape[0])


def alexnet() -> Shapes:
    yield from weighted("features.0", 64, 3, 11, 11)
    yield from weighted("features.3", 192, 64, 5, 5)
    yield from weighted("features.6", 384, 192, 3, 3)
    yield from weighted("features.8", 256, 384, 3, 3)
    yield from weighted("features.10", 256, 256, 3, 3)
    yield from weighted("classifier.1", 4096, 9216)
    yield from weighted("classifier.4", 4096, 4096)
    yield from weighted("classifier.6", 1000, 4096)


def vgg(stages: list[list[int]], step: int) -> Shapes:
    """`step` layers for each convolution: it, its ReLU, and batch norm where there are three."""
    place, channels = 0, 3
    for stage in stages:
        for filters in stage:
            yield from weighted(f"features.{place}", filters, channels, 3, 3)
            if step == 3:
                yield from normed(f"features.{place + 1}", filters)
            place, channels = place + step, filters
        place += 1
    yield from weighted("classifier.0", 4096, 512 * 7 * 7)
    yield from weighted("classifier.3", 4096, 4096)
    yield from weighted("classifier.6", 1000, 4096)


A = [[64], [128], [256] * 2, [512] * 2, [512] * 2]
D = [[64] * 2, [128] * 2, [256] * 3, [512] * 3, [512] * 3]


def resnet(blocks: list[int], bottlenecks: bool) -> Shapes:
    yield from convolved("conv1", "bn1", 64, 3, 7, 7)
    before = 64
    for stage, (width, count) in enumerate(zip((64, 128, 256, 512), blocks), start=1):
        after = 4 * width if bottlenecks else width
        for block in range(count):
            at = f"layer{stage}.{block}"
            if bottlenecks:
                yield from convolved(f"{at}.conv1", f"{at}.bn1", width, before, 1, 1)
                yield from convolved(f"{at}.conv2", f"{at}.bn2", width, width, 3, 3)
                yield from convolved(f"{at}.conv3", f"{at}.bn3", after, width, 1, 1)
            else:
                yield from convolved(f"{at}.conv1", f"{at}.bn1", width, before, 3, 3)
                yield from convolved(f"{at}.conv2", f"{at}.bn2", width, width, 3, 3)
            if block == 0 and (stage > 1 or before != after):
                yield from convolved(f"{at}.downsample.0", f"{at}.downsample.1", after, before, 1, 1)
            before = after
    yield from weighted("fc", 1000, before)


def squeezenet() -> Shapes:
    yield from weighted("features.0", 64, 3, 3, 3)
    fires = {3: (64, 16, 64), 4: (128, 16, 64), 6: (128, 32, 128), 7: (256, 32, 128), 9: (256, 48, 192)}
    fires |= {10: (384, 48, 192), 11: (384, 64, 256), 12: (512, 64, 256)}
    for place, (before, squeeze, expand) in fires.items():
        yield from weighted(f"features.{place}.squeeze", squeeze, before, 1, 1)
        yield from weighted(f"features.{place}.expand1x1", expand, squeeze, 1, 1)
        yield from weighted(f"features.{place}.expand3x3", expand, squeeze, 3, 3)
    yield from weighted("classifier.1", 1000, 512, 1, 1)


def mobilenetv2() -> Shapes:
    yield from convolved("features.0.0", "features.0.1", 32, 3, 3, 3)
    yield from convolved("features.1.conv.0.0", "features.1.conv.0.1", 32, 1, 3, 3)
    yield from convolved("features.1.conv.1", "features.1.conv.2", 16, 32, 1, 1)
    before = 16
    for place, after in enumerate([24] * 2 + [32] * 3 + [64] * 4 + [96] * 3 + [160] * 3 + [320], start=2):
        at, hidden = f"features.{place}.conv", 6 * before
        yield from convolved(f"{at}.0.0", f"{at}.0.1", hidden, before, 1, 1)
        yield from convolved(f"{at}.1.0", f"{at}.1.1", hidden, 1, 3, 3)
        yield from convolved(f"{at}.2", f"{at}.3", after, hidden, 1, 1)
        before = after
    yield from convolved("features.18.0", "features.18.1", 1280, 320, 1, 1)
    yield from weighted("classifier.1", 1000, 1280)


EXPECTED = {
    "alexnet": alexnet,
    "vgg11": lambda: vgg(A, 2),
    "vgg11-bn": lambda: vgg(A, 3),
    "vgg16": lambda: vgg(D, 2),
    "vgg16-bn": lambda: vgg(D, 3),
    "resnet18": lambda: resnet([2, 2, 2, 2], False),
    "resnet34": lambda: resnet([3, 4, 6, 3], False),
    "resnet50": lambda: resnet([3, 4, 6, 3], True),
    "squeezenet": squeezenet,
    "mobilenetv2": mobilenetv2,
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_and_the_names_order_and_shapes_of_all_weights(name: str) -> None:
    model = empty(name)
    assert sum(parameter.size for parameter in model.parameters()) == PARAMETERS[name]
    shapes = [(key, array.shape) for key, array in model._named_arrays().items()]
    assert shapes == list(EXPECTED[name]())
    assert model.output_shape((2, *models.input_shape_of(name))) == (2, 1000)


# beside torchvision


@pytest.fixture(scope="module")
def torchvision() -> Any:
    try:
        import torchvision.models
    except (ImportError, RuntimeError) as error:  # one of another version than PyTorch does not load
        pytest.skip(f"torchvision is the oracle here: {error}")
    return torchvision.models


@pytest.mark.parametrize("name", [name for name in PARAMETERS if name not in ("vgg16", "vgg11-bn")])
def test_the_weights_of_torchvision_give_its_scores(torchvision: Any, name: str) -> None:
    import torch

    theirs = getattr(torchvision, THEIRS[name])().eval()
    state = {key: value.numpy() for key, value in theirs.state_dict().items()}
    ours = empty(name)
    assert [(key, value.shape) for key, value in state.items()] == list(EXPECTED[name]())
    ours.load_state_dict(state)
    x = normal((2, 3, 75, 64), 1, "float32")
    with torch.inference_mode():
        expected = theirs(torch.from_numpy(x)).numpy()
    with fc.options(exact=True):
        found = predict(ours, x)
    assert_close(found, expected, magnitude=500 * float(np.abs(expected).max()), name=name)


# they run as programs, and learn


@pytest.mark.parametrize(("name", "size"), [("resnet18", 32), ("squeezenet", 40), ("mobilenetv2", 32), ("unet", 32)])
def test_a_program_has_no_breaks_and_no_batch_norm(name: str, size: int) -> None:
    model = models.by_name(name, input_shape=(3, size, size), classes=5, rng=0)
    program = fc.compile(model, normal((1, 3, size, size), 2, "float32"))
    assert " 0 breaks" in str(program)
    assert "Norm" not in str(program).split("\n", 1)[1]


@pytest.mark.parametrize("name", ["alexnet", "vgg11-bn"])
def test_a_program_of_the_convolutions_of_a_large_network(name: str) -> None:
    model = Sequential(*list(empty(name))[:3])  # but for the linear layers
    program = fc.compile(model, normal((1, 3, 64, 64), 2, "float32"))
    assert " 0 breaks" in str(program)
    assert "Norm" not in str(program).split("\n", 1)[1]


@pytest.mark.parametrize(
    ("name", "size"), [("resnet18", 32), ("squeezenet", 32), ("mobilenetv2-small", 16), ("unet", 16)]
)
def test_training_steps_of_small_images(name: str, size: int) -> None:
    options = {"dropout": 0.0} if name in ("squeezenet", "mobilenetv2-small") else {}
    model = models.by_name(name, input_shape=(1, size, size), classes=3, rng=0, **options)
    x = normal((4, 1, size, size), 3, "float32")
    labels = np.arange(4) % 3 if name != "unet" else np.arange(4 * size * size).reshape(4, size, size) % 3
    optimizer, seen = SGD(model.parameters(), lr=0.01), []
    for _ in range(4):
        loss, dy = softmax_cross_entropy(model(x), labels)
        model.backward(dy, input_gradient=False)
        optimizer.step()
        optimizer.zero_grad()
        seen.append(float(loss))
    assert seen[-1] < seen[0]


def step(model: Layer, x: Array, backend: str) -> dict[str, Array]:
    with fc.use_backend(backend):
        y = model(x)
        dx = model.backward(normal(y.shape, 2, y.dtype) / y.size)
    assert dx is not None
    return {"y": y, "dx": dx, **{name: one.grad for name, one in model.named_parameters() if one.grad is not None}}


@pytest.mark.parametrize(("name", "size"), [("squeezenet", 25), ("mobilenetv2-small", 8), ("unet", 8)])
def test_fast_and_numpy_agree(name: str, size: int) -> None:
    options = {} if name == "unet" else {"dropout": 0.0}
    model = models.by_name(name, input_shape=(2, size, size), classes=3, dtype="float64", rng=0, **options)
    x = normal((2, 2, size, size), 1, "float64")
    expected, found = (step(copy.deepcopy(model), x, backend) for backend in ("numpy", "fast"))
    for key, value in expected.items():
        assert_close(found[key], value, magnitude=10**5 * max(1.0, float(np.abs(value).max())), name=key)


def test_the_gradients_of_a_unet_are_right() -> None:
    model = models.UNet((1, 4, 8), 2, levels=2, width=2, dtype="float64", rng=0)
    for i, parameter in enumerate(model.parameters()):
        parameter.data += normal(parameter.shape, i) / 8
    with fc.use_backend("numpy"):
        assert fc.gradient_check(model, normal((2, 1, 4, 8), 1, "float64"))


def test_a_unet_calls_its_layers_by_level() -> None:
    names = [name for name, _ in models.UNet((1, 8, 8), levels=2, width=2).named_children()]
    assert [name for name in names if not name.startswith("same")] == [
        "encoder1", "pool1", "encoder2", "pool2", "bottleneck", "up2", "decoder2", "up1", "decoder1", "scores",
    ]  # fmt: skip


# what is wrong


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: models.VGG(12), "VGG: depth must be one of 11, 13, 16, 19, but got 12"),
        (lambda: models.ImageNetResNet(20), "ImageNetResNet: depth must be one of 18, 34, 50, 101, 152, but got 20"),
        (lambda: models.VGG(11, (3, 31, 40)), "VGG: input_shape .* planes of 32×32"),
        (lambda: models.AlexNet((3, 62, 63)), "AlexNet: input_shape .* planes of 63×63"),
        (lambda: models.SqueezeNet((3, 24, 25)), "SqueezeNet: input_shape .* planes of 25×25"),
        (lambda: models.UNet((3, 8, 10)), "UNet: input_shape must have a height and a width that 4 divides"),
        (lambda: models.MobileNetV2(classes=0), "classes must be at least 1"),
        (lambda: models.SqueezeNet(dropout=1.5), "p must be"),
    ],
)
def test_wrong_arguments(make: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        make()


def test_the_table_of_the_documentation_is_that_of_the_registry() -> None:
    table = (Path(__file__).parents[2] / "docs/generated/models.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| `")]
    assert [row[0].strip("`") for row in rows] == list(models.MODELS)
    for (name, _, image, classes, parameters, description), entry in zip(rows, models.MODELS.values()):
        assert (image, int(classes), description) == (format_shape(entry.input_shape), entry.classes, entry.description)
        if name.strip("`") in PARAMETERS:
            assert int(parameters.replace(",", "")) == PARAMETERS[name.strip("`")]


def test_undrawn_weights_are_zero_inside_the_block_alone() -> None:
    with undrawn():
        state = models.by_name("lenet5", rng=0).state_dict()
    assert not any(array.any() for array in state.values())
    drawn = models.by_name("lenet5", rng=0).state_dict()
    assert all(array.any() for name, array in drawn.items() if name.endswith("weight"))
