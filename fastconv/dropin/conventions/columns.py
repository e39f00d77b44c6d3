"""im2col and col2im as other people write them: the same numbers, rows and columns in other orders."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from fastconv.dropin.conventions.calls import Calls, Declined
from fastconv.dropin.conventions.convention import Convention, Function, Implementation, parameter_names
from fastconv.dropin.conventions.expected import Results
from fastconv.dropin.conventions.problem import Problem
from fastconv.dropin.conventions.spelling import words
from fastconv.validation.arrays import Array

_ROLES = {"im2col": ("y",), "col2im": ("dx",)}

Order = Callable[[Array, int], Any]  # columns of so many images, to or from (N, C*KH*KW, OH*OW)


def _from_book(columns: Array, images: int) -> Array:
    """(N*OH*OW, C*KH*KW) -> (N, C*KH*KW, OH*OW)."""
    return columns.reshape(images, -1, columns.shape[1]).transpose(0, 2, 1)


def _to_book(columns: Array, images: int) -> Array:
    return columns.transpose(0, 2, 1).reshape(-1, columns.shape[1])


def _from_course(columns: Array, images: int) -> Array:
    """(C*KH*KW, OH*OW*N) -> (N, C*KH*KW, OH*OW): the batch runs fastest."""
    return columns.reshape(len(columns), -1, images).transpose(2, 0, 1)


def _to_course(columns: Array, images: int) -> Array:
    return columns.transpose(1, 2, 0).reshape(columns.shape[1], -1)


def _from_six(columns: Array, images: int) -> Array:
    """(C, KH, KW, N, OH, OW) -> (N, C*KH*KW, OH*OW)."""
    return columns.transpose(3, 0, 1, 2, 4, 5).reshape(images, prod(columns.shape[:3]), -1)


class Columns(Convention):
    """``im2col(x, kernel height, kernel width, …)`` and ``col2im(columns, shape, kernel height, …)``."""

    operations = ("im2col",)
    gives = _ROLES
    cached = False

    def __init__(self, name: str, source: str, form: str, orders: tuple[Order, Order], stride_first: bool) -> None:
        self.name, self.source, self.form = name, source, form
        self._from, self._to = orders
        self._stride_first = stride_first

    def role_of(self, name: str, found: Any) -> str | None:
        role = next((role for role in self.gives if role in words(name) or role == name), None)
        return role if role is not None and self.takes(role, parameter_names(found)) else None

    def takes(self, role: str, names: list[str]) -> bool:
        """Whether the parameters are those of this way of writing."""
        if len(names) != (5 if role == "im2col" else 6) or "shape" in names[0]:
            return False
        stride, padding = names[-2:] if self._stride_first else names[:-3:-1]
        return "stride" in stride and "pad" in padding

    def sizes(self, problem: Problem) -> tuple[int, int, int, int]:
        """Height and width of the kernel, then stride and padding in the order of this way of writing."""
        last = problem.stride[0], problem.padding[0]
        return *problem.kernel, *(last if self._stride_first else last[::-1])

    def forward(self, implementation: Implementation, problem: Problem) -> tuple[Any, Any]:
        if "im2col" not in implementation:
            return None, None
        columns = implementation["im2col"](problem.stored(problem.x), *self.sizes(problem))
        return _ordered(self._from, columns, len(problem.x)), None

    def backward(self, implementation: Implementation, problem: Problem, context: Any, role: str = "") -> Results:
        columns = problem.stored(self.gradient_columns(problem))
        return Results(None, implementation["col2im"](columns, *self.image(problem), *self.sizes(problem)))

    def gradient_columns(self, problem: Problem) -> Array:
        """Gradient of the columns, in the order of this way of writing."""
        columns: Array = self._to(problem.gradient, len(problem.x))
        return columns

    def image(self, problem: Problem) -> tuple[Any, ...]:
        """Arguments that say the shape of the images."""
        return (problem.x.shape,)

    def windows(self, third: Any, fourth: Any) -> dict[str, Any]:
        """Stride and padding among the last two arguments."""
        stride, padding = (third, fourth) if self._stride_first else (fourth, third)
        return {"stride": stride, "padding": padding}

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        def columns_of(x: Any, height: Any, width: Any, *last: Any) -> Any:
            return calls.stored(self._to(calls.im2col(x, (height, width), **self.windows(*last)), len(x)))

        def images_of(columns: Any, shape: Any, height: Any, width: Any, *last: Any) -> Any:
            return calls.col2im(self._from(columns, shape[0]), shape[2:], (height, width), **self.windows(*last))

        made: dict[str, Function] = {"im2col": columns_of, "col2im": images_of}
        return {role: _with_defaults(implementation[role], made[role]) for role in implementation.targets}


class Cython(Columns):
    """``col2im_cython(cols, N, C, H, W, field_height, field_width, padding, stride)``."""

    def role_of(self, name: str, found: Any) -> str | None:
        return None if "6d" in words(name) else super().role_of(name, found)

    def takes(self, role: str, names: list[str]) -> bool:
        return role == "col2im" and len(names) == 9

    def image(self, problem: Problem) -> tuple[Any, ...]:
        return problem.x.shape

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        def images_of(columns: Any, n: Any, c: Any, h: Any, w: Any, height: Any, width: Any, *last: Any) -> Any:
            return calls.col2im(self._from(columns, n), (h, w), (height, width), **self.windows(*last))

        return {"col2im": _with_defaults(implementation["col2im"], images_of)}


class Six(Cython):
    """``col2im_6d_cython(cols, N, C, H, W, HH, WW, pad, stride)`` with columns (C, HH, WW, N, OH, OW)."""

    def role_of(self, name: str, found: Any) -> str | None:
        return "col2im" if {"col2im", "6d"} <= set(words(name)) and len(parameter_names(found)) == 9 else None

    def gradient_columns(self, problem: Problem) -> Array:
        n, c, _, _ = problem.x.shape
        return problem.gradient.reshape(n, c, *problem.kernel, *problem.out).transpose(1, 2, 3, 0, 4, 5)


def _ordered(order: Order, columns: Any, images: int) -> Any:
    """Columns in our order; what is no such matrix is left for the judge."""
    if not isinstance(columns, np.ndarray) or columns.ndim != 2 or columns.size % images:
        return columns
    try:
        return order(columns, images)
    except ValueError:
        return columns


def _with_defaults(original: Function, fast: Function) -> Function:
    """Take arguments as the original does, by name and with its defaults."""
    signature = inspect.signature(original)
    count = len(signature.parameters)

    def function(*args: Any, **kwargs: Any) -> Any:
        if kwargs or len(args) != count:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            if bound.kwargs:
                raise Declined
            args = bound.args
        return fast(*args)

    return function


_BOOK = (_from_book, _to_book)
_COURSE = (_from_course, _to_course)

SCRATCH = Columns(
    "scratch.columns",
    "Goki Saito, Deep Learning from Scratch (2016), common/util.py",
    "im2col(input_data, filter_h, filter_w, stride, pad) -> (N*OH*OW, C*FH*FW); col2im(col, input_shape, …)",
    _BOOK,
    stride_first=True,
)
INDICES = Columns(
    "cs231n.columns",
    "Stanford CS231n, assignment 2, im2col.py",
    "im2col…(x, field_height, field_width, padding, stride) -> (C*HH*WW, OH*OW*N); col2im…(cols, x_shape, …)",
    _COURSE,
    stride_first=False,
)
CYTHON = Cython(
    "cs231n.columns_cython",
    "Stanford CS231n, assignment 2, im2col_cython.pyx",
    "col2im…(cols, N, C, H, W, field_height, field_width, padding, stride)",
    _COURSE,
    stride_first=False,
)
SIX = Six(
    "cs231n.columns_6d",
    "Stanford CS231n, assignment 2, im2col_cython.pyx",
    "col2im_6d…(cols, N, C, H, W, HH, WW, pad, stride) with cols (C, HH, WW, N, OH, OW)",
    (_from_six, _to_course),
    stride_first=False,
)
