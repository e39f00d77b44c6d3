"""Networks: sizes by hand, results against PyTorch and between backends, gradients, names, files."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from strategies import BACKENDS, Array, normal

import fastconv as fc
from fastconv import models
from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.layers import Layer, Linear, Sequential, SubsampleShortcut, load_state, save_state
from fastconv.testing import assert_close

# by hand; see the docstrings
PARAMETERS = {
    "digits": (9 * 1 + 1) * 32 + (9 * 32 + 1) * 64 + (64 * 16 + 1) * 10,
    "lenet5": (25 * 1 + 1) * 6 + (25 * 6 + 1) * 16 + (400 + 1) * 120 + (120 + 1) * 84 + (84 + 1) * 10,
    "lenet5-tanh": 61_706,
    "three-layer": (49 * 3 + 1) * 32 + (32 * 16 * 16 + 1) * 100 + (100 + 1) * 10,
    "vgg-small": 9 * (3 * 32 + 32 * 32 + 32 * 64 + 64 * 64 + 64 * 128 + 128 * 128)
    + 4 * (32 + 64 + 128) + (128 * 16 + 1) * 128 + (128 + 1) * 10,
    "resnet20": 269_722,  # the figures of the PyTorch networks
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet56": 853_018,
}  # fmt: skip

# every kind of network, as small as it can be
TINY: dict[str, tuple[Callable[..., Layer], tuple[int, int, int]]] = {
    "DigitsNet": (lambda **k: models.DigitsNet((2, 4, 5), 3, filters=2, **k), (2, 4, 5)),
    "LeNet5": (lambda **k: models.LeNet5((1, 16, 18), 3, **k), (1, 16, 18)),
    "LeNet5 tanh": (lambda **k: models.LeNet5((2, 17, 16), 3, activation="tanh", **k), (2, 17, 16)),
    "ThreeLayerConvNet": (
        lambda **k: models.ThreeLayerConvNet((2, 7, 4), 3, filters=2, filter_size=3, hidden=5, weight_scale=0.5, **k),
        (2, 7, 4),
    ),
    "SmallVGG": (lambda **k: models.SmallVGG((2, 6, 4), 3, widths=(2, 3), hidden=4, **k), (2, 6, 4)),
    "ResNet A": (lambda **k: models.ResNet(8, (2, 6, 5), 3, width=2, **k), (2, 6, 5)),
    "ResNet B": (lambda **k: models.ResNet(8, (2, 5, 6), 3, width=2, shortcut="B", **k), (2, 5, 6)),
}
every_network = pytest.mark.parametrize("name", TINY)
every_name = pytest.mark.parametrize("name", PARAMETERS)

DEPTH = 100  # roundings that follow each other in the deepest of them, in units of one operation


def made(name: str, batch: int = 3, dtype: str = "float64") -> tuple[Layer, Array]:
    make, image = TINY[name]
    return make(rng=0, dtype=dtype), normal((batch, *image), 1, dtype)


def close(actual: Array, desired: Array, name: str) -> None:
    assert_close(actual, desired, magnitude=DEPTH * max(1.0, float(np.abs(desired).max())), name=name)


def step(model: Layer, x: Array, backend: str) -> dict[str, Array]:
    """Everything that comes out of a training step."""
    model.zero_grad()
    with fc.use_backend(backend):
        y = model(x)
        dx = model.backward(normal(y.shape, 2, y.dtype))
    assert dx is not None
    found = {"y": y, "dx": dx}
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        found[name] = parameter.grad
    found.update((name, value.copy()) for name, value in model.named_buffers())
    return found


# sizes


@every_name
def test_the_parameters_are_as_many_as_counted_by_hand(name: str) -> None:
    model = models.by_name(name, rng=0)
    assert sum(parameter.size for parameter in model.parameters()) == PARAMETERS[name]
    found = fc.summary(model, models.input_shape_of(name), batch=2)
    assert found.parameters == PARAMETERS[name]
    assert found.layers[-1].output_shape == (2, 10)


def test_a_residual_network_of_option_b_has_more() -> None:
    count = sum(parameter.size for parameter in models.ResNet(20, shortcut="B", rng=0).parameters())
    assert count == PARAMETERS["resnet20"] + (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)


@pytest.mark.parametrize("depth", [20, 56])
def test_multiply_adds_of_a_residual_network_by_hand(depth: int) -> None:
    blocks = (depth - 2) // 6
    expected = 3 * 16 * 9 * 32**2 + 64 * 10
    for stage, (channels, size) in enumerate([(16, 32), (32, 16), (64, 8)]):
        first = channels // 2 if stage else channels
        expected += (first + (2 * blocks - 1) * channels) * channels * 9 * size**2
    assert fc.summary(models.ResNet(depth, rng=0), (1, 3, 32, 32)).multiply_adds == expected


@every_network
def test_the_output_has_the_classes(name: str) -> None:
    model, x = made(name)
    assert model.output_shape(x.shape) == (3, 3)
    assert model(x).shape == (3, 3)
    assert fc.summary(model, x.shape).layers[-1].output_shape == (3, 3)


@every_network
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_is_kept(name: str, dtype: str) -> None:
    model, x = made(name, dtype=dtype)
    for key, value in step(model, x, BACKENDS[0]).items():
        assert value.dtype == (np.int64 if key.endswith("num_batches_tracked") else dtype), key


# between backends, and against numbers


@every_network
def test_the_backends_agree(name: str) -> None:
    model, x = made(name)
    expected = step(copy.deepcopy(model), x, "naive")
    for backend in BACKENDS[:-1]:
        found = step(copy.deepcopy(model), x, backend)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            close(found[key], value, f"{backend} {key}")


@every_network
def test_the_gradients_are_right(name: str) -> None:
    model, x = made(name)
    for i, parameter in enumerate(model.parameters()):  # biases of zero put sums of nothing right on the kink of ReLU
        parameter.data += normal(parameter.shape, i) / 8
    with fc.use_backend("numpy"):
        assert fc.gradient_check(model, x)


@every_network
def test_a_batch_is_its_images_in_evaluation(name: str) -> None:
    model, x = made(name)
    model(x)  # running statistics of batch norm
    model.eval()
    whole = model(x)
    for i in range(len(x)):
        close(model(x[i : i + 1]), whole[i : i + 1], f"image {i}")


# random numbers, names, copies, files


@every_network
def test_the_seed_gives_the_weights(name: str) -> None:
    make, _ = TINY[name]
    first, again, other = (make(rng=seed).state_dict() for seed in (7, 7, 8))
    from_generator = make(rng=np.random.default_rng(7)).state_dict()
    for key, value in first.items():
        assert np.array_equal(value, again[key])
        assert np.array_equal(value, from_generator[key])
    assert any(not np.array_equal(value, other[key]) for key, value in first.items())


def test_no_two_layers_draw_the_same() -> None:
    state = models.ResNet(8, rng=3).state_dict()
    assert not np.array_equal(state["layer1.0.conv1.weight"], state["layer1.0.conv2.weight"])


def test_initial_values_of_the_course() -> None:
    state = models.ThreeLayerConvNet(weight_scale=1e-2, rng=0).state_dict()
    for name, value in state.items():
        if name.endswith("bias"):
            assert not value.any()
        else:
            error = 5 / np.sqrt(2 * value.size)  # five standard errors of a standard deviation
            assert abs(value.std() / 1e-2 - 1) < error


@every_network
def test_a_state_dict_goes_round(name: str, tmp_path: Path) -> None:
    make, _ = TINY[name]
    model, x = made(name)
    model(x)
    save_state(model, tmp_path / "state.npz")
    other = make(rng=99, dtype="float64")
    other.load_state_dict(load_state(tmp_path / "state.npz"))
    assert np.array_equal(model.eval()(x), other.eval()(x))


@every_network
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_are_independent(name: str, duplicate: Callable[[Layer], Layer]) -> None:
    model, x = made(name)
    other = duplicate(model)
    assert type(other) is type(model)
    assert repr(other) == repr(model)
    assert np.array_equal(other(x), model(x))
    for parameter in other.parameters():
        parameter.data += 1
    assert not np.array_equal(other(x), model(x))


@every_network
def test_names_of_layers_are_those_of_the_summary(name: str) -> None:
    model, x = made(name)
    names = {prefix for prefix, _ in model.named_layers()}
    rows = [row.name for row in fc.summary(model, x.shape).layers]
    assert len(set(rows)) == len(rows)
    leaves = {prefix for prefix, layer in model.named_layers() if not list(layer.named_children())}
    assert leaves <= set(rows)
    assert {prefix.rpartition(".")[0] for prefix in model.state_dict()} <= names


@every_network
def test_modes_reach_every_layer(name: str) -> None:
    model, x = made(name)
    assert all(not layer.training for _, layer in model.eval().named_layers())
    first = model(x)
    assert np.array_equal(model(x), first)  # no statistics moved
    assert all(layer.training for _, layer in model.train().named_layers())


# against PyTorch


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is the oracle here")


def torch_sequential(torch: Any, name: str) -> Any:
    nn = torch.nn
    if name == "ThreeLayerConvNet":
        return nn.Sequential(
            nn.Conv2d(2, 2, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(2 * 3 * 2, 5), nn.ReLU(), nn.Linear(5, 3),
        )  # fmt: skip
    if name == "DigitsNet":
        return nn.Sequential(
            nn.Conv2d(2, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(4 * 2 * 2, 3),
        )  # fmt: skip
    if name == "SmallVGG":
        layers, channels = [], 2
        for filters in (2, 3):
            for before in (channels, filters):
                layers += [nn.Conv2d(before, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()]
            layers.append(nn.MaxPool2d(2))
            channels = filters
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(3 * 1 * 1, 4), nn.ReLU(), nn.Linear(4, 3))
    unit, channels, (height, width) = (nn.ReLU, 1, (1, 1)) if name == "LeNet5" else (nn.Tanh, 2, (1, 1))
    return nn.Sequential(
        nn.Conv2d(channels, 6, 5), unit(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), unit(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(16 * height * width, 120), unit(), nn.Linear(120, 84), unit(), nn.Linear(84, 3),
    )  # fmt: skip


def torch_resnet(torch: Any, depth: int, width: int, channels: int, classes: int, shortcut: str) -> Any:
    """A residual network for CIFAR-10, written from the paper with the names of the PyTorch ones."""
    nn, functional = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self, before: int, after: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(after)
            self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(after)
            self.extra = (after - before) // 2
            self.changes = stride != 1 or before != after
            if self.changes and shortcut == "B":
                self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
            if self.changes and shortcut == "B":
                x = self.shortcut(x)
            elif self.changes:
                x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.extra, self.extra))
            return functional.relu(y + x)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(channels, width, 3, 1, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            before = width
            for stage in range(3):
                after = width * 2**stage
                blocks = [Block(before if i == 0 else after, after, 2 if stage and i == 0 else 1)
                          for i in range((depth - 2) // 6)]  # fmt: skip
                setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
                before = after
            self.linear = nn.Linear(before, classes)

        def forward(self, x: Any) -> Any:
            y = functional.relu(self.bn1(self.conv1(x)))
            y = self.layer3(self.layer2(self.layer1(y)))
            return self.linear(y.mean(dim=(2, 3)))

    return Net()


def twin_of(torch: Any, name: str, model: Layer) -> tuple[Any, dict[str, str]]:
    """The same network in PyTorch with the same weights, and its names of the parameters by ours."""
    kind, _, shortcut = name.partition(" ")
    residual = kind == "ResNet"
    twin = torch_resnet(torch, 8, 2, 2, 3, shortcut) if residual else torch_sequential(torch, name)
    twin = twin.double()
    theirs, own = list(twin.state_dict()), model.state_dict()
    if residual:
        names = {key: key for key in own}
    else:  # ours in the order of theirs: parameters of a layer, then its buffers
        by_layer = {}
        for key in own:
            by_layer.setdefault(key.rpartition(".")[0], []).append(key)
        layers = [prefix for prefix, layer in model.named_layers() if prefix in by_layer]
        names = dict(zip([key for prefix in layers for key in by_layer[prefix]], theirs, strict=True))
    assert set(names.values()) == set(theirs)
    twin.load_state_dict({names[key]: torch.from_numpy(value) for key, value in own.items()})
    return twin, names


@every_network
def test_it_is_the_network_of_pytorch(torch: Any, name: str) -> None:
    model, x = made(name, batch=4)
    twin, names = twin_of(torch, name, model)
    found = step(model, x, BACKENDS[0])
    given = torch.from_numpy(x).requires_grad_()
    y = twin(given)
    y.backward(torch.from_numpy(normal(found["y"].shape, 2)))
    close(found["y"], y.detach().numpy(), "y")
    close(found["dx"], given.grad.numpy(), "dx")
    gradients = dict(twin.named_parameters())
    for own, parameter in model.named_parameters():
        close(parameter.grad, gradients[names[own]].grad.numpy(), own)
    after = twin.state_dict()
    for own, value in model.named_buffers():
        close(value, after[names[own]].numpy(), own)
    close(model.eval()(x), twin.eval()(torch.from_numpy(x)).detach().numpy(), "evaluation")


def test_the_trained_network_of_others_gives_their_scores() -> None:
    """Weights, images and scores of a ResNet-20 that was trained on CIFAR-10 with PyTorch."""
    folder = Path(os.environ.get("FASTCONV_TEST_RESNET20", "nowhere"))
    if not folder.is_dir():
        pytest.skip("FASTCONV_TEST_RESNET20 names no folder with trained weights, which are not part of a checkout")
    with np.load(folder / "state_dict.npz") as state, np.load(folder / "test_data_0.npz") as data:
        weights, x, scores = dict(state), data["in_0"], data["out_0"]
    model = models.by_name("resnet20")
    uncounted = {name for name in model.state_dict() if name.endswith("num_batches_tracked")}
    assert set(model.state_dict()) - uncounted == set(weights)
    model.load_state_dict(weights, strict=False)
    model.eval()
    for backend in BACKENDS[:-1]:
        with fc.use_backend(backend):
            found = model(x)
        assert np.array_equal(found.argmax(axis=1), scores.argmax(axis=1))
        assert_close(found, scores, magnitude=DEPTH * np.abs(scores).max(), name=backend)


# it learns


def test_the_digits_are_learnt() -> None:
    pytest.importorskip("sklearn")
    from fastconv.data import load_digits
    from fastconv.optim import Adam

    train, test = load_digits()
    model = models.DigitsNet(rng=0)
    optimizer, rng = Adam(model.parameters(), lr=2e-3), np.random.default_rng(0)
    images, labels = train.images.astype(np.float32) / train.images.max(), train.labels
    for _ in range(8):
        order = rng.permutation(len(labels))
        for first in range(0, len(order), 32):
            chosen = order[first : first + 32]
            scores = model(images[chosen])
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
            scores /= scores.sum(axis=1, keepdims=True)
            scores[np.arange(len(chosen)), labels[chosen]] -= 1
            optimizer.zero_grad()
            model.backward(scores / np.float32(len(chosen)), input_gradient=False)
            optimizer.step()
    found = fc.layers.predict(model, test.images.astype(np.float32) / train.images.max())
    assert (found.argmax(axis=1) == test.labels).mean() >= 0.97


# the shortcut without parameters


def test_the_shortcut_by_hand() -> None:
    x = np.arange(2 * 3 * 4, dtype=np.float64).reshape(1, 2, 3, 4) + 1
    layer = SubsampleShortcut(2, 5, (2, 3))
    y = layer(x)
    assert y.shape == layer.output_shape(x.shape) == (1, 5, 2, 2)
    assert np.array_equal(y[0, 1], [[1, 4], [9, 12]])
    assert np.array_equal(y[0, 2], [[13, 16], [21, 24]])
    assert not y[0, [0, 3, 4]].any()
    dx = layer.backward(np.ones(y.shape))
    assert dx is not None
    assert np.array_equal(dx[0, 0], [[1, 0, 0, 1], [0, 0, 0, 0], [1, 0, 0, 1]])
    assert np.array_equal(dx[0, 0], dx[0, 1])
    assert layer.backward(np.ones(y.shape), input_gradient=False) is None


def test_the_shortcut_is_linear_and_backward_is_its_adjoint() -> None:
    layer, x = SubsampleShortcut(3, 4, 2), normal((2, 3, 5, 7), 0)
    y = layer(x)
    dy = normal(y.shape, 1)
    dx = layer.backward(dy)
    assert_close(np.vdot(dx, x), np.vdot(dy, y), magnitude=np.abs(dy).sum())


def test_the_shortcut_in_channels_last() -> None:
    x = normal((2, 3, 5, 7), 0)
    expected = SubsampleShortcut(3, 6)(x)
    layer = SubsampleShortcut(3, 6, layout="NHWC")
    found = layer(x.transpose(0, 2, 3, 1))
    assert np.array_equal(found, expected.transpose(0, 2, 3, 1))
    assert layer.output_shape((2, 5, 7, 3)) == found.shape
    assert repr(layer) == "SubsampleShortcut(3, 6, stride=(2, 2), layout='NHWC')"


def test_the_shortcut_keeps_the_memory_order() -> None:
    layer, x = SubsampleShortcut(2, 4), normal((2, 5, 6, 2), 0).transpose(0, 3, 1, 2)
    assert layer(x).transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((4, 3), InvalidValueError, "out_channels must be at least in_channels, but got out_channels=3"),
        ((0, 3), InvalidValueError, "in_channels must be at least 1"),
        ((2, 4, 0), InvalidValueError, "stride"),
        ((2, 4, 1.5), InvalidTypeError, "stride"),
    ],
)
def test_impossible_shortcuts(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"SubsampleShortcut: {message}"):
        SubsampleShortcut(*arguments)


def test_the_shortcut_refuses_other_channels() -> None:
    with pytest.raises(InvalidValueError, match=r"the input must have 3 channels, but got 2 \(shape \(1, 2, 4, 4\)\)"):
        SubsampleShortcut(3, 6)(np.ones((1, 2, 4, 4)))


# what is wrong


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: models.by_name("resnet21"), InvalidValueError, "name must be one of .*, but got 'resnet21'"),
        (lambda: models.by_name(20), InvalidTypeError, "name must be one of"),  # type: ignore[arg-type]
        (lambda: models.input_shape_of("no"), InvalidValueError, "input_shape_of: name must be one of"),
        (lambda: models.ResNet(21), InvalidValueError, "depth must be 6 n \\+ 2, such as 20"),
        (lambda: models.ResNet(2), InvalidValueError, "depth must be at least 8"),
        (lambda: models.ResNet(20, shortcut="C"), InvalidValueError, "shortcut must be one of 'A', 'B'"),
        (lambda: models.LeNet5((1, 15, 40)), InvalidValueError, r"planes of 16×16, but got \(1, 15, 40\)"),
        (lambda: models.LeNet5(activation="gelu"), InvalidValueError, "activation must be one of 'relu', 'tanh'"),
        (lambda: models.ThreeLayerConvNet((3, 32)), InvalidValueError, "input_shape must be a sequence of 3"),
        (lambda: models.ThreeLayerConvNet((0, 8, 8)), InvalidValueError, "at least one channel"),
        (lambda: models.SmallVGG(widths=()), InvalidValueError, "widths must name the filters"),
        (lambda: models.SmallVGG((3, 4, 40)), InvalidValueError, "planes of 8×8"),
        (lambda: models.DigitsNet(classes=0), InvalidValueError, "classes must be at least 1"),
        (lambda: models.DigitsNet(classes=2.0), InvalidTypeError, "classes must be an integer"),
    ],
)
def test_wrong_arguments(make: Callable[[], Layer], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_wrong_image_is_told_with_the_layer() -> None:
    with pytest.raises(InvalidValueError, match=r"summary: layer conv1: .*3"):
        fc.summary(models.ResNet(20), (1, 4, 32, 32))
    with pytest.raises(InvalidValueError, match=r"summary: layer fc1: Linear: the input must have shape \(N, 400\)"):
        fc.summary(models.LeNet5(), (1, 1, 32, 32))


# files


def file_with(folder: Path, text: str) -> str:
    (folder / "net.py").write_text(text, encoding="utf-8")
    return str(folder / "net.py")


IMPORTS = "from fastconv.layers import Linear, ReLU, Sequential\n"


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("model = Linear(2, 3)\nother = ReLU()", "", "Linear(2, 3)"),
        ("anything = Linear(2, 3)", "", "Linear(2, 3)"),
        ("a = Linear(2, 3)\nb = ReLU()", ":b", "ReLU()"),
        ("def model():\n    return ReLU()", "", "ReLU()"),
        ("def model(classes):\n    return Linear(2, classes)", "", "Linear(2, 4)"),
        ("def model(**options):\n    return Linear(2, options['classes'])", "", "Linear(2, 4)"),
        (
            "class Net(Sequential):\n    def __init__(self):\n        super().__init__(ReLU())",
            ":Net",
            "Net(\n  (0): ReLU()\n)",
        ),
        ("model = ReLU", "", "ReLU()"),
        ("import helper\nmodel = helper.net()", "", "ReLU()"),
    ],
)
def test_a_network_from_a_file(tmp_path: Path, text: str, name: str, expected: str) -> None:
    (tmp_path / "helper.py").write_text("from fastconv.layers import ReLU\nnet = ReLU\n", encoding="utf-8")
    assert repr(models.load_model_file(file_with(tmp_path, IMPORTS + text) + name, classes=4)) == expected


@pytest.mark.parametrize(
    ("text", "name", "error", "message"),
    [
        ("a = ReLU()\nb = ReLU()", "", InvalidValueError, r"'model', but got a, b\. Choose with .*net\.py:a"),
        ("a = 1", "", InvalidValueError, "must define one network, .* but got none"),
        ("a = ReLU()", ":b", InvalidValueError, "must define b, but its networks are a"),
        ("model = 3", "", InvalidTypeError, "model in .*net.py must be a Layer, or a function .* but got int"),
        ("def model():\n    return 3", "", InvalidTypeError, "model in .*net.py must return a Layer, but returned int"),
        ("x = 1\ny = 1 / 0", "", InvalidValueError, r"got ZeroDivisionError: division by zero \(.*net\.py, line 3\)"),
        ("def model():\n    raise KeyError('a')", "", InvalidValueError, r"got KeyError: 'a' \(.*net\.py, line 3\)"),
        ("model = Linear(0, 3)", "", InvalidValueError, r"Linear: in_features .*line 2"),
        ("def model(:", "", InvalidValueError, r"net\.py must be Python, but got SyntaxError: .*line 2"),
        ("raise SystemExit(3)", "", InvalidValueError, "SystemExit: 3"),
        ("import no_such_module_at_all", "", InvalidValueError, "ModuleNotFoundError: .*line 2"),
    ],
)  # fmt: skip
def test_files_that_are_wrong(tmp_path: Path, text: str, name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"load_model_file: .*{message}"):
        models.load_model_file(file_with(tmp_path, IMPORTS + text) + name)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such Python file"):
        models.load_model_file(str(tmp_path / "no.py"))


def test_a_network_from_a_file_can_be_pickled(tmp_path: Path) -> None:
    text = IMPORTS + "class Net(Sequential):\n    pass\nmodel = Net(Linear(2, 3, rng=0))"
    model = models.load_model_file(file_with(tmp_path, text))
    x = np.ones((1, 2), np.float32)
    assert np.array_equal(pickle.loads(pickle.dumps(model))(x), model(x))


def test_the_path_is_as_before(tmp_path: Path) -> None:
    import sys

    before = list(sys.path)
    models.load_model_file(file_with(tmp_path, IMPORTS + "model = ReLU()"))
    assert sys.path == before


def test_models_are_sequences() -> None:
    model = models.ThreeLayerConvNet(rng=0)
    assert isinstance(model["hidden"], Linear)
    assert isinstance(model[:3], Sequential)
    assert len(model) == 7
