"""PyTorch: `conv2d` in inference mode, and the operator that autograd calls for all three gradients."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from fastconv.evidence.contest.engines.base import CHANNELS_LAST, NCHW, Engine, Job, Prepared, Refusal
from fastconv.validation.arrays import Array

_FORMATS = {NCHW: torch.contiguous_format, CHANNELS_LAST: torch.channels_last}


class PyTorch(Engine):
    """Contiguous and channels-last memory, weights included.

    Notes
    -----
    `torch.ops.aten.convolution_backward` is what autograd itself runs; called directly it is free of the cost of the
    graph. The tensors own their memory, so that it is aligned as PyTorch likes it.
    """

    packages = ("torch",)

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        torch.set_num_threads(threads)

    def prepare(self, job: Job) -> dict[str, Prepared]:
        """Return both memory formats."""
        if any(before != after for before, after in job.padding):
            raise Refusal("conv2d pads both sides alike")
        return {variant: _prepared(job, layout) for variant, layout in _FORMATS.items()}


def _prepared(job: Job, layout: torch.memory_format) -> Prepared:
    x, weight, dy = (_tensor(array).contiguous(memory_format=layout) for array in (job.x, job.weight, job.dy))
    padding = [before for before, _ in job.padding]
    window = [list(job.stride), padding, list(job.dilation)]
    groups = job.geometry.groups
    if job.step == "forward":
        bias = None if job.bias is None else _tensor(job.bias)
        run = partial(torch.nn.functional.conv2d, x, weight, bias, *window, groups)
        return Prepared(partial(_without_gradients, run), lambda y: {"y": y.numpy()})
    backward = torch.ops.aten.convolution_backward
    tail = [False, [0, 0], groups, [True, True, True]]  # transposed, output_padding, groups, all three
    run = partial(backward, dy, x, weight, [job.geometry.filters], *window, *tail)
    return Prepared(partial(_without_gradients, run), _gradients)


def _without_gradients(run: Any) -> Any:
    with torch.inference_mode():
        return run()


def _tensor(array: Array) -> Any:
    return torch.from_numpy(array).clone()


def _gradients(gradients: Any) -> dict[str, Array]:
    return {name: tensor.numpy() for name, tensor in zip(("dx", "dweight", "dbias"), gradients)}
