"""Residual and Concat: branches that read the same input."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from strategies import BACKENDS, Array, normal

import fastconv as fc
from fastconv.errors import InvalidTypeError, InvalidValueError, NotRunError
from fastconv.layers import (
    BatchNorm2d,
    Concat,
    Conv2d,
    Dropout,
    Flatten,
    Identity,
    Layer,
    Linear,
    MaxPool2d,
    ReLU,
    Residual,
    Sequential,
    Skip,
    inference_mode,
)
from fastconv.layers.base import Step, Value
from fastconv.testing import assert_close

SHAPE = (2, 4, 5, 6)


def conv(filters: int, kernel: int, rng: int, channels: int = 4) -> Conv2d:
    return Conv2d(channels, filters, kernel, padding="same", rng=rng, dtype=np.float64)


LAYERS: dict[str, Callable[[], Layer]] = {
    "one branch": lambda: Residual(conv(4, 3, 0)),
    "identity": lambda: Residual(Identity()),
    "identities": lambda: Residual(Identity(), Identity(), Identity()),
    "body and shortcut": lambda: Residual(Sequential(conv(4, 3, 0), ReLU(), conv(7, 3, 1)), conv(7, 1, 2)),
    "named": lambda: Residual({"body": conv(4, 3, 0), "shortcut": Identity()}),
    "nested": lambda: Skip(Sequential(Skip(conv(4, 3, 0)), Skip(conv(4, 1, 1), Identity()))),
    "concat": lambda: Concat(conv(3, 3, 0), conv(2, 1, 1), Identity()),
    "concat of one": lambda: Concat(Identity()),
    "concat of rows": lambda: Concat(Identity(), MaxPool2d(1), axis=2),
    "concat from the back": lambda: Concat(Identity(), MaxPool2d((1, 2)), axis=-1),
    "concat in a sum": lambda: Residual(Concat({"a": conv(3, 3, 0), "b": conv(1, 1, 1)}), Identity()),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def test_by_hand() -> None:
    double = Linear(2, 2, bias=False, dtype=np.float64, rng=0)
    double.weight = [[2, 0], [0, 2]]
    x, dy = np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]])
    for block in (Skip(double), Residual(double), Residual(Identity(), double)):
        block.zero_grad()
        assert_close(block(x), 3 * x)
        assert_close(block.backward(dy), 3 * dy)
        assert_close(double.weight.grad, np.array([[10.0, 20.0], [20.0, 40.0]]))
    side = Concat(Identity(), double)
    assert_close(side(x), np.array([[1.0, 2.0, 2.0, 4.0]]))
    assert_close(side.backward(np.array([[1.0, 2.0, 3.0, 4.0]])), np.array([[7.0, 10.0]]))


@pytest.mark.parametrize("backend", BACKENDS)
@every_layer
def test_gradients(name: str, backend: str) -> None:
    layer, x = LAYERS[name](), normal(SHAPE, 0)
    with fc.use_backend(backend):
        assert fc.gradient_check(layer, x)


@pytest.mark.parametrize("backend", BACKENDS)
@every_layer
def test_the_output_has_the_shape_that_was_promised(name: str, backend: str) -> None:
    layer = LAYERS[name]()
    with fc.use_backend(backend):
        assert layer(normal(SHAPE, 0)).shape == layer.output_shape(SHAPE)


@every_layer
def test_nothing_is_modified_or_shared(name: str) -> None:
    layer, x = LAYERS[name](), normal(SHAPE, 0)
    before = x.copy()
    y = layer(x)
    assert not np.shares_memory(y, x)
    dy = normal(y.shape, 1)
    gradient = dy.copy()
    dx = layer.backward(dy)
    assert dx is not None
    assert not np.shares_memory(dx, dy)
    assert np.array_equal(x, before)
    assert np.array_equal(dy, gradient)
    dx += 1  # the caller may
    assert_close(layer.backward(dy), dx - 1)


@every_layer
def test_without_the_gradient_of_the_input(name: str) -> None:
    layer, other, x = LAYERS[name](), LAYERS[name](), normal(SHAPE, 0)
    dy = normal(layer(x).shape, 1)
    other(x)
    layer.backward(dy)
    assert other.backward(dy, input_gradient=False) is None
    for mine, yours in zip(layer.parameters(), other.parameters()):
        assert_close(yours.grad, mine.grad, magnitude=0)


@every_layer
def test_copies_and_states(name: str) -> None:
    layer, x = LAYERS[name](), normal(SHAPE, 0)
    expected = layer(x)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert np.array_equal(twin(x), expected)
        assert repr(twin) == repr(layer)
        with pytest.raises(NotRunError, match="forward must run first"):
            copy.deepcopy(layer).backward(expected)
    other = LAYERS[name]()
    for parameter in other.parameters():
        parameter.data[...] = 7
    other.load_state_dict(layer.state_dict())
    assert np.array_equal(other(x), expected)


def test_names() -> None:
    assert list(LAYERS["named"]().state_dict()) == ["body.weight", "body.bias"]
    assert list(LAYERS["body and shortcut"]().state_dict()) == [
        f"{name}.{kind}" for name in ("0.0", "0.2", "1") for kind in ("weight", "bias")
    ]
    block = LAYERS["named"]()
    assert isinstance(block, Residual)
    assert block["shortcut"] is block[1]
    assert len(block) == 2
    assert [type(branch) for branch in block] == [Conv2d, Identity]
    assert repr(LAYERS["concat from the back"]()).startswith("Concat(axis=-1\n  (0): Identity()")


def test_modes_and_release_reach_the_branches() -> None:
    drop, norm = Dropout(0.5, rng=0), BatchNorm2d(4)
    block = Residual(drop, norm)
    block.eval()
    assert not drop.training
    assert not norm.training
    x = normal(SHAPE, 0, np.float32)
    block(x)
    block.release()
    with pytest.raises(NotRunError, match=r"Residual\.backward: forward must run first"):
        block.backward(x)
    with inference_mode():
        block(x)
    with pytest.raises(NotRunError, match="inference_mode"):
        block.backward(x)


# dtype and memory


@pytest.mark.parametrize("kind", [Residual, Concat])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtypes_are_kept(kind: Callable[..., Layer], dtype: str) -> None:
    layer = kind(Conv2d(4, 4, 1, dtype=dtype, rng=0), Identity())
    x = normal(SHAPE, 0, dtype)
    y = layer(x)
    dx = layer.backward(y)
    assert dx is not None
    assert y.dtype == dx.dtype == dtype


@pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")
@pytest.mark.parametrize("kind", [Residual, Concat])
def test_channels_last_memory_stays(kind: Callable[..., Layer]) -> None:
    layer = kind(Conv2d(4, 4, 3, padding=1, rng=0), Conv2d(4, 4, 1, rng=1))
    with fc.use_backend("fast"):
        y = layer(normal(SHAPE, 0, np.float32))
    assert np.moveaxis(y, 1, -1).flags.c_contiguous


# what a summary reads


def steps_of(layer: Layer, shape: tuple[int, ...] = SHAPE) -> list[Step]:
    steps: list[Step] = []
    result = layer.trace(Value(0, shape), steps, "block")
    assert result == steps[-1].output
    assert result.shape == layer.output_shape(shape)
    return steps


def test_trace_of_a_sum() -> None:
    body, shortcut, total = steps_of(LAYERS["named"]())
    assert (body.name, shortcut.name, total.name) == ("block.body", "block.shortcut", "block")
    assert shortcut.output.key == 0  # a view of the input
    assert [value.key for value in total.inputs] == [body.output.key, 0]
    assert total.output.key not in (0, body.output.key)
    assert total.layer.flops(SHAPE) == np.prod(SHAPE)


def test_trace_of_one_branch_reads_the_input() -> None:
    body, total = steps_of(LAYERS["one branch"]())
    assert [value.key for value in total.inputs] == [0, body.output.key]


@every_layer
def test_traces_write_every_array_once(name: str) -> None:
    steps = steps_of(LAYERS[name]())
    written = [step.output.key for step in steps if step.output.key not in [value.key for value in step.inputs]]
    assert len(written) == len(set(written))
    known = {0}
    for step in steps:
        assert {value.key for value in step.inputs} <= known
        known.add(step.output.key)


@every_layer
def test_operations_are_those_of_the_branches_and_the_sums(name: str) -> None:
    layer = LAYERS[name]()
    steps = steps_of(layer)
    inside = [one for _, one in layer.named_layers() if isinstance(one, Conv2d)]
    convs = [step for step in steps if step.layer in inside]
    assert len(convs) == len(inside)
    assert layer.multiply_adds(SHAPE) == sum(step.layer.multiply_adds(step.inputs[0].shape) for step in convs)
    assert layer.flops(SHAPE) == sum(step.layer.flops(step.inputs[0].shape) for step in steps)
    outer = Sequential(layer)
    assert (outer.multiply_adds(SHAPE), outer.flops(SHAPE)) == (layer.multiply_adds(SHAPE), layer.flops(SHAPE))


@every_layer
def test_a_summary_counts_every_parameter_once(name: str) -> None:
    layer = LAYERS[name]()
    found = fc.summary(layer, SHAPE)
    assert found.parameters == sum(parameter.size for parameter in layer.parameters())
    assert sum(row.parameters for row in found.layers) == found.parameters


# against PyTorch


def test_a_residual_block_against_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    layer = LAYERS["body and shortcut"]()
    x, state = normal(SHAPE, 0), {name: torch.tensor(value) for name, value in layer.state_dict().items()}
    tensors = {name: value.requires_grad_() for name, value in state.items()}
    tensor = torch.tensor(x, requires_grad=True)
    functional = torch.nn.functional
    inner = functional.relu(functional.conv2d(tensor, tensors["0.0.weight"], tensors["0.0.bias"], padding=1))
    expected = functional.conv2d(inner, tensors["0.2.weight"], tensors["0.2.bias"], padding=1)
    expected = expected + functional.conv2d(tensor, tensors["1.weight"], tensors["1.bias"])
    assert_close(layer(x), expected.detach().numpy())
    dy = normal(expected.shape, 1)
    expected.backward(torch.tensor(dy))
    assert_close(layer.backward(dy), tensor.grad.numpy())
    for name, parameter in layer.named_parameters():
        assert_close(parameter.grad, tensors[name].grad.numpy())


# refusals

SHARED = Identity()
WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: Residual(), InvalidValueError, "Residual: branches must be at least one, but got none"),
    (lambda: Concat({}), InvalidValueError, "Concat: branches must be at least one, but got none"),
    (lambda: Residual(np.ones), InvalidTypeError, "Residual: branch 0 must be a Layer, but got <"),  # type: ignore[arg-type]
    (lambda: Residual({"a.b": Identity()}), InvalidValueError, "the name of a branch must not be empty or have a dot"),
    (lambda: Residual(SHARED, Sequential(SHARED)), InvalidValueError, "branches 0 and 1 share one"),
    (lambda: Residual(conv(5, 1, 0))(np.ones(SHAPE)), InvalidValueError, r"same shape, but got .* needs a shortcut"),
    (
        lambda: Residual(conv(5, 1, 0), Identity()).output_shape(SHAPE),
        InvalidValueError,
        r"outputs of the same shape, but got \(2, 5, 5, 6\) and \(2, 4, 5, 6\)",
    ),
    (
        lambda: Residual(conv(5, 1, 0)).trace(Value(0, SHAPE), [], "layer2.0"),
        InvalidValueError,
        "layer layer2.0: Residual: the branches",
    ),
    (lambda: Concat(Identity(), axis=0), InvalidValueError, "Concat: axis must not be that of the batch, but got 0"),
    (lambda: Concat(Identity(), axis=1.0), InvalidTypeError, "Concat: axis must be an integer"),  # type: ignore[arg-type]
    (lambda: Concat(Identity(), axis=-4)(np.ones(SHAPE)), InvalidValueError, "axis must not be that of the batch"),
    (lambda: Concat(Identity(), axis=4)(np.ones(SHAPE)), InvalidValueError, "axis must be from -4 to 3, but got 4"),
    (lambda: Concat(Identity(), MaxPool2d(2))(np.ones(SHAPE)), InvalidValueError, "same shape but along axis 1"),
    (lambda: Concat(Identity(), Flatten())(np.ones(SHAPE)), InvalidValueError, "same shape but along axis 1"),
    (lambda: Residual(Identity())([1 + 2j]), InvalidTypeError, "Residual: x must have a float16, float32, float64"),
]


@pytest.mark.parametrize(("call", "kind", "message"), WRONG, ids=[message[:50] for _, _, message in WRONG])
def test_wrong_calls(call: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize("kind", [Residual, Concat])
def test_backward_refuses_another_shape(kind: Callable[..., Layer]) -> None:
    layer = kind(Identity(), Identity())
    y: Array = layer(normal(SHAPE, 0))
    with pytest.raises(InvalidValueError, match="dy must have the shape of the output"):
        layer.backward(y[:1])
