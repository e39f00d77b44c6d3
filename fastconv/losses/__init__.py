"""Losses: each returns the loss, a float, and its gradient with respect to its first argument, in that one's dtype.

float32 is computed in float32, float16 in float32 with the gradient rounded once, integers in float64. Sums over a
batch are divided by its size (``reduction="mean"``) or not (``"sum"``). The mean over nothing is NaN, as in PyTorch.
"""

from collections.abc import Callable

from fastconv.losses.classification import accuracy, multiclass_svm, softmax_cross_entropy
from fastconv.losses.elementwise import binary_cross_entropy, binary_cross_entropy_with_logits, squared_error
from fastconv.validation.arrays import Array
from fastconv.validation.registry import Registry

__all__ = [
    "LOSSES",
    "accuracy",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "multiclass_svm",
    "softmax_cross_entropy",
    "softmax_loss",
    "squared_error",
    "svm_loss",
]

# What the assignments of CS231n call them.
softmax_loss = softmax_cross_entropy
svm_loss = multiclass_svm

LOSSES: dict[str, Callable[..., tuple[float, Array]]] = Registry(
    "LOSSES",
    {
        "softmax": softmax_cross_entropy,
        "svm": multiclass_svm,
        "squared_error": squared_error,
        "binary_cross_entropy": binary_cross_entropy,
        "binary_cross_entropy_with_logits": binary_cross_entropy_with_logits,
    },
)
