"""What is registered, against the schemas of the package ``onnx``: names, versions, attributes and their defaults."""

from __future__ import annotations

import pytest

from fastconv.onnx.registry import OPERATORS

onnx = pytest.importorskip("onnx")

# Attributes that are not taken, so that a file that sets one is refused.
LEFT_OUT = {
    ("Cast", "round_mode"): "of a dtype that Cast refuses",
    ("CastLike", "round_mode"): "of a dtype that CastLike refuses",
    ("Constant", "sparse_value"): "no tensor",
    ("Constant", "value_string"): "no numbers",
    ("Constant", "value_strings"): "no numbers",
    ("GroupNormalization", "stash_type"): "sums are in float32 or more",
    ("LayerNormalization", "stash_type"): "sums are in float32 or more",
    ("QuantizeLinear", "precision"): "quotients have the dtype of the data",
    ("QuantizeLinear", "saturate"): "of a dtype that QuantizeLinear refuses",
    ("RMSNormalization", "stash_type"): "sums are in float32 or more",
}


@pytest.mark.parametrize("name", sorted(name for name in OPERATORS if "." not in name))
def test_attributes_are_those_of_the_schema(name: str) -> None:
    newest = onnx.defs.onnx_opset_version()
    for since, one in OPERATORS[name].items():
        later = [other for other in OPERATORS[name] if other > since]
        last = min([*later, newest + 1]) - 1
        for opset in range(max(7, since), last + 1):
            try:
                schema = onnx.defs.get_schema(name, opset)
            except onnx.defs.SchemaError:
                continue
            attributes = {attribute for attribute in schema.attributes if (name, attribute) not in LEFT_OUT}
            assert attributes <= {*one.attributes}, f"{name} in opset {opset}"
