"""The base of all layers, and the layers of convolution, pooling and matrix products."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from strategies import BACKENDS, Array, normal

import fastconv as fc
from fastconv.errors import InvalidTypeError, InvalidValueError, NotRunError
from fastconv.layers import (
    AvgPool2d,
    BatchNorm1d,
    Conv2d,
    Flatten,
    Identity,
    Layer,
    Linear,
    MaxPool2d,
    Parameter,
    Sequential,
    inference_mode,
    predict,
)
from fastconv.testing import assert_close

SHAPE = (3, 4, 7, 10)

# every layer of this file, with what it is fed
LAYERS: dict[str, tuple[Callable[..., Layer], tuple[int, ...]]] = {
    "Conv2d": (lambda **k: Conv2d(4, 6, (3, 2), (2, 1), padding="same", dilation=(1, 2), groups=2, rng=0, **k), SHAPE),
    "MaxPool2d": (lambda **k: MaxPool2d((3, 2), (1, 2), padding=(1, 0), **k), SHAPE),
    "AvgPool2d": (lambda **k: AvgPool2d((2, 3), ceil_mode=True, count_include_pad=False, **k), SHAPE),
    "Linear": (lambda **k: Linear(12, 5, rng=0, **k), (7, 12)),
    "Flatten": (lambda **_: Flatten(), SHAPE),
    "Identity": (lambda **_: Identity(), SHAPE),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def made(name: str, **options: Any) -> tuple[Layer, Array]:
    make, shape = LAYERS[name]
    return make(**options), normal(shape, 5, np.dtype(np.float32))


def network(rng: int = 0) -> Sequential:
    generator = np.random.default_rng(rng)
    return Sequential(
        Conv2d(4, 6, 3, padding=1, rng=generator), MaxPool2d(2), Flatten(), Linear(6 * 3 * 5, 5, rng=generator)
    )


# parameters


def test_a_parameter_copies_what_is_assigned() -> None:
    layer, values = Linear(3, 2), np.arange(6).reshape(2, 3)
    layer.weight = values
    values[:] = 0
    np.testing.assert_array_equal(np.asarray(layer.weight), np.arange(6, dtype=np.float32).reshape(2, 3))
    assert isinstance(layer.weight, Parameter)
    assert (layer.weight.dtype, layer.weight.shape) == (np.float32, (2, 3))


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (np.zeros((3, 2)), InvalidValueError, r"must have the shape of the parameter, \(2, 3\), but got \(3, 2\)"),
        (0.0, InvalidValueError, r"must have the shape of the parameter, \(2, 3\), but got \(\)"),
        (np.zeros((2, 3), complex), InvalidTypeError, "must be real numbers, but got complex128"),
    ],
)
def test_a_parameter_refuses_other_shapes_and_kinds(value: Any, error: type[Exception], message: str) -> None:
    layer = Linear(3, 2, rng=0)
    before = layer.weight.data.copy()
    with pytest.raises(error, match=message):
        layer.weight = value
    with pytest.raises(error, match=message):
        layer.weight.data = value
    np.testing.assert_array_equal(layer.weight.data, before)


def test_a_parameter_works_in_place() -> None:
    weight = Parameter(np.ones((2, 3), np.float32))
    data = weight.data
    weight.data -= 0.25
    weight[0] = 7
    assert weight.data is data
    np.testing.assert_array_equal(np.asarray(weight, np.float64), [[7, 7, 7], [0.75, 0.75, 0.75]])


def test_gradients_add_up_until_they_are_forgotten() -> None:
    layer, x = made("Conv2d")
    dy = np.ones_like(layer(x))
    assert layer.weight.grad is None
    layer.backward(dy)
    once = layer.weight.grad.copy()
    layer.backward(dy)
    np.testing.assert_array_equal(layer.weight.grad, 2 * once)
    layer.zero_grad()
    assert layer.weight.grad is None
    layer.backward(dy)
    np.testing.assert_array_equal(layer.weight.grad, once)


def test_a_gradient_has_the_dtype_of_its_parameter() -> None:
    layer = Linear(4, 3, rng=0)
    layer(np.ones((2, 4)))
    dx = layer.backward(np.ones((2, 3)))
    assert (dx.dtype, layer.weight.grad.dtype) == (np.float64, np.float32)


@pytest.mark.parametrize("frozen", ["weight", "bias"])
def test_frozen_parameters_get_no_gradient(frozen: str) -> None:
    layer, x = made("Conv2d")
    getattr(layer, frozen).requires_grad = False
    layer.backward(np.ones_like(layer(x)))
    assert [name for name, p in layer.named_parameters() if p.grad is None] == [frozen]


# what a layer promises


@every_layer
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_the_shape_rule_is_the_shape(name: str, batch: int) -> None:
    layer, x = made(name)
    y = layer(x[:batch])
    assert layer.output_shape(x[:batch].shape) == y.shape
    assert layer.backward(np.ones_like(y)).shape == x[:batch].shape


@every_layer
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_dtype_is_kept(name: str, dtype: str) -> None:
    layer, x = made(name, **({"dtype": dtype} if name in ("Conv2d", "Linear") else {}))
    y = layer(x.astype(dtype))
    assert (y.dtype, layer.backward(y).dtype) == (dtype, dtype)
    assert all(p.grad.dtype == dtype for p in layer.parameters())


@every_layer
def test_backward_needs_a_forward_pass_that_remembers(name: str) -> None:
    layer, x = made(name)
    dy = np.ones(layer.output_shape(x.shape), np.float32)
    with pytest.raises(NotRunError, match=rf"{name}.backward: forward must run first"):
        layer.backward(dy)
    layer(x)
    with inference_mode():
        layer(x)
    with pytest.raises(NotRunError, match=rf"{name}.backward: forward must run first, outside of inference_mode"):
        layer.backward(dy)


@every_layer
def test_inference_mode_changes_no_result(name: str) -> None:
    layer, x = made(name)
    y = layer(x)
    with inference_mode():
        np.testing.assert_array_equal(layer(x), y)


@every_layer
def test_backward_refuses_another_shape(name: str) -> None:
    layer, x = made(name)
    shape = layer(x).shape
    with pytest.raises(InvalidValueError, match=r"dy must have .*shape of the output"):
        layer.backward(np.ones((*shape[:-1], shape[-1] + 1), np.float32))


@every_layer
def test_the_gradient_of_the_input_can_be_spared(name: str) -> None:
    layer, x = made(name)
    dy = np.ones_like(layer(x))
    layer.backward(dy)
    expected = [parameter.grad for parameter in layer.parameters()]
    layer.zero_grad()
    assert layer.backward(dy, input_gradient=False) is None
    for parameter, gradient in zip(layer.parameters(), expected):
        np.testing.assert_array_equal(parameter.grad, gradient)


@every_layer
def test_backward_works_after_evaluation(name: str) -> None:
    layer, x = made(name)
    dy = np.ones_like(layer.train()(x))
    expected = layer.backward(dy)
    layer.eval()(x)
    np.testing.assert_array_equal(layer.backward(dy), expected)


@every_layer
def test_a_second_backward_pass_after_two_forward_passes_is_an_error(name: str) -> None:
    layer, x = made(name)
    layer(x)
    dy = np.ones_like(layer(2 * x))
    expected = layer.backward(dy)
    with pytest.raises(NotRunError, match=rf"{name}\.backward: .*after 2 forward passes, of which only the last"):
        layer.backward(dy)
    layer(2 * x)
    for _ in range(2):  # two losses of one pass
        np.testing.assert_array_equal(layer.backward(dy), expected)


def test_passes_that_nothing_is_learned_from_do_not_count() -> None:
    layer, x = made("Linear")
    for looks in (layer.eval(), layer.train()):
        looks(x)
        with inference_mode():
            looks(x)
    layer.eval()(x)
    dy = np.ones_like(layer.train()(x))
    np.testing.assert_array_equal(layer.backward(dy), layer.backward(dy))


def test_a_network_of_which_two_passes_are_answered_twice_changes_no_gradient() -> None:
    model, x = network(), normal(SHAPE, 5, np.dtype(np.float32))
    model(x)
    dy = np.ones_like(model(2 * x))
    model.backward(dy)
    before = [parameter.grad.copy() for parameter in model.parameters()]  # type: ignore[union-attr]
    with pytest.raises(NotRunError, match="a backward pass must follow each forward pass"):
        model.backward(dy)
    for parameter, gradient in zip(model.parameters(), before):
        np.testing.assert_array_equal(parameter.grad, gradient)


@every_layer
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_work_and_leave_the_memory_behind(name: str, duplicate: Callable[[Layer], Layer]) -> None:
    layer, x = made(name)
    y = layer(x)
    twin = duplicate(layer)
    with pytest.raises(NotRunError, match="forward must run first"):
        twin.backward(np.ones_like(y))
    np.testing.assert_array_equal(twin(x), y)
    for parameter in twin.parameters():
        parameter.data[...] = 0
    np.testing.assert_array_equal(layer(x), y)


@every_layer
def test_unbatched_inputs_are_refused(name: str) -> None:
    if name == "Identity":
        pytest.skip("takes any array")
    layer, x = made(name)
    with pytest.raises(InvalidValueError, match=r"must have"):
        layer(x[0].ravel() if name == "Flatten" else x[0])


@pytest.mark.parametrize("name", ["Conv2d", "MaxPool2d", "AvgPool2d"])
def test_layouts_agree(name: str) -> None:
    layer, x = made(name)
    other, _ = made(name, layout="NHWC")
    y = layer(x)
    moved = other(x.transpose(0, 2, 3, 1))
    assert other.output_shape((3, 7, 10, 4)) == moved.shape
    np.testing.assert_array_equal(moved.transpose(0, 3, 1, 2), y)
    dy = normal(y.shape, 3, y.dtype)
    np.testing.assert_array_equal(other.backward(dy.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2), layer.backward(dy))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["Conv2d", "MaxPool2d", "AvgPool2d", "Linear"])
def test_layers_are_the_operations(name: str, backend: str) -> None:
    layer, x = made(name)
    if name == "Linear":
        y, dx, rounding = x @ layer.weight.data.T, None, np.abs(x) @ np.abs(layer.weight.data).T
        with fc.use_backend(backend):
            assert_close(layer(x), y, magnitude=rounding)
        return
    with fc.use_backend(backend):
        actual = layer(x)
        dy = normal(actual.shape, 1, x.dtype)
        dx = layer.backward(dy)
    if name == "Conv2d":
        options = {"stride": (2, 1), "padding": "same", "dilation": (1, 2), "groups": 2, "backend": backend}
        expected = fc.conv2d(x, layer.weight.data, layer.bias.data, **options)
        gradients = fc.conv2d_backward(dy, x, layer.weight.data, **options)
        np.testing.assert_array_equal(layer.weight.grad, gradients.dweight)
        np.testing.assert_array_equal(layer.bias.grad, gradients.dbias)
        wanted = gradients.dx
    elif name == "MaxPool2d":
        pool = {"stride": (1, 2), "padding": (1, 0), "backend": backend}
        expected, indices = fc.max_pool2d(x, (3, 2), return_indices=True, **pool)
        wanted = fc.max_pool2d_backward(dy, indices, x.shape, backend=backend)
    else:
        pool = {"ceil_mode": True, "count_include_pad": False, "backend": backend}
        expected, wanted = fc.avg_pool2d(x, (2, 3), **pool), fc.avg_pool2d_backward(dy, x.shape, (2, 3), **pool)
    np.testing.assert_array_equal(actual, expected)
    np.testing.assert_array_equal(dx, wanted)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_linear_gradients(backend: str, dtype: str) -> None:
    layer = Linear(12, 5, dtype=dtype, rng=1, backend=backend)
    x, dy = normal((7, 12), 0, np.dtype(dtype)), normal((7, 5), 1, np.dtype(dtype))
    layer(x)
    dx = layer.backward(dy)
    weight = layer.weight.data
    assert_close(dx, dy @ weight, magnitude=np.abs(dy) @ np.abs(weight))
    assert_close(layer.weight.grad, dy.T @ x, magnitude=np.abs(dy.T) @ np.abs(x))
    assert_close(layer.bias.grad, dy.sum(0), magnitude=np.abs(dy).sum(0))


def test_a_layer_runs_on_the_backend_of_its_forward_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    for name in ("naive", "numpy"):
        backend = __import__(f"fastconv.backends.{name}", fromlist=["BACKEND"]).BACKEND
        for method in ("conv", "conv_backward"):
            original = getattr(type(backend), method)

            def noted(self: Any, *args: Any, _of: Any = original, _label: str = f"{name}.{method}") -> Any:
                ran.append(_label)
                return _of(self, *args)

            monkeypatch.setattr(type(backend), method, noted)
    layer, x = made("Conv2d")
    with fc.use_backend("naive"):
        y = layer(x)
    with fc.use_backend("numpy"):
        layer.backward(y)
        layer(x)
    assert ran == ["naive.conv", "naive.conv_backward", "numpy.conv"]
    named, _ = made("Conv2d", backend="numpy")
    with fc.use_backend("naive"):
        named.backward(named(x))
    assert ran[3:] == ["numpy.conv", "numpy.conv_backward"]


# networks


def test_a_network_is_its_layers_in_a_row() -> None:
    model, x = network(), normal(SHAPE, 0, np.dtype(np.float32))
    y = x
    for layer in model:
        y = layer(y)
    np.testing.assert_array_equal(model(x), y)
    assert model.output_shape(SHAPE) == y.shape == (3, 5)
    assert model.multiply_adds((1, *SHAPE[1:])) == 6 * 7 * 10 * 4 * 9 + 6 * 3 * 5 * 5
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias", "3.weight", "3.bias"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_gradients_of_a_network_are_numerical_ones(backend: str) -> None:
    rng = np.random.default_rng(3)
    model = Sequential(Conv2d(2, 3, 3, padding=1, rng=rng), AvgPool2d(2), Flatten(), Linear(3 * 2 * 3, 4, rng=rng))
    with fc.use_backend(backend):
        check = fc.gradient_check(model, normal((2, 2, 4, 6), 1))
    assert check, str(check)
    assert set(check.errors) == {"x", *model.state_dict()}
    assert {parameter.dtype for parameter in model.parameters()} == {np.dtype(np.float32)}


def test_the_gradient_of_the_images_is_spared_once() -> None:
    model, x = network(), normal(SHAPE, 0, np.dtype(np.float32))
    y = model(x)
    model.backward(np.ones_like(y))
    expected = [p.grad for p in model.parameters()]
    model.zero_grad()
    assert model.backward(np.ones_like(y), input_gradient=False) is None
    for parameter, gradient in zip(model.parameters(), expected):
        np.testing.assert_array_equal(parameter.grad, gradient)


def test_the_same_layer_twice_is_refused() -> None:
    pool = MaxPool2d(2)
    with pytest.raises(InvalidValueError, match=r"layers 0 and 2 share one\. Each remembers its last input"):
        Sequential(pool, Identity(), pool)
    with pytest.raises(InvalidValueError, match="layers 0 and 1 share one"):
        Sequential(Sequential(pool), pool)
    network = Sequential(Identity(), pool)
    with pytest.raises(InvalidValueError, match="layers 1 and 2 share one"):
        network.append(pool)
    assert len(network) == 2


def test_a_long_network_is_made_in_one_pass() -> None:
    asked: list[str] = []

    class Counting(Identity):
        def named_layers(self, prefix: str = "") -> Iterator[tuple[str, Layer]]:
            asked.append(prefix)
            return super().named_layers(prefix)

    Sequential(*(Counting() for _ in range(50)))
    assert len(asked) <= 100


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        ((Identity,), InvalidTypeError, "layer 0 must be a Layer, but got <class"),
        (({"a.b": Identity()},), InvalidValueError, "must not be empty or have a dot, but got 'a.b'"),
    ],
)
def test_only_layers_make_a_network(layers: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Sequential(*layers)


def test_names_and_positions() -> None:
    model = Sequential({"body": Sequential(Identity(), Linear(3, 2)), "head": Linear(2, 1)})
    assert [name for name, _ in model.named_parameters()] == [
        "body.1.weight",
        "body.1.bias",
        "head.weight",
        "head.bias",
    ]
    assert model["head"] is model[1] is model[-1]
    assert len(model[:1]) == 1
    assert len(model.append(Identity())) == 3


def test_state_goes_from_one_network_to_another() -> None:
    x = normal(SHAPE, 0, np.dtype(np.float32))
    a, b = network(0), network(1)
    state = a.state_dict()
    b.load_state_dict(state)
    np.testing.assert_array_equal(a(x), b(x))
    state["0.weight"][:] = 0
    np.testing.assert_array_equal(a(x), b(x))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"0.weight": None}, r"missing: 0\.weight. Use strict=False"),
        ({"9.weight": np.zeros(3)}, r"unexpected: 9\.weight. Use strict=False"),
        ({"3.bias": np.zeros(4)}, r"of another shape: 3\.bias \(4,\) in place of \(5,\)\.$"),
        (
            {"0.bias": None, "3.bias": np.zeros(4), "8.bias": np.zeros(1), "9.bias": np.zeros(1)},
            r"missing: 0\.bias; unexpected: 8\.bias, 9\.bias; of another shape: 3\.bias \(4,\) in place of \(5,\)\. ",
        ),
        ({"3.bias": np.zeros(5, complex)}, r"3\.bias must be real numbers, but got complex128"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change: dict[str, Any], message: str) -> None:
    model = network(0)
    before = model.state_dict()
    state = {name: value for name, value in {**network(1).state_dict(), **change}.items() if value is not None}
    with pytest.raises((InvalidValueError, InvalidTypeError), match=message):
        model.load_state_dict(state)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("state", ["weights.npz", [("0.weight", 1)], None])
def test_a_state_is_a_dict(state: Any) -> None:
    with pytest.raises(InvalidTypeError, match=r"must be a dict of arrays by name.* fastconv\.layers\.load_state"):
        network(0).load_state_dict(state)


def test_a_partial_state_loads_when_asked() -> None:
    model, other = network(0), network(1).state_dict()
    found = model.load_state_dict({"3.weight": other["3.weight"], "unknown": np.zeros(1)}, strict=False)
    assert found.missing_keys == ("0.weight", "0.bias", "3.bias")
    assert found.unexpected_keys == ("unknown",)
    np.testing.assert_array_equal(model[3].weight.data, other["3.weight"])


def test_modes_reach_every_layer() -> None:
    model = Sequential(Sequential(Identity()), Identity())
    assert model.eval() is model
    assert [layer.training for _, layer in model.named_layers()] == [False] * 4
    model.train()
    assert all(layer.training for _, layer in model.named_layers())


def test_prediction_in_batches_restores_the_mode() -> None:
    model, x = network(), normal((5, *SHAPE[1:]), 0, np.dtype(np.float32))
    model[1].eval()
    y = predict(model, x, batch_size=2)
    assert [layer.training for layer in model] == [True, False, True, True]
    np.testing.assert_array_equal(y, np.concatenate([model(x[i : i + 2]) for i in (0, 2, 4)]))
    assert predict(model, x[:0]).shape == (0, 5)


def test_seeds_give_the_same_weights_again() -> None:
    a, b, c = (Conv2d(3, 4, 3, rng=seed).weight.data for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
    rng = np.random.default_rng(0)
    first, second = Linear(3, 3, rng=rng), Linear(3, 3, rng=rng)
    assert (first.weight.data != second.weight.data).any()


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (Conv2d(3, 8, 5, 2, bias=False), "Conv2d(3, 8, kernel_size=(5, 5), stride=(2, 2), bias=False)"),
        (MaxPool2d(2), "MaxPool2d(kernel_size=(2, 2), stride=(2, 2))"),
        (
            AvgPool2d(2, count_include_pad=False),
            "AvgPool2d(kernel_size=(2, 2), stride=(2, 2), count_include_pad=False)",
        ),
        (Linear(3, 4, bias=False), "Linear(3, 4, bias=False)"),
        (
            Sequential(Flatten(), Sequential(Identity())),
            "Sequential(\n  (0): Flatten()\n  (1): Sequential(\n    (0): Identity()\n  )\n)",
        ),
    ],
)
def test_layers_are_readable(layer: Layer, text: str) -> None:
    assert repr(layer) == text


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Conv2d(0, 3, 3), InvalidValueError, "Conv2d: in_channels must be at least 1, but got 0"),
        (lambda: Conv2d(4, 6, 3, groups=4), InvalidValueError, "Conv2d: groups must divide in_channels and out_chann"),
        (lambda: Conv2d(4, 6, 3.0), InvalidTypeError, r"Conv2d: kernel_size must be an integer .* but got 3\.0"),
        (lambda: Conv2d(4, 6, 3, padding=-1), InvalidValueError, "Conv2d: padding must be at least 0"),
        (lambda: Conv2d(4, 6, 3, layout="CHW"), InvalidValueError, "Conv2d: layout must be 'NCHW' or 'NHWC'"),
        (lambda: Conv2d(4, 6, 3, dtype=int), InvalidTypeError, "Conv2d: dtype must be float16, float32 or float64"),
        (lambda: Conv2d(4, 6, 3, dtype="x"), InvalidTypeError, "Conv2d: dtype must be float16, float32 or float64"),
        (lambda: Conv2d(4, 6, 3, rng="seed"), InvalidTypeError, "Conv2d: rng must be a numpy.random.Generator"),
        (lambda: Conv2d(4, 6, 3, backend="gpu"), InvalidValueError, "Conv2d: backend must be one of 'fast'"),
        (lambda: Linear(3, 4, weight_init="best"), InvalidValueError, "Linear: weight_init must be one of 'he_normal'"),
        (lambda: Linear(3, 4, weight_init=1), InvalidTypeError, "Linear: weight_init must be a name or a function"),
        (lambda: Linear(3, 4, bias=0), InvalidTypeError, "Linear: bias must be True or False"),
        (lambda: MaxPool2d(2, stride=0), InvalidValueError, "MaxPool2d: stride must be at least 1"),
    ],
)
def test_wrong_arguments_are_refused_when_the_layer_is_made(
    make: Callable[[], Layer], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make()


def test_wrong_inputs_name_the_layer_to_add() -> None:
    with pytest.raises(InvalidValueError, match=r"must have shape \(N, 12\), but got \(2, 3, 4\). Put a Flatten"):
        Linear(12, 3)(np.ones((2, 3, 4)))


def test_linear_is_in_proportion_to_its_rounding() -> None:
    layer = Linear(4096, 3, rng=0)
    x = normal((5, 4096), 2, np.dtype(np.float32))
    wide = x.astype(np.float64) @ layer.weight.data.astype(np.float64).T
    assert_close(layer(x), wide, magnitude=np.abs(x) @ np.abs(layer.weight.data).T, dtype=np.float32)


def test_the_oracle_of_layers() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    nn = torch.nn
    model = network(2)
    theirs = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(90, 5)).double()
    theirs.load_state_dict({name: torch.tensor(value) for name, value in model.state_dict().items()})
    x = normal(SHAPE, 0, np.dtype(np.float32))
    tensor = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    expected = theirs(tensor)
    dy = normal(tuple(expected.shape), 1, np.dtype(np.float32))
    expected.backward(torch.tensor(dy, dtype=torch.float64))
    y = model(x)
    assert_close(y, expected.detach().numpy(), dtype=np.float32)
    assert_close(model.backward(dy), tensor.grad.numpy(), dtype=np.float32)
    for (name, own), parameter in zip(model.named_parameters(), theirs.parameters()):
        assert_close(own.grad, parameter.grad.numpy(), dtype=np.float32, name=name)


def test_initializers_have_their_variance() -> None:
    from fastconv import initializers

    shape, rng = (64, 32, 3, 5), np.random.default_rng(0)
    fan_in, fan_out = 32 * 15, 64 * 15
    expected = {
        "he_normal": 2 / fan_in,
        "he_uniform": 2 / fan_in,
        "xavier_normal": 2 / (fan_in + fan_out),
        "xavier_uniform": 2 / (fan_in + fan_out),
        "pytorch_uniform": 1 / (3 * fan_in),
        "zeros": 0,
        "ones": 0,
    }
    assert set(expected) == set(initializers.INITIALIZERS)
    for name, variance in expected.items():
        drawn = initializers.by_name("test", name)(shape, rng, np.dtype(np.float32))
        assert drawn.dtype == np.float32
        # the variance of a sample of n has a relative standard deviation of sqrt(2 / n); five of them
        assert abs(drawn.astype(np.float64).var() - variance) <= 5 * np.sqrt(2 / drawn.size) * variance


@pytest.mark.parametrize("dims", [(1, -1), (0, -1), (2, -1), (1, 2), (-2, 3), (2, 2)])
def test_flatten_takes_the_axes_that_it_is_told(dims: tuple[int, int]) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5), dtype=np.float32)
    flatten = fc.layers.Flatten(*dims)
    first, last = (dim % 4 for dim in dims)
    expected = x.reshape(*x.shape[:first], -1, *x.shape[last + 1 :])
    np.testing.assert_array_equal(flatten(x), expected)
    assert flatten.output_shape(x.shape) == expected.shape
    np.testing.assert_array_equal(flatten.backward(expected), x)
    with pytest.raises(ValueError, match="start_dim and end_dim must be axes"):
        fc.layers.Flatten(3, 1)(x)


def test_a_shape_that_differs_is_an_error_in_a_partial_state_too() -> None:
    with pytest.raises(InvalidValueError, match=r"but of another shape: 3\.bias \(4,\) in place of \(5,\)\.$"):
        network(0).load_state_dict({"3.bias": np.zeros(4)}, strict=False)


def test_the_counts_of_batches_may_be_missing() -> None:
    model = Sequential(Linear(3, 4, rng=0), BatchNorm1d(4))
    state = {name: value for name, value in model.state_dict().items() if name != "1.num_batches_tracked"}
    assert model.load_state_dict(state) == ((), ())
    del state["1.running_mean"]
    with pytest.raises(InvalidValueError, match=r"but missing: 1\.running_mean\."):
        model.load_state_dict(state)


def test_a_state_goes_layer_by_layer_as_in_pytorch() -> None:
    model = Sequential(BatchNorm1d(3), Linear(3, 2, rng=0))
    tables = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert list(model.state_dict()) == [*(f"0.{table}" for table in tables), "1.weight", "1.bias"]
