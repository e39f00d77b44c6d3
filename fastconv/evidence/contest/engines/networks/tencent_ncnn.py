"""ncnn: the network as PNNX translates it from PyTorch, in float32, for one image. It does not train."""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ncnn
import numpy as np
import pnnx
import torch

from fastconv.evidence.contest.engines.base import NCHW, Prepared, Refusal
from fastconv.evidence.contest.engines.networks.base import INFERENCE, NetworkEngine, NetworkJob
from fastconv.evidence.contest.engines.networks.pytorch import built


class NcnnNetworks(NetworkEngine):
    """No numbers shorter than float32, an extractor for each call. ncnn has no axis for the batch."""

    packages = ("ncnn", "pnnx")

    def prepare(self, job: NetworkJob) -> dict[str, Prepared]:
        """Return the network."""
        job.only(INFERENCE, "ncnn does not train")
        if len(job.x) != 1:
            raise Refusal("ncnn computes one image at a time")
        net = ncnn.Net()
        net.opt.num_threads = self.threads
        net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
        net.opt.use_bf16_storage = False
        with TemporaryDirectory(prefix="fastconv-contest-") as folder:
            self._translate(job, net, Path(folder))
        image = ncnn.Mat(np.array(job.x[0]))

        def run() -> Any:
            extractor = net.create_extractor()
            extractor.input("in0", image)
            return extractor.extract("out0")[1]

        return {NCHW: Prepared(run, lambda y: {"y": np.array(y)[np.newaxis]})}

    def _translate(self, job: NetworkJob, net: Any, folder: Path) -> None:
        """Trace the module of PyTorch, and load what PNNX makes of it."""
        script, param, binary = (str(folder / name) for name in ("network.pt", "network.param", "network.bin"))
        torch.jit.trace(built(job.node, job.state).eval(), torch.from_numpy(job.x)).save(script)
        sizes = ",".join(map(str, job.x.shape))
        options = (f"inputshape=[{sizes}]f32", f"ncnnparam={param}", f"ncnnbin={binary}", "fp16=0")
        subprocess.run([pnnx.EXEC_PATH, script, *options], cwd=folder, check=True, capture_output=True)
        net.load_param(param)
        net.load_model(binary)
