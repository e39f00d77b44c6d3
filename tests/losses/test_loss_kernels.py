"""Losses as kernels of the fast backend: against NumPy, in any memory order, on any number of threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from programs import run
from strategies import Array, normal, stored

import fastconv as fc
from fastconv.backends import resolve_backend
from fastconv.errors import InvalidValueError
from fastconv.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    multiclass_svm,
    softmax_cross_entropy,
    squared_error,
)
from fastconv.testing import assert_close

pytestmark = pytest.mark.skipif("fast" not in fc.available_backends(), reason="the fast backend needs Numba")

Result = tuple[float, Array]
# one class, one row, several chunks of rows, rows longer than a chunk, pixels of one to three axes, six axes
SHAPES = [(5, 1), (1, 7), (700, 10), (3, 5000), (2, 3, 11), (3, 21, 20, 33), (2, 4, 3, 5, 6), (2, 3, 2, 2, 3, 2)]


def losses(shape: tuple[int, ...], dtype: str) -> dict[str, Callable[[], Result]]:
    """Every loss with every kind of target and option, over arrays of one shape."""
    rng = np.random.default_rng(5)
    scores, target = normal(shape, 0, dtype), normal(shape, 1, dtype)
    labels = rng.integers(0, shape[1], (shape[0], *shape[2:]))
    soft = rng.uniform(0, 1, shape).astype(dtype)
    weight = np.linspace(0.5, 2, shape[1])
    found: dict[str, Callable[[], Result]] = {}
    for reduction in ("mean", "sum"):
        for smoothing in (0.0, 0.1):
            for weights in (None, weight):
                for kind, given in (("labels", labels), ("targets", soft)):
                    found[f"softmax {kind} {reduction} {smoothing} {weights is None}"] = (
                        lambda given=given, s=smoothing, w=weights, r=reduction: softmax_cross_entropy(
                            scores, given, label_smoothing=s, weight=w, reduction=r
                        )
                    )
        found[f"svm {reduction}"] = lambda r=reduction: multiclass_svm(scores, labels, margin=0.7, reduction=r)
        found[f"squared {reduction}"] = lambda r=reduction: squared_error(scores, target, scale=0.3, reduction=r)
        found[f"binary {reduction}"] = lambda r=reduction: binary_cross_entropy(soft, soft**2, reduction=r)
        found[f"logits {reduction}"] = lambda r=reduction: binary_cross_entropy_with_logits(
            scores, target > 0, reduction=r
        )
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_numbers_of_numpy(shape: tuple[int, ...], dtype: str) -> None:
    for name, loss in losses(shape, dtype).items():
        with fc.use_backend("fast"):
            found, gradient = loss()
        with fc.use_backend("numpy"):
            expected, wanted = loss()
        kind = np.dtype(dtype).type
        assert type(found) is float
        assert (gradient.dtype, gradient.shape) == (wanted.dtype, shape)
        assert_close(kind(found), np.float64(expected), dtype=dtype, magnitude=abs(expected) + 1, name=name)
        largest = np.abs(wanted).max() + 1 / wanted.size
        assert_close(gradient, wanted, dtype=dtype, magnitude=largest, name=name)


@pytest.mark.parametrize("shape", [(2000, 10), (3, 21, 40, 33)], ids=str)
def test_the_bits_do_not_depend_on_threads(shape: tuple[int, ...]) -> None:
    for name, loss in losses(shape, "float32").items():
        results = []
        for threads in range(1, min(4, fc.backends.settings.thread_limit() + 1)):
            with fc.use_backend("fast"), fc.use_num_threads(threads):
                value, gradient = loss()
            results.append((value, gradient.tobytes()))
        assert all(result == results[0] for result in results), name


@pytest.mark.parametrize("order", ["channels-last", "Fortran", "sliced", "reversed"])
def test_the_bits_do_not_depend_on_memory_order(order: str) -> None:
    scores, labels = normal((3, 5, 4, 6), 0, "float32"), np.random.default_rng(1).integers(0, 5, (3, 4, 6))
    target = normal(scores.shape, 1, "float32")
    ones = (target > 0).astype(np.float32)
    given = [(softmax_cross_entropy, labels), (multiclass_svm, labels), (softmax_cross_entropy, target)]
    given += [(squared_error, target), (binary_cross_entropy_with_logits, ones)]
    with fc.use_backend("fast"):
        for loss, other in given:
            value, gradient = loss(scores, other)
            found, same = loss(stored(scores, order), stored(other, order))
            assert found == value
            assert np.array_equal(same, gradient)


AWKWARD = [
    [0.0, 0.0, 0.0],
    [1e30, -1e30, 0.0],
    [np.inf, 0.0, 0.0],
    [-np.inf, 0.0, 1.0],
    [np.nan, 0.0, 1.0],
    [0.0, 1.0, np.nan],
    [-np.inf, -np.inf, -np.inf],
    [-1e4, 1e4, 88.0],
    [1e-42, -1e-42, 0.0],
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", AWKWARD, ids=str)
def test_awkward_numbers(row: list[float], dtype: str) -> None:
    scores = np.array([row, [0.5, 1.5, -1.0]], dtype)
    target = np.array([[0.0, 1.0, 0.5]] * 2, dtype)
    for loss, other in [
        (softmax_cross_entropy, [1, 0]),
        (softmax_cross_entropy, target),
        (multiclass_svm, [1, 0]),
        (squared_error, target),
        (binary_cross_entropy_with_logits, target),
    ]:
        with fc.use_backend("fast"):
            found, gradient = loss(scores, other)
        with fc.use_backend("numpy"):
            expected, wanted = loss(scores, other)
        if np.isfinite(wanted).all() and np.isfinite(expected):
            np.testing.assert_allclose(found, expected, 1e-6)
            assert_close(gradient, wanted, dtype=dtype)
        elif dtype == "float64" or np.abs(row).max() < 1e30:  # the square of a large float32 fits into the sum
            np.testing.assert_allclose(found, expected, 1e-6)
            np.testing.assert_array_equal(np.isnan(gradient), np.isnan(wanted))


@pytest.mark.parametrize("label", [-1, 3, 2**62, -(2**63)])
@pytest.mark.parametrize("loss", ["softmax", "smooth", "weighted", "svm"])
def test_a_label_out_of_range_is_no_address(label: int, loss: str) -> None:
    """Labels are checked before a kernel sees them; one that changes afterwards makes the loss NaN, and no more."""
    fast, scores, weights = resolve_backend("fast"), normal((3, 3), 0), np.array([1.0, 2.0, 3.0])
    calls: dict[str, Callable[[Array], Result]] = {
        "softmax": lambda labels: fast.softmax_cross_entropy(scores, labels, 0.0, None, False),
        "smooth": lambda labels: fast.softmax_cross_entropy(scores, labels, 0.1, weights, False),
        "weighted": lambda labels: fast.softmax_cross_entropy(scores, labels, 0.0, weights, False),
        "svm": lambda labels: fast.multiclass_svm(scores, labels, 1.0, False),
    }
    value, gradient = calls[loss](np.array([0, label, 2]))
    _, wanted = calls[loss](np.array([0, 1, 2]))
    assert np.isnan(value)
    assert not gradient[1].any()
    assert np.array_equal(gradient[[0, 2]], wanted[[0, 2]])
    assert not fast.one_hot(np.array([0, label]), 3, np.dtype("float32"))[1].any()


def test_the_labels_are_read_where_they_are() -> None:
    from fastconv.backends.fast.machine.record import recording

    scores, labels = normal((3, 4), 0), np.array([0, 3, 1])
    with fc.use_backend("fast"), recording() as record:
        loss, _ = softmax_cross_entropy(scores, labels)
    assert any(array is labels for array in record.arrays)
    assert any(array.base is scores for array in record.arrays)
    (number,) = record.numbers
    assert number[0] == loss
    assert len(record.runs) == 1


@pytest.mark.parametrize("shape", [(40, 7), (3000, 11), (3, 5, 6, 7)], ids=str)
def test_launches_are_all_that_a_loss_does(shape: tuple[int, ...]) -> None:
    """Run again on other numbers in the same arrays, they give the loss and the gradient of a new call."""
    from fastconv.backends.fast.machine.launch import launch
    from fastconv.backends.fast.machine.record import recording

    rng = np.random.default_rng(0)
    scores, target = normal(shape, 0, "float32"), normal(shape, 1, "float32")
    labels, weight = rng.integers(0, shape[1], (shape[0], *shape[2:])), np.linspace(1, 2, shape[1], dtype=np.float32)
    calls: list[Callable[[], Result]] = [
        lambda: softmax_cross_entropy(scores, labels, weight=weight, label_smoothing=0.1),
        lambda: softmax_cross_entropy(scores, target),
        lambda: multiclass_svm(scores, labels),
        lambda: squared_error(scores, target),
        lambda: binary_cross_entropy_with_logits(scores, target),
    ]
    with fc.use_backend("fast"):
        for call in calls:
            with recording() as record:
                _, gradient = call()
            scores[...], target[...] = rng.normal(size=(2, *shape))
            labels[...] = rng.permutation(labels.reshape(-1)).reshape(labels.shape)
            for run_of in record.runs:
                launch(run_of.kernel, run_of.arguments.copy(), run_of.tasks, run_of.threads)
            expected, wanted = call()
            (number,) = record.numbers
            assert number[0] == expected
            assert np.array_equal(gradient, wanted)


def test_one_hot_targets() -> None:
    fast, numpy = resolve_backend("fast"), resolve_backend("numpy")
    for shape, dtype in (((5, 3), "float32"), ((0, 3), "float32"), ((9000, 4), "float64")):
        labels = np.random.default_rng(0).integers(0, shape[1], shape[0])
        found, wanted = (backend.one_hot(labels, shape[1], np.dtype(dtype)) for backend in (fast, numpy))
        assert found.dtype == wanted.dtype
        assert np.array_equal(found, wanted)


def test_a_loss_of_one_hot_targets() -> None:
    from fastconv.training.evaluation import OneHot

    scores, labels = normal((6, 4), 0), np.array([0, 3, 1, 2, 0, 3])
    expected, wanted = squared_error(scores, np.eye(4)[labels])
    found, gradient = OneHot(squared_error)(scores, labels)
    assert found == expected
    assert np.array_equal(gradient, wanted)
    with pytest.raises(InvalidValueError, match="OneHot: labels must be at least 0 and less than 4"):
        OneHot(squared_error)(scores, labels + 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_against_torch(dtype: str) -> None:
    torch: Any = pytest.importorskip("torch")
    scores, labels = 3 * normal((300, 17), 0, dtype), np.random.default_rng(0).integers(0, 17, 300)
    weight = np.linspace(0.5, 2, 17).astype(dtype)
    x = torch.tensor(scores, requires_grad=True)
    wanted = torch.nn.functional.cross_entropy(
        x, torch.tensor(labels), torch.tensor(weight), reduction="mean", label_smoothing=0.2
    )
    wanted.backward()
    with fc.use_backend("fast"):
        found, gradient = softmax_cross_entropy(scores, labels, weight=weight, label_smoothing=0.2)
    assert_close(np.dtype(dtype).type(found), wanted.item(), dtype=dtype)
    assert_close(gradient, x.grad.numpy(), dtype=dtype)


def test_the_kernels_as_python_functions() -> None:
    """With the JIT off they run on the readable twins of the intrinsics: the same bits."""
    run(
        """
        import numpy as np
        import fastconv as fc
        from test_loss_kernels import losses
        from fastconv.layers import Dropout, Dropout2d
        for shape in ((5, 7), (2, 3, 4, 5)):
            for name, loss in losses(shape, "float32").items():
                found, gradient = loss()
                with fc.use_backend("numpy"):
                    expected, wanted = loss()
                assert abs(found - expected) <= 1e-5 * (1 + abs(expected)), name
                assert np.allclose(gradient, wanted, 1e-5, 1e-6), name
        for layer in (Dropout, Dropout2d):
            for x in (np.ones((2, 3, 4, 5)), np.ones((2, 4, 5, 3)).transpose(0, 3, 1, 2)):
                y = layer(0.4, rng=1)(x)
                with fc.use_backend("numpy"):
                    assert np.array_equal(layer(0.4, rng=1)(x), y)
        """,
        NUMBA_DISABLE_JIT="1",
    )
