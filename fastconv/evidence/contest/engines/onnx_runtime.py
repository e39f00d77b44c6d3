"""ONNX Runtime: a session with one Conv node, its weights constant. It computes no gradients."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from fastconv.evidence.contest.engines.base import NCHW, Engine, Job, Prepared, Refusal
from fastconv.evidence.process import first_line
from fastconv.validation.arrays import Array

_TYPES = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}
_OPSET, _IR = 17, 8  # old enough for every release of the last years


class OnnxRuntime(Engine):
    """All graph optimisations, input and output bound, so that nothing is copied.

    Notes
    -----
    The weights are initialisers: they are packed when the session is made, which costs no time in a turn. The runtime
    allocates the output where its authors would.
    """

    packages = ("onnxruntime", "onnx")

    def prepare(self, job: Job) -> dict[str, Prepared]:
        """Return the session."""
        if job.step != "forward":
            raise Refusal("ONNX Runtime computes no gradients")
        return {NCHW: bound(session_of(_model(job).SerializeToString(), self.threads), job.x)}


def session_of(model: str | bytes, threads: int) -> onnxruntime.InferenceSession:
    """Return a session of a file or its bytes, with all graph optimisations; `Refusal` for what is not implemented."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        if "NOT_IMPLEMENTED" not in str(error):
            raise
        raise Refusal(f"ONNX Runtime cannot: {first_line(error)}") from None


def bound(session: onnxruntime.InferenceSession, x: Array) -> Prepared:
    """Return a session that is ready to run, its input and first output bound, so that nothing is copied."""
    binding = session.io_binding()
    binding.bind_ortvalue_input(session.get_inputs()[0].name, onnxruntime.OrtValue.ortvalue_from_numpy(x))
    binding.bind_output(session.get_outputs()[0].name)

    def run() -> onnxruntime.IOBinding:
        session.run_with_iobinding(binding)
        return binding

    return Prepared(run, _result)


def _model(job: Job) -> onnx.ModelProto:
    kind = _TYPES[str(job.dtype)]
    weights = [numpy_helper.from_array(job.weight, "weight")]
    if job.bias is not None:
        weights.append(numpy_helper.from_array(job.bias, "bias"))
    padding = np.array(job.padding).T.ravel().tolist()  # before of every axis, then after
    node = helper.make_node(
        "Conv",
        ["x", *(tensor.name for tensor in weights)],
        ["y"],
        strides=list(job.stride),
        pads=padding,
        dilations=list(job.dilation),
        group=job.geometry.groups,
    )
    x = helper.make_tensor_value_info("x", kind, job.geometry.input_shape)
    y = helper.make_tensor_value_info("y", kind, job.geometry.output_shape)
    graph = helper.make_graph([node], "contest", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)


def _result(binding: onnxruntime.IOBinding) -> dict[str, Array]:
    return {"y": binding.copy_outputs_to_cpu()[0]}
