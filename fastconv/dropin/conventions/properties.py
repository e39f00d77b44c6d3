"""What a call is like, in words: the same words for a case in which a function was tried and for a call of it.

A function that raises or is wrong in a case is proven for no call that is like it. Calls are alike by their sizes, two
of which together may be what it cannot do ("padding" and "a larger stride"), and by how their arrays are stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from fastconv.dropin.conventions.problem import Pair, output_size
from fastconv.validation.arrays import Array

Part = frozenset[str]


class Properties(NamedTuple):
    """Words for a call; each reads well after "with".

    Attributes
    ----------
    sizes : frozenset of str
        What the sizes are like.
    storage : frozenset of str
        How the arrays are stored.
    """

    sizes: frozenset[str]
    storage: frozenset[str]

    def parts(self) -> Iterator[Part]:
        """Give every property alone, and every two of the sizes."""
        for word in self.sizes | self.storage:
            yield frozenset((word,))
        yield from map(frozenset, combinations(self.sizes, 2))

    def within(self, proven: frozenset[Part]) -> bool:
        """Whether every part was proven."""
        return _are_within(self, proven)


@lru_cache(maxsize=4096)  # a program repeats its calls
def _are_within(properties: Properties, proven: frozenset[Part]) -> bool:
    return proven.issuperset(properties.parts())


def properties_of(
    arrays: Iterable[Array | None],
    image: tuple[int, ...],
    filters: int | None,
    kernel: Any,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
) -> Properties:
    """Describe a call.

    Parameters
    ----------
    arrays : iterable of ndarray or None
        Its arrays.
    image : (int, int, int, int)
        N, C, H and W.
    filters : int or None
        F of a convolution.
    kernel, stride, padding, dilation : int or (int, int)
        As fastconv takes them.

    Returns
    -------
    Properties
        Its words.

    Examples
    --------
    >>> found = properties_of([], (1, 3, 5, 7), None, 3, stride=2)
    >>> sorted(found.sizes)[:5]
    ['a larger stride', 'a rectangular image', 'a rectangular output', 'a single image', 'a square kernel']
    """
    sizes = _words_of_sizes(image, filters, *map(_pair, (kernel, stride, padding, dilation)))
    storage = [word for array in arrays if array is not None for word in (_memory(array), str(array.dtype))]
    return Properties(sizes, frozenset(storage))


@lru_cache(maxsize=4096)  # likewise
def _words_of_sizes(
    image: tuple[int, ...], filters: int | None, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> frozenset[str]:
    images, channels, *size = image
    words = [_count(images, "image"), _count(channels, "channel")]
    words += [] if filters is None else [_count(filters, "filter")]
    words += [
        "a square image" if size[0] == size[1] else "a rectangular image",
        "a 1x1 kernel" if kernel == (1, 1) else f"a {'square' if kernel[0] == kernel[1] else 'rectangular'} kernel",
        _of_both(stride, "stride", {1: "stride 1", 2: "a larger stride"}, "a stride of three or more"),
        _padding(padding, kernel),
        _of_both(dilation, "dilation", {1: "no dilation"}, "dilation"),
        *_windows(size, kernel, stride, padding, dilation),
    ]
    return frozenset(words)


def proven_by(right: Iterable[Properties]) -> frozenset[Part]:
    """Return every property, and every two of the sizes together, that are in one of these calls."""
    return frozenset(part for each in right for part in each.parts())


def unproven(proven: frozenset[Part], call: Properties) -> frozenset[Part]:
    """Return what is in a call and was not proven: alone, or two together where each alone was.

    Parameters
    ----------
    proven : frozenset of frozenset of str
        What is in the calls in which a function was right, see `proven_by`.
    call : Properties
        One in which it was not.

    Returns
    -------
    frozenset of frozenset of str
        Nothing where the properties do not tell it from the others.

    Examples
    --------
    >>> padded, bare = (Properties(frozenset(words), frozenset()) for words in (["padding", "a"], ["no padding", "a"]))
    >>> unproven(proven_by([padded]), bare)
    frozenset({frozenset({'no padding'})})
    """
    left = frozenset(call.parts()) - proven
    return frozenset(part for part in left if not any(other < part for other in left))


def _pair(value: Any) -> Pair:
    if isinstance(value, (int, np.integer)):
        return int(value), int(value)
    height, width = value
    return int(height), int(width)


def _count(number: int, noun: str) -> str:
    return f"a single {noun}" if number == 1 else f"several {noun}s"


def _of_both(pair: Pair, noun: str, words: dict[int, str], beyond: str) -> str:
    return words.get(pair[0], beyond) if pair[0] == pair[1] else f"a {noun} for each axis"


def _padding(padding: Pair, kernel: Pair) -> str:
    if padding[0] != padding[1]:
        return "a padding for each axis"
    return "no padding" if padding[0] == 0 else "much padding" if 2 * padding[0] > max(kernel) else "padding"


def _windows(size: list[int], kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Iterator[str]:
    extents = [d * (k - 1) + 1 for k, d in zip(kernel, dilation)]
    rests = [(n + 2 * p - extent) % s for n, p, extent, s in zip(size, padding, extents, stride)]
    yield "a stride that does not divide" if any(rests) else "a stride that divides"
    out = output_size(tuple(size), kernel, stride, padding, dilation)
    yield "a square output" if out[0] == out[1] else "a rectangular output"
    if out == (1, 1):
        yield "a single window"
        return
    yield "several windows"
    if share_cells(kernel, stride, dilation, out):
        yield "overlapping windows"
    apart = [s - extent for s, extent, n in zip(stride, extents, out) if n > 1]
    if any(gap > 0 for gap in apart):
        yield "gaps between windows"
    if not any(apart):
        yield "windows side by side"


def share_cells(kernel: Pair, stride: Pair, dilation: Pair, out: Pair) -> bool:
    """Return whether two windows have a cell of the input in common.

    Examples
    --------
    >>> share_cells((2, 2), (1, 1), (1, 1), (2, 1)), share_cells((2, 2), (1, 1), (1, 1), (1, 1))
    (True, False)
    """
    rows, columns = (
        {b * d // s for b in range(k) if b * d % s == 0 and b * d // s < n}  # how many windows away
        for k, s, d, n in zip(kernel, stride, dilation, out)
    )
    return len(rows) * len(columns) > 1


def _memory(array: Array) -> str:
    if not array.flags.writeable:
        return "read-only arrays"
    if array.flags.c_contiguous:
        return "arrays in C order"
    return "arrays in Fortran order" if array.flags.f_contiguous else "sliced arrays"
