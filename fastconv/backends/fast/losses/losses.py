"""Losses on the fast engine: one launch that stores the gradient and the loss of every chunk, and one that adds up.

The chunks depend on the shape alone, so that nothing depends on the number of threads. The loss ends in an array of one
float64, which is the number that is returned.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.losses.elementwise_kernel import ELEMENTWISE, loss_elementwise
from fastconv.backends.fast.losses.of_classes_kernel import OF_CLASSES, ONE_HOT, loss_of_classes, targets_of_labels
from fastconv.backends.fast.losses.total_kernel import TOTAL, WEIGHTS, label_weights, loss_total
from fastconv.backends.fast.machine.blocks import bits_of
from fastconv.backends.fast.machine.launch import address, by_tasks, launch, slices_of
from fastconv.backends.fast.machine.record import taken
from fastconv.backends.fast.memory.copying import in_order, stored_as
from fastconv.backends.losses import Losses
from fastconv.backends.settings import get_num_threads

_CHUNK = 2**11  # numbers: with their gradients they are in the L1 cache
_SERIAL_NUMBERS = 2**14  # numbers below which one thread does it all


def softmax_cross_entropy(
    scores: Array, labels: Array, smoothing: float, weights: Array | None, mean: bool
) -> tuple[float, Array]:
    """See `Losses.softmax_cross_entropy`."""
    rows = _rows(scores)
    if labels.shape == scores.shape:
        return _of_classes("softmax_of_targets", scores, rows, _rows(_typed(labels, scores)), smoothing, weights, mean)
    labels = _labels(labels)
    terms = None
    if mean and weights is not None:
        weights, terms = in_order(weights), np.empty(1)
        arguments = WEIGHTS.fill(
            LABELS=address(labels), WEIGHTS=address(weights), ROWS=labels.size, CLASSES=scores.shape[1],
            TERMS=address(terms),
        )  # fmt: skip
        launch(label_weights.address(scores.itemsize), arguments, 1, 1)
    return _of_classes("softmax_of_labels", scores, rows, labels, smoothing, weights, mean, terms)


def multiclass_svm(scores: Array, labels: Array, margin: float, mean: bool) -> tuple[float, Array]:
    """See `Losses.multiclass_svm`."""
    return _of_classes("hinge", scores, _rows(scores), _labels(labels), margin, None, mean)


def squared_error(prediction: Array, target: Array, scale: float, mean: bool) -> tuple[float, Array]:
    """See `Losses.squared_error`."""
    return _elementwise("squared", prediction, target, scale, mean)


def binary_cross_entropy(probabilities: Array, target: Array, mean: bool) -> tuple[float, Array]:
    """See `Losses.binary_cross_entropy`."""
    return _elementwise("probabilities", probabilities, target, 1.0, mean)


def binary_cross_entropy_with_logits(logits: Array, target: Array, mean: bool) -> tuple[float, Array]:
    """See `Losses.binary_cross_entropy_with_logits`."""
    return _elementwise("logits", logits, target, 1.0, mean)


def one_hot(labels: Array, classes: int, dtype: np.dtype[Any]) -> Array:
    """See `Losses.one_hot`."""
    if dtype not in (np.float32, np.float64):
        return Losses().one_hot(labels, classes, dtype)
    labels, out = _labels(labels), np.empty((len(labels), classes), dtype)
    tasks = _tasks(out.size)
    arguments = ONE_HOT.fill(LABELS=address(labels), OUT=address(out), ROWS=len(labels), CLASSES=classes, TASKS=tasks)
    launch(targets_of_labels.address(out.itemsize), arguments, tasks, tasks, out.size, by_tasks(ONE_HOT))
    return out


def _of_classes(
    form: str, scores: Array, rows: Array, targets: Array, number: float, weights: Array | None, mean: bool,
    terms: Array | None = None,
) -> tuple[float, Array]:  # fmt: skip
    """Loss of scores, whose `rows` are (..., K) side by side, and its gradient in their memory order."""
    classes, count = scores.shape[1], prod(rows.shape[:-1])
    chunk = max(1, _CHUNK // classes)
    weights = None if weights is None else in_order(weights)
    dx = np.empty_like(rows)
    parts, loss, tasks = np.empty(-(-count // chunk)), np.empty(1), _tasks(scores.size)
    arguments = OF_CLASSES.fill(
        X=address(rows), TARGETS=address(targets), WEIGHTS=0 if weights is None else address(weights),
        TERMS=0 if terms is None else address(terms), DX=address(dx), PARTS=address(parts), LOSS=address(loss),
        ROWS=count, CLASSES=classes, CHUNK=chunk, NUMBER=bits_of(number), DIVISOR=bits_of(count if mean else 1),
        SCALE=bits_of(1), TASKS=tasks,
    )  # fmt: skip
    launch(loss_of_classes.address(scores.itemsize, form), arguments, tasks, tasks, scores.size, by_tasks(OF_CLASSES))
    _add_up(parts, loss, tasks, scores.size, arguments, OF_CLASSES.index)
    gradient = dx if scores.ndim == 2 else np.moveaxis(dx, -1, 1)
    return taken(loss), stored_as(np.empty_like(scores), gradient)


def _elementwise(form: str, x: Array, target: Array, scale: float, mean: bool) -> tuple[float, Array]:
    """Loss, whose sum has the order of the axes and not of the memory, and its gradient in the memory order of `x`."""
    order = np.empty_like(x)
    x, target = in_order(x), in_order(target)
    dx = np.empty_like(x)
    parts, loss, tasks = np.empty(-(-dx.size // _CHUNK)), np.empty(1), _tasks(dx.size)
    arguments = ELEMENTWISE.fill(
        X=address(x), TARGETS=address(target), TERMS=0, DX=address(dx), PARTS=address(parts), LOSS=address(loss),
        NUMBERS=dx.size, CHUNK=_CHUNK, DIVISOR=bits_of(dx.size if mean else 1), SCALE=bits_of(scale), TASKS=tasks,
    )  # fmt: skip
    launch(loss_elementwise.address(dx.itemsize, form), arguments, tasks, tasks, dx.size, by_tasks(ELEMENTWISE))
    _add_up(parts, loss, tasks, dx.size, arguments, ELEMENTWISE.index)
    return taken(loss), stored_as(order, dx)


def _add_up(parts: Array, loss: Array, tasks: int, work: int, before: Array, index: dict[str, int]) -> None:
    """Add up the parts of a loss, unless there was one task, which has done so."""
    if tasks == 1 and slices_of(work, tasks) == 1:
        return
    arguments = TOTAL.fill(
        PARTS=address(parts), COUNT=len(parts), LOSS=address(loss),
        **{name: int(before[index[name]]) for name in ("TERMS", "DIVISOR", "SCALE")},
    )  # fmt: skip
    launch(loss_total.address(), arguments, 1, 1)


def _tasks(numbers: int) -> int:
    return 1 if numbers < _SERIAL_NUMBERS else get_num_threads()


def _rows(x: Array) -> Array:
    """(N, K, ...) as a (N, ..., K) array in C order: itself where it is one, or a copy."""
    return in_order(np.moveaxis(x, 1, -1))


def _labels(labels: Array) -> Array:
    """Labels as int64 in C order: themselves where they are."""
    return in_order(labels.astype(np.int64, copy=False))


def _typed(targets: Array, scores: Array) -> Array:
    return targets.astype(scores.dtype, copy=False)
