"""What a call is like, in words: the same words for a case in which a function was tried and for a call of it.

A function that raises in a case has shown nothing about the calls that are like it. Calls are alike by their sizes, two
of which together may be what it cannot do ("padding" and "a larger stride"), and by how their arrays are stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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

    def touches(self, parts: Iterable[Part]) -> bool:
        """Whether one of these parts is among the properties."""
        every = self.sizes | self.storage
        return any(part <= every for part in parts)


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
    ['a larger stride', 'a rectangular image', 'a single image', 'a square kernel', 'a stride that divides']
    """
    images, channels, *size = image
    kernel, stride, padding, dilation = map(_pair, (kernel, stride, padding, dilation))
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
    storage = [word for array in arrays if array is not None for word in (_memory(array), str(array.dtype))]
    return Properties(frozenset(words), frozenset(storage))


def unproven(ran: Iterable[Properties], raised: Properties) -> frozenset[Part]:
    """Return what is in a call that raised and in none that ran: alone, or two together.

    Parameters
    ----------
    ran : iterable of Properties
        The calls in which a function ran and was right.
    raised : Properties
        One in which it raised.

    Returns
    -------
    frozenset of frozenset of str
        Nothing where the properties do not tell it from the others.

    Examples
    --------
    >>> padded, bare = (Properties(frozenset(words), frozenset()) for words in (["padding", "a"], ["no padding", "a"]))
    >>> unproven([padded], bare)
    frozenset({frozenset({'no padding'})})
    """
    left = frozenset(raised.parts()).difference(*(each.parts() for each in ran))
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
    one = output_size(tuple(size), kernel, stride, padding, dilation) == (1, 1)
    yield "a single window" if one else "several windows"
    apart = [stride - extent for stride, extent in zip(stride, extents)]
    if any(gap < 0 for gap in apart):
        yield "overlapping windows"
    if any(gap > 0 for gap in apart):
        yield "gaps between windows"
    if not any(apart):
        yield "windows side by side"


def _memory(array: Array) -> str:
    if not array.flags.writeable:
        return "read-only arrays"
    if array.flags.c_contiguous:
        return "arrays in C order"
    return "arrays in Fortran order" if array.flags.f_contiguous else "sliced arrays"
