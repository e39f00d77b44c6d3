"""The interface that the package ``onnx`` has for whatever runs models, and for its own tests of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike
from onnx import ModelProto, NodeProto, defs, helper, shape_inference
from onnx.backend import base

from fastconv.onnx.model import OnnxModel, load
from fastconv.validation.arrays import check_array

Inputs = Mapping[str, ArrayLike] | Sequence[ArrayLike]


class Prepared(base.BackendRep):  # type: ignore[misc]
    """A model that was read, for many runs."""

    def __init__(self, model: OnnxModel) -> None:
        self.model = model

    def run(self, inputs: Inputs, **_: Any) -> tuple[Any, ...]:
        """Return the outputs, a tuple whose elements have names too; see `OnnxModel.run`."""
        names = [one.name for one in self.model.outputs]
        results: tuple[Any, ...] = base.namedtupledict("Outputs", names)(*self.model.run(inputs))
        return results


class Backend(base.Backend):  # type: ignore[misc]
    """fastconv as a backend of ONNX; it computes on the current backend of fastconv.

    Examples
    --------
    With the tests of the ONNX project, in a file for pytest::

        from onnx.backend.test import BackendTest

        import fastconv.onnx

        globals().update(BackendTest(fastconv.onnx.Backend, __name__).include("conv").test_cases)
    """

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether models run on such a device; there is only ``"CPU"``."""
        return device == "CPU"

    @classmethod
    def is_compatible(cls, model: ModelProto, device: str = "CPU", **_: Any) -> bool:
        """Whether a model can be read, and needs no operator that is not there."""
        if not cls.supports_device(device):
            return False
        try:
            load(model)
        except (ValueError, TypeError):
            return False
        return True

    @classmethod
    def prepare(cls, model: ModelProto, device: str = "CPU", **options: Any) -> Prepared:
        """Check and read a model.

        Raises
        ------
        onnx.checker.ValidationError
            If it is not valid.
        fastconv.errors.ModelFileError
            If it needs what is not there.
        """
        super().prepare(model, device, **options)
        return Prepared(load(model))

    @classmethod
    def run_node(
        cls,
        node: NodeProto,
        inputs: Sequence[ArrayLike],
        device: str = "CPU",
        outputs_info: object = None,
        **options: Any,
    ) -> tuple[Any, ...]:
        """Compute the outputs of a node, as a model of this node alone; `opset_version` is an option."""
        super().run_node(node, inputs, device, outputs_info, **options)
        names = [name for name in node.input if name]
        arrays = {name: check_array("onnx.Backend", name, value) for name, value in zip(names, inputs)}
        taken = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in arrays.items()
        ]
        given = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
        opset = helper.make_opsetid("", options.get("opset_version", defs.onnx_opset_version()))
        graph = helper.make_graph([node], node.op_type, taken, given)
        model = shape_inference.infer_shapes(helper.make_model(graph, opset_imports=[opset]))
        for value in model.graph.output:
            if not value.type.tensor_type.elem_type:  # not inferred: as the first input
                value.type.tensor_type.elem_type = taken[0].type.tensor_type.elem_type
        return cls.prepare(model, device).run(arrays)
