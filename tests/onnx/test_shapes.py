"""Shapes: what is a view, memory order, and sizes that are refused before anything is allocated."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from onnx_operators import output, outputs

import fastconv as fc

X = np.random.default_rng(0).standard_normal((2, 4, 3, 5)).astype(np.float32)
LAST = np.ascontiguousarray(X.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def integers(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@pytest.mark.parametrize(
    ("operator", "inputs", "attributes"),
    [
        ("Identity", (), {}),
        ("Reshape", (integers(2, -1),), {}),
        ("Flatten", (), {}),
        ("Transpose", (), {"perm": (0, 2, 3, 1)}),
        ("Slice", (integers(-1), integers(-9), integers(2), integers(-1)), {}),
        ("Unsqueeze", (integers(0),), {}),
        ("Squeeze", (), {}),
        ("Expand", (integers(7, 1, 1, 1, 1),), {}),
        ("Pad", (integers(0, 0, -1, 0, 0, 0, 0, -1),), {}),
    ],
)
def test_nothing_is_copied_that_need_not_be(operator: str, inputs: tuple[np.ndarray, ...], attributes: dict) -> None:
    y = output(operator, X, *inputs, **attributes)
    assert np.shares_memory(y, X)


def test_parts_are_views() -> None:
    parts = outputs("Split", LAST, axis=1, count=2)
    assert all(np.shares_memory(part, LAST) for part in parts)
    np.testing.assert_array_equal(np.concatenate(parts, 1), X)


@pytest.mark.parametrize("backend", fc.available_backends())
@pytest.mark.parametrize("sizes", [(), (1,), (-1,), (1, -1)])
def test_a_number_has_other_shapes(backend: str, sizes: tuple[int, ...]) -> None:
    with fc.use_backend(backend):
        y = output("Reshape", np.float32(3), integers(*sizes))
        assert output("Flatten", np.float32(3), axis=0).shape == (1, 1)
    np.testing.assert_array_equal(y, np.full((1,) * len(sizes), 3))


@pytest.mark.parametrize("axis", range(-4, 5))
def test_flattened_at_every_axis(axis: int) -> None:
    y = output("Flatten", LAST, axis=axis)
    cut = axis % 4 if axis < 4 else 4
    np.testing.assert_array_equal(y, X.reshape(prod(X.shape[:cut]), -1))


@pytest.mark.parametrize(
    ("data", "shape", "allowzero", "expected"),
    [
        (X, (0, -1), 0, (2, 60)),
        (X, (-1,), 0, (120,)),
        (X, (4, 0, 0, -1), 0, None),
        (X[:0], (0, 3, -1), 0, None),
        (X[:0], (3, 0), 1, (3, 0)),
        (X[:1, :1, :1, :1], (), 0, ()),
        (X, (-1, -1), 0, None),
        (X, (7, 7), 0, None),
        (X, (1, 1, 1, 1, 0), 0, None),
    ],
)
def test_reshaped(data: np.ndarray, shape: tuple[int, ...], allowzero: int, expected: tuple[int, ...] | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match=r"^Reshape: "):
            output("Reshape", data, integers(*shape), allowzero=allowzero)
    else:
        assert output("Reshape", data, integers(*shape), allowzero=allowzero).shape == expected


@pytest.mark.parametrize("x", [X, LAST])
@pytest.mark.parametrize(
    ("operator", "inputs", "attributes"),
    [
        ("Pad", (integers(0, 0, 1, 2, 0, 0, 0, 1),), {}),
        ("Pad", (integers(0, 0, 1, 2, 0, 0, 0, 1),), {"mode": "reflect"}),
        ("Concat", (X,), {"axis": 1}),
        ("DepthToSpace", (), {"blocksize": 2}),
        ("Resize", (None, np.array([1, 1, 2, 3], np.float32)), {}),
        ("Resize", (None, np.array([1, 1, 2, 3], np.float32)), {"mode": "linear"}),
        ("ReduceMean", (integers(2, 3),), {}),
    ],
)
def test_results_have_the_memory_order_of_the_input(
    x: np.ndarray, operator: str, inputs: tuple[np.ndarray, ...], attributes: dict
) -> None:
    y = output(operator, x, *inputs, **attributes)
    np.testing.assert_array_equal(y, output(operator, X, *inputs, **attributes))
    stored = y if x is X else y.transpose(0, 2, 3, 1)
    assert stored.flags.c_contiguous or y.shape[2:] == (1, 1)


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_and_space_undo_each_other(mode: str) -> None:
    y = output("DepthToSpace", LAST, blocksize=2, mode=mode)
    assert y.shape == (2, 1, 6, 10)
    np.testing.assert_array_equal(output("SpaceToDepth", y, blocksize=2, mode=mode), X)


@pytest.mark.parametrize(
    ("operator", "inputs"),
    [
        ("Expand", (np.ones(1, np.float32), integers(2**20, 2**30))),
        ("ConstantOfShape", (integers(2**25, 2**25),)),
        ("Tile", (np.ones((1, 1), np.float32), integers(2**25, 2**25))),
        ("Range", (integers(0)[0].reshape(()), np.array(2**55), np.array(1))),
        ("Pad", (np.ones(1, np.float32), integers(0, 2**50))),
        ("Resize", (X, None, np.array([1, 1, 1e9, 1e9], np.float32))),
        ("OneHot", (integers(1), np.array(2**50), np.zeros(2, np.float32))),
        ("Einsum", (*[np.ones(2**14, np.int8)] * 4,)),
        ("Gather", (np.broadcast_to(np.float32(0), (3, 2**30)), np.zeros((2**14, 2**10), np.int8))),
    ],
)
def test_what_cannot_fit_is_refused_before_it_is_allocated(operator: str, inputs: tuple) -> None:
    attributes = {"equation": "a,b,c,d"} if operator == "Einsum" else {}
    with pytest.raises((MemoryError, ValueError), match=f"^{operator}: the result must"):
        output(operator, *inputs, **attributes)


@pytest.mark.parametrize(
    ("operator", "inputs", "attributes", "message"),
    [
        ("Transpose", (X,), {"perm": (0, 1, 1, 2)}, r"perm must have every axis once, 0 to 3, but got \(0, 1, 1, 2\)"),
        ("Concat", (X, X[:, :, 1:]), {"axis": 1}, r"but along axis 1, but got \(2, 4, 3, 5\) and \(2, 4, 2, 5\)"),
        ("Concat", (X,), {"axis": 4}, "axis must be from -4 to 3, but got 4"),
        ("Split", (X, integers(1, 2)), {"axis": 1}, r"must be 1 that add up to 4, but got \(1, 2\)"),
        ("Split", (X,), {"num_outputs": 2**62}, "num_outputs must be that of the outputs, 1"),
        ("Slice", (X, integers(0), integers(1), integers(0), integers(0)), {}, "steps not 0"),
        ("Slice", (X, integers(0), integers(1, 2)), {}, "must be as many"),
        ("Squeeze", (X, integers(1)), {}, "must have size 1"),
        ("Unsqueeze", (X, integers(0, 0)), {}, "axes must be different"),
        ("Expand", (X, integers(3)), {}, r"must broadcast with that of data, but got \(3,\) and \(2, 4, 3, 5\)"),
        ("Pad", (X, integers(1, 2)), {}, "pads must be 8"),
        ("Pad", (X, integers(0, 0, -3, 0, 0, 0, -1, 0)), {}, "no more must be cut than there is"),
        ("Gather", (X, integers(4)), {"axis": 1}, "indices must be from -4 to 3, but got 4 to 4"),
        ("GatherElements", (X, integers(0)), {}, "no larger than data"),
        ("GatherND", (X, integers(0, 0, 0, 0, 0)), {}, "tuples of 1 to 4"),
        ("ScatterND", (X, integers(0), X), {}, r"updates must have shape \(4, 3, 5\)"),
        ("TopK", (X, integers(6)), {}, "K must be from 0 to 5, but got 6"),
        ("ReduceSum", (X, integers(4)), {}, "axes must be from -4 to 3, but got 4"),
        ("ArgMax", (X[:0],), {}, "axis 0 must not be empty"),
        ("Tile", (X, integers(1, 2)), {}, "repeats must be 4"),
        ("Resize", (X,), {}, "either scales or sizes must be 4 numbers"),
        ("Resize", (X, None, None, integers(2, 4, 0, 5)), {}, r"must have cells .*, but got \[2, 4, 0, 5\]"),
        ("Resize", (X, None, np.array([1, 1, np.nan, 3e38], np.float32)), {}, "must have cells"),
        ("Resize", (X,), {"mode": "area"}, "mode must be one of"),
        ("DepthToSpace", (X,), {"blocksize": 3}, "multiple of 9"),
        ("Einsum", (X,), {"equation": "ab->a"}, "equation must fit the inputs"),
        ("GridSample", (X, np.zeros((2, 3, 3, 3))), {}, r"grid must have shape \(N, \*out, 2\)"),
        ("Range", (np.array(0), np.array(1), np.array(0)), {}, "delta must not be 0"),
        ("OneHot", (integers(1), np.array(0), np.zeros(2)), {}, "depth must be at least 1"),
    ],
)  # fmt: skip
def test_errors_name_operator_and_rule(operator: str, inputs: tuple, attributes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{operator}: .*{message}"):
        output(operator, *inputs, **attributes)


def test_lists_of_integers_must_be_such() -> None:
    with pytest.raises(
        TypeError, match=r"^Reshape: shape must be a list of integers, but got float32 \(shape \(2,\)\)"
    ):
        output("Reshape", X, np.ones(2, np.float32))
