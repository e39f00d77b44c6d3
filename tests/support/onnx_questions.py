"""Models of one operator with odd windows, axes and broadcasts, in old and new versions, drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from onnx import helper

SEEDS = 12  # models of each kind


class Question(NamedTuple):
    """A node, and what goes in."""

    operator: str
    attributes: dict[str, Any]
    inputs: list[np.ndarray | None]
    outputs: int = 1
    opsets: tuple[int, ...] = (8, 9, 11, 13, 17, 21)


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def windows(rng: np.random.Generator, rank: int) -> tuple[dict[str, Any], tuple[int, ...]]:
    """Attributes of windows that are larger than their padding, and a size that has some of them."""
    kernel, strides, dilations = (rng.integers(1, most, rank, endpoint=True) for most in (3, 3, 2))
    attributes: dict[str, Any] = {}
    auto_pad = str(rng.choice(["NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]))
    if auto_pad.startswith("SAME"):
        dilations[:] = 1  # others are left out of account there
        kernel = np.maximum(kernel, strides)  # others give fewer cells than they should when transposed
    if auto_pad == "NOTSET":
        attributes["pads"] = [*rng.integers(0, kernel).tolist(), *rng.integers(0, kernel).tolist()]
    else:
        attributes["auto_pad"] = auto_pad
    lists = {"kernel_shape": kernel.tolist(), "strides": strides.tolist(), "dilations": dilations.tolist()}
    size = dilations * (kernel - 1) + 1 + rng.integers(0, 5, rank)
    return {**attributes, **lists}, tuple(size.tolist())


def rank_of(rng: np.random.Generator) -> int:
    return int(rng.integers(1, 4))


def conv(rng: np.random.Generator) -> Question:
    rank, groups = rank_of(rng), int(rng.integers(1, 3))
    attributes, size = windows(rng, rank)
    x, weight = normal(rng, 2, 3 * groups, *size), normal(rng, 2 * groups, 3, *attributes["kernel_shape"])
    bias = normal(rng, 2 * groups) if rng.random() < 0.5 else None
    return Question("Conv", {**attributes, "group": groups}, [x, weight, bias])


def conv_transpose(rng: np.random.Generator) -> Question:
    rank, groups = int(rng.integers(1, 3)), int(rng.integers(1, 3))
    attributes, size = windows(rng, rank)
    x, weight = normal(rng, 2, 2 * groups, *size), normal(rng, 2 * groups, 3, *attributes["kernel_shape"])
    if "pads" in attributes:
        strides = np.array(attributes["strides"])
        if rng.random() < 0.5:
            attributes["output_padding"] = rng.integers(0, strides).tolist()
        elif rng.random() < 0.5:
            del attributes["pads"]
            attributes["output_shape"] = (np.array(size) * strides + rng.integers(-1, 1)).clip(1).tolist()
    bias = normal(rng, 3 * groups) if rng.random() < 0.5 else None
    return Question("ConvTranspose", {**attributes, "group": groups}, [x, weight, bias], opsets=(11, 13, 21))


def max_pool(rng: np.random.Generator) -> Question:
    attributes, size = windows(rng, rank_of(rng))
    attributes |= {"ceil_mode": int(rng.integers(2)), "storage_order": int(rng.integers(2))}
    x = normal(rng, 2, 3, *size)
    return Question("MaxPool", attributes, [x], outputs=2, opsets=(11, 12, 13, 21))


def average_pool(rng: np.random.Generator) -> Question:
    attributes, size = windows(rng, rank_of(rng))
    attributes |= {"ceil_mode": int(rng.integers(2)), "count_include_pad": int(rng.integers(2))}
    return Question("AveragePool", attributes, [normal(rng, 2, 3, *size)], opsets=(19, 21))


def lp_pool(rng: np.random.Generator) -> Question:
    attributes, size = windows(rng, rank_of(rng))
    attributes["p"] = int(rng.integers(1, 4))
    return Question("LpPool", attributes, [normal(rng, 2, 3, *size)], opsets=(18, 21))


def global_pool(rng: np.random.Generator) -> Question:
    name = str(rng.choice(["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"]))
    size = rng.integers(1, 6, rank_of(rng))
    return Question(name, {"p": 3} if name == "GlobalLpPool" else {}, [normal(rng, 2, 3, *size)])


def batch_normalization(rng: np.random.Generator) -> Question:
    x = normal(rng, 2, 3, *rng.integers(1, 6, rng.integers(0, 4)))
    tables = [normal(rng, 3), normal(rng, 3), normal(rng, 3), np.abs(normal(rng, 3))]
    return Question("BatchNormalization", {"epsilon": 1e-3}, [x, *tables])


def instance_normalization(rng: np.random.Generator) -> Question:
    x = normal(rng, 2, 3, *rng.integers(2, 6, rank_of(rng)))
    return Question("InstanceNormalization", {"epsilon": 1e-2}, [x, normal(rng, 3), normal(rng, 3)])


def group_normalization(rng: np.random.Generator) -> Question:
    groups, opset = int(rng.integers(1, 4)), int(rng.choice([18, 21]))
    x = normal(rng, 2, 2 * groups, *rng.integers(2, 5, rank_of(rng)))
    tables = [normal(rng, groups if opset == 18 else 2 * groups) for _ in range(2)]
    return Question("GroupNormalization", {"num_groups": groups}, [x, *tables], opsets=(opset,))


def layer_normalization(rng: np.random.Generator) -> Question:
    shape = rng.integers(1, 5, rng.integers(1, 5))
    axis = int(rng.integers(-len(shape), len(shape)))
    x, scale, bias = normal(rng, *shape), normal(rng, *shape[axis:]), normal(rng, *shape[axis:])
    bias = bias if rng.random() < 0.5 else None
    return Question("LayerNormalization", {"axis": axis, "epsilon": 1e-2}, [x, scale, bias], 3, opsets=(17, 21))


def lrn(rng: np.random.Generator) -> Question:
    attributes = {"size": int(rng.choice([1, 3, 5])), "alpha": 0.3, "beta": 0.6, "bias": 1.5}
    return Question("LRN", attributes, [normal(rng, 2, int(rng.integers(1, 7)), *rng.integers(1, 5, 2))])


def lp_normalization(rng: np.random.Generator) -> Question:
    x = normal(rng, *rng.integers(1, 5, 3))
    return Question("LpNormalization", {"axis": int(rng.integers(-3, 3)), "p": int(rng.integers(1, 3))}, [x])


def mean_variance_normalization(rng: np.random.Generator) -> Question:
    x = normal(rng, *rng.integers(2, 5, 4))
    return Question("MeanVarianceNormalization", {"axes": [0, 2, 3]}, [x], opsets=(9, 13))


def activation(rng: np.random.Generator) -> Question:
    kinds: list[tuple[str, dict[str, float]]] = [
        ("Relu", {}), ("LeakyRelu", {"alpha": 0.3}), ("Elu", {"alpha": 1.5}), ("Selu", {}),
        ("Selu", {"alpha": 1.2, "gamma": 0.7}), ("Sigmoid", {}), ("HardSigmoid", {}), ("Tanh", {}), ("Softplus", {}),
        ("HardSigmoid", {"alpha": 1 / 6}), ("Softsign", {}), ("ThresholdedRelu", {"alpha": 0.4}),
    ]  # fmt: skip
    name, attributes = kinds[rng.integers(len(kinds))]
    return Question(name, attributes, [3 * normal(rng, *rng.integers(1, 6, 3))], opsets=(11, 13))


def late_activation(rng: np.random.Generator) -> Question:
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("Celu", {"alpha": 0.6}), ("HardSwish", {}), ("Mish", {}), ("Gelu", {}), ("Gelu", {"approximate": "tanh"}),
    ]  # fmt: skip
    name, attributes = kinds[rng.integers(len(kinds))]
    return Question(name, attributes, [3 * normal(rng, *rng.integers(1, 6, 3))], opsets=(20, 21))


def prelu(rng: np.random.Generator) -> Question:
    x = normal(rng, 2, 3, 4, 5)
    slope = normal(rng, *[(3, 1, 1), (1,), (5,), (2, 3, 4, 5), (1, 3, 1, 1), (4, 1)][rng.integers(6)])
    return Question("PRelu", {}, [x, slope], opsets=(9, 16))


def clip(rng: np.random.Generator) -> Question:
    x, bounds = 6 * normal(rng, 3, 4), np.sort(normal(rng, 2))
    if rng.random() < 0.3:
        return Question("Clip", {"min": float(bounds[0]), "max": float(bounds[1])}, [x], opsets=(8, 9))
    low, high = (None if rng.random() < 0.4 else np.float32(bound) for bound in bounds)
    return Question("Clip", {}, [x, low, high], opsets=(11, 12, 13))


def of_scores(rng: np.random.Generator) -> Question:
    shape = rng.integers(1, 6, 3)
    name = str(rng.choice(["Softmax", "LogSoftmax", "Hardmax"]))
    return Question(name, {"axis": int(rng.integers(0, 3))}, [3 * normal(rng, *shape)], opsets=(8, 11, 13))


def gemm(rng: np.random.Generator) -> Question:
    m, k, n = rng.integers(1, 7, 3)
    transposed = {"transA": int(rng.integers(2)), "transB": int(rng.integers(2))}
    a = normal(rng, *((k, m) if transposed["transA"] else (m, k)))
    b = normal(rng, *((n, k) if transposed["transB"] else (k, n)))
    c = normal(rng, *[(n,), (m, n), (1, n), (m, 1), (1,)][rng.integers(5)])
    factors = {"alpha": 0.7, "beta": 1.3} if rng.random() < 0.5 else {}
    return Question("Gemm", {**transposed, **factors}, [a, b, c])


def matmul(rng: np.random.Generator) -> Question:
    m, k, n, p, q = rng.integers(1, 5, 5)
    shapes = [
        ((m, k), (k, n)), ((p, m, k), (k, n)), ((k,), (k, n)), ((m, k), (k,)), ((p, q, m, k), (q, k, n)),
        ((1, q, m, k), (p, 1, k, n)), ((k,), (p, k, n)), ((k,), (k,)),
    ]  # fmt: skip
    left, right = shapes[rng.integers(len(shapes))]
    return Question("MatMul", {}, [normal(rng, *left), normal(rng, *right)])


def conv_integer(rng: np.random.Generator) -> Question:
    attributes, size = windows(rng, 2)
    attributes["dilations"] = [1, 1]
    x = rng.integers(0, 256, (2, 3, *size)).astype(np.uint8)
    weight = rng.integers(0, 256, (4, 3, *attributes["kernel_shape"])).astype(np.uint8)
    return Question("ConvInteger", attributes, [x, weight, np.uint8(120), np.uint8(130)], opsets=(10, 13))


def qlinear_conv(rng: np.random.Generator) -> Question:
    attributes, size = windows(rng, 2)
    attributes["dilations"] = [1, 1]
    x = rng.integers(0, 256, (2, 3, *size)).astype(np.uint8)
    weight = rng.integers(-128, 128, (4, 3, *attributes["kernel_shape"])).astype(np.int8)
    scales = [np.float32(0.02), rng.uniform(0.01, 0.05, 4).astype(np.float32), np.float32(0.13)]
    bias = rng.integers(-1000, 1000, 4).astype(np.int32)
    zeros = [np.uint8(120), np.zeros(4, np.int8), np.uint8(100)]
    inputs = [x, scales[0], zeros[0], weight, scales[1], zeros[1], scales[2], zeros[2], bias]
    return Question("QLinearConv", attributes, inputs, opsets=(10, 13))


def qlinear_matmul(rng: np.random.Generator) -> Question:
    m, k, n = rng.integers(1, 6, 3)
    a, b = rng.integers(0, 256, (m, k)).astype(np.uint8), rng.integers(0, 256, (k, n)).astype(np.uint8)
    scale = [np.float32(0.02), np.float32(0.03), np.float32(0.1)]
    zero = [np.uint8(120), np.uint8(130), np.uint8(100)]
    inputs = [a, scale[0], zero[0], b, scale[1], zero[1], scale[2], zero[2]]
    return Question("QLinearMatMul", {}, inputs, opsets=(10, 13, 21))


def quantize(rng: np.random.Generator) -> Question:
    x, dtype = 10 * normal(rng, 2, 3, 4), rng.choice([np.uint8, np.int8])
    axis = int(rng.integers(-3, 3))
    channels = x.shape[axis] if rng.random() < 0.5 else 1
    scale, zero = rng.uniform(0.05, 0.2, channels).astype(np.float32), rng.integers(0, 100, channels).astype(dtype)
    if channels == 1:
        scale, zero = scale.reshape(()), zero.reshape(())
    return Question("QuantizeLinear", {"axis": axis}, [x, scale, zero], opsets=(13, 19, 21))


def dequantize(rng: np.random.Generator) -> Question:
    x, axis = rng.integers(-128, 128, (2, 3, 4)).astype(np.int8), int(rng.integers(-3, 3))
    scale = rng.uniform(0.05, 0.2, x.shape[axis]).astype(np.float32)
    zero = rng.integers(-100, 100, x.shape[axis]).astype(np.int8)
    return Question("DequantizeLinear", {"axis": axis}, [x, scale, zero], opsets=(13, 19, 21))


def dynamic_quantize(rng: np.random.Generator) -> Question:
    return Question(
        "DynamicQuantizeLinear", {}, [normal(rng, 4, 5) + np.float32(rng.integers(-2, 3))], 3, opsets=(11, 13)
    )


def matmul_integer(rng: np.random.Generator) -> Question:
    m, k, n = rng.integers(1, 6, 3)
    a, b = rng.integers(0, 256, (m, k)).astype(np.uint8), rng.integers(-128, 128, (k, n)).astype(np.int8)
    return Question("MatMulInteger", {}, [a, b, np.uint8(12), np.int8(-3)], opsets=(10, 13))


FLOATING: list[Callable[[np.random.Generator], Question]] = [
    conv, conv_transpose, max_pool, average_pool, lp_pool, global_pool, batch_normalization, instance_normalization,
    group_normalization, layer_normalization, lrn, lp_normalization, mean_variance_normalization, activation,
    late_activation, prelu, clip, of_scores, gemm, matmul,
]  # fmt: skip
QUANTISED: list[Callable[[np.random.Generator], Question]] = [
    conv_integer, qlinear_conv, qlinear_matmul, quantize, dequantize, dynamic_quantize, matmul_integer,
]  # fmt: skip


def as_model(question: Question, opset: int) -> tuple[Any, dict[str, np.ndarray]]:
    """A model of one node, whose outputs have no types yet, and what goes in by name."""
    feeds = {f"x{i}": np.asarray(array) for i, array in enumerate(question.inputs) if array is not None}
    names = [f"x{i}" if f"x{i}" in feeds else "" for i in range(1 + max(int(name[1:]) for name in feeds))]
    outputs = [f"y{i}" for i in range(question.outputs)]
    node = helper.make_node(question.operator, names, outputs, **question.attributes)
    taken = [as_value(name, array) for name, array in feeds.items()]
    given = [helper.make_empty_tensor_value_info(name) for name in outputs]
    graph = helper.make_graph([node], "g", taken, given)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), feeds


def as_value(name: str, array: np.ndarray) -> Any:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
