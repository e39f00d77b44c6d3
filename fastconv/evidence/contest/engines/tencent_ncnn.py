"""ncnn: a net of one convolution, in float32, image after image. It computes no gradients."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ncnn
import numpy as np

from fastconv.evidence.contest.engines.base import IMAGE_BY_IMAGE, NCHW, Engine, Job, Prepared, Refusal
from fastconv.validation.arrays import Array

_MAGIC = 7767517  # first line of every file of parameters
_FLOAT32 = 0  # before the weights in a file of weights: how they are stored


class Ncnn(Engine):
    """Winograd, products and packed channels as ncnn chooses them, no numbers shorter than float32.

    Notes
    -----
    Weights are transformed when the net is loaded, which costs no time in a turn. The result is in planes, as
    extracting it gives it.
    """

    packages = ("ncnn",)

    def prepare(self, job: Job) -> dict[str, Prepared]:
        """Return the net, called for one image after another where there are several."""
        if job.step != "forward":
            raise Refusal("ncnn computes no gradients")
        if job.dtype != np.float32:
            raise Refusal("ncnn computes in float32")
        net = new_net(self.threads)
        with TemporaryDirectory(prefix="fastconv-contest-") as folder:
            weights = Path(folder) / "layer.bin"
            weights.write_bytes(_weights(job))
            net.load_param_mem(_parameters(job))
            net.load_model(str(weights))
        images = [ncnn.Mat(image).clone() for image in job.x]

        def run() -> list[Any]:
            return [extracted(net, "x", image, "y") for image in images]

        return {NCHW if len(images) == 1 else IMAGE_BY_IMAGE: Prepared(run, _result)}


def new_net(threads: int) -> Any:
    """Return a net that stores and computes in float32, without layers yet."""
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = False
    if hasattr(net.opt, "use_bf16_packed"):  # of newer releases
        net.opt.use_bf16_packed = False
    return net


def extracted(net: Any, source: str, image: Any, target: str) -> Any:
    """Run a net for one image, and return what is computed under a name."""
    extractor = net.create_extractor()
    extractor.input(source, image)
    return extractor.extract(target)[1]


def _parameters(job: Job) -> str:
    """Return a net from ``x`` to ``y`` in the format of ncnn: number of layers and blobs, and a line for each layer."""
    (KH, KW), (sh, sw), (dh, dw) = job.weight.shape[2:], job.stride, job.dilation
    (top, bottom), (left, right) = job.padding
    groups = job.geometry.groups
    values = {0: len(job.weight), 1: KW, 11: KH, 2: dw, 12: dh, 3: sw, 13: sh, 4: left, 15: right, 14: top, 16: bottom}
    values |= {5: int(job.bias is not None), 6: job.weight.size}
    kind = "Convolution"
    if groups > 1:
        kind, values[7] = "ConvolutionDepthWise", groups
    text = " ".join(f"{number}={value}" for number, value in values.items())
    return f"{_MAGIC}\n2 2\nInput input 0 1 x\n{kind} layer 1 1 x y {text}\n"


def _weights(job: Job) -> bytes:
    bias = b"" if job.bias is None else job.bias.tobytes()
    return _FLOAT32.to_bytes(4, "little") + job.weight.tobytes() + bias


def _result(images: list[Any]) -> dict[str, Array]:
    return {"y": np.stack([np.array(image) for image in images])}
