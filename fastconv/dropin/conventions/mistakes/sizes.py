"""Results of a wrong shape: the formula that gives it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations

from fastconv.dropin.conventions.mistakes.mistake import Suspicion
from fastconv.dropin.conventions.problem import Problem
from fastconv.validation.arrays import Array

# Of one axis, from the sizes of both: that of the image, the padding, the extent of the window, the stride.
_Formula = Callable[[Problem, int], int]


def _rest(problem: Problem, axis: int, *, pads: int = 2, image: int | None = None, window: int | None = None) -> int:
    """What the first window leaves."""
    image, window = (axis if other is None else other for other in (image, window))
    return int(problem.x.shape[2 + image]) + pads * problem.padding[axis] - problem.extent[window]


_FORMULAS: tuple[tuple[str, _Formula], ...] = (
    ("rounded up", lambda p, axis: -(-_rest(p, axis) // p.stride[axis]) + 1),
    ("size of the other axis", lambda p, axis: _rest(p, axis, image=1 - axis, window=1 - axis) // p.stride[axis] + 1),
    ("size of the other axis", lambda p, axis: _rest(p, axis, image=1 - axis) // p.stride[axis] + 1),
    ("size of the other axis", lambda p, axis: _rest(p, axis, window=1 - axis) // p.stride[axis] + 1),
    ("padding not in the size", lambda p, axis: _rest(p, axis, pads=0) // p.stride[axis] + 1),
    ("padding once in the size", lambda p, axis: _rest(p, axis, pads=1) // p.stride[axis] + 1),
    ("stride not in the size", lambda p, axis: _rest(p, axis) + 1),
    ("one missing", lambda p, axis: _rest(p, axis) // p.stride[axis]),
    ("one too many", lambda p, axis: _rest(p, axis) // p.stride[axis] + 2),
    (
        "dilation not in the size",
        lambda p, axis: (p.x.shape[2 + axis] + 2 * p.padding[axis] - p.kernel[axis]) // p.stride[axis] + 1,
    ),
)


def of_shape(name: str, right: Array, problem: Problem) -> Iterator[Suspicion]:
    """Give the mistakes that lead to another shape than that of `right`."""
    for axes in list(permutations(range(right.ndim)))[1:]:
        mistake = "height and width exchanged" if axes == (0, 1, 3, 2) else "axes in another order"
        yield Suspicion(mistake, lambda axes=axes: right.transpose(axes))  # type: ignore[misc]
    if name == "y" and right.ndim == 4:
        yield from _of_output(right, problem)
    if name == "dx":
        yield from _of_gradient(right, problem)


def _of_output(right: Array, problem: Problem) -> Iterator[Suspicion]:
    if problem.padding == (0, 0) and problem.stride == (1, 1):
        yield Suspicion("as large as the image", shape=(*right.shape[:2], *problem.x.shape[2:]))
    for mistake, formula in _FORMULAS:
        height, width = (formula(problem, axis) for axis in (0, 1))
        for where, size in (
            ("", (height, width)),
            (" along the height", (height, problem.out[1])),
            (" along the width", (problem.out[0], width)),
        ):
            if min(size) > 0:
                yield Suspicion(mistake, where=where, shape=(*right.shape[:2], *size))


def _of_gradient(right: Array, problem: Problem) -> Iterator[Suspicion]:
    (N, C, H, W), (ph, pw) = right.shape, problem.padding
    if 0 in problem.padding:
        for size in ((0 if ph == 0 else H, 0 if pw == 0 else W), (0, 0)):
            yield Suspicion("empty cut", shape=(N, C, *size))
    yield Suspicion("padding not cut off", shape=(N, C, H + 2 * ph, W + 2 * pw))
    for height, width in ((W, H), (W, W), (H, H)):  # which axes a slice leaves of the padded plane
        yield Suspicion("cut with exchanged axes", shape=(N, C, min(height, H + ph), min(width, W + pw)))
