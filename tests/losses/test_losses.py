"""Losses: by hand, against the formulas of the tutorials and PyTorch, by numerical gradients, with awkward numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from recorder import recorded_in
from strategies import FLOATS, Array, normal, stored

import fastconv as fc
from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.losses import (
    LOSSES,
    accuracy,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    multiclass_svm,
    softmax_cross_entropy,
    softmax_loss,
    squared_error,
    svm_loss,
)
from fastconv.testing import assert_close, gradient_check

Loss = Callable[..., tuple[float, Array]]
ROWS = (7, 5)
PIXELS = (3, 5, 4, 6)
LABEL_SMOOTHING = {"label_smoothing": 0.1}


def labels_for(shape: tuple[int, ...], seed: int = 3) -> Array:
    return np.random.default_rng(seed).integers(0, shape[1], (shape[0], *shape[2:]))


def probabilities_for(shape: tuple[int, ...], dtype: Any = "float64") -> Array:
    p = np.random.default_rng(4).uniform(0.05, 1, shape)
    return (p / p.sum(axis=1, keepdims=True)).astype(dtype)


# by hand, and as the tutorials have it


def test_softmax_by_hand() -> None:
    loss, gradient = softmax_cross_entropy([[0.0, math.log(3)], [0.0, 0.0]], [0, 1])
    assert_close(loss, (math.log(4) + math.log(2)) / 2)
    assert_close(gradient, np.array([[-0.375, 0.375], [0.25, -0.25]]))


def test_svm_by_hand() -> None:
    loss, gradient = multiclass_svm([[3.0, 2.5, 5.0, 0.0], [0.0, 4.0, 0.0, 0.0]], [0, 1])
    assert loss == (0.5 + 3.0) / 2
    assert gradient.tolist() == [[-1.0, 0.5, 0.5, 0.0], [0.0, 0.0, 0.0, 0.0]]
    assert multiclass_svm([[3.0, 2.5]], [0], margin=0.25)[0] == 0


def test_squared_error_by_hand() -> None:
    loss, gradient = squared_error([[1.0, 2.0], [3.0, 5.0]], [[1.0, 4.0], [3.0, 2.0]])
    assert loss == (4 + 9) / 4
    assert gradient.tolist() == [[0.0, -1.0], [0.0, 1.5]]


def test_binary_cross_entropy_by_hand() -> None:
    loss, gradient = binary_cross_entropy([0.5, 0.25], [1.0, 0.0], reduction="sum")
    assert_close(loss, math.log(2) - math.log(0.75))
    assert_close(gradient, np.array([-2.0, 4 / 3]))
    loss, gradient = binary_cross_entropy_with_logits([0.0, -math.log(3)], [1.0, 0.0], reduction="sum")
    assert_close(loss, math.log(2) - math.log(0.75))
    assert_close(gradient, np.array([-0.5, 0.25]))


def test_the_limits_of_binary_cross_entropy() -> None:
    """Those of PyTorch, which has the second in float32."""
    loss, gradient = binary_cross_entropy([0.0, 1.0], [1.0, 0.0], reduction="sum")
    assert loss == 200
    assert_close(gradient, np.array([-1e12, 1e12]))


def tutorial_softmax(x: Array, y: Array) -> tuple[float, Array]:
    """The formula of the CS231n assignments."""
    probs = np.exp(x - np.max(x, axis=1, keepdims=True))
    probs /= np.sum(probs, axis=1, keepdims=True)
    loss = -np.sum(np.log(probs[np.arange(len(x)), y])) / len(x)
    dx = probs.copy()
    dx[np.arange(len(x)), y] -= 1
    return loss, dx / len(x)


def tutorial_svm(x: Array, y: Array) -> tuple[float, Array]:
    """The formula of the CS231n assignments."""
    rows = np.arange(len(x))
    margins = np.maximum(0, x - x[rows, y][:, np.newaxis] + 1.0)
    margins[rows, y] = 0
    dx = np.zeros_like(x)
    dx[margins > 0] = 1
    dx[rows, y] -= np.sum(margins > 0, axis=1)
    return np.sum(margins) / len(x), dx / len(x)


@pytest.mark.parametrize(
    ("loss", "tutorial"), [(softmax_loss, tutorial_softmax), (svm_loss, tutorial_svm)], ids=["softmax", "svm"]
)
def test_the_formulas_of_the_assignments(loss: Loss, tutorial: Loss) -> None:
    x, y = 3 * normal((50, 10), 0), labels_for((50, 10))
    for found, expected in zip(loss(x, y), tutorial(x, y)):
        assert_close(found, np.float64(expected))


def test_the_cost_of_the_logistic_network() -> None:
    """0.5 * (prediction - target)², one sample at a time, and the difference as its gradient."""
    prediction, target = np.array([[0.7310585786]]), np.array([[0.53]])
    loss, gradient = squared_error(prediction, target, scale=0.5, reduction="sum")
    assert_close(loss, 0.5 * np.square(prediction - target).sum())
    assert_close(gradient, prediction - target)


# gradients


@pytest.mark.parametrize("shape", [ROWS, PIXELS], ids=["rows", "pixels"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("soft", [False, True])
def test_numerical_gradients_of_softmax(
    shape: tuple[int, ...], reduction: str, smoothing: float, weighted: bool, soft: bool
) -> None:
    labels = probabilities_for(shape) if soft else labels_for(shape)
    weight = np.array([0.5, 2.0, 1.0, 0.25, 3.0]) if weighted else None

    def loss(scores: Array) -> tuple[float, Array]:
        return softmax_cross_entropy(scores, labels, label_smoothing=smoothing, weight=weight, reduction=reduction)

    assert gradient_check(loss, 2 * normal(shape, 0))


@pytest.mark.parametrize("shape", [ROWS, PIXELS], ids=["rows", "pixels"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_numerical_gradients(shape: tuple[int, ...], reduction: str) -> None:
    scores, target, labels = 2 * normal(shape, 0), normal(shape, 1), labels_for(shape)
    p, binary = np.random.default_rng(0).uniform(0.1, 0.9, shape), (target > 0).astype(float)
    checks: list[tuple[Loss, Array, Array]] = [
        (multiclass_svm, scores, labels),
        (squared_error, scores, target),
        (binary_cross_entropy, p, binary),
        (binary_cross_entropy_with_logits, scores, binary),
    ]
    for loss, x, y in checks:
        assert gradient_check(lambda z, loss=loss, y=y: loss(z, y, reduction=reduction), x), loss.__name__


# PyTorch


def torch_loss(name: str, x: Array, *others: Array, **options: Any) -> tuple[Array, Array]:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    variable = torch.from_numpy(x.copy()).requires_grad_()
    tensors = {
        key: torch.from_numpy(value) if isinstance(value, np.ndarray) else value for key, value in options.items()
    }
    loss = getattr(torch.nn.functional, name)(variable, *(torch.from_numpy(other) for other in others), **tensors)
    loss.backward()
    return loss.detach().numpy(), variable.grad.numpy()


def check_against_torch(found: tuple[float, Array], expected: tuple[Array, Array]) -> None:
    loss, gradient = expected
    assert isinstance(found[0], float)
    assert_close(loss.dtype.type(found[0]), loss, magnitude=np.nan_to_num(np.abs(loss), posinf=0) + 1, name="loss")
    assert_close(found[1], gradient, magnitude=np.nan_to_num(np.abs(gradient)).max(initial=0), name="gradient")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [ROWS, PIXELS], ids=["rows", "pixels"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("soft", [False, True])
def test_softmax_against_torch(
    dtype: str, shape: tuple[int, ...], reduction: str, smoothing: float, weighted: bool, soft: bool
) -> None:
    scores = 3 * normal(shape, 0, dtype)
    labels = probabilities_for(shape, dtype) if soft else labels_for(shape)
    weight = np.array([0.5, 2.0, 1.0, 0.25, 3.0], dtype) if weighted else None
    options: dict[str, Any] = {"label_smoothing": smoothing, "weight": weight, "reduction": reduction}
    found = softmax_cross_entropy(scores, labels, **options)
    check_against_torch(found, torch_loss("cross_entropy", scores, labels, **options))


@pytest.mark.parametrize(
    "row",
    [[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0], [0.0, -np.inf, 1.0], [np.inf, 0.0, 1.0], [np.nan, 0.0, 1.0], [1e30, 0.0, 0.0]],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_awkward_scores_against_torch(row: list[float], dtype: str) -> None:
    scores, labels = np.array([row, [0.0, 1.0, 2.0]], dtype), np.array([0, 2])
    check_against_torch(softmax_cross_entropy(scores, labels), torch_loss("cross_entropy", scores, labels))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_others_against_torch(dtype: str, reduction: str) -> None:
    x, t = 4 * normal(PIXELS, 0, dtype), np.random.default_rng(1).uniform(0, 1, PIXELS).astype(dtype)
    p = np.random.default_rng(2).uniform(0, 1, PIXELS).astype(dtype)
    x[0, 0, 0], p[0, 0, 0], t[0, 0, 0] = [0, 1e4, -1e4, 1e4, -1e4, 30], [0, 1, 0.5, 0.25, 0.5, 1e-3], [0, 1, 0, 0, 1, 1]
    for loss, name, value in (
        (squared_error, "mse_loss", x),
        (binary_cross_entropy, "binary_cross_entropy", p),
        (binary_cross_entropy_with_logits, "binary_cross_entropy_with_logits", x),
    ):
        found = loss(value, t, reduction=reduction)
        check_against_torch(found, torch_loss(name, value, t, reduction=reduction))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_svm_against_torch(dtype: str) -> None:
    """PyTorch divides by the number of classes too."""
    scores, labels = 3 * normal(ROWS, 0, dtype), labels_for(ROWS)
    loss, gradient = torch_loss("multi_margin_loss", scores, labels)
    check_against_torch(multiclass_svm(scores, labels), (loss * loss.dtype.type(5), gradient * loss.dtype.type(5)))


# what goes in and comes out


def calls(shape: tuple[int, ...], dtype: Any) -> dict[str, tuple[Loss, tuple[Any, ...], dict[str, Any]]]:
    scores, labels = normal(shape, 0, dtype), labels_for(shape)
    p, target = probabilities_for(shape, dtype), normal(shape, 2) > 0
    weight = np.linspace(0.5, 2, shape[1])
    return {
        "softmax": (softmax_cross_entropy, (scores, labels), {}),
        "softmax with everything": (softmax_cross_entropy, (scores, labels), {**LABEL_SMOOTHING, "weight": weight}),
        "softmax of probabilities": (softmax_cross_entropy, (scores, p), LABEL_SMOOTHING),
        "softmax of one-hot": (softmax_cross_entropy, (scores, (p == p.max(axis=1, keepdims=True)).astype(int)), {}),
        "svm": (multiclass_svm, (scores, labels), {}),
        "squared": (squared_error, (scores, normal(shape, 1)), {}),
        "binary": (binary_cross_entropy, (p, target), {}),
        "logits": (binary_cross_entropy_with_logits, (scores, target), {}),
    }


every = pytest.mark.parametrize("name", calls(ROWS, "float64"))
shapes = pytest.mark.parametrize("shape", [ROWS, PIXELS], ids=["rows", "pixels"])


@every
@shapes
@pytest.mark.parametrize("dtype", FLOATS)
def test_the_gradient_has_the_dtype_of_the_scores(name: str, shape: tuple[int, ...], dtype: str) -> None:
    loss, (first, second), options = calls(shape, dtype)[name]
    value, gradient = loss(first, second, **options)
    assert type(value) is float
    assert gradient.dtype == dtype
    assert gradient.shape == shape
    exact, exact_gradient = loss(first.astype(np.float64), second, **options)
    assert_close(np.dtype(dtype).type(value), np.float64(exact), dtype=dtype, magnitude=abs(exact) + 1)
    assert_close(gradient, exact_gradient, dtype=dtype)


@every
def test_float32_never_touches_float64(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In NumPy; the kernels of the fast backend compute in float32, and add up in float64."""
    loss, (first, second), options = calls(PIXELS, "float32")[name]
    second = second.astype(np.float32) if second.dtype == np.float64 else second
    with recorded_in(monkeypatch, "fastconv.functional.call", "as_computed") as seen, fc.use_backend("numpy"):
        loss(first, second, **options)
    assert "float32" in seen
    assert seen <= {"float32", "bool", "int64"}


@every
def test_integers_are_computed_in_float64(name: str) -> None:
    if name == "binary":
        loss, gradient = binary_cross_entropy([[0, 1]], [[1, 1]])
        assert (loss, gradient.dtype) == (50.0, np.float64)
        return
    loss, (first, second), options = calls(ROWS, "int64")[name]
    expected, gradient = loss(first.astype(np.float64), second, **options)
    assert loss(first, second, **options)[0] == expected
    assert loss(first, second, **options)[1].dtype == gradient.dtype == np.float64


@every
@pytest.mark.parametrize("order", ["Fortran", "channels-last", "sliced", "reversed", "read-only", "byte-swapped"])
def test_memory_orders(name: str, order: str) -> None:
    loss, (first, second), options = calls(PIXELS, "float64")[name]
    expected, wanted = loss(first, second, **options)
    given = stored(first, order), stored(second, order)
    found, gradient = loss(*given, **options)
    assert_close(found, expected)
    assert_close(gradient, wanted)
    assert np.array_equal(given[0], first)
    assert np.array_equal(given[1], second)
    if order in ("Fortran", "channels-last"):
        assert gradient.strides == given[0].strides


@every
def test_an_empty_batch(name: str) -> None:
    loss, (first, second), options = calls(ROWS, "float32")[name]
    value, gradient = loss(first[:0], second[:0], **options)
    assert math.isnan(value)
    assert gradient.shape == (0, 5)
    assert loss(first[:0], second[:0], **options, reduction="sum")[0] == 0


@pytest.mark.parametrize("loss", [squared_error, binary_cross_entropy, binary_cross_entropy_with_logits])
def test_single_numbers(loss: Loss) -> None:
    value, gradient = loss(0.5, 1.0)
    row, row_gradient = loss([0.5], [1.0])
    assert (value, gradient.tolist()) == (row, row_gradient[0])
    assert isinstance(gradient, np.ndarray)


def test_one_hot_rows_are_labels() -> None:
    scores, labels = normal(ROWS, 0), labels_for(ROWS)
    expected, gradient = softmax_cross_entropy(scores, labels, **LABEL_SMOOTHING)
    found, other = softmax_cross_entropy(scores, np.eye(5, dtype=np.int8)[labels], **LABEL_SMOOTHING)
    assert_close(found, expected)
    assert_close(other, gradient)


def test_labels_may_be_any_integers() -> None:
    scores, labels = normal(ROWS, 0), labels_for(ROWS)
    expected = softmax_cross_entropy(scores, labels)[0]
    for dtype in ("uint8", "int16", ">i4", "uint64"):
        assert softmax_cross_entropy(scores, labels.astype(dtype))[0] == expected
    assert softmax_cross_entropy(scores.tolist(), labels.tolist())[0] == expected


def test_accuracy() -> None:
    scores = np.array([[0.1, 0.9, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    assert accuracy(scores, [1, 0, 2, 2]) == 0.75
    assert accuracy(np.moveaxis(scores[None], -1, 1), [[1, 1, 2, 2]]) == 0.5
    assert math.isnan(accuracy(scores[:0], np.zeros(0, int)))


def test_names() -> None:
    assert LOSSES["softmax"] is softmax_loss is softmax_cross_entropy
    assert LOSSES["svm"] is svm_loss is multiclass_svm
    assert {loss.__name__ for loss in LOSSES.values()} == {
        "softmax_cross_entropy",
        "multiclass_svm",
        "squared_error",
        "binary_cross_entropy",
        "binary_cross_entropy_with_logits",
    }


FOUR = np.zeros((3, 4))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: softmax_cross_entropy(FOUR, [0, 4, 7]), InvalidValueError, "less than 4, .* but got 4 at row 1 "),
        (lambda: softmax_cross_entropy(FOUR, [0, 1, -1]), InvalidValueError, "but got -1 at row 2 "),
        (
            lambda: softmax_cross_entropy(np.zeros((1, 4, 2, 3)), [[[0, 0, 0], [0, 9, 0]]]),
            InvalidValueError,
            r"but got 9 at position \(0, 1, 1\)",
        ),
        (lambda: softmax_cross_entropy(FOUR, [0.0, 1.0, 2.0]), InvalidTypeError, "labels must be integers, but got fl"),
        (lambda: softmax_cross_entropy(FOUR, [True] * 3), InvalidTypeError, "labels must be integers, but got bool"),
        (
            lambda: softmax_cross_entropy(FOUR, [0, 1]),
            InvalidValueError,
            r"labels must have shape \(3,\) \(one per row",
        ),
        (lambda: softmax_cross_entropy(FOUR[0], [0]), InvalidValueError, "scores must have at least 2 axes, .* got 1"),
        (lambda: softmax_cross_entropy(FOUR[:, :0], [0] * 3), InvalidValueError, "scores must not have an empty axis"),
        (lambda: softmax_cross_entropy(FOUR, [0] * 3, weight=[1.0]), InvalidValueError, "weight must have shape"),
        (lambda: softmax_cross_entropy(FOUR, [0] * 3, reduction="none"), InvalidValueError, "reduction must be one of"),
        (
            lambda: softmax_cross_entropy(FOUR, [0] * 3, label_smoothing=2),
            InvalidValueError,
            "between 0 and 1, but got",
        ),
        (lambda: softmax_cross_entropy(FOUR * 1j, [0] * 3), InvalidTypeError, "scores must have a float16"),
        (lambda: multiclass_svm(FOUR, [0, 1, 5]), InvalidValueError, "multiclass_svm: labels .* but got 5 at row 2"),
        (lambda: multiclass_svm(FOUR, [0] * 3, margin=np.inf), InvalidValueError, "margin must be a finite number"),
        (lambda: accuracy(FOUR, [0, 1, 5]), InvalidValueError, "accuracy: labels .* but got 5 at row 2"),
        (lambda: squared_error(FOUR, FOUR[0]), InvalidValueError, r"target must have shape \(3, 4\) \(that of predic"),
        (lambda: binary_cross_entropy([0.5, 1.5], [1, 1]), InvalidValueError, r"from 0 to 1, but got 1.5 at \(1,\)"),
        (lambda: binary_cross_entropy([np.nan], [1]), InvalidValueError, r"from 0 to 1, but got nan at \(0,\)"),
    ],
)
def test_bad_arguments(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
