"""Dropout, which does nothing but in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array

if TYPE_CHECKING:
    from fastconv.onnx.graph import Node


@operator("Dropout", since=7)
def dropout(data: Array, *, ratio: float = 0.5, node: Node) -> tuple[Array, ...]:
    """Return the data, and a mask of its dtype that lets all through, whatever the ratio is in training."""
    return (data, np.ones_like(data))[: len(node.outputs)]


@operator("Dropout", since=10)
def dropout_with_mask(data: Array, *, ratio: float = 0.5, node: Node) -> tuple[Array, ...]:
    """Return the data, and a mask of truth values that lets all through, whatever the ratio is in training."""
    return (data, np.ones_like(data, bool))[: len(node.outputs)]


@operator("Dropout", since=12)
def dropout_in_training(
    data: Array, ratio: Array | None = None, training: Array | None = None, *, seed: int | None = None, node: Node
) -> tuple[Array, ...]:
    """Return the data and a mask; in training, of each number with a chance of `ratio` nothing but a zero."""
    share = 0.5 if ratio is None else float(ratio.reshape(()))
    if training is None or not training.any() or share == 0:
        return dropout_with_mask(data, node=node)
    if not 0 < share < 1:
        raise InvalidValueError(f"Dropout: ratio must be from 0 to less than 1, but got {share}.")
    mask = np.random.RandomState(seed).uniform(0, 1, data.shape) >= share  # as ONNX's own implementation draws
    kept = data * mask * np.asarray(1 / (1 - share), data.dtype)
    return (kept, mask)[: len(node.outputs)]
