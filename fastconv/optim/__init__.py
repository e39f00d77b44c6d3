"""Update rules, learning-rate schedules, and a limit on the length of the gradient."""

from fastconv.optim.adam import Adam, AdamW
from fastconv.optim.base import Optimizer
from fastconv.optim.clipping import clip_grad_norm, grad_norm
from fastconv.optim.rmsprop import RMSprop
from fastconv.optim.schedules import (
    CosineAnnealingLR,
    ExponentialLR,
    LinearWarmup,
    MultiStepLR,
    Schedule,
    SequentialLR,
    StepLR,
)
from fastconv.optim.sgd import SGD
from fastconv.validation.registry import Registry

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "Adam",
    "AdamW",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LinearWarmup",
    "MultiStepLR",
    "Optimizer",
    "RMSprop",
    "Schedule",
    "SequentialLR",
    "StepLR",
    "clip_grad_norm",
    "grad_norm",
]

OPTIMIZERS: dict[str, type[Optimizer]] = Registry(
    "OPTIMIZERS", {"sgd": SGD, "rmsprop": RMSprop, "adam": Adam, "adamw": AdamW}
)
