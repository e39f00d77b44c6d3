"""What was an attribute in old versions and is an input in new ones: both forms give the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx_operators import outputs

X = np.random.default_rng(0).standard_normal((2, 8, 5, 6)).astype(np.float32)
ONES = X[:1, :, :1]


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


# operator, input, attributes in opset 7, and attributes and further inputs in opset 18
FORMS: list[tuple[str, np.ndarray, dict[str, Any], dict[str, Any], list[Any]]] = [
    ("Slice", X, {"starts": (1, -9), "ends": (-1, 3), "axes": (3, 1)}, {}, [ints(1, -9), ints(-1, 3), ints(3, 1)]),
    ("Slice", X, {"starts": (1, 2), "ends": (2, 2**40)}, {}, [ints(1, 2), ints(2, 2**40)]),
    ("Split", X, {"axis": 1, "split": (3, 5)}, {"axis": 1}, [ints(3, 5)]),
    ("Split", X, {"axis": -1}, {"axis": 3, "num_outputs": 2}, []),
    ("Squeeze", ONES, {"axes": (0,)}, {}, [ints(0)]),
    ("Squeeze", ONES, {}, {}, []),
    ("Unsqueeze", ONES, {"axes": (0, 3)}, {}, [ints(3, 0)]),
    ("Pad", X, {"pads": (0, 1, 2, 0, 0, 0, 1, 3), "value": 2.0}, {}, [ints(0, 1, 2, 0, 0, 0, 1, 3), np.float32(2)]),
    ("Pad", X, {"pads": (0, 0, 2, 0, 0, 0, 1, -1)}, {}, [ints(2, 0, 1, -1), None, ints(2, 3)]),
    ("TopK", X, {"k": 3, "axis": 1}, {"axis": -3}, [ints(3)]),
    ("ReduceSum", X, {"axes": (1, -1), "keepdims": 0}, {"keepdims": 0}, [ints(1, 3)]),
    ("ReduceMean", X, {"axes": (2, 3)}, {}, [ints(3, 2)]),
    ("ReduceMax", X, {}, {}, [ints()]),
    ("Dropout", X, {"ratio": 0.3}, {}, [np.float32(0.3), np.array(False)]),
    ("Upsample", X, {"scales": (1.0, 1.0, 2.0, 1.5)}, {}, [np.array([1, 1, 2, 1.5], np.float32)]),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "x", "old", "new", "more"), FORMS)
def test_old_and_new_forms_are_the_same(
    operator: str, x: np.ndarray, old: dict[str, Any], new: dict[str, Any], more: list[Any]
) -> None:
    count = 2 if operator in ("Split", "TopK", "Dropout") else 1
    first = outputs(operator, x, opset=7, count=count, **old)
    second = outputs(
        operator, x, *(None if one is None else np.asarray(one) for one in more), opset=18, count=count, **new
    )
    assert len(first) == len(second) == count
    for a, b in zip(first, second):
        np.testing.assert_array_equal(a, b)


def test_the_mask_of_a_dropout_has_the_dtype_of_the_data_at_first() -> None:
    assert [outputs("Dropout", X, opset=opset, count=2)[1].dtype for opset in (7, 10, 13)] == [X.dtype, bool, bool]


def test_a_dropout_whose_mask_is_not_asked_for_gives_none() -> None:
    assert len(outputs("Dropout", X)) == 1


def test_a_dropout_in_training_keeps_its_share() -> None:
    y, mask = outputs("Dropout", np.ones((50, 60), np.float32), np.array(0.25), np.array(True), count=2, seed=3)
    np.testing.assert_array_equal(y, mask.astype(np.float32) * np.float32(1 / 0.75))
    assert 0.7 < mask.mean() < 0.8


@pytest.mark.parametrize("scale", [2.0, 3.0])
def test_the_first_resize_copies_the_cell_at_the_left(scale: float) -> None:
    y = outputs("Resize", X, np.array([1, 1, scale, 1], np.float32), opset=10)[0]
    np.testing.assert_array_equal(y, X.repeat(int(scale), 2))
