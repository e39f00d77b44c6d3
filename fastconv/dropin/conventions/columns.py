"""im2col and col2im as other people write them: the same numbers, rows and columns in other orders."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastconv.dropin.conventions.calls import Calls, Declined
from fastconv.dropin.conventions.convention import Function, Implementation, parameter_names
from fastconv.dropin.conventions.expected import Results
from fastconv.dropin.conventions.formed import Formed
from fastconv.dropin.conventions.layouts import BOOK, COURSE, LAYOUTS, SIX, Layout, Sizes
from fastconv.dropin.conventions.problem import SIZES, Pair, Problem, output_size
from fastconv.dropin.conventions.signatures import Form, called_like, read_form
from fastconv.dropin.conventions.spelling import words
from fastconv.dropin.conventions.trying import Way, settle
from fastconv.validation.arrays import Array

_ROLES = {"im2col": ("y",), "col2im": ("dx",)}
_IMAGE, _COLUMN = "(?:im|img|images?)", "(?:col|cols|columns?)"
_NAMES = {
    "im2col": re.compile(f"{_IMAGE}(?:2|to){_COLUMN}(?![a-z])"),
    "col2im": re.compile(f"{_COLUMN}(?:2|to){_IMAGE}(?![a-z])"),
}
_WINDOWS = ("out_h", "out_w", "kernel", "kernel_h", "kernel_w", "stride", "padding")
_USUAL = {"stride": (1, 1), "padding": (0, 0)}
_PAIRED = frozenset[str](), frozenset(("stride",)), frozenset(("kernel", *_USUAL))  # sizes that have to be pairs


def columns_role(name: str) -> str | None:
    """Return which of both a name says: "im2col", as in "image_to_columns", or "col2im".

    Examples
    --------
    >>> columns_role("im2col_indices"), columns_role("columnToImage"), columns_role("im2column_shape")
    ('im2col', 'col2im', 'im2col')
    """
    spelled = "_".join(words(name)).replace("_to_", "to")
    return next((role for role, pattern in _NAMES.items() if pattern.search(spelled)), None)


class Columns(Formed):
    """``im2col(x, kernel height, kernel width, …)`` and ``col2im(columns, shape, kernel height, …)``.

    Parameters
    ----------
    name, source, form : str
        See `Convention`.
    usual : Layout
        The order that is tried first.
    order : tuple of str
        What the last parameters mean; in any order where it is empty.
    """

    operations = ("im2col",)
    gives = _ROLES
    cached = False

    def __init__(self, name: str, source: str, form: str, usual: Layout, order: tuple[str, ...] = ()) -> None:
        self.name, self.source, self.form = name, source, form
        self._usual, self._order = usual, order

    def role_of(self, name: str, found: Any) -> str | None:
        role = columns_role(name)
        return role if role is not None and self.form_of(found, role) is not None else None

    def form_of(self, function: Any, role: str) -> Form | None:
        """Parameters of a function, if they are those of this way of writing."""
        leading = ("x",) if role == "im2col" else ("columns", "shape")
        form = read_form(function, leading, _WINDOWS)
        if form is None or ("kernel" in form) == ("kernel_h" in form):
            return None
        return form if form.meanings[-len(self._order) :] == self._order or not self._order else None

    def way(self, implementation: Implementation) -> Mapping[str, Any]:
        """Order of the columns, whether x is one image without an axis for it, and the sizes that have to be pairs."""
        if "settled" in implementation.details:
            return implementation.details
        orders = dict.fromkeys((self._usual, *LAYOUTS))
        kinds = [(single, paired) for single in (False, True) for paired in _PAIRED]
        ways: list[Way] = [
            {"layout": layout, "single": single, "paired": paired} for single, paired in kinds for layout in orders
        ]
        return settle(implementation, ways)

    def limits(self, implementation: Implementation) -> tuple[Sequence[str], Sequence[str]]:
        forms = self.forms(implementation)
        single = [name for name in ("kernel", *SIZES) if name in forms[0]]
        missing = [name for name in SIZES if not all(name in form for form in forms)]
        paired = self.way(implementation)["paired"]
        return missing, [name for name in single if name not in paired]

    def trial_sizes(self, implementation: Implementation) -> Sequence[Mapping[str, Pair]]:
        form = self.known_form(implementation, next(iter(implementation.targets)))
        return [{}, {"padding": (1, 1)}] if "padding" in form else [{}]

    def adapted(self, implementation: Implementation, problem: Problem) -> Problem:
        return problem.only(images=1) if self.way(implementation)["single"] else problem

    def forward(self, implementation: Implementation, problem: Problem) -> tuple[Any, Any]:
        if "im2col" not in implementation:
            return None, None
        way, form = self.way(implementation), self.known_form(implementation, "im2col")
        found = form.call(implementation["im2col"], self._values(way, problem))
        return way["layout"].loosely_of(found, _sizes(problem)), None

    def backward(self, implementation: Implementation, problem: Problem, context: Any, role: str = "") -> Results:
        way, form = self.way(implementation), self.known_form(implementation, "col2im")
        columns = way["layout"].to(problem.gradient, _sizes(problem))
        shape = problem.x.shape[1:] if way["single"] else problem.x.shape
        values = {**self._values(way, problem), "columns": problem.stored(columns), "shape": shape}
        dx = form.call(implementation["col2im"], values)
        return Results(None, dx[None] if way["single"] and isinstance(dx, np.ndarray) else dx)

    def _values(self, way: Mapping[str, Any], problem: Problem) -> dict[str, Any]:
        sizes = {name: getattr(problem, name) for name in ("kernel", "stride", "padding")}
        return {
            **{name: pair if name in way["paired"] else pair[0] for name, pair in sizes.items()},
            "x": problem.stored(problem.x[0] if way["single"] else problem.x),
            "kernel_h": problem.kernel[0],
            "kernel_w": problem.kernel[1],
            "out_h": problem.out[0],
            "out_w": problem.out[1],
        }

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        way, calls = self.way(implementation), replace(calls, pairs=True)
        layout, single, (missing, _) = way["layout"], way["single"], self.limits(implementation)

        def windows(values: dict[str, Any]) -> tuple[Pair, dict[str, Pair]]:
            if "kernel" in values:
                kernel = _pair(values["kernel"], "kernel" in way["paired"])
            else:
                kernel = values["kernel_h"], values["kernel_w"]
            pairs = {name: _pair(values[name], name in way["paired"]) for name in _USUAL if name in values}
            if any(pairs.get(name, usual) != usual for name, usual in _USUAL.items() if name in missing):
                raise Declined  # one of both functions has no parameter for it
            return kernel, {**_USUAL, **pairs}

        def im2col(values: dict[str, Any]) -> Any:
            x = _images(values["x"], single)
            kernel, options = windows(values)
            sizes = Sizes(len(x), x.shape[1], kernel, output_size(x.shape[2:], kernel, **options, dilation=(1, 1)))
            told = tuple(values.get(name, size) for name, size in zip(("out_h", "out_w"), sizes.out))
            if min(*kernel, *options["stride"], *sizes.out) < 1 or min(options["padding"]) < 0 or told != sizes.out:
                raise Declined
            return calls.im2col(x, kernel, lambda x: layout.columns_of(x, sizes, **options), **options)

        def col2im(values: dict[str, Any]) -> Any:
            images, channels, height, width = (1, *values["shape"]) if single else values["shape"]
            plane, (kernel, options) = (height, width), windows(values)
            sizes = Sizes(images, channels, kernel, output_size(plane, kernel, **options, dilation=(1, 1)))
            dx = calls.col2im(layout.of(values["columns"], sizes), plane, kernel, **options)
            return dx[0] if single else dx

        made = {"im2col": im2col, "col2im": col2im}
        return {role: self.known_form(implementation, role).wrapped(made[role]) for role in implementation.targets}


class Cython(Columns):
    """``col2im_cython(cols, N, C, H, W, field_height, field_width, padding, stride)``."""

    def role_of(self, name: str, found: Any) -> str | None:
        fits = columns_role(name) == "col2im" and len(parameter_names(found)) == 9
        return "col2im" if fits and ("6d" in words(name)) == self._usual.apart else None

    def way(self, implementation: Implementation) -> Mapping[str, Any]:
        return {"layout": self._usual, "single": False, "paired": frozenset()}

    def limits(self, implementation: Implementation) -> tuple[Sequence[str], Sequence[str]]:
        return self.missing, self.single

    def backward(self, implementation: Implementation, problem: Problem, context: Any, role: str = "") -> Results:
        columns = problem.stored(self._usual.to(problem.gradient, _sizes(problem)))
        sizes = *problem.x.shape, *problem.kernel, problem.padding[0], problem.stride[0]
        return Results(None, implementation["col2im"](columns, *sizes))

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        def images_of(
            columns: Any, n: int, c: int, h: int, w: int, height: int, width: int, padding: int, stride: int
        ) -> Any:
            kernel, options = (height, width), {"stride": (stride, stride), "padding": (padding, padding)}
            sizes = Sizes(n, c, kernel, output_size((h, w), kernel, **options, dilation=(1, 1)))
            return calls.col2im(self._usual.of(columns, sizes), (h, w), kernel, stride=stride, padding=padding)

        return {"col2im": called_like(implementation["col2im"], images_of)}


def _sizes(problem: Problem) -> Sizes:
    images, channels, *_ = problem.x.shape
    return Sizes(images, channels, problem.kernel, problem.out)


def _images(x: Any, single: bool) -> Array:
    if not isinstance(x, np.ndarray) or x.ndim != 4 - single:
        raise Declined
    return x[None] if single else x


def _pair(value: Any, paired: bool) -> Pair:
    """A size of a call for both axes, if it is of the kind that was tried."""
    if paired and isinstance(value, (tuple, list)):
        height, width = value
        return height, width
    if paired or not isinstance(value, (int, np.integer)):
        raise Declined
    return int(value), int(value)


SCRATCH = Columns(
    "scratch.columns",
    "Goki Saito, Deep Learning from Scratch (2016), common/util.py",
    "im2col(input_data, filter_h, filter_w, stride, pad) -> (N*OH*OW, C*FH*FW); col2im(col, input_shape, …)",
    BOOK,
    ("kernel_h", "kernel_w", "stride", "padding"),
)
INDICES = Columns(
    "cs231n.columns",
    "Stanford CS231n, assignment 2, im2col.py",
    "im2col…(x, field_height, field_width, padding, stride) -> (C*HH*WW, OH*OW*N); col2im…(cols, x_shape, …)",
    COURSE,
    ("kernel_h", "kernel_w", "padding", "stride"),
)
PLAIN = Columns(
    "plain.columns",
    "courses and blogs",
    "im2col(x, kernel_size, stride, padding) -> columns in any order; col2im(columns, shape, kernel_size, …) -> x",
    Layout(("n", "ck", "l")),
)
CYTHON = Cython(
    "cs231n.columns_cython",
    "Stanford CS231n, assignment 2, im2col_cython.pyx",
    "col2im…(cols, N, C, H, W, field_height, field_width, padding, stride)",
    COURSE,
)
SIX_AXES = Cython(
    "cs231n.columns_6d",
    "Stanford CS231n, assignment 2, im2col_cython.pyx",
    "col2im_6d…(cols, N, C, H, W, HH, WW, pad, stride) with cols (C, HH, WW, N, OH, OW)",
    SIX,
)
