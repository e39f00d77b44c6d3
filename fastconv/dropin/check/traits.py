"""What a case is about, as something to look for in a problem: a smaller example of the case must have it too."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastconv.dropin.conventions import Problem
from fastconv.dropin.conventions.properties import share_cells

Trait = Callable[[Problem], bool]


def overlapping(problem: Problem) -> bool:
    """Whether two windows share a cell of the input.

    Examples
    --------
    >>> from fastconv.dropin.conventions.problem import draw
    >>> overlapping(draw("max_pool2d", size=(3, 3), kernel=(2, 2)))
    True
    >>> overlapping(draw("max_pool2d", size=(2, 2), kernel=(2, 2)))  # there is one
    False
    """
    return share_cells(problem.kernel, problem.stride, problem.dilation, problem.out)


def tied(problem: Problem) -> bool:
    """Whether the maximum of some window is there twice.

    Examples
    --------
    >>> from fastconv.dropin.conventions.problem import draw
    >>> tied(draw("max_pool2d")), tied(draw("max_pool2d", values="ties"))
    (False, True)
    """
    ph, pw = problem.padding
    padded = np.pad(problem.x.astype(np.float64), ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=-np.inf)
    for _, cells in problem.windows():
        windows = padded[cells]
        if ((windows == windows.max((2, 3), keepdims=True)).sum((2, 3)) > 1).any():
            return True
    return False


def _stepping(problem: Problem) -> bool:
    return any(s > 1 and out > 1 for s, out in zip(problem.stride, problem.out))


def _with_a_rest(problem: Problem) -> bool:
    sizes = zip(problem.x.shape[2:], problem.padding, problem.extent, problem.stride)
    return any((size + 2 * pad - extent) % stride for size, pad, extent, stride in sizes)


def _with_gaps(problem: Problem) -> bool:
    return any(s > k and out > 1 for s, k, out in zip(problem.stride, problem.extent, problem.out))


def _uneven_stride(problem: Problem) -> bool:
    return problem.stride[0] != problem.stride[1]


# By words in the name of a case, of which it may have several.
ABOUT: dict[str, Trait] = {
    "rectangular image": lambda problem: problem.x.shape[2] != problem.x.shape[3],
    "tall kernel": lambda problem: problem.kernel[0] > problem.kernel[1],
    "wide": lambda problem: problem.kernel[0] < problem.kernel[1],
    "overlapping rectangular": lambda problem: problem.kernel[0] != problem.kernel[1],
    "as large as the image": lambda problem: problem.out == (1, 1),
    "larger stride": _stepping,
    "dilation and stride": _stepping,
    "sliced float32": _stepping,
    "does not divide": _with_a_rest,
    "padd": lambda problem: max(problem.padding) > 0,
    "much padding": lambda problem: max(problem.padding) > 1,
    "different padding": lambda problem: problem.padding[0] != problem.padding[1],
    "overlap": overlapping,
    "along one axis": _uneven_stride,
    "different stride": _uneven_stride,
    "gaps between": _with_gaps,
    "ties": tied,
    "negative input": lambda problem: bool((problem.x < 0).all()),
    "dilation": lambda problem: any(d > 1 and k > 1 for d, k in zip(problem.dilation, problem.kernel)),
}


def keeps_traits(case: str, original: Problem) -> Trait:
    """Return a test for problems: whether one is about the same as the problem of a case.

    Parameters
    ----------
    case : str
        Name of the case.
    original : Problem
        Its problem, as the code takes it.

    Returns
    -------
    callable
        True for a problem with every trait that the case is about, as far as the original has it. A maximum that was
        there once stays so: ties have cases of their own.

    Examples
    --------
    >>> from fastconv.dropin.conventions.problem import draw
    >>> kept = keeps_traits("padding", draw("conv2d", padding=(2, 2)))
    >>> kept(draw("conv2d", padding=(0, 1))), kept(draw("conv2d"))
    (True, False)
    """
    traits = [trait for words, trait in ABOUT.items() if words in case and trait(original)]
    alone = original.operation == "max_pool2d" and not tied(original)

    def kept(problem: Problem) -> bool:
        same = problem.memory == original.memory and problem.x.dtype == original.x.dtype
        return same and all(trait(problem) for trait in traits) and not (alone and tied(problem))

    return kept
