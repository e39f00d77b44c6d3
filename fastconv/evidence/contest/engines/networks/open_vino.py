"""OpenVINO: the network of the ONNX graph, compiled for the processor in float32. It does not train."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
import openvino

from fastconv.evidence.contest.engines.base import NCHW, Prepared
from fastconv.evidence.contest.engines.networks.base import INFERENCE, NetworkEngine, NetworkJob
from fastconv.evidence.contest.engines.networks.onnx_graph import onnx_model


class OpenVinoNetworks(NetworkEngine):
    """Tuned for latency: one stream with all threads; input and output are shared, so that nothing is copied."""

    packages = ("openvino", "onnx")

    def prepare(self, job: NetworkJob) -> dict[str, Prepared]:
        """Return the compiled network."""
        job.only(INFERENCE, "OpenVINO does not train here")
        settings = {
            "INFERENCE_NUM_THREADS": self.threads,
            "INFERENCE_PRECISION_HINT": "f32",
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
        }
        core = openvino.Core()
        with TemporaryDirectory(prefix="fastconv-contest-") as folder:
            path = Path(folder) / "network.onnx"
            onnx.save(onnx_model(job), str(path))
            compiled = core.compile_model(core.read_model(path), "CPU", settings)
        request = compiled.create_infer_request()
        request.set_input_tensor(openvino.Tensor(job.x, shared_memory=True))

        def run() -> Any:
            request.infer()
            return request.get_output_tensor()

        return {NCHW: Prepared(run, lambda y: {"y": y.data.copy()})}
