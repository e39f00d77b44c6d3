"""What an engine has to be able to do in order to take part."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import metadata
from typing import Any, ClassVar, NamedTuple

import numpy as np

from fastconv.backends.geometry import ConvGeometry
from fastconv.validation.arrays import Array

NCHW, CHANNELS_LAST = "NCHW", "channels-last"  # variants: the order of the numbers in memory
IMAGE_BY_IMAGE = "image by image"  # one of an engine that has no axis for the batch


class Refusal(Exception):
    """An engine cannot do a job at all, and says why; that is no failure."""


class Job(NamedTuple):
    """One pass of one convolution.

    Attributes
    ----------
    step : {"forward", "backward"}
        Which pass; backward asks for dx, dweight and dbias.
    x, weight, bias, dy : ndarray
        Arrays in logical NCHW order, C-contiguous; there is no bias where the workload has none.
    geometry : ConvGeometry
        Stride, padding, dilation and groups.
    """

    step: str
    x: Array
    weight: Array
    bias: Array | None
    dy: Array
    geometry: ConvGeometry

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of all arrays."""
        return self.x.dtype

    @property
    def stride(self) -> tuple[int, ...]:
        """Per axis."""
        return tuple(axis.stride for axis in self.geometry.axes)

    @property
    def dilation(self) -> tuple[int, ...]:
        """Per axis."""
        return tuple(axis.dilation for axis in self.geometry.axes)

    @property
    def padding(self) -> tuple[tuple[int, int], ...]:
        """Per axis: before, after."""
        return tuple((axis.before, axis.after) for axis in self.geometry.axes)


class Prepared(NamedTuple):
    """A pass that is ready to run.

    Attributes
    ----------
    run : callable
        What is timed. It allocates its results and returns when they are there.
    results : callable
        From what `run` returned to arrays in logical NCHW order: ``y``, or ``dx``, ``dweight`` and ``dbias``.
    """

    run: Callable[[], Any]
    results: Callable[[Any], dict[str, Array]]


class EngineBase:
    """An engine in its own process, whatever it is asked to run.

    Parameters
    ----------
    threads : int
        Threads that it may use.
    """

    packages: ClassVar[tuple[str, ...]] = ()

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def extras(self, job: Any) -> dict[str, Prepared]:
        """Return more to time with it, which does not compete."""
        del job
        return {}

    def versions(self) -> dict[str, str]:
        """Return the versions of its packages."""
        return {package: metadata.version(package) for package in self.packages}


class Engine(EngineBase, ABC):
    """An engine in its own process.

    Parameters
    ----------
    threads : int
        Threads that it may use.
    """

    @abstractmethod
    def prepare(self, job: Job) -> dict[str, Prepared]:
        """Return the pass in every variant that its authors would want to see; raise `Refusal` where there is none."""


def channels_last(array: Array) -> Array:
    """Return the same (N, C, H, W) array with its channels next to each other in memory."""
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
