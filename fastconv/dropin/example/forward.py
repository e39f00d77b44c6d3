"""Which convolution or pooling a forward function computes, found by trying on one call of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from fastconv.dropin.conventions.problem import Pair
from fastconv.dropin.example.bias import UnknownBias, find_bias
from fastconv.dropin.example.black_box import BlackBox, Call
from fastconv.dropin.example.description import Forward, Image, Weight
from fastconv.dropin.example.layouts import FILTERS, MATRICES, Axes, Filters, image_orders, kernels_of
from fastconv.dropin.example.slots import RESULT, Attribute, Slot, arrays_in
from fastconv.dropin.example.windows import CLOSE, Sample, Windows, convolution_windows, pooling_windows
from fastconv.errors import InvalidValueError
from fastconv.validation.arrays import Array

_TRIED = 4000  # hypotheses about one pair of input and output
_KEPT = 12  # hypotheses that agree, of which one is right
_IMAGES, _PLANE = 2, (17, 19)  # of a large input, to begin with

Part = list[tuple[int | None, str]]  # how much of each axis, and what axis that has to be


@dataclass(frozen=True)
class Observation:
    """A call that was run.

    Parameters
    ----------
    before : dict of Slot to ndarray
        Arrays that went in, as they were.
    call : dict
        The call afterwards, with the result.
    outputs : dict of Slot to ndarray
        Arrays that came out: in the result, or where there was another one before.
    """

    before: dict[Slot, Array]
    call: Call
    outputs: dict[Slot, Array]


class Search:
    """What was tried, and how close it came.

    Attributes
    ----------
    nearest : str
        The first hypothesis whose sizes fit and whose numbers do not, in words.
    error : str
        What the function raised when it was tried.
    """

    def __init__(self) -> None:
        self.nearest = self.error = ""
        self._distance = float("inf")

    def is_news(self, error: float) -> bool:
        """Whether a hypothesis with this error fits, or is the nearest so far."""
        return error < max(CLOSE, self._distance)

    def fits(self, found: Forward, error: float) -> bool:
        """Whether a hypothesis whose sizes fit has the numbers, too."""
        if error >= CLOSE and error < self._distance:
            self.missed(f"{found.words()}, but differs by {error:.2g} of the largest number", error)
        return error < CLOSE

    def missed(self, words: str, error: float) -> None:
        """Note what came close."""
        self.nearest, self._distance = words, error


def observe(box: BlackBox, call: Call) -> Observation:
    """Run a call and see what comes out."""
    inputs = arrays_in(call)
    before = {slot: array.copy() for slot, array in inputs.items()}
    box.run(call)
    outputs = {}
    for slot, array in sorted(arrays_in(call).items(), key=lambda found: found[0].root != RESULT):
        changed = slot not in inputs or array is not inputs[slot] or not _equal(array, before[slot])
        if array.ndim > 1 and (slot.root == RESULT or changed):
            outputs[slot] = array
    return Observation(before, call, outputs)


def _equal(one: Array, other: Array) -> bool:
    return one.shape == other.shape and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def drawn(box: BlackBox, *, integers: bool) -> Call:
    """Return the example with other numbers in all arrays: those of the example may be zeros.

    Parameters
    ----------
    box : BlackBox
        The function.
    integers : bool
        Draw real numbers for arguments that are arrays of integers, too.
    """
    call, rng = box.call, np.random.default_rng(0)
    for slot, array in arrays_in(call).items():
        if array.dtype.kind == "f":
            box.put(call, slot, rng.standard_normal(array.shape).astype(array.dtype))
        elif integers and array.ndim > 1 and not slot.steps:
            box.put(call, slot, rng.standard_normal(array.shape))
    return call


def solve_forward(box: BlackBox) -> list[Forward]:
    """Find what a forward function computes.

    Parameters
    ----------
    box : BlackBox
        It and its example.

    Returns
    -------
    list of Forward
        The descriptions that agree with the example in every number, the likeliest first; all sizes as in the example.

    Raises
    ------
    ValueError
        If there is none; the message says what came closest.
    """
    search = Search()
    for integers in (True, False):
        call = drawn(box, integers=integers)
        found: list[Forward] = []
        for slot in _images(call):
            found += islice(_with_input(box, call, slot, search), _KEPT - len(found))
            if found and (found[0].weight is None or not found[0].weight.filters.flipped):
                break  # otherwise image and filters may be taken for each other
        if found:
            return found
        if all(array.dtype.kind == "f" for array in arrays_in(box.call).values()):
            break
    raise InvalidValueError(_nothing(box, search))


def _images(call: Call) -> list[Slot]:
    """Slots in which the input may lie: of the arguments, and only where none is an image, of attributes."""
    slots = [slot for slot, array in arrays_in(call).items() if array.ndim in (2, 3, 4)]
    given = [slot for slot in slots if not any(isinstance(step, Attribute) for step in slot.steps)]
    return given or slots


def _nothing(box: BlackBox, search: Search) -> str:
    must = f"accelerate: {box.name} must compute a convolution or pooling of an array of the example"
    if search.nearest:
        return f"{must}, but got none; {search.nearest}."
    if search.error:
        return f"{must}, but it raised {search.error}."
    return f"{must}, but got no output whose size fits one. Layouts, filters and sizes of every order were tried."


def _with_input(box: BlackBox, call: Call, slot: Slot, search: Search) -> Iterator[Forward]:
    """Hypotheses with the input in a slot: the output for it, less that for zeros, is linear in convolutions."""
    whole = slot.get(call)
    for part in _parts(whole.shape):
        x, found = whole[tuple(slice(size) for size, _ in part)], False
        try:
            seen, still = (observe(box, _with_x(box, call, slot, each)) for each in (x, 0 * x))
        except Exception as error:  # noqa: BLE001 - theirs: the next hypothesis may run
            search.error = search.error or f"{type(error).__name__}: {error}"
            continue
        for at, y in seen.outputs.items():
            try:
                offset = at.get(still.call)
            except (AttributeError, IndexError, KeyError, TypeError):
                continue
            if y.ndim in (2, 3, 4) and at != slot and np.shape(offset) == y.shape and not np.array_equal(y, offset):
                for forward in _between(seen, (slot, x), (at, y, offset), search):
                    if all(letter in ("", axis) for axis, (_, letter) in zip(forward.x.axes.order, part)):
                        found = True
                        yield forward
        if found:
            return


def _parts(shape: tuple[int, ...]) -> Iterator[Part]:
    """Parts of an input that would show what is computed in less time, and all of it."""
    whole: Part = [(None, "")] * len(shape)
    few = list(whole)
    if len(shape) == 4 and shape[0] > _IMAGES:
        few[0] = (_IMAGES, "N")
    planes = [axis for axis in range(len(shape) == 4, len(shape) - 1) if min(shape[axis : axis + 2]) > 2 * _PLANE[0]]
    if planes:
        small, axis = list(few), max(planes, key=lambda axis: min(shape[axis : axis + 2]))
        small[axis : axis + 2] = (_PLANE[0], "H"), (_PLANE[1], "W")
        yield small
    if few != whole:
        yield few
    yield whole


def _with_x(box: BlackBox, call: Call, slot: Slot, x: Array) -> Call:
    """The call with another input; whatever it shares with the first is copied."""
    copied = box.call
    for each, array in arrays_in(call).items():
        box.put(copied, each, array.copy())
    box.put(copied, slot, x.copy())
    return copied


def _between(
    seen: Observation, given: tuple[Slot, Array], came: tuple[Slot, Array, Array], search: Search
) -> Iterator[Forward]:
    (x_slot, x), (y_slot, y, offset) = given, came
    other = {slot: array for slot, array in seen.before.items() if slot != x_slot and array.dtype.kind == "f"}
    for x_axes, y_axes in image_orders(x.ndim, y.ndim):
        image, output = x_axes.full_of(x), y_axes.full_of(y - offset)
        if len(image) != len(output):
            continue
        ends = Image(x_slot, x_axes), Image(y_slot, y_axes)
        if image.shape[1] == output.shape[1] and not offset.any():
            yield from _poolings(ends, image, output, search)
        for weight in other.items():
            yield from _convolutions(ends, image, output, y_axes.full_of(offset), weight, seen.call, search)


def _poolings(ends: tuple[Image, Image], x: Array, y: Array, search: Search) -> Iterator[Forward]:
    sample = Sample(x, y, -np.inf)
    for windows in islice(pooling_windows(x.shape[2:], y.shape[2:]), _TRIED):
        for operation, error in sample.pooling_errors(windows).items() if windows.taps > 1 else ():
            if search.is_news(error):
                found = Forward(operation, *ends, None, None, _sizes(windows, "kernel"), _fixed(x))
                if search.fits(found, error):
                    yield found


def _sizes(windows: Windows, *also: str) -> dict[str, Pair]:
    return {name: windows.pair(name) for name in (*also, "stride", "padding", "dilation")}


def _fixed(x: Array, weight: Array | None = None) -> dict[str, int]:
    sizes = dict(zip("NCHW", x.shape))
    return sizes if weight is None else {**sizes, "F": len(weight), **dict(zip(("KH", "KW"), weight.shape[2:]))}


def _filters(weight: Array, channels: int, filters: int) -> Iterator[Filters]:
    """Orders in which an array can be filters for so many channels."""
    for order in FILTERS.get(weight.ndim, ()):
        sizes = Axes(order, "FCHW").sizes(weight.shape)
        if (sizes["F"], sizes["C"]) == (filters, channels):
            yield Filters(order)
    for order in MATRICES if weight.ndim == 2 else ():
        rows, taps = weight.shape if order[0] == "F" else weight.shape[::-1]
        if rows == filters and taps % channels == 0:
            yield from (Filters(order, kernel=kernel) for kernel in kernels_of(taps // channels))


def _convolutions(
    ends: tuple[Image, Image], x: Array, y: Array, offset: Array, given: tuple[Slot, Array], call: Call, search: Search
) -> Iterator[Forward]:
    (slot, array), sample = given, Sample(x, y)
    for straight in _filters(array, x.shape[1], y.shape[1]):
        orders = [straight, replace(straight, flipped=True)]
        weights = [order.full_of(array) for order in orders]
        kernel = weights[0].shape[2:]
        for windows in islice(convolution_windows(x.shape[2:], kernel, y.shape[2:]), _TRIED):
            for order, error in zip(orders, sample.convolution_errors(weights, windows)):
                if not search.is_news(error):
                    continue
                found = Forward("conv2d", *ends, Weight(slot, order), None, _sizes(windows), _fixed(x, weights[0]))
                if search.fits(found, error):
                    try:
                        yield replace(found, bias=find_bias(ends[1], (ends[0].slot, slot), offset, call))
                    except UnknownBias:
                        search.missed(f"{found.words()}, with something added that is no value of the call", 0.0)
