"""Operators of ONNX without a file: a node, called."""

from __future__ import annotations

from typing import Any

import fastconv.onnx.operators  # noqa: F401 - registers them
from fastconv.onnx.graph import Node
from fastconv.onnx.registry import lookup


def outputs(operator: str, *inputs: Any, opset: int = 18, count: int = 1, **attributes: Any) -> tuple[Any, ...]:
    """Return the outputs of an operator, of which so many are asked for."""
    function = lookup(operator, opset)
    assert function is not None, f"{operator} is not there in opset {opset}"
    return Node("it", operator, (), tuple("abcdef"[:count]), attributes, function)(*inputs)


def output(operator: str, *inputs: Any, opset: int = 18, **attributes: Any) -> Any:
    """Return the only output of an operator."""
    (y,) = outputs(operator, *inputs, opset=opset, **attributes)
    return y
