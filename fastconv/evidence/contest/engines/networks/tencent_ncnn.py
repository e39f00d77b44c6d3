"""ncnn: the network as PNNX translates it from PyTorch, in float32, for one image. It does not train."""

from __future__ import annotations

import subprocess
from functools import partial
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
from fastconv.evidence.contest.engines.tencent_ncnn import extracted, new_net


class NcnnNetworks(NetworkEngine):
    """No numbers shorter than float32, an extractor for each call. ncnn has no axis for the batch."""

    packages = ("ncnn", "pnnx")

    def prepare(self, job: NetworkJob) -> dict[str, Prepared]:
        """Return the network."""
        job.only(INFERENCE, "ncnn does not train")
        if len(job.x) != 1:
            raise Refusal("ncnn computes one image at a time")
        net = new_net(self.threads)
        with TemporaryDirectory(prefix="fastconv-contest-") as folder:
            self._translate(job, net, Path(folder))
        image = ncnn.Mat(job.x[0]).clone()
        run = partial(extracted, net, "in0", image, "out0")
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
