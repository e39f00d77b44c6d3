"""Programs go through nodes between convolutions without a break: all they do is launched by the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx_operators import output

pytest.importorskip("numba")

from fastconv.backends.fast.machine.record import recording
from fastconv.backends.fast.program import Break
from fastconv.programs.recording import Recorder


def numbers(*shape: int) -> np.ndarray:
    x = np.random.default_rng(0).standard_normal((shape[0], *shape[2:], shape[1]) if len(shape) > 2 else shape)
    return np.moveaxis(x.astype(np.float32), -1, 1) if len(shape) > 2 else x.astype(np.float32)


X, PLANES = numbers(2, 8, 6, 4), np.array([2, 3])


@pytest.mark.parametrize(
    ("operator", "inputs", "others", "attributes"),
    [
        ("Add", [X, X + 1], [], {}),
        ("Add", [X], [numbers(8, 1, 1)], {}),
        ("Add", [X[:, :, 0, 0].copy()], [numbers(8)], {}),
        ("Sub", [X], [numbers(1, 8, 1, 1)], {}),
        ("Mul", [X], [np.float32(0.5).reshape(())], {}),
        ("Mul", [X, numbers(2, 8, 1, 1)], [], {}),
        ("Mul", [X, X + 1], [], {}),
        ("Sum", [X, X + 1, X + 2], [], {}),
        ("Concat", [X, X + 1], [], {"axis": 1}),
        ("Flatten", [X], [], {}),
        ("Reshape", [X], [np.array([2, -1])], {}),
        ("Transpose", [X], [], {"perm": (0, 2, 3, 1)}),
        ("Slice", [X], [np.array([1]), np.array([5]), np.array([1])], {}),
        ("Pad", [X], [np.array([1, 1, 2, 2]), None, PLANES], {}),
        ("ReduceMean", [X], [PLANES], {"keepdims": 0}),
    ],
)
def test_it_is_recorded(operator: str, inputs: list[Any], others: list[Any], attributes: dict[str, Any]) -> None:
    with recording() as heard:
        recorder = Recorder(heard, fuse=False)
        recorder.step(operator, lambda *arrays: output(operator, *arrays, *others, **attributes), *inputs)
    assert not any(isinstance(step, Break) for group in recorder.groups for step in group.steps)
