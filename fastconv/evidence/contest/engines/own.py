"""fastconv itself, through its public functions."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastconv._version import __version__
from fastconv.backends.settings import set_num_threads, use_num_threads
from fastconv.evidence.contest.engines.base import CHANNELS_LAST, NCHW, Engine, Job, Prepared, channels_last
from fastconv.functional import ConvGradients, conv2d, conv2d_backward
from fastconv.validation.arrays import Array

_GRADIENTS = {"dx": "x", "dweight": "weight"}


def alone(variant: str) -> str:
    """Name of a variant on one thread."""
    return f"{variant}, one thread"


def part(gradient: str, variant: str) -> str:
    """Name of one gradient of a variant."""
    return f"{variant}, {gradient} alone"


class Fastconv(Engine):
    """`fastconv.conv2d` and `fastconv.conv2d_backward` on C-contiguous and on channels-last arrays."""

    packages = ("numpy", "numba")

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        set_num_threads(threads)

    def versions(self) -> dict[str, str]:
        """Return the versions of fastconv, NumPy and Numba."""
        return {"fastconv": __version__, **super().versions()}

    def prepare(self, job: Job) -> dict[str, Prepared]:
        """Return both orders in memory."""
        return {variant: self._prepared(job, variant) for variant in (NCHW, CHANNELS_LAST)}

    def extras(self, job: Job) -> dict[str, Prepared]:
        """Return both orders on one thread, and of the backward pass the gradients by themselves."""
        extras = {}
        for variant in (NCHW, CHANNELS_LAST):
            if self.threads > 1:
                prepared = self._prepared(job, variant)
                extras[alone(variant)] = Prepared(partial(_on_one_thread, prepared.run), prepared.results)
            if job.step == "backward":
                for gradient, array in _GRADIENTS.items():
                    extras[part(gradient, variant)] = self._prepared(job, variant, needs=(array,))
        return extras

    def _prepared(self, job: Job, variant: str, needs: tuple[str, ...] = ("x", "weight", "bias")) -> Prepared:
        x, dy = (channels_last(array) if variant == CHANNELS_LAST else array for array in (job.x, job.dy))
        window: dict[str, Any] = {"stride": job.stride, "padding": job.padding, "dilation": job.dilation}
        options = {**window, "groups": job.geometry.groups}
        if job.step == "forward":
            return Prepared(partial(conv2d, x, job.weight, job.bias, **options), lambda y: {"y": y})
        return Prepared(partial(conv2d_backward, dy, x, job.weight, needs=needs, **options), _named)


def _named(gradients: ConvGradients) -> dict[str, Array]:
    return {name: array for name, array in gradients._asdict().items() if array is not None}


def _on_one_thread(run: Any) -> Any:
    with use_num_threads(1):
        return run()
