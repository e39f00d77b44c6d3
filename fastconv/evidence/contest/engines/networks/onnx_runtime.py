"""ONNX Runtime: a session with the whole network, its weights constant. It does not train."""

from __future__ import annotations

from fastconv.evidence.contest.engines.base import NCHW, Prepared
from fastconv.evidence.contest.engines.networks.base import INFERENCE, FileJob, NetworkEngine, NetworkJob
from fastconv.evidence.contest.engines.networks.onnx_graph import onnx_model
from fastconv.evidence.contest.engines.onnx_runtime import bound, session_of


class OnnxRuntimeNetworks(NetworkEngine):
    """All graph optimisations, input and output bound, so that nothing is copied."""

    packages = ("onnxruntime", "onnx")

    def prepare(self, job: NetworkJob) -> dict[str, Prepared]:
        """Return the session."""
        job.only(INFERENCE, "ONNX Runtime does not train")
        return {NCHW: bound(session_of(onnx_model(job).SerializeToString(), self.threads), job.x)}

    def prepare_file(self, job: FileJob) -> dict[str, Prepared]:
        """Return the session of the file."""
        return {NCHW: bound(session_of(job.path, self.threads), job.x)}
