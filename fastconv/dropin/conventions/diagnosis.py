"""Words for what somebody's code computes instead: the usual mistakes, tried one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from fastconv.dropin.conventions.expected import expected
from fastconv.dropin.conventions.problem import Problem
from fastconv.functional.avg_pool import avg_pool2d
from fastconv.functional.conv import conv2d
from fastconv.functional.max_pool import max_pool2d
from fastconv.validation.arrays import Array

Suspicion = tuple[str, Callable[[], Any]]

_FLIPPED = (
    "it computes a convolution with the kernel flipped; fastconv, like every deep-learning library, correlates, so "
    "flip the kernel before the call"
)


def diagnose(name: str, got: Any, problem: Problem) -> str:
    """Say which usual mistake gives exactly what came out.

    Parameters
    ----------
    name : {"y", "dx", "dweight", "dbias"}
        Which array.
    got : object
        What came out; not what should have.
    problem : Problem
        The problem.

    Returns
    -------
    str
        Words, or nothing where no usual mistake explains it.

    Examples
    --------
    >>> from fastconv.dropin.conventions.problem import draw
    >>> problem = draw("conv2d")
    >>> diagnose("y", conv2d(problem.x, problem.weight, backend="numpy"), problem)
    'the bias is forgotten'
    """
    if not isinstance(got, np.ndarray) or got.dtype.kind not in "fiu":
        return ""
    right = getattr(expected(problem), name)
    if name == "dx" and got.size == 0 and problem.padding == (0, 0):
        return "[pad:-pad] is empty without padding; write [pad:pad + size]"
    if got.shape != right.shape:
        larger = name == "y" and got.shape[2:] == problem.x.shape[2:] and problem.padding == (0, 0)
        return "it is as large as the image, so something is added around that by itself" if larger else ""
    for words, compute in _suspicions(name, problem):
        wrong: Array = compute()
        if wrong.shape == got.shape and np.allclose(wrong, got, rtol=1e-4, atol=1e-6):
            return words
    return ""


def _suspicions(name: str, problem: Problem) -> Iterator[Suspicion]:
    right, images = getattr(expected(problem), name), len(problem.x)
    if name != "y" and images > 1:
        yield "it is divided by the number of images; that belongs into the loss", lambda: right / images
    if name == "dbias":
        yield (
            "it is the mean over the positions, not the sum",
            lambda: right / (images * problem.out[0] * problem.out[1]),
        )
    if problem.operation == "conv2d" and name in ("y", "dx", "dweight"):
        yield from _of_convolution(name, problem)
    elif problem.operation == "max_pool2d":
        yield from _of_maximum(name, problem)
    elif problem.operation == "avg_pool2d" and name == "y":
        yield (
            "padding is not counted in the mean, as in TensorFlow; fastconv and PyTorch count it",
            lambda: avg_pool2d(problem.x, problem.kernel, **problem.options, count_include_pad=False, backend="numpy"),
        )
    if name == "dx" and problem.operation in ("conv2d", "avg_pool2d"):
        yield _ASSIGNED, lambda: _overwritten(problem)
    if name == "dx" and problem.operation == "conv2d":
        last = problem.filters[0][-1:]
        yield (
            "gradients of the filters overwrite each other, where they have to be added",
            lambda: _overwritten(replace(problem, weight=last, dy=problem.gradient[:, -1:])),
        )
    yield "it is all zeros", lambda: np.zeros_like(right)


def _of_convolution(name: str, problem: Problem) -> Iterator[Suspicion]:
    weight, bias = problem.filters
    flipped = replace(problem, weight=weight[:, :, ::-1, ::-1])

    def gradient() -> Any:
        found = getattr(expected(flipped), name)
        return found[:, :, ::-1, ::-1] if name == "dweight" else found

    yield _FLIPPED if name == "y" else "the kernel is flipped once too often, or once too little", gradient
    if name == "y":
        yield "the bias is added twice", lambda: expected(replace(problem, bias=2 * bias)).y
        yield "the bias is forgotten", lambda: expected(replace(problem, bias=np.zeros_like(bias))).y
        if problem.kernel[0] == problem.kernel[1]:
            turned = weight.transpose(0, 1, 3, 2)
            yield "height and width of the kernel are exchanged", lambda: expected(replace(problem, weight=turned)).y
        if problem.padding != (0, 0):
            plain = np.pad(problem.x, [(0, 0), (0, 0), *((pad, pad) for pad in problem.padding)], mode="edge")
            yield (
                "the padding repeats the border, and is not zero",
                lambda: conv2d(plain, weight, bias, stride=problem.stride, dilation=problem.dilation, backend="numpy"),
            )


def _of_maximum(name: str, problem: Problem) -> Iterator[Suspicion]:
    if name == "y":
        pads = [(0, 0), (0, 0), *((pad, pad) for pad in problem.padding)]
        windows: dict[str, Any] = {"stride": problem.stride, "dilation": problem.dilation, "backend": "numpy"}
        if problem.padding != (0, 0):
            yield (
                "the padding is zero and not minus infinity",
                lambda: max_pool2d(np.pad(problem.x, pads), problem.kernel, **windows),
            )
        yield "the maximum starts from zero", lambda: np.maximum(0, expected(problem).y)
        return
    for share, add, words in _SHARES:
        yield words, lambda share=share, add=add: _spread(problem, share, add)  # type: ignore[misc]


def _first(hits: Array) -> Array:
    taken = np.zeros(hits.shape)
    taken.flat[int(hits.argmax())] = 1
    return taken


def _last(hits: Array) -> Array:
    return _first(hits[::-1, ::-1])[::-1, ::-1]


def _every(hits: Array) -> Array:
    return hits.astype(np.float64)


def _shared(hits: Array) -> Array:
    return hits.astype(np.float64) / np.count_nonzero(hits)


_ASSIGNED = "gradients of overlapping windows overwrite each other, where they have to be added"
_TIED = "of several equal maxima every one gets the whole gradient, where the first gets it"
_SHARES: tuple[tuple[Callable[[Array], Array], bool, str], ...] = (
    (_first, False, _ASSIGNED),
    (_every, True, _TIED),
    (_every, False, _ASSIGNED),
    (_shared, True, "several equal maxima share the gradient, where the first gets it"),
    (_last, True, "of several equal maxima the last gets the gradient, where the first gets it"),
)


def _spread(problem: Problem, share: Callable[[Array], Array], add: bool) -> Array:
    """Gradient of max pooling by loops, with another rule for ties, and added or assigned; no padding."""
    dx = np.zeros(problem.x.shape)
    if problem.padding != (0, 0):
        return np.zeros(0)
    for (i, j), cells in problem.windows():
        for n, c in np.ndindex(*dx.shape[:2]):
            plane, window = dx[n, c], problem.x[n, c][cells]
            given = share(window == window.max()) * problem.gradient[n, c, i, j]
            if add:
                plane[cells] += given
            else:
                plane[cells] = given if share is _every else np.where(given != 0, given, plane[cells])
    return dx


def _overwritten(problem: Problem) -> Array:
    """Gradient of convolution or average pooling, window after window, each assigned where it has to be added."""
    (N, C, H, W), (ph, pw) = problem.x.shape, problem.padding
    dx = np.zeros((N, C, H + 2 * ph, W + 2 * pw))
    for (i, j), cells in problem.windows():
        dy = problem.gradient[:, :, i, j]
        if problem.weight is None:
            dx[cells] = dy[:, :, None, None] / np.prod(problem.kernel)
        else:
            dx[cells] = np.tensordot(dy, problem.weight, 1)
    return dx[:, :, ph : ph + H, pw : pw + W]
