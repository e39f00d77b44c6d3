"""What a case is about, as something to look for in a problem: a smaller example of the case must have it too."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastconv.dropin.conventions import Problem

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
    rows, columns = (
        {b * d // s for b in range(k) if b * d % s == 0 and b * d // s < out}
        for k, s, d, out in zip(problem.kernel, problem.stride, problem.dilation, problem.out)
    )
    return len(rows) * len(columns) > 1  # by how many windows one may be from another that it shares a cell with


def tied(problem: Problem) -> bool:
    """Whether the maximum of some window is there twice.

    Examples
    --------
    >>> from fastconv.dropin.conventions.problem import draw
    >>> tied(draw("max_pool2d")), tied(draw("max_pool2d", values="ties"))
    (False, True)
    """
    (ph, pw), (sh, sw), (dh, dw) = problem.padding, problem.stride, problem.dilation
    KH, KW = problem.kernel
    padded = np.pad(problem.x.astype(np.float64), ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=-np.inf)
    for i, j in np.ndindex(*problem.out):
        rows, columns = i * sh + dh * np.arange(KH), j * sw + dw * np.arange(KW)
        windows = padded[:, :, rows[:, None], columns]
        if ((windows == windows.max((2, 3), keepdims=True)).sum((2, 3)) > 1).any():
            return True
    return False


def _rectangular(problem: Problem) -> bool:
    H, W = problem.x.shape[2:]
    return bool(H != W)


def _tall(problem: Problem) -> bool:
    return problem.kernel[0] > problem.kernel[1]


def _wide(problem: Problem) -> bool:
    return problem.kernel[0] < problem.kernel[1]


def _oblong(problem: Problem) -> bool:
    return _tall(problem) or _wide(problem)


def _one_window(problem: Problem) -> bool:
    return problem.out == (1, 1)


def _stepping(problem: Problem) -> bool:
    return any(s > 1 and out > 1 for s, out in zip(problem.stride, problem.out))


def _with_a_rest(problem: Problem) -> bool:
    sizes = zip(problem.x.shape[2:], problem.padding, problem.extent, problem.stride)
    return any((size + 2 * pad - extent) % stride for size, pad, extent, stride in sizes)


def _with_gaps(problem: Problem) -> bool:
    return any(s > k and out > 1 for s, k, out in zip(problem.stride, problem.extent, problem.out))


def _padded(problem: Problem) -> bool:
    return max(problem.padding) > 0


def _much_padded(problem: Problem) -> bool:
    return max(problem.padding) > 1


def _negative(problem: Problem) -> bool:
    return bool((problem.x < 0).all())


def _uneven_stride(problem: Problem) -> bool:
    return problem.stride[0] != problem.stride[1]


def _uneven_padding(problem: Problem) -> bool:
    return problem.padding[0] != problem.padding[1]


def _dilated(problem: Problem) -> bool:
    return any(d > 1 and k > 1 for d, k in zip(problem.dilation, problem.kernel))


_ABOUT: dict[str, tuple[Trait, ...]] = {
    "a rectangular image": (_rectangular,),
    "a tall kernel": (_tall,),
    "a wide kernel": (_wide,),
    "a kernel as large as the image": (_one_window,),
    "a larger stride": (_stepping,),
    "a stride that does not divide": (_with_a_rest,),
    "padding": (_padded,),
    "much padding": (_much_padded,),
    "padding and a larger stride": (_padded, _stepping),
    "padding and a stride that does not divide": (_padded, _with_a_rest),
    "one padded rectangular image and a larger stride": (_rectangular, _padded, _stepping),
    "many channels and padding": (_padded,),
    "padding and gaps between windows": (_padded, _with_gaps),
    "a 1x1 kernel and a larger stride": (_stepping,),
    "overlapping windows": (overlapping,),
    "overlapping windows and a larger stride": (overlapping, _stepping),
    "overlapping windows and a stride that does not divide": (overlapping, _with_a_rest),
    "padding and overlapping wide windows": (overlapping, _wide, _padded),
    "overlapping rectangular windows": (overlapping, _oblong),
    "windows that overlap along one axis": (overlapping, _uneven_stride),
    "gaps between windows": (_with_gaps,),
    "gaps between windows and no rest": (_with_gaps,),
    "sliced float32 input and padding": (_padded, _stepping),
    "ties": (tied,),
    "ties in overlapping windows": (tied, overlapping),
    "negative input": (_negative,),
    "negative input in overlapping windows": (_negative, overlapping),
    "negative input and padding": (_negative, _padded),
    "a different stride per axis": (_uneven_stride,),
    "different padding per axis": (_uneven_padding,),
    "dilation": (_dilated,),
    "dilation and stride": (_dilated, _stepping),
}
_BOTH = ("sliced float32 input and padding",)
_STORED = ("input in Fortran order", "sliced input", "read-only input", *_BOTH)  # about memory
_TYPED = ("float32", "an integer image", *_BOTH)  # about the dtype


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
    traits = [trait for trait in _ABOUT.get(case, ()) if trait(original)]
    alone = original.operation == "max_pool2d" and not tied(original)

    def kept(problem: Problem) -> bool:
        same = (case not in _STORED or problem.memory == original.memory) and (
            case not in _TYPED or problem.x.dtype == original.x.dtype
        )
        return same and all(trait(problem) for trait in traits) and not (alone and tied(problem))

    return kept
