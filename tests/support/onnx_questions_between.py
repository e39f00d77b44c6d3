"""Models of one operator of those between convolutions, in old and new versions, drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import helper
from onnx_questions import FLOATING, QUANTISED, Question, normal

MODES = ("nearest", "linear", "cubic")


def integers(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def any_shape(rng: np.random.Generator, rank: int = 4) -> tuple[int, ...]:
    return tuple(rng.integers(1, 6, rank).tolist())


def broadcast(rng: np.random.Generator) -> list[np.ndarray | None]:
    """Two arrays, one of them perhaps with a number for every channel, or one at all."""
    shape = any_shape(rng)
    others = [shape, (shape[1], 1, 1), (1, shape[1], 1, 1), (*shape[:2], 1, 1), shape[-1:], (1,), (shape[2], 1), ()]
    arrays: list[np.ndarray | None] = [normal(rng, *shape), normal(rng, *others[rng.integers(len(others))])]
    return arrays if rng.random() < 0.5 else arrays[::-1]


def binary(rng: np.random.Generator) -> Question:
    return Question(str(rng.choice(["Add", "Sub", "Mul", "Div", "Less", "Greater"])), {}, broadcast(rng))


def of_integers(rng: np.random.Generator) -> Question:
    dtype = rng.choice([np.int8, np.int32, np.int64])
    a, b = rng.integers(-50, 50, (3, 4)).astype(dtype), rng.choice([-7, -3, 2, 5], 4).astype(dtype)
    name, attributes = [("Div", {}), ("Mod", {}), ("Mod", {"fmod": 1})][rng.integers(3)]
    return Question(name, attributes, [a, b], opsets=(14, 17))


def power(rng: np.random.Generator) -> Question:
    x = np.abs(normal(rng, 2, 3)) + 1
    y = [np.float32(0.5), np.array(2), np.array([[2.0]]), integers(3, 1, 2), normal(rng, 3)][rng.integers(5)]
    return Question("Pow", {}, [x, y], opsets=(13, 15))


def unary(rng: np.random.Generator) -> Question:
    names = ["Abs", "Ceil", "Cos", "Erf", "Exp", "Floor", "Neg", "Reciprocal", "Round", "Sign", "Sin", "Sqrt", "Tan"]
    x = normal(rng, *any_shape(rng)) if (name := str(rng.choice(names))) != "Sqrt" else np.abs(normal(rng, 3))
    return Question(name, {}, [x], opsets=(11, 13))


def of_several(rng: np.random.Generator) -> Question:
    name = str(rng.choice(["Max", "Min", "Sum", "Mean"]))
    return Question(name, {}, [normal(rng, 2, 3), normal(rng, 3), normal(rng, 2, 1)][: rng.integers(1, 4)])


def reduction(rng: np.random.Generator) -> Question:
    kinds = ["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSumExp", "SumSquare", "LogSum"]
    name, x = "Reduce" + str(rng.choice(kinds)), np.abs(normal(rng, *any_shape(rng)))
    axes = rng.choice(4, rng.integers(1, 4), replace=False).tolist()
    keepdims = {"keepdims": int(rng.integers(2))}
    if rng.random() < 0.5:
        return Question(name, {"axes": axes, **keepdims}, [x], opsets=(8, 11, 12))
    return Question(name, keepdims, [x, integers(*axes)], opsets=(18, 21))


def arg(rng: np.random.Generator) -> Question:
    x = np.round(normal(rng, 3, 4, 5))  # with equal numbers
    attributes = {"axis": int(rng.integers(-3, 3)), "keepdims": int(rng.integers(2))}
    name = str(rng.choice(["ArgMax", "ArgMin"]))
    if rng.random() < 0.5:
        return Question(name, attributes, [x], opsets=(11,))
    return Question(name, {**attributes, "select_last_index": 1}, [x], opsets=(12, 13))


def top_k(rng: np.random.Generator) -> Question:
    x, axis = np.round(normal(rng, 3, 4, 5)), int(rng.integers(-3, 3))
    if rng.random() < 0.3:
        return Question("TopK", {"axis": axis, "k": 2}, [x], 2, opsets=(9,))
    return Question("TopK", {"axis": axis, "largest": int(rng.integers(2))}, [x, integers(2)], 2, opsets=(11, 21))


def cumulative_sum(rng: np.random.Generator) -> Question:
    attributes = {"exclusive": int(rng.integers(2)), "reverse": int(rng.integers(2))}
    return Question("CumSum", attributes, [normal(rng, 3, 4), np.array(rng.integers(-2, 2))], opsets=(11, 14))


def sliced(rng: np.random.Generator) -> Question:
    x, ends = normal(rng, 3, 4, 5), [-(2**62), -100, -2, 0, 3, 100]
    start, end, step = int(rng.integers(-8, 8)), int(rng.choice(ends)), int(rng.choice([-2, -1, 1, 2]))
    if rng.random() < 0.3:
        return Question("Slice", {"starts": [start], "ends": [end], "axes": [2]}, [x], opsets=(8, 9))
    return Question("Slice", {}, [x, integers(start), integers(end), integers(-1), integers(step)], opsets=(11, 13))


def padded(rng: np.random.Generator) -> Question:
    x, pads = normal(rng, 2, 3, 4, 5), [0, 0, *rng.integers(0, 3, 2), 0, 0, *rng.integers(0, 3, 2)]
    mode = {"mode": str(rng.choice(["constant", "reflect", "edge"]))}
    form = rng.integers(3)
    if form == 0:
        return Question("Pad", {**mode, "pads": pads, "value": 0.5}, [x], opsets=(8, 9))
    if form == 1:
        return Question("Pad", mode, [x, integers(*pads), np.float32(0.5)], opsets=(11, 13))
    return Question("Pad", mode, [x, integers(*pads[2:4], *pads[6:]), None, integers(-2, 3)], opsets=(18, 21))


def part(rng: np.random.Generator) -> Question:
    x, form = normal(rng, 2, 6, 5), rng.integers(4)
    if form == 0:
        return Question("Split", {"axis": 1, "split": [1, 5]}, [x], 2, opsets=(8, 11))
    if form == 1:
        return Question("Split", {"axis": -2}, [x], 3, opsets=(11, 13))
    if form == 2:
        return Question("Split", {"axis": 2}, [x, integers(4, 1)], 2, opsets=(13, 18))
    return Question("Split", {"axis": 2, "num_outputs": 3}, [x], 3, opsets=(18, 21))


def gathered(rng: np.random.Generator) -> Question:
    x, axis = normal(rng, 3, 4, 5), int(rng.integers(-3, 3))
    size = x.shape[axis]
    if rng.random() < 0.5:
        return Question("Gather", {"axis": axis}, [x, rng.integers(0, size, any_shape(rng, 2))], opsets=(8, 11, 13))
    shape = [2, 3, 4]
    return Question("GatherElements", {"axis": axis}, [x, rng.integers(-size, size, shape)], opsets=(11, 13))


def scattered(rng: np.random.Generator) -> Question:
    x, reduction = normal(rng, 3, 4), str(rng.choice(["add", "mul", "max", "min"]))
    if rng.random() < 0.5:
        indices, updates = rng.integers(-4, 4, (2, 5)), normal(rng, 2, 5)
        return Question("ScatterElements", {"axis": 1, "reduction": reduction}, [x, indices, updates], opsets=(18,))
    indices = rng.integers(0, 3, (5, 1))
    return Question("ScatterND", {"reduction": reduction}, [x, indices, normal(rng, 5, 4)], opsets=(18,))


def blocks(rng: np.random.Generator) -> Question:
    if rng.random() < 0.5:
        return Question("SpaceToDepth", {"blocksize": 2}, [normal(rng, 2, 3, 4, 6)], opsets=(8, 13))
    mode = {"mode": str(rng.choice(["DCR", "CRD"]))}
    return Question("DepthToSpace", {"blocksize": 2, **mode}, [normal(rng, 2, 8, 3, 5)], opsets=(11, 13))


def converted(rng: np.random.Generator) -> Question:
    dtypes = [np.dtype(name) for name in ("float32", "float64", "float16", "int32", "int64", "uint8", "int8", "bool")]
    x = np.array([0, 1, 2, 3, 100.7, 0.5]).astype(dtypes[rng.integers(8)])
    to = helper.np_dtype_to_tensor_dtype(dtypes[rng.integers(8)])
    return Question("Cast", {"to": to}, [x], opsets=(9, 13, 19))


def resized(rng: np.random.Generator) -> Question:
    """Where others agree with the specification: nearest cells and aligned corners by whole factors only."""
    x, mode = normal(rng, 2, 3, 5, 6), str(rng.choice(MODES))
    places = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
    attributes: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": str(rng.choice(places))}
    if mode == "cubic":
        attributes |= {"exclude_outside": int(rng.integers(2)), "cubic_coeff_a": -0.5}
    if rng.random() < 0.5:
        factors = [1, 1, 0.6, 1.5] if mode != "nearest" and "align" not in str(attributes) else [1, 1, 2, 3]
        return Question("Resize", attributes, [x, None, np.array(factors, np.float32)], opsets=(13, 18, 19))
    size = rng.integers(2, 12, 2) if mode != "nearest" else np.array([10, 3])
    return Question("Resize", attributes, [x, None, None, integers(2, 3, *size)], opsets=(13, 18, 19))


def first_resized(rng: np.random.Generator) -> Question:
    x, mode = normal(rng, 2, 3, 5, 6), {"mode": str(rng.choice(MODES[:2]))}
    if rng.random() < 0.3:
        return Question("Upsample", {**mode, "scales": [1.0, 1.0, 2.0, 1.5]}, [x], opsets=(8,))
    name, opset = [("Upsample", 9), ("Resize", 10)][rng.integers(2)]
    return Question(name, mode, [x, np.array([1, 1, 3, 1.5], np.float32)], opsets=(opset,))


def grid_sampled(rng: np.random.Generator) -> Question:
    attributes = {
        "mode": str(rng.choice(["bilinear", "nearest", "bicubic"])),
        "padding_mode": str(rng.choice(["zeros", "border", "reflection"])),
        "align_corners": int(rng.integers(2)),
    }
    return Question("GridSample", attributes, [normal(rng, 2, 3, 5, 6), normal(rng, 2, 4, 3, 2)], opsets=(16,))


BETWEEN: list[Callable[[np.random.Generator], Question]] = [
    binary, of_integers, power, unary, of_several, reduction, arg, top_k, cumulative_sum, sliced, padded, part,
    gathered, scattered, blocks, converted, resized, first_resized, grid_sampled,
]  # fmt: skip
KINDS = [*FLOATING, *QUANTISED, *BETWEEN]
