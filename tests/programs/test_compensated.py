"""Passes that keep what is rounded off beside their result can be recorded, and put anywhere in memory."""

from __future__ import annotations

from copy import deepcopy

import numpy as np

import fastconv as fc
from fastconv.backends.fast.linear.linear import plan_linear
from fastconv.layers import Linear, ReLU, Sequential
from fastconv.losses import softmax_cross_entropy
from fastconv.optim import SGD
from fastconv.programs.rule import Rule

UNITS = 4096  # terms of the input gradient, so many that its sums are compensated


def test_a_training_step_with_a_wide_linear_layer_has_the_bits_of_its_layers() -> None:
    assert plan_linear("dx", 3, 24, UNITS, 4, 1).compensated
    rng = np.random.default_rng(0)
    model = Sequential(Linear(8, 24, rng=1), ReLU(), Linear(24, UNITS, rng=2), Linear(UNITS, 3, rng=3))
    other = deepcopy(model)
    x, labels = rng.standard_normal((3, 8)).astype(np.float32), np.arange(3)
    step = fc.compile(model, x, labels, loss=softmax_cross_entropy, optimizer=SGD(model.parameters(), lr=0.01))
    assert " 0 breaks" in str(step)
    rule = Rule(other, softmax_cross_entropy, SGD(other.parameters(), lr=0.01))
    for _ in range(3):
        assert step(x, labels) == rule.step(x, labels).loss
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(model.state_dict()[name], array, err_msg=name)
