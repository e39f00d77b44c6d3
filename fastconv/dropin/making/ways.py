"""Ways in which a value of a problem is written: a kernel as 3, (3, 3) or (2, 3, 3), an image as (N, H, W, C)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv.dropin.conventions.problem import Pair, Problem
from fastconv.validation.arrays import Array


class Inexpressible(ValueError):
    """A problem cannot be written in this way."""


@dataclass(frozen=True)
class Way:
    """A way to write a value of a problem.

    Parameters
    ----------
    letters : str
        The sizes that it says, of N, C, F, H, W, and K and L for the height and the width of the kernel.
    give : callable
        The value of a problem.
    order : str
        Of an array: its axes.
    """

    letters: str
    give: Callable[[Problem], Any]
    order: str = ""


def sizes_of(problem: Problem) -> dict[str, int]:
    """Return the sizes of a problem by letter: N, C, H, W, K and L (the kernel) and F."""
    images, channels, height, width = problem.x.shape
    filters = channels if problem.weight is None else len(problem.weight)
    return dict(zip("NCHWKLF", (images, channels, height, width, *problem.kernel, filters)))


def shape(letters: str) -> Way:
    """Return the way that writes sizes as a tuple, or one of them as a number."""

    def give(problem: Problem) -> Any:
        sizes = tuple(sizes_of(problem)[letter] for letter in letters)
        return sizes if len(sizes) > 1 else sizes[0]

    return Way(letters, give)


def _one(pair: Pair) -> int:
    """One number for both axes."""
    if pair[0] != pair[1]:
        raise Inexpressible(f"{pair} is no single number")
    return pair[0]


def _square(problem: Problem) -> Any:
    _one((problem.x.shape[2], problem.x.shape[3]))
    return problem.x.shape[2]


def _padding_word(upper: bool) -> Way:
    def give(problem: Problem) -> str:
        if problem.padding == (0, 0):
            return "VALID" if upper else "valid"
        around = tuple((extent - 1) // 2 for extent in problem.extent)
        if problem.padding != around or problem.stride != (1, 1) or any(extent % 2 == 0 for extent in problem.extent):
            raise Inexpressible(f"{problem.padding} is not the padding that keeps the size")
        return "SAME" if upper else "same"

    return Way("", give)


def constant(value: Any) -> Way:
    """Return the way that always gives the same value."""
    return Way("", lambda problem: value)


def _pair(name: str) -> tuple[Way, ...]:
    return Way("", lambda problem: _one(getattr(problem, name))), Way("", lambda problem: getattr(problem, name))


def array(name: str, order: str, *shape_of_bias: int) -> Way:
    """Return the way that lays an array of a problem in an order of axes.

    Parameters
    ----------
    name : {"x", "weight", "bias"}
        Which.
    order : str
        Letters of its axes; those that are left out have to be of one.
    *shape_of_bias : int
        Of a bias its shape, with -1 for the filters.
    """
    full = {"x": "NCHW", "weight": "FCKL", "bias": "F"}[name]

    def give(problem: Problem) -> Array:
        held = getattr(problem, name)
        if held is None:
            raise Inexpressible(f"there is no {name}")
        for axis, letter in enumerate(full):
            if letter not in order and held.shape[axis] != 1:
                raise Inexpressible(f"{name} has {held.shape[axis]} {letter}")
        kept = np.squeeze(held, tuple(axis for axis, letter in enumerate(full) if letter not in order))
        there = [letter for letter in full if letter in order]
        laid = kept.transpose([there.index(letter) for letter in order])
        return problem.stored(laid.reshape(shape_of_bias) if shape_of_bias else laid)

    return Way(order, give, order)


def _dictionary(*names: str) -> Way:
    """Sizes in a dict, by names of which each means one size."""

    def give(problem: Problem) -> dict[str, int]:
        values = {
            "stride": _one(problem.stride),
            "pad": _one(problem.padding),
            "padding": _one(problem.padding),
            "pool_height": problem.kernel[0],
            "pool_width": problem.kernel[1],
        }
        return {name: values[name] if name in values else _one(problem.kernel) for name in names}

    return Way("", give)


IMAGES = ("NCHW", "NHWC", "CHW", "HWC", "HW", "NHW")
FILTERS = ("FCKL", "KLCF", "FKLC", "FKL", "KLC", "CKL", "KL", "CFKL", "KLF")

WAYS: dict[str, tuple[Way, ...]] = {
    "channels": (shape("C"),),
    "filters": (shape("F"),),
    "kernel": (
        Way("KL", lambda problem: _one(problem.kernel)),
        *map(shape, ("KL", "CKL", "FKL", "KLCF", "FCKL", "KLC", "KLF")),
    ),
    "kernel_h": (shape("K"),),
    "kernel_w": (shape("L"),),
    "stride": _pair("stride"),
    "padding": (*_pair("padding"), _padding_word(False), _padding_word(True)),
    "image": (*map(shape, ("CHW", "HWC", "HW", "NCHW", "NHWC", "NHW")), Way("HW", _square)),
    "rate": (constant(0.5),),
    "optimizer": (constant(None),),
    "activation": (constant(None), constant("linear"), constant(lambda x: x)),
    "x": tuple(array("x", order) for order in IMAGES),
    "weight": tuple(array("weight", order) for order in FILTERS),
    "bias": (
        array("bias", "F"),
        *(array("bias", "F", *shape_of) for shape_of in ((-1, 1), (1, 1, 1, -1), (1, -1, 1, 1), (1, -1), (-1, 1, 1))),
        Way("", lambda problem: float(problem.filters[1][0])),
        constant(None),
    ),
    "sizes": (
        _dictionary("stride", "pad"),
        _dictionary("f", "stride"),
        _dictionary("pool_height", "pool_width", "stride"),
        _dictionary("stride", "padding"),
        _dictionary("stride", "pad", "f"),
    ),
    "mode": (constant("max"), constant("average"), constant("avg")),
}
